/* Every way to divide a file must give exactly the rows of one DuckDB that reads it whole. */
#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "duck/engine.h"
#include "duck/errors.h"
#include "duck/table_facts.h"
#include "duck/table_input.h"
#include "os/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct ei_duck_engine *engine;
static duckdb_connection c;
static char directory[] = "/tmp/eider-test-facts-XXXXXX";

static int setup(void **state) {
    (void)state;
    static const ei_duck_register_fn REGISTRATIONS[] = {ei_duck_register_sources};
    struct ei_duck_engine_options o = {.registrations = REGISTRATIONS, .registration_count = 1};
    struct ei_error e;
    if (ei_duck_load(&e) != 0 || ei_duck_engine_open(&o, &engine, &e) != 0 ||
        ei_duck_connect(engine, &c, &e) != 0) {
        print_error("%s\n", e.text);
        return -1;
    }
    return mkdtemp(directory) == NULL ? -1 : 0;
}

static int teardown(void **state) {
    (void)state;
    struct ei_error e;
    duckdb_disconnect(&c);
    ei_duck_engine_close(engine);
    return ei_remove_tree(directory, &e);
}

static void run(const char *sql) {
    struct ei_error e;
    if (ei_duck_run(c, sql, &e) != 0)
        fail_msg("%s: %s", sql, e.text);
}

static uint64_t number(const char *sql) {
    duckdb_result r;
    if (duckdb_query(c, sql, &r) != DuckDBSuccess)
        fail_msg("%s: %s", sql, duckdb_result_error(&r));
    char *text = duckdb_value_varchar(&r, 0, 0);
    uint64_t n = text != NULL ? strtoull(text, NULL, 10) : 0;
    duckdb_free(text);
    duckdb_destroy_result(&r);
    return n;
}

static void write_file(const char *name, const void *data, size_t len) {
    char *path = ei_path_join(directory, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    free(path);
}

static void write_text(const char *name, const char *text) {
    write_file(name, text, strlen(text));
}

/* ---- one FROM item ---- */

struct from {
    const char *function; /* "" = FROM 'path' */
    const char *path;     /* its text: 'x.csv' */
    const char *option, *value;
    const char *more_option, *more_value;
};

static const struct ei_table_limits TINY = {1, 1, 1, 1};

static int load(const struct from *f, uint32_t want, uint64_t size, struct ei_table_facts **out,
                struct ei_error *e) {
    struct ei_table_argument arguments[3] = {
        {NULL, f->path}, {f->option, f->value}, {f->more_option, f->more_value}};
    size_t count = 1 + (f->option != NULL) + (f->more_option != NULL);
    struct ei_table_call call = {f->function, arguments, count, directory};
    struct ei_table_limits limits = {size, size, size, size};
    return ei_table_facts_load_limited(c, &call, want, size > 0 ? &limits : &TINY, out, e);
}

static struct ei_table_facts *must_load(const struct from *f, uint32_t want, uint64_t size) {
    struct ei_table_facts *facts = NULL;
    struct ei_error e;
    if (load(f, want, size, &facts, &e) != 0)
        fail_msg("%s: %s", f->path, e.text);
    facts->input->name = ei_strdup("part");
    return facts;
}

/* Appends the rows of a split to table `parts`. */
static int append(const struct ei_table_facts *facts, const Eider__V1__Split *split,
                  struct ei_error *e) {
    struct ei_duck_table *t;
    if (ei_duck_bind_table(c, facts->input, split, NULL, &t, e) != 0)
        return -1;
    int rc = ei_duck_run(c, "INSERT INTO parts SELECT * FROM part", e);
    if (rc != 0)
        ei_duck_table_explain(t, e);
    ei_duck_table_close(c, t);
    return rc;
}

static int read_parts(const struct ei_table_facts *facts, bool whole, struct ei_error *e) {
    struct ei_buf sql = {0};
    ei_buf_puts(&sql, "CREATE OR REPLACE TABLE parts (");
    for (size_t i = 0; i < facts->input->n_columns; i++) {
        ei_buf_puts(&sql, i > 0 ? ", " : "");
        ei_buf_sql_ident(&sql, facts->input->columns[i]->name);
        ei_buf_printf(&sql, " %s", facts->input->columns[i]->type);
    }
    ei_buf_putc(&sql, ')');
    run(sql.data);
    ei_buf_release(&sql);
    if (whole || facts->split_count == 0)
        return append(facts, facts->whole, e);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < facts->split_count; i++)
        rc = append(facts, facts->splits[i], e);
    return rc;
}

