#include "http/server.h"

#include "base/mem.h"
#include "os/os.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HEAD_MS 5000            /* for a request's head, so that nobody can drip it in */
#define BODY_MS 15000           /* without a byte of the body */
#define IDLE_MS 60000           /* between two requests */
#define STALL_MS 60000          /* the client takes nothing of the response */
#define CONNECTIONS_MAX 1000    /* of one server */
#define PENDING_MAX (64u << 10) /* pipelined bytes; then the connection is not read */

/* ---- who may ---- */

static bool host_is(const char *host, size_t n, const char *name) {
    return strlen(name) == n && strncasecmp(host, name, n) == 0;
}

/* A page of another site can make a browser connect here under its own name (DNS rebinding); the
 * port without TLS therefore answers to the names of this machine only. */
static bool is_loopback_host(const char *host) {
    size_t n = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    const char *rest = host + EI_MIN(n, strlen(host));
    if (*rest != '\0' && (*rest != ':' || rest[1 + strspn(rest + 1, "0123456789")] != '\0'))
        return false;
    return host_is(host, n, "localhost") || host_is(host, n, "127.0.0.1") ||
           host_is(host, n, "[::1]");
}

static bool origin_fits(const struct ei_http_request *r, bool tls) {
    const char *origin = ei_http_parse_header(&r->parse, "origin");
    const char *host = ei_http_parse_header(&r->parse, "host");
    const char *scheme = tls ? "https://" : "http://";
    if (origin == NULL)
        return true;
    size_t n = strlen(scheme);
    return host != NULL && strncasecmp(origin, scheme, n) == 0 && strcasecmp(origin + n, host) == 0;
}

static enum ei_access access_of(struct ei_http_request *r) {
    struct ei_http_conn *c = r->conn;
    if (c->peer.role == EI_ROLE_CLIENT) {
        r->user = ei_strdup(c->peer.name);
        return EI_ACCESS_ADMIN;
    }
    const char *header = ei_http_parse_header(&r->parse, "authorization"), *name;
    if (header == NULL || strncasecmp(header, "Bearer ", 7) != 0)
        return EI_ACCESS_PUBLIC;
    header += 7 + strspn(header + 7, " ");
    enum ei_access access = ei_tokens_find(c->server->tokens, header, &name);
    r->user = ei_strdup(name);
    return access;
}

/* True if the request may go on to its handler, once its body is there. */
static bool admit(struct ei_http_request *r) {
    struct ei_http_conn *c = r->conn;
    bool tls = ei_stream_is_tls(c->stream);
    const char *host = ei_http_parse_header(&r->parse, "host");
    struct ei_buf allow = {0};
    r->head_only = strcmp(r->parse.method, "HEAD") == 0;
    /* Refused before the body came: what is left of it would look like a request. */
    r->close_after = r->parse.phase != EI_HTTP_DONE || !r->parse.keep_alive;
    if (!tls && (host == NULL || !is_loopback_host(host))) {
        ei_http_refuse(r, 403, "this port answers to the names of this machine only", "");
        return false;
    }
    if (!origin_fits(r, tls)) {
        ei_http_refuse(r, 403, "the request comes from another site's page", "");
        return false;
    }
    int status = ei_http_route_find(c->server, r, &allow);
    if (status == 0) {
        ei_buf_release(&allow);
        enum ei_access access = access_of(r);
        r->access = access;
        if (access >= r->route->access)
            return true;
        if (access == EI_ACCESS_PUBLIC)
            ei_http_refuse(r, 401, "this needs a token: send Authorization: Bearer TOKEN",
                           "WWW-Authenticate: Bearer\r\n");
        else
            ei_http_refuse(r, 403, "the token does not allow this", "");
    } else if (status == 405) {
        char *headers = ei_asprintf("Allow: %s\r\n", allow.data);
        ei_http_refuse(r, 405, "this path has other methods: see the header Allow", headers);
        free(headers);
    } else {
        ei_http_refuse(r, 404, "there is nothing at this path", "");
    }
    ei_buf_release(&allow);
    return false;
}

/* ---- requests ---- */

void ei_http_request_destroy(struct ei_http_request *r) {
    if (r == NULL)
        return;
    ei_http_parse_release(&r->parse);
    free(r->param_text);
    free(r->user);
    free(r);
}

void ei_http_exchange_done(struct ei_http_request *r) {
    struct ei_http_conn *c = r->conn;
    bool last = r->close_after;
    ei_http_request_destroy(r);
    if (c == NULL)
        return;
    c->request = NULL;
    c->answering = false;
    if (last || c->server->destroyed) {
        ei_stream_finish(c->stream);
        return;
    }
    /* What is pending is taken by on_timer, not from within this call. */
    ei_stream_set_timer(c->stream, c->pending.len > 0 || c->paused ? 0 : IDLE_MS);
}

