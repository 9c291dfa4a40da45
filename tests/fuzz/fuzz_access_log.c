/* The access log scanner against a parser that goes byte by byte. The input is repeated, so that
 * its lines lie at every place of the scanner's windows. */
#include "base/mem.h"
#include "text/access_log.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reader {
    const char *at, *end;
};

static bool accept(struct reader *r, char c) {
    if (r->at == r->end || *r->at != c)
        return false;
    r->at++;
    return true;
}

static bool word(struct reader *r, struct ei_text_span *out) {
    const char *begin = r->at;
    while (r->at < r->end && *r->at != ' ')
        r->at++;
    *out = (struct ei_text_span){begin, (uint32_t)(r->at - begin)};
    return out->len > 0 && accept(r, ' ');
}

static bool quoted(struct reader *r, struct ei_text_span *out) {
    if (!accept(r, '"'))
        return false;
    out->data = r->at;
    for (; r->at < r->end && *r->at != '"'; r->at++)
        if (*r->at == '\\' && ++r->at == r->end)
            return false;
    out->len = (uint32_t)(r->at - out->data);
    return accept(r, '"');
}

static int digits(struct reader *r, int count) {
    int value = 0;
    for (; count > 0; count--, r->at++) {
        if (r->at == r->end || *r->at < '0' || *r->at > '9')
            return -1;
        value = value * 10 + (*r->at - '0');
    }
    return value;
}

