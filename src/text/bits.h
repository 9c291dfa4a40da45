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
    __m128i a, b, c, d; /* written out: compilers do not unroll these loops at -O2 */
};

static inline struct ei_bits_block ei_bits_load(const char *p) {
    const __m128i *from = (const __m128i *)(const void *)p;
    return (struct ei_bits_block){_mm_loadu_si128(from), _mm_loadu_si128(from + 1),
                                  _mm_loadu_si128(from + 2), _mm_loadu_si128(from + 3)};
}

static inline uint64_t ei_bits_join(__m128i a, __m128i b, __m128i c, __m128i d) {
    uint64_t low = (uint32_t)_mm_movemask_epi8(a) | (uint32_t)_mm_movemask_epi8(b) << 16;
    uint64_t high = (uint32_t)_mm_movemask_epi8(c) | (uint32_t)_mm_movemask_epi8(d) << 16;
    return low | high << 32;
}

static inline uint64_t ei_bits_equal(const struct ei_bits_block *b, char wanted) {
    __m128i w = _mm_set1_epi8(wanted);
    return ei_bits_join(_mm_cmpeq_epi8(b->a, w), _mm_cmpeq_epi8(b->b, w), _mm_cmpeq_epi8(b->c, w),
                        _mm_cmpeq_epi8(b->d, w));
}

static inline __m128i ei_bits_either_of(__m128i x, __m128i v, __m128i w) {
    return _mm_or_si128(_mm_cmpeq_epi8(x, v), _mm_cmpeq_epi8(x, w));
}

static inline uint64_t ei_bits_either(const struct ei_bits_block *b, char one, char other) {
    __m128i v = _mm_set1_epi8(one), w = _mm_set1_epi8(other);
    return ei_bits_join(ei_bits_either_of(b->a, v, w), ei_bits_either_of(b->b, v, w),
                        ei_bits_either_of(b->c, v, w), ei_bits_either_of(b->d, v, w));
}

/* Not 0 if there is a byte of 0x80 or more. */
static inline unsigned ei_bits_any_high(const struct ei_bits_block *b) {
    __m128i all = _mm_or_si128(_mm_or_si128(b->a, b->b), _mm_or_si128(b->c, b->d));
    return (unsigned)_mm_movemask_epi8(all);
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

static inline uint64_t ei_bits_either(const struct ei_bits_block *b, char c, char d) {
    return ei_bits_equal(b, c) | ei_bits_equal(b, d);
}

static inline unsigned ei_bits_any_high(const struct ei_bits_block *b) {
    uint64_t all = 0;
    for (int i = 0; i < 8; i++)
        all |= b->part[i];
    return (all & 0x8080808080808080ULL) != 0;
}

#endif

/* The last block of a text: padded with zero bytes, so that nothing behind the text is read. */
static inline struct ei_bits_block ei_bits_load_part(const char *p, size_t len) {
    char padded[64] = {0};
    memcpy(padded, p, len);
    return ei_bits_load(padded);
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "masks are read at any byte");

/* The first set bit at or after `from`. The caller keeps a set bit behind the last one, and one
 * word more. Looking from the byte of `from` on finds most bits at once, where a look at its word
 * would miss those of the next one: the branch is well predicted. */
static inline size_t ei_bits_next(const uint64_t *bits, size_t from) {
    const char *at = (const char *)bits + (from >> 3);
    uint64_t w;
    memcpy(&w, at, sizeof w);
    w >>= from & 7;
    if (__builtin_expect(w != 0, 1))
        return from + (size_t)__builtin_ctzll(w);
    from = (from & ~(size_t)7) + 64;
    for (;; from += 64) {
        memcpy(&w, at += sizeof w, sizeof w);
        if (w != 0)
            return from + (size_t)__builtin_ctzll(w);
    }
}

/* Number of bytes equal to c. */
size_t ei_text_count(const char *data, size_t len, char c);
/* No byte of 0x80 and more. */
int ei_text_is_ascii(const char *data, size_t len);

#endif
