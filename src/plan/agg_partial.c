/* Aggregation in two steps by the rules of agg_rules.c. */
#include "plan/internal.h"

#include <stdlib.h>
#include <string.h>

struct filling {
    struct ei_plan_ctx *ctx;
    const struct ei_plan_template *t;
};

static struct json_object *letter(const struct ei_plan_template *t, const char *name) {
    if (strcmp(name, "x") == 0 && t->x != NULL)
        return ei_tree_copy(t->x);
    if (strcmp(name, "y") == 0 && t->y != NULL)
        return ei_tree_copy(t->y);
    if (name[0] == 'p' && name[1] >= '0' && name[1] <= '2' && name[2] == '\0' && t->table != NULL)
        return ei_tree_column(t->table, t->columns[name[1] - '0']);
    return NULL;
}

static bool fill(void *arg, struct json_object *node) {
    struct filling *f = arg;
    if (ei_tree_is_ref(node)) {
        struct json_object *value =
            ei_tree_ref_parts(node) == 1 ? letter(f->t, ei_tree_ref_part(node, 0)) : NULL;
        if (value != NULL)
            ei_tree_replace(node, value);
        return false; /* what was put in has no letters of ours */
    }
    if (f->t->table == NULL && ei_tree_is_function(node) &&
        f->ctx->env->is_aggregate(f->ctx->env->ctx, ei_tree_str(node, "function_name"))) {
        if (f->t->distinct)
            ei_tree_set(node, "distinct", json_object_new_boolean(true));
        ei_tree_walk(ei_tree_get(node, "children"), fill, arg);
        ei_tree_walk(ei_tree_get(node, "filter"), fill, arg);
        if (f->t->filter != NULL) {
            struct json_object *own = ei_tree_copy(ei_tree_get(node, "filter"));
            ei_tree_set(node, "filter", ei_tree_and(own, ei_tree_copy(f->t->filter)));
        }
        return false;
    }
    return true;
}

int ei_plan_instantiate(struct ei_plan_ctx *ctx, const char *sql, const struct ei_plan_template *t,
                        struct json_object **out_owned) {
    struct json_object *parsed = NULL;
    int status = ei_plan_parse_expression(ctx, sql, &parsed);
    if (status != EI_PLAN_OK)
        return status;
    *out_owned = ei_tree_copy(parsed);
    struct filling f = {.ctx = ctx, .t = t};
    ei_tree_walk(*out_owned, fill, &f);
    return EI_PLAN_OK;
}

/* The partial columns of aggregate i, and what it becomes behind the exchange. */
static int add_aggregate(struct ei_plan_ctx *ctx, struct ei_plan_agg *a, size_t i,
                         struct ei_plan_template *t, struct json_object *list) {
    struct json_object *aggregate = ei_tree_at(a->aggregates, i), *item;
    const struct ei_plan_agg_rule *rule = a->rules[i];
    struct ei_plan_template final = {.table = ei_plan_next_input(ctx)};
    const char *name = ei_tree_str(aggregate, "function_name");
    for (size_t k = 0; k < EI_ARRAY_LEN(rule->partials) && rule->partials[k] != NULL; k++) {
        int status = ei_plan_instantiate(ctx, rule->partials[k], t, &item);
        if (status != EI_PLAN_OK)
            return status;
        char *column = ei_asprintf("%s_%zu%s", name, i + 1, k == 0 ? "" : k == 1 ? "b" : "c");
        final.columns[k] = ei_plan_add_item(ctx, list, item, column);
        free(column);
    }
    const char *sql = ei_plan_agg_final(ctx, rule, a->types->columns[i].type);
    int status = ei_plan_instantiate(ctx, sql, &final, &item);
    if (status != EI_PLAN_OK)
        return status;
    json_object_array_add(a->map.from, ei_tree_copy(aggregate));
    json_object_array_add(a->map.to, item);
    return EI_PLAN_OK;
}

static struct ei_plan_template template_of(struct json_object *aggregate) {
    struct json_object *children = ei_tree_get(aggregate, "children");
    return (struct ei_plan_template){.x = ei_tree_at(children, 0),
                                     .y = ei_tree_at(children, 1),
                                     .filter = ei_tree_get(aggregate, "filter")};
}

/* Group columns first; they are what the exchange is keyed by. */
static void add_groups(struct ei_plan_ctx *ctx, struct ei_plan_agg *a, struct json_object *list) {
    const char *input = ei_plan_next_input(ctx);
    for (size_t i = 0; i < ei_tree_len(a->groups); i++) {
        struct json_object *group = ei_tree_at(a->groups, i);
        const char *name =
            ei_plan_add_item(ctx, list, ei_tree_copy(group), ei_plan_item_name(group, "group_key"));
        json_object_array_add(a->map.from, ei_tree_copy(group));
        json_object_array_add(a->map.to, ei_tree_column(input, name));
    }
}

static void group_by_ordinals(struct json_object *node, size_t count) {
    struct json_object *groups = ei_tree_get(node, "group_expressions");
    struct json_object *set = json_object_new_array();
    for (size_t i = 0; i < count; i++) {
        json_object_array_add(groups, ei_tree_int((int64_t)i + 1));
        json_object_array_add(set, json_object_new_int64((int64_t)i));
    }
    if (count > 0)
        json_object_array_add(ei_tree_get(node, "group_sets"), set);
    else
        json_object_put(set);
}

