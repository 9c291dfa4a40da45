/* Exchange files: all rows that one attempt of a task put out, indexed by partition. Pure.
 * docs/exchange-format.md has the picture. In order: header with the row layout, blocks, index,
 * trailer. The trailer is written last and says how long the file is: a file that was cut, or never
 * finished, is not opened. */
#ifndef EIDER_EXCHANGE_FILE_H
#define EIDER_EXCHANGE_FILE_H

#include "base/buf.h"
#include "exchange/block.h"

#define EI_EXCHANGE_VERSION 1
#define EI_EXCHANGE_HEADER_BYTES 64
#define EI_EXCHANGE_TRAILER_BYTES 32
#define EI_EXCHANGE_PARTITIONS_MAX 65536

struct ei_exchange_header {
    struct ei_attempt_id id;
    uint32_t partitions;
    struct ei_layout layout; /* owned */
};

struct ei_exchange_block { /* where one block is */
    uint64_t offset, bytes;
    uint32_t rows;
    uint32_t crc; /* the same as in the block */
};
struct ei_exchange_partition {
    uint64_t rows, bytes;
    uint32_t first_block, block_count; /* in the index's list */
};
struct ei_exchange_index {
    struct ei_exchange_partition *partitions; /* owned */
    uint32_t partition_count;
    struct ei_exchange_block *blocks; /* owned; by partition, each in the order of writing */
    uint32_t block_count;
    uint64_t rows;
};

void ei_exchange_header_release(struct ei_exchange_header *h); /* both NULL-safe */
void ei_exchange_index_release(struct ei_exchange_index *x);

/* Encoders append to *out. The header takes a multiple of 8 bytes. */
void ei_exchange_header_encode(const struct ei_exchange_header *h, struct ei_buf *out);
void ei_exchange_index_encode(const struct ei_exchange_index *x, struct ei_buf *out);
void ei_exchange_trailer_encode(uint64_t index_offset, uint64_t index_bytes, struct ei_buf *out);

/* Decoders survive any bytes. */

/* Bytes of the whole header, from its first EI_EXCHANGE_HEADER_BYTES. */
int ei_exchange_header_peek(const uint8_t *data, size_t len, size_t *header_bytes,
                            struct ei_error *e);
int ei_exchange_header_decode(const uint8_t *data, size_t len, struct ei_exchange_header *out,
                              struct ei_error *e);
/* The last EI_EXCHANGE_TRAILER_BYTES of a file of file_bytes. */
int ei_exchange_trailer_decode(const uint8_t *data, uint64_t file_bytes, uint64_t *index_offset,
                               uint64_t *index_bytes, struct ei_error *e);
/* Also checks that all blocks lie between begin and end of the file's data area. */
int ei_exchange_index_decode(const uint8_t *data, size_t len, uint64_t begin, uint64_t end,
                             struct ei_exchange_index *out, struct ei_error *e);

/* A whole file in memory (8-aligned): header and index at once, blocks when they are read. */
struct ei_exchange_file {
    const uint8_t *data; /* borrowed */
    size_t len;
    struct ei_exchange_header header;
    struct ei_exchange_index index;
};
int ei_exchange_file_open(const uint8_t *data, size_t len, struct ei_exchange_file *out,
                          struct ei_error *e);
void ei_exchange_file_release(struct ei_exchange_file *f);
/* Block number `block` of the index, which belongs to `partition`; see ei_block_verify. */
int ei_exchange_file_block(const struct ei_exchange_file *f, uint32_t partition, uint32_t block,
                           bool check, struct ei_block_view *views, struct ei_error *e);

/* The byte ranges that a reader of partitions [first, first + count) needs besides header, index
 * and trailer, ascending, neighbours that are at most `gap` bytes apart merged. A copy that has
 * these ranges at the same offsets (a sparse file) serves those partitions. *out is owned by the
 * caller (free). */
struct ei_exchange_range {
    uint64_t offset, bytes;
};
size_t ei_exchange_ranges(const struct ei_exchange_index *x, uint32_t first, uint32_t count,
                          uint64_t gap, struct ei_exchange_range **out);

#endif
