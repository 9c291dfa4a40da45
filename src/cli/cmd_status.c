/* eider status, eider job ..., eider table list: what the master's REST says, for people. */
#include "cli/cluster_files.h"
#include "cli/order.h"
#include "base/mem.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int ask(struct ei_cli *c, const char *method, const char *path, ei_cli_show show) {
    return ei_cli_ask(c, false, method, path, NULL, show);
}

/* ---- status ---- */

/* The supervisor is this machine's business: the master does not know it, its file does. */
static void add_supervisor(struct ei_cli *c, struct json_object *status) {
    char *data_dir = ei_cli_data_dir(c);
    char *path = ei_path_join(data_dir, EI_CLUSTER_FILE);
    struct ei_buf text = {0};
    struct ei_error e;
    struct json_object *file = NULL, *list = NULL, *processes = NULL;
    if (ei_read_file(path, 4 << 20, &text, &e) == 0 && text.len > 0)
        file = json_tokener_parse(text.data);
    if (file != NULL && json_object_object_get_ex(file, "processes", &list) &&
        json_object_object_get_ex(status, "processes", &processes)) {
        struct json_object *p = json_object_array_get_idx(list, 0);
        if (p != NULL && strcmp(ei_cli_text(p, "role"), "supervisor") == 0 &&
            ei_process_start_ticks((pid_t)ei_cli_int(p, "pid")) ==
                (uint64_t)ei_cli_int(p, "start_ticks")) {
            json_object_object_del(p, "start_ticks");
            json_object_object_add(
                p, "rss_bytes", json_object_new_uint64(ei_rss_bytes((pid_t)ei_cli_int(p, "pid"))));
            json_object_array_add(processes, json_object_get(p));
        }
    }
    json_object_put(file);
    ei_buf_release(&text);
    free(path);
    free(data_dir);
}

static void put_ports(struct ei_table *t, struct json_object *process) {
    struct json_object *ports = NULL;
    struct ei_buf b = {0};
    if (json_object_object_get_ex(process, "ports", &ports)) {
        json_object_object_foreach(ports, name, port) {
            ei_buf_printf(&b, "%s%s %d", b.len > 0 ? ", " : "", name, json_object_get_int(port));
        }
    }
    ei_table_puts(t, b.data == NULL ? "" : b.data);
    ei_buf_release(&b);
}

static void show_status(struct ei_cli *c, struct json_object *o, enum ei_output form) {
    add_supervisor(c, o);
    if (form == EI_OUTPUT_JSON) {
        ei_cli_print_json(o);
        return;
    }
    static const char *const NAMES[] = {"role",  "name",  "pid",  "state",
                                        "ports", "cores", "busy", "memory"};
    struct ei_table t;
    ei_cli_put_header(&t, NAMES, "llrllrrr");
    struct json_object *list = NULL;
    size_t n =
        json_object_object_get_ex(o, "processes", &list) ? json_object_array_length(list) : 0;
    for (size_t i = 0; i < n; i++) {
        struct json_object *p = json_object_array_get_idx(list, i);
        ei_table_puts(&t, ei_cli_text(p, "role"));
        ei_table_puts(&t, ei_cli_text(p, "name"));
        ei_cli_put_int(&t, ei_cli_int(p, "pid"));
        const char *node = ei_cli_text(p, "node_state");
        ei_table_puts(&t, node[0] != '\0' ? node : ei_cli_text(p, "state"));
        put_ports(&t, p);
        bool slots = ei_cli_int(p, "cores") > 0;
        if (slots) {
            ei_cli_put_int(&t, ei_cli_int(p, "cores"));
            ei_cli_put_int(&t, ei_cli_int(p, "running"));
        } else {
            ei_table_puts(&t, "");
            ei_table_puts(&t, "");
        }
        ei_cli_put_bytes(&t, ei_cli_int(p, "rss_bytes"));
    }
    ei_table_print(&t, form);
    ei_table_release(&t);
}

int ei_cmd_status(struct ei_cli *c) {
    return ask(c, "GET", "/v1/status", show_status);
}

/* ---- jobs ---- */

static void show_jobs(struct ei_cli *c, struct json_object *o, enum ei_output form) {
    (void)c;
    if (form == EI_OUTPUT_JSON) {
        ei_cli_print_json(o);
        return;
    }
    static const char *const NAMES[] = {"id", "state", "tasks", "ms", "user", "queue", "job"};
    struct ei_table t;
    ei_cli_put_header(&t, NAMES, "rlrrlll");
    struct json_object *list = NULL;
    size_t n = json_object_object_get_ex(o, "jobs", &list) ? json_object_array_length(list) : 0;
    for (size_t i = 0; i < n; i++) {
        struct json_object *j = json_object_array_get_idx(list, i);
        ei_cli_put_int(&t, ei_cli_int(j, "id"));
        ei_table_puts(&t, ei_cli_text(j, "state"));
        char tasks[48];
        (void)snprintf(tasks, sizeof tasks, "%lld/%lld", (long long)ei_cli_int(j, "tasks_done"),
                       (long long)ei_cli_int(j, "tasks"));
        ei_table_puts(&t, tasks);
        ei_cli_put_int(&t, ei_cli_int(j, "elapsed_ms"));
        ei_table_puts(&t, ei_cli_text(j, "user"));
        ei_table_puts(&t, ei_cli_text(j, "queue"));
        char name[64];
        (void)snprintf(name, sizeof name, "%.60s", ei_cli_text(j, "name"));
        ei_table_puts(&t, name);
    }
    ei_table_print(&t, form);
    ei_table_release(&t);
}

