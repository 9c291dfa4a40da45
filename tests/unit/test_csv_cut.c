#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "text/csv_cut.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct ei_csv_dialect COMMA = {',', '"', true};

static const char *cut_one(const char *text, size_t position, size_t *cut) {
    return ei_csv_cut(&COMMA, text, strlen(text), &position, 1, cut);
}

static void test_cuts(void **state) {
    (void)state;
    size_t cut;
    assert_null(cut_one("a,b\nc,d\n", 1, &cut));
    assert_int_equal(cut, 4);
    assert_null(cut_one("a,b\nc,d\n", 4, &cut)); /* a start of a record is itself a cut */
    assert_int_equal(cut, 4);
    assert_null(cut_one("a,b\nc,d\n", 5, &cut));
    assert_int_equal(cut, 8);
    assert_null(cut_one("a,b\nc,d", 5, &cut));
    assert_int_equal(cut, 7);
    assert_null(cut_one("a,\"x\ny\"\nc,d\n", 3, &cut));
    assert_int_equal(cut, 8);
    assert_null(cut_one("a,\"x\"\"\ny\"\r\nc,d\n", 3, &cut));
    assert_int_equal(cut, 11);
    assert_null(cut_one("\"\n\"", 1, &cut));
    assert_int_equal(cut, 3);
    assert_null(cut_one("\xEF\xBB\xBF\"a\nb\",1\n2,3\n", 1, &cut));
    assert_int_equal(cut, 11);
}

static void test_ambiguous(void **state) {
    (void)state;
    static const char *const BAD[] = {"a\"b,1\n2,3\n", "\"a\"b,1\n", "\"a\n",
                                      "a, \"x\ny\"\n", "\"a\" ,1\n", "a,\"\"\"\n"};
    size_t cut;
    for (size_t i = 0; i < EI_ARRAY_LEN(BAD); i++)
        assert_non_null(cut_one(BAD[i], 1, &cut));
    struct ei_csv_dialect no_escape = {',', '"', false}, no_quote = {',', 0, false};
    size_t position = 1;
    assert_non_null(ei_csv_cut(&no_escape, "\"a\"\"\"\n", 7, &position, 1, &cut));
    assert_null(ei_csv_cut(&no_quote, "a\"b\nc", 5, &position, 1, &cut));
    assert_int_equal(cut, 4);
}

static void test_lines(void **state) {
    (void)state;
    assert_int_equal(ei_line_cut("ab\ncd\n", 6, 1), 3);
    assert_int_equal(ei_line_cut("ab\ncd\n", 6, 3), 3);
    assert_int_equal(ei_line_cut("ab\ncd\n", 6, 4), 6);
    assert_int_equal(ei_line_cut("abcd", 4, 1), 4);
}

/* Against records that were written one by one. */
static void test_random(void **state) {
    (void)state;
    struct ei_rng rng = {11};
    static const char PIECES[][4] = {"a", ",", "\n", "\"\"", "\r", "bc"};
    for (int round = 0; round < 2000; round++) {
        struct ei_buf text = {0};
        size_t starts[64], count = 0;
        for (size_t record = ei_rng_below(&rng, 20); record > 0; record--) {
            starts[count++] = text.len;
            for (size_t field = 1 + ei_rng_below(&rng, 3); field > 0; field--) {
                bool quoted = ei_rng_below(&rng, 2) == 0;
                ei_buf_puts(&text, quoted ? "\"" : "x");
                for (size_t n = quoted ? ei_rng_below(&rng, 5) : 0; n > 0; n--)
                    ei_buf_puts(&text, PIECES[ei_rng_below(&rng, 6)]);
                ei_buf_puts(&text, quoted ? "\"" : "");
                if (field > 1)
                    ei_buf_putc(&text, ',');
            }
            if (record > 1 || ei_rng_below(&rng, 2) == 0)
                ei_buf_puts(&text, ei_rng_below(&rng, 2) == 0 ? "\n" : "\r\n");
        }
        size_t positions[4], cuts[4], n = text.len > 4 ? 4 : 0;
        for (size_t i = 0; i < n; i++)
            positions[i] = 1 + text.len * i / 4;
        assert_null(ei_csv_cut(&COMMA, text.data, text.len, positions, n, cuts));
        for (size_t i = 0; i < n; i++) {
            size_t wanted = text.len;
            for (size_t k = count; k > 0; k--)
                if (starts[k - 1] >= positions[i])
                    wanted = starts[k - 1];
            assert_int_equal(cuts[i], wanted);
        }
        ei_buf_release(&text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cuts),
        cmocka_unit_test(test_ambiguous),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
