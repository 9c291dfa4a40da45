"""`eider why`: why a job waits, failed or is slow; the same in REST and `job show`."""
import os
import signal
import time

from harness import Cluster, main, oracle_run, temporary, wait_until

CLUSTER = None
LONG = "SELECT sum(hash(r.range)) FROM range(100000000000) r"


def submit(*arguments):
    done = CLUSTER.cli("job", "submit", *arguments)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def why(number):
    """(sentences, codes), the same from all doors."""
    done = CLUSTER.cli("why", str(number), "-o", "json")
    assert done.returncode == 0, done.stderr
    status, answer = CLUSTER.rest("GET", f"/v1/jobs/{number}/why")
    assert status == 200
    codes = [r["code"] for r in answer["reasons"]]
    known = {r["code"] for r in CLUSTER.rest("GET", "/v1/reasons")[1]["reasons"]}
    assert set(codes) <= known, codes
    assert answer["text"] == " ".join(r["text"] for r in answer["reasons"])
    job = CLUSTER.rest("GET", f"/v1/jobs/{number}")[1]
    assert job["reason_codes"] == codes or job["state"] != answer["state"], (job["reason_codes"], codes)
    return answer["text"], codes


def wait_state(number, wanted, seconds=20):
    wait_until(lambda: CLUSTER.rest("GET", f"/v1/jobs/{number}")[1]["state"] == wanted, seconds,
               f"job {number} is {wanted}")


def cancel(*numbers):
    for number in numbers:
        CLUSTER.cli("job", "cancel", str(number))
        wait_state(number, "cancelled")


def test_unknown_job():
    done = CLUSTER.cli("why", "999999")
    assert done.returncode == 4 and "no job 999999" in done.stderr, done.stderr
    assert CLUSTER.cli("why", "x").returncode == 2


def test_nothing_to_say():
    number = submit("SELECT 1")
    wait_state(number, "succeeded")
    text, codes = why(number)
    assert codes == ["NOTHING_SLOW"], (text, codes)


def test_too_large_for_every_worker():
    number = submit("--memory", "64TB", "SELECT 1")
    text, codes = why(number)
    assert codes == ["NO_NODE_LARGE_ENOUGH"] and "65536.0 GB" in text and "the largest, worker-" in text, text
    cancel(number)


def test_labels_that_no_worker_has():
    number = submit("--label", "ssd,zone=a", "--need", "gpu=0.5", "SELECT 1")
    text, codes = why(number)
    assert codes == ["NO_NODE_WITH_LABELS"], (text, codes)
    assert '"ssd"' in text and '"zone=a"' in text and '0.5 of "gpu"' in text, text
    cancel(number)


def test_cores_are_busy():
    assert CLUSTER.cli("queue", "create", "other").returncode == 0
    busy = [submit("--queue", "other", LONG) for _ in range(2)]
    for number in busy:
        wait_state(number, "running")
    number = submit("SELECT 1")
    text, codes = why(number)
    assert codes[0] in ("OTHERS_FIRST", "NODES_FULL"), (text, codes)
    assert 'queue "other" holds 2 of the 2 cores' in text, text
    assert "other" in CLUSTER.cli("job", "show", str(number)).stdout
    cancel(*busy)
    wait_state(number, "succeeded")


def test_failure_with_the_history_of_its_attempts():
    number = submit("SELECT CAST(range::VARCHAR || 'x' AS INTEGER) FROM range(3)")
    wait_state(number, "failed")
    text, codes = why(number)
    assert codes == ["FAILED"] and "Could not convert" in text and "task 0 on worker-" in text, text


def test_killed_executor_is_a_reason_for_slowness():
    number = submit("SELECT sum(hash(r.range)) FROM range(300000000) r")
    wait_state(number, "running")
    time.sleep(0.3)
    for pid in CLUSTER.executors():
        os.kill(pid, signal.SIGKILL)
    wait_state(number, "succeeded", 60)
    text, codes = why(number)
    assert "RETRIES" in codes and "started again" in text and "signal 9" in text, text


def test_skew():
    path = temporary()
    oracle_run(f"COPY (SELECT CASE WHEN range < 900000 THEN 7 ELSE range END AS k, range AS v FROM range(1000000)) "
               f"TO '{path}/skewed.parquet' (ROW_GROUP_SIZE 100000)")
    number = submit(f"SELECT k, median(v) AS m FROM '{path}/skewed.parquet' GROUP BY k ORDER BY m DESC LIMIT 5")
    wait_state(number, "succeeded")
    text, codes = why(number)
    assert "SKEW" in codes and "% of its rows" in text, (text, codes)


def test_no_worker_at_all():
    for pid in CLUSTER.recorded_pids("worker"):
        os.kill(pid, signal.SIGSTOP)
    stopped = CLUSTER.recorded_pids("worker")
    try:
        wait_until(lambda: not CLUSTER.rest("GET", "/v1/status")[1] is None and all(
            p["state"] == "lost" for p in CLUSTER.processes("worker")), 15, "the workers are lost")
        number = submit("SELECT 1")
        text, codes = why(number)
        assert codes == ["NO_NODES"], (text, codes)
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    wait_state(number, "succeeded", 20)


def test_out_of_memory_is_tried_again_alone():
    """Two tasks that fit the worker one at a time but not together; then one that never fits."""
    with Cluster(workers=1, cores=2, memory="512MB") as c:
        def wait(number):
            return c.cli("job", "wait", number, timeout=60)
        fits = "SELECT len(list(hash(range))) AS n FROM range(15000000)"
        numbers = [c.cli("job", "submit", fits).stdout.strip() for _ in range(4)]
        for number in numbers:
            assert wait(number).returncode == 0, wait(number).stderr
        number = c.cli("job", "submit", fits.replace("15000000", "150000000")).stdout.strip()
        done = wait(number)
        assert done.returncode == 1 and "the largest worker has 512.0 MB" in done.stderr, done.stderr
        assert "attempt 2" in c.cli("why", number).stdout


if __name__ == "__main__":
    os.environ.update(EIDER_TEST_SPLIT_BYTES="100000", EIDER_TEST_PARTITION_ROWS="100000")
    main(globals(), cluster={"workers": 2, "cores": 1})
