#include "plan_env.h"

#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "duck/types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct fake {
    const struct plan_env_table *table;
    struct ei_plan_relation relation;
    Eider__V1__TableInput input;
    Eider__V1__Split *splits, **split_list, whole;
    Eider__V1__FileSlice *slices, **slice_list, whole_slice, *whole_list[1];
};

struct plan_env {
    duckdb_database db;
    duckdb_connection user, stage;
    struct fake *fakes;
    size_t count;
    struct ei_map aggregates, volatiles;
    struct ei_plan_env env;
};

static void fatal(const char *what, const struct ei_error *e) {
    (void)fprintf(stderr, "plan_env: %s: %s\n", what, e->text);
    abort();
}

static int run(duckdb_connection c, const char *sql, duckdb_result *r, struct ei_error *e) {
    if (duckdb_query(c, sql, r) == DuckDBSuccess)
        return 0;
    (void)ei_fail(e, EI_INVALID, "%s", duckdb_result_error(r));
    duckdb_destroy_result(r);
    return -1;
}

char *plan_env_text(duckdb_connection c, const char *sql, struct ei_error *e) {
    duckdb_result r;
    if (run(c, sql, &r, e) != 0)
        return NULL;
    char *value = duckdb_value_varchar(&r, 0, 0);
    char *copy = ei_strdup(value == NULL ? "" : value);
    duckdb_free(value);
    duckdb_destroy_result(&r);
    return copy;
}

static int parse(void *ctx, const char *sql, struct json_object **tree, struct ei_error *e) {
    struct plan_env *p = ctx;
    struct ei_buf call = {0};
    ei_buf_puts(&call, "SELECT CAST(json_serialize_sql(");
    ei_buf_sql_string(&call, sql);
    ei_buf_puts(&call, ") AS VARCHAR)");
    char *text = plan_env_text(p->user, call.data, e);
    ei_buf_release(&call);
    if (text == NULL)
        return -1;
    struct json_tokener *tokener = json_tokener_new_ex(2000); /* expressions nest deeply */
    *tree = json_tokener_parse_ex(tokener, text, -1);
    json_tokener_free(tokener);
    free(text);
    struct json_object *error = NULL;
    if (*tree != NULL && json_object_object_get_ex(*tree, "error", &error) &&
        !json_object_get_boolean(error))
        return 0;
    (void)ei_fail(e, EI_INVALID, "%s", json_object_to_json_string(*tree));
    json_object_put(*tree);
    *tree = NULL;
    return -1;
}

