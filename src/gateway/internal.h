/* What the gateway's files share.
 *
 *   main.c       options, loop, ports, life
 *   master.c     the connection to the master: registration, reconnecting, job updates
 *   query.c      one statement from request to last row: the states, all on the loop thread
 *   request.c    how it begins;  answer.c  what its client gets
 *   statement.c  what kind of statement a text is (pure text work)
 *   lexer.c      words, names, strings and brackets of SQL text
 *   copy.c       the options of COPY
 *   write.c      files that a statement makes: hidden first, then all at once
 *   tables.c     tables that Eider keeps: directories of files and lists of them
 *   views.c      views become subqueries, parameters become literals
 *   settings.c   SET: which settings, and their SQL
 *   output.c     a planned query's last stage writes files
 *   figures.c    EXPLAIN ANALYZE
 *   answer.c     what goes back to the client
 *   change.c     commits: files, catalogue
 *   binder.c     the planner's environment: tables, names and types by DuckDB (in a work lane)
 *   prepare.c    statement -> job or local rows (in a work lane)
 *   define.c     the same of statements that make or change something
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
    char *time_zone;  /* of this process: all tasks use it */
    char *tables_dir; /* of the tables that Eider keeps */
    struct ei_test_sizes test;
    struct ei_map aggregates, volatiles; /* function names of DuckDB; the value is unused */
    struct ei_map jobs;                  /* job id -> struct ei_query */
    struct ei_query *queries;            /* all that live */
    size_t query_count;
};

/* ---- lexer.c: SQL text without parsing it ---- */
const char *ei_sql_space(const char *p);             /* behind space and comments */
bool ei_sql_take(const char **p, const char *words); /* moves *p behind the words if they come */
char *ei_sql_name(const char **p);                   /* plain or "quoted"; NULL if there is none */
char *ei_sql_string(const char **p);                 /* 'it''s'; NULL if there is none */
/* A word, number or other bare text up to a comma, bracket or space; NULL if there is none. */
char *ei_sql_bare(const char **p);
/* p at "(": what stands inside, and *p behind the ")". NULL if it is never closed. */
char *ei_sql_inside(const char **p);
bool ei_sql_end(const char *p); /* nothing follows but space and a semicolon */

/* ---- statement.c ---- */
enum ei_statement_kind {
    EI_STATEMENT_SELECT, /* or whatever DuckDB makes of it */
    EI_STATEMENT_CREATE_EXTERNAL,
    EI_STATEMENT_CREATE_TABLE, /* AS SELECT */
    EI_STATEMENT_INSERT,
    EI_STATEMENT_COPY,
    EI_STATEMENT_CREATE_VIEW,
    EI_STATEMENT_DROP,
    EI_STATEMENT_ANALYZE,
    EI_STATEMENT_SHOW_TABLES,
    EI_STATEMENT_SHOW_STATS,
    EI_STATEMENT_DESCRIBE,
    EI_STATEMENT_SET,
};
struct ei_copy_option {
    char *name;    /* lower case */
    char **values; /* without quotes */
    size_t count;
    bool quoted; /* the (first) value was a string */
};
struct ei_statement {
    enum ei_statement_kind kind;
    bool explain, analyze; /* EXPLAIN, EXPLAIN ANALYZE */
    bool or_replace, if_exists, if_not_exists;
    bool view;      /* DROP VIEW */
    bool by_name;   /* INSERT */
    char *name;     /* of the table, view or setting */
    char *query;    /* the SELECT; or what follows FROM, DESCRIBE, SET x = (NULL: RESET) */
    char *target;   /* COPY: the path */
    char **columns; /* INSERT: names */
    size_t column_count;
    struct ei_copy_option *options;
    size_t option_count;
};
int ei_statement_parse(const char *sql, struct ei_statement *out, struct ei_error *e);
void ei_statement_release(struct ei_statement *s);

/* ---- write.c: files that a statement makes; in a work lane ----
 * The tasks write into `staging`, a hidden directory on the target's file system; the commit gives
 * the files of the attempts that count their names. Until then nothing can be seen at the target.
 */
enum ei_write_form {
    EI_WRITE_FILE,      /* one file; one rename */
    EI_WRITE_DIRECTORY, /* of files; one rename */
    EI_WRITE_APPEND,    /* files into a directory that is there; a rename each */
};
struct ei_write {
    enum ei_write_form form;
    char *target;    /* absolute */
    char *extension; /* of the files: ".parquet" */
    char *options;   /* of DuckDB's COPY */
    bool tree;       /* partition columns: directories key=value */
    bool overwrite;
    bool own;      /* of a table: it lies in the cluster's own directory */
    char *token;   /* in the names of this statement's files */
    char *staging; /* NULL until begun */
    char *note;    /* a file of the gateway's that names `staging`: a next life removes it */
    bool settled;  /* committed, or nothing left to remove */
    uint64_t rows, bytes, files;
};
struct ei_written { /* one file of a task, as the executor listed it */
    char *path;     /* below `staging` */
    uint64_t bytes, rows;
    uint32_t task;
};
struct ei_written_list {
    struct ei_written *items;
    size_t count, capacity;
};
void ei_written_release(struct ei_written_list *l);
/* From COPY's target and options. */
int ei_write_from_copy(const struct ei_statement *s, const char *directory, struct ei_write **out,
                       struct ei_error *e);
