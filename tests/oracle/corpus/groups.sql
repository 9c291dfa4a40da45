-- GROUP BY in all its forms, HAVING.

-- for KEY: k | s | d | m | big | day | ts | flag | t | n16 | x | f | k % 10 | upper(s) | date_trunc('month', ts) | extract(year FROM day) | CASE WHEN k > 100 THEN 'hi' WHEN k IS NULL THEN NULL ELSE 'lo' END | k IS NULL | length(s) | NULL | 1 + 1 | s || 'x' | [g, t] | {'a': t, 'b': flag} | k::VARCHAR | g::DOUBLE | (g / 3)::DECIMAL(9,2) | -g | abs(n16) | coalesce(k, -1) | hash(g) % 5
SELECT KEY AS key, count(*) AS n, sum(id) AS s, min(id) AS a FROM ev GROUP BY KEY;
-- for KEYS: k, g | s, flag | g, t, flag | day, k | k, k | g, g + 1 | 1, 2 | g, s, d | x, s
SELECT KEYS, count(*) AS n FROM ev GROUP BY KEYS;
-- for KEY: t8 | t128 | u64 | m4 | m38 | tm | tz | tns | tsec | b | l | st | mp | u | iv | ll | js | f | day | u8
SELECT KEY AS key, count(*) AS n, max(id) AS m FROM types WHERE id % 3 <> 1 GROUP BY KEY;
-- for SETS: GROUPING SETS ((g, flag), (g), ()) | ROLLUP (g, flag) | CUBE (g, flag) | GROUPING SETS ((g), (flag)) | GROUPING SETS ((), ()) | ROLLUP (flag), g | CUBE (t), ROLLUP (flag) | GROUPING SETS ((g), (g)) | GROUPING SETS (ROLLUP (t, flag), (g)) | g, CUBE (flag) | GROUPING SETS (())
-- for AGG: count(*) AS n, sum(k) AS s | count(DISTINCT k) AS c | avg(m) AS a, median(k) AS md | max(s) AS s, count(*) FILTER (WHERE k > 7) AS f
SELECT AGG FROM ev GROUP BY SETS;
-- for SETS: GROUPING SETS ((g, flag), (g), ()) | ROLLUP (g, flag) | CUBE (g, flag)
SELECT g, flag, grouping(g) AS gg, grouping(g, flag) AS gf, grouping_id(flag) AS fl, count(*) AS n, sum(k) AS s FROM ev GROUP BY SETS;
-- for SETS: ROLLUP (t, flag) | CUBE (t, flag)
SELECT t, flag, sum(k) AS s FROM ev GROUP BY SETS HAVING grouping(t) = 1 OR sum(k) > 1000;
-- for SETS: ROLLUP (t, flag) | GROUPING SETS ((t), ())
SELECT t, sum(k) AS s FROM ev WHERE id < 0 GROUP BY SETS;
-- for COND: count(*) > 150 | sum(k) > 5000 AND g < 20 | max(s) IS NOT NULL | avg(k) > (SELECT avg(k) FROM ev) | n > 150 | count(DISTINCT k) > 40 | g IN (SELECT g FROM dim WHERE class = 1) | NOT bool_or(flag) | sum(m) BETWEEN -1000 AND 1000 | NULL | false | true
SELECT g, count(*) AS n FROM ev GROUP BY g HAVING COND;
SELECT g + 1 AS h, count(*) AS n FROM ev GROUP BY h HAVING h > 5;
SELECT g AS k, count(*) AS n FROM ev GROUP BY g;
SELECT k + 1 AS k, count(*) AS n FROM ev GROUP BY k;
SELECT g % 4 AS g, count(*) AS n FROM ev GROUP BY g;
SELECT g % 4 AS g, count(*) AS n FROM ev GROUP BY 1;
SELECT g % 4 AS g, count(*) AS n FROM ev GROUP BY ALL;
SELECT g, flag, count(*) AS n FROM ev GROUP BY ALL HAVING n > 60;
SELECT g FROM ev GROUP BY g;
SELECT g FROM ev GROUP BY ALL;
SELECT g, g, g + g AS h FROM ev GROUP BY g;
SELECT "ev"."g", EV.T, Count(*) FROM ev GROUP BY ev.G, eV.t;
SELECT count(*) AS n FROM ev GROUP BY g, t;
SELECT sum(n) AS s FROM (SELECT count(*) AS n FROM ev GROUP BY g, t);
SELECT g, max(n) AS m FROM (SELECT g, t, count(*) AS n FROM ev GROUP BY g, t) GROUP BY g;
SELECT n, count(*) AS c FROM (SELECT k, count(*) AS n FROM ev GROUP BY k) GROUP BY n;
SELECT x.g, count(*) AS n FROM ev AS x GROUP BY x.g;
SELECT e.g AS "group", count(*) AS "select", sum(e.k) AS "from" FROM ev e GROUP BY "group";
SELECT g AS "a b", count(*) AS "c""d" FROM ev GROUP BY "a b";
SELECT s, count(*) AS n FROM ev_csv GROUP BY s;
SELECT k, count(*) AS n, sum(m) AS m FROM ev_json GROUP BY k;
SELECT g, count(*) AS n FROM ev_gz GROUP BY g;
SELECT k, count(*) AS n FROM gaps GROUP BY k;
SELECT k, count(*) AS n FROM none GROUP BY k;
SELECT k, count(*) AS n FROM none_csv GROUP BY k;
SELECT k, count(*) AS n FROM one GROUP BY k;
SELECT st.a, count(*) AS n FROM types GROUP BY st.a;
SELECT l[1] AS first, count(*) AS n FROM types GROUP BY first;
SELECT item, count(*) AS n FROM (SELECT unnest(l) AS item FROM types) GROUP BY item;
SELECT d, count(*) AS n FROM ev GROUP BY d HAVING d IS NULL OR d < 100;
SELECT d = 0 AS z, isnan(d) AS nan, count(*) AS n FROM ev GROUP BY ALL;
SELECT s COLLATE NOCASE AS c, count(*) AS n FROM (SELECT upper(s) AS s FROM ev UNION ALL SELECT upper(s) FROM other) GROUP BY c;
SELECT count(DISTINCT s COLLATE NOCASE) AS n FROM ev;
SELECT any_value(g) AS g, count(*) AS n FROM ev GROUP BY g % 40;
SELECT o_orderpriority, year(o_orderdate) AS y, count(*) AS n, sum(o_totalprice) AS s, avg(o_totalprice) AS a FROM orders GROUP BY ALL;
SELECT l_shipmode, l_shipinstruct, sum(l_extendedprice * (1 - l_discount)) AS r, count(DISTINCT l_suppkey) AS c FROM lineitem GROUP BY CUBE (l_shipmode, l_shipinstruct);
SELECT g FROM ev GROUP BY g HAVING count(*) = (SELECT max(n) FROM (SELECT count(*) AS n FROM ev GROUP BY g));
SELECT g, (SELECT name FROM dim WHERE dim.g = ev.g) AS name, count(*) AS n FROM ev GROUP BY g;
SELECT g, count(*) + (SELECT max(class) FROM dim) AS n FROM ev GROUP BY g;
SELECT CASE WHEN grouping(g) = 1 THEN 'all' ELSE g::VARCHAR END AS g, sum(k) AS s FROM ev GROUP BY ROLLUP (g);
