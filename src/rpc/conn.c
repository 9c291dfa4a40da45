#include "rpc/conn.h"

#include "base/map.h"
#include "base/mem.h"
#include "os/os.h"
#include "pki/pki.h"
#include "wire/frame.h"

#include <stdlib.h>
#include <string.h>

#define HELLO_PAYLOAD_MAX 4096u /* until the peer is known to be well-behaved */
#define KEEP_INPUT_BYTES (16u << 10)
#define FIRST_REQUEST 2 /* 1 is the Hello */

enum state { CONNECTING, GREETING, OPEN, CLOSING };

struct call {
    uint64_t request;
    int64_t deadline_us; /* INT64_MAX = none */
    enum ei_code failed; /* EI_OK, or why it was never sent */
    ei_reply_fn fn;
    void *data;
};

struct ei_conn {
    struct ei_stream *stream;
    struct ei_tls *tls; /* borrowed from the stream; NULL over a socket pair */
    const struct ei_conn_events *events;
    void *data;
    enum state state;
    unsigned roles; /* that the peer may have */
    bool outgoing, was_open, hello_received, hello_accepted;
    struct ei_peer peer;
    char *address;       /* of an outgoing connection, for messages */
    struct ei_buf input; /* the part of a frame that has arrived */
    struct ei_map calls;
    uint64_t next_request;
    int64_t hello_deadline_us;
    int64_t timer_us; /* when the timer fires; INT64_MAX = off */
    void (*opened)(void *owner);
    void *owner;
};

/* ---- timers ---- */

static void arm(struct ei_conn *c, int64_t deadline_us) {
    if (deadline_us >= c->timer_us || c->state == CLOSING)
        return;
    int64_t now = ei_now_us();
    c->timer_us = deadline_us;
    ei_stream_set_timer(c->stream, deadline_us <= now ? 0 : (deadline_us - now + 999) / 1000);
}

static void close_with(struct ei_conn *c, const struct ei_error *e) {
    if (c->state == CLOSING)
        return;
    c->state = CLOSING;
    ei_stream_close(c->stream, e);
}

static void answer(struct ei_conn *c, struct call *call, enum ei_code code, const char *why) {
    struct ei_error e;
    const char *peer = c->peer.name[0] != '\0' ? c->peer.name
                       : c->address != NULL    ? c->address
                                               : "the peer";
    (void)ei_fail(&e, code, "the call to %s failed: %s", peer, why);
    ei_reply_fn fn = call->fn;
    void *data = call->data;
    free(call);
    fn(data, NULL, &e);
}

static const char *failure_text(enum ei_code code) {
    switch (code) {
    case EI_LIMIT:
        return "the message is over the frame's limit of 16 MiB";
    case EI_UNREACHABLE:
        return "the connection is not open";
    default:
        return "no answer within the deadline";
    }
}

static void expire_calls(struct ei_conn *c, int64_t now) {
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < c->calls.count;) {
        struct call *call = c->calls.entries[i].value;
        if (call->deadline_us > now) {
            next = EI_MIN(next, call->deadline_us);
            i++;
            continue;
        }
        enum ei_code code = call->failed == EI_OK ? EI_TIMEOUT : call->failed;
        (void)ei_map_remove_u64(&c->calls, call->request); /* the last one moves to i */
        answer(c, call, code, failure_text(code));
        if (c->state == CLOSING)
            return;
    }
    arm(c, next);
}

static void become_open(struct ei_conn *c) {
    c->state = OPEN;
    c->was_open = true;
    if (c->opened != NULL)
        c->opened(c->owner);
    c->events->open(c, c->data);
}

