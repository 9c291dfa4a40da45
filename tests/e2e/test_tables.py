"""Tables are files: Parquet, CSV, JSON, access logs, globs, compressed files, the catalogue."""
import os

import data
from harness import main, temporary

CLUSTER = None
HOME = temporary()
FILES = data.make(HOME, 20000)


def same(query, oracle_query=None, ordered=False):
    CLUSTER.check_against_oracle(query, ordered, oracle_query)


def test_parquet_file():
    same(f"SELECT g, count(*) AS n, sum(m) AS total FROM '{FILES['events.parquet']}' GROUP BY g")


def test_parquet_glob():
    same(f"SELECT count(*) AS n, sum(id) AS s FROM '{FILES['parts']}'")


def test_parquet_list_of_files():
    parts = os.path.dirname(FILES["parts"])
    same(f"SELECT count(*) AS n FROM read_parquet(['{parts}/p0.parquet','{parts}/p3.parquet'])")


def test_parquet_file_name_column():
    same(f"SELECT parse_filename(filename) AS f, count(*) AS n "
         f"FROM read_parquet('{FILES['parts']}', filename=true) GROUP BY ALL")


def test_csv_file():
    same(f"SELECT g, count(*) AS n, count(s) AS c, min(s) AS a FROM '{FILES['events.csv']}' GROUP BY g")


def test_csv_quoted_newlines():
    same(f"SELECT count(*) AS n, count(DISTINCT s) AS d, sum(length(s)) AS l FROM '{FILES['events.csv']}'")


def test_csv_gz():
    same(f"SELECT flag, count(*) AS n, avg(d) AS a FROM '{FILES['events.csv.gz']}' GROUP BY flag")


def test_csv_with_options():
    path = os.path.join(HOME, "pipes.txt")
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(f"{i}|name {i % 10}|{i * 0.5}\n" for i in range(5000))
    same(f"SELECT column1, count(*) AS n, sum(column2) AS s "
         f"FROM read_csv('{path}', delim='|', header=false) GROUP BY column1")
    same(f"SELECT b, sum(a) AS s FROM read_csv('{path}', delim='|', header=false, "
         f"columns={{'a':'BIGINT','b':'VARCHAR','c':'DOUBLE'}}) GROUP BY b")


def test_csv_header_only():
    same(f"SELECT count(*) AS n FROM '{FILES['empty.csv']}'")


def test_json_lines():
    same(f"SELECT g, count(*) AS n, max(ts) AS t FROM '{FILES['events.json']}' GROUP BY g")
    same(f"SELECT flag, sum(k) AS s FROM read_json('{FILES['events.json']}') GROUP BY flag")


def test_empty_parquet():
    same(f"SELECT count(*) AS n, max(a) AS m FROM '{FILES['none.parquet']}'")
    same(f"SELECT * FROM '{FILES['none.parquet']}'")


def test_relative_path():
    done = CLUSTER.cli("sql", "-o", "csv", "SELECT count(*) AS n FROM 'events.parquet'", cwd=HOME)
    assert done.stdout == "n\n20000\n", done.stdout + done.stderr


def test_path_with_blanks_and_quotes():
    folder = os.path.join(HOME, "a folder, it's odd")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "f 1.csv")
    with open(path, "w", encoding="utf-8") as f:
        f.write("a\n1\n2\n")
    quoted = path.replace("'", "''")
    same(f"SELECT sum(a) AS s FROM '{quoted}'")


