/* The command line: one table of commands (commands.c), one parser, over REST only. */
#ifndef EIDER_CLI_CLI_H
#define EIDER_CLI_CLI_H

#include "base/buf.h"
#include "base/error.h"
#include "http/http.h"

#include <json-c/json.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EI_CLI_OPTIONS_MAX 24
#define EI_CLI_PARAMS_MAX 100

struct ei_cli_option {
    const char *name;     /* long name, without dashes */
    char letter;          /* short form, 0 = none */
    const char *argument; /* name of its value for the help, NULL = a switch */
    const char *help;
};

struct ei_cli;
struct ei_command {
    const char *name;                    /* "up", or noun and verb: "job list" */
    const char *arguments;               /* for the help: "[SQL]" */
    const char *summary;                 /* one line */
    const char *details;                 /* more help text, or NULL */
    const struct ei_cli_option *options; /* ends with a NULL name; NULL = only the common ones */
    int max_arguments;                   /* -1 = any number */
    int (*run)(struct ei_cli *c);        /* returns the exit code */
};
extern const struct ei_command EI_COMMANDS[]; /* ends with a NULL name */

/* One parsed command line. */
struct ei_cli {
    const struct ei_command *command;
    const char *values[EI_CLI_OPTIONS_MAX]; /* by index into command->options; "" for a switch */
    const char *data_dir, *output;          /* common options, NULL if not given */
    const char *params[EI_CLI_PARAMS_MAX];  /* --param may be given often */
    int param_count;
    bool quiet;
    int argc; /* positional arguments */
    char **argv;
};

/* The value of an option, NULL if it was not given. The name must be in the command's table. */
const char *ei_cli_get(const struct ei_cli *c, const char *option);
/* A whole number in [least, most]; default if not given. -1 and a printed sentence if it is none.
 */
int ei_cli_number(const struct ei_cli *c, const char *option, long least, long most, long fallback,
                  long *out);

/* "4GB", "512MiB", "1073741824" -> bytes. All units are powers of two. 0 if it is no size. */
uint64_t ei_cli_size(const char *text);

/* Prints "eider: SENTENCE" on stderr and returns the code's exit status. */
int ei_cli_fail(const struct ei_error *e);
int ei_cli_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The data directory: --data-dir, EIDER_DATA_DIR, ~/.eider; absolute. The caller frees. */
char *ei_cli_data_dir(const struct ei_cli *c);

/* ---- talking to a cluster (connect.c) ---- */
struct ei_cluster_address { /* from client.json; release with ei_cluster_address_release */
    char *master, *gateway, *token, *ca, *ui;
};
/* EI_UNREACHABLE and a sentence if no cluster was started in this directory. */
int ei_cluster_find(const char *data_dir, struct ei_cluster_address *out, struct ei_error *e);
void ei_cluster_address_release(struct ei_cluster_address *a);
int ei_cluster_open(const struct ei_cluster_address *a, bool gateway, struct ei_http_client **out,
                    struct ei_error *e);
/* One request to the master whose answer is JSON. An answer with an error status becomes *e. */
int ei_cluster_json(const struct ei_cluster_address *a, const char *method, const char *path,
                    struct json_object **out, struct ei_error *e);
/* The same with a body (or NULL), and to a gateway too. */
int ei_cluster_send(const struct ei_cluster_address *a, bool gateway, const char *method,
                    const char *path, const char *body, struct json_object **out,
                    struct ei_error *e);
/* Fills *e from an error body {"error":{"code","message"}}; always returns -1. */
int ei_cluster_error(const char *body, size_t len, int status, struct ei_error *e);

/* ---- printing (print.c) ---- */
enum ei_output { EI_OUTPUT_TABLE, EI_OUTPUT_JSON, EI_OUTPUT_CSV };
int ei_cli_output(const struct ei_cli *c, enum ei_output *out); /* -1 and a sentence if unknown */
/* A table of text cells; cells NULL print as NULL. Keeps copies. */
struct ei_table {
    char **cells; /* row by row, `columns` each; the first row is the header */
    bool *right;  /* align right, by column */
    size_t columns, count, capacity;
};
void ei_table_init(struct ei_table *t, size_t columns);
void ei_table_release(struct ei_table *t);
void ei_table_cell(struct ei_table *t, const char *text, size_t len); /* text NULL = NULL */
void ei_table_puts(struct ei_table *t, const char *text);
void ei_table_print(const struct ei_table *t, enum ei_output form);
void ei_csv_cell(struct ei_buf *b, const char *text, size_t len, char before);

/* ---- commands ---- */
int ei_cmd_up(struct ei_cli *c);
int ei_cmd_down(struct ei_cli *c);
int ei_cmd_status(struct ei_cli *c);
int ei_cmd_sql(struct ei_cli *c);
int ei_cmd_explain(struct ei_cli *c);
int ei_cmd_job_list(struct ei_cli *c);
int ei_cmd_job_show(struct ei_cli *c);
int ei_cmd_job_cancel(struct ei_cli *c);
int ei_cmd_job_submit(struct ei_cli *c);
int ei_cmd_job_wait(struct ei_cli *c);
int ei_cmd_job_result(struct ei_cli *c);
int ei_cmd_why(struct ei_cli *c);
int ei_cmd_queue_create(struct ei_cli *c);
int ei_cmd_queue_set(struct ei_cli *c);
int ei_cmd_queue_list(struct ei_cli *c);
int ei_cmd_user_set(struct ei_cli *c);
int ei_cmd_user_list(struct ei_cli *c);
int ei_cmd_node_list(struct ei_cli *c);
int ei_cmd_node_cordon(struct ei_cli *c);
int ei_cmd_node_drain(struct ei_cli *c);
int ei_cmd_node_resume(struct ei_cli *c);
int ei_cmd_disk(struct ei_cli *c);
int ei_cmd_cron_add(struct ei_cli *c);
int ei_cmd_cron_list(struct ei_cli *c);
int ei_cmd_cron_remove(struct ei_cli *c);
int ei_cmd_table_list(struct ei_cli *c);
int ei_cmd_bench_tasks(struct ei_cli *c);
int ei_cmd_bench_exchange(struct ei_cli *c);
int ei_cmd_version(struct ei_cli *c);
int ei_cmd_help(struct ei_cli *c);

/* ---- a local cluster (local.c) ---- */
struct ei_local_options {
    const char *data_dir;
    long workers, cores_per_worker; /* 0 = by the machine */
    uint64_t memory_per_worker_bytes;
    long port, ui_port; /* 0 = any */
    bool die_with_parent;
};
/* Starts a detached supervisor and waits until the cluster is ready. */
int ei_local_start(const struct ei_local_options *o, struct ei_error *e);
/* Stops every process that cluster.json of the directory lists. EI_NOT_FOUND if none runs. */
int ei_local_stop(const char *data_dir, struct ei_error *e);
int ei_supervisor_main(int argc, char **argv);

#endif
