/* Encoding of blocks: gathers rows from vectors into column builders. */
#include "base/hash.h"
#include "base/mem.h"
#include "exchange/block.h"

#include <stdlib.h>
#include <string.h>

struct section {
    uint8_t *data;
    size_t len, capacity;
};

struct ei_block_column {
    struct section values;   /* FIXED values or u32 offsets */
    struct section bytes;    /* STRING */
    struct section validity; /* words; empty until the first NULL */
    uint32_t rows;
};

static uint8_t *section_room(struct section *s, size_t n) {
    if (s->len + n + 16 > s->capacity) {
        s->capacity = EI_MAX(s->len + n + 16, s->capacity * 2);
        s->data = ei_realloc(s->data, s->capacity);
    }
    return s->data + s->len;
}

static void section_clear(struct section *s, size_t keep_bytes) {
    s->len = 0;
    if (s->capacity > keep_bytes) {
        free(s->data);
        *s = (struct section){0};
    }
}

/* Pads with zeros to a multiple of 8; section_room always leaves the room. */
static void section_pad(struct section *s) {
    size_t padded = (s->len + 7) & ~(size_t)7;
    if (padded > s->len)
        memset(section_room(s, padded - s->len), 0, padded - s->len);
    s->len = padded;
}

static size_t head_bytes(const struct ei_layout *layout) {
    return EI_BLOCK_HEADER_BYTES + (((size_t)layout->count + 7) & ~(size_t)7);
}

void ei_block_builder_init(struct ei_block_builder *b, const struct ei_layout *layout) {
    *b = (struct ei_block_builder){.layout = layout};
    b->columns = ei_calloc(layout->count, sizeof *b->columns);
    b->head = ei_calloc(1, head_bytes(layout));
}

void ei_block_builder_clear(struct ei_block_builder *b, size_t keep_bytes) {
    for (uint32_t i = 0; i < b->layout->count; i++) {
        struct ei_block_column *c = &b->columns[i];
        section_clear(&c->values, keep_bytes);
        section_clear(&c->bytes, keep_bytes);
        section_clear(&c->validity, keep_bytes);
        c->rows = 0;
    }
    b->rows = 0;
    b->bytes = 0;
}

void ei_block_builder_release(struct ei_block_builder *b) {
    if (b == NULL || b->layout == NULL)
        return;
    ei_block_builder_clear(b, 0);
    free(b->columns);
    free(b->head);
    *b = (struct ei_block_builder){0};
}

static bool is_valid(const uint64_t *validity, uint64_t row) {
    return validity == NULL || ((validity[row / 64] >> (row % 64)) & 1) != 0;
}

/* ---- measuring ---- */

static int measure(const struct ei_layout *l, const struct ei_vector *v, uint32_t i, uint64_t first,
                   uint64_t n, uint64_t *sum, struct ei_error *e);

static int measure_lists(const struct ei_layout *l, const struct ei_vector *v, uint32_t i,
                         uint64_t first, uint64_t n, uint64_t *sum, struct ei_error *e) {
    const struct ei_list_entry *entries = v[i].data;
    *sum += n * 4;
    for (uint64_t r = first; r < first + n; r++) {
        if (!is_valid(v[i].validity, r) || entries[r].length == 0)
            continue;
        if (entries[r].length >= EI_ROW_NULL ||
            entries[r].offset >= EI_ROW_NULL - entries[r].length)
            return ei_fail(e, EI_LIMIT,
                           "a list of more than four billion elements cannot be "
                           "exchanged between stages");
        if (measure(l, v, i + 1, entries[r].offset, entries[r].length, sum, e) != 0)
            return -1;
    }
    return 0;
}

static int measure_structs(const struct ei_layout *l, const struct ei_vector *v, uint32_t i,
                           uint64_t first, uint64_t n, uint64_t *sum, struct ei_error *e) {
    *sum += n;
    if (v[i].validity == NULL) {
        for (uint32_t c = i + 1; c < l->nodes[i].next; c = l->nodes[c].next) {
            if (measure(l, v, c, first, n, sum, e) != 0)
                return -1;
        }
        return 0;
    }
    *sum += n * 8;
    for (uint64_t r = first; r < first + n; r++) {
        for (uint32_t c = i + 1; is_valid(v[i].validity, r) && c < l->nodes[i].next;
             c = l->nodes[c].next) {
            if (measure(l, v, c, r, 1, sum, e) != 0)
                return -1;
        }
    }
    return 0;
}

