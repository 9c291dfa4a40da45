/* Requests to other workers: one connection a peer, a bounded number of requests on it, the others
 * wait. A peer that cannot be reached is tried again until EI_WORKER_LOST_AFTER_US have passed
 * without any answer; then all requests that wait for it fail. */
#include "base/mem.h"
#include "worker/internal.h"

#include <stdlib.h>
#include <string.h>

#define RETRY_MIN_MS 50
#define RETRY_MAX_MS 400
#define IDLE_MS 30000

struct peer_request {
    struct peer *peer;
    Eider__V1__ReadOutput m; /* numbers only: may be copied */
    peer_read_fn fn;
    void *data;
    struct peer_request *next;
};

struct peer {
    struct worker *w;
    char *address, *name;
    struct ei_conn *conn;              /* NULL while closed */
    struct peer_request *first, *last; /* waiting */
    size_t in_flight;
    int64_t failing_since_us; /* 0 = it answered last time */
    uint64_t retry_ms;
    bool waiting; /* for the timer: no request is sent before */
    bool closing, timer_closed;
    uv_timer_t timer; /* next try, or the end of an idle connection */
};

static void peer_pump(struct peer *p);

static void peer_free_if_closed(struct peer *p) {
    if (!p->closing || p->conn || !p->timer_closed)
        return;
    free(p->address);
    free(p->name);
    free(p);
}

static void on_timer_closed(uv_handle_t *handle) {
    struct peer *p = handle->data;
    p->timer_closed = true;
    peer_free_if_closed(p);
}

static void fail_waiting(struct peer *p, const struct ei_error *e) {
    while (p->first) {
        struct peer_request *r = p->first;
        p->first = r->next;
        if (!p->first)
            p->last = NULL;
        r->fn(r->data, NULL, e);
        free(r);
    }
}

/* No callback may add requests to it any more: it is out of the table first. */
static void peer_close(struct peer *p, const struct ei_error *e) {
    if (p->closing)
        return;
    p->closing = true;
    ei_map_remove(&p->w->peers, p->address);
    uv_close((uv_handle_t *)&p->timer, on_timer_closed);
    if (p->conn)
        ei_conn_close(p->conn);
    fail_waiting(p, e);
}

static void on_timer(uv_timer_t *timer) {
    struct peer *p = timer->data;
    struct ei_error e;
    p->waiting = false;
    if (!p->first && p->in_flight == 0) {
        ei_fail(&e, EI_CANCELLED, "the connection was idle");
        peer_close(p, &e);
        return;
    }
    peer_pump(p);
}

static void wait_ms(struct peer *p, uint64_t ms) {
    p->waiting = true;
    uv_timer_start(&p->timer, on_timer, ms, 0);
}

static void push_front(struct peer *p, struct peer_request *r) {
    r->next = p->first;
    p->first = r;
    if (!p->last)
        p->last = r;
}

/* ---- answers ---- */
/* No answer came. Later again, unless it is time to give up. */
static void request_failed(struct peer *p, struct peer_request *r, const struct ei_error *e) {
    int64_t now = ei_now_us();
    if (p->failing_since_us == 0)
        p->failing_since_us = now;
    if (!p->closing && now - p->failing_since_us < EI_WORKER_LOST_AFTER_US) {
        push_front(p, r);
        return;
    }
    r->fn(r->data, NULL, e);
    free(r);
}

static void on_reply(void *data, const ProtobufCMessage *body, const struct ei_error *e) {
    struct peer_request *r = data;
    struct peer *p = r->peer;
    struct ei_error failed;
    p->in_flight--;
    if (body && body->descriptor != &eider__v1__read_output_reply__descriptor) {
        ei_fail(&failed, EI_CORRUPT, "worker %s at %s answered something else", p->name,
                p->address);
        body = NULL;
        e = &failed;
    }
    if (!body) {
        if (p->conn)
            ei_conn_close(p->conn); /* it is silent, or gone already */
        request_failed(p, r, e);
        return;
    }
    const Eider__V1__ReadOutputReply *reply = (const Eider__V1__ReadOutputReply *)body;
    p->failing_since_us = 0;
    p->retry_ms = RETRY_MIN_MS;
    if (ei_error_from_wire(reply->error, &failed) == 0) {
        r->fn(r->data, reply, NULL);
        free(r);
    } else if (failed.code == EI_LIMIT && !p->closing) {
        push_front(p, r);
        wait_ms(p, RETRY_MAX_MS);
    } else {
        r->fn(r->data, NULL, &failed);
        free(r);
    }
    peer_pump(p);
}

