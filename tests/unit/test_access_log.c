#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "text/access_log.h"
#include "text/bits.h"
#include "text/repair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TIME "[10/Oct/2000:13:55:36 -0700]"

static bool parse(const char *line, struct ei_access_entry *entry) {
    return ei_access_parse(line, strlen(line), entry);
}

static void assert_span(struct ei_text_span span, const char *wanted) {
    if (wanted == NULL) {
        assert_null(span.data);
        return;
    }
    assert_non_null(span.data);
    assert_int_equal(span.len, strlen(wanted));
    assert_memory_equal(span.data, wanted, span.len);
}

static void test_common(void **state) {
    (void)state;
    struct ei_access_entry a;
    assert_true(parse("127.0.0.1 - frank " TIME " \"GET /a.gif HTTP/1.0\" 200 2326", &a));
    assert_span(a.ip, "127.0.0.1");
    assert_span(a.ident, NULL);
    assert_span(a.user, "frank");
    assert_span(a.method, "GET");
    assert_span(a.path, "/a.gif");
    assert_span(a.protocol, "HTTP/1.0");
    assert_span(a.referer, NULL);
    assert_span(a.agent, NULL);
    assert_int_equal(a.time_us, 971211336000000);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.bytes, 2326);
    assert_false(a.escaped);
    assert_false(a.high);
}

static void test_combined(void **state) {
    (void)state;
    struct ei_access_entry a;
    assert_true(
        parse("::1 id - " TIME " \"-\" 408 - \"-\" \"Mozilla/5.0 (X11; \\\"q\\\")\"\r", &a));
    assert_span(a.ip, "::1");
    assert_span(a.ident, "id");
    assert_span(a.user, NULL);
    assert_span(a.method, NULL);
    assert_span(a.path, "-");
    assert_span(a.protocol, NULL);
    assert_int_equal(a.status, 408);
    assert_int_equal(a.bytes, -1);
    assert_span(a.referer, NULL);
    assert_true(a.escaped);
    char out[64];
    size_t n = ei_access_unescape(&a.agent, out);
    assert_int_equal(n, strlen("Mozilla/5.0 (X11; \"q\")"));
    assert_memory_equal(out, "Mozilla/5.0 (X11; \"q\")", n);
}

static void test_odd_but_good(void **state) {
    (void)state;
    struct ei_access_entry a;
    assert_true(parse("h - John Q. Public " TIME " \"\" - -", &a));
    assert_span(a.user, "John Q. Public");
    assert_span(a.path, "");
    assert_int_equal(a.status, -1);
    assert_true(parse("h - - " TIME " \"GET /a b HTTP/1.1\" 200 1", &a));
    assert_span(a.method, NULL);
    assert_span(a.path, "GET /a b HTTP/1.1");
    assert_true(
        parse("h - - [29/Feb/2024:23:59:60 +0530] \"GET / H\" 200 9223372036854775807", &a));
    assert_int_equal(a.time_us, (1709251200LL - 5 * 3600 - 1800) * 1000000);
    assert_int_equal(a.bytes, INT64_MAX);
    assert_true(parse("h - - [01/Jan/1970:00:00:00 +0000] \"\\\\\" 200 0 \"\" \"\"", &a));
    assert_int_equal(a.time_us, 0);
    assert_span(a.referer, "");
}

static void test_malformed(void **state) {
    (void)state;
    static const char *const BAD[] = {
        "x",
        "GET / HTTP/1.1",
        "h - - " TIME " \"GET / HTTP/1.0\" 200",
        "h - - " TIME " \"GET / HTTP/1.0\" 200 ",
        "h - - " TIME " \"GET / HTTP/1.0\" 20 1",
        "h - - " TIME " \"GET / HTTP/1.0\" 2000 1",
        "h - - " TIME " \"GET / HTTP/1.0\" 200 1x",
        "h - - " TIME " \"GET / HTTP/1.0\" 200 9223372036854775808",
        "h - - " TIME " \"GET / HTTP/1.0 200 1",
        "h - - " TIME " \"GET / HTTP/1.0\\\" 200 1",
        "h - - " TIME " \"GET / HTTP/1.0\" 200 1 \"-\"",
        "h - - " TIME " \"GET / HTTP/1.0\" 200 1 \"-\" \"a\" x",
        "h - - " TIME " \"GET / HTTP/1.0\" 200 1 \"-\" \"a",
        "h - - " TIME " \"GET / HTTP/1.0\" 200 1 ",
        "h - - [31/Feb/2000:13:55:36 -0700] \"GET / H\" 200 1",
        "h - - [29/Feb/2023:13:55:36 -0700] \"GET / H\" 200 1",
        "h - - [10/Okt/2000:13:55:36 -0700] \"GET / H\" 200 1",
        "h - - [10/Oct/2000:24:55:36 -0700] \"GET / H\" 200 1",
        "h - - [10/Oct/2000:13:60:36 -0700] \"GET / H\" 200 1",
        "h - - [10/Oct/2000:13:55:36 0700] \"GET / H\" 200 1",
        "h - - [10/Oct/2000:13:55:36 -0760] \"GET / H\" 200 1",
        "h - " TIME " \"GET / H\" 200 1",
        " - - " TIME " \"GET / H\" 200 1",
        "h  - " TIME " \"GET / H\" 200 1",
        ("h - - " TIME),
        "h - - [",
        "h - -",
        "h - ",
        "h ",
        "\"",
        "\\",
    };
    struct ei_access_entry a;
    for (size_t i = 0; i < EI_ARRAY_LEN(BAD); i++)
        if (parse(BAD[i], &a))
            fail_msg("taken as good: %s", BAD[i]);
}

