/* The entry: names the tables, checks the query against their schemas, plans, and compares what the
 * plan gives with what the query gives. */
#include "plan/internal.h"

#include <stdlib.h>
#include <string.h>

struct planning {
    struct ei_plan_ctx ctx;
    const char *sql;
    struct json_object *node;  /* the query over input names, CTEs as written */
    struct ei_plan_schema out; /* of the user's query */
};

static int describe_text(struct planning *p, const char *text, struct ei_error *e) {
    struct ei_plan_ctx *ctx = &p->ctx;
    const char **tables = ei_calloc(ctx->input_count + 1, sizeof *tables);
    const struct ei_plan_schema **schemas = ei_calloc(ctx->input_count + 1, sizeof(void *));
    for (size_t i = 0; i < ctx->input_count; i++) {
        tables[i] = ctx->inputs[i].name;
        schemas[i] = ctx->inputs[i].schema;
    }
    int result =
        ctx->env->describe(ctx->env->ctx, text, tables, schemas, ctx->input_count, &p->out, e);
    free(tables);
    free(schemas);
    return result;
}

/* Names and types of the result, by the user's own text where it can be kept: DuckDB makes names of
 * the text. Its errors are reported; the printed tree only helps where a name cannot be put into
 * the text (SUMMARIZE takes no alias). */
static int check_query(struct planning *p, const struct ei_plan_names *names) {
    struct ei_plan_ctx *ctx = &p->ctx;
    struct ei_error later = {0};
    char *text = ei_plan_text(p->sql, names), *printed = NULL;
    int result = text == NULL ? -1 : describe_text(p, text, ctx->e);
    if (result != 0 && ei_plan_print(ctx, p->node, &printed) == EI_PLAN_OK)
        result = describe_text(p, printed, text == NULL ? ctx->e : &later);
    free(text);
    free(printed);
    return result == 0 ? EI_PLAN_OK : EI_PLAN_ERROR;
}

static int compare_types(struct ei_plan_ctx *ctx, const struct ei_plan_schema *wanted,
                         const struct ei_plan_schema *given) {
    if (wanted->count != given->count)
        return ei_plan_whole(ctx, "the split plan gives %zu columns instead of %zu", given->count,
                             wanted->count);
    for (size_t i = 0; i < wanted->count; i++)
        if (strcmp(wanted->columns[i].type, given->columns[i].type) != 0)
            return ei_plan_whole(ctx, "the split plan gives column %s as %s instead of %s",
                                 wanted->columns[i].name, given->columns[i].type,
                                 wanted->columns[i].type);
    return EI_PLAN_OK;
}

/* The names of the user's query on the select list, where there is one without a star. */
static void set_names(struct json_object *node, const struct ei_plan_schema *out) {
    struct json_object *list = ei_tree_get(node, "select_list");
    if (ei_tree_len(list) != out->count)
        return;
    for (size_t i = 0; i < out->count; i++) {
        struct json_object *item = ei_tree_at(list, i);
        if (ei_tree_is(item, "class", "STAR"))
            return;
        bool plain =
            ei_tree_is_ref(item) && strcmp(ei_plan_item_name(item, ""), out->columns[i].name) == 0;
        ei_tree_set_str(item, "alias", plain ? "" : out->columns[i].name);
    }
}

static void rename_columns(Eider__V1__StageSpec *spec, const struct ei_plan_schema *out) {
    for (size_t i = 0; i < spec->n_columns && i < out->count; i++) {
        free(spec->columns[i]->name);
        spec->columns[i]->name = ei_strdup(out->columns[i].name);
    }
}

static int close_result(struct planning *p, struct ei_plan_frag *f) {
    struct ei_plan_ctx *ctx = &p->ctx;
    struct ei_plan_schema given;
    int status = ei_plan_describe(ctx, f->tree, &given);
    if (status != EI_PLAN_OK)
        return status;
    status = compare_types(ctx, &p->out, &given);
    ei_plan_schema_release(&given);
    if (status != EI_PLAN_OK)
        return status;
    set_names(f->tree, &p->out);
    status = ei_plan_close(ctx, f, EIDER__V1__DISTRIBUTION__DISTRIBUTION_RESULT, NULL, 0, 1, NULL);
    if (status == EI_PLAN_OK)
        rename_columns(ctx->stages[ctx->stage_count - 1]->spec, &p->out);
    return status;
}

static bool reads_table(struct ei_plan_ctx *ctx) {
    for (size_t i = 0; i < ctx->input_count; i++)
        if (ctx->inputs[i].relation != NULL && ctx->inputs[i].relation->split_count > 1)
            return true;
    return false;
}

