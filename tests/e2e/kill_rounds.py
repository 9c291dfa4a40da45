#!/usr/bin/env python3
"""Shuffle-heavy queries while processes of the cluster are killed, paused and cut off at random;
every answer is compared with one DuckDB's, and at the end nothing may be left.

usage: kill_rounds.py [ROUNDS] [SEED]       (EIDER_KILL_ROUNDS, EIDER_KILL_SEED; the seed is printed)

A query may fail in two ways only: the gateway that served it was killed (exit code 3, then it is
asked again), or its rows were being streamed while their files were lost. Both are counted."""
import collections
import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time

FEW = bool(os.environ.get("EIDER_SANITIZED"))
for name, value in (("EIDER_TEST_BROADCAST_LIMIT_BYTES", "20000"),
                    ("EIDER_TEST_SPLIT_BYTES", "80000" if FEW else "600000"),
                    ("EIDER_TEST_PARTITION_ROWS", "1000" if FEW else "5000")):
    os.environ.setdefault(name, value)

import data  # noqa: E402
from harness import (SLOWER, Cluster, alive, one_sentence, oracle, parse_csv, run,  # noqa: E402
                     same_rows, temporary, wait_until)

ROWS = 20000 if FEW else 300000
ANSWER_SECONDS = min(60 * SLOWER, 150)
FAULTS = ("executor", "executor", "executor", "worker", "worker", "all executors", "all workers",
          "pause executor", "pause worker", "pause master", "pause gateway", "cut worker", "cut worker",
          "master", "master", "gateway", "cut gateway")


def queries(files):
    e, c, d = (f"'{files[n]}'" for n in ("events.parquet", "events.csv", "dim.csv"))
    return [
        f"SELECT g, k, count(*) AS n, sum(length(md5(s || id))) AS w FROM {e} GROUP BY g, k",
        f"SELECT id % 5000 AS b, count(*) AS n, max(md5(s)) AS h, sum(m) AS m FROM {e} GROUP BY b",
        f"SELECT a.g, count(*) AS n, sum(b.id) AS s FROM {e} a JOIN {e} b ON a.id = b.id + 1 GROUP BY a.g",
        f"SELECT k, count(DISTINCT s) AS n, min(day) AS d FROM {e} GROUP BY k",
        f"SELECT a.k, count(*) AS n, sum(b.d) AS d FROM {e} a JOIN {c} b USING (id) WHERE a.flag GROUP BY a.k",
        f"SELECT n, count(*) AS c FROM (SELECT id % 9000 AS u, count(*) AS n FROM {c} GROUP BY u) x GROUP BY n",
        f"ORDERED:SELECT id, s, d FROM {e} ORDER BY d DESC, id LIMIT 3000",
        f"SELECT x.g, x.n, d.name FROM (SELECT g, count(*) AS n FROM {e} GROUP BY g) x JOIN {d} d USING (g)",
        f"SELECT id, s, d FROM {e} WHERE id % 11 = 0",
    ]


class Trouble:
    """Does harm to a cluster, driven by a seed."""

    def __init__(self, cluster, dice):
        self.cluster, self.dice, self.done = cluster, dice, collections.Counter()
        self.paused = []
        self.killed_gateway = False

    def pick(self, role):
        found = self.cluster.executors() if role == "executor" else self.cluster.recorded_pids(role)
        return self.dice.choice([p for p in found if alive(p)] or [0])

    def kill(self, pids):
        for pid in pids:
            if pid > 0:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def pause(self, pid, seconds):
        if pid <= 0:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            timer = threading.Timer(seconds, self.go_on, (pid,))
            timer.start()
            self.paused.append((timer, pid))

    @staticmethod
    def go_on(pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)

    def cut(self, role):
        """Resets every TCP connection of a process with the master, as a broken network does."""
        for entry in self.cluster.recorded():
            if entry["role"] == "master":
                port = entry["ports"]["rpc"]
                pid = self.pick(role)
                listing = run(["ss", "-tnpH", "dport", "=", str(port)]).stdout
                for line in listing.splitlines():
                    if f"pid={pid}," in line:
                        subprocess.run(["ss", "-K", "sport", "=", line.split()[3].rsplit(":", 1)[1],
                                        "dport", "=", str(port)], capture_output=True, check=False)

    def strike(self):
        kind = self.dice.choice(FAULTS)
        self.done[kind] += 1
        if kind == "all executors":
            self.kill(self.cluster.executors())
        elif kind == "all workers":
            self.kill(self.cluster.recorded_pids("worker"))
        elif kind.startswith("pause "):
            longest = 3 if self.dice.random() < 0.8 else 8
            self.pause(self.pick(kind[6:]), 0.3 + self.dice.random() * longest)
        elif kind.startswith("cut "):
            self.cut(kind[4:])
        else:
            self.killed_gateway |= kind == "gateway"
            self.kill([self.pick(kind)])
        return kind

    def settle(self):
        for timer, pid in self.paused:
            timer.cancel()
            self.go_on(pid)
        self.paused = []


