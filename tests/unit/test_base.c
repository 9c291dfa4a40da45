#include "base/buf.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_error_texts(void **state) {
    (void)state;
    struct ei_error e = {0};
    assert_int_equal(ei_fail(&e, EI_NOT_FOUND, "no job %d", 7), -1);
    assert_int_equal(e.code, EI_NOT_FOUND);
    assert_string_equal(e.text, "no job 7");
    ei_wrap(&e, "cancel");
    assert_string_equal(e.text, "cancel: no job 7");
    ei_fail_errno(&e, EI_IO, ENOSPC, "write x");
    assert_int_equal(e.code, EI_NO_SPACE);
    assert_string_equal(ei_code_name(EI_NO_SPACE), "no_space");
    assert_int_equal(ei_code_from_wire(4), EI_NOT_FOUND);
    assert_int_equal(ei_code_from_wire(9999), EI_INTERNAL);
}

static void test_buf_quotes(void **state) {
    (void)state;
    struct ei_buf b = {0};
    ei_buf_sql_string(&b, "it's");
    ei_buf_sql_ident(&b, "a\"b");
    assert_string_equal(b.data, "'it''s'\"a\"\"b\"");
    ei_buf_clear(&b);
    ei_buf_json_string(&b, "a\"\n\x01\xff\xc3\xa9", 7);
    assert_string_equal(b.data, "\"a\\\"\\n\\u0001\xef\xbf\xbd\xc3\xa9\"");
    ei_buf_consume(&b, 1);
    assert_int_equal(b.data[0], 'a');
    ei_buf_release(&b);
}

static void test_map_against_array(void **state) {
    (void)state;
    enum { KEYS = 300 };
    static int values[KEYS];
    bool present[KEYS] = {0};
    struct ei_map m = {0};
    struct ei_rng rng = {42};
    for (int step = 0; step < 20000; step++) {
        size_t k = ei_rng_below(&rng, KEYS);
        char name[16];
        (void)snprintf(name, sizeof name, "key%zu", k);
        if (ei_rng_below(&rng, 2) == 0) {
            void *old = ei_map_put(&m, name, &values[k]);
            assert_true((old != NULL) == present[k]);
            present[k] = true;
        } else {
            void *old = ei_map_remove(&m, name);
            assert_true((old != NULL) == present[k]);
            present[k] = false;
        }
    }
    size_t count = 0;
    for (size_t k = 0; k < KEYS; k++) {
        char name[16];
        (void)snprintf(name, sizeof name, "key%zu", k);
        assert_ptr_equal(ei_map_get(&m, name), present[k] ? &values[k] : NULL);
        count += present[k];
    }
    assert_int_equal(m.count, count);
    ei_map_release(&m);
}

static void test_crc32c_known_values(void **state) {
    (void)state;
    /* RFC 3720, B.4 */
    unsigned char zeros[32] = {0};
    assert_int_equal(ei_crc32c(0, zeros, 32), 0x8a9136aaU);
    unsigned char rising[32];
    for (int i = 0; i < 32; i++)
        rising[i] = (unsigned char)i;
    assert_int_equal(ei_crc32c(0, rising, 32), 0x46dd794eU);
    assert_int_equal(ei_crc32c(ei_crc32c(0, rising, 5), rising + 5, 27), 0x46dd794eU);
}

static void test_utf8(void **state) {
    (void)state;
    assert_true(ei_utf8_valid("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 10));
    assert_false(ei_utf8_valid("\xc0\x80", 2));
    assert_false(ei_utf8_valid("\xed\xa0\x80", 3));
    assert_false(ei_utf8_valid("\xf5\x80\x80\x80", 4));
    assert_false(ei_utf8_valid("\xe2\x82", 2));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_texts),
        cmocka_unit_test(test_buf_quotes),
        cmocka_unit_test(test_map_against_array),
        cmocka_unit_test(test_crc32c_known_values),
        cmocka_unit_test(test_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
