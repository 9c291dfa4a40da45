/* Writes a seed corpus for fuzz_block into the folder that is its argument: small files of every
 * kind of column, each as it is and with repaired checksums. */
#include "base/mem.h"
#include "exchange/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct ei_attempt_id ID = {1, 2, 3, 4};

/* FIXED 4, BOOLEAN, STRING, LIST of STRING, STRUCT of (FIXED 16, NULL), ARRAY of FIXED 2 */
static void layout_of(struct ei_layout *l) {
    ei_layout_add(l, EI_LAYOUT_FIXED, 4, 0);
    ei_layout_add(l, EI_LAYOUT_FIXED, 1, 2);
    ei_layout_add(l, EI_LAYOUT_STRING, 0, 0);
    ei_layout_add(l, EI_LAYOUT_LIST, 0, 0);
    ei_layout_add(l, EI_LAYOUT_STRING, 0, 0);
    ei_layout_add(l, EI_LAYOUT_STRUCT, 0, 2);
    ei_layout_add(l, EI_LAYOUT_FIXED, 16, 0);
    ei_layout_add(l, EI_LAYOUT_NULL, 0, 0);
    ei_layout_add(l, EI_LAYOUT_ARRAY, 0, 3);
    ei_layout_add(l, EI_LAYOUT_FIXED, 2, 0);
    (void)ei_layout_seal(l, NULL);
}

static void file_of(uint32_t rows, struct ei_buf *out) {
    enum { ROWS = 8 };
    static const uint32_t numbers[ROWS] = {1, 2, 3, 4, 5, 6, 7, 8};
    static const uint8_t booleans[ROWS] = {0, 1, 0, 1};
    static const uint64_t some[1] = {0x5b}, wide[2 * ROWS] = {1, 2, 3};
    static const uint16_t small[3 * ROWS] = {9, 8, 7};
    static const char far[] = "longer than twelve bytes";
    union ei_string strings[ROWS] = {0};
    struct ei_list_entry lists[ROWS] = {{0, 2}, {2, 0}, {2, 3}, {5, 1}};
    for (uint32_t i = 1; i < ROWS; i += 2) {
        strings[i].far.length = sizeof far - 1;
        strings[i].far.ptr = far;
    }
    struct ei_vector vectors[] = {{numbers, NULL}, {booleans, some}, {strings, some}, {lists, NULL},
                                  {strings, NULL}, {NULL, some},     {wide, NULL},    {NULL, NULL},
                                  {NULL, some},    {small, NULL}};
    struct ei_layout l = {0};
    layout_of(&l);
    ei_exchange_header_encode(&(struct ei_exchange_header){ID, 1, l}, out);
    struct ei_block_builder b;
    ei_block_builder_init(&b, &l);
    ei_block_append(&b, vectors, NULL, rows);
    struct ei_exchange_block block = {.offset = out->len, .rows = rows};
    struct ei_span *spans = ei_calloc(ei_block_span_max(&l), sizeof *spans);
    size_t n = ei_block_finish(&b, &ID, 0, spans, &block.bytes, &block.crc);
    for (size_t i = 0; i < n; i++)
        ei_buf_append(out, spans[i].data, spans[i].len);
    struct ei_exchange_partition part = {rows, block.bytes, 0, 1};
    struct ei_exchange_index x = {&part, 1, &block, 1, rows};
    uint64_t index = out->len;
    ei_exchange_index_encode(&x, out);
    ei_exchange_trailer_encode(index, out->len - index, out);
    free(spans);
    ei_block_builder_release(&b);
    ei_layout_release(&l);
}

int main(int argc, char **argv) {
    if (argc != 2)
        return 2;
    for (uint32_t i = 0; i < 6; i++) {
        struct ei_buf bytes = {0};
        char *path = ei_asprintf("%s/block-%u", argv[1], i);
        ei_buf_putc(&bytes, (char)(i % 2));
        struct ei_buf file = {0};
        file_of(i + 1, &file);
        ei_buf_append(&bytes, file.data, file.len);
        FILE *f = fopen(path, "wb");
        if (f == NULL || fwrite(bytes.data, 1, bytes.len, f) != bytes.len || fclose(f) != 0) {
            perror(path);
            return 1;
        }
        ei_buf_release(&file);
        ei_buf_release(&bytes);
        free(path);
    }
    return 0;
}
