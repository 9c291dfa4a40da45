/* Queues and users: create, set, list. */
#include "cli/order.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_limit(struct ei_table *t, int64_t n) {
    if (n > 0)
        ei_cli_put_int(t, n);
    else
        ei_table_puts(t, "-");
}

static void put_share(struct ei_table *t, struct json_object *o) {
    ei_cli_put_int(t, ei_cli_int(o, "weight"));
    ei_cli_put_int(t, ei_cli_int(o, "cores"));
    put_limit(t, ei_cli_int(o, "max_cores"));
    if (ei_cli_int(o, "max_memory_bytes") > 0)
        ei_cli_put_bytes(t, ei_cli_int(o, "max_memory_bytes"));
    else
        ei_table_puts(t, "-");
    ei_cli_put_int(t, ei_cli_int(o, "running_jobs"));
    put_limit(t, ei_cli_int(o, "max_running_jobs"));
    ei_cli_put_int(t, ei_cli_int(o, "waiting_jobs"));
    put_limit(t, ei_cli_int(o, "max_waiting_jobs"));
}

static void queue_row(struct ei_table *t, struct json_object *o) {
    ei_table_puts(t, ei_cli_text(o, "name"));
    ei_table_puts(t, ei_cli_text(o, "parent"));
    ei_table_puts(t, ei_cli_text(o, "policy"));
    put_limit(t, ei_cli_int(o, "min_cores"));
    put_share(t, o);
}

static void user_row(struct ei_table *t, struct json_object *o) {
    ei_table_puts(t, ei_cli_text(o, "name"));
    put_share(t, o);
}

static void show_queues(struct ei_cli *c, struct json_object *o, enum ei_output form) {
    static const char *const names[] = {"queue",   "parent", "policy",  "min cores",
                                        "weight",  "cores",  "max",     "max memory",
                                        "running", "max",    "waiting", "max"};
    (void)c;
    ei_cli_show_list(o, "queues", form, names, "lllrrrrrrrrr", queue_row);
}

static void show_users(struct ei_cli *c, struct json_object *o, enum ei_output form) {
    static const char *const names[] = {"user",    "weight", "cores",   "max", "max memory",
                                        "running", "max",    "waiting", "max"};
    (void)c;
    ei_cli_show_list(o, "users", form, names, "lrrrrrrrr", user_row);
}

static void show_done(struct ei_cli *c, struct json_object *o, enum ei_output form) {
    if (form == EI_OUTPUT_JSON)
        ei_cli_print_json(o);
    else if (!c->quiet)
        (void)printf("%s is set\n", ei_cli_text(o, "name"));
}

/* `path` ends before the name, or the name goes into the body. */
static int change(struct ei_cli *c, const char *path, bool create) {
    if (c->argc != 1)
        return ei_cli_usage("'eider %s' needs a name", c->command->name);
    struct json_object *body = json_object_new_object();
    struct ei_buf url = {0};
    ei_buf_puts(&url, path);
    if (create) {
        json_object_object_add(body, "name", json_object_new_string(c->argv[0]));
    } else {
        ei_buf_putc(&url, '/');
        ei_cli_put_escaped(&url, c->argv[0]);
    }
    int code = 2;
    if (ei_cli_share(c, body) == 0)
        code = ei_cli_ask(c, false, "POST", url.data, body, show_done);
    else
        json_object_put(body);
    ei_buf_release(&url);
    return code;
}

int ei_cmd_queue_create(struct ei_cli *c) {
    return change(c, "/v1/queues", true);
}

int ei_cmd_queue_set(struct ei_cli *c) {
    return change(c, "/v1/queues", false);
}

int ei_cmd_queue_list(struct ei_cli *c) {
    return ei_cli_ask(c, false, "GET", "/v1/queues", NULL, show_queues);
}

int ei_cmd_user_set(struct ei_cli *c) {
    return change(c, "/v1/users", false);
}

int ei_cmd_user_list(struct ei_cli *c) {
    return ei_cli_ask(c, false, "GET", "/v1/users", NULL, show_users);
}
