/* Expressions of a block, rewritten to the columns of an exchange. */
#include "plan/internal.h"

#include <string.h>
#include <strings.h>

struct names {
    struct json_object *array; /* of lambda parameters */
};

static bool note_parameter(void *arg, struct json_object *node) {
    struct names *n = arg;
    if (ei_tree_is_ref(node))
        json_object_array_add(n->array, json_object_new_string(ei_tree_ref_part(node, 0)));
    return true;
}

static bool note_lambda(void *arg, struct json_object *node) {
    if (ei_tree_is_lambda(node))
        ei_tree_walk(ei_tree_get(node, "lhs"), note_parameter, arg);
    return true;
}

static bool is_parameter(struct json_object *parameters, struct json_object *ref) {
    for (size_t i = 0; i < ei_tree_len(parameters); i++)
        if (strcasecmp(json_object_get_string(ei_tree_at(parameters, i)),
                       ei_tree_ref_part(ref, 0)) == 0)
            return true;
    return false;
}

long ei_plan_find(const struct ei_plan_scope *s, struct json_object *array,
                  struct json_object *expression) {
    for (size_t i = 0; i < ei_tree_len(array); i++)
        if (ei_plan_scope_same(s, ei_tree_at(array, i), expression))
            return (long)i;
    return -1;
}

struct substitution {
    struct ei_plan_ctx *ctx;
    const struct ei_plan_scope *s;
    const struct ei_plan_mapping *m;
    struct json_object *parameters;
};

static int substitute(struct substitution *u, struct json_object *node) {
    int status = EI_PLAN_OK;
    if (json_object_is_type(node, json_type_array)) {
        for (size_t i = 0; i < ei_tree_len(node) && status == EI_PLAN_OK; i++)
            status = substitute(u, ei_tree_at(node, i));
        return status;
    }
    if (!json_object_is_type(node, json_type_object))
        return status;
    if (ei_tree_get(node, "class") != NULL) {
        long at = ei_plan_find(u->s, u->m->from, node);
        if (at >= 0) {
            ei_tree_replace(node, ei_tree_copy(ei_tree_at(u->m->to, (size_t)at)));
            return status;
        }
    }
    if (ei_tree_is_ref(node)) {
        if (is_parameter(u->parameters, node))
            return status;
        return ei_plan_whole(u->ctx, "column %s is used outside of what can be sent on",
                             ei_tree_ref_part(node, ei_tree_ref_parts(node) - 1));
    }
    if (ei_tree_is(node, "class", "STAR"))
        return ei_plan_whole(u->ctx, "* or COLUMNS() beside an aggregate or window");
    if (ei_tree_is_subquery(node) &&
        !ei_plan_binds(u->ctx, ei_tree_get(ei_tree_get(node, "subquery"), "node")))
        return ei_plan_whole(u->ctx, "correlated subquery beside an aggregate or window");
    json_object_object_foreach(node, key, value) {
        if (status == EI_PLAN_OK && strcmp(key, "subquery") != 0 && strcmp(key, "lhs") != 0)
            status = substitute(u, value);
    }
    return status;
}

int ei_plan_substitute(struct ei_plan_ctx *ctx, const struct ei_plan_scope *s,
                       const struct ei_plan_mapping *m, struct json_object *expression) {
    struct names n = {.array = json_object_new_array()};
    ei_tree_walk_block(expression, note_lambda, &n);
    struct substitution u = {.ctx = ctx, .s = s, .m = m, .parameters = n.array};
    int status = substitute(&u, expression);
    json_object_put(n.array);
    return status;
}

struct collecting {
    struct ei_plan_ctx *ctx;
    const struct ei_plan_scope *s;
    struct json_object *array, *parameters;
    int status;
};

static bool collect(void *arg, struct json_object *node) {
    struct collecting *c = arg;
    if (ei_tree_is(node, "class", "STAR"))
        c->status = ei_plan_whole(c->ctx, "* with EXCLUDE, REPLACE or COLUMNS() beside a window");
    if (ei_tree_is_subquery(node) &&
        !ei_plan_binds(c->ctx, ei_tree_get(ei_tree_get(node, "subquery"), "node")))
        c->status = ei_plan_whole(c->ctx, "correlated subquery beside an aggregate or window");
    if (ei_tree_is_ref(node) && !is_parameter(c->parameters, node) &&
        ei_plan_find(c->s, c->array, node) < 0)
        json_object_array_add(c->array, ei_tree_copy(node));
    return c->status == EI_PLAN_OK;
}

int ei_plan_collect_refs(struct ei_plan_ctx *ctx, const struct ei_plan_scope *s,
                         struct json_object *expression, struct json_object *array) {
    struct names n = {.array = json_object_new_array()};
    ei_tree_walk_block(expression, note_lambda, &n);
    struct collecting c = {.ctx = ctx, .s = s, .array = array, .parameters = n.array};
    ei_tree_walk_block(expression, collect, &c);
    json_object_put(n.array);
    return c.status;
}

int ei_plan_rewrite_block(struct ei_plan_ctx *ctx, struct ei_plan_block *b,
                          const struct ei_plan_mapping *map, const char *input,
                          struct ei_plan_frag *out) {
    static const char *const CLAUSES[] = {"select_list", "group_expressions", "having", "qualify"};
    struct json_object *node = ei_plan_own(ctx, ei_tree_copy(b->node));
    ei_tree_set(node, "where_clause", NULL);
    ei_tree_set(node, "from_table", ei_tree_table(input, input));
    int status = EI_PLAN_OK;
    for (size_t i = 0; i < EI_ARRAY_LEN(CLAUSES) && status == EI_PLAN_OK; i++)
        status = ei_plan_substitute(ctx, &b->scope, map, ei_tree_get(node, CLAUSES[i]));
    if (status != EI_PLAN_OK)
        return status;
    struct json_object *list = ei_tree_get(node, "select_list");
    if (ei_tree_len(list) != b->out.count)
        return ei_plan_whole(ctx, "its select list gives another number of columns");
    for (size_t i = 0; i < b->out.count; i++)
        ei_tree_set_str(ei_tree_at(list, i), "alias", b->out.columns[i].name);
    out->tree = node;
    ei_plan_schema_copy(&out->out, &b->out);
    return EI_PLAN_OK;
}
