"""Wrong input of every kind: one sentence, the right exit code, nothing left running."""
import contextlib
import gzip
import os
import pwd
import shutil
import socket
import subprocess
import tempfile

import data
from harness import (EIDER, Cluster, Skip, main, one_sentence, processes_of, run, temporary, wait_until)

CLUSTER = None
BROKEN_JSON = b'{"a": 1}{{{'
HOME = temporary()
FILES = data.make(HOME, 5000)


def must_fail(query, *words, codes=(1, 4)):
    code, sentence = CLUSTER.error(query)
    assert code in codes, (query, code, sentence)
    for word in words:
        assert word in sentence, (query, sentence)
    assert len(sentence) < 1500, sentence
    assert CLUSTER.csv("select 42 as a")[1] == [("42",)], "the cluster does not answer afterwards"
    CLUSTER.wait_no_task_files()


def path(name, content=None):
    full = os.path.join(HOME, name)
    if content is not None:
        with open(full, "wb") as f:
            f.write(content)
    return full


def test_missing_file():
    must_fail(f"SELECT * FROM '{path('absent.parquet')}'", "absent.parquet")
    must_fail(f"SELECT * FROM read_csv('{path('absent.csv')}')", "absent.csv")
    must_fail(f"SELECT * FROM read_access_log('{path('absent.log')}')", "absent.log")


def test_glob_without_match():
    must_fail(f"SELECT * FROM '{path('no*match')}.parquet'", "match")


def test_directory_as_file():
    os.makedirs(path("folder.parquet"), exist_ok=True)
    must_fail(f"SELECT * FROM '{path('folder.parquet')}'", "folder.parquet")


def test_unreadable_file():
    if os.getuid() != 0:
        target = path("secret.csv", b"a\n1\n")
        os.chmod(target, 0)
        must_fail(f"SELECT * FROM '{target}'", "secret.csv")
        return
    # Root reads everything: the same as an ordinary user, with a cluster of its own.
    with contextlib.suppress(KeyError):
        pwd.getpwnam("nobody")
        folder = tempfile.mkdtemp(prefix="eider-nobody-")
        try:
            os.chmod(folder, 0o777)
            target = os.path.join(folder, "secret.csv")
            with open(target, "w", encoding="utf-8") as f:
                f.write("a\n1\n")
            os.chmod(target, 0)
            done = subprocess.run([EIDER, "sql", f"SELECT * FROM '{target}'"], capture_output=True,
                                  text=True, user="nobody", group="nogroup", cwd="/", timeout=60,
                                  env={"HOME": folder, "PATH": os.environ["PATH"]}, check=False)
            if "Permission denied" in done.stderr and EIDER in done.stderr:
                raise Skip("the build folder is not readable for others")
            assert done.returncode in (1, 4), (done.returncode, done.stderr)
            assert "secret.csv" in one_sentence(done.stderr), done.stderr
            assert not processes_of(folder)
        except PermissionError as error:
            raise Skip("the build folder is not readable for others") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def test_broken_parquet():
    with open(FILES["events.parquet"], "rb") as f:
        whole = f.read()
    must_fail(f"SELECT count(*) FROM '{path('text.parquet', b'not a parquet file at all' * 10)}'",
              "text.parquet")
    must_fail(f"SELECT count(*) FROM '{path('cut.parquet', whole[:len(whole) // 2])}'", "cut.parquet")
    must_fail(f"SELECT count(*) FROM '{path('nothing.parquet', b'')}'", "nothing.parquet")
    middle = len(whole) // 3
    damaged = whole[:middle] + bytes(255 - b for b in whole[middle:middle + 20000]) + whole[middle + 20000:]
    must_fail(f"SELECT sum(length(s)), sum(d), sum(k), sum(m) FROM '{path('damaged.parquet', damaged)}'")


def test_ragged_csv():
    rows = b"a,b,c\n" + b"1,2,3\n" * 3000 + b"1,2\n" + b"1,2,3\n" * 3000
    must_fail(f"SELECT sum(a) FROM read_csv('{path('ragged.csv', rows)}', auto_detect=false, header=true, "
              "delim=',', quote='\"', columns={'a':'BIGINT','b':'BIGINT','c':'BIGINT'})", "ragged.csv")


def test_csv_wrong_type():
    rows = b"a,b\n" + b"1,2\n" * 30000 + b"x,2\n"
    must_fail(f"SELECT sum(a) FROM read_csv('{path('types.csv', rows)}', header=true, "
              "columns={'a':'BIGINT','b':'BIGINT'})", "types.csv")


def test_broken_json():
    must_fail(f"SELECT * FROM read_json('{path('broken.json', BROKEN_JSON)}')",
              "broken.json")


def test_broken_gz():
    packed = gzip.compress(b'1.2.3.4 - - [10/Oct/2023:13:00:00 +0000] "GET / HTTP/1.1" 200 1\n' * 20000)
    must_fail(f"SELECT count(*) FROM read_access_log('{path('cut.log.gz', packed[:len(packed) // 2])}')",
              "cut.log.gz")
    must_fail(f"SELECT count(*) FROM read_access_log('{path('text.log.gz', b'this is no gzip file')}')",
              "text.log.gz")


