/* Workers as nodes that can be cordoned and drained: what people ordered (kept in the lasting
 * state), what the worker says of itself (low on disk or memory), and their REST. */
#include "master/internal.h"

#include "base/mem.h"
#include "master/json.h"
#include "os/os.h"
#include "pki/pki.h"
#include "sched/admission.h"

#include <json-c/json.h>

#include <stdlib.h>
#include <string.h>

/* ---- to the scheduler ---- */

static const struct ei_state_setting *order_of(const struct ei_master *m, const char *name) {
    return ei_state_setting(&m->state, EI_STATE_NODE, name);
}

static void tell(struct ei_master *m, struct ei_peer *p, enum ei_sched_event_type type,
                 int64_t deadline_us) {
    struct ei_sched_event event = {.type = type,
                                   .now_us = ei_now_us(),
                                   .node = p->node,
                                   .u.drain = {.deadline_us = deadline_us}};
    p->closed = type != EI_SCHED_NODE_RESUME;
    ei_master_step(m, &event);
}

/* Brings the scheduler's view of the node in line with what was ordered and what it says. */
void ei_node_apply(struct ei_master *m, struct ei_peer *p) {
    if (p->node == 0)
        return;
    const struct ei_state_setting *order = order_of(m, p->name);
    int64_t state = order != NULL ? order->number[EI_NODE_STATE] : EI_NODE_OPEN;
    if (state == EI_NODE_DRAINING) {
        int64_t deadline_ms = order->number[EI_NODE_DEADLINE_MS];
        int64_t left_ms = EI_MAX(deadline_ms - ei_unix_ms(), 1);
        tell(m, p, EI_SCHED_NODE_DRAIN, deadline_ms > 0 ? ei_now_us() + left_ms * 1000 : 0);
        return;
    }
    bool close = state != EI_NODE_OPEN || p->low_disk || p->low_memory;
    if (close != p->closed)
        tell(m, p, close ? EI_SCHED_NODE_CORDON : EI_SCHED_NODE_RESUME, 0);
}

void ei_node_heard(struct ei_master *m, struct ei_peer *p, bool low_disk, bool low_memory) {
    if (low_disk != p->low_disk)
        ei_log(low_disk ? EI_LOG_WARN : EI_LOG_INFO, "worker %s %s low on disk: %s new work",
               p->name, low_disk ? "is" : "is no longer", low_disk ? "no" : "it takes");
    if (low_memory != p->low_memory)
        ei_log(low_memory ? EI_LOG_WARN : EI_LOG_INFO, "worker %s %s low on memory: %s new work",
               p->name, low_memory ? "is" : "is no longer", low_memory ? "no" : "it takes");
    bool changed = low_disk != p->low_disk || low_memory != p->low_memory;
    p->low_disk = low_disk;
    p->low_memory = low_memory;
    const struct ei_state_setting *order = order_of(m, p->name);
    if (changed && (order == NULL || order->number[EI_NODE_STATE] == EI_NODE_OPEN))
        ei_node_apply(m, p);
}

static int set_state(struct ei_master *m, const char *name, enum ei_node_state state,
                     const char *reason, int64_t deadline_ms, struct ei_error *e) {
    struct ei_state_command c = ei_state_put(&m->state, EI_STATE_NODE, name);
    if (state == EI_NODE_OPEN) {
        c.type = EI_STATE_SETTING_DROP;
        c.if_exists = true;
    } else {
        c.number[EI_NODE_STATE] = state;
        c.number[EI_NODE_SINCE_MS] = ei_unix_ms();
        c.number[EI_NODE_DEADLINE_MS] = deadline_ms;
        if (reason != NULL)
            c.text[EI_NODE_REASON] = reason;
    }
    return ei_journal_commit(m->journal, &m->state, &c, e) < 0 ? -1 : 0;
}

