/* REST of the master: the table of routes, the cluster's status and the catalogue. docs/rest.md is
 * written from this table (tools/rest_docs.py) and a test compares the two. */
#include "master/internal.h"

#include "base/mem.h"
#include "master/json.h"
#include "master/why.h"
#include "os/os.h"
#include "pki/pki.h"

#include <stdlib.h>
#include <string.h>

static void rest_routes(struct ei_http_request *r, void *data);
static void rest_status(struct ei_http_request *r, void *data);
static void rest_tables(struct ei_http_request *r, void *data);

const struct ei_http_route ei_master_routes[] = {
    {"GET", "/v1", EI_ACCESS_READ, 0, rest_routes, "The routes of this server."},
    {"GET", "/v1/status", EI_ACCESS_READ, 0, rest_status,
     "The cluster: every process that the master knows, and counts of jobs."},
    {"GET", "/v1/jobs", EI_ACCESS_READ, 0, ei_rest_jobs,
     "Jobs, newest first. ?limit=N (default 100), "
     "?state=waiting|running|succeeded|failed|cancelled, ?queue=, ?user="},
    {"POST", "/v1/jobs", EI_ACCESS_SUBMIT, 4096, ei_rest_submit,
     "Submits jobs: {\"kind\":\"bench\",\"tasks\":N}, \"jobs\":N for several. ?wait_ms=N: answers "
     "when "
     "all have ended; they are cancelled if the client goes away."},
    {"GET", "/v1/jobs/:id", EI_ACCESS_READ, 0, ei_rest_job,
     "One job: its SQL, plan, stages with figures, warnings, error, why it waits. ?wait_ms=N: "
     "answers when it has ended."},
    {"GET", "/v1/jobs/:id/why", EI_ACCESS_READ, 0, ei_rest_job_why,
     "Why the job waits, failed or is slow: a sentence or two, and their codes."},
    {"GET", "/v1/reasons", EI_ACCESS_READ, 0, ei_rest_reasons, "All codes of reasons."},
    {"GET", "/v1/jobs/:id/tasks", EI_ACCESS_READ, 0, ei_rest_job_tasks,
     "Tasks of one stage of a job. ?stage=N (default 0), ?limit=N (default 1000)"},
    {"POST", "/v1/jobs/:id/cancel", EI_ACCESS_SUBMIT, 1024, ei_rest_job_cancel,
     "Cancels a job; one that has ended stays as it is."},
    {"GET", "/v1/nodes", EI_ACCESS_READ, 0, ei_rest_nodes,
     "Workers: state, size, what is free, labels and resources."},
    {"POST", "/v1/nodes/:name/cordon", EI_ACCESS_ADMIN, 4096, ei_rest_node_cordon,
     "No new work for a worker. {\"reason\"}"},
    {"POST", "/v1/nodes/:name/drain", EI_ACCESS_ADMIN, 4096, ei_rest_node_drain,
     "The same, and it is told when nothing on it is needed any more. {\"reason\", "
     "\"deadline_ms\"}: "
     "what is left then is made again elsewhere."},
    {"POST", "/v1/nodes/:name/resume", EI_ACCESS_ADMIN, 4096, ei_rest_node_resume,
     "The worker takes work again."},
    {"GET", "/v1/disk", EI_ACCESS_READ, 0, ei_rest_disk,
     "What the workers keep on their disks, by kind, with quotas and ages."},
    {"GET", "/v1/queues", EI_ACCESS_READ, 0, ei_rest_queues,
     "Queues: settings, and what they hold now."},
    {"POST", "/v1/queues", EI_ACCESS_ADMIN, 4096, ei_rest_queue_create,
     "Makes a queue: {\"name\", \"parent\", \"policy\":\"fair\"|\"fifo\", \"weight\", "
     "\"min_cores\", "
     "\"max_cores\", \"max_memory_bytes\", \"max_running_jobs\", \"max_waiting_jobs\"}; 0 = no "
     "limit."},
    {"POST", "/v1/queues/:name", EI_ACCESS_ADMIN, 4096, ei_rest_queue_set,
     "Changes a queue; members that are left out stay."},
    {"GET", "/v1/users", EI_ACCESS_READ, 0, ei_rest_users,
     "Users with settings of their own, and what they hold now."},
    {"POST", "/v1/users/:name", EI_ACCESS_ADMIN, 4096, ei_rest_user_set,
     "Sets a user's weight and limits: members as of a queue."},
    {"GET", "/v1/cron", EI_ACCESS_READ, 0, ei_rest_cron,
     "Cron entries: schedule, SQL, when they ran and will run."},
    {"POST", "/v1/cron", EI_ACCESS_SUBMIT, 128u << 10, ei_rest_cron_add,
     "Adds one: {\"name\", \"schedule\":\"*/5 * * * *\" (UTC), \"sql\", \"directory\", \"queue\", "
     "\"priority\", \"user\"}."},
    {"POST", "/v1/cron/:name/remove", EI_ACCESS_SUBMIT, 1024, ei_rest_cron_remove,
     "Removes one; another user's only as an administrator."},
    {"GET", "/v1/tables", EI_ACCESS_READ, 0, rest_tables, "Tables of the catalogue."},
    {"GET", "/", EI_ACCESS_PUBLIC, 0, ei_rest_ui, "The web page."},
    {"GET", "/ui/*", EI_ACCESS_PUBLIC, 0, ei_rest_ui, "Files of the web page."},
};
const size_t ei_master_route_count = EI_ARRAY_LEN(ei_master_routes);

