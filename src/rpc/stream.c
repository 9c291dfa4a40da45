#include "rpc/stream.h"

#include "base/mem.h"
#include "rpc/address.h"
#include "rpc/loop.h"
#include "rpc/tls.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WRITE_BYTES (256u << 10) /* encrypted at once: bounds the second copy of the queue */
#define KEEP_BYTES (16u << 10)   /* an empty buffer larger than this is freed */
#define FINISH_FLUSH_MS 5000     /* without progress */
#define FINISH_LINGER_MS 1000    /* for the peer to close after we did */
#define KEEPALIVE_SECONDS 30

struct ei_stream {
    struct ei_loop *loop;
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } u;
    uv_timer_t timer;
    uv_connect_t connect;
    uv_write_t write;
    uv_shutdown_t shutdown;
    uv_getaddrinfo_t *lookup; /* owned; not NULL while it runs */
    struct ei_tls *tls;       /* a reference; NULL = plain */
    SSL *ssl;
    struct ei_tls_io io;
    struct ei_buf out; /* not encrypted yet, from out_pos */
    size_t out_pos;
    struct ei_buf cipher; /* encrypted, not handed to the kernel */
    struct ei_buf flying; /* being written, from flying_pos */
    size_t flying_pos;
    bool writing, ready, reading, finishing, shut, ending, closing, broken;
    int handles; /* to be closed, and a look-up to end */
    struct ei_error *error;
    const struct ei_stream_events *events;
    void *data;
    void (*gone)(void *data);
    void *gone_data;
    struct ei_link dirty;
};

static void flush(struct ei_stream *s);
static void fail(struct ei_stream *s, enum ei_code code, const char *text);

/* ---- the end ---- */

static void on_handle_gone(struct ei_stream *s) {
    if (--s->handles > 0)
        return;
    struct ei_error none = {0};
    s->events->closed(s, s->data, s->error == NULL ? &none : s->error);
    if (s->gone != NULL)
        s->gone(s->gone_data);
    SSL_free(s->ssl);
    ei_tls_destroy(s->tls);
    ei_buf_release(&s->out);
    ei_buf_release(&s->cipher);
    ei_buf_release(&s->flying);
    free(s->error);
    ei_loop_put(s->loop);
    free(s);
}

static void on_uv_closed(uv_handle_t *handle) {
    on_handle_gone(handle->data);
}

void ei_stream_close(struct ei_stream *s, const struct ei_error *e) {
    if (s->closing)
        return;
    if (!s->ending && e != NULL && e->code != EI_OK) {
        s->error = ei_malloc(sizeof *s->error);
        *s->error = *e;
    }
    s->ending = true; /* the reason is fixed, even if the flush fails */
    flush(s);
    if (s->closing)
        return; /* the flush found the connection broken */
    s->closing = true;
    if (s->ssl != NULL && s->ready && !s->broken && !s->shut && s->out.len == s->out_pos)
        (void)SSL_shutdown(s->ssl);
    if (!s->writing && s->cipher.len > 0 && (s->ready || s->broken)) {
        uv_buf_t buf = uv_buf_init(s->cipher.data, (unsigned)s->cipher.len);
        (void)uv_try_write(&s->u.stream, &buf, 1); /* TLS's last words; may get lost */
    }
    ei_link_remove(&s->dirty);
    if (s->lookup != NULL)
        (void)uv_cancel((uv_req_t *)s->lookup);
    uv_close(&s->u.handle, on_uv_closed);
    uv_close((uv_handle_t *)&s->timer, on_uv_closed);
}

static void fail(struct ei_stream *s, enum ei_code code, const char *text) {
    if (s->closing)
        return;
    struct ei_error e;
    (void)ei_fail(&e, code, "%s", text);
    ei_stream_close(s, s->finishing ? NULL : &e);
}

