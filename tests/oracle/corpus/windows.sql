-- Window functions and QUALIFY. ORDER BY in a window is total wherever the result would depend on ties.

-- for FUN: row_number() | rank() | dense_rank() | percent_rank() | cume_dist() | ntile(4) | lag(k) | lead(k, 2) | lag(s, 1, 'none') | first_value(k) | last_value(k) | nth_value(k, 2) | sum(k) | count(*) | avg(k) | min(s) | max(m) | list(t) | sum(k) FILTER (WHERE flag) | count(DISTINCT g) | lag(k IGNORE NULLS) | first_value(k IGNORE NULLS) | stddev(k) | string_agg(t::VARCHAR, '')
-- for SPEC: PARTITION BY g ORDER BY id | PARTITION BY g, flag ORDER BY x, id | ORDER BY id | PARTITION BY k ORDER BY id DESC
SELECT id, FUN OVER (SPEC) AS w FROM ev WHERE id % 3 = 0;
-- for FRAME: ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING | ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW | ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING | RANGE BETWEEN 10 PRECEDING AND 10 FOLLOWING | GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW | ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING | ROWS UNBOUNDED PRECEDING | RANGE BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING | ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING EXCLUDE CURRENT ROW | ROWS BETWEEN 3 PRECEDING AND 3 FOLLOWING EXCLUDE TIES
SELECT id, sum(k) OVER (PARTITION BY g ORDER BY id FRAME) AS s, max(s) OVER (PARTITION BY g ORDER BY id FRAME) AS m FROM ev;
-- for FUN: sum(k) | count(*) | avg(m) | min(s) | max(d) | bool_or(flag) | count(DISTINCT k) | median(k)
SELECT id, FUN OVER (PARTITION BY g) AS a, FUN OVER () AS b FROM ev WHERE id % 2 = 0;
SELECT id, sum(k) OVER (PARTITION BY g) AS a, sum(k) OVER (PARTITION BY flag) AS b, sum(k) OVER (PARTITION BY g, flag) AS c FROM ev;
SELECT id, rank() OVER w AS r, sum(k) OVER w AS s FROM ev WINDOW w AS (PARTITION BY g ORDER BY id);
SELECT id, rank() OVER (w ORDER BY id) AS r FROM ev WINDOW w AS (PARTITION BY g);
SELECT id, g FROM ev QUALIFY row_number() OVER (PARTITION BY g ORDER BY id) <= 2;
SELECT id, g, r FROM (SELECT id, g, row_number() OVER (PARTITION BY g ORDER BY x DESC, id) AS r FROM ev) WHERE r = 1;
SELECT id, g, row_number() OVER (PARTITION BY g ORDER BY id) AS r FROM ev QUALIFY r = 3;
SELECT g, count(*) AS n, rank() OVER (ORDER BY count(*) DESC, g) AS r FROM ev GROUP BY g;
SELECT g, flag, count(*) AS n, sum(count(*)) OVER (PARTITION BY g) AS s FROM ev GROUP BY g, flag;
SELECT g, count(*) AS n FROM ev GROUP BY g QUALIFY rank() OVER (ORDER BY n DESC, g) <= 3;
SELECT *, row_number() OVER (PARTITION BY k ORDER BY id) AS r FROM gaps;
SELECT gaps.*, count(*) OVER (PARTITION BY g) AS r FROM gaps;
SELECT * EXCLUDE (s), count(*) OVER (PARTITION BY g) AS r FROM gaps;
SELECT id, lag(day) OVER (PARTITION BY t ORDER BY id) AS p, day - lag(day) OVER (PARTITION BY t ORDER BY id) AS diff FROM ev;
SELECT id, sum(k) OVER (PARTITION BY s ORDER BY id) AS a FROM ev;
SELECT id, sum(k) OVER (PARTITION BY d ORDER BY id) AS a FROM ev WHERE d IS NULL OR d <= 0 OR isnan(d);
SELECT id, count(*) OVER (PARTITION BY date_trunc('month', day) ORDER BY id) AS a FROM ev;
SELECT id, sum(x) OVER (PARTITION BY g ORDER BY id ROWS 2 PRECEDING) AS a FROM ev;
SELECT g, max(r) AS m FROM (SELECT g, row_number() OVER (PARTITION BY g ORDER BY id) AS r FROM ev) GROUP BY g;
SELECT count(*) AS n FROM (SELECT id FROM ev QUALIFY count(*) OVER (PARTITION BY k) > 20);
SELECT a.id, sum(b.v) OVER (PARTITION BY a.g ORDER BY a.id) AS s FROM ev a JOIN other b ON a.id = b.id;
SELECT a.id, b.name, count(*) OVER (PARTITION BY b.name) AS n FROM ev a LEFT JOIN dim b USING (g) WHERE a.id < 500;
SELECT id, k, k - avg(k) OVER (PARTITION BY g) AS dev FROM ev;
SELECT id, row_number() OVER (PARTITION BY g ORDER BY id) AS r FROM none;
SELECT id, sum(k) OVER (PARTITION BY g ORDER BY id) AS r FROM one;
SELECT u, count(*) OVER (PARTITION BY u ORDER BY id) AS n, id FROM types;
SELECT l, id, row_number() OVER (PARTITION BY l ORDER BY id) AS n FROM types;
SELECT iv, id, row_number() OVER (PARTITION BY iv ORDER BY id) AS n FROM types;
SELECT id, sum(k) OVER (PARTITION BY g + 1 ORDER BY id) AS a, g + 1 AS h FROM ev;
SELECT DISTINCT g, max(k) OVER (PARTITION BY g) AS m FROM ev;
-- ordered
SELECT id, sum(k) OVER (PARTITION BY g ORDER BY id) AS a FROM ev ORDER BY a DESC NULLS LAST, id LIMIT 20;
SELECT l_orderkey, l_linenumber, sum(l_quantity) OVER (PARTITION BY l_orderkey ORDER BY l_linenumber) AS q FROM lineitem;
SELECT o_custkey, o_orderkey, rank() OVER (PARTITION BY o_custkey ORDER BY o_totalprice DESC, o_orderkey) AS r FROM orders QUALIFY r <= 2;
SELECT c_custkey, ntile(5) OVER (ORDER BY c_acctbal, c_custkey) AS t FROM customer;
