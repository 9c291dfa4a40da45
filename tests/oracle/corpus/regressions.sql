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
