/* Subqueries in expressions. Over small tables they run where they stand, correlated or not. One
 * over a large table is planned for itself if it refers to nothing outside; its result goes to
 * every task. */
#include "plan/internal.h"

struct pass {
    struct ei_plan_ctx *ctx;
    int status;
};

static int plan_subquery(struct pass *p, struct json_object *node) {
    struct ei_plan_ctx *ctx = p->ctx;
    struct json_object *query = ei_tree_get(ei_tree_get(node, "subquery"), "node");
    struct ei_plan_leaf weight = {0};
    ei_plan_weigh(ctx, query, &weight);
    if (!weight.big && !weight.splittable)
        return EI_PLAN_OK;
    if (!ei_plan_binds(ctx, query)) {
        if (!weight.big)
            return EI_PLAN_OK;
        return ei_plan_whole(ctx, "correlated subquery over a large table");
    }
    struct json_object *copy = ei_plan_own(ctx, ei_tree_copy(query));
    struct ei_plan_frag frag;
    const char *input = NULL;
    int status = ei_plan_node(ctx, copy, &frag);
    if (status == EI_PLAN_OK)
        status = ei_plan_close(ctx, &frag, EIDER__V1__DISTRIBUTION__DISTRIBUTION_BROADCAST, NULL, 0,
                               1, &input);
    ei_plan_frag_release(&frag);
    if (status != EI_PLAN_OK)
        return status;
    struct ei_plan_frag reader = {0};
    ei_plan_reader(ctx, input, &reader);
    ei_tree_set(ei_tree_get(node, "subquery"), "node", ei_tree_copy(reader.tree));
    ei_plan_schema_release(&reader.out);
    return EI_PLAN_OK;
}

static bool visit(void *arg, struct json_object *node) {
    struct pass *p = arg;
    if (p->status == EI_PLAN_OK && ei_tree_is_subquery(node))
        p->status = plan_subquery(p, node);
    return p->status == EI_PLAN_OK;
}

int ei_plan_expression_subqueries(struct ei_plan_ctx *ctx, struct json_object *node) {
    struct pass p = {.ctx = ctx};
    ei_tree_walk_block(node, visit, &p);
    return p.status;
}