static void fail_uv(struct ei_stream *s, const char *what, int status) {
    struct ei_error e;
    (void)ei_fail(&e, EI_UNREACHABLE, "%s: %s", what, uv_strerror(status));
    s->broken = true;
    fail(s, e.code, e.text);
}

/* ---- writing ---- */

static void release_if_large(struct ei_buf *b) {
    if (b->capacity > KEEP_BYTES)
        ei_buf_release(b);
    else
        ei_buf_clear(b);
}

static void reset_out(struct ei_stream *s) {
    release_if_large(&s->out);
    s->out_pos = 0;
}

/* Moves up to WRITE_BYTES of `out` through TLS into `cipher`. */
static int encrypt(struct ei_stream *s) {
    while (s->out_pos < s->out.len && s->cipher.len < WRITE_BYTES) {
        size_t n = EI_MIN(s->out.len - s->out_pos, (size_t)WRITE_BYTES), written = 0;
        if (SSL_write_ex(s->ssl, s->out.data + s->out_pos, n, &written) != 1) {
            s->broken = true;
            fail(s, EI_INTERNAL, "TLS could not encrypt");
            return -1;
        }
        s->out_pos += written;
    }
    if (s->out_pos == s->out.len) {
        reset_out(s);
    } else if (s->out_pos > s->out.len / 2) {
        ei_buf_consume(&s->out, s->out_pos);
        s->out_pos = 0;
    }
    return 0;
}

/* Makes `flying` the next bytes for the kernel. False if there are none. */
static bool next_bytes(struct ei_stream *s) {
    if (s->ssl != NULL && s->ready && s->out.len > s->out_pos && encrypt(s) != 0)
        return false;
    struct ei_buf *source = s->ssl != NULL ? &s->cipher : &s->out;
    if (source->len == 0)
        return false;
    struct ei_buf empty = s->flying;
    s->flying = *source;
    *source = empty;
    s->flying_pos = 0;
    return true;
}

static void landed(struct ei_stream *s) {
    release_if_large(&s->flying);
    s->flying_pos = 0;
}

static void on_shutdown(uv_shutdown_t *request, int status) {
    struct ei_stream *s = request->data;
    if (status < 0 && !s->closing)
        ei_stream_close(s, NULL);
}

/* Everything is out: say so to the peer and wait for it to close. */
static void end_direction(struct ei_stream *s) {
    s->shut = true;
    if (s->ssl != NULL && !s->broken) {
        (void)SSL_shutdown(s->ssl);
        flush(s);
    }
    if (s->closing)
        return;
    s->shutdown.data = s;
    if (uv_shutdown(&s->shutdown, &s->u.stream, on_shutdown) != 0)
        ei_stream_close(s, NULL);
    else
        (void)uv_timer_start(&s->timer, s->timer.timer_cb, FINISH_LINGER_MS, 0);
}

static void progress(struct ei_stream *s) {
    if (s->closing)
        return;
    if (s->finishing) {
        if (s->shut)
            return;
        if (ei_stream_queued_bytes(s) == 0)
            end_direction(s);
        else
            (void)uv_timer_start(&s->timer, s->timer.timer_cb, FINISH_FLUSH_MS, 0);
    } else if (s->events->written != NULL) {
        s->events->written(s, s->data);
    }
}

static void on_written(uv_write_t *request, int status) {
    struct ei_stream *s = request->data;
    s->writing = false;
    landed(s);
    if (s->closing)
        return;
    if (status < 0) {
        fail_uv(s, "the connection broke while sending", status);
        return;
    }
    ei_stream_flush_later(s);
    progress(s);
}

