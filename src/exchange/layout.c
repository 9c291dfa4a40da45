#include "exchange/layout.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void ei_layout_release(struct ei_layout *l) {
    if (l == NULL)
        return;
    free(l->nodes);
    *l = (struct ei_layout){0};
}

void ei_layout_add(struct ei_layout *l, enum ei_layout_kind kind, uint8_t width, uint32_t n) {
    EI_GROW(l->nodes, l->count, l->capacity);
    l->nodes[l->count++] = (struct ei_layout_node){.kind = (uint8_t)kind, .width = width, .n = n};
}

static uint32_t child_count(const struct ei_layout_node *node) {
    switch (node->kind) {
    case EI_LAYOUT_LIST:
    case EI_LAYOUT_ARRAY:
        return 1;
    case EI_LAYOUT_STRUCT:
        return node->n;
    default:
        return 0;
    }
}

static bool node_is_valid(const struct ei_layout_node *node) {
    unsigned w = node->width;
    switch (node->kind) {
    case EI_LAYOUT_FIXED:
        return (w == 1 || w == 2 || w == 4 || w == 8 || w == 16) && (node->n == 0 || w <= 4);
    case EI_LAYOUT_STRING:
    case EI_LAYOUT_LIST:
    case EI_LAYOUT_NULL:
        return w == 0 && node->n == 0;
    case EI_LAYOUT_STRUCT:
        return w == 0 && node->n <= EI_LAYOUT_NODES_MAX;
    case EI_LAYOUT_ARRAY:
        return w == 0 && node->n >= 1 && node->n <= EI_LAYOUT_ARRAY_MAX;
    default:
        return false;
    }
}

int ei_layout_seal(struct ei_layout *l, struct ei_error *e) {
    struct {
        uint32_t node, left;
    } open[EI_LAYOUT_DEPTH_MAX];
    unsigned depth = 0;
    if (l->count > EI_LAYOUT_NODES_MAX)
        return ei_fail(e, EI_UNSUPPORTED, "a row of %u fields is over the limit of %d", l->count,
                       EI_LAYOUT_NODES_MAX);
    l->columns = 0;
    for (uint32_t i = 0; i < l->count; i++) {
        struct ei_layout_node *node = &l->nodes[i];
        if (!node_is_valid(node))
            return ei_fail(e, EI_CORRUPT, "field %u of the row layout is none we know", i);
        if (depth == 0)
            l->columns++;
        else
            open[depth - 1].left--;
        node->depth = (uint16_t)depth;
        node->next = i + 1;
        uint32_t children = child_count(node);
        if (children > 0) {
            if (depth == EI_LAYOUT_DEPTH_MAX)
                return ei_fail(e, EI_UNSUPPORTED, "a type is nested deeper than %d levels",
                               EI_LAYOUT_DEPTH_MAX);
            open[depth].node = i;
            open[depth++].left = children;
        }
        while (depth > 0 && open[depth - 1].left == 0)
            l->nodes[open[--depth].node].next = i + 1;
    }
    if (depth > 0)
        return ei_fail(e, EI_CORRUPT, "the row layout ends inside a nested type");
    return 0;
}

bool ei_layout_equal(const struct ei_layout *a, const struct ei_layout *b) {
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++) {
        const struct ei_layout_node *x = &a->nodes[i], *y = &b->nodes[i];
        if (x->kind != y->kind || x->width != y->width || x->n != y->n)
            return false;
    }
    return true;
}

bool ei_layout_is_flat(const struct ei_layout *l) {
    for (uint32_t i = 0; i < l->count; i++) {
        if (l->nodes[i].kind != EI_LAYOUT_FIXED)
            return false;
    }
    return true;
}

void ei_layout_encode(const struct ei_layout *l, struct ei_buf *out) {
    for (uint32_t i = 0; i < l->count; i++) {
        const struct ei_layout_node *node = &l->nodes[i];
        uint8_t bytes[EI_LAYOUT_NODE_BYTES] = {node->kind, node->width};
        memcpy(bytes + 4, &node->n, 4);
        ei_buf_append(out, bytes, sizeof bytes);
    }
}

int ei_layout_decode(const uint8_t *data, uint32_t node_count, struct ei_layout *out,
                     struct ei_error *e) {
    *out = (struct ei_layout){0};
    if (node_count > EI_LAYOUT_NODES_MAX)
        return ei_fail(e, EI_CORRUPT, "a row layout of %u fields is over the limit", node_count);
    for (uint32_t i = 0; i < node_count; i++) {
        const uint8_t *p = data + (size_t)i * EI_LAYOUT_NODE_BYTES;
        uint32_t n;
        memcpy(&n, p + 4, 4);
        ei_layout_add(out, (enum ei_layout_kind)p[0], p[1], n);
    }
    if (ei_layout_seal(out, e) == 0)
        return 0;
    ei_layout_release(out);
    return -1;
}
