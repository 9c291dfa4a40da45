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
    ei_table_write_destroy(p->table);
    ei_write_destroy(p->write);
    free(p->old_directory);
    free(p->settings);
    free(p->answer_settings);
    for (size_t i = 0; i < p->rows.count; i++)
        free(p->rows.cells[i]);
    free(p->rows.cells);
    ei_plan_schema_release(&p->rows.schema);
    *p = (struct ei_prepared){0};
}

static int show_tables(const struct ei_prepare_input *in, struct ei_prepared *out) {
    static const char *const KINDS[] = {"external", "managed", "view"};
    out->has_rows = true;
    ei_schema_add(&out->rows.schema, "name", "VARCHAR");
    ei_schema_add(&out->rows.schema, "from", "VARCHAR");
    ei_schema_add(&out->rows.schema, "kind", "VARCHAR");
    for (size_t i = 0; i < in->catalog->n_entries; i++) {
        const Eider__V1__CatalogEntry *entry = in->catalog->entries[i];
        ei_local_cell(&out->rows, entry->name);
        ei_local_cell(&out->rows, entry->sql);
        ei_local_cell(&out->rows, KINDS[EI_MIN((unsigned)entry->kind, 2u)]);
    }
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

static int describe_statement(const struct ei_prepare_input *in, struct ei_binder *b,
                              const char *body, struct ei_prepared *out, struct ei_error *e) {
    char *sql = describe_target(body);
    struct ei_plan_schema schema = {0};
    int rc = ei_prepare_schema(in, b, sql, &schema, e);
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

/* Every task sees the same session. */
static void add_settings(const char *settings, Eider__V1__JobSpec *spec) {
    for (size_t i = 0; i < spec->n_stages; i++) {
        Eider__V1__StageSpec *s = spec->stages[i];
        s->settings = ei_realloc(s->settings, (s->n_settings + 1) * sizeof *s->settings);
        s->settings[s->n_settings++] = ei_strdup(settings);
    }
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

/* ---- a query ---- */

struct parsed {
    struct json_object *tree;
    char *text;  /* that it is the tree of */
    char *named; /* the same with its parameters, if it had any */
};

static void parsed_release(struct parsed *p) {
    json_object_put(p->tree);
    free(p->text);
    free(p->named);
    *p = (struct parsed){0};
}

/* The tree was edited: its text, and that text's own tree (places in the text agree again). */
static int print_again(struct ei_binder *b, struct parsed *p, struct ei_error *e) {
    char *text = NULL;
    if (ei_binder_to_sql(b, p->tree, &text, e) != 0)
        return -1;
    free(p->text);
    p->text = text;
    json_object_put(p->tree);
    p->tree = NULL;
    return ei_binder_parse(b, p->text, &p->tree, e);
}

static int parse_query(const struct ei_prepare_input *in, struct ei_binder *b, const char *sql,
                       struct parsed *p, struct ei_error *e) {
    bool views = false, parameters = false;
    *p = (struct parsed){.text = ei_strdup(sql)};
    int rc = ei_binder_parse(b, sql, &p->tree, e);
    if (rc == 0)
        rc = ei_views_expand(b, in->catalog, p->tree, &views, e);
    if (rc == 0 && views)
        rc = print_again(b, p, e);
    if (rc == 0)
        rc = ei_parameters_apply(b, p->tree, in->parameters, &parameters, e);
    if (rc == 0 && parameters) {
        p->named = ei_strdup(p->text);
        rc = print_again(b, p, e);
    }
    if (rc == 0)
        rc = ei_binder_load_tables(b, p->tree, e);
    return rc;
}

/* Names and types of the result. A parameter's column is named by it, not by its value. */
static int describe_parsed(struct ei_binder *b, const struct parsed *p, struct ei_plan_schema *out,
                           struct ei_error *e) {
    if (ei_binder_describe(b, p->text, out, e) != 0)
        return -1;
    struct ei_plan_schema names = {0};
    if (p->named != NULL && ei_binder_names(b, p->named, &names) && names.count == out->count) {
        for (size_t i = 0; i < names.count; i++) {
            char *name = out->columns[i].name;
            out->columns[i].name = names.columns[i].name;
            names.columns[i].name = name;
        }
    }
    ei_plan_schema_release(&names);
    return 0;
}

/* Wrong SQL is told with its place in the user's own text. Only the planner knows the name that
 * DuckDB gives to a file without an alias: what it can bind is right. */
static int plan_parsed(struct ei_binder *b, struct parsed *p, struct ei_plan_schema *schema,
                       Eider__V1__JobSpec **spec, struct ei_error *e) {
    struct ei_error own = {0};
    struct ei_plan_env env;
    ei_binder_env(b, &env);
    bool binds = describe_parsed(b, p, schema, &own) == 0;
    int rc = ei_literals_fix(b, p->tree, e);
    if (rc == 0)
        rc = ei_plan_select(&env, p->text, p->tree, spec, e);
    if (rc != 0) {
        if (!binds)
            *e = own;
        return -1;
    }
    Eider__V1__StageSpec *last = (*spec)->stages[(*spec)->n_stages - 1];
    for (size_t i = 0; i < last->n_columns; i++) {
        if (!binds)
            ei_schema_add(schema, last->columns[i]->name, last->columns[i]->type);
        else if (p->named != NULL && i < schema->count)
            replace(&last->columns[i]->name, schema->columns[i].name);
    }
    return 0;
}

int ei_prepare_query(const struct ei_prepare_input *in, struct ei_binder *b, const char *sql,
                     struct ei_plan_schema *schema, Eider__V1__JobSpec **spec, struct ei_error *e) {
    struct parsed p;
    int rc = parse_query(in, b, sql, &p, e);
    if (rc == 0)
        rc = plan_parsed(b, &p, schema, spec, e);
    parsed_release(&p);
    return rc;
}

int ei_prepare_schema(const struct ei_prepare_input *in, struct ei_binder *b, const char *sql,
                      struct ei_plan_schema *out, struct ei_error *e) {
    Eider__V1__JobSpec *spec = NULL;
    struct parsed p;
    int rc = parse_query(in, b, sql, &p, e);
    if (rc == 0 && describe_parsed(b, &p, out, e) != 0)
        rc = plan_parsed(b, &p, out, &spec, e);
    eider__v1__job_spec__free_unpacked(spec, NULL);
    parsed_release(&p);
    return rc;
}

static int select_statement(const struct ei_prepare_input *in, struct ei_binder *b,
                            const struct ei_statement *s, struct ei_prepared *out,
                            struct ei_error *e) {
    struct ei_plan_schema schema = {0};
    int rc = ei_prepare_query(in, b, s->query, &schema, &out->spec, e);
    ei_plan_schema_release(&schema);
    out->after = s->analyze ? EI_AFTER_FIGURES : EI_AFTER_STREAM;
    return rc;
}

static int set_statement(struct ei_binder *b, const struct ei_statement *s, struct ei_prepared *out,
                         struct ei_error *e) {
    out->has_rows = true;
    return ei_settings_statement(b, s, &out->answer_settings, e);
}

static int by_kind(const struct ei_prepare_input *in, struct ei_binder *b,
                   const struct ei_statement *s, struct ei_prepared *out, struct ei_error *e) {
    switch (s->kind) {
    case EI_STATEMENT_SHOW_TABLES:
        return show_tables(in, out);
    case EI_STATEMENT_DESCRIBE:
        return describe_statement(in, b, s->query, out, e);
    case EI_STATEMENT_SET:
        return set_statement(b, s, out, e);
    case EI_STATEMENT_SELECT:
        return select_statement(in, b, s, out, e);
    default:
        return ei_define(in, b, s, out, e);
    }
}

/* What a job needs whatever it is for; or its plan for people. */
static void finish_job(const struct ei_statement *s, struct ei_prepared *out) {
    if (s->explain) {
        explain_rows(out->spec->plan_text, out);
        eider__v1__job_spec__free_unpacked(out->spec, NULL);
        out->spec = NULL;
        return;
    }
    add_settings(out->settings, out->spec);
}

static int check_explain(const struct ei_statement *s, struct ei_error *e) {
    bool query = s->kind == EI_STATEMENT_SELECT;
    bool writes = s->kind == EI_STATEMENT_COPY || s->kind == EI_STATEMENT_CREATE_TABLE ||
                  s->kind == EI_STATEMENT_INSERT;
    if ((s->explain && !query && !writes) || (s->analyze && !query))
        return ei_fail(e, EI_INVALID, "only a query can be explained");
    return 0;
}

int ei_prepare(const struct ei_prepare_input *in, struct ei_prepared *out, struct ei_error *e) {
    *out = (struct ei_prepared){0};
    struct ei_statement s;
    struct ei_binder *b = NULL;
    int rc = ei_statement_parse(in->sql, &s, e);
    s.explain |= in->explain && !s.analyze;
    if (rc == 0)
        rc = check_explain(&s, e);
    if (rc == 0)
        rc = ei_settings_sql(in, &out->settings, e);
    if (rc == 0)
        rc = ei_binder_create(in, &b, e);
    if (rc == 0)
        rc = ei_binder_set(b, out->settings, e);
    if (rc == 0)
        rc = by_kind(in, b, &s, out, e);
    if (rc == 0 && out->spec != NULL) {
        name_job(in->sql, out->spec);
        finish_job(&s, out);
    }
    ei_binder_destroy(b);
    ei_statement_release(&s);
    if (rc != 0) {
        if (out->write != NULL)
            ei_write_abandon(out->write);
        ei_prepared_release(out);
    }
    return rc;
}