/* Gives the kernel what it takes now; the rest goes with an asynchronous write. */
static void flush(struct ei_stream *s) {
    while (!s->writing && !s->closing && !s->broken && next_bytes(s)) {
        uv_buf_t buf = uv_buf_init(s->flying.data, (unsigned)s->flying.len);
        int n = uv_try_write(&s->u.stream, &buf, 1);
        if (n < 0 && n != UV_EAGAIN) {
            landed(s);
            fail_uv(s, "the connection broke while sending", n);
            return;
        }
        s->flying_pos = n < 0 ? 0 : (size_t)n;
        if (s->flying_pos == s->flying.len) {
            landed(s);
            continue;
        }
        buf =
            uv_buf_init(s->flying.data + s->flying_pos, (unsigned)(s->flying.len - s->flying_pos));
        s->write.data = s;
        s->writing = true;
        int status = uv_write(&s->write, &s->u.stream, &buf, 1, on_written);
        if (status != 0) {
            s->writing = false;
            fail_uv(s, "the connection broke while sending", status);
        }
    }
}

void ei_loop_flush_link(struct ei_link *link) {
    struct ei_stream *s = EI_CONTAINER(link, struct ei_stream, dirty);
    size_t before = ei_stream_queued_bytes(s);
    if (s->ssl == NULL && !s->ready)
        return;
    flush(s);
    if (!s->closing && (before > ei_stream_queued_bytes(s) || (s->finishing && before == 0)))
        progress(s);
}

struct ei_buf *ei_stream_out(struct ei_stream *s) {
    return &s->out;
}

void ei_stream_flush_later(struct ei_stream *s) {
    if (!s->closing)
        ei_loop_mark(s->loop, &s->dirty);
}

void ei_stream_write(struct ei_stream *s, const void *data, size_t n) {
    if (s->closing || s->finishing)
        return;
    ei_buf_append(&s->out, data, n);
    ei_stream_flush_later(s);
}

size_t ei_stream_queued_bytes(const struct ei_stream *s) {
    return s->out.len - s->out_pos + s->cipher.len + s->flying.len - s->flying_pos;
}

/* ---- reading ---- */

static void explain_ssl(struct ei_stream *s) {
    struct ei_error e;
    s->broken = true;
    ei_tls_explain(s->ssl, &e);
    ei_stream_close(s, s->finishing ? NULL : &e);
}

static void became_ready(struct ei_stream *s) {
    s->ready = true;
    s->events->ready(s, s->data);
}

/* True if the handshake is over. */
static bool shake_hands(struct ei_stream *s) {
    ERR_clear_error();
    int result = SSL_do_handshake(s->ssl);
    if (s->cipher.len > 0)
        ei_stream_flush_later(s);
    if (result == 1) {
        became_ready(s);
        return !s->closing;
    }
    if (SSL_get_error(s->ssl, result) != SSL_ERROR_WANT_READ)
        explain_ssl(s);
    return false;
}

