"""One cluster, small statements: results, types, forms of output, errors and exit codes."""
import json
import os
import tempfile

from harness import main, one_sentence, parse_csv

CLUSTER = None


def ask(*arguments, **more):
    return CLUSTER.cli(*arguments, **more)


def test_42():
    answer = CLUSTER.sql("select 42")
    assert [str(v) for v in answer.rows[0]] == ["42"], answer.rows
    assert answer.types == ["INTEGER"], answer.types
    assert answer.document["row_count"] == 1


def test_csv_form():
    done = ask("sql", "-o", "csv", "select 1 as a, NULL as b, '' as c, 'x,\"y' as d")
    assert done.stdout == 'a,b,c,d\n1,,"","x,""y"\n', done.stdout
    assert done.stderr == "", done.stderr


def test_table_form():
    done = ask("sql", "-o", "table", "select 7 as seven, 'text' as word")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["seven", "word"] and lines[2].split() == ["7", "text"], done.stdout


def test_json_form():
    document = json.loads(ask("sql", "-o", "json", "select 'a' as x, NULL as y, [1,2] as z").stdout)
    assert [c["name"] for c in document["columns"]] == ["x", "y", "z"]
    assert [c["type"] for c in document["columns"]][::2] == ["VARCHAR", "INTEGER[]"]
    assert document["rows"][0][0] == "a" and document["rows"][0][1] is None
    for key in ("row_count", "warnings", "elapsed_ms"):
        assert key in document, key


def test_wrong_output_form():
    done = ask("sql", "-o", "xml", "select 1")
    assert done.returncode == 2 and "xml" in one_sentence(done.stderr)


def test_from_standard_input():
    done = ask("sql", "-o", "csv", stdin="select 5 as five")
    assert done.stdout == "five\n5\n", done.stdout + done.stderr


def test_from_file():
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as f:
        f.write("-- a comment; with a semicolon\nselect 6 as six")
        f.flush()
        done = ask("sql", "-o", "csv", "-f", f.name)
    assert done.stdout == "six\n6\n", done.stdout + done.stderr


def test_missing_sql_file():
    done = ask("sql", "-f", "/nonexistent/x.sql")
    assert done.returncode in (1, 2, 4) and "/nonexistent/x.sql" in one_sentence(done.stderr)


def test_several_statements():
    done = ask("sql", "-o", "csv", "select 1 as a; select 'x;y' as b;")
    assert done.returncode == 0, done.stderr
    assert "a\n1\n" in done.stdout and "b\nx;y\n" in done.stdout, done.stdout


def test_every_type_in_a_literal():
    CLUSTER.check_against_oracle(
        "select 1::TINYINT a, 2::SMALLINT b, 3::BIGINT c, 170141183460469231731687303715884105727::HUGEINT d,"
        " 1::UTINYINT e, 2::USMALLINT f, 3::UINTEGER g, 18446744073709551615::UBIGINT h, 1.5::FLOAT i,"
        " 2.25::DOUBLE j, 1.10::DECIMAL(4,2) k, 123456789012345678901234567890.12::DECIMAL(38,2) l,"
        " true m, 'text' n, 'ab'::BLOB o, DATE '2024-02-29' p, TIME '12:34:56.789' q,"
        " TIMESTAMP '2024-02-29 12:34:56.789' r, TIMESTAMP_S '2024-02-29 12:34:56' s,"
        " TIMESTAMP_MS '2024-02-29 12:34:56.789' t, TIMESTAMP_NS '2024-02-29 12:34:56.789012345' u,"
        " INTERVAL 3 MONTH v, '550e8400-e29b-41d4-a716-446655440000'::UUID w, [1,NULL,3] x,"
        " {'a':1,'b':[{'c':NULL}]} y, MAP{'k':1} z, '101'::BIT aa, [1,2,3]::INTEGER[3] bb,"
        " 'small'::ENUM('small','big') cc, NULL dd, [[],[NULL],[[1]]] ee, union_value(n := 1) ff,"
        " 'infinity'::DOUBLE gg, 'nan'::DOUBLE hh, '[1,{\"a\":null}]'::JSON ii")


