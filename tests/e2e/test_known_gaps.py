"""What other cluster engines are known to get wrong when processes die, one test each: outputs of a
dead worker that stay registered, a retry for each executor of a lost host, losses during a recovery,
lost error types, jobs that hang when everything is dead, cancels of stale attempts that fail a job,
files that nobody removes, pauses that look like death."""
import contextlib
import json
import os
import random
import signal
import time

for name, value in (("EIDER_TEST_SPLIT_BYTES", "400000"), ("EIDER_TEST_PARTITION_ROWS", "5000")):
    os.environ.setdefault(name, value)

import data  # noqa: E402
from harness import (SANITIZED, SLOWER, Cluster, alive, main, one_sentence, oracle, parse_csv,  # noqa: E402
                     same_rows, temporary, wait_until)

FILES = data.make(temporary(), 200000)
EVENTS = f"'{FILES['events.parquet']}'"
CORES = os.cpu_count() or 1


def two_stages(length, groups=60):
    """A quick first stage, and a second one whose time grows with `length`."""
    return (f"SELECT b, n, h, list_sum(list_transform(range({length}), x -> (x * n) % 7)) AS w FROM (SELECT id % {groups} "
            f"AS b, count(*) AS n, max(sha256(s || id)) AS h FROM {EVENTS} GROUP BY b) x")


SLOW_END = two_stages(150000 if SANITIZED else 900000)
SLOW_START = (f"SELECT g, count(*) AS n, sum(length(md5(md5(md5(md5(s || id))))) + k) AS w, max(sha256(sha256(s || id))) AS h "
              f"FROM {EVENTS} GROUP BY g")
WANTED = {}


def wanted(query):
    if query not in WANTED:
        WANTED[query] = oracle(query)[1]
    return WANTED[query]


def finish(process, query):
    out, err = process.communicate(timeout=90 * SLOWER)
    assert process.returncode == 0, f"the query fails: {err}"
    difference = same_rows(parse_csv(out)[1:], wanted(query), False)
    assert difference is None, difference


def start(cluster, query):
    wanted(query)
    return cluster.start("sql", "-o", "csv", query)


def job(cluster, number=None):
    """The document of a job, of the newest one if no number is given; None if there is none."""
    if number is None:
        numbers = [int(j["id"]) for j in cluster.rest("GET", "/v1/jobs")[1]["jobs"]]
        if not numbers:
            return None
        number = max(numbers)
    return cluster.rest("GET", f"/v1/jobs/{number}")[1]


def tasks(cluster, number, stage):
    return cluster.rest("GET", f"/v1/jobs/{number}/tasks?stage={stage}&limit=1000")[1]["tasks"]


def in_last_stage(cluster):
    """The job's document, once its first stage is done and the second one runs."""
    def check():
        document = job(cluster)
        stages = document["stages"] if document else []
        return len(stages) == 2 and stages[0]["done"] == stages[0]["tasks"] and stages[1]["running"] and document
    return wait_until(check, 20, "the second stage runs")


def kill(pids):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def worker_pid(cluster, name):
    return wait_until(lambda: sum(p["pid"] for p in cluster.recorded() if p["name"] == name), 10, f"{name} runs")


# ---- a worker's outputs die with it --------------------------------------------------------------------

def test_outputs_of_a_dead_worker_are_made_again_exactly():
    with Cluster(workers=2) as cluster:
        process = start(cluster, SLOW_END)
        document = in_last_stage(cluster)
        number = document["id"]
        lost = {t["task"] for t in tasks(cluster, number, 0) if t["worker"] == "worker-1"}
        assert 0 < len(lost) < document["stages"][0]["tasks"], "both workers must have outputs"
        kill([worker_pid(cluster, "worker-1")])
        wait_until(lambda: job(cluster, number)["stages"][0]["done"] < document["stages"][0]["tasks"] or
                   job(cluster, number)["stages"][0]["retries"] > 0, 2, "the outputs are known to be lost")
        finish(process, SLOW_END)
        again = {t["task"] for t in tasks(cluster, number, 0) if t["attempt"] > 1}
        assert again == lost, f"made again {sorted(again)}, lost were {sorted(lost)}"
        assert job(cluster, number)["stages"][0]["recomputations"] == 1, job(cluster, number)["stages"][0]


def test_a_lost_host_costs_one_round():
    """Two workers die at the same moment, as when their machine does: one round, not one each."""
    with Cluster(workers=3) as cluster:
        process = start(cluster, SLOW_END)
        number = in_last_stage(cluster)["id"]
        kill([worker_pid(cluster, "worker-1"), worker_pid(cluster, "worker-2")])
        finish(process, SLOW_END)
        stage = job(cluster, number)["stages"][0]
        assert stage["recomputations"] == 1, f"{stage['recomputations']} rounds"
        assert all(t["attempt"] <= 2 for t in tasks(cluster, number, 0)), tasks(cluster, number, 0)