static void feed_tls(struct ei_stream *s, const char *bytes, size_t n) {
    s->io.in = bytes;
    s->io.in_len = n;
    if (!s->ready && !shake_hands(s))
        return;
    while (!s->closing) {
        size_t got = 0;
        ERR_clear_error();
        if (SSL_read_ex(s->ssl, s->loop->plain, sizeof s->loop->plain, &got) == 1) {
            if (!s->finishing)
                s->events->data(s, s->data, (const uint8_t *)s->loop->plain, got);
            continue;
        }
        int why = SSL_get_error(s->ssl, 0);
        if (s->cipher.len > 0)
            ei_stream_flush_later(s);
        if (why == SSL_ERROR_ZERO_RETURN)
            fail(s, EI_UNREACHABLE, "the peer closed the connection");
        else if (why != SSL_ERROR_WANT_READ)
            explain_ssl(s);
        if (why == SSL_ERROR_WANT_READ)
            break;
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
    (void)suggested;
    struct ei_stream *s = handle->data;
    *buf = uv_buf_init(s->loop->wire, sizeof s->loop->wire);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
    struct ei_stream *s = stream->data;
    if (s->closing || n == 0)
        return;
    if (n == UV_EOF) {
        s->broken = !s->ready; /* no alert into a half handshake */
        fail(s, EI_UNREACHABLE, "the peer closed the connection");
    } else if (n < 0) {
        fail_uv(s, "the connection broke", (int)n);
    } else if (s->ssl != NULL) {
        feed_tls(s, buf->base, (size_t)n);
    } else if (!s->finishing) {
        s->events->data(s, s->data, (const uint8_t *)buf->base, (size_t)n);
    }
}

static void set_reading(struct ei_stream *s, bool reading) {
    if (s->closing || s->reading == reading)
        return;
    s->reading = reading;
    if (!reading) {
        (void)uv_read_stop(&s->u.stream);
        return;
    }
    int status = uv_read_start(&s->u.stream, on_alloc, on_read);
    if (status != 0)
        fail_uv(s, "cannot read from the connection", status);
}

void ei_stream_pause(struct ei_stream *s, bool paused) {
    if (!s->finishing)
        set_reading(s, !paused);
}

/* ---- timer ---- */

static void on_timer(uv_timer_t *timer) {
    struct ei_stream *s = timer->data;
    if (s->closing)
        return;
    if (s->finishing)
        ei_stream_close(s, NULL);
    else if (s->events->timer != NULL)
        s->events->timer(s, s->data);
}

void ei_stream_set_timer(struct ei_stream *s, int64_t ms) {
    if (s->closing || s->finishing)
        return;
    if (ms < 0) {
        (void)uv_timer_stop(&s->timer);
        return;
    }
    uv_update_time(s->loop->uv); /* the loop's clock stands still during a long callback */
    (void)uv_timer_start(&s->timer, on_timer, (uint64_t)ms, 0);
}

void ei_stream_finish(struct ei_stream *s) {
    if (s->closing || s->finishing)
        return;
    ei_stream_set_timer(s, FINISH_FLUSH_MS);
    s->finishing = true;
    set_reading(s, true);
    ei_stream_flush_later(s);
}

/* ---- making ---- */

static struct ei_stream *create(uv_loop_t *loop, struct ei_tls *tls, bool server, bool allow_http,
                                const struct ei_stream_events *events, void *data) {
    struct ei_stream *s = ei_calloc(1, sizeof *s);
    s->loop = ei_loop_get(loop);
    s->handles = 2;
    s->events = events;
    s->data = data;
    (void)uv_timer_init(loop, &s->timer);
    s->timer.data = s;
    if (tls != NULL) {
        ei_tls_reference(tls);
        s->tls = tls;
        s->io.out = &s->cipher;
        s->io.allow_http = allow_http;
        s->ssl = ei_tls_session(tls, &s->io, server);
        EI_ASSERT(s->ssl != NULL);
    }
    return s;
}

static void connected(struct ei_stream *s) {
    (void)uv_tcp_nodelay(&s->u.tcp, 1);
    (void)uv_tcp_keepalive(&s->u.tcp, 1, KEEPALIVE_SECONDS);
    set_reading(s, true);
    if (s->closing)
        return;
    if (s->ssl == NULL)
        became_ready(s);
    else
        (void)shake_hands(s);
}

static void on_connect(uv_connect_t *request, int status) {
    struct ei_stream *s = request->data;
    if (s->closing)
        return;
    if (status < 0)
        fail_uv(s, "nobody answers", status);
    else
        connected(s);
}

static void connect_to(struct ei_stream *s, const struct sockaddr *to) {
    s->connect.data = s;
    int status = uv_tcp_connect(&s->connect, &s->u.tcp, to, on_connect);
    if (status != 0)
        fail_uv(s, "cannot connect", status);
}

static void on_lookup(uv_getaddrinfo_t *request, int status, struct addrinfo *found) {
    struct ei_stream *s = request->data;
    s->lookup = NULL;
    free(request);
    if (!s->closing) {
        if (status < 0)
            fail_uv(s, "the name is not known", status);
        else
            connect_to(s, found->ai_addr);
    }
    uv_freeaddrinfo(found);
    on_handle_gone(s);
}

struct ei_stream *ei_stream_connect(uv_loop_t *loop, struct ei_tls *tls, const char *address,
                                    const struct ei_stream_events *events, void *data) {
    struct ei_stream *s = create(loop, tls, false, false, events, data);
    struct ei_address to;
    struct ei_error e;
    (void)uv_tcp_init(loop, &s->u.tcp);
    s->u.tcp.data = s;
    if (ei_address_parse(address, &to, &e) != 0) {
        fail(s, e.code, e.text);
    } else if (to.numeric) {
        connect_to(s, (const struct sockaddr *)&to.socket);
    } else {
        struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
        s->lookup = ei_calloc(1, sizeof *s->lookup);
        s->lookup->data = s;
        s->handles++;
        int status = uv_getaddrinfo(loop, s->lookup, on_lookup, to.host, to.port, &hints);
        if (status != 0) {
            free(s->lookup);
            s->lookup = NULL;
            s->handles--;
            fail_uv(s, "cannot look up the name", status);
        }
    }
    return s;
}

struct ei_stream *ei_stream_from_fd(uv_loop_t *loop, int fd, const struct ei_stream_events *events,
                                    void *data) {
    struct ei_stream *s = create(loop, NULL, false, false, events, data);
    (void)uv_pipe_init(loop, &s->u.pipe, 0);
    s->u.pipe.data = s;
    int status = uv_pipe_open(&s->u.pipe, fd);
    if (status != 0) {
        (void)close(fd);
        fail_uv(s, "cannot use the inherited socket", status);
    }
    s->ready = true;
    return s;
}

struct ei_stream *ei_stream_accept(uv_stream_t *listener, struct ei_tls *tls, bool allow_http,
                                   const struct ei_stream_events *events, void *data) {
    struct ei_stream *s = create(listener->loop, tls, true, allow_http, events, data);
    (void)uv_tcp_init(listener->loop, &s->u.tcp);
    s->u.tcp.data = s;
    int status = uv_accept(listener, &s->u.stream);
    if (status != 0) {
        fail_uv(s, "cannot accept a connection", status);
        return s;
    }
    (void)uv_tcp_nodelay(&s->u.tcp, 1);
    (void)uv_tcp_keepalive(&s->u.tcp, 1, KEEPALIVE_SECONDS);
    set_reading(s, true);
    s->ready = s->ssl == NULL;
    return s;
}

void ei_stream_set_events(struct ei_stream *s, const struct ei_stream_events *events, void *data) {
    s->events = events;
    s->data = data;
}

void *ei_stream_data(const struct ei_stream *s) {
    return s->data;
}

bool ei_stream_is_closing(const struct ei_stream *s) {
    return s->closing || s->finishing;
}

bool ei_stream_is_tls(const struct ei_stream *s) {
    return s->ssl != NULL;
}

enum ei_alpn ei_stream_alpn(const struct ei_stream *s) {
    const unsigned char *name = NULL;
    unsigned n = 0;
    if (s->ssl != NULL)
        SSL_get0_alpn_selected(s->ssl, &name, &n);
    if (n == 7 && memcmp(name, "eider/1", 7) == 0)
        return EI_ALPN_EIDER;
    return n == 8 && memcmp(name, "http/1.1", 8) == 0 ? EI_ALPN_HTTP : EI_ALPN_NONE;
}

int ei_stream_peer(const struct ei_stream *s, struct ei_peer *peer, struct ei_error *e) {
    *peer = (struct ei_peer){0};
    return s->ssl == NULL ? 0 : ei_tls_peer(s->tls, s->ssl, peer, e);
}

void ei_stream_on_gone(struct ei_stream *s, void (*gone)(void *data), void *data) {
    s->gone = gone;
    s->gone_data = data;
}
