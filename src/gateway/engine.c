#include "gateway/engine.h"
#include "duck/errors.h"
#include "base/mem.h"
#include "os/os.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct ei_engine {
    struct ei_duck_engine *duck;
};

static int each_of_chunk(duckdb_data_chunk chunk,
                         int (*each)(void *data, const char *text, size_t len, struct ei_error *e),
                         void *data, struct ei_error *e) {
    duckdb_vector vector = duckdb_data_chunk_get_vector(chunk, 0);
    duckdb_string_t *strings = duckdb_vector_get_data(vector);
    uint64_t *validity = duckdb_vector_get_validity(vector);
    idx_t rows = duckdb_data_chunk_get_size(chunk);
    for (idx_t i = 0; i < rows; i++) {
        if (validity != NULL && !duckdb_validity_row_is_valid(validity, i))
            continue;
        if (each(data, duckdb_string_t_data(&strings[i]), duckdb_string_t_length(strings[i]), e) !=
            0)
            return -1;
    }
    return 0;
}

/* Takes the result over. */
static int each_of_result(duckdb_result *result,
                          int (*each)(void *data, const char *text, size_t len, struct ei_error *e),
                          void *data, struct ei_error *e) {
    int rc = 0;
    if (duckdb_column_type(result, 0) != DUCKDB_TYPE_VARCHAR)
        rc = ei_fail(e, EI_INTERNAL, "the gateway expected a text column of its own query");
    duckdb_data_chunk chunk;
    while (rc == 0 && (chunk = duckdb_fetch_chunk(*result)) != NULL) {
        rc = each_of_chunk(chunk, each, data, e);
        duckdb_destroy_data_chunk(&chunk);
    }
    duckdb_destroy_result(result);
    return rc;
}

int ei_gateway_each(duckdb_connection c, const char *sql,
                    int (*each)(void *data, const char *text, size_t len, struct ei_error *e),
                    void *data, struct ei_error *e) {
    duckdb_result result;
    if (duckdb_query(c, sql, &result) != DuckDBSuccess) {
        (void)ei_duck_result_error(&result, e);
        duckdb_destroy_result(&result);
        return -1;
    }
    return each_of_result(&result, each, data, e);
}

static int keep_text(void *data, const char *text, size_t len, struct ei_error *e) {
    char **out = data;
    (void)e;
    if (*out == NULL)
        *out = ei_strndup(text, len);
    return 0;
}

int ei_gateway_text(duckdb_connection c, const char *sql, char **out, struct ei_error *e) {
    *out = NULL;
    if (ei_gateway_each(c, sql, keep_text, out, e) != 0) {
        free(*out);
        *out = NULL;
        return -1;
    }
    return *out != NULL ? 0 : ei_fail(e, EI_INTERNAL, "no answer to: %.200s", sql);
}

int ei_gateway_prepared_text(duckdb_prepared_statement statement, char **out, struct ei_error *e) {
    *out = NULL;
    duckdb_result result;
    if (duckdb_execute_prepared(statement, &result) != DuckDBSuccess) {
        (void)ei_duck_result_error(&result, e);
        duckdb_destroy_result(&result);
        return -1;
    }
    if (each_of_result(&result, keep_text, out, e) != 0) {
        free(*out);
        *out = NULL;
        return -1;
    }
    return *out != NULL ? 0 : ei_fail(e, EI_INTERNAL, "a statement of the gateway gave no row");
}

static int keep_name(void *data, const char *text, size_t len, struct ei_error *e) {
    static char present;
    struct ei_buf name = {0};
    (void)e;
    ei_buf_append(&name, text, len);
    for (size_t i = 0; i < name.len; i++)
        name.data[i] = (char)tolower((unsigned char)name.data[i]);
    (void)ei_map_put(data, name.data, &present);
    ei_buf_release(&name);
    return 0;
}

int ei_gateway_connect(const struct ei_gateway *g, duckdb_connection *out, struct ei_error *e) {
    return ei_duck_connect(g->engine->duck, out, e);
}

/* Names of functions of a kind, and of the macros that call one: geomean() is an aggregate. */
static int keep_functions(duckdb_connection c, const char *kind, struct ei_map *names,
                          struct ei_error *e) {
    char *sql = ei_asprintf(
        "WITH RECURSIVE f(name) AS (SELECT function_name FROM duckdb_functions() WHERE %s UNION "
        "SELECT m.function_name FROM duckdb_functions() m, f WHERE m.function_type = 'macro' AND "
        "(contains('(' || m.macro_definition, '(' || f.name || '(') OR "
        "contains(m.macro_definition, ' ' || f.name || '('))) SELECT DISTINCT name FROM f",
        kind);
    int rc = ei_gateway_each(c, sql, keep_name, names, e);
    free(sql);
    return rc;
}

int ei_gateway_engine_open(struct ei_gateway *g, struct ei_error *e) {
    char *temp = ei_path_join(g->data_dir, "duckdb");
    struct ei_duck_engine_options o = {.memory_limit_bytes = EI_GATEWAY_MEMORY_BYTES,
                                       .temp_directory = temp};
    g->engine = ei_calloc(1, sizeof *g->engine);
    int rc = ei_duck_load(e);
    if (rc == 0)
        rc = ei_duck_engine_open(&o, &g->engine->duck, e);
    free(temp);
    duckdb_connection c = NULL;
    if (rc != 0 || ei_gateway_connect(g, &c, e) != 0)
        return -1;
    rc = keep_functions(c, "function_type = 'aggregate'", &g->aggregates, e);
    if (rc == 0)
        rc = keep_functions(c, "stability = 'VOLATILE' OR contains(macro_definition, 'current_')",
                            &g->volatiles, e);
    if (rc == 0)
        rc = ei_gateway_text(c, "SELECT current_setting('TimeZone')", &g->time_zone, e);
    duckdb_disconnect(&c);
    return rc;
}

void ei_gateway_engine_close(struct ei_gateway *g) {
    if (g->engine == NULL)
        return;
    ei_duck_engine_close(g->engine->duck);
    free(g->engine);
    g->engine = NULL;
    ei_map_release(&g->aggregates);
    ei_map_release(&g->volatiles);
    free(g->time_zone);
}
