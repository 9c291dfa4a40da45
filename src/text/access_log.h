/* Web access logs in the common and combined formats:
 *
 *   host ident user [10/Oct/2000:13:55:36 -0700] "GET /a.gif HTTP/1.0" 200 2326
 *   host ident user [10/Oct/2000:13:55:36 -0700] "GET /a.gif HTTP/1.0" 200 2326 "referer" "agent"
 *
 * '-' stands for a missing ident, user, status, size, referer or agent. A quoted field may hold \"
 * and \\. The user may hold spaces. Every line is checked whole. Blank lines are passed over; a
 * line that is neither format, or is longer than EI_ACCESS_LINE_MAX, is malformed.
 *
 * How it is fast: 16 KB at a time become three bit masks (line ends, spaces, quotes and
 * backslashes); a field ends at the next bit of its mask. */
#ifndef EIDER_TEXT_ACCESS_LOG_H
#define EIDER_TEXT_ACCESS_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EI_ACCESS_LINE_MAX (1u << 20)
#define EI_ACCESS_WINDOW 16384

struct ei_text_span {
    const char *data; /* into the scanned text; NULL = no value */
    uint32_t len;
};

struct ei_access_entry {
    struct ei_text_span line; /* without its \n or \r\n */
    struct ei_text_span ip, ident, user;
    /* A request of other than three words: method and protocol NULL, path the whole of it. */
    struct ei_text_span method, path, protocol;
    struct ei_text_span referer, agent; /* NULL in the common format */
    int64_t time_us;                    /* since 1970 in UTC */
    int64_t bytes;                      /* -1 = no value */
    int16_t status;                     /* -1 = no value */
    bool escaped;                       /* a quoted field holds a backslash: ei_access_unescape */
    bool high;                          /* the line holds bytes beyond ASCII */
};

enum ei_access_result { EI_ACCESS_END, EI_ACCESS_ENTRY, EI_ACCESS_MALFORMED };

struct ei_access_scanner {
    const char *data; /* not owned */
    size_t len, at;   /* `at` is the start of the next line */
    /* The window: bits for data[window_begin, window_end). */
    size_t window_begin, window_end;
    uint64_t *lines, *spaces, *quotes; /* each has a set bit behind the window */
    size_t window_capacity;            /* bytes */
    bool window_high;
    /* The last date and zone that were understood: neighbours mostly have the same. */
    char date[12];
    char zone[5];
    int64_t date_days, zone_seconds;
};

/* Starts over `len` bytes that begin with a line; keeps the scanner's memory when it was in use. */
void ei_access_scanner_init(struct ei_access_scanner *s); /* once */
void ei_access_scanner_feed(struct ei_access_scanner *s, const char *data, size_t len);
void ei_access_scanner_release(struct ei_access_scanner *s);

/* The next line that is not blank. With EI_ACCESS_MALFORMED only entry->line and entry->high are
 * set. */
enum ei_access_result ei_access_next(struct ei_access_scanner *s, struct ei_access_entry *entry);

/* One line, without its line end. */
bool ei_access_parse(const char *line, size_t len, struct ei_access_entry *entry);

/* \" becomes ", \\ becomes \; other backslashes stay. `out` has room for span->len bytes. Returns
 * the length. */
size_t ei_access_unescape(const struct ei_text_span *span, char *out);

#endif