static int to_sql(void *ctx, struct json_object *tree, char **sql, struct ei_error *e) {
    struct plan_env *p = ctx;
    struct ei_buf call = {0};
    ei_buf_puts(&call, "SELECT json_deserialize_sql(CAST(");
    ei_buf_sql_string(&call, json_object_to_json_string_ext(
                                 tree, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
    ei_buf_puts(&call, " AS JSON))");
    *sql = plan_env_text(p->user, call.data, e);
    ei_buf_release(&call);
    return *sql == NULL ? -1 : 0;
}

static void schema_add(struct ei_plan_schema *s, const char *name, duckdb_logical_type type) {
    struct ei_buf text = {0};
    ei_duck_type_print(type, &text);
    s->columns = ei_realloc(s->columns, (s->count + 1) * sizeof *s->columns);
    s->columns[s->count++] = (struct ei_plan_column){ei_strdup(name), ei_buf_steal(&text)};
}

static int prepare(duckdb_connection c, const char *sql, struct ei_plan_schema *out,
                   struct ei_error *e) {
    duckdb_prepared_statement statement = NULL;
    *out = (struct ei_plan_schema){0};
    int rc = 0;
    if (duckdb_prepare(c, sql, &statement) != DuckDBSuccess)
        rc = ei_fail(e, EI_INVALID, "%s", duckdb_prepare_error(statement));
    idx_t n = rc == 0 ? duckdb_prepared_statement_column_count(statement) : 0;
    for (idx_t i = 0; i < n; i++) {
        const char *name = duckdb_prepared_statement_column_name(statement, i);
        duckdb_logical_type type = duckdb_prepared_statement_column_logical_type(statement, i);
        schema_add(out, name, type);
        duckdb_destroy_logical_type(&type);
        duckdb_free((void *)(uintptr_t)name);
    }
    duckdb_destroy_prepare(&statement);
    return rc;
}

static int describe(void *ctx, const char *sql, const char *const *names,
                    const struct ei_plan_schema *const *tables, size_t count,
                    struct ei_plan_schema *out, struct ei_error *e) {
    struct plan_env *p = ctx;
    for (size_t i = 0; i < count; i++) {
        struct ei_buf create = {0};
        ei_buf_puts(&create, "CREATE OR REPLACE TEMP TABLE ");
        ei_buf_sql_ident(&create, names[i]);
        for (size_t c = 0; c < tables[i]->count; c++) {
            ei_buf_puts(&create, c == 0 ? " (" : ", ");
            ei_buf_sql_ident(&create, tables[i]->columns[c].name);
            ei_buf_printf(&create, " %s", tables[i]->columns[c].type);
        }
        ei_buf_puts(&create, ")");
        duckdb_result r;
        if (run(p->stage, create.data, &r, e) != 0)
            fatal(create.data, e);
        duckdb_destroy_result(&r);
        ei_buf_release(&create);
    }
    return prepare(p->stage, sql, out, e);
}

static const char *json_text(struct json_object *o, const char *key) {
    struct json_object *v = NULL;
    return json_object_object_get_ex(o, key, &v) && v != NULL ? json_object_get_string(v) : "";
}

/* FROM name, FROM 'dir/name.parquet', FROM read_csv('name.csv') */
static int resolve(void *ctx, struct json_object *node, const struct ei_plan_relation **out,
                   struct ei_error *e) {
    struct plan_env *p = ctx;
    (void)e;
    *out = NULL;
    const char *name = json_text(node, "table_name");
    struct json_object *function = NULL, *children = NULL, *value = NULL;
    if (json_object_object_get_ex(node, "function", &function) &&
        json_object_object_get_ex(function, "children", &children) &&
        json_object_array_length(children) > 0 &&
        json_object_object_get_ex(json_object_array_get_idx(children, 0), "value", &value))
        name = json_text(value, "value");
    const char *base = strrchr(name, '/');
    base = base == NULL ? name : base + 1;
    size_t len = strcspn(base, ".");
    for (size_t i = 0; i < p->count; i++)
        if (strlen(p->fakes[i].table->name) == len &&
            strncasecmp(p->fakes[i].table->name, base, len) == 0)
            *out = &p->fakes[i].relation;
    return 0;
}

static bool is_aggregate(void *ctx, const char *name) {
    return ei_map_get(&((struct plan_env *)ctx)->aggregates, name) != NULL;
}

static bool is_volatile(void *ctx, const char *name) {
    return ei_map_get(&((struct plan_env *)ctx)->volatiles, name) != NULL;
}

static void load_names(struct plan_env *p, struct ei_map *map, const char *where) {
    struct ei_error e = {0};
    duckdb_result r;
    char *sql =
        ei_asprintf("SELECT DISTINCT function_name FROM duckdb_functions() WHERE %s", where);
    if (run(p->user, sql, &r, &e) != 0)
        fatal(sql, &e);
    for (idx_t i = 0; i < duckdb_row_count(&r); i++) {
        char *name = duckdb_value_varchar(&r, 0, i);
        (void)ei_map_put(map, name, p);
        duckdb_free(name);
    }
    duckdb_destroy_result(&r);
    free(sql);
}

static void init_slice(Eider__V1__FileSlice *s, const char *path, uint64_t begin, uint64_t end) {
    eider__v1__file_slice__init(s);
    s->path = (char *)(uintptr_t)path;
    s->begin = begin;
    s->end = end;
}

static void init_fake(struct plan_env *p, struct fake *f, const struct plan_env_table *t) {
    f->table = t;
    f->relation = (struct ei_plan_relation){.label = t->name,
                                            .input = &f->input,
                                            .split_count = t->splits,
                                            .whole = &f->whole,
                                            .whole_reason = t->whole_reason,
                                            .rows = t->rows,
                                            .bytes = t->bytes};
    eider__v1__table_input__init(&f->input);
    f->splits = ei_calloc(t->splits + 1, sizeof *f->splits);
    f->split_list = ei_calloc(t->splits + 1, sizeof *f->split_list);
    f->slices = ei_calloc(t->splits + 1, sizeof *f->slices);
    f->slice_list = ei_calloc(t->splits + 1, sizeof *f->slice_list);
    for (unsigned i = 0; i < t->splits; i++) {
        eider__v1__split__init(&f->splits[i]);
        init_slice(&f->slices[i], t->name, i, i + 1);
        f->slice_list[i] = &f->slices[i];
        f->splits[i].n_slices = 1;
        f->splits[i].slices = &f->slice_list[i];
        f->split_list[i] = &f->splits[i];
    }
    f->relation.splits = f->split_list;
    eider__v1__split__init(&f->whole);
    init_slice(&f->whole_slice, t->name, 0, 0);
    f->whole_list[0] = &f->whole_slice;
    f->whole.n_slices = 1;
    f->whole.slices = f->whole_list;
    struct ei_error e = {0};
    char *sql = ei_asprintf("CREATE OR REPLACE TEMP TABLE schema_of (%s)", t->columns);
    duckdb_result r;
    if (run(p->user, sql, &r, &e) != 0)
        fatal(sql, &e);
    duckdb_destroy_result(&r);
    free(sql);
    if (prepare(p->user, "SELECT * FROM schema_of", &f->relation.schema, &e) != 0)
        fatal(t->name, &e);
}

struct plan_env *plan_env_create(const struct plan_env_table *tables, size_t count, uint32_t slots,
                                 uint64_t broadcast_limit_bytes) {
    struct ei_error e = {0};
    struct plan_env *p = ei_calloc(1, sizeof *p);
    if (ei_duck_load(&e) != 0)
        fatal("load", &e);
    duckdb_config config;
    (void)duckdb_create_config(&config);
    (void)duckdb_set_config(config, "threads", "1");
    if (duckdb_open_ext(":memory:", &p->db, config, NULL) != DuckDBSuccess ||
        duckdb_connect(p->db, &p->user) != DuckDBSuccess ||
        duckdb_connect(p->db, &p->stage) != DuckDBSuccess)
        fatal("open", &e);
    duckdb_destroy_config(&config);
    p->fakes = ei_calloc(count, sizeof *p->fakes);
    p->count = count;
    for (size_t i = 0; i < count; i++)
        init_fake(p, &p->fakes[i], &tables[i]);
    load_names(p, &p->aggregates, "function_type = 'aggregate'");
    load_names(p, &p->volatiles, "stability = 'VOLATILE'");
    p->env = (struct ei_plan_env){.ctx = p,
                                  .resolve = resolve,
                                  .describe = describe,
                                  .to_sql = to_sql,
                                  .parse = parse,
                                  .is_aggregate = is_aggregate,
                                  .is_volatile = is_volatile,
                                  .slots = slots,
                                  .broadcast_limit_bytes = broadcast_limit_bytes};
    return p;
}

void plan_env_destroy(struct plan_env *p) {
    for (size_t i = 0; i < p->count; i++) {
        ei_plan_schema_release(&p->fakes[i].relation.schema);
        free(p->fakes[i].splits);
        free(p->fakes[i].split_list);
        free(p->fakes[i].slices);
        free(p->fakes[i].slice_list);
    }
    free(p->fakes);
    ei_map_release(&p->aggregates);
    ei_map_release(&p->volatiles);
    duckdb_disconnect(&p->user);
    duckdb_disconnect(&p->stage);
    duckdb_close(&p->db);
    free(p);
}

duckdb_connection plan_env_connection(struct plan_env *p) {
    return p->user;
}

Eider__V1__JobSpec *plan_env_plan(struct plan_env *p, const char *sql, struct ei_error *e) {
    struct json_object *tree = NULL;
    Eider__V1__JobSpec *job = NULL;
    if (parse(p, sql, &tree, e) != 0)
        return NULL;
    int rc = ei_plan_select(&p->env, sql, tree, &job, e);
    json_object_put(tree);
    return rc == 0 ? job : NULL;
}
