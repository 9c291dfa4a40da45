/* From a fragment to a stage. */
#include "plan/internal.h"

#include <string.h>
#include <strings.h>

/* Less input than this is not worth a task of its own. */
#define COALESCE_BYTES (UINT64_C(1) << 20)

const char *ei_plan_next_input(struct ei_plan_ctx *ctx) {
    return ei_plan_own_string(ctx, ei_asprintf("stage_%zu", ctx->stage_count));
}

static void *copy_message(const void *message) {
    const ProtobufCMessage *m = message;
    size_t size = protobuf_c_message_get_packed_size(m);
    uint8_t *bytes = ei_malloc(size);
    (void)protobuf_c_message_pack(m, bytes);
    void *copy = protobuf_c_message_unpack(m->descriptor, NULL, size, bytes);
    free(bytes);
    EI_ASSERT(copy != NULL);
    return copy;
}

static Eider__V1__TableInput *copy_table(const struct ei_plan_input *input) {
    Eider__V1__TableInput *table = copy_message(input->relation->input);
    if (table->name != NULL && table->name != protobuf_c_empty_string)
        free(table->name);
    table->name = ei_strdup(input->name);
    return table;
}

static Eider__V1__Column **columns_of(const struct ei_plan_schema *schema, size_t *count) {
    Eider__V1__Column **columns = ei_calloc(schema->count + 1, sizeof(Eider__V1__Column *));
    for (size_t i = 0; i < schema->count; i++) {
        columns[i] = ei_malloc(sizeof *columns[i]);
        eider__v1__column__init(columns[i]);
        columns[i]->name = ei_strdup(schema->columns[i].name);
        columns[i]->type = ei_strdup(schema->columns[i].type);
    }
    *count = schema->count;
    return columns;
}

struct collect {
    struct ei_plan_ctx *ctx;
    struct json_object *seen;
    const char *split_input;
    Eider__V1__StageSpec *spec;
};

static void add_split_table(Eider__V1__StageSpec *spec, const struct ei_plan_input *input) {
    const struct ei_plan_relation *r = input->relation;
    spec->tables = ei_calloc(1, sizeof *spec->tables);
    spec->tables[0] = copy_table(input);
    spec->n_tables = 1;
    spec->split_table = ei_strdup(input->name);
    spec->splits = ei_calloc(r->split_count, sizeof *spec->splits);
    for (size_t i = 0; i < r->split_count; i++)
        spec->splits[i] = copy_message(r->splits[i]);
    spec->n_splits = r->split_count;
}

static void add_whole_table(Eider__V1__StageSpec *spec, const struct ei_plan_input *input) {
    size_t n = spec->n_whole_tables;
    spec->whole_tables = ei_realloc(spec->whole_tables, (n + 1) * sizeof *spec->whole_tables);
    spec->whole_splits = ei_realloc(spec->whole_splits, (n + 1) * sizeof *spec->whole_splits);
    spec->whole_tables[n] = copy_table(input);
    spec->whole_splits[n] = copy_message(input->relation->whole);
    spec->n_whole_tables = spec->n_whole_splits = n + 1;
}

static void add_exchange(Eider__V1__StageSpec *spec, const struct ei_plan_input *input) {
    size_t n = spec->n_exchanges;
    spec->exchanges = ei_realloc(spec->exchanges, (n + 1) * sizeof *spec->exchanges);
    Eider__V1__ExchangeInput *exchange = ei_malloc(sizeof *exchange);
    eider__v1__exchange_input__init(exchange);
    exchange->name = ei_strdup(input->name);
    exchange->stage = input->stage;
    exchange->columns = columns_of(input->schema, &exchange->n_columns);
    spec->exchanges[n] = exchange;
    spec->n_exchanges = n + 1;
}

static bool collect_input(void *arg, struct json_object *node) {
    struct collect *c = arg;
    if (!ei_tree_is(node, "type", "BASE_TABLE"))
        return true;
    const struct ei_plan_input *input = ei_plan_input_find(c->ctx, ei_tree_str(node, "table_name"));
    if (input == NULL || ei_tree_get(c->seen, input->name) != NULL)
        return true;
    ei_tree_set(c->seen, input->name, json_object_new_boolean(true));
    if (input->relation == NULL)
        add_exchange(c->spec, input);
    else if (c->split_input != NULL && strcmp(c->split_input, input->name) == 0)
        add_split_table(c->spec, input);
    else
        add_whole_table(c->spec, input);
    return true;
}

/* Exchange columns are found by name: a name that comes twice gets a number. True if any did. */
static bool make_unique(struct ei_plan_schema *schema) {
    bool changed = false;
    for (size_t i = 0; i < schema->count; i++) {
        const char *base = schema->columns[i].name;
        char *name = ei_strdup(base);
        for (unsigned n = 1;; n++) {
            size_t j = 0;
            while (j < schema->count &&
                   (j == i || strcasecmp(schema->columns[j].name, name) != 0 || (n == 1 && j > i)))
                j++;
            if (j == schema->count)
                break;
            free(name);
            name = ei_asprintf("%s_%u", base, n);
        }
        changed = changed || strcmp(name, base) != 0;
        free(schema->columns[i].name);
        schema->columns[i].name = name;
    }
    return changed;
}

