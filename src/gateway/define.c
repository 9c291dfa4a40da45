/* Statements that make or change something: files, tables, views, statistics. */
#include "gateway/engine.h"
#include "base/mem.h"
#include "os/os.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const Eider__V1__CatalogEntry *entry_of(const struct ei_prepare_input *in,
                                               const char *name) {
    return ei_catalog_find(in->catalog, name);
}

/* A change of an entry keeps its name as it was written first. */
static Eider__V1__CatalogEntry *new_entry(const Eider__V1__CatalogEntry *there, const char *name,
                                          Eider__V1__TableKind kind, const char *sql) {
    Eider__V1__CatalogEntry *entry = ei_malloc(sizeof *entry);
    eider__v1__catalog_entry__init(entry);
    entry->name = ei_strdup(there != NULL ? there->name : name);
    entry->sql = ei_strdup(sql);
    entry->kind = kind;
    entry->created_ms = ei_unix_ms();
    return entry;
}

static void answer_empty(struct ei_prepared *out) {
    out->has_rows = true;
}

static char *directory_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return ei_strndup(path, slash == NULL ? 0 : (size_t)(slash - path));
}

/* The change takes the place of `there`: its files go, if it has any of its own. */
static void replaces(const Eider__V1__CatalogEntry *there, struct ei_prepared *out) {
    if (there == NULL)
        return;
    out->expected_revision = there->revision;
    if (there->kind == EIDER__V1__TABLE_KIND__TABLE_MANAGED)
        out->old_directory = directory_of(there->sql);
}

/* 1: go on; 0: nothing to do; -1: refused. */
static int may_create(const struct ei_statement *s, const Eider__V1__CatalogEntry *there,
                      struct ei_prepared *out, struct ei_error *e) {
    out->or_replace = s->or_replace;
    out->if_not_exists = s->if_not_exists;
    if (there == NULL || s->or_replace) {
        replaces(there, out);
        return 1;
    }
    if (!s->if_not_exists)
        return ei_fail(e, EI_EXISTS, "%s \"%s\" exists already; use CREATE OR REPLACE",
                       there->kind == EIDER__V1__TABLE_KIND__TABLE_VIEW ? "view" : "table",
                       there->name);
    answer_empty(out);
    return 0;
}

/* ---- what stays where it is ---- */

static int create_external(const struct ei_prepare_input *in, struct ei_binder *b,
                           const struct ei_statement *s, struct ei_prepared *out,
                           struct ei_error *e) {
    const Eider__V1__CatalogEntry *there = entry_of(in, s->name);
    int go = may_create(s, there, out, e);
    char *from = NULL;
    if (go <= 0)
        return go;
    if (ei_binder_absolute(b, s->query, &from, e) != 0)
        return ei_wrap(e, "CREATE EXTERNAL TABLE %s", s->name);
    out->entry = new_entry(there, s->name, EIDER__V1__TABLE_KIND__TABLE_EXTERNAL, from);
    free(from);
    return 0;
}

static int create_view(const struct ei_prepare_input *in, struct ei_binder *b,
                       const struct ei_statement *s, struct ei_prepared *out, struct ei_error *e) {
    const Eider__V1__CatalogEntry *there = entry_of(in, s->name);
    struct ei_plan_schema schema = {0};
    struct json_object *tree = NULL;
    char *sql = NULL;
    int go = may_create(s, there, out, e);
    if (go <= 0)
        return go;
    struct ei_prepare_input plain = *in;
    plain.parameters = NULL; /* a view has none */
    int rc = ei_prepare_schema(&plain, b, s->query, &schema, e);
    ei_plan_schema_release(&schema);
    if (rc == 0)
        rc = ei_binder_parse(b, s->query, &tree, e);
    if (rc == 0) {
        ei_binder_make_absolute(b, tree);
        rc = ei_binder_to_sql(b, tree, &sql, e);
    }
    if (rc == 0)
        out->entry = new_entry(there, s->name, EIDER__V1__TABLE_KIND__TABLE_VIEW, sql);
    json_object_put(tree);
    free(sql);
    return rc == 0 ? 0 : ei_wrap(e, "CREATE VIEW %s", s->name);
}

