#include "plan/tree.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct json_object *ei_tree_get(struct json_object *node, const char *key) {
    struct json_object *value = NULL;
    if (node == NULL || !json_object_is_type(node, json_type_object))
        return NULL;
    (void)json_object_object_get_ex(node, key, &value);
    return value;
}

const char *ei_tree_str(struct json_object *node, const char *key) {
    struct json_object *value = ei_tree_get(node, key);
    return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}

bool ei_tree_is(struct json_object *node, const char *key, const char *value) {
    return strcmp(ei_tree_str(node, key), value) == 0;
}

bool ei_tree_flag(struct json_object *node, const char *key) {
    struct json_object *value = ei_tree_get(node, key);
    return value != NULL && json_object_get_boolean(value);
}

size_t ei_tree_len(struct json_object *array) {
    return json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
}

struct json_object *ei_tree_at(struct json_object *array, size_t i) {
    return i < ei_tree_len(array) ? json_object_array_get_idx(array, i) : NULL;
}

bool ei_tree_is_ref(struct json_object *node) {
    return ei_tree_is(node, "class", "COLUMN_REF");
}

bool ei_tree_is_function(struct json_object *node) {
    return ei_tree_is(node, "class", "FUNCTION");
}

bool ei_tree_is_subquery(struct json_object *node) {
    return ei_tree_is(node, "class", "SUBQUERY");
}

bool ei_tree_is_window(struct json_object *node) {
    return ei_tree_is(node, "class", "WINDOW");
}

bool ei_tree_is_lambda(struct json_object *node) {
    return ei_tree_is(node, "class", "LAMBDA");
}

size_t ei_tree_ref_parts(struct json_object *ref) {
    return ei_tree_len(ei_tree_get(ref, "column_names"));
}

const char *ei_tree_ref_part(struct json_object *ref, size_t i) {
    struct json_object *part = ei_tree_at(ei_tree_get(ref, "column_names"), i);
    return part == NULL ? NULL : json_object_get_string(part);
}

bool ei_tree_int_value(struct json_object *node, int64_t *out) {
    if (!ei_tree_is(node, "class", "CONSTANT"))
        return false;
    struct json_object *value = ei_tree_get(node, "value");
    if (!json_object_is_type(ei_tree_get(value, "value"), json_type_int))
        return false;
    const char *type = ei_tree_str(ei_tree_get(value, "type"), "id");
    if (strcmp(type, "INTEGER") != 0 && strcmp(type, "BIGINT") != 0)
        return false;
    *out = json_object_get_int64(ei_tree_get(value, "value"));
    return true;
}

struct json_object *ei_tree_copy(struct json_object *node) {
    struct json_object *copy = NULL;
    if (node != NULL && json_object_deep_copy(node, &copy, NULL) != 0)
        EI_ASSERT(copy != NULL);
    return copy;
}

void ei_tree_set(struct json_object *node, const char *key, struct json_object *value_owned) {
    json_object_object_add(node, key, value_owned);
}

void ei_tree_set_str(struct json_object *node, const char *key, const char *value) {
    json_object_object_add(node, key, json_object_new_string(value));
}

static struct json_object *expression(const char *class, const char *type) {
    struct json_object *node = json_object_new_object();
    ei_tree_set_str(node, "class", class);
    ei_tree_set_str(node, "type", type);
    ei_tree_set_str(node, "alias", "");
    return node;
}

struct json_object *ei_tree_column(const char *table, const char *column) {
    struct json_object *node = expression("COLUMN_REF", "COLUMN_REF");
    struct json_object *names = json_object_new_array();
    if (table != NULL)
        json_object_array_add(names, json_object_new_string(table));
    json_object_array_add(names, json_object_new_string(column));
    ei_tree_set(node, "column_names", names);
    return node;
}

struct json_object *ei_tree_int(int64_t value) {
    struct json_object *node = expression("CONSTANT", "VALUE_CONSTANT");
    struct json_object *constant = json_object_new_object();
    struct json_object *type = json_object_new_object();
    ei_tree_set_str(type, "id", "BIGINT");
    ei_tree_set(type, "type_info", NULL);
    ei_tree_set(constant, "type", type);
    ei_tree_set(constant, "is_null", json_object_new_boolean(false));
    ei_tree_set(constant, "value", json_object_new_int64(value));
    ei_tree_set(node, "value", constant);
    return node;
}

