/* eider status, eider job ..., eider table list: what the master's REST says, for people. */
#include "cli/cli.h"
#include "cli/cluster_files.h"
#include "base/mem.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(struct json_object *o, const char *key) {
    struct json_object *v = NULL;
    return json_object_object_get_ex(o, key, &v) && v != NULL ? json_object_get_string(v) : "";
}

static int64_t number_of(struct json_object *o, const char *key) {
    struct json_object *v = NULL;
    return json_object_object_get_ex(o, key, &v) ? json_object_get_int64(v) : 0;
}

static void print_json(struct json_object *o) {
    (void)puts(
        json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE));
}

static void put_number(struct ei_table *t, int64_t n) {
    char text[32];
    (void)snprintf(text, sizeof text, "%lld", (long long)n);
    ei_table_puts(t, text);
}

static void put_bytes(struct ei_table *t, int64_t n) {
    char text[32];
    if (n >= 10LL << 30)
        (void)snprintf(text, sizeof text, "%.1f GB", (double)n / (double)(1 << 30));
    else if (n >= 1 << 20)
        (void)snprintf(text, sizeof text, "%.1f MB", (double)n / (double)(1 << 20));
    else
        (void)snprintf(text, sizeof text, "%.1f kB", (double)n / 1024.0);
    ei_table_puts(t, text);
}

static void put_header(struct ei_table *t, const char *const *names, const char *right) {
    ei_table_init(t, strlen(right));
    for (size_t i = 0; i < t->columns; i++) {
        ei_table_puts(t, names[i]);
        t->right[i] = right[i] == 'r';
    }
}

/* Asks the master; prints the answer for -o json, else hands it to `show`. Returns the exit code.
 */
static int ask(struct ei_cli *c, const char *method, const char *path,
               void (*show)(struct ei_cli *c, struct json_object *o, enum ei_output form)) {
    enum ei_output form;
    if (ei_cli_output(c, &form) != 0)
        return 2;
    char *data_dir = ei_cli_data_dir(c);
    struct ei_cluster_address address;
    struct ei_error e = {0};
    struct json_object *o = NULL;
    int rc = ei_cluster_find(data_dir, &address, &e);
    free(data_dir);
    if (rc == 0) {
        rc = ei_cluster_json(&address, method, path, &o, &e);
        ei_cluster_address_release(&address);
    }
    if (rc != 0)
        return ei_cli_fail(&e);
    show(c, o, form);
    json_object_put(o);
    return 0;
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
        if (p != NULL && strcmp(text_of(p, "role"), "supervisor") == 0 &&
            ei_process_start_ticks((pid_t)number_of(p, "pid")) ==
                (uint64_t)number_of(p, "start_ticks")) {
            json_object_object_del(p, "start_ticks");
            json_object_object_add(
                p, "rss_bytes", json_object_new_uint64(ei_rss_bytes((pid_t)number_of(p, "pid"))));
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
        print_json(o);
        return;
    }
    static const char *const NAMES[] = {"role",  "name",  "pid",  "state",
                                        "ports", "cores", "busy", "memory"};
    struct ei_table t;
    put_header(&t, NAMES, "llrllrrr");
    struct json_object *list = NULL;
    size_t n =
        json_object_object_get_ex(o, "processes", &list) ? json_object_array_length(list) : 0;
    for (size_t i = 0; i < n; i++) {
        struct json_object *p = json_object_array_get_idx(list, i);
        ei_table_puts(&t, text_of(p, "role"));
        ei_table_puts(&t, text_of(p, "name"));
        put_number(&t, number_of(p, "pid"));
        ei_table_puts(&t, text_of(p, "state"));
        put_ports(&t, p);
        bool slots = number_of(p, "cores") > 0;
        if (slots) {
            put_number(&t, number_of(p, "cores"));
            put_number(&t, number_of(p, "running"));
        } else {
            ei_table_puts(&t, "");
            ei_table_puts(&t, "");
        }
        put_bytes(&t, number_of(p, "rss_bytes"));
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
        print_json(o);
        return;
    }
    static const char *const NAMES[] = {"id", "state", "tasks", "ms", "user", "job"};
    struct ei_table t;
    put_header(&t, NAMES, "rlrrll");
    struct json_object *list = NULL;
    size_t n = json_object_object_get_ex(o, "jobs", &list) ? json_object_array_length(list) : 0;
    for (size_t i = 0; i < n; i++) {
        struct json_object *j = json_object_array_get_idx(list, i);
        put_number(&t, number_of(j, "id"));
        ei_table_puts(&t, text_of(j, "state"));
        char tasks[48];
        (void)snprintf(tasks, sizeof tasks, "%lld/%lld", (long long)number_of(j, "tasks_done"),
                       (long long)number_of(j, "tasks"));
        ei_table_puts(&t, tasks);
        put_number(&t, number_of(j, "elapsed_ms"));
        ei_table_puts(&t, text_of(j, "user"));
        char name[64];
        (void)snprintf(name, sizeof name, "%.60s", text_of(j, "name"));
        ei_table_puts(&t, name);
    }
    ei_table_print(&t, form);
    ei_table_release(&t);
}

