-- Queries that were once answered wrongly; each stays.

SELECT t, geomean(g + 1) AS a FROM ev GROUP BY t;
SELECT count_if(s ~ '^[a-m]') AS c FROM ev GROUP BY d;
SELECT count_if(NULL::BOOLEAN) AS c FROM ev;
SELECT max(-(1e3)) AS c0, abs(1e3) AS c1, round(5., 1) AS c2 FROM customer;
SELECT now() = current_timestamp AS a, count(DISTINCT current_timestamp) AS n FROM ev GROUP BY ALL;
SELECT a.id, a.k FROM ev a FULL JOIN gaps b ON a.id = b.id WHERE a.id % 5 = 0 OR a.id IS NULL;
SELECT ev.id FROM '{data}/ev.csv' WHERE ev.id < 9;
SELECT count(*) AS n, sum(a.id) AS s FROM ev a JOIN other b ON a.id = b.id AND a.id = b.k;
SELECT count(*) AS n FROM ev a, other b, gaps c WHERE a.id = b.id AND a.k = b.id AND c.g = b.k AND c.id = a.g;
WITH dim AS (SELECT * FROM dim WHERE class = 1) SELECT count(*) AS n FROM ev JOIN dim USING (g);
SELECT count(*), count(a.g), count(b.id) FROM dim a CROSS JOIN gaps b RIGHT JOIN other c ON b.id = c.id;
SELECT count(b.id) AS c0 FROM dim a CROSS JOIN gaps b FULL JOIN ev e ON a.g = e.id;
SELECT a.k AS c0 FROM gaps a CROSS JOIN dim b SEMI JOIN small c ON a.id = c.id;
SELECT count(*) AS n, count(c.id) AS c FROM one a LEFT JOIN (dim b CROSS JOIN gaps c) ON a.id = c.id;
SELECT count(*) AS n, count(c.id) AS c FROM one a LEFT JOIN (dim b JOIN gaps c ON b.g = c.g) ON a.id = c.id;
SELECT count(*) AS n, count(c.id) AS c FROM dim a CROSS JOIN (gaps b RIGHT JOIN small c ON b.id = c.id);
SELECT count(*) AS n, count(c.id) AS c FROM gaps a RIGHT JOIN (dim b FULL JOIN small c ON b.g = c.g) ON a.id = c.id AND a.g = b.g;
SELECT count(*) AS n FROM dim a, dim b, LATERAL (SELECT a.g + b.g AS s) c LEFT JOIN gaps d ON c.s = d.id;
SELECT count(*) AS n FROM types a CROSS JOIN unnest(a.l) AS u(e) LEFT JOIN dim d ON d.g = u.e;
