/* Result files -> lines of JSON rows. DuckDB turns values into text, so that they look as in
 * DuckDB; this file puts quotes and commas around them. Rows are made a piece at a time: between
 * the pieces no thread waits for a slow client. */
#include "gateway/engine.h"
#include "duck/errors.h"
#include "duck/source.h"
#include "base/mem.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE_BYTES (512u << 10)

enum form {
    FORM_TEXT,   /* a JSON string */
    FORM_NUMBER, /* as it is if it is a JSON number: NaN and inf become strings */
    FORM_RAW,    /* is JSON already */
};

struct ei_rows {
    duckdb_connection connection;
    struct ei_duck_source *source;
    duckdb_result result;
    bool has_result;
    enum form *forms;
    size_t columns;
    uint64_t count;
    struct ei_rows_file *files; /* owned */
    size_t file_count;
};

static bool starts(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

static enum form form_of(const char *type, bool typed) {
    static const char *const NUMBERS[] = {
        "TINYINT",  "SMALLINT", "INTEGER",  "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT",
        "UINTEGER", "UBIGINT",  "UHUGEINT", "FLOAT",  "DOUBLE",  "BIGNUM"};
    size_t n = strlen(type);
    if (!typed)
        return FORM_TEXT;
    if (n > 0 && type[n - 1] == ']')
        return FORM_RAW;
    if (starts(type, "STRUCT(") || starts(type, "MAP(") || starts(type, "UNION(") ||
        strcmp(type, "JSON") == 0 || strcmp(type, "BOOLEAN") == 0)
        return FORM_RAW;
    for (size_t i = 0; i < EI_ARRAY_LEN(NUMBERS); i++)
        if (strcmp(type, NUMBERS[i]) == 0)
            return FORM_NUMBER;
    return starts(type, "DECIMAL(") ? FORM_NUMBER : FORM_TEXT;
}

static char *text_query(struct ei_rows *r, const struct ei_plan_schema *schema, bool typed) {
    struct ei_buf sql = {0};
    ei_buf_puts(&sql, "SELECT ");
    for (size_t i = 0; i < schema->count; i++) {
        r->forms[i] = form_of(schema->columns[i].type, typed);
        bool nested = r->forms[i] == FORM_RAW && strcmp(schema->columns[i].type, "BOOLEAN") != 0 &&
                      strcmp(schema->columns[i].type, "JSON") != 0;
        ei_buf_printf(&sql, "%sCAST(%sc%zu%s AS VARCHAR)", i == 0 ? "" : ", ",
                      nested ? "to_json(" : "", i, nested ? ")" : "");
    }
    ei_buf_puts(&sql, " FROM result_rows");
    return ei_buf_steal(&sql);
}

static int bind_files(struct ei_rows *r, const struct ei_plan_schema *schema, uint64_t job,
                      struct ei_error *e) {
    struct ei_duck_column *columns = ei_calloc(schema->count, sizeof *columns);
    struct ei_exchange_part *parts = ei_calloc(r->file_count, sizeof *parts);
    for (size_t i = 0; i < schema->count; i++) {
        columns[i].name = ei_asprintf("c%zu", i);
        columns[i].type = schema->columns[i].type;
    }
    for (size_t i = 0; i < r->file_count; i++) {
        const struct ei_rows_file *f = &r->files[i];
        parts[i] = (struct ei_exchange_part){f->path, {job, f->stage, f->task, f->attempt}};
    }
    struct ei_bind_options o = {.partition_count = 1};
    int rc = ei_duck_bind_exchange(r->connection, "result_rows", columns, schema->count, parts,
                                   r->file_count, &o, &r->source, NULL, e);
    for (size_t i = 0; i < schema->count; i++)
        free((char *)columns[i].name);
    free(columns);
    free(parts);
    return rc;
}

static int start(struct ei_rows *r, const char *sql, struct ei_error *e) {
    duckdb_prepared_statement statement = NULL;
    if (duckdb_prepare(r->connection, sql, &statement) != DuckDBSuccess) {
        (void)ei_duck_error(duckdb_prepare_error(statement), -1, e);
        duckdb_destroy_prepare(&statement);
        return -1;
    }
    duckdb_pending_result pending = NULL;
    int rc = 0;
    if (duckdb_pending_prepared_streaming(statement, &pending) != DuckDBSuccess) {
        rc = ei_duck_error(duckdb_pending_error(pending), -1, e);
    } else if (duckdb_execute_pending(pending, &r->result) != DuckDBSuccess) {
        rc = ei_duck_result_error(&r->result, e);
        duckdb_destroy_result(&r->result);
    } else {
        r->has_result = true;
    }
    duckdb_destroy_pending(&pending);
    duckdb_destroy_prepare(&statement);
    return rc;
}

int ei_rows_open(struct ei_gateway *g, const struct ei_plan_schema *schema, uint64_t job,
                 const struct ei_rows_file *files, size_t count, bool typed_json,
                 const char *settings, struct ei_rows **out, struct ei_error *e) {
    struct ei_rows *r = ei_calloc(1, sizeof *r);
    *out = r;
    r->columns = schema->count;
    r->forms = ei_calloc(schema->count, sizeof *r->forms);
    r->files = ei_calloc(count, sizeof *r->files);
    r->file_count = count;
    for (size_t i = 0; i < count; i++) {
        r->files[i] = files[i];
        r->files[i].path = ei_strdup(files[i].path);
    }
    if (ei_gateway_connect(g, &r->connection, e) != 0 ||
        (settings != NULL && ei_duck_run(r->connection, settings, e) != 0) ||
        bind_files(r, schema, job, e) != 0)
        return -1;
    char *sql = text_query(r, schema, typed_json);
    int rc = start(r, sql, e);
    free(sql);
    return rc;
}

static bool json_number(const char *text, size_t len) {
    size_t i = len > 0 && text[0] == '-';
    return i < len && isdigit((unsigned char)text[i]);
}

static void put_value(struct ei_buf *out, enum form form, const char *text, size_t len) {
    if (form == FORM_RAW || (form == FORM_NUMBER && json_number(text, len)))
        ei_buf_append(out, text, len);
    else
        ei_buf_json_string(out, text, len);
}

static void put_chunk(struct ei_rows *r, duckdb_data_chunk chunk, struct ei_buf *out) {
    idx_t rows = duckdb_data_chunk_get_size(chunk);
    duckdb_string_t **strings = ei_calloc(r->columns, sizeof *strings);
    uint64_t **validity = ei_calloc(r->columns, sizeof *validity);
    for (size_t c = 0; c < r->columns; c++) {
        duckdb_vector v = duckdb_data_chunk_get_vector(chunk, c);
        strings[c] = duckdb_vector_get_data(v);
        validity[c] = duckdb_vector_get_validity(v);
    }
    for (idx_t i = 0; i < rows; i++) {
        ei_buf_puts(out, r->count++ > 0 && out->data[out->len - 1] == ']' ? ",[" : "[");
        for (size_t c = 0; c < r->columns; c++) {
            if (c > 0)
                ei_buf_putc(out, ',');
            if (validity[c] != NULL && !duckdb_validity_row_is_valid(validity[c], i))
                ei_buf_puts(out, "null");
            else
                put_value(out, r->forms[c], duckdb_string_t_data(&strings[c][i]),
                          duckdb_string_t_length(strings[c][i]));
        }
        ei_buf_putc(out, ']');
    }
    free(strings);
    free(validity);
}

int ei_rows_next(struct ei_rows *r, struct ei_buf *out, bool *done, struct ei_error *e) {
    static const char OPEN[] = "{\"rows\":[";
    size_t begin = out->len;
    ei_buf_puts(out, OPEN);
    *done = false;
    while (out->len - begin < PIECE_BYTES) {
        duckdb_data_chunk chunk = duckdb_fetch_chunk(r->result);
        if (chunk == NULL) {
            const char *failed = duckdb_result_error(&r->result);
            if (failed != NULL && failed[0] != '\0')
                return ei_duck_result_error(&r->result, e);
            *done = true;
            break;
        }
        put_chunk(r, chunk, out);
        duckdb_destroy_data_chunk(&chunk);
    }
    if (out->len - begin == sizeof OPEN - 1) {
        out->len = begin;
        out->data[begin] = '\0';
    } else {
        ei_buf_puts(out, "]}\n");
    }
    return 0;
}

uint64_t ei_rows_count(const struct ei_rows *r) {
    return r->count;
}

void ei_rows_destroy(struct ei_rows *r) {
    if (r == NULL)
        return;
    if (r->has_result)
        duckdb_destroy_result(&r->result);
    ei_duck_source_close(r->source);
    if (r->connection != NULL)
        duckdb_disconnect(&r->connection);
    for (size_t i = 0; i < r->file_count; i++) {
        if (r->files[i].temporary)
            (void)unlink(r->files[i].path);
        free(r->files[i].path);
    }
    free(r->files);
    free(r->forms);
    free(r);
}
