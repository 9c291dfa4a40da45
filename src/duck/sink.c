/* Two ways in. Where order does not matter the SELECT becomes the inside of
 *   SELECT sum(eider_sink(handle, hash(keys), columns...)) FROM (SELECT ...)
 * whose scalar function writes: nothing is buffered on the way. An aggregate does not promise its
 * input's ORDER BY (DuckDB 1.5 keeps it, another may drop it), so results that have an order are
 * streamed in chunks instead. */
#include "duck/sink.h"

#include "base/mem.h"
#include "duck/errors.h"
#include "duck/exchange_writer.h"
#include "duck/handles.h"
#include "duck/types.h"
#include "duck/vectors.h"

#include <ctype.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define LEADING 2 /* arguments of eider_sink before the columns: handle, hash */

struct sink {
    pthread_mutex_t lock; /* of everything: DuckDB may call from more than one thread */
    struct ei_exchange_writer *writer;
    struct ei_layout layout;
    struct ei_vector *vectors;
    bool failed;
    struct ei_error error;
};

/* The columns of the chunk, which must be of the types that were prepared: the function is visible
 * to SQL, and a call of other shape than ours must not be believed. */
static int take_columns(struct sink *s, duckdb_data_chunk chunk, idx_t leading,
                        struct ei_error *e) {
    struct ei_layout seen = {0};
    idx_t columns = duckdb_data_chunk_get_column_count(chunk);
    int status = 0;
    for (idx_t i = leading; i < columns && status == 0; i++) {
        duckdb_vector v = duckdb_data_chunk_get_vector(chunk, i);
        duckdb_logical_type type = duckdb_vector_get_column_type(v);
        status = ei_duck_layout_add(type, &seen, e);
        duckdb_destroy_logical_type(&type);
    }
    if (status == 0)
        status = ei_layout_seal(&seen, e);
    if (status == 0 && !ei_layout_equal(&seen, &s->layout))
        status = ei_fail(e, EI_INTERNAL,
                         "the statement gives other column types than it was "
                         "prepared with");
    ei_layout_release(&seen);
    if (status != 0)
        return -1;
    uint32_t node = 0;
    for (idx_t i = leading; i < columns; i++, node = s->layout.nodes[node].next)
        ei_duck_vectors_get(&s->layout, node, duckdb_data_chunk_get_vector(chunk, i), s->vectors);
    return 0;
}

static int sink_chunk(struct sink *s, duckdb_data_chunk chunk, idx_t leading,
                      const uint64_t *hashes) {
    pthread_mutex_lock(&s->lock);
    if (!s->failed &&
        (take_columns(s, chunk, leading, &s->error) != 0 ||
         ei_exchange_writer_add(s->writer, s->vectors, hashes,
                                (uint32_t)duckdb_data_chunk_get_size(chunk), &s->error) != 0))
        s->failed = true;
    int status = s->failed ? -1 : 0;
    pthread_mutex_unlock(&s->lock);
    return status;
}

static void sink_function(duckdb_function_info info, duckdb_data_chunk input,
                          duckdb_vector output) {
    idx_t n = duckdb_data_chunk_get_size(input);
    duckdb_vector handles = duckdb_data_chunk_get_vector(input, 0);
    duckdb_vector hashes = duckdb_data_chunk_get_vector(input, 1);
    memset(duckdb_vector_get_data(output), 0, n * sizeof(int64_t));
    if (n == 0)
        return;
    struct sink *s = NULL;
    if (duckdb_vector_get_validity(handles) == NULL && duckdb_vector_get_validity(hashes) == NULL)
        s = ei_handle_get(EI_HANDLE_SINK, *(const uint64_t *)duckdb_vector_get_data(handles));
    if (s == NULL)
        duckdb_scalar_function_set_error(info, "eider_sink is not for use in SQL");
    else if (sink_chunk(s, input, LEADING, duckdb_vector_get_data(hashes)) != 0)
        duckdb_scalar_function_set_error(info, s->error.text);
}

int ei_duck_register_sink(duckdb_connection c, struct ei_error *e) {
    duckdb_scalar_function f = duckdb_create_scalar_function();
    duckdb_logical_type ubigint = duckdb_create_logical_type(DUCKDB_TYPE_UBIGINT);
    duckdb_logical_type bigint = duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
    duckdb_logical_type any = duckdb_create_logical_type(DUCKDB_TYPE_ANY);
    duckdb_scalar_function_set_name(f, "eider_sink");
    duckdb_scalar_function_add_parameter(f, ubigint);
    duckdb_scalar_function_add_parameter(f, ubigint);
    duckdb_scalar_function_set_varargs(f, any);
    duckdb_scalar_function_set_return_type(f, bigint);
    duckdb_scalar_function_set_volatile(f);
    duckdb_scalar_function_set_special_handling(f);
    duckdb_scalar_function_set_function(f, sink_function);
    duckdb_state state = duckdb_register_scalar_function(c, f);
    duckdb_destroy_logical_type(&ubigint);
    duckdb_destroy_logical_type(&bigint);
    duckdb_destroy_logical_type(&any);
    duckdb_destroy_scalar_function(&f);
    if (state == DuckDBSuccess)
        return 0;
    return ei_fail(e, EI_INTERNAL, "DuckDB does not take the function eider_sink");
}

/* ---- running ---- */

/* The SELECT without what would end it too early inside of brackets. */
static size_t select_length(const char *sql) {
    size_t n = strlen(sql);
    while (n > 0 && (isspace((unsigned char)sql[n - 1]) || sql[n - 1] == ';'))
        n--;
    return n;
}

