#include "plan/internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Below this many rows a task its own start costs more than it saves. */
#define ROWS_A_PARTITION 50000

void ei_plan_schema_release(struct ei_plan_schema *s) {
    for (size_t i = 0; i < s->count; i++) {
        free(s->columns[i].name);
        free(s->columns[i].type);
    }
    free(s->columns);
    *s = (struct ei_plan_schema){0};
}

void ei_plan_schema_add(struct ei_plan_schema *s, const char *name, const char *type) {
    s->columns = ei_realloc(s->columns, (s->count + 1) * sizeof *s->columns);
    s->columns[s->count].name = ei_strdup(name);
    s->columns[s->count++].type = ei_strdup(type);
}

void ei_plan_schema_copy(struct ei_plan_schema *dst, const struct ei_plan_schema *src) {
    *dst = (struct ei_plan_schema){0};
    for (size_t i = 0; i < src->count; i++)
        ei_plan_schema_add(dst, src->columns[i].name, src->columns[i].type);
}

void ei_plan_frag_release(struct ei_plan_frag *f) {
    ei_plan_schema_release(&f->out);
    free(f->what);
    *f = (struct ei_plan_frag){0};
}

struct json_object *ei_plan_own(struct ei_plan_ctx *ctx, struct json_object *tree) {
    EI_GROW(ctx->trees, ctx->tree_count, ctx->tree_capacity);
    ctx->trees[ctx->tree_count++] = tree;
    return tree;
}

char *ei_plan_own_string(struct ei_plan_ctx *ctx, char *s) {
    EI_GROW(ctx->strings, ctx->string_count, ctx->string_capacity);
    ctx->strings[ctx->string_count++] = s;
    return s;
}

void ei_plan_ctx_release(struct ei_plan_ctx *ctx) {
    for (size_t i = 0; i < ctx->stage_count; i++) {
        if (ctx->stages[i]->spec != NULL)
            eider__v1__stage_spec__free_unpacked(ctx->stages[i]->spec, NULL);
        ei_plan_schema_release(&ctx->stages[i]->schema);
        free(ctx->stages[i]);
    }
    for (size_t i = 0; i < ctx->tree_count; i++)
        json_object_put(ctx->trees[i]);
    for (size_t i = 0; i < ctx->string_count; i++)
        free(ctx->strings[i]);
    for (size_t i = 0; i < ctx->input_count; i++)
        free(ctx->inputs[i].name);
    free(ctx->trees);
    free(ctx->strings);
    free(ctx->inputs);
}

void ei_plan_ctx_drop(struct ei_plan_ctx *ctx, size_t stage_count) {
    for (size_t i = stage_count; i < ctx->stage_count; i++) {
        eider__v1__stage_spec__free_unpacked(ctx->stages[i]->spec, NULL);
        ei_plan_schema_release(&ctx->stages[i]->schema);
        free(ctx->stages[i]);
    }
    ctx->stage_count = EI_MIN(ctx->stage_count, stage_count);
    size_t kept = 0;
    for (size_t i = 0; i < ctx->input_count; i++) {
        if (ctx->inputs[i].relation != NULL || ctx->inputs[i].stage < ctx->stage_count)
            ctx->inputs[kept++] = ctx->inputs[i];
        else
            free(ctx->inputs[i].name);
    }
    ctx->input_count = kept;
}

int ei_plan_whole(struct ei_plan_ctx *ctx, const char *fmt, ...) {
    struct ei_buf text = {0};
    va_list ap;
    va_start(ap, fmt);
    ei_buf_vprintf(&text, fmt, ap);
    va_end(ap);
    size_t len = EI_MIN(text.len, sizeof ctx->reason - 1);
    memcpy(ctx->reason, text.data, len);
    ctx->reason[len] = '\0';
    char *line_end = strchr(ctx->reason, '\n');
    if (line_end != NULL)
        *line_end = '\0';
    ei_buf_release(&text);
    return EI_PLAN_WHOLE;
}

struct ei_plan_input *ei_plan_input_find(struct ei_plan_ctx *ctx, const char *name) {
    for (size_t i = 0; i < ctx->input_count; i++)
        if (strcasecmp(ctx->inputs[i].name, name) == 0)
            return &ctx->inputs[i];
    return NULL;
}

/* "data/flights-3m.parquet" -> "flights_3m" */
static char *identifier(const char *label) {
    const char *base = strrchr(label, '/');
    base = base == NULL ? label : base + 1;
    struct ei_buf name = {0};
    for (const char *p = base; *p != '\0' && *p != '.' && name.len < 40; p++) {
        if (isalnum((unsigned char)*p) != 0)
            ei_buf_putc(&name, (char)tolower((unsigned char)*p));
        else if (name.len > 0 && name.data[name.len - 1] != '_')
            ei_buf_putc(&name, '_');
    }
    while (name.len > 0 && name.data[name.len - 1] == '_')
        name.data[--name.len] = '\0';
    if (name.len == 0 || isdigit((unsigned char)name.data[0]) != 0 ||
        strncmp(name.data, "stage_", 6) == 0) {
        char *prefixed = ei_asprintf("t_%s", name.len == 0 ? "files" : name.data);
        ei_buf_release(&name);
        return prefixed;
    }
    return ei_buf_steal(&name);
}