def test_not_a_log():
    answer = CLUSTER.sql(f"SELECT count(*) AS n FROM read_access_log('{path('noise.log', os.urandom(200000))}')")
    assert str(answer.rows[0][0]) == "0", answer.rows
    assert answer.warnings, "malformed lines are not reported"


def test_wrong_sql():
    done = CLUSTER.cli("sql", "SELECT a,, b FROM t")
    assert done.returncode == 1 and "syntax error" in done.stderr, done.stderr
    must_fail("SELECT nosuchfunction(1)", "nosuchfunction", codes=(1,))
    must_fail("SELECT sum(1) FROM range(3) WHERE sum(1) > 2", codes=(1,))
    must_fail(f"SELECT nosuch FROM '{FILES['events.parquet']}'", "nosuch", codes=(1,))
    must_fail("SELECT 1 +", codes=(1,))
    must_fail("(" * 3000 + "SELECT 1", codes=(1,))


def test_statements_that_are_refused():
    target = path("written.csv")
    for statement in (f"COPY t FROM '{target}'", f"ATTACH '{path('x.db')}'", "INSTALL httpfs",
                      "LOAD httpfs", "SET memory_limit='1TB'", "PRAGMA database_list", "CHECKPOINT"):
        code, sentence = CLUSTER.error(statement)
        assert code in (1, 2, 5), (statement, code, sentence)
    assert not os.path.exists(target) and not os.path.exists(path("x.db"))


def test_odd_bytes():
    """SQL that is not UTF-8 may be refused or repaired, but what comes out is UTF-8."""
    done = run([EIDER, "sql", "-o", "csv", "-f", path("latin.sql", b"select '\xff\xfe' as a")],
               env={"EIDER_DATA_DIR": CLUSTER.directory})
    if done.returncode == 0:
        assert done.stdout == "a\n\ufffd\ufffd\n", done.stdout
    else:
        one_sentence(done.stderr)


def test_port_in_use():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        home = os.path.join(HOME, "taken")
        done = run([EIDER, "up", "--data-dir", home, "--port", port])
        assert done.returncode in (1, 3) and port in one_sentence(done.stderr), (done.returncode, done.stderr)
        assert not processes_of(home), "something is left running"


def test_second_up():
    done = CLUSTER.cli("up")
    assert done.returncode == 1 and CLUSTER.directory in one_sentence(done.stderr), done.stderr
    assert CLUSTER.csv("select 1 as a")[1] == [("1",)]


def test_data_dir_is_a_file():
    target = path("file", b"x")
    done = run([EIDER, "up", "--data-dir", target])
    assert done.returncode != 0 and target in one_sentence(done.stderr), done.stderr


def test_down_without_cluster():
    for verb in ("down", "status"):
        done = run([EIDER, verb, "--data-dir", path("nothing-here")])
        assert done.returncode in (3, 4) and "nothing-here" in one_sentence(done.stderr), done.stderr


def test_sql_without_cluster():
    home = path("throw-away-home")
    os.makedirs(home, exist_ok=True)
    before = set(os.listdir(tempfile.gettempdir()))
    done = run([EIDER, "sql", "-o", "csv", "select 42 as a"], env={"HOME": home, "EIDER_DATA_DIR": ""})
    assert done.returncode == 0 and done.stdout == "a\n42\n", done.stdout + done.stderr
    done = run([EIDER, "sql", "select nonsense"], env={"HOME": home, "EIDER_DATA_DIR": ""})
    assert done.returncode == 1 and "nonsense" in one_sentence(done.stderr), done.stderr
    left = {n for n in set(os.listdir(tempfile.gettempdir())) - before
            if "eider" in n and not n.startswith(("eider-e2e-", "eider-files-"))}
    assert not left and not os.listdir(home), (left, os.listdir(home))
    assert not processes_of(home)


def test_full_disk():
    if os.getuid() != 0:
        raise Skip("a small file system can only be mounted by root")
    mount = path("small")
    os.makedirs(mount, exist_ok=True)
    done = run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", mount])
    if done.returncode != 0:
        raise Skip("tmpfs cannot be mounted here")
    try:
        with Cluster(workers=1, directory=os.path.join(mount, "data")) as small:
            wide = "SELECT i, md5(i::VARCHAR) AS a, sha256(i::VARCHAR) AS b FROM range(2000000) r(i)"
            code, sentence = small.error(f"SELECT count(*), max(x.b) FROM ({wide} ORDER BY b) x, ({wide}) y "
                                         "WHERE x.i = y.i AND x.a < y.b GROUP BY x.a ORDER BY 2")
            assert code == 1, (code, sentence)
            assert "space" in sentence.lower() or "full" in sentence.lower(), sentence
            small.wait_no_task_files(10)
            assert small.csv("select 42 as a")[1] == [("42",)]
        with open(os.path.join(mount, "filler"), "wb") as f, contextlib.suppress(OSError):
            while True:
                f.write(b"x" * 65536)
        full = os.path.join(mount, "full")
        done = run([EIDER, "up", "--data-dir", full])
        assert done.returncode == 1 and "space" in one_sentence(done.stderr).lower(), done.stderr
        assert not processes_of(full)
    finally:
        wait_until(lambda: run(["umount", mount]).returncode == 0, 10, "the small file system is unmounted")


if __name__ == "__main__":
    main(globals(), cluster={"workers": 2})