def test_external_tables():
    cli = CLUSTER.cli
    done = cli("sql", f"CREATE EXTERNAL TABLE ev AS FROM '{FILES['events.parquet']}'")
    assert done.returncode == 0, done.stderr
    same("SELECT count(*) AS n, sum(id) AS s FROM ev",
         f"SELECT count(*) AS n, sum(id) AS s FROM '{FILES['events.parquet']}'")
    assert "ev" in [r[0] for r in CLUSTER.csv("SHOW TABLES")[1]]
    assert "ev" in cli("table", "list").stdout
    code, sentence = CLUSTER.error(f"CREATE EXTERNAL TABLE ev AS FROM '{FILES['events.csv']}'")
    assert code == 1 and "ev" in sentence, sentence
    assert cli("sql", f"CREATE EXTERNAL TABLE dims AS FROM read_csv('{FILES['dim.csv']}')").returncode == 0
    same("SELECT d.class, count(*) AS n FROM ev e JOIN dims d USING (g) GROUP BY d.class",
         f"SELECT d.class, count(*) AS n FROM '{FILES['events.parquet']}' e "
         f"JOIN '{FILES['dim.csv']}' d USING (g) GROUP BY d.class")
    for name in ("ev", "dims"):
        assert cli("sql", f"DROP TABLE {name}").returncode == 0
    code, sentence = CLUSTER.error("DROP TABLE ev")
    assert code in (1, 4) and "ev" in sentence, sentence
    assert CLUSTER.csv("SHOW TABLES")[1] == []
    code, sentence = CLUSTER.error("SELECT * FROM ev")
    assert "ev" in sentence, sentence


def test_tables_survive_a_master():
    assert CLUSTER.cli("sql", f"CREATE EXTERNAL TABLE keep AS FROM '{FILES['events.parquet']}'").returncode == 0
    rows = CLUSTER.csv("SELECT count(*) AS n FROM keep")[1]
    assert rows == [("20000",)], rows
    assert CLUSTER.cli("sql", "DROP TABLE keep").returncode == 0


def log_oracle(path):
    return ("SELECT regexp_extract(line, '^(\\S+)', 1) AS ip, count(*) AS n FROM read_csv("
            f"'{path}', columns={{'line':'VARCHAR'}}, delim='\\x01', quote='', escape='', header=false, "
            "auto_detect=false) WHERE line LIKE '%HTTP/1.1%' GROUP BY ip")


def test_access_log():
    path = os.path.join(HOME, "access.log")
    bad = data.write_log(path, 30000, malformed_every=1000)
    query = f"SELECT ip, count(*) AS n FROM read_access_log('{path}') GROUP BY ip"
    same(query, log_oracle(path))
    answer = CLUSTER.sql(f"SELECT count(*) AS n FROM read_access_log('{path}')")
    assert str(answer.rows[0][0]) == str(30000 - bad), answer.rows
    assert any(str(bad) in w for w in answer.warnings), answer.warnings


def test_access_log_columns():
    path = os.path.join(HOME, "columns.log")
    data.write_log(path, 2000)
    rows = CLUSTER.csv(f"SELECT status, count(*) AS n, sum(bytes) AS b "
                       f"FROM read_access_log('{path}') GROUP BY status ORDER BY status")[1]
    wanted = {}
    for i in range(2000):
        n, b = wanted.get(200 if i % 9 else 404, (0, 0))
        wanted[200 if i % 9 else 404] = (n + 1, b + i % 5000)
    assert rows == [(str(s), str(n), str(b)) for s, (n, b) in sorted(wanted.items())], rows


def test_access_log_gz_glob():
    folder = os.path.join(HOME, "logs")
    os.makedirs(folder, exist_ok=True)
    for i in range(4):
        data.write_log(os.path.join(folder, f"{i}.log.gz"), 1000 + i)
    rows = CLUSTER.csv(f"SELECT count(*) AS n FROM read_access_log('{folder}/*.log.gz')")[1]
    assert rows == [("4006",)], rows


def test_log_files_as_tables():
    folder = os.path.join(HOME, "logs2")
    os.makedirs(folder, exist_ok=True)
    data.write_log(os.path.join(folder, "a.log"), 500)
    rows = CLUSTER.csv(f"SELECT count(*) AS n FROM '{folder}/*.log'")[1]
    assert rows == [("500",)], rows


def test_many_small_files():
    folder = os.path.join(HOME, "small")
    os.makedirs(folder, exist_ok=True)
    for i in range(200):
        with open(os.path.join(folder, f"{i:03d}.csv"), "w", encoding="utf-8") as f:
            f.write(f"a,b\n{i},x{i}\n")
    same(f"SELECT count(*) AS n, sum(a) AS s, count(DISTINCT b) AS d FROM '{folder}/*.csv'")


if __name__ == "__main__":
    main(globals(), cluster={"workers": 2})
