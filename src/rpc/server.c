#include "rpc/rpc.h"

#include "base/mem.h"
#include "os/os.h"
#include "rpc/address.h"
#include "rpc/conn.h"
#include "rpc/link.h"
#include "rpc/stream.h"
#include "rpc/tls.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define BACKLOG 511

struct ei_server {
    struct ei_server_options options;
    uv_tcp_t listener;
    int port;
    bool closing, listener_closed;
    struct ei_link half_open, established; /* of struct guest, oldest first */
    size_t half_open_count;
};

/* One accepted connection, whatever it speaks. */
struct guest {
    struct ei_server *server;
    struct ei_stream *stream;
    struct ei_link link;
    bool half_open;
    int64_t deadline_us;
};

static void free_if_done(struct ei_server *s) {
    if (s->closing && s->listener_closed && s->half_open.next == &s->half_open &&
        s->established.next == &s->established) {
        ei_tls_destroy(s->options.tls);
        free(s);
    }
}

static void settle(struct guest *g) {
    if (!g->half_open)
        return;
    g->half_open = false;
    g->server->half_open_count--;
    ei_link_remove(&g->link);
    ei_link_append(&g->server->established, &g->link);
}

static void on_opened(void *owner) {
    settle(owner);
}

static void on_gone(void *data) {
    struct guest *g = data;
    struct ei_server *s = g->server;
    if (g->half_open)
        s->half_open_count--;
    ei_link_remove(&g->link);
    free(g);
    free_if_done(s);
}

static void hand_to_http(struct guest *g) {
    struct ei_stream_acceptor *http = (struct ei_stream_acceptor *)(void *)g->server->options.http;
    settle(g);
    http->accept(http, g->stream);
}

static void on_ready(struct ei_stream *stream, void *data) {
    struct guest *g = data;
    const struct ei_server_options *o = &g->server->options;
    if (ei_stream_alpn(stream) == EI_ALPN_EIDER) {
        struct ei_conn_adoption a = {.stream = stream,
                                     .tls = o->tls,
                                     .events = o->events,
                                     .data = o->data,
                                     .deadline_us = g->deadline_us,
                                     .opened = on_opened,
                                     .owner = g};
        ei_conn_adopt(&a);
    } else if (o->http != NULL) {
        hand_to_http(g);
    } else {
        ei_stream_close(stream, NULL);
    }
}

static void on_data(struct ei_stream *stream, void *data, const uint8_t *bytes, size_t n) {
    (void)data;
    (void)bytes;
    (void)n; /* a plain stream is handed over before it reads */
    ei_stream_close(stream, NULL);
}

static void on_timer(struct ei_stream *stream, void *data) {
    (void)data;
    ei_stream_close(stream, NULL);
}

static void on_stream_closed(struct ei_stream *stream, void *data, const struct ei_error *e) {
    (void)stream;
    (void)data;
    (void)e; /* strangers come and go; on_gone tidies up */
}

static const struct ei_stream_events GUEST_EVENTS = {
    .ready = on_ready, .data = on_data, .timer = on_timer, .closed = on_stream_closed};

/* Whoever waited longest makes room: an honest peer needs milliseconds. */
static void make_room(struct ei_server *s) {
    for (struct ei_link *l = s->half_open.next;
         s->half_open_count > EI_HALF_OPEN_MAX && l != &s->half_open; l = l->next) {
        struct guest *g = EI_CONTAINER(l, struct guest, link);
        if (ei_stream_is_closing(g->stream))
            continue;
        ei_stream_close(g->stream, NULL);
        return;
    }
}

static void on_connection(uv_stream_t *listener, int status) {
    struct ei_server *s = listener->data;
    if (status < 0 || s->closing)
        return;
    struct guest *g = ei_calloc(1, sizeof *g);
    g->server = s;
    g->half_open = true;
    g->deadline_us = ei_now_us() + (int64_t)EI_HANDSHAKE_TIMEOUT_MS * 1000;
    s->half_open_count++;
    ei_link_append(&s->half_open, &g->link);
    bool plain = s->options.plain_http;
    g->stream = ei_stream_accept(listener, plain ? NULL : s->options.tls, s->options.http != NULL,
                                 &GUEST_EVENTS, g);
    ei_stream_on_gone(g->stream, on_gone, g);
    if (ei_stream_is_closing(g->stream))
        return;
    ei_stream_set_timer(g->stream, EI_HANDSHAKE_TIMEOUT_MS);
    if (plain)
        hand_to_http(g);
    make_room(s);
}

