#include "text/access_log.h"

#include "base/mem.h"
#include "text/bits.h"

#include <stdlib.h>
#include <string.h>

#define TIME_LEN 26 /* 10/Oct/2000:13:55:36 -0700 */

/* ---- the window ---- */

void ei_access_scanner_init(struct ei_access_scanner *s) {
    memset(s, 0, sizeof *s);
}

void ei_access_scanner_release(struct ei_access_scanner *s) {
    free(s->lines);
    memset(s, 0, sizeof *s);
}

void ei_access_scanner_feed(struct ei_access_scanner *s, const char *data, size_t len) {
    s->data = data;
    s->len = len;
    s->at = 0;
    s->window_begin = s->window_end = 0;
}

/* Three masks in one allocation; two words more each: for the bit behind the window, and because a
 * mask is read eight bytes at a time from any byte. */
static void set_window_capacity(struct ei_access_scanner *s, size_t bytes) {
    size_t words = bytes / 64 + 2;
    free(s->lines);
    s->lines = ei_calloc(3 * words, sizeof *s->lines);
    s->spaces = s->lines + words;
    s->quotes = s->spaces + words;
    s->window_capacity = bytes;
}

static inline unsigned fill_word(struct ei_access_scanner *s, size_t word,
                                 const struct ei_bits_block *b) {
    s->lines[word] = ei_bits_equal(b, '\n');
    s->spaces[word] = ei_bits_equal(b, ' ');
    s->quotes[word] = ei_bits_either(b, '"', '\\');
    return ei_bits_any_high(b);
}

static void fill_window(struct ei_access_scanner *s, size_t begin) {
    size_t n = EI_MIN(s->window_capacity, s->len - begin), last = n / 64, rest = n % 64;
    const char *text = s->data + begin;
    unsigned any_high = 0;
    for (size_t word = 0; word < last; word++) {
        __builtin_prefetch(text + 64 * word + 2048);
        struct ei_bits_block b = ei_bits_load(text + 64 * word);
        any_high |= fill_word(s, word, &b);
    }
    struct ei_bits_block b = ei_bits_load_part(text + 64 * last, rest);
    any_high |= fill_word(s, last, &b);
    uint64_t stop = 1ULL << rest; /* a set bit behind the text */
    s->lines[last] |= stop;
    s->spaces[last] |= stop;
    s->quotes[last] |= stop;
    s->window_begin = begin;
    s->window_end = begin + n;
    s->window_high = any_high != 0;
}

/* The end of the line that starts at s->at (its \n or the end of the text), with the whole line in
 * the window. False: the line is too long; *end is still right. */
static bool find_line_end(struct ei_access_scanner *s, size_t *end) {
    for (;;) {
        if (s->at < s->window_end) {
            size_t e = s->window_begin + ei_bits_next(s->lines, s->at - s->window_begin);
            if (e < s->window_end || s->window_end == s->len) {
                *end = e;
                return e - s->at <= EI_ACCESS_LINE_MAX;
            }
        }
        if (s->window_begin == s->at && s->window_end > s->at) { /* the line fills the window */
            if (s->window_capacity > EI_ACCESS_LINE_MAX) {
                const char *p = memchr(s->data + s->window_end, '\n', s->len - s->window_end);
                *end = p != NULL ? (size_t)(p - s->data) : s->len;
                return false;
            }
            set_window_capacity(s, s->window_capacity * 2);
        } else if (s->window_capacity == 0) {
            set_window_capacity(s, EI_ACCESS_WINDOW);
        }
        fill_window(s, s->at);
    }
}

/* ---- fields ---- */

static inline bool digits2(const char *p, int *value) {
    unsigned a = (unsigned)(p[0] - '0'), b = (unsigned)(p[1] - '0');
    *value = (int)(a * 10 + b);
    return a <= 9 && b <= 9;
}

