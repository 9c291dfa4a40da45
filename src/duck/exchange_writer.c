#include "duck/exchange_writer.h"

#include "base/hash.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define MEMORY_DEFAULT (64u << 20)
#define BLOCK_TARGET_MAX (1u << 20)
#define BLOCK_TARGET_MIN (32u << 10)
#define BLOCK_ROWS_TARGET 131072    /* for rows of almost no bytes */
#define BATCH_BYTES_MAX (64u << 20) /* appended at once; bigger batches are halved */
#define SPANS_AT_ONCE 256

struct written {
    uint32_t partition;
    struct ei_exchange_block at;
};

struct ei_exchange_writer {
    const struct ei_layout *layout;
    struct ei_attempt_id id;
    char *path;
    int fd;
    bool finished, flat;
    uint32_t partitions;
    uint64_t memory_bytes, block_target, held_bytes, offset, rows;
    struct ei_block_builder *builders;
    struct written *blocks;
    size_t block_count, block_capacity;
    struct ei_span *spans;
    uint32_t *counts;  /* rows of the batch for each partition, then where they begin */
    uint32_t *touched; /* partitions that the batch has rows for */
    uint32_t *buckets, *order;
    size_t batch_capacity;
    _Atomic uint64_t *rows_written;
};

static int write_all(struct ei_exchange_writer *w, struct ei_span *spans, size_t n,
                     struct ei_error *e) {
    size_t at = 0;
    while (at < n) {
        struct iovec iov[SPANS_AT_ONCE];
        size_t k = EI_MIN(n - at, SPANS_AT_ONCE);
        for (size_t i = 0; i < k; i++)
            iov[i] = (struct iovec){(void *)(uintptr_t)spans[at + i].data, spans[at + i].len};
        ssize_t done = writev(w->fd, iov, (int)k);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return ei_fail_errno(e, EI_IO, errno, "cannot write exchange data to %s", w->path);
        w->offset += (uint64_t)done;
        size_t left = (size_t)done;
        while (at < n && left >= spans[at].len)
            left -= spans[at++].len;
        if (left > 0) {
            spans[at].data = (const char *)spans[at].data + left;
            spans[at].len -= left;
        }
    }
    return 0;
}

static int write_buf(struct ei_exchange_writer *w, const struct ei_buf *b, struct ei_error *e) {
    struct ei_span span = {b->data, b->len};
    return write_all(w, &span, b->len > 0 ? 1 : 0, e);
}

