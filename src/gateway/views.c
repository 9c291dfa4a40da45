/* Edits of the user's tree before planning: views become subqueries in FROM, parameters become
 * literals. WITH hides views of the same name, as it hides tables. */
#include "gateway/internal.h"
#include "plan/tree.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define VIEW_DEPTH_MAX 32

const Eider__V1__CatalogEntry *ei_catalog_find(const Eider__V1__CatalogListReply *catalog,
                                               const char *name) {
    for (size_t i = 0; catalog != NULL && i < catalog->n_entries; i++)
        if (strcasecmp(catalog->entries[i]->name, name) == 0)
            return catalog->entries[i];
    return NULL;
}

/* ---- views ---- */

struct scope { /* a name that WITH defines */
    const char *name;
    bool outer; /* outside of the view that is being expanded */
    const struct scope *next;
};

struct expander {
    struct ei_binder *b;
    const Eider__V1__CatalogListReply *catalog;
    bool changed;
    struct ei_error *e;
};

static int expand(struct expander *x, struct json_object *node, const struct scope *scope,
                  int depth);

/* The tree of a view's SELECT; a fresh reference to its query node. */
static struct json_object *view_node(struct expander *x, const Eider__V1__CatalogEntry *view) {
    struct json_object *tree = NULL;
    if (ei_binder_parse(x->b, view->sql, &tree, x->e) != 0) {
        (void)ei_wrap(x->e, "view %s", view->name);
        return NULL;
    }
    struct json_object *statement = ei_tree_at(ei_tree_get(tree, "statements"), 0);
    struct json_object *node = json_object_get(ei_tree_get(statement, "node"));
    json_object_put(tree);
    return node;
}

/* Inside of the view, names that the query around it defines mean nothing. */
static const struct scope *outer_scope(const struct scope *scope, struct scope *copies) {
    size_t n = 0;
    for (const struct scope *s = scope; s != NULL; s = s->next, n++)
        copies[n] = (struct scope){s->name, true, s->next == NULL ? NULL : &copies[n + 1]};
    return n == 0 ? NULL : copies;
}

static int expand_view(struct expander *x, struct json_object *node,
                       const Eider__V1__CatalogEntry *view, const struct scope *scope, int depth) {
    if (depth >= VIEW_DEPTH_MAX)
        return ei_fail(x->e, EI_INVALID, "view %s: views are nested deeper than %d, or in a circle",
                       view->name, VIEW_DEPTH_MAX);
    struct json_object *query = view_node(x, view);
    if (query == NULL)
        return -1;
    size_t n = 1;
    for (const struct scope *s = scope; s != NULL; s = s->next)
        n++;
    struct scope *copies = ei_calloc(n, sizeof *copies);
    int rc = expand(x, query, outer_scope(scope, copies), depth + 1);
    free(copies);
    if (rc != 0) {
        json_object_put(query);
        return -1;
    }
    const char *alias = ei_tree_str(node, "alias");
    struct json_object *derived = ei_tree_derived(query, alias[0] == '\0' ? view->name : alias);
    ei_tree_set(derived, "column_name_alias", ei_tree_copy(ei_tree_get(node, "column_name_alias")));
    ei_tree_set(derived, "sample", ei_tree_copy(ei_tree_get(node, "sample")));
    ei_tree_overwrite(node, derived);
    x->changed = true;
    return 0;
}

static int expand_table(struct expander *x, struct json_object *node, const struct scope *scope,
                        int depth) {
    const char *name = ei_tree_str(node, "table_name");
    if (ei_tree_str(node, "schema_name")[0] != '\0')
        return 0;
    const struct scope *with = scope;
    while (with != NULL && strcasecmp(with->name, name) != 0)
        with = with->next;
    if (with != NULL && !with->outer)
        return 0;
    const Eider__V1__CatalogEntry *entry = ei_catalog_find(x->catalog, name);
    if (entry != NULL && entry->kind == EIDER__V1__TABLE_KIND__TABLE_VIEW)
        return expand_view(x, node, entry, scope, depth);
    if (with == NULL)
        return 0;
    return ei_fail(x->e, EI_UNSUPPORTED,
                   "WITH %s has the name of a table that a view in this query reads: give it "
                   "another name",
                   name);
}

/* WITH a AS (...), b AS (...): each sees those before it, and itself if it is recursive. */
static int expand_with(struct expander *x, struct json_object *node, struct json_object *list,
                       size_t at, const struct scope *scope, int depth) {
    if (at == ei_tree_len(list)) {
        json_object_object_foreach(node, key, child) {
            if (strcmp(key, "cte_map") != 0 && expand(x, child, scope, depth) != 0)
                return -1;
        }
        return 0;
    }
    struct json_object *entry = ei_tree_at(list, at);
    struct scope with = {ei_tree_str(entry, "key"), false, scope};
    struct json_object *value = ei_tree_get(entry, "value");
    struct json_object *body = ei_tree_get(ei_tree_get(value, "query"), "node");
    bool recursive = ei_tree_is(body, "type", "RECURSIVE_CTE_NODE");
    if (expand(x, value, recursive ? &with : scope, depth) != 0)
        return -1;
    return expand_with(x, node, list, at + 1, &with, depth);
}

