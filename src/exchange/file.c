#include "exchange/file.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define PARTITION_BYTES 24
#define BLOCK_ENTRY_BYTES 24
#define INDEX_HEAD_BYTES 32
#define INDEX_MAGIC 0x494b5845u /* "EXKI" */

static const char FILE_MAGIC[8] = {'E', 'I', 'D', 'E', 'R', 'E', 'X', 'F'};
static const char END_MAGIC[8] = {'E', 'X', 'F', '-', 'E', 'N', 'D', '.'};

static uint32_t get32(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

static uint64_t get64(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

static void put32(struct ei_buf *b, uint32_t v) {
    ei_buf_append(b, &v, 4);
}

static void put64(struct ei_buf *b, uint64_t v) {
    ei_buf_append(b, &v, 8);
}

void ei_exchange_header_release(struct ei_exchange_header *h) {
    if (h != NULL)
        ei_layout_release(&h->layout);
}

void ei_exchange_index_release(struct ei_exchange_index *x) {
    if (x == NULL)
        return;
    free(x->partitions);
    free(x->blocks);
    *x = (struct ei_exchange_index){0};
}

/* The checksum sits in the last four bytes of the fixed part and counts as zero. */
void ei_exchange_header_encode(const struct ei_exchange_header *h, struct ei_buf *out) {
    size_t start = out->len;
    ei_buf_append(out, FILE_MAGIC, sizeof FILE_MAGIC);
    put32(out, EI_EXCHANGE_VERSION);
    put32(out, (uint32_t)(EI_EXCHANGE_HEADER_BYTES + h->layout.count * EI_LAYOUT_NODE_BYTES));
    put64(out, h->id.job);
    put32(out, h->id.stage);
    put32(out, h->id.task);
    put32(out, h->id.attempt);
    put32(out, h->partitions);
    put32(out, h->layout.columns);
    put32(out, h->layout.count);
    put64(out, 0);
    put32(out, 0);
    put32(out, 0);
    ei_layout_encode(&h->layout, out);
    uint32_t crc = ei_crc32c(0, out->data + start, out->len - start);
    memcpy(out->data + start + EI_EXCHANGE_HEADER_BYTES - 4, &crc, 4);
}

int ei_exchange_header_peek(const uint8_t *data, size_t len, size_t *header_bytes,
                            struct ei_error *e) {
    if (len < EI_EXCHANGE_HEADER_BYTES || memcmp(data, FILE_MAGIC, sizeof FILE_MAGIC) != 0)
        return ei_fail(e, EI_CORRUPT, "this is no exchange file");
    if (get32(data + 8) != EI_EXCHANGE_VERSION)
        return ei_fail(e, EI_CORRUPT,
                       "the exchange file has format version %u, not %d: all nodes "
                       "must run the same release",
                       get32(data + 8), EI_EXCHANGE_VERSION);
    uint64_t nodes = get32(data + 44);
    *header_bytes = get32(data + 12);
    if (nodes > EI_LAYOUT_NODES_MAX ||
        *header_bytes != EI_EXCHANGE_HEADER_BYTES + nodes * EI_LAYOUT_NODE_BYTES)
        return ei_fail(e, EI_CORRUPT, "the header of the exchange file has a wrong size");
    return 0;
}

int ei_exchange_header_decode(const uint8_t *data, size_t len, struct ei_exchange_header *out,
                              struct ei_error *e) {
    static const uint8_t zeros[4];
    size_t bytes = 0;
    *out = (struct ei_exchange_header){0};
    if (ei_exchange_header_peek(data, len, &bytes, e) != 0)
        return -1;
    if (bytes > len)
        return ei_fail(e, EI_CORRUPT, "the exchange file ends inside its header");
    uint32_t crc = ei_crc32c(0, data, EI_EXCHANGE_HEADER_BYTES - 4);
    crc = ei_crc32c(crc, zeros, sizeof zeros);
    crc = ei_crc32c(crc, data + EI_EXCHANGE_HEADER_BYTES, bytes - EI_EXCHANGE_HEADER_BYTES);
    if (crc != get32(data + EI_EXCHANGE_HEADER_BYTES - 4))
        return ei_fail(e, EI_CORRUPT, "the checksum of the exchange file's header is wrong");
    out->id = (struct ei_attempt_id){get64(data + 16), get32(data + 24), get32(data + 28),
                                     get32(data + 32)};
    out->partitions = get32(data + 36);
    if (out->partitions == 0 || out->partitions > EI_EXCHANGE_PARTITIONS_MAX)
        return ei_fail(e, EI_CORRUPT, "the exchange file claims %u partitions", out->partitions);
    if (ei_layout_decode(data + EI_EXCHANGE_HEADER_BYTES, get32(data + 44), &out->layout, e) != 0)
        return -1;
    if (out->layout.columns == get32(data + 40))
        return 0;
    ei_exchange_header_release(out);
    return ei_fail(e, EI_CORRUPT, "the exchange file's header has a wrong number of columns");
}

void ei_exchange_trailer_encode(uint64_t index_offset, uint64_t index_bytes, struct ei_buf *out) {
    size_t start = out->len;
    put64(out, index_offset);
    put64(out, index_bytes);
    put32(out, EI_EXCHANGE_VERSION);
    put32(out, ei_crc32c(0, out->data + start, 20));
    ei_buf_append(out, END_MAGIC, sizeof END_MAGIC);
}

int ei_exchange_trailer_decode(const uint8_t *data, uint64_t file_bytes, uint64_t *index_offset,
                               uint64_t *index_bytes, struct ei_error *e) {
    if (file_bytes < EI_EXCHANGE_HEADER_BYTES + EI_EXCHANGE_TRAILER_BYTES ||
        memcmp(data + 24, END_MAGIC, sizeof END_MAGIC) != 0 ||
        ei_crc32c(0, data, 20) != get32(data + 20) || get32(data + 16) != EI_EXCHANGE_VERSION)
        return ei_fail(e, EI_CORRUPT, "the exchange file has no end: it was cut or never finished");
    *index_offset = get64(data);
    *index_bytes = get64(data + 8);
    uint64_t end = file_bytes - EI_EXCHANGE_TRAILER_BYTES;
    if (*index_offset > end || *index_bytes != end - *index_offset || *index_offset % 8 != 0)
        return ei_fail(e, EI_CORRUPT, "the exchange file has not the length that its end says");
    return 0;
}

void ei_exchange_index_encode(const struct ei_exchange_index *x, struct ei_buf *out) {
    size_t start = out->len;
    put32(out, INDEX_MAGIC);
    put32(out, 0);
    put64(out, INDEX_HEAD_BYTES + (uint64_t)x->partition_count * PARTITION_BYTES +
                   (uint64_t)x->block_count * BLOCK_ENTRY_BYTES);
    put32(out, x->partition_count);
    put32(out, x->block_count);
    put64(out, x->rows);
    for (uint32_t i = 0; i < x->partition_count; i++) {
        const struct ei_exchange_partition *p = &x->partitions[i];
        put64(out, p->rows);
        put64(out, p->bytes);
        put32(out, p->first_block);
        put32(out, p->block_count);
    }
    for (uint32_t i = 0; i < x->block_count; i++) {
        const struct ei_exchange_block *b = &x->blocks[i];
        put64(out, b->offset);
        put64(out, b->bytes);
        put32(out, b->rows);
        put32(out, b->crc);
    }
    uint32_t crc = ei_crc32c(0, out->data + start + 8, out->len - start - 8);
    memcpy(out->data + start + 4, &crc, 4);
}

/* Blocks follow each other in the list without gap, partition by partition. */
static int read_partitions(const uint8_t *p, struct ei_exchange_index *x, struct ei_error *e) {
    uint64_t next = 0, rows = 0;
    for (uint32_t i = 0; i < x->partition_count; i++, p += PARTITION_BYTES) {
        struct ei_exchange_partition *part = &x->partitions[i];
        *part =
            (struct ei_exchange_partition){get64(p), get64(p + 8), get32(p + 16), get32(p + 20)};
        if (part->first_block != next || part->block_count > x->block_count - next)
            return ei_fail(e, EI_CORRUPT, "partition %u has wrong blocks in the index", i);
        uint64_t part_rows = 0, part_bytes = 0;
        for (uint32_t k = 0; k < part->block_count; k++) {
            part_rows += x->blocks[next + k].rows;
            part_bytes += x->blocks[next + k].bytes;
        }
        if (part_rows != part->rows || part_bytes != part->bytes)
            return ei_fail(e, EI_CORRUPT, "partition %u has wrong sums in the index", i);
        next += part->block_count;
        rows += part_rows;
    }
    if (next != x->block_count || rows != x->rows)
        return ei_fail(e, EI_CORRUPT, "the index of the exchange file has wrong sums");
    return 0;
}

static int read_blocks(const uint8_t *p, uint64_t begin, uint64_t end, struct ei_exchange_index *x,
                       struct ei_error *e) {
    for (uint32_t i = 0; i < x->block_count; i++, p += BLOCK_ENTRY_BYTES) {
        struct ei_exchange_block *b = &x->blocks[i];
        *b = (struct ei_exchange_block){get64(p), get64(p + 8), get32(p + 16), get32(p + 20)};
        if (b->offset % 8 != 0 || b->bytes % 8 != 0 || b->offset < begin || b->offset > end ||
            b->bytes < EI_BLOCK_HEADER_BYTES || b->bytes > end - b->offset)
            return ei_fail(e, EI_CORRUPT, "block %u of the index is outside of the file", i);
    }
    return 0;
}

int ei_exchange_index_decode(const uint8_t *data, size_t len, uint64_t begin, uint64_t end,
                             struct ei_exchange_index *out, struct ei_error *e) {
    *out = (struct ei_exchange_index){0};
    if (len < INDEX_HEAD_BYTES || get32(data) != INDEX_MAGIC || get64(data + 8) != len ||
        ei_crc32c(0, data + 8, len - 8) != get32(data + 4))
        return ei_fail(e, EI_CORRUPT, "the index of the exchange file is damaged");
    uint32_t partitions = get32(data + 16), blocks = get32(data + 20);
    if (partitions > EI_EXCHANGE_PARTITIONS_MAX ||
        len != INDEX_HEAD_BYTES + (uint64_t)partitions * PARTITION_BYTES +
                   (uint64_t)blocks * BLOCK_ENTRY_BYTES)
        return ei_fail(e, EI_CORRUPT, "the index of the exchange file has a wrong size");
    out->partition_count = partitions;
    out->block_count = blocks;
    out->rows = get64(data + 24);
    out->partitions = ei_calloc(partitions, sizeof *out->partitions);
    out->blocks = ei_calloc(blocks, sizeof *out->blocks);
    const uint8_t *p = data + INDEX_HEAD_BYTES;
    if (read_blocks(p + (size_t)partitions * PARTITION_BYTES, begin, end, out, e) == 0 &&
        read_partitions(p, out, e) == 0)
        return 0;
    ei_exchange_index_release(out);
    return -1;
}

int ei_exchange_file_open(const uint8_t *data, size_t len, struct ei_exchange_file *out,
                          struct ei_error *e) {
    uint64_t index_offset = 0, index_bytes = 0;
    size_t begin = 0;
    *out = (struct ei_exchange_file){.data = data, .len = len};
    if (len < EI_EXCHANGE_HEADER_BYTES + EI_EXCHANGE_TRAILER_BYTES)
        return ei_fail(e, EI_CORRUPT, "a file of %zu bytes is too short for an exchange file", len);
    if (ei_exchange_trailer_decode(data + len - EI_EXCHANGE_TRAILER_BYTES, len, &index_offset,
                                   &index_bytes, e) != 0 ||
        ei_exchange_header_decode(data, index_offset, &out->header, e) != 0)
        return -1;
    begin = EI_EXCHANGE_HEADER_BYTES + (size_t)out->header.layout.count * EI_LAYOUT_NODE_BYTES;
    if (ei_exchange_index_decode(data + index_offset, index_bytes, begin, index_offset, &out->index,
                                 e) == 0) {
        if (out->index.partition_count == out->header.partitions)
            return 0;
        (void)ei_fail(e, EI_CORRUPT, "header and index of the exchange file disagree");
    }
    ei_exchange_file_release(out);
    return -1;
}

void ei_exchange_file_release(struct ei_exchange_file *f) {
    if (f == NULL)
        return;
    ei_exchange_header_release(&f->header);
    ei_exchange_index_release(&f->index);
}

int ei_exchange_file_block(const struct ei_exchange_file *f, uint32_t partition, uint32_t block,
                           bool check, struct ei_block_view *views, struct ei_error *e) {
    const struct ei_exchange_block *at = &f->index.blocks[block];
    struct ei_block b;
    if (ei_block_verify(&f->header.layout, f->data + at->offset, at->bytes, check, &b, views, e) !=
        0)
        return -1;
    if (!ei_attempt_equal(&b.id, &f->header.id) || b.partition != partition || b.rows != at->rows ||
        b.crc != at->crc)
        return ei_fail(e, EI_CORRUPT, "block %u of the exchange file is not the one of the index",
                       block);
    return 0;
}

static int by_offset(const void *a, const void *b) {
    const struct ei_exchange_range *x = a, *y = b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

size_t ei_exchange_ranges(const struct ei_exchange_index *x, uint32_t first, uint32_t count,
                          uint64_t gap, struct ei_exchange_range **out) {
    *out = NULL;
    if (first >= x->partition_count || count == 0)
        return 0;
    uint32_t last = first + EI_MIN(count, x->partition_count - first) - 1;
    uint32_t begin = x->partitions[first].first_block;
    size_t n = x->partitions[last].first_block + x->partitions[last].block_count - begin;
    struct ei_exchange_range *r = ei_calloc(n, sizeof *r);
    for (size_t i = 0; i < n; i++)
        r[i] = (struct ei_exchange_range){x->blocks[begin + i].offset, x->blocks[begin + i].bytes};
    qsort(r, n, sizeof *r, by_offset);
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        struct ei_exchange_range *before = kept > 0 ? &r[kept - 1] : NULL;
        if (before == NULL || r[i].offset > before->offset + before->bytes + gap) {
            r[kept++] = r[i];
        } else {
            uint64_t end = EI_MAX(before->offset + before->bytes, r[i].offset + r[i].bytes);
            before->bytes = end - before->offset;
        }
    }
    *out = r;
    return kept;
}
