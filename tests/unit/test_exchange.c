/* The exchange file codec against a plain model: random layouts and rows go through a file and come
 * back; every cut and every flipped bit is found. */
#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "exchange/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROWS_MAX 300

static const struct ei_attempt_id ID = {77, 1, 2, 3};

/* ---- random layouts and rows ---- */

static void random_node(struct ei_rng *rng, struct ei_layout *l, int depth) {
    static const uint8_t WIDTHS[] = {1, 2, 4, 8, 16};
    switch (ei_rng_below(rng, depth < 3 ? 8 : 4)) {
    case 0:
    case 1:
        ei_layout_add(l, EI_LAYOUT_FIXED, WIDTHS[ei_rng_below(rng, 5)], 0);
        break;
    case 2:
        ei_layout_add(l, EI_LAYOUT_STRING, 0, 0);
        break;
    case 3:
        if (ei_rng_below(rng, 2) == 0)
            ei_layout_add(l, EI_LAYOUT_NULL, 0, 0);
        else
            ei_layout_add(l, EI_LAYOUT_FIXED, WIDTHS[ei_rng_below(rng, 3)], 200);
        break;
    case 4:
    case 5:
        ei_layout_add(l, EI_LAYOUT_LIST, 0, 0);
        random_node(rng, l, depth + 1);
        break;
    case 6: {
        uint32_t n = (uint32_t)ei_rng_below(rng, 4);
        ei_layout_add(l, EI_LAYOUT_STRUCT, 0, n);
        while (n-- > 0)
            random_node(rng, l, depth + 1);
        break;
    }
    default:
        ei_layout_add(l, EI_LAYOUT_ARRAY, 0, 1 + (uint32_t)ei_rng_below(rng, 4));
        random_node(rng, l, depth + 1);
    }
}

static void random_bytes(struct ei_rng *rng, uint8_t *out, size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)ei_rng_next(rng);
}

struct rows { /* vectors with their memory */
    struct ei_vector *vectors;
    void **memory;
    size_t memory_count, memory_capacity;
};

static void *keep(struct rows *r, size_t n) {
    EI_GROW(r->memory, r->memory_count, r->memory_capacity);
    return r->memory[r->memory_count++] = ei_calloc(1, n + 1);
}

static void random_strings(struct ei_rng *rng, struct rows *r, union ei_string *s, uint64_t n) {
    for (uint64_t i = 0; i < n; i++) {
        uint32_t len = (uint32_t)ei_rng_below(rng, 30);
        uint8_t bytes[30];
        random_bytes(rng, bytes, len);
        s[i].inlined.length = len;
        if (len <= EI_STRING_INLINE_MAX) {
            memcpy(s[i].inlined.bytes, bytes, len);
        } else {
            char *far = keep(r, len);
            memcpy(far, bytes, len);
            s[i].far.ptr = far;
        }
    }
}

static void random_vectors(struct ei_rng *rng, const struct ei_layout *l, uint32_t i, uint64_t n,
                           struct rows *r) {
    const struct ei_layout_node *node = &l->nodes[i];
    struct ei_vector *v = &r->vectors[i];
    uint64_t child_rows = n;
    if (ei_rng_below(rng, 2) == 0) {
        uint64_t *validity = keep(r, (n + 63) / 64 * 8);
        random_bytes(rng, (uint8_t *)validity, (n + 63) / 64 * 8);
        v->validity = validity;
    }
    if (node->kind == EI_LAYOUT_FIXED) {
        uint8_t *data = keep(r, n * node->width);
        random_bytes(rng, data, n * node->width);
        for (uint64_t k = 0; node->n > 0 && k < n; k++) {
            uint32_t value = (uint32_t)ei_rng_below(rng, node->n);
            memcpy(data + k * node->width, &value, node->width);
        }
        v->data = data;
    } else if (node->kind == EI_LAYOUT_STRING) {
        union ei_string *s = keep(r, n * sizeof *s);
        random_strings(rng, r, s, n);
        v->data = s;
    } else if (node->kind == EI_LAYOUT_LIST) { /* entries may overlap and have gaps between them */
        struct ei_list_entry *entries = keep(r, n * sizeof *entries);
        child_rows = 40;
        for (uint64_t k = 0; k < n; k++) {
            entries[k].length = ei_rng_below(rng, 5);
            entries[k].offset = ei_rng_below(rng, child_rows - 4);
        }
        v->data = entries;
    } else if (node->kind == EI_LAYOUT_ARRAY) {
        child_rows = n * node->n;
    }
    for (uint32_t c = i + 1; c < node->next; c = l->nodes[c].next)
        random_vectors(rng, l, c, child_rows, r);
}

