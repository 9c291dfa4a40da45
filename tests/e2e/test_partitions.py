"""How many tasks read a hash exchange follows from what it really holds."""
from harness import Cluster, FLIGHTS, main

CLUSTER = None
SMALL = f"SELECT origin, count(*) AS n, min(delay) AS least FROM '{FLIGHTS}' GROUP BY origin"
LARGE = (f"SELECT count(*) AS n, sum(delay) AS delays FROM "
         f"(SELECT DISTINCT date, delay, distance, origin, destination FROM '{FLIGHTS}')")


def readers(query):
    """Of each stage that reads a hash exchange: its tasks, the partitions, the figures of its source."""
    CLUSTER.check_against_oracle(query)
    newest = max(job["id"] for job in CLUSTER.rest("GET", "/v1/jobs")[1]["jobs"])
    stages = CLUSTER.rest("GET", f"/v1/jobs/{newest}")[1]["stages"]
    found = [(s["tasks"], stages[i]["partitions"], stages[i]) for s in stages for i in s["inputs"]
             if stages[i]["partitions"] > 1]
    assert found, f"no hash exchange: {stages}"
    assert all(s["done"] == s["tasks"] for s in stages), stages
    return found


def test_little_input_is_read_by_one_task():
    for tasks, partitions, source in readers(SMALL):
        assert partitions == 4 and tasks == 1, (tasks, source)


def test_much_input_is_read_by_all():
    for tasks, partitions, source in readers(LARGE):
        assert partitions == 4 and tasks == 4, (tasks, source)
        assert 20 <= source["largest_partition_percent"] <= 35, source


if __name__ == "__main__":
    main(globals(), cluster={"workers": 2, "cores": 2})
