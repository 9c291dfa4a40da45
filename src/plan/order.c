/* ORDER BY and LIMIT: every task keeps its own first rows, one task merges them. */
#include "plan/internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

void ei_plan_modifiers_release(struct ei_plan_modifiers *m) {
    free(m->outputs);
    m->outputs = NULL;
}

void ei_plan_modifiers_take(struct ei_plan_ctx *ctx, struct json_object *node,
                            struct ei_plan_modifiers *m) {
    struct json_object *list = ei_plan_own(ctx, ei_tree_copy(ei_tree_get(node, "modifiers")));
    for (size_t i = 0; i < ei_tree_len(list); i++) {
        struct json_object *modifier = ei_tree_at(list, i);
        if (ei_tree_is(modifier, "type", "DISTINCT_MODIFIER")) {
            m->distinct = true;
            m->distinct_on = ei_tree_len(ei_tree_get(modifier, "distinct_on_targets")) > 0;
        } else if (ei_tree_is(modifier, "type", "ORDER_MODIFIER")) {
            m->orders = ei_tree_get(modifier, "orders");
        } else {
            m->limit = modifier;
        }
    }
    ei_tree_set(node, "modifiers", json_object_new_array());
}

static bool is_all(struct json_object *expression) {
    return ei_tree_is(expression, "class", "STAR") && ei_tree_get(expression, "expr") == NULL;
}

/* ORDER BY ALL as one order for each column. */
static void expand_all(struct ei_plan_ctx *ctx, struct ei_plan_modifiers *m, size_t columns) {
    struct json_object *only = ei_tree_at(m->orders, 0);
    if (ei_tree_len(m->orders) != 1 || !is_all(ei_tree_get(only, "expression")))
        return;
    struct json_object *orders = ei_plan_own(ctx, json_object_new_array());
    for (size_t i = 0; i < columns; i++)
        json_object_array_add(orders, ei_tree_order(ei_tree_str(only, "type"),
                                                    ei_tree_str(only, "null_order"),
                                                    ei_tree_int((int64_t)i + 1)));
    m->orders = orders;
}

static bool list_has_star(struct json_object *list) {
    for (size_t i = 0; i < ei_tree_len(list); i++)
        if (ei_tree_is(ei_tree_at(list, i), "class", "STAR"))
            return true;
    return false;
}

/* The output column that an ORDER BY expression names, or -1. */
static long find_output(const struct ei_plan_scope *s, struct json_object *expression,
                        const struct ei_plan_schema *out, struct json_object *list) {
    int64_t ordinal;
    if (ei_tree_int_value(expression, &ordinal))
        return ordinal >= 1 && (size_t)ordinal <= out->count ? (long)ordinal - 1 : -1;
    if (ei_tree_is_ref(expression) && ei_tree_ref_parts(expression) == 1)
        for (size_t i = 0; i < out->count; i++)
            if (strcasecmp(out->columns[i].name, ei_tree_ref_part(expression, 0)) == 0)
                return (long)i;
    if (s == NULL || list_has_star(list))
        return -1;
    return ei_plan_find(s, list, expression);
}

int ei_plan_modifiers_bind(struct ei_plan_ctx *ctx, const struct ei_plan_scope *s,
                           struct json_object *node, const struct ei_plan_schema *out,
                           struct ei_plan_modifiers *m) {
    m->visible = out->count;
    if (m->orders == NULL)
        return EI_PLAN_OK;
    expand_all(ctx, m, out->count);
    m->outputs = ei_calloc(ei_tree_len(m->orders) + 1, sizeof *m->outputs);
    struct json_object *list = ei_tree_get(node, "select_list");
    size_t hidden = 0;
    for (size_t i = 0; i < ei_tree_len(m->orders); i++) {
        struct json_object *expression = ei_tree_get(ei_tree_at(m->orders, i), "expression");
        m->outputs[i] = find_output(s, expression, out, list);
        if (m->outputs[i] >= 0)
            continue;
        if (is_all(expression) || s == NULL || m->distinct)
            return ei_plan_whole(ctx, "ORDER BY something that is not in the select list%s",
                                 m->distinct ? " of a SELECT DISTINCT" : "");
        struct json_object *item = ei_tree_copy(expression);
        char *alias = ei_asprintf("order_%zu", ++hidden);
        ei_tree_set_str(item, "alias", ei_plan_own_string(ctx, alias));
        json_object_array_add(list, item);
        m->outputs[i] = (long)(out->count + hidden) - 1;
    }
    return EI_PLAN_OK;
}

/* ORDER BY over a tree whose last select items are the hidden ones, which are taken off it. */
static struct json_object *orders_in_place(struct ei_plan_modifiers *m, struct json_object *node) {
    struct json_object *modifier = ei_tree_modifier("ORDER_MODIFIER");
    struct json_object *orders = json_object_new_array();
    struct json_object *list = ei_tree_get(node, "select_list");
    size_t hidden = 0;
    for (size_t i = 0; i < ei_tree_len(m->orders); i++)
        if (m->outputs[i] >= (long)m->visible)
            hidden = EI_MAX(hidden, (size_t)m->outputs[i] - m->visible + 1);
    size_t kept = ei_tree_len(list) - hidden;
    for (size_t i = 0; i < ei_tree_len(m->orders); i++) {
        struct json_object *order = ei_tree_at(m->orders, i), *expression;
        if (m->outputs[i] < (long)m->visible) {
            expression = ei_tree_int(m->outputs[i] + 1);
        } else {
            size_t at = kept + (size_t)m->outputs[i] - m->visible;
            expression = ei_tree_copy(ei_tree_at(list, at));
            ei_tree_set_str(expression, "alias", "");
        }
        json_object_array_add(orders, ei_tree_order(ei_tree_str(order, "type"),
                                                    ei_tree_str(order, "null_order"), expression));
    }
    if (hidden > 0)
        (void)json_object_array_del_idx(list, kept, hidden);
    ei_tree_set(modifier, "orders", orders);
    return modifier;
}

