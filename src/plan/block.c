/* One SELECT: FROM first (what is spread), then the shape (aggregate, window or plain), then
 * DISTINCT, ORDER BY and LIMIT. */
#include "plan/internal.h"

#include <stdlib.h>
#include <string.h>

void ei_plan_frag_like(struct ei_plan_frag *out, const struct ei_plan_frag *base) {
    *out = (struct ei_plan_frag){.spread = base->spread,
                                 .split_input = base->split_input,
                                 .partitions = base->partitions,
                                 .rows = base->rows,
                                 .what = ei_strdup(base->what)};
}

struct json_object *ei_plan_block_select(struct ei_plan_block *b, struct json_object *list_owned) {
    struct json_object *node = ei_tree_select_node();
    ei_tree_set(node, "select_list", list_owned);
    ei_tree_set(node, "from_table", ei_tree_copy(ei_tree_get(b->node, "from_table")));
    ei_tree_set(node, "where_clause", ei_tree_copy(ei_tree_get(b->node, "where_clause")));
    return node;
}

int ei_plan_block_types(struct ei_plan_ctx *ctx, struct ei_plan_block *b,
                        struct json_object *expressions, struct ei_plan_schema *out) {
    *out = (struct ei_plan_schema){0};
    if (ei_tree_len(expressions) == 0)
        return EI_PLAN_OK;
    struct json_object *node = ei_plan_own(ctx, ei_plan_block_select(b, ei_tree_copy(expressions)));
    ei_tree_set(node, "where_clause", NULL);
    return ei_plan_describe(ctx, node, out);
}

struct flags {
    struct ei_plan_ctx *ctx;
    struct ei_plan_block *b;
};

static bool note_flags(void *arg, struct json_object *node) {
    struct flags *f = arg;
    if (ei_tree_is(node, "class", "STAR"))
        f->b->has_star = true;
    if (ei_tree_is_window(node))
        f->b->has_window = true;
    if (ei_tree_is_function(node) &&
        f->ctx->env->is_aggregate(f->ctx->env->ctx, ei_tree_str(node, "function_name")))
        f->b->has_aggregate = true;
    return true;
}

static void set_flags(struct ei_plan_ctx *ctx, struct ei_plan_block *b) {
    struct flags f = {.ctx = ctx, .b = b};
    ei_tree_walk_block(ei_tree_get(b->node, "select_list"), note_flags, &f);
    ei_tree_walk_block(ei_tree_get(b->node, "having"), note_flags, &f);
    ei_tree_walk_block(ei_tree_get(b->node, "qualify"), note_flags, &f);
    if (ei_tree_len(ei_tree_get(b->node, "group_expressions")) > 0 ||
        ei_tree_len(ei_tree_get(b->node, "group_sets")) > 0 ||
        ei_tree_get(b->node, "having") != NULL ||
        ei_tree_is(b->node, "aggregate_handling", "FORCE_AGGREGATES"))
        b->has_aggregate = true;
}

/* The table of shapes. */
static int plan_shape(struct ei_plan_ctx *ctx, struct ei_plan_block *b, struct ei_plan_frag *out) {
    if (b->has_aggregate)
        return ei_plan_aggregate(ctx, b, out);
    if (b->has_window)
        return ei_plan_window(ctx, b, out);
    ei_plan_frag_like(out, &b->base);
    out->tree = b->node;
    ei_plan_schema_copy(&out->out, &b->out);
    return EI_PLAN_OK;
}

static int plan_spread(struct ei_plan_ctx *ctx, struct ei_plan_block *b,
                       struct ei_plan_modifiers *m, struct ei_plan_frag *out) {
    if (m->distinct_on)
        return ei_plan_whole(ctx, "DISTINCT ON");
    int status = ei_plan_describe(ctx, b->node, &b->out);
    if (status == EI_PLAN_OK)
        status = ei_plan_modifiers_bind(ctx, &b->scope, b->node, &b->out, m);
    if (status != EI_PLAN_OK)
        return status;
    b->visible = m->visible;
    b->has_limit = m->limit != NULL;
    ei_plan_schema_release(&b->out);
    status = ei_plan_describe(ctx, b->node, &b->out);
    if (status != EI_PLAN_OK)
        return status;
    set_flags(ctx, b);
    status = plan_shape(ctx, b, out);
    if (status == EI_PLAN_OK && m->distinct)
        status = ei_plan_distinct(ctx, out);
    if (status == EI_PLAN_OK && (m->orders != NULL || m->limit != NULL))
        status = ei_plan_order_limit(ctx, m, out);
    return status;
}

static int plan_single(struct ei_plan_ctx *ctx, struct ei_plan_block *b,
                       struct json_object *modifiers, struct ei_plan_frag *out) {
    ei_tree_set(b->node, "modifiers", ei_tree_copy(modifiers));
    ei_plan_frag_like(out, &b->base);
    out->tree = b->node;
    return ei_plan_describe(ctx, b->node, &out->out);
}

static struct json_object *orders_of(struct json_object *modifiers) {
    for (size_t i = 0; i < ei_tree_len(modifiers); i++)
        if (ei_tree_is(ei_tree_at(modifiers, i), "type", "ORDER_MODIFIER"))
            return ei_tree_get(ei_tree_at(modifiers, i), "orders");
    return NULL;
}

static int plan_select(struct ei_plan_ctx *ctx, struct json_object *node,
                       struct ei_plan_frag *out) {
    struct ei_plan_block b = {.node = node};
    struct ei_plan_modifiers m = {0};
    struct json_object *modifiers = ei_plan_own(ctx, ei_tree_copy(ei_tree_get(node, "modifiers")));
    ei_plan_modifiers_take(ctx, node, &m);
    b.orders = m.orders;
    b.own_orders = orders_of(modifiers);
    int status = ei_plan_decorrelate(ctx, node);
    if (status == EI_PLAN_OK)
        status = ei_plan_scope_init(ctx, ei_tree_get(node, "from_table"), &b.scope);
    if (status == EI_PLAN_OK)
        status = ei_plan_from(ctx, &b);
    bool single = b.base.spread == EI_PLAN_SINGLE;
    if (status == EI_PLAN_OK)
        status = ei_plan_expression_subqueries(ctx, node);
    if (status == EI_PLAN_OK)
        status = single ? plan_single(ctx, &b, modifiers, out) : plan_spread(ctx, &b, &m, out);
    ei_plan_modifiers_release(&m);
    ei_plan_schema_release(&b.out);
    ei_plan_scope_release(&b.scope);
    ei_plan_frag_release(&b.base);
    return status;
}

int ei_plan_node(struct ei_plan_ctx *ctx, struct json_object *node, struct ei_plan_frag *out) {
    *out = (struct ei_plan_frag){0};
    if (ei_tree_is(node, "type", "SET_OPERATION_NODE"))
        return ei_plan_setop(ctx, node, out);
    if (!ei_tree_is(node, "type", "SELECT_NODE"))
        return ei_plan_whole(ctx, "%s", ei_tree_str(node, "type"));
    return plan_select(ctx, node, out);
}
