#include "base/mem.h"
#include "master/journal.h"
#include "os/os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

static int make_dir(void **state) {
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/eider-journal-XXXXXX");
    return mkdtemp(dir) == NULL ? -1 : 0;
}

static int remove_dir(void **state) {
    (void)state;
    return ei_remove_tree(dir, NULL);
}

static struct ei_journal *open_or_fail(struct ei_state *s) {
    struct ei_journal *j = NULL;
    struct ei_error e = {0};
    if (ei_journal_open(&j, dir, s, &e) != 0)
        fail_msg("%s", e.text);
    return j;
}

static int create(struct ei_journal *j, struct ei_state *s, const char *name) {
    struct ei_state_command c = {
        .type = EI_STATE_TABLE_CREATE, .name = name, .sql = "'x.csv'", .created_ms = 1};
    return ei_journal_commit(j, s, &c, NULL);
}

static void close_both(struct ei_journal *j, struct ei_state *s) {
    ei_journal_close(j);
    ei_state_release(s);
}

static char *file(const char *name) {
    return ei_path_join(dir, name);
}

static void test_survives_reopening(void **state) {
    (void)state;
    struct ei_state s;
    struct ei_journal *j = open_or_fail(&s);
    assert_int_equal(create(j, &s, "a"), 1);
    assert_int_equal(create(j, &s, "a"), -1);
    assert_int_equal(create(j, &s, "b"), 1);
    struct ei_state_command ids = {.type = EI_STATE_JOB_IDS, .job_ids = 100};
    assert_int_equal(ei_journal_commit(j, &s, &ids, NULL), 1);
    close_both(j, &s);
    j = open_or_fail(&s);
    assert_int_equal(s.table_count, 2);
    assert_int_equal(s.job_ids_used, 100);
    assert_int_equal(s.index, 3);
    close_both(j, &s);
}

static void test_one_owner(void **state) {
    (void)state;
    struct ei_state s, t;
    struct ei_journal *j = open_or_fail(&s), *k = NULL;
    struct ei_error e = {0};
    assert_int_equal(ei_journal_open(&k, dir, &t, &e), -1);
    assert_int_equal(e.code, EI_EXISTS);
    close_both(j, &s);
}

/* Long journals turn into a snapshot; either file alone would not do. */
static void test_snapshot(void **state) {
    (void)state;
    struct ei_state s;
    struct ei_journal *j = open_or_fail(&s);
    char name[16];
    for (int i = 0; i < 200; i++) {
        struct ei_state_command c = {.type = EI_STATE_TABLE_CREATE, .name = name};
        (void)snprintf(name, sizeof name, "t%d", i);
        char *sql = ei_malloc(3001);
        memset(sql, 'q', 3000);
        sql[3000] = 0;
        c.sql = sql;
        assert_int_equal(ei_journal_commit(j, &s, &c, NULL), 1);
        free(sql);
    }
    close_both(j, &s);
    char *snapshot = file("snapshot"), *journal = file("journal");
    assert_int_equal(access(snapshot, F_OK), 0);
    j = open_or_fail(&s);
    assert_int_equal(s.table_count, 200);
    assert_int_equal(s.index, 200);
    close_both(j, &s);
    assert_int_equal(unlink(snapshot), 0);
    struct ei_error e = {0};
    assert_int_equal(ei_journal_open(&j, dir, &s, &e), -1);
    assert_int_equal(e.code, EI_CORRUPT);
    free(snapshot);
    free(journal);
}

static void fill_three(struct ei_buf *bytes) {
    struct ei_state s;
    struct ei_journal *j = open_or_fail(&s);
    assert_int_equal(create(j, &s, "a"), 1);
    assert_int_equal(create(j, &s, "b"), 1);
    assert_int_equal(create(j, &s, "c"), 1);
    close_both(j, &s);
    char *path = file("journal");
    assert_int_equal(ei_read_file(path, 1 << 20, bytes, NULL), 0);
    free(path);
}

static void write_journal(const void *data, size_t len) {
    char *path = file("journal");
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
    free(path);
}

/* A cut anywhere loses at most the records behind it, and the journal goes on from there. */
static void test_torn_tail(void **state) {
    (void)state;
    struct ei_buf bytes = {0};
    fill_three(&bytes);
    size_t last = 99;
    for (size_t n = bytes.len; n >= 20; n--) {
        struct ei_state s;
        write_journal(bytes.data, n);
        struct ei_journal *j = open_or_fail(&s);
        assert_true(s.table_count <= 3 && s.table_count <= last);
        last = s.table_count;
        assert_true(n != bytes.len || s.table_count == 3);
        assert_int_equal(create(j, &s, "z"), 1);
        close_both(j, &s);
        j = open_or_fail(&s);
        assert_non_null(ei_state_find(&s, "z"));
        assert_int_equal(s.table_count, last + 1);
        close_both(j, &s);
    }
    assert_int_equal(last, 0);
    /* What a file system leaves that grew the file before it wrote the data. */
    struct ei_state s;
    for (int i = 0; i < 64; i++)
        ei_buf_putc(&bytes, '\0');
    write_journal(bytes.data, bytes.len);
    struct ei_journal *j = open_or_fail(&s);
    assert_int_equal(s.table_count, 3);
    close_both(j, &s);
    ei_buf_release(&bytes);
}

static void test_every_flipped_byte(void **state) {
    (void)state;
    struct ei_buf bytes = {0};
    fill_three(&bytes);
    for (size_t i = 0; i < bytes.len; i++) {
        for (int bit = 0; bit < 8; bit += 7) {
            struct ei_state s;
            struct ei_journal *j = NULL;
            struct ei_error e = {0};
            bytes.data[i] = (char)(bytes.data[i] ^ (1 << bit));
            write_journal(bytes.data, bytes.len);
            assert_int_equal(ei_journal_open(&j, dir, &s, &e), -1);
            assert_true(e.code == EI_CORRUPT || e.code == EI_UNSUPPORTED);
            assert_non_null(strstr(e.text, "journal"));
            bytes.data[i] = (char)(bytes.data[i] ^ (1 << bit));
        }
    }
    ei_buf_release(&bytes);
}

int main(void) {
#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, make_dir, remove_dir)
    const struct CMUnitTest tests[] = {
        IN_DIR(test_survives_reopening), IN_DIR(test_one_owner),          IN_DIR(test_snapshot),
        IN_DIR(test_torn_tail),          IN_DIR(test_every_flipped_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