void ei_write_destroy(struct ei_write *w); /* NULL-safe; removes nothing */
/* Refuses a target that is there already; makes `staging`. */
int ei_write_begin(struct ei_write *w, const struct ei_gateway *g, struct ei_error *e);
/* Moves the files into place. `extra`, if not NULL, is called when their final names are known and
 * may add files of its own to the directory that will become the target. */
typedef int (*ei_write_extra)(void *data, const char *directory, const struct ei_written_list *l,
                              struct ei_error *e);
int ei_write_commit(struct ei_write *w, struct ei_written_list *l, ei_write_extra extra, void *data,
                    struct ei_error *e);
/* Removes `staging`, also while killed attempts still write into it. */
void ei_write_abandon(struct ei_write *w);
/* What an earlier life of this gateway left behind. */
void ei_write_recover(const char *data_dir);

/* ---- tables.c: tables that Eider keeps; in a work lane ---- */
struct ei_manifest { /* a list of files */
    char *directory;
    struct json_object *json, *files; /* files belongs to json */
    struct ei_plan_schema columns;
};
int ei_manifest_read(const char *path, struct ei_manifest *out, struct ei_error *e);
void ei_manifest_release(struct ei_manifest *m);
char *ei_manifest_list(const struct ei_manifest *m); /* ['/a','/b'] for read_parquet */
/* The type that a column of such a table has in its files; NULL: it cannot be kept. */
const char *ei_table_stored_as(const char *type);

struct ei_table_write {
    const char *name, *token, *directory; /* borrowed: of the entry and of the ei_write */
    struct ei_plan_schema columns;        /* of the table */
    struct ei_written_list files;         /* new ones, their final names */
    char *base;                           /* INSERT: the list that it adds to */
    char *manifest;                       /* the new list */
    unsigned round;                       /* of compare and set */
};
void ei_table_write_destroy(struct ei_table_write *t); /* NULL-safe */
/* Writes the new list into `directory`, which is or will become the table's. */
int ei_table_write_manifest(struct ei_table_write *t, const char *directory, struct ei_error *e);
void ei_table_write_undo(struct ei_table_write *t);
/* Lists that nobody reads any more go. */
void ei_table_write_clean(const struct ei_table_write *t);
char *ei_table_new_directory(const struct ei_gateway *g, const char *name);

/* ---- prepare.c: in a work lane ---- */
struct ei_prepare_input {
    const char *sql, *directory;
    bool explain;
    struct json_object *settings, *parameters; /* or NULL */
    const Eider__V1__CatalogListReply *catalog;
    const struct ei_gateway *gateway; /* read only */
};
struct ei_local_rows { /* an answer that needs no job: text cells, row by row */
    struct ei_plan_schema schema;
    char **cells;
    size_t count, capacity;
};
/* What the job's result is for. */
enum ei_after {
    EI_AFTER_STREAM,  /* the client */
    EI_AFTER_FIGURES, /* nobody: EXPLAIN ANALYZE shows what it took */
    EI_AFTER_WRITE,   /* it lists files, which are committed */
    EI_AFTER_STATS,   /* ANALYZE: into the catalogue */
};
struct ei_prepared {
    Eider__V1__JobSpec *spec;       /* a job to run, or NULL */
    enum ei_after after;            /* the job */
    struct ei_write *write;         /* EI_AFTER_WRITE */
    struct ei_table_write *table;   /* ... into a table: with `entry` */
    Eider__V1__CatalogEntry *entry; /* a table to create or change, or NULL */
    bool or_replace, if_not_exists;
    uint64_t expected_revision; /* of the entry; 0 = whatever it is */
    char *drop;                 /* a table to drop, or NULL */
    bool if_exists;
    char *old_directory;   /* of a table that goes with the change: to be removed */
    uint64_t table_bytes;  /* ANALYZE */
    char *settings;        /* SQL: SET ...; SET ... of the session */
    char *answer_settings; /* SET: JSON for the client to send with what follows, or NULL */
    bool has_rows;
    struct ei_local_rows rows;
};
int ei_prepare(const struct ei_prepare_input *in, struct ei_prepared *out, struct ei_error *e);
void ei_prepared_release(struct ei_prepared *p);
void ei_local_cell(struct ei_local_rows *r, const char *text);
void ei_schema_add(struct ei_plan_schema *s, const char *name, const char *type);