static bool prints_as_another_type(struct json_object *type, struct json_object *value) {
    if (ei_tree_is(type, "id", "DOUBLE"))
        return value != NULL;
    struct json_object *scale = ei_tree_get(ei_tree_get(type, "type_info"), "scale");
    return ei_tree_is(type, "id", "DECIMAL") && json_object_is_type(value, json_type_int) &&
           scale != NULL && json_object_get_int(scale) == 0;
}

static bool keep_type(void *arg, struct json_object *node) {
    (void)arg;
    struct json_object *constant = ei_tree_get(node, "value");
    struct json_object *type = ei_tree_get(constant, "type"),
                       *value = ei_tree_get(constant, "value");
    if (ei_tree_is(node, "type", "LIMIT_PERCENT_MODIFIER"))
        return false;
    if (!ei_tree_is(node, "class", "CONSTANT") || !prints_as_another_type(type, value))
        return true;
    struct json_object *text = ei_tree_copy(node), *cast = expression("CAST", "OPERATOR_CAST");
    struct json_object *text_type = json_object_new_object();
    ei_tree_set_str(text_type, "id", "VARCHAR");
    ei_tree_set(text_type, "type_info", NULL);
    ei_tree_set(cast, "cast_type", ei_tree_copy(type));
    ei_tree_set_str(ei_tree_get(text, "value"), "value", json_object_get_string(value));
    ei_tree_set(ei_tree_get(text, "value"), "type", text_type);
    ei_tree_set_str(text, "alias", "");
    ei_tree_set(cast, "child", text);
    ei_tree_set(cast, "try_cast", json_object_new_boolean(false));
    ei_tree_replace(node, cast);
    return false;
}

void ei_tree_keep_types(struct json_object *node) {
    ei_tree_walk(node, keep_type, NULL);
}

static bool keep_join(void *arg, struct json_object *node) {
    (void)arg;
    if (!ei_tree_is(node, "type", "JOIN") || ei_tree_is(node, "ref_type", "CROSS"))
        return true;
    struct json_object *sides[2] = {ei_tree_get(node, "left"), ei_tree_get(node, "right")};
    for (size_t i = 0; i < 2; i++)
        if (ei_tree_is(sides[i], "type", "JOIN") && ei_tree_is(sides[i], "ref_type", "CROSS")) {
            ei_tree_set_str(sides[i], "ref_type", "REGULAR");
            ei_tree_set(sides[i], "condition", ei_tree_equal(ei_tree_int(1), ei_tree_int(1)));
        }
    return true;
}

void ei_tree_keep_joins(struct json_object *node) {
    ei_tree_walk(node, keep_join, NULL);
}

struct json_object *ei_tree_star(void) {
    struct json_object *node = expression("STAR", "STAR");
    ei_tree_set_str(node, "relation_name", "");
    ei_tree_set(node, "exclude_list", json_object_new_array());
    ei_tree_set(node, "replace_list", json_object_new_array());
    ei_tree_set(node, "columns", json_object_new_boolean(false));
    ei_tree_set(node, "expr", NULL);
    return node;
}

struct json_object *ei_tree_table(const char *name, const char *alias) {
    struct json_object *node = json_object_new_object();
    ei_tree_set_str(node, "type", "BASE_TABLE");
    ei_tree_set_str(node, "alias", strcmp(name, alias) == 0 ? "" : alias);
    ei_tree_set_str(node, "schema_name", "");
    ei_tree_set_str(node, "table_name", name);
    ei_tree_set(node, "column_name_alias", json_object_new_array());
    ei_tree_set_str(node, "catalog_name", "");
    return node;
}

struct json_object *ei_tree_derived(struct json_object *node_owned, const char *alias) {
    struct json_object *node = json_object_new_object();
    struct json_object *query = json_object_new_object();
    ei_tree_set(query, "node", node_owned);
    ei_tree_set(query, "named_param_map", json_object_new_array());
    ei_tree_set_str(node, "type", "SUBQUERY");
    ei_tree_set_str(node, "alias", alias);
    ei_tree_set(node, "sample", NULL);
    ei_tree_set(node, "subquery", query);
    ei_tree_set(node, "column_name_alias", json_object_new_array());
    return node;
}

