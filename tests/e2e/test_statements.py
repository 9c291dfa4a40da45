"""Statements that write or define: COPY, CREATE TABLE AS, INSERT, views, ANALYZE, SET, parameters. What was
written is read by one DuckDB; killed, failed and cancelled attempts leave nothing."""
import glob
import json
import os
import signal
import subprocess
import threading
import time

import data
from harness import SANITIZED, SLOWER, Cluster, Skip, main, oracle, same_rows, temporary, wait_until

os.environ["EIDER_TEST_SPLIT_BYTES"] = "100000"  # several tasks for little data
CLUSTER = None
HOME = temporary()
FILES = data.make(HOME, 20000 if SANITIZED else 200000)
EVENTS = f"'{FILES['events.parquet']}'"
# Slow enough that a kill or a cancel hits it.
SLOW = f"SELECT g, id, md5(md5(md5(md5(md5(s || id))))) AS h FROM {EVENTS} WHERE length(md5(sha256(s || id))) > 3"


def path(name):
    return os.path.join(HOME, name)


def hidden(folder=HOME):
    return [os.path.join(base, n) for base, dirs, names in os.walk(folder) for n in dirs + names
            if n.startswith(".eider-") or n.endswith(".tmp")]


def count(sql, cluster=None):
    return int((cluster or CLUSTER).sql(sql).rows[0][0])


def same_as(read, query, ordered=False):
    difference = same_rows(oracle(read)[1], oracle(query)[1], ordered)
    assert difference is None, f"{read}: {difference}"


def jobs(cluster=None):
    document = (cluster or CLUSTER).rest("GET", "/v1/jobs")[1]
    return document["jobs"] if isinstance(document, dict) else document


# ---- COPY ----------------------------------------------------------------------------------------------

def test_copy_to_directory():
    n = count(f"COPY (SELECT * FROM {EVENTS}) TO '{path('all')}' (FORMAT parquet)")
    files = glob.glob(path("all/*.parquet"))
    assert len(files) > 1, f"one task wrote everything: {files}"
    assert n == int(oracle(f"SELECT count(*) FROM {EVENTS}")[1][0][0]), n
    same_as(f"SELECT * FROM '{path('all')}/*.parquet'", f"SELECT * FROM {EVENTS}")
    assert not hidden(), hidden()


def test_copy_aggregate():
    query = f"SELECT g, count(*) AS n, sum(m) AS total FROM {EVENTS} GROUP BY g"
    CLUSTER.sql(f"COPY ({query}) TO '{path('sums')}' (FORMAT parquet)")
    same_as(f"SELECT * FROM '{path('sums')}/*.parquet'", query)


def test_copy_to_file():
    query = f"SELECT id, s, d FROM {EVENTS} WHERE s <> '' ORDER BY id LIMIT 5000"
    for name, options in (("one.csv", ""), ("two.csv.gz", "(HEADER, DELIMITER '|')"),
                          ("three.json", "(FORMAT json)"), ("four.parquet", "(COMPRESSION zstd)")):
        assert count(f"COPY ({query}) TO '{path(name)}' {options}") == 5000
        assert os.path.isfile(path(name))
        same_as(f"SELECT * FROM '{path(name)}'", query, ordered=True)
    assert count(f"COPY (SELECT id FROM {EVENTS}) TO '{path('five.parquet')}'") > 5000
    same_as(f"SELECT * FROM '{path('five.parquet')}'", f"SELECT id FROM {EVENTS}")


def test_copy_relative_and_table():
    CLUSTER.sql(f"CREATE OR REPLACE EXTERNAL TABLE ev AS FROM {EVENTS}")
    done = CLUSTER.cli("sql", "COPY ev (id, g) TO 'relative.parquet'", cwd=HOME)
    assert done.returncode == 0, done.stderr
    same_as(f"SELECT * FROM '{path('relative.parquet')}'", f"SELECT id, g FROM {EVENTS}")


def test_copy_partitioned():
    CLUSTER.sql(f"COPY (SELECT id, flag, g % 5 AS bucket FROM {EVENTS}) TO '{path('buckets')}' "
                f"(FORMAT parquet, PARTITION_BY (bucket))")
    same_as(f"SELECT id, flag, bucket FROM read_parquet('{path('buckets')}/*/*.parquet', hive_partitioning=true)",
            f"SELECT id, flag, g % 5 AS bucket FROM {EVENTS}")
    assert glob.glob(path("buckets/bucket=*")) and not hidden()


