/* The link to the master: registration, heartbeats, events up, work down. Reconnects for ever. */
#include "base/mem.h"
#include "worker/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 2000
#define REGISTER_TIMEOUT_MS 5000
#define HEARTBEAT_DEFAULT_MS 1000

static void connect_master(struct worker *w);

/* ---- events ---- */
static void send_events(struct worker *w, Eider__V1__TaskEvent **events, size_t n) {
    Eider__V1__TaskEvents m = EIDER__V1__TASK_EVENTS__INIT;
    m.epoch = w->master.epoch;
    m.n_events = n;
    m.events = events;
    ei_conn_send(w->master.conn, &m.base);
    for (size_t i = 0; i < n; i++)
        eider__v1__task_event__free_unpacked(events[i], NULL);
}

static void flush(uv_idle_t *handle) {
    struct worker *w = handle->data;
    struct master_link *l = &w->master;
    Eider__V1__TaskEvent **events = NULL;
    size_t n = 0, capacity = 0, frame_bytes = 0, at = 0, len;
    uv_idle_stop(handle);
    while (l->registered && at < l->outbox.len) {
        memcpy(&len, l->outbox.data + at, sizeof len);
        at += sizeof len;
        EI_GROW(events, n, capacity);
        events[n] = eider__v1__task_event__unpack(NULL, len, (uint8_t *)l->outbox.data + at);
        EI_ASSERT(events[n]);
        n++;
        at += len;
        frame_bytes += len;
        if (frame_bytes >= EI_WORKER_EVENTS_FRAME_BYTES) {
            send_events(w, events, n);
            n = frame_bytes = 0;
        }
    }
    if (n > 0)
        send_events(w, events, n);
    free(events);
    ei_buf_clear(&l->outbox);
}

void ei_worker_event_push(struct worker *w, const uint8_t *event, size_t len) {
    struct master_link *l = &w->master;
    if (!l->registered)
        return;
    ei_buf_append(&l->outbox, &len, sizeof len);
    ei_buf_append(&l->outbox, event, len);
    uv_idle_start(&l->flush, flush);
}

/* ---- heartbeats ---- */
static void heartbeat(uv_timer_t *timer) {
    struct worker *w = timer->data;
    struct executor *x = &w->executor;
    Eider__V1__Heartbeat m = EIDER__V1__HEARTBEAT__INIT;
    Eider__V1__ProcessInfo info = EIDER__V1__PROCESS_INFO__INIT;
    Eider__V1__ProcessInfo *infos[1] = {&info};
    int64_t free_bytes = ei_disk_free_bytes(w->exchange_dir);
    char name[300];
    x->oom_kills = ei_worker_oom_kills();
    m.rss_bytes = ei_rss_bytes(0);
    m.cpu_us = ei_process_cpu_us(0);
    m.disk_free_bytes = free_bytes > 0 ? (uint64_t)free_bytes : 0;
    m.exchange_bytes = w->exchange_bytes;
    if (x->pid > 0) {
        snprintf(name, sizeof name, "%s/executor", w->o.name);
        info.role = (char *)(uintptr_t) "executor";
        info.name = name;
        info.pid = (uint32_t)x->pid;
        info.state = (char *)(uintptr_t)ei_worker_executor_state_name(w);
        info.rss_bytes = ei_rss_bytes(x->pid);
        info.cpu_us = ei_process_cpu_us(x->pid);
        m.processes = infos;
        m.n_processes = 1;
    }
    Eider__V1__DiskUse uses[EI_DISK_KINDS];
    Eider__V1__DiskUse *list[EI_DISK_KINDS];
    ei_worker_disk_report(w, &m, uses, list);
    ei_conn_send(w->master.conn, &m.base);
}

/* ---- registration ---- */
static void on_registered(void *data, const ProtobufCMessage *body, const struct ei_error *e) {
    struct worker *w = data;
    struct master_link *l = &w->master;
    struct ei_error refused;
    if (!body) { /* the connection's end, or silence: reconnect */
        if (l->conn)
            ei_conn_close(l->conn);
        return;
    }
    if (body->descriptor != &eider__v1__register_reply__descriptor ||
        ei_error_from_wire(((const Eider__V1__RegisterReply *)body)->error, &refused) != 0) {
        if (body->descriptor != &eider__v1__register_reply__descriptor)
            ei_fail(&refused, EI_INTERNAL, "the master answered something else");
        ei_log(EI_LOG_ERROR, "the master %s refused this worker: %s", w->o.master, refused.text);
        ei_conn_close(l->conn);
        return;
    }
    const Eider__V1__RegisterReply *reply = (const Eider__V1__RegisterReply *)body;
    uint64_t every_ms = reply->heartbeat_ms ? reply->heartbeat_ms : HEARTBEAT_DEFAULT_MS;
    l->registered = true;
    l->epoch = reply->epoch;
    l->backoff_ms = BACKOFF_MIN_MS;
    l->last_failure[0] = '\0';
    ei_log(EI_LOG_INFO, "registered with the master at %s", w->o.master);
    heartbeat(&l->heartbeat_timer);
    uv_timer_start(&l->heartbeat_timer, heartbeat, every_ms, every_ms);
    ei_worker_forget_below(w, reply->first_job);
    ei_worker_jobs_resend(w);
}

