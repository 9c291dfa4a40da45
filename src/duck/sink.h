/* Runs a SELECT and writes its rows into an exchange file. */
#ifndef EIDER_DUCK_SINK_H
#define EIDER_DUCK_SINK_H

#include "duck/api.h"
#include "exchange/file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ei_sink_options {
    const char *path;            /* must not exist; created 0600, removed again on failure */
    struct ei_attempt_id id;     /* into the file and each block */
    const uint32_t *key_columns; /* columns of the SELECT (from 0), hashed for the partition */
    size_t key_count;            /* 0 with more than one partition: the hash of all columns */
    uint32_t partitions;         /* 0 counts as 1 */
    bool keep_order;       /* rows in the order of the SELECT (needs one partition): results */
    uint64_t memory_bytes; /* for rows not yet written; 0 = 64 MiB */
    _Atomic uint64_t *rows_written; /* counted up while running, if not NULL */
};

struct ei_sink_result {
    uint64_t rows, bytes;     /* bytes = of the file */
    uint64_t *partition_rows; /* owned: ei_sink_result_release */
    uint64_t *partition_bytes;
    uint32_t partitions;
};
void ei_sink_result_release(struct ei_sink_result *r);

/* On success the file is complete (not synced) and *r is filled. Errors of the SELECT carry
 * DuckDB's words; EI_NO_SPACE and EI_IO say which file. */
int ei_duck_write_exchange(duckdb_connection c, const char *sql, const struct ei_sink_options *o,
                           struct ei_sink_result *r, struct ei_error *e);

/* For ei_duck_engine_open. */
int ei_duck_register_sink(duckdb_connection c, struct ei_error *e);

#endif