/* A date must not profit from the neighbour's that was good. */
static void test_dates_are_checked_anew(void **state) {
    (void)state;
    static const char TEXT[] = "h - - [10/Oct/2000:13:55:36 -0700] \"a\" 200 1\n"
                               "h - - [10/Oct/2000 13:55:36 -0700] \"a\" 200 1\n"
                               "\r\n\n"
                               "h - - [11/Oct/2000:13:55:36 -0800] \"a\" 200 1\n"
                               "h - - [11/Oct/2000:13:55:36 -0900] \"a\" 200 1";
    struct ei_access_scanner s;
    struct ei_access_entry a;
    ei_access_scanner_init(&s);
    ei_access_scanner_feed(&s, TEXT, sizeof TEXT - 1);
    assert_int_equal(ei_access_next(&s, &a), EI_ACCESS_ENTRY);
    int64_t first = a.time_us;
    assert_int_equal(ei_access_next(&s, &a), EI_ACCESS_MALFORMED);
    assert_int_equal(ei_access_next(&s, &a), EI_ACCESS_ENTRY);
    assert_int_equal(a.time_us - first, 25LL * 3600 * 1000000);
    assert_int_equal(ei_access_next(&s, &a), EI_ACCESS_ENTRY);
    assert_int_equal(a.time_us - first, 26LL * 3600 * 1000000);
    assert_int_equal(ei_access_next(&s, &a), EI_ACCESS_END);
    ei_access_scanner_release(&s);
}

/* Lines of every length, across the borders of windows, one longer than the limit. */
static void test_windows(void **state) {
    (void)state;
    struct ei_buf text = {0};
    struct ei_rng rng = {7};
    size_t good = 0, bad = 0;
    for (int i = 0; i < 3000; i++) {
        if (i == 1500) {
            for (size_t k = 0; k < EI_ACCESS_LINE_MAX + 10; k++)
                ei_buf_putc(&text, 'x');
            ei_buf_putc(&text, '\n');
            bad++;
        }
        ei_buf_printf(&text, "10.0.%d.%d - - " TIME " \"GET /", i / 256, i % 256);
        size_t n = i % 500 == 0 ? 100000 : (size_t)ei_rng_below(&rng, 400);
        for (size_t k = 0; k < n; k++)
            ei_buf_putc(&text, 'p');
        ei_buf_puts(&text, i % 7 == 0 ? " HTTP/1.1\" 200 x\n" : " HTTP/1.1\" 200 17\n");
        *(i % 7 == 0 ? &bad : &good) += 1;
    }
    struct ei_access_scanner s;
    struct ei_access_entry a;
    enum ei_access_result got;
    ei_access_scanner_init(&s);
    ei_access_scanner_feed(&s, text.data, text.len);
    size_t bytes = 0;
    while ((got = ei_access_next(&s, &a)) != EI_ACCESS_END) {
        *(got == EI_ACCESS_ENTRY ? &good : &bad) -= 1;
        bytes += a.line.len + 1;
    }
    assert_int_equal(good, 0);
    assert_int_equal(bad, 0);
    assert_int_equal(bytes, text.len);
    ei_access_scanner_release(&s);
    ei_buf_release(&text);
}

static void test_text_helpers(void **state) {
    (void)state;
    struct ei_rng rng = {3};
    char text[300];
    for (int round = 0; round < 2000; round++) {
        size_t n = ei_rng_below(&rng, sizeof text), commas = 0;
        int high = 0;
        for (size_t i = 0; i < n; i++) {
            text[i] = (char)(ei_rng_below(&rng, 200) == 0 ? 0x80 + ei_rng_below(&rng, 128)
                                                          : ',' + ei_rng_below(&rng, 3));
            commas += text[i] == ',';
            high |= (unsigned char)text[i] >= 0x80;
        }
        assert_int_equal(ei_text_count(text, n, ','), commas);
        assert_int_equal(ei_text_is_ascii(text, n), !high);
    }
    struct ei_buf b = {0};
    ei_text_repair("a\xff\xc3\xa9\xc3", 5, &b);
    assert_string_equal(b.data, "a\xEF\xBF\xBD\xc3\xa9\xEF\xBF\xBD");
    ei_buf_release(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_common),
        cmocka_unit_test(test_combined),
        cmocka_unit_test(test_odd_but_good),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_dates_are_checked_anew),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_text_helpers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
