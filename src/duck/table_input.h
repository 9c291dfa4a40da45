/* The executor's side of tables of files: turns one TableInput and the slices that a task reads of
 * it into a temporary view on the task's connection. */
#ifndef EIDER_DUCK_TABLE_INPUT_H
#define EIDER_DUCK_TABLE_INPUT_H

#include "base/error.h"
#include "duck/api.h"
#include "wire/messages.h"

#include <stddef.h>
#include <stdint.h>

struct ei_duck_table;

/* What was read so far. For Parquet, CSV, JSON and SQL inputs, whose reader is DuckDB's, bytes are
 * those of the slices and rows are known for Parquet only. */
struct ei_duck_table_counts {
    uint64_t rows;
    uint64_t bytes;
    uint64_t malformed_lines;
};

/* Registers our table functions; once for each database, before the first ei_duck_bind_table. */
int ei_duck_register_sources(duckdb_connection c, struct ei_error *e);

/* Creates the temporary view in->name on c, which shows in->columns over the split's slices. The
 * memory behind its strings stays until ei_duck_table_close. `scratch_dir` may be NULL. Fails with
 * EI_INPUT_MISSING when a file is gone or unreadable, EI_INVALID when it changed since planning. */
int ei_duck_bind_table(duckdb_connection c, const Eider__V1__TableInput *in,
                       const Eider__V1__Split *split, const char *scratch_dir,
                       struct ei_duck_table **out, struct ei_error *e);

/* Safe to call from any thread while the statement runs. */
void ei_duck_table_counts(const struct ei_duck_table *t, struct ei_duck_table_counts *out);

/* After the statement: the first few malformed lines, "access.log:17: text" ("access.log:@9000: "
 * with a byte offset where the line's number is not known). The strings live until close. */
size_t ei_duck_table_warnings(const struct ei_duck_table *t, const char *const **lines);

/* After a statement that failed: gives the user's file names and line numbers back to the text of
 * DuckDB's error, which speaks of the slice that it read. */
void ei_duck_table_explain(const struct ei_duck_table *t, struct ei_error *e);

/* Drops the view and frees everything, after the statement's result is destroyed. NULL-safe. */
void ei_duck_table_close(duckdb_connection c, struct ei_duck_table *t);

#endif