static void put_hash(struct ei_buf *sql, const struct ei_sink_options *o, uint32_t columns) {
    if (o->partitions <= 1) {
        ei_buf_puts(sql, "0::UBIGINT");
        return;
    }
    size_t n = o->key_count > 0 ? o->key_count : columns;
    for (size_t i = 0; i < n; i++)
        ei_buf_printf(sql, "%sc%u", i == 0 ? "hash(" : ", ",
                      o->key_count > 0 ? o->key_columns[i] : (uint32_t)i);
    ei_buf_putc(sql, ')');
}

/* A bare NULL is an INTEGER in a result but of no type inside of brackets: a cast makes it one. For
 * a column that is of the type already the cast costs nothing. */
static void put_column(struct ei_buf *sql, uint32_t i, duckdb_logical_type type) {
    if (!ei_duck_type_contains(type, DUCKDB_TYPE_INTEGER)) {
        ei_buf_printf(sql, ", c%u", i);
        return;
    }
    ei_buf_printf(sql, ", CAST(c%u AS ", i);
    ei_duck_type_print(type, sql);
    ei_buf_putc(sql, ')');
}

static int run_wrapped(duckdb_connection c, const char *select, const duckdb_logical_type *types,
                       const struct ei_sink_options *o, struct sink *s, struct ei_error *e) {
    struct ei_buf sql = {0};
    uint64_t handle = ei_handle_add(EI_HANDLE_SINK, s);
    ei_buf_printf(&sql, "SELECT sum(eider_sink(%" PRIu64 "::UBIGINT, ", handle);
    put_hash(&sql, o, s->layout.columns);
    for (uint32_t i = 0; i < s->layout.columns; i++)
        put_column(&sql, i, types[i]);
    ei_buf_puts(&sql, ")) FROM (");
    ei_buf_append(&sql, select, select_length(select));
    ei_buf_puts(&sql, "\n) AS eider_rows(");
    for (uint32_t i = 0; i < s->layout.columns; i++)
        ei_buf_printf(&sql, "%sc%u", i == 0 ? "" : ", ", i);
    ei_buf_putc(&sql, ')');
    int status = ei_duck_run(c, sql.data, e);
    ei_handle_remove(handle);
    ei_buf_release(&sql);
    return status;
}

static int stream_result(duckdb_result *result, struct sink *s, struct ei_error *e) {
    for (;;) {
        duckdb_data_chunk chunk = duckdb_fetch_chunk(*result);
        if (chunk == NULL)
            break;
        idx_t n = duckdb_data_chunk_get_size(chunk);
        int status = n > 0 ? sink_chunk(s, chunk, 0, NULL) : 0;
        duckdb_destroy_data_chunk(&chunk);
        if (status != 0 || n == 0)
            return status;
    }
    const char *why = duckdb_result_error(result);
    return why == NULL || why[0] == '\0' ? 0 : ei_duck_result_error(result, e);
}

static int run_streaming(duckdb_prepared_statement statement, struct sink *s, struct ei_error *e) {
    duckdb_pending_result pending = NULL;
    duckdb_result result = {0};
    int status = 0;
    if (duckdb_pending_prepared_streaming(statement, &pending) == DuckDBError) {
        status = ei_duck_error(duckdb_pending_error(pending), -1, e);
    } else {
        if (duckdb_execute_pending(pending, &result) == DuckDBError)
            status = ei_duck_result_error(&result, e);
        else
            status = stream_result(&result, s, e);
        duckdb_destroy_result(&result);
    }
    duckdb_destroy_pending(&pending);
    return status;
}

static int check_options(const struct ei_sink_options *o, uint32_t columns, struct ei_error *e) {
    if (o->keep_order && o->partitions > 1)
        return ei_fail(e, EI_INTERNAL, "rows that keep their order cannot be partitioned");
    for (size_t i = 0; i < o->key_count; i++) {
        if (o->key_columns[i] >= columns)
            return ei_fail(e, EI_INTERNAL, "key column %u is not one of the %u columns",
                           o->key_columns[i], columns);
    }
    return 0;
}

static int run(duckdb_connection c, const char *sql, duckdb_prepared_statement statement,
               const struct ei_sink_options *o, struct ei_sink_result *r, struct ei_error *e) {
    struct sink s = {.lock = PTHREAD_MUTEX_INITIALIZER};
    duckdb_logical_type *types = NULL;
    if (ei_duck_statement_layout(statement, &s.layout, &types, e) != 0)
        return -1;
    int status = check_options(o, s.layout.columns, e);
    if (status == 0)
        status = ei_exchange_writer_create(o, &s.layout, &s.writer, e);
    if (status == 0) {
        s.vectors = ei_calloc(s.layout.count, sizeof *s.vectors);
        status =
            o->keep_order ? run_streaming(statement, &s, e) : run_wrapped(c, sql, types, o, &s, e);
        if (s.failed) { /* ours says more than DuckDB's words about it */
            if (e != NULL)
                *e = s.error;
            status = -1;
        }
    }
    if (status == 0)
        status = ei_exchange_writer_finish(s.writer, r, e);
    ei_exchange_writer_destroy(s.writer);
    free(s.vectors);
    ei_duck_types_free(types, s.layout.columns);
    ei_layout_release(&s.layout);
    return status;
}

int ei_duck_write_exchange(duckdb_connection c, const char *sql, const struct ei_sink_options *o,
                           struct ei_sink_result *r, struct ei_error *e) {
    duckdb_prepared_statement statement = NULL;
    int status = 0;
    *r = (struct ei_sink_result){0};
    if (duckdb_prepare(c, sql, &statement) == DuckDBError)
        status = ei_duck_error(duckdb_prepare_error(statement), -1, e);
    else
        status = run(c, sql, statement, o, r, e);
    duckdb_destroy_prepare(&statement);
    return status;
}
