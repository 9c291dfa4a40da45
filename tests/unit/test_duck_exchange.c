/* The sink and the source with the real library: what goes through a file comes back the same. */
#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "duck/engine.h"
#include "duck/errors.h"
#include "duck/sink.h"
#include "duck/source.h"
#include "duck/types.h"

#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct ei_duck_engine *engine;
    duckdb_connection c;
    char dir[64];
    struct ei_error e;
};

static const struct ei_attempt_id ID = {7, 2, 3, 1};

static int setup(void **state) {
    struct fixture *f = ei_calloc(1, sizeof *f);
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/eider-exchange-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    assert_int_equal(ei_duck_load(&f->e), 0);
    struct ei_duck_engine_options o = {.memory_limit_bytes = 1u << 30, .temp_directory = f->dir};
    if (ei_duck_engine_open(&o, &f->engine, &f->e) != 0)
        fail_msg("%s", f->e.text);
    assert_int_equal(ei_duck_connect(f->engine, &f->c, &f->e), 0);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    duckdb_disconnect(&f->c);
    ei_duck_engine_close(f->engine);
    assert_int_equal(rmdir(f->dir), 0); /* every test removes its files */
    free(f);
    return 0;
}

static char *path_of(struct fixture *f, const char *name) {
    return ei_asprintf("%s/%s", f->dir, name);
}

static void run(struct fixture *f, const char *sql) {
    if (ei_duck_run(f->c, sql, &f->e) != 0)
        fail_msg("%s: %s", sql, f->e.text);
}

static int64_t number(struct fixture *f, const char *sql) {
    duckdb_result r;
    if (duckdb_query(f->c, sql, &r) == DuckDBError)
        fail_msg("%s: %s", sql, duckdb_result_error(&r));
    duckdb_data_chunk chunk = duckdb_fetch_chunk(r);
    assert_non_null(chunk);
    int64_t v = *(int64_t *)duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
    duckdb_destroy_data_chunk(&chunk);
    duckdb_destroy_result(&r);
    return v;
}

/* Names and types of a SELECT, as the planner would put them into a job. */
struct schema {
    struct ei_duck_column *columns;
    size_t count;
};

static struct schema describe(struct fixture *f, const char *sql) {
    duckdb_prepared_statement s = NULL;
    if (duckdb_prepare(f->c, sql, &s) == DuckDBError)
        fail_msg("%s", duckdb_prepare_error(s));
    struct schema out = {.count = duckdb_prepared_statement_column_count(s)};
    out.columns = ei_calloc(out.count, sizeof *out.columns);
    for (size_t i = 0; i < out.count; i++) {
        struct ei_buf type = {0};
        duckdb_logical_type t = duckdb_prepared_statement_column_logical_type(s, i);
        ei_duck_type_print(t, &type);
        duckdb_destroy_logical_type(&t);
        const char *name = duckdb_prepared_statement_column_name(s, i);
        out.columns[i] = (struct ei_duck_column){ei_strdup(name), ei_buf_steal(&type)};
        duckdb_free((void *)(uintptr_t)name);
    }
    duckdb_destroy_prepare(&s);
    return out;
}

static void schema_release(struct schema *s) {
    for (size_t i = 0; i < s->count; i++) {
        free((void *)(uintptr_t)s->columns[i].name);
        free((void *)(uintptr_t)s->columns[i].type);
    }
    free(s->columns);
}

static struct ei_sink_result write_file(struct fixture *f, const char *sql,
                                        const struct ei_sink_options *o) {
    struct ei_sink_result r;
    if (ei_duck_write_exchange(f->c, sql, o, &r, &f->e) != 0)
        fail_msg("%s: %s", sql, f->e.text);
    return r;
}

static struct ei_duck_source *bind(struct fixture *f, const char *name, const struct schema *s,
                                   const char *path, struct ei_bind_options o) {
    struct ei_exchange_part part = {path, ID};
    struct ei_duck_source *source = NULL;
    if (ei_duck_bind_exchange(f->c, name, s->columns, s->count, &part, 1, &o, &source, NULL,
                              &f->e) != 0)
        fail_msg("%s", f->e.text);
    return source;
}

