#include "duck/facts.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct named_reader {
    const char *name;
    enum ei_reader reader;
};

static const struct named_reader FUNCTIONS[] = {
    {"read_csv", EI_READER_CSV},         {"read_csv_auto", EI_READER_CSV},
    {"read_json", EI_READER_JSON},       {"read_json_auto", EI_READER_JSON},
    {"read_ndjson", EI_READER_NDJSON},   {"read_ndjson_auto", EI_READER_NDJSON},
    {"read_parquet", EI_READER_PARQUET}, {"parquet_scan", EI_READER_PARQUET},
    {"read_lines", EI_READER_LINES},     {"read_access_log", EI_READER_ACCESS_LOG},
};

/* FROM 'path': by the end of the name, before .gz or .zst. */
static const struct named_reader EXTENSIONS[] = {
    {".parquet", EI_READER_PARQUET}, {".csv", EI_READER_CSV},     {".tsv", EI_READER_CSV},
    {".json", EI_READER_JSON},       {".ndjson", EI_READER_JSON}, {".jsonl", EI_READER_JSON},
    {".log", EI_READER_TEXT},        {".txt", EI_READER_TEXT},
};

/* A task over Parquet costs about 3 ms beside its rows, as much as reading 4 MB. */
static const struct ei_table_limits LIMITS = {
    .min_parquet_bytes = 4u << 20,
    .max_parquet_bytes = 128u << 20,
    .min_text_bytes = 8u << 20,
    .max_text_bytes = 64u << 20,
};

static enum ei_reader reader_of_function(const char *name) {
    for (size_t i = 0; i < EI_ARRAY_LEN(FUNCTIONS); i++)
        if (strcasecmp(FUNCTIONS[i].name, name) == 0)
            return FUNCTIONS[i].reader;
    return EI_READER_NONE;
}

static bool ends_with(const char *s, size_t len, const char *end) {
    size_t n = strlen(end);
    return len >= n && strncasecmp(s + len - n, end, n) == 0;
}

static enum ei_reader reader_of_path(const char *path) {
    size_t len = strlen(path);
    if (ends_with(path, len, ".gz"))
        len -= 3;
    else if (ends_with(path, len, ".zst"))
        len -= 4;
    for (size_t i = 0; i < EI_ARRAY_LEN(EXTENSIONS); i++)
        if (ends_with(path, len, EXTENSIONS[i].name))
            return EXTENSIONS[i].reader;
    return EI_READER_NONE;
}

bool ei_table_facts_is_file_function(const char *name) {
    return reader_of_function(name) != EI_READER_NONE;
}

/* ---- helpers of all formats ---- */

void ei_facts_set(char **field, const char *value) {
    if (*field != protobuf_c_empty_string)
        free(*field);
    *field = value[0] != '\0' ? ei_strdup(value) : (char *)protobuf_c_empty_string;
}

const char *ei_facts_option(const struct ei_facts *f, const char *name) {
    for (size_t i = 0; i < f->call->argument_count; i++)
        if (f->call->arguments[i].name != NULL && strcasecmp(f->call->arguments[i].name, name) == 0)
            return f->call->arguments[i].sql;
    return NULL;
}

const char *ei_facts_other_option(const struct ei_facts *f, const char *const *known) {
    for (size_t i = 0; i < f->call->argument_count; i++) {
        const char *name = f->call->arguments[i].name;
        bool found = name == NULL;
        for (size_t k = 0; !found && known[k] != NULL; k++)
            found = strcasecmp(name, known[k]) == 0;
        if (!found)
            return name;
    }
    return NULL;
}

void ei_facts_put_call(struct ei_buf *b, const struct ei_facts *f, const char *function,
                       const char *options) {
    ei_buf_printf(b, "%s([", function);
    for (size_t i = 0; i < f->file_count; i++) {
        ei_buf_puts(b, i > 0 ? ", " : "");
        ei_buf_sql_string(b, f->files[i].path);
    }
    ei_buf_printf(b, "]%s)", options != NULL ? options : "");
}

int ei_facts_describe(struct ei_facts *f, const char *function, const char *options,
                      struct ei_rows *out, struct ei_error *e) {
    struct ei_buf sql = {0};
    ei_buf_puts(&sql, "SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM ");
    ei_facts_put_call(&sql, f, function, options);
    ei_buf_putc(&sql, ')');
    int rc = ei_rows_query(f->c, sql.data, out, e);
    ei_buf_release(&sql);
    if (rc != 0) {
        e->code = EI_INVALID; /* the files are there; DuckDB calls a broken one an I/O error */
        (void)ei_wrap(e, "cannot read %s", f->out->label);
    }
    return rc;
}