/* What DuckDB reads; its text of the same FROM item with absolute paths. */
static int read_oracle(const struct from *f, struct ei_error *e) {
    struct ei_buf sql = {0};
    ei_buf_printf(&sql, "CREATE OR REPLACE TABLE oracle AS SELECT * FROM %s('%s/%s",
                  f->function[0] != '\0' ? f->function : "read_csv", directory, f->path + 1);
    if (f->option != NULL)
        ei_buf_printf(&sql, ", %s=%s", f->option, f->value);
    if (f->more_option != NULL)
        ei_buf_printf(&sql, ", %s=%s", f->more_option, f->more_value);
    ei_buf_putc(&sql, ')');
    int rc = ei_duck_run(c, sql.data, e);
    ei_buf_release(&sql);
    return rc;
}

static void assert_same_rows(const char *what, uint64_t size) {
    uint64_t differ = number("SELECT count(*) FROM (FROM oracle EXCEPT ALL FROM parts)") +
                      number("SELECT count(*) FROM (FROM parts EXCEPT ALL FROM oracle)");
    uint64_t types = number("SELECT count(*) FROM (SELECT column_name, data_type FROM "
                            "duckdb_columns() WHERE table_name='oracle' EXCEPT SELECT column_name, "
                            "data_type FROM duckdb_columns() WHERE table_name='parts')");
    if (differ != 0 || types != 0)
        fail_msg("%s in parts of %llu: %llu rows and %llu types differ", what,
                 (unsigned long long)size, (unsigned long long)differ, (unsigned long long)types);
}

/* Cuts in parts of several sizes; all must agree with DuckDB, or fail where it fails. Returns the
 * largest number of splits. */
static size_t check(const struct from *f) {
    static const uint64_t SIZES[] = {0, 25, 1u << 20};
    struct ei_error wanted, e;
    bool fails = read_oracle(f, &wanted) != 0;
    size_t most = 0;
    for (size_t i = 0; i < EI_ARRAY_LEN(SIZES); i++) {
        struct ei_table_facts *facts = NULL;
        int rc = load(f, 3, SIZES[i], &facts, &e);
        if (rc != 0) {
            if (!fails)
                fail_msg("%s: %s", f->path, e.text);
            return 0;
        }
        most = EI_MAX(most, facts->split_count);
        assert_true((facts->split_count == 0) == (facts->whole_reason != NULL));
        facts->input->name = ei_strdup("part");
        for (int whole = 0; whole < (i == 0 ? 2 : 1); whole++) {
            rc = read_parts(facts, whole == 1, &e);
            if (rc != 0 && !fails)
                fail_msg("%s in parts of %llu: %s", f->path, (unsigned long long)SIZES[i], e.text);
            if (rc == 0 && fails)
                fail_msg("%s in parts of %llu gives rows, but DuckDB says: %s", f->path,
                         (unsigned long long)SIZES[i], wanted.text);
            if (rc == 0)
                assert_same_rows(f->path, SIZES[i]);
        }
        ei_table_facts_destroy(facts);
    }
    return most;
}

static size_t check_csv(const char *text) {
    write_text("x.csv", text);
    return check(&(struct from){"read_csv", "'x.csv'", NULL, NULL, NULL, NULL});
}

