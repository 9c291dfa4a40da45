-- IN, EXISTS, scalar and correlated subqueries; CTEs; derived tables.

-- for P: IN | NOT IN
-- for SUB: SELECT g FROM dim | SELECT class FROM dim | SELECT k FROM other WHERE k IS NOT NULL | SELECT k FROM other | SELECT k FROM other WHERE id < 0 | SELECT k FROM none | SELECT max(k) FROM other | SELECT k FROM ev WHERE id > 3000 GROUP BY k HAVING count(*) > 5 | SELECT NULL::INTEGER
SELECT count(*) AS n FROM ev WHERE k P (SUB);
-- for P: EXISTS | NOT EXISTS
-- for SUB: SELECT 1 FROM dim d WHERE d.g = e.g | SELECT 1 FROM other o WHERE o.id = e.id | SELECT 1 FROM other o WHERE o.id = e.id AND o.k > e.k | SELECT 1 FROM dim WHERE class = 3 | SELECT 1 FROM none | SELECT 1 FROM gaps o WHERE o.id = e.id AND o.s IS NOT DISTINCT FROM e.s
SELECT count(*) AS n, sum(id) AS s FROM ev e WHERE P (SUB);
-- for SUB: SELECT max(k) FROM ev | SELECT avg(k) FROM other | SELECT count(*) FROM none | SELECT k FROM one | SELECT k FROM none | SELECT sum(class) FROM dim d WHERE d.g = e.g | SELECT max(v) FROM other o WHERE o.id = e.id | SELECT count(*) FROM other o WHERE o.k = e.k | SELECT name FROM dim d WHERE d.g = e.g | SELECT k FROM ev ORDER BY id LIMIT 1
SELECT e.id, (SUB) AS v FROM ev e WHERE e.id % 31 = 0;
-- for OP: > ALL | = ANY | < ANY | <> ALL | >= SOME
SELECT count(*) AS n FROM ev WHERE k OP (SELECT class FROM dim WHERE class IS NOT NULL);
-- for W: k > (SELECT avg(k) FROM ev) | k = (SELECT max(k) FROM ev) AND g < 10 | (SELECT count(*) FROM dim) = 44 | (k, g) IN (SELECT k, g FROM other) | id IN (SELECT id FROM other) AND id IN (SELECT id FROM gaps) | id IN (SELECT id FROM other) OR g = 3 | NOT (id IN (SELECT id FROM other)) | coalesce(id IN (SELECT k FROM other), false) | id IN (SELECT a.id FROM other a JOIN gaps b USING (id)) | g IN (SELECT g FROM dim WHERE class IN (SELECT max(class) FROM dim)) | id = (SELECT min(id) FROM other WHERE k = 5) | id IN (SELECT id FROM ev WHERE k = 7 ORDER BY id LIMIT 10) | CASE WHEN id IN (SELECT id FROM gaps) THEN k > 7 ELSE k = 7 END
SELECT count(*) AS n, sum(id) AS s FROM ev WHERE W;
SELECT g, count(*) AS n FROM ev e WHERE k > (SELECT avg(k) FROM ev x WHERE x.g = e.g) GROUP BY g;
SELECT count(*) AS n FROM ev e WHERE id = (SELECT max(id) FROM ev x WHERE x.g = e.g);
SELECT count(*) AS n FROM ev e WHERE EXISTS (SELECT 1 FROM other o WHERE o.id = e.id AND EXISTS (SELECT 1 FROM dim d WHERE d.g = o.g AND d.class = e.t));
SELECT e.id, (SELECT count(*) FROM dim d WHERE d.g <= e.g) AS c, (SELECT max(name) FROM dim) AS m FROM ev e WHERE e.id < 120;
SELECT g, (SELECT count(*) FROM ev) AS all_rows, count(*) AS n FROM ev GROUP BY g;
SELECT sum(k) - (SELECT sum(k) FROM ev WHERE flag) AS d FROM ev;
SELECT (SELECT count(*) FROM ev) AS a, (SELECT count(*) FROM other) AS b;
SELECT (SELECT max(k) FROM ev) AS a WHERE (SELECT count(*) FROM other) > 5;
SELECT x.n FROM (SELECT count(*) AS n FROM ev) x, (SELECT count(*) AS m FROM other) y WHERE x.n > y.m;
SELECT count(*) AS n FROM (SELECT * FROM ev WHERE k = 7) a;
SELECT count(*) AS n FROM (SELECT id, k + 1 AS k1 FROM ev) a WHERE k1 = 8;
SELECT g, sum(n) AS n FROM (SELECT g, k, count(*) AS n FROM ev GROUP BY g, k) a WHERE n > 1 GROUP BY g;
SELECT * FROM (SELECT g, count(*) AS n FROM ev GROUP BY g) a WHERE n > 150 AND g < 20;
SELECT * FROM (SELECT k FROM ev ORDER BY id LIMIT 7) a ORDER BY k;
SELECT count(*) AS n, sum(id) AS s FROM (SELECT id FROM ev ORDER BY x DESC, id LIMIT 100) a;
SELECT count(*) AS n, sum(id) AS s FROM (SELECT id FROM ev ORDER BY id OFFSET 100) a;
SELECT count(*) AS n FROM (SELECT DISTINCT k, g FROM ev) a JOIN dim USING (g);
SELECT a.c FROM (SELECT k FROM ev WHERE id < 30) AS a(c);
SELECT a.c, b FROM (SELECT k, g FROM ev WHERE id < 30) AS a(c, b);
SELECT ev.a, ev.b FROM (SELECT k, g FROM ev WHERE id < 30) AS ev(a, b);
WITH t AS (SELECT g, count(*) AS n FROM ev GROUP BY g) SELECT max(n) AS m FROM t;
WITH t AS (SELECT g, count(*) AS n FROM ev GROUP BY g) SELECT a.g, a.n, b.n AS n2 FROM t a JOIN t b ON a.g = b.g + 1;
WITH t AS MATERIALIZED (SELECT g, count(*) AS n FROM ev GROUP BY g) SELECT count(*) AS c FROM t WHERE n > (SELECT avg(n) FROM t);
WITH t AS NOT MATERIALIZED (SELECT * FROM ev WHERE k = 7) SELECT count(*) AS c FROM t WHERE g = 3;
WITH a AS (SELECT * FROM ev WHERE id < 1000), b AS (SELECT g, count(*) AS n FROM a GROUP BY g) SELECT * FROM b WHERE n > 20;
WITH ev AS (SELECT * FROM other) SELECT count(*) AS n FROM ev;
WITH dim AS (SELECT * FROM dim WHERE class = 1) SELECT count(*) AS n FROM ev JOIN dim USING (g);
WITH t(x, y) AS (SELECT k, g FROM ev) SELECT x, count(y) AS n FROM t GROUP BY x;
WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 5) SELECT count(*) AS n FROM ev JOIN r ON k = i;
WITH RECURSIVE r(i, n) AS (SELECT 0, count(*) FROM ev UNION ALL SELECT i + 1, n - 1 FROM r WHERE i < 3) SELECT * FROM r;
WITH a AS (SELECT k FROM ev), b AS (SELECT k FROM other) SELECT count(*) AS n FROM (SELECT * FROM a UNION SELECT * FROM b);
WITH a AS (WITH b AS (SELECT * FROM ev WHERE flag) SELECT g, count(*) AS n FROM b GROUP BY g) SELECT * FROM a;
SELECT * FROM (WITH b AS (SELECT g FROM ev WHERE flag) SELECT g, count(*) AS n FROM b GROUP BY g) x WHERE n > 40;
WITH t AS (SELECT k, sum(m) AS m FROM ev GROUP BY k) SELECT count(*) AS n FROM t a, t b WHERE a.m > b.m AND a.k < 20 AND b.k < 20;
WITH t AS (SELECT * FROM ev ORDER BY id LIMIT 50) SELECT count(*) AS n, sum(a.id) AS s FROM t a JOIN t b USING (id);
SELECT s.c_name, count(*) AS n FROM (SELECT c_custkey, c_name FROM customer WHERE c_acctbal > 5000) s JOIN orders ON s.c_custkey = o_custkey GROUP BY ALL;
SELECT p_brand, count(*) AS n FROM part WHERE p_partkey IN (SELECT ps_partkey FROM partsupp WHERE ps_availqty < 500) GROUP BY p_brand;
SELECT count(*) AS n FROM customer WHERE c_custkey NOT IN (SELECT o_custkey FROM orders);
SELECT count(*) AS n FROM orders o WHERE o_totalprice > (SELECT avg(o_totalprice) * 1.2 FROM orders p WHERE p.o_custkey = o.o_custkey);
SELECT list(k ORDER BY k) AS l FROM (SELECT DISTINCT k FROM ev WHERE k < 10);
SELECT array(SELECT class FROM dim WHERE class IS NOT NULL ORDER BY g) AS a, count(*) AS n FROM ev;
SELECT id FROM ev WHERE k = (SELECT k FROM ev WHERE id = 50) AND id < 100;
SELECT count(*) AS n FROM ev WHERE (SELECT flag FROM one) IS NOT NULL OR k = 1;
