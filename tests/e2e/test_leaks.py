"""After many queries of every kind nothing has grown: files, descriptors, memory, processes."""
import data
from harness import (SANITIZED, descendants, main, open_files, processes_of, rss_bytes, temporary, wait_until)

CLUSTER = None
FILES = data.make(temporary(), 20000)
EVENTS = f"'{FILES['events.parquet']}'"
ROUND = ["select 42 as a", f"SELECT g, count(*) AS n, max(s) AS s FROM {EVENTS} GROUP BY g",
         f"SELECT count(*) AS n FROM {EVENTS} a JOIN '{FILES['dim.csv']}' b ON a.g = b.g",
         f"SELECT id, s FROM {EVENTS} ORDER BY d, id LIMIT 5",
         f"SELECT k, sum(m) AS m FROM '{FILES['events.csv']}' GROUP BY k"]
WRONG = ["selec", "select * from no_such_table", "select ('x' || i)::INTEGER from range(3) r(i)"]


def one_round():
    for query in ROUND:
        CLUSTER.csv(query)
    for query in WRONG:
        CLUSTER.error(query)


def members():
    found = set()
    for pid in processes_of(CLUSTER.directory):
        found |= {pid, *descendants(pid)}
    return sorted(found)


def test_nothing_grows():
    for _ in range(4):
        one_round()
    CLUSTER.wait_no_task_files()
    before = {pid: (open_files(pid), rss_bytes(pid)) for pid in members()}
    rounds = 5 if SANITIZED else 25
    for _ in range(rounds):
        one_round()
    CLUSTER.wait_no_task_files()
    assert set(members()) == set(before), "processes came or went"
    wait_until(lambda: all(open_files(pid) <= files + 2 for pid, (files, _) in before.items()), 5,
               "descriptors stay constant")
    if not SANITIZED:
        for pid, (_, rss) in before.items():
            grown = rss_bytes(pid) - rss
            assert grown < 24 << 20, f"process {pid} grew by {grown >> 10} kB in {rounds} rounds"


def test_clients_leave_no_connections():
    before = {pid: open_files(pid) for pid in members()}
    for _ in range(40):
        CLUSTER.status()
    wait_until(lambda: all(open_files(pid) <= files + 2 for pid, files in before.items()), 10,
               "connections of ended clients are closed")


if __name__ == "__main__":
    main(globals(), cluster={"workers": 2})
