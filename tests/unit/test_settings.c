/* Settings of the lasting state, and the schedules of cron entries. */
#include "base/hash.h"
#include "base/mem.h"
#include "state/cron.h"
#include "state/state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static int put_queue(struct ei_state *s, const char *name, const char *parent, int64_t weight,
                     struct ei_error *e) {
    struct ei_state_command c = ei_state_put(s, EI_STATE_QUEUE, name);
    if (parent != NULL)
        c.text[EI_QUEUE_PARENT] = parent;
    c.number[EI_SHARE_WEIGHT] = weight;
    return ei_state_apply(s, &c, e);
}

static void test_queues(void **state) {
    (void)state;
    struct ei_state s;
    struct ei_error e = {0};
    ei_state_init(&s);
    assert_int_equal(put_queue(&s, "etl", "", 3, &e), 1);
    assert_int_equal(put_queue(&s, "etl", NULL, 3, &e), 0); /* nothing new */
    assert_int_equal(put_queue(&s, "a-night", "etl", 1, &e), 1);
    assert_int_equal(put_queue(&s, "under-default", "default", 1, &e), 1);
    assert_int_equal(put_queue(&s, "x", "none", 1, &e), -1);
    assert_int_equal(e.code, EI_NOT_FOUND);
    assert_non_null(strstr(e.text, "no queue \"none\""));
    assert_int_equal(put_queue(&s, "a-night", "default", 1, &e), -1); /* cannot move */
    assert_int_equal(put_queue(&s, "default", "etl", 1, &e), -1);
    assert_int_equal(put_queue(&s, "default", "", 5, &e), 1);
    assert_int_equal(put_queue(&s, "etl", NULL, -1, &e), -1);
    static const char *const bad[] = {"", "@1", "a b", "-x", "a/b", "\xff", ".", "a\nb"};
    for (size_t i = 0; i < EI_ARRAY_LEN(bad); i++)
        assert_int_equal(put_queue(&s, bad[i], "", 1, &e), -1);
    struct ei_state_command c = ei_state_put(&s, EI_STATE_QUEUE, "etl");
    c.must_be_new = true;
    assert_int_equal(ei_state_apply(&s, &c, &e), -1);
    assert_int_equal(e.code, EI_EXISTS);
    c = ei_state_put(&s, EI_STATE_QUEUE, "nowhere");
    c.must_exist = true;
    assert_int_equal(ei_state_apply(&s, &c, &e), -1);
    assert_int_equal(e.code, EI_NOT_FOUND);
    assert_int_equal(ei_state_setting(&s, EI_STATE_QUEUE, "default")->number[EI_SHARE_WEIGHT], 5);
    char name[8], parent[8] = "";
    for (int i = 0; i < 8; i++) {
        (void)snprintf(name, sizeof name, "d%d", i);
        assert_int_equal(put_queue(&s, name, parent, 1, &e), 1);
        memcpy(parent, name, sizeof name);
    }
    assert_int_equal(put_queue(&s, "d8", parent, 1, &e), -1);
    assert_int_equal(e.code, EI_LIMIT);
    ei_state_release(&s);
}

static struct ei_state_command cron_entry(const char *name, const char *schedule, const char *sql) {
    struct ei_state_command c = {.type = EI_STATE_SETTING_PUT, .kind = EI_STATE_CRON, .name = name};
    c.text[EI_CRON_SCHEDULE] = schedule;
    c.text[EI_CRON_SQL] = sql;
    return c;
}

static void fill(struct ei_state *s) {
    ei_state_init(s);
    assert_int_equal(put_queue(s, "zoo", "", 2, NULL), 1);
    assert_int_equal(put_queue(s, "ant", "zoo", 7, NULL), 1);
    struct ei_state_command c = cron_entry("nightly", "0 3 * * *", "SELECT 1");
    c.must_be_new = true;
    c.number[EI_CRON_FIRED_MS] = INT64_C(1700000000000);
    assert_int_equal(ei_state_apply(s, &c, NULL), 1);
    struct ei_state_command n = {
        .type = EI_STATE_SETTING_PUT, .kind = EI_STATE_NODE, .name = "worker-1"};
    n.text[EI_NODE_REASON] = "new disk";
    n.number[EI_NODE_STATE] = EI_NODE_DRAINING;
    assert_int_equal(ei_state_apply(s, &n, NULL), 1);
}

