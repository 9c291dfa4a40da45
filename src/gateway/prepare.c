/* From a statement's text to a job, a catalogue change or rows of the gateway's own. */
#include "gateway/engine.h"
#include "base/mem.h"
#include "os/os.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void ei_local_cell(struct ei_local_rows *r, const char *text) {
    EI_GROW(r->cells, r->count, r->capacity);
    r->cells[r->count++] = ei_strdup(text);
}

void ei_prepared_release(struct ei_prepared *p) {
    if (p->spec != NULL)
        eider__v1__job_spec__free_unpacked(p->spec, NULL);
    if (p->entry != NULL)
        eider__v1__catalog_entry__free_unpacked(p->entry, NULL);
    free(p->drop);
    for (size_t i = 0; i < p->rows.count; i++)
        free(p->rows.cells[i]);
    free(p->rows.cells);
    ei_plan_schema_release(&p->rows.schema);
    *p = (struct ei_prepared){0};
}

static int show_tables(const struct ei_prepare_input *in, struct ei_prepared *out) {
    out->has_rows = true;
    ei_schema_add(&out->rows.schema, "name", "VARCHAR");
    ei_schema_add(&out->rows.schema, "from", "VARCHAR");
    for (size_t i = 0; i < in->catalog->n_entries; i++) {
        ei_local_cell(&out->rows, in->catalog->entries[i]->name);
        ei_local_cell(&out->rows, in->catalog->entries[i]->sql);
    }
    return 0;
}

static int create_table(struct ei_binder *b, const struct ei_statement *s, struct ei_prepared *out,
                        struct ei_error *e) {
    char *from = NULL;
    if (ei_binder_absolute(b, s->body, &from, e) != 0)
        return ei_wrap(e, "CREATE EXTERNAL TABLE %s", s->name);
    out->entry = ei_malloc(sizeof *out->entry);
    eider__v1__catalog_entry__init(out->entry);
    out->entry->name = ei_strdup(s->name);
    out->entry->sql = from;
    out->entry->created_ms = ei_unix_ms();
    out->or_replace = s->or_replace;
    out->if_not_exists = s->if_not_exists;
    return 0;
}

/* SELECT ..., FROM ..., WITH ... as they stand; anything else is the name of a table. */
static char *describe_target(const char *body) {
    static const char *const STARTS[] = {"select", "from",  "with",    "values",
                                         "table",  "pivot", "unpivot", "summarize"};
    for (size_t i = 0; i < EI_ARRAY_LEN(STARTS); i++) {
        size_t n = strlen(STARTS[i]);
        if (strncasecmp(body, STARTS[i], n) == 0 && !isalnum((unsigned char)body[n]) &&
            body[n] != '_')
            return ei_strdup(body);
    }
    return body[0] == '(' ? ei_strdup(body) : ei_asprintf("FROM %s", body);
}

static int describe_statement(struct ei_binder *b, const char *body, struct ei_prepared *out,
                              struct ei_error *e) {
    char *sql = describe_target(body);
    struct json_object *tree = NULL;
    struct ei_plan_schema schema = {0};
    int rc = ei_binder_parse(b, sql, &tree, e);
    if (rc == 0)
        rc = ei_binder_load_tables(b, tree, e);
    if (rc == 0)
        rc = ei_binder_describe(b, sql, &schema, e);
    json_object_put(tree);
    free(sql);
    if (rc != 0)
        return -1;
    out->has_rows = true;
    static const char *const COLUMNS[] = {"column_name", "column_type", "null",
                                          "key",         "default",     "extra"};
    for (size_t i = 0; i < EI_ARRAY_LEN(COLUMNS); i++)
        ei_schema_add(&out->rows.schema, COLUMNS[i], "VARCHAR");
    for (size_t i = 0; i < schema.count; i++) {
        ei_local_cell(&out->rows, schema.columns[i].name);
        ei_local_cell(&out->rows, schema.columns[i].type);
        ei_local_cell(&out->rows, "YES");
        for (int k = 0; k < 3; k++)
            ei_local_cell(&out->rows, NULL);
    }
    ei_plan_schema_release(&schema);
    return 0;
}

static void explain_rows(const char *plan_text, struct ei_prepared *out) {
    out->has_rows = true;
    ei_schema_add(&out->rows.schema, "plan", "VARCHAR");
    const char *p = plan_text;
    while (*p != '\0') {
        size_t n = strcspn(p, "\n");
        char *line = ei_strndup(p, n);
        ei_local_cell(&out->rows, line);
        free(line);
        p += n + (p[n] == '\n');
    }
}

