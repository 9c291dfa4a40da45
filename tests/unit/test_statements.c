/* Cutting a text into statements (cli), and telling our own statements from DuckDB's (gateway). */
#include "cli/statements.h"
#include "gateway/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check_cut(const char *text, const char *first, const char *rest) {
    const char *next = NULL;
    size_t n = ei_statement_length(text, &next);
    assert_int_equal(n, strlen(first));
    assert_memory_equal(text, first, n);
    assert_string_equal(next, rest);
}

static void test_cut(void **state) {
    (void)state;
    check_cut("select 1; select 2", "select 1", " select 2");
    check_cut("select ';'; x", "select ';'", " x");
    check_cut("select 'it''s;' ; x", "select 'it''s;' ", " x");
    check_cut("select \"a;b\" -- no; end\n; x", "select \"a;b\" -- no; end\n", " x");
    check_cut("select /* ; /* ; */ ; */ 1;", "select /* ; /* ; */ ; */ 1", "");
    check_cut("select $$a;b$$; x", "select $$a;b$$", " x");
    check_cut("select $t$ a;$$ $t$; x", "select $t$ a;$$ $t$", " x");
    check_cut("select $1; x", "select $1", " x");
    check_cut("  -- nothing\n ; x", "", " x");
    check_cut("select 'open", "select 'open", "");
    check_cut("", "", "");
}

static void parse(const char *sql, struct ei_statement *s) {
    struct ei_error e = {0};
    if (ei_statement_parse(sql, s, &e) != 0)
        fail_msg("%s: %s", sql, e.text);
}

static void test_own_statements(void **state) {
    (void)state;
    struct ei_statement s;
    parse("-- c\nCreate  OR replace External TABLE \"my \"\"t\" as FROM 'x.csv'", &s);
    assert_int_equal(s.kind, EI_STATEMENT_CREATE_EXTERNAL);
    assert_true(s.or_replace);
    assert_string_equal(s.name, "my \"t");
    assert_string_equal(s.query, "'x.csv'");
    ei_statement_release(&s);
    parse("create external table if not exists t as select * from read_csv('a')", &s);
    assert_true(s.if_not_exists);
    assert_string_equal(s.query, "read_csv('a')");
    ei_statement_release(&s);
    parse("DROP TABLE if exists t ;", &s);
    assert_int_equal(s.kind, EI_STATEMENT_DROP);
    assert_true(s.if_exists && !s.view);
    ei_statement_release(&s);
    parse("explain select 1", &s);
    assert_true(s.explain && !s.analyze);
    assert_string_equal(s.query, "select 1");
    ei_statement_release(&s);
    parse("explain /* x */ ANALYZE from t", &s);
    assert_true(s.analyze && !s.explain);
    ei_statement_release(&s);
    parse("show TABLES", &s);
    assert_int_equal(s.kind, EI_STATEMENT_SHOW_TABLES);
    ei_statement_release(&s);
    parse("describer", &s);
    assert_int_equal(s.kind, EI_STATEMENT_SELECT);
    ei_statement_release(&s);
}

static void test_tables_and_views(void **state) {
    (void)state;
    struct ei_statement s;
    parse("create or replace table t as from x", &s);
    assert_int_equal(s.kind, EI_STATEMENT_CREATE_TABLE);
    assert_true(s.or_replace);
    assert_string_equal(s.query, "from x");
    ei_statement_release(&s);
    parse("create view if not exists \"a b\" as (select 1)", &s);
    assert_int_equal(s.kind, EI_STATEMENT_CREATE_VIEW);
    assert_string_equal(s.name, "a b");
    ei_statement_release(&s);
    parse("insert into t (a, \"b c\") values (1, 2)", &s);
    assert_int_equal(s.kind, EI_STATEMENT_INSERT);
    assert_int_equal(s.column_count, 2);
    assert_string_equal(s.columns[1], "b c");
    assert_string_equal(s.query, "values (1, 2)");
    ei_statement_release(&s);
    parse("insert into t (select a, b from x)", &s);
    assert_int_equal(s.column_count, 0);
    assert_string_equal(s.query, "(select a, b from x)");
    ei_statement_release(&s);
    parse("insert into t by name select 1 as a", &s);
    assert_true(s.by_name);
    ei_statement_release(&s);
    parse("drop view v", &s);
    assert_true(s.view);
    ei_statement_release(&s);
    parse("analyze t", &s);
    assert_int_equal(s.kind, EI_STATEMENT_ANALYZE);
    ei_statement_release(&s);
    parse("show stats for t", &s);
    assert_int_equal(s.kind, EI_STATEMENT_SHOW_STATS);
    ei_statement_release(&s);
}