const char *ei_plan_input_add(struct ei_plan_ctx *ctx, const struct ei_plan_relation *relation) {
    char *base = identifier(relation->label);
    char *name = ei_strdup(base);
    for (unsigned n = 2; ei_plan_input_find(ctx, name) != NULL; n++) {
        free(name);
        name = ei_asprintf("%s_%u", base, n);
    }
    free(base);
    EI_GROW(ctx->inputs, ctx->input_count, ctx->input_capacity);
    ctx->inputs[ctx->input_count++] =
        (struct ei_plan_input){.name = name, .relation = relation, .schema = &relation->schema};
    return name;
}

int ei_plan_print(struct ei_plan_ctx *ctx, struct json_object *node, char **sql) {
    struct json_object *document = ei_tree_statement(node);
    int result = ctx->env->to_sql(ctx->env->ctx, document, sql, ctx->e);
    json_object_put(document);
    return result == 0 ? EI_PLAN_OK : EI_PLAN_ERROR;
}

struct used {
    struct ei_plan_ctx *ctx;
    const char **names;
    const struct ei_plan_schema **schemas;
    size_t count, capacity;
};

static bool note_input(void *arg, struct json_object *node) {
    struct used *u = arg;
    if (!ei_tree_is(node, "type", "BASE_TABLE"))
        return true;
    const struct ei_plan_input *input = ei_plan_input_find(u->ctx, ei_tree_str(node, "table_name"));
    if (input == NULL)
        return true;
    for (size_t i = 0; i < u->count; i++)
        if (strcmp(u->names[i], input->name) == 0)
            return true;
    if (u->count == u->capacity) {
        u->capacity = u->capacity == 0 ? 8 : u->capacity * 2;
        u->names = ei_realloc(u->names, u->capacity * sizeof *u->names);
        u->schemas = ei_realloc(u->schemas, u->capacity * sizeof *u->schemas);
    }
    u->names[u->count] = input->name;
    u->schemas[u->count++] = input->schema;
    return true;
}

static int describe(struct ei_plan_ctx *ctx, struct json_object *node, struct ei_plan_schema *out,
                    struct ei_error *e) {
    char *sql = NULL;
    *out = (struct ei_plan_schema){0};
    if (ei_plan_print(ctx, node, &sql) != EI_PLAN_OK)
        return EI_PLAN_ERROR;
    struct used used = {.ctx = ctx};
    ei_tree_walk(node, note_input, &used);
    int result =
        ctx->env->describe(ctx->env->ctx, sql, used.names, used.schemas, used.count, out, e);
    free(used.names);
    free(used.schemas);
    free(sql);
    return result == 0 ? EI_PLAN_OK : EI_PLAN_WHOLE;
}

int ei_plan_describe(struct ei_plan_ctx *ctx, struct json_object *node,
                     struct ei_plan_schema *out) {
    struct ei_error e = {0};
    int status = describe(ctx, node, out, &e);
    if (status == EI_PLAN_WHOLE)
        return ei_plan_whole(ctx, "a part of it cannot be bound alone: %s", e.text);
    return status;
}

bool ei_plan_binds(struct ei_plan_ctx *ctx, struct json_object *node) {
    struct ei_error e = {0};
    struct ei_plan_schema out;
    bool binds = describe(ctx, node, &out, &e) == EI_PLAN_OK;
    ei_plan_schema_release(&out);
    return binds;
}

int ei_plan_parse_expression(struct ei_plan_ctx *ctx, const char *sql, struct json_object **out) {
    char *select = ei_asprintf("SELECT %s", sql);
    struct json_object *tree = NULL;
    int result = ctx->env->parse(ctx->env->ctx, select, &tree, ctx->e);
    free(select);
    if (result != 0)
        return EI_PLAN_ERROR;
    (void)ei_plan_own(ctx, tree);
    struct json_object *statement = ei_tree_at(ei_tree_get(tree, "statements"), 0);
    *out = ei_tree_at(ei_tree_get(ei_tree_get(statement, "node"), "select_list"), 0);
    return EI_PLAN_OK;
}

uint32_t ei_plan_partitions(const struct ei_plan_ctx *ctx, uint64_t rows) {
    uint64_t size = ctx->env->partition_rows > 0 ? ctx->env->partition_rows : ROWS_A_PARTITION;
    uint64_t wanted = rows / size + 1;
    uint64_t slots = ctx->env->slots == 0 ? 1 : ctx->env->slots;
    return (uint32_t)EI_MIN(wanted, slots);
}

/* One list: types whose equal values have one representation. Floats (-0.0, NaN), intervals
 * (30 days = 1 month), times with zone and nested types are not in it. */
bool ei_plan_hashable(const char *type) {
    static const char *const TYPES[] = {"BOOLEAN",     "TINYINT",      "SMALLINT",
                                        "INTEGER",     "BIGINT",       "HUGEINT",
                                        "UTINYINT",    "USMALLINT",    "UINTEGER",
                                        "UBIGINT",     "UHUGEINT",     "VARCHAR",
                                        "DATE",        "TIME",         "TIMESTAMP",
                                        "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS",
                                        "BLOB",        "UUID",         "TIMESTAMP WITH TIME ZONE"};
    for (size_t i = 0; i < EI_ARRAY_LEN(TYPES); i++)
        if (strcmp(type, TYPES[i]) == 0)
            return true;
    size_t len = strlen(type);
    if (len == 0 || type[len - 1] == ']')
        return false;
    return strncmp(type, "DECIMAL(", 8) == 0 || strncmp(type, "ENUM(", 5) == 0;
}
