/* Remote inputs: the wanted partitions of another worker's output, in a sparse local file of the
 * same size and with the same offsets, so that the reader opens it like any other
 * (exchange/file.h).
 *
 * A file is fetched in two steps: header, index and trailer first; then, for each wanted range of
 * partitions (a "part"), the bytes of its blocks. Tasks that want the same part share it. Reading
 * is bounded by part and by peer; writing happens in libuv's work threads. */
#include "base/mem.h"
#include "exchange/file.h"
#include "worker/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEAD_BYTES 4096        /* most headers fit */
#define TAIL_BYTES (64u << 10) /* most indexes fit */
#define GAP_BYTES (16u << 10)  /* fetched rather than asked around */

struct fetch { /* one waiting attempt */
    struct part *part;
    fetch_done_fn done;
    void *data;
    struct fetch *next;
};

struct part {
    struct fetched_file *file;
    uint32_t first, count; /* as asked for; the key */
    bool ranged, done;
    struct ei_exchange_range *ranges; /* owned; cut into chunks as it goes */
    size_t range_count, range_at;
    size_t in_flight;
    struct ei_error error;
    struct fetch *waiters;
    struct part *next;
};

struct section { /* head or tail while the index is not known */
    uint64_t offset;
    size_t len;
    uint8_t *data; /* owned */
};

struct fetched_file {
    struct worker *w;
    char *key, *path, *address, *worker;
    Eider__V1__ReadOutput id; /* job, stage, task, attempt */
    uint64_t file_bytes, stored_bytes;
    int fd;
    struct section head, tail;
    size_t meta_pending;
    bool indexed, failed;
    uint32_t partitions;
    struct ei_exchange_index index;
    struct part *parts;
    size_t ops;      /* reads and writes in work */
    bool detached;   /* out of the table: goes with its last operation and waiter */
    uv_timer_t turn; /* tells waiters, from the loop */
    bool turn_closed;
};

struct chunk {
    struct fetched_file *file;
    struct part *part; /* NULL: of `section` */
    struct section *section;
    uint64_t offset;
    uint32_t len;
    uint8_t *data; /* owned */
    uv_fs_t fs;
};

static void part_pump(struct part *p);
static void meta_check(struct fetched_file *f);

/* ---- lifetime ---- */
static void file_free(struct fetched_file *f) {
    while (f->parts) {
        struct part *p = f->parts;
        f->parts = p->next;
        free(p->ranges);
        free(p);
    }
    if (f->fd >= 0)
        close(f->fd);
    ei_exchange_index_release(&f->index);
    free(f->head.data);
    free(f->tail.data);
    free(f->key);
    free(f->path);
    free(f->address);
    free(f->worker);
    free(f);
}

static void on_turn_closed(uv_handle_t *handle) {
    file_free(handle->data);
}

static void file_close_if_unused(struct fetched_file *f) {
    if (!f->detached || f->ops > 0 || uv_is_closing((uv_handle_t *)&f->turn))
        return;
    for (struct part *p = f->parts; p; p = p->next) {
        if (p->waiters)
            return;
    }
    uv_close((uv_handle_t *)&f->turn, on_turn_closed);
}

static void file_detach(struct fetched_file *f) {
    if (!f->detached) {
        ei_map_remove(&f->w->fetched, f->key);
        f->w->exchange_bytes -= f->stored_bytes;
        f->detached = true;
    }
    file_close_if_unused(f);
}

/* ---- telling the waiters ---- */
static void tell_part(struct part *p) {
    struct fetched_file *f = p->file;
    bool failed = p->error.code != EI_OK;
    while (p->waiters) {
        struct fetch *x = p->waiters;
        p->waiters = x->next;
        x->done(x->data, x, failed ? NULL : f->path, failed ? &p->error : NULL);
        free(x);
    }
}

static void on_turn(uv_timer_t *timer) {
    struct fetched_file *f = timer->data;
    f->ops++; /* a callback may detach the file */
    for (struct part *p = f->parts; p; p = p->next) {
        if (p->done)
            tell_part(p);
    }
    /* Failed parts are tried anew by whoever asks next. */
    for (struct part **at = &f->parts; *at;) {
        struct part *p = *at;
        if (p->done && p->error.code != EI_OK && p->in_flight == 0 && !p->waiters) {
            *at = p->next;
            free(p->ranges);
            free(p);
        } else {
            at = &p->next;
        }
    }
    f->ops--;
    file_close_if_unused(f);
}

