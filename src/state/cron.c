#include "state/cron.h"

#include "base/mem.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define DAYS_SEARCHED 3660
#define DAY_MINUTES 1440

/* ---- reading ---- */

struct field {
    const char *name;
    unsigned least, most;
    const char *const *words; /* words[0] stands for `least`; NULL = none */
    unsigned word_count;
};

static const char *const months[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                     "jul", "aug", "sep", "oct", "nov", "dec"};
static const char *const weekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
static const struct field fields[] = {
    {"minute", 0, 59, NULL, 0},
    {"hour", 0, 23, NULL, 0},
    {"day of the month", 1, 31, NULL, 0},
    {"month", 1, 12, months, 12},
    {"day of the week", 0, 7, weekdays, 7},
};

static const struct {
    const char *name, *text;
} shorthands[] = {
    {"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
    {"@weekly", "0 0 * * 0"},   {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
};

/* A number or a word of the field. False: it is neither, or out of range. */
static bool read_value(const struct field *f, const char **p, unsigned *out) {
    const char *s = *p;
    unsigned n = 0, digits = 0;
    for (; isdigit((unsigned char)*s) && digits < 4; s++, digits++)
        n = n * 10 + (unsigned)(*s - '0');
    for (unsigned i = 0; digits == 0 && i < f->word_count; i++) {
        if (strncasecmp(s, f->words[i], 3) == 0 && !isalpha((unsigned char)s[3])) {
            *p = s + 3;
            *out = f->least + i;
            return true;
        }
    }
    *p = s;
    *out = n;
    return digits > 0 && n >= f->least && n <= f->most;
}

/* One item of a list: *, a, a-b, each with /step. */
static bool read_item(const struct field *f, const char **p, uint64_t *bits) {
    unsigned first = f->least, last = f->most, step = 1;
    bool range = true;
    if (**p == '*') {
        ++*p;
    } else {
        if (!read_value(f, p, &first))
            return false;
        last = first;
        range = **p == '-';
        if (range) {
            ++*p;
            if (!read_value(f, p, &last) || last < first)
                return false;
        }
    }
    if (**p == '/') {
        static const struct field steps = {"step", 1, 1000, NULL, 0};
        ++*p;
        if (!read_value(&steps, p, &step))
            return false;
        if (!range)
            last = f->most; /* "5/15": from 5 on */
    }
    for (unsigned n = first; n <= last; n += step)
        *bits |= UINT64_C(1) << n;
    return true;
}

static bool read_field(const struct field *f, const char **p, uint64_t *bits, bool *any) {
    *bits = 0;
    *any = **p == '*';
    for (;;) {
        if (!read_item(f, p, bits))
            return false;
        if (**p != ',')
            break;
        ++*p;
    }
    return **p == '\0' || isspace((unsigned char)**p);
}

int ei_cron_parse(struct ei_cron *c, const char *text, struct ei_error *e) {
    uint64_t bits[EI_ARRAY_LEN(fields)];
    bool any[EI_ARRAY_LEN(fields)];
    const char *p = text != NULL ? text : "";
    if (strlen(p) > EI_CRON_TEXT_MAX)
        return ei_fail(e, EI_INVALID, "a schedule has at most %d bytes", EI_CRON_TEXT_MAX);
    for (size_t i = 0; i < EI_ARRAY_LEN(shorthands); i++)
        if (strcasecmp(p, shorthands[i].name) == 0)
            p = shorthands[i].text;
    for (size_t i = 0; i < EI_ARRAY_LEN(fields); i++) {
        while (isspace((unsigned char)*p))
            p++;
        if (*p == '\0')
            return ei_fail(e, EI_INVALID,
                           "\"%s\" is no schedule: it needs five fields, as in \"*/5 * * * *\" "
                           "(minute, hour, day of the month, month, day of the week)",
                           text != NULL ? text : "");
        if (!read_field(&fields[i], &p, &bits[i], &any[i]))
            return ei_fail(e, EI_INVALID, "\"%s\" is no schedule: the %s is wrong at \"%.20s\"",
                           text, fields[i].name, p);
    }
    while (isspace((unsigned char)*p))
        p++;
    if (*p != '\0')
        return ei_fail(e, EI_INVALID, "\"%s\" is no schedule: it has more than five fields", text);
    *c = (struct ei_cron){.minutes = bits[0],
                          .hours = (uint32_t)bits[1],
                          .days = (uint32_t)bits[2],
                          .months = (uint32_t)bits[3],
                          .weekdays = (uint8_t)((bits[4] & 0x7f) | (bits[4] >> 7 & 1)),
                          .any_day = any[2],
                          .any_weekday = any[4]};
    return 0;
}

/* ---- searching ---- */

/* Day number since 1970-01-01 -> month 1..12 and day of the month. */
static void civil(int64_t day, unsigned *month, unsigned *of_month) {
    int64_t shifted = day + 719468; /* days since 0000-03-01 */
    int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
    unsigned of_era = (unsigned)(shifted - era * 146097);
    unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * year + year / 4 - year / 100);
    unsigned from_march = (5 * of_year + 2) / 153;
    *of_month = of_year - (153 * from_march + 2) / 5 + 1;
    *month = from_march < 10 ? from_march + 3 : from_march - 9;
}

static bool day_fits(const struct ei_cron *c, int64_t day) {
    unsigned month, of_month, weekday = (unsigned)(((day % 7) + 11) % 7);
    civil(day, &month, &of_month);
    if ((c->months >> month & 1) == 0)
        return false;
    bool by_day = (c->days >> of_month & 1) != 0, by_weekday = (c->weekdays >> weekday & 1) != 0;
    return c->any_day || c->any_weekday ? by_day && by_weekday : by_day || by_weekday;
}

static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

int64_t ei_cron_next(const struct ei_cron *c, int64_t after_ms) {
    if (after_ms > INT64_MAX / 2 || after_ms < -INT64_MAX / 2)
        return INT64_MAX;
    int64_t minute = floor_div(after_ms, 60000) + 1;
    int64_t day = floor_div(minute, DAY_MINUTES);
    unsigned from = (unsigned)(minute - day * DAY_MINUTES);
    for (int64_t last = day + DAYS_SEARCHED; day < last; day++, from = 0) {
        if (!day_fits(c, day))
            continue;
        for (unsigned m = from; m < DAY_MINUTES; m++)
            if ((c->hours >> (m / 60) & 1) != 0 && (c->minutes >> (m % 60) & 1) != 0)
                return (day * DAY_MINUTES + m) * 60000;
    }
    return INT64_MAX;
}