int ei_plan_aggregate_partial(struct ei_plan_ctx *ctx, struct ei_plan_block *b,
                              struct ei_plan_agg *a, struct ei_plan_frag *out) {
    struct json_object *list = json_object_new_array();
    struct json_object *node = ei_plan_own(ctx, ei_plan_block_select(b, list));
    add_groups(ctx, a, list);
    int status = EI_PLAN_OK;
    for (size_t i = 0; i < ei_tree_len(a->aggregates) && status == EI_PLAN_OK; i++) {
        struct ei_plan_template t = template_of(ei_tree_at(a->aggregates, i));
        status = add_aggregate(ctx, a, i, &t, list);
    }
    if (status != EI_PLAN_OK)
        return status;
    if (ei_tree_len(list) == 0) /* SELECT 1 … HAVING true: a row a task is all that is needed */
        (void)ei_plan_add_item(ctx, list, ei_tree_int(1), "one");
    group_by_ordinals(node, ei_tree_len(a->groups));
    struct ei_plan_frag first;
    ei_plan_frag_like(&first, &b->base);
    free(first.what);
    first.what = ei_asprintf("%s, partial aggregate", b->base.what);
    first.tree = node;
    first.rows = ei_tree_len(a->groups) == 0 ? 1 : b->base.rows / 8 + 1;
    const char *input = NULL;
    status = ei_plan_aggregate_send(ctx, b, a, &first, out, &input);
    ei_plan_frag_release(&first);
    return status != EI_PLAN_OK ? status : ei_plan_aggregate_finish(ctx, b, a, input, out);
}

bool ei_plan_aggregate_is_one_distinct(struct ei_plan_block *b, struct ei_plan_agg *a) {
    if (ei_tree_len(a->groups) > 0 || a->sets || ei_tree_len(a->aggregates) == 0)
        return false;
    struct json_object *first =
        ei_tree_at(ei_tree_get(ei_tree_at(a->aggregates, 0), "children"), 0);
    for (size_t i = 0; i < ei_tree_len(a->aggregates); i++) {
        struct json_object *aggregate = ei_tree_at(a->aggregates, i);
        struct json_object *orders = ei_tree_get(ei_tree_get(aggregate, "order_bys"), "orders");
        if (a->rules[i] == NULL || a->rules[i]->arguments != 1 || ei_tree_len(orders) > 0 ||
            !ei_tree_flag(aggregate, "distinct") || ei_tree_get(aggregate, "filter") != NULL ||
            !ei_plan_scope_same(&b->scope, first,
                                ei_tree_at(ei_tree_get(aggregate, "children"), 0)))
            return false;
    }
    return ei_plan_hashable(a->types->columns[0].type);
}

/* The distinct values, sent by value: no value is in two partitions. */
static int send_values(struct ei_plan_ctx *ctx, struct ei_plan_block *b, struct ei_plan_agg *a,
                       uint32_t partitions, struct json_object **value, const char **input) {
    struct json_object *list = json_object_new_array();
    struct ei_plan_frag values;
    ei_plan_frag_like(&values, &b->base);
    free(values.what);
    values.what = ei_asprintf("%s, local distinct", b->base.what);
    values.tree = ei_plan_own(ctx, ei_plan_block_select(b, list));
    struct json_object *x = ei_tree_at(ei_tree_get(ei_tree_at(a->aggregates, 0), "children"), 0);
    const char *name = ei_plan_add_item(ctx, list, ei_tree_copy(x), ei_plan_item_name(x, "value"));
    struct json_object *modifier = ei_tree_modifier("DISTINCT_MODIFIER");
    ei_tree_set(modifier, "distinct_on_targets", json_object_new_array());
    json_object_array_add(ei_tree_get(values.tree, "modifiers"), modifier);
    *value = ei_plan_own(ctx, ei_tree_column(ei_plan_next_input(ctx), name));
    uint32_t key = 0;
    int status = ei_plan_close(ctx, &values, EIDER__V1__DISTRIBUTION__DISTRIBUTION_HASH, &key, 1,
                               partitions, input);
    ei_plan_frag_release(&values);
    return status;
}

int ei_plan_aggregate_one_distinct(struct ei_plan_ctx *ctx, struct ei_plan_block *b,
                                   struct ei_plan_agg *a, struct ei_plan_frag *out) {
    uint32_t partitions = ei_plan_partitions(ctx, b->base.rows);
    struct json_object *value = NULL;
    const char *input = NULL;
    int status = send_values(ctx, b, a, partitions, &value, &input);
    if (status != EI_PLAN_OK)
        return status;
    struct ei_plan_frag counts = {.spread = EI_PLAN_HASH,
                                  .partitions = partitions,
                                  .rows = 1,
                                  .what = ei_strdup("partial aggregate of distinct values")};
    counts.tree = ei_plan_own(ctx, ei_tree_select_node());
    ei_tree_set(counts.tree, "from_table", ei_tree_table(input, input));
    struct json_object *list = ei_tree_get(counts.tree, "select_list");
    for (size_t i = 0; i < ei_tree_len(a->aggregates) && status == EI_PLAN_OK; i++) {
        struct ei_plan_template t = {.x = value, .distinct = true};
        status = add_aggregate(ctx, a, i, &t, list);
    }
    if (status == EI_PLAN_OK)
        status = ei_plan_aggregate_send(ctx, b, a, &counts, out, &input);
    ei_plan_frag_release(&counts);
    return status != EI_PLAN_OK ? status : ei_plan_aggregate_finish(ctx, b, a, input, out);
}
