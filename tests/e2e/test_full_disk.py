"""A worker whose disk is full says so in one sentence, lives on, and works again once there is room;
with another worker at hand the query succeeds. Needs root, for small file systems in memory."""
import contextlib
import os
import subprocess
import time

import data
from harness import Cluster, Skip, alive, main, oracle, same_rows, temporary, wait_until

FILES = data.make(temporary(), 200000)
EVENTS = f"'{FILES['events.parquet']}'"
BIG = f"SELECT id, s, d, sha256(s || id) AS h FROM {EVENTS} ORDER BY d, id"
SMALL = f"SELECT g, count(*) AS n FROM {EVENTS} GROUP BY g"


@contextlib.contextmanager
def small_disk(cluster, worker, size, part="exchange"):
    """A file system of `size` in the worker's directory, over what is there."""
    path = os.path.join(cluster.directory, worker, part)
    if os.geteuid() != 0:
        raise Skip("only root may mount")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "none", path],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Skip(f"no tmpfs here: {done.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def grow(path, size):
    subprocess.run(["mount", "-o", f"remount,size={size}", path], check=True)


def right(cluster, query, ordered):
    difference = same_rows(cluster.csv(query)[1], oracle(query)[1], ordered)
    assert difference is None, difference


def worker_log(cluster):
    with open(os.path.join(cluster.directory, "log", "worker-1.log"), encoding="utf-8") as f:
        return f.read()


def test_full_exchange_disk():
    with Cluster(workers=1) as cluster:
        worker = cluster.recorded_pids("worker")
        with small_disk(cluster, "worker-1", "1m") as path:
            begin = time.monotonic()
            code, sentence = cluster.error(BIG)
            assert code == 1 and "No space left on device" in sentence and "worker-1" in sentence, (code, sentence)
            assert time.monotonic() - begin < 30, "the query took too long to fail"
            assert cluster.recorded_pids("worker") == worker and alive(worker[0]), "the worker died"
            right(cluster, SMALL, False)
            wait_until(lambda: not [f for f in cluster.task_files() if path in f], 5, "room is made")
            grow(path, "200m")
            right(cluster, BIG, True)
            cluster.wait_no_task_files()


def test_full_spill_disk():
    """The executor's own directory is full: the task fails with a sentence, the next one runs."""
    query = ("SELECT count(*) AS n FROM (SELECT md5(i::VARCHAR) AS h, count(*) AS c FROM range(4000000) r(i) "
             "GROUP BY 1) x")
    with Cluster(workers=1, memory="200MB") as cluster:
        executor = cluster.executors()
        with small_disk(cluster, "worker-1", "2m", "executor/1/spill"):
            code, sentence = cluster.error(query, timeout=120)
            words = sentence.lower()
            assert code == 1 and ("space" in words or "memory" in words or "temp" in words), (code, sentence)
            assert cluster.csv("SELECT 42 AS a")[1] == [("42",)]
            assert cluster.executors() == executor, "the executor died"


def test_one_full_disk_of_two():
    """The other worker's disk has room: nobody notices."""
    with Cluster(workers=2) as cluster:
        with small_disk(cluster, "worker-1", "64k"):
            right(cluster, BIG, True)
            right(cluster, SMALL, False)
            cluster.wait_no_task_files()


if __name__ == "__main__":
    main(globals())
