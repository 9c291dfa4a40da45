/* When a cron entry fires: "minute hour day-of-month month day-of-week", five fields of numbers,
 * ranges, steps and lists; months and days also by name; "@hourly" and its like. Times are UTC.
 * Pure. When both days are given (neither begins with "*"), either fits, as everywhere. */
#ifndef EIDER_STATE_CRON_H
#define EIDER_STATE_CRON_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define EI_CRON_TEXT_MAX 200 /* bytes */

struct ei_cron {
    uint64_t minutes;             /* bit 0..59 */
    uint32_t hours, days, months; /* bits 0..23, 1..31, 1..12 */
    uint8_t weekdays;             /* bits 0..6, 0 = Sunday */
    bool any_day, any_weekday;    /* the field begins with "*" */
};

int ei_cron_parse(struct ei_cron *c, const char *text, struct ei_error *e);
/* The first minute after `after_ms` (Unix time) that fits, in ms; INT64_MAX if there is none within
 * the next ten years, as for the 30th of February. */
int64_t ei_cron_next(const struct ei_cron *c, int64_t after_ms);

#endif
