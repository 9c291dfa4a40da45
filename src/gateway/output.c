/* A planned query whose rows go into files: its last stage writes them, and puts out their list. */
#include "gateway/engine.h"
#include "base/mem.h"
#include "duck/errors.h"
#include "duck/types.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static const char *const LIST_COLUMNS[][2] = {
    {"path", "VARCHAR"}, {"bytes", "UBIGINT"}, {"rows", "UBIGINT"}};

void ei_projection_release(struct ei_projection *p) {
    for (size_t i = 0; i < p->count; i++)
        free(p->items[i]);
    free(p->items);
    *p = (struct ei_projection){0};
}

static void add_item(struct ei_projection *p, struct ei_buf *item) {
    p->items = ei_realloc(p->items, (p->count + 1) * sizeof *p->items);
    p->items[p->count++] = ei_buf_steal(item);
}

static bool taken(const struct ei_plan_schema *s, size_t upto, const char *name) {
    for (size_t i = 0; i < upto; i++)
        if (strcasecmp(s->columns[i].name, name) == 0)
            return true;
    return false;
}

/* As DuckDB names the columns of a table made from a query: a, a_1, a_2. */
void ei_projection_plain(const struct ei_plan_schema *query, struct ei_projection *out) {
    struct ei_plan_schema names = {0};
    for (size_t i = 0; i < query->count; i++) {
        char *name = ei_strdup(query->columns[i].name);
        for (unsigned n = 1;
             taken(&names, names.count, name) || (n > 1 && taken(query, query->count, name)); n++) {
            free(name);
            name = ei_asprintf("%s_%u", query->columns[i].name, n);
        }
        ei_schema_add(&names, name, "");
        struct ei_buf item = {0};
        ei_buf_printf(&item, "c%zu AS ", i);
        ei_buf_sql_ident(&item, name);
        add_item(out, &item);
        free(name);
    }
    ei_plan_schema_release(&names);
}

int ei_projection_table(const struct ei_plan_schema *table, const int *from,
                        struct ei_projection *out, struct ei_error *e) {
    for (size_t i = 0; i < table->count; i++) {
        const struct ei_plan_column *c = &table->columns[i];
        const char *stored = ei_table_stored_as(c->type);
        if (stored == NULL)
            return ei_fail(e, EI_UNSUPPORTED,
                           "column %s has the type %s, which Parquet files cannot keep: cast it in "
                           "the query",
                           c->name, c->type);
        struct ei_buf item = {0};
        bool other = strcmp(stored, c->type) != 0;
        ei_buf_puts(&item, other ? "CAST(CAST(" : "CAST(");
        if (from[i] < 0)
            ei_buf_puts(&item, "NULL");
        else
            ei_buf_printf(&item, "c%d", from[i]);
        ei_buf_printf(&item, " AS %s)", c->type);
        if (other)
            ei_buf_printf(&item, " AS %s)", stored);
        ei_buf_puts(&item, " AS ");
        ei_buf_sql_ident(&item, c->name);
        add_item(out, &item);
    }
    return 0;
}

/* ---- the job ---- */

static void set_text(char **field, const char *text) {
    if (*field != NULL && *field != (char *)protobuf_c_empty_string)
        free(*field);
    *field = ei_strdup(text);
}

static Eider__V1__Column *new_column(char *name, const char *type) {
    Eider__V1__Column *c = ei_malloc(sizeof *c);
    eider__v1__column__init(c);
    c->name = name;
    c->type = ei_strdup(type);
    return c;
}

/* One file is written by one task: another stage gathers what the last one's tasks make. */
static void gather(Eider__V1__JobSpec *spec, const struct ei_plan_schema *query) {
    Eider__V1__StageSpec *last = spec->stages[spec->n_stages - 1];
    Eider__V1__StageSpec *s = ei_malloc(sizeof *s);
    Eider__V1__ExchangeInput *in = ei_malloc(sizeof *in);
    eider__v1__stage_spec__init(s);
    eider__v1__exchange_input__init(in);
    last->output = EIDER__V1__DISTRIBUTION__DISTRIBUTION_GATHER;
    in->name = ei_strdup("rows_to_write");
    in->stage = last->id;
    in->columns = ei_calloc(query->count, sizeof *in->columns);
    for (size_t i = 0; i < query->count; i++) {
        in->columns[i] = new_column(ei_asprintf("c%zu", i), query->columns[i].type);
        set_text(&last->columns[i]->name, in->columns[i]->name);
    }
    in->n_columns = query->count;
    s->id = last->id + 1;
    s->name = ei_strdup("all rows");
    s->sql = ei_strdup("SELECT * FROM rows_to_write");
    s->exchanges = ei_calloc(1, sizeof *s->exchanges);
    s->exchanges[0] = in;
    s->n_exchanges = 1;
    s->tasks = s->partitions = 1;
    s->output = EIDER__V1__DISTRIBUTION__DISTRIBUTION_RESULT;
    s->estimated_rows = last->estimated_rows;
    spec->stages = ei_realloc(spec->stages, (spec->n_stages + 1) * sizeof *spec->stages);
    spec->stages[spec->n_stages++] = s;
}

static void set_list_columns(Eider__V1__StageSpec *s) {
    for (size_t i = 0; i < s->n_columns; i++)
        eider__v1__column__free_unpacked(s->columns[i], NULL);
    free(s->columns);
    s->n_columns = EI_ARRAY_LEN(LIST_COLUMNS);
    s->columns = ei_calloc(s->n_columns, sizeof *s->columns);
    for (size_t i = 0; i < s->n_columns; i++)
        s->columns[i] = new_column(ei_strdup(LIST_COLUMNS[i][0]), LIST_COLUMNS[i][1]);
}

