"""The same SQL on one DuckDB and on clusters of 1, 2 and 3 workers gives the same rows."""
import data
from harness import Cluster, main, oracle, same_rows, temporary

FILES = data.make(temporary())
E, C, J = (f"'{FILES[n]}'" for n in ("events.parquet", "events.csv", "events.json"))
DIM, TYPES, PARTS = f"'{FILES['dim.csv']}'", f"'{FILES['types.parquet']}'", f"'{FILES['parts']}'"
T = "read_parquet(" + TYPES + ")"

# A query that starts with ORDERED: must also have its rows in the oracle's order.
QUERIES = [
    # filters and projections
    f"SELECT id, s FROM {E} WHERE id < 20",
    f"SELECT id, k + 1 AS k1, upper(s) AS u FROM {E} WHERE k = 7 AND flag AND id % 501 = 0",
    f"SELECT count(*) AS n FROM {E}",
    f"SELECT count(*) AS n FROM {E} WHERE s IS NULL",
    f"SELECT count(*) AS n, count(s) AS c, count(k) AS ck FROM {E} WHERE false",
    f"SELECT * FROM {E} WHERE id BETWEEN 100 AND 130",
    f"SELECT id FROM {E} WHERE s LIKE 'word1%' AND day IS NOT NULL AND id < 3000",
    f"SELECT id, s FROM {C} WHERE s LIKE '%lines' AND id < 700",
    # ungrouped aggregates
    f"SELECT sum(id) AS a, min(s) AS b, max(s) AS c, avg(m) AS d, avg(d) AS e FROM {E}",
    f"SELECT sum(m) AS a, avg(k) AS b, min(day) AS c, max(ts) AS d, bool_and(flag) AS e, bool_or(flag) AS f FROM {E}",
    f"SELECT stddev_samp(d) AS a, var_pop(d) AS b, stddev(k) AS c FROM {E}",
    f"SELECT sum(id) AS a, count(*) AS n, max(s) AS s FROM {E} WHERE id < 0",
    f"SELECT count(DISTINCT k) AS a, count(DISTINCT s) AS b, sum(DISTINCT g) AS c FROM {E}",
    f"SELECT count(*) FILTER (WHERE flag) AS a, sum(k) FILTER (WHERE g > 20) AS b FROM {E}",
    f"SELECT median(k) AS a, quantile_cont(d, 0.9) AS b, mode(g) AS c FROM {E}",
    f"SELECT bit_xor(id) AS a, bit_and(id) AS b, product(1 + g / 1e9) AS c FROM {E}",
    f"SELECT arg_max(id, d * 1000000 + id) AS a, arg_min(id, ts + to_microseconds(id)) AS b FROM {E}",
    f"SELECT corr(d, k) AS a, covar_pop(d, g) AS b, regr_slope(d, g) AS c FROM {E}",
    # grouped aggregates
    f"SELECT k, count(*) AS n FROM {E} GROUP BY k",
    f"SELECT k, g, count(*) AS n, sum(m) AS m FROM {E} GROUP BY k, g",
    f"SELECT s, count(*) AS n, min(id) AS a, max(id) AS b FROM {E} GROUP BY s",
    f"SELECT g, avg(d) AS a, avg(m) AS b, avg(k) AS c, sum(d) AS e FROM {E} GROUP BY g",
    f"SELECT day, count(*) AS n FROM {E} GROUP BY day HAVING count(*) > 30",
    f"SELECT g, count(DISTINCT k) AS n, count(DISTINCT s) AS m FROM {E} GROUP BY g",
    f"SELECT g % 3 AS r, flag, count(*) AS n, sum(length(s)) AS l FROM {E} GROUP BY ALL",
    f"SELECT date_trunc('month', ts) AS month, count(*) AS n, sum(m) AS m FROM {E} GROUP BY month",
    f"SELECT extract(hour FROM ts) AS h, avg(k) AS a FROM {E} WHERE k IS NOT NULL GROUP BY 1 HAVING avg(k) > 100",
    f"SELECT g, median(d) AS m, quantile_disc(k, 0.25) AS q FROM {E} GROUP BY g",
    f"SELECT g, list_sort(list(DISTINCT flag)) AS l FROM {E} GROUP BY g",
    f"SELECT g, string_agg(id::VARCHAR, ',' ORDER BY id) AS ids FROM {E} WHERE id < 500 GROUP BY g",
    f"SELECT DISTINCT g, flag FROM {E}",
    f"SELECT count(*) AS n FROM (SELECT DISTINCT k, g FROM {E}) x",
    f"SELECT g, stddev_pop(d) AS a, var_samp(k) AS b FROM {E} GROUP BY g",
    f"SELECT CASE WHEN k > 500 THEN 'high' WHEN k IS NULL THEN NULL ELSE 'low' END AS c, count(*) AS n FROM {E} GROUP BY c",
    f"SELECT g, flag, sum(k) AS s FROM {E} GROUP BY GROUPING SETS ((g, flag), (g), ())",
    f"SELECT g, flag, count(*) AS n FROM {E} GROUP BY ROLLUP (g, flag)",
    # order and limit
    f"ORDERED:SELECT id, d FROM {E} ORDER BY d DESC, id LIMIT 25",
    f"ORDERED:SELECT id, s FROM {E} ORDER BY s NULLS FIRST, id LIMIT 40 OFFSET 13",
    f"ORDERED:SELECT k, count(*) AS n FROM {E} GROUP BY k ORDER BY n DESC, k NULLS LAST LIMIT 10",
    f"ORDERED:SELECT s, sum(m) AS t FROM {E} GROUP BY s ORDER BY 2 DESC, 1 LIMIT 15",
    f"ORDERED:SELECT id FROM {E} WHERE id % 17 = 3 ORDER BY id",
    f"ORDERED:SELECT g, avg(k) AS a FROM {E} GROUP BY g ORDER BY a, g",
    f"ORDERED:SELECT day, id FROM {E} ORDER BY day DESC NULLS LAST, id DESC LIMIT 7",
    f"SELECT count(*) AS n FROM (SELECT id FROM {E} LIMIT 1000) x",
    # joins
    f"SELECT d.name, count(*) AS n FROM {E} e JOIN {DIM} d ON e.g = d.g GROUP BY d.name",
    f"SELECT d.class, sum(e.m) AS m FROM {E} e LEFT JOIN {DIM} d ON e.g = d.g GROUP BY d.class",
    f"SELECT d.g, count(e.id) AS n FROM {DIM} d LEFT JOIN {E} e ON e.g = d.g GROUP BY d.g",
    f"SELECT coalesce(e.g, d.g) AS g, count(e.id) AS n, count(d.name) AS m FROM {E} e FULL JOIN {DIM} d ON e.g = d.g GROUP BY 1",
    f"SELECT count(*) AS n FROM {E} a JOIN {E} b ON a.id = b.id + 1 WHERE a.k = 7",
    f"SELECT count(*) AS n FROM {E} a, {DIM} b WHERE a.g = b.g AND b.class = 2",
    f"SELECT count(*) AS n FROM {E} WHERE g IN (SELECT g FROM {DIM} WHERE class = 1)",
    f"SELECT count(*) AS n FROM {E} WHERE g NOT IN (SELECT g FROM {DIM} WHERE class = 1)",
    f"SELECT count(*) AS n FROM {E} e WHERE EXISTS (SELECT 1 FROM {DIM} d WHERE d.g = e.g AND d.class = 3)",
    f"SELECT count(*) AS n FROM {E} e ANTI JOIN {DIM} d ON e.g = d.g",
    f"SELECT count(*) AS n, sum(a.id) AS s FROM {E} a JOIN {C} b USING (id) WHERE a.flag",
    f"SELECT d.name, x.n FROM {DIM} d JOIN (SELECT g, count(*) AS n FROM {E} GROUP BY g) x USING (g)",
    f"SELECT count(*) AS n FROM {E} e JOIN {DIM} d ON e.g < d.g WHERE e.id < 300",
    f"SELECT e.id, (SELECT max(d.class) FROM {DIM} d WHERE d.g = e.g) AS c FROM {E} e WHERE e.id < 200",
    f"SELECT e.id FROM {E} e WHERE e.k > (SELECT avg(k) FROM {E}) AND e.id < 300",
    # set operations, CTEs, windows, whole-query cases
    f"SELECT count(*) AS n FROM (SELECT k FROM {E} UNION SELECT g FROM {E}) x",
    f"SELECT sum(v) AS s FROM (SELECT k AS v FROM {E} UNION ALL SELECT g FROM {C}) x",
    f"SELECT k FROM {E} EXCEPT SELECT g FROM {E}",
    f"SELECT g FROM {E} INTERSECT SELECT k FROM {E}",
    f"WITH t AS (SELECT g, count(*) AS n FROM {E} GROUP BY g) SELECT count(*) AS c, max(n) AS m FROM t WHERE n > 1400",
    f"WITH t AS (SELECT k, sum(m) AS m FROM {E} GROUP BY k) SELECT a.k FROM t a JOIN t b ON a.k = b.k WHERE a.m >= b.m AND a.k < 30",
    f"SELECT id, row_number() OVER (PARTITION BY g ORDER BY id) AS r FROM {E} WHERE id < 1000",
    f"SELECT g, max(run) AS m FROM (SELECT g, sum(k) OVER (PARTITION BY g ORDER BY id) AS run FROM {E}) x GROUP BY g",
    f"SELECT id, g FROM {E} QUALIFY row_number() OVER (PARTITION BY g ORDER BY d DESC, id) = 1",
    f"SELECT DISTINCT ON (g) g, id FROM {E} ORDER BY g, d DESC, id",
    f"PIVOT (SELECT g % 4 AS r, flag, id FROM {E}) ON flag IN (true, false) USING count(id) GROUP BY r",
    "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r WHERE i < 50) SELECT sum(i) AS s FROM r",
    "SELECT * FROM (VALUES (1, 'a'), (2, NULL)) v(x, y)",
    f"SELECT x.g, x.n * 100.0 / t.n AS share FROM (SELECT g, count(*) AS n FROM {E} GROUP BY g) x, (SELECT count(*) AS n FROM {E}) t",
    # CSV and JSON
    f"SELECT k, count(*) AS n, sum(m) AS m FROM {C} GROUP BY k",
    f"SELECT s, count(*) AS n FROM {C} GROUP BY s",
    f"SELECT day, sum(id) AS s FROM {C} WHERE flag GROUP BY day",
    f"SELECT k, count(*) AS n FROM {J} GROUP BY k",
    f"SELECT s, max(id) AS m FROM {J} GROUP BY s",
    f"ORDERED:SELECT id, s, ts FROM {C} ORDER BY ts, id LIMIT 30",
    f"SELECT count(*) AS n, sum(length(s)) AS l FROM {PARTS}",
    f"SELECT g, count(*) AS n FROM {PARTS} WHERE id > 100 GROUP BY g",
    # every type through an exchange: as values, keys and ends of aggregates
    f"ORDERED:SELECT * FROM {T} ORDER BY id",
    f"SELECT t8, min(t16) AS a, max(t32) AS b, sum(t64) AS c, min(u8) AS d, max(u16) AS e, sum(u32) AS f, sum(u64) AS g FROM {T} GROUP BY t8",
    f"SELECT m4, count(*) AS n, sum(m9) AS a, sum(m18) AS b, max(m38) AS c, avg(m9) AS d FROM {T} GROUP BY m4",
    f"SELECT day, count(*) AS n, min(tm) AS a, max(ts) AS b, max(tz) AS c FROM {T} GROUP BY day",
    f"SELECT b, count(*) AS n FROM {T} GROUP BY b",
    f"SELECT u, count(*) AS n FROM {T} WHERE id % 5 = 0 GROUP BY u",
    f"SELECT iv, count(*) AS n, max(iv) AS m FROM {T} GROUP BY iv",
    f"SELECT l, st, count(*) AS n FROM {T} WHERE id < 900 GROUP BY l, st",
    f"SELECT t8, any_value(flag) IS NULL AS a, sum(f) AS b FROM {T} GROUP BY t8",
    f"SELECT tz, d FROM {T} WHERE id % 700 = 0",
    f"SELECT t8::ENUM('0','1','2','3','4','5','6') AS e, count(*) AS n FROM (SELECT t8::VARCHAR AS t8 FROM {T}) x GROUP BY e",
    f"ORDERED:SELECT st.b AS b, max(id) AS m FROM {T} GROUP BY st.b ORDER BY m DESC LIMIT 20",
    f"SELECT -0.0::DOUBLE + (id % 2) * 0.0 AS z, count(*) AS n FROM {T} GROUP BY z",
    f"SELECT CASE WHEN id % 3 = 0 THEN 'nan'::DOUBLE ELSE id % 3 END AS z, count(*) AS n FROM {T} GROUP BY z",
]