static int measure(const struct ei_layout *l, const struct ei_vector *v, uint32_t i, uint64_t first,
                   uint64_t n, uint64_t *sum, struct ei_error *e) {
    const struct ei_layout_node *node = &l->nodes[i];
    switch (node->kind) {
    case EI_LAYOUT_FIXED:
        *sum += n * node->width;
        return 0;
    case EI_LAYOUT_STRING: {
        const union ei_string *s = v[i].data;
        uint64_t total = n * 4;
        for (uint64_t r = first; r < first + n; r++)
            total += is_valid(v[i].validity, r) ? s[r].inlined.length : 0;
        *sum += total;
        return 0;
    }
    case EI_LAYOUT_LIST:
        return measure_lists(l, v, i, first, n, sum, e);
    case EI_LAYOUT_STRUCT:
        return measure_structs(l, v, i, first, n, sum, e);
    case EI_LAYOUT_ARRAY: {
        if ((first + n) * node->n >= EI_ROW_NULL)
            return ei_fail(e, EI_LIMIT,
                           "arrays of more than four billion elements in one batch "
                           "cannot be exchanged between stages");
        bool all = v[i].validity == NULL;
        for (uint64_t r = first; !all && r < first + n; r++) {
            if (is_valid(v[i].validity, r) &&
                measure(l, v, i + 1, r * node->n, node->n, sum, e) != 0)
                return -1;
            *sum += is_valid(v[i].validity, r) ? 0 : (uint64_t)node->n * 16;
        }
        return all ? measure(l, v, i + 1, first * node->n, n * node->n, sum, e) : 0;
    }
    default: /* no bytes, but rows are bounded by this sum too */
        *sum += n;
        return 0;
    }
}

int ei_block_measure(const struct ei_layout *layout, const struct ei_vector *vectors,
                     uint64_t first, uint64_t n, uint64_t *bytes, struct ei_error *e) {
    *bytes = 0;
    for (uint32_t c = 0; c < layout->count; c = layout->nodes[c].next) {
        if (measure(layout, vectors, c, first, n, bytes, e) != 0)
            return -1;
    }
    return 0;
}

/* ---- appending ---- */

/* The bitmap is made at the first NULL only; all bits not yet written are ones. */
static void set_null(struct ei_block_column *c, uint32_t row, uint32_t rows_after) {
    size_t need = ((size_t)rows_after + 63) / 64 * 8;
    if (c->validity.len < need) {
        memset(section_room(&c->validity, need - c->validity.len), 0xff, need - c->validity.len);
        c->validity.len = need;
    }
    uint64_t *words = (uint64_t *)(void *)c->validity.data;
    words[row / 64] &= ~(1ULL << (row % 64));
}

/* Row number i of the selection, EI_ROW_NULL if it is NULL in the vector. */
static inline uint32_t selected(const struct ei_vector *v, const uint32_t *rows, uint32_t i) {
    uint32_t r = rows != NULL ? rows[i] : i;
    return r != EI_ROW_NULL && is_valid(v->validity, r) ? r : EI_ROW_NULL;
}

#define GATHER(type)                                                                               \
    do {                                                                                           \
        const type *in = v->data;                                                                  \
        type *to = (type *)(void *)out;                                                            \
        for (uint32_t i = 0; i < n; i++)                                                           \
            to[i] = in[rows[i]];                                                                   \
    } while (0)

typedef unsigned __int128 u128 __attribute__((aligned(8)));

static void gather_fixed(uint8_t *out, const struct ei_vector *v, unsigned width,
                         const uint32_t *rows, uint32_t n) {
    if (rows == NULL) {
        memcpy(out, v->data, (size_t)n * width);
        return;
    }
    switch (width) {
    case 1:
        GATHER(uint8_t);
        break;
    case 2:
        GATHER(uint16_t);
        break;
    case 4:
        GATHER(uint32_t);
        break;
    case 8:
        GATHER(uint64_t);
        break;
    default:
        GATHER(u128);
    }
}

static void append_fixed(struct ei_block_column *c, const struct ei_layout_node *node,
                         const struct ei_vector *v, const uint32_t *rows, uint32_t n, bool nulls) {
    size_t width = node->width;
    uint8_t *out = section_room(&c->values, n * width);
    c->values.len += n * width;
    if (!nulls) {
        gather_fixed(out, v, node->width, rows, n);
        return;
    }
    const uint8_t *in = v->data;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t r = selected(v, rows, i);
        if (r != EI_ROW_NULL) {
            memcpy(out + i * width, in + r * width, width);
        } else {
            memset(out + i * width, 0, width);
            set_null(c, c->rows + i, c->rows + n);
        }
    }
}