static void test_cron_entries(void **state) {
    (void)state;
    struct ei_state s;
    struct ei_error e = {0};
    fill(&s);
    struct ei_state_command c = cron_entry("broken", "0 3 * *", "SELECT 1");
    assert_int_equal(ei_state_apply(&s, &c, &e), -1);
    assert_non_null(strstr(e.text, "five fields"));
    c = cron_entry("empty", "0 3 * * *", "");
    assert_int_equal(ei_state_apply(&s, &c, &e), -1);
    c = ei_state_put(&s, EI_STATE_CRON, "nightly"); /* borrows from what it replaces */
    c.number[EI_CRON_RUNS]++;
    assert_int_equal(ei_state_apply(&s, &c, &e), 1);
    const struct ei_state_setting *i = ei_state_setting(&s, EI_STATE_CRON, "nightly");
    assert_string_equal(i->text[EI_CRON_SQL], "SELECT 1");
    assert_int_equal(i->number[EI_CRON_RUNS], 1);
    struct ei_state_command drop = {
        .type = EI_STATE_SETTING_DROP, .kind = EI_STATE_CRON, .name = "nightly"};
    assert_int_equal(ei_state_apply(&s, &drop, &e), 1);
    assert_int_equal(ei_state_apply(&s, &drop, &e), -1);
    drop.if_exists = true;
    assert_int_equal(ei_state_apply(&s, &drop, &e), 0);
    assert_null(ei_state_setting(&s, EI_STATE_CRON, "nightly"));
    ei_state_release(&s);
}

/* Bytes and back, and a command's bytes cut and flipped anywhere. */
static void test_bytes(void **state) {
    (void)state;
    struct ei_state a, b;
    struct ei_buf bytes = {0}, again = {0}, strings = {0};
    struct ei_error e = {0};
    fill(&a);
    ei_state_encode(&a, &bytes);
    assert_int_equal(ei_state_decode(&b, bytes.data, bytes.len, &e), 0);
    assert_int_equal(b.settings[EI_STATE_QUEUE].count, 2);
    assert_string_equal(b.settings[EI_STATE_QUEUE].items[0].name, "ant");
    assert_string_equal(ei_state_setting(&b, EI_STATE_NODE, "worker-1")->text[EI_NODE_REASON],
                        "new disk");
    ei_state_encode(&b, &again);
    assert_int_equal(again.len, bytes.len);
    assert_memory_equal(again.data, bytes.data, bytes.len);
    ei_state_release(&b);
    struct ei_state_command c = ei_state_put(&a, EI_STATE_CRON, "nightly"), d;
    ei_buf_clear(&bytes);
    ei_state_command_encode(&c, &bytes);
    assert_int_equal(ei_state_command_decode(&d, &strings, bytes.data, bytes.len, &e), 0);
    assert_int_equal(d.kind, EI_STATE_CRON);
    assert_string_equal(d.text[EI_CRON_SCHEDULE], "0 3 * * *");
    assert_int_equal(ei_state_apply(&a, &d, &e), 0); /* says what is there */
    for (size_t n = 0; n < bytes.len; n++)
        assert_int_equal(ei_state_command_decode(&d, &strings, bytes.data, n, &e), -1);
    struct ei_rng rng = {11};
    for (int round = 0; round < 20000; round++) {
        size_t at = ei_rng_below(&rng, bytes.len);
        char old = bytes.data[at];
        bytes.data[at] = (char)ei_rng_next(&rng);
        if (ei_state_command_decode(&d, &strings, bytes.data, bytes.len, NULL) == 0)
            (void)ei_state_check(&a, &d, NULL);
        bytes.data[at] = old;
    }
    ei_state_release(&a);
    ei_buf_release(&bytes);
    ei_buf_release(&again);
    ei_buf_release(&strings);
}