static void part_done(struct part *p, const struct ei_error *e) {
    if (!p->done && e)
        p->error = *e;
    p->done = true;
    if (!uv_is_closing((uv_handle_t *)&p->file->turn))
        uv_timer_start(&p->file->turn, on_turn, 0, 0);
}

/* Nobody was given its path. */
static void file_failed(struct fetched_file *f, const struct ei_error *e) {
    f->failed = true;
    if (f->fd >= 0)
        unlink(f->path);
    for (struct part *p = f->parts; p; p = p->next)
        part_done(p, e);
    file_detach(f);
}

/* ---- chunks ---- */
static void chunk_end(struct chunk *c, const struct ei_error *e) {
    struct fetched_file *f = c->file;
    f->ops--;
    if (c->part) {
        c->part->in_flight--;
        if (e)
            part_done(c->part, e);
        else
            part_pump(c->part);
    } else {
        f->meta_pending--;
        if (e)
            file_failed(f, e);
        else if (f->meta_pending == 0 && !f->failed)
            meta_check(f);
    }
    free(c->data);
    free(c);
    file_close_if_unused(f);
}

static void on_written(uv_fs_t *fs) {
    struct chunk *c = fs->data;
    ssize_t result = fs->result;
    struct ei_error e;
    uv_fs_req_cleanup(fs);
    if (result == (ssize_t)c->len) {
        c->file->stored_bytes += c->len;
        if (!c->file->detached)
            c->file->w->exchange_bytes += c->len;
        chunk_end(c, NULL);
        return;
    }
    /* EI_IO would be the producer's trouble, this is ours */
    ei_fail_errno(&e, EI_LOST, result < 0 ? (int)-result : ENOSPC, "cannot write %s",
                  c->file->path);
    chunk_end(c, &e);
}

static void on_read(void *data, const Eider__V1__ReadOutputReply *reply,
                    const struct ei_error *failed) {
    struct chunk *c = data;
    struct fetched_file *f = c->file;
    struct ei_error e;
    if (failed) {
        e = *failed;
        chunk_end(c, &e);
        return;
    }
    if (reply->file_bytes != f->file_bytes || reply->data.len != c->len) {
        ei_fail(&e, EI_CORRUPT,
                "worker %s answered %zu of %u bytes of a file of %" PRIu64
                " bytes, expected %" PRIu64,
                f->worker, reply->data.len, c->len, reply->file_bytes, f->file_bytes);
        chunk_end(c, &e);
        return;
    }
    c->data = ei_malloc(c->len);
    memcpy(c->data, reply->data.data, c->len);
    if (c->section)
        memcpy(c->section->data + (c->offset - c->section->offset), c->data, c->len);
    uv_buf_t buf = uv_buf_init((char *)c->data, c->len);
    c->fs.data = c;
    int rc = uv_fs_write(&f->w->loop, &c->fs, f->fd, &buf, 1, (int64_t)c->offset, on_written);
    EI_ASSERT(rc == 0);
}

static void chunk_read(struct fetched_file *f, struct part *p, struct section *s, uint64_t offset,
                       uint32_t len) {
    struct chunk *c = ei_calloc(1, sizeof *c);
    c->file = f;
    c->part = p;
    c->section = s;
    c->offset = offset;
    c->len = len;
    f->ops++;
    if (p)
        p->in_flight++;
    else
        f->meta_pending++;
    Eider__V1__ReadOutput m = f->id;
    m.offset = offset;
    m.length = len;
    ei_worker_peer_read(f->w, f->address, f->worker, &m, on_read, c);
}

/* ---- parts ---- */
/* What came with the tail is there already; it ends the file. */
static void part_trim(struct part *p) {
    uint64_t have = p->file->tail.offset;
    while (p->range_count > 0 && p->ranges[p->range_count - 1].offset >= have)
        p->range_count--;
    if (p->range_count > 0) {
        struct ei_exchange_range *last = &p->ranges[p->range_count - 1];
        if (last->offset + last->bytes > have)
            last->bytes = have - last->offset;
    }
}

static void part_ranges(struct part *p) {
    struct fetched_file *f = p->file;
    uint32_t first = p->first, count = p->count;
    if (f->partitions == 1 || count == 0) { /* gathered and broadcast outputs are read whole */
        first = 0;
        count = f->partitions;
    }
    p->ranged = true;
    first = EI_MIN(first, f->partitions);
    count = EI_MIN(count, f->partitions - first);
    if (count > 0)
        p->range_count = ei_exchange_ranges(&f->index, first, count, GAP_BYTES, &p->ranges);
    part_trim(p);
}

