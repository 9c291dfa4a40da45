/* Finds bytes in 64-byte blocks: one bit a byte, so that a parser walks over bit masks instead of
 * over text. SSE2 where there is (every x86-64), portable arithmetic else. */
#ifndef EIDER_TEXT_BITS_H
#define EIDER_TEXT_BITS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>

struct ei_bits_block {
    __m128i part[4];
};

static inline struct ei_bits_block ei_bits_load(const char *p) {
    struct ei_bits_block b;
    for (int i = 0; i < 4; i++)
        b.part[i] = _mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i));
    return b;
}

static inline uint64_t ei_bits_equal(const struct ei_bits_block *b, char c) {
    __m128i wanted = _mm_set1_epi8(c);
    uint64_t bits = 0;
    for (int i = 0; i < 4; i++)
        bits |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(b->part[i], wanted))
                << (16 * i);
    return bits;
}

/* Bytes of 0x80 and more. */
static inline uint64_t ei_bits_high(const struct ei_bits_block *b) {
    uint64_t bits = 0;
    for (int i = 0; i < 4; i++)
        bits |= (uint64_t)(uint32_t)_mm_movemask_epi8(b->part[i]) << (16 * i);
    return bits;
}

#else

struct ei_bits_block {
    uint64_t part[8];
};

static inline struct ei_bits_block ei_bits_load(const char *p) {
    struct ei_bits_block b;
    for (int i = 0; i < 8; i++) {
        b.part[i] = 0;
        for (int j = 0; j < 8; j++)
            b.part[i] |= (uint64_t)(unsigned char)p[8 * i + j] << (8 * j);
    }
    return b;
}

/* The top bits of the eight bytes, packed into one byte. */
static inline uint64_t ei_bits_gather(uint64_t tops) {
    return ((tops >> 7) * 0x0102040810204080ULL) >> 56;
}

static inline uint64_t ei_bits_equal(const struct ei_bits_block *b, char c) {
    uint64_t wanted = 0x0101010101010101ULL * (unsigned char)c;
    uint64_t low7 = 0x7f7f7f7f7f7f7f7fULL, bits = 0;
    for (int i = 0; i < 8; i++) {
        uint64_t x = b->part[i] ^ wanted; /* a zero byte where equal */
        uint64_t zero = ~(((x & low7) + low7) | x | low7);
        bits |= ei_bits_gather(zero) << (8 * i);
    }
    return bits;
}

static inline uint64_t ei_bits_high(const struct ei_bits_block *b) {
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++)
        bits |= ei_bits_gather(b->part[i] & 0x8080808080808080ULL) << (8 * i);
    return bits;
}

#endif

/* The last block of a text: padded with zero bytes, so that nothing behind the text is read. */
static inline struct ei_bits_block ei_bits_load_part(const char *p, size_t len) {
    char padded[64] = {0};
    memcpy(padded, p, len);
    return ei_bits_load(padded);
}

/* The first set bit at or after `from`. The caller keeps a set bit behind the last one. */
static inline size_t ei_bits_next(const uint64_t *bits, size_t from) {
    size_t word = from >> 6;
    uint64_t w = bits[word] & (~0ULL << (from & 63));
    while (__builtin_expect(w == 0, 0))
        w = bits[++word];
    return (word << 6) + (size_t)__builtin_ctzll(w);
}

/* Number of bytes equal to c. */
size_t ei_text_count(const char *data, size_t len, char c);
/* No byte of 0x80 and more. */
int ei_text_is_ascii(const char *data, size_t len);

#endif
