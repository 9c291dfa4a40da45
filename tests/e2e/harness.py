"""Runs real clusters for the end-to-end tests. Standard library only.

A test file has functions named test_*; each gets no argument, raises AssertionError when it fails, and
counts as one check. `main(globals())` at the end of the file runs them all, or those named in argv.
EIDER_BUILD names the build folder (default: build)."""
import atexit
import contextlib
import glob
import http.client
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import traceback

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.abspath(os.environ.get("EIDER_BUILD") or os.path.join(ROOT, "build"))
EIDER = os.path.join(BUILD, "src", "cli", "eider")
SANITIZED = bool(os.environ.get("EIDER_SANITIZED"))
FLIGHTS = os.path.join(ROOT, "third_party", "vega-datasets", "flights-3m.parquet")
SLOWER = 8 if SANITIZED else 1  # factor for time limits under a sanitizer


class Skip(Exception):
    """Raised with the reason when a check cannot be made on this machine."""


def tool(name):
    """Path of a helper program: the build folder's own, else the release build's; with a sanitizer
    the other way round, it is not for the helpers."""
    builds = [BUILD, os.path.join(ROOT, "build")]
    for build in reversed(builds) if SANITIZED else builds:
        found = glob.glob(os.path.join(build, "**", name), recursive=True)
        found = [f for f in found if os.path.isfile(f) and os.access(f, os.X_OK)]
        if found:
            return found[0]
    raise AssertionError(f"the program {name} is not built")


def wait_until(condition, seconds, what):
    end = time.monotonic() + seconds * SLOWER
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {seconds * SLOWER} s: {what}"
        time.sleep(0.02)


# ---- processes ---------------------------------------------------------------------------------------

def process_text(pid, name):
    try:
        with open(f"/proc/{pid}/{name}", "rb") as f:
            return f.read().decode(errors="replace")
    except OSError:
        return ""


def alive(pid):
    stat = process_text(pid, "stat")
    return bool(stat) and stat.rsplit(")", 1)[1].split()[0] not in "ZX"


def children(pid):
    return [int(p) for p in process_text(pid, f"task/{pid}/children").split()]


def descendants(pid):
    found = []
    for child in children(pid):
        found += [child] + descendants(child)
    return found


