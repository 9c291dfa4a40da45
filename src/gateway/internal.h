/* What the gateway's files share.
 *
 *   main.c       options, loop, ports, life
 *   master.c     the connection to the master: registration, reconnecting, job updates
 *   query.c      one statement from request to last row: the states, all on the loop thread
 *   request.c    how it begins;  answer.c  what its client gets
 *   statement.c  what kind of statement a text is (pure text work)
 *   binder.c     the planner's environment: tables, names and types by DuckDB (in a work lane)
 *   prepare.c    statement -> job or local rows (in a work lane)
 *   literals.c   now() and its like become literals, once for all tasks
 *   order.c      queue, priority, limits: how a statement is to run
 *   rows.c       result files -> JSON rows, a piece at a time (in a work lane)
 *   fetch.c      result files of other machines -> local files
 */
#ifndef EIDER_GATEWAY_INTERNAL_H
#define EIDER_GATEWAY_INTERNAL_H

#include "base/buf.h"
#include "base/error.h"
#include "base/map.h"
#include "duck/api.h"
#include "http/http.h"
#include "plan/plan.h"
#include "rpc/rpc.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define EI_BROADCAST_LIMIT_BYTES (16u << 20)
#define EI_QUERIES_MAX 1000
#define EI_SQL_MAX_BYTES (16u << 20)

struct ei_engine;

/* Sizes that tests make small, so that little data takes the ways of much data. From the
 * environment: EIDER_TEST_BROADCAST_LIMIT_BYTES, EIDER_TEST_SPLIT_BYTES, EIDER_TEST_PARTITION_ROWS;
 * 0 = not set. */
struct ei_test_sizes {
    uint64_t broadcast_limit_bytes, split_bytes, partition_rows;
};

struct ei_gateway {
    uv_loop_t *loop;
    struct ei_tls *tls;
    struct ei_server *server;
    struct ei_http_server *http;
    struct ei_conn *master;
    uv_timer_t reconnect, heartbeat;
    uv_signal_t sigterm, sigint;
    const char *name, *master_address, *data_dir, *pki_dir, *listen, *tokens;
    int ready_fd;
    uint64_t incarnation, reconnect_ms;
    bool registered, stopping;
    struct ei_engine *engine;
    char *time_zone; /* of this process: all tasks use it */
    struct ei_test_sizes test;
    struct ei_map aggregates, volatiles; /* function names of DuckDB; the value is unused */
    struct ei_map jobs;                  /* job id -> struct ei_query */
    struct ei_query *queries;            /* all that live */
    size_t query_count;
};

/* ---- statement.c ---- */
enum ei_statement_kind {
    EI_STATEMENT_SELECT, /* or whatever DuckDB makes of it */
    EI_STATEMENT_CREATE_TABLE,
    EI_STATEMENT_DROP_TABLE,
    EI_STATEMENT_SHOW_TABLES,
    EI_STATEMENT_DESCRIBE,
};
struct ei_statement {
    enum ei_statement_kind kind;
    bool explain;
    bool or_replace, if_exists, if_not_exists;
    char *name;       /* of the table */
    const char *body; /* the SELECT (within the text), or what follows FROM */
};
int ei_statement_parse(const char *sql, struct ei_statement *out, struct ei_error *e);
void ei_statement_release(struct ei_statement *s);

/* ---- prepare.c: in a work lane ---- */
struct ei_prepare_input {
    const char *sql, *directory;
    bool explain;
    const Eider__V1__CatalogListReply *catalog;
    const struct ei_gateway *gateway; /* read only */
};
struct ei_local_rows { /* an answer that needs no job: text cells, row by row */
    struct ei_plan_schema schema;
    char **cells;
    size_t count, capacity;
};
struct ei_prepared {
    Eider__V1__JobSpec *spec;       /* a job to run, or NULL */
    Eider__V1__CatalogEntry *entry; /* a table to create, or NULL */
    bool or_replace, if_not_exists;
    char *drop; /* a table to drop, or NULL */
    bool if_exists;
    bool has_rows;
    struct ei_local_rows rows;
};
int ei_prepare(const struct ei_prepare_input *in, struct ei_prepared *out, struct ei_error *e);
void ei_prepared_release(struct ei_prepared *p);
void ei_local_cell(struct ei_local_rows *r, const char *text);
void ei_schema_add(struct ei_plan_schema *s, const char *name, const char *type);

