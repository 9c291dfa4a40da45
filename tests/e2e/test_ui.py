"""The REST interface and the web page."""
import os
import shutil
import urllib.error
import urllib.request

import data
from harness import Skip, main, run, temporary

CLUSTER = None
HOME = temporary()
FILES = data.make(HOME, 20000)


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.headers, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode(errors="replace")


def test_status():
    status, document = CLUSTER.rest("GET", "/v1/status")
    assert status == 200 and len(document["processes"]) >= 4, document
    for process in document["processes"]:
        for key in ("role", "name", "pid", "state"):
            assert key in process, (key, process)


def test_job_with_stages():
    answer = CLUSTER.sql(f"SELECT g, count(*) AS n FROM '{FILES['events.parquet']}' GROUP BY g")
    status, document = CLUSTER.rest("GET", f"/v1/jobs/{answer.job}")
    assert status == 200 and document["state"] == "succeeded", document
    assert document["stages"] and "events.parquet" in document["sql"], document
    stages = document["stages"]
    assert all(int(s["tasks"]) == int(s["done"]) > 0 for s in stages), stages
    assert sum(int(s["rows_out"]) for s in stages) >= 40, stages


def test_jobs_newest_first():
    first, second = CLUSTER.sql("select 1").job, CLUSTER.sql("select 2").job
    document = CLUSTER.rest("GET", "/v1/jobs")[1]
    ids = [int(j["id"]) for j in (document["jobs"] if isinstance(document, dict) else document)]
    assert ids.index(int(second)) < ids.index(int(first)), ids


def test_not_found_and_wrong_method():
    assert CLUSTER.rest("GET", "/v1/nothing")[0] == 404
    assert CLUSTER.rest("GET", "/v1/jobs/424242")[0] == 404
    assert CLUSTER.rest("DELETE", "/v1/status")[0] == 405
    document = CLUSTER.rest("GET", "/v1/jobs/424242")[1]
    assert document["error"]["code"] == "not_found" and document["error"]["message"], document


def test_sql_over_rest():
    status, body = CLUSTER.rest("POST", "/v1/sql", {"sql": "select 42 as a"}, gateway=True)
    assert status == 200 and "42" in str(body), (status, body)
    status, body = CLUSTER.rest("POST", "/v1/sql", {"sql": "selec"}, gateway=True)
    assert "syntax error" in str(body), (status, body)


def test_explain_over_rest():
    query = f"SELECT g, count(*) AS n FROM '{FILES['events.parquet']}' GROUP BY g"
    status, body = CLUSTER.rest("POST", "/v1/explain", {"sql": query}, gateway=True)
    assert status == 200 and "GROUP BY" in str(body), (status, body)


def test_page_is_served():
    status, headers, body = get(CLUSTER.client["ui"])
    assert status == 200 and "<html" in body.lower() and "eider" in body.lower(), (status, body[:200])
    assert "text/html" in headers["Content-Type"]
    assert "default-src" in (headers["Content-Security-Policy"] or ""), dict(headers)


def test_page_gives_nothing_without_token():
    for path in ("v1/status", "v1/jobs", "v1/tables"):
        status, _, body = get(CLUSTER.client["ui"] + path)
        assert status in (401, 403, 404) and "pid" not in body, (path, status)


def test_page_stays_inside():
    for path in ("../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "index.html%00.js"):
        status, _, body = get(CLUSTER.client["ui"] + path)
        assert status in (400, 404) and "root:" not in body, (path, status)


def test_page_in_a_browser():
    browser = shutil.which("chromium")
    if browser is None:
        raise Skip("chromium is not installed")
    picture = os.path.join(HOME, "page.png")
    done = run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,800",
                f"--user-data-dir={HOME}/browser", f"--screenshot={picture}", "--virtual-time-budget=4000",
                CLUSTER.client["ui"]], timeout=60)
    assert os.path.exists(picture) and os.path.getsize(picture) > 5000, done.stderr[-500:]


if __name__ == "__main__":
    main(globals(), cluster={"workers": 2})