def test_copy_without_rows():
    assert count(f"COPY (SELECT id, s FROM {EVENTS} WHERE id < -5) TO '{path('none')}' (FORMAT parquet)") == 0
    assert oracle(f"SELECT * FROM '{path('none')}/*.parquet'")[0] == ("id", "s")
    assert count(f"COPY (SELECT id FROM {EVENTS} WHERE id < -5) TO '{path('none.csv')}'") == 0
    assert os.path.exists(path("none.csv"))


def test_copy_same_names():
    CLUSTER.sql(f"COPY (SELECT 1 AS a, 2 AS a, 3 AS \"A\") TO '{path('names.parquet')}'")
    assert oracle(f"SELECT * FROM '{path('names.parquet')}'")[1] == [("1", "2", "3")]


def test_copy_existing_target():
    target = path("again")
    CLUSTER.sql(f"COPY (SELECT 1 AS a) TO '{target}' (FORMAT parquet)")
    before = len(jobs())
    assert "OVERWRITE" in CLUSTER.error(f"COPY (SELECT 2 AS a) TO '{target}' (FORMAT parquet)")[1]
    CLUSTER.sql(f"COPY (SELECT 1 AS a) TO '{path('again.csv')}'")
    assert "OVERWRITE" in CLUSTER.error(f"COPY (SELECT 2 AS a) TO '{path('again.csv')}'")[1]
    assert len(jobs()) == before + 1, "a refused COPY made a job"
    CLUSTER.sql(f"COPY (SELECT 3 AS a) TO '{target}' (FORMAT parquet, OVERWRITE)")
    CLUSTER.sql(f"COPY (SELECT 3 AS a) TO '{path('again.csv')}' (OVERWRITE)")
    assert oracle(f"SELECT a FROM '{target}/*.parquet'")[1] == [("3",)]
    assert oracle(f"SELECT a FROM '{path('again.csv')}'")[1] == [("3",)]
    CLUSTER.sql(f"COPY (SELECT 4 AS a) TO '{target}' (FORMAT parquet, APPEND)")
    assert oracle(f"SELECT a FROM '{target}/*.parquet' ORDER BY a")[1] == [("3",), ("4",)]
    with open(os.path.join(target, "precious.doc"), "w", encoding="utf-8") as f:
        f.write("mine")
    assert "precious.doc" in CLUSTER.error(
        f"COPY (SELECT 5 AS a) TO '{target}' (FORMAT parquet, OVERWRITE)")[1]
    assert os.path.exists(os.path.join(target, "precious.doc")) and not hidden()


def test_copy_refused():
    before = len(jobs())
    for statement in (f"COPY (SELECT 1) TO '{path('x')}'", f"COPY (SELECT 1) TO '{path('x')}' (FORMAT xml)",
                      f"COPY (SELECT 1) TO '{path('x.csv')}' (NONSENSE 1)",
                      f"COPY (SELECT 1) TO '{path('x.csv')}' (DELIMITER 'long delimiter')",
                      f"COPY (SELECT 1 AS a) TO '{path('x')}' (FORMAT csv, PARTITION_BY (b))",
                      f"COPY (SELECT 1) TO '{path('no/such/x.csv')}'",
                      f"COPY (SELECT 1) TO '{FILES['events.parquet']}/x.csv'",
                      "COPY (SELECT 1) TO '/proc/eider.csv'", "COPY (SELECT nosuch) TO 'x.csv'",
                      "COPY (SELECT 1) TO 's3://bucket/x.csv'"):
        code, sentence = CLUSTER.error(statement)
        assert code in (1, 4), (statement, code, sentence)
    for name in ("pki/ca.crt", "tokens", "new.csv"):
        inside = os.path.join(CLUSTER.directory, name)
        code, sentence = CLUSTER.error(f"COPY (SELECT 1) TO '{inside}' (FORMAT csv, OVERWRITE)")
        assert code == 5 and "own directory" in sentence, (code, sentence)
    assert len(jobs()) == before, "a refused COPY made a job"
    assert not os.path.exists(path("x")) and not os.path.exists(path("x.csv")) and not hidden()