void ei_rest_json(struct ei_http_request *r, struct ei_json *j) {
    ei_http_respond(r, 200, "application/json", j->buf.data, j->buf.len);
    ei_buf_release(&j->buf);
}

static const char *access_name(enum ei_access access) {
    static const char *const names[] = {"public", "read", "submit", "admin"};
    return names[access];
}

static void rest_routes(struct ei_http_request *r, void *data) {
    struct ei_json j = {0};
    ei_json_open(&j, NULL, '{');
    ei_json_open(&j, "routes", '[');
    for (size_t i = 0; i < ei_master_route_count; i++) {
        const struct ei_http_route *route = &ei_master_routes[i];
        ei_json_open(&j, NULL, '{');
        ei_json_text(&j, "method", route->method);
        ei_json_text(&j, "path", route->pattern);
        ei_json_text(&j, "access", access_name(route->access));
        ei_json_text(&j, "summary", route->summary);
        ei_json_close(&j, '}');
    }
    ei_json_close(&j, ']');
    ei_json_close(&j, '}');
    ei_rest_json(r, &j);
}

/* ---- status ---- */

static uint64_t port_of(const char *address) {
    const char *colon = address != NULL ? strrchr(address, ':') : NULL;
    return colon != NULL ? strtoul(colon + 1, NULL, 10) : 0;
}

static void status_master(const struct ei_master *m, struct ei_json *j) {
    ei_json_open(j, NULL, '{');
    ei_json_text(j, "role", "master");
    ei_json_text(j, "name", m->name);
    ei_json_uint(j, "pid", (uint64_t)getpid());
    ei_json_text(j, "state", "alive");
    ei_json_open(j, "ports", '{');
    ei_json_int(j, "rpc", ei_server_port(m->server));
    ei_json_int(j, "ui", ei_server_port(m->ui_server));
    ei_json_close(j, '}');
    ei_json_uint(j, "rss_bytes", ei_rss_bytes(0));
    ei_json_uint(j, "cpu_us", ei_process_cpu_us(0));
    ei_json_int(j, "started_ms", m->started_ms);
    ei_json_close(j, '}');
}

static const char *peer_state(const struct ei_peer *p) {
    static const char *const names[] = {"alive", "disconnected", "lost"};
    return names[p->state];
}

static void status_executors(const struct ei_peer *p, struct ei_json *j) {
    for (size_t i = 0; i < p->process_count; i++) {
        const struct ei_peer_process *x = &p->processes[i];
        ei_json_open(j, NULL, '{');
        ei_json_text(j, "role", x->role);
        ei_json_text(j, "name", x->name);
        ei_json_uint(j, "pid", x->pid);
        ei_json_text(j, "state", p->state == EI_PEER_LOST ? "lost" : x->state);
        ei_json_open(j, "ports", '{');
        ei_json_close(j, '}');
        ei_json_text(j, "worker", p->name);
        ei_json_uint(j, "rss_bytes", x->rss_bytes);
        ei_json_uint(j, "cpu_us", x->cpu_us);
        ei_json_close(j, '}');
    }
}

