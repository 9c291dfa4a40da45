#include "wire/frame.h"
#include "wire/messages.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void test_round_trip(void **state) {
    uint8_t bytes[EI_FRAME_HEADER_BYTES + 5];
    struct ei_frame f;
    struct ei_error e;
    ei_frame_put_header(bytes, 43, EI_FRAME_FLAG_REPLY, 0x1122334455667788ULL, 5);
    memcpy(bytes + EI_FRAME_HEADER_BYTES, "hello", 5);
    for (size_t n = 0; n < sizeof bytes; n++)
        assert_int_equal(ei_frame_decode(bytes, n, 100, &f, &e), 0);
    assert_int_equal(ei_frame_decode(bytes, sizeof bytes, 5, &f, &e), sizeof bytes);
    assert_int_equal(f.type, 43);
    assert_int_equal(f.flags, EI_FRAME_FLAG_REPLY);
    assert_true(f.request == 0x1122334455667788ULL);
    assert_int_equal(f.payload_len, 5);
    assert_memory_equal(f.payload, "hello", 5);
    assert_int_equal(ei_frame_decode(bytes, sizeof bytes, 4, &f, &e), -1);
    assert_int_equal(e.code, EI_LIMIT);
}

/* The layout is a promise to other versions: these bytes never change. */
static void test_golden_header(void **state) {
    static const uint8_t want[EI_FRAME_HEADER_BYTES] = {3, 2, 1, 0, 24, 0, 1, 1,
                                                        8, 7, 6, 5, 4,  3, 2, 1};
    uint8_t got[EI_FRAME_HEADER_BYTES];
    ei_frame_put_header(got, 24, 1, 0x0102030405060708ULL, 0x010203);
    assert_memory_equal(got, want, sizeof want);
}

static void test_refusals(void **state) {
    uint8_t bytes[EI_FRAME_HEADER_BYTES];
    struct ei_frame f;
    struct ei_error e;
    ei_frame_put_header(bytes, 1, 0, 0, 0);
    bytes[6] = EI_PROTOCOL_VERSION + 1;
    assert_int_equal(ei_frame_decode(bytes, sizeof bytes, 100, &f, &e), -1);
    assert_int_equal(e.code, EI_UNSUPPORTED);
    ei_frame_put_header(bytes, 1, 0, 0, 0);
    bytes[7] = 2;
    assert_int_equal(ei_frame_decode(bytes, sizeof bytes, 100, &f, &e), -1);
    assert_int_equal(e.code, EI_CORRUPT);
    memset(bytes, 0xff, 4);
    bytes[7] = 0;
    assert_int_equal(ei_frame_decode(bytes, sizeof bytes, EI_FRAME_PAYLOAD_MAX, &f, &e), -1);
    assert_int_equal(e.code, EI_LIMIT);
}

/* Each message has a number, a descriptor and senders of its own. */
static void test_message_table(void **state) {
    static const uint16_t types[] = {
#define X(name, number, type, prefix, senders) number,
        EI_MESSAGES(X)
#undef X
    };
    for (size_t i = 0; i < EI_ARRAY_LEN(types); i++) {
        const struct ei_msg_info *info = ei_msg_info(types[i]);
        assert_non_null(info);
        assert_int_equal(info->type, types[i]);
        assert_int_equal(ei_msg_type(info->descriptor), types[i]);
        assert_int_not_equal(info->senders, 0);
        for (size_t k = i + 1; k < EI_ARRAY_LEN(types); k++)
            assert_int_not_equal(types[i], types[k]);
    }
    assert_null(ei_msg_info(0));
    assert_null(ei_msg_info(65535));
    assert_int_equal(ei_msg_type(&eider__v1__attempt_id__descriptor), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_golden_header),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_message_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
