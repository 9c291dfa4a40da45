"""Cron entries: each minute once, also when the master dies around it."""
import time

from harness import Cluster, main, one_sentence, wait_until

CLUSTER = None


def entries():
    return {e["name"]: e for e in CLUSTER.rest("GET", "/v1/cron")[1]["entries"]}


def cron(*arguments, code=0):
    done = CLUSTER.cli("cron", *arguments)
    assert done.returncode == code, (done.returncode, done.stderr)
    return one_sentence(done.stderr) if code else done.stdout


def runs_of(name):
    jobs = CLUSTER.rest("GET", "/v1/jobs?limit=1000")[1]["jobs"]
    return [j for j in jobs if j["name"] == f"cron {name}"]


def new_master():
    pid = CLUSTER.kill("master")
    wait_until(lambda: CLUSTER.recorded_pids("master") not in ([], [pid]), 10, "another master")
    wait_until(lambda: CLUSTER.cli("status").returncode == 0, 10, "the master answers")


def test_wrong_entries():
    assert "the minute is wrong" in cron("add", "a", "61 * * * *", "SELECT 1", code=1)
    assert "five fields" in cron("add", "a", "* * *", "SELECT 1", code=1)
    assert "has no SQL" in cron("add", "a", "* * * * *", "", code=1)
    assert "cannot be the name" in cron("add", "a/b", "* * * * *", "SELECT 1", code=1)
    assert "no queue" in cron("add", "a", "* * * * *", "SELECT 1", "--queue", "none", code=4)
    cron("add", "a", code=2)
    assert "no cron entry" in cron("remove", "a", code=4)
    assert not entries()


def test_add_list_remove_survive_a_restart():
    cron("add", "yearly", "@yearly", "SELECT 1", "--priority", "4")
    assert "exists already" in cron("add", "yearly", "@yearly", "SELECT 2", code=1)
    new_master()
    found = entries()["yearly"]
    assert (found["priority"], found["schedule"], found["runs"]) == (4, "@yearly", 0), found
    assert "yearly" in cron("list")
    cron("remove", "yearly")
    new_master()
    assert not entries()


def test_runs_once_a_minute_across_restarts():
    """The master is killed again and again around a full minute: one run for it, not two."""
    CLUSTER.sql("SELECT 1")
    cron("add", "tick", "* * * * *", "SELECT 42 AS x")
    cron("add", "broken", "* * * * *", "SELECT nonsense")
    time.sleep(max(0, 59.0 - time.time() % 60))
    seen = set()
    for _ in range(3):
        seen |= {j["id"] for j in runs_of("tick")}
        new_master()
        time.sleep(0.3)
    wait_until(lambda: entries()["tick"]["runs"] >= 1, 20, "it has fired")
    time.sleep(3)
    seen |= {j["id"] for j in runs_of("tick")}
    assert entries()["tick"]["runs"] == 1, entries()["tick"]
    assert len(seen) <= 1, seen
    fired = entries()["tick"]["fired_ms"]
    assert fired % 60000 == 0 and abs(fired / 1000 - time.time()) < 60
    wait_until(lambda: entries()["tick"]["runs"] == 2, 70, "the next minute")
    wait_until(lambda: any(j["state"] == "succeeded" for j in runs_of("tick")), 10, "its job succeeds")
    number = [j for j in runs_of("tick") if j["state"] == "succeeded"][0]["id"]
    assert CLUSTER.cli("job", "result", str(number), "-o", "csv").stdout == "x\n42\n"
    assert "nonsense" in entries()["broken"].get("error", ""), entries()["broken"]
    cron("remove", "tick")
    cron("remove", "broken")


if __name__ == "__main__":
    main(globals(), cluster={"workers": 1, "cores": 1})