void ei_node_drained(struct ei_master *m, uint64_t node) {
    struct ei_peer *p = ei_peer_by_node(m, node);
    const struct ei_state_setting *order = p != NULL ? order_of(m, p->name) : NULL;
    struct ei_error e;
    if (order == NULL || order->number[EI_NODE_STATE] != EI_NODE_DRAINING)
        return;
    ei_log(EI_LOG_INFO, "worker %s is drained: nothing on it is needed any more", p->name);
    if (set_state(m, p->name, EI_NODE_DRAINED, NULL, 0, &e) != 0)
        ei_log(EI_LOG_WARN, "that worker %s is drained could not be kept: %s", p->name, e.text);
}

/* ---- REST ---- */

static const char *state_name(const struct ei_master *m, const struct ei_peer *p,
                              const struct ei_state_setting *order) {
    static const char *const ordered[] = {"alive", "cordoned", "draining", "drained"};
    if (p == NULL || p->state == EI_PEER_LOST)
        return "lost";
    if (p->state == EI_PEER_GRACE)
        return "disconnected";
    if (order != NULL && order->number[EI_NODE_STATE] > EI_NODE_OPEN &&
        order->number[EI_NODE_STATE] <= EI_NODE_DRAINED)
        return ordered[order->number[EI_NODE_STATE]];
    if (p->low_disk)
        return "low-disk";
    if (p->low_memory)
        return "low-memory";
    return ei_sched_node_excluded_until(m->sched, p->node) != 0 ? "excluded" : "alive";
}

const char *ei_node_state_name(const struct ei_master *m, const struct ei_peer *p) {
    return state_name(m, p, order_of(m, p->name));
}

static void write_terms(const struct ei_peer *p, struct ei_json *j) {
    ei_json_open(j, "labels", '[');
    for (size_t i = 0; i < p->label_count; i++)
        ei_json_text(j, NULL, p->labels[i]);
    ei_json_close(j, ']');
    ei_json_open(j, "resources", '{');
    for (size_t i = 0; i < p->extra_count; i++)
        ei_json_ms(j, p->extras[i].name, p->extras[i].milli);
    ei_json_close(j, '}');
}

static void write_node(const struct ei_master *m, const char *name, struct ei_json *j) {
    char *key = ei_asprintf("worker/%s", name);
    const struct ei_peer *p = ei_map_get(&m->peers, key);
    const struct ei_state_setting *order = order_of(m, name);
    free(key);
    ei_json_open(j, NULL, '{');
    ei_json_text(j, "name", name);
    ei_json_text(j, "state", state_name(m, p, order));
    if (order != NULL && order->text[EI_NODE_REASON][0] != '\0')
        ei_json_text(j, "reason", order->text[EI_NODE_REASON]);
    if (order != NULL && order->number[EI_NODE_DEADLINE_MS] > 0)
        ei_json_int(j, "deadline_ms", order->number[EI_NODE_DEADLINE_MS]);
    if (p != NULL) {
        int64_t until_us = ei_sched_node_excluded_until(m->sched, p->node);
        if (until_us > ei_now_us())
            ei_json_int(j, "excluded_ms", (until_us - ei_now_us()) / 1000);
        ei_json_text(j, "address", p->address);
        ei_json_uint(j, "cores", p->cores);
        ei_json_uint(j, "running", p->flight_count);
        ei_json_uint(j, "memory_bytes", p->memory_bytes);
        ei_json_uint(j, "memory_available_bytes", p->memory_available_bytes);
        ei_json_uint(j, "disk_free_bytes", p->disk_free_bytes);
        ei_json_uint(j, "disk_total_bytes", p->disk_total_bytes);
        ei_json_uint(j, "exchange_bytes", p->exchange_bytes);
        write_terms(p, j);
    }
    ei_json_close(j, '}');
}