int ei_cmd_job_list(struct ei_cli *c) {
    long limit;
    if (ei_cli_number(c, "limit", 1, 1000, 20, &limit) != 0)
        return 2;
    char path[64];
    (void)snprintf(path, sizeof path, "/v1/jobs?limit=%ld", limit);
    return ask(c, "GET", path, show_jobs);
}

static void show_stages(struct json_object *o) {
    static const char *const NAMES[] = {"stage",  "what",    "tasks",    "ms",        "median ms",
                                        "max ms", "rows in", "rows out", "bytes out", "retries"};
    struct ei_table t;
    put_header(&t, NAMES, "rlrrrrrrrr");
    struct json_object *list = NULL;
    size_t n = json_object_object_get_ex(o, "stages", &list) ? json_object_array_length(list) : 0;
    for (size_t i = 0; i < n; i++) {
        struct json_object *s = json_object_array_get_idx(list, i);
        put_number(&t, number_of(s, "id"));
        ei_table_puts(&t, text_of(s, "name"));
        char tasks[48];
        (void)snprintf(tasks, sizeof tasks, "%lld/%lld", (long long)number_of(s, "done"),
                       (long long)number_of(s, "tasks"));
        ei_table_puts(&t, tasks);
        put_number(&t, number_of(s, "elapsed_ms"));
        ei_table_puts(&t, text_of(s, "task_ms_median"));
        ei_table_puts(&t, text_of(s, "task_ms_max"));
        put_number(&t, number_of(s, "rows_in"));
        put_number(&t, number_of(s, "rows_out"));
        put_bytes(&t, number_of(s, "bytes_out"));
        put_number(&t, number_of(s, "retries"));
    }
    ei_table_print(&t, EI_OUTPUT_TABLE);
    ei_table_release(&t);
}

static void show_job(struct ei_cli *c, struct json_object *o, enum ei_output form) {
    (void)c;
    if (form != EI_OUTPUT_TABLE) {
        print_json(o);
        return;
    }
    (void)printf("job %lld: %s\n", (long long)number_of(o, "id"), text_of(o, "state"));
    if (text_of(o, "sql")[0] != '\0')
        (void)printf("%s\n", text_of(o, "sql"));
    if (text_of(o, "whole_reason")[0] != '\0')
        (void)printf("whole on one worker: %s\n", text_of(o, "whole_reason"));
    struct json_object *error = NULL;
    if (json_object_object_get_ex(o, "error", &error) && error != NULL)
        (void)printf("error: %s\n", json_object_is_type(error, json_type_object)
                                        ? text_of(error, "message")
                                        : json_object_get_string(error));
    if (text_of(o, "reason")[0] != '\0')
        (void)printf("%s\n", text_of(o, "reason"));
    (void)puts("");
    show_stages(o);
}

/* /v1/jobs/ID[suffix] of the only argument; NULL and a sentence if it is no job id. */
static char *job_path(struct ei_cli *c, const char *suffix) {
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
    char *path = job_path(c, "");
    int code = path == NULL ? 2 : ask(c, "GET", path, show_job);
    free(path);
    return code;
}

static void show_cancelled(struct ei_cli *c, struct json_object *o, enum ei_output form) {
    if (form == EI_OUTPUT_JSON)
        print_json(o);
    else if (!c->quiet)
        (void)printf("job %s is being cancelled\n", c->argv[0]);
}

int ei_cmd_job_cancel(struct ei_cli *c) {
    char *path = job_path(c, "/cancel");
    int code = path == NULL ? 2 : ask(c, "POST", path, show_cancelled);
    free(path);
    return code;
}

/* ---- tables ---- */

static void show_tables(struct ei_cli *c, struct json_object *o, enum ei_output form) {
    (void)c;
    if (form == EI_OUTPUT_JSON) {
        print_json(o);
        return;
    }
    static const char *const NAMES[] = {"name", "from"};
    struct ei_table t;
    put_header(&t, NAMES, "ll");
    struct json_object *list = NULL;
    size_t n = json_object_object_get_ex(o, "tables", &list) ? json_object_array_length(list) : 0;
    for (size_t i = 0; i < n; i++) {
        struct json_object *row = json_object_array_get_idx(list, i);
        ei_table_puts(&t, text_of(row, "name"));
        ei_table_puts(&t, text_of(row, "sql"));
    }
    ei_table_print(&t, form);
    ei_table_release(&t);
}

int ei_cmd_table_list(struct ei_cli *c) {
    return ask(c, "GET", "/v1/tables", show_tables);
}