static Eider__V1__FileOutput *new_output(const struct ei_write *w, size_t width,
                                         const struct ei_projection *p) {
    Eider__V1__FileOutput *f = ei_malloc(sizeof *f);
    eider__v1__file_output__init(f);
    f->directory = ei_strdup(w->staging);
    f->options = ei_strdup(w->options);
    f->tree = w->tree;
    f->width = (uint32_t)width;
    f->columns = ei_calloc(p->count, sizeof *f->columns);
    for (size_t i = 0; i < p->count; i++)
        f->columns[i] = ei_strdup(p->items[i]);
    f->n_columns = p->count;
    return f;
}

/* The same COPY of no rows: wrong options and impossible casts end here. */
static int check(struct ei_binder *b, const struct ei_write *w, const struct ei_plan_schema *query,
                 const struct ei_projection *p, struct ei_error *e) {
    struct ei_buf sql = {0};
    struct ei_plan_schema numbered = {0};
    char *path = ei_asprintf("%s/check", w->staging);
    for (size_t i = 0; i < query->count; i++) {
        char *name = ei_asprintf("c%zu", i);
        ei_schema_add(&numbered, name, query->columns[i].type);
        free(name);
    }
    int rc = ei_binder_stand_in(b, "eider_rows", &numbered, e);
    ei_buf_puts(&sql, "COPY (SELECT ");
    for (size_t i = 0; i < p->count; i++)
        ei_buf_printf(&sql, "%s%s", i == 0 ? "" : ", ", p->items[i]);
    ei_buf_puts(&sql, " FROM eider_rows) TO ");
    ei_buf_sql_string(&sql, path);
    ei_buf_printf(&sql, " (%s)", w->options);
    if (rc == 0)
        rc = ei_duck_run(ei_binder_connection(b), sql.data, e);
    if (unlink(path) != 0)
        (void)rmdir(path);
    ei_plan_schema_release(&numbered);
    ei_buf_release(&sql);
    free(path);
    return rc;
}

int ei_output_attach(struct ei_binder *b, Eider__V1__JobSpec *spec, struct ei_write *w,
                     const struct ei_plan_schema *query, const struct ei_projection *p,
                     struct ei_error *e) {
    if (check(b, w, query, p, e) != 0)
        return -1;
    if (w->form == EI_WRITE_FILE && spec->stages[spec->n_stages - 1]->tasks > 1)
        gather(spec, query);
    Eider__V1__StageSpec *last = spec->stages[spec->n_stages - 1];
    set_list_columns(last);
    last->files = new_output(w, query->count, p);
    char *plan = ei_asprintf("%swrites: %s into %s\n", spec->plan_text, w->options, w->target);
    set_text(&spec->plan_text, plan);
    free(plan);
    return 0;
}

/* ---- what was written ---- */

/* {"rows":[["path","bytes","rows"],...]} */
static int take_rows(const char *text, struct ei_written_list *out, struct ei_error *e) {
    struct json_object *o = json_tokener_parse(text), *rows = NULL;
    if (!json_object_object_get_ex(o, "rows", &rows)) {
        json_object_put(o);
        return ei_fail(e, EI_CORRUPT, "a task's list of files cannot be read");
    }
    for (size_t i = 0; i < json_object_array_length(rows); i++) {
        struct json_object *row = json_object_array_get_idx(rows, i);
        const char *path = json_object_get_string(json_object_array_get_idx(row, 0));
        unsigned long long job;
        struct ei_written f = {.path = ei_strdup(path)};
        unsigned stage, attempt;
        int n = sscanf(path, "%llu-%u-%u-%u.tmp", &job, &stage, &f.task, &attempt);
        f.bytes = json_object_get_uint64(json_object_array_get_idx(row, 1));
        f.rows = json_object_get_uint64(json_object_array_get_idx(row, 2));
        EI_GROW(out->items, out->count, out->capacity);
        out->items[out->count++] = f;
        if (n != 4 || strstr(path, "..") != NULL || path[0] == '/') {
            json_object_put(o);
            return ei_fail(e, EI_CORRUPT, "a task lists a file of a strange name: %.100s", path);
        }
    }
    json_object_put(o);
    return 0;
}

int ei_output_list(struct ei_gateway *g, uint64_t job, const struct ei_rows_file *files,
                   size_t count, struct ei_written_list *out, struct ei_error *e) {
    struct ei_plan_schema schema = {0};
    struct ei_rows *rows = NULL;
    struct ei_buf piece = {0};
    bool done = false;
    for (size_t i = 0; i < EI_ARRAY_LEN(LIST_COLUMNS); i++)
        ei_schema_add(&schema, LIST_COLUMNS[i][0], LIST_COLUMNS[i][1]);
    int rc = ei_rows_open(g, &schema, job, files, count, false, NULL, &rows, e);
    while (rc == 0 && !done) {
        ei_buf_clear(&piece);
        rc = ei_rows_next(rows, &piece, &done, e);
        if (rc == 0 && piece.len > 0)
            rc = take_rows(piece.data, out, e);
    }
    ei_rows_destroy(rows);
    ei_buf_release(&piece);
    ei_plan_schema_release(&schema);
    return rc;
}
