#!/usr/bin/env python3
"""Random queries over the tables of data.py, asked of a cluster and of one DuckDB.

A query is a tree of clauses, made from a seed; its rows are compared as a multiset, or in order where
its ORDER BY is total. When an answer differs, clauses are dropped as long as it still differs; the
smallest query is printed with its seed. Add such a query to corpus/regressions.sql.

usage: tests/oracle/fuzz.py [--count N] [--seed N] [--workers N] [--way shuffle|broadcast|default]
                            [--threads N] [--seconds N]
"""
import argparse
import collections
import copy
import random
import sys
import time

import data
from oracle import Gateway, Oracle, QueryError, on_terminate
from run import Judge, ask, in_threads, judge, new_oracle

INT, NUM, TEXT, DAY, TIME, BOOL, FLOAT = "int num text day time bool float".split()
COLUMNS = {
    "ev": {"id": INT, "k": INT, "s": TEXT, "d": FLOAT, "x": FLOAT, "m": NUM, "big": NUM, "day": DAY, "ts": TIME,
           "flag": BOOL, "g": INT, "t": INT, "n16": INT},
    "other": {"id": INT, "k": INT, "g": INT, "s": TEXT, "v": NUM, "d": FLOAT, "day": DAY, "ts": TIME},
    "dim": {"g": INT, "name": TEXT, "class": INT},
    "nulls": {"a": INT, "b": TEXT, "c": FLOAT, "s": TEXT, "id": INT},
    "gaps": {"id": INT, "k": INT, "g": INT, "s": TEXT},
    "none": {"id": INT, "k": INT, "s": TEXT, "m": NUM, "day": DAY, "flag": BOOL, "g": INT},
    "one": {"id": INT, "k": INT, "s": TEXT, "m": NUM, "flag": BOOL, "g": INT},
    "small": {"id": INT, "k": INT, "s": TEXT, "m": NUM, "day": DAY, "flag": BOOL, "g": INT},
    "ev_csv": {"id": INT, "k": INT, "s": TEXT, "m": NUM, "day": DAY, "flag": BOOL, "g": INT},
    "orders": {"o_orderkey": INT, "o_custkey": INT, "o_orderstatus": TEXT, "o_totalprice": NUM, "o_orderdate": DAY,
               "o_orderpriority": TEXT},
    "customer": {"c_custkey": INT, "c_nationkey": INT, "c_acctbal": NUM, "c_mktsegment": TEXT, "c_name": TEXT},
    "lineitem": {"l_orderkey": INT, "l_partkey": INT, "l_suppkey": INT, "l_quantity": NUM, "l_discount": NUM,
                 "l_shipdate": DAY, "l_returnflag": TEXT, "l_shipmode": TEXT},
}
WEIGHTS = {"ev": 8, "other": 5, "dim": 3, "nulls": 2, "gaps": 2, "none": 1, "one": 1, "small": 2, "ev_csv": 1,
           "orders": 2, "customer": 2, "lineitem": 2}
# Columns of a table by which a join does not explode.
KEYS = {"ev": ["id", "id", "k", "g"], "other": ["id", "id", "k", "g"], "dim": ["g"], "nulls": ["id"], "gaps": ["id", "id", "g"],
        "none": ["id", "g"], "one": ["id", "g"], "small": ["id", "id", "g"], "ev_csv": ["id"], "orders": ["o_orderkey", "o_custkey"],
        "customer": ["c_custkey"], "lineitem": ["l_orderkey"]}
LITERALS = {INT: ["0", "1", "7", "-1", "40", "300", "1000", "NULL", "3"], NUM: ["0", "1.5", "-200.25", "1e3", "12.00"],
            TEXT: ["''", "'word7'", "'word1'", "'größe €'", "'F'", "'group 3'", "NULL", "'A'"],
            DAY: ["DATE '2020-07-01'", "DATE '1995-03-15'", "DATE '2021-01-01'"],
            TIME: ["TIMESTAMP '2020-03-01 00:00:00'", "TIMESTAMP '2020-02-14 12:30:00'"],
            BOOL: ["true", "false", "NULL"], FLOAT: ["0.0", "-0.0", "100.5", "'nan'::DOUBLE", "1e300"]}
