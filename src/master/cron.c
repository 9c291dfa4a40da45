/* Cron entries. When one is due, that it fired is kept on disk first; then a gateway is asked to
 * plan and submit it. So an entry never runs twice for the same minute, not even when the master
 * dies in between: then it does not run for that minute. A time that passed while no master or
 * gateway was there is made up for if it is less than a minute ago. */
#include "master/internal.h"

#include "base/mem.h"
#include "master/json.h"
#include "os/os.h"
#include "state/cron.h"

#include <json-c/json.h>

#include <stdlib.h>
#include <string.h>

#define LATE_MS 60000
#define LOOK_MOST_US 30000000 /* the wall clock may be set */
#define RETRY_US 1000000      /* while there is no gateway */
#define CALL_TIMEOUT_MS 60000

/* ---- when ---- */

/* The next minute that has not fired yet and is not too long ago. */
static int64_t next_ms(const struct ei_state_setting *i, int64_t now_ms) {
    struct ei_cron schedule;
    struct ei_error e;
    int64_t after = EI_MAX(i->number[EI_CRON_FIRED_MS], i->number[EI_CRON_CREATED_MS]);
    if (ei_cron_parse(&schedule, i->text[EI_CRON_SCHEDULE], &e) != 0)
        return INT64_MAX;
    return ei_cron_next(&schedule, EI_MAX(after, now_ms - LATE_MS));
}

/* ---- firing ---- */

struct call {
    struct ei_master *master;
    char *name;
};

static void note_error(struct ei_master *m, const char *name, const char *text) {
    free(text != NULL ? ei_map_put(&m->cron_errors, name, ei_strdup(text))
                      : ei_map_remove(&m->cron_errors, name));
}

static void on_submitted(void *data, const ProtobufCMessage *body, const struct ei_error *e) {
    struct call *c = data;
    struct ei_error refused = {0};
    bool bad =
        body == NULL || ei_error_from_wire(((const Eider__V1__Reply *)body)->error, &refused) != 0;
    const char *text = body == NULL ? e->text : refused.text;
    if (bad && !c->master->stopping) {
        ei_log(EI_LOG_WARN, "cron entry %s was not run: %s", c->name, text);
        note_error(c->master, c->name, text);
    }
    free(c->name);
    free(c);
}

static struct ei_peer *some_gateway(const struct ei_master *m) {
    for (size_t i = 0; i < m->peers.count; i++) {
        struct ei_peer *p = m->peers.entries[i].value;
        if (p->role == EI_ROLE_GATEWAY && p->link != NULL)
            return p;
    }
    return NULL;
}

static int fire(struct ei_master *m, const char *name, int64_t minute_ms, struct ei_peer *gateway,
                struct ei_error *e) {
    struct ei_state_command c = ei_state_put(&m->state, EI_STATE_CRON, name);
    c.number[EI_CRON_FIRED_MS] = minute_ms;
    c.number[EI_CRON_RUNS]++;
    c.must_exist = true;
    if (ei_journal_commit(m->journal, &m->state, &c, e) < 0)
        return -1;
    const struct ei_state_setting *i = ei_state_setting(&m->state, EI_STATE_CRON, name);
    char *title = ei_asprintf("cron %s", i->name);
    Eider__V1__RunSql run = EIDER__V1__RUN_SQL__INIT;
    run.sql = i->text[EI_CRON_SQL];
    run.directory = i->text[EI_CRON_DIRECTORY];
    run.queue = i->text[EI_CRON_QUEUE];
    run.user = i->text[EI_CRON_USER];
    run.priority = (int32_t)i->number[EI_CRON_PRIORITY];
    run.name = title;
    run.cron = i->name;
    struct call *call = ei_calloc(1, sizeof *call);
    call->master = m;
    call->name = ei_strdup(i->name);
    note_error(m, i->name, NULL);
    ei_conn_call(gateway->link->conn, &run.base, CALL_TIMEOUT_MS, on_submitted, call);
    free(title);
    return 0;
}

