/* SELECT DISTINCT: once in each task, once more where equal rows have met. */
#include "plan/internal.h"

#include <stdlib.h>

void ei_plan_add_distinct(struct json_object *node) {
    struct json_object *modifier = ei_tree_modifier("DISTINCT_MODIFIER");
    ei_tree_set(modifier, "distinct_on_targets", json_object_new_array());
    json_object_array_add(ei_tree_get(node, "modifiers"), modifier);
}

int ei_plan_distinct(struct ei_plan_ctx *ctx, struct ei_plan_frag *f) {
    ei_plan_add_distinct(f->tree);
    if (f->spread == EI_PLAN_SINGLE)
        return EI_PLAN_OK;
    uint32_t *keys = ei_calloc(f->out.count + 1, sizeof *keys);
    size_t key_count = 0;
    for (size_t i = 0; i < f->out.count; i++)
        if (ei_plan_hashable(f->out.columns[i].type))
            keys[key_count++] = (uint32_t)i;
    uint32_t partitions = ei_plan_partitions(ctx, f->rows);
    bool gather = key_count == 0 || partitions == 1;
    const char *input = NULL;
    char *what = ei_asprintf("%s, local distinct", f->what);
    free(f->what);
    f->what = what;
    int status = ei_plan_close(ctx, f,
                               gather ? EIDER__V1__DISTRIBUTION__DISTRIBUTION_GATHER
                                      : EIDER__V1__DISTRIBUTION__DISTRIBUTION_HASH,
                               keys, key_count, partitions, &input);
    free(keys);
    if (status != EI_PLAN_OK)
        return status;
    struct ei_plan_frag merged = {.spread = gather ? EI_PLAN_SINGLE : EI_PLAN_HASH,
                                  .partitions = partitions,
                                  .rows = f->rows / 8 + 1,
                                  .what = ei_strdup("distinct")};
    ei_plan_reader(ctx, input, &merged);
    for (size_t i = 0; i < f->out.count; i++) { /* names that were made unique come back */
        free(merged.out.columns[i].name);
        merged.out.columns[i].name = ei_strdup(f->out.columns[i].name);
    }
    const struct ei_plan_schema *schema = ei_plan_input_find(ctx, input)->schema;
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < f->out.count; i++) {
        struct json_object *item = ei_tree_column(input, schema->columns[i].name);
        ei_tree_set_str(item, "alias", f->out.columns[i].name);
        json_object_array_add(list, item);
    }
    ei_tree_set(merged.tree, "select_list", list);
    ei_plan_add_distinct(merged.tree);
    ei_plan_frag_release(f);
    *f = merged;
    return EI_PLAN_OK;
}
