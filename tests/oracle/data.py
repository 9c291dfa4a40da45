"""Deterministic data for the oracle: tables in the shape of TPC-H and ClickBench, and our own with all
that is nasty. Written once by one DuckDB into a folder that is named after this file's contents."""
import gzip
import hashlib
import os
import shutil
import tempfile

WORDS = ("almond antique azure beige bisque black blue brown chocolate coral cream cyan dark drab forest "
         "frosted green grey honey ivory khaki lace lemon lime linen maroon mint navy olive orchid pale "
         "peach pink plum puff red rose saddle salmon sandy sienna sky snow steel tan teal tomato violet "
         "wheat white").split()
NATIONS = [("ALGERIA", 0), ("ARGENTINA", 1), ("BRAZIL", 1), ("CANADA", 1), ("EGYPT", 4), ("ETHIOPIA", 0),
           ("FRANCE", 3), ("GERMANY", 3), ("INDIA", 2), ("INDONESIA", 2), ("IRAN", 4), ("IRAQ", 4),
           ("JAPAN", 2), ("JORDAN", 4), ("KENYA", 0), ("MOROCCO", 0), ("MOZAMBIQUE", 0), ("PERU", 1),
           ("CHINA", 2), ("ROMANIA", 3), ("SAUDI ARABIA", 4), ("VIETNAM", 2), ("RUSSIA", 3),
           ("UNITED KINGDOM", 3), ("UNITED STATES", 1)]
REGIONS = ["AFRICA", "AMERICA", "ASIA", "EUROPE", "MIDDLE EAST"]


def sql_list(values):
    return "[" + ", ".join("'" + v + "'" for v in values) + "]"


# pick(list, number): one of the list. h(i, salt): a number from 0, the same on every machine.
MACROS = """
CREATE OR REPLACE MACRO h(i, salt) AS (hash(i * 1000 + salt) >> 8)::BIGINT;
CREATE OR REPLACE MACRO pick(l, n) AS l[1 + (n % len(l))::INTEGER];
CREATE OR REPLACE MACRO text_of(i, salt) AS pick({w}, h(i, salt)) || ' ' || pick({w}, h(i, salt + 1)) || ' '
  || pick({w}, h(i, salt + 2));
CREATE OR REPLACE MACRO phone(i, n) AS (10 + n) || '-' || (100 + h(i, 7) % 900) || '-' || (100 + h(i, 8) % 900)
  || '-' || (1000 + h(i, 9) % 9000);
CREATE OR REPLACE MACRO ps_supplier(part, i, suppliers) AS
  1 + (part + i * (suppliers // 4 + (part - 1) // suppliers)) % suppliers;
CREATE OR REPLACE MACRO money(n) AS (n / 100)::DECIMAL(15,2);
""".format(w=sql_list(WORDS))


