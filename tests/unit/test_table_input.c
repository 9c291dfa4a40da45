/* The executor's side alone: our readers, compressed files, repaired text, warnings, changed files.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "duck/engine.h"
#include "duck/errors.h"
#include "duck/table_input.h"
#include "duck/text_blocks.h"
#include "os/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

static struct ei_duck_engine *engine;
static duckdb_connection c;
static char directory[] = "/tmp/eider-test-input-XXXXXX";

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

static char *value(const char *sql) {
    duckdb_result r;
    if (duckdb_query(c, sql, &r) != DuckDBSuccess)
        fail_msg("%s: %s", sql, duckdb_result_error(&r));
    char *text = duckdb_value_varchar(&r, 0, 0), *copy = ei_strdup(text != NULL ? text : "NULL");
    duckdb_free(text);
    duckdb_destroy_result(&r);
    return copy;
}

static void assert_value(const char *sql, const char *wanted) {
    char *text = value(sql);
    if (strcmp(text, wanted) != 0)
        fail_msg("%s gives %s, not %s", sql, text, wanted);
    free(text);
}

/* ---- one table over a few slices ---- */

struct table {
    Eider__V1__TableInput in;
    Eider__V1__Column columns[12], *column_list[12];
    Eider__V1__FileSlice slices[8], *slice_list[8];
    Eider__V1__Split split;
    struct ei_duck_table *open;
};

static void table_init(struct table *t, Eider__V1__SourceKind kind) {
    eider__v1__table_input__init(&t->in);
    eider__v1__split__init(&t->split);
    t->in.name = (char *)"t";
    t->in.kind = kind;
    t->in.columns = t->column_list;
    t->split.slices = t->slice_list;
    t->open = NULL;
}

static void add_column(struct table *t, const char *name, const char *type) {
    Eider__V1__Column *column = &t->columns[t->in.n_columns];
    eider__v1__column__init(column);
    column->name = (char *)name;
    column->type = (char *)type;
    t->column_list[t->in.n_columns++] = column;
}

static void add_slice(struct table *t, const char *path, uint64_t begin, uint64_t end) {
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    Eider__V1__FileSlice *s = &t->slices[t->split.n_slices];
    eider__v1__file_slice__init(s);
    s->path = (char *)path;
    s->begin = begin;
    s->end = end;
    s->file_size = (uint64_t)st.st_size;
    s->file_mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    t->slice_list[t->split.n_slices++] = s;
}

static void open_table(struct table *t) {
    struct ei_error e;
    if (ei_duck_bind_table(c, &t->in, &t->split, NULL, &t->open, &e) != 0)
        fail_msg("%s", e.text);
}

static char *write_file(const char *name, const void *data, size_t len) {
    char *path = ei_path_join(directory, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    return path;
}

/* ---- tests ---- */

static void test_lines_are_repaired(void **state) {
    (void)state;
    static const char TEXT[] = "plain\nbroken \xff end\r\nlong enough to be no inline string\n"
                               "long and broken \xc3\xa9 \xc3 string that is copied\n\nlast";
    char *path = write_file("a.txt", TEXT, sizeof TEXT - 1);
    struct table t;
    table_init(&t, EIDER__V1__SOURCE_KIND__SOURCE_LINES);
    add_column(&t, "line", "VARCHAR");
    add_slice(&t, path, 0, 0);
    open_table(&t);
    assert_value("SELECT string_agg(line, '|') FROM t",
                 "plain|broken \xEF\xBF\xBD end|long enough to be no inline string|"
                 "long and broken \xc3\xa9 \xEF\xBF\xBD string that is copied||last");
    assert_value("SELECT count(*) FROM t", "6");
    assert_value("SELECT count(*) FROM t AS a, t AS b WHERE a.line = b.line", "6");
    ei_duck_table_close(c, t.open);
    assert_value("SELECT count(*) FROM duckdb_views() WHERE view_name = 't'", "0");
    free(path);
}

static void put_lines(struct ei_buf *b, int from, int to) {
    for (int i = from; i < to; i++)
        ei_buf_printf(b, "line number %d of a file that is compressed\n", i);
}

static char *write_gzip(const char *name, const struct ei_buf *b, size_t keep_bytes_less) {
    size_t n = b->len + 1000;
    unsigned char *out = ei_malloc(n);
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)b->data;
    z.avail_in = (uInt)b->len;
    z.next_out = out;
    z.avail_out = (uInt)n;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    char *path = write_file(name, out, n - z.avail_out - keep_bytes_less);
    (void)deflateEnd(&z);
    free(out);
    return path;
}

