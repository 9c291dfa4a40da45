"""Memory: a query that needs more than its task may have spills; one that cannot fit fails alone."""
from harness import SANITIZED, Cluster, Skip, main, rss_bytes, same_rows, oracle

MEMORY = "300MB"


def test_big_group_by_spills():
    query = ("SELECT count(*) AS n, sum(c) AS s, max(h) AS h FROM (SELECT md5((i % 2500000)::VARCHAR) AS h, "
             "count(*) AS c FROM range(5000000) r(i) GROUP BY 1) x")
    if SANITIZED:
        raise Skip("too slow under a sanitizer")
    with Cluster(workers=1, cores=1, memory=MEMORY) as cluster:
        answer = cluster.sql(query, timeout=300)
        assert [str(v) for v in answer.rows[0]][:2] == ["2500000", "5000000"], answer.rows
        spilled = spill_bytes(cluster, answer.job)
        assert spilled > 0, "the query did not spill: it does not test what it should"
        cluster.wait_no_task_files()


def test_big_sort_spills():
    if SANITIZED:
        raise Skip("too slow under a sanitizer")
    query = ("SELECT i, h FROM (SELECT i, md5(i::VARCHAR) || md5((i + 1)::VARCHAR) AS h FROM range(6000000) r(i) "
             "ORDER BY h OFFSET 5999990) x ORDER BY h")
    with Cluster(workers=1, cores=1, memory=MEMORY) as cluster:
        _, rows = cluster.csv(query, timeout=300)
        assert same_rows(rows, oracle(query)[1], True) is None, rows
        cluster.wait_no_task_files()


def spill_bytes(cluster, job):
    status, document = cluster.rest("GET", f"/v1/jobs/{job}")
    assert status == 200, document
    return sum(int(s.get("spill_bytes", 0)) for s in document["stages"])


def cannot_fit(query):
    with Cluster(workers=1, cores=1, memory=MEMORY) as cluster:
        worker = cluster.recorded_pids("worker")
        code, sentence = cluster.error(query, timeout=300)
        assert code == 1 and "memory" in sentence.lower(), (code, sentence)
        assert cluster.recorded_pids("worker") == worker, "the worker died"
        assert all(rss_bytes(pid) < 64 << 20 for pid in worker), "the worker itself grew"
        assert cluster.csv("select 42 as a")[1] == [("42",)]
        cluster.wait_no_task_files()


def test_one_value_that_cannot_fit():
    cannot_fit("SELECT length(string_agg(md5(i::VARCHAR), ',')) FROM range(40000000) r(i)")


def test_value_that_the_engine_does_not_count():
    cannot_fit("SELECT sum(length(repeat('x', i))) FROM range(2000000000, 2000000002) r(i)")


def test_a_huge_constant_does_not_grow_the_gateway():
    """DuckDB computes some constants while it binds a statement, where no limit of a task holds."""
    with Cluster(workers=1, cores=1, memory=MEMORY) as cluster:
        gateway = cluster.recorded_pids("gateway")[0]
        done = cluster.cli("explain", "SELECT length(repeat('x', 2000000000)) AS n", timeout=10)
        assert done.returncode == 0 or "emory" in done.stderr, done.stderr
        assert rss_bytes(gateway) < 150 << 20, f"the gateway grew to {rss_bytes(gateway) >> 20} MB"
        assert cluster.cli("sql", "-o", "csv", "SELECT 42 AS n", timeout=10).stdout == "n\n42\n"
        assert cluster.recorded_pids("gateway")[0] == gateway, "the gateway was restarted"


if __name__ == "__main__":
    main(globals())
