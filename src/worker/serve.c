/* Serves byte ranges of this worker's published outputs to other workers and gateways. The path is
 * built from the ids of a request, and only if the attempt is known as done here. */
#include "base/mem.h"
#include "worker/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* An accepted connection and its reads in work: it lives until both are gone. */
struct reader {
    struct worker *w;
    struct ei_conn *conn; /* NULL once closed */
    size_t pending;
};

struct read_work {
    uv_work_t work;
    struct reader *reader;
    uint64_t request;
    char *path;
    uint64_t offset, file_bytes;
    size_t length;
    uint8_t *data;
    struct ei_error error;
};

static void reader_release(struct reader *r) {
    if (!r->conn && r->pending == 0)
        free(r);
}

static void reply_error(struct ei_conn *c, uint64_t request, const struct ei_error *e) {
    Eider__V1__ReadOutputReply reply = EIDER__V1__READ_OUTPUT_REPLY__INIT;
    Eider__V1__Error error = EIDER__V1__ERROR__INIT;
    ei_error_to_wire(e, &error);
    reply.error = &error;
    ei_conn_reply(c, request, &reply.base);
}

/* In a work thread. */
static void read_range(uv_work_t *work) {
    struct read_work *r = work->data;
    struct stat st;
    int fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fstat(fd, &st) != 0) {
        ei_fail_errno(&r->error, errno == ENOENT ? EI_NOT_FOUND : EI_IO, errno, "cannot open %s",
                      r->path);
    } else {
        r->file_bytes = (uint64_t)st.st_size;
        size_t got = 0;
        while (got < r->length) {
            ssize_t n = pread(fd, r->data + got, r->length - got, (off_t)(r->offset + got));
            if (n < 0 && errno == EINTR)
                continue;
            if (n < 0)
                ei_fail_errno(&r->error, EI_IO, errno, "cannot read %s", r->path);
            if (n <= 0)
                break;
            got += (size_t)n;
        }
        r->length = got; /* short only at the end of the file */
    }
    if (fd >= 0)
        close(fd);
}

static void read_done(uv_work_t *work, int status) {
    struct read_work *r = work->data;
    struct reader *reader = r->reader;
    reader->w->serving--;
    reader->pending--;
    if (reader->conn && r->error.code != EI_OK) {
        reply_error(reader->conn, r->request, &r->error);
    } else if (reader->conn) {
        Eider__V1__ReadOutputReply reply = EIDER__V1__READ_OUTPUT_REPLY__INIT;
        reply.data.data = r->data;
        reply.data.len = r->length;
        reply.file_bytes = r->file_bytes;
        ei_conn_reply(reader->conn, r->request, &reply.base);
    }
    reader_release(reader);
    free(r->data);
    free(r->path);
    free(r);
}

static int check(struct worker *w, const struct reader *reader, const Eider__V1__ReadOutput *m,
                 struct task_id id, struct ei_error *e) {
    if (m->length > EI_WORKER_READ_MAX)
        return ei_fail(e, EI_LIMIT, "a read of %u bytes is over the limit of %u", m->length,
                       EI_WORKER_READ_MAX);
    if (w->serving >= EI_WORKER_SERVE_PENDING_MAX)
        return ei_fail(e, EI_LIMIT, "worker %s has %zu reads in work already; ask again later",
                       w->o.name, w->serving);
    if (!ei_worker_output_published(w, id))
        return ei_fail(e, EI_NOT_FOUND,
                       "worker %s has no output of job %" PRIu64 " task %u.%u attempt %u",
                       w->o.name, id.job, id.stage, id.task, id.attempt);
    return 0;
}

static void on_message(struct ei_conn *c, void *data, const struct ei_message *m) {
    struct reader *reader = data;
    struct worker *w = reader->w;
    if (m->type != EI_MSG_READ_OUTPUT || m->request == 0)
        return;
    const Eider__V1__ReadOutput *body = (const Eider__V1__ReadOutput *)m->body;
    struct task_id id = {body->job, body->stage, body->task, body->attempt};
    struct ei_error e;
    if (check(w, reader, body, id, &e) != 0) {
        reply_error(c, m->request, &e);
        return;
    }
    struct read_work *r = ei_calloc(1, sizeof *r);
    r->work.data = r;
    r->reader = reader;
    r->request = m->request;
    r->path = ei_worker_output_path(w, id, "exf");
    r->offset = body->offset;
    r->length = body->length;
    r->data = ei_malloc(body->length);
    reader->pending++;
    w->serving++;
    uv_queue_work(&w->loop, &r->work, read_range, read_done);
}

/* The data of an accepted connection is the worker at first. */
static void on_open(struct ei_conn *c, void *data) {
    struct reader *r = ei_calloc(1, sizeof *r);
    r->w = data;
    r->conn = c;
    ei_conn_set_data(c, r);
}

static void on_closed(struct ei_conn *c, void *data, const struct ei_error *e) {
    struct reader *r = data;
    r->conn = NULL;
    reader_release(r);
}

static const struct ei_conn_events serve_events = {on_open, on_message, on_closed};

int ei_worker_serve_start(struct worker *w, const char *host, int port, struct ei_error *e) {
    struct ei_server_options o = {
        .host = host, .port = port, .tls = w->tls, .events = &serve_events, .data = w};
    return ei_server_listen(&w->server, &w->loop, &o, e);
}