def test_copy_that_fails():
    sentence = CLUSTER.error(f"COPY (SELECT CAST(s AS INTEGER) AS a FROM {EVENTS}) TO '{path('bad')}' "
                             f"(FORMAT parquet)")[1]
    assert "Could not convert" in sentence, sentence
    assert not os.path.exists(path("bad"))
    wait_until(lambda: not hidden(), 5, "what a failed COPY wrote is removed")


def test_copy_to_full_disk():
    small = path("small-disk")
    os.makedirs(small, exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", small], check=False,
                      capture_output=True).returncode != 0:
        raise Skip("no small file system can be mounted here")
    try:
        sentence = CLUSTER.error(f"COPY (SELECT * FROM {EVENTS}) TO '{small}/x' (FORMAT csv)")[1]
        assert "space" in sentence.lower(), sentence
        wait_until(lambda: not os.listdir(small), 5, "what a failed COPY wrote is removed")
    finally:
        subprocess.run(["umount", small], check=False)


# ---- tables --------------------------------------------------------------------------------------------

def test_table():
    n = count(f"CREATE TABLE t1 AS SELECT id, g, s, d, m FROM {EVENTS} WHERE g > 3")
    CLUSTER.sql(f"INSERT INTO t1 SELECT id, g, s, d, m FROM {EVENTS} WHERE g = 3")
    more = count(f"INSERT INTO t1 (s, id) SELECT s, id FROM {EVENTS} WHERE g = 2")
    assert n > 0 and more > 0
    CLUSTER.check_against_oracle(
        "SELECT * FROM t1", oracle_query=f"SELECT id, g, s, d, m FROM {EVENTS} WHERE g >= 3 UNION ALL "
        f"SELECT id, NULL, s, NULL, NULL FROM {EVENTS} WHERE g = 2")
    assert count("INSERT INTO t1 BY NAME SELECT 'x' AS s, -1 AS id") == 1
    assert CLUSTER.csv("SELECT s FROM t1 WHERE id = -1")[1] == [("x",)]
    assert count("INSERT INTO t1 (id) VALUES (-2), (-3)") == 2
    assert ("t1", "managed") in [(r[0], r[2]) for r in CLUSTER.sql("SHOW TABLES").rows]
    tables = os.path.join(CLUSTER.directory, "tables")
    assert not hidden(tables), hidden(tables)
    CLUSTER.sql("DROP TABLE t1")
    assert not glob.glob(tables + "/t1-*"), "the dropped table's files are left"
    assert "t1" in CLUSTER.error("SELECT * FROM t1")[1]


def test_table_types():
    row = ("1::HUGEINT AS h, 170141183460469231731687303715884105727::HUGEINT AS big, INTERVAL '3 days 2 us' AS i, "
           "'10:00:00+02'::TIMETZ AS z, [1, 2, NULL] AS l, {'a': 1, 'b': 'x'} AS st, 'a'::ENUM('a', 'b') AS en, "
           "1.5::DECIMAL(38,10) AS de, 'x'::BLOB AS bl, true AS bo, DATE '2020-02-29' AS da, NULL::INTEGER AS nu, "
           "TIMESTAMP_NS '2020-01-01 00:00:00.123456789' AS ns, '101'::BIT AS bi, MAP {'k': 1} AS mp, "
           "[1, 2]::INTEGER[2] AS ar, TIMESTAMP_S '2020-01-01 00:00:01' AS ts, 0.1::FLOAT AS fl")
    CLUSTER.sql(f"CREATE TABLE types AS SELECT {row}")
    CLUSTER.check_against_oracle("SELECT * FROM types", oracle_query=f"SELECT {row}")
    got = CLUSTER.csv("DESCRIBE types")[1]
    wanted = oracle(f"DESCRIBE SELECT {row}")[1]
    assert [(r[0], r[1].replace('"', "")) for r in got] == [r[:2] for r in wanted], (got, wanted)
    assert "cast" in CLUSTER.error("CREATE TABLE bad AS SELECT [1::HUGEINT] AS x")[1]
    CLUSTER.sql("DROP TABLE types")


