/* Subqueries of WHERE over large tables, written as joins, where that is the same by form:
 *
 *   EXISTS (SELECT … FROM t WHERE t.k = o.k AND …)   a SEMI join; NOT EXISTS an ANTI join
 *   x IN (SELECT y …)                               a SEMI join
 *   x < (SELECT agg FROM t WHERE t.k = o.k)         a join with the aggregate grouped by k; a LEFT
 *                                                   one for count(), whose empty result is 0
 *
 * Anything else stays as it is. Only whole conjuncts are taken: there NULL counts as false. */
#include "plan/graph.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct removing {
    struct ei_plan_ctx *ctx;
    struct json_object *node; /* the block */
    struct ei_plan_scope outer, inner;
    struct json_object *derived; /* SELECT_NODE of the new FROM item */
    const char *alias;
    struct json_object *from, *to; /* columns of the subquery and of the new item; arrays */
    unsigned count;
};

static struct json_object *query_of(struct json_object *subquery) {
    return ei_tree_get(ei_tree_get(subquery, "subquery"), "node");
}

/* ---- whose columns an expression uses ---- */

struct sides {
    const struct removing *r;
    bool inner, outer, other;
};

static bool note_side(void *arg, struct json_object *node) {
    struct sides *s = arg;
    struct ei_plan_column_at at;
    if (ei_tree_is_subquery(node) || ei_tree_is_lambda(node) || ei_tree_is(node, "class", "STAR"))
        s->other = true;
    if (!ei_tree_is_ref(node))
        return true;
    if (ei_plan_scope_find(&s->r->inner, node, &at) == 1)
        s->inner = true;
    else if (ei_plan_scope_find(&s->r->outer, node, &at) == 1)
        s->outer = true;
    else
        s->other = true;
    return true;
}

static struct sides sides_of(const struct removing *r, struct json_object *expression) {
    struct sides s = {.r = r};
    ei_tree_walk_block(expression, note_side, &s);
    return s;
}

/* ---- the new FROM item ---- */

/* The new item's column for a column of the subquery. */
static bool move_ref(void *arg, struct json_object *node) {
    struct removing *r = arg;
    struct ei_plan_column_at at;
    if (!ei_tree_is_ref(node) || ei_plan_scope_find(&r->inner, node, &at) != 1)
        return true;
    long i = ei_plan_find(&r->inner, r->from, node);
    if (i < 0) {
        char *name = ei_asprintf("%s_%zu", r->alias, ei_tree_len(r->from) + 1);
        struct json_object *item = ei_tree_copy(node);
        i = (long)ei_tree_len(r->from);
        json_object_array_add(r->from, ei_tree_copy(node));
        json_object_array_add(r->to, ei_tree_column(r->alias, name));
        ei_tree_set_str(item, "alias", name);
        json_object_array_add(ei_tree_get(r->derived, "select_list"), item);
        free(name);
    }
    ei_tree_replace(node, ei_tree_copy(ei_tree_at(r->to, (size_t)i)));
    return false;
}

/* Is it inner column = outer column, of types whose equal values are one group? */
static bool is_key(const struct removing *r, struct json_object *e) {
    struct json_object *refs[2] = {ei_tree_get(e, "left"), ei_tree_get(e, "right")};
    const char *types[2] = {NULL, NULL};
    size_t inner = 0;
    if (!ei_tree_is(e, "type", "COMPARE_EQUAL"))
        return false;
    for (size_t i = 0; i < 2; i++) {
        struct ei_plan_column_at at;
        const struct ei_plan_scope *s = &r->inner;
        if (!ei_tree_is_ref(refs[i]))
            return false;
        if (ei_plan_scope_find(s, refs[i], &at) == 1)
            inner++;
        else if (ei_plan_scope_find(s = &r->outer, refs[i], &at) != 1)
            return false;
        if (at.path == ei_tree_ref_parts(refs[i]))
            types[i] = ei_plan_key_type(s->leaves[at.leaf].columns.columns[at.column].type);
    }
    return inner == 1 && types[0] != NULL && types[1] != NULL && strcmp(types[0], types[1]) == 0;
}

/* The conjuncts of the subquery that need nothing from outside stay in the item, the others become
 * the join's conditions. False if that cannot be told. */