static void on_timer(struct ei_stream *s, void *data) {
    struct ei_conn *c = data;
    int64_t now = ei_now_us();
    c->timer_us = INT64_MAX;
    if (c->state == CONNECTING && c->tls == NULL) {
        become_open(c); /* a socket pair: there is nobody to greet */
        if (c->state == OPEN)
            ei_stream_pause(c->stream, false);
    } else if (c->state != OPEN && now >= c->hello_deadline_us) {
        struct ei_error e;
        (void)ei_fail(&e, EI_TIMEOUT, "no handshake within %d ms", EI_HANDSHAKE_TIMEOUT_MS);
        close_with(c, &e);
    }
    if (c->state == CLOSING)
        return;
    expire_calls(c, now);
    if (c->state == CONNECTING || c->state == GREETING)
        arm(c, c->hello_deadline_us);
}

/* ---- sending ---- */

/* Appends one frame. False if the message is too large for one. */
static bool put_frame(struct ei_conn *c, const ProtobufCMessage *body, uint8_t flags,
                      uint64_t request) {
    uint16_t type = ei_msg_type(body->descriptor);
    EI_ASSERT(type != 0);
    size_t n = protobuf_c_message_get_packed_size(body);
    if (n > EI_FRAME_PAYLOAD_MAX)
        return false;
    struct ei_buf *out = ei_stream_out(c->stream);
    uint8_t *to = (uint8_t *)ei_buf_reserve(out, EI_FRAME_HEADER_BYTES + n);
    ei_frame_put_header(to, type, flags, request, (uint32_t)n);
    EI_ASSERT(protobuf_c_message_pack(body, to + EI_FRAME_HEADER_BYTES) == n);
    out->len += EI_FRAME_HEADER_BYTES + n;
    ei_stream_flush_later(c->stream);
    return true;
}

static void check_queue(struct ei_conn *c) {
    if (ei_stream_queued_bytes(c->stream) <= EI_CONN_SEND_QUEUE_MAX)
        return;
    struct ei_error e;
    (void)ei_fail(&e, EI_LIMIT, "the peer does not read: %u MiB are waiting to be sent",
                  EI_CONN_SEND_QUEUE_MAX >> 20);
    close_with(c, &e);
}

static void send_or_close(struct ei_conn *c, const ProtobufCMessage *body, uint8_t flags,
                          uint64_t request) {
    if (c->state != OPEN)
        return;
    if (put_frame(c, body, flags, request)) {
        check_queue(c);
        return;
    }
    struct ei_error e;
    (void)ei_fail(&e, EI_LIMIT, "a message %s is over the frame's limit of %u MiB",
                  body->descriptor->short_name, EI_FRAME_PAYLOAD_MAX >> 20);
    close_with(c, &e);
}

void ei_conn_send(struct ei_conn *c, const ProtobufCMessage *body) {
    send_or_close(c, body, 0, 0);
}

void ei_conn_reply(struct ei_conn *c, uint64_t request, const ProtobufCMessage *body) {
    if (request != 0)
        send_or_close(c, body, EI_FRAME_FLAG_REPLY, request);
}

void ei_conn_call(struct ei_conn *c, const ProtobufCMessage *body, uint64_t timeout_ms,
                  ei_reply_fn fn, void *data) {
    struct call *call = ei_calloc(1, sizeof *call);
    int64_t now = ei_now_us();
    call->request = c->next_request++;
    call->fn = fn;
    call->data = data;
    call->deadline_us = timeout_ms == 0 || timeout_ms > INT64_MAX / 2000
                            ? INT64_MAX
                            : now + (int64_t)timeout_ms * 1000;
    (void)ei_map_put_u64(&c->calls, call->request, call);
    if (c->state != OPEN)
        call->failed = EI_UNREACHABLE;
    else if (!put_frame(c, body, 0, call->request))
        call->failed = EI_LIMIT;
    if (call->failed != EI_OK)
        call->deadline_us = now; /* answered when the loop turns */
    arm(c, call->deadline_us);
    if (c->state == OPEN)
        check_queue(c);
}

/* ---- hello ---- */

static char *text(const char *s) {
    return (char *)(uintptr_t)s; /* protobuf-c's strings are not const; packing does not write */
}