def test_table_refused():
    CLUSTER.sql("CREATE TABLE t2 AS SELECT 1 AS a")
    assert "exists" in CLUSTER.error("CREATE TABLE T2 AS SELECT 2 AS a")[1]
    assert count("SELECT a FROM t2") == 1
    CLUSTER.sql("CREATE TABLE IF NOT EXISTS t2 AS SELECT 2 AS a")
    assert count("SELECT a FROM t2") == 1
    CLUSTER.error("INSERT INTO t2 SELECT 1, 2")
    CLUSTER.error("INSERT INTO t2 (b) SELECT 1")
    CLUSTER.error("INSERT INTO t2 SELECT 'x'")
    CLUSTER.error("INSERT INTO nosuch SELECT 1")
    CLUSTER.error("DROP VIEW t2")
    CLUSTER.sql("CREATE OR REPLACE TABLE t2 AS SELECT 'new' AS b")
    assert CLUSTER.csv("SELECT * FROM t2") == (("b",), [("new",)])
    assert len(glob.glob(os.path.join(CLUSTER.directory, "tables", "t2-*"))) == 1
    CLUSTER.sql("DROP TABLE t2")
    CLUSTER.sql("DROP TABLE IF EXISTS t2")
    CLUSTER.error("DROP TABLE t2")


def test_concurrent_inserts():
    CLUSTER.sql("CREATE TABLE t3 AS SELECT 0 AS a WHERE false")
    failures = []

    def insert(k):
        for i in range(3):
            done = CLUSTER.cli("sql", f"INSERT INTO t3 SELECT {k * 10 + i} AS a")
            if done.returncode != 0:
                failures.append(done.stderr)
    threads = [threading.Thread(target=insert, args=(k,)) for k in range(5)]
    for t in threads:
        t.start()
    while any(t.is_alive() for t in threads):
        count("SELECT count(*) FROM t3")  # readers see whole versions, never an error
    for t in threads:
        t.join()
    assert not failures, failures
    rows = CLUSTER.csv("SELECT a FROM t3 ORDER BY a")[1]
    assert rows == [(str(k * 10 + i),) for k in range(5) for i in range(3)], rows
    CLUSTER.sql("DROP TABLE t3")


# ---- views, statistics -----------------------------------------------------------------------------------

def test_views():
    done = CLUSTER.cli("sql", "CREATE VIEW v1 AS SELECT g, count(*) AS n, sum(m) AS total "
                       "FROM 'events.parquet' GROUP BY g", cwd=os.path.dirname(FILES["events.parquet"]))
    assert done.returncode == 0, done.stderr
    base = f"SELECT g, count(*) AS n, sum(m) AS total FROM {EVENTS} GROUP BY g"
    CLUSTER.check_against_oracle("SELECT * FROM v1", oracle_query=base)
    CLUSTER.sql("CREATE VIEW v2 AS SELECT a.g, a.n + b.n AS k FROM v1 a JOIN V1 AS b(g, n, t) ON a.g = b.g")
    CLUSTER.check_against_oracle("SELECT x.k FROM v2 AS x WHERE x.g IN (SELECT g FROM v1 WHERE g < 9)",
                                 oracle_query=f"SELECT 2 * n AS k FROM ({base}) WHERE g < 9")
    assert CLUSTER.csv("WITH v1 AS (SELECT 7 AS g) SELECT * FROM v1")[1] == [("7",)]
    CLUSTER.check_against_oracle("WITH v1 AS (SELECT g FROM v1 WHERE g = 1) SELECT * FROM v1",
                                 oracle_query="SELECT 1 AS g")
    CLUSTER.check_against_oracle("WITH v1 AS (SELECT 1 AS g, 1 AS n) SELECT count(*) AS c FROM v2",
                                 oracle_query=f"SELECT count(*) AS c FROM ({base}) WHERE g IS NOT NULL")
    CLUSTER.sql(f"CREATE OR REPLACE EXTERNAL TABLE under AS FROM {EVENTS}")
    CLUSTER.sql("CREATE VIEW over AS SELECT id FROM under WHERE id < 10")
    assert "another name" in CLUSTER.error("WITH under AS (SELECT 1 AS id) SELECT * FROM over")[1]
    assert count("WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r WHERE i < 3) "
                 "SELECT count(*) FROM r, over") == 30
    assert CLUSTER.cli("sql", "DROP VIEW over; DROP TABLE under").returncode == 0
    explained = CLUSTER.cli("explain", "SELECT * FROM v1 WHERE g = 3").stdout
    assert "stage 1" in explained, explained
    CLUSTER.error("CREATE VIEW v1 AS SELECT 1")
    CLUSTER.error("CREATE VIEW v3 AS SELECT nosuch FROM v1")
    CLUSTER.error("CREATE VIEW v3 AS SELECT $1")
    CLUSTER.error("DROP TABLE v1")
    CLUSTER.error("INSERT INTO v1 SELECT 1, 2, 3")
    CLUSTER.sql("CREATE OR REPLACE VIEW v1 AS SELECT g, n, k AS total FROM (SELECT *, 1 AS n FROM v2)")
    assert "circle" in CLUSTER.error("SELECT * FROM v1")[1]
    assert CLUSTER.cli("sql", "DROP VIEW v2; DROP VIEW v1").returncode == 0
    assert not [r for r in CLUSTER.sql("SHOW TABLES").rows if r[0] in ("v1", "v2")]


