/* GROUP BY and aggregates over spread rows: which of three ways, and what they share.
 *
 *   partial   every aggregate has a rule: partial results by group, sent by group, merged
 *   one       SELECT count(DISTINCT x) and the like, ungrouped: rows sent by x, counted, summed
 *   raw       anything else (median, count(DISTINCT x) by group): the needed columns, sent by
 * group, and the user's own aggregates over them */
#include "plan/internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct collecting {
    struct ei_plan_ctx *ctx;
    struct ei_plan_block *b;
    struct ei_plan_agg *a;
};

static bool collect(void *arg, struct json_object *node) {
    struct collecting *c = arg;
    if (!ei_tree_is_function(node) ||
        !c->ctx->env->is_aggregate(c->ctx->env->ctx, ei_tree_str(node, "function_name")))
        return true;
    if (ei_plan_find(&c->b->scope, c->a->aggregates, node) < 0)
        json_object_array_add(c->a->aggregates, ei_tree_copy(node));
    return false;
}

static bool has_orders(struct json_object *aggregate) {
    return ei_tree_len(ei_tree_get(ei_tree_get(aggregate, "order_bys"), "orders")) > 0;
}

static int check_order(struct ei_plan_ctx *ctx, struct ei_plan_agg *a) {
    for (size_t i = 0; i < ei_tree_len(a->aggregates); i++) {
        struct json_object *aggregate = ei_tree_at(a->aggregates, i);
        const char *name = ei_tree_str(aggregate, "function_name");
        if (ei_plan_agg_order_dependent(name) && !has_orders(aggregate))
            return ei_plan_whole(ctx, "%s() without ORDER BY depends on the order of the rows",
                                 name);
    }
    return EI_PLAN_OK;
}

static void set_groups(struct ei_plan_ctx *ctx, struct ei_plan_block *b, struct ei_plan_agg *a) {
    struct json_object *sets = ei_tree_get(b->node, "group_sets");
    struct json_object *groups = ei_tree_get(b->node, "group_expressions");
    a->groups = ei_plan_own(ctx, ei_tree_copy(groups));
    a->sets = ei_tree_len(sets) > 1 ||
              (ei_tree_len(sets) == 1 && ei_tree_len(ei_tree_at(sets, 0)) != ei_tree_len(groups));
}

/* The rule of each aggregate, by the type of its first argument. */
static int set_rules(struct ei_plan_ctx *ctx, struct ei_plan_block *b, struct ei_plan_agg *a) {
    size_t count = ei_tree_len(a->aggregates);
    struct json_object *arguments = ei_plan_own(ctx, json_object_new_array());
    for (size_t i = 0; i < count; i++) {
        struct json_object *children = ei_tree_get(ei_tree_at(a->aggregates, i), "children");
        json_object_array_add(arguments, ei_tree_len(children) == 0
                                             ? ei_tree_int(1)
                                             : ei_tree_copy(ei_tree_at(children, 0)));
    }
    a->rules = ei_calloc(count + 1, sizeof(void *));
    a->types = ei_calloc(1, sizeof *a->types);
    int status = ei_plan_block_types(ctx, b, arguments, a->types);
    for (size_t i = 0; i < count && status == EI_PLAN_OK; i++) {
        struct json_object *aggregate = ei_tree_at(a->aggregates, i);
        a->rules[i] = ei_plan_agg_rule(ei_tree_str(aggregate, "function_name"),
                                       ei_tree_len(ei_tree_get(aggregate, "children")),
                                       a->types->columns[i].type);
    }
    return status;
}

static bool all_partial(struct ei_plan_agg *a) {
    for (size_t i = 0; i < ei_tree_len(a->aggregates); i++) {
        struct json_object *aggregate = ei_tree_at(a->aggregates, i);
        if (a->rules[i] == NULL || has_orders(aggregate) ||
            (ei_tree_flag(aggregate, "distinct") &&
             !ei_plan_agg_ignores_distinct(ei_tree_str(aggregate, "function_name"))))
            return false;
    }
    return true;
}

/* Are the rows of a group in one task already? */
static bool is_grouped(struct ei_plan_block *b, struct ei_plan_agg *a) {
    for (size_t i = 0; !a->sets && !b->has_window && i < ei_tree_len(b->keys); i++)
        if (ei_plan_find(&b->scope, a->groups, ei_tree_at(b->keys, i)) >= 0)
            return true;
    return false;
}

static void aggregate_in_place(struct ei_plan_block *b, struct ei_plan_frag *out) {
    ei_plan_frag_like(out, &b->base);
    free(out->what);
    out->what = ei_asprintf("%s, aggregate", b->base.what);
    out->rows = b->base.rows / 8 + 1;
    out->tree = b->node;
    ei_plan_schema_copy(&out->out, &b->out);
}