/* ---- CSV ---- */

static void test_csv_plain(void **state) {
    (void)state;
    assert_in_range(check_csv("a,b\n1,x\n2,y\n3,z\n4,w\n"), 3, 9);
    assert_in_range(check_csv("a,b\r\n1,x\r\n2,y\r\n3,z\r\n4,w"), 3, 9);
    assert_in_range(check_csv("a,b\n1,\"x\ny\"\n2,\"\n\n\"\n3,\"q\"\"q\n\"\n4,\"\"\n"), 3, 9);
    assert_in_range(check_csv("\"a\",\"b\"\n\"1\",\"x\"\n\"2\",\"y\"\n\"3\",\"z\"\n"), 2, 9);
    assert_in_range(check_csv("\xEF\xBB\xBF"
                              "a,b\n1,x\n2,y\n3,z\n"),
                    2, 9);
    assert_in_range(check_csv("name|stadt\nJos\xC3\xA9|K\xC3\xB6ln\n\xE6\x9D\x8E|Zug\nx|y\n"), 2,
                    9);
    assert_in_range(
        check_csv("d,t\n2024-01-02,2024-01-02 03:04:05\n2024-02-03,2024-01-02 03:04:06\n"
                  "2024-03-04,2023-01-02 03:04:05\n"),
        2, 9);
    assert_in_range(check_csv("d;n\n31.12.2024;1,5\n01.02.2024;2,5\n03.04.2023;7,25\n"), 2, 9);
    assert_in_range(check_csv("a\tb\n1\tx\n2\ty\n3\tz\n"), 2, 9);
}

static void test_csv_odd(void **state) {
    (void)state;
    (void)check_csv("");
    (void)check_csv("\n");
    (void)check_csv("a,b\n");
    (void)check_csv("a,b");
    (void)check_csv("1,2,3");
    (void)check_csv("a\n1\n\n3\n\n4\n\n\n");
    (void)check_csv("a,b\n1,2\n\n3,4\n\n\n5,6\n");
    (void)check_csv("a,b\n1,2\n3\n4,5,6\n7,8\n");
    (void)check_csv("a,b\n1,2\n3,4\n4,5,6\n7,8\n");
    (void)check_csv("a,b\n1,x\"y\n2,z\n3,\"q\n4,w\n");
    (void)check_csv("a, \"b\"\n1, \"x\ny\"\n2, \"z\"\n");
    (void)check_csv("a,b\n1,'x\ny'\n2,'z'\n");
    (void)check_csv("a,b\r1,x\r2,y\r3,z\r");
    (void)check_csv("a,b\n1,x\r\n2,y\n3,z\r\n4,w\n");
    (void)check_csv("# note\na,b\n1,2\n3,4\n");
    (void)check_csv("a,b\n1,\"x\\\"\n2,\"y\"\n3,\"z\\\"\n");
    (void)check_csv("a,b\n,\n,\n1,\n,x\n");
    (void)check_csv("1.5,2024-01-01,true\n2.5,2024-01-02,false\n");
    (void)check_csv("a'b,\"c d\",header=true\n1,2,3\n4,5,6\n");
    (void)check_csv("a,a,A\n1,2,3\n4,5,6\n");
}

