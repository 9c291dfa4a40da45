/* A CTE that is used more than once: computed once, its result sent to every task that uses it. */
#include "plan/internal.h"

/* Rows and a guess of their width decide: a large result is rather computed where it is used. */
static bool is_small(const struct ei_plan_ctx *ctx, const struct ei_plan_frag *f) {
    return f->rows * f->out.count * 12 <= ctx->env->broadcast_limit_bytes;
}

int ei_plan_share(struct ei_plan_ctx *ctx, struct json_object *query, bool *shared) {
    struct ei_plan_leaf weight = {0};
    struct ei_plan_frag frag;
    struct json_object *copy = ei_plan_own(ctx, ei_tree_copy(ei_tree_get(query, "node")));
    size_t stages = ctx->stage_count;
    const char *input = NULL;
    *shared = false;
    ei_plan_weigh(ctx, copy, &weight);
    if (!weight.heavy || !ei_plan_binds(ctx, copy))
        return EI_PLAN_OK;
    ei_plan_separate(ctx, copy);
    int status = ei_plan_node(ctx, copy, &frag);
    if (status == EI_PLAN_OK && is_small(ctx, &frag) && frag.out.count > 0) {
        status = ei_plan_close(ctx, &frag, EIDER__V1__DISTRIBUTION__DISTRIBUTION_BROADCAST, NULL, 0,
                               1, &input);
        *shared = status == EI_PLAN_OK;
    }
    if (*shared) {
        struct ei_plan_frag reader = {0};
        struct json_object *list = json_object_new_array();
        const struct ei_plan_schema *schema = ei_plan_input_find(ctx, input)->schema;
        ei_plan_reader(ctx, input, &reader);
        for (size_t i = 0; i < schema->count; i++) { /* with the names of the CTE, also twice */
            struct json_object *item = ei_tree_column(input, schema->columns[i].name);
            ei_tree_set_str(item, "alias", frag.out.columns[i].name);
            json_object_array_add(list, item);
        }
        ei_tree_set(reader.tree, "select_list", list);
        ei_tree_set(query, "node", ei_tree_copy(reader.tree));
        ei_plan_schema_release(&reader.out);
    } else if (status != EI_PLAN_ERROR) {
        ei_plan_ctx_drop(ctx, stages);
        ctx->reason[0] = '\0';
        status = EI_PLAN_OK;
    }
    ei_plan_frag_release(&frag);
    return status;
}