/* Rows of `sql` and of the view must be the same multiset. */
static void assert_same(struct fixture *f, const char *sql, const char *view) {
    char *q = ei_asprintf("SELECT (SELECT count(*) FROM ((%s) EXCEPT ALL (SELECT * FROM %s))) + "
                          "(SELECT count(*) FROM ((SELECT * FROM %s) EXCEPT ALL (%s)))",
                          sql, view, view, sql);
    int64_t different = number(f, q);
    if (different != 0)
        fail_msg("%" PRId64 " rows differ: %s", different, sql);
    free(q);
}

static void roundtrip(struct fixture *f, const char *sql, uint32_t partitions, bool keep_order,
                      bool materialise) {
    char *path = path_of(f, "a.exf");
    struct schema s = describe(f, sql);
    struct ei_sink_options o = {
        .path = path, .id = ID, .partitions = partitions, .keep_order = keep_order};
    struct ei_sink_result r = write_file(f, sql, &o);
    struct ei_duck_source *source =
        bind(f, "back", &s, path, (struct ei_bind_options){0, partitions, materialise});
    char *count = ei_asprintf("SELECT count(*) FROM (%s)", sql);
    assert_int_equal(number(f, count), r.rows);
    assert_int_equal(number(f, "SELECT count(*) FROM back"), r.rows);
    assert_same(f, sql, "back");
    ei_duck_source_close(source);
    assert_int_equal(unlink(path), 0);
    ei_sink_result_release(&r);
    schema_release(&s);
    free(count);
    free(path);
}