static void test_compressed(void **state) {
    (void)state;
    struct ei_buf b = {0};
    put_lines(&b, 0, 100000);
    char *gzip = write_gzip("a.gz", &b, 0), *cut = write_gzip("cut.gz", &b, 100);
    size_t n = ZSTD_compressBound(b.len);
    char *out = ei_malloc(2 * n);
    n = ZSTD_compress(out, n, b.data, b.len, 1);
    memcpy(out + n, out, n); /* two frames */
    char *zstd = write_file("a.ZST", out, 2 * n), *junk = write_file("junk.gz", "hello", 5);
    char *empty = write_file("empty.gz", "", 0);
    struct table t;
    table_init(&t, EIDER__V1__SOURCE_KIND__SOURCE_LINES);
    add_column(&t, "line", "VARCHAR");
    add_slice(&t, gzip, 0, 0);
    add_slice(&t, empty, 0, 0);
    add_slice(&t, zstd, 0, 0);
    open_table(&t);
    assert_value("SELECT count(*) || ' ' || count(DISTINCT line) || ' ' || max(line) FROM t",
                 "300000 100000 line number 99999 of a file that is compressed");
    struct ei_duck_table_counts counts;
    ei_duck_table_counts(t.open, &counts);
    assert_int_equal(counts.rows, 300000);
    assert_int_equal(counts.bytes, 3 * b.len);
    ei_duck_table_close(c, t.open);
    const char *const BAD[] = {cut, junk};
    for (size_t i = 0; i < 2; i++) {
        struct ei_error e;
        t.split.n_slices = 0;
        add_slice(&t, BAD[i], 0, 0);
        open_table(&t);
        assert_int_equal(ei_duck_run(c, "SELECT count(*) FROM t", &e), -1);
        assert_non_null(strstr(e.text, BAD[i]));
        ei_duck_table_close(c, t.open);
    }
    ei_buf_release(&b);
    free(out);
    free(gzip);
    free(cut);
    free(zstd);
    free(junk);
    free(empty);
}

#define LINE                                                                                       \
    "10.0.0.1 - - [10/Oct/2000:13:55:36 -0700] \"GET /a\\\"b HTTP/1.0\" 200 5 \"-\" \"x\\\\y\"\n"

static void test_access_log(void **state) {
    (void)state;
    struct ei_buf b = {0};
    for (int i = 0; i < 10; i++)
        ei_buf_puts(&b, i % 3 == 2 ? "bad \x01 line\n" : LINE);
    char *path = write_file("a.log", b.data, b.len);
    size_t half = (sizeof LINE - 1) * 2; /* behind two good lines: begins with a bad one */
    struct table t;
    table_init(&t, EIDER__V1__SOURCE_KIND__SOURCE_ACCESS_LOG);
    t.in.options = (char *)"malformed='skip'";
    add_column(&t, "ip", "VARCHAR");
    add_column(&t, "time", "TIMESTAMP WITH TIME ZONE");
    add_column(&t, "path", "VARCHAR");
    add_column(&t, "agent", "VARCHAR");
    add_column(&t, "bytes", "BIGINT");
    add_slice(&t, path, half, b.len);
    add_slice(&t, path, 0, half);
    open_table(&t);
    assert_value("SELECT count(*) || min(ip) || max(path) || max(agent) || sum(bytes) FROM t",
                 "710.0.0.1/a\"bx\\y35");
    struct ei_duck_table_counts counts;
    const char *const *warnings;
    ei_duck_table_counts(t.open, &counts);
    assert_int_equal(counts.malformed_lines, 3);
    assert_int_equal(counts.rows, 7);
    assert_int_equal(ei_duck_table_warnings(t.open, &warnings), 3);
    char *wanted = ei_asprintf("%s:@%zu: bad ? line", path, half);
    assert_string_equal(warnings[0], wanted);
    free(wanted);
    /* The counts do not depend on the columns, nor on how often a query reads. */
    assert_value("SELECT count(*) FROM t", "7");
    ei_duck_table_counts(t.open, &counts);
    assert_int_equal(counts.malformed_lines, 3);
    ei_duck_table_close(c, t.open);
    t.split.n_slices = 0;
    add_slice(&t, path, 0, 0);
    open_table(&t);
    assert_value("SELECT count(*) FROM t", "7");
    wanted = ei_asprintf("%s:3: bad ? line", path);
    assert_int_equal(ei_duck_table_warnings(t.open, &warnings), 3);
    assert_string_equal(warnings[0], wanted);
    ei_duck_table_close(c, t.open);
    free(wanted);
    free(path);
    ei_buf_release(&b);
}

