/* Exchange files as a view in a connection: what earlier stages put out, read in place from the
 * mapped files. */
#ifndef EIDER_DUCK_SOURCE_H
#define EIDER_DUCK_SOURCE_H

#include "duck/api.h"
#include "exchange/file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ei_duck_column {
    const char *name;
    const char *type; /* as DuckDB prints it */
};

struct ei_exchange_part { /* one file */
    const char *path;
    struct ei_attempt_id id; /* the file must have been written by this attempt */
};

struct ei_bind_options {
    uint32_t first_partition, partition_count; /* of every file */
    /* Inputs below 4 MB and 100,000 rows become a temporary table instead of a view: DuckDB then
     * has statistics and joins in a better order. */
    bool materialise_small;
};

struct ei_duck_source;
#define EI_NO_PART ((size_t)-1)

/* Creates (or replaces) the temporary view `view_name`. A column whose name was there before gets a
 * suffix (a, a_1); no columns at all become one, no_columns, of arbitrary values. On failure
 * *bad_part (may be NULL) is the number of the part whose file is missing (EI_INPUT_LOST), damaged
 * or another attempt's (EI_CORRUPT), else EI_NO_PART. */
int ei_duck_bind_exchange(duckdb_connection c, const char *view_name,
                          const struct ei_duck_column *columns, size_t column_count,
                          const struct ei_exchange_part *parts, size_t part_count,
                          const struct ei_bind_options *o, struct ei_duck_source **out,
                          size_t *bad_part, struct ei_error *e);

/* After a statement failed: -1, *e (EI_CORRUPT) and *bad_part if it failed because of this source.
 */
int ei_duck_source_error(const struct ei_duck_source *s, size_t *bad_part, struct ei_error *e);

/* Rows and bytes (of blocks) read so far; from any thread while the source is open. */
void ei_duck_source_progress(const struct ei_duck_source *s, uint64_t *rows, uint64_t *bytes);
/* What is there to be read, from the indexes. */
uint64_t ei_duck_source_rows(const struct ei_duck_source *s);

/* Drops the view and unmaps the files: after the results of all statements that read it are
 * destroyed, while the connection is still open, on its thread. NULL-safe. */
void ei_duck_source_close(struct ei_duck_source *s);

/* For ei_duck_engine_open. */
int ei_duck_register_source(duckdb_connection c, struct ei_error *e);

#endif