static void test_csv_options(void **state) {
    (void)state;
    static const struct from CALLS[] = {
        {"read_csv", "'x.csv'", "header", "false", NULL, NULL},
        {"read_csv", "'x.csv'", "header", "true", "all_varchar", "true"},
        {"read_csv", "'x.csv'", "types", "{'a': 'VARCHAR'}", NULL, NULL},
        {"read_csv", "'x.csv'", "names", "['p', 'q']", NULL, NULL},
        {"read_csv", "'x.csv'", "nullstr", "'x'", "delim", "','"},
        {"read_csv", "'x.csv'", "nullstr", "['x', 'y']", "normalize_names", "true"},
        {"read_csv", "'x.csv'", "ignore_errors", "true", NULL, NULL},
        {"read_csv", "'x.csv'", "skip", "2", NULL, NULL},
        {"read_csv", "'x.csv'", "filename", "true", NULL, NULL},
        {"read_csv", "'x.csv'", "null_padding", "true", NULL, NULL},
        {"read_csv", "'x.csv'", "quote", "''", NULL, NULL},
        {"read_csv", "'x.csv'", "delim", "'|'", NULL, NULL},
        {"read_csv", "'x.csv'", "delim", "', '", NULL, NULL},
        {"read_csv", "'x.csv'", "sample_size", "2", NULL, NULL},
        {"read_csv", "'x.csv'", "comment", "'#'", NULL, NULL},
        {"read_csv", "'x.csv'", "columns", "{'a': 'INTEGER', 'b': 'VARCHAR'}", NULL, NULL},
        {"read_csv", "'x.csv'", "columns", "{'a': 'INTEGER', 'b': 'VARCHAR'}", "auto_detect",
         "false"},
        {"read_csv", "'x.csv'", "force_not_null", "['b']", NULL, NULL},
        {"read_csv", "'x.csv'", "dateformat", "'%d.%m.%Y'", NULL, NULL},
        {"read_csv_auto", "'x.csv'", "new_line", "'\\n'", NULL, NULL},
        {"read_csv", "'x.csv'", "nonsense", "1", NULL, NULL},
    };
    static const char *const TEXTS[] = {"a,b\n1,x\n2,y\n3,\n4,w\n5,v\n",
                                        "a,b\n1,\"x\ny\"\n2,#y\n#3,\n4,w\n5,v\n",
                                        "a,b\n01.02.2024,x\n02.02.2024,y\n03.03.2024,\"\"\n"};
    for (size_t i = 0; i < EI_ARRAY_LEN(TEXTS); i++) {
        write_text("x.csv", TEXTS[i]);
        for (size_t k = 0; k < EI_ARRAY_LEN(CALLS); k++)
            (void)check(&CALLS[k]);
    }
}

static void put_field(struct ei_buf *b, struct ei_rng *rng, uint64_t kind, const char *newline) {
    static const char *const WORDS[] = {"x", "hello", "a b", "\xC3\xA9t\xC3\xA9", "0x1", "N/A"};
    uint64_t r = ei_rng_next(rng);
    if (r % 17 == 0)
        return;
    switch (kind) {
    case 0:
        ei_buf_printf(b, "%lld", (long long)(r >> 44) - 500000);
        return;
    case 1:
        ei_buf_printf(b, "%u.%02u", (unsigned)(r >> 50), (unsigned)(r >> 8) % 100);
        return;
    case 2:
        ei_buf_printf(b, "20%02u-%02u-%02u", (unsigned)(r >> 8) % 30, (unsigned)(r >> 16) % 12 + 1,
                      (unsigned)(r >> 24) % 28 + 1);
        return;
    case 3:
        ei_buf_puts(b, WORDS[(r >> 8) % EI_ARRAY_LEN(WORDS)]);
        return;
    default:
        ei_buf_putc(b, '"');
        for (size_t n = (r >> 8) % 4; n > 0; n--) {
            uint64_t piece = ei_rng_below(rng, 6);
            ei_buf_puts(b, piece == 0 ? newline : piece == 1 ? "\"\"" : piece == 2 ? "," : "word");
        }
        ei_buf_putc(b, '"');
        return;
    }
}