void ei_facts_set_columns(struct ei_facts *f, const struct ei_rows *described) {
    Eider__V1__TableInput *in = f->out->input;
    in->columns = ei_calloc(described->row_count, sizeof *in->columns);
    for (size_t i = 0; i < described->row_count; i++) {
        Eider__V1__Column *column = ei_malloc(sizeof *column);
        eider__v1__column__init(column);
        ei_facts_set(&column->name, ei_rows_at(described, i, 0));
        ei_facts_set(&column->type, ei_rows_at(described, i, 1));
        in->columns[in->n_columns++] = column;
    }
}

void ei_facts_whole(struct ei_facts *f, const char *function, const char *reason) {
    struct ei_buf b = {0};
    static const char *const NONE[] = {NULL};
    if (reason == NULL)
        f->out->whole_reason = ei_asprintf("of the options of %s, such as %s", function,
                                           ei_facts_other_option(f, NONE));
    else
        f->out->whole_reason = ei_strdup(reason);
    f->out->input->kind = EIDER__V1__SOURCE_KIND__SOURCE_SQL;
    ei_facts_set(&f->out->input->options, "");
    ei_facts_set(&f->out->input->first_options, "");
    ei_buf_puts(&b, "SELECT * FROM ");
    ei_facts_put_call(&b, f, function, f->user_options.data);
    ei_facts_set(&f->out->input->sql, b.data);
    ei_buf_release(&b);
}

/* ---- the whole thing ---- */

static void set_user_options(struct ei_facts *f) {
    for (size_t i = 0; i < f->call->argument_count; i++)
        if (f->call->arguments[i].name != NULL)
            ei_buf_printf(&f->user_options, ", %s=%s", f->call->arguments[i].name,
                          f->call->arguments[i].sql);
}

static int choose_reader(struct ei_facts *f, struct ei_error *e) {
    if (f->call->function[0] == '\0')
        f->reader = reader_of_path(f->files[0].path);
    else
        f->reader = reader_of_function(f->call->function);
    if (f->reader != EI_READER_NONE)
        return 0;
    if (f->call->function[0] != '\0')
        return ei_fail(e, EI_UNSUPPORTED, "%s does not read files", f->call->function);
    return ei_fail(e, EI_INVALID,
                   "the name of %s does not say its format: use read_csv('...'), "
                   "read_json, read_parquet, read_lines or read_access_log",
                   f->files[0].path);
}

static void set_label(struct ei_facts *f) {
    const char *name = strrchr(f->files[0].path, '/');
    name = name != NULL ? name + 1 : f->files[0].path;
    f->out->label = f->file_count == 1 ? ei_strdup(name)
                                       : ei_asprintf("%s and %zu more", name, f->file_count - 1);
}

static int load(struct ei_facts *f, struct ei_error *e) {
    if (ei_facts_find_files(f, e) != 0 || choose_reader(f, e) != 0)
        return -1;
    set_label(f);
    ei_facts_fill_whole(f);
    switch (f->reader) {
    case EI_READER_PARQUET:
        return ei_facts_parquet(f, e);
    case EI_READER_CSV:
        return ei_facts_csv(f, e);
    case EI_READER_JSON:
    case EI_READER_NDJSON:
        return ei_facts_json(f, e);
    default:
        return ei_facts_text(f, e);
    }
}

int ei_table_facts_load_limited(duckdb_connection c, const struct ei_table_call *call,
                                uint32_t want_splits, const struct ei_table_limits *limits,
                                struct ei_table_facts **out, struct ei_error *e) {
    struct ei_facts f = {.c = c, .call = call, .limits = limits, .want_splits = want_splits};
    f.out = ei_calloc(1, sizeof *f.out);
    f.out->input = ei_malloc(sizeof *f.out->input);
    eider__v1__table_input__init(f.out->input);
    set_user_options(&f);
    int rc = load(&f, e);
    for (size_t i = 0; i < f.file_count; i++)
        free(f.files[i].path);
    free(f.files);
    free(f.pieces);
    ei_buf_release(&f.user_options);
    if (rc == 0)
        *out = f.out;
    else
        ei_table_facts_destroy(f.out);
    return rc;
}

int ei_table_facts_load(duckdb_connection c, const struct ei_table_call *call, uint32_t want_splits,
                        struct ei_table_facts **out, struct ei_error *e) {
    return ei_table_facts_load_limited(c, call, want_splits, &LIMITS, out, e);
}

void ei_table_facts_destroy(struct ei_table_facts *f) {
    if (f == NULL)
        return;
    for (size_t i = 0; i < f->split_count; i++)
        eider__v1__split__free_unpacked(f->splits[i], NULL);
    free(f->splits);
    if (f->whole != NULL)
        eider__v1__split__free_unpacked(f->whole, NULL);
    eider__v1__table_input__free_unpacked(f->input, NULL);
    free(f->whole_reason);
    free(f->label);
    free(f);
}