static void send_hello(struct ei_conn *c) {
    Eider__V1__Hello hello = EIDER__V1__HELLO__INIT;
    hello.protocol = EI_PROTOCOL_VERSION;
    hello.version = text(EIDER_VERSION);
    hello.role = text(ei_role_name(ei_tls_role(c->tls)));
    hello.name = text(ei_tls_name(c->tls));
    hello.cluster_id = text(ei_tls_cluster_id(c->tls));
    (void)put_frame(c, &hello.base, 0, 1);
}

static int check_hello(const struct ei_conn *c, const Eider__V1__Hello *h, struct ei_error *e) {
    if (h->protocol != EI_PROTOCOL_VERSION)
        return ei_fail(e, EI_UNSUPPORTED, "%s speaks protocol %u, this program %u", c->peer.name,
                       h->protocol, EI_PROTOCOL_VERSION);
    if (strcmp(h->cluster_id, ei_tls_cluster_id(c->tls)) != 0)
        return ei_fail(e, EI_DENIED, "%s belongs to another cluster", c->peer.name);
    if (ei_role_from_name(h->role) != c->peer.role || strcmp(h->name, c->peer.name) != 0)
        return ei_fail(e, EI_DENIED, "%s (%s) says that it is another node than its certificate",
                       c->peer.name, ei_role_name(c->peer.role));
    return 0;
}

static void on_hello(struct ei_conn *c, uint64_t request, const Eider__V1__Hello *hello) {
    struct ei_error e = {0};
    Eider__V1__HelloReply reply = EIDER__V1__HELLO_REPLY__INIT;
    Eider__V1__Error wire = EIDER__V1__ERROR__INIT;
    if (c->hello_received)
        (void)ei_fail(&e, EI_DENIED, "the peer greets twice");
    else
        (void)check_hello(c, hello, &e);
    c->hello_received = true;
    reply.name = text(ei_tls_name(c->tls));
    reply.version = text(EIDER_VERSION);
    if (e.code != EI_OK) {
        ei_error_to_wire(&e, &wire);
        reply.error = &wire;
    }
    (void)put_frame(c, &reply.base, EI_FRAME_FLAG_REPLY, request);
    if (e.code != EI_OK)
        close_with(c, &e);
}

static void on_hello_reply(struct ei_conn *c, const Eider__V1__HelloReply *reply) {
    struct ei_error e;
    if (ei_error_from_wire(reply->error, &e) != 0) {
        (void)ei_wrap(&e, "%s refused this node", c->peer.name);
        close_with(c, &e);
    } else {
        c->hello_accepted = true;
    }
}

static void on_greeting(struct ei_conn *c, const struct ei_frame *f, const ProtobufCMessage *m) {
    if (f->type == EI_MSG_HELLO) {
        on_hello(c, f->request, (const Eider__V1__Hello *)(const void *)m);
    } else if (f->type == EI_MSG_HELLO_REPLY && !c->hello_accepted) {
        on_hello_reply(c, (const Eider__V1__HelloReply *)(const void *)m);
    } else {
        struct ei_error e;
        (void)ei_fail(&e, EI_DENIED, "the peer sent message %u before its greeting", f->type);
        close_with(c, &e);
    }
    if (c->state == GREETING && c->hello_received && c->hello_accepted)
        become_open(c);
}

/* ---- receiving ---- */

static void deliver(struct ei_conn *c, const struct ei_frame *f, const ProtobufCMessage *m) {
    if (c->state == GREETING) {
        on_greeting(c, f, m);
    } else if (f->type == EI_MSG_HELLO || f->type == EI_MSG_HELLO_REPLY) {
        struct ei_error e;
        (void)ei_fail(&e, EI_DENIED, "the peer greets twice");
        close_with(c, &e);
    } else if ((f->flags & EI_FRAME_FLAG_REPLY) != 0) {
        struct call *call = ei_map_remove_u64(&c->calls, f->request);
        if (call == NULL)
            return; /* it came after the deadline */
        struct ei_error none = {0};
        ei_reply_fn fn = call->fn;
        void *data = call->data;
        free(call);
        fn(data, m, &none);
    } else {
        struct ei_message message = {.type = f->type, .request = f->request, .body = m};
        c->events->message(c, c->data, &message);
    }
}