static int64_t days_to(int year, int month, int day) {
    static const int LENGTHS[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t days = 0;
    int leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (year < 1 || day < 1 || day > LENGTHS[month] + (month == 1 && leap))
        return INT64_MIN;
    for (int y = 1970; y < year; y++)
        days += 365 + (y % 4 == 0 && (y % 100 != 0 || y % 400 == 0));
    for (int y = 1969; y >= year; y--)
        days -= 365 + (y % 4 == 0 && (y % 100 != 0 || y % 400 == 0));
    for (int m = 0; m < month; m++)
        days += LENGTHS[m] + (m == 1 && leap);
    return days + day - 1;
}

static bool when(struct reader *r, int64_t *time_us) {
    static const char *const MONTHS[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    int day = digits(r, 2), month = 0;
    if (day < 0 || !accept(r, '/') || r->end - r->at < 3)
        return false;
    while (month < 12 && memcmp(r->at, MONTHS[month], 3) != 0)
        month++;
    r->at += 3;
    if (month == 12 || !accept(r, '/'))
        return false;
    int year = digits(r, 4);
    bool good = accept(r, ':');
    int hour = digits(r, 2);
    good = accept(r, ':') && good;
    int minute = digits(r, 2);
    good = accept(r, ':') && good;
    int second = digits(r, 2);
    good = accept(r, ' ') && good;
    int sign = accept(r, '-') ? -1 : accept(r, '+') ? 1 : 0;
    int zone_hour = digits(r, 2), zone_minute = digits(r, 2);
    int64_t days = year < 0 ? INT64_MIN : days_to(year, month, day);
    if (!good || sign == 0 || days == INT64_MIN || hour < 0 || hour > 23 || minute < 0 ||
        minute > 59 || second < 0 || second > 60 || zone_hour < 0 || zone_hour > 15 ||
        zone_minute < 0 || zone_minute > 59)
        return false;
    *time_us = (days * 86400 + hour * 3600 + minute * 60 + second -
                sign * (zone_hour * 3600 + zone_minute * 60)) *
               1000000;
    return true;
}

static bool size_of_answer(struct reader *r, int64_t *bytes) {
    *bytes = -1;
    if (accept(r, '-'))
        return true;
    __int128 value = 0;
    int count = 0;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9' && count++ < 20)
        value = value * 10 + (*r->at++ - '0');
    *bytes = (int64_t)value;
    return count > 0 && count < 20 && value <= INT64_MAX;
}

static bool parse(struct reader r, struct ei_access_entry *a) {
    struct ei_text_span request;
    memset(a, 0, sizeof *a);
    if (!word(&r, &a->ip) || !word(&r, &a->ident))
        return false;
    a->user.data = r.at;
    while (r.end - r.at >= 2 && (r.at[0] != ' ' || r.at[1] != '['))
        r.at++;
    a->user.len = (uint32_t)(r.at - a->user.data);
    if (a->user.len == 0 || !accept(&r, ' ') || !accept(&r, '[') || !when(&r, &a->time_us) ||
        !accept(&r, ']') || !accept(&r, ' ') || !quoted(&r, &request) || !accept(&r, ' '))
        return false;
    a->path = request;
    if (accept(&r, '-'))
        a->status = -1;
    else if ((a->status = (int16_t)digits(&r, 3)) < 0)
        return false;
    if (!accept(&r, ' ') || !size_of_answer(&r, &a->bytes))
        return false;
    if (r.at == r.end)
        return true;
    return accept(&r, ' ') && quoted(&r, &a->referer) && accept(&r, ' ') && quoted(&r, &a->agent) &&
           r.at == r.end;
}

static bool same(struct ei_text_span got, struct ei_text_span wanted, bool dash) {
    if (dash && wanted.data != NULL && wanted.len == 1 && wanted.data[0] == '-')
        return got.data == NULL;
    return got.data == wanted.data && got.len == wanted.len;
}

/* The request's words, put together again, are the request. */
static bool same_request(const struct ei_access_entry *got, struct ei_text_span request) {
    size_t spaces = 0;
    for (uint32_t i = 0; i < request.len; i++)
        spaces += request.data[i] == ' ';
    if (got->method.data == NULL)
        return got->protocol.data == NULL && same(got->path, request, false);
    return spaces == 2 && got->method.data == request.data && got->method.len > 0 &&
           got->path.data == request.data + got->method.len + 1 && got->path.len > 0 &&
           got->protocol.data == got->path.data + got->path.len + 1 && got->protocol.len > 0 &&
           got->protocol.data + got->protocol.len == request.data + request.len;
}

static void check_text(const char *text, size_t len) {
    struct ei_access_scanner s;
    struct ei_access_entry got, wanted;
    ei_access_scanner_init(&s);
    ei_access_scanner_feed(&s, text, len);
    for (const char *at = text, *end = text + len; at < end;) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        line_end = line_end != NULL ? line_end : end;
        struct reader r = {at, line_end};
        at = line_end + 1;
        if (r.end > r.at && r.end[-1] == '\r')
            r.end--;
        if (r.end == r.at)
            continue;
        bool good = parse(r, &wanted);
        enum ei_access_result result = ei_access_next(&s, &got);
        EI_ASSERT(result == (good ? EI_ACCESS_ENTRY : EI_ACCESS_MALFORMED));
        EI_ASSERT(got.line.data == r.at && got.line.len == (size_t)(r.end - r.at));
        if (!good)
            continue;
        EI_ASSERT(same(got.ip, wanted.ip, false) && same(got.ident, wanted.ident, true));
        EI_ASSERT(same(got.user, wanted.user, true) && same(got.agent, wanted.agent, true));
        EI_ASSERT(same(got.referer, wanted.referer, true) && same_request(&got, wanted.path));
        EI_ASSERT(got.time_us == wanted.time_us && got.bytes == wanted.bytes);
        EI_ASSERT(got.status == wanted.status);
    }
    EI_ASSERT(ei_access_next(&s, &got) == EI_ACCESS_END);
    ei_access_scanner_release(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t copies = size > 0 && data[0] == 'm' ? EI_ACCESS_WINDOW / size + 3 : 1;
    char *text = ei_malloc(size * copies + 1);
    for (size_t i = 0; i < copies; i++)
        memcpy(text + i * size, data, size);
    char *exact = ei_realloc(text, size * copies);
    check_text(exact, size * copies);
    free(exact);
    return 0;
}
