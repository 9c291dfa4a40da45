/* Constructs whose meaning depends on one place or one order of rows, wherever they stand. */
#include "plan/internal.h"

#include <string.h>

struct guard {
    struct ei_plan_ctx *ctx;
    int status;
};

/* FROM items and query nodes that are never split: type -> reason. */
static const struct {
    const char *type, *reason;
} NODES[] = {
    {"RECURSIVE_CTE_NODE", "recursive CTE"},
    {"PIVOT", "PIVOT or UNPIVOT"},
    {"SHOW_REF", "DESCRIBE, SUMMARIZE or SHOW"},
    {"VALUE_PARAMETER", "query parameter"},
    {"POSITIONAL_REFERENCE", "positional reference (#1)"},
};

static bool check(void *arg, struct json_object *node) {
    struct guard *g = arg;
    if (g->status != EI_PLAN_OK)
        return false;
    const char *type = ei_tree_str(node, "type");
    for (size_t i = 0; i < EI_ARRAY_LEN(NODES); i++)
        if (strcmp(type, NODES[i].type) == 0)
            g->status = ei_plan_whole(g->ctx, "%s", NODES[i].reason);
    if (ei_tree_get(node, "sample") != NULL)
        g->status = ei_plan_whole(g->ctx, "SAMPLE");
    if (ei_tree_get(node, "at_clause") != NULL)
        g->status = ei_plan_whole(g->ctx, "AT clause");
    if (ei_tree_is_function(node)) {
        const char *name = ei_tree_str(node, "function_name");
        if (g->ctx->env->is_volatile(g->ctx->env->ctx, name))
            g->status = ei_plan_whole(g->ctx, "volatile function %s()", name);
        if (ei_tree_flag(node, "export_state"))
            g->status = ei_plan_whole(g->ctx, "EXPORT_STATE");
    }
    if (ei_tree_is_ref(node)) {
        const char *last = ei_tree_ref_part(node, ei_tree_ref_parts(node) - 1);
        if (last != NULL && strcmp(last, "rowid") == 0)
            g->status = ei_plan_whole(g->ctx, "rowid");
    }
    return true;
}

int ei_plan_guard(struct ei_plan_ctx *ctx, struct json_object *tree) {
    struct guard g = {.ctx = ctx};
    ei_tree_walk(tree, check, &g);
    return g.status;
}