static void rows_release(struct rows *r) {
    for (size_t i = 0; i < r->memory_count; i++)
        free(r->memory[i]);
    free(r->memory);
    free(r->vectors);
}

/* ---- comparing one row ---- */

static bool valid(const uint64_t *validity, uint64_t row) {
    return validity == NULL || (validity[row / 64] >> (row % 64) & 1) != 0;
}

static void assert_row(const struct ei_layout *l, uint32_t i, const struct ei_vector *in,
                       uint64_t row, const struct ei_block_view *out, uint64_t at) {
    const struct ei_layout_node *node = &l->nodes[i];
    assert_true(at < out[i].rows);
    if (node->kind == EI_LAYOUT_NULL)
        return;
    assert_int_equal(valid(in[i].validity, row), valid(out[i].validity, at));
    if (!valid(in[i].validity, row))
        return;
    const uint32_t *offsets = out[i].data;
    if (node->kind == EI_LAYOUT_FIXED) {
        assert_memory_equal((const uint8_t *)in[i].data + row * node->width,
                            (const uint8_t *)out[i].data + at * node->width, node->width);
    } else if (node->kind == EI_LAYOUT_STRING) {
        const union ei_string *s = (const union ei_string *)in[i].data + row;
        uint32_t len = s->inlined.length;
        assert_int_equal(offsets[at + 1] - offsets[at], len);
        assert_memory_equal(out[i].bytes + offsets[at],
                            len <= EI_STRING_INLINE_MAX ? s->inlined.bytes : s->far.ptr, len);
    } else if (node->kind == EI_LAYOUT_LIST) {
        const struct ei_list_entry *entry = (const struct ei_list_entry *)in[i].data + row;
        assert_int_equal(offsets[at + 1] - offsets[at], entry->length);
        for (uint64_t k = 0; k < entry->length; k++)
            assert_row(l, i + 1, in, entry->offset + k, out, offsets[at] + k);
    } else {
        uint64_t times = node->kind == EI_LAYOUT_ARRAY ? node->n : 1;
        for (uint32_t c = i + 1; c < node->next; c = l->nodes[c].next) {
            for (uint64_t k = 0; k < times; k++)
                assert_row(l, c, in, row * times + k, out, at * times + k);
        }
    }
}

/* ---- a file in memory ---- */

struct built {
    struct ei_buf bytes; /* malloc memory: 8-aligned */
    struct ei_layout layout;
    struct rows rows;
    uint32_t partitions;
    uint32_t n;
};

static void add_block(struct built *b, struct ei_block_builder *builder, uint32_t partition,
                      struct ei_exchange_block *at) {
    struct ei_span *spans = ei_calloc(ei_block_span_max(&b->layout), sizeof *spans);
    at->offset = b->bytes.len;
    at->rows = builder->rows;
    size_t n = ei_block_finish(builder, &ID, partition, spans, &at->bytes, &at->crc);
    for (size_t i = 0; i < n; i++)
        ei_buf_append(&b->bytes, spans[i].data, spans[i].len);
    assert_int_equal(b->bytes.len - at->offset, at->bytes);
    free(spans);
    ei_block_builder_clear(builder, 64);
}

/* Partition p has the rows p, p + partitions, ..., in two appends and two blocks. */
static void build(struct built *b, struct ei_rng *rng, uint32_t n, uint32_t partitions) {
    *b = (struct built){.partitions = partitions, .n = n};
    for (uint64_t k = ei_rng_below(rng, 4); k > 0; k--)
        random_node(rng, &b->layout, 0);
    assert_int_equal(ei_layout_seal(&b->layout, NULL), 0);
    b->rows.vectors = ei_calloc(b->layout.count, sizeof *b->rows.vectors);
    for (uint32_t i = 0; i < b->layout.count; i = b->layout.nodes[i].next)
        random_vectors(rng, &b->layout, i, n, &b->rows);
    ei_exchange_header_encode(&(struct ei_exchange_header){ID, partitions, b->layout}, &b->bytes);
    struct ei_exchange_index x = {.partition_count = partitions, .rows = n};
    x.partitions = ei_calloc(partitions, sizeof *x.partitions);
    x.blocks = ei_calloc((size_t)partitions * 2, sizeof *x.blocks);
    struct ei_block_builder builder;
    ei_block_builder_init(&builder, &b->layout);
    for (uint32_t p = 0; p < partitions; p++) {
        uint32_t selection[ROWS_MAX], count = 0, done = 0;
        struct ei_exchange_partition *part = &x.partitions[p];
        for (uint32_t r = p; r < n; r += partitions)
            selection[count++] = r;
        part->first_block = x.block_count;
        while (done < count) {
            uint32_t step = EI_MAX(1, EI_MIN(count - done, (count + 3) / 4));
            uint64_t measured = 0, before = builder.bytes;
            assert_int_equal(ei_block_measure(&b->layout, b->rows.vectors, 0, n, &measured, NULL),
                             0);
            ei_block_append(&builder, b->rows.vectors, selection + done, step);
            assert_true(builder.bytes - before <= measured + (uint64_t)b->layout.count * 64 * n);
            done += step;
            if (part->block_count == 0 && done >= count / 2)
                add_block(b, &builder, p, &x.blocks[x.block_count++]), part->block_count++;
        }
        if (builder.rows > 0)
            add_block(b, &builder, p, &x.blocks[x.block_count++]), part->block_count++;
        for (uint32_t k = 0; k < part->block_count; k++) {
            part->rows += x.blocks[part->first_block + k].rows;
            part->bytes += x.blocks[part->first_block + k].bytes;
        }
    }
    ei_block_builder_release(&builder);
    uint64_t index_offset = b->bytes.len;
    ei_exchange_index_encode(&x, &b->bytes);
    ei_exchange_trailer_encode(index_offset, b->bytes.len - index_offset, &b->bytes);
    ei_exchange_index_release(&x);
}