def processes_of(directory):
    """Every process whose command line names the directory."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            words = process_text(entry, "cmdline").split("\0")
            if "eider" in words[0] and any(directory in w for w in words) and alive(int(entry)):
                found.append(int(entry))
    return found


def cpu_seconds(pid):
    stat = process_text(pid, "stat")
    if not stat:
        return 0.0
    fields = stat.rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_bytes(pid):
    match = re.search(r"VmRSS:\s+(\d+) kB", process_text(pid, "status"))
    return int(match.group(1)) * 1024 if match else 0


def open_files(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


# ---- results -----------------------------------------------------------------------------------------

def parse_csv(text):
    """Rows of cells; an empty field without quotes is None."""
    rows, row, i = [], [], 0
    while i < len(text):
        if text[i] == '"':
            cell, i = "", i + 1
            while True:
                end = text.index('"', i)
                cell += text[i:end]
                i = end + 1
                if text[i:i + 1] != '"':
                    break
                cell, i = cell + '"', i + 1
        else:
            end = min(x for x in (text.find(",", i), text.find("\n", i), len(text)) if x >= 0)
            cell, i = (text[i:end] or None), end
        row.append(cell)
        if i >= len(text) or text[i] == "\n":
            rows.append(tuple(row))
            row = []
        elif i + 1 == len(text) or text[i] == ",":
            if text[i + 1:i + 2] in ("\n", ""):
                row.append(None)
                rows.append(tuple(row))
                row, i = [], i + 1
        i += 1
    return rows


def run(command, stdin=None, timeout=30, env=None, cwd=None):
    """A finished process with .returncode, .stdout, .stderr as text."""
    try:
        return subprocess.run(command, input=stdin, capture_output=True, text=True, errors="replace",
                              timeout=timeout * SLOWER, env=dict(os.environ, **(env or {})), cwd=cwd,
                              check=False)
    except subprocess.TimeoutExpired:
        raise AssertionError(f"still runs after {timeout * SLOWER} s: {command}") from None


def oracle(sql, threads=2):
    """(header, rows) that one DuckDB answers, each cell as text or None."""
    done = run([tool("duckdb-oracle"), "--threads", str(threads), sql], timeout=120)
    assert done.returncode == 0, f"the oracle fails: {done.stderr}\n{sql}"
    rows = parse_csv(done.stdout)
    return rows[0], rows[1:]


def oracle_run(sql):
    """Statements without an answer (COPY ... TO)."""
    oracle(sql + "; SELECT 1")


def close_enough(a, b):
    if a == b:
        return True
    try:
        x, y = float(a), float(b)
    except (TypeError, ValueError):
        return False
    if not any(c in a + b for c in ".eE"):
        return False
    return abs(x - y) <= 1e-9 * max(abs(x), abs(y), 1e-300) or (x != x and y != y)


def sort_key(row):
    key = []
    for cell in row:
        try:
            key.append((1, f"{float(cell):.6e}") if "." in cell or "e" in cell else (1, cell))
        except (TypeError, ValueError):
            key.append((0, "") if cell is None else (1, cell))
    return key


def same_rows(got, wanted, ordered):
    """None, or a sentence about the first difference."""
    if len(got) != len(wanted):
        return f"{len(got)} rows instead of {len(wanted)}"
    if not ordered:
        got, wanted = sorted(got, key=sort_key), sorted(wanted, key=sort_key)
    for number, (a, b) in enumerate(zip(got, wanted), 1):
        if len(a) != len(b) or not all(close_enough(x, y) for x, y in zip(a, b)):
            return f"row {number} is {a} instead of {b}"
    return None


# ---- a cluster ---------------------------------------------------------------------------------------

class Answer:
    def __init__(self, document):
        self.columns = [c["name"] for c in document["columns"]]
        self.types = [c["type"] for c in document["columns"]]
        self.rows = [tuple(r) for r in document["rows"]]
        self.job = document.get("job")
        self.warnings = document.get("warnings", [])
        self.document = document


class Cluster:
    """with Cluster(workers=2) as c: c.sql("select 42").rows"""

    def __init__(self, workers=2, cores=1, memory=None, options=(), directory=None):
        self.home = tempfile.mkdtemp(prefix="eider-e2e-")
        self.directory = directory or os.path.join(self.home, "data")
        self.command = ["up", "--workers", str(workers), "--cores-per-worker", str(cores)]
        if memory:
            self.command += ["--memory-per-worker", memory]
        self.command += list(options)
        self.seen = set()

    def __enter__(self):
        done = self.cli(*self.command)
        if done.returncode != 0:
            self.show_logs()
            self.cli("down")
            shutil.rmtree(self.home, ignore_errors=True)
        assert done.returncode == 0, f"up fails: {done.stderr}"
        with open(os.path.join(self.directory, "client.json"), encoding="utf-8") as f:
            self.client = json.load(f)
        self.note_processes()
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is not None:
                self.show_logs()
            self.note_processes()
            done = self.cli("down")
            if kind is None:
                assert done.returncode == 0, f"down fails: {done.stderr}"
                self.check_nothing_left()
                self.check_no_reports()
        finally:
            for pid in self.left_over():
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            shutil.rmtree(self.home, ignore_errors=True)

    # ---- asking ----
    def cli(self, *arguments, stdin=None, timeout=30, env=None, cwd=None):
        environment = dict({"EIDER_DATA_DIR": self.directory}, **(env or {}))
        return run([EIDER, *arguments], stdin=stdin, timeout=timeout, env=environment, cwd=cwd)

    def start(self, *arguments):
        """A command that goes on running; a Popen."""
        return subprocess.Popen([EIDER, *arguments], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                env=dict(os.environ, EIDER_DATA_DIR=self.directory))

    def sql(self, query, timeout=120):
        done = self.cli("sql", "-o", "json", query, timeout=timeout)
        assert done.returncode == 0, f"{query}\nfails: {done.stderr}"
        return Answer(json.loads(done.stdout))

    def csv(self, query, timeout=120):
        """(header, rows), each cell as text or None."""
        done = self.cli("sql", "-o", "csv", query, timeout=timeout)
        assert done.returncode == 0, f"{query}\nfails: {done.stderr}"
        rows = parse_csv(done.stdout)
        return rows[0], rows[1:]

    def error(self, query, timeout=60):
        """(exit code, sentence) of a query that must fail."""
        done = self.cli("sql", query, timeout=timeout)
        assert done.returncode != 0, f"{query}\nshould fail, answers {done.stdout}"
        return done.returncode, one_sentence(done.stderr)

    def check_against_oracle(self, query, ordered=False, oracle_query=None):
        header, rows = self.csv(query)
        wanted_header, wanted = oracle(oracle_query or query)
        difference = same_rows(rows, wanted, ordered)
        assert difference is None, f"{query}\n{difference}"
        assert header == wanted_header, f"{query}\ncolumns {header} instead of {wanted_header}"

    def status(self):
        done = self.cli("status", "-o", "json")
        assert done.returncode == 0, f"status fails: {done.stderr}"
        return json.loads(done.stdout)

    def processes(self, role=None):
        return [p for p in self.status()["processes"] if role in (None, p["role"])]

    def pids(self, role):
        return [p["pid"] for p in self.processes(role)]

    def rest(self, method, path, body=None, gateway=False, token=None):
        """(status, body) of one request; the body parsed when it is one JSON document."""
        address = self.client["gateways"][0] if gateway else self.client["master"]
        host, port = address.rsplit(":", 1)
        context = ssl.create_default_context(cafile=self.client["ca"])
        context.check_hostname = False
        connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=60)
        headers = {"Authorization": "Bearer " + (self.client["token"] if token is None else token)}
        text = json.dumps(body) if isinstance(body, dict) else body
        connection.request(method, path, body=text, headers=headers)
        response = connection.getresponse()
        answer = response.read().decode(errors="replace")
        connection.close()
        if (response.getheader("Content-Type") or "").startswith("application/json"):
            return response.status, json.loads(answer)
        return response.status, answer

    # ---- doing harm ----
    def kill(self, role, index=0, sig=signal.SIGKILL):
        pid = self.pids(role)[index]
        os.kill(pid, sig)
        return pid

    def executors(self):
        """Pids of the executors, by looking at the workers' children."""
        found = []
        for pid in self.recorded_pids("worker"):
            found += children(pid)
        return found

    def recorded(self):
        try:
            with open(os.path.join(self.directory, "cluster.json"), encoding="utf-8") as f:
                document = json.load(f)
        except (OSError, ValueError):
            return []
        return document if isinstance(document, list) else document.get("processes", [])

    def recorded_pids(self, role=None):
        """Of the processes that run now: pid 0 stands for one that is down, and os.kill takes it for
        our own process group."""
        return [p["pid"] for p in self.recorded() if role in (None, p["role"]) and p["pid"] > 0]

    def ports(self):
        """Every TCP port that a process of the cluster listens on."""
        inodes = set()
        for pid in processes_of(self.directory):
            with contextlib.suppress(OSError):
                for fd in os.listdir(f"/proc/{pid}/fd"):
                    with contextlib.suppress(OSError):
                        inodes.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
        ports = set()
        with open("/proc/net/tcp", encoding="utf-8") as lines:
            for line in list(lines)[1:]:
                words = line.split()
                if words[3] == "0A" and f"socket:[{words[9]}]" in inodes:
                    ports.add(int(words[1].split(":")[1], 16))
        return sorted(ports)

    # ---- looking afterwards ----
    def note_processes(self):
        """Remembers every process that belongs to the cluster now."""
        for pid in set(self.recorded_pids()) | set(processes_of(self.directory)):
            for member in [pid] + descendants(pid):
                started = process_text(member, "stat").rsplit(")", 1)[-1].split()
                if len(started) > 19:
                    self.seen.add((member, started[19]))

    def left_over(self):
        left = set(processes_of(self.directory))
        for pid, started in self.seen:
            fields = process_text(pid, "stat").rsplit(")", 1)[-1].split()
            if alive(pid) and len(fields) > 19 and fields[19] == started:
                left.add(pid)
        return sorted(left)

    def task_files(self):
        """Exchange and executor files that exist now."""
        found = []
        for kind in ("exchange", "executor"):
            for base, _, names in os.walk(self.directory):
                if f"/{kind}" in base[len(self.directory):]:
                    found += [os.path.join(base, n) for n in names]
        return sorted(set(found))

    def check_nothing_left(self):
        left = self.left_over()
        names = [process_text(p, "cmdline").replace("\0", " ") for p in left]
        assert not left, f"processes are left: {names}"
        assert not self.task_files(), f"files are left: {self.task_files()[:5]}"
        assert not os.path.exists(os.path.join(self.directory, "client.json")), "client.json is left"

    def check_no_reports(self):
        """What the processes of a sanitized build, or their assertions, have said."""
        for path in glob.glob(os.path.join(self.directory, "log", "*.log")):
            with open(path, encoding="utf-8", errors="replace") as f:
                text = f.read()
            found = re.search(r"(ERROR|WARNING|SUMMARY): \w+Sanitizer|runtime error: |assertion failed: ", text)
            assert not found, f"{os.path.basename(path)}:\n{text[found.start():found.start() + 6000]}"

    def wait_no_task_files(self, seconds=5):
        wait_until(lambda: not self.task_files(), seconds, "exchange and executor files are deleted")

    def show_logs(self):
        for path in sorted(glob.glob(os.path.join(self.directory, "log", "*.log"))):
            with open(path, encoding="utf-8", errors="replace") as f:
                lines = f.read().splitlines()[-15:]
            if lines:
                print(f"---- {os.path.basename(path)}", *lines, sep="\n")