static struct json_object *with_unique_names(struct ei_plan_ctx *ctx, struct json_object *tree,
                                             const struct ei_plan_schema *schema) {
    struct json_object *outer = ei_plan_own(ctx, ei_tree_select_node());
    struct json_object *derived = ei_tree_derived(ei_tree_copy(tree), "named");
    struct json_object *names = ei_tree_get(derived, "column_name_alias");
    for (size_t i = 0; i < schema->count; i++)
        json_object_array_add(names, json_object_new_string(schema->columns[i].name));
    json_object_array_add(ei_tree_get(outer, "select_list"), ei_tree_star());
    ei_tree_set(outer, "from_table", derived);
    return outer;
}

static Eider__V1__StageSpec *new_spec(struct ei_plan_ctx *ctx, const struct ei_plan_frag *f,
                                      struct json_object *tree) {
    Eider__V1__StageSpec *spec = ei_malloc(sizeof *spec);
    eider__v1__stage_spec__init(spec);
    spec->id = (uint32_t)ctx->stage_count;
    spec->name = ei_strdup(f->what);
    spec->estimated_rows = f->rows;
    struct collect c = {.ctx = ctx,
                        .seen = json_object_new_object(),
                        .split_input = f->spread == EI_PLAN_SPLIT ? f->split_input : NULL,
                        .spec = spec};
    ei_tree_walk(tree, collect_input, &c);
    json_object_put(c.seen);
    if (f->spread == EI_PLAN_SPLIT)
        spec->tasks = (uint32_t)spec->n_splits;
    else
        spec->tasks = f->spread == EI_PLAN_HASH ? f->partitions : 1;
    if (f->spread == EI_PLAN_HASH && ctx->env->partition_rows == 0)
        spec->coalesce_bytes = COALESCE_BYTES;
    return spec;
}

static void set_output(Eider__V1__StageSpec *spec, Eider__V1__Distribution distribution,
                       const uint32_t *keys, size_t key_count, uint32_t partitions) {
    spec->output = distribution;
    spec->partitions = distribution == EIDER__V1__DISTRIBUTION__DISTRIBUTION_HASH ? partitions : 1;
    if (distribution != EIDER__V1__DISTRIBUTION__DISTRIBUTION_HASH)
        return;
    EI_ASSERT(key_count > 0 && partitions > 0);
    spec->key_columns = ei_calloc(key_count, sizeof *spec->key_columns);
    memcpy(spec->key_columns, keys, key_count * sizeof *keys);
    spec->n_key_columns = key_count;
}

int ei_plan_close(struct ei_plan_ctx *ctx, const struct ei_plan_frag *f,
                  Eider__V1__Distribution distribution, const uint32_t *keys, size_t key_count,
                  uint32_t partitions, const char **name) {
    if (ctx->stage_count == EI_PLAN_STAGES_MAX)
        return ei_plan_whole(ctx, "it would need more than %d stages", EI_PLAN_STAGES_MAX);
    struct ei_plan_schema schema;
    int status = ei_plan_describe(ctx, f->tree, &schema);
    if (status != EI_PLAN_OK)
        return status;
    struct json_object *tree = f->tree;
    bool result = distribution == EIDER__V1__DISTRIBUTION__DISTRIBUTION_RESULT;
    if (!result && make_unique(&schema))
        tree = with_unique_names(ctx, tree, &schema);
    Eider__V1__StageSpec *spec = new_spec(ctx, f, tree);
    set_output(spec, distribution, keys, key_count, partitions);
    spec->columns = columns_of(&schema, &spec->n_columns);
    struct ei_plan_stage *stage = ei_calloc(1, sizeof *stage);
    stage->spec = spec;
    stage->schema = schema;
    char *input = ei_asprintf("stage_%zu", ctx->stage_count);
    ctx->stages[ctx->stage_count++] = stage;
    EI_GROW(ctx->inputs, ctx->input_count, ctx->input_capacity);
    ctx->inputs[ctx->input_count++] =
        (struct ei_plan_input){.name = input, .stage = spec->id, .schema = &stage->schema};
    if (name != NULL)
        *name = input;
    char *sql = NULL;
    status = ei_plan_print(ctx, tree, &sql);
    spec->sql = sql;
    return status;
}

void ei_plan_reader(struct ei_plan_ctx *ctx, const char *input, struct ei_plan_frag *out) {
    struct json_object *node = ei_plan_own(ctx, ei_tree_select_node());
    json_object_array_add(ei_tree_get(node, "select_list"), ei_tree_star());
    ei_tree_set(node, "from_table", ei_tree_table(input, input));
    out->tree = node;
    ei_plan_schema_copy(&out->out, ei_plan_input_find(ctx, input)->schema);
}
