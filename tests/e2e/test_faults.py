"""Processes are killed in the middle of a query: the answer does not change, the query does not fail,
and what was killed comes back."""
import os
import signal
import time

import data
from harness import (SANITIZED, SLOWER, Cluster, alive, main, oracle, parse_csv, same_rows, temporary,
                     wait_until)

FILES = data.make(temporary(), 20000 if SANITIZED else 400000)
EVENTS = f"'{FILES['events.parquet']}'"

# Enough work per row that a kill hits it in the middle.
QUERY = (f"SELECT g, count(*) AS n, sum(length(md5(md5(md5(s || id)))) + k) AS w, max(sha256(s || id)) AS h "
         f"FROM {EVENTS} GROUP BY g")
WANTED = {}


def wanted(query):
    if query not in WANTED:
        WANTED[query] = oracle(query)[1]
    return WANTED[query]


def finish(process, query):
    out, err = process.communicate(timeout=120 * SLOWER)
    assert process.returncode == 0, f"the query fails: {err}"
    difference = same_rows(parse_csv(out)[1:], wanted(query), False)
    assert difference is None, difference


def kill_while_running(cluster, find_victims, delay, query=QUERY):
    """Starts the query, kills what find_victims() names after `delay`; True if it hit the query."""
    process = cluster.start("sql", "-o", "csv", query)
    time.sleep(delay)
    running = process.poll() is None
    for pid in find_victims():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    finish(process, query)
    return running


def timed(cluster):
    begin = time.monotonic()
    finish(cluster.start("sql", "-o", "csv", QUERY), QUERY)
    return time.monotonic() - begin


def healthy(cluster, workers):
    def check():
        try:
            found = cluster.processes("worker")
        except AssertionError:
            return False
        return sum(p["state"] in ("up", "alive", "ready", "running") for p in found) == workers and \
            all(alive(p["pid"]) for p in found)
    wait_until(check, 15, f"{workers} workers are up")


def test_executor_killed():
    hits = 0
    with Cluster(workers=2) as cluster:
        seconds = timed(cluster)
        for part in (0.2, 0.4, 0.6, 0.8):
            hits += kill_while_running(cluster, lambda: cluster.executors()[:1], seconds * part)
            healthy(cluster, 2)
        cluster.wait_no_task_files()
    assert hits, "no kill came while the query ran: the query is too short"


def test_all_executors_killed():
    with Cluster(workers=2) as cluster:
        seconds = timed(cluster)
        assert kill_while_running(cluster, cluster.executors, seconds * 0.5), "the query was over"
        finish(cluster.start("sql", "-o", "csv", QUERY), QUERY)
        cluster.wait_no_task_files()


def test_worker_killed():
    with Cluster(workers=2) as cluster:
        seconds = timed(cluster)
        for index, part in ((0, 0.3), (1, 0.7)):
            pids = cluster.recorded_pids("worker")
            kill_while_running(cluster, lambda: [pids[index]], seconds * part)
            assert not alive(pids[index])
            healthy(cluster, 2)
        finish(cluster.start("sql", "-o", "csv", QUERY), QUERY)


def test_only_worker_killed():
    with Cluster(workers=1, cores=2) as cluster:
        seconds = timed(cluster)
        kill_while_running(cluster, lambda: cluster.recorded_pids("worker"), seconds * 0.5)
        healthy(cluster, 1)


def test_executor_killed_at_many_moments():
    with Cluster(workers=2) as cluster:
        seconds = timed(cluster)
        for i in range(4 if SANITIZED else 12):
            kill_while_running(cluster, lambda: cluster.executors()[i % 2:][:1], seconds * i / 12)
        healthy(cluster, 2)


def test_join_with_kills():
    query = (f"SELECT a.g, count(*) AS n, sum(b.id) AS s FROM {EVENTS} a JOIN {EVENTS} b "
             f"ON a.id = b.id + 1 WHERE length(md5(a.s || b.d)) > 3 GROUP BY a.g")
    with Cluster(workers=2) as cluster:
        for delay in (0.05, 0.15, 0.3):
            kill_while_running(cluster, lambda: cluster.executors()[:1], delay * SLOWER, query)


def test_retries_are_shown():
    with Cluster(workers=2) as cluster:
        seconds = timed(cluster)
        assert kill_while_running(cluster, cluster.executors, seconds * 0.5), "the query was over"
        job = max(int(j["id"]) for j in jobs(cluster))
        status, document = cluster.rest("GET", f"/v1/jobs/{job}")
        assert status == 200, document
        assert sum(int(s["retries"]) for s in document["stages"]) > 0, document


def jobs(cluster):
    status, document = cluster.rest("GET", "/v1/jobs")
    assert status == 200, document
    return document["jobs"] if isinstance(document, dict) else document


def test_master_comes_back():
    with Cluster(workers=2) as cluster:
        done = cluster.cli("sql", f"CREATE EXTERNAL TABLE ev AS FROM {EVENTS}")
        assert done.returncode == 0, done.stderr
        old = cluster.kill("master")
        wait_until(lambda: cluster.recorded_pids("master") not in ([], [old]), 15, "a new master runs")
        healthy(cluster, 2)

        def answers():
            done = cluster.cli("sql", "-o", "csv", "SELECT count(*) AS n FROM ev")
            return done.returncode == 0 and done.stdout
        answer = wait_until(answers, 20, "queries are answered again")
        assert answer == f"n\n{len_events()}\n", answer


def len_events():
    return oracle(f"SELECT count(*) FROM {EVENTS}")[1][0][0]


def test_gateway_comes_back():
    with Cluster(workers=1) as cluster:
        old = cluster.kill("gateway")
        wait_until(lambda: cluster.recorded_pids("gateway") not in ([], [old]), 15, "a new gateway runs")

        def answers():
            return cluster.cli("sql", "-o", "csv", "select 42 as a").stdout == "a\n42\n"
        wait_until(answers, 20, "queries are answered again")


def test_paused_worker_is_not_lost():
    with Cluster(workers=2) as cluster:
        process = cluster.start("sql", "-o", "csv", QUERY)
        pid = cluster.recorded_pids("worker")[0]
        os.kill(pid, signal.SIGSTOP)
        time.sleep(1.5)
        os.kill(pid, signal.SIGCONT)
        finish(process, QUERY)
        assert cluster.recorded_pids("worker")[0] == pid, "the paused worker was replaced"


def test_client_killed_ends_its_query():
    slow = "SELECT sum(length(md5(a.i::VARCHAR || b.i))) FROM range(100000) a(i), range(100000) b(i)"
    with Cluster(workers=1) as cluster:
        process = cluster.start("sql", slow)
        wait_until(lambda: any(j["state"] == "running" for j in jobs(cluster)), 10, "the job runs")
        process.kill()
        process.communicate()
        wait_until(lambda: not any(j["state"] in ("running", "waiting") for j in jobs(cluster)), 5,
                   "the job of a killed client ends")
        cluster.wait_no_task_files()


if __name__ == "__main__":
    main(globals())