/* ---- binder.c ---- */
struct ei_binder;
int ei_binder_create(const struct ei_prepare_input *in, struct ei_binder **out, struct ei_error *e);
void ei_binder_destroy(struct ei_binder *b);
/* json_serialize_sql of one SELECT; the caller puts *tree. */
int ei_binder_parse(struct ei_binder *b, const char *sql, struct json_object **tree,
                    struct ei_error *e);
/* Looks at all tables of files that the tree names; empty stand-ins make the text bindable. */
int ei_binder_load_tables(struct ei_binder *b, struct json_object *tree, struct ei_error *e);
/* Names and types of the user's own text. */
int ei_binder_describe(struct ei_binder *b, const char *sql, struct ei_plan_schema *out,
                       struct ei_error *e);
void ei_binder_env(struct ei_binder *b, struct ei_plan_env *env);
duckdb_connection ei_binder_connection(struct ei_binder *b);
/* Has one of the loaded tables of files a column of that name? */
bool ei_binder_has_column(const struct ei_binder *b, const char *name);
/* The FROM text with absolute paths, for the catalogue: also proves that it can be read. */
int ei_binder_absolute(struct ei_binder *b, const char *from, char **out, struct ei_error *e);

/* ---- literals.c ---- */
/* Replaces now(), current_date and their like in the tree by literals of this moment. */
int ei_literals_fix(struct ei_binder *b, struct json_object *tree, struct ei_error *e);

/* ---- rows.c: each call in a work lane, one at a time ---- */
struct ei_rows;
struct ei_rows_file {
    char *path; /* owned */
    uint32_t stage, task, attempt;
    bool temporary; /* fetched: unlinked at the end */
};
int ei_rows_open(struct ei_gateway *g, const struct ei_plan_schema *schema, uint64_t job,
                 const struct ei_rows_file *files, size_t count, bool typed_json,
                 struct ei_rows **out, struct ei_error *e);
/* Appends at most one line {"rows":[...]} of about 512 KiB; *done when there is no more. */
int ei_rows_next(struct ei_rows *r, struct ei_buf *out, bool *done, struct ei_error *e);
uint64_t ei_rows_count(const struct ei_rows *r);
void ei_rows_destroy(struct ei_rows *r);

/* ---- fetch.c ---- */
/* Copies a worker's output into a file of ours; fn is called once, later. The result owns nothing.
 */
typedef void (*ei_fetch_fn)(void *data, const struct ei_error *e);
struct ei_fetch;
struct ei_fetch *ei_fetch_start(struct ei_gateway *g, const Eider__V1__Output *output, uint64_t job,
                                uint32_t stage, const char *to_path, ei_fetch_fn fn, void *data);
void ei_fetch_cancel(struct ei_fetch *f); /* fn is not called any more */

/* ---- order.c ---- */
Eider__V1__JobSpec *ei_order_create(const char *user);
/* Members of the request's body that say how to run it. Only an admin may name another user. */
int ei_order_read(struct json_object *body, bool admin, Eider__V1__JobSpec *order,
                  struct ei_error *e);
/* Moves what was ordered into the planned job. */
void ei_order_apply(Eider__V1__JobSpec *order, Eider__V1__JobSpec *spec);

/* ---- query.c ---- */
void ei_query_on_http(struct ei_http_request *r, void *data);
/* The same, but the answer is the job's id: it goes on by itself. */
void ei_query_on_submit(struct ei_http_request *r, void *data);
/* The rows of such a job. */
void ei_query_on_result(struct ei_http_request *r, void *data);
/* The master's cron. */
void ei_query_on_run(struct ei_gateway *g, const Eider__V1__RunSql *m, uint64_t request);
void ei_query_on_explain(struct ei_http_request *r, void *data);
void ei_query_on_update(struct ei_gateway *g, const Eider__V1__JobUpdate *update);
/* The master is gone: queries whose rows nobody has seen yet are submitted again. */
void ei_query_master_lost(struct ei_gateway *g);
void ei_query_master_found(struct ei_gateway *g);
void ei_query_stop_all(struct ei_gateway *g);

/* ---- master.c ---- */
void ei_master_link_start(struct ei_gateway *g);
void ei_master_link_stop(struct ei_gateway *g);

#endif
