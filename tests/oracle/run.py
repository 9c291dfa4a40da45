#!/usr/bin/env python3
"""Asks every query of corpus/*.sql of a cluster and of one DuckDB, and compares the answers.

A corpus file is SQL; each query ends with a semicolon at the end of a line. Comments before a query:
  -- ordered           its rows are compared in their order (it must be total); else as a multiset
  -- for NAME: a | b   the query once for each item, which replaces NAME (several: every combination)
Tables are those of data.py; {data} is the folder of its files. Every query runs in three ways: all tables
but the smallest ones too large to broadcast; all tables broadcast; and as a user's cluster decides.

usage: tests/oracle/run.py [--workers N] [--cores N] [--theme NAME] [--ways shuffle,broadcast,default]
                           [--threads N] [--whole] [--show SQL] [--scale N]
"""
import argparse
import collections
import glob
import itertools
import os
import queue
import re
import sys
import threading
import time

import data
from oracle import Gateway, Oracle, QueryError, difference, on_terminate
from harness import Cluster

FOLDER = os.path.dirname(os.path.abspath(__file__))
WAYS = {  # what the gateway is told by its environment
    "shuffle": {"EIDER_TEST_BROADCAST_LIMIT_BYTES": "6000", "EIDER_TEST_SPLIT_BYTES": "1",
                "EIDER_TEST_PARTITION_ROWS": "1"},
    "broadcast": {"EIDER_TEST_BROADCAST_LIMIT_BYTES": str(1 << 30), "EIDER_TEST_SPLIT_BYTES": "1",
                  "EIDER_TEST_PARTITION_ROWS": "1"},
    "default": {},
}
Query = collections.namedtuple("Query", "theme sql ordered")
Wrong = collections.namedtuple("Wrong", "query why")


def one_line(sql):
    return " ".join(sql.split("\n"))


def expand(sql, names):
    """The query for every combination of its -- for lines."""
    for items in itertools.product(*(values for _, values in names)):
        text = sql
        for (name, _), item in zip(names, items):
            text = re.sub(rf"\b{name}\b", lambda _: item, text)
        yield text


def read_corpus(path, folder):
    """The queries of one file."""
    theme, lines, names, ordered = os.path.basename(path)[:-4], [], [], False
    with open(path, encoding="utf-8") as text:
        for line in text:
            line = line.rstrip("\n")
            if line.startswith("-- for "):
                name, items = line[len("-- for "):].split(": ", 1)
                names.append((name, [i.strip() for i in items.split(" | ")]))
            elif line == "-- ordered":
                ordered = True
            elif not line.startswith("--") and (line.strip() or lines):
                lines.append(line)
            if lines and line.endswith(";"):
                sql = "\n".join(lines)[:-1]
                for one in expand(sql, names):
                    yield Query(theme, one.replace("{data}", folder), ordered)
                lines, names, ordered = [], [], False
    assert not lines, f"{path}: the last query has no semicolon: {lines[-1]}"


def corpus(folder, theme=None):
    found = []
    for path in sorted(glob.glob(os.path.join(FOLDER, "corpus", "*.sql"))):
        if theme is None or os.path.basename(path)[:-4] in theme.split(","):
            found += read_corpus(path, folder)
    return found


class Judge:
    """A cluster with the tables of data.py, and the oracle's answers to compare it with."""

    def __init__(self, folder, workers, cores, way):
        self.tables, self.answers = data.tables(folder), {}
        os.environ.update(WAYS[way])
        try:
            self.cluster = Cluster(workers=workers, cores=cores, options=["--memory-per-worker", "1GiB"])
            self.cluster.__enter__()
        finally:
            for name in WAYS[way]:
                del os.environ[name]
        self.processes = sorted(self.cluster.recorded_pids())
        gateway = Gateway(self.cluster.client)
        for name, source in self.tables.items():
            gateway.ask(f'CREATE EXTERNAL TABLE "{name}" AS FROM {source}')
        gateway.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.cluster.wait_no_task_files()
            assert sorted(self.cluster.recorded_pids()) == self.processes, "a process has died meanwhile"
        self.cluster.__exit__(kind, value, trace)


def new_oracle(folder, seconds=60):
    oracle = Oracle(seconds=seconds)
    for name, source in data.tables(folder).items():
        oracle.run(f'CREATE OR REPLACE VIEW "{name}" AS FROM {source}', keep=True)
    return oracle


def ask(who, sql):
    """(answer, None) or (None, the error's sentence)."""
    try:
        return who.ask(sql), None
    except QueryError as error:
        return None, str(error)


def judge(sql, ordered, wanted, got):
    """None if both answers are the same, else what differs."""
    (right, right_error), (answer, error) = wanted, got
    if right_error is not None:
        return None if error is not None else f"it answers, DuckDB says: {right_error}"
    if error is not None:
        return f"it fails: {error}"
    return difference(answer, right, ordered)