struct json_object *ei_tree_select_node(void) {
    struct json_object *node = json_object_new_object();
    struct json_object *ctes = json_object_new_object();
    ei_tree_set(ctes, "map", json_object_new_array());
    ei_tree_set_str(node, "type", "SELECT_NODE");
    ei_tree_set(node, "modifiers", json_object_new_array());
    ei_tree_set(node, "cte_map", ctes);
    ei_tree_set(node, "select_list", json_object_new_array());
    ei_tree_set(node, "from_table", NULL);
    ei_tree_set(node, "where_clause", NULL);
    ei_tree_set(node, "group_expressions", json_object_new_array());
    ei_tree_set(node, "group_sets", json_object_new_array());
    ei_tree_set_str(node, "aggregate_handling", "STANDARD_HANDLING");
    ei_tree_set(node, "having", NULL);
    ei_tree_set(node, "sample", NULL);
    ei_tree_set(node, "qualify", NULL);
    return node;
}

struct json_object *ei_tree_and(struct json_object *a_owned, struct json_object *b_owned) {
    if (a_owned == NULL)
        return b_owned;
    struct json_object *node = expression("CONJUNCTION", "CONJUNCTION_AND");
    struct json_object *children = json_object_new_array();
    json_object_array_add(children, a_owned);
    json_object_array_add(children, b_owned);
    ei_tree_set(node, "children", children);
    return node;
}

struct json_object *ei_tree_equal(struct json_object *a_owned, struct json_object *b_owned) {
    struct json_object *node = expression("COMPARISON", "COMPARE_EQUAL");
    ei_tree_set(node, "left", a_owned);
    ei_tree_set(node, "right", b_owned);
    return node;
}

struct json_object *ei_tree_in(struct json_object *x_owned, struct json_object *query_owned) {
    struct json_object *node = expression("SUBQUERY", "SUBQUERY");
    struct json_object *query = json_object_new_object();
    ei_tree_set(query, "node", query_owned);
    ei_tree_set(query, "named_param_map", json_object_new_array());
    ei_tree_set_str(node, "subquery_type", "ANY");
    ei_tree_set(node, "subquery", query);
    ei_tree_set(node, "child", x_owned);
    ei_tree_set_str(node, "comparison_type", "COMPARE_EQUAL");
    return node;
}

struct json_object *ei_tree_coalesce(struct json_object *a_owned, struct json_object *b_owned) {
    struct json_object *node = expression("OPERATOR", "OPERATOR_COALESCE");
    struct json_object *children = json_object_new_array();
    json_object_array_add(children, a_owned);
    json_object_array_add(children, b_owned);
    ei_tree_set(node, "children", children);
    return node;
}

struct json_object *ei_tree_join(const char *type, struct json_object *left_owned,
                                 struct json_object *right_owned,
                                 struct json_object *condition_owned) {
    struct json_object *node = json_object_new_object();
    ei_tree_set_str(node, "type", "JOIN");
    ei_tree_set_str(node, "alias", "");
    ei_tree_set(node, "left", left_owned);
    ei_tree_set(node, "right", right_owned);
    ei_tree_set(node, "condition", condition_owned);
    ei_tree_set_str(node, "join_type", type);
    ei_tree_set_str(node, "ref_type", condition_owned == NULL ? "CROSS" : "REGULAR");
    ei_tree_set(node, "using_columns", json_object_new_array());
    ei_tree_set(node, "delim_flipped", json_object_new_boolean(false));
    ei_tree_set(node, "duplicate_eliminated_columns", json_object_new_array());
    return node;
}

struct json_object *ei_tree_order(const char *type, const char *null_order,
                                  struct json_object *expression_owned) {
    struct json_object *node = json_object_new_object();
    ei_tree_set_str(node, "type", type);
    ei_tree_set_str(node, "null_order", null_order);
    ei_tree_set(node, "expression", expression_owned);
    return node;
}

struct json_object *ei_tree_modifier(const char *type) {
    struct json_object *node = json_object_new_object();
    ei_tree_set_str(node, "type", type);
    return node;
}

