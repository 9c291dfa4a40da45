#include "text/bits.h"

size_t ei_text_count(const char *data, size_t len, char c) {
    size_t count = 0, at = 0;
    for (; len - at >= 64; at += 64) {
        struct ei_bits_block b = ei_bits_load(data + at);
        for (uint64_t found = ei_bits_equal(&b, c); found != 0; found &= found - 1)
            count++; /* few in 64 bytes; a popcount would be a library call on old processors */
    }
    for (; at < len; at++)
        count += data[at] == c;
    return count;
}

int ei_text_is_ascii(const char *data, size_t len) {
    size_t at = 0;
    for (; len - at >= 64; at += 64) {
        struct ei_bits_block b = ei_bits_load(data + at);
        if (ei_bits_any_high(&b) != 0)
            return 0;
    }
    for (; at < len; at++)
        if ((unsigned char)data[at] >= 0x80)
            return 0;
    return 1;
}
