/* Heap memory and assertions. Running out of heap ends the process: every process of a cluster may
 * die at any time, and recovery is tested; half-working is not. Memory for user data is bounded by
 * limits elsewhere, never by hoping that malloc fails. */
#ifndef EIDER_BASE_MEM_H
#define EIDER_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

void *ei_malloc(size_t size_bytes); /* never NULL; size 0 gives a unique pointer */
void *ei_calloc(size_t count, size_t size_bytes);
void *ei_realloc(void *p, size_t size_bytes);
char *ei_strdup(const char *s); /* NULL gives NULL */
char *ei_strndup(const char *s, size_t len);
/* printf into a fresh string; the caller frees. */
char *ei_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Grows a C array: EI_GROW(items, count, capacity) makes room for at least one more item. */
#define EI_GROW(array, count, capacity)                                                            \
    do {                                                                                           \
        if ((count) >= (capacity)) {                                                               \
            (capacity) = (capacity) < 8 ? 8 : (capacity)*2;                                        \
            (array) = ei_realloc((array), (size_t)(capacity) * sizeof *(array));                   \
        }                                                                                          \
    } while (0)

/* An assertion that stays in release builds. */
#define EI_ASSERT(condition)                                                                       \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0))                                                     \
            ei_assert_failed(#condition, __FILE__, __LINE__);                                      \
    } while (0)
_Noreturn void ei_assert_failed(const char *condition, const char *file, int line);

#define EI_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define EI_MIN(a, b) ((a) < (b) ? (a) : (b))
#define EI_MAX(a, b) ((a) > (b) ? (a) : (b))

#endif
