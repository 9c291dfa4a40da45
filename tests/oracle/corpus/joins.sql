-- Joins of every kind and side, with large and small tables, NULL keys, other types, empty inputs.

-- for PAIR: ev a KIND other b ON a.id = b.id | ev a KIND dim b ON a.g = b.g | dim a KIND ev b ON a.g = b.g | ev a KIND none b ON a.id = b.id | none a KIND ev b ON a.id = b.id | ev a KIND gaps b ON a.id = b.id AND a.g = b.g | ev a KIND small b ON a.k = b.id | small a KIND other b ON a.id = b.id | other a KIND ev b ON a.id = b.k AND b.id < 200 | ev a KIND other b ON a.id = b.id AND a.flag AND b.v > 1000
-- for KIND: JOIN | LEFT JOIN | RIGHT JOIN | FULL JOIN
SELECT count(*) AS n, count(a.g) AS x, count(b.g) AS y, sum(a.g) AS s, sum(b.g) AS t FROM PAIR;
-- for KIND: JOIN | LEFT JOIN | RIGHT JOIN | FULL JOIN | SEMI JOIN | ANTI JOIN
SELECT count(*) AS n, sum(a.id) AS s FROM ev a KIND other b ON a.id = b.id;
-- for KIND: JOIN | LEFT JOIN | RIGHT JOIN | FULL JOIN | SEMI JOIN | ANTI JOIN
SELECT count(*) AS n, count(a.k) AS c, min(a.k) AS m FROM ev a KIND (SELECT DISTINCT k FROM other) b ON a.k = b.k;
-- for KIND: JOIN | LEFT JOIN | RIGHT JOIN | FULL JOIN | SEMI JOIN | ANTI JOIN
SELECT a.id, a.k, a.s FROM ev a KIND gaps b ON a.id = b.id WHERE a.id % 5 = 0 OR a.id IS NULL;
-- for KIND: JOIN | LEFT JOIN | RIGHT JOIN | FULL JOIN
SELECT a.id, b.g AS g2, a.g, b.name FROM small a KIND dim x USING (g) KIND dim b ON a.id = b.g;
-- for KIND: JOIN | LEFT JOIN | RIGHT JOIN | FULL JOIN
SELECT id, a.k, b.v FROM ev a KIND other b USING (id) WHERE id % 50 = 0;
-- for KIND: JOIN | LEFT JOIN | FULL JOIN
SELECT * FROM (SELECT id, k FROM ev WHERE id < 200) a KIND (SELECT id, v FROM other WHERE id < 300) b USING (id);
-- for KIND: JOIN | LEFT JOIN | RIGHT JOIN | FULL JOIN | SEMI JOIN | ANTI JOIN
SELECT count(*) AS n FROM ev a KIND other b ON a.id = b.id AND a.s = b.s;
-- for KIND: JOIN | LEFT JOIN | RIGHT JOIN | FULL JOIN
SELECT count(*) AS n, sum(a.id) AS s, sum(b.id) AS t FROM ev a KIND other b ON a.id = b.id AND a.k < b.k;
-- for KIND: JOIN | LEFT JOIN | RIGHT JOIN | FULL JOIN
SELECT count(*) AS n, count(b.id) AS c FROM ev a KIND other b ON a.id = b.id WHERE b.id IS NULL OR a.id % 2 = 0;
-- for KIND: JOIN | LEFT JOIN | RIGHT JOIN | FULL JOIN
SELECT count(*) AS n FROM (SELECT id, g FROM ev WHERE id < 2000) a KIND (SELECT g, count(*) AS n FROM other GROUP BY g) b ON a.g = b.g;
-- for KIND: JOIN | LEFT JOIN | RIGHT JOIN | FULL JOIN
SELECT b.g, count(*) AS n, count(a.id) AS c FROM (SELECT g, max(id) AS id FROM ev GROUP BY g) a KIND other b ON a.g = b.g GROUP BY b.g;
-- for COND: a.id = b.id | a.id = b.id::INTEGER | a.id::DOUBLE = b.id | a.id + 1 = b.id | a.id = b.id AND a.k IS NOT DISTINCT FROM b.k | a.s = b.s AND a.id = b.id | a.day = b.day AND a.g = b.g AND a.k = 7 | a.id = b.id OR a.id = b.id + 1 AND a.id < 50 | a.d = b.d AND a.id < 100 AND b.id < 300 | a.m = b.v | a.ts::DATE = b.day AND a.g = b.g AND a.id < 900 | a.id < b.id AND b.id < 9 | a.id = b.id AND a.id = b.k | (a.id, a.k) = (b.id, b.k) | upper(a.s) = upper(b.s) AND a.id = b.id
SELECT count(*) AS n, sum(a.id) AS s FROM ev a JOIN other b ON COND;
-- for COND: a.k = b.k | a.k IS NOT DISTINCT FROM b.k | a.g = b.g AND a.k = b.k
SELECT count(*) AS n FROM (SELECT * FROM ev WHERE id % 20 = 0) a JOIN other b ON COND;
SELECT count(*) AS n FROM ev a JOIN ev b ON a.id = b.id JOIN ev c ON b.id = c.id;
SELECT count(*) AS n FROM ev a, ev b, other c WHERE a.id = b.id AND b.id = c.id AND a.k > 5;
SELECT count(*) AS n FROM ev a, ev b, other c WHERE a.id = b.id AND a.id = c.id AND c.v > 100;
SELECT count(*) AS n FROM ev a, dim b, other c WHERE a.g = b.g AND a.id = c.id AND b.class = 2;
SELECT count(*) AS n FROM ev a JOIN other b ON a.id = b.id JOIN dim c ON b.g = c.g;
SELECT count(*) AS n FROM ev a LEFT JOIN other b ON a.id = b.id LEFT JOIN dim c ON b.g = c.g;
SELECT count(*) AS n, count(c.id) AS m FROM ev a LEFT JOIN other b ON a.id = b.id LEFT JOIN gaps c ON b.id = c.id;
SELECT count(*) AS n, count(c.id) AS m FROM ev a LEFT JOIN other b ON a.id = b.id JOIN gaps c ON b.id = c.id;
SELECT count(*) AS n, count(b.id) AS m FROM ev a FULL JOIN other b ON a.id = b.id FULL JOIN gaps c ON b.id = c.id;
SELECT count(*) AS n, count(b.id) AS m FROM ev a FULL JOIN other b ON a.id = b.id JOIN gaps c ON a.id = c.id;
SELECT count(*) AS n, count(b.id) AS m FROM ev a FULL JOIN other b USING (id) FULL JOIN gaps c USING (id);
SELECT id, count(*) AS n FROM ev a FULL JOIN other b USING (id) GROUP BY id HAVING count(*) > 1 OR id % 100 = 0;
SELECT id, a.id AS aid, b.id AS bid FROM ev a RIGHT JOIN other b USING (id) WHERE id % 40 = 0;
SELECT count(*) AS n FROM ev a NATURAL JOIN gaps b;
SELECT count(*) AS n FROM ev a NATURAL LEFT JOIN gaps b;
SELECT count(*) AS n FROM ev CROSS JOIN dim;
SELECT count(*) AS n FROM ev a, dim b WHERE a.g < b.g AND a.id < 500;
SELECT count(*) AS n FROM ev a JOIN dim b ON a.g BETWEEN b.g AND b.g + 1;
SELECT count(*) AS n FROM ev, (VALUES (1), (2), (NULL)) v(w) WHERE g = w;
SELECT count(*) AS n FROM ev, range(3) r(i) WHERE k = i;
SELECT a.id, b.v FROM ev a ASOF JOIN other b ON a.id >= b.id WHERE a.id < 300;
SELECT count(*) AS n, sum(b.v) AS v FROM ev a ASOF LEFT JOIN other b ON a.g = b.g AND a.id >= b.id;
SELECT a.id, b.id AS id2 FROM (SELECT id FROM ev WHERE id < 5) a POSITIONAL JOIN (SELECT id FROM dim, range(1) r(id) LIMIT 3) b;
SELECT count(*) AS n FROM ev a, LATERAL (SELECT max(class) AS m FROM dim d WHERE d.g = a.g) b WHERE b.m > 1;
SELECT a.id, b.n FROM ev a JOIN LATERAL (SELECT count(*) AS n FROM dim d WHERE d.g < a.g) b ON true WHERE a.id < 90;
SELECT count(*) AS n FROM ev a JOIN ev_csv b ON a.id = b.id AND a.s IS NOT DISTINCT FROM b.s;
SELECT count(*) AS n FROM ev a JOIN ev_json b ON a.id = b.id AND a.m = b.m::DECIMAL(15,2);
SELECT count(*) AS n FROM ev a JOIN ev_gz b USING (id);
SELECT x.g, x.n, y.m FROM (SELECT g, count(*) AS n FROM ev GROUP BY g) x JOIN (SELECT g, max(v) AS m FROM other GROUP BY g) y ON x.g = y.g;
SELECT x.g, x.n, y.m FROM (SELECT g, count(*) AS n FROM ev GROUP BY g) x FULL JOIN (SELECT g, max(v) AS m FROM other GROUP BY g) y ON x.g = y.g;
SELECT count(*) AS n FROM types a JOIN types b ON a.id = b.id AND a.u = b.u AND a.tm = b.tm;
-- for KEY: t128 | u64 | m18 | m38 | tm | tz | ts | u | b | f | d | day | l | st | iv | tns | u8
SELECT count(*) AS n FROM types a JOIN (SELECT * FROM types WHERE id % 31 = 0) b ON a.KEY = b.KEY AND a.id = b.id;
SELECT count(*) AS n FROM (SELECT t8, t16, u8 FROM types) a JOIN (SELECT id FROM types) b ON a.t16 = b.id;
SELECT count(*) AS n FROM types a JOIN types b ON a.u64 = b.u64 AND a.t8 = b.u8;
SELECT n_name, count(*) AS n, sum(o_totalprice) AS s FROM orders JOIN customer ON o_custkey = c_custkey JOIN nation ON c_nationkey = n_nationkey GROUP BY n_name;
SELECT o_orderpriority, count(*) AS n, avg(l_quantity) AS q FROM orders LEFT JOIN lineitem ON o_orderkey = l_orderkey AND l_shipmode = 'AIR' GROUP BY 1;
SELECT c_mktsegment, count(o_orderkey) AS n FROM customer LEFT JOIN orders ON c_custkey = o_custkey GROUP BY 1;
SELECT l_shipmode, count(*) AS n FROM lineitem JOIN partsupp ON l_partkey = ps_partkey AND l_suppkey = ps_suppkey GROUP BY 1;
SELECT a.k, b.k, a.k FROM ev a JOIN other b ON a.id = b.id WHERE a.id < 90;
SELECT a.*, b.* FROM gaps a JOIN small b ON a.id = b.id;
SELECT * FROM gaps a JOIN small b USING (id, g);
SELECT DISTINCT a.g, b.class FROM ev a JOIN dim b USING (g);
SELECT max(a.id + b.id) AS m FROM ev a JOIN other b ON a.id = b.id GROUP BY a.g;
SELECT count(*) AS n FROM ev a JOIN other b ON a.id = b.id AND a.k = 7 AND 1 = 1;
SELECT count(*) AS n FROM ev a JOIN other b ON false;
SELECT count(*) AS n FROM ev a LEFT JOIN other b ON false;
SELECT count(*) AS n FROM ev a LEFT JOIN other b ON NULL;
SELECT a.id FROM ev a LEFT JOIN dim d ON a.g = d.g AND d.class = 1 WHERE d.g IS NULL AND a.id < 300;
SELECT a.id, a.flag = (b.v > 1000) AS e FROM ev a LEFT JOIN other b ON a.id = b.id AND a.flag WHERE a.id < 300;
