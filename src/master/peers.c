/* Workers and gateways: registration, heartbeats, loss.
 *
 *   (new) --REGISTER--> ALIVE --connection lost--> GRACE --time is up--> LOST --REGISTER--> ALIVE
 *                         |  ^------REGISTER---------'                     ^
 *                         '---------------- heartbeats missing ------------'
 *
 * A worker in GRACE keeps its node, its running attempts and its outputs: the same incarnation may
 * come back. A LOST one does not: the scheduler has moved on, and what it still sends is fenced by
 * the epoch of its registration. */
#include "master/internal.h"

#include "base/hash.h"
#include "base/mem.h"
#include "os/os.h"
#include "pki/pki.h"

#include <stdlib.h>
#include <string.h>

static const char *text_or(const char *s, const char *otherwise) {
    return s != NULL && s[0] != '\0' ? s : otherwise;
}

struct ei_peer *ei_peer_by_node(const struct ei_master *m, uint64_t node) {
    return ei_map_get_u64(&m->nodes, node);
}

uint32_t ei_peers_cores(const struct ei_master *m) {
    uint32_t cores = 0;
    for (size_t i = 0; i < m->nodes.count; i++)
        cores += ((const struct ei_peer *)m->nodes.entries[i].value)->cores;
    return cores;
}

/* ---- what a peer runs and knows ---- */

static bool same_attempt(const struct ei_attempt *a, const struct ei_attempt *b) {
    return a->job == b->job && a->stage == b->stage && a->task == b->task &&
           a->attempt == b->attempt;
}

/* Two attempts with the same hash are rare: then the index names one of them. */
static uint64_t flight_key(const struct ei_attempt *id) {
    uint64_t low = (uint64_t)id->task << 32 | id->attempt;
    return ei_mix64(ei_mix64(id->job) + id->stage) ^ ei_mix64(low);
}

static size_t find_flight(const struct ei_peer *p, const struct ei_attempt *id) {
    size_t at = (size_t)(uintptr_t)ei_map_get_u64(&p->flight_index, flight_key(id)) - 1;
    if (at < p->flight_count && same_attempt(&p->flights[at].id, id))
        return at;
    for (at = 0; at < p->flight_count && !same_attempt(&p->flights[at].id, id); at++)
        ;
    return at;
}

struct ei_flight *ei_peer_flight(struct ei_peer *p, const struct ei_attempt *id) {
    size_t at = find_flight(p, id);
    return at < p->flight_count ? &p->flights[at] : NULL;
}

void ei_peer_take_off(struct ei_peer *p, struct ei_job *job, const struct ei_attempt *id,
                      int64_t now_us) {
    job->in_flight++;
    EI_GROW(p->flights, p->flight_count, p->flight_capacity);
    p->flights[p->flight_count++] = (struct ei_flight){*id, now_us, 0};
    (void)ei_map_put_u64(&p->flight_index, flight_key(id), (void *)p->flight_count);
}

void ei_peer_land(struct ei_peer *p, struct ei_job *job, const struct ei_attempt *id) {
    size_t at = find_flight(p, id);
    if (at == p->flight_count)
        return;
    if (job != NULL)
        job->in_flight--;
    (void)ei_map_remove_u64(&p->flight_index, flight_key(id));
    if (at == --p->flight_count)
        return;
    p->flights[at] = p->flights[p->flight_count];
    (void)ei_map_put_u64(&p->flight_index, flight_key(&p->flights[at].id), (void *)(at + 1));
}

static void clear_known(struct ei_peer *p) {
    for (size_t i = 0; i < p->known.count; i++)
        free(p->known.entries[i].value);
    ei_map_release(&p->known);
}

static void clear_processes(struct ei_peer *p) {
    for (size_t i = 0; i < p->process_count; i++) {
        free(p->processes[i].role);
        free(p->processes[i].name);
        free(p->processes[i].state);
    }
    free(p->processes);
    p->processes = NULL;
    p->process_count = 0;
}

void ei_peer_forget_job(struct ei_master *m, struct ei_peer *p, uint64_t id, struct ei_job *job) {
    for (size_t i = p->flight_count; job != NULL && job->in_flight > 0 && i-- > 0;) {
        struct ei_attempt flight = p->flights[i].id;
        if (flight.job == id)
            ei_peer_land(p, job, &flight);
    }
    struct ei_known_job *known = ei_map_remove_u64(&p->known, id);
    if (known == NULL)
        return;
    free(known);
    EI_GROW(p->forgets, p->forget_count, p->forget_capacity);
    p->forgets[p->forget_count++] = id;
    ei_master_want(m, p);
}