def one_sentence(stderr):
    """The one message of a failed command: `eider: SENTENCE`, and nothing else but its continuation
    lines (a position under the SQL)."""
    lines = [x for x in stderr.splitlines() if x]
    marked = [x for x in lines if x.startswith("eider: ")]
    assert len(marked) == 1 and lines[0] == marked[0], f"not one sentence: {stderr!r}"
    return stderr.strip()[len("eider: "):]


def temporary(prefix="eider-files-"):
    """A directory that is removed when the test file ends."""
    path = tempfile.mkdtemp(prefix=prefix)
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def run_checks(names, wanted):
    """Runs the test_ functions and returns how many passed and failed."""
    passed = failed = 0
    for name, function in list(names.items()):
        if not name.startswith("test_") or not callable(function) or (wanted and name not in wanted):
            continue
        begin = time.monotonic()
        try:
            function()
            passed += 1
            print(f"ok {name[5:]} ({time.monotonic() - begin:.1f} s)", flush=True)
        except Skip as reason:
            passed += 1
            print(f"ok {name[5:]} (skipped: {reason})", flush=True)
        except Exception as error:  # every failure is reported, whatever its kind
            failed += 1
            if not isinstance(error, AssertionError):
                traceback.print_exc(file=sys.stdout)
            print(f"     {error}\nFAIL {name[5:]} ({time.monotonic() - begin:.1f} s)", flush=True)
    return passed, failed


def main(names, cluster=None):
    """Runs the test_ functions of a module, or those named in argv. With `cluster` (arguments of
    Cluster) one cluster runs for all of them as the module's CLUSTER, and that nothing of it is left
    afterwards is one more check. The exit code is non-zero if a check failed."""
    if not os.path.exists(EIDER):
        sys.exit(f"{EIDER} is not built: run make first")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that clusters are stopped
    if cluster is None:
        passed, failed = run_checks(names, sys.argv[1:])
    else:
        passed, failed = 0, 1
        try:
            with Cluster(**cluster) as names["CLUSTER"]:
                passed, failed = run_checks(names, sys.argv[1:])
            passed += 1
            print("ok nothing_left")
        except Exception as error:
            failed += 1 if passed else 0
            print(f"     {error}\nFAIL nothing_left")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)