int ei_exchange_writer_create(const struct ei_sink_options *o, const struct ei_layout *layout,
                              struct ei_exchange_writer **out, struct ei_error *e) {
    uint32_t partitions = o->partitions > 0 ? o->partitions : 1;
    *out = NULL;
    if (partitions > EI_EXCHANGE_PARTITIONS_MAX)
        return ei_fail(e, EI_LIMIT, "%u partitions are over the limit of %d", partitions,
                       EI_EXCHANGE_PARTITIONS_MAX);
    int fd = open(o->path, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return ei_fail_errno(e, errno == EEXIST ? EI_EXISTS : EI_IO, errno,
                             "cannot create the exchange file %s", o->path);
    struct ei_exchange_writer *w = ei_calloc(1, sizeof *w);
    w->layout = layout;
    w->flat = ei_layout_is_flat(layout);
    w->id = o->id;
    w->path = ei_strdup(o->path);
    w->fd = fd;
    w->partitions = partitions;
    w->rows_written = o->rows_written;
    w->memory_bytes = o->memory_bytes > 0 ? o->memory_bytes : MEMORY_DEFAULT;
    w->block_target =
        EI_MAX(BLOCK_TARGET_MIN, EI_MIN(BLOCK_TARGET_MAX, w->memory_bytes / partitions));
    w->builders = ei_calloc(partitions, sizeof *w->builders);
    for (uint32_t p = 0; p < partitions; p++)
        ei_block_builder_init(&w->builders[p], layout);
    w->spans = ei_calloc(ei_block_span_max(layout), sizeof *w->spans);
    w->counts = ei_calloc((size_t)partitions + 1, sizeof *w->counts);
    w->touched = ei_calloc(partitions, sizeof *w->touched);
    struct ei_buf head = {0};
    ei_exchange_header_encode(
        &(struct ei_exchange_header){.id = o->id, .partitions = partitions, .layout = *layout},
        &head);
    int status = write_buf(w, &head, e);
    ei_buf_release(&head);
    if (status != 0) {
        ei_exchange_writer_destroy(w);
        return -1;
    }
    *out = w;
    return 0;
}

static int flush(struct ei_exchange_writer *w, uint32_t partition, struct ei_error *e) {
    struct ei_block_builder *b = &w->builders[partition];
    if (b->rows == 0)
        return 0;
    EI_GROW(w->blocks, w->block_count, w->block_capacity);
    struct written *block = &w->blocks[w->block_count++];
    *block = (struct written){partition, {.offset = w->offset, .rows = b->rows}};
    w->held_bytes -= b->bytes;
    size_t n = ei_block_finish(b, &w->id, partition, w->spans, &block->at.bytes, &block->at.crc);
    if (write_all(w, w->spans, n, e) != 0)
        return -1;
    ei_block_builder_clear(b, 2 * w->block_target);
    return 0;
}

static int flush_largest(struct ei_exchange_writer *w, struct ei_error *e) {
    uint32_t largest = 0;
    for (uint32_t p = 1; p < w->partitions; p++) {
        if (w->builders[p].bytes > w->builders[largest].bytes)
            largest = p;
    }
    return flush(w, largest, e);
}

/* `incoming` bounds what the rows may add: a block's offsets are 32 bits. */
static int add_to(struct ei_exchange_writer *w, uint32_t partition, const struct ei_vector *vectors,
                  const uint32_t *rows, uint32_t n, uint64_t incoming, struct ei_error *e) {
    struct ei_block_builder *b = &w->builders[partition];
    if (b->bytes + incoming > EI_BLOCK_BYTES_MAX && flush(w, partition, e) != 0)
        return -1;
    uint64_t before = b->bytes;
    ei_block_append(b, vectors, rows, n);
    w->held_bytes += b->bytes - before;
    if (b->bytes >= w->block_target || b->rows >= BLOCK_ROWS_TARGET)
        return flush(w, partition, e);
    while (w->held_bytes > w->memory_bytes) {
        if (flush_largest(w, e) != 0)
            return -1;
    }
    return 0;
}

/* DuckDB's hash is mixed once more: its own hash tables use bits of it as they are. */
static uint32_t bucket_of(uint64_t hash, uint32_t partitions) {
    return (uint32_t)(((__uint128_t)ei_mix64(hash ^ 0x9e3779b97f4a7c15ULL) * partitions) >> 64);
}

static void make_room(struct ei_exchange_writer *w, uint32_t n) {
    if (n <= w->batch_capacity)
        return;
    w->batch_capacity = n;
    w->buckets = ei_realloc(w->buckets, n * sizeof *w->buckets);
    w->order = ei_realloc(w->order, n * sizeof *w->order);
}

/* Sorts the rows by partition (counting sort), then appends each partition's rows together. */
static int scatter(struct ei_exchange_writer *w, const struct ei_vector *vectors,
                   const uint64_t *hashes, uint32_t first, uint32_t n, uint64_t incoming,
                   struct ei_error *e) {
    uint32_t touched = 0, at = 0;
    make_room(w, n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t p = bucket_of(hashes[first + i], w->partitions);
        w->buckets[i] = p;
        if (w->counts[p]++ == 0)
            w->touched[touched++] = p;
    }
    for (uint32_t t = 0; t < touched; t++) {
        uint32_t count = w->counts[w->touched[t]];
        w->counts[w->touched[t]] = at;
        at += count;
    }
    for (uint32_t i = 0; i < n; i++)
        w->order[w->counts[w->buckets[i]]++] = first + i;
    int status = 0;
    uint32_t begin = 0;
    for (uint32_t t = 0; t < touched; t++) {
        uint32_t p = w->touched[t], end = w->counts[p];
        w->counts[p] = 0;
        if (status == 0)
            status = add_to(w, p, vectors, w->order + begin, end - begin, incoming, e);
        begin = end;
    }
    return status;
}

static int add_rows(struct ei_exchange_writer *w, const struct ei_vector *vectors,
                    const uint64_t *hashes, uint32_t first, uint32_t n, struct ei_error *e) {
    uint64_t incoming = 0;
    if (!w->flat && ei_block_measure(w->layout, vectors, first, n, &incoming, e) != 0)
        return -1;
    if (incoming > BATCH_BYTES_MAX && n > 1) {
        if (add_rows(w, vectors, hashes, first, n / 2, e) != 0)
            return -1;
        return add_rows(w, vectors, hashes, first + n / 2, n - n / 2, e);
    }
    if (incoming > EI_BLOCK_BYTES_MAX)
        return ei_fail(e, EI_LIMIT,
                       "a row of %llu bytes is over the limit of 4 GB for rows that "
                       "travel between stages",
                       (unsigned long long)incoming);
    if (w->partitions > 1)
        return scatter(w, vectors, hashes, first, n, incoming, e);
    if (first == 0)
        return add_to(w, 0, vectors, NULL, n, incoming, e);
    make_room(w, n);
    for (uint32_t i = 0; i < n; i++)
        w->order[i] = first + i;
    return add_to(w, 0, vectors, w->order, n, incoming, e);
}

int ei_exchange_writer_add(struct ei_exchange_writer *w, const struct ei_vector *vectors,
                           const uint64_t *hashes, uint32_t n, struct ei_error *e) {
    if (n == 0)
        return 0;
    if (add_rows(w, vectors, hashes, 0, n, e) != 0)
        return -1;
    w->rows += n;
    if (w->rows_written != NULL)
        atomic_fetch_add_explicit(w->rows_written, n, memory_order_relaxed);
    return 0;
}

/* Stable by partition. */
static void fill_index(const struct ei_exchange_writer *w, struct ei_exchange_index *x) {
    x->partition_count = w->partitions;
    x->block_count = (uint32_t)w->block_count;
    x->rows = w->rows;
    x->partitions = ei_calloc(w->partitions, sizeof *x->partitions);
    x->blocks = ei_calloc(w->block_count, sizeof *x->blocks);
    for (size_t i = 0; i < w->block_count; i++) {
        struct ei_exchange_partition *p = &x->partitions[w->blocks[i].partition];
        p->block_count++;
        p->rows += w->blocks[i].at.rows;
        p->bytes += w->blocks[i].at.bytes;
    }
    for (uint32_t i = 1; i < w->partitions; i++)
        x->partitions[i].first_block =
            x->partitions[i - 1].first_block + x->partitions[i - 1].block_count;
    uint32_t *next = ei_calloc(w->partitions, sizeof *next);
    for (size_t i = 0; i < w->block_count; i++) {
        uint32_t p = w->blocks[i].partition;
        x->blocks[x->partitions[p].first_block + next[p]++] = w->blocks[i].at;
    }
    free(next);
}

static void fill_result(const struct ei_exchange_writer *w, const struct ei_exchange_index *x,
                        struct ei_sink_result *r) {
    *r = (struct ei_sink_result){.rows = w->rows, .bytes = w->offset, .partitions = w->partitions};
    r->partition_rows = ei_calloc(w->partitions, sizeof *r->partition_rows);
    r->partition_bytes = ei_calloc(w->partitions, sizeof *r->partition_bytes);
    for (uint32_t i = 0; i < w->partitions; i++) {
        r->partition_rows[i] = x->partitions[i].rows;
        r->partition_bytes[i] = x->partitions[i].bytes;
    }
}

int ei_exchange_writer_finish(struct ei_exchange_writer *w, struct ei_sink_result *r,
                              struct ei_error *e) {
    for (uint32_t p = 0; p < w->partitions; p++) {
        if (flush(w, p, e) != 0)
            return -1;
    }
    struct ei_exchange_index index = {0};
    struct ei_buf end = {0};
    fill_index(w, &index);
    ei_exchange_index_encode(&index, &end);
    ei_exchange_trailer_encode(w->offset, end.len, &end);
    int status = write_buf(w, &end, e);
    if (status == 0) {
        int fd = w->fd;
        w->fd = -1;
        if (close(fd) != 0)
            status = ei_fail_errno(e, EI_IO, errno, "cannot finish the exchange file %s", w->path);
    }
    if (status == 0) {
        w->finished = true;
        fill_result(w, &index, r);
    }
    ei_buf_release(&end);
    ei_exchange_index_release(&index);
    return status;
}

void ei_exchange_writer_destroy(struct ei_exchange_writer *w) {
    if (w == NULL)
        return;
    if (w->fd >= 0)
        (void)close(w->fd);
    if (!w->finished)
        (void)unlink(w->path);
    for (uint32_t p = 0; p < w->partitions; p++)
        ei_block_builder_release(&w->builders[p]);
    free(w->builders);
    free(w->blocks);
    free(w->spans);
    free(w->counts);
    free(w->touched);
    free(w->buckets);
    free(w->order);
    free(w->path);
    free(w);
}

void ei_sink_result_release(struct ei_sink_result *r) {
    if (r == NULL)
        return;
    free(r->partition_rows);
    free(r->partition_bytes);
    *r = (struct ei_sink_result){0};
}
