/* libFuzzer: exchange files and blocks of any bytes are refused or safe to read.
 *
 * Even first byte: the rest is a whole file. Odd: its checksums are made right first, so that the
 * checks behind them are reached. Everything that was accepted is read to the last byte. */
#include "base/hash.h"
#include "base/mem.h"
#include "exchange/file.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t get64(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

static void put_crc(uint8_t *at, const uint8_t *data, size_t len) {
    uint32_t crc = ei_crc32c(0, data, len);
    memcpy(at, &crc, 4);
}

static void repair(uint8_t *data, size_t len) {
    size_t header = 0;
    if (len < EI_EXCHANGE_HEADER_BYTES + EI_EXCHANGE_TRAILER_BYTES)
        return;
    uint8_t *trailer = data + len - EI_EXCHANGE_TRAILER_BYTES;
    uint64_t index = get64(trailer), room = len - EI_EXCHANGE_TRAILER_BYTES;
    put_crc(trailer + 20, trailer, 20);
    if (ei_exchange_header_peek(data, len, &header, NULL) == 0 && header <= room) {
        memset(data + EI_EXCHANGE_HEADER_BYTES - 4, 0, 4);
        put_crc(data + EI_EXCHANGE_HEADER_BYTES - 4, data, header);
    }
    if (index % 8 != 0 || index > room || room - index < 32)
        return;
    uint64_t partitions = 0, blocks = 0;
    memcpy(&partitions, data + index + 16, 4);
    memcpy(&blocks, data + index + 20, 4);
    uint64_t at = index + 32 + partitions * 24;
    for (; blocks > 0 && at <= room && room - at >= 24; blocks--, at += 24) {
        uint64_t offset = get64(data + at), bytes = get64(data + at + 8);
        if (offset >= index || bytes < EI_BLOCK_HEADER_BYTES || bytes > index - offset)
            continue;
        put_crc(data + offset + 4, data + offset + 8, bytes - 8);
        memcpy(data + at + 20, data + offset + 4, 4);
    }
    put_crc(data + index + 4, data + index + 8, room - index - 8);
}

static uint64_t touch(const void *data, uint64_t len) {
    uint64_t sum = 0;
    for (uint64_t i = 0; i < len; i++)
        sum += ((const uint8_t *)data)[i];
    return sum;
}

/* Reads what the views give access to. */
static uint64_t use(const struct ei_layout *l, const struct ei_block_view *views) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < l->count; i++) {
        const struct ei_layout_node *node = &l->nodes[i];
        const struct ei_block_view *v = &views[i];
        if (v->validity != NULL)
            sum += touch(v->validity, (v->rows + 63) / 64 * 8);
        if (node->kind == EI_LAYOUT_FIXED)
            sum += touch(v->data, v->rows * node->width);
        if (node->kind != EI_LAYOUT_STRING && node->kind != EI_LAYOUT_LIST)
            continue;
        const uint32_t *offsets = v->data;
        for (uint64_t r = 0; r < v->rows; r++) {
            EI_ASSERT(offsets[r] <= offsets[r + 1]);
            if (node->kind == EI_LAYOUT_STRING)
                sum += touch(v->bytes + offsets[r], offsets[r + 1] - offsets[r]);
            else
                EI_ASSERT(offsets[r + 1] <= views[i + 1].rows);
        }
    }
    return sum;
}

static void read_file(const uint8_t *data, size_t len) {
    struct ei_exchange_file f;
    struct ei_error e;
    volatile uint64_t sink = 0;
    if (ei_exchange_file_open(data, len, &f, &e) != 0)
        return;
    struct ei_block_view *views = ei_calloc(f.header.layout.count, sizeof *views);
    for (uint32_t p = 0; p < f.index.partition_count; p++) {
        const struct ei_exchange_partition *part = &f.index.partitions[p];
        for (uint32_t b = 0; b < part->block_count; b++) {
            if (ei_exchange_file_block(&f, p, part->first_block + b, true, views, &e) == 0)
                sink += use(&f.header.layout, views);
        }
    }
    (void)sink;
    free(views);
    ei_exchange_file_release(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1 || size > 1 << 20)
        return 0;
    uint8_t *copy = ei_malloc(size - 1); /* exact and aligned */
    memcpy(copy, data + 1, size - 1);
    if (data[0] % 2 == 1)
        repair(copy, size - 1);
    read_file(copy, size - 1);
    free(copy);
    return 0;
}
