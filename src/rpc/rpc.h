/* Connections between Eider's processes: TLS 1.3 with certificates on both sides, frames
 * (wire/frame.h) of protobuf messages, requests with deadlines.
 *
 * Everything here runs on the loop's thread. One port serves two protocols, told apart by ALPN:
 * "eider/1" is this protocol and needs a client certificate of the cluster's CA; "http/1.1" (or no
 * ALPN) is REST (http/http.h) and needs a bearer token or a certificate. A peer that sends anything
 * else, or does not finish its handshake and Hello within EI_HANDSHAKE_TIMEOUT_MS, is closed
 * without a byte of answer beyond TLS's own. At most EI_HALF_OPEN_MAX connections may be in that
 * state.
 *
 * Ownership: an ei_conn belongs to the loop from creation until its `closed` callback has returned;
 * after that no pointer to it may be used. ei_conn_close may be called at any time, also inside a
 * callback, and more than once; `closed` is called exactly once, later, from the loop. */
#ifndef EIDER_RPC_RPC_H
#define EIDER_RPC_RPC_H

#include "base/error.h"
#include "wire/messages.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define EI_HANDSHAKE_TIMEOUT_MS 5000
#define EI_HALF_OPEN_MAX 256
#define EI_CONN_SEND_QUEUE_MAX (64u << 20) /* bytes; a peer that does not read is closed */

/* ---- identity (files made by pki/pki.h) ---- */
struct ei_tls; /* shared by all connections of a process; reference counted */
/* The certificate names the role (organisational unit), the node's name (common name) and the
 * cluster id (organisation). */
int ei_tls_create(struct ei_tls **out, const char *ca_path, const char *cert_path,
                  const char *key_path, struct ei_error *e);
void ei_tls_destroy(struct ei_tls *t);
const char *ei_tls_cluster_id(const struct ei_tls *t);
const char *ei_tls_name(const struct ei_tls *t);
enum ei_role ei_tls_role(const struct ei_tls *t);

/* ---- connections ---- */
struct ei_conn;

struct ei_message {
    uint16_t type;                /* enum ei_msg */
    uint64_t request;             /* pass to ei_conn_reply; 0 = the peer wants no reply */
    const ProtobufCMessage *body; /* borrowed: valid during the callback */
};

struct ei_conn_events {
    /* Handshake and Hello are done, the peer's role and name are proven. */
    void (*open)(struct ei_conn *c, void *data);
    /* A request or a one-way message that its sender's role may send. */
    void (*message)(struct ei_conn *c, void *data, const struct ei_message *m);
    /* The last callback. *e says why (EI_OK if this side closed it). Open calls were answered with
     * EI_UNREACHABLE before. For ei_conn_connect also called when connecting failed. */
    void (*closed)(struct ei_conn *c, void *data, const struct ei_error *e);
};

/* Connects to "host:port"; the peer must prove one of `roles` (bits of enum ei_role). Never fails
 * at once: failure arrives in events->closed. `events` must outlive the connection. */
struct ei_conn *ei_conn_connect(uv_loop_t *loop, struct ei_tls *tls, const char *address,
                                unsigned roles, const struct ei_conn_events *events, void *data);
/* A connection over an inherited socket pair: no TLS, no Hello; `open` is called from the loop.
 * peer_role decides which messages it may send. Takes the descriptor over. */
struct ei_conn *ei_conn_from_fd(uv_loop_t *loop, int fd, enum ei_role peer_role,
                                const struct ei_conn_events *events, void *data);
void ei_conn_close(struct ei_conn *c);
bool ei_conn_is_open(const struct ei_conn *c); /* open was called and it is not closing */
void ei_conn_set_data(struct ei_conn *c, void *data);
void *ei_conn_data(const struct ei_conn *c);
enum ei_role ei_conn_peer_role(const struct ei_conn *c);
const char *ei_conn_peer_name(const struct ei_conn *c);
/* Bytes accepted for sending that the kernel has not taken yet: for back-pressure. */
size_t ei_conn_queued_bytes(const struct ei_conn *c);

/* One way. Encodes at once; frames queued in the same loop turn leave in one write. Sending on a
 * connection that is not open (any more) drops the message: its `closed` tells. */
void ei_conn_send(struct ei_conn *c, const ProtobufCMessage *body);
void ei_conn_reply(struct ei_conn *c, uint64_t request, const ProtobufCMessage *body);
/* The callback is called exactly once, never inside this call: with the reply, or with body NULL
 * and *e (EI_TIMEOUT, EI_UNREACHABLE). timeout_ms 0 = no deadline. */
typedef void (*ei_reply_fn)(void *data, const ProtobufCMessage *body, const struct ei_error *e);
void ei_conn_call(struct ei_conn *c, const ProtobufCMessage *body, uint64_t timeout_ms,
                  ei_reply_fn fn, void *data);

/* Between struct ei_error and the message Error. The message borrows e's text. */
void ei_error_to_wire(const struct ei_error *e, Eider__V1__Error *out);
/* 0 if the message is NULL or its code is EI_OK, else -1 and *e. */
int ei_error_from_wire(const Eider__V1__Error *in, struct ei_error *e);

/* ---- servers ---- */
struct ei_http_server; /* http/http.h; NULL = this port speaks RPC only */
struct ei_server;
struct ei_server_options {
    const char *host; /* "127.0.0.1" unless the user said otherwise */
    int port;         /* 0 = any */
    struct ei_tls *tls;
    const struct ei_conn_events *events; /* of accepted RPC connections */
    void *data;                          /* their data at first: ei_conn_set_data replaces it */
    struct ei_http_server *http;         /* routes for HTTP over TLS */
    bool plain_http; /* no TLS, HTTP only: refused unless host is a loopback address */
};
/* EI_EXISTS and a sentence if the port is in use. */
int ei_server_listen(struct ei_server **out, uv_loop_t *loop, const struct ei_server_options *o,
                     struct ei_error *e);
int ei_server_port(const struct ei_server *s);
/* Stops accepting and closes all its connections; frees itself when the last is closed. */
void ei_server_close(struct ei_server *s);

#endif