def test_loss_during_the_recovery():
    with Cluster(workers=3) as cluster:
        process = start(cluster, SLOW_END)
        number = in_last_stage(cluster)["id"]
        kill([worker_pid(cluster, "worker-1")])
        wait_until(lambda: job(cluster, number)["stages"][0]["retries"] > 0, 5, "the recovery begins")
        kill([worker_pid(cluster, "worker-2")])
        time.sleep(0.4)
        kill([worker_pid(cluster, "worker-3")])
        finish(process, SLOW_END)
        cluster.wait_no_task_files()


# ---- damaged outputs -----------------------------------------------------------------------------------

def published(cluster):
    return [f for f in cluster.task_files() if f.endswith(".exf")]


def flip(path):
    with open(path, "r+b") as f:
        f.seek(os.path.getsize(path) // 2)
        byte = f.read(1)
        f.seek(-1, os.SEEK_CUR)
        f.write(bytes([byte[0] ^ 0x5a]))


def damage_while_running(damage, least):
    """Damages published outputs of the first stage while its other tasks still run."""
    with Cluster(workers=2) as cluster:
        process = start(cluster, SLOW_START)
        wait_until(lambda: len(published(cluster)) >= least, 20, "tasks have ended")
        document = job(cluster)
        assert document["stages"][0]["done"] < document["stages"][0]["tasks"], "the stage is over: too short"
        for path in published(cluster)[:least]:
            damage(path)
        finish(process, SLOW_START)
        document = job(cluster, document["id"])
        again = sum(t["attempt"] > 1 for t in tasks(cluster, document["id"], 0))
        assert again == least, f"{again} tasks ran again, {least} outputs were damaged"
        cluster.wait_no_task_files()


def test_one_flipped_byte_is_made_good():
    damage_while_running(flip, 1)


def test_three_damaged_outputs_are_made_good():
    damage_while_running(flip, 3)


def test_removed_output_is_made_good():
    damage_while_running(os.unlink, 1)


def test_cut_output_is_made_good():
    damage_while_running(lambda path: os.truncate(path, os.path.getsize(path) // 2), 1)


# ---- errors keep their type ----------------------------------------------------------------------------

def test_errors_keep_their_type():
    gone = os.path.join(temporary(), "gone.parquet")
    cases = ((f"SELECT (s || 'x')::INTEGER AS i FROM {EVENTS}", 1, "invalid", "Could not convert"),
             (f"SELECT error('as asked for') FROM {EVENTS} WHERE id = 7", 1, "invalid", "as asked for"),
             (f"SELECT * FROM '{gone}'", 4, None, gone))
    with Cluster(workers=2) as cluster:
        for query, exit_code, code, words in cases:
            got, sentence = cluster.error(query)
            assert got in (exit_code, 1) and words in sentence, (query, got, sentence)
            if code is not None:
                document = job(cluster)
                assert document["state"] == "failed", document
                assert document["error"]["code"].lower() == code, document["error"]
                assert all(s["retries"] == 0 for s in document["stages"]), "a user's error was tried again"
        cluster.wait_no_task_files()


# ---- everything is dead --------------------------------------------------------------------------------

def test_all_dead_at_random_instants():
    """All executors or all workers, at any moment: the query waits for them, or ends with a sentence."""
    seed = time.time_ns() % 1000000
    dice, trials, failed = random.Random(seed), 3 if SANITIZED else 12, []
    print(f"seed {seed}")
    with Cluster(workers=2) as cluster:
        for _ in range(trials):
            process = start(cluster, SLOW_START)
            time.sleep(dice.random() * 1.2 * SLOWER)
            kill(cluster.executors() if dice.random() < 0.3 else cluster.recorded_pids("worker"))
            out, err = process.communicate(timeout=45 * SLOWER)
            if process.returncode != 0:
                failed.append(one_sentence(err))
                continue
            assert same_rows(parse_csv(out)[1:], wanted(SLOW_START), False) is None, "wrong answer"
    assert not failed, f"{len(failed)} of {trials} failed with a sentence: {failed[0]}"


# ---- pauses --------------------------------------------------------------------------------------------

def pause(pid, seconds):
    os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(pid, signal.SIGCONT)


def registrations(cluster, name):
    with open(os.path.join(cluster.directory, "log", "master.log"), encoding="utf-8") as f:
        return sum(f"worker {name} registered" in line for line in f)


def test_pause_of_3_s_loses_nothing():
    with Cluster(workers=2) as cluster:
        process = start(cluster, SLOW_END)
        number = in_last_stage(cluster)["id"]
        pause(worker_pid(cluster, "worker-1"), 3)
        finish(process, SLOW_END)
        stages = job(cluster, number)["stages"]
        assert all(s["retries"] == 0 and s["recomputations"] == 0 for s in stages), stages
        assert registrations(cluster, "worker-1") == 1, "the worker was lost"


def test_pause_of_7_s_is_fenced():
    """No heartbeat for 5 s: the worker is lost and its work runs elsewhere. When it comes back with
    finished and running attempts of before, they neither count nor fail the job."""
    with Cluster(workers=2) as cluster:
        process = start(cluster, SLOW_END)
        number = in_last_stage(cluster)["id"]
        pid = worker_pid(cluster, "worker-1")
        pause(pid, 7)
        finish(process, SLOW_END)
        wait_until(lambda: registrations(cluster, "worker-1") >= 2, 10, "the paused worker registers again")
        assert worker_pid(cluster, "worker-1") == pid, "the worker was replaced"
        if not SANITIZED:
            assert job(cluster, number)["stages"][0]["recomputations"] >= 1, "the worker was not lost"
        finish(start(cluster, SLOW_START), SLOW_START)
        cluster.wait_no_task_files()


def test_paused_executor_is_waited_for_or_cancelled():
    with Cluster(workers=1) as cluster:
        process = start(cluster, SLOW_START)
        wait_until(lambda: published(cluster), 20, "a task has ended")
        os.kill(cluster.executors()[0], signal.SIGSTOP)
        time.sleep(0.3)
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10 * SLOWER)
        assert process.returncode == 130 and time.monotonic() - begin < 2 * SLOWER
        assert cluster.csv("SELECT 42 AS a")[1] == [("42",)]
        cluster.wait_no_task_files()


# ---- master, gateway, supervisor -----------------------------------------------------------------------

def test_master_killed_during_a_query():
    with Cluster(workers=2) as cluster:
        for delay in (0.1, 0.5, 1.0):
            process = start(cluster, SLOW_START)
            time.sleep(delay * SLOWER)
            kill(cluster.recorded_pids("master"))
            finish(process, SLOW_START)
        cluster.wait_no_task_files()


def test_gateway_killed_during_a_query():
    with Cluster(workers=2) as cluster:
        with open(os.path.join(cluster.directory, "client.json"), encoding="utf-8") as f:
            before = json.load(f)
        process = start(cluster, SLOW_START)
        wait_until(lambda: published(cluster), 20, "a task has ended")
        kill(cluster.recorded_pids("gateway"))
        _, err = process.communicate(timeout=20 * SLOWER)
        assert process.returncode == 3 and one_sentence(err), (process.returncode, err)
        wait_until(lambda: cluster.cli("sql", "-o", "csv", "SELECT 42 AS a").returncode == 0, 20, "it answers again")
        with open(os.path.join(cluster.directory, "client.json"), encoding="utf-8") as f:
            assert json.load(f) == before, "client.json has changed"
        assert job(cluster, 1)["state"] == "cancelled", job(cluster, 1)["state"]
        cluster.wait_no_task_files()
        finish(start(cluster, SLOW_START), SLOW_START)


def test_supervisor_killed():
    """The cluster goes on; down stops all of it, and so does a new up in the same directory."""
    with Cluster(workers=2) as cluster:
        for way in ("down", "up"):
            process = start(cluster, SLOW_START)
            kill(cluster.recorded_pids("supervisor"))
            finish(process, SLOW_START)
            finish(start(cluster, SLOW_START), SLOW_START)
            cluster.note_processes()
            old = cluster.recorded_pids() + cluster.executors()
            if way == "down":
                done = cluster.cli("down")
                assert done.returncode == 0, done.stderr
                wait_until(lambda: not any(alive(p) for p in old), 5, "down stops everything")
            done = cluster.cli(*cluster.command)
            assert done.returncode == 0, f"up after {way}: {done.stderr}"
            assert not any(alive(p) for p in old), "processes of before are left"
            cluster.note_processes()
            finish(start(cluster, SLOW_START), SLOW_START)


# ---- nothing fills the disk ----------------------------------------------------------------------------

def test_files_of_an_earlier_life_are_wiped():
    with Cluster(workers=2) as cluster:
        process = start(cluster, SLOW_START)
        wait_until(lambda: len(published(cluster)) >= 4, 20, "tasks have ended")
        planted = []
        for part in ("exchange/987654/0-0-1.exf", "executor/77/spill.tmp", "exchange/fetched/1/x"):
            planted.append(os.path.join(cluster.directory, "worker-1", part))
            os.makedirs(os.path.dirname(planted[-1]), exist_ok=True)
            with open(planted[-1], "wb") as f:
                f.write(b"x" * 1000000)
        kill([worker_pid(cluster, "worker-1")])
        finish(process, SLOW_START)
        wait_until(lambda: not any(map(os.path.exists, planted)), 5, "a new life wipes the old one's files")
        cluster.wait_no_task_files()


if __name__ == "__main__":
    main(globals())