int ei_cmd_job_list(struct ei_cli *c) {
    long limit;
    if (ei_cli_number(c, "limit", 1, 1000, 20, &limit) != 0)
        return 2;
    struct ei_buf path = {0};
    ei_buf_printf(&path, "/v1/jobs?limit=%ld", limit);
    static const char *const filters[] = {"state", "queue", "user"};
    for (size_t i = 0; i < EI_ARRAY_LEN(filters); i++) {
        if (ei_cli_get(c, filters[i]) == NULL)
            continue;
        ei_buf_printf(&path, "&%s=", filters[i]);
        ei_cli_put_escaped(&path, ei_cli_get(c, filters[i]));
    }
    int code = ask(c, "GET", path.data, show_jobs);
    ei_buf_release(&path);
    return code;
}

static void show_stages(struct json_object *o) {
    static const char *const NAMES[] = {"stage",  "what",    "tasks",    "ms",        "median ms",
                                        "max ms", "rows in", "rows out", "bytes out", "retries"};
    struct ei_table t;
    ei_cli_put_header(&t, NAMES, "rlrrrrrrrr");
    struct json_object *list = NULL;
    size_t n = json_object_object_get_ex(o, "stages", &list) ? json_object_array_length(list) : 0;
    for (size_t i = 0; i < n; i++) {
        struct json_object *s = json_object_array_get_idx(list, i);
        ei_cli_put_int(&t, ei_cli_int(s, "id"));
        ei_table_puts(&t, ei_cli_text(s, "name"));
        char tasks[48];
        (void)snprintf(tasks, sizeof tasks, "%lld/%lld", (long long)ei_cli_int(s, "done"),
                       (long long)ei_cli_int(s, "tasks"));
        ei_table_puts(&t, tasks);
        ei_cli_put_int(&t, ei_cli_int(s, "elapsed_ms"));
        ei_table_puts(&t, ei_cli_text(s, "task_ms_median"));
        ei_table_puts(&t, ei_cli_text(s, "task_ms_max"));
        ei_cli_put_int(&t, ei_cli_int(s, "rows_in"));
        ei_cli_put_int(&t, ei_cli_int(s, "rows_out"));
        ei_cli_put_bytes(&t, ei_cli_int(s, "bytes_out"));
        ei_cli_put_int(&t, ei_cli_int(s, "retries"));
    }
    ei_table_print(&t, EI_OUTPUT_TABLE);
    ei_table_release(&t);
}

static void show_job(struct ei_cli *c, struct json_object *o, enum ei_output form) {
    (void)c;
    if (form != EI_OUTPUT_TABLE) {
        ei_cli_print_json(o);
        return;
    }
    (void)printf("job %lld: %s\n", (long long)ei_cli_int(o, "id"), ei_cli_text(o, "state"));
    if (ei_cli_text(o, "sql")[0] != '\0')
        (void)printf("%s\n", ei_cli_text(o, "sql"));
    if (ei_cli_text(o, "whole_reason")[0] != '\0')
        (void)printf("whole on one worker: %s\n", ei_cli_text(o, "whole_reason"));
    struct json_object *error = NULL;
    if (json_object_object_get_ex(o, "error", &error) && error != NULL)
        (void)printf("error: %s\n", json_object_is_type(error, json_type_object)
                                        ? ei_cli_text(error, "message")
                                        : json_object_get_string(error));
    if (ei_cli_text(o, "reason")[0] != '\0')
        (void)printf("%s\n", ei_cli_text(o, "reason"));
    (void)puts("");
    show_stages(o);
}

char *ei_cli_job_path(struct ei_cli *c, const char *suffix) {
    const char *id = c->argc == 1 ? c->argv[0] : "";
    if (id[0] == '\0' || strspn(id, "0123456789") != strlen(id)) {
        (void)ei_cli_usage(
            "'eider %s' needs the id of a job, a number: `eider job list` shows them",
            c->command->name);
        return NULL;
    }
    return ei_asprintf("/v1/jobs/%s%s", id, suffix);
}

int ei_cmd_job_show(struct ei_cli *c) {
    char *path = ei_cli_job_path(c, "");
    int code = path == NULL ? 2 : ask(c, "GET", path, show_job);
    free(path);
    return code;
}

static void show_cancelled(struct ei_cli *c, struct json_object *o, enum ei_output form) {
    if (form == EI_OUTPUT_JSON)
        ei_cli_print_json(o);
    else if (!c->quiet)
        (void)printf("job %s is being cancelled\n", c->argv[0]);
}

int ei_cmd_job_cancel(struct ei_cli *c) {
    char *path = ei_cli_job_path(c, "/cancel");
    int code = path == NULL ? 2 : ask(c, "POST", path, show_cancelled);
    free(path);
    return code;
}

/* ---- tables ---- */

static void show_tables(struct ei_cli *c, struct json_object *o, enum ei_output form) {
    (void)c;
    if (form == EI_OUTPUT_JSON) {
        ei_cli_print_json(o);
        return;
    }
    static const char *const NAMES[] = {"name", "from"};
    struct ei_table t;
    ei_cli_put_header(&t, NAMES, "ll");
    struct json_object *list = NULL;
    size_t n = json_object_object_get_ex(o, "tables", &list) ? json_object_array_length(list) : 0;
    for (size_t i = 0; i < n; i++) {
        struct json_object *row = json_object_array_get_idx(list, i);
        ei_table_puts(&t, ei_cli_text(row, "name"));
        ei_table_puts(&t, ei_cli_text(row, "sql"));
    }
    ei_table_print(&t, form);
    ei_table_release(&t);
}

int ei_cmd_table_list(struct ei_cli *c) {
    return ask(c, "GET", "/v1/tables", show_tables);
}