static bool split_where(struct removing *r, struct json_object *query, bool equalities,
                        struct json_object *conditions) {
    struct json_object *conjuncts = ei_plan_own(r->ctx, json_object_new_array()), *local = NULL;
    ei_tree_conjuncts(ei_tree_get(query, "where_clause"), conjuncts);
    for (size_t i = 0; i < ei_tree_len(conjuncts); i++) {
        struct json_object *e = ei_tree_at(conjuncts, i);
        struct sides s = sides_of(r, e);
        if (!s.outer) {
            local = ei_tree_and(local, ei_tree_copy(e));
            continue;
        }
        if (s.other || (equalities && !is_key(r, e)))
            return false;
        json_object_array_add(conditions, ei_tree_copy(e));
    }
    ei_tree_set(r->derived, "where_clause", local);
    return true;
}

static bool has_clauses(struct json_object *query) {
    return !ei_tree_is(query, "type", "SELECT_NODE") ||
           ei_tree_len(ei_tree_get(query, "modifiers")) > 0 ||
           ei_tree_len(ei_tree_get(query, "group_expressions")) > 0 ||
           ei_tree_len(ei_tree_get(query, "group_sets")) > 0 ||
           ei_tree_get(query, "having") != NULL || ei_tree_get(query, "qualify") != NULL ||
           !ei_tree_is(query, "aggregate_handling", "STANDARD_HANDLING");
}

struct finding {
    struct ei_plan_ctx *ctx;
    size_t aggregates, counts, windows, others;
};

/* `others`: what may give something else than NULL for NULL. */
static bool find(void *arg, struct json_object *node) {
    static const char *const STRICT[] = {"+", "-", "*", "/", "round", "abs"};
    struct finding *f = arg;
    const char *class = ei_tree_str(node, "class"), *name = ei_tree_str(node, "function_name");
    if (ei_tree_is_window(node))
        f->windows++;
    if (class[0] == '\0' || ei_tree_is_ref(node) || strcmp(class, "CONSTANT") == 0 ||
        strcmp(class, "CAST") == 0)
        return true;
    if (!ei_tree_is_function(node)) {
        f->others++;
        return true;
    }
    if (f->ctx->env->is_aggregate(f->ctx->env->ctx, name)) {
        f->aggregates++;
        f->counts += strstr(name, "count") != NULL ? 1 : 0;
        bool known = strcmp(name, "sum") == 0 || strcmp(name, "avg") == 0 ||
                     strcmp(name, "min") == 0 || strcmp(name, "max") == 0;
        f->others += known ? 0 : 1;
        return false;
    }
    for (size_t i = 0; i < EI_ARRAY_LEN(STRICT); i++)
        if (strcmp(name, STRICT[i]) == 0)
            return true;
    f->others++;
    return true;
}

static struct finding find_in(struct ei_plan_ctx *ctx, struct json_object *expression) {
    struct finding f = {.ctx = ctx};
    ei_tree_walk_block(expression, find, &f);
    return f;
}

/* Comma joins have to be words where another join follows. */
static void without_commas(struct json_object *from) {
    if (!ei_tree_is(from, "type", "JOIN"))
        return;
    if (ei_tree_is(from, "ref_type", "CROSS")) {
        ei_tree_set_str(from, "ref_type", "REGULAR");
        ei_tree_set(from, "condition", ei_tree_equal(ei_tree_int(1), ei_tree_int(1)));
    }
    without_commas(ei_tree_get(from, "left"));
    without_commas(ei_tree_get(from, "right"));
}

static void add_join(struct removing *r, const char *type, struct json_object *conditions) {
    struct json_object *from = ei_tree_copy(ei_tree_get(r->node, "from_table")), *all = NULL;
    for (size_t i = 0; i < ei_tree_len(conditions); i++)
        all = ei_tree_and(all, ei_tree_copy(ei_tree_at(conditions, i)));
    without_commas(from);
    ei_tree_set(r->node, "from_table",
                ei_tree_join(type, from, ei_tree_derived(ei_tree_copy(r->derived), r->alias), all));
}

/* ---- the forms ---- */

