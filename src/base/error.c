#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void set_text(struct ei_error *e, enum ei_code code, const char *fmt, va_list ap) {
    e->code = code;
    (void)vsnprintf(e->text, sizeof e->text, fmt, ap);
}

int ei_fail(struct ei_error *e, enum ei_code code, const char *fmt, ...) {
    if (e != NULL) {
        va_list ap;
        va_start(ap, fmt);
        set_text(e, code, fmt, ap);
        va_end(ap);
    }
    return -1;
}

int ei_fail_errno(struct ei_error *e, enum ei_code code, int err, const char *fmt, ...) {
    if (e != NULL) {
        if (err == ENOSPC || err == EDQUOT)
            code = EI_NO_SPACE;
        va_list ap;
        va_start(ap, fmt);
        set_text(e, code, fmt, ap);
        va_end(ap);
        size_t n = strlen(e->text);
        (void)snprintf(e->text + n, sizeof e->text - n, ": %s", strerror(err));
    }
    return -1;
}

int ei_wrap(struct ei_error *e, const char *fmt, ...) {
    if (e != NULL) {
        char old[EI_ERROR_TEXT_MAX];
        memcpy(old, e->text, sizeof old);
        va_list ap;
        va_start(ap, fmt);
        set_text(e, e->code, fmt, ap);
        va_end(ap);
        size_t n = strlen(e->text);
        (void)snprintf(e->text + n, sizeof e->text - n, ": %s", old);
    }
    return -1;
}

const char *ei_code_name(enum ei_code code) {
    switch (code) {
#define X(name, number, text, http, exit, retry)                                                   \
    case EI_##name:                                                                                \
        return text;
        EI_CODES(X)
#undef X
    }
    return "internal";
}

enum ei_code ei_code_from_wire(int number) {
    switch (number) {
#define X(name, number, text, http, exit, retry)                                                   \
    case number:                                                                                   \
        return EI_##name;
        EI_CODES(X)
#undef X
    default:
        return EI_INTERNAL;
    }
}

int ei_code_http_status(enum ei_code code) {
    switch (code) {
#define X(name, number, text, http, exit, retry)                                                   \
    case EI_##name:                                                                                \
        return http;
        EI_CODES(X)
#undef X
    }
    return 500;
}

int ei_code_exit(enum ei_code code) {
    switch (code) {
#define X(name, number, text, http, exit, retry)                                                   \
    case EI_##name:                                                                                \
        return exit;
        EI_CODES(X)
#undef X
    }
    return 1;
}

bool ei_code_retryable(enum ei_code code) {
    switch (code) {
#define X(name, number, text, http, exit, retry)                                                   \
    case EI_##name:                                                                                \
        return retry;
        EI_CODES(X)
#undef X
    }
    return false;
}