AGGREGATES = {INT: ["sum({})", "avg({})", "min({})", "max({})", "count({})", "count(DISTINCT {})", "sum(DISTINCT {})",
                    "median({})", "bit_xor({})", "var_pop({})", "stddev({})", "bit_and({})"],
              NUM: ["sum({})", "avg({})", "min({})", "max({})", "count({})", "count(DISTINCT {})", "median({})"],
              TEXT: ["min({})", "max({})", "count({})", "count(DISTINCT {})"],
              DAY: ["min({})", "max({})", "count(DISTINCT {})"], TIME: ["min({})", "max({})", "count({})"],
              BOOL: ["bool_and({})", "bool_or({})", "count({})", "count_if({})"],
              FLOAT: ["min({})", "max({})", "count({})", "count(DISTINCT {})"]}
RESULT = {"sum": NUM, "avg": FLOAT, "count": INT, "median": FLOAT, "bit_xor": INT, "bit_and": INT, "var_pop": FLOAT,
          "stddev": FLOAT, "bool_and": BOOL, "bool_or": BOOL, "count_if": INT}

# A query: clauses that can be dropped. select items are (sql, type, exact, kind of item).
Item = collections.namedtuple("Item", "sql type inexact")


class Select:
    def __init__(self):
        self.ctes, self.distinct, self.items, self.source = [], False, [], ""
        self.joins, self.where, self.groups, self.sets = [], [], [], None
        self.having, self.qualify, self.orders, self.limit, self.offset = [], [], [], None, None

    def text(self):
        parts = ["WITH " + ", ".join(self.ctes)] if self.ctes else []
        parts.append("SELECT " + ("DISTINCT " if self.distinct else "") +
                     ", ".join(f"{item.sql} AS c{i}" for i, item in enumerate(self.items)))
        parts.append("FROM " + self.source + "".join(" " + j for j in self.joins))
        if self.where:
            parts.append("WHERE " + " AND ".join(self.where))
        if self.sets:
            parts.append(f"GROUP BY {self.sets} ({', '.join(self.groups)})")
        elif self.groups:
            parts.append("GROUP BY " + ", ".join(self.groups))
        for word, terms in (("HAVING", self.having), ("QUALIFY", self.qualify)):
            if terms:
                parts.append(word + " " + " AND ".join(terms))
        parts += tail(self)
        return " ".join(parts)

    def smaller(self):
        """Every query with one thing less."""
        for name in ("joins", "where", "having", "qualify", "orders", "groups", "items"):
            terms = getattr(self, name)
            for i in reversed(range(len(terms))):
                if name == "items" and len(terms) == 1:
                    break
                one = copy.copy(self)
                setattr(one, name, terms[:i] + terms[i + 1:])
                yield one
        for name, nothing in (("distinct", False), ("sets", None), ("limit", None), ("offset", None)):
            if getattr(self, name) != nothing:
                one = copy.copy(self)
                setattr(one, name, nothing)
                yield one


class SetOperation:
    def __init__(self, left, right, word):
        self.left, self.right, self.word = left, right, word
        self.items, self.orders, self.limit, self.offset = left.items, [], None, None

    def text(self):
        return " ".join([f"({self.left.text()}) {self.word} ({self.right.text()})"] + tail(self))

    def smaller(self):
        yield self.left
        yield self.right
        for name, nothing in (("limit", None), ("offset", None), ("orders", [])):
            if getattr(self, name) != nothing:
                one = copy.copy(self)
                setattr(one, name, nothing)
                yield one
        for side in ("left", "right"):
            for less in getattr(self, side).smaller():
                one = copy.copy(self)
                setattr(one, side, less)
                yield one


def tail(query):
    parts = ["ORDER BY " + ", ".join(query.orders)] if query.orders else []
    parts += [f"LIMIT {query.limit}"] if query.limit is not None else []
    return parts + ([f"OFFSET {query.offset}"] if query.offset is not None else [])