static bool begin(struct removing *r, struct json_object *query) {
    char *alias = ei_asprintf("subquery_%u", r->count + 1);
    r->alias = ei_plan_own_string(r->ctx, alias);
    r->from = ei_plan_own(r->ctx, json_object_new_array());
    r->to = ei_plan_own(r->ctx, json_object_new_array());
    r->derived = ei_plan_own(r->ctx, ei_tree_select_node());
    ei_plan_scope_release(&r->inner);
    if (!ei_tree_is(query, "type", "SELECT_NODE"))
        return true;
    ei_tree_set(r->derived, "from_table", ei_tree_copy(ei_tree_get(query, "from_table")));
    return ei_plan_scope_init(r->ctx, ei_tree_get(query, "from_table"), &r->inner) == EI_PLAN_OK &&
           !r->inner.opaque;
}

/* A subquery without aggregates; `value` is what its one column is compared with, or NULL. */
static bool remove_plain(struct removing *r, struct json_object *subquery, const char *type,
                         struct json_object *value) {
    struct json_object *query = query_of(subquery), *list = ei_tree_get(query, "select_list");
    struct json_object *conditions = ei_plan_own(r->ctx, json_object_new_array());
    struct finding f = find_in(r->ctx, list);
    if (!begin(r, query) || has_clauses(query) || f.aggregates + f.windows > 0 ||
        !split_where(r, query, false, conditions))
        return false;
    if (value != NULL) {
        struct sides s = sides_of(r, ei_tree_at(list, 0));
        if (ei_tree_len(list) != 1 || s.outer || s.other || sides_of(r, value).other)
            return false;
        struct json_object *column = ei_tree_copy(ei_tree_at(list, 0));
        char *name = ei_asprintf("%s_0", r->alias);
        ei_tree_set_str(column, "alias", name);
        json_object_array_add(ei_tree_get(r->derived, "select_list"), column);
        ei_tree_walk_block(conditions, move_ref, r);
        json_object_array_add(conditions,
                              ei_tree_equal(ei_tree_copy(value), ei_tree_column(r->alias, name)));
        free(name);
    } else {
        ei_tree_walk_block(conditions, move_ref, r);
    }
    if (ei_tree_len(conditions) == 0 || ei_tree_len(r->from) + (value != NULL) == 0 ||
        !ei_plan_binds(r->ctx, r->derived))
        return false;
    add_join(r, type, conditions);
    return true;
}

/* x IN (SELECT …) that refers to nothing outside: whatever the subquery is. */
static bool remove_in(struct removing *r, struct json_object *subquery) {
    struct json_object *query = query_of(subquery), *value = ei_tree_get(subquery, "child");
    struct ei_plan_schema schema;
    if (!ei_tree_is(subquery, "comparison_type", "COMPARE_EQUAL") || !begin(r, query))
        return false;
    if (!ei_plan_binds(r->ctx, query))
        return remove_plain(r, subquery, "SEMI", value);
    ei_plan_scope_release(&r->inner);
    if (ei_plan_describe(r->ctx, query, &schema) != EI_PLAN_OK)
        return false;
    size_t columns = schema.count;
    ei_plan_schema_release(&schema);
    struct sides s = sides_of(r, value);
    if (columns != 1 || s.other || !s.outer)
        return false;
    char *name = ei_asprintf("%s_0", r->alias);
    struct json_object *from = ei_tree_copy(ei_tree_get(r->node, "from_table"));
    struct json_object *item = ei_tree_derived(ei_tree_copy(query), r->alias);
    json_object_array_add(ei_tree_get(item, "column_name_alias"), json_object_new_string(name));
    without_commas(from);
    ei_tree_set(r->node, "from_table",
                ei_tree_join("SEMI", from, item,
                             ei_tree_equal(ei_tree_copy(value), ei_tree_column(r->alias, name))));
    free(name);
    return true;
}