static void clear_terms(struct ei_peer *p) {
    for (size_t i = 0; i < p->label_count; i++)
        free(p->labels[i]);
    for (size_t i = 0; i < p->extra_count; i++)
        free((char *)(uintptr_t)p->extras[i].name);
    free(p->labels);
    free(p->extras);
    p->labels = NULL;
    p->extras = NULL;
    p->label_count = p->extra_count = 0;
}

void ei_peer_destroy(struct ei_peer *p) {
    clear_known(p);
    clear_processes(p);
    clear_terms(p);
    free(p->disk_use);
    free(p->flights);
    ei_map_release(&p->flight_index);
    free(p->launches);
    free(p->kills);
    free(p->forgets);
    free(p->name);
    free(p->address);
    free(p->host_id);
    free(p);
}

/* ---- loss ---- */

static void check_soon(struct ei_master *m, int64_t when_us) {
    if (when_us < m->next_check_us)
        m->next_check_us = when_us;
}

static void unlink_peer(struct ei_peer *p) {
    if (p->link == NULL)
        return;
    struct ei_session *l = p->link;
    p->link = NULL;
    l->peer = NULL;
    ei_conn_close(l->conn);
}

/* The scheduler forgets the node; outputs and attempts on it are gone. */
void ei_peer_node_down(struct ei_master *m, struct ei_peer *p) {
    if (p->node == 0)
        return;
    p->state = EI_PEER_LOST; /* nothing is queued for it any more */
    p->launch_count = p->kill_count = 0;
    for (size_t i = 0; i < p->flight_count; i++) {
        struct ei_job *job = ei_job_find(m, p->flights[i].id.job);
        if (job == NULL)
            continue;
        job->in_flight--;
        ei_task_note_failure(job, &p->flights[i].id, p->name, EI_LOST,
                             "the worker was lost while it ran the task", 0);
    }
    p->flight_count = 0;
    ei_map_release(&p->flight_index);
    for (size_t i = 0; i < p->known.count; i++) {
        struct ei_known_job *k = p->known.entries[i].value;
        memset(k->generation, 0, k->stage_count * sizeof k->generation[0]);
    }
    struct ei_sched_event event = {
        .type = EI_SCHED_NODE_DOWN, .now_us = ei_now_us(), .node = p->node};
    ei_master_step(m, &event);
    (void)ei_map_remove_u64(&m->nodes, p->node);
    p->node = 0;
}

static void peer_lost(struct ei_master *m, struct ei_peer *p, const char *why) {
    ei_log(EI_LOG_WARN, "%s %s is lost: %s", ei_role_name(p->role), p->name, why);
    unlink_peer(p);
    ei_peer_node_down(m, p);
    p->state = EI_PEER_LOST;
    p->lost_ms = ei_unix_ms();
}

static void fail_missing_attempts(struct ei_master *m, struct ei_peer *p, int64_t now_us) {
    for (size_t i = 0; i < p->flight_count;) {
        struct ei_flight f = p->flights[i];
        if (f.missing_since_us == 0 || now_us - f.missing_since_us < EI_MISSING_ATTEMPT_US) {
            if (f.missing_since_us != 0)
                check_soon(m, f.missing_since_us + EI_MISSING_ATTEMPT_US);
            i++;
            continue;
        }
        struct ei_job *job = ei_job_find(m, f.id.job);
        ei_peer_land(p, job, &f.id);
        if (job != NULL)
            ei_task_note_failure(job, &f.id, p->name, EI_LOST,
                                 "the task got lost when the worker's connection broke", 0);
        struct ei_sched_event event = {.type = EI_SCHED_TASK_FAILED,
                                       .now_us = now_us,
                                       .node = p->node,
                                       .u.task = {f.id, EI_LOST, true, 0}};
        ei_master_step(m, &event);
    }
}

void ei_peers_check(struct ei_master *m, int64_t now_us) {
    /* A master that was stopped or starved itself has no right to call others late. */
    int64_t late_us = now_us - m->last_check_us - 2 * EI_CHECK_US;
    m->last_check_us = now_us;
    m->next_check_us = INT64_MAX;
    ei_log_rotate(EI_LOG_MAX_BYTES);
    for (size_t i = 0; i < m->peers.count; i++) {
        struct ei_peer *p = m->peers.entries[i].value;
        if (p->state == EI_PEER_LOST)
            continue;
        if (late_us > 0) {
            p->heard_us += late_us;
            p->grace_until_us += late_us;
        }
        fail_missing_attempts(m, p, now_us);
        if (p->state == EI_PEER_GRACE && now_us >= p->grace_until_us)
            peer_lost(m, p, "its connection was closed");
        else if (p->state == EI_PEER_ALIVE && now_us - p->heard_us > EI_HEARTBEAT_LOST_US)
            peer_lost(m, p, "no heartbeat for 5 s");
        else
            check_soon(m, p->state == EI_PEER_GRACE ? p->grace_until_us : now_us + EI_CHECK_US);
    }
}

