"""Cordon, drain, resume; drains in mid-job lose nothing."""
import json
import os
import time

from harness import Cluster, FLIGHTS, main, oracle, same_rows, wait_until

CLUSTER = None
LONG = "SELECT sum(hash(r.range)) FROM range(100000000000) r"
SHUFFLE = (f"SELECT origin, count(DISTINCT destination) AS d, median(distance) AS m, sum(delay) AS s "
           f"FROM '{FLIGHTS}' GROUP BY origin")


def submit(*arguments):
    done = CLUSTER.cli("job", "submit", *arguments)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def job_state(number):
    return CLUSTER.rest("GET", f"/v1/jobs/{number}")[1]["state"]


def nodes():
    return {n["name"]: n for n in CLUSTER.rest("GET", "/v1/nodes")[1]["nodes"]}


def order(verb, name, *more):
    done = CLUSTER.cli("node", verb, name, *more)
    assert done.returncode == 0, done.stderr


def wait_node(name, state, seconds=15):
    wait_until(lambda: nodes()[name]["state"] == state, seconds, f"{name} is {state}")


def test_cordon_and_resume():
    order("cordon", "worker-1", "--reason", "a new disk")
    assert nodes()["worker-1"]["state"] == "cordoned" and nodes()["worker-1"]["reason"] == "a new disk"
    for _ in range(3):
        CLUSTER.sql(f"SELECT count(*) FROM '{FLIGHTS}'")
    last = CLUSTER.rest("GET", "/v1/jobs?limit=1")[1]["jobs"][0]["id"]
    stages = CLUSTER.rest("GET", f"/v1/jobs/{last}")[1]["stages"]
    assert {w["name"] for s in stages for w in s["workers"]} == {"worker-2"}
    order("resume", "worker-1")
    assert nodes()["worker-1"]["state"] == "alive"


def test_unknown_node():
    done = CLUSTER.cli("node", "drain", "worker-77")
    assert done.returncode == 4 and "no worker" in done.stderr, done.stderr


def test_all_cordoned():
    order("cordon", "worker-1")
    order("cordon", "worker-2")
    number = submit("SELECT 1")
    answer = CLUSTER.rest("GET", f"/v1/jobs/{number}/why")[1]
    assert answer["reasons"][0]["code"] == "NODES_EXCLUDED" and "node list" in answer["text"], answer
    order("resume", "worker-1")
    wait_until(lambda: job_state(number) == "succeeded", 5, "it runs")
    order("resume", "worker-2")


def test_cordon_survives_the_master_and_the_worker():
    order("cordon", "worker-1")
    pid = CLUSTER.kill("master")
    wait_until(lambda: CLUSTER.recorded_pids("master") not in ([], [pid]), 10, "another master")
    wait_until(lambda: CLUSTER.cli("status").returncode == 0, 10, "the master answers")
    wait_node("worker-1", "cordoned")
    CLUSTER.kill("worker", [p["name"] for p in CLUSTER.processes("worker")].index("worker-1"))
    time.sleep(1)
    wait_node("worker-1", "cordoned")
    wait_node("worker-2", "alive")
    CLUSTER.sql("SELECT 1")
    order("resume", "worker-1")
    wait_node("worker-1", "alive")


def test_drain_waits_for_what_runs():
    number = submit("SELECT sum(hash(r.range)) FROM range(200000000) r")
    wait_until(lambda: job_state(number) == "running", 5, "it runs")
    name = next(n for n, v in nodes().items() if v["running"] > 0)
    order("drain", name)
    assert nodes()[name]["state"] == "draining"
    wait_until(lambda: job_state(number) == "succeeded", 60, "the job ends")
    assert nodes()[name]["state"] == "draining"  # the result is there, and nobody has read it
    assert CLUSTER.cli("job", "result", str(number)).returncode == 0
    wait_node(name, "drained")
    assert CLUSTER.rest("GET", f"/v1/jobs/{number}")[1]["stages"][0]["retries"] == 0
    order("resume", name)


def test_deadline_moves_what_runs():
    number = submit(LONG)
    wait_until(lambda: any(v["running"] for v in nodes().values()), 5, "it runs")
    name = next(n for n, v in nodes().items() if v["running"] > 0)
    order("drain", name, "--deadline", "1s")
    wait_node(name, "drained")
    other = "worker-2" if name == "worker-1" else "worker-1"
    wait_until(lambda: nodes()[other]["running"] == 1, 5, "it runs elsewhere")
    CLUSTER.cli("job", "cancel", str(number))
    order("resume", name)


def test_unread_result_is_made_again():
    """The result of a finished job lies on a node that has to go: it is not lost."""
    number = submit("SELECT 6 * 7 AS answer")
    wait_until(lambda: job_state(number) == "succeeded", 10, "it succeeds")
    task = CLUSTER.rest("GET", f"/v1/jobs/{number}/tasks")[1]["tasks"][0]
    order("drain", task["worker"], "--deadline", "1s")
    wait_node(task["worker"], "drained")
    wait_until(lambda: job_state(number) == "succeeded", 10, "it was made again")
    answer = CLUSTER.cli("job", "result", str(number), "-o", "csv")
    assert answer.stdout == "answer\n42\n", (answer.stdout, answer.stderr)
    order("resume", task["worker"])


def test_drain_in_mid_job_loses_nothing():
    _, wanted = oracle(SHUFFLE)
    for round_number in range(4):
        name = f"worker-{1 + round_number % 2}"
        query = CLUSTER.start("sql", "-o", "csv", SHUFFLE)
        time.sleep(0.05 * round_number)
        order("drain", name, "--deadline", "1s" if round_number < 2 else "1m")
        text, errors = query.communicate(timeout=60)
        assert query.returncode == 0, errors
        from harness import parse_csv
        difference = same_rows(parse_csv(text)[1:], wanted, False)
        assert difference is None, difference
        wait_node(name, "drained")
        order("resume", name)


def test_disk_report():
    wait_until(lambda: len(CLUSTER.rest("GET", "/v1/disk")[1]["disk"]) >= 6, 10, "both workers have looked")
    for use in CLUSTER.rest("GET", "/v1/disk")[1]["disk"]:
        assert use["what"] in ("exchange", "spill", "log") and use["quota_bytes"] > 0, use
    assert "exchange" in CLUSTER.cli("disk").stdout
    assert json.loads(CLUSTER.cli("disk", "-o", "json").stdout)["disk"]


def test_files_of_no_job_are_removed():
    path = os.path.join(CLUSTER.directory, "worker-1", "exchange", "987654321")
    os.makedirs(path)
    with open(os.path.join(path, "0-0-1.exf"), "wb") as f:
        f.write(b"x" * 100)
    past = time.time() - 3600
    os.utime(path, (past, past))
    wait_until(lambda: not os.path.exists(path), 15, "it is removed")


if __name__ == "__main__":
    main(globals(), cluster={"workers": 2, "cores": 1})