static int drop(const struct ei_prepare_input *in, const struct ei_statement *s,
                struct ei_prepared *out, struct ei_error *e) {
    const Eider__V1__CatalogEntry *there = entry_of(in, s->name);
    bool view = there != NULL && there->kind == EIDER__V1__TABLE_KIND__TABLE_VIEW;
    if (there != NULL && view != s->view)
        return ei_fail(e, EI_INVALID, "%s is a %s: use DROP %s", there->name,
                       view ? "view" : "table", view ? "VIEW" : "TABLE");
    if (there == NULL && !s->if_exists)
        return ei_fail(e, EI_NOT_FOUND, "there is no %s \"%s\"", s->view ? "view" : "table",
                       s->name);
    replaces(there, out);
    out->drop = ei_strdup(there != NULL ? there->name : s->name);
    out->if_exists = s->if_exists;
    return 0;
}

/* ---- files ---- */

static int copy(const struct ei_prepare_input *in, struct ei_binder *b,
                const struct ei_statement *s, struct ei_prepared *out, struct ei_error *e) {
    struct ei_plan_schema schema = {0};
    struct ei_projection projection = {0};
    int rc = ei_write_from_copy(s, in->directory, &out->write, e);
    if (rc == 0)
        rc = ei_prepare_query(in, b, s->query, &schema, &out->spec, e);
    if (rc == 0 && !s->explain) {
        ei_projection_plain(&schema, &projection);
        rc = ei_write_begin(out->write, in->gateway, e);
    }
    if (rc == 0 && !s->explain)
        rc = ei_output_attach(b, out->spec, out->write, &schema, &projection, e);
    out->after = EI_AFTER_WRITE;
    ei_projection_release(&projection);
    ei_plan_schema_release(&schema);
    return rc;
}

/* ---- tables ---- */

static struct ei_write *table_files(const char *directory, enum ei_write_form form) {
    struct ei_write *w = ei_calloc(1, sizeof *w);
    w->form = form;
    w->own = true;
    w->target = ei_strdup(directory);
    w->extension = ei_strdup(".parquet");
    w->options = ei_strdup("FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1");
    return w;
}

/* The job of a change of out->table: from[i] is the query's column for the table's column i. */
static int write_table(const struct ei_prepare_input *in, struct ei_binder *b,
                       const struct ei_plan_schema *query, const int *from, struct ei_prepared *out,
                       struct ei_error *e) {
    struct ei_projection projection = {0};
    int rc = ei_mkdirs(in->gateway->tables_dir, 0700, e);
    if (rc == 0)
        rc = ei_projection_table(&out->table->columns, from, &projection, e);
    if (rc == 0)
        rc = ei_write_begin(out->write, in->gateway, e);
    if (rc == 0)
        rc = ei_output_attach(b, out->spec, out->write, query, &projection, e);
    out->table->name = out->entry->name;
    out->table->token = out->write->token;
    out->table->directory = out->write->target;
    out->after = EI_AFTER_WRITE;
    ei_projection_release(&projection);
    return rc;
}

/* The columns of a new table: unique names. */
static void take_columns(const struct ei_plan_schema *query, struct ei_plan_schema *out) {
    struct ei_projection plain = {0};
    ei_projection_plain(query, &plain);
    for (size_t i = 0; i < query->count; i++) {
        const char *name = strstr(plain.items[i], " AS ") + 4;
        char *bare = ei_sql_name(&name);
        ei_schema_add(out, bare == NULL ? "" : bare, query->columns[i].type);
        free(bare);
    }
    ei_projection_release(&plain);
}

static int create_table(const struct ei_prepare_input *in, struct ei_binder *b,
                        const struct ei_statement *s, struct ei_prepared *out, struct ei_error *e) {
    const Eider__V1__CatalogEntry *there = entry_of(in, s->name);
    struct ei_plan_schema schema = {0};
    int go = may_create(s, there, out, e);
    if (go <= 0)
        return go;
    int rc = ei_prepare_query(in, b, s->query, &schema, &out->spec, e);
    if (rc == 0 && !s->explain) {
        char *directory = ei_table_new_directory(in->gateway, s->name);
        int *from = ei_calloc(schema.count, sizeof *from);
        for (size_t i = 0; i < schema.count; i++)
            from[i] = (int)i;
        out->entry = new_entry(there, s->name, EIDER__V1__TABLE_KIND__TABLE_MANAGED, "");
        out->table = ei_calloc(1, sizeof *out->table);
        out->write = table_files(directory, EI_WRITE_DIRECTORY);
        take_columns(&schema, &out->table->columns);
        rc = write_table(in, b, &schema, from, out, e);
        free(directory);
        free(from);
    }
    ei_plan_schema_release(&schema);
    return rc;
}

