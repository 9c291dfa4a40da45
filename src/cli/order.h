/* Options that several commands share, as members of a request's body. */
#ifndef EIDER_CLI_ORDER_H
#define EIDER_CLI_ORDER_H

#include "cli/cli.h"

/* Those options of the command's table that say how a statement is to run. -1 and a printed
 * sentence for a wrong one. */
int ei_cli_order(const struct ei_cli *c, struct json_object *body);
/* Those of a queue or user. */
int ei_cli_share(const struct ei_cli *c, struct json_object *body);
/* "90s", "5m", "500ms", "2h", "1d", "30" (seconds); -1 if it is none. */
int64_t ei_cli_duration_ms(const char *text);

/* The SQL of the argument, --file or standard input (cmd_sql.c). */
int ei_cli_read_sql(struct ei_cli *c, struct ei_buf *sql, struct ei_error *e);

/* ---- of commands that show an answer (ask.c) ---- */
typedef void (*ei_cli_show)(struct ei_cli *c, struct json_object *o, enum ei_output form);
/* Asks the master (or a gateway) and hands the answer to `show`. Returns the exit code. The body
 * may be NULL; it is put. */
int ei_cli_ask(struct ei_cli *c, bool gateway, const char *method, const char *path,
               struct json_object *body, ei_cli_show show);
const char *ei_cli_text(struct json_object *o, const char *key);
int64_t ei_cli_int(struct json_object *o, const char *key);
void ei_cli_print_json(struct json_object *o);
void ei_cli_put_int(struct ei_table *t, int64_t n);
void ei_cli_put_bytes(struct ei_table *t, int64_t n);
/* "right" has an r or l for each column. */
void ei_cli_put_header(struct ei_table *t, const char *const *names, const char *right);
void ei_cli_put_escaped(struct ei_buf *b, const char *text); /* into a URL */
/* /v1/jobs/ID[suffix] of the only argument; NULL and a sentence if it is no job id. Owned. */
char *ei_cli_job_path(struct ei_cli *c, const char *suffix);
/* For JSON the whole answer, else the array `key` of o as a table: `row` puts one element. */
void ei_cli_show_list(struct json_object *o, const char *key, enum ei_output form,
                      const char *const *names, const char *right,
                      void (*row)(struct ei_table *t, struct json_object *item));

#endif