static void on_frame(struct ei_conn *c, const struct ei_frame *f) {
    struct ei_error e;
    const struct ei_msg_info *info = ei_msg_info(f->type);
    if (info == NULL) {
        (void)ei_fail(&e, EI_UNSUPPORTED, "the peer sent a message of the unknown type %u",
                      f->type);
    } else if ((info->senders & c->peer.role) == 0) {
        (void)ei_fail(&e, EI_DENIED, "%s may not send %s: it is a %s", c->peer.name, info->name,
                      ei_role_name(c->peer.role));
    } else {
        ProtobufCMessage *m =
            protobuf_c_message_unpack(info->descriptor, NULL, f->payload_len, f->payload);
        if (m != NULL) {
            deliver(c, f, m);
            protobuf_c_message_free_unpacked(m, NULL);
            return;
        }
        (void)ei_fail(&e, EI_CORRUPT, "the peer sent a %s that is no protobuf message", info->name);
    }
    close_with(c, &e);
}

/* Handles whole frames at the start; returns how many bytes they took. */
static size_t take_frames(struct ei_conn *c, const uint8_t *bytes, size_t n) {
    size_t used = 0;
    while (c->state != CLOSING) {
        struct ei_frame f;
        struct ei_error e;
        uint32_t most = c->state == OPEN ? EI_FRAME_PAYLOAD_MAX : HELLO_PAYLOAD_MAX;
        int64_t took = ei_frame_decode(bytes + used, n - used, most, &f, &e);
        if (took < 0)
            close_with(c, &e);
        if (took <= 0)
            break;
        used += (size_t)took;
        on_frame(c, &f);
    }
    return used;
}

static void on_data(struct ei_stream *s, void *data, const uint8_t *bytes, size_t n) {
    struct ei_conn *c = data;
    if (c->input.len == 0) {
        size_t used = take_frames(c, bytes, n);
        if (c->state != CLOSING && used < n)
            ei_buf_append(&c->input, bytes + used, n - used);
        return;
    }
    ei_buf_append(&c->input, bytes, n);
    size_t used = take_frames(c, (const uint8_t *)c->input.data, c->input.len);
    if (c->state == CLOSING)
        return;
    ei_buf_consume(&c->input, used);
    if (c->input.len == 0 && c->input.capacity > KEEP_INPUT_BYTES)
        ei_buf_release(&c->input);
}

/* ---- beginning and end ---- */

/* The TLS handshake is done: who is it? */
static void greet(struct ei_conn *c) {
    struct ei_error e = {0};
    if (ei_stream_alpn(c->stream) != EI_ALPN_EIDER)
        (void)ei_fail(&e, EI_UNSUPPORTED, "the peer does not speak eider/1");
    else if (ei_stream_peer(c->stream, &c->peer, &e) == 0 && c->peer.role == 0)
        (void)ei_fail(&e, EI_UNAUTHENTICATED, "the peer shows no certificate");
    else if (e.code == EI_OK && (c->peer.role & c->roles) == 0)
        (void)ei_fail(&e, EI_DENIED, "%s is a %s, which is not who should be there", c->peer.name,
                      ei_role_name(c->peer.role));
    if (e.code != EI_OK) {
        close_with(c, &e);
        return;
    }
    c->state = GREETING;
    send_hello(c);
}

static void on_ready(struct ei_stream *s, void *data) {
    greet(data);
}