/* ---- connection ---- */
static void on_open(struct ei_conn *c, void *data) {
    struct peer *p = data;
    struct ei_error e;
    if (strcmp(ei_conn_peer_name(c), p->name) != 0) {
        ei_fail(&e, EI_NOT_FOUND, "at %s there is worker %s now, not %s", p->address,
                ei_conn_peer_name(c), p->name);
        peer_close(p, &e);
        return;
    }
    peer_pump(p);
}

static void on_message(struct ei_conn *c, void *data, const struct ei_message *m) {
    /* a peer sends replies only; anything else has no meaning here */
}

static void on_closed(struct ei_conn *c, void *data, const struct ei_error *e) {
    struct peer *p = data;
    int64_t now = ei_now_us();
    p->conn = NULL;
    if (p->closing) {
        peer_free_if_closed(p);
        return;
    }
    if (!p->first)
        return;
    if (p->failing_since_us == 0)
        p->failing_since_us = now;
    if (now - p->failing_since_us >= EI_WORKER_LOST_AFTER_US) {
        struct ei_error lost = *e;
        if (lost.code == EI_OK)
            ei_fail(&lost, EI_UNREACHABLE, "it does not answer");
        ei_wrap(&lost, "worker %s at %s", p->name, p->address);
        peer_close(p, &lost);
        return;
    }
    wait_ms(p, p->retry_ms);
    p->retry_ms = EI_MIN(p->retry_ms * 2, RETRY_MAX_MS);
}

static const struct ei_conn_events peer_events = {on_open, on_message, on_closed};

/* ---- requests ---- */
static void peer_pump(struct peer *p) {
    if (p->closing || p->waiting)
        return;
    if (p->first && !p->conn)
        p->conn =
            ei_conn_connect(&p->w->loop, p->w->tls, p->address, EI_ROLE_WORKER, &peer_events, p);
    if (!p->conn || !ei_conn_is_open(p->conn))
        return;
    while (p->first && p->in_flight < EI_WORKER_PEER_IN_FLIGHT) {
        struct peer_request *r = p->first;
        p->first = r->next;
        if (!p->first)
            p->last = NULL;
        p->in_flight++;
        ei_conn_call(p->conn, &r->m.base, EI_WORKER_READ_TIMEOUT_MS, on_reply, r);
    }
    if (!p->first && p->in_flight == 0)
        uv_timer_start(&p->timer, on_timer, IDLE_MS, 0);
    else
        uv_timer_stop(&p->timer);
}

static struct peer *peer_get(struct worker *w, const char *address, const char *name) {
    struct peer *p = ei_map_get(&w->peers, address);
    if (p && strcmp(p->name, name) != 0) { /* another worker listens there now */
        struct ei_error e;
        ei_fail(&e, EI_NOT_FOUND, "worker %s is not at %s any more", p->name, address);
        peer_close(p, &e);
        p = NULL;
    }
    if (p)
        return p;
    p = ei_calloc(1, sizeof *p);
    p->w = w;
    p->address = ei_strdup(address);
    p->name = ei_strdup(name);
    p->retry_ms = RETRY_MIN_MS;
    uv_timer_init(&w->loop, &p->timer);
    p->timer.data = p;
    ei_map_put(&w->peers, address, p);
    return p;
}

void ei_worker_peer_read(struct worker *w, const char *address, const char *name,
                         const Eider__V1__ReadOutput *request, peer_read_fn fn, void *data) {
    struct peer *p = peer_get(w, address, name);
    struct peer_request *r = ei_calloc(1, sizeof *r);
    r->peer = p;
    r->m = *request;
    r->fn = fn;
    r->data = data;
    if (p->last)
        p->last->next = r;
    else
        p->first = r;
    p->last = r;
    peer_pump(p);
}

void ei_worker_peers_close(struct worker *w) {
    struct ei_error e;
    ei_fail(&e, EI_CANCELLED, "the worker stops");
    while (w->peers.count > 0)
        peer_close(w->peers.entries[0].value, &e);
    ei_map_release(&w->peers);
}