void ei_rest_nodes(struct ei_http_request *r, void *data) {
    const struct ei_master *m = data;
    const struct ei_state_settings *orders = &m->state.settings[EI_STATE_NODE];
    struct ei_json j = {0};
    ei_json_open(&j, NULL, '{');
    ei_json_open(&j, "nodes", '[');
    for (size_t i = 0; i < m->peers.count; i++) {
        const struct ei_peer *p = m->peers.entries[i].value;
        if (p->role == EI_ROLE_WORKER)
            write_node(m, p->name, &j);
    }
    for (size_t i = 0; i < orders->count; i++) { /* that have not come back since a restart */
        char *key = ei_asprintf("worker/%s", orders->items[i].name);
        if (ei_map_get(&m->peers, key) == NULL)
            write_node(m, orders->items[i].name, &j);
        free(key);
    }
    ei_json_close(&j, ']');
    ei_json_close(&j, '}');
    ei_rest_json(r, &j);
}

static int order_node(struct ei_master *m, struct ei_http_request *r, struct json_object *body,
                      enum ei_node_state state, struct ei_error *e) {
    static const char *const members[] = {"reason", "deadline_ms", NULL};
    const char *name = ei_http_param(r, "name"), *reason = NULL;
    char *key = ei_asprintf("worker/%s", name);
    struct ei_peer *p = ei_map_get(&m->peers, key);
    int64_t deadline_ms = 0;
    free(key);
    if (p == NULL && order_of(m, name) == NULL)
        return ei_fail(e, EI_NOT_FOUND, "there is no worker \"%.100s\"", name);
    if (ei_body_known(body, members, e) != 0 || ei_body_text(body, "reason", &reason, e) != 0 ||
        ei_body_int(body, "deadline_ms", 0, EI_JOB_MS_MAX, &deadline_ms, e) != 0)
        return -1;
    if (deadline_ms > 0)
        deadline_ms += ei_unix_ms();
    if (set_state(m, name, state, reason, deadline_ms, e) != 0)
        return -1;
    if (p != NULL)
        ei_node_apply(m, p);
    return 0;
}

static void change(struct ei_master *m, struct ei_http_request *r, enum ei_node_state state) {
    struct ei_error e = {0};
    struct json_object *body = ei_rest_body(r, &e);
    if (body == NULL || order_node(m, r, body, state, &e) != 0) {
        ei_http_respond_error(r, &e);
    } else {
        struct ei_json j = {0};
        write_node(m, ei_http_param(r, "name"), &j);
        ei_rest_json(r, &j);
    }
    json_object_put(body);
}

void ei_rest_node_cordon(struct ei_http_request *r, void *data) {
    change(data, r, EI_NODE_CORDONED);
}

void ei_rest_node_drain(struct ei_http_request *r, void *data) {
    change(data, r, EI_NODE_DRAINING);
}

void ei_rest_node_resume(struct ei_http_request *r, void *data) {
    change(data, r, EI_NODE_OPEN);
}

/* What the workers keep on their disks. */
void ei_rest_disk(struct ei_http_request *r, void *data) {
    const struct ei_master *m = data;
    struct ei_json j = {0};
    ei_json_open(&j, NULL, '{');
    ei_json_open(&j, "disk", '[');
    for (size_t i = 0; i < m->peers.count; i++) {
        const struct ei_peer *p = m->peers.entries[i].value;
        for (size_t k = 0; k < p->disk_use_count; k++) {
            const struct ei_disk_use *u = &p->disk_use[k];
            ei_json_open(&j, NULL, '{');
            ei_json_text(&j, "node", p->name);
            ei_json_text(&j, "what", u->what);
            ei_json_uint(&j, "bytes", u->bytes);
            ei_json_uint(&j, "files", u->files);
            ei_json_uint(&j, "quota_bytes", u->quota_bytes);
            ei_json_uint(&j, "oldest_s", u->oldest_s);
            ei_json_uint(&j, "disk_free_bytes", p->disk_free_bytes);
            ei_json_close(&j, '}');
        }
    }
    ei_json_close(&j, ']');
    ei_json_close(&j, '}');
    ei_rest_json(r, &j);
}
