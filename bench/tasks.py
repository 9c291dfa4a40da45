"""Tasks that do nothing: what the cluster itself costs, beside gearmand, GNU parallel and Dask's
distributed, in one run. bench/peers/setup.sh installs and builds the peers; one that is missing is
left out. A part of bench/run.py."""
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

from harness import Cluster

PEERS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "peers")
SYSTEM_PYTHON = "/usr/bin/python3"  # the one that Debian's modules are for
DASK = """
import json, time
from distributed import Client, LocalCluster
def nothing(i):
    return None
if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as c, Client(c) as client:
        client.gather(client.map(nothing, range(100), pure=False))
        begin = time.perf_counter()
        client.gather(client.map(nothing, range(%d), pure=False))
        rate = %d / (time.perf_counter() - begin)
        trips = []
        for i in range(50):
            begin = time.perf_counter()
            client.submit(nothing, i, pure=False).result()
            trips.append(time.perf_counter() - begin)
    print(json.dumps({"tasks_per_second": rate, "p50_us": sorted(trips)[25] * 1e6}))
"""


def eider_call(cluster, *words):
    def call():
        done = cluster.cli("bench", "tasks", "-o", "json", *words, timeout=300)
        if done.returncode != 0:
            sys.exit(f"bench: eider bench tasks fails: {done.stderr}")
        return json.loads(done.stdout)
    return call


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for_port(port):
    for _ in range(200):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    sys.exit("bench: gearmand does not listen")


class Gearman:
    """gearmand and two C workers."""

    def __init__(self, program, directory):
        self.program, self.port = program, free_port()
        server = shutil.which("gearmand", path="/usr/sbin:/usr/bin:/sbin:/bin")
        self.processes = [subprocess.Popen([server, "--listen", "127.0.0.1", "--port", str(self.port),
                                            "--log-file", os.path.join(directory, "gearmand.log")])]
        wait_for_port(self.port)
        self.processes += [subprocess.Popen([program, "worker", str(self.port)]) for _ in range(2)]

    def call(self, jobs, in_flight):
        done = subprocess.run([self.program, "client", str(self.port), str(jobs), str(in_flight)], text=True,
                              capture_output=True, timeout=300)
        if done.returncode != 0:
            sys.exit(f"bench: the client of gearmand fails: {done.stderr}")
        figures = json.loads(done.stdout)
        return {"tasks_per_second": figures["jobs_per_second"], "p50_us": figures["p50_us"]}

    def close(self):
        for process in reversed(self.processes):
            process.terminate()
            process.wait()


def parallel_call(count):
    numbers = "\n".join(str(i) for i in range(count)) + "\n"

    def call():
        begin = time.perf_counter()
        subprocess.run(["parallel", "-j2", "true", ":::", *numbers.split()], check=True, timeout=300,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return {"tasks_per_second": count / (time.perf_counter() - begin)}
    return call


def dask_call(count, directory):
    script = os.path.join(directory, "dask_noop.py")
    with open(script, "w", encoding="utf-8") as f:
        f.write(DASK % (count, count))

    def call():
        done = subprocess.run([SYSTEM_PYTHON, script], text=True, capture_output=True, timeout=300, cwd=directory)
        if done.returncode != 0:
            sys.exit(f"bench: Dask fails: {done.stderr[-500:]}")
        return json.loads(done.stdout.splitlines()[-1])
    return call


def peers(directory, quick):
    """{name: call}, and what is to be closed."""
    calls, opened = {}, []
    build = os.path.join(directory, "peers")
    subprocess.run([os.path.join(PEERS, "setup.sh"), build], check=False)
    program = os.path.join(build, "gearman-noop")
    if os.path.exists(program) and shutil.which("gearmand", path="/usr/sbin:/usr/bin:/sbin:/bin"):
        gearman = Gearman(program, directory)
        opened.append(gearman)
        calls["gearmand, jobs in flight"] = lambda: gearman.call(10000 if quick else 50000, 256)
    if shutil.which("parallel"):
        calls["GNU parallel"] = parallel_call(100 if quick else 500)
    if subprocess.run([SYSTEM_PYTHON, "-c", "import distributed"], capture_output=True, check=False).returncode == 0:
        calls["Dask distributed"] = dask_call(500 if quick else 2000, directory)
    return calls, opened


def add(report, what, values, unit, goal=None, below=True):
    report.add(what, statistics.median(values), unit, goal, below, (min(values), max(values)))


def add_figures(report, got):
    one, single = got["eider, one job"], got["eider, jobs in flight"]
    add(report, "tasks of one job, a second", [f["tasks_per_second"] for f in one], "/s", 50000, False)
    add(report, "jobs of one task in flight, a second", [f["tasks_per_second"] for f in single], "/s", 15000, False)
    add(report, "one task there and back, median", [f["p50_us"] / 1000 for f in one], "ms", 0.3)
    for role, goal in (("master", 10), ("worker", None), ("executor", None), ("client", None)):
        add(report, f"CPU of a task of one job: {role}", [f["cpu_us_per_task"][role] for f in one], "us", goal)
    for name, figures in got.items():
        if name.startswith("eider"):
            continue
        rates = [f["tasks_per_second"] for f in figures]
        add(report, f"{name}, a second", rates, "/s")
        add(report, f"jobs of one task: times the rate of {name}",
            [a["tasks_per_second"] / b for a, b in zip(single, rates)], "x", 1, False)
        if "p50_us" in figures[0]:
            add(report, f"{name}: there and back", [f["p50_us"] / 1000 for f in figures], "ms")


def tasks(report, options):
    quick = options.runs <= 3
    with tempfile.TemporaryDirectory(prefix="eider-bench-") as directory, Cluster(workers=2, cores=1) as cluster:
        calls, opened = peers(directory, quick)
        calls = {"eider, one job": eider_call(cluster, "-n", "200000" if quick else "1000000"),
                 "eider, jobs in flight": eider_call(cluster, "--single", "-n", "20000" if quick else "100000"),
                 **calls}
        got = {name: [] for name in calls}
        try:
            for _ in range(3):
                for name, call in calls.items():
                    got[name].append(call())
        finally:
            for peer in opened:
                peer.close()
        add_figures(report, got)
