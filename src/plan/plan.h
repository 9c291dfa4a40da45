/* The planner: decides how a SELECT is split into stages. Pure: the caller supplies facts through
 * the callbacks of struct ei_plan_env; nothing here does I/O.
 *
 * In:  the JSON tree of DuckDB's json_serialize_sql.
 * Out: a JobSpec whose stages are SQL text, or one stage that runs the user's text whole on one
 *      worker, with the reason. What cannot be proven right is never split. */
#ifndef EIDER_PLAN_PLAN_H
#define EIDER_PLAN_PLAN_H

#include "base/error.h"
#include "wire/messages.h"

#include <json-c/json.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Columns of a table or a result; both strings owned. */
struct ei_plan_column {
    char *name;
    char *type; /* as DuckDB prints it */
};
struct ei_plan_schema {
    struct ei_plan_column *columns;
    size_t count;
};
void ei_plan_schema_release(struct ei_plan_schema *s);

/* What is known of a table that a query reads. Owned by whoever resolved it, for the whole call. */
struct ei_plan_relation {
    const char *label; /* for EXPLAIN: flights-3m.parquet, or the catalogue's name */
    struct ei_plan_schema schema;
    const Eider__V1__TableInput *input; /* kind, options, columns; the planner gives it a name */
    Eider__V1__Split *const *splits;    /* ways to read parts of it, together the whole */
    size_t split_count;                 /* 0: can only be read whole */
    const Eider__V1__Split *whole;      /* all of it */
    const char *whole_reason; /* with split_count 0: "the file has no fixed record ends" */
    uint64_t rows;            /* exact for Parquet, estimated else; 0 = empty */
    uint64_t bytes;           /* on disk */
    const uint64_t *distinct; /* by column, from ANALYZE, about; 0 = unknown. NULL: of none */
};

struct ei_plan_env {
    void *ctx;
    /* The relation behind a BASE_TABLE or TABLE_FUNCTION node of the tree; *out NULL if it is not a
     * table of files (range(), a generator): the planner then leaves the node as it is. */
    int (*resolve)(void *ctx, struct json_object *node, const struct ei_plan_relation **out,
                   struct ei_error *e);
    /* Names and types of a SELECT over empty tables with these names and schemas (duckdb_prepare).
     */
    int (*describe)(void *ctx, const char *sql, const char *const *table_names,
                    const struct ei_plan_schema *const *tables, size_t table_count,
                    struct ei_plan_schema *out, struct ei_error *e);
    /* json_deserialize_sql; the caller frees *sql. */
    int (*to_sql)(void *ctx, struct json_object *tree, char **sql, struct ei_error *e);
    /* json_serialize_sql of a SELECT; the caller puts *tree. */
    int (*parse)(void *ctx, const char *sql, struct json_object **tree, struct ei_error *e);
    /* Is this function an aggregate (whatever overload)? From duckdb_functions(). */
    bool (*is_aggregate)(void *ctx, const char *function_name);
    /* Is it volatile: random(), uuid(), nextval()... Functions that are constant within a query
     * (now(), current_date, current_setting()...) must be replaced by literals in the tree before
     * planning, so that all tasks see the same value; true for one that could not be replaced. */
    bool (*is_volatile)(void *ctx, const char *function_name);
    uint32_t slots;                 /* task slots in the cluster now: sets partition counts */
    uint64_t broadcast_limit_bytes; /* a table up to this size is read whole by every task */
    uint64_t partition_rows;        /* of an exchange, about; 0 = the planner's own number */
};

/* Plans one SELECT. `sql` is the user's text, `tree` its parse tree (not kept, not changed).
 * On success *out is a fresh JobSpec (eider__v1__job_spec__free_unpacked) with plan_text filled.
 * An error means the query itself is wrong (DuckDB's text, EI_INVALID) or a table cannot be read.
 */
int ei_plan_select(const struct ei_plan_env *env, const char *sql, struct json_object *tree,
                   Eider__V1__JobSpec **out, struct ei_error *e);

#endif