static void on_closed(struct ei_stream *s, void *data, const struct ei_error *why) {
    struct ei_conn *c = data;
    struct ei_error e = *why;
    if (e.code != EI_OK && c->address != NULL)
        (void)ei_wrap(&e, c->was_open ? "the connection to %s is lost" : "cannot connect to %s",
                      c->address);
    c->state = CLOSING;
    /* An answer may start another call, which fails here too. */
    while (c->calls.count > 0) {
        struct call *call = c->calls.entries[0].value;
        (void)ei_map_remove_u64(&c->calls, call->request);
        answer(c, call, EI_UNREACHABLE,
               e.code == EI_OK ? "the connection was closed by this side" : e.text);
    }
    /* An accepted peer that never proved who it is was never shown to the program. */
    if (c->was_open || c->outgoing || c->tls == NULL)
        c->events->closed(c, c->data, &e);
    ei_map_release(&c->calls);
    ei_buf_release(&c->input);
    free(c->address);
    free(c);
}

static const struct ei_stream_events STREAM_EVENTS = {
    .ready = on_ready, .data = on_data, .timer = on_timer, .closed = on_closed};

static struct ei_conn *create(struct ei_tls *tls, const struct ei_conn_events *events, void *data) {
    struct ei_conn *c = ei_calloc(1, sizeof *c);
    c->tls = tls;
    c->events = events;
    c->data = data;
    c->roles = EI_ROLE_ANY;
    c->next_request = FIRST_REQUEST;
    c->timer_us = INT64_MAX;
    c->hello_deadline_us = ei_now_us() + (int64_t)EI_HANDSHAKE_TIMEOUT_MS * 1000;
    return c;
}

struct ei_conn *ei_conn_connect(uv_loop_t *loop, struct ei_tls *tls, const char *address,
                                unsigned roles, const struct ei_conn_events *events, void *data) {
    struct ei_conn *c = create(tls, events, data);
    c->roles = roles;
    c->outgoing = true;
    c->address = ei_strdup(address);
    c->stream = ei_stream_connect(loop, tls, address, &STREAM_EVENTS, c);
    arm(c, c->hello_deadline_us);
    return c;
}

struct ei_conn *ei_conn_from_fd(uv_loop_t *loop, int fd, enum ei_role peer_role,
                                const struct ei_conn_events *events, void *data) {
    struct ei_conn *c = create(NULL, events, data);
    c->peer.role = peer_role;
    memcpy(c->peer.name, "local", sizeof "local");
    c->stream = ei_stream_from_fd(loop, fd, &STREAM_EVENTS, c);
    arm(c, 0);
    return c;
}

void ei_conn_adopt(const struct ei_conn_adoption *a) {
    struct ei_conn *c = create(a->tls, a->events, a->data);
    c->stream = a->stream;
    c->opened = a->opened;
    c->owner = a->owner;
    c->hello_deadline_us = a->deadline_us;
    ei_stream_set_events(a->stream, &STREAM_EVENTS, c);
    arm(c, c->hello_deadline_us);
    greet(c);
}

void ei_conn_close(struct ei_conn *c) {
    close_with(c, NULL);
}

bool ei_conn_is_open(const struct ei_conn *c) {
    return c->state == OPEN && !ei_stream_is_closing(c->stream);
}

void ei_conn_set_data(struct ei_conn *c, void *data) {
    c->data = data;
}

void *ei_conn_data(const struct ei_conn *c) {
    return c->data;
}

enum ei_role ei_conn_peer_role(const struct ei_conn *c) {
    return c->peer.role;
}

const char *ei_conn_peer_name(const struct ei_conn *c) {
    return c->peer.name;
}

size_t ei_conn_queued_bytes(const struct ei_conn *c) {
    return ei_stream_queued_bytes(c->stream);
}

void ei_error_to_wire(const struct ei_error *e, Eider__V1__Error *out) {
    eider__v1__error__init(out);
    out->code = (uint32_t)e->code;
    out->text = text(e->text);
}

int ei_error_from_wire(const Eider__V1__Error *in, struct ei_error *e) {
    if (in == NULL || in->code == EI_OK)
        return 0;
    return ei_fail(e, ei_code_from_wire((int)in->code), "%s", in->text);
}
