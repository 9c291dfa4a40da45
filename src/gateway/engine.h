/* The gateway's DuckDB: binds and formats, never scans user data beyond headers and samples. */
#ifndef EIDER_GATEWAY_ENGINE_H
#define EIDER_GATEWAY_ENGINE_H

#include "duck/engine.h"
#include "gateway/internal.h"

#define EI_GATEWAY_MEMORY_BYTES (512u << 20)

/* Opens the database and learns DuckDB's function names and this process's time zone. */
int ei_gateway_engine_open(struct ei_gateway *g, struct ei_error *e);
void ei_gateway_engine_close(struct ei_gateway *g);
int ei_gateway_connect(const struct ei_gateway *g, duckdb_connection *out, struct ei_error *e);

/* The first column of a query's rows as text; NULL cells are skipped. `each` may stop with -1. */
int ei_gateway_each(duckdb_connection c, const char *sql,
                    int (*each)(void *data, const char *text, size_t len, struct ei_error *e),
                    void *data, struct ei_error *e);
/* The one text cell that a query gives. The caller frees *out. */
int ei_gateway_text(duckdb_connection c, const char *sql, char **out, struct ei_error *e);
/* Likewise of a statement whose parameters are bound. */
int ei_gateway_prepared_text(duckdb_prepared_statement statement, char **out, struct ei_error *e);

#endif
