#include "base/buf.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ei_buf_init(struct ei_buf *b) {
    *b = (struct ei_buf){0};
}

void ei_buf_release(struct ei_buf *b) {
    if (b == NULL)
        return;
    free(b->data);
    *b = (struct ei_buf){0};
}

void ei_buf_clear(struct ei_buf *b) {
    b->len = 0;
    if (b->data != NULL)
        b->data[0] = '\0';
}

char *ei_buf_reserve(struct ei_buf *b, size_t n) {
    EI_ASSERT(n < SIZE_MAX / 4);
    size_t need = b->len + n + 1;
    if (need > b->capacity) {
        size_t capacity = b->capacity < 64 ? 64 : b->capacity;
        while (capacity < need)
            capacity *= 2;
        b->data = ei_realloc(b->data, capacity);
        b->capacity = capacity;
    }
    return b->data + b->len;
}

void ei_buf_append(struct ei_buf *b, const void *data, size_t n) {
    char *to = ei_buf_reserve(b, n);
    if (n > 0)
        memcpy(to, data, n);
    b->len += n;
    b->data[b->len] = '\0';
}

void ei_buf_puts(struct ei_buf *b, const char *s) {
    ei_buf_append(b, s, strlen(s));
}

void ei_buf_putc(struct ei_buf *b, char c) {
    ei_buf_append(b, &c, 1);
}

void ei_buf_vprintf(struct ei_buf *b, const char *fmt, va_list ap) {
    va_list again;
    va_copy(again, ap);
    char probe[1]; /* gcc 12 with UBSan takes NULL for a truncation */
    int n = vsnprintf(probe, sizeof probe, fmt, ap);
    EI_ASSERT(n >= 0);
    char *to = ei_buf_reserve(b, (size_t)n);
    (void)vsnprintf(to, (size_t)n + 1, fmt, again);
    va_end(again);
    b->len += (size_t)n;
}

void ei_buf_printf(struct ei_buf *b, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    ei_buf_vprintf(b, fmt, ap);
    va_end(ap);
}

void ei_buf_consume(struct ei_buf *b, size_t n) {
    EI_ASSERT(n <= b->len);
    if (n == 0)
        return;
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
    b->data[b->len] = '\0';
}

char *ei_buf_steal(struct ei_buf *b) {
    (void)ei_buf_reserve(b, 0);
    char *s = b->data;
    s[b->len] = '\0';
    *b = (struct ei_buf){0};
    return s;
}

void ei_buf_json_string(struct ei_buf *b, const char *s, size_t len) {
    ei_buf_putc(b, '"');
    size_t i = 0;
    while (i < len) {
        size_t run = i;
        while (run < len && (unsigned char)s[run] >= 0x20 && (unsigned char)s[run] < 0x80 &&
               s[run] != '"' && s[run] != '\\')
            run++;
        ei_buf_append(b, s + i, run - i);
        i = run;
        if (i == len)
            break;
        unsigned char c = (unsigned char)s[i];
        if (c >= 0x80) {
            size_t n = ei_utf8_sequence(s + i, len - i);
            if (n == 0) {
                ei_buf_puts(b, "\xef\xbf\xbd");
                n = 1;
            } else {
                ei_buf_append(b, s + i, n);
            }
            i += n;
            continue;
        }
        if (c == '"' || c == '\\') {
            ei_buf_putc(b, '\\');
            ei_buf_putc(b, (char)c);
        } else if (c == '\n') {
            ei_buf_puts(b, "\\n");
        } else if (c == '\t') {
            ei_buf_puts(b, "\\t");
        } else if (c == '\r') {
            ei_buf_puts(b, "\\r");
        } else {
            ei_buf_printf(b, "\\u%04x", c);
        }
        i++;
    }
    ei_buf_putc(b, '"');
}

static void put_doubling(struct ei_buf *b, const char *s, char quote) {
    ei_buf_putc(b, quote);
    for (; *s != '\0'; s++) {
        if (*s == quote)
            ei_buf_putc(b, quote);
        ei_buf_putc(b, *s);
    }
    ei_buf_putc(b, quote);
}

void ei_buf_sql_string(struct ei_buf *b, const char *s) {
    put_doubling(b, s, '\'');
}

void ei_buf_sql_ident(struct ei_buf *b, const char *s) {
    put_doubling(b, s, '"');
}
