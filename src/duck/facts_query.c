#include "duck/facts.h"

#include "base/mem.h"
#include "duck/errors.h"

#include <stdlib.h>

int ei_rows_query(duckdb_connection c, const char *sql, struct ei_rows *out, struct ei_error *e) {
    duckdb_result result;
    *out = (struct ei_rows){0};
    if (duckdb_query(c, sql, &result) != DuckDBSuccess) {
        (void)ei_duck_result_error(&result, e);
        duckdb_destroy_result(&result);
        return -1;
    }
    out->row_count = duckdb_row_count(&result);
    out->column_count = duckdb_column_count(&result);
    out->values = ei_calloc(out->row_count * out->column_count, sizeof *out->values);
    for (size_t row = 0; row < out->row_count; row++)
        for (size_t column = 0; column < out->column_count; column++) {
            char *value = duckdb_value_varchar(&result, column, row);
            out->values[row * out->column_count + column] = ei_strdup(value);
            duckdb_free(value);
        }
    duckdb_destroy_result(&result);
    return 0;
}

void ei_rows_release(struct ei_rows *r) {
    for (size_t i = 0; i < r->row_count * r->column_count; i++)
        free(r->values[i]);
    free(r->values);
    *r = (struct ei_rows){0};
}

const char *ei_rows_at(const struct ei_rows *r, size_t row, size_t column) {
    EI_ASSERT(row < r->row_count && column < r->column_count);
    return r->values[row * r->column_count + column];
}

uint64_t ei_rows_number(const struct ei_rows *r, size_t row, size_t column) {
    const char *text = ei_rows_at(r, row, column);
    return text != NULL ? strtoull(text, NULL, 10) : 0;
}