static void built_release(struct built *b) {
    ei_buf_release(&b->bytes);
    ei_layout_release(&b->layout);
    rows_release(&b->rows);
}

/* Opens and reads everything that a reader would; 0 if all of it was accepted. */
static int read_all(const uint8_t *data, size_t len, const struct built *compare) {
    struct ei_exchange_file f;
    struct ei_error e;
    if (ei_exchange_file_open(data, len, &f, &e) != 0)
        return -1;
    struct ei_block_view *views = ei_calloc(f.header.layout.count, sizeof *views);
    int status = 0;
    for (uint32_t p = 0; p < f.index.partition_count && status == 0; p++) {
        uint32_t row = p;
        const struct ei_exchange_partition *part = &f.index.partitions[p];
        for (uint32_t b = part->first_block; b < part->first_block + part->block_count; b++) {
            status = ei_exchange_file_block(&f, p, b, true, views, &e);
            if (status != 0)
                break;
            for (uint32_t k = 0; compare && k < f.index.blocks[b].rows;
                 k++, row += compare->partitions) {
                for (uint32_t i = 0; i < compare->layout.count; i = compare->layout.nodes[i].next)
                    assert_row(&compare->layout, i, compare->rows.vectors, row, views, k);
            }
        }
        assert_true(status != 0 || compare == NULL || row >= compare->n);
    }
    free(views);
    ei_exchange_file_release(&f);
    return status;
}

static void test_roundtrip(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct ei_rng rng = {seed};
        struct built b;
        build(&b, &rng, (uint32_t)ei_rng_below(&rng, ROWS_MAX),
              1 + (uint32_t)ei_rng_below(&rng, 5));
        if (read_all((const uint8_t *)b.bytes.data, b.bytes.len, &b) != 0)
            fail_msg("seed %d", (int)seed);
        built_release(&b);
    }
}

static void test_every_cut_is_found(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct ei_rng rng = {seed};
        struct built b;
        build(&b, &rng, 20, 2);
        for (size_t len = 0; len < b.bytes.len; len++) {
            uint8_t *copy = ei_malloc(len); /* exact size: reading over it is seen */
            memcpy(copy, b.bytes.data, len);
            assert_int_equal(read_all(copy, len, NULL), -1);
            free(copy);
        }
        built_release(&b);
    }
}

static void test_every_flipped_bit_is_found(void **state) {
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct ei_rng rng = {seed};
        struct built b;
        build(&b, &rng, 12, 2);
        for (size_t bit = 0; bit < b.bytes.len * 8; bit++) {
            b.bytes.data[bit / 8] ^= (char)(1 << (bit % 8));
            if (read_all((const uint8_t *)b.bytes.data, b.bytes.len, NULL) == 0)
                fail_msg("seed %d: bit %zu of %zu bytes", (int)seed, bit, b.bytes.len);
            b.bytes.data[bit / 8] ^= (char)(1 << (bit % 8));
        }
        built_release(&b);
    }
}

/* A block whose checksum is right but whose content is not: the sections are checked on their own.
 */