def tpch(n):
    """Table name -> SELECT; n orders are 30 times the suppliers and so on."""
    suppliers, parts, customers = max(n // 60, 25), max(n // 6, 100), max(n // 10, 60)
    order_date = "DATE '1992-01-01' + (h(o, 31) % 2405)::INTEGER"
    lines = f"""SELECT o * 4 AS l_orderkey, 1 + h(o * 8 + line, 41) % {parts} AS l_partkey, line,
  CASE WHEN h(o, 32) % 40 = 0 THEN 44 + h(o * 8 + line, 42) % 7 ELSE 1 + h(o * 8 + line, 42) % 50 END AS q,
  h(o * 8 + line, 43) AS r, {order_date} AS d, o * 8 + line AS i
FROM range(1, {n} + 1) a(o), range(1, 8) b(line)
WHERE line <= CASE WHEN h(o, 32) % 40 = 0 THEN 7 ELSE 1 + h(o, 33) % 7 END"""
    return {
        "region": "SELECT i::INTEGER AS r_regionkey, pick({}, i) AS r_name, text_of(i, 60) AS r_comment "
                  "FROM range(5) t(i)".format(sql_list(REGIONS)),
        "nation": "SELECT i::INTEGER AS n_nationkey, pick({}, i) AS n_name, pick({}, i)::INTEGER AS n_regionkey, "
                  "text_of(i, 63) AS n_comment FROM range(25) t(i)".format(
                      sql_list(x for x, _ in NATIONS), [r for _, r in NATIONS]),
        "supplier": f"""SELECT i::BIGINT AS s_suppkey, 'Supplier#' || lpad(i::VARCHAR, 9, '0') AS s_name,
  text_of(i, 66) AS s_address, ((i * 7 + h(i, 3) % 3) % 25)::INTEGER AS s_nationkey,
  phone(i, (i * 7 + h(i, 3) % 3) % 25) AS s_phone, money(h(i, 5) % 1099999 - 99999) AS s_acctbal,
  CASE WHEN i % 9 = 4 THEN 'quick Customer deposits Complaints ' ELSE '' END || text_of(i, 69) AS s_comment
FROM range(1, {suppliers} + 1) t(i)""",
        "part": f"""SELECT i::BIGINT AS p_partkey, pick({sql_list(WORDS)}, CASE WHEN i % 12 = 0 THEN 14 ELSE h(i, 11) END)
    || ' ' || text_of(i, 12) AS p_name,
  'Manufacturer#' || (1 + h(i, 15) % 5) AS p_mfgr, 'Brand#' || (1 + h(i, 15) % 5) || (1 + h(i, 16) % 5) AS p_brand,
  pick(['STANDARD','SMALL','MEDIUM','LARGE','ECONOMY','PROMO'], h(i, 17)) || ' '
    || pick(['ANODIZED','BURNISHED','PLATED','POLISHED','BRUSHED'], h(i, 18)) || ' '
    || pick(['TIN','NICKEL','BRASS','STEEL','COPPER'], h(i, 19)) AS p_type,
  CASE WHEN i % 8 = 3 THEN 15 ELSE 1 + h(i, 20) % 50 END::INTEGER AS p_size,
  pick(['SM','LG','MED','JUMBO','WRAP'], h(i, 21)) || ' '
    || pick(['CASE','BOX','BAG','JAR','PKG','PACK','CAN','DRUM'], h(i, 22)) AS p_container,
  money(90000 + (i // 10) % 20001 + 100 * (i % 1000)) AS p_retailprice, text_of(i, 23) AS p_comment
FROM range(1, {parts} + 1) t(i)""",
        "partsupp": f"""SELECT p::BIGINT AS ps_partkey, ps_supplier(p, i, {suppliers})::BIGINT AS ps_suppkey,
  (1 + h(p * 4 + i, 25) % 9999)::INTEGER AS ps_availqty, money(100 + h(p * 4 + i, 26) % 99901) AS ps_supplycost,
  text_of(p * 4 + i, 27) AS ps_comment FROM range(1, {parts} + 1) a(p), range(4) b(i)""",
        "customer": f"""SELECT i::BIGINT AS c_custkey, 'Customer#' || lpad(i::VARCHAR, 9, '0') AS c_name,
  text_of(i, 51) AS c_address, (h(i, 54) % 25)::INTEGER AS c_nationkey, phone(i, h(i, 54) % 25) AS c_phone,
  money(h(i, 55) % 1099999 - 99999) AS c_acctbal,
  pick(['AUTOMOBILE','BUILDING','FURNITURE','HOUSEHOLD','MACHINERY'], h(i, 56)) AS c_mktsegment,
  text_of(i, 57) AS c_comment FROM range(1, {customers} + 1) t(i)""",
        "orders": f"""SELECT (o * 4)::BIGINT AS o_orderkey,
  (1 + h(o, 34) % {customers} // 3 * 3 + h(o, 35) % 2)::BIGINT AS o_custkey,
  CASE WHEN {order_date} < DATE '1995-03-01' THEN 'F' WHEN h(o, 36) % 20 = 0 THEN 'P' ELSE 'O' END AS o_orderstatus,
  money(100000 + h(o, 37) % 40000000) AS o_totalprice, {order_date} AS o_orderdate,
  pick(['1-URGENT','2-HIGH','3-MEDIUM','4-NOT SPECIFIED','5-LOW'], h(o, 38)) AS o_orderpriority,
  'Clerk#' || lpad((h(o, 39) % 100)::VARCHAR, 9, '0') AS o_clerk, 0::INTEGER AS o_shippriority,
  CASE WHEN o % 11 = 0 THEN 'the special packages requests ' ELSE '' END || text_of(o, 44) AS o_comment
FROM range(1, {n} + 1) t(o)""",
        "lineitem": f"""SELECT l_orderkey::BIGINT AS l_orderkey, l_partkey::BIGINT AS l_partkey,
  ps_supplier(l_partkey, r % 4, {suppliers})::BIGINT AS l_suppkey, line::INTEGER AS l_linenumber,
  q::DECIMAL(15,2) AS l_quantity, (q * (90000 + (l_partkey // 10) % 20001 + 100 * (l_partkey % 1000)) / 100)::DECIMAL(15,2)
    AS l_extendedprice, money(h(i, 71) % 11) AS l_discount, money(h(i, 72) % 9) AS l_tax,
  CASE WHEN d + (1 + h(i, 73) % 121)::INTEGER > DATE '1995-06-17' THEN 'N' WHEN r % 2 = 0 THEN 'R' ELSE 'A' END AS l_returnflag,
  CASE WHEN d + (1 + h(i, 73) % 121)::INTEGER > DATE '1995-06-17' THEN 'O' ELSE 'F' END AS l_linestatus,
  d + (1 + h(i, 73) % 121)::INTEGER AS l_shipdate, d + (30 + h(i, 74) % 61)::INTEGER AS l_commitdate,
  d + (1 + h(i, 73) % 121)::INTEGER + (1 + h(i, 75) % 30)::INTEGER AS l_receiptdate,
  pick(['DELIVER IN PERSON','COLLECT COD','NONE','TAKE BACK RETURN'], h(i, 76)) AS l_shipinstruct,
  pick(['REG AIR','AIR','RAIL','SHIP','TRUCK','MAIL','FOB','AIR REG'], h(i, 77)) AS l_shipmode,
  text_of(i, 78) AS l_comment FROM ({lines}) x""",
    }


def hits(n):
    url = "pick(['http://example.com/','https://www.google.ru/','http://shop.test/item?id=','mail.test/'], h(i, 1))"
    return f"""SELECT h(i, 101) AS "WatchID", (i % 2)::SMALLINT AS "JavaEnable",
  CASE h(i, 2) % 5 WHEN 0 THEN '' WHEN 1 THEN 'Google ' || h(i, 3) % 40 ELSE text_of(h(i, 3) % 300, 90) END AS "Title",
  1::SMALLINT AS "GoodEvent", TIMESTAMP '2013-07-14 00:00:00' + to_seconds(h(i, 4) % 1500000) AS "EventTime",
  (TIMESTAMP '2013-07-14 00:00:00' + to_seconds(h(i, 4) % 1500000))::DATE AS "EventDate",
  CASE WHEN h(i, 5) % 3 = 0 THEN 62 ELSE h(i, 6) % 200 END::INTEGER AS "CounterID",
  (h(i, 7) % 900 - 450)::INTEGER AS "ClientIP", (h(i, 8) % 60)::INTEGER AS "RegionID",
  CASE WHEN h(i, 9) % 50 = 0 THEN 435090932899640449 ELSE h(h(i, 9) % 700, 10) END::BIGINT AS "UserID",
  {url} || (h(i, 11) % 90) AS "URL", CASE WHEN i % 4 = 0 THEN '' ELSE {url.replace('1)', '12)')} || 'r/' || (h(i, 13) % 40) END AS "Referer",
  (h(i, 14) % 2)::SMALLINT AS "IsRefresh", (1024 + h(i, 15) % 6 * 128)::SMALLINT AS "ResolutionWidth",
  (h(i, 16) % 3)::SMALLINT AS "MobilePhone", CASE WHEN h(i, 17) % 4 = 0 THEN pick(['iPad','iPhone','Nexus 7','GT-I9300'], h(i, 18)) ELSE '' END AS "MobilePhoneModel",
  CASE WHEN h(i, 19) % 10 = 0 THEN 2 + h(i, 20) % 30 ELSE 0 END::SMALLINT AS "AdvEngineID",
  (h(i, 21) % 6)::SMALLINT AS "SearchEngineID", CASE WHEN h(i, 22) % 3 = 0 THEN text_of(h(i, 23) % 120, 95) ELSE '' END AS "SearchPhrase",
  (h(i, 24) % 3 = 0)::SMALLINT AS "IsLink", (h(i, 25) % 7 = 0)::SMALLINT AS "IsDownload", (h(i, 26) % 4 = 0)::SMALLINT AS "DontCountHits",
  (h(i, 27) % 9 - 1)::SMALLINT AS "TraficSourceID",
  CASE WHEN h(i, 28) % 20 = 0 THEN 2868770270353813622 ELSE h(h(i, 28) % 50, 29) END::BIGINT AS "URLHash",
  CASE WHEN h(i, 30) % 9 = 0 THEN 3594120000172545465 ELSE h(h(i, 30) % 50, 29) END::BIGINT AS "RefererHash",
  (800 + h(i, 31) % 12 * 40)::SMALLINT AS "WindowClientWidth", (600 + h(i, 32) % 9 * 40)::SMALLINT AS "WindowClientHeight"
FROM range({n}) t(i)"""


# Skewed keys, NULLs, floats that are not numbers, strings that break readers, and most types.
EVENTS = """
SELECT i AS id,
  CASE WHEN h % 10 < 5 THEN 7 WHEN h % 50 = 9 THEN NULL ELSE h % 300 END::INTEGER AS k,
  CASE h % 11 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN 'a "quoted", one' WHEN 3 THEN 'two' || chr(10) || 'lines'
    WHEN 4 THEN 'größe €' WHEN 5 THEN 'O''Neil; --' ELSE 'word' || (h % 90) END AS s,
  CASE h % 17 WHEN 0 THEN NULL WHEN 1 THEN 'nan'::DOUBLE WHEN 2 THEN -0.0::DOUBLE WHEN 3 THEN 0.0 WHEN 4 THEN 1e300 WHEN 5 THEN -1e-300
    ELSE (h % 100000) / 7.0 END::DOUBLE AS d,
  (h % 5000) / 8.0::DOUBLE AS x, ((h % 1000) / 4.0)::FLOAT AS f,
  CASE WHEN h % 23 = 0 THEN NULL ELSE ((h % 2000001)::BIGINT - 1000000)::DECIMAL(15,2) / 100 END::DECIMAL(15,2) AS m,
  ((h % 1000003)::HUGEINT * 1000000000000000000) AS big,
  CASE WHEN h % 13 = 0 THEN NULL ELSE DATE '2020-01-01' + (h % 800)::INTEGER END AS day,
  TIMESTAMP '2020-01-01 00:00:00' + to_seconds((h % 10000000)::BIGINT) AS ts,
  CASE h % 3 WHEN 0 THEN true WHEN 1 THEN false END AS flag,
  (h % 40)::INTEGER AS g, (h % 5)::TINYINT AS t, (h % 7 - 3)::SMALLINT AS n16
FROM (SELECT i, (hash(i) >> 3)::BIGINT AS h FROM range({rows}) r(i))"""

OTHER = """
SELECT (i * 3)::BIGINT AS id, CASE WHEN h % 20 = 0 THEN NULL ELSE h % 320 END::BIGINT AS k, (h % 50)::SMALLINT AS g,
  CASE h % 7 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN 'größe €' ELSE 'word' || (h % 90) END AS s,
  ((h % 10000) / 3)::DECIMAL(9,3) AS v, CASE h % 9 WHEN 0 THEN 'nan'::DOUBLE WHEN 1 THEN -0.0::DOUBLE ELSE h % 40 END::DOUBLE AS d,
  DATE '2020-06-01' + (h % 300)::INTEGER AS day, TIMESTAMP '2020-02-01' + to_minutes((h % 90000)::BIGINT) AS ts
FROM (SELECT i, (hash(i + 77777) >> 3)::BIGINT AS h FROM range({rows}) r(i))"""

DIM = """SELECT i::INTEGER AS g, 'group ' || i AS name, CASE WHEN i % 5 = 0 THEN NULL ELSE i % 4 END AS class
FROM range(45) r(i) WHERE i <> 11"""

NULLS = """SELECT CASE WHEN i % 97 = 0 THEN i % 5 END::INTEGER AS a, NULL::VARCHAR AS b,
  CASE WHEN i % 1009 = 0 THEN i / 2.0 END::DOUBLE AS c, CASE WHEN i % 3 = 0 THEN 'x' END AS s, i AS id FROM range({rows}) r(i)"""

TYPES = """SELECT i::BIGINT AS id, (i % 7)::TINYINT AS t8, (i % 300 - 150)::SMALLINT AS t16, i::INTEGER AS t32,
  (i * 1000003)::BIGINT AS t64, (i % 11)::HUGEINT * 170141183460469231731687303715884105 AS t128,
  (i % 200)::UTINYINT AS u8, (i % 60000)::USMALLINT AS u16, i::UINTEGER AS u32, i::UBIGINT + 9223372036854775807 AS u64,
  i / 3.0::FLOAT AS f, i / 7.0::DOUBLE AS d, (i % 3000 / 8.0)::DECIMAL(4,1) AS m4, (i / 8.0)::DECIMAL(9,3) AS m9,
  (i * 12345.678)::DECIMAL(18,3) AS m18, (i * 123456789.5)::DECIMAL(38,5) AS m38,
  DATE '1990-01-01' + (i % 500)::INTEGER AS day, TIME '00:00:00' + to_seconds(i % 86400) AS tm,
  TIMESTAMP '2000-01-01' + to_seconds(i * 977) AS ts, (TIMESTAMP '2000-01-01' + to_seconds(i * 977))::TIMESTAMPTZ AS tz,
  (TIMESTAMP '2000-01-01' + to_seconds(i * 977))::TIMESTAMP_NS AS tns, (TIMESTAMP '2000-01-01' + to_seconds(i % 50))::TIMESTAMP_S AS tsec,
  i % 2 = 0 AS flag, ('x' || (i % 40))::BLOB AS b, CASE WHEN i % 6 > 0 THEN [i % 5, NULL, i % 3] END AS l,
  CASE WHEN i % 8 > 0 THEN {'a': i % 9, 'b': 'n' || (i % 4)} END AS st, MAP {'k' || (i % 3): i % 6} AS mp,
  uuid_text::UUID AS u, to_days((i % 40)::INTEGER) + to_months((i % 2)::INTEGER) AS iv,
  [['a' || (i % 2)], [], NULL] AS ll, '{"n": ' || (i % 12) || ', "t": "v"}' AS js
FROM (SELECT i, '00000000-0000-4000-8000-' || lpad((i % 900)::VARCHAR, 12, '0') AS uuid_text FROM range({rows}) r(i))"""


def copies_of(name, select, path, files, key):
    """COPY statements of a table in several Parquet files, each with several row groups."""
    os.makedirs(os.path.join(path, name), exist_ok=True)
    part = f"SELECT * FROM ({select}) WHERE hash({key}) % {files} = "
    return [f"COPY ({part}{i}) TO '{path}/{name}/{i}.parquet' (FORMAT parquet, ROW_GROUP_SIZE 2048)"
            for i in range(files)]


def access_log(path, lines):
    with open(path, "w", encoding="utf-8") as f:
        for i in range(lines):
            if i % 211 == 210:
                f.write("this is not a log line\n")
                continue
            f.write(f'10.0.{i % 7}.{i * i % 11} - {"bob" if i % 3 == 0 else "-"} '
                    f'[10/Oct/2023:{i % 24:02d}:{i % 60:02d}:{i % 59:02d} +0000] "GET /page/{i * 7 % 20}?q={i % 3} HTTP/1.1" '
                    f'{200 if i % 9 else 404} {i * 31 % 5000} "-" "agent/{i % 4}.0"\n')


def tables(path):
    """Name -> FROM text, the same for the cluster and for the oracle."""
    found = {n: f"'{path}/{n}/*.parquet'" for n in
             list(tpch(60)) + ["hits", "ev", "other", "nulls", "types", "gaps"]}
    found.update({"dim": f"'{path}/dim.csv'", "one": f"'{path}/one.parquet'", "none": f"'{path}/none.parquet'",
                  "ev_csv": f"'{path}/ev.csv'", "ev_json": f"'{path}/ev.json'",
                  "ev_gz": f"'{path}/ev.csv.gz'", "none_csv": f"'{path}/none.csv'",
                  "small": f"'{path}/small.parquet'"})
    return found


def write(path, scale, run):
    rows = 6000 * scale
    statements = []
    spread = {"lineitem": (3, "l_orderkey + l_linenumber"), "orders": (2, "o_orderkey"), "partsupp": (2, "ps_suppkey"),
              "customer": (2, "c_custkey"), "part": (2, "p_partkey"), "nation": (2, "n_nationkey"),
              "supplier": (1, "s_suppkey"), "region": (1, "r_regionkey")}
    for name, select in tpch(3000 * scale).items():
        statements += copies_of(name, select, path, *spread[name])
    events = EVENTS.format(rows=rows)
    statements += copies_of("hits", hits(8000 * scale), path, 3, '"WatchID"')
    statements += copies_of("ev", events, path, 3, "id") + copies_of("other", OTHER.format(rows=rows // 2), path, 2, "id")
    statements += copies_of("nulls", NULLS.format(rows=rows), path, 2, "id") + copies_of("types", TYPES.replace("{rows}", str(rows // 2)), path, 2, "id")
    # some of these files have no row, one has one
    statements += [f"COPY (SELECT id, k, g, s FROM ({events}) WHERE {where}) TO '{path}/gaps/{i}.parquet' (FORMAT parquet)"
                   for i, where in enumerate(["false", "id < 400", "false", "id = 401", "id BETWEEN 500 AND 900"])]
    os.makedirs(f"{path}/gaps", exist_ok=True)
    plain = f"SELECT * EXCLUDE (d, big) FROM ({events}) ORDER BY id"
    statements += [
        f"COPY ({DIM}) TO '{path}/dim.csv' (FORMAT csv, HEADER)",
        f"COPY (SELECT * FROM ({events}) WHERE id = 5) TO '{path}/one.parquet' (FORMAT parquet)",
        f"COPY (SELECT * FROM ({events}) WHERE id < 40 ORDER BY id) TO '{path}/small.parquet' (FORMAT parquet)",
        f"COPY (SELECT * FROM ({events}) WHERE false) TO '{path}/none.parquet' (FORMAT parquet)",
        f"COPY ({plain}) TO '{path}/ev.csv' (FORMAT csv, HEADER)",
        f"COPY ({plain}) TO '{path}/ev.json' (FORMAT json)",
    ]
    for statement in statements:
        run(statement)
    with open(f"{path}/ev.csv", "rb") as csv, gzip.open(f"{path}/ev.csv.gz", "wb", 1) as packed:
        packed.write(csv.read())
    with open(f"{path}/none.csv", "w", encoding="utf-8") as f:
        f.write("id,k,s\n")
    access_log(f"{path}/access.log", 3000 * scale)


def make(run, scale=1):
    """The folder with the data, made by run(sql) if it is not there yet."""
    with open(os.path.abspath(__file__), "rb") as f:
        name = f"eider-oracle-{os.getuid()}-{hashlib.sha256(f.read()).hexdigest()[:12]}-{scale}"
    path = os.path.join(tempfile.gettempdir(), name)
    if os.path.isdir(path):
        return path
    unfinished = tempfile.mkdtemp(prefix="eider-oracle-new-")
    for statement in filter(str.strip, MACROS.split(";\n")):
        run(statement)
    write(unfinished, scale, run)
    try:
        os.rename(unfinished, path)
    except OSError:  # another run was faster
        shutil.rmtree(unfinished, ignore_errors=True)
    return path
