"""Asks one DuckDB and one cluster the same, over connections that stay open, and compares."""
import http.client
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from harness import tool  # noqa: E402


class QueryError(Exception):
    """The sentence of a query that failed."""


class Answer:
    def __init__(self, columns, types, rows):
        self.columns, self.types, self.rows = columns, types, rows


class Oracle:
    """One DuckDB in a process of its own, which is started again if a query takes too long."""

    def __init__(self, threads=2, seconds=60):
        self.threads, self.seconds, self.settings, self.process = threads, seconds, [], None

    def _start(self):
        self.process = subprocess.Popen([tool("duckdb-oracle"), "--threads", str(self.threads), "--serve"],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for sql in self.settings:
            self._exchange("run", sql)

    def _exchange(self, word, sql):
        text = sql.encode()
        late = threading.Timer(self.seconds, self.process.kill)
        late.start()
        try:
            self.process.stdin.write(f"{word} {len(text)}\n".encode() + text)
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except OSError:
            line = b""
        finally:
            late.cancel()
        if not line.endswith(b"\n"):  # nothing, or half an answer
            self.process.kill()
            self.process.wait()
            self.process = None
            raise QueryError("the oracle took too long")
        answer = json.loads(line)
        if "error" in answer:
            raise QueryError(answer["error"])
        return answer

    def run(self, sql, keep=False):
        """A statement without an answer; one that is kept is run again after a restart."""
        if self.process is None:
            self._start()
        self._exchange("run", sql)
        if keep:
            self.settings.append(sql)

    def ask(self, sql):
        if self.process is None:
            self._start()
        answer = self._exchange("ask", sql)
        return Answer(answer["columns"], answer["types"], [tuple(r) for r in answer["rows"]])

    def close(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()
            self.process.stdout.close()


class Gateway:
    """A connection to a cluster's gateway."""

    def __init__(self, client, seconds=120):
        self.client, self.seconds, self.connection = client, seconds, None

    def _request(self, path, body, again=True):
        fresh = self.connection is None
        if fresh:
            host, port = self.client["gateways"][0].rsplit(":", 1)
            context = ssl.create_default_context(cafile=self.client["ca"])
            context.check_hostname = False
            self.connection = http.client.HTTPSConnection(host, int(port), context=context,
                                                          timeout=self.seconds)
        try:
            self.connection.request("POST", path, body=json.dumps(body), headers={
                "Authorization": "Bearer " + self.client["token"]})
            return self.connection.getresponse().read().decode()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if again and not fresh:  # it was idle for too long; a crash is noticed by its process id
                return self._request(path, body, again=False)
            raise QueryError(f"the connection to the gateway: {error!r}") from None

    def ask(self, sql, path="/v1/sql"):
        answer, ended = Answer([], [], []), False
        for line in self._request(path, {"sql": sql, "format": "text"}).splitlines():
            part = json.loads(line)
            if "error" in part:
                raise QueryError(part["error"]["message"])
            if "columns" in part:
                answer.columns = [c["name"] for c in part["columns"]]
                answer.types = [c["type"] for c in part["columns"]]
            if "rows" in part:
                answer.rows += map(tuple, part["rows"])
            ended = ended or "end" in part
        if not ended:
            raise QueryError("the answer was cut")
        return answer

    def plan(self, sql):
        """(why it runs whole or None, the text of the plan)."""
        text = "\n".join(str(row[0]) for row in self.ask(sql, "/v1/explain").rows)
        first = text.split("\n", 1)[0]
        mark = "whole on one worker: "
        return (first[len(mark):] if first.startswith(mark) else None), text

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None


NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][-+]?\d+)?\Z")


def near(a, b):
    """Two floating-point numbers that differ by no more than the order of addition explains."""
    x, y = float(a), float(b)
    return x == y or (x != x and y != y) or abs(x - y) <= 1e-9 * max(abs(x), abs(y))


def same_cell(a, b, type_):
    if a == b or a is None or b is None:
        return a == b
    if type_ in ("DOUBLE", "FLOAT"):
        return near(a, b) if type_ == "DOUBLE" else abs(float(a) - float(b)) <= 1e-5 * abs(float(a))
    if "DOUBLE" in type_ or "FLOAT" in type_:  # inside of a list or struct
        left, right = re.split(r"([\[\]{},: ]+)", a), re.split(r"([\[\]{},: ]+)", b)
        return len(left) == len(right) and all(
            x == y or (NUMBER.match(x) and NUMBER.match(y) and near(x, y)) for x, y in zip(left, right))
    return False


def sort_key(types):
    inexact = [i for i, t in enumerate(types) if "DOUBLE" in t or "FLOAT" in t]
    rest = [i for i in range(len(types)) if i not in inexact]

    def value(cell, i):
        if cell is None:
            return (0, 0.0, "")
        if types[i] not in ("DOUBLE", "FLOAT"):
            return (1, 0.0, cell)
        number = float(cell)
        return (3, 0.0, "") if number != number else (2, number, "")
    return lambda row: ([(row[i] is not None, row[i] or "") for i in rest], [value(row[i], i) for i in inexact])


def difference(got, wanted, ordered):
    """None, or a sentence about the first difference between two answers."""
    if got.columns != wanted.columns:
        return f"columns {got.columns} instead of {wanted.columns}"
    if [t.replace('"', "") for t in got.types] != [t.replace('"', "") for t in wanted.types]:
        return f"types {got.types} instead of {wanted.types}"
    if len(got.rows) != len(wanted.rows):
        return f"{len(got.rows)} rows instead of {len(wanted.rows)}"
    a, b = got.rows, wanted.rows
    if not ordered:
        a, b = sorted(a, key=sort_key(got.types)), sorted(b, key=sort_key(got.types))
    for number, (x, y) in enumerate(zip(a, b), 1):
        if not all(same_cell(p, q, t) for p, q, t in zip(x, y, got.types)):
            return f"row {number} is {x} instead of {y}"
    return None


def on_terminate():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
