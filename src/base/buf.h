/* A growing byte buffer; also the string builder. Zero-initialise or ei_buf_init; ei_buf_release
 * frees. `data` is always NUL-terminated once anything was appended (the NUL is not counted). */
#ifndef EIDER_BASE_BUF_H
#define EIDER_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct ei_buf {
    char *data; /* owned; NULL while empty */
    size_t len;
    size_t capacity;
};

void ei_buf_init(struct ei_buf *b);
void ei_buf_release(struct ei_buf *b); /* frees and zeroes; NULL-safe */
void ei_buf_clear(struct ei_buf *b);   /* len = 0, keeps the memory */
/* Room for n more bytes after len; returns where they go. */
char *ei_buf_reserve(struct ei_buf *b, size_t n);
void ei_buf_append(struct ei_buf *b, const void *data, size_t n);
void ei_buf_puts(struct ei_buf *b, const char *s);
void ei_buf_putc(struct ei_buf *b, char c);
void ei_buf_printf(struct ei_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void ei_buf_vprintf(struct ei_buf *b, const char *fmt, va_list ap);
/* Drops the first n bytes. */
void ei_buf_consume(struct ei_buf *b, size_t n);
/* Gives the string away (never NULL); the caller frees; the buffer is empty afterwards. */
char *ei_buf_steal(struct ei_buf *b);

/* Appenders of quoted text. */
void ei_buf_json_string(struct ei_buf *b, const char *s, size_t len); /* with the quotes; invalid
                                                                         UTF-8 becomes U+FFFD */
void ei_buf_sql_string(struct ei_buf *b, const char *s);              /* 'it''s' */
void ei_buf_sql_ident(struct ei_buf *b, const char *s);               /* always "quoted" */

#endif