def test_analyze():
    CLUSTER.sql(f"CREATE TABLE t4 AS SELECT id, g FROM {EVENTS}")
    CLUSTER.sql("ANALYZE t4")
    rows = {r[0]: r for r in CLUSTER.sql("SHOW STATS FOR t4").rows}
    real = int(oracle(f"SELECT count(DISTINCT id) FROM {EVENTS}")[1][0][0])
    assert abs(int(rows["id"][2]) - real) < 0.2 * real, rows
    assert int(rows["g"][3]) == int(oracle(f"SELECT count(*) FROM {EVENTS}")[1][0][0]), rows
    assert CLUSTER.csv("SELECT count(*) FROM t4")[1] == [(str(rows["g"][3]),)]
    CLUSTER.error("ANALYZE nosuch")
    CLUSTER.sql("DROP TABLE t4")


# ---- sessions ------------------------------------------------------------------------------------------

def test_parameters():
    def ask(sql, parameters):
        status, text = CLUSTER.rest("POST", "/v1/sql", {"sql": sql, "parameters": parameters}, gateway=True)
        lines = [json.loads(x) for x in text.splitlines()] if isinstance(text, str) else [text]
        return status, [r for line in lines for r in line.get("rows", [])], lines
    assert ask("SELECT $1 + 1 AS a, $2 AS b", [41, "it's"])[1] == [[42, "it's"]]
    assert ask("SELECT ? AS a, ? AS b", [None, True])[1] == [[None, True]]
    assert ask("SELECT $x AS a", {"x": "'; DROP TABLE t; --"})[1] == [["'; DROP TABLE t; --"]]
    wanted = int(oracle(f"SELECT count(*) FROM {EVENTS} WHERE g = 3")[1][0][0])
    assert ask(f"SELECT count(*) AS n FROM {EVENTS} WHERE g = $g", {"g": 3})[1] == [[wanted]]
    assert ask("SELECT $1", [])[0] == 400
    assert ask("SELECT $1", [[1]])[0] == 400
    done = CLUSTER.cli("sql", "-o", "csv", "-p", "n=2", "-p", "s=x=y", "SELECT $n * 2 AS a, $s AS b")
    assert done.stdout == "a,b\n4,x=y\n", done


def test_settings():
    when = "SELECT CAST(TIMESTAMPTZ '2024-07-01 00:00:00+00' AS VARCHAR) AS t"
    done = CLUSTER.cli("sql", "-o", "csv", f"SET TimeZone = 'Asia/Tokyo'; {when}; SET TIME ZONE 'UTC'; {when}")
    assert done.returncode == 0, done.stderr
    assert "2024-07-01 09:00:00+09" in done.stdout and "2024-07-01 00:00:00+00" in done.stdout, done.stdout
    done = CLUSTER.cli("sql", "-o", "csv", "SET default_null_order='nulls_first'; "
                       f"SELECT DISTINCT s FROM {EVENTS} ORDER BY s LIMIT 2")
    assert done.stdout.splitlines()[:2] == ["s", ""], done.stdout
    last = CLUSTER.csv(f"SELECT DISTINCT s FROM {EVENTS} ORDER BY s LIMIT 2")[1]
    assert last[0][0] is not None, "a setting outlived its session"
    for wrong in ("SET memory_limit = '1TB'", "SET TimeZone = 'Mars'", "SET threads = 9", "RESET nosuch"):
        CLUSTER.error(wrong)