static void random_csv(struct ei_buf *b, struct ei_rng *rng) {
    const char *newline = ei_rng_below(rng, 3) == 0 ? "\r\n" : "\n";
    size_t columns = 1 + ei_rng_below(rng, 4), rows = ei_rng_below(rng, 40);
    uint64_t kinds[4];
    bool blank = ei_rng_below(rng, 4) == 0, ragged = ei_rng_below(rng, 8) == 0;
    for (size_t i = 0; i < columns; i++)
        kinds[i] = ei_rng_below(rng, 6);
    if (ei_rng_below(rng, 3) > 0) {
        for (size_t i = 0; i < columns; i++)
            ei_buf_printf(b, "%sc%zu", i > 0 ? "," : "", i);
        ei_buf_puts(b, newline);
    }
    for (size_t row = 0; row < rows; row++) {
        size_t n = ragged && ei_rng_below(rng, 20) == 0 ? 1 + ei_rng_below(rng, 5) : columns;
        for (size_t i = 0; i < n; i++) {
            ei_buf_puts(b, i > 0 ? "," : "");
            put_field(b, rng, kinds[i % columns], newline);
        }
        if (row + 1 < rows || ei_rng_below(rng, 2) == 0)
            ei_buf_puts(b, newline);
        if (blank && ei_rng_below(rng, 6) == 0)
            ei_buf_puts(b, newline);
    }
}

static void test_csv_random(void **state) {
    (void)state;
    size_t divided = 0;
    const char *rounds = getenv("EIDER_TEST_ROUNDS");
    int n = rounds != NULL ? (int)strtol(rounds, NULL, 10) : 25;
    for (int round = 0; round < n; round++) {
        struct ei_buf b = {0};
        struct ei_rng rng = {(uint64_t)round};
        random_csv(&b, &rng);
        ei_buf_putc(&b, '\0');
        char name[32];
        (void)snprintf(name, sizeof name, "'seed-%d.csv'", round);
        name[strlen(name) - 1] = '\0';
        write_file(name + 1, b.data, b.len - 1);
        name[strlen(name)] = '\'';
        divided += check(&(struct from){"read_csv", name, NULL, NULL, NULL, NULL}) > 1;
        ei_buf_release(&b);
    }
    assert_true(divided * 3 > (size_t)n); /* else nothing was tested */
}

/* ---- JSON ---- */

static void test_json(void **state) {
    (void)state;
    static const struct from AUTO = {"read_json", "'x.json'", NULL, NULL, NULL, NULL};
    static const struct from LINES = {"read_ndjson", "'x.json'", NULL, NULL, NULL, NULL};
    static const struct from TYPED = {
        "read_json", "'x.json'", "columns", "{'a': 'INTEGER', 'd': 'DATE'}", NULL, NULL};
    write_text("x.json", "{\"a\":1,\"b\":\"x\\ny\"}\n{\"a\":2}\r\n\n  {\"b\":\"z\",\"c\":[1,2]} \n"
                         "{\"a\":4.5,\"n\":{\"m\":null}}");
    assert_in_range(check(&AUTO), 2, 9);
    assert_in_range(check(&LINES), 2, 9);
    write_text("x.json", "{\"a\":1,\"d\":\"2024-01-01\"}\n{\"a\":2,\"d\":\"2024-01-02\"}\n");
    assert_int_equal(check(&AUTO), 0);
    assert_in_range(check(&TYPED), 2, 9);
    write_text("x.json", "[{\"a\":1},\n{\"a\":2}]");
    assert_int_equal(check(&AUTO), 0);
    write_text("x.json", "{\"a\":\n1}\n{\"a\":2}\n");
    assert_int_equal(check(&AUTO), 0);
    write_text("x.json", "[1,2]\n[3]\n");
    (void)check(&AUTO);
    (void)check(&LINES);
    write_text("x.json", "");
    (void)check(&AUTO);
    write_text("x.json", "{\"a\":1}\n{\"a\":}\n");
    (void)check(&AUTO);
}

/* ---- Parquet ---- */