/* ---- prepare.c, define.c ---- */
struct ei_binder;
/* Names and types of a query's result. */
int ei_prepare_schema(const struct ei_prepare_input *in, struct ei_binder *b, const char *sql,
                      struct ei_plan_schema *out, struct ei_error *e);
/* A planned query. */
int ei_prepare_query(const struct ei_prepare_input *in, struct ei_binder *b, const char *sql,
                     struct ei_plan_schema *schema, Eider__V1__JobSpec **spec, struct ei_error *e);
/* Statements that make or change something. */
int ei_define(const struct ei_prepare_input *in, struct ei_binder *b, const struct ei_statement *s,
              struct ei_prepared *out, struct ei_error *e);

/* ---- settings.c ---- */
/* SQL of the session's settings: the gateway's time zone, then what the request says. */
int ei_settings_sql(const struct ei_prepare_input *in, char **out, struct ei_error *e);
/* SET or RESET: checks it and answers with the JSON that the client is to send from now on. */
int ei_settings_statement(struct ei_binder *b, const struct ei_statement *s, char **json,
                          struct ei_error *e);

/* ---- views.c ---- */
/* Puts views' queries in their place. *changed: the tree is not the text any more. */
int ei_views_expand(struct ei_binder *b, const Eider__V1__CatalogListReply *catalog,
                    struct json_object *tree, bool *changed, struct ei_error *e);
/* Puts the parameters' values in their place: an array for $1, $2, ?, an object for $name. */
int ei_parameters_apply(struct ei_binder *b, struct json_object *tree, struct json_object *values,
                        bool *changed, struct ei_error *e);
const Eider__V1__CatalogEntry *ei_catalog_find(const Eider__V1__CatalogListReply *catalog,
                                               const char *name); /* any case */

/* One file of a result. */
struct ei_rows_file {
    char *path; /* owned */
    uint32_t stage, task, attempt;
    bool temporary; /* fetched: unlinked at the end */
};

/* ---- output.c ---- */
/* One expression for each column of the files, over c0, c1, ... of the query. */
struct ei_projection {
    char **items; /* owned */
    size_t count;
};
void ei_projection_release(struct ei_projection *p);
/* Unique names, as they are. */
void ei_projection_plain(const struct ei_plan_schema *query, struct ei_projection *out);
/* A table's columns; `from` are the query's columns for them, -1 = NULL. */
int ei_projection_table(const struct ei_plan_schema *table, const int *from,
                        struct ei_projection *out, struct ei_error *e);
/* Makes the job write files; checks projection and options with DuckDB. `w` has begun. */
int ei_output_attach(struct ei_binder *b, Eider__V1__JobSpec *spec, struct ei_write *w,
                     const struct ei_plan_schema *query, const struct ei_projection *p,
                     struct ei_error *e);
/* The files that the result lists. */
int ei_output_list(struct ei_gateway *g, uint64_t job, const struct ei_rows_file *files,
                   size_t count, struct ei_written_list *out, struct ei_error *e);

/* ---- figures.c ---- */
struct ei_figures {
    uint64_t planned_us, transfer_us, rows;
};
/* The plan's lines with the figures of each stage below its first. */
void ei_figures_rows(const char *plan, const Eider__V1__JobUpdate *u, const struct ei_figures *f,
                     struct ei_local_rows *out);

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
int ei_binder_to_sql(struct ei_binder *b, struct json_object *tree, char **sql, struct ei_error *e);
/* An empty table that the user's text can name. */
int ei_binder_stand_in(struct ei_binder *b, const char *name, const struct ei_plan_schema *s,
                       struct ei_error *e);
/* Names of the result, also of a text with parameters; fails silently. */
bool ei_binder_names(struct ei_binder *b, const char *sql, struct ei_plan_schema *out);
/* Paths of files in the tree become absolute. */
void ei_binder_make_absolute(struct ei_binder *b, struct json_object *tree);
/* Bytes of all files that were loaded. */
uint64_t ei_binder_bytes(const struct ei_binder *b);
/* SET statements, for the user's text and the stages'. */
int ei_binder_set(struct ei_binder *b, const char *sql, struct ei_error *e);
/* The FROM text with absolute paths, for the catalogue: also proves that it can be read. */
int ei_binder_absolute(struct ei_binder *b, const char *from, char **out, struct ei_error *e);

/* ---- literals.c ---- */
/* Replaces now(), current_date and their like in the tree by literals of this moment. */
int ei_literals_fix(struct ei_binder *b, struct json_object *tree, struct ei_error *e);

/* ---- rows.c: each call in a work lane, one at a time ---- */
struct ei_rows;
int ei_rows_open(struct ei_gateway *g, const struct ei_plan_schema *schema, uint64_t job,
                 const struct ei_rows_file *files, size_t count, bool typed_json,
                 const char *settings, struct ei_rows **out, struct ei_error *e);
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
