-- ORDER BY, LIMIT, OFFSET, DISTINCT. Ties are broken by the id.

-- ordered
-- for KEY: k | s | d | x | m | big | day | ts | flag | g | f | length(s) | k % 10 | -k | s COLLATE NOCASE
-- for HOW: ASC NULLS FIRST | DESC NULLS LAST | DESC NULLS FIRST
SELECT id, k, s FROM ev ORDER BY KEY HOW, id LIMIT 60 OFFSET 5;
-- ordered
-- for TAIL: LIMIT 0 | LIMIT 1 | LIMIT 10 OFFSET 5990 | LIMIT 10 OFFSET 7000 | OFFSET 5900 | LIMIT 10000000 OFFSET 5950 | LIMIT 7 + 3 | LIMIT 1% | LIMIT (SELECT 5) | OFFSET 5999 | LIMIT NULL OFFSET 5990 | LIMIT 9223372036854775807 OFFSET 5995
SELECT id, k FROM ev ORDER BY id TAIL;
-- ordered
-- for TERMS: id | id DESC | 1 | k NULLS FIRST, id DESC | g DESC, k, id | x + k NULLS LAST, id | flag, id | s DESC NULLS LAST, id | day, ts, id | ALL | ALL DESC | t, n16 DESC, g, id | CASE WHEN flag THEN k ELSE g END, id | upper(s), id | ev.k, ev.id | id % 10, id // 10
SELECT id, k, g FROM ev WHERE id % 13 = 0 ORDER BY TERMS;
-- ordered
-- for TYPE: t8 | t128 | u64 | m4 | m38 | tm | tz | tns | b | l | st | mp | u | iv | f | day | ll
SELECT id, TYPE FROM types ORDER BY TYPE DESC NULLS FIRST, id LIMIT 70;
-- ordered
SELECT k AS id, id AS k FROM ev ORDER BY k LIMIT 20;
-- ordered
SELECT id + 1 AS id FROM ev ORDER BY id LIMIT 20;
-- ordered
SELECT -id AS id FROM ev ORDER BY id LIMIT 20;
-- ordered
SELECT -id AS id FROM ev ORDER BY ev.id LIMIT 20;
-- ordered
SELECT s FROM ev ORDER BY id DESC LIMIT 20;
-- ordered
SELECT g, count(*) AS n FROM ev GROUP BY g ORDER BY n DESC, g;
-- ordered
SELECT g FROM ev GROUP BY g ORDER BY count(*) DESC, g LIMIT 9;
-- ordered
SELECT g, sum(k) AS s FROM ev GROUP BY g ORDER BY sum(k) / count(*) DESC, g LIMIT 9;
-- ordered
SELECT g + 1 AS h FROM ev GROUP BY g ORDER BY g DESC LIMIT 9;
-- ordered
SELECT DISTINCT g FROM ev ORDER BY g DESC LIMIT 7;
-- ordered
SELECT DISTINCT k, flag FROM ev ORDER BY k NULLS FIRST, flag LIMIT 30;
-- ordered
SELECT DISTINCT g % 5 AS r FROM ev ORDER BY r;
-- ordered
SELECT DISTINCT d FROM ev ORDER BY d DESC NULLS LAST LIMIT 30;
-- ordered
SELECT DISTINCT ON (g) g, id, k FROM ev ORDER BY g, id DESC;
-- ordered
SELECT DISTINCT ON (g, flag) g, flag, id FROM ev ORDER BY g, flag, x, id;
-- ordered
SELECT id, row_number() OVER (ORDER BY id DESC) AS r FROM ev ORDER BY r LIMIT 12;
-- ordered
SELECT id FROM ev WHERE id < 0 ORDER BY id LIMIT 5;
-- ordered
SELECT id FROM none ORDER BY id LIMIT 5;
-- ordered
SELECT * FROM gaps ORDER BY id;
-- ordered
SELECT * FROM gaps ORDER BY ALL DESC LIMIT 50;
-- ordered
SELECT id, k FROM ev UNION ALL SELECT id, k FROM other ORDER BY id, k LIMIT 40;
-- ordered
SELECT id FROM ev UNION SELECT id FROM other ORDER BY 1 DESC LIMIT 40 OFFSET 3;
-- ordered
(SELECT id FROM ev ORDER BY id LIMIT 3) UNION ALL (SELECT id FROM ev ORDER BY id DESC LIMIT 3) ORDER BY id;
-- ordered
SELECT l_orderkey, l_linenumber, l_comment FROM lineitem ORDER BY l_comment, l_orderkey, l_linenumber LIMIT 50;
-- ordered
SELECT o_orderkey FROM orders JOIN customer ON o_custkey = c_custkey ORDER BY c_name DESC, o_orderkey LIMIT 30;
SELECT DISTINCT k FROM ev;
SELECT DISTINCT s FROM ev;
SELECT DISTINCT d FROM ev;
SELECT DISTINCT k, g, flag FROM ev;
SELECT DISTINCT * FROM gaps;
SELECT DISTINCT l, st FROM types;
SELECT DISTINCT iv, tz::DATE AS t FROM types;
SELECT DISTINCT NULL AS n, 1 AS o FROM ev;
SELECT DISTINCT a, b FROM nulls;
SELECT DISTINCT count(*) AS n FROM ev GROUP BY g;
SELECT DISTINCT g, count(*) OVER (PARTITION BY g) AS n FROM ev;
SELECT DISTINCT upper(s) AS u, k IS NULL AS n FROM ev;
SELECT count(*) AS n FROM (SELECT id FROM ev LIMIT 77);
SELECT count(*) AS n FROM (SELECT id FROM ev LIMIT 77 OFFSET 5970);
SELECT count(*) AS n FROM (SELECT id FROM ev OFFSET 10);
SELECT count(*) AS n FROM (SELECT id FROM ev LIMIT 10%);
SELECT count(*) AS n FROM (SELECT id FROM ev LIMIT 0);