def in_threads(items, count, work):
    """work(item, state) for all items in `count` threads, each with a state of its own from work.begin."""
    todo, failed = queue.SimpleQueue(), []
    for item in items:
        todo.put(item)

    def loop():
        state = work.begin()
        try:
            while not failed:
                try:
                    item = todo.get_nowait()
                except queue.Empty:
                    return
                work.one(item, state)
        except Exception as error:  # handed to the caller's thread below
            failed.append(error)
        finally:
            work.end(state)
    threads = [threading.Thread(target=loop) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


class CorpusRun:
    def __init__(self, judge_, wanted, with_plans):
        self.judge, self.wanted, self.with_plans = judge_, wanted, with_plans
        self.wrong, self.whole, self.slow = [], {}, []

    def begin(self):
        return Gateway(self.judge.cluster.client)

    def end(self, gateway):
        gateway.close()

    def one(self, query, gateway):
        begin = time.monotonic()
        why = judge(query.sql, query.ordered, self.wanted[query.sql], ask(gateway, query.sql))
        self.slow.append((time.monotonic() - begin, query))
        if why is not None:
            self.wrong.append(Wrong(query, why))
        if self.with_plans and self.wanted[query.sql][1] is None and why is None:
            self.whole[query] = gateway.plan(query.sql)[0]


def wanted_answers(queries, folder, threads):
    """What one DuckDB answers to each text."""
    wanted = {}

    class Asking:
        def begin(self):
            return new_oracle(folder)

        def one(self, sql, oracle):
            wanted[sql] = ask(oracle, sql)

        def end(self, oracle):
            oracle.close()
    in_threads(dict.fromkeys(q.sql for q in queries), threads, Asking())
    return wanted


def print_summary(way, run, show_whole):
    """Split and whole queries by theme, and the reasons."""
    themes = collections.Counter((q.theme, reason is None) for q, reason in run.whole.items())
    for theme in sorted({t for t, _ in themes}):
        print(f"  {theme}: {themes[theme, True]} split, {themes[theme, False]} whole")
    reasons = collections.Counter(reason for reason in run.whole.values() if reason is not None)
    for reason, count in reasons.most_common(None if show_whole else 12):
        print(f"    whole, {count}: {reason}")
    if show_whole:
        for query, reason in run.whole.items():
            if reason is not None:
                print(f"    [{query.theme}] {reason}\n      {one_line(query.sql)}")
    split = sum(reason is None for reason in run.whole.values())
    print(f"  {way}: {split} split, {len(run.whole) - split} whole")


def check_not_vacuous(queries, wanted):
    """Queries that nobody can run prove nothing, unless the theme is about errors."""
    broken = [Wrong(q, "DuckDB fails: " + wanted[q.sql][1]) for q in queries
              if wanted[q.sql][1] is not None and q.theme != "errors"]
    return broken


def show(judge_, folder, sql):
    gateway, oracle = Gateway(judge_.cluster.client), new_oracle(folder)
    print(gateway.plan(sql)[1])
    wanted, got = ask(oracle, sql), ask(gateway, sql)
    for name, (answer, error) in (("DuckDB", wanted), ("Eider", got)):
        rows = [] if answer is None else answer.rows[:10]
        print(f"{name}: {error or (answer.columns, answer.types, len(answer.rows))}", *rows, sep="\n  ")
    print(judge(sql, False, wanted, got) or "the same")
    oracle.close()
    gateway.close()


def main():
    on_terminate()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--theme")
    parser.add_argument("--ways", default="shuffle,broadcast")
    parser.add_argument("--threads", type=int, default=3)
    parser.add_argument("--scale", type=int, default=1)
    parser.add_argument("--whole", action="store_true", help="print every query that ran whole, and why")
    parser.add_argument("--show", help="explain and compare this one query")
    options = parser.parse_args()
    maker = Oracle()
    folder = data.make(maker.run, options.scale)
    maker.close()
    if options.show:
        with Judge(folder, options.workers, options.cores, options.ways.split(",")[0]) as judge_:
            show(judge_, folder, options.show.replace("{data}", folder))
        return 0
    begin, queries = time.monotonic(), corpus(folder, options.theme)
    wanted = wanted_answers(queries, folder, 2)
    wrong = check_not_vacuous(queries, wanted)
    print(f"{len(queries)} queries on one DuckDB: {time.monotonic() - begin:.1f} s", flush=True)
    for way in options.ways.split(","):
        begin = time.monotonic()
        with Judge(folder, options.workers, options.cores, way) as judge_:
            run = CorpusRun(judge_, wanted, options.whole or way == options.ways.split(",")[0])
            in_threads(queries, options.threads, run)
        print_summary(way, run, options.whole)
        print(f"  {len(run.wrong)} differ; {time.monotonic() - begin:.1f} s", flush=True)
        for seconds, query in sorted(run.slow, key=lambda x: -x[0])[:3]:
            if seconds > 2:
                print(f"    {seconds:.1f} s: [{query.theme}] {one_line(query.sql)}")
        wrong += [Wrong(w.query, f"({way}) {w.why}") for w in run.wrong]
    for query, why in wrong:
        print(f"[{query.theme}] {one_line(query.sql)}\n    {why}")
    print(f"{'ok' if not wrong else 'FAIL'} {len(queries)} queries with {options.workers} workers, {len(wrong)} wrong")
    return 1 if wrong or not queries else 0


if __name__ == "__main__":
    sys.exit(main())
