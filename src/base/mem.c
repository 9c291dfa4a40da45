#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Noreturn void ei_assert_failed(const char *condition, const char *file, int line) {
    (void)fprintf(stderr, "eider: assertion failed: %s (%s:%d)\n", condition, file, line);
    abort();
}

static void *checked(void *p) {
    if (p == NULL) {
        (void)fputs("eider: out of memory\n", stderr);
        abort();
    }
    return p;
}

void *ei_malloc(size_t size_bytes) {
    return checked(malloc(size_bytes == 0 ? 1 : size_bytes));
}

void *ei_calloc(size_t count, size_t size_bytes) {
    return checked(calloc(count == 0 ? 1 : count, size_bytes == 0 ? 1 : size_bytes));
}

void *ei_realloc(void *p, size_t size_bytes) {
    return checked(realloc(p, size_bytes == 0 ? 1 : size_bytes));
}

char *ei_strdup(const char *s) {
    return s == NULL ? NULL : ei_strndup(s, strlen(s));
}

char *ei_strndup(const char *s, size_t len) {
    char *copy = ei_malloc(len + 1);
    memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *ei_asprintf(const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    char probe[1]; /* gcc 12 with UBSan takes NULL for a truncation */
    int n = vsnprintf(probe, sizeof probe, fmt, ap);
    va_end(ap);
    EI_ASSERT(n >= 0);
    char *s = ei_malloc((size_t)n + 1);
    va_start(ap, fmt);
    (void)vsnprintf(s, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return s;
}
