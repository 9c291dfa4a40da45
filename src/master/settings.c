/* Queues and users: what the lasting state says of them is told to the scheduler, at the start and
 * with each change; and their REST. */
#include "master/internal.h"

#include "base/mem.h"
#include "master/json.h"
#include "os/os.h"
#include "sched/admission.h"

#include <json-c/json.h>

#include <string.h>

/* ---- to the scheduler ---- */

static struct ei_sched_limits limits_of(const struct ei_state_setting *i) {
    return (struct ei_sched_limits){
        .cores = (uint32_t)i->number[EI_SHARE_MAX_CORES],
        .memory_bytes = (uint64_t)i->number[EI_SHARE_MAX_MEMORY],
        .running_jobs = (uint32_t)i->number[EI_SHARE_MAX_RUNNING_JOBS],
        .waiting_jobs = (uint32_t)i->number[EI_SHARE_MAX_WAITING_JOBS],
    };
}

static void tell_queue(struct ei_master *m, const struct ei_state_setting *i) {
    struct ei_sched_event event = {
        .type = EI_SCHED_QUEUE_SET,
        .now_us = ei_now_us(),
        .u.queue = {.name = i->name,
                    .parent = i->text[EI_QUEUE_PARENT],
                    .weight = (uint32_t)i->number[EI_SHARE_WEIGHT],
                    .min_cores = (uint32_t)i->number[EI_QUEUE_MIN_CORES],
                    .fifo = i->number[EI_QUEUE_FIFO] != 0,
                    .limits = limits_of(i)},
    };
    ei_master_step(m, &event);
}

static void tell_user(struct ei_master *m, const struct ei_state_setting *i) {
    struct ei_sched_event event = {
        .type = EI_SCHED_USER_SET,
        .now_us = ei_now_us(),
        .u.user = {i->name, (uint32_t)i->number[EI_SHARE_WEIGHT], limits_of(i)},
    };
    ei_master_step(m, &event);
}

static unsigned depth_of(const struct ei_master *m, const struct ei_state_setting *i) {
    unsigned depth = 0;
    for (; i != NULL && i->text[EI_QUEUE_PARENT][0] != '\0'; depth++)
        i = ei_state_setting(&m->state, EI_STATE_QUEUE, i->text[EI_QUEUE_PARENT]);
    return depth;
}

void ei_settings_start(struct ei_master *m) {
    const struct ei_state_settings *queues = &m->state.settings[EI_STATE_QUEUE];
    const struct ei_state_settings *users = &m->state.settings[EI_STATE_USER];
    size_t told = 0;
    for (unsigned depth = 0; told < queues->count; depth++) { /* parents first */
        for (size_t i = 0; i < queues->count; i++) {
            if (depth_of(m, &queues->items[i]) != depth)
                continue;
            tell_queue(m, &queues->items[i]);
            told++;
        }
    }
    for (size_t i = 0; i < users->count; i++)
        tell_user(m, &users->items[i]);
}

/* ---- answers ---- */

static void write_share(struct ei_json *j, const struct ei_state_setting *i,
                        const struct ei_sched_use *use) {
    static const struct ei_state_setting none;
    const int64_t *n = i != NULL ? i->number : none.number;
    ei_json_int(j, "weight", EI_MAX(n[EI_SHARE_WEIGHT], 1));
    ei_json_int(j, "max_cores", n[EI_SHARE_MAX_CORES]);
    ei_json_int(j, "max_memory_bytes", n[EI_SHARE_MAX_MEMORY]);
    ei_json_int(j, "max_running_jobs", n[EI_SHARE_MAX_RUNNING_JOBS]);
    ei_json_int(j, "max_waiting_jobs", n[EI_SHARE_MAX_WAITING_JOBS]);
    ei_json_uint(j, "cores", use->cores);
    ei_json_uint(j, "memory_bytes", use->memory_bytes);
    ei_json_uint(j, "running_jobs", use->running_jobs);
    ei_json_uint(j, "waiting_jobs", use->waiting_jobs);
}

static void write_queue(const struct ei_master *m, const char *name,
                        const struct ei_state_setting *i, struct ei_json *j) {
    struct ei_sched_use use = ei_sched_queue_use(m->sched, name);
    ei_json_open(j, NULL, '{');
    ei_json_text(j, "name", name);
    ei_json_text(j, "parent", i != NULL ? i->text[EI_QUEUE_PARENT] : "");
    ei_json_text(j, "policy", i != NULL && i->number[EI_QUEUE_FIFO] != 0 ? "fifo" : "fair");
    ei_json_int(j, "min_cores", i != NULL ? i->number[EI_QUEUE_MIN_CORES] : 0);
    write_share(j, i, &use);
    ei_json_close(j, '}');
}

void ei_rest_queues(struct ei_http_request *r, void *data) {
    const struct ei_master *m = data;
    const struct ei_state_settings *list = &m->state.settings[EI_STATE_QUEUE];
    struct ei_json j = {0};
    ei_json_open(&j, NULL, '{');
    ei_json_open(&j, "queues", '[');
    if (ei_state_setting(&m->state, EI_STATE_QUEUE, "default") == NULL)
        write_queue(m, "default", NULL, &j);
    for (size_t i = 0; i < list->count; i++)
        write_queue(m, list->items[i].name, &list->items[i], &j);
    ei_json_close(&j, ']');
    ei_json_close(&j, '}');
    ei_rest_json(r, &j);
}

static void write_user(const struct ei_master *m, const struct ei_state_setting *i,
                       struct ei_json *j) {
    struct ei_sched_use use = ei_sched_user_use(m->sched, i->name);
    ei_json_open(j, NULL, '{');
    ei_json_text(j, "name", i->name);
    write_share(j, i, &use);
    ei_json_close(j, '}');
}

