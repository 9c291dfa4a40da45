/* From the user's tables to input names, with the scoping of WITH. */
#include "plan/internal.h"

#include <string.h>
#include <strings.h>

struct cte {
    const char *name;
    struct json_object *value; /* {aliases, query, ...} */
    const struct cte *next;
};

struct walker {
    struct ei_plan_ctx *ctx;
    struct ei_plan_names *names; /* resolve pass */
    enum { RESOLVING, COUNTING, INLINING } mode;
    size_t nodes;
};

static int visit(struct walker *w, struct json_object *node, const struct cte *scope);

static const char *visible_name(struct json_object *node) {
    if (ei_tree_is(node, "type", "TABLE_FUNCTION"))
        return ei_tree_str(ei_tree_get(node, "function"), "function_name");
    return ei_tree_str(node, "table_name");
}

/* DuckDB calls a file by its stem: 'data/flights.parquet' is flights. */
static char *default_alias(struct json_object *node) {
    const char *name = visible_name(node);
    if (ei_tree_is(node, "type", "TABLE_FUNCTION") ||
        (strchr(name, '/') == NULL && strchr(name, '.') == NULL))
        return ei_strdup(name);
    const char *base = strrchr(name, '/');
    base = base == NULL ? name : base + 1;
    const char *dot = strchr(base, '.');
    return dot == NULL || dot == base ? ei_strdup(base) : ei_strndup(base, (size_t)(dot - base));
}

static int resolve_table(struct walker *w, struct json_object *node) {
    struct ei_plan_ctx *ctx = w->ctx;
    const struct ei_plan_relation *relation = NULL;
    if (ctx->env->resolve(ctx->env->ctx, node, &relation, ctx->e) != 0)
        return EI_PLAN_ERROR;
    if (relation == NULL)
        return EI_PLAN_OK;
    const char *input = ei_plan_input_add(ctx, relation);
    bool has_alias = ei_tree_str(node, "alias")[0] != '\0';
    char *alias = has_alias ? ei_strdup(ei_tree_str(node, "alias")) : default_alias(node);
    (void)ei_plan_own_string(ctx, alias);
    struct json_object *location = ei_tree_get(node, "query_location");
    EI_GROW(w->names->items, w->names->count, w->names->capacity);
    w->names->items[w->names->count++] = (struct ei_plan_named){
        .location = location == NULL ? UINT64_MAX : json_object_get_uint64(location),
        .input = input,
        .visible = has_alias ? NULL : alias};
    struct json_object *table = ei_tree_table(input, alias);
    ei_tree_set(table, "column_name_alias", ei_tree_copy(ei_tree_get(node, "column_name_alias")));
    ei_tree_set(table, "sample", ei_tree_copy(ei_tree_get(node, "sample")));
    ei_tree_overwrite(node, table);
    return EI_PLAN_OK;
}

static const struct cte *find_cte(struct json_object *node, const struct cte *scope) {
    if (!ei_tree_is(node, "type", "BASE_TABLE") || ei_tree_str(node, "schema_name")[0] != '\0' ||
        ei_tree_str(node, "catalog_name")[0] != '\0')
        return NULL;
    while (scope != NULL && strcasecmp(scope->name, ei_tree_str(node, "table_name")) != 0)
        scope = scope->next;
    return scope;
}

/* The alias list of the reference wins over that of the CTE, name by name. */
static struct json_object *merged_aliases(struct json_object *own, struct json_object *of_cte) {
    struct json_object *merged = json_object_new_array();
    for (size_t i = 0; i < EI_MAX(ei_tree_len(own), ei_tree_len(of_cte)); i++) {
        struct json_object *name = ei_tree_at(i < ei_tree_len(own) ? own : of_cte, i);
        json_object_array_add(merged, json_object_get(name));
    }
    return merged;
}

static int inline_cte(struct walker *w, struct json_object *node, const struct cte *cte) {
    struct json_object *query = ei_tree_get(ei_tree_get(cte->value, "query"), "node");
    if (ei_tree_is(query, "type", "RECURSIVE_CTE_NODE"))
        return ei_plan_whole(w->ctx, "recursive CTE %s", cte->name);
    const char *alias = ei_tree_str(node, "alias");
    struct json_object *derived =
        ei_tree_derived(ei_tree_copy(query), alias[0] == '\0' ? cte->name : alias);
    ei_tree_set(
        derived, "column_name_alias",
        merged_aliases(ei_tree_get(node, "column_name_alias"), ei_tree_get(cte->value, "aliases")));
    ei_tree_overwrite(node, derived);
    return EI_PLAN_OK;
}

static const char USES[] = "uses";

static int use_cte(struct walker *w, struct json_object *node, const struct cte *cte) {
    if (w->mode == INLINING)
        return inline_cte(w, node, cte);
    if (w->mode == COUNTING)
        ei_tree_set(
            cte->value, USES,
            json_object_new_int64(json_object_get_int64(ei_tree_get(cte->value, USES)) + 1));
    return EI_PLAN_OK;
}