static void on_listener_closed(uv_handle_t *handle) {
    struct ei_server *s = handle->data;
    s->listener_closed = true;
    free_if_done(s);
}

static int find_address(uv_loop_t *loop, const struct ei_server_options *o, struct ei_address *a,
                        struct ei_error *e) {
    ei_address_set(a, o->host, o->port);
    if (!a->numeric) {
        uv_getaddrinfo_t lookup;
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
        int status = uv_getaddrinfo(loop, &lookup, NULL, a->host, a->port, &hints);
        if (status != 0)
            return ei_fail(e, EI_USAGE, "cannot listen on '%s': %s", o->host, uv_strerror(status));
        memcpy(&a->socket, lookup.addrinfo->ai_addr, lookup.addrinfo->ai_addrlen);
        uv_freeaddrinfo(lookup.addrinfo);
    }
    if (o->plain_http && !ei_address_is_loopback((const struct sockaddr *)&a->socket))
        return ei_fail(e, EI_DENIED,
                       "HTTP without TLS is for this machine only: listen on 127.0.0.1 instead "
                       "of %s, or use the TLS port",
                       o->host);
    return 0;
}

static int bind_and_listen(struct ei_server *s, const struct ei_address *a, struct ei_error *e) {
    const struct ei_server_options *o = &s->options;
    int status = uv_tcp_bind(&s->listener, (const struct sockaddr *)&a->socket, 0);
    if (status == 0)
        status = uv_listen((uv_stream_t *)&s->listener, BACKLOG, on_connection);
    if (status == UV_EADDRINUSE)
        return ei_fail(e, EI_EXISTS,
                       "port %d on %s is in use by another program: choose another port or stop "
                       "that program",
                       o->port, a->host);
    if (status != 0)
        return ei_fail(e, EI_IO, "cannot listen on %s:%d: %s", a->host, o->port,
                       uv_strerror(status));
    struct sockaddr_storage bound;
    int n = sizeof bound;
    (void)uv_tcp_getsockname(&s->listener, (struct sockaddr *)&bound, &n);
    s->port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port
                                                : ((struct sockaddr_in *)&bound)->sin_port);
    return 0;
}

int ei_server_listen(struct ei_server **out, uv_loop_t *loop, const struct ei_server_options *o,
                     struct ei_error *e) {
    EI_ASSERT(o->plain_http ? o->http != NULL : o->tls != NULL && o->events != NULL);
    struct ei_address address;
    if (find_address(loop, o, &address, e) != 0)
        return -1;
    struct ei_server *s = ei_calloc(1, sizeof *s);
    s->options = *o;
    s->options.host = NULL; /* the caller's text may go away */
    if (o->tls != NULL)
        ei_tls_reference(o->tls);
    ei_link_init(&s->half_open);
    ei_link_init(&s->established);
    (void)uv_tcp_init(loop, &s->listener);
    s->listener.data = s;
    if (bind_and_listen(s, &address, e) != 0) {
        ei_server_close(s);
        return -1;
    }
    *out = s;
    return 0;
}

int ei_server_port(const struct ei_server *s) {
    return s->port;
}

static void close_all(struct ei_link *list) {
    for (struct ei_link *l = list->next; l != list; l = l->next)
        ei_stream_close(EI_CONTAINER(l, struct guest, link)->stream, NULL);
}

void ei_server_close(struct ei_server *s) {
    if (s == NULL || s->closing)
        return;
    s->closing = true;
    close_all(&s->half_open);
    close_all(&s->established);
    uv_close((uv_handle_t *)&s->listener, on_listener_closed);
}