static void part_pump(struct part *p) {
    if (!p->file->indexed || p->done || !p->waiters)
        return;
    if (!p->ranged)
        part_ranges(p);
    while (p->in_flight < EI_WORKER_FILE_IN_FLIGHT && p->range_at < p->range_count) {
        struct ei_exchange_range *r = &p->ranges[p->range_at];
        uint32_t len = (uint32_t)EI_MIN(r->bytes, EI_WORKER_READ_MAX);
        uint64_t offset = r->offset;
        r->offset += len;
        r->bytes -= len;
        if (r->bytes == 0)
            p->range_at++;
        chunk_read(p->file, p, NULL, offset, len);
    }
    if (p->in_flight == 0 && p->range_at == p->range_count)
        part_done(p, NULL);
}

/* ---- header, index, trailer ---- */
static void section_read(struct fetched_file *f, struct section *s, uint64_t offset, size_t len) {
    free(s->data);
    s->data = ei_malloc(len);
    s->offset = offset;
    s->len = len;
    for (size_t at = 0; at < len; at += EI_WORKER_READ_MAX)
        chunk_read(f, NULL, s, offset + at, (uint32_t)EI_MIN(len - at, EI_WORKER_READ_MAX));
}

static int meta_decode(struct fetched_file *f, bool *more, struct ei_error *e) {
    size_t header_bytes;
    uint64_t index_offset, index_bytes;
    struct ei_exchange_header header = {0};
    const uint8_t *trailer = f->tail.data + f->tail.len - EI_EXCHANGE_TRAILER_BYTES;
    if (ei_exchange_header_peek(f->head.data, f->head.len, &header_bytes, e) != 0 ||
        ei_exchange_trailer_decode(trailer, f->file_bytes, &index_offset, &index_bytes, e) != 0)
        return -1;
    *more = header_bytes > f->head.len || index_offset < f->tail.offset;
    if (header_bytes > f->head.len)
        section_read(f, &f->head, 0, header_bytes);
    if (index_offset < f->tail.offset)
        section_read(f, &f->tail, index_offset, (size_t)(f->file_bytes - index_offset));
    if (*more)
        return 0;
    if (ei_exchange_header_decode(f->head.data, header_bytes, &header, e) != 0)
        return -1;
    f->partitions = header.partitions;
    bool same = header.id.job == f->id.job && header.id.stage == f->id.stage &&
                header.id.task == f->id.task && header.id.attempt == f->id.attempt;
    ei_exchange_header_release(&header);
    if (!same)
        return ei_fail(e, EI_CORRUPT, "worker %s sent another task's output", f->worker);
    return ei_exchange_index_decode(f->tail.data + (index_offset - f->tail.offset),
                                    (size_t)index_bytes, header_bytes, index_offset, &f->index, e);
}

static void meta_check(struct fetched_file *f) {
    bool more = false;
    struct ei_error e;
    if (meta_decode(f, &more, &e) != 0) {
        file_failed(f, &e);
        return;
    }
    if (more)
        return;
    f->indexed = true;
    free(f->head.data);
    free(f->tail.data);
    f->head.data = f->tail.data = NULL;
    for (struct part *p = f->parts; p; p = p->next)
        part_pump(p);
}

