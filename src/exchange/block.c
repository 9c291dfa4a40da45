/* Decoding of blocks: peek, verify, then use unchecked. */
#include "exchange/block.h"

#include "base/hash.h"

#include <string.h>

bool ei_attempt_equal(const struct ei_attempt_id *a, const struct ei_attempt_id *b) {
    return a->job == b->job && a->stage == b->stage && a->task == b->task &&
           a->attempt == b->attempt;
}

static uint32_t get32(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

static uint64_t get64(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

int ei_block_peek(const uint8_t *data, size_t len, struct ei_block *out, struct ei_error *e) {
    if (len < EI_BLOCK_HEADER_BYTES || get32(data) != EI_BLOCK_MAGIC)
        return ei_fail(e, EI_CORRUPT, "no block of exchange data is where one should be");
    *out = (struct ei_block){
        .id = {get64(data + 24), get32(data + 32), get32(data + 36), get32(data + 40)},
        .partition = get32(data + 16),
        .rows = get32(data + 20),
        .crc = get32(data + 4),
        .bytes = get64(data + 8),
    };
    if (out->bytes != len || len % 8 != 0 || out->rows > EI_BLOCK_ROWS_MAX || get32(data + 44) != 0)
        return ei_fail(e, EI_CORRUPT, "a block of exchange data has a wrong header");
    return 0;
}

struct cursor {
    const uint8_t *data;
    size_t len, at;
};

/* The next section of `bytes` bytes, padded; NULL if the block ends before. */
static const uint8_t *take(struct cursor *c, uint64_t bytes) {
    uint64_t left = c->len - c->at;
    if (bytes > left)
        return NULL;
    const uint8_t *p = c->data + c->at;
    uint64_t padded = (bytes + 7) & ~(uint64_t)7; /* left is a multiple of 8: padded <= left */
    c->at += padded;
    return p;
}

static bool offsets_ascend(const uint32_t *offsets, uint64_t rows) {
    uint32_t wrong = offsets[0];
    for (uint64_t i = 0; i < rows; i++)
        wrong |= offsets[i] > offsets[i + 1];
    return wrong == 0;
}

#define ALL_BELOW(type)                                                                            \
    do {                                                                                           \
        const type *values = data;                                                                 \
        for (uint64_t i = 0; i < rows; i++)                                                        \
            wrong |= values[i] >= limit;                                                           \
    } while (0)

static bool values_below(const void *data, unsigned width, uint64_t rows, uint32_t limit) {
    unsigned wrong = 0;
    if (width == 1)
        ALL_BELOW(uint8_t);
    else if (width == 2)
        ALL_BELOW(uint16_t);
    else
        ALL_BELOW(uint32_t);
    return wrong == 0;
}

static int fail_short(struct ei_error *e, uint32_t node) {
    return ei_fail(e, EI_CORRUPT, "field %u of a block of exchange data reaches over its end",
                   node);
}

/* Offsets of node i; *end is the last one. */
static int take_offsets(struct cursor *c, uint32_t i, bool check, struct ei_block_view *v,
                        uint32_t *end, struct ei_error *e) {
    const uint32_t *offsets = (const void *)take(c, (v->rows + 1) * 4);
    if (offsets == NULL)
        return fail_short(e, i);
    if (check && !offsets_ascend(offsets, v->rows))
        return ei_fail(e, EI_CORRUPT, "field %u of a block of exchange data has wrong offsets", i);
    v->data = offsets;
    *end = offsets[v->rows];
    return 0;
}

static int take_node(const struct ei_layout *l, struct cursor *c, uint32_t i, bool check,
                     struct ei_block_view *views, struct ei_error *e) {
    const struct ei_layout_node *node = &l->nodes[i];
    struct ei_block_view *v = &views[i];
    uint32_t end = 0;
    uint64_t child_rows = v->rows;
    switch (node->kind) {
    case EI_LAYOUT_FIXED:
        v->data = take(c, v->rows * node->width);
        if (v->data == NULL)
            return fail_short(e, i);
        if (check && node->n > 0 && !values_below(v->data, node->width, v->rows, node->n))
            return ei_fail(e, EI_CORRUPT,
                           "field %u of a block of exchange data holds a value that "
                           "its type does not have",
                           i);
        return 0;
    case EI_LAYOUT_STRING:
        if (take_offsets(c, i, check, v, &end, e) != 0)
            return -1;
        v->bytes = (const char *)take(c, end);
        return v->bytes != NULL ? 0 : fail_short(e, i);
    case EI_LAYOUT_LIST:
        if (take_offsets(c, i, check, v, &end, e) != 0)
            return -1;
        views[i + 1].rows = end;
        return 0;
    case EI_LAYOUT_ARRAY:
        child_rows *= node->n;
        if (child_rows > UINT32_MAX)
            return fail_short(e, i);
        break;
    default:
        break;
    }
    for (uint32_t child = i + 1; child < node->next; child = l->nodes[child].next)
        views[child].rows = child_rows;
    return 0;
}

static int take_all(const struct ei_layout *l, const uint8_t *flags, struct cursor *c, bool check,
                    uint32_t rows, struct ei_block_view *views, struct ei_error *e) {
    for (uint32_t i = 0; i < l->count; i = l->nodes[i].next)
        views[i].rows = rows;
    for (uint32_t i = 0; i < l->count; i++) {
        views[i].validity = NULL;
        views[i].data = NULL;
        views[i].bytes = NULL;
        if (flags[i] > 1)
            return ei_fail(e, EI_CORRUPT, "a block of exchange data has unknown flags");
        if (flags[i] == 1) {
            views[i].validity = (const void *)take(c, (views[i].rows + 63) / 64 * 8);
            if (views[i].validity == NULL)
                return fail_short(e, i);
        }
        if (take_node(l, c, i, check, views, e) != 0)
            return -1;
    }
    if (c->at != c->len)
        return ei_fail(e, EI_CORRUPT, "a block of exchange data is longer than its rows");
    return 0;
}

int ei_block_verify(const struct ei_layout *layout, const uint8_t *data, size_t len, bool check,
                    struct ei_block *out, struct ei_block_view *views, struct ei_error *e) {
    if (ei_block_peek(data, len, out, e) != 0)
        return -1;
    if (check && ei_crc32c(0, data + 8, len - 8) != out->crc)
        return ei_fail(e, EI_CORRUPT, "the checksum of a block of exchange data is wrong");
    struct cursor c = {data, len, EI_BLOCK_HEADER_BYTES};
    const uint8_t *flags = take(&c, layout->count);
    if (flags == NULL)
        return fail_short(e, 0);
    return take_all(layout, flags, &c, check, out->rows, views, e);
}