/* Values over n (0...): each expression gives NULLs too. */
static const char *const EXPRESSIONS[] = {
    "CASE WHEN n % 5 = 0 THEN NULL ELSE n % 2 = 0 END",
    "CASE WHEN n % 7 = 0 THEN NULL ELSE (n % 256 - 128)::TINYINT END",
    "(n % 60000 - 30000)::SMALLINT",
    "n::INTEGER",
    "n::BIGINT * 1000000007",
    "(n % 256)::UTINYINT",
    "(n % 65536)::USMALLINT",
    "n::UINTEGER",
    "n::UBIGINT * 1000000007",
    "n::HUGEINT * 170141183460469231731687303::HUGEINT * (CASE WHEN n % 2 = 0 THEN 1 ELSE -1 END)",
    "n::UHUGEINT * 170141183460469231731687303::UHUGEINT",
    "CASE n % 4 WHEN 0 THEN 'nan'::FLOAT WHEN 1 THEN '-inf'::FLOAT ELSE n / 7 END::FLOAT",
    "CASE n % 5 WHEN 0 THEN 'nan'::DOUBLE WHEN 1 THEN NULL ELSE n / 7 END::DOUBLE",
    "(n % 1000 / 10)::DECIMAL(4,1)",
    "(n / 100)::DECIMAL(9,2)",
    "CASE WHEN n % 3 = 0 THEN NULL ELSE (n / 100)::DECIMAL(18,4) END",
    "(n::HUGEINT * 12345678901234567)::DECIMAL(38,5)",
    "DATE '2000-01-01' + n::INTEGER",
    "CASE WHEN n % 9 = 0 THEN NULL ELSE TIME '00:00:00' + to_seconds(n) END",
    "TIMESTAMP '2020-01-01' + to_microseconds(n)",
    "(TIMESTAMP '2020-01-01' + to_seconds(n))::TIMESTAMP_S",
    "(TIMESTAMP '2020-01-01' + to_milliseconds(n))::TIMESTAMP_MS",
    "make_timestamp_ns(n * 1000003)",
    "TIMESTAMPTZ '2020-01-01 00:00:00+00' + to_seconds(n)",
    "('12:34:56+0' || (n % 10))::TIMETZ",
    "to_months(n::INTEGER) + to_days((n % 40)::INTEGER) + to_microseconds(n)",
    "md5(n::VARCHAR)::UUID",
    "CASE n % 4 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN 'short' || n ELSE repeat('lång ', (n % "
    "50 + 3)::INTEGER) || n END",
    "CASE WHEN n % 3 = 0 THEN NULL ELSE encode('blob ' || n || chr(1)) END",
    "bitstring(bin(n), 70)",
    "(n::VARCHAR || '123456789012345678901234567890')::BIGNUM",
    "CASE n % 4 WHEN 0 THEN NULL WHEN 1 THEN 'a' WHEN 2 THEN 'b' ELSE 'ö' END::ENUM('a', 'b', 'ö')",
    "('v' || (n % 300))::e300",
    "CASE n % 4 WHEN 0 THEN NULL WHEN 1 THEN [] ELSE [n, NULL, n + 1] END",
    "CASE n % 3 WHEN 0 THEN NULL WHEN 1 THEN [[], NULL, ['x', NULL, 'a longer string ' || n]] ELSE "
    "[] END",
    "CASE WHEN n % 4 = 0 THEN NULL ELSE {'a': CASE WHEN n % 3 = 0 THEN NULL ELSE n END, 'b c': "
    "'text ' || n, 'd': {'x': [n], 'y': NULL::DATE}} END",
    "{'constant': 42, 'n': n, 'text': 'always the same text'}",
    "[{'k': n, 'v': 'constant'}, NULL, {'k': NULL, 'v': 'longer than twelve ' || n}]",
    "CASE n % 3 WHEN 0 THEN NULL WHEN 1 THEN MAP {} ELSE MAP {'k' || n: n, 'other': NULL} END",
    "MAP {n: ['one', NULL], n + 1: []}",
    "(CASE WHEN n % 4 = 0 THEN NULL ELSE [n, NULL, n * 2] END)::BIGINT[3]",
    "array_value(array_value('a' || n, NULL), array_value('something long enough', ''))",
    "CASE n % 3 WHEN 0 THEN NULL WHEN 1 THEN n::INTEGER::UNION(num INTEGER, str VARCHAR) "
    "ELSE ('str ' || n)::UNION(num INTEGER, str VARCHAR) END",
    "('{\"a\": ' || n || '}')::JSON",
    "[n::BIGINT::UNION(a BIGINT, b VARCHAR[]), NULL]",
    "array_value({'a': n}, NULL)",
    "list_transform(range(n % 20), lambda x: {'x': x, 's': 'item ' || x})",
};

static const char *const SIZES[] = {"0", "1", "63", "3000", "9000"};

static void test_all_types_one_by_one(void **state) {
    struct fixture *f = *state;
    run(f, "SET TimeZone = 'UTC'");
    run(f, "CREATE TYPE e300 AS ENUM (SELECT 'v' || n FROM range(300) t(n) ORDER BY n)");
    for (size_t i = 0; i < EI_ARRAY_LEN(EXPRESSIONS); i++) {
        for (size_t k = 0; k < EI_ARRAY_LEN(SIZES); k++) {
            char *sql =
                ei_asprintf("SELECT n, %s AS x FROM range(%s) t(n)", EXPRESSIONS[i], SIZES[k]);
            roundtrip(f, sql, 1, k % 2 == 0, false);
            if (k >= 3)
                roundtrip(f, sql, 5, false, k == 3);
            free(sql);
        }
    }
}

static char *all_types(const char *rows) {
    struct ei_buf sql = {0};
    ei_buf_puts(&sql, "SELECT n");
    for (size_t i = 0; i < EI_ARRAY_LEN(EXPRESSIONS); i++)
        ei_buf_printf(&sql, ",\n %s AS x%zu", EXPRESSIONS[i], i);
    ei_buf_printf(&sql, " FROM range(%s) t(n)", rows);
    return ei_buf_steal(&sql);
}