static int file_begin(struct fetched_file *f, struct ei_error *e) {
    char *directory = ei_asprintf("%s/%" PRIu64, f->w->fetched_dir, f->id.job);
    int rc = ei_mkdirs(directory, 0700, e);
    free(directory);
    if (rc != 0) {
        if (e->code == EI_IO)
            e->code = EI_LOST; /* our disk, not the producer's */
        return -1;
    }
    if (f->file_bytes < EI_EXCHANGE_HEADER_BYTES + EI_EXCHANGE_TRAILER_BYTES)
        return ei_fail(e, EI_CORRUPT, "an output of %" PRIu64 " bytes is too short to be one",
                       f->file_bytes);
    f->fd = open(f->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (f->fd < 0 || ftruncate(f->fd, (off_t)f->file_bytes) != 0)
        return ei_fail_errno(e, EI_LOST, errno, "cannot create %s", f->path);
    uint64_t tail = EI_MIN(f->file_bytes, TAIL_BYTES);
    section_read(f, &f->head, 0, (size_t)EI_MIN(f->file_bytes, HEAD_BYTES));
    section_read(f, &f->tail, f->file_bytes - tail, (size_t)tail);
    return 0;
}

/* ---- the table ---- */
static char *make_key(uint64_t job, uint32_t stage, uint32_t task, uint32_t attempt) {
    return ei_asprintf("%" PRIu64 "/%u-%u-%u", job, stage, task, attempt);
}

static struct fetched_file *file_create(struct worker *w, char *key, uint64_t job, uint32_t stage,
                                        const Eider__V1__Output *from) {
    struct fetched_file *f = ei_calloc(1, sizeof *f);
    f->w = w;
    f->key = key;
    f->path = ei_asprintf("%s/%s.%" PRIu64 ".exf", w->fetched_dir, key, ++w->fetch_count);
    f->address = ei_strdup(from->address);
    f->worker = ei_strdup(from->worker);
    eider__v1__read_output__init(&f->id);
    f->id.job = job;
    f->id.stage = stage;
    f->id.task = from->task;
    f->id.attempt = from->attempt;
    f->file_bytes = from->file_bytes;
    f->fd = -1;
    uv_timer_init(&w->loop, &f->turn);
    f->turn.data = f;
    ei_map_put(&w->fetched, key, f);
    struct job *j = ei_map_get_u64(&w->jobs, job);
    if (j)
        j->has_fetched = true;
    return f;
}

static struct part *part_get(struct fetched_file *f, uint32_t first, uint32_t count) {
    if (f->indexed && f->partitions == 1)
        first = count = 0; /* whatever is asked for, it is the same part */
    for (struct part *p = f->parts; p; p = p->next) {
        bool same = p->first == first && p->count == count;
        if ((same || (f->indexed && f->partitions == 1)) && p->error.code == EI_OK)
            return p;
    }
    struct part *p = ei_calloc(1, sizeof *p);
    p->file = f;
    p->first = first;
    p->count = count;
    p->next = f->parts;
    f->parts = p;
    return p;
}

struct fetch *ei_worker_fetch(struct worker *w, uint64_t job, uint32_t producer,
                              const Eider__V1__Output *from, uint32_t first_partition,
                              uint32_t partition_count, fetch_done_fn done, void *data) {
    char *key = make_key(job, producer, from->task, from->attempt);
    struct fetched_file *f = ei_map_get(&w->fetched, key);
    struct ei_error e;
    bool fresh = !f;
    if (fresh)
        f = file_create(w, key, job, producer, from);
    else
        free(key);
    struct part *p = part_get(f, first_partition, partition_count);
    struct fetch *x = ei_calloc(1, sizeof *x);
    x->part = p;
    x->done = done;
    x->data = data;
    x->next = p->waiters;
    p->waiters = x;
    if (fresh && file_begin(f, &e) != 0)
        file_failed(f, &e);
    else if (p->done)
        part_done(p, NULL);
    else
        part_pump(p);
    return x;
}

void ei_worker_fetch_cancel(struct fetch *x) {
    struct fetched_file *f = x->part->file;
    for (struct fetch **at = &x->part->waiters; *at; at = &(*at)->next) {
        if (*at == x) {
            *at = x->next;
            break;
        }
    }
    free(x);
    file_close_if_unused(f);
}

void ei_worker_fetched_drop(struct worker *w, uint64_t job, uint32_t producer, uint32_t task,
                            uint32_t attempt) {
    char *key = make_key(job, producer, task, attempt);
    struct fetched_file *f = ei_map_get(&w->fetched, key);
    free(key);
    if (f)
        file_detach(f);
}

void ei_worker_fetched_forget(struct worker *w, uint64_t job) {
    const struct job *j = ei_map_get_u64(&w->jobs, job);
    for (size_t i = w->fetched.count; i-- > 0;) { /* removal moves the last one into the hole */
        struct fetched_file *f = w->fetched.entries[i].value;
        if (f->id.job == job)
            file_detach(f);
    }
    if (j && j->has_fetched)
        ei_worker_remove_tree_later(w, ei_asprintf("%s/%" PRIu64, w->fetched_dir, job));
}

void ei_worker_fetched_release(struct worker *w) {
    while (w->fetched.count > 0)
        file_detach(w->fetched.entries[0].value);
    ei_map_release(&w->fetched);
}
