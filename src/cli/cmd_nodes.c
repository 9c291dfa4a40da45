/* Nodes and disks: list, cordon, drain, resume. */
#include "cli/order.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void node_row(struct ei_table *t, struct json_object *o) {
    ei_table_puts(t, ei_cli_text(o, "name"));
    ei_table_puts(t, ei_cli_text(o, "state"));
    ei_cli_put_int(t, ei_cli_int(o, "cores"));
    ei_cli_put_int(t, ei_cli_int(o, "running"));
    ei_cli_put_bytes(t, ei_cli_int(o, "memory_bytes"));
    ei_cli_put_bytes(t, ei_cli_int(o, "disk_free_bytes"));
    ei_cli_put_bytes(t, ei_cli_int(o, "exchange_bytes"));
    ei_table_puts(t, ei_cli_text(o, "reason"));
}

static void show_nodes(struct ei_cli *c, struct json_object *o, enum ei_output form) {
    static const char *const names[] = {"node",   "state",     "cores",    "busy",
                                        "memory", "disk free", "exchange", "reason"};
    (void)c;
    ei_cli_show_list(o, "nodes", form, names, "llrrrrrl", node_row);
}

int ei_cmd_node_list(struct ei_cli *c) {
    return ei_cli_ask(c, false, "GET", "/v1/nodes", NULL, show_nodes);
}

static void show_node(struct ei_cli *c, struct json_object *o, enum ei_output form) {
    if (form == EI_OUTPUT_JSON)
        ei_cli_print_json(o);
    else if (!c->quiet)
        (void)printf("%s: %s\n", ei_cli_text(o, "name"), ei_cli_text(o, "state"));
}

static int order(struct ei_cli *c, const char *verb, const char *reason, const char *deadline) {
    if (c->argc != 1)
        return ei_cli_usage("'eider %s' needs the name of a worker: `eider node list` shows them",
                            c->command->name);
    int64_t ms = deadline != NULL ? ei_cli_duration_ms(deadline) : 0;
    if (ms < 0)
        return ei_cli_usage("--deadline must be a duration like 90s, 5m or 2h, not '%s'", deadline);
    struct json_object *body = json_object_new_object();
    if (reason != NULL)
        json_object_object_add(body, "reason", json_object_new_string(reason));
    if (deadline != NULL)
        json_object_object_add(body, "deadline_ms", json_object_new_int64(EI_MAX(ms, 1)));
    struct ei_buf path = {0};
    ei_buf_puts(&path, "/v1/nodes/");
    ei_cli_put_escaped(&path, c->argv[0]);
    ei_buf_printf(&path, "/%s", verb);
    int code = ei_cli_ask(c, false, "POST", path.data, body, show_node);
    ei_buf_release(&path);
    return code;
}

int ei_cmd_node_cordon(struct ei_cli *c) {
    return order(c, "cordon", ei_cli_get(c, "reason"), NULL);
}

int ei_cmd_node_drain(struct ei_cli *c) {
    return order(c, "drain", ei_cli_get(c, "reason"), ei_cli_get(c, "deadline"));
}

int ei_cmd_node_resume(struct ei_cli *c) {
    return order(c, "resume", NULL, NULL);
}

static void disk_row(struct ei_table *t, struct json_object *o) {
    ei_table_puts(t, ei_cli_text(o, "node"));
    ei_table_puts(t, ei_cli_text(o, "what"));
    ei_cli_put_int(t, ei_cli_int(o, "files"));
    ei_cli_put_bytes(t, ei_cli_int(o, "bytes"));
    ei_cli_put_bytes(t, ei_cli_int(o, "quota_bytes"));
    ei_cli_put_int(t, ei_cli_int(o, "oldest_s"));
    ei_cli_put_bytes(t, ei_cli_int(o, "disk_free_bytes"));
}

static void show_disk(struct ei_cli *c, struct json_object *o, enum ei_output form) {
    static const char *const names[] = {"node",  "what",     "files",    "size",
                                        "quota", "oldest s", "disk free"};
    (void)c;
    ei_cli_show_list(o, "disk", form, names, "llrrrrr", disk_row);
}

int ei_cmd_disk(struct ei_cli *c) {
    return ei_cli_ask(c, false, "GET", "/v1/disk", NULL, show_disk);
}
