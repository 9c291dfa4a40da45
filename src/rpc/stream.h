/* Byte streams over the loop: TCP with TLS, plain TCP, or a socket pair. What rpc/ and http/ stand
 * on.
 *
 * Writes are collected and leave at the end of the loop's turn (one TLS write, one system call).
 * A stream is freed by itself after `closed` has returned. Callbacks are never called from inside
 * the functions below, except that ei_stream_close calls nothing and `closed` always comes later.
 */
#ifndef EIDER_RPC_STREAM_H
#define EIDER_RPC_STREAM_H

#include "base/buf.h"
#include "base/error.h"
#include "rpc/rpc.h"

struct ei_stream;

struct ei_stream_events {
    /* Connected, and the TLS handshake is done. */
    void (*ready)(struct ei_stream *s, void *data);
    /* Bytes; all of them must be taken. */
    void (*data)(struct ei_stream *s, void *data, const uint8_t *bytes, size_t n);
    /* The kernel took something: less is queued. May be NULL. */
    void (*written)(struct ei_stream *s, void *data);
    /* The time set by ei_stream_set_timer is up. May be NULL if that is never called. */
    void (*timer)(struct ei_stream *s, void *data);
    /* The last one. *e: EI_OK if this side closed it. */
    void (*closed)(struct ei_stream *s, void *data, const struct ei_error *e);
};

enum ei_alpn { EI_ALPN_NONE, EI_ALPN_EIDER, EI_ALPN_HTTP };

/* Who the peer proved to be; role 0 = it showed no certificate. */
struct ei_peer {
    enum ei_role role;
    char name[65];
};

/* The start of struct ei_http_server: how a server hands over a connection that speaks HTTP. Called
 * when the stream is ready; `accept` must call ei_stream_set_events. */
struct ei_stream_acceptor {
    void (*accept)(struct ei_stream_acceptor *a, struct ei_stream *s);
};

/* tls NULL = plain. */
struct ei_stream *ei_stream_connect(uv_loop_t *loop, struct ei_tls *tls, const char *address,
                                    const struct ei_stream_events *events, void *data);
struct ei_stream *ei_stream_from_fd(uv_loop_t *loop, int fd, const struct ei_stream_events *events,
                                    void *data);
struct ei_stream *ei_stream_accept(uv_stream_t *listener, struct ei_tls *tls, bool allow_http,
                                   const struct ei_stream_events *events, void *data);
void ei_stream_set_events(struct ei_stream *s, const struct ei_stream_events *events, void *data);
void *ei_stream_data(const struct ei_stream *s);

/* Reserve and append here, then call ei_stream_flush_later. */
struct ei_buf *ei_stream_out(struct ei_stream *s);
void ei_stream_flush_later(struct ei_stream *s);
void ei_stream_write(struct ei_stream *s, const void *data, size_t n);
size_t ei_stream_queued_bytes(const struct ei_stream *s);
void ei_stream_pause(struct ei_stream *s, bool paused); /* reading */
/* One timer a stream; 0 ms = as soon as the loop turns. -1 = off. */
void ei_stream_set_timer(struct ei_stream *s, int64_t ms);

/* Sends what is queued as far as the kernel takes it at once, then closes. e NULL = EI_OK. */
void ei_stream_close(struct ei_stream *s, const struct ei_error *e);
/* Sends all that is queued, ends our direction and waits a little for the peer to end its own, so
 * that the last bytes are not lost to a reset. No more data callbacks. */
void ei_stream_finish(struct ei_stream *s);
bool ei_stream_is_closing(const struct ei_stream *s);

bool ei_stream_is_tls(const struct ei_stream *s);
enum ei_alpn ei_stream_alpn(const struct ei_stream *s);
/* -1 and *e if the peer's certificate is of another cluster or names no role. */
int ei_stream_peer(const struct ei_stream *s, struct ei_peer *peer, struct ei_error *e);
/* Called at the very end, after `closed`. */
void ei_stream_on_gone(struct ei_stream *s, void (*gone)(void *data), void *data);

#endif