def test_null_row_and_no_rows():
    header, rows = CLUSTER.csv("select NULL as a")
    assert rows == [(None,)], rows
    header, rows = CLUSTER.csv("select 1 as a, 2 as b where false")
    assert header == ("a", "b") and rows == [], rows


def test_many_rows():
    header, rows = CLUSTER.csv("select i, i * 2 as j from range(200000) r(i) order by i")
    assert len(rows) == 200000 and rows[-1] == ("199999", "399998"), rows[-1]


def test_syntax_error_has_a_position():
    done = ask("sql", "select count(*) frm t where")
    assert done.returncode == 1, done.returncode
    sentence = done.stderr
    assert sentence.startswith("eider: ") and "syntax error" in sentence, sentence
    assert "line" in sentence.lower() or "position" in sentence or "^" in sentence, sentence


def test_unknown_column_names_it():
    code, sentence = CLUSTER.error("select missing_column from (select 1 as present) t")
    assert code == 1 and "missing_column" in sentence, sentence


def test_unknown_table():
    code, sentence = CLUSTER.error("select * from no_such_table")
    assert code in (1, 4) and "no_such_table" in sentence, sentence


def test_run_time_error():
    code, sentence = CLUSTER.error("select ('x' || i)::INTEGER from range(3) r(i)")
    assert code == 1 and "x0" in sentence, sentence


def test_usage_errors():
    for arguments, word in ((["sqll", "x"], "sqll"), (["sql", "--no-such"], "--no-such"),
                            (["sql", "select 1", "select 2"], "select 2"), (["sql", "-o"], "output"),
                            (["up", "--workers", "many"], "many"), (["up", "--workers", "0"], "0"),
                            (["job"], "job")):
        done = ask(*arguments)
        assert done.returncode == 2, (arguments, done.returncode, done.stderr)
        assert word in one_sentence(done.stderr), (arguments, done.stderr)


def test_help_and_version():
    for arguments in (["--help"], ["help"], ["sql", "--help"], ["help", "sql"], ["--version"]):
        done = ask(*arguments)
        assert done.returncode == 0 and done.stdout and not done.stderr, arguments


def test_status_lists_every_process():
    processes = CLUSTER.processes()
    roles = [p["role"] for p in processes]
    assert roles.count("master") == 1 and roles.count("gateway") == 1 and roles.count("worker") == 2
    for p in processes:
        assert os.path.exists(f"/proc/{p['pid']}"), p
        assert p["state"], p


def test_jobs_are_listed():
    CLUSTER.sql("select count(*) from range(1000)")
    job = CLUSTER.sql("select 4711 as marker").job
    done = ask("job", "list", "-o", "json")
    assert done.returncode == 0 and "4711" in done.stdout, done.stdout + done.stderr
    done = ask("job", "show", str(job))
    assert done.returncode == 0 and "4711" in done.stdout, done.stdout + done.stderr


def test_unknown_job():
    done = ask("job", "show", "999999")
    assert done.returncode == 4 and "999999" in one_sentence(done.stderr), done.stderr


def test_explain():
    done = ask("explain", "select 42")
    assert done.returncode == 0 and "whole on one worker:" in done.stdout, done.stdout + done.stderr


def test_volatile_and_settings():
    rows = CLUSTER.csv("select random() between 0 and 1 as r, now() > TIMESTAMP '2020-01-01' as n")[1]
    assert rows == [("true", "true")], rows


def test_wide_row():
    columns = ", ".join(f"{i} as c{i}" for i in range(500))
    header, rows = CLUSTER.csv("select " + columns)
    assert len(header) == 500 and rows[0][499] == "499"


def test_long_value():
    rows = CLUSTER.csv("select repeat('ab', 500000) as long, length(repeat('x', 3000000)) as n")[1]
    assert len(rows[0][0]) == 1000000 and rows[0][1] == "3000000"


def test_parse_csv_itself():
    assert parse_csv('a,b\n1,\n"",2\n') == [("a", "b"), ("1", None), ("", "2")]


if __name__ == "__main__":
    main(globals(), cluster={"workers": 2})
