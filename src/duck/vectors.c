#include "duck/vectors.h"

#include "base/mem.h"

#include <string.h>

_Static_assert(sizeof(union ei_string) == sizeof(duckdb_string_t), "strings are used in place");
_Static_assert(sizeof(struct ei_list_entry) == sizeof(duckdb_list_entry), "lists likewise");

void ei_duck_vectors_get(const struct ei_layout *l, uint32_t node, duckdb_vector v,
                         struct ei_vector *out) {
    const struct ei_layout_node *at = &l->nodes[node];
    out[node].data = duckdb_vector_get_data(v);
    out[node].validity = duckdb_vector_get_validity(v);
    switch (at->kind) {
    case EI_LAYOUT_LIST:
        ei_duck_vectors_get(l, node + 1, duckdb_list_vector_get_child(v), out);
        break;
    case EI_LAYOUT_ARRAY:
        ei_duck_vectors_get(l, node + 1, duckdb_array_vector_get_child(v), out);
        break;
    case EI_LAYOUT_STRUCT: {
        uint32_t child = node + 1;
        for (uint32_t k = 0; k < at->n; k++, child = l->nodes[child].next)
            ei_duck_vectors_get(l, child, duckdb_struct_vector_get_child(v, k), out);
        break;
    }
    default:
        break;
    }
}

/* Copies n bits from bit `first` on. Bits behind the n-th in the last word may be anything. */
static void copy_bits(uint64_t *out, const uint64_t *in, uint64_t first, uint64_t n) {
    uint64_t words = (n + 63) / 64, shift = first % 64;
    in += first / 64;
    if (shift == 0) {
        memcpy(out, in, words * 8);
        return;
    }
    uint64_t last = (shift + n - 1) / 64; /* the last word of `in` that has bits for us */
    for (uint64_t i = 0; i < words; i++)
        out[i] = in[i] >> shift | (i < last ? in[i + 1] << (64 - shift) : 0);
}

static void put_validity(const struct ei_block_view *view, uint64_t first, uint64_t n,
                         duckdb_vector out) {
    if (view->validity == NULL || n == 0)
        return;
    duckdb_vector_ensure_validity_writable(out);
    copy_bits(duckdb_vector_get_validity(out), view->validity, first, n);
}

static void put_strings(const struct ei_block_view *view, uint64_t first, uint64_t n,
                        duckdb_vector out) {
    union ei_string *to = duckdb_vector_get_data(out);
    const uint32_t *ends = (const uint32_t *)view->data + first + 1;
    uint32_t begin = ends[-1];
    for (uint64_t i = 0; i < n; i++) {
        uint32_t end = ends[i], len = end - begin;
        const char *s = view->bytes + begin;
        if (len <= EI_STRING_INLINE_MAX) {
            memset(&to[i], 0, sizeof to[i]);
            memcpy(to[i].inlined.bytes, s, len);
        } else {
            memcpy(to[i].far.prefix, s, sizeof to[i].far.prefix);
            to[i].far.ptr = s;
        }
        to[i].inlined.length = len;
        begin = end;
    }
}

static int put_lists(const struct ei_layout *l, const struct ei_block_view *views, uint32_t node,
                     uint64_t first, uint64_t n, duckdb_vector out) {
    const uint32_t *offsets = (const uint32_t *)views[node].data + first;
    struct ei_list_entry *to = duckdb_vector_get_data(out);
    uint64_t elements = offsets[n] - offsets[0];
    for (uint64_t i = 0; i < n; i++)
        to[i] = (struct ei_list_entry){offsets[i] - offsets[0], offsets[i + 1] - offsets[i]};
    if (duckdb_list_vector_reserve(out, elements) == DuckDBError ||
        duckdb_list_vector_set_size(out, elements) == DuckDBError)
        return -1;
    return ei_duck_vectors_put(l, views, node + 1, offsets[0], elements,
                               duckdb_list_vector_get_child(out));
}

static void put_nulls(uint64_t n, duckdb_vector out) {
    if (n == 0)
        return;
    duckdb_vector_ensure_validity_writable(out);
    memset(duckdb_vector_get_validity(out), 0, (n + 63) / 64 * 8);
}

int ei_duck_vectors_put(const struct ei_layout *l, const struct ei_block_view *views, uint32_t node,
                        uint64_t first, uint64_t n, duckdb_vector out) {
    const struct ei_layout_node *at = &l->nodes[node];
    put_validity(&views[node], first, n, out);
    switch (at->kind) {
    case EI_LAYOUT_FIXED:
        if (n > 0)
            memcpy(duckdb_vector_get_data(out),
                   (const uint8_t *)views[node].data + first * at->width, n * at->width);
        return 0;
    case EI_LAYOUT_STRING:
        put_strings(&views[node], first, n, out);
        return 0;
    case EI_LAYOUT_LIST:
        return put_lists(l, views, node, first, n, out);
    case EI_LAYOUT_ARRAY:
        return ei_duck_vectors_put(l, views, node + 1, first * at->n, n * at->n,
                                   duckdb_array_vector_get_child(out));
    case EI_LAYOUT_STRUCT: {
        uint32_t child = node + 1;
        for (uint32_t k = 0; k < at->n; k++, child = l->nodes[child].next) {
            if (ei_duck_vectors_put(l, views, child, first, n,
                                    duckdb_struct_vector_get_child(out, k)) != 0)
                return -1;
        }
        return 0;
    }
    default:
        put_nulls(n, out);
        return 0;
    }
}