int64_t ei_cron_run(struct ei_master *m, int64_t now_us) {
    const struct ei_state_settings *list = &m->state.settings[EI_STATE_CRON];
    if (now_us < m->next_cron_us)
        return m->next_cron_us;
    int64_t now_ms = ei_unix_ms(), due_ms = INT64_MAX;
    struct ei_peer *gateway = some_gateway(m);
    bool waits = false;
    for (size_t i = 0; i < list->count; i++) {
        int64_t minute_ms = next_ms(&list->items[i], now_ms);
        if (minute_ms <= now_ms && gateway != NULL) {
            struct ei_error e;
            char *name = ei_strdup(list->items[i].name); /* the list is changed */
            if (fire(m, name, minute_ms, gateway, &e) != 0)
                ei_log(EI_LOG_WARN, "cron entry %s was not run: %s", name, e.text);
            free(name);
            minute_ms = next_ms(&list->items[i], now_ms);
        }
        waits = waits || minute_ms <= now_ms;
        due_ms = EI_MIN(due_ms, minute_ms);
    }
    if (list->count == 0)
        m->next_cron_us = INT64_MAX;
    else if (waits)
        m->next_cron_us = now_us + RETRY_US;
    else
        m->next_cron_us =
            now_us + (due_ms - now_ms < LOOK_MOST_US / 1000 ? EI_MAX((due_ms - now_ms) * 1000, 1000)
                                                            : LOOK_MOST_US);
    return m->next_cron_us;
}

void ei_cron_release(struct ei_master *m) {
    for (size_t i = 0; i < m->cron_errors.count; i++)
        free(m->cron_errors.entries[i].value);
    ei_map_release(&m->cron_errors);
}

/* ---- REST ---- */

static void write_entry(const struct ei_master *m, const struct ei_state_setting *i,
                        struct ei_json *j) {
    int64_t next = next_ms(i, ei_unix_ms());
    const char *error = ei_map_get(&m->cron_errors, i->name);
    ei_json_open(j, NULL, '{');
    ei_json_text(j, "name", i->name);
    ei_json_text(j, "schedule", i->text[EI_CRON_SCHEDULE]);
    ei_json_text(j, "sql", i->text[EI_CRON_SQL]);
    ei_json_text(j, "directory", i->text[EI_CRON_DIRECTORY]);
    ei_json_text(j, "queue", i->text[EI_CRON_QUEUE]);
    ei_json_text(j, "user", i->text[EI_CRON_USER]);
    ei_json_int(j, "priority", i->number[EI_CRON_PRIORITY]);
    ei_json_int(j, "created_ms", i->number[EI_CRON_CREATED_MS]);
    ei_json_int(j, "fired_ms", i->number[EI_CRON_FIRED_MS]);
    ei_json_int(j, "runs", i->number[EI_CRON_RUNS]);
    if (next != INT64_MAX)
        ei_json_int(j, "next_ms", next);
    if (error != NULL)
        ei_json_text(j, "error", error);
    ei_json_close(j, '}');
}

void ei_rest_cron(struct ei_http_request *r, void *data) {
    const struct ei_master *m = data;
    const struct ei_state_settings *list = &m->state.settings[EI_STATE_CRON];
    struct ei_json j = {0};
    ei_json_open(&j, NULL, '{');
    ei_json_open(&j, "entries", '[');
    for (size_t i = 0; i < list->count; i++)
        write_entry(m, &list->items[i], &j);
    ei_json_close(&j, ']');
    ei_json_close(&j, '}');
    ei_rest_json(r, &j);
}

