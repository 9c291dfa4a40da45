/* Cron entries: add, list, remove. */
#include "cli/order.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void put_time(struct ei_table *t, int64_t ms) {
    char text[40] = "-";
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    if (ms > 0 && gmtime_r(&seconds, &tm) != NULL)
        (void)strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &tm);
    ei_table_puts(t, text);
}

static void row(struct ei_table *t, struct json_object *o) {
    char sql[64];
    ei_table_puts(t, ei_cli_text(o, "name"));
    ei_table_puts(t, ei_cli_text(o, "schedule"));
    put_time(t, ei_cli_int(o, "next_ms"));
    put_time(t, ei_cli_int(o, "fired_ms"));
    ei_cli_put_int(t, ei_cli_int(o, "runs"));
    ei_table_puts(t, ei_cli_text(o, "user"));
    ei_table_puts(t, ei_cli_text(o, "queue"));
    (void)snprintf(sql, sizeof sql, "%.60s", ei_cli_text(o, "sql"));
    ei_table_puts(t, sql);
    ei_table_puts(t, ei_cli_text(o, "error"));
}

static void show_entries(struct ei_cli *c, struct json_object *o, enum ei_output form) {
    static const char *const names[] = {"entry", "schedule", "next",  "last", "runs",
                                        "user",  "queue",    "query", "error"};
    (void)c;
    ei_cli_show_list(o, "entries", form, names, "llllrllll", row);
}

int ei_cmd_cron_list(struct ei_cli *c) {
    return ei_cli_ask(c, false, "GET", "/v1/cron", NULL, show_entries);
}

static void show_changed(struct ei_cli *c, struct json_object *o, enum ei_output form) {
    bool removed = strcmp(c->command->name, "cron remove") == 0;
    if (form == EI_OUTPUT_JSON)
        ei_cli_print_json(o);
    else if (!c->quiet)
        (void)printf("%s is %s\n", ei_cli_text(o, "name"), removed ? "removed" : "added");
}

int ei_cmd_cron_add(struct ei_cli *c) {
    char cwd[4096];
    if (c->argc != 3)
        return ei_cli_usage(
            "'eider cron add' needs a name, a schedule like \"*/5 * * * *\" and the "
            "SQL");
    struct json_object *body = json_object_new_object();
    json_object_object_add(body, "name", json_object_new_string(c->argv[0]));
    json_object_object_add(body, "schedule", json_object_new_string(c->argv[1]));
    json_object_object_add(body, "sql", json_object_new_string(c->argv[2]));
    json_object_object_add(body, "directory",
                           json_object_new_string(getcwd(cwd, sizeof cwd) != NULL ? cwd : "/"));
    if (ei_cli_order(c, body) != 0) {
        json_object_put(body);
        return 2;
    }
    return ei_cli_ask(c, false, "POST", "/v1/cron", body, show_changed);
}

int ei_cmd_cron_remove(struct ei_cli *c) {
    struct ei_buf path = {0};
    if (c->argc != 1)
        return ei_cli_usage("'eider cron remove' needs a name: `eider cron list` shows them");
    ei_buf_puts(&path, "/v1/cron/");
    ei_cli_put_escaped(&path, c->argv[0]);
    ei_buf_puts(&path, "/remove");
    int code = ei_cli_ask(c, false, "POST", path.data, NULL, show_changed);
    ei_buf_release(&path);
    return code;
}
