#!/usr/bin/env python3
"""The demonstration behind `make demo`. Exits with 1 if an answer differs from one DuckDB's, or if
anything is left running. usage: demo.py [--lines N]"""
import argparse
import os
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
from harness import FLIGHTS, Cluster, parse_csv, run, same_rows, tool  # noqa: E402

AIRPORTS = """code,city,coast
ATL,Atlanta,east
BOS,Boston,east
DFW,Dallas,
JFK,New York,east
LAX,Los Angeles,west
ORD,Chicago,
SEA,Seattle,west
SFO,San Francisco,west
"""


def queries(log, airports):
    """(title, query, what one DuckDB runs for it)"""
    line_pattern = (r'^\S+ \S+ \S+ \[\d+/\w+/\d+:\d+:\d+:\d+ [+-]\d+\] "(?:[^"\\]|\\.)*" \d+ (?:\d+|-)'
                    r'(?: "(?:[^"\\]|\\.)*" "(?:[^"\\]|\\.)*")?$').replace("'", "''")
    lines = (f"(SELECT regexp_extract(line, '^(\\S+) ', 1) AS ip FROM read_csv('{log}', auto_detect=false, "
             "header=false, delim='\\x01', quote='', escape='', ignore_errors=true, "
             "columns={'line': 'VARCHAR'}) "
             f"WHERE regexp_matches(line, '{line_pattern}'))")
    top = "SELECT ip, count(*) AS requests FROM {} GROUP BY ip ORDER BY requests DESC, ip LIMIT 10"
    flights = f"'{FLIGHTS}'"
    by_hour = (f"SELECT hour(date) AS hour, count(*) AS flights, round(avg(delay), 2) AS mean_delay, "
               f"max(delay) AS worst FROM {flights} GROUP BY hour HAVING count(*) > 100000 ORDER BY hour")
    routes = (f"SELECT origin, destination, count(*) AS flights, avg(distance) AS miles FROM {flights} "
              "GROUP BY origin, destination HAVING avg(delay) > 5 "
              "ORDER BY flights DESC, origin, destination LIMIT 10")
    months = (f"SELECT a.coast, date_trunc('month', f.date) AS month, count(*) AS flights, "
              f"count(*) FILTER (WHERE f.delay > 60) AS very_late, stddev(f.delay) AS spread "
              f"FROM {flights} f JOIN '{airports}' a ON f.origin = a.code "
              "WHERE a.coast IS NOT NULL GROUP BY a.coast, month ORDER BY a.coast, month")
    return [("requests per client IP in the access log", top.format(f"read_access_log('{log}')"),
             top.format(lines + " t")),
            ("flights and delay by hour of the day", by_hour, by_hour),
            ("the busiest routes that are late on average", routes, routes),
            ("months by coast, joined with a CSV of airports", months, months)]


def ask_duckdb(query):
    done = run([tool("duckdb-oracle"), "--threads", "2", "--time", query], timeout=600)
    if done.returncode != 0:
        sys.exit(f"demo: one DuckDB fails: {done.stderr}")
    return parse_csv(done.stdout), float(done.stderr.split()[-1])


def show(command):
    print(f"\n$ {command}", flush=True)


def run_query(cluster, title, query, oracle_query):
    print(f"\n==== {title}")
    show(f'eider explain "{query}"')
    explained = cluster.cli("explain", query)
    print(explained.stdout + explained.stderr, end="")
    show(f'eider sql "{query}"')
    table = cluster.cli("sql", query)
    print(table.stdout + table.stderr, end="")
    begin = time.perf_counter()
    answer = cluster.cli("sql", "-o", "csv", query, timeout=600)
    seconds = time.perf_counter() - begin
    wanted, duckdb_seconds = ask_duckdb(oracle_query)
    if explained.returncode or table.returncode or answer.returncode:
        difference = "the command fails"
    else:
        got = parse_csv(answer.stdout)
        difference = same_rows(got[1:], wanted[1:], True)
        if difference is None and got[0] != wanted[0]:
            difference = f"columns {got[0]} instead of {wanted[0]}"
    verdict = "the same as one DuckDB" if difference is None else f"WRONG: {difference}"
    print(f"-> {verdict}; eider {seconds * 1000:.0f} ms, DuckDB with 2 threads {duckdb_seconds * 1000:.0f} ms")
    return difference is None, (title, verdict, seconds, duckdb_seconds)


def demonstrate(lines):
    home = tempfile.TemporaryDirectory(prefix="eider-demo-")
    with home:
        log, airports = os.path.join(home.name, "access.log"), os.path.join(home.name, "airports.csv")
        print(f"writing an access log of {lines} lines", flush=True)
        made = run([tool("gen-access-log"), "--lines", str(lines), "-o", log], timeout=600)
        if made.returncode != 0:
            sys.exit(f"demo: the log generator fails: {made.stderr}")
        with open(airports, "w", encoding="utf-8") as f:
            f.write(AIRPORTS)
        show("eider up --workers 2 --cores-per-worker 1")
        with Cluster(workers=2, cores=1) as cluster:
            show("eider status")
            print(cluster.cli("status").stdout, end="", flush=True)
            print(f"web page: {cluster.client.get('ui', '')}")
            results = [run_query(cluster, *q) for q in queries(log, airports)]
            show("eider down")
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1000000)
    results = demonstrate(parser.parse_args().lines)
    print("\n==== summary")
    for _, (title, verdict, seconds, duckdb_seconds) in results:
        print(f"{title:50} {seconds * 1000:6.0f} ms (DuckDB {duckdb_seconds * 1000:6.0f} ms)  {verdict}")
    good = all(ok for ok, _ in results)
    print("nothing is left running" if good else "an answer differs")
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except AssertionError as error:
        sys.exit(f"demo: {error}")
