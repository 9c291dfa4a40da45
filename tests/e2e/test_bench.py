"""eider bench, and what it leans on: jobs over REST, waiting for their end, tasks handed out ahead."""
import json
import os
import signal
import time

from harness import Cluster, main, wait_until


def processes(cluster, role):
    return [p for p in cluster.rest("GET", "/v1/status")[1]["processes"] if p["role"] == role]


def figures(cluster, *words):
    done = cluster.cli("bench", *words, "-o", "json", timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def newest_job(cluster):
    return cluster.rest("GET", "/v1/jobs?limit=1")[1]["jobs"][0]


def start(cluster, *words):
    return cluster.start("bench", "tasks", *words)


def running_job(cluster, tasks):
    def begun():
        job = cluster.rest("GET", "/v1/jobs?limit=1")[1]["jobs"]
        return job[0] if job and job[0]["tasks"] == tasks and job[0]["tasks_done"] > 0 else None
    return wait_until(begun, 10, "the job starts")


def idle(cluster):
    return (all(p["running"] == 0 for p in processes(cluster, "worker")) and
            all(p["state"] == "ready" for p in processes(cluster, "executor")))


def test_figures():
    with Cluster(workers=2, cores=1) as cluster:
        one = figures(cluster, "tasks", "-n", "20000")
        assert one["tasks"] == 20000 and one["tasks_per_second"] > 1000, one
        assert 0 < one["p50_us"] <= one["p99_us"], one
        assert set(one["cpu_us_per_task"]) == {"master", "worker", "executor", "client"}, one
        before = newest_job(cluster)["id"]
        single = figures(cluster, "tasks", "--single", "-n", "3000", "--in-flight", "50")
        assert single["tasks"] == 3000, single
        assert newest_job(cluster)["id"] == before + 3000, "each task is a job with an id of its own"
        moved = figures(cluster, "exchange", "--size", "20MB")
        assert 10e6 < moved["bytes"] < 80e6 and moved["read_gb_per_core_second"] > 0, moved


def test_wait_answers_at_the_end():
    with Cluster(workers=1, cores=1) as cluster:
        begin = time.monotonic()
        status, answer = cluster.rest("POST", "/v1/jobs?wait_ms=10000", {"kind": "bench", "tasks": 5, "jobs": 3})
        assert status == 200 and time.monotonic() - begin < 8, answer
        assert [j["state"] for j in answer["jobs"]] == ["succeeded"] * 3, answer
        for body, wanted in (({"kind": "sql"}, 400), ({"kind": "bench", "tasks": 0}, 400),
                             ({"kind": "bench", "jobs": 10 ** 6}, 400), ("[]", 400), ("{", 400)):
            status, answer = cluster.rest("POST", "/v1/jobs", body)
            assert status == wanted and answer["error"]["message"], (body, status, answer)


def test_cancel_takes_back_what_was_handed_out_ahead():
    with Cluster(workers=2, cores=1) as cluster:
        before = sorted(p["pid"] for p in processes(cluster, "executor"))
        bench = start(cluster, "-n", "1000000")
        job = running_job(cluster, 1000000)
        cluster.rest("POST", f"/v1/jobs/{job['id']}/cancel")
        assert "cancelled" in bench.communicate(timeout=20)[1]
        wait_until(lambda: idle(cluster), 5, "nothing of a cancelled job is left on the workers")
        assert sorted(p["pid"] for p in processes(cluster, "executor")) == before, "an executor was killed for it"
        assert figures(cluster, "tasks", "-n", "1000")["tasks"] == 1000


def test_killed_executor_and_worker():
    with Cluster(workers=2, cores=1) as cluster:
        bench = start(cluster, "-n", "1000000", "-o", "json")
        running_job(cluster, 1000000)
        os.kill(processes(cluster, "executor")[0]["pid"], signal.SIGKILL)
        time.sleep(0.2)
        os.kill(processes(cluster, "worker")[1]["pid"], signal.SIGKILL)
        out, err = bench.communicate(timeout=100)
        assert bench.returncode == 0, err
        assert json.loads(out)["tasks"] == 1000000


def test_client_that_goes_away():
    with Cluster(workers=1, cores=1) as cluster:
        bench = start(cluster, "--single", "-n", "1000000")
        wait_until(lambda: cluster.rest("GET", "/v1/status")[1]["jobs"]["succeeded"] > 100, 20, "it runs")
        bench.kill()
        bench.communicate()
        wait_until(lambda: idle(cluster) and cluster.rest("GET", "/v1/status")[1]["jobs"]["running"] == 0, 10,
                   "the jobs end with the client that waited for them")


if __name__ == "__main__":
    main(globals())
