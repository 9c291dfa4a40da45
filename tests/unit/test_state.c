#include "base/hash.h"
#include "base/mem.h"
#include "state/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct ei_state_command create(const char *name, const char *sql) {
    return (struct ei_state_command){
        .type = EI_STATE_TABLE_CREATE, .name = name, .sql = sql, .comment = "c", .created_ms = 5};
}

static struct ei_state_command drop(const char *name) {
    return (struct ei_state_command){.type = EI_STATE_TABLE_DROP, .name = name};
}

static void test_create_and_drop(void **state) {
    (void)state;
    struct ei_state s;
    struct ei_error e = {0};
    ei_state_init(&s);
    struct ei_state_command c = create("logs", "'a.log'");
    assert_int_equal(ei_state_apply(&s, &c, &e), 1);
    assert_int_equal(ei_state_apply(&s, &c, &e), -1);
    assert_int_equal(e.code, EI_EXISTS);
    assert_non_null(strstr(e.text, "\"logs\" exists already"));
    c.if_not_exists = true;
    c.sql = "'b.log'";
    assert_int_equal(ei_state_apply(&s, &c, &e), 0);
    assert_string_equal(ei_state_find(&s, "logs")->sql, "'a.log'");
    assert_int_equal(s.version, 1);
    c.or_replace = true;
    assert_int_equal(ei_state_apply(&s, &c, &e), -1);
    c.if_not_exists = false;
    assert_int_equal(ei_state_apply(&s, &c, &e), 1);
    assert_string_equal(ei_state_find(&s, "logs")->sql, "'b.log'");
    assert_int_equal(s.version, 2);
    c = drop("none");
    assert_int_equal(ei_state_apply(&s, &c, &e), -1);
    assert_int_equal(e.code, EI_NOT_FOUND);
    c.if_exists = true;
    assert_int_equal(ei_state_apply(&s, &c, &e), 0);
    c = drop("logs");
    assert_int_equal(ei_state_apply(&s, &c, &e), 1);
    assert_null(ei_state_find(&s, "logs"));
    assert_int_equal(s.table_count, 0);
    ei_state_release(&s);
}

/* Two writers read the same entry: one of them comes too late. Who comes again with what was made
 * already is told yes. */
static void test_compare_and_set(void **state) {
    (void)state;
    struct ei_state s;
    struct ei_error e = {0};
    ei_state_init(&s);
    struct ei_state_command c = create("t", "/tables/t/1");
    c.table_kind = EI_TABLE_MANAGED;
    assert_int_equal(ei_state_apply(&s, &c, &e), 1);
    uint64_t first = ei_state_find(&s, "t")->revision;
    assert_int_equal(first, s.version);
    c.or_replace = true;
    c.expected_revision = first;
    c.sql = "/tables/t/2";
    assert_int_equal(ei_state_apply(&s, &c, &e), 1);
    assert_true(ei_state_find(&s, "t")->revision > first);
    assert_int_equal(ei_state_apply(&s, &c, &e), 0); /* again */
    c.sql = "/tables/t/other";
    assert_int_equal(ei_state_apply(&s, &c, &e), -1);
    assert_int_equal(e.code, EI_STALE);
    assert_string_equal(ei_state_find(&s, "t")->sql, "/tables/t/2");
    struct ei_state_command d = drop("t");
    d.expected_revision = first;
    assert_int_equal(ei_state_apply(&s, &d, &e), -1);
    d.expected_revision = s.version;
    assert_int_equal(ei_state_apply(&s, &d, &e), 1);
    assert_int_equal(ei_state_apply(&s, &c, &e), -1);
    assert_int_equal(e.code, EI_NOT_FOUND);
    ei_state_release(&s);
}