static void test_wrong_content_with_right_checksum(void **state) {
    (void)state;
    unsigned refused = 0;
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        struct ei_rng rng = {seed};
        struct built b;
        build(&b, &rng, 10, 1);
        struct ei_exchange_file f;
        assert_int_equal(ei_exchange_file_open((uint8_t *)b.bytes.data, b.bytes.len, &f, NULL), 0);
        size_t len = f.index.blocks[0].bytes;
        uint8_t *block = ei_malloc(len);
        memcpy(block, b.bytes.data + f.index.blocks[0].offset, len);
        for (int k = 0; k < 3 && len > EI_BLOCK_HEADER_BYTES; k++)
            block[20 + ei_rng_below(&rng, len - 20)] = (uint8_t)ei_rng_next(&rng);
        uint32_t crc = ei_crc32c(0, block + 8, len - 8);
        memcpy(block + 4, &crc, 4);
        struct ei_block_view *views = ei_calloc(b.layout.count, sizeof *views);
        struct ei_block out;
        if (ei_block_verify(&b.layout, block, len, true, &out, views, NULL) != 0)
            refused++;
        free(views);
        free(block);
        ei_exchange_file_release(&f);
        built_release(&b);
    }
    assert_in_range(refused, 100, 2999);
}

static void test_limited_values(void **state) {
    (void)state;
    struct ei_layout l = {0};
    ei_layout_add(&l, EI_LAYOUT_FIXED, 1, 2);
    assert_int_equal(ei_layout_seal(&l, NULL), 0);
    for (uint8_t value = 0; value < 4; value++) {
        uint8_t data[1] = {value};
        struct ei_vector v = {data, NULL};
        struct ei_block_builder b;
        struct ei_span spans[5];
        struct ei_buf bytes = {0};
        uint64_t size;
        uint32_t crc;
        ei_block_builder_init(&b, &l);
        ei_block_append(&b, &v, NULL, 1);
        size_t n = ei_block_finish(&b, &ID, 0, spans, &size, &crc);
        for (size_t i = 0; i < n; i++)
            ei_buf_append(&bytes, spans[i].data, spans[i].len);
        struct ei_block out;
        struct ei_block_view view;
        assert_int_equal(
            ei_block_verify(&l, (uint8_t *)bytes.data, bytes.len, true, &out, &view, NULL),
            value < 2 ? 0 : -1);
        ei_buf_release(&bytes);
        ei_block_builder_release(&b);
    }
    ei_layout_release(&l);
}

static void test_bad_layouts(void **state) {
    static const uint8_t CASES[][EI_LAYOUT_NODE_BYTES] = {
        {0},
        {9},
        {EI_LAYOUT_FIXED, 3},
        {EI_LAYOUT_FIXED, 8, 0, 0, 7},
        {EI_LAYOUT_LIST},
        {EI_LAYOUT_STRUCT, 0, 0, 0, 2},
        {EI_LAYOUT_ARRAY},
        {EI_LAYOUT_STRING, 1},
    };
    (void)state;
    for (size_t i = 0; i < EI_ARRAY_LEN(CASES); i++) {
        struct ei_layout l;
        assert_int_equal(ei_layout_decode(CASES[i], 1, &l, NULL), -1);
    }
    struct ei_layout deep = {0};
    for (int i = 0; i < 100; i++)
        ei_layout_add(&deep, EI_LAYOUT_LIST, 0, 0);
    ei_layout_add(&deep, EI_LAYOUT_FIXED, 4, 0);
    assert_int_equal(ei_layout_seal(&deep, NULL), -1);
    ei_layout_release(&deep);
}

static void test_ranges(void **state) {
    (void)state;
    struct ei_exchange_block blocks[] = {
        {100, 50, 1, 0}, {400, 50, 1, 0}, {150, 50, 1, 0}, {1000, 8, 1, 0}};
    struct ei_exchange_partition parts[] = {{2, 100, 0, 2}, {0, 0, 2, 0}, {2, 58, 2, 2}};
    struct ei_exchange_index x = {parts, 3, blocks, 4, 4};
    struct ei_exchange_range *r;
    assert_int_equal(ei_exchange_ranges(&x, 0, 3, 0, &r), 3);
    assert_int_equal(r[0].offset, 100);
    assert_int_equal(r[0].bytes, 100);
    assert_int_equal(r[2].offset, 1000);
    free(r);
    assert_int_equal(ei_exchange_ranges(&x, 0, 9, 250, &r), 2);
    assert_int_equal(r[0].bytes, 350);
    free(r);
    assert_int_equal(ei_exchange_ranges(&x, 1, 1, 0, &r), 0);
    free(r);
    assert_int_equal(ei_exchange_ranges(&x, 3, 1, 0, &r), 0);
    free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roundtrip),
        cmocka_unit_test(test_every_cut_is_found),
        cmocka_unit_test(test_every_flipped_bit_is_found),
        cmocka_unit_test(test_wrong_content_with_right_checksum),
        cmocka_unit_test(test_limited_values),
        cmocka_unit_test(test_bad_layouts),
        cmocka_unit_test(test_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