/* ---- registration ---- */

static int check_register(const struct ei_session *l, const Eider__V1__Register *r,
                          struct ei_error *e) {
    enum ei_role role = ei_conn_peer_role(l->conn);
    if (strcmp(text_or(r->role, ""), ei_role_name(role)) != 0)
        return ei_fail(e, EI_DENIED, "a %s may not register as \"%s\"", ei_role_name(role),
                       text_or(r->role, ""));
    if (strcmp(text_or(r->name, ""), ei_conn_peer_name(l->conn)) != 0)
        return ei_fail(e, EI_DENIED,
                       "the certificate belongs to %s \"%s\", which may not register as \"%s\"",
                       ei_role_name(role), ei_conn_peer_name(l->conn), text_or(r->name, ""));
    if (strlen(text_or(r->address, "")) > 300 || strlen(text_or(r->host_id, "")) > 300)
        return ei_fail(e, EI_INVALID, "the address or host id of %s is too long", r->name);
    if (role != EI_ROLE_WORKER)
        return 0;
    if (strrchr(text_or(r->address, ""), ':') == NULL)
        return ei_fail(e, EI_INVALID, "worker %s registered without an address host:port", r->name);
    if (r->cores < 1 || r->cores > EI_WORKER_CORES_MAX)
        return ei_fail(e, EI_INVALID, "worker %s registered %u cores, allowed are 1 to %d", r->name,
                       r->cores, EI_WORKER_CORES_MAX);
    return 0;
}

/* Room for one more, at the cost of the one that was lost first. */
static int make_room(struct ei_master *m, struct ei_error *e) {
    if (m->peers.count < EI_PEERS_MAX)
        return 0;
    struct ei_map_entry *oldest = NULL;
    for (size_t i = 0; i < m->peers.count; i++) {
        struct ei_peer *p = m->peers.entries[i].value;
        struct ei_peer *best = oldest != NULL ? oldest->value : NULL;
        if (p->state == EI_PEER_LOST && !p->queued && (best == NULL || p->lost_ms < best->lost_ms))
            oldest = &m->peers.entries[i];
    }
    if (oldest == NULL)
        return ei_fail(e, EI_LIMIT, "the cluster has %d processes, its limit", EI_PEERS_MAX);
    char *key = ei_strdup(oldest->name);
    ei_peer_destroy(ei_map_remove(&m->peers, key));
    free(key);
    return 0;
}

static struct ei_peer *find_or_create(struct ei_master *m, enum ei_role role, const char *name,
                                      struct ei_error *e) {
    char *key = ei_asprintf("%s/%s", ei_role_name(role), name);
    struct ei_peer *p = ei_map_get(&m->peers, key);
    if (p == NULL && make_room(m, e) == 0) {
        p = ei_calloc(1, sizeof *p);
        p->role = role;
        p->name = ei_strdup(name);
        p->state = EI_PEER_LOST;
        (void)ei_map_put(&m->peers, key, p);
    }
    free(key);
    return p;
}

static char *cut(const char *s, const char *otherwise) {
    s = text_or(s, otherwise);
    return ei_strndup(s, strnlen(s, 64));
}

static void take_fields(struct ei_peer *p, const Eider__V1__Register *r) {
    free(p->address);
    free(p->host_id);
    p->address = ei_strdup(text_or(r->address, ""));
    p->host_id = ei_strdup(text_or(r->host_id, ""));
    p->pid = r->pid;
    p->cores = r->cores;
    p->memory_bytes = r->memory_bytes;
    p->incarnation = r->incarnation;
    p->http_port = r->http_port;
    clear_terms(p);
    p->label_count = EI_MIN(r->n_labels, (size_t)EI_PEER_TERMS_MAX);
    p->extra_count = EI_MIN(r->n_resources, (size_t)EI_PEER_TERMS_MAX);
    p->labels = ei_calloc(p->label_count, sizeof *p->labels);
    p->extras = ei_calloc(p->extra_count, sizeof *p->extras);
    for (size_t i = 0; i < p->label_count; i++)
        p->labels[i] = cut(r->labels[i], "");
    for (size_t i = 0; i < p->extra_count; i++)
        p->extras[i] =
            (struct ei_sched_extra){cut(r->resources[i]->name, ""), r->resources[i]->milli};
}