static void append_strings(struct ei_block_column *c, const struct ei_vector *v,
                           const uint32_t *rows, uint32_t n) {
    const union ei_string *in = v->data;
    uint32_t *ends = (uint32_t *)(void *)section_room(&c->values, (size_t)n * 4);
    c->values.len += (size_t)n * 4;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t r = selected(v, rows, i);
        if (r == EI_ROW_NULL) {
            set_null(c, c->rows + i, c->rows + n);
        } else if (in[r].inlined.length <= EI_STRING_INLINE_MAX) {
            /* always 12 bytes: cheaper than a copy of variable length */
            memcpy(section_room(&c->bytes, EI_STRING_INLINE_MAX), in[r].inlined.bytes,
                   EI_STRING_INLINE_MAX);
            c->bytes.len += in[r].inlined.length;
        } else {
            memcpy(section_room(&c->bytes, in[r].inlined.length), in[r].far.ptr,
                   in[r].inlined.length);
            c->bytes.len += in[r].inlined.length;
        }
        ends[i] = (uint32_t)c->bytes.len;
    }
    EI_ASSERT(c->bytes.len <= UINT32_MAX);
}

static void append(struct ei_block_builder *b, uint32_t i, const struct ei_vector *vectors,
                   const uint32_t *rows, uint32_t n, bool nulls);

static void append_lists(struct ei_block_builder *b, uint32_t node, const struct ei_vector *vectors,
                         const uint32_t *rows, uint32_t n) {
    struct ei_block_column *c = &b->columns[node];
    const struct ei_vector *v = &vectors[node];
    const struct ei_list_entry *in = v->data;
    uint32_t *ends = (uint32_t *)(void *)section_room(&c->values, (size_t)n * 4);
    c->values.len += (size_t)n * 4;
    uint64_t total = b->columns[node + 1].rows, before = total;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t r = selected(v, rows, i);
        if (r == EI_ROW_NULL)
            set_null(c, c->rows + i, c->rows + n);
        else
            total += in[r].length;
        ends[i] = (uint32_t)total;
    }
    EI_ASSERT(total <= UINT32_MAX);
    uint32_t *elements = ei_malloc((total - before) * sizeof *elements);
    uint32_t at = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t r = selected(v, rows, i);
        for (uint64_t k = 0; r != EI_ROW_NULL && k < in[r].length; k++)
            elements[at++] = (uint32_t)(in[r].offset + k);
    }
    append(b, node + 1, vectors, elements, at, false);
    free(elements);
}

/* A NULL struct or array has NULL children, whatever its vectors hold there. */
static void append_children(struct ei_block_builder *b, uint32_t node,
                            const struct ei_vector *vectors, const uint32_t *rows, uint32_t n,
                            uint32_t times) {
    const struct ei_vector *v = &vectors[node];
    struct ei_block_column *column = &b->columns[node];
    uint32_t *below = ei_malloc((size_t)n * times * sizeof *below);
    bool some = false;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t r = selected(v, rows, i);
        if (r == EI_ROW_NULL)
            set_null(column, column->rows + i, column->rows + n);
        some |= r == EI_ROW_NULL;
        for (uint32_t k = 0; k < times; k++)
            below[(size_t)i * times + k] = r == EI_ROW_NULL ? EI_ROW_NULL : r * times + k;
    }
    for (uint32_t c = node + 1; c < b->layout->nodes[node].next; c = b->layout->nodes[c].next)
        append(b, c, vectors, below, n * times, some);
    free(below);
}

/* nulls: the selection itself holds EI_ROW_NULL. */
static void append(struct ei_block_builder *b, uint32_t i, const struct ei_vector *vectors,
                   const uint32_t *rows, uint32_t n, bool nulls) {
    const struct ei_layout_node *node = &b->layout->nodes[i];
    struct ei_block_column *c = &b->columns[i];
    switch (node->kind) {
    case EI_LAYOUT_FIXED:
        append_fixed(c, node, &vectors[i], rows, n, nulls || vectors[i].validity != NULL);
        break;
    case EI_LAYOUT_STRING:
        append_strings(c, &vectors[i], rows, n);
        break;
    case EI_LAYOUT_LIST:
        append_lists(b, i, vectors, rows, n);
        break;
    case EI_LAYOUT_STRUCT:
        append_children(b, i, vectors, rows, n, 1);
        break;
    case EI_LAYOUT_ARRAY:
        append_children(b, i, vectors, rows, n, node->n);
        break;
    default:
        break;
    }
    c->rows += n;
}