/* Keys that a filtered table of the outer block leaves are all that the groups are needed for. */
static void limit_keys(struct removing *r, struct json_object *key, struct json_object *outer) {
    struct ei_plan_column_at at;
    struct json_object *conjuncts = ei_plan_own(r->ctx, json_object_new_array()), *filter = NULL;
    if (!ei_tree_is_ref(outer) || ei_plan_scope_find(&r->outer, outer, &at) != 1)
        return;
    const struct ei_plan_leaf *leaf = &r->outer.leaves[at.leaf];
    const struct ei_plan_input *input =
        leaf->input == NULL ? NULL : ei_plan_input_find(r->ctx, leaf->input);
    ei_tree_conjuncts(ei_tree_get(r->node, "where_clause"), conjuncts);
    for (size_t i = 0; i < ei_tree_len(conjuncts); i++)
        if (ei_plan_only_leaf(&r->outer, ei_tree_at(conjuncts, i), at.leaf))
            filter = ei_tree_and(filter, ei_tree_copy(ei_tree_at(conjuncts, i)));
    if (filter == NULL || input == NULL || input->relation == NULL ||
        ei_tree_len(ei_tree_get(leaf->node, "column_name_alias")) > 0) {
        json_object_put(filter);
        return;
    }
    struct json_object *keys = ei_tree_select_node();
    const char *again = ei_plan_input_add(r->ctx, input->relation);
    json_object_array_add(ei_tree_get(keys, "select_list"),
                          ei_tree_column(leaf->alias, leaf->columns.columns[at.column].name));
    ei_tree_set(keys, "from_table", ei_tree_table(again, leaf->alias));
    ei_tree_set(keys, "where_clause", filter);
    struct json_object *where = ei_tree_get(r->derived, "where_clause");
    ei_tree_set(r->derived, "where_clause",
                ei_tree_and(ei_tree_copy(where), ei_tree_in(ei_tree_copy(key), keys)));
}

static void group_by_keys(struct removing *r, struct json_object *conditions) {
    struct json_object *groups = ei_tree_get(r->derived, "group_expressions");
    struct json_object *set = json_object_new_array();
    for (size_t i = 0; i < ei_tree_len(conditions); i++) {
        struct json_object *e = ei_tree_at(conditions, i);
        bool left = sides_of(r, ei_tree_get(e, "left")).inner;
        limit_keys(r, ei_tree_get(e, left ? "left" : "right"),
                   ei_tree_get(e, left ? "right" : "left"));
    }
    ei_tree_walk_block(conditions, move_ref, r);
    for (size_t i = 0; i < ei_tree_len(r->from); i++) {
        json_object_array_add(groups, ei_tree_copy(ei_tree_at(r->from, i)));
        json_object_array_add(set, json_object_new_int64((int64_t)i));
    }
    json_object_array_add(ei_tree_get(r->derived, "group_sets"), set);
}

/* A comparison with a correlated aggregate: the aggregate for all keys at once, joined. */
static bool remove_scalar(struct removing *r, struct json_object *conjunct,
                          struct json_object *subquery) {
    struct json_object *query = query_of(subquery), *list = ei_tree_get(query, "select_list");
    struct json_object *conditions = ei_plan_own(r->ctx, json_object_new_array());
    if (!begin(r, query) || has_clauses(query) || ei_tree_len(list) != 1)
        return false;
    struct json_object *value = ei_tree_at(list, 0);
    struct finding f = find_in(r->ctx, value);
    bool count = ei_tree_is_function(value) && f.aggregates == 1 && f.counts == 1 &&
                 strncmp(ei_tree_str(value, "function_name"), "count", 5) == 0 &&
                 strncmp(ei_tree_str(value, "function_name"), "count_if", 8) != 0;
    bool null = f.aggregates > 0 && f.others == 0 && f.windows == 0 && f.counts == 0;
    struct sides s = sides_of(r, value);
    if ((!count && !null) || s.outer || s.other || !split_where(r, query, true, conditions) ||
        ei_tree_len(conditions) == 0)
        return false;
    group_by_keys(r, conditions);
    char *name = ei_asprintf("%s_0", r->alias);
    struct json_object *item = ei_tree_copy(value), *result = ei_tree_column(r->alias, name);
    ei_tree_set_str(item, "alias", name);
    free(name);
    json_object_array_add(ei_tree_get(r->derived, "select_list"), item);
    if (!ei_plan_binds(r->ctx, r->derived)) {
        json_object_put(result);
        return false;
    }
    add_join(r, count ? "LEFT" : "INNER", conditions);
    ei_tree_replace(subquery, count ? ei_tree_coalesce(result, ei_tree_int(0)) : result);
    (void)conjunct;
    return true;
}