static void test_all_types_together(void **state) {
    struct fixture *f = *state;
    run(f, "SET TimeZone = 'UTC'");
    run(f, "CREATE TYPE e300 AS ENUM (SELECT 'v' || n FROM range(300) t(n) ORDER BY n)");
    char *sql = all_types("5000");
    roundtrip(f, sql, 7, false, false);
    roundtrip(f, sql, 1, true, false);
    free(sql);
}

static void test_constants_nulls_and_duplicate_names(void **state) {
    struct fixture *f = *state;
    roundtrip(f,
              "SELECT 1 AS a, 1 AS a, 'a longer constant text' AS b, [1, 2] AS l FROM range(5000)",
              3, false, false);
    roundtrip(f, "SELECT NULL AS a, [] AS b, [NULL] AS c, {'x': NULL} AS d FROM range(3000)", 1,
              false, false);
    roundtrip(f, "SELECT NULL AS a, [] AS b, [NULL] AS c, {'x': NULL} AS d FROM range(3000)", 1,
              true, false);
    roundtrip(f, "SELECT 42 -- comment ;\n", 1, false, false);
    roundtrip(f, "SELECT row(n, 'x' || n) AS unnamed FROM range(100) t(n)", 2, false, false);
    for (uint32_t ordered = 0; ordered < 2; ordered++) {
        char *path = path_of(f, "semicolon.exf");
        struct ei_sink_options o = {.path = path, .id = ID, .keep_order = ordered};
        struct ei_sink_result r = write_file(f, "SELECT 42 AS x;  ", &o);
        assert_int_equal(r.rows, 1);
        ei_sink_result_release(&r);
        unlink(path);
        free(path);
    }
    roundtrip(f, "SELECT * FROM (VALUES (1, 'a'), (2, NULL)) t(x, \"y \"\" z\")", 2, false, true);
}

static void test_partitions_are_disjoint(void **state) {
    struct fixture *f = *state;
    const char *sql = "SELECT n % 1000 AS k, 'key ' || (n % 1000) AS s, n FROM range(100000) t(n)";
    struct schema s = describe(f, sql);
    char *path = path_of(f, "p.exf");
    uint32_t keys[] = {1, 0};
    struct ei_sink_options o = {
        .path = path, .id = ID, .partitions = 7, .key_columns = keys, .key_count = 2};
    struct ei_sink_result r = write_file(f, sql, &o);
    struct ei_duck_source *sources[7];
    struct ei_buf all = {0};
    uint64_t rows = 0;
    for (uint32_t p = 0; p < 7; p++) {
        char name[8];
        (void)snprintf(name, sizeof name, "p%u", p);
        sources[p] = bind(f, name, &s, path, (struct ei_bind_options){p, 1, false});
        assert_int_equal(ei_duck_source_rows(sources[p]), r.partition_rows[p]);
        assert_in_range(r.partition_rows[p], 9000, 20000); /* even enough for 1000 keys */
        rows += r.partition_rows[p];
        ei_buf_printf(&all, "%sSELECT DISTINCT k, s FROM %s", p > 0 ? " UNION ALL " : "", name);
    }
    assert_int_equal(rows, 100000);
    char *q = ei_asprintf("SELECT count(*) FROM (%s)", all.data);
    assert_int_equal(number(f, q), 1000); /* each key in one partition */
    uint64_t read = 0, bytes = 0;
    ei_duck_source_progress(sources[0], &read, &bytes);
    assert_int_equal(read, r.partition_rows[0]);
    assert_int_equal(bytes, r.partition_bytes[0]);
    for (uint32_t p = 0; p < 7; p++)
        ei_duck_source_close(sources[p]);
    struct ei_duck_source *whole =
        bind(f, "whole", &s, path, (struct ei_bind_options){0, 7, false});
    assert_same(f, sql, "whole");
    ei_duck_source_close(whole);
    free(q);
    ei_buf_release(&all);
    unlink(path);
    free(path);
    ei_sink_result_release(&r);
    schema_release(&s);
}

