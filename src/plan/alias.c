/* Select aliases, ordinals and GROUP BY ALL, replaced by what they stand for, in DuckDB's order of
 * precedence: WHERE, GROUP BY, QUALIFY and the select list prefer a column, HAVING an alias. */
#include "plan/internal.h"

#include <string.h>
#include <strings.h>

struct replacing {
    const struct ei_plan_scope *s;
    struct json_object *list; /* select items, the first `count` of which can be named */
    size_t count;
    bool alias_first;
};

static bool replace(void *arg, struct json_object *node) {
    struct replacing *r = arg;
    if (ei_tree_is_lambda(node))
        return false;
    if (!ei_tree_is_ref(node) || ei_tree_ref_parts(node) != 1)
        return true;
    struct ei_plan_column_at at;
    const char *name = ei_tree_ref_part(node, 0);
    if (!r->alias_first && ei_plan_scope_find(r->s, node, &at) > 0)
        return true;
    for (size_t i = 0; i < r->count; i++) {
        struct json_object *item = ei_tree_at(r->list, i);
        const char *alias = ei_tree_str(item, "alias");
        if (alias[0] == '\0' || strcasecmp(alias, name) != 0)
            continue;
        ei_tree_replace(node, ei_tree_copy(item));
        return false;
    }
    return true;
}

static void replace_in(struct ei_plan_block *b, struct json_object *list, size_t count,
                       struct json_object *expression, bool alias_first) {
    struct replacing r = {.s = &b->scope, .list = list, .count = count, .alias_first = alias_first};
    ei_tree_walk_block(expression, replace, &r);
}

struct finding {
    struct ei_plan_ctx *ctx;
    bool found;
};

static bool find_aggregate(void *arg, struct json_object *node) {
    struct finding *f = arg;
    if (ei_tree_is_function(node) &&
        f->ctx->env->is_aggregate(f->ctx->env->ctx, ei_tree_str(node, "function_name")))
        f->found = true;
    return !f->found;
}

/* GROUP BY ALL: every select item without an aggregate. */
static void group_by_all(struct ei_plan_ctx *ctx, struct ei_plan_block *b,
                         struct json_object *list) {
    struct json_object *groups = json_object_new_array(), *set = json_object_new_array();
    for (size_t i = 0; i < EI_MIN(b->visible, ei_tree_len(list)); i++) {
        struct finding f = {.ctx = ctx};
        ei_tree_walk_block(ei_tree_at(list, i), find_aggregate, &f);
        if (f.found)
            continue;
        struct json_object *group = ei_tree_copy(ei_tree_at(list, i));
        ei_tree_set_str(group, "alias", "");
        json_object_array_add(set, json_object_new_int64((int64_t)ei_tree_len(groups)));
        json_object_array_add(groups, group);
    }
    struct json_object *sets = json_object_new_array();
    if (ei_tree_len(groups) > 0)
        json_object_array_add(sets, set);
    else
        json_object_put(set);
    ei_tree_set(b->node, "group_expressions", groups);
    ei_tree_set(b->node, "group_sets", sets);
    ei_tree_set_str(b->node, "aggregate_handling", "STANDARD_HANDLING");
}

int ei_plan_resolve_aliases(struct ei_plan_ctx *ctx, struct ei_plan_block *b) {
    struct json_object *list = ei_tree_get(b->node, "select_list");
    size_t count = ei_tree_len(list);
    if (b->scope.opaque)
        return ei_plan_whole(ctx, "a LATERAL item in FROM below an aggregate or window");
    for (size_t i = 0; i < count; i++)
        replace_in(b, list, i, ei_tree_at(list, i), false);
    replace_in(b, list, count, ei_tree_get(b->node, "where_clause"), false);
    replace_in(b, list, count, ei_tree_get(b->node, "having"), true);
    replace_in(b, list, count, ei_tree_get(b->node, "qualify"), false);
    struct json_object *groups = ei_tree_get(b->node, "group_expressions");
    for (size_t i = 0; i < ei_tree_len(groups); i++) {
        struct json_object *group = ei_tree_at(groups, i);
        int64_t ordinal;
        if (ei_tree_int_value(group, &ordinal) && ordinal >= 1 && (size_t)ordinal <= count) {
            ei_tree_replace(group, ei_tree_copy(ei_tree_at(list, (size_t)ordinal - 1)));
        } else {
            replace_in(b, list, count, group, false);
        }
    }
    if (ei_tree_is(b->node, "aggregate_handling", "FORCE_AGGREGATES"))
        group_by_all(ctx, b, list);
    return EI_PLAN_OK;
}
