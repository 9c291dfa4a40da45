/* Window functions: rows that share the partition keys of all windows meet in one task. */
#include "plan/internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Windows whose result is a matter of row order when they have no ORDER BY. */
static bool needs_order(struct ei_plan_ctx *ctx, struct json_object *window) {
    const char *type = ei_tree_str(window, "type");
    if (ei_tree_len(ei_tree_get(window, "orders")) > 0)
        return false;
    if (strcmp(type, "WINDOW_AGGREGATE") == 0)
        return ei_plan_agg_order_dependent(ei_tree_str(window, "function_name")) ||
               !ei_tree_is(window, "start", "UNBOUNDED_PRECEDING") ||
               strstr(ei_tree_str(window, "end"), "ROWS") != NULL;
    (void)ctx;
    return strcmp(type, "WINDOW_RANK") != 0 && strcmp(type, "WINDOW_RANK_DENSE") != 0 &&
           strcmp(type, "WINDOW_PERCENT_RANK") != 0 && strcmp(type, "WINDOW_CUME_DIST") != 0;
}

struct windows {
    struct ei_plan_ctx *ctx;
    const struct ei_plan_scope *s;
    struct json_object *keys; /* common partition expressions; NULL before the first window */
    int status;
};

static bool visit(void *arg, struct json_object *node) {
    struct windows *w = arg;
    if (!ei_tree_is_window(node))
        return true;
    if (needs_order(w->ctx, node))
        w->status = ei_plan_whole(w->ctx, "window function %s() without ORDER BY",
                                  ei_tree_str(node, "function_name"));
    struct json_object *own = ei_tree_get(node, "partitions"), *common = json_object_new_array();
    if (w->keys == NULL)
        w->keys = ei_plan_own(w->ctx, ei_tree_copy(own));
    for (size_t i = 0; i < ei_tree_len(w->keys); i++)
        if (ei_plan_find(w->s, own, ei_tree_at(w->keys, i)) >= 0)
            json_object_array_add(common, ei_tree_copy(ei_tree_at(w->keys, i)));
    w->keys = ei_plan_own(w->ctx, common);
    return w->status == EI_PLAN_OK;
}

/* SELECT * and t.* as single columns, so that they can be renamed. */
static int expand_stars(struct ei_plan_ctx *ctx, struct ei_plan_block *b) {
    struct json_object *list = ei_tree_get(b->node, "select_list");
    struct json_object *expanded = json_object_new_array();
    for (size_t i = 0; i < ei_tree_len(list); i++) {
        struct json_object *item = ei_tree_at(list, i);
        bool plain = ei_tree_get(item, "expr") == NULL && !ei_tree_flag(item, "columns") &&
                     ei_tree_len(ei_tree_get(item, "exclude_list")) == 0 &&
                     ei_tree_len(ei_tree_get(item, "replace_list")) == 0 &&
                     ei_tree_len(ei_tree_get(item, "rename_list")) == 0;
        if (!ei_tree_is(item, "class", "STAR") || !plain) {
            json_object_array_add(expanded, json_object_get(item));
            continue;
        }
        const char *table = ei_tree_str(item, "relation_name");
        for (size_t l = 0; l < b->scope.count; l++) {
            const struct ei_plan_leaf *leaf = &b->scope.leaves[l];
            if (table[0] != '\0' && strcasecmp(table, leaf->alias) != 0)
                continue;
            for (size_t c = 0; c < leaf->columns.count; c++)
                json_object_array_add(expanded,
                                      ei_tree_column(leaf->alias, leaf->columns.columns[c].name));
        }
    }
    ei_tree_set(b->node, "select_list", expanded);
    if (ei_tree_len(expanded) != b->out.count)
        return ei_plan_whole(ctx, "* over joined columns beside a window");
    return EI_PLAN_OK;
}

static void add_column(struct ei_plan_ctx *ctx, struct ei_plan_mapping *map,
                       struct json_object *list, const char *input,
                       struct json_object *expression) {
    const char *name = ei_plan_add_item(ctx, list, ei_tree_copy(expression),
                                        ei_plan_item_name(expression, "window_key"));
    json_object_array_add(map->from, ei_tree_copy(expression));
    json_object_array_add(map->to, ei_tree_column(input, name));
}

/* The scan stage carries the partition keys and every column that the rest of the block uses. */
static int send_rows(struct ei_plan_ctx *ctx, struct ei_plan_block *b, struct json_object *keys,
                     struct ei_plan_mapping *map, struct ei_plan_frag *out, const char **input) {
    struct json_object *refs = ei_plan_own(ctx, json_object_new_array());
    int status = ei_plan_collect_refs(ctx, &b->scope, ei_tree_get(b->node, "select_list"), refs);
    if (status == EI_PLAN_OK)
        status = ei_plan_collect_refs(ctx, &b->scope, ei_tree_get(b->node, "qualify"), refs);
    if (status != EI_PLAN_OK)
        return status;
    struct json_object *list = json_object_new_array();
    struct ei_plan_frag rows;
    ei_plan_frag_like(&rows, &b->base);
    rows.tree = ei_plan_own(ctx, ei_plan_block_select(b, list));
    const char *next = ei_plan_next_input(ctx);
    for (size_t i = 0; i < ei_tree_len(keys); i++)
        add_column(ctx, map, list, next, ei_tree_at(keys, i));
    for (size_t i = 0; i < ei_tree_len(refs); i++)
        if (ei_plan_find(&b->scope, map->from, ei_tree_at(refs, i)) < 0)
            add_column(ctx, map, list, next, ei_tree_at(refs, i));
    if (ei_tree_len(list) == 0)
        (void)ei_plan_add_item(ctx, list, ei_tree_int(1), "one");
    struct ei_plan_agg like_groups = {.groups = keys};
    bool has_window = b->has_window;
    b->has_window = false; /* here the rows of a window do meet by the keys */
    status = ei_plan_aggregate_send(ctx, b, &like_groups, &rows, out, input);
    b->has_window = has_window;
    ei_plan_frag_release(&rows);
    return status;
}

int ei_plan_window(struct ei_plan_ctx *ctx, struct ei_plan_block *b, struct ei_plan_frag *out) {
    int status = ei_plan_resolve_aliases(ctx, b);
    if (status == EI_PLAN_OK)
        status = expand_stars(ctx, b);
    if (status != EI_PLAN_OK)
        return status;
    struct windows w = {.ctx = ctx, .s = &b->scope};
    ei_tree_walk_block(ei_tree_get(b->node, "select_list"), visit, &w);
    ei_tree_walk_block(ei_tree_get(b->node, "qualify"), visit, &w);
    if (w.status != EI_PLAN_OK)
        return w.status;
    struct ei_plan_mapping map = {.from = ei_plan_own(ctx, json_object_new_array()),
                                  .to = ei_plan_own(ctx, json_object_new_array())};
    const char *input = NULL;
    status = send_rows(ctx, b, w.keys, &map, out, &input);
    if (status != EI_PLAN_OK)
        return status;
    out->rows = b->base.rows;
    out->what = ei_strdup("window");
    return ei_plan_rewrite_block(ctx, b, &map, input, out);
}
