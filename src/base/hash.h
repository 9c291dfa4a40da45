#ifndef EIDER_BASE_HASH_H
#define EIDER_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* 64-bit mixer (the finaliser of splitmix64). A bijection. */
static inline uint64_t ei_mix64(uint64_t x) {
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9ULL;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebULL;
    x ^= x >> 31;
    return x;
}

/* FNV-1a, then mixed. For names and ids; not for data, not against an adversary. */
uint64_t ei_hash_bytes(const void *data, size_t len);

/* CRC-32C (Castagnoli), hardware where there is SSE4.2; the checksum of frames and blocks. Chain
 * calls by passing the last result; start with 0. */
uint32_t ei_crc32c(uint32_t crc, const void *data, size_t len);

/* Deterministic pseudo-random numbers (splitmix64) for simulations, generators and jitter. */
struct ei_rng {
    uint64_t state;
};
static inline uint64_t ei_rng_next(struct ei_rng *r) {
    r->state += 0x9e3779b97f4a7c15ULL;
    return ei_mix64(r->state);
}
static inline uint64_t ei_rng_below(struct ei_rng *r, uint64_t n) { /* 0 <= result < n, n > 0 */
    return (uint64_t)(((__uint128_t)ei_rng_next(r) * n) >> 64);
}

#endif
