/* Column references in their one full form: the alias of the FROM item, the column, then the path
 * into it. A first pass only looks; the second changes. */
#include "plan/graph.h"

#include <string.h>
#include <strings.h>

enum clause {
    SOURCES, /* WHERE and ON: columns only */
    COLUMNS, /* a column, else a select alias */
    ALIASES, /* a select alias, else a column */
};

struct qualifying {
    struct ei_plan_ctx *ctx;
    struct ei_plan_block *b;
    uint64_t visible;
    enum clause clause;
    struct json_object *using, *parameters; /* arrays of names */
    bool apply, failed;
};

static bool in_names(struct json_object *names, const char *name) {
    for (size_t i = 0; i < ei_tree_len(names); i++)
        if (strcasecmp(json_object_get_string(ei_tree_at(names, i)), name) == 0)
            return true;
    return false;
}

static bool is_alias(const struct qualifying *q, const char *name) {
    struct json_object *list = ei_tree_get(q->b->node, "select_list");
    for (size_t i = 0; i < ei_tree_len(list); i++)
        if (strcasecmp(ei_tree_str(ei_tree_at(list, i), "alias"), name) == 0)
            return true;
    return false;
}

static long column_of(const struct ei_plan_leaf *leaf, const char *name) {
    for (size_t i = 0; name != NULL && i < leaf->columns.count; i++)
        if (strcasecmp(leaf->columns.columns[i].name, name) == 0)
            return (long)i;
    return -1;
}

/* How many visible items own this reference; the first one in *leaf, its column in *column, the
 * parts in front of the path in *parts. */
static size_t owners(const struct qualifying *q, struct json_object *ref, size_t *leaf,
                     size_t *column, size_t *parts) {
    const struct ei_plan_scope *s = &q->b->scope;
    size_t found = 0;
    for (size_t given = 2; given >= 1 && found == 0; given--)
        for (size_t i = 0; i < s->count; i++) {
            const char *name = ei_tree_ref_part(ref, given - 1);
            if ((q->visible >> i & 1) == 0 || name == NULL ||
                (given == 2 && strcasecmp(s->leaves[i].alias, ei_tree_ref_part(ref, 0)) != 0))
                continue;
            long at = column_of(&s->leaves[i], name);
            if (at >= 0 && found++ == 0) {
                *leaf = i;
                *column = (size_t)at;
                *parts = given;
            }
        }
    return found;
}

static void rewrite(struct json_object *ref, const struct ei_plan_leaf *leaf, size_t column,
                    size_t parts) {
    struct json_object *names = json_object_new_array();
    json_object_array_add(names, json_object_new_string(leaf->alias));
    json_object_array_add(names, json_object_new_string(leaf->columns.columns[column].name));
    for (size_t i = parts; i < ei_tree_ref_parts(ref); i++)
        json_object_array_add(names, json_object_new_string(ei_tree_ref_part(ref, i)));
    ei_tree_set(ref, "column_names", names);
}

static void qualify_ref(struct qualifying *q, struct json_object *ref) {
    const char *first = ei_tree_ref_part(ref, 0);
    bool single = ei_tree_ref_parts(ref) == 1;
    if (single && in_names(q->parameters, first))
        return;
    if (single && q->clause == ALIASES && is_alias(q, first))
        return;
    size_t leaf = 0, column = 0, parts = 0;
    size_t found = owners(q, ref, &leaf, &column, &parts);
    if (found == 0 && single && q->clause != SOURCES && is_alias(q, first))
        return;
    if (found == 0 || (found > 1 && !(parts == 1 && in_names(q->using, first)))) {
        q->failed = true;
        return;
    }
    if (q->apply)
        rewrite(ref, &q->b->scope.leaves[leaf], column, parts);
}

static bool visit(void *arg, struct json_object *node) {
    struct qualifying *q = arg;
    if (ei_tree_is_subquery(node) &&
        !ei_plan_binds(q->ctx, ei_tree_get(ei_tree_get(node, "subquery"), "node")))
        q->failed = true;
    if (ei_tree_is(node, "class", "STAR"))
        q->failed = true;
    if (ei_tree_is(node, "type", "JOIN") || ei_tree_is(node, "type", "BASE_TABLE"))
        return false;
    if (ei_tree_is_ref(node)) {
        qualify_ref(q, node);
        return false;
    }
    return !q->failed;
}

static bool plain_star(struct json_object *item) {
    return ei_tree_is(item, "class", "STAR") && ei_tree_get(item, "expr") == NULL &&
           !ei_tree_flag(item, "columns") && ei_tree_len(ei_tree_get(item, "exclude_list")) == 0 &&
           ei_tree_len(ei_tree_get(item, "replace_list")) == 0 &&
           ei_tree_len(ei_tree_get(item, "rename_list")) == 0;
}

/* The select list with * and t.* written out. Owned by the context. */
static struct json_object *without_stars(struct qualifying *q) {
    struct json_object *list = ei_tree_get(q->b->node, "select_list");
    struct json_object *all = ei_plan_own(q->ctx, json_object_new_array());
    for (size_t i = 0; i < ei_tree_len(list); i++) {
        struct json_object *item = ei_tree_at(list, i);
        const char *table = ei_tree_str(item, "relation_name");
        if (!plain_star(item)) {
            json_object_array_add(all, ei_tree_copy(item));
            continue;
        }
        q->failed = q->failed || ei_tree_len(q->using) > 0;
        for (size_t l = 0; l < q->b->scope.count; l++) {
            const struct ei_plan_leaf *leaf = &q->b->scope.leaves[l];
            if ((q->visible >> l & 1) == 0 ||
                (table[0] != '\0' && strcasecmp(table, leaf->alias) != 0))
                continue;
            for (size_t c = 0; c < leaf->columns.count; c++)
                json_object_array_add(all,
                                      ei_tree_column(leaf->alias, leaf->columns.columns[c].name));
        }
    }
    return all;
}

