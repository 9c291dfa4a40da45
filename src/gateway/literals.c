/* now(), current_date and their like mean one moment for the whole query. Tasks run at different
 * moments on different machines, so the gateway writes the moment into the query. */
#include "gateway/engine.h"
#include "duck/errors.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const MOMENTS[] = {
    "now",
    "get_current_timestamp",
    "transaction_timestamp",
    "current_timestamp",
    "current_date",
    "today",
    "get_current_time",
    "current_time",
    "localtime",
    "localtimestamp",
    "current_localtimestamp",
    "current_localtime",
};

static bool holds_name(struct json_object *array, const char *name) {
    for (size_t i = 0; i < json_object_array_length(array); i++)
        if (strcasecmp(json_object_get_string(json_object_array_get_idx(array, i)), name) == 0)
            return true;
    return false;
}

/* Is there an alias of that name anywhere? */
static bool is_alias(struct json_object *node, const char *name) {
    size_t n = json_object_is_type(node, json_type_array) ? json_object_array_length(node) : 0;
    for (size_t i = 0; i < n; i++)
        if (is_alias(json_object_array_get_idx(node, i), name))
            return true;
    if (!json_object_is_type(node, json_type_object))
        return false;
    json_object_object_foreach(node, key, child) {
        bool list = json_object_is_type(child, json_type_array);
        if (strcmp(key, "alias") == 0 && strcasecmp(json_object_get_string(child), name) == 0)
            return true;
        if (list && (strcmp(key, "column_name_alias") == 0 || strcmp(key, "aliases") == 0) &&
            holds_name(child, name))
            return true;
        if (is_alias(child, name))
            return true;
    }
    return false;
}

/* The name if the node is current_date or another of the keywords, which look like columns. */
static const char *keyword_of(const struct ei_binder *b, struct json_object *tree,
                              struct json_object *node) {
    struct json_object *class = json_object_object_get(node, "class");
    struct json_object *names = json_object_object_get(node, "column_names");
    if (class == NULL || names == NULL ||
        strcmp(json_object_get_string(class), "COLUMN_REF") != 0 ||
        json_object_array_length(names) != 1)
        return NULL;
    const char *name = json_object_get_string(json_object_array_get_idx(names, 0));
    for (size_t i = 0; i < EI_ARRAY_LEN(MOMENTS); i++) {
        bool keyword =
            strncmp(MOMENTS[i], "current_", 8) == 0 || strncmp(MOMENTS[i], "local", 5) == 0;
        if (keyword && strcasecmp(name, MOMENTS[i]) == 0) /* a column of that name wins */
            return ei_binder_has_column(b, name) || is_alias(tree, name) ? NULL : MOMENTS[i];
    }
    return NULL;
}

/* The name if the node is one of the calls above without arguments. */
static const char *moment_of(struct json_object *node) {
    struct json_object *name = json_object_object_get(node, "function_name");
    struct json_object *children = json_object_object_get(node, "children");
    if (name == NULL || children == NULL || json_object_array_length(children) != 0)
        return NULL;
    for (size_t i = 0; i < EI_ARRAY_LEN(MOMENTS); i++)
        if (strcasecmp(json_object_get_string(name), MOMENTS[i]) == 0)
            return MOMENTS[i];
    return NULL;
}

/* A fresh node CAST('2026-01-01 10:00:00+00' AS TIMESTAMP WITH TIME ZONE). */
static int literal_node(struct ei_binder *b, const char *moment, struct json_object **out,
                        struct ei_error *e) {
    duckdb_connection c = ei_binder_connection(b);
    bool keyword = strncmp(moment, "current_", 8) == 0 || strncmp(moment, "local", 5) == 0;
    char *ask =
        ei_asprintf("SELECT 'SELECT CAST(''' || CAST(m AS VARCHAR) || ''' AS ' || typeof(m) "
                    "|| ')' FROM (SELECT %s%s AS m)",
                    moment, keyword ? "" : "()");
    char *text = NULL;
    int rc = ei_gateway_text(c, ask, &text, e);
    free(ask);
    struct json_object *tree = NULL;
    if (rc == 0)
        rc = ei_binder_parse(b, text, &tree, e);
    free(text);
    if (rc != 0)
        return -1;
    struct json_object *statement =
        json_object_array_get_idx(json_object_object_get(tree, "statements"), 0);
    struct json_object *list =
        json_object_object_get(json_object_object_get(statement, "node"), "select_list");
    *out = json_object_get(json_object_array_get_idx(list, 0));
    json_object_put(tree);
    return 0;
}

static int fix_children(struct ei_binder *b, struct json_object *tree, struct json_object *node,
                        struct ei_error *e);

/* *replacement: a new reference to put in the node's place, NULL to leave it. */
static int fix(struct ei_binder *b, struct json_object *tree, struct json_object *node,
               struct json_object **replacement, struct ei_error *e) {
    *replacement = NULL;
    if (!json_object_is_type(node, json_type_object))
        return fix_children(b, tree, node, e);
    const char *moment = moment_of(node);
    if (moment == NULL)
        moment = keyword_of(b, tree, node);
    if (moment == NULL)
        return fix_children(b, tree, node, e);
    if (literal_node(b, moment, replacement, e) != 0)
        return -1;
    struct json_object *alias = json_object_object_get(node, "alias");
    if (alias != NULL)
        json_object_object_add(*replacement, "alias", json_object_get(alias));
    return 0;
}

static int fix_children(struct ei_binder *b, struct json_object *tree, struct json_object *node,
                        struct ei_error *e) {
    struct json_object *replacement = NULL;
    if (json_object_is_type(node, json_type_array)) {
        size_t n = json_object_array_length(node);
        for (size_t i = 0; i < n; i++) {
            if (fix(b, tree, json_object_array_get_idx(node, i), &replacement, e) != 0)
                return -1;
            if (replacement != NULL)
                json_object_array_put_idx(node, i, replacement);
        }
    } else if (json_object_is_type(node, json_type_object)) {
        json_object_object_foreach(node, key, child) {
            if (fix(b, tree, child, &replacement, e) != 0)
                return -1;
            if (replacement != NULL)
                json_object_object_add(node, key, replacement);
        }
    }
    return 0;
}

int ei_literals_fix(struct ei_binder *b, struct json_object *tree, struct ei_error *e) {
    duckdb_connection c = ei_binder_connection(b);
    /* One transaction, so that all of them name the same moment. */
    if (ei_duck_run(c, "BEGIN", e) != 0)
        return -1;
    int rc = fix_children(b, tree, tree, e);
    struct ei_error ignored;
    (void)ei_duck_run(c, "ROLLBACK", &ignored);
    return rc;
}
