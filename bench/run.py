#!/usr/bin/env python3
"""make bench: the figures of docs/benchmarks.md, measured on this machine in one run.

Every ratio comes from interleaved runs (A B A B ...) and is shown as median and spread, because
absolute times on shared machines wander by far more than what is compared.

usage: bench/run.py [-o table|json] [--runs N] [--log-mb N] [--quick] [--only WORD]
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
from harness import (EIDER, FLIGHTS, Cluster, children, oracle, parse_csv, rss_bytes, run,  # noqa: E402
                     same_rows, tool)
from tasks import tasks  # noqa: E402

FLIGHT_QUERIES = {
    "delay by hour": f"SELECT hour(date) AS h, count(*) AS n, avg(delay) AS a, max(delay) AS m FROM '{FLIGHTS}' "
                     "GROUP BY h HAVING count(*) > 1000 ORDER BY h",
    "top routes": f"SELECT origin, destination, count(*) AS n, avg(delay) AS a FROM '{FLIGHTS}' "
                  "GROUP BY origin, destination ORDER BY n DESC, origin, destination LIMIT 10",
    "month statistics": f"SELECT date_trunc('month', date) AS month, count(*) AS n, count(DISTINCT origin) AS o, "
                        f"stddev(delay) AS s, sum(distance) AS d FROM '{FLIGHTS}' WHERE delay > 0 "
                        "GROUP BY month ORDER BY month",
}


class Report:
    def __init__(self):
        self.rows = []

    def add(self, what, got, unit, goal=None, below=True, spread=None):
        good = None if goal is None else (got <= goal if below else got >= goal)
        self.rows.append({"what": what, "got": round(got, 4), "unit": unit, "goal": goal,
                          "goal_is": "at most" if below else "at least", "met": good, "spread": spread})
        print(f"  measured: {what}: {got:.3g} {unit}", file=sys.stderr, flush=True)

    def print_table(self):
        print(f"{'what':58} {'goal':>14} {'got':>12}  spread")
        for r in self.rows:
            goal = "" if r["goal"] is None else f"{'<=' if r['goal_is'] == 'at most' else '>='} {r['goal']:g}"
            mark = {None: "", True: "", False: "  MISSED"}[r["met"]]
            spread = f"{r['spread'][0]:.3g} .. {r['spread'][1]:.3g}" if r["spread"] else ""
            print(f"{r['what']:58} {goal:>14} {r['got']:>8.3g} {r['unit']:4} {spread}{mark}")


def seconds_of(call):
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def add_times(report, what, times_s, goal_ms=None):
    ms = [t * 1000 for t in times_s]
    report.add(what, statistics.median(ms), "ms", goal_ms, spread=(min(ms), max(ms)))


def interleaved(calls, runs):
    """{name: [seconds, ...]}; one warm-up of each, then A B A B."""
    times = {name: [] for name in calls}
    for name, call in calls.items():
        call()
    for _ in range(runs):
        for name, call in calls.items():
            times[name].append(call())
    return times


def add_ratio(report, what, above, below, goal, goal_below):
    ratios = [a / b for a, b in zip(above, below)]
    report.add(what, statistics.median(ratios), "x", goal, goal_below, (min(ratios), max(ratios)))


def check(condition, what):
    if not condition:
        sys.exit(f"bench: {what}")


# ---- the parts ------------------------------------------------------------------------------------------

def cold_start(report, options):
    with tempfile.TemporaryDirectory(prefix="eider-bench-") as home:
        def once():
            done = run([EIDER, "sql", "-o", "csv", "select 42 as a"], env={"HOME": home, "EIDER_DATA_DIR": ""})
            check(done.stdout == "a\n42\n", f"cold select 42 fails: {done.stderr}")
        once()
        add_times(report, "cold `eider sql \"select 42\"`, no cluster",
                  [seconds_of(once) for _ in range(max(5, options.runs))], 300)


def warm_and_idle(report, options):
    with Cluster(workers=2, cores=1) as cluster:
        def once():
            done = cluster.cli("sql", "-o", "csv", "select 42 as a")
            check(done.stdout == "a\n42\n", f"select 42 fails: {done.stderr}")
        once()
        time.sleep(2)
        limits = {"master": 12, "worker": 8, "gateway": 60}
        for process in cluster.processes():
            if process["role"] in limits:
                report.add(f"idle memory of {process['name']}", rss_bytes(process["pid"]) / 1e6, "MB",
                           limits[process["role"]])
        for pid in cluster.recorded_pids("worker")[:1]:
            for child in children(pid)[:1]:
                report.add("idle memory of an executor", rss_bytes(child) / 1e6, "MB", 45)
        add_times(report, "warm `eider sql \"select 42\"`", [seconds_of(once) for _ in range(30)], 15)


def eider_call(cluster, query, wanted):
    def call():
        begin = time.perf_counter()
        done = cluster.cli("sql", "-o", "csv", query, timeout=600)
        took = time.perf_counter() - begin
        check(done.returncode == 0, f"{query} fails: {done.stderr}")
        difference = same_rows(parse_csv(done.stdout)[1:], wanted, False)
        check(difference is None, f"{query}: {difference}")
        return took
    return call


def duckdb_call(query, whole_process=False):
    """Seconds of the query in a DuckDB that is open already, to its last printed row; or of the whole
    process, from start to exit."""
    def call():
        begin = time.perf_counter()
        done = run([tool("duckdb-oracle"), "--threads", "2", "--time", query], timeout=600)
        took = time.perf_counter() - begin
        check(done.returncode == 0, done.stderr)
        return took if whole_process else float(done.stderr.split()[-1])
    return call


def mawk_call(path):
    def call():
        begin = time.perf_counter()
        with open(os.devnull, "wb") as nowhere:
            subprocess.run(["mawk", "{c[$1]++} END {for (i in c) print i, c[i]}", path], stdout=nowhere,
                           check=True)
        return time.perf_counter() - begin
    return call


def make_log(directory, megabytes):
    path = os.path.join(directory, "access.log")
    generator = tool("gen-access-log")
    sample = run([generator, "--lines", "20000", "--malformed-every", "0", "-o", path])
    check(sample.returncode == 0, sample.stderr)
    lines = int(megabytes * 1e6 / (os.path.getsize(path) / 20000))
    done = run([generator, "--lines", str(lines), "--malformed-every", "0", "-o", path], timeout=600)
    check(done.returncode == 0, done.stderr)
    return path


def task_speed(cluster, job):
    """GB/s a core inside the tasks of the stage that reads most."""
    document = cluster.rest("GET", f"/v1/jobs/{job}")[1]
    stage = max(document["stages"], key=lambda s: int(s["bytes_in"]))
    return int(stage["bytes_in"]) / max(1, int(stage["cpu_us"])) / 1000


def ip_count(report, options):
    with tempfile.TemporaryDirectory(prefix="eider-bench-") as home, Cluster(workers=2, cores=1) as cluster:
        path = make_log(home, options.log_mb)
        columns = ", ".join(f"'c{i}': 'VARCHAR'" for i in range(10))
        duckdb = (f"SELECT c0 AS ip, count(*) AS n FROM read_csv('{path}', delim=' ', quote='\"', escape='\\', "
                  f"header=false, auto_detect=false, columns={{{columns}}}) GROUP BY c0")
        query = f"SELECT ip, count(*) AS n FROM read_access_log('{path}') GROUP BY ip"
        wanted = oracle(duckdb)[1]
        times = interleaved({"eider": eider_call(cluster, query, wanted), "duckdb": duckdb_call(duckdb),
                             "mawk": mawk_call(path)}, options.runs)
        for name, values in times.items():
            add_times(report, f"IP count over {os.path.getsize(path) / 1e6:.0f} MB: {name}", values)
        add_ratio(report, "IP count: times faster than one DuckDB, 2 threads", times["duckdb"], times["eider"], 2, False)
        add_ratio(report, "IP count: times faster than one mawk", times["mawk"], times["eider"], 5, False)
        speeds = [task_speed(cluster, cluster.sql(query).job) for _ in range(options.runs)]
        report.add("IP count: inside the tasks, a core", statistics.median(speeds), "GB/s", 1.0, False,
                   (min(speeds), max(speeds)))


def flights(report, options):
    with Cluster(workers=2, cores=1) as cluster:
        for name, query in FLIGHT_QUERIES.items():
            times = interleaved({"eider": eider_call(cluster, query, oracle(query)[1]),
                                 "duckdb, whole process": duckdb_call(query, True),
                                 "duckdb, open already": duckdb_call(query)}, options.runs)
            for who, values in times.items():
                add_times(report, f"flights, {name}: {who}", values)
            add_ratio(report, f"flights, {name}: to a process of DuckDB, 2 threads", times["eider"],
                      times["duckdb, whole process"], 1.2, True)
            add_ratio(report, f"flights, {name}: to a DuckDB that is open already", times["eider"],
                      times["duckdb, open already"], None, True)


PARTS = [cold_start, warm_and_idle, ip_count, flights, tasks]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--log-mb", type=int, default=1000)
    parser.add_argument("--quick", action="store_true", help="3 runs, 100 MB of log")
    parser.add_argument("--only", default="", help="only parts whose name contains this")
    options = parser.parse_args()
    if options.quick:
        options.runs, options.log_mb = 3, 100
    report = Report()
    for part in PARTS:
        if options.only in part.__name__:
            part(report, options)
    if options.output == "json":
        print(json.dumps({"cores": os.cpu_count(), "results": report.rows}, indent=1))
    else:
        report.print_table()
    return 0 if report.rows else 1


if __name__ == "__main__":
    sys.exit(main())