def test_explain_analyze():
    text = "\n".join(r[0] for r in CLUSTER.sql(
        f"EXPLAIN ANALYZE SELECT g, count(*) AS n FROM {EVENTS} GROUP BY g").rows)
    for word in ("total: planning", "queue wait", "transfer", "took:", "median", "cpu", "spilled", "retries",
                 "in: ", "out: ", "skew: ", "GROUP BY", "stage 1"):
        assert word in text, f"{word} is missing in\n{text}"
    whole = "\n".join(r[0] for r in CLUSTER.sql("EXPLAIN ANALYZE SELECT random() AS x FROM range(5)").rows)
    assert "whole on one worker: " in whole, whole
    plan = "\n".join(r[0] for r in CLUSTER.sql(
        f"EXPLAIN COPY (SELECT * FROM {EVENTS}) TO '{path('never')}' (FORMAT parquet)").rows)
    assert "stage 0" in plan and not os.path.exists(path("never")), plan
    CLUSTER.error("EXPLAIN ANALYZE DROP TABLE t")


# ---- faults --------------------------------------------------------------------------------------------

def timed(cluster, statement):
    begin = time.monotonic()
    cluster.sql(statement)
    return time.monotonic() - begin


def with_kills(cluster, statement, seconds, parts=(0.3, 0.6)):
    process = cluster.start("sql", statement)
    begin = time.monotonic()
    for part in parts:
        time.sleep(max(0, begin + seconds * part - time.monotonic()))
        for pid in cluster.executors():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
    _, err = process.communicate(timeout=120 * SLOWER)
    assert process.returncode == 0, f"{statement}\nfails: {err}"


def test_executors_killed():
    folder = temporary("eider-kills-")
    with Cluster(workers=2) as cluster:
        copy = f"COPY ({SLOW}) TO '{folder}/%s' (FORMAT parquet)"
        seconds = timed(cluster, copy % "calm")
        for i in range(3):
            with_kills(cluster, copy % f"c{i}", seconds, (0.2 + 0.2 * i, 0.5 + 0.1 * i))
            same_as(f"SELECT * FROM '{folder}/c{i}/*.parquet'", SLOW)
        with_kills(cluster, f"CREATE TABLE t AS {SLOW}", seconds)
        with_kills(cluster, f"INSERT INTO t {SLOW}", seconds)
        n = int(oracle(f"SELECT count(*) FROM ({SLOW})")[1][0][0])
        assert count("SELECT count(*) FROM t", cluster) == 2 * n
        assert count("SELECT count(DISTINCT id) FROM t", cluster) == n
        tables = os.path.join(cluster.directory, "tables")
        assert not hidden(folder) and not hidden(tables), (hidden(folder), hidden(tables))


def test_cancelled_copy():
    folder = temporary("eider-cancel-")
    with Cluster(workers=2) as cluster:
        for k in range(3):
            process = cluster.start("sql", f"COPY ({SLOW}) TO '{folder}/x' (FORMAT parquet)")
            wait_until(lambda: hidden(folder), 10, "the tasks write")
            time.sleep(0.05 * k)
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=20 * SLOWER)
            if process.returncode == 0:
                raise AssertionError("the COPY was over before the interrupt: it is too short")
            wait_until(lambda: not os.listdir(folder), 5, "a cancelled COPY leaves nothing")
            time.sleep(0.3)
            assert not os.listdir(folder), os.listdir(folder)


def test_gateway_killed():
    folder = temporary("eider-gateway-")
    with Cluster(workers=1) as cluster:
        process = cluster.start("sql", f"COPY ({SLOW}) TO '{folder}/x' (FORMAT parquet)")
        wait_until(lambda: hidden(folder), 10, "the tasks write")
        cluster.kill("gateway")
        process.communicate(timeout=30 * SLOWER)
        assert process.returncode != 0
        wait_until(lambda: not os.listdir(folder), 15, "the next gateway removes what was begun")


def test_tables_survive():
    with Cluster(workers=1) as cluster:
        cluster.sql("CREATE TABLE t AS SELECT 5 AS a")
        cluster.sql("CREATE VIEW v AS SELECT a + 1 AS b FROM t")
        cluster.kill("master")
        wait_until(lambda: cluster.cli("sql", "-o", "csv", "SELECT b FROM v").stdout == "b\n6\n", 20,
                   "the catalogue is there again")


if __name__ == "__main__":
    main(globals(), cluster={"workers": 2})
