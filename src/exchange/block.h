/* Blocks: some thousand rows of one partition, column by column (docs/exchange-format.md). Pure.
 *
 *   offset size
 *        0    4  magic
 *        4    4  CRC-32C of everything behind this field, to the end of the block
 *        8    8  bytes of the block, a multiple of 8
 *       16    4  partition
 *       20    4  rows
 *       24    8  job, then stage (4), task (4), attempt (4)
 *       44    4  zero
 *       48    n  one byte for each node of the layout: 1 = a validity bitmap is there; padded to 8
 *        .    .  for each node, in order: bitmap; data (FIXED) or offsets (STRING, LIST); bytes
 * (STRING)
 *
 * Sections are padded with zeros to 8 bytes, so that a reader works on the mapped file in place.
 * Their sizes follow from the row counts, nothing is said twice: a block cannot contradict itself.
 *
 * Encoding: rows are gathered from vectors in the form that DuckDB keeps them in memory, into one
 * builder for each partition; a full builder becomes a list of spans for writev.
 * Decoding: ei_block_verify checks checksum, identity and every offset once; the views that it
 * fills may then be used unchecked. */
#ifndef EIDER_EXCHANGE_BLOCK_H
#define EIDER_EXCHANGE_BLOCK_H

#include "exchange/layout.h"

#define EI_BLOCK_HEADER_BYTES 48
#define EI_BLOCK_MAGIC 0x424b5845u /* "EXKB" */
#define EI_BLOCK_ROWS_MAX 0x7fffffffu
/* A single row may reach this far (offsets are 32 bits). */
#define EI_BLOCK_BYTES_MAX 0xffff0000u

struct ei_attempt_id {
    uint64_t job;
    uint32_t stage, task, attempt;
};
bool ei_attempt_equal(const struct ei_attempt_id *a, const struct ei_attempt_id *b);

/* ---- encoding ---- */

/* Strings as DuckDB has them in memory. */
union ei_string {
    struct {
        uint32_t length;
        char bytes[12]; /* length <= EI_STRING_INLINE_MAX, padded with zeros */
    } inlined;
    struct {
        uint32_t length;
        char prefix[4];
        const char *ptr;
    } far;
};
#define EI_STRING_INLINE_MAX 12

struct ei_list_entry {
    uint64_t offset, length;
};

/* One input vector for each node of the layout. Borrowed. */
struct ei_vector {
    const void *data; /* FIXED: values; STRING: union ei_string; LIST: struct ei_list_entry */
    const uint64_t *validity; /* bit set = not NULL; NULL = no NULLs */
};

/* Row number in a selection that stands for a NULL. */
#define EI_ROW_NULL 0xffffffffu

struct ei_block_column; /* builder of one node */
struct ei_block_builder {
    const struct ei_layout *layout;  /* borrowed */
    struct ei_block_column *columns; /* owned, one for each node */
    uint8_t *head;                   /* owned: header and flags */
    uint32_t rows;
    uint64_t bytes; /* of the data so far, roughly what the block will take */
};

struct ei_span {
    const void *data;
    size_t len;
};

void ei_block_builder_init(struct ei_block_builder *b, const struct ei_layout *layout);
void ei_block_builder_release(struct ei_block_builder *b);
/* Forgets the rows; keeps memory up to keep_bytes a section. */
void ei_block_builder_clear(struct ei_block_builder *b, size_t keep_bytes);

/* Upper bound of the bytes that rows [first, first + n) take. Fails with EI_LIMIT if a list points
 * farther than 32 bits reach. A caller keeps the sum of a builder below EI_BLOCK_BYTES_MAX. */
int ei_block_measure(const struct ei_layout *layout, const struct ei_vector *vectors,
                     uint64_t first, uint64_t n, uint64_t *bytes, struct ei_error *e);

/* Appends the n rows that `rows` names (NULL: rows 0 to n-1). */
void ei_block_append(struct ei_block_builder *b, const struct ei_vector *vectors,
                     const uint32_t *rows, uint32_t n);

/* At most this many spans come out of ei_block_finish. */
size_t ei_block_span_max(const struct ei_layout *layout);
/* Ends the block: fills the header and the spans (memory of the builder, until clear or release),
 * in the order in which they are written. Returns how many; *bytes is their sum, *crc the checksum.
 */
size_t ei_block_finish(struct ei_block_builder *b, const struct ei_attempt_id *id,
                       uint32_t partition, struct ei_span *spans, uint64_t *bytes, uint32_t *crc);

/* ---- decoding ---- */

struct ei_block_view { /* one node; pointers into the block, 8-aligned if the block is */
    uint64_t rows;
    const uint64_t *validity; /* NULL = no NULLs; bits behind the last row are zero */
    const void *data;         /* FIXED values, or u32 offsets (rows + 1, from 0, ascending) */
    const char *bytes;        /* STRING */
};

struct ei_block {
    struct ei_attempt_id id;
    uint32_t partition, rows;
    uint32_t crc;
    uint64_t bytes;
};

/* Peek: reads the header of a block that is said to take `len` bytes. */
int ei_block_peek(const uint8_t *data, size_t len, struct ei_block *out, struct ei_error *e);

/* Finds the sections; views has layout->count entries. With `check` it verifies the checksum, all
 * offsets and all limited values too; without, the same bytes were verified before. `data` is
 * 8-aligned. */
int ei_block_verify(const struct ei_layout *layout, const uint8_t *data, size_t len, bool check,
                    struct ei_block *out, struct ei_block_view *views, struct ei_error *e);

#endif