static bool attempt_listed(const Eider__V1__Register *r, const struct ei_attempt *id) {
    for (size_t i = 0; i < r->n_running; i++) {
        const Eider__V1__AttemptId *a = r->running[i];
        if (a->job == id->job && a->stage == id->stage && a->task == id->task &&
            a->attempt == id->attempt)
            return true;
    }
    return false;
}

static bool still_queued(const struct ei_peer *p, const struct ei_attempt *id) {
    for (size_t i = 0; i < p->launch_count; i++)
        if (same_attempt(&p->launches[i], id))
            return true;
    return false;
}

/* After a reconnection both sides may have lost messages: attempts that only one side knows end. */
static void reconcile(struct ei_master *m, struct ei_peer *p, const Eider__V1__Register *r) {
    int64_t now_us = ei_now_us();
    for (size_t i = 0; i < p->flight_count; i++) {
        struct ei_flight *f = &p->flights[i];
        bool fine = attempt_listed(r, &f->id) || still_queued(p, &f->id);
        f->missing_since_us = fine ? 0 : now_us;
        if (!fine)
            check_soon(m, now_us + EI_MISSING_ATTEMPT_US);
    }
    for (size_t i = 0; i < r->n_running; i++) {
        const Eider__V1__AttemptId *a = r->running[i];
        struct ei_attempt id = {a->job, a->stage, a->task, a->attempt};
        if (ei_peer_flight(p, &id) != NULL)
            continue;
        EI_GROW(p->kills, p->kill_count, p->kill_capacity);
        p->kills[p->kill_count++] = id;
        ei_master_want(m, p);
    }
}

static void worker_up(struct ei_master *m, struct ei_peer *p) {
    p->node = ++m->next_node;
    (void)ei_map_put_u64(&m->nodes, p->node, p);
    struct ei_sched_event event = {.type = EI_SCHED_NODE_UP,
                                   .now_us = ei_now_us(),
                                   .node = p->node,
                                   .u.node_up = {.cores = p->cores,
                                                 .memory_bytes = p->memory_bytes,
                                                 .name = p->name,
                                                 .labels = (const char *const *)p->labels,
                                                 .label_count = (uint32_t)p->label_count,
                                                 .extras = p->extras,
                                                 .extra_count = (uint32_t)p->extra_count}};
    p->closed = false;
    ei_master_step(m, &event);
    ei_node_apply(m, p);
}

static void enter(struct ei_session *l, struct ei_peer *p, const struct ei_message *msg) {
    struct ei_master *m = l->master;
    const Eider__V1__Register *r = (const Eider__V1__Register *)msg->body;
    if (p->link != l)
        unlink_peer(p);
    if (p->incarnation != r->incarnation) {
        ei_peer_node_down(m, p);
        ei_master_flush(m); /* frames that name the old address */
        clear_known(p);
        clear_processes(p);
        p->forget_count = p->kill_count = 0;
    }
    take_fields(p, r);
    p->epoch = ++m->next_epoch;
    p->heard_us = ei_now_us();
    p->state = EI_PEER_ALIVE;
    p->link = l;
    l->peer = p;
    check_soon(m, p->heard_us + EI_CHECK_US);
    Eider__V1__RegisterReply reply = EIDER__V1__REGISTER_REPLY__INIT;
    reply.epoch = p->epoch;
    reply.heartbeat_ms = EI_HEARTBEAT_MS;
    reply.first_job = m->first_job;
    ei_conn_reply(l->conn, msg->request, &reply.base);
    ei_log(EI_LOG_INFO, "%s %s registered, pid %u, at %s", ei_role_name(p->role), p->name, p->pid,
           p->address);
    reconcile(m, p, r);
    ei_master_want(m, p);
    if (p->role == EI_ROLE_WORKER && p->node == 0)
        worker_up(m, p);
}

void ei_on_register(struct ei_session *l, const struct ei_message *msg) {
    const Eider__V1__Register *r = (const Eider__V1__Register *)msg->body;
    struct ei_error e = {0};
    struct ei_peer *p = NULL;
    if (check_register(l, r, &e) == 0)
        p = find_or_create(l->master, ei_conn_peer_role(l->conn), r->name, &e);
    if (p != NULL) {
        enter(l, p, msg);
        return;
    }
    Eider__V1__RegisterReply reply = EIDER__V1__REGISTER_REPLY__INIT;
    Eider__V1__Error error;
    ei_error_to_wire(&e, &error);
    reply.error = &error;
    ei_conn_reply(l->conn, msg->request, &reply.base);
}