ANSWERS = {}


def split(query):
    ordered = query.startswith("ORDERED:")
    return ordered, query[len("ORDERED:"):] if ordered else query


def compare_all(workers):
    wrong = []
    with Cluster(workers=workers) as cluster:
        for query in QUERIES:
            ordered, sql = split(query)
            if sql not in ANSWERS:
                ANSWERS[sql] = oracle(sql)
            wanted_header, wanted = ANSWERS[sql]
            try:
                header, rows = cluster.csv(sql)
                difference = same_rows(rows, wanted, ordered)
                if difference is None and header != wanted_header:
                    difference = f"columns {header} instead of {wanted_header}"
            except AssertionError as error:
                difference = str(error)
            if difference:
                wrong.append(f"{sql}\n       {difference}")
        cluster.wait_no_task_files()
    assert not wrong, f"{len(wrong)} of {len(QUERIES)} queries differ:\n" + "\n".join(wrong)


def test_one_worker():
    compare_all(1)


def test_two_workers():
    compare_all(2)


def test_three_workers():
    compare_all(3)


def test_the_comparison_can_fail():
    assert same_rows([("1", "2.5")], [("1", "2.6")], False)
    assert same_rows([("1",), ("2",)], [("2",), ("1",)], True)
    assert same_rows([("1",), ("2",)], [("2",), ("1",)], False) is None
    assert same_rows([("1",)], [("1",), ("1",)], False)
    assert same_rows([(None,)], [("",)], False)
    assert same_rows([("2.0000000000001",)], [("2.0",)], False) is None


if __name__ == "__main__":
    main(globals())
