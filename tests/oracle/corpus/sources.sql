-- Files of all formats, named in the query or in the catalogue; empty and odd ones.

-- for T: ev_csv | ev_json | ev_gz | '{data}/ev.csv' | read_csv('{data}/ev.csv') | read_csv('{data}/ev.csv', header=true, delim=',') | '{data}/ev.json' | read_json('{data}/ev.json') | '{data}/ev.csv.gz' | '{data}/ev/*.parquet' | read_parquet('{data}/ev/*.parquet') | read_parquet(['{data}/ev/0.parquet', '{data}/ev/2.parquet']) | '{data}/small.parquet' | parquet_scan('{data}/ev/1.parquet')
-- for Q: count(*) AS n | count(s) AS c, min(s) AS m, max(s) AS x, sum(length(s)) AS l | sum(k) AS s, count(DISTINCT k) AS d, avg(x) AS a | min(day) AS a, max(ts) AS b, bool_or(flag) AS f
SELECT Q FROM T;
-- for T: ev_csv | ev_json | ev_gz | '{data}/ev.csv'
SELECT id, k, s, day, ts, flag FROM T WHERE id % 40 = 0;
-- for T: ev_csv | ev_json | ev_gz
SELECT typeof(m) AS m, typeof(day) AS d, typeof(ts) AS t, typeof(flag) AS f, count(*) AS n FROM T GROUP BY ALL;
-- for T: none_csv | none | one | gaps | '{data}/none.csv' | '{data}/none.parquet' | '{data}/gaps/0.parquet' | '{data}/gaps/3.parquet'
SELECT *, 1 AS one FROM T;
-- for T: none_csv | none | one | gaps
SELECT count(*) AS n, max(k) AS m, count(s) AS c FROM T;
SELECT filename IS NOT NULL AS f, count(*) AS n FROM read_parquet('{data}/ev/*.parquet', filename=true) GROUP BY ALL;
SELECT parse_filename(filename) AS p, count(*) AS n FROM read_parquet('{data}/ev/*.parquet', filename=true) GROUP BY p;
SELECT parse_filename(filename) AS p, count(*) AS n FROM read_csv('{data}/ev.csv', filename=true) GROUP BY p;
SELECT count(*) AS n FROM read_csv('{data}/ev.csv', all_varchar=true) WHERE k = '7';
SELECT count(*) AS n, max(column00) AS m FROM read_csv('{data}/ev.csv', header=false, skip=1, all_varchar=true);
SELECT id, k FROM read_csv('{data}/ev.csv', columns={'id': 'BIGINT', 'k': 'VARCHAR', 's': 'VARCHAR', 'x': 'DOUBLE', 'f': 'FLOAT', 'm': 'VARCHAR', 'day': 'DATE', 'ts': 'VARCHAR', 'flag': 'VARCHAR', 'g': 'INT', 't': 'INT', 'n16': 'INT'}, header=true) WHERE id < 40;
SELECT k, count(*) AS n FROM read_csv('{data}/ev.csv', nullstr='7') GROUP BY k;
SELECT a.id FROM '{data}/ev.csv' a JOIN '{data}/small.parquet' b USING (id);
SELECT ev.id FROM '{data}/ev.csv' WHERE ev.id < 9;
SELECT small.k, x.k FROM '{data}/small.parquet', '{data}/small.parquet' AS x WHERE small.id = x.id;
SELECT count(*) AS n FROM '{data}/small.parquet' UNION ALL SELECT count(*) FROM '{data}/ev.json';
SELECT file_row_number % 2 AS r, count(*) AS n FROM read_parquet('{data}/ev/0.parquet', file_row_number=true) GROUP BY r;
SELECT max(file_row_number) AS m FROM read_parquet('{data}/ev/*.parquet', file_row_number=true);
SELECT count(*) AS n FROM read_parquet(['{data}/ev/0.parquet', '{data}/ev/0.parquet']);
SELECT count(*) AS n, count(d) AS d FROM read_parquet(['{data}/ev/0.parquet', '{data}/gaps/1.parquet'], union_by_name=true);
SELECT * FROM dim;
SELECT * FROM types WHERE id % 300 = 0;
SELECT * FROM nulls WHERE a IS NOT NULL OR c IS NOT NULL;
SELECT js::JSON AS j, id FROM types WHERE id < 30;
SELECT js::JSON AS j, count(*) AS n FROM types GROUP BY js::JSON;