void ei_rest_users(struct ei_http_request *r, void *data) {
    const struct ei_master *m = data;
    const struct ei_state_settings *list = &m->state.settings[EI_STATE_USER];
    struct ei_json j = {0};
    ei_json_open(&j, NULL, '{');
    ei_json_open(&j, "users", '[');
    for (size_t i = 0; i < list->count; i++)
        write_user(m, &list->items[i], &j);
    ei_json_close(&j, ']');
    ei_json_close(&j, '}');
    ei_rest_json(r, &j);
}

/* ---- changes ---- */

static const char *const queue_members[] = {
    "name",      "parent",           "policy",           "weight",           "min_cores",
    "max_cores", "max_memory_bytes", "max_running_jobs", "max_waiting_jobs", NULL};

static int read_share(struct json_object *body, struct ei_state_command *c, struct ei_error *e) {
    static const struct {
        const char *key;
        int field;
        int64_t most;
    } members[] = {
        {"weight", EI_SHARE_WEIGHT, 1000000},
        {"max_cores", EI_SHARE_MAX_CORES, UINT32_MAX},
        {"max_memory_bytes", EI_SHARE_MAX_MEMORY, INT64_MAX},
        {"max_running_jobs", EI_SHARE_MAX_RUNNING_JOBS, UINT32_MAX},
        {"max_waiting_jobs", EI_SHARE_MAX_WAITING_JOBS, UINT32_MAX},
    };
    for (size_t i = 0; i < EI_ARRAY_LEN(members); i++)
        if (ei_body_int(body, members[i].key, 0, members[i].most, &c->number[members[i].field],
                        e) != 0)
            return -1;
    return 0;
}

static int read_queue(struct json_object *body, struct ei_state_command *c, struct ei_error *e) {
    const char *policy = NULL;
    if (ei_body_known(body, queue_members, e) != 0 ||
        ei_body_text(body, "parent", &c->text[EI_QUEUE_PARENT], e) != 0 ||
        ei_body_text(body, "policy", &policy, e) != 0 || read_share(body, c, e) != 0 ||
        ei_body_int(body, "min_cores", 0, UINT32_MAX, &c->number[EI_QUEUE_MIN_CORES], e) != 0)
        return -1;
    if (policy == NULL)
        return 0;
    if (strcmp(policy, "fifo") != 0 && strcmp(policy, "fair") != 0)
        return ei_fail(e, EI_USAGE, "\"policy\" must be \"fifo\" or \"fair\", not \"%.40s\"",
                       policy);
    c->number[EI_QUEUE_FIFO] = strcmp(policy, "fifo") == 0;
    return 0;
}

static int commit_queue(struct ei_master *m, struct json_object *body, const char *name, bool new,
                        struct ei_error *e) {
    struct ei_state_command c = ei_state_put(&m->state, EI_STATE_QUEUE, name);
    bool builtin = strcmp(name, "default") == 0;
    c.must_be_new = new && !builtin;
    c.must_exist = !new && !builtin;
    if (new &&builtin)
        return ei_fail(e, EI_EXISTS,
                       "the queue \"default\" is always there: `queue set` changes it");
    if (read_queue(body, &c, e) != 0)
        return -1;
    if (new)
        c.number[EI_SHARE_CREATED_MS] = ei_unix_ms();
    return ei_journal_commit(m->journal, &m->state, &c, e) < 0 ? -1 : 0;
}

static void change_queue(struct ei_master *m, struct ei_http_request *r, bool new) {
    struct ei_error e = {0};
    struct json_object *body = ei_rest_body(r, &e);
    const char *name = new ? NULL : ei_http_param(r, "name");
    int rc = body == NULL ? -1 : 0;
    if (rc == 0 && new)
        rc = ei_body_text(body, "name", &name, &e);
    if (rc == 0 && name == NULL)
        rc = ei_fail(&e, EI_USAGE, "\"name\" is missing");
    if (rc == 0)
        rc = commit_queue(m, body, name, new, &e);
    if (rc == 0) {
        const struct ei_state_setting *i = ei_state_setting(&m->state, EI_STATE_QUEUE, name);
        struct ei_json j = {0};
        if (i != NULL)
            tell_queue(m, i);
        write_queue(m, name, i, &j);
        ei_rest_json(r, &j);
    } else {
        ei_http_respond_error(r, &e);
    }
    json_object_put(body);
}

void ei_rest_queue_create(struct ei_http_request *r, void *data) {
    change_queue(data, r, true);
}

void ei_rest_queue_set(struct ei_http_request *r, void *data) {
    change_queue(data, r, false);
}

void ei_rest_user_set(struct ei_http_request *r, void *data) {
    static const char *const members[] = {
        "weight", "max_cores", "max_memory_bytes", "max_running_jobs", "max_waiting_jobs", NULL};
    struct ei_master *m = data;
    struct ei_error e = {0};
    struct json_object *body = ei_rest_body(r, &e);
    const char *name = ei_http_param(r, "name");
    struct ei_state_command c = ei_state_put(&m->state, EI_STATE_USER, name);
    if (body == NULL || ei_body_known(body, members, &e) != 0 || read_share(body, &c, &e) != 0 ||
        ei_journal_commit(m->journal, &m->state, &c, &e) < 0) {
        ei_http_respond_error(r, &e);
    } else {
        const struct ei_state_setting *i = ei_state_setting(&m->state, EI_STATE_USER, name);
        struct ei_json j = {0};
        tell_user(m, i);
        write_user(m, i, &j);
        ei_rest_json(r, &j);
    }
    json_object_put(body);
}
