#include "pki/pki.h"

#include "base/mem.h"

#include <openssl/rand.h>
#include <openssl/sha.h>
#include <string.h>

static void to_hex(const unsigned char *bytes, size_t n, char *hex) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        hex[2 * i] = digits[bytes[i] >> 4];
        hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    hex[2 * n] = '\0';
}

void ei_token_sha256(const char *token, size_t len, char sha256_hex[65]) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    (void)SHA256((const unsigned char *)token, len, digest);
    to_hex(digest, sizeof digest, sha256_hex);
}

void ei_token_create(char token[65], char sha256_hex[65]) {
    unsigned char secret[32];
    EI_ASSERT(RAND_bytes(secret, sizeof secret) == 1);
    to_hex(secret, sizeof secret, token);
    ei_token_sha256(token, 64, sha256_hex);
}
