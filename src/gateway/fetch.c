/* Copies one output file of a worker on another machine: ranges of 1 MiB, a few asked for at once.
 */
#include "gateway/internal.h"
#include "base/mem.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define RANGE_BYTES (1u << 20)
#define IN_FLIGHT 4
#define RANGE_TIMEOUT_MS 30000

struct range {
    struct ei_fetch *fetch;
    uint64_t offset;
    uint32_t length;
};

struct ei_fetch {
    struct ei_gateway *g;
    struct ei_conn *conn;
    ei_fetch_fn fn; /* NULL once it was called or the fetch cancelled */
    void *data;
    uint64_t job, file_bytes, asked, written;
    uint32_t stage, task, attempt;
    int fd;
    unsigned in_flight;
    bool closed;
};

static void maybe_free(struct ei_fetch *f) {
    if (!f->closed || f->in_flight > 0)
        return;
    if (f->fd >= 0)
        close(f->fd);
    free(f);
}

static void done(struct ei_fetch *f, const struct ei_error *e) {
    ei_fetch_fn fn = f->fn;
    f->fn = NULL;
    if (f->conn != NULL)
        ei_conn_close(f->conn);
    if (fn != NULL)
        fn(f->data, e);
}

static int write_at(struct ei_fetch *f, const ProtobufCBinaryData *data, uint64_t offset,
                    struct ei_error *e) {
    size_t put = 0;
    while (put < data->len) {
        ssize_t n = pwrite(f->fd, data->data + put, data->len - put, (off_t)(offset + put));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ei_fail_errno(e, EI_IO, errno, "cannot store a result on the gateway");
        put += (size_t)n;
    }
    return 0;
}

static void ask_more(struct ei_fetch *f);

static void on_range(void *data, const ProtobufCMessage *body, const struct ei_error *e) {
    struct range *r = data;
    struct ei_fetch *f = r->fetch;
    f->in_flight--;
    const Eider__V1__ReadOutputReply *reply = (const Eider__V1__ReadOutputReply *)body;
    struct ei_error error = {0};
    if (f->fn == NULL) {
        free(r);
        maybe_free(f);
        return;
    }
    if (body == NULL)
        error = *e;
    else if (ei_error_from_wire(reply->error, &error) == 0 && reply->data.len != r->length)
        (void)ei_fail(&error, EI_CORRUPT, "a worker sent %zu bytes of a result instead of %u",
                      reply->data.len, r->length);
    if (error.code == EI_OK && write_at(f, &reply->data, r->offset, &error) == 0)
        f->written += r->length;
    free(r);
    if (error.code != EI_OK)
        done(f, &error);
    else if (f->written == f->file_bytes)
        done(f, &error);
    else
        ask_more(f);
}

static void ask_more(struct ei_fetch *f) {
    while (f->in_flight < IN_FLIGHT && f->asked < f->file_bytes) {
        struct range *r = ei_malloc(sizeof *r);
        *r = (struct range){f, f->asked, (uint32_t)EI_MIN(f->file_bytes - f->asked, RANGE_BYTES)};
        Eider__V1__ReadOutput m = EIDER__V1__READ_OUTPUT__INIT;
        m.job = f->job;
        m.stage = f->stage;
        m.task = f->task;
        m.attempt = f->attempt;
        m.offset = r->offset;
        m.length = r->length;
        f->asked += r->length;
        f->in_flight++;
        ei_conn_call(f->conn, &m.base, RANGE_TIMEOUT_MS, on_range, r);
    }
}

static void on_open(struct ei_conn *c, void *data) {
    (void)c;
    ask_more(data);
}

static void on_message(struct ei_conn *c, void *data, const struct ei_message *m) {
    (void)data;
    (void)m;
    ei_conn_close(c); /* a worker has nothing to ask of a gateway */
}

static void on_closed(struct ei_conn *c, void *data, const struct ei_error *e) {
    struct ei_fetch *f = data;
    (void)c;
    f->conn = NULL;
    f->closed = true;
    struct ei_error early = *e;
    if (early.code == EI_OK)
        (void)ei_fail(&early, EI_UNREACHABLE, "the connection ended before the whole result came");
    if (f->fn != NULL)
        done(f, &early);
    maybe_free(f);
}

static const struct ei_conn_events EVENTS = {on_open, on_message, on_closed};

struct ei_fetch *ei_fetch_start(struct ei_gateway *g, const Eider__V1__Output *output, uint64_t job,
                                uint32_t stage, const char *to_path, ei_fetch_fn fn, void *data) {
    struct ei_fetch *f = ei_calloc(1, sizeof *f);
    *f = (struct ei_fetch){.g = g,
                           .fn = fn,
                           .data = data,
                           .job = job,
                           .stage = stage,
                           .task = output->task,
                           .attempt = output->attempt,
                           .file_bytes = output->file_bytes};
    /* A directory that cannot be written shows as an error of the first write. */
    f->fd = open(to_path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
    f->conn = ei_conn_connect(g->loop, g->tls, output->address, EI_ROLE_WORKER, &EVENTS, f);
    return f;
}

void ei_fetch_cancel(struct ei_fetch *f) {
    f->fn = NULL;
    if (f->conn != NULL)
        ei_conn_close(f->conn);
}
