/* Errors: a code for programs, a sentence for people.
 *
 * A function that can fail returns 0 or -1 and takes a `struct ei_error *` that it fills only on
 * failure. The sentence says what failed, where, why and, where it helps, what to do. Callers add
 * context on the way up with ei_wrap. Libraries never log.
 */
#ifndef EIDER_BASE_ERROR_H
#define EIDER_BASE_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

/* X(name, number on the wire, text, HTTP status, exit code of the command line, retry the task)
 * Numbers are part of the wire protocol: append, never renumber. */
#define EI_CODES(X)                                                                                \
    X(OK, 0, "ok", 200, 0, false)                                                                  \
    X(INTERNAL, 1, "internal", 500, 1, true)    /* a fault of ours */                              \
    X(USAGE, 2, "usage", 400, 2, false)         /* wrong command line or request */                \
    X(INVALID, 3, "invalid", 400, 1, false)     /* wrong SQL, wrong data in a file */              \
    X(NOT_FOUND, 4, "not_found", 404, 4, false) /* no such job, table, route */                    \
    X(DENIED, 5, "denied", 403, 5, false)       /* known, but not allowed */                       \
    X(UNAUTHENTICATED, 6, "unauthenticated", 401, 5, false)                                        \
    X(EXISTS, 7, "exists", 409, 1, false)                                                          \
    X(UNREACHABLE, 8, "unreachable", 503, 3, true) /* connect failed, connection lost */           \
    X(TIMEOUT, 9, "timeout", 504, 124, true)                                                       \
    X(CANCELLED, 10, "cancelled", 409, 130, false)                                                 \
    X(OUT_OF_MEMORY, 11, "out_of_memory", 500, 1, false) /* the task's memory limit */             \
    X(NO_SPACE, 12, "no_space", 507, 1, true)            /* disk full */                           \
    X(IO, 13, "io", 500, 1, true)                        /* errno from a file or socket */         \
    X(CORRUPT, 14, "corrupt", 500, 1, true)              /* checksum or format of our own data */  \
    X(LIMIT, 15, "limit", 429, 1, false)                 /* a named limit was reached */           \
    X(LOST, 16, "lost", 500, 1, true)                    /* executor or worker died */             \
    X(STALE, 17, "stale", 409, 1, true)                  /* fenced: an old attempt or epoch */     \
    X(UNSUPPORTED, 18, "unsupported", 400, 1, false)     /* valid, but not something we do */      \
    X(INPUT_MISSING, 19, "input_missing", 400, 1, false) /* a user's file is missing/unreadable */ \
    X(INPUT_LOST, 20, "input_lost", 500, 1, true)        /* exchange data of a stage is gone */

enum ei_code {
#define X(name, number, text, http, exit, retry) EI_##name = number,
    EI_CODES(X)
#undef X
};

#define EI_ERROR_TEXT_MAX 2000

struct ei_error {
    enum ei_code code;
    char text[EI_ERROR_TEXT_MAX]; /* NUL-terminated UTF-8, cut at the limit */
};

/* Fills *e (may be NULL) and returns -1. */
int ei_fail(struct ei_error *e, enum ei_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* ei_fail with errno's text appended; ENOSPC and EDQUOT become EI_NO_SPACE whatever `code` says. */
int ei_fail_errno(struct ei_error *e, enum ei_code code, int err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Puts "<fmt>: " before the text that is there. Returns -1. */
int ei_wrap(struct ei_error *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

const char *ei_code_name(enum ei_code code); /* "not_found"; "internal" for an unknown number */
enum ei_code ei_code_from_wire(int number);  /* unknown numbers become EI_INTERNAL */
int ei_code_http_status(enum ei_code code);
int ei_code_exit(enum ei_code code);
bool ei_code_retryable(enum ei_code code);

#endif