static void test_parquet(void **state) {
    (void)state;
    struct ei_buf sql = {0};
    ei_buf_printf(&sql,
                  "COPY (SELECT i, i %% 7 AS k, 'text ' || i AS s FROM range(10000) t(i)) TO "
                  "'%s/a.parquet' (FORMAT parquet, ROW_GROUP_SIZE 2048)",
                  directory);
    run(sql.data);
    ei_buf_clear(&sql);
    ei_buf_printf(&sql,
                  "COPY (SELECT i, i %% 7 AS k, 'text ' || i AS s FROM range(100) t(i)) TO "
                  "'%s/b.parquet' (FORMAT parquet)",
                  directory);
    run(sql.data);
    ei_buf_clear(&sql);
    ei_buf_printf(&sql,
                  "COPY (SELECT i, i AS other FROM range(0) t(i)) TO '%s/none.parquet' "
                  "(FORMAT parquet)",
                  directory);
    run(sql.data);
    static const struct from ONE = {"read_parquet", "'a.parquet'", NULL, NULL, NULL, NULL};
    static const struct from BOTH = {"read_parquet", "'[ab].parquet'", NULL, NULL, NULL, NULL};
    static const struct from ALL = {"read_parquet", "'*.parquet'", NULL, NULL, NULL, NULL};
    static const struct from NONE = {"parquet_scan", "'none.parquet'", NULL, NULL, NULL, NULL};
    static const struct from NAMED = {"read_parquet", "'[ab].parquet'",  "filename",
                                      "true",         "file_row_number", "true"};
    static const struct from UNION = {"read_parquet", "'*.parquet'", "union_by_name",
                                      "true",         NULL,          NULL};
    assert_in_range(check(&ONE), 5, 5);
    assert_in_range(check(&BOTH), 6, 6);
    assert_in_range(check(&NAMED), 6, 6);
    assert_int_equal(check(&ALL), 0);
    assert_int_equal(check(&UNION), 0);
    assert_int_equal(check(&NONE), 1);
    struct ei_table_facts *facts = must_load(&BOTH, 1, 0);
    assert_int_equal(facts->rows, 10100);
    ei_table_facts_destroy(facts);
    ei_buf_clear(&sql);
    ei_buf_printf(&sql,
                  "COPY (SELECT i, i %% 3 AS p FROM range(100) t(i)) TO '%s/hive' "
                  "(FORMAT parquet, PARTITION_BY p)",
                  directory);
    run(sql.data);
    static const struct from HIVE = {"read_parquet", "'hive/*/*.parquet'", NULL, NULL, NULL, NULL};
    (void)check(&HIVE);
    ei_buf_release(&sql);
}

/* ---- many files, errors ---- */

static void test_many_files(void **state) {
    (void)state;
    for (int i = 0; i < 12; i++) {
        char name[32], text[64];
        (void)snprintf(name, sizeof name, "many-%d.csv", i);
        (void)snprintf(text, sizeof text, "a,b\n%d,x\n%d,\"y\nz\"\n", i, i * 100);
        write_text(name, text);
    }
    static const struct from MANY = {"read_csv", "'many-*.csv'", NULL, NULL, NULL, NULL};
    assert_true(check(&MANY) >= 12);
    struct ei_table_facts *facts = must_load(&MANY, 4, 1u << 20);
    assert_int_equal(facts->split_count, 1);
    assert_int_equal(facts->whole->n_slices, 12);
    assert_string_equal(facts->label, "many-0.csv and 11 more");
    ei_table_facts_destroy(facts);
    write_text("many-5.csv", "a;b\n1;2\n");
    (void)check(&MANY);
}

static void assert_fails(const char *function, const char *path, enum ei_code code,
                         const char *part) {
    struct ei_table_facts *facts;
    struct ei_error e;
    struct from f = {function, path, NULL, NULL, NULL, NULL};
    assert_int_equal(load(&f, 1, 0, &facts, &e), -1);
    if (e.code != code || strstr(e.text, part) == NULL)
        fail_msg("%s: %d %s", path, (int)e.code, e.text);
}

