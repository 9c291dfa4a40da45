/* Reads slices of text files as blocks of whole lines. Plain files are mapped: their blocks stay
 * until the end, so strings may point into them. Files whose name ends in .gz or .zst are
 * decompressed as they are read, in bounded memory: a block of theirs is good until the next one.
 */
#ifndef EIDER_DUCK_TEXT_BLOCKS_H
#define EIDER_DUCK_TEXT_BLOCKS_H

#include "base/error.h"
#include "wire/messages.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EI_TEXT_BLOCK_BYTES (256u << 10)
#define EI_TEXT_LINE_MAX (64u << 20) /* of compressed text */

struct ei_text_blocks;

struct ei_text_block {
    const char *data; /* whole lines; the last one of a file may lack its line end */
    size_t len;
    bool stays;       /* until ei_text_blocks_destroy */
    const char *path; /* of the file, for messages; lives as long as the slices */
    uint64_t offset;  /* of data in the file (decompressed, if it is compressed) */
};

/* The slices stay the caller's and must outlive the blocks. */
struct ei_text_blocks *ei_text_blocks_create(Eider__V1__FileSlice *const *slices, size_t count);
void ei_text_blocks_destroy(struct ei_text_blocks *b); /* unmaps; NULL-safe */

/* 1 and a block, 0 at the end, -1 and *e. */
int ei_text_blocks_next(struct ei_text_blocks *b, struct ei_text_block *block, struct ei_error *e);

bool ei_text_is_compressed(const char *path); /* by its name */

#endif
