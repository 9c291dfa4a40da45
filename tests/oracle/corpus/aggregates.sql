-- Every aggregate that is computed in two steps, and those that are not, over every kind of input.

-- for AGG: count(*) | count(k) | count(s) | sum(k) | sum(id) | sum(m) | sum(big) | sum(x) | sum(f) | avg(k) | avg(m) | avg(x) | avg(f) | avg(big) | avg(day) | min(k) | min(s) | min(d) | max(d) | max(s) | min(day) | max(ts) | min(flag) | max(big) | bool_and(flag) | bool_or(flag) | bit_and(k) | bit_or(k) | bit_xor(id) | count_if(flag) | count_if(k > 50) | stddev_samp(x) | stddev_pop(k) | var_pop(m) | var_samp(x) | variance(f) | stddev(id) | product(1 + g / 1e6) | fsum(x) | kahan_sum(x) | median(k) | median(m) | quantile_cont(x, 0.3) | quantile_disc(s, 0.5) | mode(g) | mad(k) | entropy(g) | kurtosis(x) | skewness(x) | corr(x, k) | covar_pop(x, g) | covar_samp(k, id) | regr_slope(x, g) | regr_count(k, x) | regr_avgx(k, x) | regr_r2(x, g) | arg_max(id, x * 100000 + id) | arg_min(s, id) | max_by(k, id) | min_by(day, id) | max(k, 3) | min(id, 2) | arg_max(id, id, 2) | count(DISTINCT k) | count(DISTINCT s) | count(DISTINCT d) | count(DISTINCT day) | sum(DISTINCT k) | avg(DISTINCT g) | sum(DISTINCT m) | string_agg(s, ',' ORDER BY id) | list(k ORDER BY id) | array_agg(DISTINCT g ORDER BY g DESC) | first(s ORDER BY id) | last(k ORDER BY id) | histogram(g) | bitstring_agg(g, 0, 40) | any_value(k ORDER BY id) | sum(CASE WHEN flag THEN k END) | sum(k) / count(*) | max(s) || min(s) | round(avg(k), 3) | -sum(k) | sum(sum_k) FILTER (WHERE sum_k > 3) | favg(x) | sem(x) | geomean(x + 1) | bit_count(bit_or(k)) | quantile_cont(k, [0.1, 0.9]) | sum(-k) | sum(flag::INT) | avg(flag::INT)
SELECT AGG AS a FROM (SELECT *, k AS sum_k FROM ev);
-- for AGG: count(*) | sum(k) | sum(m) | avg(k) | avg(m) | avg(x) | min(s) | max(d) | bool_and(flag) | bit_xor(id) | count_if(flag) | stddev_samp(x) | var_pop(m) | median(k) | quantile_cont(x, 0.3) | mode(t) | corr(x, k) | regr_slope(x, id) | arg_max(id, id) | max(k, 3) | count(DISTINCT k) | sum(DISTINCT k) | string_agg(s, ',' ORDER BY id) | list(k ORDER BY id) | histogram(t) | first(s ORDER BY id) | count(s) FILTER (WHERE flag) | sum(m) FILTER (WHERE k > 50) | count(DISTINCT s) FILTER (WHERE NOT flag) | product(t + 1.5) | covar_pop(x, k) | any_value(g) | min(big) | entropy(t)
SELECT g, AGG AS a FROM ev GROUP BY g;
-- for AGG: count(*) | count(a) | sum(a) | avg(c) | min(b) | max(a) | stddev(c) | var_pop(c) | median(a) | count(DISTINCT a) | bool_or(a > 1) | bit_or(a) | list(a ORDER BY id) | string_agg(b, ',' ORDER BY id) | arg_max(id, a * 10000 + id) | sum(c) | product(c) | any_value(b) | corr(a, c) | quantile_disc(c, 0.5) | count(a) FILTER (WHERE c > 5)
SELECT AGG AS v FROM nulls;
-- for AGG: count(*) | count(a) | sum(a) | avg(c) | min(b) | max(a) | stddev(c) | median(a) | count(DISTINCT a) | bool_or(a > 1) | var_samp(c)
SELECT s, AGG AS v FROM nulls GROUP BY s;
-- for AGG: count(*) | sum(k) | avg(m) | min(s) | max(d) | stddev(x) | count(DISTINCT k) | list(k) | bool_and(flag) | product(x) | arg_max(k, id) | median(k) | count(*) FILTER (WHERE flag) | bit_and(k) | coalesce(sum(k), -1) | string_agg(s, ',')
-- for TABLE: ev WHERE id < 0 | none | ev WHERE NULL
SELECT AGG AS v FROM (SELECT * FROM TABLE);
-- for AGG: count(*) | sum(k) | min(s) | count(DISTINCT k)
SELECT g, AGG AS v FROM ev WHERE id < 0 GROUP BY g;
-- for AGG: count(*) AS n, count(k) AS c, sum(k) AS s, avg(k) AS a | sum(k) AS s, sum(k) AS t, sum(k) AS s | count(DISTINCT k) AS a, sum(m) AS b, count(DISTINCT s) AS c | min(k) AS a, max(k) AS b, max(k) - min(k) AS r | count(*), sum(k), avg(m) | sum(k) FILTER (WHERE flag) AS a, sum(k) FILTER (WHERE NOT flag) AS b, sum(k) AS c | 1 AS one, count(*) AS n, 'x' AS x | count(DISTINCT k), sum(DISTINCT k), avg(DISTINCT k) | median(k), avg(k), count(*)
SELECT AGG FROM ev;
-- for AGG: count(*) AS n, count(k) AS c, sum(k) AS s, avg(k) AS a | sum(k) AS s, sum(k) AS t | count(DISTINCT k) AS a, sum(m) AS b, count(DISTINCT s) AS c | median(k), avg(k), count(*), count(DISTINCT s) FILTER (WHERE flag) | g + 1 AS g1, sum(k + g) AS x | count(DISTINCT (k, flag)) AS n
SELECT g, AGG FROM ev GROUP BY g;
SELECT sum(t128) AS a, avg(t128) AS b, max(t128) AS c FROM types WHERE id < 3;
SELECT sum(m4) AS a, sum(m9) AS b, sum(m18) AS c, sum(m38) AS d, avg(m4) AS e, avg(m9) AS f, avg(m18) AS g, avg(m38) AS h FROM types;
SELECT t8, sum(m4) AS a, sum(m9) AS b, sum(m18) AS c, sum(m38) AS d, avg(m4) AS e, avg(m9) AS f, avg(m18) AS g, avg(m38) AS h FROM types GROUP BY t8;
SELECT sum(u8) AS a, sum(u16) AS b, sum(u32) AS c, sum(u64) AS d, avg(u64) AS e, avg(t128) AS f FROM types;
SELECT t8, min(tm) AS a, max(tz) AS b, min(u) AS c, max(iv) AS d, min(b) AS e, max(l) AS f, min(st) AS g, max(tns) AS h, min(tsec) AS i FROM types GROUP BY t8;
SELECT avg(tm) AS a, avg(ts) AS b, avg(day) AS c, avg(tz) AS d FROM types;
SELECT t8, avg(ts) AS b FROM types GROUP BY t8;
SELECT max(ev) FROM (SELECT id, k FROM ev) AS ev;
SELECT arg_max(s, x) IS NULL AS a, arg_max(NULL, id) AS b, arg_min(k, id) FILTER (WHERE k > 20) AS c FROM ev;
SELECT sum(x) + sum(x) AS a, sum(x) * count(x) AS b, sum(x) / nullif(count(*), 0) AS c FROM ev;
SELECT approx_count_distinct(k) > 100 AS a FROM ev;
SELECT count(*) + (SELECT count(*) FROM dim) AS n FROM ev;
SELECT count() AS n, count(1) AS o, count(NULL) AS p FROM ev;
SELECT sum(1) AS a, sum(2.5) AS b, min('x') AS c, max(NULL) AS d, avg(3) AS e FROM ev;
SELECT sum(k)::DOUBLE / sum(g) AS r FROM ev HAVING count(*) > 5;
SELECT sum(k) AS r FROM ev HAVING count(*) < 5;
SELECT 1 AS x FROM ev HAVING true;
SELECT count(*) AS n FROM ev HAVING sum(k) IS NULL;
SELECT list_sort(list(DISTINCT k)) AS a, len(list(k)) AS b FROM ev;
SELECT g, list_sort(list(DISTINCT flag)) AS a, len(list(k)) AS b FROM ev GROUP BY g;
SELECT g, list_sort(list(k))[1:3] AS a FROM ev GROUP BY g;
SELECT count(d) AS a, count(DISTINCT d) AS b, min(d) AS c, max(d) AS e FROM ev WHERE d <> 'nan';
SELECT sum(k) OVER () AS s, count(*) AS n FROM ev GROUP BY k ORDER BY ALL LIMIT 7;
SELECT g, sum(count(*)) OVER (ORDER BY g) AS running FROM ev GROUP BY g;
SELECT g, rank() OVER (ORDER BY sum(k) DESC, g) AS r, sum(k) AS s FROM ev GROUP BY g;
SELECT g, sum(k) AS s, sum(k) * 100.0 / sum(sum(k)) OVER () AS pct FROM ev GROUP BY g;
SELECT t, flag, count(*) AS n, sum(count(*)) OVER (PARTITION BY t) AS by_t FROM ev GROUP BY t, flag;
SELECT sum(l_quantity * l_extendedprice) AS a, avg(l_quantity * l_discount) AS b, sum(l_discount * l_tax * l_quantity) AS c FROM lineitem;
SELECT l_returnflag, avg(l_quantity * l_discount) AS b, sum(l_discount * l_tax * l_quantity) AS c FROM lineitem GROUP BY ALL;
-- for AGG: geomean(x + 1) | geometric_mean(g + 1) | wavg(x, g) | weighted_avg(k, t)
SELECT t, AGG AS a FROM ev GROUP BY t;
SELECT count(*) > 0 AS a FROM ev WHERE ts < ago(INTERVAL 1 DAY);
SELECT len(json_group_array(k)::VARCHAR) AS a, json_group_structure(k)::VARCHAR AS b FROM ev WHERE k < 10 GROUP BY flag;
