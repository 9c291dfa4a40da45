"""Cancelling stops the work within 200 ms, frees everything, and harms nobody else."""
import signal
import time

from harness import SLOWER, cpu_seconds, main, wait_until

CLUSTER = None
SLOW = "SELECT sum(length(md5(a.i::VARCHAR || b.i))) AS s FROM range(300000) a(i), range(100000) b(i)"
# One vectorised call over a long list: DuckDB's own interrupt takes seconds here.
DEAF = "SELECT sum(list_sum(list_transform(range(30000000), x -> x % 7))) AS s FROM range(20)"
LIMIT_SECONDS = 0.2



def jobs():
    document = CLUSTER.rest("GET", "/v1/jobs")[1]
    return document["jobs"] if isinstance(document, dict) else document


def start_and_wait(query):
    """The client and its job's id, once an executor works."""
    before = {int(j["id"]) for j in jobs()}
    process = CLUSTER.start("sql", query)
    new = wait_until(lambda: [j for j in jobs() if int(j["id"]) not in before and j["state"] == "running"],
                     10, "the job runs")
    wait_until(lambda: any(busy_now()), 10, "an executor works")
    return process, int(new[0]["id"])


def busy_now(seconds=0.05):
    """For each executor that lives through `seconds`: did it use the processor?"""
    before = {pid: cpu_seconds(pid) for pid in CLUSTER.executors()}
    time.sleep(seconds)
    return [cpu_seconds(pid) - cpu for pid, cpu in before.items() if cpu_seconds(pid) - cpu > 0.02]


def check_idle_soon(since):
    """The executors must be idle LIMIT_SECONDS after `since`; measured by their processor time."""
    time.sleep(max(0, since + LIMIT_SECONDS * SLOWER - time.monotonic()))
    before = {pid: cpu_seconds(pid) for pid in CLUSTER.executors()}
    time.sleep(0.25)
    used = sum(max(0, cpu_seconds(pid) - cpu) for pid, cpu in before.items())
    assert used <= 0.05 * SLOWER, f"executors used {used:.2f} s of processor time after the deadline"


def check_healthy():
    assert CLUSTER.csv("select 42 as a")[1] == [("42",)]
    wait_until(lambda: not any(j["state"] in ("running", "waiting") for j in jobs()), 5, "no job runs")
    CLUSTER.wait_no_task_files()


def state_of(job):
    return next(j["state"] for j in jobs() if int(j["id"]) == job)


def interrupt(query):
    process, job = start_and_wait(query)
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10 * SLOWER)
    took = time.monotonic() - begin
    check_idle_soon(begin)
    assert process.returncode == 130, (process.returncode, err)
    assert took < 1.0 * SLOWER, f"the client took {took:.2f} s to end"
    assert state_of(job) == "cancelled", state_of(job)
    check_healthy()


def test_ctrl_c():
    interrupt(SLOW)


def test_ctrl_c_in_one_vectorised_call():
    interrupt(DEAF)


def test_job_cancel():
    process, job = start_and_wait(SLOW)
    begin = time.monotonic()
    done = CLUSTER.cli("job", "cancel", str(job))
    check_idle_soon(begin)
    assert done.returncode == 0, done.stderr
    _, err = process.communicate(timeout=10 * SLOWER)
    assert process.returncode == 130 and "cancel" in err, (process.returncode, err)
    check_healthy()


def test_rest_cancel():
    process, job = start_and_wait(SLOW)
    status, _ = CLUSTER.rest("POST", f"/v1/jobs/{job}/cancel")
    assert 200 <= status < 300, status
    process.communicate(timeout=10 * SLOWER)
    assert process.returncode == 130, process.returncode
    check_healthy()


def test_cancel_again_and_unknown():
    process, job = start_and_wait(SLOW)
    assert CLUSTER.cli("job", "cancel", str(job)).returncode == 0
    process.communicate(timeout=10 * SLOWER)
    done = CLUSTER.cli("job", "cancel", "987654")
    assert done.returncode == 4 and "987654" in done.stderr, done.stderr
    check_healthy()


def test_timeout():
    begin = time.monotonic()
    done = CLUSTER.cli("sql", "--timeout", "1", SLOW)
    took = time.monotonic() - begin
    assert done.returncode == 124, (done.returncode, done.stderr)
    assert took < 2.5 * SLOWER, took
    check_healthy()


def test_neighbour_is_not_harmed():
    """A job on the same executors goes on, although killing may take its executor too."""
    neighbour = CLUSTER.start("sql", "-o", "csv", "SELECT count(*) AS n, sum(length(md5(i::VARCHAR))) AS s "
                              "FROM range(8000000) r(i)")
    process, _ = start_and_wait(DEAF)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10 * SLOWER)
    out, err = neighbour.communicate(timeout=60 * SLOWER)
    assert neighbour.returncode == 0 and out == "n,s\n8000000,256000000\n", out + err
    check_healthy()


if __name__ == "__main__":
    main(globals(), cluster={"workers": 2, "cores": 1})