/* What a master of format 1 left is read: no settings. */
static void test_first_format(void **state) {
    (void)state;
    struct ei_buf x = {0};
    static const char body[] = "\1\0\0\0\0\0\0\0"   /* version */
                               "\144\0\0\0\0\0\0\0" /* 100 job ids */
                               "\0\0\0\0";          /* no tables */
    ei_buf_append(&x, "EIST\1\0\0\0\5\0\0\0\0\0\0\0\24\0\0\0", 20);
    ei_buf_append(&x, body, 20);
    uint32_t crc = ei_crc32c(0, x.data, x.len);
    for (int i = 0; i < 4; i++)
        ei_buf_putc(&x, (char)(crc >> (8 * i)));
    struct ei_state s;
    struct ei_error e = {0};
    assert_int_equal(ei_state_decode(&s, x.data, x.len, &e), 0);
    assert_int_equal(s.job_ids_used, 100);
    assert_int_equal(s.index, 5);
    assert_int_equal(s.settings[EI_STATE_QUEUE].count, 0);
    ei_state_release(&s);
    ei_buf_release(&x);
}

/* ---- schedules ---- */

static int64_t utc(const char *text) {
    struct tm t = {0};
    assert_int_equal(sscanf(text, "%d-%d-%d %d:%d:%d", &t.tm_year, &t.tm_mon, &t.tm_mday,
                            &t.tm_hour, &t.tm_min, &t.tm_sec),
                     6);
    t.tm_year -= 1900;
    t.tm_mon--;
    return (int64_t)timegm(&t) * 1000;
}

static void test_next_times(void **state) {
    (void)state;
    static const struct {
        const char *schedule, *after, *next;
    } cases[] = {
        {"* * * * *", "2026-11-21 22:00:00", "2026-11-21 22:01:00"},
        {"* * * * *", "2026-11-21 22:00:59", "2026-11-21 22:01:00"},
        {"*/5 * * * *", "2026-11-21 22:57:00", "2026-11-21 23:00:00"},
        {"7/20 * * * *", "2026-11-21 22:08:00", "2026-11-21 22:27:00"},
        {"0 3 * * *", "2026-12-31 03:00:00", "2027-01-01 03:00:00"},
        {"30 4 1,15 * *", "2026-11-02 00:00:00", "2026-11-15 04:30:00"},
        {"0 0 29 2 *", "2026-03-01 00:00:00", "2028-02-29 00:00:00"},
        {"0 0 31 * *", "2026-11-01 00:00:00", "2026-12-31 00:00:00"},
        {"0 12 * * mon-fri", "2026-11-21 22:00:00", "2026-11-23 12:00:00"},
        {"0 12 * * 7", "2026-11-21 22:00:00", "2026-11-22 12:00:00"},
        {"0 12 * * SUN", "2026-11-21 22:00:00", "2026-11-22 12:00:00"},
        {"0 0 1 jan *", "2026-11-21 22:00:00", "2027-01-01 00:00:00"},
        {"0 0 13 * 5", "2026-11-21 22:00:00", "2026-11-27 00:00:00"}, /* Friday, or the 13th */
        {"@hourly", "2026-11-21 22:00:00", "2026-11-21 23:00:00"},
        {"@Daily", "2026-11-21 22:00:00", "2026-11-22 00:00:00"},
        {"@monthly", "2026-12-01 00:00:00", "2027-01-01 00:00:00"},
        {"59 23 31 12 *", "1969-12-30 00:00:00", "1969-12-31 23:59:00"},
        {" 1-9/4,30   *\t* * * ", "2026-11-21 22:09:30", "2026-11-21 22:30:00"},
    };
    for (size_t i = 0; i < EI_ARRAY_LEN(cases); i++) {
        struct ei_cron c;
        struct ei_error e = {0};
        if (ei_cron_parse(&c, cases[i].schedule, &e) != 0)
            fail_msg("%s: %s", cases[i].schedule, e.text);
        if (ei_cron_next(&c, utc(cases[i].after)) != utc(cases[i].next))
            fail_msg("%s after %s is not %s", cases[i].schedule, cases[i].after, cases[i].next);
    }
    struct ei_cron never;
    assert_int_equal(ei_cron_parse(&never, "0 0 30 2 *", NULL), 0);
    assert_true(ei_cron_next(&never, utc("2026-01-01 00:00:00")) == INT64_MAX);
    assert_true(ei_cron_next(&never, INT64_MAX) == INT64_MAX);
}