static int month_number(const char *p) {
    static const char NAMES[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int m = 0; m < 12; m++)
        if (memcmp(p, NAMES + 3 * (ptrdiff_t)m, 3) == 0)
            return m + 1;
    return 0;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar; years start in March here, so that the
 * leap day is the last one. */
static int64_t days_since_1970(int year, int month, int day) {
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t m = month <= 2 ? month + 9 : month - 3;
    return y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static bool parse_date(struct ei_access_scanner *s, const char *p) {
    static const int DAYS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int day, century, year;
    int month = month_number(p + 3);
    if (!digits2(p, &day) || p[2] != '/' || month == 0 || p[6] != '/' ||
        !digits2(p + 7, &century) || !digits2(p + 9, &year) || p[11] != ':')
        return false;
    year += century * 100;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (year == 0 || day < 1 || day > DAYS[month - 1] + (month == 2 && leap))
        return false;
    s->date_days = days_since_1970(year, month, day);
    memcpy(s->date, p, sizeof s->date);
    return true;
}

static bool parse_zone(struct ei_access_scanner *s, const char *p) {
    int hours, minutes;
    if ((p[0] != '+' && p[0] != '-') || !digits2(p + 1, &hours) || !digits2(p + 3, &minutes) ||
        hours > 15 || minutes > 59)
        return false;
    s->zone_seconds = (p[0] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    memcpy(s->zone, p, sizeof s->zone);
    return true;
}

/* memcmp for a known length would be a call. */
static inline bool same_date(const char *p, const char *q) {
    uint64_t a[2], b[2];
    memcpy(&a[0], p, 8);
    memcpy(&a[1], p + 4, 8);
    memcpy(&b[0], q, 8);
    memcpy(&b[1], q + 4, 8);
    return a[0] == b[0] && a[1] == b[1];
}

static inline bool same_zone(const char *p, const char *q) {
    uint32_t a, b;
    memcpy(&a, p, 4);
    memcpy(&b, q, 4);
    return a == b && p[4] == q[4];
}

static inline bool parse_time(struct ei_access_scanner *s, const char *p, int64_t *time_us) {
    int hour, minute, second;
    if (!same_date(p, s->date) && !parse_date(s, p))
        return false;
    if (!digits2(p + 12, &hour) || p[14] != ':' || !digits2(p + 15, &minute) || p[17] != ':' ||
        !digits2(p + 18, &second) || p[20] != ' ' || hour > 23 || minute > 59 || second > 60)
        return false;
    if (!same_zone(p + 21, s->zone) && !parse_zone(s, p + 21))
        return false;
    int64_t seconds = s->date_days * 86400 + hour * 3600 + minute * 60 + second - s->zone_seconds;
    *time_us = seconds * 1000000;
    return true;
}

/* Positions below are relative to the window; `text` is the window's first byte. */
struct cursor {
    const struct ei_access_scanner *s;
    const char *text;
    size_t at, end;
};

static inline struct ei_text_span span(const struct cursor *c, size_t begin, size_t end) {
    return (struct ei_text_span){c->text + begin, (uint32_t)(end - begin)};
}

static inline struct ei_text_span span_or_null(const struct cursor *c, size_t begin, size_t end) {
    if (end - begin == 1 && c->text[begin] == '-')
        return (struct ei_text_span){NULL, 0};
    return span(c, begin, end);
}

/* A word that ends with a space; moves behind the space. */
static inline bool take_word(struct cursor *c, size_t *begin, size_t *end) {
    *begin = c->at;
    *end = ei_bits_next(c->s->spaces, c->at);
    c->at = *end + 1;
    return *end<c->end && * end> * begin;
}

/* The user: everything up to " [". */
static inline bool take_user(struct cursor *c, size_t *begin, size_t *end) {
    *begin = c->at;
    size_t space = ei_bits_next(c->s->spaces, c->at);
    while (space + 1 < c->end && c->text[space + 1] != '[')
        space = ei_bits_next(c->s->spaces, space + 1);
    *end = space;
    c->at = space + 2;
    return space + 1 < c->end && *end > *begin;
}

/* The inside of a quoted field that starts at c->at with its quote; moves behind the closing one.
 */
static inline bool take_quoted(struct cursor *c, size_t *begin, size_t *end, bool *escaped) {
    if (c->at >= c->end || c->text[c->at] != '"')
        return false;
    size_t p = *begin = c->at + 1;
    for (;;) {
        if (p >= c->end)
            return false;
        p = ei_bits_next(c->s->quotes, p);
        if (p >= c->end)
            return false;
        if (c->text[p] == '"')
            break;
        *escaped = true;
        p += 2;
    }
    *end = p;
    c->at = p + 1;
    return true;
}

static inline bool take_space(struct cursor *c) {
    return c->at < c->end && c->text[c->at++] == ' ';
}

static bool take_status(struct cursor *c, int16_t *status) {
    const char *p = c->text + c->at;
    if (c->end - c->at >= 2 && p[0] == '-') {
        *status = -1;
        c->at += 1;
        return true;
    }
    if (c->end - c->at < 4)
        return false;
    unsigned a = (unsigned)(p[0] - '0'), b = (unsigned)(p[1] - '0'), d = (unsigned)(p[2] - '0');
    *status = (int16_t)(a * 100 + b * 10 + d);
    c->at += 3;
    return a <= 9 && b <= 9 && d <= 9;
}

/* n digits, 1 to 8, that end at `end`, all at once; 8 bytes before `end` can be read. Their number
 * differs from line to line: a loop over them would be mispredicted. */
static inline bool short_number(const char *end, size_t n, uint64_t *value) {
    static const uint64_t ZEROS = 0x3030303030303030, HIGH = 0xf0f0f0f0f0f0f0f0;
    uint64_t w;
    unsigned shift = (unsigned)(8 - n) * 8;
    memcpy(&w, end - 8, sizeof w);
    w = ((w ^ ZEROS) >> shift << shift) ^ ZEROS; /* '0' before the first digit */
    bool digits = (w & HIGH) == ZEROS && ((w + 0x0606060606060606) & HIGH) == ZEROS;
    w = (w & 0x0f0f0f0f0f0f0f0f) * 2561 >> 8; /* pairs, then fours, then eight */
    w = (w & 0x00ff00ff00ff00ff) * 6553601 >> 16;
    *value = (w & 0x0000ffff0000ffff) * 42949672960001 >> 32;
    return digits;
}

static bool take_bytes(struct cursor *c, int64_t *bytes) {
    if (c->at < c->end && c->text[c->at] == '-') {
        *bytes = -1;
        c->at++;
        return true;
    }
    size_t end = EI_MIN(ei_bits_next(c->s->spaces, c->at), c->end), n = end - c->at;
    uint64_t value = 0;
    bool good = n > 0 && n < 20;
    if (n - 1 < 8)
        good = short_number(c->text + end, n, &value);
    else
        for (size_t i = 0; i < n && good; i++) {
            unsigned digit = (unsigned)(c->text[c->at + i] - '0');
            good = digit <= 9;
            value = value * 10 + digit;
        }
    c->at = end;
    *bytes = (int64_t)value;
    return good && value <= INT64_MAX;
}

static void split_request(const struct cursor *c, size_t begin, size_t end,
                          struct ei_access_entry *entry) {
    size_t first = ei_bits_next(c->s->spaces, begin);
    if (first > begin && first + 1 < end) {
        size_t second = ei_bits_next(c->s->spaces, first + 1);
        if (second > first + 1 && second + 1 < end &&
            ei_bits_next(c->s->spaces, second + 1) >= end) {
            entry->method = span(c, begin, first);
            entry->path = span(c, first + 1, second);
            entry->protocol = span(c, second + 1, end);
            return;
        }
    }
    entry->method = entry->protocol = (struct ei_text_span){NULL, 0};
    entry->path = span(c, begin, end);
}

static bool parse_line(struct ei_access_scanner *s, struct cursor *c,
                       struct ei_access_entry *entry) {
    size_t begin, end;
    if (!take_word(c, &begin, &end))
        return false;
    entry->ip = span(c, begin, end);
    if (!take_word(c, &begin, &end))
        return false;
    entry->ident = span_or_null(c, begin, end);
    if (!take_user(c, &begin, &end))
        return false;
    entry->user = span_or_null(c, begin, end);
    if (c->end - c->at < TIME_LEN + 2 || c->text[c->at + TIME_LEN] != ']' ||
        c->text[c->at + TIME_LEN + 1] != ' ' || !parse_time(s, c->text + c->at, &entry->time_us))
        return false;
    c->at += TIME_LEN + 2;
    entry->escaped = false;
    if (!take_quoted(c, &begin, &end, &entry->escaped))
        return false;
    split_request(c, begin, end, entry);
    if (!take_space(c) || !take_status(c, &entry->status) || !take_space(c) ||
        !take_bytes(c, &entry->bytes))
        return false;
    entry->referer = entry->agent = (struct ei_text_span){NULL, 0};
    if (c->at == c->end)
        return true;
    if (!take_space(c) || !take_quoted(c, &begin, &end, &entry->escaped))
        return false;
    entry->referer = span_or_null(c, begin, end);
    if (!take_space(c) || !take_quoted(c, &begin, &end, &entry->escaped))
        return false;
    entry->agent = span_or_null(c, begin, end);
    return c->at == c->end;
}

enum ei_access_result ei_access_next(struct ei_access_scanner *s, struct ei_access_entry *entry) {
    while (s->at < s->len) {
        size_t begin = s->at, end;
        bool fits = find_line_end(s, &end);
        s->at = end + 1;
        if (end > begin && s->data[end - 1] == '\r')
            end--;
        if (end == begin)
            continue;
        /* A span counts in 32 bits; the rest of a line of 4 GB is not shown. */
        entry->line.data = s->data + begin;
        entry->line.len = (uint32_t)EI_MIN(end - begin, (size_t)UINT32_MAX);
        entry->high = true;
        if (!fits)
            return EI_ACCESS_MALFORMED;
        entry->high = s->window_high && !ei_text_is_ascii(s->data + begin, end - begin);
        struct cursor c = {s, s->data + s->window_begin, begin - s->window_begin,
                           end - s->window_begin};
        return parse_line(s, &c, entry) ? EI_ACCESS_ENTRY : EI_ACCESS_MALFORMED;
    }
    return EI_ACCESS_END;
}

bool ei_access_parse(const char *line, size_t len, struct ei_access_entry *entry) {
    if (memchr(line, '\n', len) != NULL)
        return false;
    struct ei_access_scanner s;
    ei_access_scanner_init(&s);
    ei_access_scanner_feed(&s, line, len);
    bool good = ei_access_next(&s, entry) == EI_ACCESS_ENTRY;
    ei_access_scanner_release(&s);
    return good;
}

size_t ei_access_unescape(const struct ei_text_span *in, char *out) {
    size_t n = 0;
    for (uint32_t i = 0; i < in->len; i++) {
        bool pair = in->data[i] == '\\' && i + 1 < in->len &&
                    (in->data[i + 1] == '"' || in->data[i + 1] == '\\');
        out[n++] = in->data[i += pair];
    }
    return n;
}