static void send_register(struct worker *w) {
    Eider__V1__Register m = EIDER__V1__REGISTER__INIT;
    size_t n;
    struct task_id *running = ei_worker_jobs_running(w, &n);
    Eider__V1__AttemptId *ids = ei_calloc(n + 1, sizeof *ids);
    Eider__V1__AttemptId **items = ei_calloc(n + 1, sizeof *items);
    for (size_t i = 0; i < n; i++) {
        eider__v1__attempt_id__init(&ids[i]);
        ids[i].job = running[i].job;
        ids[i].stage = running[i].stage;
        ids[i].task = running[i].task;
        ids[i].attempt = running[i].attempt;
        items[i] = &ids[i];
    }
    m.role = (char *)(uintptr_t) "worker";
    m.name = (char *)(uintptr_t)w->o.name;
    m.address = w->address;
    m.host_id = (char *)(uintptr_t)w->o.host_id;
    m.pid = (uint32_t)getpid();
    m.cores = w->o.cores;
    m.memory_bytes = w->o.memory_bytes;
    m.incarnation = w->incarnation;
    Eider__V1__Resource *resources[EI_WORKER_TERMS_MAX];
    for (size_t i = 0; i < w->o.resource_count; i++)
        resources[i] = &w->o.resources[i];
    m.labels = w->o.labels;
    m.n_labels = w->o.label_count;
    m.resources = resources;
    m.n_resources = w->o.resource_count;
    m.running = items;
    m.n_running = n;
    ei_conn_call(w->master.conn, &m.base, REGISTER_TIMEOUT_MS, on_registered, w);
    free(items);
    free(ids);
    free(running);
}

/* ---- the connection ---- */
static void on_open(struct ei_conn *c, void *data) {
    send_register(data);
}

static void on_message(struct ei_conn *c, void *data, const struct ei_message *m) {
    struct worker *w = data;
    if (!w->master.registered || w->stopping)
        return;
    switch (m->type) {
    case EI_MSG_ASSIGN:
        ei_worker_assign(w, (const Eider__V1__Assign *)m->body);
        break;
    case EI_MSG_KILL_TASKS:
        ei_worker_kill_tasks(w, (const Eider__V1__KillTasks *)m->body);
        break;
    case EI_MSG_FORGET_JOBS:
        ei_worker_forget_jobs(w, (const Eider__V1__ForgetJobs *)m->body);
        break;
    default:
        ei_log(EI_LOG_WARN, "the master sent message %u, which a worker does not handle", m->type);
    }
}

static void retry(uv_timer_t *timer) {
    connect_master(timer->data);
}

static void on_closed(struct ei_conn *c, void *data, const struct ei_error *e) {
    struct worker *w = data;
    struct master_link *l = &w->master;
    l->conn = NULL;
    l->registered = false;
    ei_buf_clear(&l->outbox);
    uv_timer_stop(&l->heartbeat_timer);
    if (w->stopping) {
        ei_worker_exit_if_stopped(w);
        return;
    }
    if (e->code != EI_OK && strncmp(l->last_failure, e->text, sizeof l->last_failure - 1) != 0) {
        ei_log(EI_LOG_WARN, "no connection to the master at %s: %s; trying again", w->o.master,
               e->text);
        snprintf(l->last_failure, sizeof l->last_failure, "%.*s", (int)sizeof l->last_failure - 1,
                 e->text);
    }
    uv_timer_start(&l->retry_timer, retry, l->backoff_ms, 0);
    l->backoff_ms = EI_MIN(l->backoff_ms * 2, BACKOFF_MAX_MS);
}

static const struct ei_conn_events master_events = {on_open, on_message, on_closed};

static void connect_master(struct worker *w) {
    w->master.conn =
        ei_conn_connect(&w->loop, w->tls, w->o.master, EI_ROLE_MASTER, &master_events, w);
}

void ei_worker_master_start(struct worker *w) {
    struct master_link *l = &w->master;
    l->backoff_ms = BACKOFF_MIN_MS;
    uv_timer_init(&w->loop, &l->retry_timer);
    uv_timer_init(&w->loop, &l->heartbeat_timer);
    uv_idle_init(&w->loop, &l->flush);
    l->retry_timer.data = l->heartbeat_timer.data = l->flush.data = w;
    connect_master(w);
}

void ei_worker_master_stop(struct worker *w) {
    uv_timer_stop(&w->master.retry_timer);
    uv_timer_stop(&w->master.heartbeat_timer);
    uv_idle_stop(&w->master.flush);
    if (w->master.conn)
        ei_conn_close(w->master.conn);
}