static uint64_t section_sum(const struct ei_block_builder *b) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < b->layout->count; i++) {
        const struct ei_block_column *c = &b->columns[i];
        sum += c->values.len + c->bytes.len + c->validity.len;
    }
    return sum;
}

void ei_block_append(struct ei_block_builder *b, const struct ei_vector *vectors,
                     const uint32_t *rows, uint32_t n) {
    EI_ASSERT(n <= EI_BLOCK_ROWS_MAX - b->rows);
    if (n == 0)
        return;
    for (uint32_t i = 0; i < b->layout->count; i = b->layout->nodes[i].next)
        append(b, i, vectors, rows, n, false);
    b->rows += n;
    b->bytes = section_sum(b);
}

/* ---- finishing ---- */

size_t ei_block_span_max(const struct ei_layout *layout) {
    return 1 + 4 * (size_t)layout->count;
}

/* All words up to the last row, zeros behind it. */
static void finish_validity(struct ei_block_column *c) {
    size_t need = ((size_t)c->rows + 63) / 64 * 8;
    if (c->validity.len < need) {
        memset(section_room(&c->validity, need - c->validity.len), 0xff, need - c->validity.len);
        c->validity.len = need;
    }
    if (c->rows % 64 != 0)
        ((uint64_t *)(void *)c->validity.data)[c->rows / 64] &= (1ULL << (c->rows % 64)) - 1;
}

static const uint32_t ZERO_OFFSET[1] = {0};

static size_t add_span(struct ei_span *spans, size_t n, const void *data, size_t len) {
    if (len > 0)
        spans[n++] = (struct ei_span){data, len};
    return n;
}

static size_t column_spans(struct ei_block_column *c, const struct ei_layout_node *node,
                           struct ei_span *spans, size_t n) {
    if (c->validity.len > 0) {
        finish_validity(c);
        n = add_span(spans, n, c->validity.data, c->validity.len);
    }
    if (node->kind == EI_LAYOUT_STRING || node->kind == EI_LAYOUT_LIST) {
        /* the stored offsets begin with the 0 that the builder does not keep */
        n = add_span(spans, n, ZERO_OFFSET, sizeof ZERO_OFFSET);
        if (c->rows % 2 == 0) {
            memset(section_room(&c->values, 4), 0, 4);
            c->values.len += 4;
        }
        n = add_span(spans, n, c->values.data, c->values.len);
        section_pad(&c->bytes);
        return add_span(spans, n, c->bytes.data, c->bytes.len);
    }
    section_pad(&c->values);
    return add_span(spans, n, c->values.data, c->values.len);
}

static void put_header(uint8_t *h, const struct ei_attempt_id *id, uint32_t partition,
                       uint32_t rows, uint64_t bytes) {
    const uint32_t magic = EI_BLOCK_MAGIC;
    memset(h, 0, EI_BLOCK_HEADER_BYTES);
    memcpy(h, &magic, 4);
    memcpy(h + 8, &bytes, 8);
    memcpy(h + 16, &partition, 4);
    memcpy(h + 20, &rows, 4);
    memcpy(h + 24, &id->job, 8);
    memcpy(h + 32, &id->stage, 4);
    memcpy(h + 36, &id->task, 4);
    memcpy(h + 40, &id->attempt, 4);
}

size_t ei_block_finish(struct ei_block_builder *b, const struct ei_attempt_id *id,
                       uint32_t partition, struct ei_span *spans, uint64_t *bytes, uint32_t *crc) {
    const struct ei_layout *l = b->layout;
    uint8_t *flags = b->head + EI_BLOCK_HEADER_BYTES;
    size_t n = add_span(spans, 0, b->head, head_bytes(l));
    for (uint32_t i = 0; i < l->count; i++) {
        flags[i] = b->columns[i].validity.len > 0 ? 1 : 0;
        n = column_spans(&b->columns[i], &l->nodes[i], spans, n);
    }
    *bytes = 0;
    for (size_t i = 0; i < n; i++)
        *bytes += spans[i].len;
    put_header(b->head, id, partition, b->rows, *bytes);
    uint32_t sum = ei_crc32c(0, b->head + 8, spans[0].len - 8);
    for (size_t i = 1; i < n; i++)
        sum = ei_crc32c(sum, spans[i].data, spans[i].len);
    memcpy(b->head + 4, &sum, 4);
    *crc = sum;
    return n;
}