class Maker:
    """Makes one query from a seed."""

    def __init__(self, seed):
        self.dice = random.Random(seed)

    def chance(self, p):
        return self.dice.random() < p

    def any(self, values):
        return self.dice.choice(list(values))

    # ---- expressions over columns: {"a.k": INT} ----
    def column(self, columns, kind):
        found = [c for c, k in columns.items() if k == kind]
        return self.any(found) if found and not self.chance(0.1) else self.any(LITERALS[kind])

    def expression(self, columns, kind, depth=2):
        if depth == 0 or self.chance(0.45):
            return self.column(columns, kind)
        e = lambda k: self.expression(columns, k, depth - 1)
        n = self.any(range(4))
        if kind == INT:
            return [lambda: f"({e(INT)} % {self.any((2, 3, 5, 7))})", lambda: f"({e(INT)}::HUGEINT + {self.any((1, 2, 10))})::BIGINT",
                    lambda: f"length({e(TEXT)})", lambda: f"coalesce({e(INT)}, {self.any(('0', '-5'))})",
                    lambda: f"CASE WHEN {self.predicate(columns, depth - 1)} THEN {e(INT)} ELSE {e(INT)} END",
                    lambda: f"extract(year FROM {e(DAY)})", lambda: f"sign({e(INT)})", lambda: f"nullif({e(INT)}, {e(INT)})",
                    lambda: f"extract(hour FROM {e(TIME)})", lambda: f"({e(INT)} IS NULL)::INT"][self.dice.randrange(10)]()
        if kind == TEXT:
            return [f"upper({e(TEXT)})", f"concat({e(TEXT)}, '|')", f"substr({e(TEXT)}, 1, 5)", f"coalesce({e(TEXT)}, 'none')",
                    f"({e(INT)})::VARCHAR", f"{e(TEXT)} || {e(TEXT)}", f"replace({e(TEXT)}, 'o', '0')"][self.dice.randrange(7)]
        if kind == DAY:
            return f"date_trunc('{self.any(('month', 'year', 'week'))}', {e(DAY)})::DATE"
        if kind == TIME:
            return f"date_trunc('{self.any(('day', 'hour'))}', {e(TIME)})"
        if kind == BOOL:
            return f"({self.predicate(columns, depth - 1)})"
        if kind == NUM:
            return [f"round({e(NUM)}, 1)", f"coalesce({e(NUM)}, 0)", f"abs({e(NUM)})", f"-({e(NUM)})"][n]
        return [f"abs({e(FLOAT)})", f"coalesce({e(FLOAT)}, 0)", f"nullif({e(FLOAT)}, 0)", f"({e(INT)})::DOUBLE"][n]

    def predicate(self, columns, depth=2):
        if depth > 0 and self.chance(0.3):
            a, b = self.predicate(columns, depth - 1), self.predicate(columns, depth - 1)
            return self.any((f"({a} AND {b})", f"({a} OR {b})", f"NOT ({a})"))
        kind = self.any(columns.values())
        if self.chance(0.25):
            c = self.column(columns, kind)
            return self.any((f"{c} IS NOT NULL", f"({c} > {self.any(LITERALS[kind])} OR {c} IS NULL)",
                             f"{c} IS DISTINCT FROM {self.any(LITERALS[kind])}"))
        inside = 1 if depth > 0 else 0
        a, b = self.expression(columns, kind, inside), self.expression(columns, kind, inside)
        forms = [f"{a} {self.any(('=', '<', '>', '<=', '<>', '<>'))} {b}", f"{a} IS NULL", f"{a} IS NOT NULL", f"{a} IS NOT DISTINCT FROM {b}",
                 f"{a} BETWEEN {b} AND {self.column(columns, kind)}", f"{a} IN ({self.any(LITERALS[kind])}, {self.any(LITERALS[kind])})",
                 f"{a} NOT IN ({self.any(LITERALS[kind])}, {b})"]
        if kind == TEXT:
            forms += [f"{a} LIKE '%{self.any('aow1')}%'", f"{a} ~ '^[a-m]'"]
        if kind == BOOL:
            forms += [a]
        return self.any(forms)

    def subquery_predicate(self, columns):
        """IN, EXISTS and scalar subqueries, correlated or not, over joins that do not explode."""
        table = self.any(t for t in KEYS if t not in ("lineitem", "ev_csv"))
        key = self.any(KEYS[table])
        inner = {f"i.{c}": k for c, k in COLUMNS[table].items()}
        where = f" WHERE {self.predicate(inner, 1)}" if self.chance(0.5) else ""
        outer = self.column(columns, INT)
        number = self.any(c for c, k in COLUMNS[table].items() if k == INT)
        join = f"{where} AND i.{key} = {outer}" if where else f" WHERE i.{key} = {outer}"
        if where:
            join = f" WHERE ({where[7:]}) AND i.{key} = {outer}"
        compare = self.any(("<", ">", "=", "<="))
        return self.any((f"{outer} {self.any(('IN', 'NOT IN'))} (SELECT i.{key} FROM {table} i{where})",
                         f"{self.any(('EXISTS', 'NOT EXISTS'))} (SELECT 1 FROM {table} i{join})",
                         f"{outer} {compare} (SELECT {self.any(('min', 'max', 'avg', 'count'))}(i.{number}) FROM {table} i{where})",
                         f"{outer} {compare} (SELECT {self.any(('min', 'max', 'count'))}(i.{number}) FROM {table} i{join})",
                         f"{outer} {compare} {self.any(('ALL', 'ANY'))} (SELECT i.{key} FROM {table} i{where})"))

    # ---- FROM ----
    def derived(self, depth):
        """A subquery in FROM: (text, its columns' kinds, its key columns)."""
        inner = self.select(depth - 1)
        if all(item.inexact for item in inner.items):
            inner.items.append(Item("1", INT, False))
            inner.limit = inner.offset = None
        # a last digit that may differ must not decide about groups or conditions
        items = {f"c{i}": item.type for i, item in enumerate(inner.items) if not item.inexact}
        keys = [c for c, k in items.items() if k == INT]
        return f"({inner.text()})", items, keys

    def source(self, depth, alias, query):
        if depth > 0 and self.chance(0.25):
            text, kinds, keys = self.derived(depth)
            if self.chance(0.3):
                query.ctes.append(f"cte_{alias}{depth} AS {text}")
                text = f"cte_{alias}{depth}"
            keys = []  # their values may repeat without bound
        else:
            table = self.dice.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            text, kinds, keys = table, COLUMNS[table], KEYS[table]
        return f"{text} {alias}", {f"{alias}.{c}": k for c, k in kinds.items()}, [f"{alias}.{k}" for k in keys]

    def from_clause(self, depth, query):
        query.source, columns, keys = self.source(depth, "a", query)
        for alias in "bce"[:self.dice.choices((0, 1, 2, 3), (4, 5, 3, 1))[0]]:
            text, more, more_keys = self.source(depth, alias, query)
            if not keys or not more_keys:
                continue
            left, right = self.any(keys), self.any(more_keys)
            kind = self.any(("JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN"))
            on = f"{left} = {right}"
            unique = any(k.endswith(".id") or k.endswith("key") for k in (left, right)) or "dim " in (query.source + text)
            if not unique and kind not in ("SEMI JOIN", "ANTI JOIN"):
                on += f" AND {self.any(columns)[0:1]}.id = {alias}.id" if f"{alias}.id" in more and "a.id" in columns else ""
                if " AND " not in on:
                    continue
            both = dict(columns, **more)
            if self.chance(0.25):
                on += f" AND {self.predicate(both, 0)}"
            if self.chance(0.15):
                on += f" AND {self.any(keys)} {self.any(('=', '<='))} {self.column(more, INT)}"
            comma = kind == "JOIN" and self.chance(0.4)
            if comma and not any(j.startswith(("RIGHT", "FULL")) for j in query.joins):
                query.joins.append(f"CROSS JOIN {text}")
                query.where.append(on)
            elif left.split(".")[1] == right.split(".")[1] and self.chance(0.3) and len(keys) < 4 and left[0] == "a":
                query.joins.append(f"{kind} {text} USING ({left.split('.')[1]})")
            else:
                query.joins.append(f"{kind} {text} ON {on}")
            if kind not in ("SEMI JOIN", "ANTI JOIN"):
                columns, keys = dict(columns, **more), keys + more_keys
        return columns

    # ---- the select list ----
    def aggregate(self, columns, inexact):
        if self.chance(0.15):
            return Item("count(*)", INT, False)
        kind = self.any(columns.values())
        form = self.any(AGGREGATES[kind])
        text = form.format(self.expression(columns, kind, 1))
        name = form.split("(")[0]
        if self.chance(0.15) and "median" not in form:
            text += f" FILTER (WHERE {self.predicate(columns, 1)})"
        return Item(text, RESULT.get(name, kind), name in ("avg", "var_pop", "stddev", "median"))

    def grouped(self, columns, query):
        for _ in range(self.dice.choices((0, 1, 2, 3), (2, 5, 3, 1))[0]):
            kind = self.any(columns.values())
            term = self.expression(columns, kind, 1)
            if term[0].isalpha() and "." in term and term not in query.groups:
                query.groups.append(term)
                query.items.append(Item(term, kind, False))
        for _ in range(self.dice.randrange(1, 4)):
            query.items.append(self.aggregate(columns, False))
        if query.groups and self.chance(0.12):
            query.sets = self.any(("ROLLUP", "CUBE"))
        if self.chance(0.25):
            some = self.aggregate(columns, False)
            if not some.inexact and some.type in (INT, NUM):
                query.having.append(f"{some.sql} {self.any(('>', '<', '<>'))} {self.any(('0', '1', '10', '500'))}")
        if query.groups and self.chance(0.1):
            query.items = [i for i in query.items if not i.inexact] or [Item("count(*)", INT, False)]
            query.distinct = True

    def window(self, columns):
        parts = [c for c in columns if columns[c] in (INT, TEXT, BOOL)]
        ids = [c for c in columns if c.endswith(".id") or c.endswith("key")]
        if not ids:
            return None
        partition = f"PARTITION BY {self.any(parts)} " if self.chance(0.8) else ""
        total = ", ".join(sorted(columns))  # a total order, up to equal rows
        number = self.any(c for c in columns if columns[c] == INT)
        return self.any((Item(f"rank() OVER ({partition}ORDER BY {self.any(ids)} DESC)", INT, False),
                         Item(f"dense_rank() OVER ({partition}ORDER BY {number} NULLS FIRST)", INT, False),
                         Item(f"sum({number}) OVER ({partition}ORDER BY {number})", NUM, False),
                         Item(f"count(*) OVER ({partition})", INT, False),
                         Item(f"max({number}) OVER ({partition}ORDER BY {total} ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)", INT, False),
                         Item(f"min({number}) OVER ({partition})", INT, False),
                         Item(f"lag({number}) OVER ({partition}ORDER BY {total})", INT, False)))

    def plain(self, columns, query):
        for _ in range(self.dice.randrange(1, 5)):
            kind = self.any(columns.values())
            query.items.append(Item(self.expression(columns, kind), kind, False))
        if self.chance(0.2):
            item = self.window(columns)
            query.items += [item] if item else []
            if item and self.chance(0.3):
                query.qualify.append(f"{item.sql} {self.any(('<', '>', '='))} {self.any((1, 2, 5))}")
        if self.chance(0.15) and len(columns) < 14:
            query.distinct = True

    def order(self, query):
        """ORDER BY; a LIMIT only when the order is total, or rows that tie are the same."""
        exact = not any(i.inexact for i in query.items)
        if self.chance(0.35):
            places = list(range(len(query.items)))
            self.dice.shuffle(places)
            if not exact or self.chance(0.2):
                places = places[:1]
            query.orders = [f"{i + 1}{self.any(('', ' DESC', ' ASC NULLS FIRST', ' DESC NULLS LAST', ' NULLS LAST'))}" for i in places]
        if len(query.orders) == len(query.items) and exact and self.chance(0.5):
            query.limit = self.any((0, 1, 5, 10, 50, 10000))
            query.offset = self.any((None, None, 0, 3, 100, 100000))

    def select(self, depth):
        query = Select()
        columns = self.from_clause(depth, query)
        for _ in range(self.dice.choices((0, 1, 2), (5, 5, 1))[0]):
            query.where.append(self.subquery_predicate(columns) if self.chance(0.2) else self.predicate(columns))
        if self.chance(0.55):
            self.grouped(columns, query)
        else:
            self.plain(columns, query)
        self.order(query)
        return query

    def query(self):
        query = self.select(2)
        if self.chance(0.12):
            other = self.select(1)
            shared = min(len(query.items), len(other.items))
            kinds = [self.any((INT, TEXT, DAY)) for _ in range(shared)]
            for side in (query, other):
                if side.groups or side.distinct or side.qualify or side.limit is not None:
                    return query
            for side in (query, other):
                columns = {c: k for c, k in side_columns(side).items()}
                if not columns or any("(" in i.sql and "OVER" in i.sql for i in side.items):
                    return query
                side.items = [Item(self.expression(columns, kind, 1), kind, False) for kind in kinds]
                side.orders, side.having = [], []
            word = self.any(("UNION", "UNION ALL", "INTERSECT", "EXCEPT", "INTERSECT ALL", "EXCEPT ALL", "UNION ALL BY NAME"))
            query = SetOperation(query, other, word)
            self.order(query)
        return query