struct json_object *ei_tree_statement(struct json_object *node) {
    struct json_object *document = json_object_new_object();
    struct json_object *statements = json_object_new_array();
    struct json_object *statement = json_object_new_object();
    ei_tree_set(document, "error", json_object_new_boolean(false));
    ei_tree_set(statement, "node", ei_tree_copy(node));
    ei_tree_set(statement, "named_param_map", json_object_new_array());
    json_object_array_add(statements, statement);
    ei_tree_set(document, "statements", statements);
    return document;
}

void ei_tree_overwrite(struct json_object *dst, struct json_object *src_owned) {
    struct json_object_iterator it = json_object_iter_begin(dst), end = json_object_iter_end(dst);
    while (!json_object_iter_equal(&it, &end)) {
        char *key = ei_strdup(json_object_iter_peek_name(&it));
        json_object_iter_next(&it);
        json_object_object_del(dst, key);
        free(key);
    }
    json_object_object_foreach(src_owned, name, value) {
        json_object_object_add(dst, name, json_object_get(value));
    }
    json_object_put(src_owned);
}

void ei_tree_replace(struct json_object *dst, struct json_object *src_owned) {
    char *alias = ei_strdup(ei_tree_str(dst, "alias"));
    ei_tree_overwrite(dst, src_owned);
    ei_tree_set_str(dst, "alias", alias);
    free(alias);
}

static void walk(struct json_object *node, ei_tree_visit visit, void *ctx, bool block_only) {
    if (json_object_is_type(node, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(node); i++)
            walk(json_object_array_get_idx(node, i), visit, ctx, block_only);
        return;
    }
    if (!json_object_is_type(node, json_type_object) || !visit(ctx, node))
        return;
    json_object_object_foreach(node, key, value) {
        if (block_only && strcmp(key, "subquery") == 0)
            continue;
        walk(value, visit, ctx, block_only);
    }
}

void ei_tree_walk(struct json_object *node, ei_tree_visit visit, void *ctx) {
    walk(node, visit, ctx, false);
}

void ei_tree_walk_block(struct json_object *node, ei_tree_visit visit, void *ctx) {
    walk(node, visit, ctx, true);
}

static bool same(struct json_object *a, struct json_object *b, ei_tree_same_ref refs, void *ctx,
                 bool whole);

static bool same_objects(struct json_object *a, struct json_object *b, ei_tree_same_ref refs,
                         void *ctx, bool whole) {
    if (!whole && strcmp(ei_tree_str(a, "alias"), ei_tree_str(b, "alias")) != 0)
        return false;
    if (refs != NULL && ei_tree_is_ref(a) && ei_tree_is_ref(b))
        return refs(ctx, a, b);
    json_object_object_foreach(a, key, value) {
        if (strcmp(key, "query_location") == 0 || strcmp(key, "alias") == 0)
            continue;
        if (!same(value, ei_tree_get(b, key), refs, ctx, false))
            return false;
    }
    return json_object_object_length(a) == json_object_object_length(b);
}

static bool same(struct json_object *a, struct json_object *b, ei_tree_same_ref refs, void *ctx,
                 bool whole) {
    if (a == NULL || b == NULL)
        return a == b;
    enum json_type type = json_object_get_type(a);
    if (type != json_object_get_type(b))
        return false;
    if (type == json_type_array) {
        if (ei_tree_len(a) != ei_tree_len(b))
            return false;
        for (size_t i = 0; i < ei_tree_len(a); i++)
            if (!same(ei_tree_at(a, i), ei_tree_at(b, i), refs, ctx, false))
                return false;
        return true;
    }
    if (type != json_type_object)
        return json_object_equal(a, b);
    return same_objects(a, b, refs, ctx, whole);
}

bool ei_tree_same(struct json_object *a, struct json_object *b, ei_tree_same_ref refs, void *ctx) {
    return same(a, b, refs, ctx, true);
}

void ei_tree_conjuncts(struct json_object *node, struct json_object *array) {
    if (node == NULL)
        return;
    if (!ei_tree_is(node, "type", "CONJUNCTION_AND")) {
        json_object_array_add(array, json_object_get(node));
        return;
    }
    struct json_object *children = ei_tree_get(node, "children");
    for (size_t i = 0; i < ei_tree_len(children); i++)
        ei_tree_conjuncts(ei_tree_at(children, i), array);
}