/* The one subquery of a comparison, below nothing but arithmetic. */
static struct json_object *scalar_in(struct ei_plan_ctx *ctx, struct json_object *e, size_t depth) {
    if (ei_tree_is_subquery(e))
        return depth > 0 && ei_tree_is(e, "subquery_type", "SCALAR") ? e : NULL;
    struct json_object *sides[2] = {ei_tree_get(e, "left"), ei_tree_get(e, "right")};
    struct json_object *children = ei_tree_get(e, "children"), *found = NULL;
    bool comparison = depth == 0 && ei_tree_is(e, "class", "COMPARISON") &&
                      strncmp(ei_tree_str(e, "type"), "COMPARE_DIST", 12) != 0 &&
                      strncmp(ei_tree_str(e, "type"), "COMPARE_NOT_DIST", 16) != 0;
    bool strict = depth > 0 && ei_tree_is_function(e) && find_in(ctx, e).others <= 1;
    for (size_t i = 0; comparison && i < 2 && found == NULL; i++)
        found = scalar_in(ctx, sides[i], depth + 1);
    for (size_t i = 0; strict && i < ei_tree_len(children) && found == NULL; i++)
        found = scalar_in(ctx, ei_tree_at(children, i), depth + 1);
    return found;
}

/* ---- the conjuncts ---- */

static bool remove_conjunct(struct removing *r, struct json_object *e, bool *stays) {
    struct json_object *inside = e;
    bool negated = ei_tree_is(e, "type", "OPERATOR_NOT");
    if (negated)
        inside = ei_tree_at(ei_tree_get(e, "children"), 0);
    *stays = false;
    if (ei_tree_is_subquery(inside)) {
        const char *type = ei_tree_str(inside, "subquery_type");
        bool none = strcmp(type, "NOT_EXISTS") == 0;
        if (none || strcmp(type, "EXISTS") == 0)
            return remove_plain(r, inside, none != negated ? "ANTI" : "SEMI", NULL);
        return strcmp(type, "ANY") == 0 && !negated && remove_in(r, inside);
    }
    struct json_object *subquery = scalar_in(r->ctx, e, 0);
    *stays = true;
    return subquery != NULL && !ei_plan_binds(r->ctx, query_of(subquery)) &&
           remove_scalar(r, e, subquery);
}

static size_t heavy_tables(struct ei_plan_ctx *ctx, struct json_object *node) {
    struct ei_plan_leaf weight = {0};
    ei_plan_weigh(ctx, node, &weight);
    return weight.splittable && weight.heavy ? 1 : 0;
}

static bool has_star(struct json_object *node) {
    struct json_object *list = ei_tree_get(node, "select_list");
    for (size_t i = 0; i < ei_tree_len(list); i++)
        if (ei_tree_is(ei_tree_at(list, i), "class", "STAR"))
            return true;
    return false;
}

static bool find_subquery(void *arg, struct json_object *node) {
    if (ei_tree_is_subquery(node) && *(struct json_object **)arg == NULL)
        *(struct json_object **)arg = node;
    return *(struct json_object **)arg == NULL;
}

int ei_plan_decorrelate(struct ei_plan_ctx *ctx, struct json_object *node) {
    struct removing r = {.ctx = ctx, .node = node};
    struct json_object *conjuncts = ei_plan_own(ctx, json_object_new_array()), *kept = NULL;
    ei_tree_conjuncts(ei_tree_get(node, "where_clause"), conjuncts);
    struct json_object *from = ei_tree_get(node, "from_table");
    if (heavy_tables(ctx, from) == 0 || has_star(node) ||
        ei_plan_scope_init(ctx, from, &r.outer) != EI_PLAN_OK || r.outer.opaque) {
        ei_plan_scope_release(&r.outer);
        return EI_PLAN_OK;
    }
    for (size_t i = 0; i < ei_tree_len(conjuncts); i++) {
        struct json_object *e = ei_plan_own(ctx, ei_tree_copy(ei_tree_at(conjuncts, i)));
        struct json_object *subquery = NULL;
        bool stays = true;
        ei_tree_walk_block(e, find_subquery, &subquery);
        if (subquery != NULL && heavy_tables(ctx, query_of(subquery)) > 0 &&
            remove_conjunct(&r, e, &stays))
            r.count++;
        else
            stays = true;
        if (stays)
            kept = ei_tree_and(kept, ei_tree_copy(e));
    }
    if (r.count > 0)
        ei_tree_set(node, "where_clause", kept);
    else
        json_object_put(kept);
    ei_plan_scope_release(&r.outer);
    ei_plan_scope_release(&r.inner);
    return EI_PLAN_OK;
}
