/* The physical layout of rows: what an exchange file needs to know of column types. Pure.
 *
 * A layout is a tree in preorder, flattened into one array; the top-level nodes are the columns.
 * Everything that DuckDB stores maps to six kinds: MAP is a LIST of STRUCTs, UNION a STRUCT whose
 * first child is the tag, DECIMAL, DATE, UUID, INTERVAL and the like are FIXED of some width, ENUM
 * is FIXED with a limit (its dictionary belongs to the type, not to the data). */
#ifndef EIDER_EXCHANGE_LAYOUT_H
#define EIDER_EXCHANGE_LAYOUT_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "exchange files are little endian, read and written in place"
#endif

enum ei_layout_kind {
    EI_LAYOUT_FIXED = 1,  /* width 1, 2, 4, 8 or 16; n = values are below n, 0 = any */
    EI_LAYOUT_STRING = 2, /* bytes with u32 offsets */
    EI_LAYOUT_LIST = 3,   /* u32 offsets and one child */
    EI_LAYOUT_STRUCT = 4, /* n children, as many rows as the parent */
    EI_LAYOUT_ARRAY = 5,  /* one child with n rows for each of the parent's */
    EI_LAYOUT_NULL = 6,   /* no data: every row is NULL */
};

#define EI_LAYOUT_NODES_MAX 65536
#define EI_LAYOUT_DEPTH_MAX 64
#define EI_LAYOUT_ARRAY_MAX 100000 /* DuckDB's own limit of an ARRAY */
#define EI_LAYOUT_NODE_BYTES 8     /* in a file */

struct ei_layout_node {
    uint8_t kind;  /* enum ei_layout_kind */
    uint8_t width; /* FIXED only */
    uint16_t depth;
    uint32_t n;
    uint32_t next; /* index of the node behind this one's subtree */
};

struct ei_layout {
    struct ei_layout_node *nodes; /* owned */
    uint32_t count, capacity;
    uint32_t columns; /* top-level nodes */
};

void ei_layout_release(struct ei_layout *l); /* NULL-safe; zeroes */

/* Building, in preorder: a node that has children is followed by them. Call ei_layout_seal at the
 * end: it fills `next`, `depth` and `columns` and fails if the tree is over a limit or unfinished.
 */
void ei_layout_add(struct ei_layout *l, enum ei_layout_kind kind, uint8_t width, uint32_t n);
int ei_layout_seal(struct ei_layout *l, struct ei_error *e);

bool ei_layout_equal(const struct ei_layout *a, const struct ei_layout *b);
/* FIXED columns only: rows have one size. */
bool ei_layout_is_flat(const struct ei_layout *l);

/* The stored form: EI_LAYOUT_NODE_BYTES for each node. Decoding survives any bytes. */
void ei_layout_encode(const struct ei_layout *l, struct ei_buf *out);
int ei_layout_decode(const uint8_t *data, uint32_t node_count, struct ei_layout *out,
                     struct ei_error *e);

#endif
