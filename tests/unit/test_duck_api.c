/* libduckdb itself: that it loads and has every function of the list, and what its errors become.
 */
#include "base/buf.h"
#include "duck/engine.h"
#include "duck/errors.h"
#include "duck/types.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct ei_duck_engine *engine;
static duckdb_connection connection;

static int setup(void **state) {
    struct ei_error e = {0};
    struct ei_duck_engine_options o = {.memory_limit_bytes = 256u << 20};
    (void)state;
    if (ei_duck_load(&e) != 0 || ei_duck_engine_open(&o, &engine, &e) != 0 ||
        ei_duck_connect(engine, &connection, &e) != 0)
        fail_msg("%s", e.text);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    duckdb_disconnect(&connection);
    ei_duck_engine_close(engine);
    return 0;
}

static void test_loads_twice(void **state) {
    struct ei_error e;
    (void)state;
    assert_int_equal(ei_duck_load(&e), 0);
    assert_int_equal(duckdb_library_version()[0], 'v');
}

static void assert_setting(const char *name, const char *value) {
    struct ei_error e = {0};
    struct ei_buf sql = {0};
    ei_buf_printf(&sql,
                  "SELECT CASE WHEN current_setting('%s')::VARCHAR = '%s' THEN 1 ELSE "
                  "error('it is ' || current_setting('%s')) END",
                  name, value, name);
    if (ei_duck_run(connection, sql.data, &e) != 0)
        fail_msg("%s: %s", name, e.text);
    ei_buf_release(&sql);
}

static void test_engine_settings(void **state) {
    (void)state;
    assert_setting("threads", "1");
    assert_setting("memory_limit", "256.0 MiB");
    assert_setting("temp_directory", "");
    assert_setting("autoload_known_extensions", "false");
    assert_setting("autoinstall_known_extensions", "false");
}

static void test_codes(void **state) {
    static const struct {
        const char *sql;
        enum ei_code code;
    } CASES[] = {
        {"SELECT 1 +", EI_INVALID},
        {"SELECT nope", EI_INVALID},
        {"SELECT * FROM nope", EI_INVALID},
        {"SELECT 'x'::INTEGER", EI_INVALID},
        {"SELECT error('custom')", EI_INVALID},
        {"SELECT * FROM read_csv('/nowhere/x.csv')", EI_INPUT_MISSING},
        {"SELECT * FROM '/nowhere/x.parquet'", EI_INPUT_MISSING},
        {"SELECT list(hash(n)) FROM range(80000000) t(n)", EI_OUT_OF_MEMORY},
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct ei_error e = {0};
        assert_int_equal(ei_duck_run(connection, CASES[i].sql, &e), -1);
        if (e.code != CASES[i].code)
            fail_msg("%s: %s %s", CASES[i].sql, ei_code_name(e.code), e.text);
        assert_null(strstr(e.text, "LINE 1"));
    }
    struct ei_error e = {0};
    ei_duck_error("IO Error: Could not write file \"x\": No space left on device", -1, &e);
    assert_int_equal(e.code, EI_NO_SPACE);
    ei_duck_error("INTERNAL Error: broken\n\nStack Trace:\n 0x1", DUCKDB_ERROR_INTERNAL, &e);
    assert_int_equal(e.code, EI_INTERNAL);
    assert_string_equal(e.text, "INTERNAL Error: broken");
    ei_duck_error(NULL, -1, &e);
    assert_int_equal(e.code, EI_INTERNAL);
}

/* The name `nope` is where the error points, whatever stands before it. */
static void test_positions(void **state) {
    static const char *const CASES[] = {
        "SELECT nope",
        "SELECT 1,\n       2,\n   nope + 1 FROM range(3)",
        "SELECT 'ö', nope",
        "SELECT '漢字', nope",
        "SELECT\t\tnope",
        "SELECT 1 AS aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, 2 AS "
        "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb, "
        "nope, 3 AS ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc",
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        duckdb_result r;
        struct ei_buf message = {0};
        uint32_t position = 0;
        assert_int_equal(duckdb_query(connection, CASES[i], &r), DuckDBError);
        ei_duck_error_cut(duckdb_result_error(&r), CASES[i], &message, &position);
        assert_int_equal(position, strstr(CASES[i], "nope") - CASES[i] + 1);
        assert_null(strstr(message.data, "LINE"));
        ei_buf_release(&message);
        duckdb_destroy_result(&r);
    }
    struct ei_buf message = {0};
    uint32_t position = 9;
    ei_duck_error_cut("IO Error: gone", "SELECT 1", &message, &position);
    assert_string_equal(message.data, "IO Error: gone");
    assert_int_equal(position, 0);
    ei_duck_error_cut("x\nLINE 9: y\n        ^", "SELECT 1", &message, &position);
    assert_int_equal(position, 0);
    ei_duck_error_cut("x\nLINE 1: SELECT 1\n   ^", "SELECT 1", &message, &position);
    assert_int_equal(position, 0);
    ei_buf_release(&message);
}

static void *cancel_soon(void *arg) {
    (void)arg;
    usleep(100000);
    ei_duck_cancel(connection);
    return NULL;
}

static void test_cancel(void **state) {
    struct ei_error e = {0};
    pthread_t thread;
    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, NULL), 0);
    assert_int_equal(
        ei_duck_run(connection,
                    "SELECT sum(hash(a.range, b.range)) FROM range(1000000) a, range(1000000) b",
                    &e),
        -1);
    pthread_join(thread, NULL);
    assert_int_equal(e.code, EI_CANCELLED);
    assert_int_equal(ei_duck_run(connection, "SELECT 1", &e), 0);
}

static void test_type_names(void **state) {
    static const char *const TYPES[] = {
        "INTEGER",
        "DECIMAL(15,2)",
        "TIMESTAMP WITH TIME ZONE",
        "ENUM('a', 'it''s')",
        "INTEGER[]",
        "VARCHAR[3][]",
        "MAP(VARCHAR, DOUBLE[])",
        "STRUCT(\"a b\" INTEGER, \"c\" UNION(\"x\" DATE, \"y\" JSON))",
        "TIME WITH TIME ZONE",
        "TIMESTAMP_NS",
        "BIGNUM",
        "BIT",
        "UHUGEINT",
        "TIME_NS",
    };
    (void)state;
    for (size_t i = 0; i < sizeof TYPES / sizeof TYPES[0]; i++) {
        struct ei_error e = {0};
        struct ei_buf out = {0};
        duckdb_logical_type type = NULL;
        if (ei_duck_type_parse(connection, TYPES[i], &type, &e) != 0)
            fail_msg("%s: %s", TYPES[i], e.text);
        ei_duck_type_print(type, &out);
        assert_string_equal(out.data, TYPES[i]);
        duckdb_destroy_logical_type(&type);
        ei_buf_release(&out);
    }
    struct ei_error e = {0};
    duckdb_logical_type type = NULL;
    assert_int_equal(ei_duck_type_parse(connection, "NO_SUCH_TYPE", &type, &e), -1);
    assert_int_equal(e.code, EI_INVALID);
    assert_int_equal(ei_duck_type_parse(connection, "VARIANT", &type, &e), -1);
    assert_int_equal(e.code, EI_UNSUPPORTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loads_twice), cmocka_unit_test(test_engine_settings),
        cmocka_unit_test(test_codes),       cmocka_unit_test(test_positions),
        cmocka_unit_test(test_cancel),      cmocka_unit_test(test_type_names),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