static int expand(struct expander *x, struct json_object *node, const struct scope *scope,
                  int depth) {
    if (json_object_is_type(node, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(node); i++)
            if (expand(x, json_object_array_get_idx(node, i), scope, depth) != 0)
                return -1;
        return 0;
    }
    if (!json_object_is_type(node, json_type_object))
        return 0;
    if (ei_tree_is(node, "type", "BASE_TABLE"))
        return expand_table(x, node, scope, depth);
    struct json_object *list = ei_tree_get(ei_tree_get(node, "cte_map"), "map");
    return expand_with(x, node, list, 0, scope, depth);
}

int ei_views_expand(struct ei_binder *b, const Eider__V1__CatalogListReply *catalog,
                    struct json_object *tree, bool *changed, struct ei_error *e) {
    struct expander x = {b, catalog, false, e};
    int rc = expand(&x, ei_tree_get(tree, "statements"), NULL, 0);
    *changed |= x.changed;
    return rc;
}

/* ---- parameters ---- */

struct binding {
    struct ei_binder *b;
    struct json_object *values;
    bool changed;
    struct ei_error *e;
};

/* $1 is the first of a list; $name a member. False if there is none. */
static bool find_value(const struct binding *x, const char *name, struct json_object **value) {
    if (json_object_is_type(x->values, json_type_object))
        return json_object_object_get_ex(x->values, name, value);
    char *end;
    unsigned long n = strtoul(name, &end, 10);
    if (*end != '\0' || n == 0 || !json_object_is_type(x->values, json_type_array) ||
        n > json_object_array_length(x->values))
        return false;
    *value = json_object_array_get_idx(x->values, n - 1);
    return true;
}

static int literal_sql(const char *name, struct json_object *value, struct ei_buf *sql,
                       struct ei_error *e) {
    ei_buf_puts(sql, "SELECT ");
    switch (json_object_get_type(value)) {
    case json_type_null:
        ei_buf_puts(sql, "NULL");
        return 0;
    case json_type_boolean:
        ei_buf_puts(sql, json_object_get_boolean(value) ? "true" : "false");
        return 0;
    case json_type_int:
    case json_type_double:
        ei_buf_puts(sql, json_object_to_json_string(value));
        return 0;
    case json_type_string: {
        const char *text = json_object_get_string(value);
        if (strlen(text) != (size_t)json_object_get_string_len(value))
            return ei_fail(e, EI_INVALID, "parameter $%s contains a NUL character", name);
        ei_buf_sql_string(sql, text);
        return 0;
    }
    default:
        return ei_fail(e, EI_UNSUPPORTED,
                       "parameter $%s must be a text, a number, true, false or null", name);
    }
}

/* The value becomes a constant of the tree: it is never read as SQL of the user's. */
static int put_value(struct binding *x, struct json_object *node) {
    char *name = ei_strdup(ei_tree_str(node, "identifier"));
    struct json_object *value = NULL, *tree = NULL;
    struct ei_buf sql = {0};
    int rc = find_value(x, name, &value)
                 ? literal_sql(name, value, &sql, x->e)
                 : ei_fail(x->e, EI_INVALID,
                           "the query has the parameter $%s, but no value for it was given", name);
    if (rc == 0)
        rc = ei_binder_parse(x->b, sql.data, &tree, x->e);
    if (rc == 0) {
        struct json_object *statement = ei_tree_at(ei_tree_get(tree, "statements"), 0);
        struct json_object *list = ei_tree_get(ei_tree_get(statement, "node"), "select_list");
        ei_tree_replace(node, ei_tree_copy(ei_tree_at(list, 0)));
        x->changed = true;
    }
    json_object_put(tree);
    ei_buf_release(&sql);
    free(name);
    return rc;
}

static int bind_all(struct binding *x, struct json_object *node) {
    if (json_object_is_type(node, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(node); i++)
            if (bind_all(x, json_object_array_get_idx(node, i)) != 0)
                return -1;
        return 0;
    }
    if (!json_object_is_type(node, json_type_object))
        return 0;
    if (ei_tree_is(node, "class", "PARAMETER"))
        return put_value(x, node);
    json_object_object_foreach(node, key, child) {
        (void)key;
        if (bind_all(x, child) != 0)
            return -1;
    }
    return 0;
}

int ei_parameters_apply(struct ei_binder *b, struct json_object *tree, struct json_object *values,
                        bool *changed, struct ei_error *e) {
    struct binding x = {b, values, false, e};
    struct json_object *statement = ei_tree_at(ei_tree_get(tree, "statements"), 0);
    int rc = bind_all(&x, statement);
    if (x.changed)
        ei_tree_set(statement, "named_param_map", json_object_new_array());
    *changed |= x.changed;
    return rc;
}
