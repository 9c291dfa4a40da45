-- Run by tests/unit/test_plan_exec.c: = same order, ! must be split.
!SELECT * FROM f
!=SELECT id, k FROM f LIMIT 20
!=SELECT id FROM f LIMIT 10 OFFSET 7
!=SELECT id FROM f OFFSET 5
!SELECT id + 1, upper(g) FROM f WHERE x > 0
!SELECT f FROM f WHERE id < 5
!SELECT st.p, st.q, f.st.p FROM f WHERE st.q = 's1'
!SELECT l[1], list_transform(l, e -> e + 1) FROM f
!SELECT id AS a, a + 1 AS b2 FROM f WHERE a > 10
!SELECT * EXCLUDE (l, st) FROM f
!SELECT COLUMNS('d.*') FROM f
!SELECT fx.* REPLACE (k + 1 AS k) FROM f fx
!SELECT q.a FROM f AS q(a, b2)
!=SELECT id FROM f LIMIT 0
!SELECT id, unnest(l) FROM f
!SELECT f.id, u.e FROM f, unnest(f.l) AS u(e)
!SELECT id FROM f WHERE g LIKE 'g%' OR d BETWEEN 1 AND 2
!=SELECT id, id AS id2, id FROM f ORDER BY id LIMIT 3
!=SELECT id, k, g FROM f ORDER BY id LIMIT 13 OFFSET 4
!=SELECT id, k, g FROM f ORDER BY id DESC LIMIT 13 OFFSET 4
!=SELECT id, k, g FROM f ORDER BY k, id LIMIT 13 OFFSET 4
!=SELECT id, k, g FROM f ORDER BY k NULLS FIRST, id LIMIT 13 OFFSET 4
!=SELECT id, k, g FROM f ORDER BY g DESC NULLS LAST, id LIMIT 13 OFFSET 4
!=SELECT id, k, g FROM f ORDER BY x, id LIMIT 13 OFFSET 4
!=SELECT id, k, g FROM f ORDER BY d DESC, 1 LIMIT 13 OFFSET 4
!=SELECT id, k, g FROM f ORDER BY dt, ts, id LIMIT 13 OFFSET 4
!=SELECT id, k, g FROM f ORDER BY k + big, id LIMIT 13 OFFSET 4
!=SELECT id, k, g FROM f ORDER BY -id LIMIT 13 OFFSET 4
!=SELECT id, k, g FROM f ORDER BY ALL LIMIT 13 OFFSET 4
!=SELECT id, k, g FROM f ORDER BY 1 LIMIT 13 OFFSET 4
!=SELECT id, k, g FROM f ORDER BY abs(x) DESC NULLS LAST, id LIMIT 13 OFFSET 4
!=SELECT id, k, g FROM f ORDER BY lower(g), id DESC LIMIT 13 OFFSET 4
!=SELECT id, g FROM f ORDER BY g, id
!=SELECT * FROM f ORDER BY x DESC, id
!=SELECT id AS k, k AS id FROM f ORDER BY k LIMIT 9
!=SELECT -id AS id FROM f ORDER BY id LIMIT 5
!=SELECT -id AS id FROM f ORDER BY id + 0 LIMIT 5
=SELECT id FROM f ORDER BY id LIMIT 10%
!=SELECT id FROM f ORDER BY id LIMIT (SELECT 3)
!SELECT DISTINCT k FROM f
!SELECT DISTINCT k, g FROM f
!=SELECT DISTINCT g FROM f ORDER BY g
!=SELECT DISTINCT k, g FROM f ORDER BY 2, 1 LIMIT 6
!SELECT DISTINCT x > 0, b FROM f
!SELECT DISTINCT l FROM f
!SELECT DISTINCT x FROM f
!SELECT DISTINCT st FROM f
SELECT DISTINCT ON (k) k, id FROM f ORDER BY k, id
!=SELECT DISTINCT k + 1 AS kk FROM f ORDER BY kk DESC LIMIT 5
!SELECT DISTINCT * FROM f
!SELECT count(*) FROM (SELECT DISTINCT k, g FROM f)
!SELECT DISTINCT k, k FROM f
!SELECT count(*) FROM f
!SELECT g, count(*) FROM f GROUP BY g
!SELECT count(x) FROM f
!SELECT g, count(x) FROM f GROUP BY g
!SELECT sum(k) FROM f
!SELECT g, sum(k) FROM f GROUP BY g
!SELECT sum(d) FROM f
!SELECT g, sum(d) FROM f GROUP BY g
!SELECT sum(x) FROM f
!SELECT g, sum(x) FROM f GROUP BY g
!SELECT avg(k) FROM f
!SELECT g, avg(k) FROM f GROUP BY g
!SELECT avg(d) FROM f
!SELECT g, avg(d) FROM f GROUP BY g
!SELECT avg(x) FROM f
!SELECT g, avg(x) FROM f GROUP BY g
!SELECT avg(u) FROM f
!SELECT g, avg(u) FROM f GROUP BY g
!SELECT min(g) FROM f
!SELECT g, min(g) FROM f GROUP BY g
!SELECT max(dt) FROM f
!SELECT g, max(dt) FROM f GROUP BY g
!SELECT min(x) FROM f
!SELECT g, min(x) FROM f GROUP BY g
!SELECT max(d) FROM f
!SELECT g, max(d) FROM f GROUP BY g
!SELECT stddev(x) FROM f
!SELECT g, stddev(x) FROM f GROUP BY g
!SELECT stddev_pop(d) FROM f
!SELECT g, stddev_pop(d) FROM f GROUP BY g
!SELECT variance(k) FROM f
!SELECT g, variance(k) FROM f GROUP BY g
!SELECT var_pop(x) FROM f
!SELECT g, var_pop(x) FROM f GROUP BY g
!SELECT any_value(k) IS NULL FROM f
!SELECT g, any_value(k) IS NULL FROM f GROUP BY g
!SELECT bool_and(b) FROM f
!SELECT g, bool_and(b) FROM f GROUP BY g
!SELECT bool_or(b) FROM f
!SELECT g, bool_or(b) FROM f GROUP BY g
!SELECT bit_and(k) FROM f
!SELECT g, bit_and(k) FROM f GROUP BY g
!SELECT bit_or(k) FROM f
!SELECT g, bit_or(k) FROM f GROUP BY g
!SELECT bit_xor(big) FROM f
!SELECT g, bit_xor(big) FROM f GROUP BY g
!SELECT product(1 + x / 1000) FROM f
!SELECT g, product(1 + x / 1000) FROM f GROUP BY g
!SELECT arg_max(id, big * 1000 + id) FROM f
!SELECT g, arg_max(id, big * 1000 + id) FROM f GROUP BY g
!SELECT arg_min(g, id) FROM f
!SELECT g, arg_min(g, id) FROM f GROUP BY g
!SELECT max_by(id, id) FROM f
!SELECT g, max_by(id, id) FROM f GROUP BY g
!SELECT count_if(x > 0) FROM f
!SELECT g, count_if(x > 0) FROM f GROUP BY g
!SELECT count(DISTINCT k) FROM f
!SELECT g, count(DISTINCT k) FROM f GROUP BY g
!SELECT sum(DISTINCT k) FROM f
!SELECT g, sum(DISTINCT k) FROM f GROUP BY g
!SELECT avg(DISTINCT k) FROM f
!SELECT g, avg(DISTINCT k) FROM f GROUP BY g
!SELECT median(x) FROM f
!SELECT g, median(x) FROM f GROUP BY g
!SELECT quantile_cont(x, 0.25) FROM f
!SELECT g, quantile_cont(x, 0.25) FROM f GROUP BY g
!SELECT quantile_disc(k, [0.25, 0.75]) FROM f
!SELECT g, quantile_disc(k, [0.25, 0.75]) FROM f GROUP BY g
!SELECT mad(x) FROM f
!SELECT g, mad(x) FROM f GROUP BY g
!SELECT mode(b) FROM f
!SELECT g, mode(b) FROM f GROUP BY g
!SELECT entropy(k) FROM f
!SELECT g, entropy(k) FROM f GROUP BY g
!SELECT kurtosis(x) FROM f
!SELECT g, kurtosis(x) FROM f GROUP BY g
!SELECT skewness(x) FROM f
!SELECT g, skewness(x) FROM f GROUP BY g
!SELECT corr(x, k) FROM f
!SELECT g, corr(x, k) FROM f GROUP BY g
!SELECT covar_pop(x, k) FROM f
!SELECT g, covar_pop(x, k) FROM f GROUP BY g
!SELECT regr_slope(x, k) FROM f
!SELECT g, regr_slope(x, k) FROM f GROUP BY g
!SELECT sum(k) FILTER (WHERE b) FROM f
!SELECT g, sum(k) FILTER (WHERE b) FROM f GROUP BY g
!SELECT count(*) FILTER (x > 0 AND k > 2) FROM f
!SELECT g, count(*) FILTER (x > 0 AND k > 2) FROM f GROUP BY g
!SELECT avg(d) FILTER (b) FROM f
!SELECT g, avg(d) FILTER (b) FROM f GROUP BY g
!SELECT string_agg(g, ',' ORDER BY id) FROM f
!SELECT g, string_agg(g, ',' ORDER BY id) FROM f GROUP BY g
!SELECT list(k ORDER BY id) FROM f
!SELECT g, list(k ORDER BY id) FROM f GROUP BY g
!SELECT string_agg(DISTINCT g, '+' ORDER BY g) FROM f
!SELECT g, string_agg(DISTINCT g, '+' ORDER BY g) FROM f GROUP BY g
!SELECT histogram(k) FROM f
!SELECT g, histogram(k) FROM f GROUP BY g
!SELECT max(k, 3) FROM f
!SELECT g, max(k, 3) FROM f GROUP BY g
!SELECT arg_max(id, id, 2) FROM f
!SELECT g, arg_max(id, id, 2) FROM f GROUP BY g
!SELECT approx_count_distinct(k) FROM f
!SELECT g, approx_count_distinct(k) FROM f GROUP BY g
!SELECT avg(ts) FROM f
!SELECT g, avg(ts) FROM f GROUP BY g
!SELECT avg(big) FROM f
!SELECT g, avg(big) FROM f GROUP BY g
!SELECT sum(u) FROM f
!SELECT g, sum(u) FROM f GROUP BY g
!SELECT sum(b) FROM f
!SELECT g, sum(b) FROM f GROUP BY g
!SELECT fsum(x) FROM f
!SELECT g, fsum(x) FROM f GROUP BY g
!SELECT min(l) FROM f
!SELECT g, min(l) FROM f GROUP BY g
!SELECT max(st) FROM f
!SELECT g, max(st) FROM f GROUP BY g
!SELECT sum(k * 2 + 1) FROM f
!SELECT g, sum(k * 2 + 1) FROM f GROUP BY g
!SELECT sum(CASE WHEN b THEN d ELSE 0 END) FROM f
!SELECT g, sum(CASE WHEN b THEN d ELSE 0 END) FROM f GROUP BY g
!SELECT count(DISTINCT g) FILTER (b) FROM f
!SELECT g, count(DISTINCT g) FILTER (b) FROM f GROUP BY g
!SELECT max(DISTINCT k) FROM f
!SELECT g, max(DISTINCT k) FROM f GROUP BY g
!SELECT first(k ORDER BY id) FROM f
!SELECT g, first(k ORDER BY id) FROM f GROUP BY g
!SELECT arg_max(k, x) FILTER (b) FROM f
!SELECT g, arg_max(k, x) FILTER (b) FROM f GROUP BY g
!SELECT min(ts) FROM f
!SELECT g, min(ts) FROM f GROUP BY g
!SELECT count(st) FROM f
!SELECT g, count(st) FROM f GROUP BY g
!SELECT avg(x::FLOAT) FROM f
!SELECT g, avg(x::FLOAT) FROM f GROUP BY g
!SELECT sum(x::FLOAT) FROM f
!SELECT g, sum(x::FLOAT) FROM f GROUP BY g
!SELECT k, count(*), sum(d), avg(x) FROM f GROUP BY k
!SELECT k, g, count(*), sum(d), avg(x) FROM f GROUP BY k, g
!SELECT b, count(*), sum(d), avg(x) FROM f GROUP BY b
!SELECT dt, count(*), sum(d), avg(x) FROM f GROUP BY dt
!SELECT year(dt), month(dt), count(*), sum(d), avg(x) FROM f GROUP BY year(dt), month(dt)
!SELECT x, count(*), sum(d), avg(x) FROM f GROUP BY x
!SELECT l, count(*), sum(d), avg(x) FROM f GROUP BY l
!SELECT k % 3, count(*), sum(d), avg(x) FROM f GROUP BY k % 3
!SELECT g || 'x', count(*), sum(d), avg(x) FROM f GROUP BY g || 'x'
!SELECT k AS kk, count(*), sum(d), avg(x) FROM f GROUP BY 1
!SELECT k AS kk, count(*), sum(d), avg(x) FROM f GROUP BY ALL
!SELECT st.p, count(*), sum(d), avg(x) FROM f GROUP BY st.p
!SELECT d, count(*), sum(d), avg(x) FROM f GROUP BY d
!SELECT u, b, count(*), sum(d), avg(x) FROM f GROUP BY u, b
!SELECT k AS kk, sum(x) AS s FROM f GROUP BY kk HAVING s > 10
!SELECT g, count(*) AS n FROM f GROUP BY ALL HAVING n > 3 AND g IS NOT NULL
!=SELECT g, count(*) AS n FROM f GROUP BY g ORDER BY n DESC, g LIMIT 3
!=SELECT g FROM f GROUP BY g ORDER BY sum(id) DESC, g LIMIT 4
!=SELECT g, k, sum(id) FROM f GROUP BY g, k ORDER BY g, 2 DESC
!SELECT sum(x) / count(*), max(k) - min(k) FROM f
!SELECT count(*) + 1, sum(k) + sum(d), sum(k) FROM f
!SELECT k + 1, (k + 1) * 2, sum(d) FROM f GROUP BY k + 1
!SELECT F.K, f.k + 1, count(*) FROM f GROUP BY k
!SELECT 1 FROM f HAVING count(*) > 3
!SELECT 7, count(*) FROM f GROUP BY ()
!SELECT k FROM f GROUP BY k
!SELECT max(k) FROM f WHERE false
!SELECT k, max(x) FROM f WHERE id < 0 GROUP BY k
!SELECT count(*) FROM f WHERE k IS NULL
!SELECT g AS k, count(*) FROM f GROUP BY g
!SELECT k AS g, count(*) FROM f GROUP BY k
!SELECT k % 3 AS k, count(*) FROM f GROUP BY k
!SELECT k % 3 AS m3, count(*) FROM f GROUP BY m3 HAVING m3 > 0
!SELECT {'a': sum(k), 'b': count(*)}, {'b': sum(k)} FROM f
!SELECT list_transform([1, 2], e -> e + 1), sum(k) FROM f
!SELECT g, list_transform(list(k ORDER BY id), e -> e + 1) FROM f GROUP BY g
!SELECT coalesce(sum(k), -1), sum(k) IS NULL FROM f WHERE k > 100
!SELECT count(DISTINCT k), count(DISTINCT g) FROM f
!SELECT count(DISTINCT k), sum(DISTINCT k), avg(DISTINCT k), max(DISTINCT k) FROM f
!SELECT g, count(DISTINCT k), count(DISTINCT b) FROM f GROUP BY g
!SELECT b, count(DISTINCT k), sum(x) FROM f GROUP BY b
!SELECT g, b, count(*), sum(d), avg(k) FROM f GROUP BY ROLLUP (g, b)
!SELECT g, b, grouping(g, b), median(x) FROM f GROUP BY ROLLUP (g, b)
!SELECT g, b, count(*), sum(d), avg(k) FROM f GROUP BY CUBE (g, b)
!SELECT g, b, grouping(g, b), median(x) FROM f GROUP BY CUBE (g, b)
!SELECT g, b, count(*), sum(d), avg(k) FROM f GROUP BY GROUPING SETS ((g), (b), ())
!SELECT g, b, grouping(g, b), median(x) FROM f GROUP BY GROUPING SETS ((g), (b), ())
!SELECT g, b, count(*), sum(d), avg(k) FROM f GROUP BY GROUPING SETS ((g, b), (g))
!SELECT g, b, grouping(g, b), median(x) FROM f GROUP BY GROUPING SETS ((g, b), (g))
!SELECT g, b, count(*), sum(d), avg(k) FROM f GROUP BY g, ROLLUP (b)
!SELECT g, b, grouping(g, b), median(x) FROM f GROUP BY g, ROLLUP (b)
SELECT first(k) FROM f
SELECT list(id) FROM f
SELECT string_agg(g, ',') FROM f
!SELECT f.id, s.name FROM f JOIN s ON f.k = s.k
!SELECT s.name, count(*), sum(f.d) FROM f JOIN s ON f.k = s.k GROUP BY s.name
!SELECT f.id, s.name FROM f LEFT JOIN s ON f.k = s.k
!SELECT s.name, count(*), sum(f.d) FROM f LEFT JOIN s ON f.k = s.k GROUP BY s.name
!SELECT f.id, s.name FROM f LEFT JOIN s ON f.k = s.k AND s.name <> 'n1'
!SELECT s.name, count(*), sum(f.d) FROM f LEFT JOIN s ON f.k = s.k AND s.name <> 'n1' GROUP BY s.name
!SELECT f.id, s.name FROM f JOIN s ON f.k < s.k
!SELECT s.name, count(*), sum(f.d) FROM f JOIN s ON f.k < s.k GROUP BY s.name
!SELECT f.id, s.name FROM f CROSS JOIN s
!SELECT s.name, count(*), sum(f.d) FROM f CROSS JOIN s GROUP BY s.name
!SELECT f.id, s.name FROM f , s WHERE f.k = s.k
!SELECT s.name, count(*), sum(f.d) FROM f , s WHERE f.k = s.k GROUP BY s.name
!SELECT f.id, s.name FROM f LEFT JOIN m s ON f.k = s.k
!SELECT s.name, count(*), sum(f.d) FROM f LEFT JOIN m s ON f.k = s.k GROUP BY s.name
!SELECT f.id, s.name FROM f JOIN m s ON f.k = s.k
!SELECT s.name, count(*), sum(f.d) FROM f JOIN m s ON f.k = s.k GROUP BY s.name
!SELECT f.id FROM f SEMI JOIN s ON f.k = s.k
!SELECT f.id FROM f ANTI JOIN s ON f.k = s.k
!SELECT s.name, f.id FROM s RIGHT JOIN f ON f.k = s.k
SELECT s.name, f.id FROM s LEFT JOIN f ON f.k = s.k
SELECT s.name, f.id FROM s FULL JOIN f ON f.k = s.k
SELECT s.k FROM s SEMI JOIN f ON f.k = s.k
SELECT s.k FROM s ANTI JOIN f ON f.k = s.k
!SELECT * FROM f JOIN s USING (k)
!SELECT k, count(*) FROM f JOIN s USING (k) GROUP BY k
!SELECT count(*) FROM f NATURAL JOIN s
!SELECT f.id, s.name, m.name FROM f LEFT JOIN s ON f.k = s.k LEFT JOIN m ON m.k = s.k
!SELECT a.name, b.name, count(*) FROM f JOIN s a ON f.k = a.k JOIN s b ON f.u = b.k GROUP BY ALL
!=SELECT f.id, s.name FROM f JOIN s ON f.k = s.k ORDER BY f.id, s.name LIMIT 7
!SELECT count(*) FROM f ASOF JOIN s ON f.k >= s.k
!SELECT f.id, s.k FROM f ASOF LEFT JOIN s ON f.k >= s.k
SELECT count(*) FROM f POSITIONAL JOIN s
!SELECT DISTINCT s.name, f.g FROM f JOIN s ON f.k = s.k
!SELECT f.id, h.v FROM f JOIN h ON f.id = h.id
!SELECT f.id, h.v FROM f LEFT JOIN h ON f.id = h.id
!SELECT f.id, h.v FROM f RIGHT JOIN h ON f.id = h.id
!SELECT f.id, h.v FROM f FULL JOIN h ON f.id = h.id
!SELECT f.id FROM f SEMI JOIN h ON f.id = h.id
!SELECT f.id FROM f ANTI JOIN h ON f.id = h.id
!SELECT f.id FROM f SEMI JOIN h ON f.k = h.k
!SELECT f.id FROM f ANTI JOIN h ON f.k = h.k AND h.w > 50
!SELECT f.id, h.v FROM f LEFT JOIN h ON f.id = h.id AND h.w > 40
!SELECT f.id, h.v FROM f LEFT JOIN h ON f.id = h.id WHERE h.w > 40 OR h.w IS NULL
!SELECT f.id, h.v FROM f LEFT JOIN h ON f.id = h.id WHERE f.k > 3
!SELECT f.id, h.v FROM f RIGHT JOIN h ON f.id = h.id WHERE h.w > 30 AND f.k IS NULL
!SELECT count(*), sum(f.d), sum(h.w) FROM f, h WHERE f.id = h.id AND f.k > 2 AND h.w < 60
!SELECT h.v, count(*), avg(f.d) FROM f JOIN h USING (id) GROUP BY h.v
!SELECT id, v FROM f JOIN h USING (id)
!SELECT k, count(*) FROM f JOIN h USING (k) GROUP BY k
!SELECT count(*) FROM f FULL JOIN h USING (id)
!SELECT count(*) FROM f JOIN h USING (id, k)
SELECT count(*) FROM f JOIN h ON f.id < h.id WHERE f.id < 20
!SELECT f.id, h.v, h2.z FROM f JOIN h ON f.id = h.id JOIN h2 ON h2.id = f.id
!SELECT f.id, h.v, h2.z FROM f LEFT JOIN h ON f.id = h.id LEFT JOIN h2 ON h2.id = h.id
!SELECT f.id, h.v, h2.z FROM f FULL JOIN h ON f.id = h.id LEFT JOIN h2 ON h2.id = h.id
!SELECT f.id, h.v, h2.z FROM f, h, h2 WHERE f.id = h.id AND h.id = h2.id
SELECT count(*) FROM f JOIN h ON f.id = h.id JOIN h2 ON h2.k2 = h.k
!SELECT s.name, h.v, count(*) FROM f JOIN h ON f.id = h.id LEFT JOIN s ON s.k = f.k GROUP BY ALL
!=SELECT f.id, h.v, h.w FROM f JOIN h ON f.id = h.id ORDER BY f.id DESC, h.v, h.w LIMIT 10
!SELECT a.id, b.id FROM f a JOIN f b ON a.id = b.big
!SELECT DISTINCT h.v, f.g FROM f JOIN h ON f.id = h.id
!SELECT f.* FROM f JOIN h ON f.k = h.k AND f.id = h.id
SELECT f.*, h.* FROM f JOIN h ON f.id = h.id
!SELECT f.*, h.v FROM f JOIN h ON f.k = h.k WHERE h.w = 17
SELECT count(*) FROM f JOIN h ON f.x = h.w
!SELECT count(*) FROM f JOIN h ON f.g = h.v
!SELECT count(*) FROM f a LEFT JOIN h b ON a.id = b.id AND a.k > 5
!SELECT count(*) FROM h RIGHT JOIN f ON f.id = h.id AND h.w > 10
!SELECT s.name, count(*) FROM s JOIN f ON s.k = f.k JOIN h ON h.id = f.id GROUP BY s.name
!SELECT a FROM (SELECT id AS a, g FROM f WHERE k > 3) t WHERE g = 'g1'
!SELECT max(s) FROM (SELECT g, sum(d) AS s FROM f GROUP BY g) t
!SELECT s % 2, count(*) FROM (SELECT k, count(*) AS s FROM f GROUP BY k) t GROUP BY 1
!SELECT count(*) FROM (SELECT * FROM f ORDER BY id DESC LIMIT 10)
!SELECT f.id FROM f JOIN (SELECT k, avg(x) AS a FROM f GROUP BY k) m ON f.k = m.k WHERE f.x > m.a
!SELECT count(*) FROM (SELECT id FROM f WHERE b) p JOIN (SELECT id, v FROM h WHERE w > 10) q2 ON p.id = q2.id
!WITH c AS (SELECT g, count(*) AS n FROM f GROUP BY g) SELECT * FROM c WHERE n > 5
!WITH c AS (SELECT g, count(*) AS n FROM f GROUP BY g) SELECT a.g, b.n FROM c a JOIN c b ON a.g = b.g
!WITH c(p, q3) AS (SELECT k, d FROM f) SELECT p, sum(q3) FROM c GROUP BY p
!WITH a AS (SELECT * FROM f WHERE b), b AS (SELECT k, count(*) AS n FROM a GROUP BY k) SELECT sum(n) FROM b
!WITH f AS (SELECT * FROM f WHERE k = 1) SELECT count(*) FROM f
!SELECT x2, count(*) FROM (SELECT DISTINCT k, g AS x2 FROM f) GROUP BY x2
!SELECT g, n FROM (SELECT g, count(*) AS n FROM f GROUP BY g) WHERE n = (SELECT max(n) FROM (SELECT g, count(*) AS n FROM f GROUP BY g))
!SELECT * FROM (SELECT g, sum(d) AS s FROM f GROUP BY g) LEFT JOIN s ON s.name = g
!=SELECT * FROM (SELECT g, sum(d) AS s FROM f GROUP BY g) ORDER BY s DESC NULLS LAST, g LIMIT 2
WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 4) SELECT n, count(*) FROM r, f GROUP BY n
!SELECT count(*) FROM f, (SELECT max(k) AS mk FROM f) t WHERE f.k = t.mk
!SELECT t.g, h.v, t.n FROM (SELECT id % 50 AS id, max(g) AS g, count(*) AS n FROM f GROUP BY 1) t JOIN h ON h.id = t.id
!SELECT v, sum(n) FROM (SELECT v, k, count(*) AS n FROM h GROUP BY v, k) GROUP BY v
!SELECT k FROM (SELECT k, id FROM f WHERE id > 3) t LEFT JOIN (SELECT k AS kk FROM s) u2 ON t.k = u2.kk
!SELECT count(*) FROM f WHERE x > (SELECT avg(x) FROM f)
!SELECT id FROM f WHERE k IN (SELECT k FROM s)
!SELECT id FROM f WHERE k NOT IN (SELECT k FROM s WHERE k IS NOT NULL)
!SELECT id FROM f WHERE k NOT IN (SELECT k FROM s)
!SELECT id FROM f WHERE EXISTS (SELECT 1 FROM s WHERE s.k = f.k AND s.name = 'n1')
!SELECT id, (SELECT max(name) FROM s WHERE s.k = f.k) FROM f
!SELECT id FROM f WHERE id IN (SELECT id FROM h WHERE w > 50)
!SELECT id FROM f WHERE id NOT IN (SELECT id FROM h)
!SELECT g, sum(k) FROM f GROUP BY g HAVING sum(k) > (SELECT avg(k) FROM f)
!SELECT g, sum(k), (SELECT count(*) FROM s) FROM f GROUP BY g
!SELECT (SELECT count(*) FROM h), count(*) FROM f
SELECT id FROM f WHERE EXISTS (SELECT 1 FROM h WHERE h.id = f.id)
!SELECT id FROM f WHERE EXISTS (SELECT 1 FROM h WHERE w > 1000)
!SELECT sum((SELECT count(*) FROM s WHERE s.k = f.k)) FROM f
!=SELECT id FROM f ORDER BY (SELECT max(name) FROM s WHERE s.k = f.k), id LIMIT 5
!SELECT x > ANY (SELECT k FROM s) FROM f
!SELECT k, count(*) FROM f WHERE d < (SELECT max(w) FROM h WHERE h.k = 3) GROUP BY k
!SELECT id FROM f WHERE (k, g) IN (SELECT k, 'g' || k FROM s)
!SELECT k FROM f UNION ALL SELECT k FROM s
!=SELECT id FROM f WHERE b UNION ALL SELECT id FROM f WHERE NOT b
!SELECT k FROM f UNION SELECT k FROM h
!SELECT k, g FROM f INTERSECT SELECT k, v FROM h
!SELECT k FROM f INTERSECT SELECT k FROM h
!SELECT k FROM f EXCEPT SELECT k FROM s
!SELECT k FROM f EXCEPT ALL SELECT k FROM s
!SELECT k FROM f INTERSECT ALL SELECT k FROM h
!SELECT id FROM f UNION SELECT id FROM h
!SELECT d FROM f UNION SELECT w FROM h
!SELECT x FROM f UNION SELECT w FROM h
!=SELECT k FROM f UNION SELECT k FROM h ORDER BY 1 LIMIT 4
!=SELECT k FROM f UNION ALL SELECT k FROM h ORDER BY k DESC NULLS LAST LIMIT 4
!SELECT g, count(*) FROM f GROUP BY g UNION ALL SELECT v, count(*) FROM h GROUP BY v
!SELECT count(*) FROM (SELECT k FROM f UNION SELECT k FROM h)
!SELECT k, sum(n) FROM (SELECT k, 1 AS n FROM f UNION ALL SELECT k, 2 FROM h) GROUP BY k
!SELECT id, k FROM f UNION ALL BY NAME SELECT k, id FROM h
!SELECT id, k FROM f UNION BY NAME SELECT k, v FROM h
!SELECT k FROM f UNION SELECT k FROM h UNION SELECT u FROM f
!SELECT id, row_number() OVER (PARTITION BY g ORDER BY id) FROM f
!SELECT id, sum(d) OVER (PARTITION BY k) FROM f
!SELECT id, sum(d) OVER (PARTITION BY k ORDER BY id) FROM f
!SELECT id, rank() OVER (ORDER BY k) FROM f
!SELECT *, count(*) OVER (PARTITION BY k, g) FROM f
!SELECT id, lag(id) OVER (PARTITION BY g ORDER BY id), sum(k) OVER (PARTITION BY g, b) FROM f
!SELECT id, sum(k) OVER (PARTITION BY g), sum(k) OVER (PARTITION BY b) FROM f
!SELECT id, g FROM f QUALIFY row_number() OVER (PARTITION BY g ORDER BY id DESC) <= 2
!SELECT id, dense_rank() OVER (PARTITION BY b ORDER BY k) AS r FROM f QUALIFY r < 3
!SELECT g, sum(k), rank() OVER (ORDER BY sum(k)) FROM f GROUP BY g
!SELECT g, sum(sum(k)) OVER () FROM f GROUP BY g
!=SELECT id, sum(id) OVER (PARTITION BY k ORDER BY id) AS s FROM f ORDER BY s, id LIMIT 9
SELECT row_number() OVER () FROM f
!SELECT id, avg(x) OVER (PARTITION BY g ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) FROM f
!SELECT f.id, s.name, count(*) OVER (PARTITION BY s.name) FROM f LEFT JOIN s ON f.k = s.k
!SELECT g, max(r) FROM (SELECT g, row_number() OVER (PARTITION BY g ORDER BY id) AS r FROM f) GROUP BY g
!SELECT id, k % 2 AS p, sum(d) OVER (PARTITION BY k % 2) FROM f
!SELECT DISTINCT g, count(*) OVER (PARTITION BY g) FROM f
!SELECT id, ntile(3) OVER (PARTITION BY b ORDER BY id), first_value(id) OVER (PARTITION BY b ORDER BY id) FROM f
!SELECT id, sum(k) OVER w FROM f WINDOW w AS (PARTITION BY g)
!SELECT id, sum(k) FILTER (b) OVER (PARTITION BY g) FROM f
!SELECT h.v, f.id, sum(h.w) OVER (PARTITION BY f.id) FROM f JOIN h ON f.id = h.id
SELECT 42
SELECT * FROM s
SELECT count(*) FROM s JOIN m USING (k)
SELECT count(*) FROM range(10)
!SELECT r.range, count(*) FROM f, range(3) r GROUP BY 1
!SELECT v.a, count(*) FROM f JOIN (VALUES (1), (2)) v(a) ON f.k = v.a GROUP BY v.a
PIVOT f ON g IN ('g1', 'g2') USING sum(k) GROUP BY b
!FROM f SELECT k, count(*) GROUP BY k
!FROM f
!SELECT "k" AS "sel ect" FROM "f" AS "T x" WHERE "T x"."b"
!SELECT g, k, count(*) FROM f GROUP BY g, k ORDER BY count(*) DESC, g, k LIMIT 5
!SELECT sum(k) AS k FROM f HAVING k > 0
!SELECT -k AS k, sum(id) FROM f GROUP BY -k HAVING sum(id) > 100
-- Chains of joins over different keys.
!SELECT count(*), sum(f.id), min(h2.z) FROM f, h, h2 WHERE f.id = h.id AND h.k = h2.k2
!SELECT f.id, h.w, h2.z FROM f, h, h2 WHERE f.id = h.id AND h.w = h2.id
!SELECT f.id, v, z FROM f JOIN h ON f.id = h.id JOIN h2 ON h.w = h2.id WHERE f.k > 2 AND z <> 'z1' AND v LIKE 'v%'
!SELECT f.id, v, z FROM f JOIN h ON f.id = h.id JOIN h2 ON h.w = h2.id WHERE f.k = 2 AND z = 'z1'
!SELECT f.id, v, z, name FROM f, h, h2, m WHERE f.id = h.id AND h.w = h2.id AND m.k = f.k AND m.even
!SELECT id, h.v, h2.z FROM f JOIN h USING (id) JOIN h2 USING (id)
!SELECT f.k, count(*) AS n FROM f JOIN h USING (id, k) JOIN h2 ON h2.id = h.w GROUP BY f.k HAVING n > 1 ORDER BY n DESC, 1
!SELECT h.k AS k, count(*) FROM f JOIN h ON f.id = h.id JOIN h2 ON h2.id = h.w GROUP BY h.k HAVING h.k > 1 ORDER BY k
!SELECT f.id FROM f JOIN h ON f.id = h.id LEFT JOIN h2 ON h2.id = h.w AND h2.z = 'z1' WHERE h2.z IS NULL
!SELECT f.id, h2.z FROM f JOIN h ON f.id = h.id LEFT JOIN h2 ON h2.id = h.w AND h2.z = 'z1' AND f.k > 3
!SELECT f.id, h2.z, s.name FROM f LEFT JOIN h ON f.id = h.id LEFT JOIN h2 ON h2.id = h.w LEFT JOIN s ON s.k = h2.k2
!SELECT count(*) FROM f LEFT JOIN h ON f.id = h.id JOIN h2 ON h2.id = h.w
!SELECT count(*) FROM f LEFT JOIN h ON f.id = h.id, h2 WHERE h2.id = h.w AND h2.k2 = f.k
!SELECT f.id FROM f JOIN h ON f.id = h.id SEMI JOIN h2 ON h2.id = h.w
!SELECT f.id FROM f JOIN h ON f.id = h.id ANTI JOIN h2 ON h2.id = h.w AND h2.z <> h.v
!SELECT f.id FROM f SEMI JOIN h ON f.id = h.id AND f.k <> h.k ANTI JOIN h2 ON h2.id = f.big
!SELECT f.id, h.v FROM f ANTI JOIN h2 ON f.k = h2.k2, h WHERE h.w = f.id
!SELECT * FROM f, h, h2 WHERE f.id = h.id AND h.w = h2.id AND f.g = 'g1'
!SELECT h.*, z FROM f, h, h2 WHERE f.id = h.id AND h.w = h2.id
!=SELECT f.id, h.id, z FROM f, h, h2 WHERE f.id = h.id AND h.w = h2.id ORDER BY f.id, h.id, z LIMIT 7
!=SELECT f.id AS x1, z FROM f, h, h2 WHERE f.id = h.id AND h.w = h2.id ORDER BY x1 + 1 DESC, w, v, 2 LIMIT 7
!SELECT DISTINCT h.v, z FROM f, h, h2 WHERE f.id = h.id AND h.w = h2.id
!SELECT v, z, median(f.id), string_agg(g, '-' ORDER BY f.id, g) FROM f, h, h2 WHERE f.id = h.id AND h.w = h2.id GROUP BY 1, 2
!SELECT f.id, z, row_number() OVER (PARTITION BY z ORDER BY f.id, h.id, w, v) FROM f, h, h2 WHERE f.id = h.id AND h.w = h2.id
!SELECT count(*) FROM f, h, h2, f f2 WHERE f.id = h.id AND h.w = h2.id AND h2.k2 = f2.k AND f2.b AND f2.g = 'g2'
!SELECT count(*) FROM f, h, h2 WHERE f.id = h.id AND h.id = h2.id AND h.k = h2.k2
!SELECT q.s, h.v, z FROM (SELECT k, sum(big) AS s FROM f GROUP BY k) q, h, h2 WHERE q.k = h.k AND h.w = h2.id
!SELECT q.n, count(*) FROM (SELECT count(*) AS n FROM f) q, h, h2 WHERE h.w = h2.id AND h.k < q.n GROUP BY 1
!SELECT f.st.p, f.l[1], z FROM f, h, h2 WHERE f.id = h.id AND h.w = h2.id AND st.q = 's1'
!SELECT list_transform(f.l, e -> e + h.w), z FROM f, h, h2 WHERE f.id = h.id AND h.w = h2.id
!SELECT f.id FROM f, h, h2 WHERE f.id = h.id AND h.w = h2.id AND f.k IN (SELECT k FROM m WHERE even) AND h2.k2 > (SELECT avg(k2) FROM h2)
!SELECT count(*) FROM f, h, h2 WHERE f.id = h.id AND h.w = h2.id AND (h.v = 'v1' AND h2.z = 'z1' OR h.v = 'v2' AND h2.z = 'z2')
!SELECT count(*) FROM f, h, h2 WHERE f.id = h.id AND h.w = h2.id AND f.k + h2.k2 = 5 AND 1 = 1
!SELECT count(*) FROM f, h, h2 WHERE f.id = h.id AND h.w = h2.id AND false
!SELECT a.id, b.id, c.id FROM f a, f b, f c WHERE a.id = b.k AND b.id = c.big
!SELECT u.id, count(*) FROM f, h, h2 u WHERE f.id = h.id AND h.w = u.id GROUP BY ALL
!SELECT v AS z, z AS v FROM f, h, h2 WHERE f.id = h.id AND h.w = h2.id ORDER BY z, v
SELECT f.id FROM f, h, h2 WHERE f.id = h.id AND h.w > h2.id
SELECT f.id FROM f JOIN h ON f.id = h.id FULL JOIN h2 ON h.w = h2.id
SELECT f FROM f, h, h2 WHERE f.id = h.id AND h.w = h2.id
SELECT f.id FROM f, h, h2 WHERE f.id = h.id AND h.w = h2.id AND EXISTS (SELECT 1 FROM m WHERE m.k = f.k)
SELECT count(*), sum(f.id) FROM f JOIN h ON f.id = h.id AND f.id = h.w
-- Subqueries over large tables.
!SELECT id, k FROM f WHERE EXISTS (SELECT * FROM h WHERE h.id = f.id)
!SELECT id, k FROM f WHERE EXISTS (SELECT * FROM h WHERE h.k = f.k AND h.w > f.id)
!SELECT id, k FROM f WHERE NOT EXISTS (SELECT 1 FROM h WHERE h.id = f.id AND h.v = 'v1')
!SELECT id, k FROM f WHERE NOT (EXISTS (SELECT 1 FROM h WHERE h.k = f.k AND w < 20))
!SELECT id, k FROM f WHERE NOT EXISTS (SELECT 1 FROM h, h2 WHERE h.id = f.id AND h.w = h2.id AND z <> 'z2')
!SELECT k, count(*) FROM f a WHERE EXISTS (SELECT 1 FROM f b WHERE b.k = a.k AND b.id <> a.id AND b.g = 'g1') AND NOT EXISTS (SELECT 1 FROM f c WHERE c.k = a.k AND c.g = 'g2') GROUP BY k
!SELECT id FROM f WHERE k IN (SELECT k FROM h WHERE w > 30)
!SELECT id FROM f WHERE big IN (SELECT id FROM h GROUP BY id HAVING count(*) > 1)
!SELECT id FROM f WHERE k IN (SELECT k FROM h WHERE h.id = f.id)
!SELECT id FROM f WHERE k + 1 IN (SELECT k FROM h UNION SELECT k2 FROM h2)
!SELECT id FROM f WHERE id IN (SELECT id FROM h ORDER BY w, id LIMIT 9)
SELECT id FROM f WHERE (id, k) IN (SELECT id, k FROM h)
SELECT id FROM f WHERE k NOT IN (SELECT k FROM h WHERE k IS NOT NULL)
SELECT id FROM f WHERE k NOT IN (SELECT k FROM h)
!SELECT id, d FROM f WHERE d > (SELECT avg(w) FROM h WHERE h.k = f.k)
!SELECT id, d FROM f WHERE d * 10 < 0.2 * (SELECT sum(w) FROM h WHERE h.k = f.k AND h.v <> 'v3')
!SELECT id FROM f WHERE (SELECT count(*) FROM h WHERE h.k = f.k) = 0
!SELECT id FROM f WHERE 2 > (SELECT count(v) FROM h WHERE h.id = f.id AND v = 'v2')
!SELECT id, k FROM f WHERE id = (SELECT min(id) FROM f f2 WHERE f2.k = f.k)
!SELECT id, k FROM f WHERE id = (SELECT max(f2.id) FROM f f2, h WHERE f2.k = f.k AND h.id = f2.id AND h.w > 10) AND g = 'g1'
!SELECT f.id FROM f, h WHERE f.id = h.id AND h.v = 'v1' AND f.big > (SELECT 0.5 * avg(big) FROM f f2 WHERE f2.id = h.id)
!SELECT id FROM f WHERE id > (SELECT sum(w) FROM h WHERE h.id = f.id AND h.k = f.k)
SELECT id FROM f WHERE (SELECT sum(w) FROM h WHERE h.k = f.k) IS NULL
SELECT id FROM f WHERE coalesce((SELECT sum(w) FROM h WHERE h.k = f.k), -1) < 5
SELECT id FROM f WHERE (SELECT count(*) + 1 FROM h WHERE h.k = f.k) = 1
SELECT id FROM f WHERE 5 < (SELECT sum(w) FROM h WHERE h.k < f.k)
SELECT id FROM f WHERE 'v1' = (SELECT max(v) FROM h WHERE h.w = f.x)
SELECT id FROM f WHERE d > (SELECT avg(w) FROM h WHERE h.k = f.k) OR id < 4
SELECT id, (SELECT sum(w) FROM h WHERE h.k = f.k) FROM f
SELECT * FROM f WHERE d > (SELECT avg(w) FROM h WHERE h.k = f.k)
SELECT id FROM f WHERE EXISTS (SELECT sum(w) FROM h WHERE h.k = f.k)
SELECT id FROM f WHERE EXISTS (SELECT 1 FROM h WHERE h.k = f.k LIMIT 0)
SELECT id FROM f WHERE g IN (SELECT v FROM h WHERE h.id < f.id)
!SELECT name FROM m WHERE k IN (SELECT k FROM f WHERE id IN (SELECT id FROM h WHERE v LIKE 'v%') AND big > (SELECT 0.5 * sum(w) FROM h WHERE h.id = f.id AND h.k = f.k))
!=SELECT g, count(*) AS n FROM f WHERE EXISTS (SELECT 1 FROM h WHERE h.id = f.id AND h.k <> f.k) GROUP BY g ORDER BY n DESC, g
!SELECT q.g, sum(q.n) FROM (SELECT g, count(*) AS n FROM f WHERE NOT EXISTS (SELECT 1 FROM h2 WHERE h2.id = f.id) GROUP BY g) q GROUP BY 1
-- CTEs used twice, UNION ALL in FROM, groups that are together already.
!WITH q AS (SELECT k, sum(d) AS s, count(*) AS n FROM f GROUP BY k) SELECT a.k, a.s, b.n FROM q a, q b WHERE a.k = b.k AND a.n > 2
!WITH q AS (SELECT k, sum(d) AS s FROM f GROUP BY k) SELECT k, s FROM q WHERE s = (SELECT max(s) FROM q)
!WITH q(a, b) AS (SELECT k, count(*) FROM f GROUP BY k), r AS (SELECT a, b FROM q WHERE b > 1) SELECT * FROM r UNION ALL SELECT * FROM q
!WITH q AS (SELECT k, k, count(*) FROM f GROUP BY k) SELECT count(*) FROM q x, q y
!WITH q AS (SELECT * FROM f WHERE id < 90) SELECT count(*) FROM q a JOIN q b ON a.id = b.k
!WITH q AS (SELECT k, id FROM f ORDER BY id LIMIT 5) SELECT a.id, b.id FROM q a, q b
!WITH q AS (SELECT k FROM f WHERE id IN (SELECT id FROM h)), r AS (SELECT k FROM q GROUP BY k) SELECT * FROM r a JOIN r b USING (k)
!SELECT k, count(*) FROM (SELECT k FROM f UNION ALL SELECT k FROM h) GROUP BY k
!SELECT v, count(*), sum(n) FROM (SELECT g AS v, id AS n FROM f UNION ALL SELECT v, w FROM h UNION ALL SELECT z, k2 FROM h2) GROUP BY v
!=SELECT * FROM (SELECT k, id FROM f UNION ALL SELECT k, id FROM h) ORDER BY id, k LIMIT 20
!SELECT x, count(*) FROM (SELECT x FROM f UNION ALL SELECT x * 2 FROM f) GROUP BY x
!SELECT count(*) FROM (SELECT k FROM f UNION ALL SELECT id FROM h) u, m WHERE u.k = m.k
!SELECT f.id, count(*), sum(h.w) FROM f JOIN h ON f.id = h.id GROUP BY f.id
!SELECT h.id, f.k, median(h.w) FROM f JOIN h ON f.id = h.id GROUP BY 1, 2 HAVING count(*) > 1
!SELECT f.id, h.id, count(*) FROM f LEFT JOIN h ON f.id = h.id GROUP BY ALL
!SELECT h.id, count(*) FROM f LEFT JOIN h ON f.id = h.id GROUP BY h.id
!SELECT f.id, count(*) FROM f JOIN h ON f.id = h.id GROUP BY ROLLUP (f.id)
!SELECT f.id, count(*) AS n, rank() OVER (ORDER BY count(*)) FROM f JOIN h ON f.id = h.id GROUP BY f.id
!=SELECT f.id, list(h.w ORDER BY h.v, h.w), max(h.v) AS m FROM f JOIN h ON f.id = h.id GROUP BY f.id ORDER BY sum(h.w) DESC, f.id LIMIT 5
!SELECT DISTINCT sum(w) FROM f JOIN h ON f.id = h.id AND f.k = h.id GROUP BY f.id