def side_columns(query):
    table = query.source.split()[0]
    return {f"a.{c}": k for c, k in COLUMNS.get(table, {}).items()}


def is_ordered(query):
    return bool(query.orders) and len(query.orders) == len(query.items) and not any(i.inexact for i in query.items) \
        and not any(i.type in (FLOAT, TEXT) for i in query.items)


def shrink(query, differs, seconds=60):
    """The smallest query found that still differs."""
    end, found = time.monotonic() + seconds, True
    while found and time.monotonic() < end:
        found = False
        for less in query.smaller():
            if time.monotonic() < end and differs(less):
                query, found = less, True
                break
    return query


class FuzzRun:
    def __init__(self, judge_, folder, seconds):
        self.judge, self.folder, self.end_at = judge_, folder, time.monotonic() + seconds
        self.counts, self.found = collections.Counter(), []

    def begin(self):
        return Gateway(self.judge.cluster.client), new_oracle(self.folder, seconds=10)

    def end(self, state):
        state[0].close()
        state[1].close()

    def compare(self, query, state):
        gateway, oracle = state
        wanted = ask(oracle, query.text())
        if wanted[1] is not None and "took too long" in wanted[1]:
            self.counts["too long"] += 1
            return None
        if wanted[1] is not None and not wanted[1].startswith(("Conversion", "Out of Range", "Invalid Input")):
            self.counts["not valid"] += 1
        got = ask(gateway, query.text())
        if wanted[1] is not None:
            self.counts["errors"] += 1
            # whether a bad value is met depends on the order of conditions: an error may be absent
            return None
        if not wanted[0].rows:
            self.counts["no rows"] += 1
        return judge(query.text(), is_ordered(query), wanted, got)

    def one(self, seed, state):
        if time.monotonic() > self.end_at or len(self.found) >= 20:
            self.counts["not asked"] += 1
            return
        query = Maker(seed).query()
        self.counts["asked"] += 1
        why = self.compare(query, state)
        if why is None:
            return
        self.counts["different"] += 1
        less = shrink(query, lambda q: self.compare(q, state) is not None)
        why = self.compare(less, state) or why
        self.found.append((seed, less.text(), why))
        print(f"seed {seed}: {less.text()};\n    {why}", flush=True)


def main():
    on_terminate()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--way", default="shuffle")
    parser.add_argument("--threads", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1e9, help="stop asking after this time")
    parser.add_argument("--print", action="store_true", help="only print the queries")
    options = parser.parse_args()
    seeds = range(options.seed, options.seed + options.count)
    if options.print:
        print(*(Maker(seed).query().text() + ";" for seed in seeds), sep="\n")
        return 0
    maker = Oracle()
    folder = data.make(maker.run)
    maker.close()
    begin = time.monotonic()
    with Judge(folder, options.workers, options.cores, options.way) as judge_:
        run = FuzzRun(judge_, folder, options.seconds)
        in_threads(seeds, options.threads, run)
    counts = ", ".join(f"{n} {what}" for what, n in sorted(run.counts.items()))
    print(f"{'FAIL' if run.found else 'ok'} seeds {seeds.start}..{seeds.stop - 1}: {counts}; {time.monotonic() - begin:.0f} s")
    return 1 if run.found or not run.counts["asked"] else 0


if __name__ == "__main__":
    sys.exit(main())
