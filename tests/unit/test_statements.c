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

static void test_own_statements(void **state) {
    (void)state;
    struct ei_error e;
    struct ei_statement s;
    assert_int_equal(
        ei_statement_parse("-- c\nCreate  OR replace External TABLE \"my \"\"t\" as FROM 'x.csv'",
                           &s, &e),
        0);
    assert_int_equal(s.kind, EI_STATEMENT_CREATE_TABLE);
    assert_true(s.or_replace);
    assert_string_equal(s.name, "my \"t");
    assert_string_equal(s.body, "'x.csv'");
    ei_statement_release(&s);
    assert_int_equal(ei_statement_parse("create external table if not exists t as select * from "
                                        "read_csv('a')",
                                        &s, &e),
                     0);
    assert_true(s.if_not_exists);
    assert_string_equal(s.body, "read_csv('a')");
    ei_statement_release(&s);
    assert_int_equal(ei_statement_parse("DROP TABLE if exists t", &s, &e), 0);
    assert_int_equal(s.kind, EI_STATEMENT_DROP_TABLE);
    assert_true(s.if_exists);
    ei_statement_release(&s);
    assert_int_equal(ei_statement_parse("explain select 1", &s, &e), 0);
    assert_true(s.explain);
    assert_string_equal(s.body, "select 1");
    assert_int_equal(ei_statement_parse("show TABLES", &s, &e), 0);
    assert_int_equal(s.kind, EI_STATEMENT_SHOW_TABLES);
    assert_int_equal(ei_statement_parse("describer", &s, &e), 0);
    assert_int_equal(s.kind, EI_STATEMENT_SELECT);
}

static void test_wrong_statements(void **state) {
    (void)state;
    static const char *const WRONG[] = {"",
                                        " -- only a comment",
                                        "create external table",
                                        "create external table t from 'x'",
                                        "drop table",
                                        "drop table a b",
                                        "show tables x"};
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        struct ei_error e = {0};
        struct ei_statement s;
        assert_int_equal(ei_statement_parse(WRONG[i], &s, &e), -1);
        assert_int_equal(e.code, EI_INVALID);
        assert_true(strlen(e.text) > 10);
        ei_statement_release(&s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_own_statements),
        cmocka_unit_test(test_wrong_statements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