static void each_order(struct qualifying *q, struct json_object *orders,
                       const struct ei_plan_schema *out) {
    for (size_t i = 0; i < ei_tree_len(orders); i++) {
        struct json_object *e = ei_tree_get(ei_tree_at(orders, i), "expression");
        bool named = false, all = ei_tree_is(e, "class", "STAR");
        for (size_t c = 0; c < out->count && ei_tree_is_ref(e); c++)
            named = named || (ei_tree_ref_parts(e) == 1 &&
                              strcasecmp(ei_tree_ref_part(e, 0), out->columns[c].name) == 0);
        if (!named && !all)
            ei_tree_walk_block(e, visit, q);
    }
}

static void each_condition(struct qualifying *q, struct json_object *from, uint64_t *below) {
    if (!ei_tree_is(from, "type", "JOIN")) {
        const struct ei_plan_leaf *leaf = ei_plan_scope_leaf(&q->b->scope, from);
        *below = leaf == NULL ? 0 : 1ULL << (leaf - q->b->scope.leaves);
        return;
    }
    uint64_t left = 0, right = 0, visible = q->visible;
    each_condition(q, ei_tree_get(from, "left"), &left);
    each_condition(q, ei_tree_get(from, "right"), &right);
    q->visible = (left | right);
    ei_tree_walk_block(ei_tree_get(from, "condition"), visit, q);
    q->visible = visible;
    bool hides = ei_tree_is(from, "join_type", "SEMI") || ei_tree_is(from, "join_type", "ANTI");
    *below = hides ? left : left | right;
}

static void each_clause(struct qualifying *q, struct json_object *list,
                        const struct ei_plan_schema *out) {
    uint64_t all = 0;
    q->clause = SOURCES;
    each_condition(q, ei_tree_get(q->b->node, "from_table"), &all);
    ei_tree_walk_block(ei_tree_get(q->b->node, "where_clause"), visit, q);
    q->clause = ALIASES;
    ei_tree_walk_block(ei_tree_get(q->b->node, "having"), visit, q);
    q->clause = COLUMNS;
    ei_tree_walk_block(ei_tree_get(q->b->node, "group_expressions"), visit, q);
    ei_tree_walk_block(ei_tree_get(q->b->node, "qualify"), visit, q);
    ei_tree_walk_block(list, visit, q);
    each_order(q, q->b->orders, out);
    each_order(q, q->b->own_orders, out);
}

static bool note_parameter(void *arg, struct json_object *node) {
    struct qualifying *q = arg;
    if (!ei_tree_is_ref(node))
        return true;
    json_object_array_add(q->parameters, json_object_new_string(ei_tree_ref_part(node, 0)));
    for (size_t i = 0; i < q->b->scope.count; i++)
        if (column_of(&q->b->scope.leaves[i], ei_tree_ref_part(node, 0)) >= 0)
            q->failed = true;
    return true;
}

static bool note_names(void *arg, struct json_object *node) {
    struct qualifying *q = arg;
    if (ei_tree_is_lambda(node))
        ei_tree_walk(ei_tree_get(node, "lhs"), note_parameter, q);
    struct json_object *names = ei_tree_get(node, "using_columns");
    for (size_t i = 0; i < ei_tree_len(names); i++)
        json_object_array_add(q->using, json_object_get(ei_tree_at(names, i)));
    return true;
}

static bool two_alike(const struct ei_plan_scope *s) {
    for (size_t i = 0; i < s->count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcasecmp(s->leaves[i].alias, s->leaves[j].alias) == 0)
                return true;
    return false;
}

static int qualify(struct qualifying *q, const struct ei_plan_schema *out) {
    struct json_object *list = without_stars(q);
    if (ei_tree_len(list) != out->count || two_alike(&q->b->scope))
        q->failed = true;
    each_clause(q, list, out);
    if (q->failed)
        return ei_plan_whole(q->ctx, "a name in it is not understood");
    q->apply = true;
    each_clause(q, list, out);
    for (size_t i = 0; i < out->count; i++)
        ei_tree_set_str(ei_tree_at(list, i), "alias", out->columns[i].name);
    ei_tree_set(q->b->node, "select_list", ei_tree_copy(list));
    return EI_PLAN_OK;
}

int ei_plan_qualify(struct ei_plan_ctx *ctx, struct ei_plan_block *b, uint64_t hidden) {
    struct ei_plan_schema out;
    struct qualifying q = {.ctx = ctx, .b = b, .visible = ((1ULL << b->scope.count) - 1) & ~hidden};
    int status = ei_plan_describe(ctx, b->node, &out);
    if (status != EI_PLAN_OK)
        return status;
    q.using = ei_plan_own(ctx, json_object_new_array());
    q.parameters = ei_plan_own(ctx, json_object_new_array());
    ei_tree_walk_block(b->node, note_names, &q);
    status = qualify(&q, &out);
    ei_plan_schema_release(&out);
    return status;
}
