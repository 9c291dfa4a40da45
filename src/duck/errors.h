/* DuckDB's errors become ours: a code and DuckDB's own words. */
#ifndef EIDER_DUCK_ERRORS_H
#define EIDER_DUCK_ERRORS_H

#include "base/buf.h"
#include "duck/api.h"

#include <stdint.h>

/* Fills *e from DuckDB's text (may be NULL) and its error type (-1: told from the text). The
 * excerpt of the SQL ("LINE 1: ...") and stack traces are cut off. Returns -1. */
int ei_duck_error(const char *duck_text, int error_type, struct ei_error *e);

/* Cuts DuckDB's text into the message (appended) and the place in `sql` that it points at: 1 + byte
 * offset, 0 if it points nowhere. sql may be NULL. */
void ei_duck_error_cut(const char *duck_text, const char *sql, struct ei_buf *message,
                       uint32_t *position);

/* The error of a failed statement, preparation or of a result that ended early. */
int ei_duck_result_error(duckdb_result *result, struct ei_error *e);

/* Runs statements whose result nobody needs. */
int ei_duck_run(duckdb_connection c, const char *sql, struct ei_error *e);

#endif