static void test_copy(void **state) {
    (void)state;
    struct ei_statement s;
    parse("copy (select ')' as \"(\", $$)$$, 1 -- )\n from t) to 'it''s' (format PARQUET, "
          "partition_by (y, \"m n\"), header, delimiter ';', overwrite true)",
          &s);
    assert_int_equal(s.kind, EI_STATEMENT_COPY);
    assert_string_equal(s.query, "select ')' as \"(\", $$)$$, 1 -- )\n from t");
    assert_string_equal(s.target, "it's");
    assert_int_equal(s.option_count, 5);
    assert_string_equal(s.options[0].name, "format");
    assert_string_equal(s.options[0].values[0], "PARQUET");
    assert_int_equal(s.options[1].count, 2);
    assert_string_equal(s.options[1].values[1], "m n");
    assert_int_equal(s.options[2].count, 0);
    assert_string_equal(s.options[3].values[0], ";");
    ei_statement_release(&s);
    parse("COPY t (a, b) TO 'x.csv'", &s);
    assert_string_equal(s.query, "SELECT a, b FROM \"t\"");
    ei_statement_release(&s);
}

static void test_settings(void **state) {
    (void)state;
    struct ei_statement s;
    parse("SET TimeZone = 'UTC'", &s);
    assert_int_equal(s.kind, EI_STATEMENT_SET);
    assert_string_equal(s.name, "TimeZone");
    assert_string_equal(s.query, "UTC");
    ei_statement_release(&s);
    parse("set session default_null_order to nulls_first;", &s);
    assert_string_equal(s.query, "nulls_first");
    ei_statement_release(&s);
    parse("SET TIME ZONE 'Asia/Tokyo'", &s);
    assert_string_equal(s.name, "TimeZone");
    assert_string_equal(s.query, "Asia/Tokyo");
    ei_statement_release(&s);
    parse("reset TimeZone", &s);
    assert_null(s.query);
    ei_statement_release(&s);
}

static void test_wrong_statements(void **state) {
    (void)state;
    static const char *const WRONG[] = {"",
                                        " -- only a comment",
                                        ";",
                                        "create external table",
                                        "create external table t from 'x'",
                                        "create table t (a int)",
                                        "create sequence s",
                                        "create view v",
                                        "drop table",
                                        "drop table a b",
                                        "drop view",
                                        "insert into t",
                                        "insert into t (a b) select 1",
                                        "insert into",
                                        "copy",
                                        "copy (select 1",
                                        "copy (select 1) 'x'",
                                        "copy (select 1) to x",
                                        "copy (select 1) to ''",
                                        "copy (select 1) to 'x' (format",
                                        "copy (select 1) to 'x' (format parquet) more",
                                        "copy (select 1) to 'x' (partition_by (a b))",
                                        "copy t from 'x'",
                                        "analyze",
                                        "analyze a b",
                                        "set",
                                        "set x",
                                        "set x = ",
                                        "set x = 1 2",
                                        "show tables x"};
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        struct ei_error e = {0};
        struct ei_statement s;
        if (ei_statement_parse(WRONG[i], &s, &e) == 0)
            fail_msg("should be refused: %s", WRONG[i]);
        assert_true(e.code == EI_INVALID || e.code == EI_UNSUPPORTED);
        assert_true(strlen(e.text) > 10);
        ei_statement_release(&s);
    }
}

static void check_types(const char *type, const char *stored) {
    const char *got = ei_table_stored_as(type);
    assert_true((got == NULL) == (stored == NULL));
    if (stored != NULL)
        assert_string_equal(got, stored);
}

/* What Parquet cannot keep is kept as text, or refused. */
static void test_stored_types(void **state) {
    (void)state;
    check_types("BIGINT", "BIGINT");
    check_types("DECIMAL(18,3)", "DECIMAL(18,3)");
    check_types("HUGEINT", "VARCHAR");
    check_types("INTERVAL", "VARCHAR");
    check_types("ENUM('BIT', 'x')", "ENUM('BIT', 'x')");
    check_types("STRUCT(a INTEGER, b VARCHAR[])", "STRUCT(a INTEGER, b VARCHAR[])");
    check_types("HUGEINT[]", NULL);
    check_types("STRUCT(a UHUGEINT)", NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_own_statements),
        cmocka_unit_test(test_tables_and_views),
        cmocka_unit_test(test_copy),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_stored_types),
        cmocka_unit_test(test_wrong_statements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
