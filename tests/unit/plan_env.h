/* A planner environment over a real DuckDB and made-up tables, for tests. */
#ifndef EIDER_TESTS_PLAN_ENV_H
#define EIDER_TESTS_PLAN_ENV_H

#include "duck/api.h"
#include "plan/plan.h"

struct plan_env_table {
    const char *name;    /* as the user calls it, or the stem of a file */
    const char *columns; /* "a INTEGER, b VARCHAR" */
    uint64_t rows, bytes;
    unsigned splits; /* 0: can only be read whole */
    const char *whole_reason;
};

struct plan_env;

struct plan_env *plan_env_create(const struct plan_env_table *tables, size_t count, uint32_t slots,
                                 uint64_t broadcast_limit_bytes);
void plan_env_destroy(struct plan_env *p);
duckdb_connection plan_env_connection(struct plan_env *p);
/* Plans a text; NULL and e filled if that fails. */
Eider__V1__JobSpec *plan_env_plan(struct plan_env *p, const char *sql, struct ei_error *e);
/* First column of the first row; the caller frees; NULL with e filled. */
char *plan_env_text(duckdb_connection c, const char *sql, struct ei_error *e);

#endif