static void test_wrong_schedules(void **state) {
    (void)state;
    static const char *const bad[] = {"",
                                      "*",
                                      "* * * *",
                                      "* * * * * *",
                                      "60 * * * *",
                                      "* 24 * * *",
                                      "* * 0 * *",
                                      "* * 32 * *",
                                      "* * * 0 *",
                                      "* * * 13 *",
                                      "* * * * 8",
                                      "a * * * *",
                                      "*/0 * * * *",
                                      "5- * * * *",
                                      "9-5 * * * *",
                                      "1,,2 * * * *",
                                      "1, * * * *",
                                      "-1 * * * *",
                                      "*/ * * * *",
                                      "@never",
                                      "1.5 * * * *",
                                      "99999 * * * *",
                                      "* * * foo *",
                                      "* * * * monday",
                                      "*/1001 * * * *",
                                      "** * * * *",
                                      "1-2-3 * * * *",
                                      "\xff * * * *"};
    for (size_t i = 0; i < EI_ARRAY_LEN(bad); i++) {
        struct ei_cron c;
        struct ei_error e = {0};
        if (ei_cron_parse(&c, bad[i], &e) == 0)
            fail_msg("\"%s\" is accepted", bad[i]);
        assert_int_equal(e.code, EI_INVALID);
    }
    assert_int_equal(ei_cron_parse(&(struct ei_cron){0}, NULL, NULL), -1);
}

/* Any bytes are safe, and the next time of what is accepted fits when looked at by the C library.
 */
static void test_random_schedules(void **state) {
    (void)state;
    static const char letters[] = "0123456789*/-, ,* * */5 1-3 monjan@";
    struct ei_rng rng = {3};
    int accepted = 0;
    for (int round = 0; round < 300000; round++) {
        char text[24] = {0};
        size_t n = ei_rng_below(&rng, sizeof text - 1);
        for (size_t i = 0; i < n; i++)
            text[i] = letters[ei_rng_below(&rng, sizeof letters - 1)];
        if (round % 2 == 0)
            (void)snprintf(text, sizeof text, "%u,%u %u-23 */%u * %u",
                           (unsigned)ei_rng_below(&rng, 62), (unsigned)ei_rng_below(&rng, 60),
                           (unsigned)ei_rng_below(&rng, 24), (unsigned)ei_rng_below(&rng, 9),
                           (unsigned)ei_rng_below(&rng, 9));
        struct ei_cron c;
        if (ei_cron_parse(&c, text, NULL) != 0)
            continue;
        accepted++;
        int64_t after = (int64_t)ei_rng_below(&rng, UINT64_C(4000000000)) * 1000;
        int64_t next = ei_cron_next(&c, after);
        if (next == INT64_MAX)
            continue;
        time_t seconds = (time_t)(next / 1000);
        struct tm t;
        assert_non_null(gmtime_r(&seconds, &t));
        assert_true(next > after && t.tm_sec == 0);
        assert_true(c.minutes >> t.tm_min & 1 && c.hours >> t.tm_hour & 1);
        assert_true(c.months >> (t.tm_mon + 1) & 1);
        assert_true(c.days >> t.tm_mday & 1 || c.weekdays >> t.tm_wday & 1);
    }
    assert_true(accepted > 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queues),
        cmocka_unit_test(test_cron_entries),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_first_format),
        cmocka_unit_test(test_next_times),
        cmocka_unit_test(test_wrong_schedules),
        cmocka_unit_test(test_random_schedules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
