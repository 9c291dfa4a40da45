"""Deterministic test data, written by one DuckDB: the same rows as Parquet, CSV and JSON lines."""
import gzip
import os

from harness import oracle_run

ROWS = 60000

# Skewed key, NULLs, empty strings, quotes, commas and newlines in strings, and each common type.
EVENTS = """
SELECT i AS id,
  CASE WHEN h % 10 < 6 THEN 7 WHEN h % 50 = 9 THEN NULL ELSE h % 1000 END::INTEGER AS k,
  CASE h % 9 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN 'a "quoted", one'
    WHEN 3 THEN 'two' || chr(10) || 'lines' WHEN 4 THEN 'größe €' ELSE 'word' || (h % 300) END AS s,
  (h % 100000) / 7.0::DOUBLE AS d,
  ((h % 2000001)::BIGINT - 1000000)::DECIMAL(15,2) / 100 AS m,
  CASE WHEN h % 13 = 0 THEN NULL ELSE DATE '2020-01-01' + (h % 1500)::INTEGER END AS day,
  TIMESTAMP '2020-01-01 00:00:00' + to_seconds((h % 100000000)::BIGINT) AS ts,
  h % 3 = 0 AS flag,
  (h % 40)::INTEGER AS g
FROM (SELECT i, (hash(i) >> 3) AS h FROM range({rows}) r(i))
"""

DIM = """SELECT i::INTEGER AS g, 'group ' || i AS name, CASE WHEN i % 5 = 0 THEN NULL ELSE i % 4 END AS class
FROM range(45) r(i) WHERE i <> 11"""

ALL_TYPES = """SELECT i::BIGINT AS id, (i % 7)::TINYINT AS t8, (i % 300)::SMALLINT AS t16, i::INTEGER AS t32,
  (i * 1000003)::BIGINT AS t64, (i % 200)::UTINYINT AS u8, (i % 60000)::USMALLINT AS u16,
  i::UINTEGER AS u32, i::UBIGINT AS u64, i / 3.0::FLOAT AS f, i / 7.0::DOUBLE AS d,
  (i / 8.0)::DECIMAL(4,1) AS m4, (i / 8.0)::DECIMAL(9,3) AS m9, (i * 12345.678)::DECIMAL(18,3) AS m18,
  (i * 123456789.5)::DECIMAL(38,5) AS m38, DATE '1990-01-01' + i::INTEGER AS day,
  TIME '00:00:00' + to_seconds(i % 86400) AS tm, TIMESTAMP '2000-01-01' + to_seconds(i * 977) AS ts,
  (TIMESTAMP '2000-01-01' + to_seconds(i * 977))::TIMESTAMPTZ AS tz,
  i % 2 = 0 AS flag, ('x' || i)::BLOB AS b, [i, NULL, i + 1] AS l, {'a': i, 'b': 'n' || i} AS st,
  MAP {'k' || (i % 3): i} AS mp, uuid_text::UUID AS u, INTERVAL (i % 100) DAY AS iv
FROM (SELECT i, '00000000-0000-4000-8000-' || lpad(i::VARCHAR, 12, '0') AS uuid_text FROM range(3000) r(i))"""


def make(directory, rows=ROWS):
    """Writes the files and returns their paths by name."""
    p = {name: os.path.join(directory, name) for name in
         ("events.parquet", "events.csv", "events.json", "dim.csv", "dim.parquet", "types.parquet",
          "events.csv.gz", "empty.csv", "none.parquet")}
    parts = os.path.join(directory, "parts")
    os.makedirs(parts, exist_ok=True)
    events = EVENTS.format(rows=rows)
    copies = [
        f"COPY ({events} ORDER BY id) TO '{p['events.parquet']}' (FORMAT parquet, ROW_GROUP_SIZE 4096)",
        f"COPY ({events} ORDER BY id) TO '{p['events.csv']}' (FORMAT csv, HEADER)",
        f"COPY ({events} ORDER BY id) TO '{p['events.json']}' (FORMAT json)",
        f"COPY ({DIM}) TO '{p['dim.csv']}' (FORMAT csv, HEADER)",
        f"COPY ({DIM}) TO '{p['dim.parquet']}' (FORMAT parquet)",
        f"COPY ({ALL_TYPES}) TO '{p['types.parquet']}' (FORMAT parquet, ROW_GROUP_SIZE 2048)",
        f"COPY (SELECT 1 AS a, 'x' AS b WHERE false) TO '{p['none.parquet']}' (FORMAT parquet)",
    ] + [
        f"COPY (SELECT * FROM ({events}) WHERE id % 5 = {i}) TO '{parts}/p{i}.parquet' (FORMAT parquet)"
        for i in range(5)
    ]
    oracle_run("SET TimeZone='UTC'; " + "; ".join(copies))
    with open(p["events.csv"], "rb") as plain, gzip.open(p["events.csv.gz"], "wb", 1) as packed:
        packed.write(plain.read())
    with open(p["empty.csv"], "w", encoding="utf-8") as f:
        f.write("a,b\n")
    p["parts"] = os.path.join(parts, "*.parquet")
    return p


def write_log(path, lines, malformed_every=0):
    """A small access log; returns how many lines are malformed."""
    bad = 0
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "wt", encoding="utf-8") as f:
        for i in range(lines):
            if malformed_every and i % malformed_every == malformed_every - 1:
                f.write("this is not a log line\n")
                bad += 1
                continue
            f.write(f'10.0.{i % 7}.{i % 11} - {"bob" if i % 3 == 0 else "-"} '
                    f'[10/Oct/2023:13:{i % 60:02d}:{i % 59:02d} +0000] "GET /page/{i % 20} HTTP/1.1" '
                    f'{200 if i % 9 else 404} {i % 5000} "-" "agent/{i % 4}.0"\n')
    return bad