/* Little memory and many partitions: the largest builders are written early. */
static void test_memory_is_bounded(void **state) {
    struct fixture *f = *state;
    const char *sql = "SELECT n, repeat('x', 100) || n AS s FROM range(50000) t(n)";
    struct schema s = describe(f, sql);
    char *path = path_of(f, "m.exf");
    struct ei_sink_options o = {
        .path = path, .id = ID, .partitions = 500, .memory_bytes = 1u << 20};
    struct ei_sink_result r = write_file(f, sql, &o);
    assert_int_equal(r.rows, 50000);
    struct ei_duck_source *source = bind(f, "m", &s, path, (struct ei_bind_options){0, 500, false});
    assert_same(f, sql, "m");
    ei_duck_source_close(source);
    unlink(path);
    free(path);
    ei_sink_result_release(&r);
    schema_release(&s);
}

static void test_huge_strings(void **state) {
    struct fixture *f = *state;
    roundtrip(f, "SELECT n, repeat('0123456789', 3000000) || n AS s FROM range(5) t(n)", 2, false,
              false);
    roundtrip(f,
              "SELECT n, list_transform(range(3), lambda x: repeat('z', 20000000) || x) AS s "
              "FROM range(3) t(n)",
              1, true, false);
    roundtrip(f, "SELECT n, range(200000) AS l FROM range(300) t(n) WHERE n % 100 = 0", 1, false,
              false);
}

static void check_order(struct fixture *f, const char *sql, int64_t rows) {
    struct schema s = describe(f, sql);
    char *path = path_of(f, "o.exf");
    struct ei_sink_options o = {.path = path, .id = ID, .partitions = 1, .keep_order = true};
    struct ei_sink_result r = write_file(f, sql, &o);
    assert_int_equal(r.rows, rows);
    struct ei_duck_source *source = bind(f, "o", &s, path, (struct ei_bind_options){0, 1, false});
    run(f, "CREATE TEMP TABLE numbered AS SELECT row_number() OVER () AS r, k FROM o");
    assert_int_equal(number(f, "SELECT count(*) FROM (SELECT k, lag(k) OVER (ORDER BY r) AS before "
                               "FROM numbered) WHERE k > before"),
                     0);
    run(f, "DROP TABLE numbered");
    ei_duck_source_close(source);
    unlink(path);
    free(path);
    ei_sink_result_release(&r);
    schema_release(&s);
}

static void test_order_is_kept(void **state) {
    struct fixture *f = *state;
    check_order(f, "SELECT hash(n) AS k FROM range(100000) t(n) ORDER BY k DESC", 100000);
    check_order(f, "SELECT n % 77 AS k, n FROM range(100000) t(n) ORDER BY 1 DESC, n LIMIT 60000",
                60000);
}

static void test_other_attempt_is_refused(void **state) {
    struct fixture *f = *state;
    struct schema s = describe(f, "SELECT 1 AS a");
    char *path = path_of(f, "x.exf");
    struct ei_sink_options o = {.path = path, .id = ID};
    struct ei_sink_result r = write_file(f, "SELECT 1 AS a", &o);
    struct ei_exchange_part parts[2] = {{path, ID}, {path, {7, 2, 3, 2}}};
    struct ei_duck_source *source = NULL;
    struct ei_bind_options b = {0, 1, false};
    size_t bad = 0;
    assert_int_equal(
        ei_duck_bind_exchange(f->c, "x", s.columns, s.count, parts, 2, &b, &source, &bad, &f->e),
        -1);
    assert_int_equal(f->e.code, EI_CORRUPT);
    assert_int_equal(bad, 1);
    assert_non_null(strstr(f->e.text, "not by attempt 2 of task 3"));
    struct ei_exchange_part gone = {"/nowhere/x.exf", ID};
    assert_int_equal(
        ei_duck_bind_exchange(f->c, "x", s.columns, s.count, &gone, 1, &b, &source, &bad, &f->e),
        -1);
    assert_int_equal(f->e.code, EI_INPUT_LOST);
    assert_int_equal(bad, 0);
    struct ei_duck_column other = {"a", "VARCHAR"};
    assert_int_equal(
        ei_duck_bind_exchange(f->c, "x", &other, 1, parts, 1, &b, &source, &bad, &f->e), -1);
    assert_int_equal(f->e.code, EI_CORRUPT);
    struct ei_duck_column injected = {"a", "INTEGER), (1"};
    assert_int_equal(
        ei_duck_bind_exchange(f->c, "x", &injected, 1, parts, 1, &b, &source, &bad, &f->e), -1);
    assert_int_equal(bad, EI_NO_PART);
    assert_null(source);
    unlink(path);
    free(path);
    ei_sink_result_release(&r);
    schema_release(&s);
}