/* Kinds and statistics survive, as state and as command. */
static void test_table_kinds(void **state) {
    (void)state;
    struct ei_state s, back;
    struct ei_error e = {0};
    struct ei_buf bytes = {0}, strings = {0};
    ei_state_init(&s);
    struct ei_state_command c = create("v", "SELECT 1"), read;
    c.table_kind = EI_TABLE_VIEW;
    c.stats = "{\"rows\":1}";
    ei_state_command_encode(&c, &bytes);
    assert_int_equal(ei_state_command_decode(&read, &strings, bytes.data, bytes.len, &e), 0);
    assert_int_equal(ei_state_apply(&s, &read, &e), 1);
    ei_buf_clear(&bytes);
    ei_state_encode(&s, &bytes);
    assert_int_equal(ei_state_decode(&back, bytes.data, bytes.len, &e), 0);
    const struct ei_state_table *t = ei_state_find(&back, "v");
    assert_int_equal(t->kind, EI_TABLE_VIEW);
    assert_string_equal(t->stats, "{\"rows\":1}");
    assert_int_equal(t->revision, 1);
    ei_state_release(&s);
    ei_state_release(&back);
    ei_buf_release(&bytes);
    ei_buf_release(&strings);
}

static void test_limits(void **state) {
    (void)state;
    struct ei_state s;
    struct ei_error e = {0};
    ei_state_init(&s);
    struct ei_state_command c = create("", "x");
    assert_int_equal(ei_state_check(&s, &c, &e), -1);
    c = create("t", "");
    assert_int_equal(ei_state_check(&s, &c, &e), -1);
    c = create("t\xff", "x");
    assert_int_equal(ei_state_check(&s, &c, &e), -1);
    char *wide = ei_malloc(EI_STATE_SQL_MAX + 2);
    memset(wide, 'x', EI_STATE_SQL_MAX + 1);
    wide[EI_STATE_SQL_MAX + 1] = 0;
    c = create("t", wide);
    assert_int_equal(ei_state_check(&s, &c, &e), -1);
    assert_int_equal(e.code, EI_LIMIT);
    wide[EI_STATE_SQL_MAX] = 0;
    assert_int_equal(ei_state_check(&s, &c, &e), 1);
    free(wide);
    for (int i = 0; i < EI_STATE_TABLES_MAX; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "t%d", i);
        c = create(name, "x");
        assert_int_equal(ei_state_apply(&s, &c, &e), 1);
    }
    c = create("one more", "x");
    assert_int_equal(ei_state_apply(&s, &c, &e), -1);
    assert_int_equal(e.code, EI_LIMIT);
    ei_state_release(&s);
}

static void test_job_ids_only_grow(void **state) {
    (void)state;
    struct ei_state s;
    ei_state_init(&s);
    struct ei_state_command c = {.type = EI_STATE_JOB_IDS, .job_ids = 100};
    assert_int_equal(ei_state_apply(&s, &c, NULL), 1);
    c.job_ids = 50;
    assert_int_equal(ei_state_apply(&s, &c, NULL), 0);
    assert_int_equal(s.job_ids_used, 100);
    assert_int_equal(s.index, 2);
    ei_state_release(&s);
}

static void fill(struct ei_state *s) {
    ei_state_init(s);
    struct ei_state_command commands[] = {
        create("zebra", "'z.parquet'"),
        create("apfel", "read_csv('a.csv', delim='|')"),
        create("\xc3\xa4pfel", "'x'"),
        drop("zebra"),
        {.type = EI_STATE_JOB_IDS, .job_ids = 77},
    };
    for (size_t i = 0; i < EI_ARRAY_LEN(commands); i++)
        assert_int_equal(ei_state_apply(s, &commands[i], NULL), 1);
}

static void test_state_bytes(void **state) {
    (void)state;
    struct ei_state a, b;
    fill(&a);
    struct ei_buf bytes = {0}, again = {0};
    ei_state_encode(&a, &bytes);
    struct ei_error e = {0};
    assert_int_equal(ei_state_decode(&b, bytes.data, bytes.len, &e), 0);
    assert_int_equal(b.table_count, 2);
    assert_string_equal(b.tables[0].name, "apfel");
    assert_int_equal(b.tables[1].created_ms, 5);
    assert_int_equal(b.job_ids_used, 77);
    assert_int_equal(b.index, 5);
    ei_state_encode(&b, &again);
    assert_int_equal(again.len, bytes.len);
    assert_memory_equal(again.data, bytes.data, bytes.len);
    ei_state_release(&a);
    ei_state_release(&b);
    ei_buf_release(&bytes);
    ei_buf_release(&again);
}

