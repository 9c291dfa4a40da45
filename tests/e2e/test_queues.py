"""Queues, users, limits, priorities, and jobs that go on by themselves."""
import hashlib
import os
import threading
import time

from harness import Cluster, FLIGHTS, SLOWER, main, one_sentence, wait_until

CLUSTER = None
LONG = "SELECT sum(hash(r.range)) FROM range(100000000000) r"


def submit(*arguments):
    done = CLUSTER.cli("job", "submit", *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().isdigit(), f"not an id alone: {done.stdout!r}"
    return int(done.stdout)


def refused(*arguments, code=1):
    done = CLUSTER.cli("job", "submit", *arguments)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return one_sentence(done.stderr)


def job(number):
    return CLUSTER.rest("GET", f"/v1/jobs/{number}")[1]


def state(number):
    return job(number)["state"]


def wait_state(number, wanted, seconds=10):
    wait_until(lambda: state(number) == wanted, seconds, f"job {number} is {wanted}, not {state(number)}")


def cancel(*numbers):
    for number in numbers:
        CLUSTER.cli("job", "cancel", str(number))
        wait_state(number, "cancelled")


def queue(verb, name, *arguments, code=0):
    done = CLUSTER.cli("queue", verb, name, *arguments)
    assert done.returncode == code, done.stderr
    return done.stderr


def queues():
    return {q["name"]: q for q in CLUSTER.rest("GET", "/v1/queues")[1]["queues"]}


def add_token(name, access):
    """A token of another person; the cluster reads the file again when it changes."""
    token = os.urandom(16).hex()
    line = f"{hashlib.sha256(token.encode()).hexdigest()} {access} {name}\n"
    with open(os.path.join(CLUSTER.directory, "tokens"), "a", encoding="utf-8") as f:
        f.write(line)
    return token


def test_submit_wait_result():
    number = submit(f"SELECT count(*) AS n FROM '{FLIGHTS}'")
    done = CLUSTER.cli("job", "wait", str(number))
    assert done.returncode == 0, done.stderr
    for _ in range(2):
        found = CLUSTER.rest("GET", f"/v1/jobs/{number}")[1]
        assert found["state"] == "succeeded" and found["queue"] == "default"
    answer = CLUSTER.cli("job", "result", str(number), "-o", "csv")
    assert answer.stdout == "n\n3000000\n", answer.stdout
    again = CLUSTER.cli("job", "result", str(number))
    assert again.returncode == 4 and "is gone" in again.stderr, again.stderr


def test_result_of_a_job_that_is_not_ready():
    number = submit(LONG)
    done = CLUSTER.cli("job", "result", str(number))
    assert done.returncode == 1 and "no result yet" in done.stderr, done.stderr
    late = CLUSTER.cli("job", "wait", str(number), "--timeout", "1")
    assert late.returncode == 124 and "it goes on" in late.stderr, late.stderr
    cancel(number)
    done = CLUSTER.cli("job", "wait", str(number))
    assert done.returncode == 1 and "was cancelled" in done.stderr, done.stderr


def test_result_is_kept_for_a_while_only():
    number = submit("--keep", "1s", "SELECT 1 AS a")
    wait_state(number, "succeeded")
    time.sleep(3)
    done = CLUSTER.cli("job", "result", str(number))
    assert done.returncode == 4 and "is gone" in done.stderr, (done.stdout, done.stderr)
    CLUSTER.wait_no_task_files()


def test_failed_job_says_why():
    number = submit("SELECT CAST(range::VARCHAR || 'x' AS INTEGER) FROM range(3)")
    done = CLUSTER.cli("job", "wait", str(number))
    assert done.returncode == 1 and "Could not convert" in one_sentence(done.stderr), done.stderr
    done = CLUSTER.cli("job", "result", str(number))
    assert done.returncode == 1 and "Could not convert" in done.stderr, done.stderr


def test_only_queries_can_be_submitted():
    assert "only a query" in refused("SHOW TABLES")
    assert "syntax" in refused("SELEC 1").lower()


def test_queue_commands():
    queue("create", "etl", "--weight", "3", "--min-cores", "1", "--max-memory", "1GB")
    queue("create", "night", "--parent", "etl", "--policy", "fifo")
    assert "exists already" in queue("create", "etl", code=1)
    assert "no queue" in queue("create", "x", "--parent", "none", code=4)
    assert "no queue" in queue("set", "none", "--weight", "2", code=4)
    assert "policy" in queue("set", "etl", "--policy", "random", code=2)
    assert "cannot be the name" in queue("create", "a b", code=1)
    queue("set", "etl", "--weight", "5")
    found = queues()["etl"]
    assert (found["weight"], found["min_cores"], found["max_memory_bytes"]) == (5, 1, 1 << 30), found
    assert queues()["night"]["policy"] == "fifo" and queues()["night"]["parent"] == "etl"
    assert CLUSTER.cli("sql", "--queue", "night", "--priority", "3", "-o", "csv", "SELECT 5").returncode == 0
    assert "night" in CLUSTER.cli("job", "list", "--queue", "night").stdout
    assert "no queue" in refused("--queue", "none", "SELECT 1", code=4)
    assert CLUSTER.cli("sql", "--queue", "none", "SELECT 1").returncode == 4


def test_queues_survive_the_master():
    queue("create", "kept", "--weight", "7", "--max-running-jobs", "2")
    assert CLUSTER.cli("user", "set", "bob", "--weight", "4").returncode == 0
    pid = CLUSTER.kill("master")
    wait_until(lambda: CLUSTER.recorded_pids("master") not in ([], [pid]), 10, "another master")
    wait_until(lambda: CLUSTER.cli("status").returncode == 0, 10, "the master answers")
    found = queues()["kept"]
    assert (found["weight"], found["max_running_jobs"]) == (7, 2), found
    users = CLUSTER.rest("GET", "/v1/users")[1]["users"]
    assert [u["weight"] for u in users if u["name"] == "bob"] == [4], users
    wait_until(lambda: CLUSTER.cli("sql", "--queue", "kept", "SELECT 1").returncode == 0, 10, "SQL runs")


def test_limits_of_jobs():
    queue("create", "small", "--max-running-jobs", "1", "--max-waiting-jobs", "1")
    first = submit("--queue", "small", LONG)
    wait_state(first, "running")
    second = submit("--queue", "small", "SELECT 2")
    text = refused("--queue", "small", "SELECT 3")
    assert "max_waiting_jobs" in text and "small" in text, text
    assert "max_running_jobs 1" in CLUSTER.cli("why", str(second)).stdout
    assert job(second)["waits_for"] == "QUEUE_JOBS"
    cancel(first)
    wait_state(second, "succeeded")


def test_limit_of_cores():
    queue("create", "narrow", "--max-cores", "1")
    first, second = submit("--queue", "narrow", LONG), submit("--queue", "narrow", LONG)
    wait_state(first, "running")
    time.sleep(0.5)
    assert state(second) == "waiting"
    assert "max_cores" in CLUSTER.cli("why", str(second)).stdout, CLUSTER.cli("why", str(second)).stdout
    assert queues()["narrow"]["cores"] == 1
    queue("set", "narrow", "--max-cores", "2")
    wait_state(second, "running")
    cancel(first, second)


def test_priority():
    busy = [submit(LONG), submit(LONG)]
    for number in busy:
        wait_state(number, "running")
    low, high = submit("SELECT 'low'"), submit("--priority", "5", "SELECT 'high'")
    cancel(*busy)
    wait_state(low, "succeeded")
    wait_state(high, "succeeded")
    assert job(high)["started_ms"] <= job(low)["started_ms"]


def test_dependencies():
    first = submit(LONG)
    after_ok, after_fail = submit("--after", f"ok:{first}", "SELECT 1"), submit("--after", f"fail:{first}", "SELECT 2")
    after_end = submit("--after", f"end:{first}", "SELECT 3")
    assert f"job {first}" in CLUSTER.cli("why", str(after_ok)).stdout
    cancel(first)
    wait_state(after_ok, "cancelled")
    assert "did not end as asked" in job(after_ok)["error"]["message"]
    wait_state(after_fail, "succeeded")
    wait_state(after_end, "succeeded")
    assert "never starts" in refused("--after", f"ok:{first}", "SELECT 1")
    assert "not known" in refused("--after", "ok:999999", "SELECT 1", code=4)
    assert "no dependency" in refused("--after", "soon", "SELECT 1", code=2)


def test_begin_and_time_limit():
    later = submit("--begin", "+1s", "SELECT 1")
    assert job(later)["waits_for"] == "DELAYED" and "begins in" in CLUSTER.cli("why", str(later)).stdout
    limited = submit("--time-limit", "1s", LONG)
    wait_state(later, "succeeded")
    wait_state(limited, "cancelled")
    assert "time limit of 1.0 s" in job(limited)["error"]["message"], job(limited)["error"]
    done = CLUSTER.cli("job", "submit", "--begin", "whenever", "SELECT 1")
    assert done.returncode == 2 and "--begin" in done.stderr


def test_two_greedy_users_share():
    """Each has far more to do than there are cores; over time each holds as many."""
    mine = [submit(LONG) for _ in range(2)]
    hers = [submit("--user", "eve", LONG) for _ in range(2)]
    held = {"local": 0, "eve": 0}
    time.sleep(0.5)
    for number in mine:  # room is made at the border of a task: then she has her half
        CLUSTER.cli("job", "cancel", str(number))
        break
    more = submit(LONG)
    for _ in range(20):
        for found in CLUSTER.rest("GET", "/v1/jobs?state=running")[1]["jobs"]:
            held[found["user"]] += found["tasks_running"]
        time.sleep(0.05)
    cancel(mine[1], *hers, more)
    share = held["eve"] / sum(held.values())
    assert 0.4 <= share <= 0.6, held


def test_flood_does_not_starve():
    """120 jobs of a greedy user; another one's queries come through in bounded time."""
    greedy, times = [], []
    slow = "SELECT sum(hash(r.range)) FROM range(20000000) r"

    def flood():
        for _ in range(120):
            greedy.append(submit("--user", "greedy", "--keep", "1s", slow))
    thread = threading.Thread(target=flood)
    thread.start()
    wait_until(lambda: len(greedy) > 20, 20, "the flood has begun")
    for _ in range(30):
        begin = time.monotonic()
        CLUSTER.sql("SELECT 1")
        times.append(time.monotonic() - begin)
    thread.join()
    left = sum(1 for j in CLUSTER.rest("GET", "/v1/jobs?limit=1000&user=greedy")[1]["jobs"]
               if j["state"] in ("waiting", "running"))
    print(f"     longest {max(times):.2f} s, median {sorted(times)[15]:.2f} s, {left} of the flood left")
    assert max(times) < 3 * SLOWER, times
    for number in greedy:
        CLUSTER.rest("POST", f"/v1/jobs/{number}/cancel")


def test_rights():
    token = add_token("mallory", "submit")
    assert CLUSTER.rest("POST", "/v1/queues", {"name": "hers"}, token=token)[0] == 403
    assert CLUSTER.rest("POST", "/v1/nodes/worker-1/drain", {}, token=token)[0] == 403
    status, answer = CLUSTER.rest("POST", "/v1/jobs", {"sql": "SELECT 1", "user": "local"}, gateway=True, token=token)
    assert status == 403 and "administrator" in answer["error"]["message"], answer
    status, answer = CLUSTER.rest("POST", "/v1/jobs", {"sql": "SELECT 1"}, gateway=True, token=token)
    assert status == 200 and job(answer["job"])["user"] == "mallory"
    CLUSTER.cli("job", "result", str(answer["job"]))


def test_bodies_are_checked():
    wrong = [("/v1/queues", {}, 400), ("/v1/queues", {"name": 5}, 400), ("/v1/queues", "[]", 400),
             ("/v1/queues", "{", 400), ("/v1/queues", {"name": "q", "weigth": 1}, 400),
             ("/v1/queues", {"name": "q", "weight": -1}, 400), ("/v1/queues", {"name": "q", "weight": 1.5}, 400),
             ("/v1/queues", {"name": "@0"}, 400), ("/v1/queues", {"name": "default"}, 409),
             ("/v1/queues/none", {"weight": 1}, 404), ("/v1/users/x", {"policy": "fifo"}, 400),
             ("/v1/nodes/none/cordon", {}, 404), ("/v1/cron", {"name": "a"}, 400),
             ("/v1/cron/none/remove", {}, 404)]
    for path, body, status in wrong:
        got, answer = CLUSTER.rest("POST", path, body)
        assert got == status and answer["error"]["message"], (path, body, got, answer)
    for body in ({"sql": "SELECT 1", "priority": "high"}, {"sql": "SELECT 1", "after": "7"},
                 {"sql": "SELECT 1", "needs": {"gpu": 0}}, {"sql": "SELECT 1", "labels": [1]},
                 {"sql": "SELECT 1", "cores": -1}, {"sql": "SELECT 1", "queue": 7}):
        got, answer = CLUSTER.rest("POST", "/v1/jobs", body, gateway=True)
        assert got == 400, (body, got, answer)


if __name__ == "__main__":
    main(globals(), cluster={"workers": 2, "cores": 1})