static int column_at(const struct ei_plan_schema *s, const char *name) {
    for (size_t i = 0; i < s->count; i++)
        if (strcasecmp(s->columns[i].name, name) == 0)
            return (int)i;
    return -1;
}

/* from[i] of INSERT: by the names of the query, by the list of columns, or by position. */
static int map_columns(const struct ei_statement *s, const struct ei_plan_schema *table,
                       const struct ei_plan_schema *query, int *from, struct ei_error *e) {
    size_t wanted = s->column_count > 0 ? s->column_count : table->count;
    for (size_t i = 0; i < table->count; i++)
        from[i] = s->by_name || s->column_count > 0 ? -1 : (int)i;
    if (!s->by_name && query->count != wanted)
        return ei_fail(e, EI_INVALID, "INSERT INTO %s: the query has %zu columns, needed are %zu",
                       s->name, query->count, wanted);
    size_t n = s->by_name ? query->count : s->column_count;
    for (size_t i = 0; i < n; i++) {
        const char *name = s->by_name ? query->columns[i].name : s->columns[i];
        int at = column_at(table, name);
        if (at < 0 || from[at] >= 0)
            return ei_fail(e, EI_INVALID, "INSERT INTO %s: %s column %s", s->name,
                           at < 0 ? "the table has no" : "twice the", name);
        from[at] = (int)i;
    }
    return 0;
}

static int insert_into(const struct ei_prepare_input *in, struct ei_binder *b,
                       const struct ei_statement *s, const Eider__V1__CatalogEntry *there,
                       struct ei_prepared *out, struct ei_error *e) {
    struct ei_plan_schema schema = {0};
    struct ei_manifest m;
    if (ei_manifest_read(there->sql, &m, e) != 0)
        return -1;
    int *from = ei_calloc(m.columns.count, sizeof *from);
    int rc = ei_prepare_query(in, b, s->query, &schema, &out->spec, e);
    if (rc == 0)
        rc = map_columns(s, &m.columns, &schema, from, e);
    if (rc == 0 && !s->explain) {
        out->entry = new_entry(there, s->name, EIDER__V1__TABLE_KIND__TABLE_MANAGED, "");
        out->entry->created_ms = there->created_ms;
        out->or_replace = true;
        out->expected_revision = there->revision;
        out->table = ei_calloc(1, sizeof *out->table);
        out->table->base = ei_strdup(there->sql);
        out->table->columns = m.columns;
        m.columns = (struct ei_plan_schema){0};
        out->write = table_files(m.directory, EI_WRITE_APPEND);
        rc = write_table(in, b, &schema, from, out, e);
    }
    free(from);
    ei_manifest_release(&m);
    ei_plan_schema_release(&schema);
    return rc;
}

static int insert(const struct ei_prepare_input *in, struct ei_binder *b,
                  const struct ei_statement *s, struct ei_prepared *out, struct ei_error *e) {
    const Eider__V1__CatalogEntry *there = entry_of(in, s->name);
    if (there == NULL)
        return ei_fail(e, EI_NOT_FOUND,
                       "there is no table \"%s\": CREATE TABLE %s AS SELECT ... "
                       "makes one",
                       s->name, s->name);
    if (there->kind != EIDER__V1__TABLE_KIND__TABLE_MANAGED)
        return ei_fail(e, EI_UNSUPPORTED,
                       "%s is %s: only tables that CREATE TABLE ... AS made can "
                       "be inserted into",
                       s->name,
                       there->kind == EIDER__V1__TABLE_KIND__TABLE_VIEW ? "a view"
                                                                        : "an external table");
    return insert_into(in, b, s, there, out, e);
}

/* ---- statistics ---- */

