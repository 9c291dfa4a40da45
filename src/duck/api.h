/* libduckdb, loaded at run time by the processes that need it (executor, gateway) and by no other.
 *
 * Each function of DuckDB's C API that we call is in the list below. api.c defines a small trampoline
 * of the same name for each, so callers include this header and call duckdb_open() as usual; the
 * trampolines jump through pointers that ei_duck_load fills. A function missing in the library is an
 * error of ei_duck_load, and of the build (tests/unit/test_duck_api.c loads it). */
#ifndef EIDER_DUCK_API_H
#define EIDER_DUCK_API_H

#include "base/error.h"

#include <duckdb.h>

#define EI_DUCK_FUNCTIONS(X)                                                                       \
    X(duckdb_open_ext)                                                                             \
    X(duckdb_close)                                                                                \
    X(duckdb_connect)                                                                              \
    X(duckdb_disconnect)                                                                           \
    X(duckdb_interrupt)                                                                            \
    X(duckdb_library_version)                                                                      \
    X(duckdb_create_config)                                                                        \
    X(duckdb_set_config)                                                                           \
    X(duckdb_destroy_config)                                                                       \
    X(duckdb_query)                                                                                \
    X(duckdb_free)                                                                                 \
    X(duckdb_malloc)

/* Loads the library (idempotent, not thread-safe against itself). Looks at, in this order: the
 * environment variable EIDER_LIBDUCKDB, libduckdb.so beside this program or in ../lib/eider of it,
 * the path given at build time. EI_NOT_FOUND and a sentence if there is none. */
int ei_duck_load(struct ei_error *e);

#endif