/* A flipped bit in the second of three files: found when it is read, and that file is named. */
static void test_damaged_block_is_named(void **state) {
    struct fixture *f = *state;
    const char *sql = "SELECT n, 'text number ' || n AS s FROM range(10000) t(n)";
    struct schema s = describe(f, sql);
    struct ei_exchange_part parts[3];
    for (int i = 0; i < 3; i++) {
        char name[8];
        (void)snprintf(name, sizeof name, "%d.exf", i);
        parts[i] = (struct ei_exchange_part){path_of(f, name), ID};
        struct ei_sink_options o = {.path = parts[i].path, .id = ID};
        struct ei_sink_result r = write_file(f, sql, &o);
        ei_sink_result_release(&r);
    }
    int fd = open(parts[1].path, O_RDWR);
    char byte = 0;
    assert_int_equal(pread(fd, &byte, 1, 100000), 1);
    byte ^= 4;
    assert_int_equal(pwrite(fd, &byte, 1, 100000), 1);
    close(fd);
    struct ei_bind_options b = {0, 1, false};
    struct ei_duck_source *source = NULL;
    size_t bad = EI_NO_PART;
    assert_int_equal(
        ei_duck_bind_exchange(f->c, "x", s.columns, s.count, parts, 3, &b, &source, &bad, &f->e),
        0);
    assert_int_equal(ei_duck_source_error(source, &bad, &f->e), 0);
    assert_int_equal(ei_duck_run(f->c, "SELECT sum(n), max(s) FROM x", &f->e), -1);
    assert_int_equal(ei_duck_source_error(source, &bad, &f->e), -1);
    assert_int_equal(f->e.code, EI_CORRUPT);
    assert_int_equal(bad, 1);
    assert_non_null(strstr(f->e.text, "1.exf"));
    ei_duck_source_close(source);
    assert_int_equal(truncate(parts[2].path, 50000), 0);
    assert_int_equal(
        ei_duck_bind_exchange(f->c, "x", s.columns, s.count, parts, 3, &b, &source, &bad, &f->e),
        -1);
    assert_int_equal(bad, 2);
    assert_int_equal(f->e.code, EI_CORRUPT);
    for (int i = 0; i < 3; i++) {
        unlink(parts[i].path);
        free((void *)(uintptr_t)parts[i].path);
    }
    schema_release(&s);
}

static void expect_failure(struct fixture *f, const char *sql, bool keep_order, enum ei_code code,
                           const char *words) {
    char *path = path_of(f, "fails.exf");
    struct ei_sink_options o = {
        .path = path, .id = ID, .partitions = keep_order ? 1 : 3, .keep_order = keep_order};
    struct ei_sink_result r;
    f->e = (struct ei_error){0};
    assert_int_equal(ei_duck_write_exchange(f->c, sql, &o, &r, &f->e), -1);
    if (f->e.code != code || strstr(f->e.text, words) == NULL)
        fail_msg("%s: wanted %s '%s', got %s '%s'", sql, ei_code_name(code), words,
                 ei_code_name(f->e.code), f->e.text);
    assert_null(strstr(f->e.text, "eider_sink"));
    assert_int_equal(access(path, F_OK), -1); /* nothing is left behind */
    free(path);
}