static int read_entry(struct ei_http_request *r, struct json_object *body,
                      struct ei_state_command *c, struct ei_error *e) {
    static const char *const members[] = {"name",  "schedule", "sql",      "directory",
                                          "queue", "user",     "priority", NULL};
    c->text[EI_CRON_USER] = ei_http_user(r);
    if (ei_body_known(body, members, e) != 0 || ei_body_text(body, "name", &c->name, e) != 0 ||
        ei_body_text(body, "schedule", &c->text[EI_CRON_SCHEDULE], e) != 0 ||
        ei_body_text(body, "sql", &c->text[EI_CRON_SQL], e) != 0 ||
        ei_body_text(body, "directory", &c->text[EI_CRON_DIRECTORY], e) != 0 ||
        ei_body_text(body, "queue", &c->text[EI_CRON_QUEUE], e) != 0 ||
        ei_body_text(body, "user", &c->text[EI_CRON_USER], e) != 0 ||
        ei_body_int(body, "priority", -1000000, 1000000, &c->number[EI_CRON_PRIORITY], e) != 0)
        return -1;
    if (strcmp(c->text[EI_CRON_USER], ei_http_user(r)) != 0 && ei_http_access(r) < EI_ACCESS_ADMIN)
        return ei_fail(e, EI_DENIED, "only an administrator may add entries of user \"%.60s\"",
                       c->text[EI_CRON_USER]);
    return 0;
}

static int add_entry(struct ei_master *m, struct ei_http_request *r, struct json_object *body,
                     struct ei_state_command *c, struct ei_error *e) {
    if (read_entry(r, body, c, e) != 0)
        return -1;
    const char *queue = c->text[EI_CRON_QUEUE];
    if (queue != NULL && queue[0] != '\0' && strcmp(queue, "default") != 0 &&
        ei_state_setting(&m->state, EI_STATE_QUEUE, queue) == NULL)
        return ei_fail(e, EI_NOT_FOUND, "there is no queue \"%.100s\"", queue);
    c->number[EI_CRON_CREATED_MS] = ei_unix_ms();
    if (ei_journal_commit(m->journal, &m->state, c, e) < 0)
        return -1;
    m->next_cron_us = 0;
    return 0;
}

void ei_rest_cron_add(struct ei_http_request *r, void *data) {
    struct ei_master *m = data;
    struct ei_error e = {0};
    struct json_object *body = ei_rest_body(r, &e);
    struct ei_state_command c = {
        .type = EI_STATE_SETTING_PUT, .kind = EI_STATE_CRON, .must_be_new = true};
    if (body == NULL || add_entry(m, r, body, &c, &e) != 0) {
        ei_http_respond_error(r, &e);
    } else {
        struct ei_json j = {0};
        write_entry(m, ei_state_setting(&m->state, EI_STATE_CRON, c.name), &j);
        ei_rest_json(r, &j);
    }
    json_object_put(body);
}

void ei_rest_cron_remove(struct ei_http_request *r, void *data) {
    struct ei_master *m = data;
    struct ei_error e = {0};
    struct ei_state_command c = {
        .type = EI_STATE_SETTING_DROP, .kind = EI_STATE_CRON, .name = ei_http_param(r, "name")};
    const struct ei_state_setting *i = ei_state_setting(&m->state, EI_STATE_CRON, c.name);
    int rc = 0;
    if (i != NULL && strcmp(i->text[EI_CRON_USER], ei_http_user(r)) != 0 &&
        ei_http_access(r) < EI_ACCESS_ADMIN)
        rc = ei_fail(&e, EI_DENIED, "cron entry \"%s\" belongs to user \"%s\"", i->name,
                     i->text[EI_CRON_USER]);
    if (rc == 0)
        rc = ei_journal_commit(m->journal, &m->state, &c, &e) < 0 ? -1 : 0;
    if (rc != 0) {
        ei_http_respond_error(r, &e);
        return;
    }
    note_error(m, c.name, NULL);
    struct ei_json j = {0};
    ei_json_open(&j, NULL, '{');
    ei_json_text(&j, "name", c.name);
    ei_json_close(&j, '}');
    ei_rest_json(r, &j);
}