/* Every flipped bit and every cut is noticed by the checksum. */
static void test_state_corruption(void **state) {
    (void)state;
    struct ei_state a, b;
    fill(&a);
    struct ei_buf bytes = {0};
    ei_state_encode(&a, &bytes);
    for (size_t i = 0; i < bytes.len; i++) {
        for (int bit = 0; bit < 8; bit++) {
            struct ei_error e = {0};
            bytes.data[i] = (char)(bytes.data[i] ^ (1 << bit));
            assert_int_equal(ei_state_decode(&b, bytes.data, bytes.len, &e), -1);
            assert_true(e.text[0] != 0);
            bytes.data[i] = (char)(bytes.data[i] ^ (1 << bit));
        }
        assert_int_equal(ei_state_decode(&b, bytes.data, i, NULL), -1);
    }
    ei_state_release(&a);
    ei_buf_release(&bytes);
}

/* With a right checksum over wrong bytes the decoder still never crashes and gives a usable state.
 */
static void test_state_hostile_bytes(void **state) {
    (void)state;
    struct ei_state a, b;
    fill(&a);
    struct ei_buf bytes = {0};
    ei_state_encode(&a, &bytes);
    struct ei_rng rng = {7};
    for (int round = 0; round < 20000; round++) {
        struct ei_buf x = {0};
        ei_buf_append(&x, bytes.data, bytes.len - 4);
        x.data[4 + ei_rng_below(&rng, x.len - 4)] = (char)ei_rng_next(&rng);
        uint32_t crc = ei_crc32c(0, x.data, x.len);
        for (int i = 0; i < 4; i++)
            ei_buf_putc(&x, (char)(crc >> (8 * i)));
        if (ei_state_decode(&b, x.data, x.len, NULL) == 0) {
            for (size_t i = 1; i < b.table_count; i++)
                assert_true(strcmp(b.tables[i - 1].name, b.tables[i].name) < 0);
            ei_state_release(&b);
        }
        ei_buf_release(&x);
    }
    ei_state_release(&a);
    ei_buf_release(&bytes);
}

static void test_command_bytes(void **state) {
    (void)state;
    struct ei_state_command c = create("n", "s"), d;
    c.or_replace = true;
    struct ei_buf bytes = {0}, strings = {0};
    ei_state_command_encode(&c, &bytes);
    struct ei_error e = {0};
    assert_int_equal(ei_state_command_decode(&d, &strings, bytes.data, bytes.len, &e), 0);
    assert_int_equal(d.type, EI_STATE_TABLE_CREATE);
    assert_string_equal(d.name, "n");
    assert_string_equal(d.sql, "s");
    assert_string_equal(d.comment, "c");
    assert_true(d.or_replace && !d.if_not_exists && !d.if_exists);
    for (size_t n = 0; n < bytes.len; n++) {
        char *exact = ei_malloc(n);
        memcpy(exact, bytes.data, n);
        assert_int_equal(ei_state_command_decode(&d, &strings, exact, n, &e), -1);
        free(exact);
    }
    struct ei_rng rng = {9};
    for (int round = 0; round < 20000; round++) {
        size_t at = ei_rng_below(&rng, bytes.len);
        char old = bytes.data[at];
        bytes.data[at] = (char)ei_rng_next(&rng);
        (void)ei_state_command_decode(&d, &strings, bytes.data, bytes.len, &e);
        bytes.data[at] = old;
    }
    ei_buf_release(&bytes);
    ei_buf_release(&strings);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create_and_drop),   cmocka_unit_test(test_compare_and_set),
        cmocka_unit_test(test_table_kinds),       cmocka_unit_test(test_limits),
        cmocka_unit_test(test_job_ids_only_grow), cmocka_unit_test(test_state_bytes),
        cmocka_unit_test(test_state_corruption),  cmocka_unit_test(test_state_hostile_bytes),
        cmocka_unit_test(test_command_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