static void test_errors(void **state) {
    (void)state;
    write_text("broken.parquet", "this is not Parquet");
    write_text("none.xyz", "?");
    assert_fails("", "'nosuch.csv'", EI_INPUT_MISSING, "nosuch.csv");
    assert_fails("", "'nosuch*.csv'", EI_INPUT_MISSING, "nosuch*.csv");
    assert_fails("", "'none.xyz'", EI_INVALID, "none.xyz");
    assert_fails("", "'broken.parquet'", EI_INVALID, "broken.parquet");
    assert_fails("read_parquet", "'.'", EI_INVALID, "is a directory");
    assert_fails("read_csv", "[]", EI_INVALID, "");
    assert_fails("read_csv", "(SELECT 'x.csv')", EI_INVALID, "constant");
    assert_fails("read_csv", "'s3://bucket/x.csv'", EI_UNSUPPORTED, "s3://bucket/x.csv");
    assert_fails("range", "'x.csv'", EI_UNSUPPORTED, "range");
    assert_true(ei_table_facts_is_file_function("READ_CSV"));
    assert_false(ei_table_facts_is_file_function("range"));
}

#define LOG_LINE "10.0.0.%d - - [10/Oct/2000:13:55:36 -0700] \"GET /a HTTP/1.0\" 200 %d\n"

static void test_logs(void **state) {
    (void)state;
    struct ei_buf b = {0};
    for (int i = 0; i < 200; i++)
        ei_buf_printf(&b, LOG_LINE, i % 16, i);
    ei_buf_puts(&b, "what\n");
    write_file("a.log", b.data, b.len);
    write_text("b.txt", "one\ntwo\r\n\nthree");
    static const struct from LOG = {"", "'a.log'", NULL, NULL, NULL, NULL};
    static const struct from TEXT = {"", "'b.txt'", NULL, NULL, NULL, NULL};
    static const struct from CALL = {"read_access_log", "'a.log'", NULL, NULL, NULL, NULL};
    struct ei_error e;
    struct ei_table_facts *facts = must_load(&LOG, 2, 1000);
    assert_int_equal(facts->input->kind, EIDER__V1__SOURCE_KIND__SOURCE_ACCESS_LOG);
    assert_int_equal(facts->input->n_columns, 12);
    assert_true(facts->split_count > 3);
    assert_int_equal(read_parts(facts, false, &e), 0);
    assert_int_equal(number("SELECT count(*) FROM parts"), 201);
    assert_int_equal(number("SELECT sum(bytes) FROM parts"), 199 * 100);
    assert_int_equal(number("SELECT count(*) FROM parts WHERE ip IS NULL AND line = 'what'"), 1);
    ei_table_facts_destroy(facts);
    facts = must_load(&CALL, 2, 1000);
    assert_int_equal(facts->input->n_columns, 11);
    assert_int_equal(read_parts(facts, false, &e), 0);
    assert_int_equal(number("SELECT count(*) FROM parts"), 200);
    ei_table_facts_destroy(facts);
    facts = must_load(&TEXT, 2, 0);
    assert_int_equal(facts->input->kind, EIDER__V1__SOURCE_KIND__SOURCE_LINES);
    assert_int_equal(read_parts(facts, false, &e), 0);
    assert_int_equal(number("SELECT count(*) FROM parts"), 4);
    assert_int_equal(number("SELECT count(*) FROM parts WHERE line IN ('one', 'two', '', 'three')"),
                     4);
    ei_table_facts_destroy(facts);
    ei_buf_release(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv_plain),   cmocka_unit_test(test_csv_odd),
        cmocka_unit_test(test_csv_options), cmocka_unit_test(test_csv_random),
        cmocka_unit_test(test_json),        cmocka_unit_test(test_parquet),
        cmocka_unit_test(test_many_files),  cmocka_unit_test(test_errors),
        cmocka_unit_test(test_logs),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