def ask(cluster, query):
    return cluster.start("sql", "-o", "csv", query)


def finish(process, query):
    """(rows, None), or (None, sentence) of a query that failed."""
    try:
        out, err = process.communicate(timeout=ANSWER_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise AssertionError(f"no answer within {ANSWER_SECONDS} s: {query}") from None
    if process.returncode == 0:
        return parse_csv(out)[1:], None
    return None, f"{process.returncode}: {one_sentence(err)}"


def check(rows, wanted, query, ordered):
    difference = same_rows(rows, wanted, ordered)
    assert difference is None, f"wrong answer: {difference}\n{query}"


def one_round(cluster, trouble, dice, wanted):
    """Two queries at once, one to three strikes; returns what struck and what failed."""
    trouble.killed_gateway = False
    chosen = [dice.choice(list(wanted)) for _ in range(2)]
    running = [ask(cluster, q.removeprefix("ORDERED:")) for q in chosen]
    struck = []
    for _ in range(dice.choice((1, 1, 2, 3))):
        time.sleep(dice.random() * 0.5 * SLOWER)
        struck.append(trouble.strike())
    failures = []
    for process, query in zip(running, chosen):
        ordered, sql = query.startswith("ORDERED:"), query.removeprefix("ORDERED:")
        rows, failure = finish(process, sql)
        if failure is not None:
            assert failure.startswith("3:") and trouble.killed_gateway, \
                f"a query failed after {struck}: {failure}\n{sql}"
            failures.append(failure)
            trouble.settle()
            wait_for_gateway(cluster)
            rows, failure = finish(ask(cluster, sql), sql)
            assert failure is None, f"asked again after {struck}: {failure}\n{sql}"
        check(rows, wanted[query], sql, ordered)
    trouble.settle()
    if trouble.killed_gateway:
        wait_for_gateway(cluster)
    return struck, failures


def wait_for_gateway(cluster):
    wait_until(lambda: cluster.cli("sql", "-o", "csv", "SELECT 42 AS a").stdout == "a\n42\n", 20,
               "the gateway answers again")


def whole(cluster, workers):
    """Every process is there again and the master knows it."""
    def check_workers():
        done = cluster.cli("status", "-o", "json")
        if done.returncode != 0:
            return False
        found = cluster.processes("worker")
        return sum(p["state"] == "alive" for p in found) == workers and all(alive(p["pid"]) for p in found)
    wait_until(check_workers, 20, f"{workers} workers are up")


def kill_rounds(rounds, seed, workers=3, directory=None):
    print(f"kill rounds: {rounds} rounds, seed {seed}", flush=True)
    files = data.make(directory or temporary(), ROWS)
    wanted = {q: oracle(q.removeprefix("ORDERED:"))[1] for q in queries(files)}
    dice, begin, refused = random.Random(seed), time.monotonic(), 0
    with Cluster(workers=workers) as cluster:
        trouble = Trouble(cluster, dice)
        plans = [cluster.cli("explain", q.removeprefix("ORDERED:")).stdout for q in wanted]
        hashed = sum("partitions by hash of" in plan for plan in plans)
        assert hashed >= 4, f"only {hashed} of {len(plans)} queries shuffle: the test proves little"
        try:
            for number in range(1, rounds + 1):
                started = time.monotonic()
                struck, failures = one_round(cluster, trouble, dice, wanted)
                cluster.note_processes()
                refused += len(failures)
                print(f"round {number}: {time.monotonic() - started:.1f} s, {', '.join(struck)}"
                      f"{'; ' + '; '.join(failures) if failures else ''}", flush=True)
            whole(cluster, workers)
            cluster.wait_no_task_files(10)
        finally:
            trouble.settle()
    print(f"{2 * rounds} answers, {refused} of them at the second time of asking, after "
          f"{sum(trouble.done.values())} faults in {time.monotonic() - begin:.0f} s: "
          + ", ".join(f"{k} {n}" for k, n in sorted(trouble.done.items())), flush=True)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the cluster is stopped
    number = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("EIDER_KILL_ROUNDS", "50")
    seed = sys.argv[2] if len(sys.argv) > 2 else os.environ.get("EIDER_KILL_SEED")
    seed = int(seed) if seed else time.time_ns() % 1000000
    try:
        kill_rounds(int(number), seed)
    except AssertionError as error:
        print(f"     {error}\nFAIL {number} rounds of seed {seed}")
        return 1
    print(f"ok {number} rounds of seed {seed}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
