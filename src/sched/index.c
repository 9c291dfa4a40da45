/* The index of nodes with room: one heap a number of free cores, most free memory on top, and a
 * bitmap of the heaps that are not empty. Finding the least loaded node that fits costs one look at
 * the top of each filled heap, however many nodes there are; moving a node costs O(log n), and O(1)
 * among nodes that are equal. */
#include "sched/internal.h"

#include <stdlib.h>
#include <string.h>

enum { ARITY = 4 };

static void place(struct ei_sched *s, struct ei_sc_bucket *b, uint32_t pos, struct ei_sc_entry e) {
    b->items[pos] = e;
    s->nodes[e.slot].pos = pos;
}

static void sift_up(struct ei_sched *s, struct ei_sc_bucket *b, uint32_t pos) {
    struct ei_sc_entry e = b->items[pos];
    while (pos > 0) {
        uint32_t parent = (pos - 1) / ARITY;
        if (b->items[parent].free_memory >= e.free_memory)
            break;
        place(s, b, pos, b->items[parent]);
        pos = parent;
    }
    place(s, b, pos, e);
}

static void sift_down(struct ei_sched *s, struct ei_sc_bucket *b, uint32_t pos) {
    struct ei_sc_entry e = b->items[pos];
    for (;;) {
        uint32_t first = pos * ARITY + 1, best = EI_SC_NONE;
        uint64_t most = e.free_memory;
        for (uint32_t c = first; c < first + ARITY && c < b->count; c++) {
            if (b->items[c].free_memory > most) {
                most = b->items[c].free_memory;
                best = c;
            }
        }
        if (best == EI_SC_NONE)
            break;
        place(s, b, pos, b->items[best]);
        pos = best;
    }
    place(s, b, pos, e);
}

static void grow_buckets(struct ei_sc_index *x, uint32_t need) {
    uint32_t count = EI_MAX(x->bucket_count, 64u);
    while (count < need)
        count *= 2;
    x->buckets = ei_realloc(x->buckets, count * sizeof *x->buckets);
    memset(x->buckets + x->bucket_count, 0, (count - x->bucket_count) * sizeof *x->buckets);
    x->filled = ei_realloc(x->filled, count / 64 * sizeof *x->filled);
    memset(x->filled + x->bucket_count / 64, 0, (count - x->bucket_count) / 64 * sizeof *x->filled);
    x->bucket_count = count;
}

void ei_sc_index_put(struct ei_sched *s, uint32_t slot) {
    struct ei_sc_node *n = &s->nodes[slot];
    struct ei_sc_index *x = &s->index;
    EI_ASSERT(n->pos == EI_SC_NONE);
    if (n->free_cores >= x->bucket_count)
        grow_buckets(x, n->free_cores + 1);
    struct ei_sc_bucket *b = &x->buckets[n->free_cores];
    EI_GROW(b->items, b->count, b->capacity);
    n->bucket = n->free_cores;
    b->items[b->count] = (struct ei_sc_entry){n->free_memory, slot};
    x->filled[n->bucket / 64] |= UINT64_C(1) << (n->bucket % 64);
    sift_up(s, b, b->count++);
}

void ei_sc_index_remove(struct ei_sched *s, uint32_t slot) {
    struct ei_sc_node *n = &s->nodes[slot];
    struct ei_sc_bucket *b = &s->index.buckets[n->bucket];
    uint32_t pos = n->pos;
    EI_ASSERT(pos < b->count && b->items[pos].slot == slot);
    n->pos = EI_SC_NONE;
    if (pos != --b->count) {
        struct ei_sc_entry last = b->items[b->count];
        place(s, b, pos, last);
        sift_up(s, b, pos);
        sift_down(s, b, s->nodes[last.slot].pos);
    }
    if (b->count == 0)
        s->index.filled[n->bucket / 64] &= ~(UINT64_C(1) << (n->bucket % 64));
}

/* Looks below `pos` for a node with the memory that is not of the host to avoid and meets the
 * terms. Few nodes have one host, so this ends after a few steps, unless few nodes meet the terms.
 */
static uint32_t search(const struct ei_sched *s, const struct ei_sc_bucket *b, uint32_t pos,
                       const struct ei_sc_shape *shape, uint32_t avoid) {
    if (pos >= b->count || b->items[pos].free_memory < shape->memory)
        return EI_SC_NONE;
    uint32_t slot = b->items[pos].slot;
    const struct ei_sc_node *n = &s->nodes[slot];
    if ((avoid == 0 || n->host->id != avoid) && ei_sc_terms_met(&n->terms, &shape->terms, true))
        return slot;
    for (uint32_t c = pos * ARITY + 1; c <= pos * ARITY + ARITY; c++) {
        uint32_t found = search(s, b, c, shape, avoid);
        if (found != EI_SC_NONE)
            return found;
    }
    return EI_SC_NONE;
}

uint32_t ei_sc_index_find(const struct ei_sched *s, const struct ei_sc_shape *shape,
                          uint32_t avoid) {
    const struct ei_sc_index *x = &s->index;
    if (shape->cores >= x->bucket_count)
        return EI_SC_NONE;
    uint32_t lowest = shape->cores / 64, words = x->bucket_count / 64;
    for (uint32_t i = lowest; i < words; i++) {
        uint32_t w = shape->pack ? i : words - 1 - (i - lowest);
        uint64_t bits = x->filled[w];
        if (w == lowest)
            bits &= ~UINT64_C(0) << (shape->cores % 64);
        while (bits != 0) {
            uint32_t bit = shape->pack ? (uint32_t)__builtin_ctzll(bits)
                                       : 63 - (uint32_t)__builtin_clzll(bits);
            uint32_t slot = search(s, &x->buckets[w * 64 + bit], 0, shape, avoid);
            if (slot != EI_SC_NONE)
                return slot;
            bits &= ~(UINT64_C(1) << bit);
        }
    }
    return EI_SC_NONE;
}

void ei_sc_index_release(struct ei_sched *s) {
    for (uint32_t i = 0; i < s->index.bucket_count; i++)
        free(s->index.buckets[i].items);
    free(s->index.buckets);
    free(s->index.filled);
}
