-- Expressions of every kind: what goes through the parse tree must come out with the same meaning and type.

-- for E: 1e3 | -1.5e0 | 1e300 * k | 0.1 | 0.1::FLOAT | 1.2345678901234567e0 | 12345678901234567890123456789 | 123456789012 | 1_000 | .5 | 5. | 99999999999.99 | 'it''s' | E'tab\tnew' | $$dollar 'q'$$ | '' | NULL | true | INTERVAL 3 DAY | INTERVAL '1 year 2 months' | to_days(k) | DATE '2020-02-29' | TIMESTAMP '2020-01-01 01:02:03.456789' | TIME '01:02:03' | TIMESTAMPTZ '2020-01-01 00:00:00+02' | x'AB'::BLOB | '\xAA'::BLOB | [1, NULL, k] | {'a': k, 'B c': s} | MAP {'x': k} | 'a'::ENUM('a', 'b') | 1::UTINYINT | 3::DECIMAL(18,3) | 10::HUGEINT | NULL::INTEGER[] | []
SELECT id, E AS e FROM ev WHERE id < 700;
-- for E: k + 1 | k - -1 | -(-k) | - k ** 2 | 2 ^ 3 ^ 2 | k / 2 | k // 2 | k % 3 | (k + 1) * 2 - 3 | k * (2 - (3 - k)) | k & 6 | k << 2 | xor(k, 5) | ~k | @(-k) | k::SMALLINT | k::VARCHAR || 'x' | CAST(k AS DOUBLE) / 3 | TRY_CAST(s AS INTEGER) | k::DECIMAL(9,2) / 7 | k = 7 AND g > 3 OR t = 1 | NOT k = 7 | NOT (k = 7 OR g = 1) | k IS DISTINCT FROM 7 | k IS NOT DISTINCT FROM NULL | k BETWEEN 5 AND 10 | k IN (1, 7, NULL) | k NOT IN (1, 2) | (k, g) = (7, 3) | (k, g) IN ((7, 3), (7, 4)) | k = ANY ([7, 8]) | k > ALL ([1, 2]) | flag IS TRUE | flag IS NOT TRUE | flag IS UNKNOWN | CASE k WHEN 7 THEN 'seven' WHEN NULL THEN 'no' ELSE 'other' END | CASE WHEN k > 5 THEN 1 END | coalesce(k, g, 0) | nullif(k, 7) | ifnull(k, 0) | greatest(k, g, 5) | least(k, NULL, g) | if(k > 5, 'a', 'b') | k IS NULL | k NOTNULL | d = 'nan' | d = 0 | d < 0 | isnan(d) | x::INTEGER | x::BIGINT % 7 | round(x, 2) | trunc(x) | floor(x / 3) | ln(x + 1) | m * 1.1 | m / 3 | m::INTEGER | -m | m % 7 | big + 1 | big // 1000 | big::DOUBLE | hash(k) | md5(s)
SELECT id, E AS e FROM ev WHERE id % 7 = 0;
-- for E: upper(s) | length(s) | strlen(s) | s || '-' || k | concat(s, NULL, k) | concat_ws(',', s, k) | substr(s, 2, 3) | s[2:4] | s[-2:] | left(s, 3) | right(s, 2) | substring(s FROM 2 FOR 3) | position('o' IN s) | replace(s, 'o', '0') | reverse(s) | repeat(s, 2) | lpad(s, 10, '*') | trim(BOTH 'w' FROM s) | ltrim(s, 'wo') | split_part(s, 'o', 1) | string_split(s, 'r') | regexp_extract(s, '([a-z]+)(\d+)', 2) | regexp_replace(s, '[aeiou]', '*', 'g') | regexp_matches(s, '^w') | regexp_extract_all(s, '\d') | s LIKE 'word%' | s NOT LIKE '%1_' | s ILIKE 'WORD%' | s LIKE '%\%%' ESCAPE '\' | s GLOB 'w*' | s SIMILAR TO 'w.*' | s ~ 'd1' | s !~~ 'x' | s ~~* 'WORD1%' | starts_with(s, 'wo') | s ^@ 'wo' | contains(s, 'lines') | ascii(s) | chr(65 + t) | format('{}-{}', s, k) | printf('%d|%s', k, s) | s COLLATE NOCASE = 'WORD1' | levenshtein(s, 'word') | lower(s) < 'word5' | s > 'größe' | strip_accents(s) | unicode(s) | bar(k, 0, 300, 10) | to_base64(encode(s)) | sha256(s) | encode(s) | hex(k) | bin(t) | string_agg_test
SELECT id, E AS e FROM (SELECT *, s AS string_agg_test FROM ev) WHERE id % 9 = 0;
-- for E: day + 1 | day - INTERVAL 1 MONTH | day + INTERVAL '1 day 2 hours' | date_trunc('month', day) | date_trunc('week', ts) | extract(dow FROM day) | extract(epoch FROM ts) | date_part('year', ts) | year(day) | monthname(day) | dayname(day) | strftime(ts, '%Y-%m') | strptime('2020-01-' || lpad((1 + t)::VARCHAR, 2, '0'), '%Y-%m-%d') | ts::DATE | day::TIMESTAMP | ts - TIMESTAMP '2020-01-01' | day - DATE '2020-01-01' | datediff('day', DATE '2020-01-01', day) | date_diff('month', day, ts::DATE) | age(ts, TIMESTAMP '2019-01-01') | last_day(day) | make_date(2020, 1 + t, 3) | time_bucket(INTERVAL '1 week', ts) | ts AT TIME ZONE 'UTC' | epoch_ms(ts) | ts::TIME | ts + to_seconds(k) | day < '2020-06-01' | ts BETWEEN '2020-02-01' AND '2020-03-01' | INTERVAL (t) DAY + ts | extract('hour' FROM ts) * 60 | date_add(day, INTERVAL 3 DAY) | isodow(day) | week(day) | quarter(ts) | to_timestamp(k) | (ts, day) < (TIMESTAMP '2020-03-01', DATE '2020-05-05')
SELECT id, E AS e FROM ev WHERE id % 9 = 1;
-- for E: l | l[1] | l[1:2] | len(l) | list_contains(l, 1) | list_sum(l) | list_transform(l, lambda x: x + 1) | list_filter(l, lambda x: x > 1) | [x * 2 FOR x IN l IF x IS NOT NULL] | list_reduce([1, 2, t8], lambda a, b: a + b) | array_to_string(l, ',') | list_sort(l, 'DESC') | list_concat(l, [9]) | flatten(ll) | ll[1][1] | st.a | st['b'] | struct_extract(st, 'a') | struct_pack(z := st.a, y := id) | st IS NULL | st = {'a': 1, 'b': 'n1'} | mp['k1'] | map_keys(mp) | cardinality(mp) | element_at(mp, 'k0') | js::JSON ->> 'n' | json_extract(js, '$.t') | (js::JSON -> 'n')::INT | unnest(l) | u::VARCHAR | u > '00000000-0000-4000-8000-000000000300' | b::VARCHAR | octet_length(b) | b || 'z'::BLOB | iv + day | iv > INTERVAL 20 DAY | extract(day FROM iv) | tz | tz::DATE | extract(hour FROM tz) | tz AT TIME ZONE 'Europe/Berlin' | tns | tsec | tm + INTERVAL 1 HOUR | tm < '06:00:00' | t128 | u64 | u64 - 9223372036854775807 | m38 * 2 | m4 + m9 | m18 / m4 | m4::VARCHAR | f::DECIMAL(9,2) | t64::HUGEINT * t64 | u8 + t8 | u8::UTINYINT | -t128 | d::FLOAT | union_value(num := t8) | {'n': {'m': l}}.n.m | (SELECT max(x) FROM unnest(l) q(x)) | [l, l] | typeof(m18 * m9) | typeof(u32 + t16)
SELECT id, E AS e FROM types WHERE id % 5 = 0;
SELECT * FROM ev WHERE id < 100;
SELECT * EXCLUDE (s, d) FROM ev WHERE id < 100;
SELECT * REPLACE (k + 1 AS k) FROM ev WHERE id < 100;
SELECT * RENAME (k AS kk) FROM ev WHERE id < 100;
SELECT COLUMNS('^[kg]$') FROM ev WHERE id < 100;
SELECT COLUMNS(c -> c LIKE 'd%') FROM ev WHERE id < 100;
SELECT min(COLUMNS('^[kg]$')), max(COLUMNS('^[kg]$')) FROM ev;
SELECT ev.* FROM ev WHERE id < 50;
SELECT e.k, e.* EXCLUDE (k) FROM ev e WHERE id < 50;
FROM ev SELECT k, g WHERE id < 60;
FROM gaps;
TABLE gaps;
SELECT k AS a, k AS a, k, k FROM ev WHERE id < 60;
SELECT k + 1, k + 1, count(*) FROM ev GROUP BY ALL;
SELECT 1, 'x', NULL, 1 + 1 FROM ev WHERE id < 5;
SELECT "k" AS "select", "g" AS "GROUP", s AS "order by", t AS " ", flag AS "a.b" FROM ev WHERE id < 60;
SELECT K, G, "S" FROM EV WHERE ID < 60;
SELECT id AS rowid_, k FROM ev WHERE id < 60;
SELECT k AS k2, k2 + 1 AS k3, k3 * 2 AS k4 FROM ev WHERE k2 > 5 AND id < 300;
SELECT k AS id, id AS k FROM ev WHERE id < 50;
SELECT x.y FROM (SELECT {'y': k} AS x FROM ev WHERE id < 60);
SELECT ev.k FROM ev AS ev WHERE ev.id < 60;
SELECT ev FROM ev WHERE id < 20;
SELECT e FROM (SELECT id, k FROM ev) e WHERE e.id < 40;
SELECT count(*) FILTER (WHERE s LIKE '%"%') AS q, count(*) FILTER (WHERE contains(s, chr(10))) AS n FROM ev;
SELECT unnest([1, 2, k]) AS u, id FROM ev WHERE id < 50;
SELECT unnest({'p': k, 'q': g}) FROM ev WHERE id < 50;
SELECT id, unnest(string_split(s, 'o')) AS part FROM ev WHERE id < 90;
SELECT sum(u) AS s FROM (SELECT unnest([k, g]) AS u FROM ev);
SELECT id FROM ev WHERE (SELECT count(*) FROM dim) > 3 AND id < 50;
SELECT id, k FROM ev WHERE flag AND k > 5 AND NOT s IS NULL AND s <> '' AND id < 900;
SELECT id FROM ev WHERE NULL;
SELECT id FROM ev WHERE k;
SELECT id FROM ev WHERE s = 'größe €' OR s = 'O''Neil; --' OR s = 'a "quoted", one';
SELECT id, CASE WHEN id % 2 = 0 THEN k ELSE m END AS mixed FROM ev WHERE id < 200;
SELECT coalesce(k, m, x) AS mixed, typeof(coalesce(k, m)) AS t FROM ev WHERE id < 200;
SELECT current_date = today() AS a, now() = current_timestamp AS b, current_date - current_date AS c FROM ev WHERE id < 9;
SELECT count(DISTINCT now()) AS n, count(DISTINCT current_date) AS m FROM ev;
SELECT count(*) AS n FROM ev WHERE ts < now() AND day < current_date;
SELECT typeof(k) AS a, typeof(m) AS b, typeof(x / 2) AS c, typeof(sum(m)) AS e, typeof(avg(m)) AS f, typeof(count(*)) AS g FROM ev GROUP BY ALL;
SELECT pi() * t AS p, greatest(1.5, k) AS q FROM ev WHERE id < 100;
SELECT current_setting('threads')::INT >= 0 AS a FROM one;
SELECT version() = version() AS v FROM one;