/* Every task sees the same session: the client's time zone is the gateway's. */
static void add_settings(const struct ei_prepare_input *in, Eider__V1__JobSpec *spec) {
    struct ei_buf setting = {0};
    ei_buf_puts(&setting, "SET TimeZone=");
    ei_buf_sql_string(&setting, in->gateway->time_zone);
    for (size_t i = 0; i < spec->n_stages; i++) {
        Eider__V1__StageSpec *s = spec->stages[i];
        s->settings = ei_realloc(s->settings, (s->n_settings + 1) * sizeof *s->settings);
        s->settings[s->n_settings++] = ei_strdup(setting.data);
    }
    ei_buf_release(&setting);
}

static void replace(char **field, const char *text) {
    if (*field != (char *)protobuf_c_empty_string)
        free(*field);
    *field = ei_strdup(text);
}

static void name_job(const char *sql, Eider__V1__JobSpec *spec) {
    char name[81];
    size_t n = 0;
    for (const char *p = sql; *p != '\0' && n < sizeof name - 1; p++) {
        bool space = isspace((unsigned char)*p) != 0;
        if (space && (n == 0 || name[n - 1] == ' '))
            continue;
        name[n++] = space ? ' ' : *p;
    }
    while (n > 0 && ((unsigned char)name[n - 1] & 0xc0) == 0x80 && strlen(sql) > n)
        n--; /* do not cut a character */
    if (n > 0 && (unsigned char)name[n - 1] >= 0xc0)
        n--;
    name[n] = '\0';
    replace(&spec->name, name);
    replace(&spec->kind, "sql");
    replace(&spec->text, sql);
}

static int select_statement(const struct ei_prepare_input *in, struct ei_binder *b,
                            const struct ei_statement *s, struct ei_prepared *out,
                            struct ei_error *e) {
    struct json_object *tree = NULL;
    struct ei_plan_schema schema = {0};
    struct ei_plan_env env;
    ei_binder_env(b, &env);
    int rc = ei_binder_parse(b, s->body, &tree, e);
    if (rc == 0)
        rc = ei_binder_load_tables(b, tree, e);
    if (rc == 0) {
        /* Wrong SQL is told with its place in the user's own text. Only the planner knows the name
         * that DuckDB gives to a file without an alias. */
        struct ei_error own = {0};
        bool binds = ei_binder_describe(b, s->body, &schema, &own) == 0;
        rc = ei_literals_fix(b, tree, e);
        if (rc == 0)
            rc = ei_plan_select(&env, s->body, tree, &out->spec, e);
        if (rc != 0 && !binds)
            *e = own;
    }
    ei_plan_schema_release(&schema);
    json_object_put(tree);
    if (rc != 0)
        return -1;
    if (s->explain) {
        explain_rows(out->spec->plan_text, out);
        eider__v1__job_spec__free_unpacked(out->spec, NULL);
        out->spec = NULL;
        return 0;
    }
    add_settings(in, out->spec);
    name_job(s->body, out->spec);
    return 0;
}

int ei_prepare(const struct ei_prepare_input *in, struct ei_prepared *out, struct ei_error *e) {
    *out = (struct ei_prepared){0};
    struct ei_statement s;
    struct ei_binder *b = NULL;
    int rc = ei_statement_parse(in->sql, &s, e);
    s.explain |= in->explain;
    if (rc == 0 && s.explain && s.kind != EI_STATEMENT_SELECT)
        rc = ei_fail(e, EI_INVALID, "only a query can be explained");
    if (rc == 0)
        rc = ei_binder_create(in, &b, e);
    if (rc == 0) {
        switch (s.kind) {
        case EI_STATEMENT_SHOW_TABLES:
            rc = show_tables(in, out);
            break;
        case EI_STATEMENT_CREATE_TABLE:
            rc = create_table(b, &s, out, e);
            break;
        case EI_STATEMENT_DROP_TABLE:
            out->drop = ei_strdup(s.name);
            out->if_exists = s.if_exists;
            break;
        case EI_STATEMENT_DESCRIBE:
            rc = describe_statement(b, s.body, out, e);
            break;
        case EI_STATEMENT_SELECT:
            rc = select_statement(in, b, &s, out, e);
            break;
        }
    }
    ei_binder_destroy(b);
    ei_statement_release(&s);
    if (rc != 0)
        ei_prepared_release(out);
    return rc;
}