static void take_disk_use(struct ei_peer *p, const Eider__V1__Heartbeat *h) {
    free(p->disk_use);
    p->disk_use_count = EI_MIN(h->n_disk, (size_t)EI_PEER_DISK_MAX);
    p->disk_use = ei_calloc(p->disk_use_count, sizeof *p->disk_use);
    for (size_t i = 0; i < p->disk_use_count; i++) {
        const Eider__V1__DiskUse *d = h->disk[i];
        struct ei_disk_use *u = &p->disk_use[i];
        size_t n = strnlen(text_or(d->what, "?"), sizeof u->what - 1);
        memcpy(u->what, text_or(d->what, "?"), n);
        u->bytes = d->bytes;
        u->files = d->files;
        u->quota_bytes = d->quota_bytes;
        u->oldest_s = d->oldest_s;
    }
}

void ei_on_heartbeat(struct ei_session *l, const struct ei_message *msg) {
    const Eider__V1__Heartbeat *h = (const Eider__V1__Heartbeat *)msg->body;
    struct ei_peer *p = l->peer;
    if (p == NULL)
        return;
    p->rss_bytes = h->rss_bytes;
    p->cpu_us = h->cpu_us;
    p->disk_free_bytes = h->disk_free_bytes;
    p->exchange_bytes = h->exchange_bytes;
    p->disk_total_bytes = h->disk_total_bytes;
    p->memory_available_bytes = h->memory_available_bytes;
    if (h->n_disk > 0)
        take_disk_use(p, h);
    if (p->role == EI_ROLE_WORKER)
        ei_node_heard(l->master, p, h->low_disk, h->low_memory);
    clear_processes(p);
    size_t count = EI_MIN(h->n_processes, (size_t)EI_PEER_PROCESSES_MAX);
    p->processes = ei_calloc(count, sizeof *p->processes);
    p->process_count = count;
    for (size_t i = 0; i < count; i++) {
        const Eider__V1__ProcessInfo *from = h->processes[i];
        p->processes[i] = (struct ei_peer_process){
            .role = cut(from->role, "executor"),
            .name = cut(from->name, ""),
            .state = cut(from->state, "up"),
            .pid = from->pid,
            .rss_bytes = from->rss_bytes,
            .cpu_us = from->cpu_us,
        };
    }
}

/* ---- connections ---- */

static const struct {
    uint16_t type;
    void (*handle)(struct ei_session *l, const struct ei_message *msg);
} handlers[] = {
    {EI_MSG_REGISTER, ei_on_register},         {EI_MSG_HEARTBEAT, ei_on_heartbeat},
    {EI_MSG_SUBMIT_JOB, ei_on_submit},         {EI_MSG_CANCEL_JOB, ei_on_cancel},
    {EI_MSG_RELEASE_JOB, ei_on_release},       {EI_MSG_CATALOG_CREATE, ei_on_catalog_create},
    {EI_MSG_GET_RESULT, ei_on_get_result},     {EI_MSG_CATALOG_DROP, ei_on_catalog_drop},
    {EI_MSG_CATALOG_LIST, ei_on_catalog_list}, {EI_MSG_TASK_EVENTS, ei_on_task_events},
};

static void on_open(struct ei_conn *c, void *data) {
    struct ei_session *root = data;
    struct ei_session *l = ei_calloc(1, sizeof *l);
    l->master = root->master;
    l->conn = c;
    ei_conn_set_data(c, l);
}

static void on_message(struct ei_conn *c, void *data, const struct ei_message *msg) {
    struct ei_session *l = data;
    if (l->peer != NULL)
        l->peer->heard_us = ei_now_us();
    for (size_t i = 0; i < EI_ARRAY_LEN(handlers); i++) {
        if (handlers[i].type == msg->type) {
            handlers[i].handle(l, msg);
            return;
        }
    }
    ei_conn_close(c);
}

static void on_closed(struct ei_conn *c, void *data, const struct ei_error *e) {
    struct ei_session *l = data;
    struct ei_master *m = l->master;
    if (l == &m->root)
        return;
    struct ei_peer *p = l->peer;
    if (p != NULL) {
        p->link = NULL;
        if (p->state == EI_PEER_ALIVE) {
            bool closed = e == NULL || e->code == EI_UNREACHABLE || e->code == EI_OK;
            p->state = EI_PEER_GRACE;
            p->grace_until_us = ei_now_us() + (closed ? EI_GRACE_CLOSED_US : EI_GRACE_BROKEN_US);
            check_soon(m, p->grace_until_us);
        }
    }
    ei_jobs_link_closed(m, l);
    free(l);
}

const struct ei_conn_events ei_master_conn_events = {on_open, on_message, on_closed};
