/* Aggregates that need all rows of a group at once: the rows meet by group, cut to what the
 * aggregates read, and the user's own calls run over them. */
#include "plan/internal.h"

#include <stdlib.h>
#include <string.h>

struct sending {
    struct ei_plan_ctx *ctx;
    struct ei_plan_block *b;
    struct ei_plan_agg *a;
    struct json_object *list;
    const char *input;
};

static bool note_ref(void *arg, struct json_object *node) {
    if (ei_tree_is_ref(node) || ei_tree_is_subquery(node))
        *(bool *)arg = true;
    return !*(bool *)arg;
}

/* Sends an argument as a column and puts the column in its place; constants stay. */
static void send_argument(struct sending *s, struct json_object *expression) {
    bool refers = false;
    ei_tree_walk(expression, note_ref, &refers);
    if (!refers)
        return;
    long at = ei_plan_find(&s->b->scope, s->a->map.from, expression);
    if (at < 0) {
        const char *name = ei_plan_add_item(s->ctx, s->list, ei_tree_copy(expression),
                                            ei_plan_item_name(expression, "argument"));
        at = (long)ei_tree_len(s->a->map.from);
        json_object_array_add(s->a->map.from, ei_tree_copy(expression));
        json_object_array_add(s->a->map.to, ei_tree_column(s->input, name));
    }
    ei_tree_replace(expression, ei_tree_copy(ei_tree_at(s->a->map.to, (size_t)at)));
}

/* The call over the exchange's columns. Fresh. */
static struct json_object *send_arguments(struct sending *s, struct json_object *aggregate) {
    struct json_object *call = ei_tree_copy(aggregate);
    struct json_object *children = ei_tree_get(call, "children");
    for (size_t i = 0; i < ei_tree_len(children); i++)
        send_argument(s, ei_tree_at(children, i));
    if (ei_tree_get(call, "filter") != NULL)
        send_argument(s, ei_tree_get(call, "filter"));
    struct json_object *orders = ei_tree_get(ei_tree_get(call, "order_bys"), "orders");
    for (size_t i = 0; i < ei_tree_len(orders); i++)
        send_argument(s, ei_tree_get(ei_tree_at(orders, i), "expression"));
    return call;
}

/* May equal rows be sent once? */
static bool ignores_repeats(struct ei_plan_agg *a) {
    for (size_t i = 0; i < ei_tree_len(a->aggregates); i++) {
        struct json_object *aggregate = ei_tree_at(a->aggregates, i);
        if (!ei_tree_flag(aggregate, "distinct") &&
            !ei_plan_agg_ignores_distinct(ei_tree_str(aggregate, "function_name")))
            return false;
        if (ei_tree_len(ei_tree_get(aggregate, "children")) > 2)
            return false; /* max(x, n) keeps n values, equal ones too */
        if (strncmp(ei_tree_str(aggregate, "function_name"), "m", 1) == 0 &&
            ei_tree_len(ei_tree_get(aggregate, "children")) > 1 &&
            !ei_tree_flag(aggregate, "distinct"))
            return false;
    }
    return true;
}

int ei_plan_aggregate_raw(struct ei_plan_ctx *ctx, struct ei_plan_block *b, struct ei_plan_agg *a,
                          struct ei_plan_frag *out) {
    struct json_object *list = json_object_new_array();
    struct sending s = {.ctx = ctx, .b = b, .a = a, .list = list, .input = ei_plan_next_input(ctx)};
    struct ei_plan_frag first;
    ei_plan_frag_like(&first, &b->base);
    first.tree = ei_plan_own(ctx, ei_plan_block_select(b, list));
    for (size_t i = 0; i < ei_tree_len(a->groups); i++) {
        struct json_object *group = ei_tree_at(a->groups, i);
        const char *name =
            ei_plan_add_item(ctx, list, ei_tree_copy(group), ei_plan_item_name(group, "group_key"));
        json_object_array_add(a->map.from, ei_tree_copy(group));
        json_object_array_add(a->map.to, ei_tree_column(s.input, name));
    }
    struct json_object *calls = ei_plan_own(ctx, json_object_new_array());
    for (size_t i = 0; i < ei_tree_len(a->aggregates); i++)
        json_object_array_add(calls, send_arguments(&s, ei_tree_at(a->aggregates, i)));
    for (size_t i = 0; i < ei_tree_len(a->aggregates); i++) {
        json_object_array_add(a->map.from, ei_tree_copy(ei_tree_at(a->aggregates, i)));
        json_object_array_add(a->map.to, ei_tree_copy(ei_tree_at(calls, i)));
    }
    if (ei_tree_len(list) == 0)
        (void)ei_plan_add_item(ctx, list, ei_tree_int(1), "one");
    if (ignores_repeats(a)) {
        struct json_object *modifier = ei_tree_modifier("DISTINCT_MODIFIER");
        ei_tree_set(modifier, "distinct_on_targets", json_object_new_array());
        json_object_array_add(ei_tree_get(first.tree, "modifiers"), modifier);
        char *what = ei_asprintf("%s, local distinct", first.what);
        free(first.what);
        first.what = what;
    }
    const char *input = NULL;
    int status = ei_plan_aggregate_send(ctx, b, a, &first, out, &input);
    ei_plan_frag_release(&first);
    return status != EI_PLAN_OK ? status : ei_plan_aggregate_finish(ctx, b, a, input, out);
}