int ei_plan_aggregate(struct ei_plan_ctx *ctx, struct ei_plan_block *b, struct ei_plan_frag *out) {
    int status = ei_plan_resolve_aliases(ctx, b);
    if (status != EI_PLAN_OK)
        return status;
    struct ei_plan_agg a = {.aggregates = ei_plan_own(ctx, json_object_new_array())};
    set_groups(ctx, b, &a);
    struct collecting c = {.ctx = ctx, .b = b, .a = &a};
    ei_tree_walk_block(ei_tree_get(b->node, "select_list"), collect, &c);
    ei_tree_walk_block(ei_tree_get(b->node, "having"), collect, &c);
    ei_tree_walk_block(ei_tree_get(b->node, "qualify"), collect, &c);
    a.map.from = ei_plan_own(ctx, json_object_new_array());
    a.map.to = ei_plan_own(ctx, json_object_new_array());
    status = check_order(ctx, &a);
    if (status == EI_PLAN_OK && is_grouped(b, &a)) {
        aggregate_in_place(b, out);
        return status;
    }
    if (status == EI_PLAN_OK)
        status = set_rules(ctx, b, &a);
    if (status == EI_PLAN_OK) {
        if (all_partial(&a))
            status = ei_plan_aggregate_partial(ctx, b, &a, out);
        else if (ei_plan_aggregate_is_one_distinct(b, &a))
            status = ei_plan_aggregate_one_distinct(ctx, b, &a, out);
        else
            status = ei_plan_aggregate_raw(ctx, b, &a, out);
    }
    if (a.types != NULL)
        ei_plan_schema_release(a.types);
    free(a.types);
    free(a.rules);
    return status;
}

const char *ei_plan_item_name(struct json_object *expression, const char *otherwise) {
    if (ei_tree_is_ref(expression))
        return ei_tree_ref_part(expression, ei_tree_ref_parts(expression) - 1);
    return otherwise;
}

static bool is_taken(struct json_object *list, const char *name) {
    for (size_t i = 0; i < ei_tree_len(list); i++) {
        struct json_object *item = ei_tree_at(list, i);
        const char *alias = ei_tree_str(item, "alias");
        if (strcasecmp(alias[0] != '\0' ? alias : ei_plan_item_name(item, ""), name) == 0)
            return true;
    }
    return false;
}

const char *ei_plan_add_item(struct ei_plan_ctx *ctx, struct json_object *list,
                             struct json_object *item_owned, const char *name) {
    char *unique = ei_strdup(name);
    for (unsigned n = 2; is_taken(list, unique); n++) {
        free(unique);
        unique = ei_asprintf("%s_%u", name, n);
    }
    ei_tree_set_str(item_owned, "alias", unique);
    json_object_array_add(list, item_owned);
    return ei_plan_own_string(ctx, unique);
}

int ei_plan_aggregate_send(struct ei_plan_ctx *ctx, struct ei_plan_block *b, struct ei_plan_agg *a,
                           struct ei_plan_frag *first, struct ei_plan_frag *last,
                           const char **input) {
    size_t groups = ei_tree_len(a->groups), key_count = 0;
    struct ei_plan_schema schema;
    int status = ei_plan_describe(ctx, first->tree, &schema);
    if (status != EI_PLAN_OK)
        return status;
    uint32_t *keys = ei_calloc(groups + 1, sizeof *keys);
    for (size_t i = 0; i < groups; i++)
        if (ei_plan_hashable(schema.columns[i].type))
            keys[key_count++] = (uint32_t)i;
    ei_plan_schema_release(&schema);
    uint32_t partitions = ei_plan_partitions(ctx, first->rows);
    bool gather = key_count == 0 || a->sets || b->has_window || partitions == 1;
    status = ei_plan_close(ctx, first,
                           gather ? EIDER__V1__DISTRIBUTION__DISTRIBUTION_GATHER
                                  : EIDER__V1__DISTRIBUTION__DISTRIBUTION_HASH,
                           keys, key_count, partitions, input);
    free(keys);
    last->spread = gather ? EI_PLAN_SINGLE : EI_PLAN_HASH;
    last->partitions = gather ? 1 : partitions;
    return status;
}

int ei_plan_aggregate_finish(struct ei_plan_ctx *ctx, struct ei_plan_block *b,
                             struct ei_plan_agg *a, const char *input, struct ei_plan_frag *out) {
    uint64_t share = ei_tree_get(b->node, "having") == NULL ? 8 : 80; /* a guess */
    out->rows = ei_tree_len(a->groups) == 0 ? 1 : b->base.rows / share + 1;
    out->what = ei_strdup("final aggregate");
    return ei_plan_rewrite_block(ctx, b, &a->map, input, out);
}
