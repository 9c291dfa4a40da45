#!/usr/bin/env python3
"""make soak: mixed load with faults for a while (EIDER_SOAK_MINUTES, default 10); every answer is
compared with one DuckDB's, and memory, descriptors and files must not grow."""
import os
import random
import signal
import sys
import time

import data
from harness import Cluster, alive, open_files, oracle, parse_csv, processes_of, rss_bytes, same_rows, temporary

FILES = data.make(temporary(), 100000)
E = f"'{FILES['events.parquet']}'"
QUERIES = [f"SELECT g, count(*) AS n, sum(m) AS m, max(sha256(s)) AS h FROM {E} GROUP BY g",
           f"SELECT k, count(*) AS n FROM '{FILES['events.csv']}' GROUP BY k",
           f"SELECT d.class, count(*) AS n FROM {E} e JOIN '{FILES['dim.csv']}' d USING (g) GROUP BY d.class",
           f"SELECT id, s FROM {E} ORDER BY d DESC, id LIMIT 50", "SELECT 42 AS a"]


def hurt(cluster, dice):
    kind = dice.choice(("executor", "executor", "worker", "pause"))
    victims = cluster.executors() if kind == "executor" else cluster.recorded_pids("worker")
    victims = [pid for pid in victims if alive(pid)]
    if not victims:
        return
    pid = dice.choice(victims)
    if kind == "pause":
        os.kill(pid, signal.SIGSTOP)
        time.sleep(1)
        os.kill(pid, signal.SIGCONT)
    else:
        os.kill(pid, signal.SIGKILL)


def footprint(cluster):
    found = processes_of(cluster.directory)
    return sum(map(rss_bytes, found)), sum(map(open_files, found)), len(found)


def main():
    minutes = float(os.environ.get("EIDER_SOAK_MINUTES", "10"))
    seed = int(os.environ.get("EIDER_SOAK_SEED", str(time.time_ns() % 1000000)))
    print(f"soak: {minutes:g} minutes, seed {seed}", flush=True)
    dice, wanted = random.Random(seed), {q: oracle(q)[1] for q in QUERIES}
    end, asked, next_fault, first = time.monotonic() + minutes * 60, 0, time.monotonic() + 5, None
    with Cluster(workers=2) as cluster:
        while time.monotonic() < end:
            query = dice.choice(QUERIES)
            process = cluster.start("sql", "-o", "csv", query)
            if time.monotonic() > next_fault:
                time.sleep(dice.random() * 0.2)
                hurt(cluster, dice)
                next_fault = time.monotonic() + 5
            out, err = process.communicate(timeout=60)
            assert process.returncode == 0, f"query {asked} fails: {err}\n{query}"
            difference = same_rows(parse_csv(out)[1:], wanted[query], "ORDER" in query)
            assert difference is None, f"{query}\n{difference}"
            asked += 1
            if asked == 100:
                first = footprint(cluster)
        cluster.wait_no_task_files(10)
        last = footprint(cluster)
    print(f"{asked} queries; memory, descriptors, processes: after 100 {first}, at the end {last}")
    if first is not None:
        assert last[0] < first[0] * 1.5 + (64 << 20) and last[1] <= first[1] + 20, "something grows"
    return 0


if __name__ == "__main__":
    sys.exit(main())