/* Why a query without any splittable table runs whole. */
static void reason_without_splits(struct ei_plan_ctx *ctx) {
    for (size_t i = 0; i < ctx->input_count; i++) {
        const struct ei_plan_relation *r = ctx->inputs[i].relation;
        if (r != NULL && r->split_count == 0 && r->whole_reason != NULL) {
            (void)ei_plan_whole(ctx, "%s cannot be split: %s", r->label, r->whole_reason);
            return;
        }
    }
    (void)ei_plan_whole(ctx, ctx->input_count == 0 ? "it reads no table that can be split"
                                                   : "its tables are too small to split");
}

static int plan_split(struct planning *p) {
    struct ei_plan_ctx *ctx = &p->ctx;
    if (!reads_table(ctx)) {
        reason_without_splits(ctx);
        return EI_PLAN_WHOLE;
    }
    int status = ei_plan_guard(ctx, p->node);
    struct json_object *tree = ei_plan_own(ctx, ei_tree_copy(p->node));
    if (status == EI_PLAN_OK)
        status = ei_plan_inline_ctes(ctx, tree);
    if (status != EI_PLAN_OK)
        return status;
    ei_plan_separate(ctx, tree);
    struct ei_plan_frag frag;
    status = ei_plan_node(ctx, tree, &frag);
    if (status == EI_PLAN_OK && frag.spread == EI_PLAN_SINGLE && ctx->stage_count == 0)
        status = ctx->reason[0] != '\0'
                     ? EI_PLAN_WHOLE
                     : ei_plan_whole(ctx, "none of its tables can be split where it stands");
    if (status == EI_PLAN_OK)
        status = close_result(p, &frag);
    ei_plan_frag_release(&frag);
    return status;
}

static int plan_whole(struct planning *p) {
    struct ei_plan_ctx *ctx = &p->ctx;
    struct ei_plan_frag f = {.spread = EI_PLAN_SINGLE, .what = ei_strdup("whole query")};
    ei_plan_ctx_drop(ctx, 0);
    char *reason = ei_strdup(ctx->reason);
    f.tree = ei_plan_own(ctx, ei_tree_copy(p->node));
    int status =
        ei_plan_close(ctx, &f, EIDER__V1__DISTRIBUTION__DISTRIBUTION_RESULT, NULL, 0, 1, NULL);
    if (status == EI_PLAN_OK)
        rename_columns(ctx->stages[0]->spec, &p->out);
    else if (status == EI_PLAN_WHOLE)
        status = ei_fail(ctx->e, EI_UNSUPPORTED, "this query cannot be printed back to SQL: %s",
                         ctx->reason);
    (void)ei_plan_whole(ctx, "%s", reason);
    free(reason);
    ei_plan_frag_release(&f);
    return status;
}

static Eider__V1__JobSpec *make_job(struct planning *p, bool whole) {
    struct ei_plan_ctx *ctx = &p->ctx;
    Eider__V1__JobSpec *job = ei_malloc(sizeof *job);
    eider__v1__job_spec__init(job);
    job->kind = ei_strdup("sql");
    job->text = ei_strdup(p->sql);
    job->stages = ei_calloc(ctx->stage_count + 1, sizeof *job->stages);
    job->n_stages = ctx->stage_count;
    for (size_t i = 0; i < ctx->stage_count; i++) {
        job->stages[i] = ctx->stages[i]->spec;
        ctx->stages[i]->spec = NULL;
    }
    if (whole)
        job->whole_reason = ei_strdup(ctx->reason);
    job->plan_text = ei_plan_explain(job, ctx);
    return job;
}

static int plan(struct planning *p, struct json_object *tree, Eider__V1__JobSpec **out) {
    struct ei_plan_ctx *ctx = &p->ctx;
    struct json_object *statements = ei_tree_get(tree, "statements");
    if (ei_tree_len(statements) != 1)
        return ei_fail(ctx->e, EI_INVALID, "exactly one statement is expected, this text has %zu",
                       ei_tree_len(statements));
    p->node = ei_plan_own(ctx, ei_tree_copy(ei_tree_get(ei_tree_at(statements, 0), "node")));
    ei_tree_keep_types(p->node);
    ei_tree_keep_joins(p->node);
    struct ei_plan_names names = {0};
    int status = ei_plan_resolve(ctx, p->node, &names);
    if (status == EI_PLAN_OK)
        status = check_query(p, &names);
    free(names.items);
    if (status != EI_PLAN_OK)
        return -1;
    status = plan_split(p);
    bool whole = status == EI_PLAN_WHOLE;
    if (whole)
        status = plan_whole(p);
    if (status != EI_PLAN_OK)
        return -1;
    *out = make_job(p, whole);
    return 0;
}

int ei_plan_select(const struct ei_plan_env *env, const char *sql, struct json_object *tree,
                   Eider__V1__JobSpec **out, struct ei_error *e) {
    struct planning p = {.ctx = {.env = env, .e = e}, .sql = sql};
    *out = NULL;
    int result = plan(&p, tree, out);
    ei_plan_schema_release(&p.out);
    ei_plan_ctx_release(&p.ctx);
    return result;
}