static void status_peer(const struct ei_master *m, const struct ei_peer *p, struct ei_json *j) {
    ei_json_open(j, NULL, '{');
    ei_json_text(j, "role", ei_role_name(p->role));
    ei_json_text(j, "name", p->name);
    ei_json_uint(j, "pid", p->pid);
    ei_json_text(j, "state", peer_state(p));
    if (p->role == EI_ROLE_WORKER) /* of the node, beside that of the process: excluded, draining */
        ei_json_text(j, "node_state", ei_node_state_name(m, p));
    ei_json_open(j, "ports", '{');
    if (port_of(p->address) != 0)
        ei_json_uint(j, "rpc", port_of(p->address));
    if (p->http_port != 0)
        ei_json_uint(j, "http", p->http_port);
    ei_json_close(j, '}');
    ei_json_text(j, "address", p->address);
    ei_json_uint(j, "rss_bytes", p->rss_bytes);
    ei_json_uint(j, "cpu_us", p->cpu_us);
    if (p->state == EI_PEER_LOST)
        ei_json_int(j, "lost_ms", p->lost_ms);
    if (p->role == EI_ROLE_WORKER) {
        ei_json_uint(j, "cores", p->cores);
        ei_json_uint(j, "running", EI_MIN(p->flight_count, p->cores));
        ei_json_uint(j, "memory_bytes", p->memory_bytes);
        ei_json_uint(j, "disk_free_bytes", p->disk_free_bytes);
        ei_json_uint(j, "exchange_bytes", p->exchange_bytes);
    }
    ei_json_close(j, '}');
    status_executors(p, j);
}

static void status_jobs(const struct ei_master *m, struct ei_json *j) {
    uint64_t counts[5];
    memcpy(counts, m->ended_by_state, sizeof counts);
    for (size_t i = 0; i < m->job_count; i++)
        if (!ei_job_finished(m->jobs[i]))
            counts[m->jobs[i]->state]++;
    ei_json_open(j, "jobs", '{');
    for (int state = 0; state < 5; state++)
        ei_json_uint(j, ei_job_state_name((enum ei_job_state)state), counts[state]);
    ei_json_close(j, '}');
}

static void rest_status(struct ei_http_request *r, void *data) {
    const struct ei_master *m = data;
    struct ei_json j = {0};
    ei_json_open(&j, NULL, '{');
    ei_json_text(&j, "cluster_id", ei_tls_cluster_id(m->tls));
    ei_json_text(&j, "version", EIDER_VERSION);
    ei_json_int(&j, "now_ms", ei_unix_ms());
    ei_json_open(&j, "processes", '[');
    status_master(m, &j);
    for (size_t i = 0; i < m->peers.count; i++)
        status_peer(m, m->peers.entries[i].value, &j);
    ei_json_close(&j, ']');
    status_jobs(m, &j);
    ei_json_close(&j, '}');
    ei_rest_json(r, &j);
}

/* ---- catalogue ---- */

static void rest_tables(struct ei_http_request *r, void *data) {
    const struct ei_master *m = data;
    struct ei_json j = {0};
    ei_json_open(&j, NULL, '{');
    ei_json_uint(&j, "version", m->state.version);
    ei_json_open(&j, "tables", '[');
    for (size_t i = 0; i < m->state.table_count; i++) {
        const struct ei_state_table *t = &m->state.tables[i];
        ei_json_open(&j, NULL, '{');
        ei_json_text(&j, "name", t->name);
        ei_json_text(&j, "sql", t->sql);
        ei_json_text(&j, "comment", t->comment);
        ei_json_text(&j, "kind", ei_table_kind_name(t->kind));
        ei_json_uint(&j, "revision", t->revision);
        ei_json_text(&j, "stats", t->stats);
        ei_json_int(&j, "created_ms", t->created_ms);
        ei_json_close(&j, '}');
    }
    ei_json_close(&j, ']');
    ei_json_close(&j, '}');
    ei_rest_json(r, &j);
}