static void on_head(struct ei_http_conn *c) {
    struct ei_http_request *r = c->request;
    if (!admit(r))
        return;
    struct ei_http_parse *p = &r->parse;
    p->body_max_bytes = r->route->body_max_bytes;
    if (!p->chunked && p->left > p->body_max_bytes) {
        ei_http_refuse(r, 413, "the body of the request is over this route's limit", "");
        return;
    }
    if (p->expects_continue)
        ei_stream_write(c->stream, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    if (p->phase != EI_HTTP_DONE)
        ei_stream_set_timer(c->stream, BODY_MS);
}

static void on_request(struct ei_http_conn *c) {
    struct ei_http_request *r = c->request;
    r->close_after = !r->parse.keep_alive;
    c->answering = true;
    ei_stream_set_timer(c->stream, STALL_MS);
    r->route->handler(r, c->server->data);
}

/* Takes bytes until a request is with its handler. Returns how many it took. */
static size_t take(struct ei_http_conn *c, const char *bytes, size_t n) {
    size_t used = 0;
    while (!c->answering && !ei_stream_is_closing(c->stream)) {
        if (c->request == NULL) {
            if (used == n)
                break;
            c->request = ei_calloc(1, sizeof *c->request);
            c->request->conn = c;
            ei_http_parse_init(&c->request->parse);
            ei_stream_set_timer(c->stream, HEAD_MS);
        }
        struct ei_http_parse *p = &c->request->parse;
        enum ei_http_phase before = p->phase;
        used += ei_http_parse_feed(p, bytes + used, n - used);
        if (p->phase == EI_HTTP_FAILED) {
            c->request->close_after = true;
            ei_http_refuse(c->request, p->status, p->why, "");
            break;
        }
        if (before == EI_HTTP_HEAD && p->phase != EI_HTTP_HEAD)
            on_head(c);
        if (c->request == NULL)
            continue;
        if (p->phase == EI_HTTP_DONE)
            on_request(c);
        else if (used == n)
            break;
    }
    return used;
}

static void take_all(struct ei_http_conn *c, const char *bytes, size_t n) {
    size_t used = take(c, bytes, n);
    if (ei_stream_is_closing(c->stream))
        return;
    ei_buf_append(&c->pending, bytes + used, n - used);
    if (c->pending.len > PENDING_MAX && !c->paused) {
        c->paused = true;
        ei_stream_pause(c->stream, true);
    }
}

static void take_pending(struct ei_http_conn *c) {
    struct ei_buf bytes = c->pending;
    c->pending = (struct ei_buf){0};
    if (c->paused) {
        c->paused = false;
        ei_stream_pause(c->stream, false);
    }
    if (bytes.len > 0)
        take_all(c, bytes.data, bytes.len);
    ei_buf_release(&bytes);
}

/* ---- stream events ---- */

static void on_data(struct ei_stream *s, void *data, const uint8_t *bytes, size_t n) {
    struct ei_http_conn *c = data;
    if (c->answering || c->pending.len > 0) {
        ei_buf_append(&c->pending, bytes, n);
        if (c->pending.len > PENDING_MAX && !c->paused) {
            c->paused = true;
            ei_stream_pause(s, true);
        }
        return;
    }
    if (c->request != NULL && c->request->parse.phase != EI_HTTP_HEAD)
        ei_stream_set_timer(s, BODY_MS);
    take_all(c, (const char *)bytes, n);
}

static void on_written(struct ei_stream *s, void *data) {
    struct ei_http_conn *c = data;
    struct ei_http_request *r = c->request;
    if (!c->answering) {
        if (r == NULL && c->pending.len == 0 && !c->paused)
            ei_stream_set_timer(s, IDLE_MS); /* it is still taking the last response */
        return;
    }
    ei_stream_set_timer(s, STALL_MS);
    if (r->wants_drain && ei_stream_queued_bytes(s) < EI_HTTP_DRAINED_BYTES) {
        r->wants_drain = false;
        if (r->drained != NULL)
            r->drained(r->data);
    }
}

static void on_timer(struct ei_stream *s, void *data) {
    struct ei_http_conn *c = data;
    if (c->answering) {
        /* A slow handler may take its time; a client that reads nothing may not. */
        if (ei_stream_queued_bytes(s) > 0)
            ei_stream_close(s, NULL);
    } else if (c->request == NULL && (c->pending.len > 0 || c->paused)) {
        take_pending(c);
        if (c->request == NULL && !ei_stream_is_closing(s))
            ei_stream_set_timer(s, c->pending.len > 0 ? 0 : IDLE_MS);
    } else {
        ei_stream_close(s, NULL);
    }
}

static void free_if_done(struct ei_http_server *s) {
    if (!s->destroyed || s->connection_count > 0)
        return;
    ei_tokens_destroy(s->tokens);
    free(s);
}

static void on_closed(struct ei_stream *s, void *data, const struct ei_error *e) {
    struct ei_http_conn *c = data;
    struct ei_http_request *r = c->request;
    if (r != NULL) {
        r->conn = NULL;
        if (!c->answering) {
            ei_http_request_destroy(r);
        } else if (r->aborted != NULL) {
            r->aborted(r->data);
            ei_http_request_destroy(r);
        } /* else its handler will still end it */
    }
    ei_link_remove(&c->link);
    c->server->connection_count--;
    free_if_done(c->server);
    ei_buf_release(&c->pending);
    free(c);
}

static const struct ei_stream_events STREAM_EVENTS = {
    .data = on_data, .written = on_written, .timer = on_timer, .closed = on_closed};

/* The one that is idle longest goes. False if all are busy. */
static bool make_room(struct ei_http_server *s) {
    for (struct ei_link *l = s->connections.next; l != &s->connections; l = l->next) {
        struct ei_http_conn *c = EI_CONTAINER(l, struct ei_http_conn, link);
        if (!c->answering && !ei_stream_is_closing(c->stream)) {
            ei_stream_close(c->stream, NULL);
            return true;
        }
    }
    return false;
}

static void on_accept(struct ei_stream_acceptor *a, struct ei_stream *stream) {
    struct ei_http_server *s = (struct ei_http_server *)(void *)a;
    struct ei_http_conn *c = ei_calloc(1, sizeof *c);
    c->server = s;
    c->stream = stream;
    s->connection_count++;
    bool full = s->connection_count > CONNECTIONS_MAX && !make_room(s);
    ei_link_append(&s->connections, &c->link);
    ei_stream_set_events(stream, &STREAM_EVENTS, c);
    struct ei_error e;
    if (s->destroyed || full || ei_stream_peer(stream, &c->peer, &e) != 0)
        ei_stream_close(stream, NULL);
    else
        ei_stream_set_timer(stream, HEAD_MS);
}

/* ---- making ---- */

int ei_http_server_create(struct ei_http_server **out, const struct ei_http_route *routes,
                          size_t route_count, void *data, const char *tokens_path,
                          struct ei_error *e) {
    struct ei_tokens *tokens;
    if (ei_tokens_create(&tokens, tokens_path, e) != 0)
        return -1;
    struct ei_http_server *s = ei_calloc(1, sizeof *s);
    s->acceptor.accept = on_accept;
    s->routes = routes;
    s->route_count = route_count;
    s->data = data;
    s->tokens = tokens;
    ei_link_init(&s->connections);
    *out = s;
    return 0;
}

void ei_http_server_destroy(struct ei_http_server *s) {
    if (s == NULL)
        return;
    s->destroyed = true;
    for (struct ei_link *l = s->connections.next; l != &s->connections; l = l->next)
        ei_stream_close(EI_CONTAINER(l, struct ei_http_conn, link)->stream, NULL);
    free_if_done(s);
}

/* ---- for handlers ---- */

const char *ei_http_method(const struct ei_http_request *r) {
    return r->parse.method;
}

const char *ei_http_path(const struct ei_http_request *r) {
    return r->parse.path;
}

static const char *find(const struct ei_http_pair *pairs, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++) {
        /* A parameter's name ends where its segment of the pattern does. */
        size_t n = strcspn(pairs[i].name, "/");
        if (strlen(name) == n && memcmp(pairs[i].name, name, n) == 0)
            return pairs[i].value;
    }
    return NULL;
}

const char *ei_http_param(const struct ei_http_request *r, const char *name) {
    return find(r->params, r->param_count, name);
}

const char *ei_http_query(const struct ei_http_request *r, const char *name) {
    for (size_t i = 0; i < r->parse.query_count; i++)
        if (strcmp(r->parse.queries[i].name, name) == 0)
            return r->parse.queries[i].value;
    return NULL;
}

const char *ei_http_header(const struct ei_http_request *r, const char *name) {
    return ei_http_parse_header(&r->parse, name);
}

const char *ei_http_body(const struct ei_http_request *r, size_t *len) {
    *len = r->parse.body.len;
    return r->parse.body.data == NULL ? "" : r->parse.body.data;
}

enum ei_access ei_http_access(const struct ei_http_request *r) {
    return r->access;
}

const char *ei_http_user(const struct ei_http_request *r) {
    return r->user == NULL ? "" : r->user;
}
