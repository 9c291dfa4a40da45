/* Options that say how a statement is to run -> members of a request's body. */
#include "cli/order.h"

#include "base/mem.h"
#include "os/os.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- values ---- */

int64_t ei_cli_duration_ms(const char *text) {
    static const struct {
        const char *unit;
        double ms;
    } units[] = {{"ms", 1},      {"s", 1000},    {"", 1000},      {"m", 60000},
                 {"min", 60000}, {"h", 3600000}, {"d", 86400000}, {"w", 604800000}};
    char *end = NULL;
    double n = strtod(text, &end);
    if (end == text || !(n >= 0))
        return -1;
    for (size_t i = 0; i < EI_ARRAY_LEN(units); i++)
        if (strcmp(end, units[i].unit) == 0)
            return n * units[i].ms <= 1e15 ? (int64_t)(n * units[i].ms) : -1;
    return -1;
}

/* "+10m", "2026-12-24 18:00" (local time) or "18:00" (the next one); -1 if it is none. */
static int64_t parse_time(const char *text) {
    if (text[0] == '+') {
        int64_t ms = ei_cli_duration_ms(text + 1);
        return ms < 0 ? -1 : ei_unix_ms() + ms;
    }
    time_t now = (time_t)(ei_unix_ms() / 1000);
    struct tm t;
    if (localtime_r(&now, &t) == NULL)
        return -1;
    static const char *const dated[] = {"%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M",
                                        "%Y-%m-%dT%H:%M"};
    t.tm_sec = 0;
    for (size_t i = 0; i < EI_ARRAY_LEN(dated); i++) {
        struct tm day = t;
        const char *end = strptime(text, dated[i], &day);
        day.tm_isdst = -1;
        if (end != NULL && *end == '\0')
            return (int64_t)mktime(&day) * 1000;
    }
    const char *end = strptime(text, "%H:%M", &t);
    if (end == NULL || *end != '\0')
        return -1;
    t.tm_isdst = -1;
    time_t when = mktime(&t);
    return (int64_t)(when > now ? when : when + 86400) * 1000;
}

/* ---- members ---- */

/* Is the option in the command's table, and given? */
static const char *given(const struct ei_cli *c, const char *option) {
    for (const struct ei_cli_option *o = c->command->options; o != NULL && o->name != NULL; o++)
        if (strcmp(o->name, option) == 0)
            return ei_cli_get(c, option);
    return NULL;
}

static int add_number(const struct ei_cli *c, const char *option, const char *key,
                      struct json_object *body) {
    long n;
    if (given(c, option) == NULL)
        return 0;
    if (ei_cli_number(c, option, -1000000, 4294967295L, 0, &n) != 0)
        return -1;
    json_object_object_add(body, key, json_object_new_int64(n));
    return 0;
}

static int add_size(const struct ei_cli *c, const char *option, const char *key,
                    struct json_object *body) {
    const char *text = given(c, option);
    uint64_t n = text != NULL ? ei_cli_size(text) : 0;
    if (text == NULL)
        return 0;
    if (n == 0 && strcmp(text, "0") != 0) {
        (void)ei_cli_usage("--%s must be a size like 512MB or 4GB, not '%s'", option, text);
        return -1;
    }
    json_object_object_add(body, key, json_object_new_uint64(n));
    return 0;
}

static int add_duration(const struct ei_cli *c, const char *option, const char *key,
                        struct json_object *body) {
    const char *text = given(c, option);
    int64_t ms = text != NULL ? ei_cli_duration_ms(text) : 0;
    if (text == NULL)
        return 0;
    if (ms < 0) {
        (void)ei_cli_usage("--%s must be a duration like 90s, 5m, 2h or 1d, not '%s'", option,
                           text);
        return -1;
    }
    json_object_object_add(body, key, json_object_new_int64(ms));
    return 0;
}

static void add_text(const struct ei_cli *c, const char *option, const char *key,
                     struct json_object *body) {
    if (given(c, option) != NULL)
        json_object_object_add(body, key, json_object_new_string(given(c, option)));
}

static void add_list(const struct ei_cli *c, const char *option, const char *key,
                     struct json_object *body) {
    const char *p = given(c, option);
    if (p == NULL)
        return;
    struct json_object *list = json_object_new_array();
    while (*p != '\0') {
        size_t n = strcspn(p, ",");
        if (n > 0)
            json_object_array_add(list, json_object_new_string_len(p, (int)n));
        p += n + (p[n] == ',');
    }
    json_object_object_add(body, key, list);
}

/* gpu=0.5,license=1 */
static int add_needs(const struct ei_cli *c, struct json_object *body) {
    const char *p = given(c, "need");
    if (p == NULL)
        return 0;
    struct json_object *needs = json_object_new_object();
    json_object_object_add(body, "needs", needs);
    while (*p != '\0') {
        size_t n = strcspn(p, ","), name = strcspn(p, "=,");
        char *end = NULL;
        double amount = name < n ? strtod(p + name + 1, &end) : 1;
        if (name == 0 || (name < n && end != p + n)) {
            (void)ei_cli_usage("--need must be like gpu=0.5, not '%s'", p);
            return -1;
        }
        char *key = ei_strndup(p, name);
        json_object_object_add(needs, key, json_object_new_double(amount));
        free(key);
        p += n + (p[n] == ',');
    }
    return 0;
}

int ei_cli_order(const struct ei_cli *c, struct json_object *body) {
    const char *begin = given(c, "begin");
    int64_t begin_ms = begin != NULL ? parse_time(begin) : 0;
    if (begin_ms < 0) {
        (void)ei_cli_usage("--begin must be like +10m, 18:00 or '2026-12-24 18:00', not '%s'",
                           begin);
        return -1;
    }
    if (begin != NULL)
        json_object_object_add(body, "begin_ms", json_object_new_int64(begin_ms));
    add_text(c, "queue", "queue", body);
    add_text(c, "name", "name", body);
    add_text(c, "user", "user", body);
    add_list(c, "after", "after", body);
    add_list(c, "label", "labels", body);
    if (add_needs(c, body) != 0 || add_number(c, "priority", "priority", body) != 0 ||
        add_number(c, "cores", "cores", body) != 0 ||
        add_number(c, "max-cores", "max_cores", body) != 0 ||
        add_size(c, "memory", "memory_bytes", body) != 0 ||
        add_size(c, "max-memory", "max_memory_bytes", body) != 0 ||
        add_duration(c, "time-limit", "time_limit_ms", body) != 0 ||
        add_duration(c, "task-time-limit", "task_time_limit_ms", body) != 0 ||
        add_duration(c, "keep", "keep_ms", body) != 0)
        return -1;
    return 0;
}

/* ---- of queues and users ---- */

int ei_cli_share(const struct ei_cli *c, struct json_object *body) {
    add_text(c, "parent", "parent", body);
    add_text(c, "policy", "policy", body);
    if (add_number(c, "weight", "weight", body) != 0 ||
        add_number(c, "min-cores", "min_cores", body) != 0 ||
        add_number(c, "max-cores", "max_cores", body) != 0 ||
        add_number(c, "max-running-jobs", "max_running_jobs", body) != 0 ||
        add_number(c, "max-waiting-jobs", "max_waiting_jobs", body) != 0 ||
        add_size(c, "max-memory", "max_memory_bytes", body) != 0)
        return -1;
    return 0;
}
