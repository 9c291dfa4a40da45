/* DuckDB's types: their physical layout, and their names. */
#ifndef EIDER_DUCK_TYPES_H
#define EIDER_DUCK_TYPES_H

#include "base/buf.h"
#include "duck/api.h"
#include "exchange/layout.h"

#include <stdbool.h>

/* Appends the nodes of one column of this type. EI_UNSUPPORTED for a type that cannot be exchanged.
 */
int ei_duck_layout_add(duckdb_logical_type type, struct ei_layout *l, struct ei_error *e);

/* Type text, as DuckDB prints it -> type. The caller destroys *out. */
int ei_duck_type_parse(duckdb_connection c, const char *text, duckdb_logical_type *out,
                       struct ei_error *e);

/* Several at once, with their layout. The caller frees *types (ei_duck_types_free) and *layout. */
int ei_duck_types_parse(duckdb_connection c, const char *const *texts, size_t count,
                        duckdb_logical_type **types, struct ei_layout *layout, struct ei_error *e);

/* Appends the type's name, as DuckDB would print it and can parse it. */
void ei_duck_type_print(duckdb_logical_type type, struct ei_buf *out);

/* The columns of a prepared statement: fills *layout and, if not NULL, *types (the caller frees the
 * array with ei_duck_types_free). */
int ei_duck_statement_layout(duckdb_prepared_statement s, struct ei_layout *layout,
                             duckdb_logical_type **types, struct ei_error *e);
/* Does the type have this one in it, at any depth? */
bool ei_duck_type_contains(duckdb_logical_type type, duckdb_type id);
void ei_duck_types_free(duckdb_logical_type *types, size_t count);

#endif