static int analyze(const struct ei_prepare_input *in, struct ei_binder *b,
                   const struct ei_statement *s, struct ei_prepared *out, struct ei_error *e) {
    const Eider__V1__CatalogEntry *there = entry_of(in, s->name);
    struct ei_plan_schema columns = {0}, result = {0};
    struct ei_buf sql = {0};
    if (there == NULL || there->kind == EIDER__V1__TABLE_KIND__TABLE_VIEW)
        return ei_fail(e, EI_NOT_FOUND, "there is no table \"%s\" in the catalogue", s->name);
    ei_buf_puts(&sql, "FROM ");
    ei_buf_sql_ident(&sql, there->name);
    int rc = ei_prepare_schema(in, b, sql.data, &columns, e);
    ei_buf_clear(&sql);
    ei_buf_puts(&sql, "SELECT count(*) AS n");
    for (size_t i = 0; i < columns.count; i++) {
        ei_buf_puts(&sql, ", approx_count_distinct(");
        ei_buf_sql_ident(&sql, columns.columns[i].name);
        ei_buf_printf(&sql, ") AS d%zu", i);
    }
    ei_buf_puts(&sql, " FROM ");
    ei_buf_sql_ident(&sql, there->name);
    if (rc == 0)
        rc = ei_prepare_query(in, b, sql.data, &result, &out->spec, e);
    if (rc == 0) {
        out->table = ei_calloc(1, sizeof *out->table);
        out->table->columns = columns;
        columns = (struct ei_plan_schema){0};
        out->entry = new_entry(there, s->name, there->kind, there->sql);
        out->entry->created_ms = there->created_ms;
        out->or_replace = true;
        out->expected_revision = there->revision;
        out->table_bytes = ei_binder_bytes(b);
        out->after = EI_AFTER_STATS;
    }
    ei_plan_schema_release(&columns);
    ei_plan_schema_release(&result);
    ei_buf_release(&sql);
    return rc;
}

static const char *number_of(struct json_object *o, const char *key) {
    struct json_object *v = NULL;
    return json_object_object_get_ex(o, key, &v) ? json_object_get_string(v) : NULL;
}

static int show_stats(const struct ei_prepare_input *in, struct ei_binder *b,
                      const struct ei_statement *s, struct ei_prepared *out, struct ei_error *e) {
    const Eider__V1__CatalogEntry *there = entry_of(in, s->name);
    static const char *const COLUMNS[][2] = {
        {"column_name", "VARCHAR"}, {"column_type", "VARCHAR"}, {"approx_distinct", "BIGINT"},
        {"table_rows", "BIGINT"},   {"table_bytes", "BIGINT"},  {"analyzed_ms", "BIGINT"}};
    if (there == NULL)
        return ei_fail(e, EI_NOT_FOUND, "there is no table \"%s\" in the catalogue", s->name);
    struct ei_buf sql = {0};
    struct ei_plan_schema columns = {0};
    ei_buf_puts(&sql, "FROM ");
    ei_buf_sql_ident(&sql, there->name);
    int rc = ei_prepare_schema(in, b, sql.data, &columns, e);
    struct json_object *stats = json_tokener_parse(there->stats), *distinct = NULL;
    (void)json_object_object_get_ex(stats, "distinct", &distinct);
    for (size_t i = 0; rc == 0 && i < EI_ARRAY_LEN(COLUMNS); i++)
        ei_schema_add(&out->rows.schema, COLUMNS[i][0], COLUMNS[i][1]);
    for (size_t i = 0; rc == 0 && i < columns.count; i++) {
        ei_local_cell(&out->rows, columns.columns[i].name);
        ei_local_cell(&out->rows, columns.columns[i].type);
        ei_local_cell(&out->rows, number_of(distinct, columns.columns[i].name));
        ei_local_cell(&out->rows, number_of(stats, "rows"));
        ei_local_cell(&out->rows, number_of(stats, "bytes"));
        ei_local_cell(&out->rows, number_of(stats, "analyzed_ms"));
    }
    out->has_rows = true;
    json_object_put(stats);
    ei_plan_schema_release(&columns);
    ei_buf_release(&sql);
    return rc;
}

int ei_define(const struct ei_prepare_input *in, struct ei_binder *b, const struct ei_statement *s,
              struct ei_prepared *out, struct ei_error *e) {
    switch (s->kind) {
    case EI_STATEMENT_CREATE_EXTERNAL:
        return create_external(in, b, s, out, e);
    case EI_STATEMENT_CREATE_VIEW:
        return create_view(in, b, s, out, e);
    case EI_STATEMENT_CREATE_TABLE:
        return create_table(in, b, s, out, e);
    case EI_STATEMENT_INSERT:
        return insert(in, b, s, out, e);
    case EI_STATEMENT_COPY:
        return copy(in, b, s, out, e);
    case EI_STATEMENT_DROP:
        return drop(in, s, out, e);
    case EI_STATEMENT_ANALYZE:
        return analyze(in, b, s, out, e);
    case EI_STATEMENT_SHOW_STATS:
        return show_stats(in, b, s, out, e);
    default:
        return ei_fail(e, EI_INTERNAL, "a statement of kind %d is not one of these", (int)s->kind);
    }
}