static int finish_single(struct ei_plan_modifiers *m, struct ei_plan_frag *f) {
    struct json_object *modifiers = ei_tree_get(f->tree, "modifiers");
    if (m->orders != NULL)
        json_object_array_add(modifiers, orders_in_place(m, f->tree));
    if (m->limit != NULL)
        json_object_array_add(modifiers, ei_tree_copy(m->limit));
    while (f->out.count > m->visible) {
        f->out.count--;
        free(f->out.columns[f->out.count].name);
        free(f->out.columns[f->out.count].type);
    }
    return EI_PLAN_OK;
}

static struct json_object *orders_by(struct ei_plan_modifiers *m, const char *table,
                                     const struct ei_plan_schema *schema) {
    struct json_object *modifier = ei_tree_modifier("ORDER_MODIFIER");
    struct json_object *orders = json_object_new_array();
    for (size_t i = 0; i < ei_tree_len(m->orders); i++) {
        struct json_object *order = ei_tree_at(m->orders, i);
        size_t at = (size_t)m->outputs[i];
        struct json_object *expression = table == NULL
                                             ? ei_tree_int((int64_t)at + 1)
                                             : ei_tree_column(table, schema->columns[at].name);
        json_object_array_add(orders, ei_tree_order(ei_tree_str(order, "type"),
                                                    ei_tree_str(order, "null_order"), expression));
    }
    ei_tree_set(modifier, "orders", orders);
    return modifier;
}

/* Rows that a task has to send: LIMIT plus OFFSET, if both are plain numbers. */
static bool local_limit(struct ei_plan_modifiers *m, int64_t *rows) {
    if (m->limit == NULL || !ei_tree_is(m->limit, "type", "LIMIT_MODIFIER"))
        return false;
    int64_t offset = 0;
    struct json_object *skip = ei_tree_get(m->limit, "offset");
    if (skip != NULL && !ei_tree_int_value(skip, &offset))
        return false;
    if (!ei_tree_int_value(ei_tree_get(m->limit, "limit"), rows) || *rows < 0 || offset < 0 ||
        offset > INT64_MAX - *rows)
        return false;
    *rows += offset;
    return true;
}

static void limit_locally(struct ei_plan_modifiers *m, struct ei_plan_frag *f) {
    int64_t rows;
    if (!local_limit(m, &rows))
        return;
    struct json_object *modifiers = ei_tree_get(f->tree, "modifiers");
    if (m->orders != NULL)
        json_object_array_add(modifiers, orders_by(m, NULL, NULL));
    struct json_object *limit = ei_tree_modifier("LIMIT_MODIFIER");
    ei_tree_set(limit, "limit", ei_tree_int(rows));
    ei_tree_set(limit, "offset", NULL);
    json_object_array_add(modifiers, limit);
    char *what = ei_asprintf("%s, %s", f->what, m->orders != NULL ? "local top rows" : "limit");
    free(f->what);
    f->what = what;
    f->rows = EI_MIN(f->rows, (uint64_t)rows);
}

int ei_plan_order_limit(struct ei_plan_ctx *ctx, struct ei_plan_modifiers *m,
                        struct ei_plan_frag *f) {
    if (f->spread == EI_PLAN_SINGLE)
        return finish_single(m, f);
    limit_locally(m, f);
    const char *input = NULL;
    int status =
        ei_plan_close(ctx, f, EIDER__V1__DISTRIBUTION__DISTRIBUTION_GATHER, NULL, 0, 1, &input);
    if (status != EI_PLAN_OK)
        return status;
    const struct ei_plan_schema *schema = ei_plan_input_find(ctx, input)->schema;
    struct ei_plan_frag last = {.spread = EI_PLAN_SINGLE,
                                .rows = f->rows,
                                .what = ei_strdup(m->orders != NULL ? "merge in order" : "limit")};
    last.tree = ei_plan_own(ctx, ei_tree_select_node());
    for (size_t i = 0; i < m->visible; i++) {
        struct json_object *item = ei_tree_column(input, schema->columns[i].name);
        if (strcmp(f->out.columns[i].name, schema->columns[i].name) != 0)
            ei_tree_set_str(item, "alias", f->out.columns[i].name);
        json_object_array_add(ei_tree_get(last.tree, "select_list"), item);
        ei_plan_schema_add(&last.out, f->out.columns[i].name, f->out.columns[i].type);
    }
    ei_tree_set(last.tree, "from_table", ei_tree_table(input, input));
    struct json_object *modifiers = ei_tree_get(last.tree, "modifiers");
    if (m->orders != NULL)
        json_object_array_add(modifiers, orders_by(m, input, schema));
    if (m->limit != NULL)
        json_object_array_add(modifiers, ei_tree_copy(m->limit));
    ei_plan_frag_release(f);
    *f = last;
    return EI_PLAN_OK;
}
