/* UNION, INTERSECT, EXCEPT: both sides are planned; equal rows meet in one partition. UNION ALL
 * puts one behind the other where that is the result, and spreads the rows in a FROM. */
#include "plan/internal.h"

#include <stdlib.h>
#include <string.h>

/* The side as a query of its own, with the types of the whole operation. */
static struct json_object *cast_side(struct ei_plan_ctx *ctx, struct json_object *tree,
                                     const struct ei_plan_schema *out, int *status) {
    struct ei_buf sql = {0};
    struct json_object *node = ei_plan_own(ctx, ei_tree_select_node());
    struct json_object *derived = ei_tree_derived(ei_tree_copy(tree), "side");
    struct json_object *names = ei_tree_get(derived, "column_name_alias");
    for (size_t i = 0; i < out->count && *status == EI_PLAN_OK; i++) {
        char *name = ei_asprintf("c%zu", i + 1);
        json_object_array_add(names, json_object_new_string(name));
        ei_buf_clear(&sql);
        ei_buf_printf(&sql, "CAST(side.%s AS %s)", name, out->columns[i].type);
        struct json_object *item = NULL;
        *status = ei_plan_parse_expression(ctx, sql.data, &item);
        if (*status == EI_PLAN_OK) {
            item = ei_tree_copy(item);
            ei_tree_set_str(item, "alias", name);
            json_object_array_add(ei_tree_get(node, "select_list"), item);
        }
        free(name);
    }
    ei_tree_set(node, "from_table", derived);
    ei_buf_release(&sql);
    return node;
}

static int close_side(struct ei_plan_ctx *ctx, struct ei_plan_frag *f,
                      const struct ei_plan_schema *out, bool gather, uint32_t partitions,
                      struct json_object **reader) {
    int status = EI_PLAN_OK;
    uint32_t *keys = ei_calloc(out->count + 1, sizeof *keys);
    size_t key_count = 0;
    for (size_t i = 0; i < out->count; i++)
        if (ei_plan_hashable(out->columns[i].type))
            keys[key_count++] = (uint32_t)i;
    if (!gather)
        f->tree = cast_side(ctx, f->tree, out, &status);
    const char *input = NULL;
    if (status == EI_PLAN_OK)
        status = ei_plan_close(ctx, f,
                               gather ? EIDER__V1__DISTRIBUTION__DISTRIBUTION_GATHER
                                      : EIDER__V1__DISTRIBUTION__DISTRIBUTION_HASH,
                               keys, key_count, partitions, &input);
    free(keys);
    if (status != EI_PLAN_OK)
        return status;
    struct ei_plan_frag read = {0};
    ei_plan_reader(ctx, input, &read);
    const struct ei_plan_schema *schema = ei_plan_input_find(ctx, input)->schema;
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < schema->count; i++) {
        struct json_object *item = ei_tree_column(input, schema->columns[i].name);
        const char *name = gather ? f->out.columns[i].name : out->columns[i].name;
        if (strcmp(name, schema->columns[i].name) != 0)
            ei_tree_set_str(item, "alias", name);
        json_object_array_add(list, item);
    }
    ei_tree_set(read.tree, "select_list", list);
    *reader = read.tree;
    ei_plan_schema_release(&read.out);
    return EI_PLAN_OK;
}

static bool can_hash(const struct ei_plan_schema *out) {
    for (size_t i = 0; i < out->count; i++)
        if (ei_plan_hashable(out->columns[i].type))
            return true;
    return false;
}

static int plan_sides(struct ei_plan_ctx *ctx, struct json_object *node, bool gather,
                      struct ei_plan_frag sides[2], struct ei_plan_frag *out) {
    static const char *const KEYS[2] = {"left", "right"};
    int status = EI_PLAN_OK;
    uint32_t partitions = ei_plan_partitions(ctx, sides[0].rows + sides[1].rows);
    gather = gather || partitions == 1 || !can_hash(&out->out);
    bool single = sides[0].spread == EI_PLAN_SINGLE && sides[1].spread == EI_PLAN_SINGLE;
    for (size_t i = 0; i < 2 && status == EI_PLAN_OK; i++) {
        struct json_object *reader = sides[i].tree;
        if (!single)
            status = close_side(ctx, &sides[i], &out->out, gather, partitions, &reader);
        if (status == EI_PLAN_OK)
            ei_tree_set(node, KEYS[i], ei_tree_copy(reader));
    }
    out->tree = node;
    out->spread = gather || single ? EI_PLAN_SINGLE : EI_PLAN_HASH;
    out->partitions = partitions;
    out->rows = sides[0].rows + sides[1].rows;
    out->what = ei_strdup(single ? "finish" : "combine");
    return status;
}

int ei_plan_setop(struct ei_plan_ctx *ctx, struct json_object *node, struct ei_plan_frag *out) {
    struct ei_plan_modifiers m = {0};
    struct ei_plan_frag sides[2] = {{0}, {0}};
    struct json_object *modifiers = ei_plan_own(ctx, ei_tree_copy(ei_tree_get(node, "modifiers")));
    ei_plan_modifiers_take(ctx, node, &m);
    int status = ei_plan_describe(ctx, node, &out->out);
    const char *type = ei_tree_str(node, "setop_type");
    bool all = strcmp(type, "UNION") == 0 && ei_tree_flag(node, "setop_all");
    if (status == EI_PLAN_OK && m.distinct)
        status = ei_plan_whole(ctx, "DISTINCT over a set operation");
    if (status == EI_PLAN_OK)
        status = ei_plan_node(ctx, ei_tree_get(node, "left"), &sides[0]);
    if (status == EI_PLAN_OK)
        status = ei_plan_node(ctx, ei_tree_get(node, "right"), &sides[1]);
    bool by_name = strcmp(type, "UNION_BY_NAME") == 0;
    if (status == EI_PLAN_OK)
        status = plan_sides(ctx, node, by_name || (all && (!ctx->in_from || m.limit != NULL)),
                            sides, out);
    ei_plan_frag_release(&sides[0]);
    ei_plan_frag_release(&sides[1]);
    if (status != EI_PLAN_OK || (m.orders == NULL && m.limit == NULL))
        return status;
    if (out->spread == EI_PLAN_SINGLE) {
        ei_tree_set(node, "modifiers", ei_tree_copy(modifiers));
        return status;
    }
    status = ei_plan_modifiers_bind(ctx, NULL, node, &out->out, &m);
    if (status == EI_PLAN_OK)
        status = ei_plan_order_limit(ctx, &m, out);
    ei_plan_modifiers_release(&m);
    return status;
}