static void test_failing_queries(void **state) {
    struct fixture *f = *state;
    for (int ordered = 0; ordered < 2; ordered++) {
        expect_failure(f, "SELECT nope FROM range(3) t(n)", ordered, EI_INVALID,
                       "Referenced column \"nope\"");
        expect_failure(f, "SELEC 1", ordered, EI_INVALID, "syntax error");
        expect_failure(f, "SELECT ('x' || n)::INTEGER FROM range(3) t(n)", ordered, EI_INVALID,
                       "Could not convert string 'x0'");
        expect_failure(f,
                       "SELECT CASE WHEN n = 90000 THEN error('stop here') ELSE n::VARCHAR END "
                       "FROM range(100000) t(n)",
                       ordered, EI_INVALID, "stop here");
        expect_failure(f, "SELECT * FROM read_parquet('/nowhere/*.parquet')", ordered,
                       EI_INPUT_MISSING, "/nowhere");
        expect_failure(f, "SELECT 1; SELECT 2", ordered, EI_INVALID, "multiple");
    }
    expect_failure(f, "SELECT 1) UNION ALL (SELECT 2", false, EI_INVALID, "syntax error");
    assert_int_equal(ei_duck_run(f->c, "SELECT eider_sink(5::UBIGINT, 5::UBIGINT, 'x')", &f->e),
                     -1);
    assert_int_equal(ei_duck_run(f->c, "SELECT * FROM eider_exchange(5::UBIGINT)", &f->e), -1);
    expect_failure(f,
                   "SELECT eider_sink(regexp_extract(current_query(), '[0-9]{6,}')::UBIGINT, "
                   "1::UBIGINT, 'x', 'y') AS x "
                   "FROM range(10)",
                   false, EI_INTERNAL, "other column types");
}

/* A full disk, played by a limit on the file's size. */
static void test_full_disk(void **state) {
    struct fixture *f = *state;
    struct rlimit old, small = {1u << 20, 1u << 20};
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    expect_failure(f, "SELECT n, hash(n) FROM range(1000000) t(n)", false, EI_IO,
                   "cannot write exchange data");
    expect_failure(f, "SELECT n, hash(n) FROM range(1000000) t(n)", true, EI_IO,
                   "cannot write exchange data");
    setrlimit(RLIMIT_FSIZE, &old);
    if (access("/dev/full", W_OK) == 0) {
        struct ei_sink_options o = {.path = "/dev/full", .id = ID};
        struct ei_sink_result r;
        assert_int_equal(ei_duck_write_exchange(f->c, "SELECT 1", &o, &r, &f->e), -1);
        assert_int_equal(f->e.code, EI_EXISTS); /* never over something that is there */
    }
}

static void test_out_of_memory(void **state) {
    struct fixture *f = *state;
    run(f, "SET memory_limit = '30MB'");
    run(f, "SET temp_directory = ''");
    expect_failure(f, "SELECT list(hash(n)) FROM range(20000000) t(n)", false, EI_OUT_OF_MEMORY,
                   "Out of Memory");
}

static void test_empty_inputs(void **state) {
    struct fixture *f = *state;
    struct schema s = describe(f, "SELECT 1 AS a");
    struct ei_duck_source *source = NULL;
    struct ei_bind_options b = {0, 1, false};
    assert_int_equal(
        ei_duck_bind_exchange(f->c, "none", s.columns, s.count, NULL, 0, &b, &source, NULL, &f->e),
        0);
    assert_int_equal(number(f, "SELECT count(*) FROM none"), 0);
    ei_duck_source_close(source);
    schema_release(&s);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_all_types_one_by_one),
        T(test_all_types_together),
        T(test_constants_nulls_and_duplicate_names),
        T(test_partitions_are_disjoint),
        T(test_memory_is_bounded),
        T(test_huge_strings),
        T(test_order_is_kept),
        T(test_other_attempt_is_refused),
        T(test_damaged_block_is_named),
        T(test_failing_queries),
        T(test_full_disk),
        T(test_out_of_memory),
        T(test_empty_inputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