static int share_cte(struct walker *w, const struct cte *cte) {
    bool shared;
    if (json_object_get_int64(ei_tree_get(cte->value, USES)) < 2)
        return EI_PLAN_OK;
    return ei_plan_share(w->ctx, ei_tree_get(cte->value, "query"), &shared);
}

static int visit_members(struct walker *w, struct json_object *node, const struct cte *scope) {
    int status = EI_PLAN_OK;
    json_object_object_foreach(node, key, value) {
        if (status == EI_PLAN_OK && strcmp(key, "cte_map") != 0)
            status = visit(w, value, scope);
    }
    return status;
}

/* One CTE after the other: each sees the ones before it, a recursive one itself too. */
static int visit_with(struct walker *w, struct json_object *node, struct json_object *map, size_t i,
                      const struct cte *scope) {
    if (i == ei_tree_len(map)) {
        int status = visit_members(w, node, scope);
        if (status == EI_PLAN_OK && w->mode == INLINING)
            ei_tree_set(ei_tree_get(node, "cte_map"), "map", json_object_new_array());
        return status;
    }
    struct json_object *entry = ei_tree_at(map, i);
    struct json_object *value = ei_tree_get(entry, "value");
    struct cte self = {.name = ei_tree_str(entry, "key"), .value = value, .next = scope};
    struct json_object *query = ei_tree_get(value, "query");
    bool recursive = ei_tree_is(ei_tree_get(query, "node"), "type", "RECURSIVE_CTE_NODE");
    int status = EI_PLAN_OK;
    if (!recursive ||
        w->mode != INLINING) /* a recursive one that is used ends the splitting anyway */
        status = visit(w, query, recursive ? &self : scope);
    if (status == EI_PLAN_OK && w->mode == INLINING && !recursive)
        status = share_cte(w, &self);
    return status != EI_PLAN_OK ? status : visit_with(w, node, map, i + 1, &self);
}

static int visit(struct walker *w, struct json_object *node, const struct cte *scope) {
    if (json_object_is_type(node, json_type_array)) {
        for (size_t i = 0; i < ei_tree_len(node); i++) {
            int status = visit(w, ei_tree_at(node, i), scope);
            if (status != EI_PLAN_OK)
                return status;
        }
        return EI_PLAN_OK;
    }
    if (!json_object_is_type(node, json_type_object))
        return EI_PLAN_OK;
    if (++w->nodes > EI_PLAN_NODES_MAX)
        return ei_plan_whole(w->ctx, "its CTEs written out are too large");
    struct json_object *map = ei_tree_get(ei_tree_get(node, "cte_map"), "map");
    if (ei_tree_len(map) > 0)
        return visit_with(w, node, map, 0, scope);
    bool table = ei_tree_is(node, "type", "BASE_TABLE");
    const struct cte *cte = table ? find_cte(node, scope) : NULL;
    if (cte != NULL)
        return use_cte(w, node, cte);
    if (w->mode == RESOLVING && (table || ei_tree_is(node, "type", "TABLE_FUNCTION"))) {
        int status = resolve_table(w, node);
        if (status != EI_PLAN_OK || ei_tree_is(node, "type", "BASE_TABLE"))
            return status;
    }
    return visit_members(w, node, scope);
}

int ei_plan_resolve(struct ei_plan_ctx *ctx, struct json_object *tree,
                    struct ei_plan_names *names) {
    struct walker w = {.ctx = ctx, .names = names};
    return visit(&w, tree, NULL);
}

int ei_plan_inline_ctes(struct ei_plan_ctx *ctx, struct json_object *tree) {
    struct walker count = {.ctx = ctx, .mode = COUNTING};
    struct walker w = {.ctx = ctx, .mode = INLINING};
    int status = visit(&count, tree, NULL);
    return status != EI_PLAN_OK ? status : visit(&w, tree, NULL);
}

struct seen {
    struct ei_plan_ctx *ctx;
    struct json_object *names;
};

static bool separate(void *arg, struct json_object *node) {
    struct seen *s = arg;
    if (!ei_tree_is(node, "type", "BASE_TABLE"))
        return true;
    const char *name = ei_tree_str(node, "table_name");
    const struct ei_plan_input *input = ei_plan_input_find(s->ctx, name);
    if (input == NULL || input->relation == NULL)
        return true;
    if (ei_tree_get(s->names, name) != NULL)
        ei_tree_set_str(node, "table_name", ei_plan_input_add(s->ctx, input->relation));
    else
        ei_tree_set(s->names, name, json_object_new_boolean(true));
    return true;
}

void ei_plan_separate(struct ei_plan_ctx *ctx, struct json_object *tree) {
    struct seen s = {.ctx = ctx, .names = json_object_new_object()};
    ei_tree_walk(tree, separate, &s);
    json_object_put(s.names);
}
