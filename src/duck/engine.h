/* An in-memory DuckDB: one per process, one connection per task slot, threads=1, so that each slot
 * is one thread and all share one memory limit and one spill directory. */
#ifndef EIDER_DUCK_ENGINE_H
#define EIDER_DUCK_ENGINE_H

#include "duck/api.h"

#include <stddef.h>
#include <stdint.h>

/* Registers functions on the database behind the connection. */
typedef int (*ei_duck_register_fn)(duckdb_connection c, struct ei_error *e);

struct ei_duck_engine_options {
    uint64_t memory_limit_bytes; /* 0: DuckDB's default, 80 % of the machine: for tests only */
    const char *temp_directory;  /* spill files; NULL = no spilling */
    const ei_duck_register_fn *registrations; /* beside the exchange's own functions */
    size_t registration_count;
};

struct ei_duck_engine;

/* ei_duck_load must have been called. */
int ei_duck_engine_open(const struct ei_duck_engine_options *o, struct ei_duck_engine **out,
                        struct ei_error *e);
/* All connections must be closed. NULL-safe. */
void ei_duck_engine_close(struct ei_duck_engine *engine);

int ei_duck_connect(struct ei_duck_engine *engine, duckdb_connection *out, struct ei_error *e);

/* Stops the statement that runs on this connection, if any; from any thread, as long as the
 * connection is open. The statement fails with EI_CANCELLED; the connection stays usable. */
void ei_duck_cancel(duckdb_connection c);

#endif