static void test_memory_files_are_not_mixed_up(void **state) {
    (void)state;
    struct table t;
    table_init(&t, EIDER__V1__SOURCE_KIND__SOURCE_CSV);
    t.in.options = (char *)"auto_detect=false, header=false, delim=',', columns={'a': 'INTEGER'}";
    add_column(&t, "a", "INTEGER");
    struct ei_buf text = {0};
    for (int i = 0; i < 1000; i++)
        ei_buf_printf(&text, "%03d\n", i);
    char *path = write_file("n.csv", text.data, text.len);
    ei_buf_release(&text);
    for (int i = 0; i < 300; i++) {
        t.split.n_slices = 0;
        add_slice(&t, path, (uint64_t)i * 4, (uint64_t)i * 4 + 4);
        add_slice(&t, path, (uint64_t)i * 4 + 8, (uint64_t)i * 4 + 16);
        open_table(&t);
        char wanted[16];
        (void)snprintf(wanted, sizeof wanted, "%d", i * 3 + 5);
        assert_value("SELECT sum(a) FROM t", wanted);
        ei_duck_table_close(c, t.open);
    }
    free(path);
}

static void test_errors_name_the_file(void **state) {
    (void)state;
    static const char TEXT[] = "1\n2\n3\nx\n5\n";
    char *path = write_file("e.csv", TEXT, sizeof TEXT - 1);
    struct table t;
    struct ei_error e;
    table_init(&t, EIDER__V1__SOURCE_KIND__SOURCE_CSV);
    t.in.options = (char *)"auto_detect=false, header=false, delim=',', columns={'a': 'INTEGER'}";
    add_column(&t, "a", "INTEGER");
    add_slice(&t, path, 4, 10);
    open_table(&t);
    assert_int_equal(ei_duck_run(c, "SELECT sum(a) FROM t", &e), -1);
    ei_duck_table_explain(t.open, &e);
    assert_non_null(strstr(e.text, "Line: 4"));
    assert_null(strstr(e.text, "/proc/self"));
    ei_duck_table_close(c, t.open);

    FILE *f = fopen(path, "ab");
    assert_non_null(f);
    (void)fputs("6\n", f);
    (void)fclose(f);
    assert_int_equal(ei_duck_bind_table(c, &t.in, &t.split, NULL, &t.open, &e), -1);
    assert_int_equal(e.code, EI_INVALID);
    assert_non_null(strstr(e.text, "changed while the query ran"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(ei_duck_bind_table(c, &t.in, &t.split, NULL, &t.open, &e), -1);
    assert_int_equal(e.code, EI_INPUT_MISSING);
    free(path);
}

static void test_no_slices(void **state) {
    (void)state;
    struct table t;
    table_init(&t, EIDER__V1__SOURCE_KIND__SOURCE_PARQUET);
    add_column(&t, "a \"b\"", "DECIMAL(15,2)");
    open_table(&t);
    assert_value("SELECT count(\"a \"\"b\"\"\") FROM t", "0");
    ei_duck_table_close(c, t.open);
    ei_duck_table_close(c, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_are_repaired),
        cmocka_unit_test(test_compressed),
        cmocka_unit_test(test_access_log),
        cmocka_unit_test(test_memory_files_are_not_mixed_up),
        cmocka_unit_test(test_errors_name_the_file),
        cmocka_unit_test(test_no_slices),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
