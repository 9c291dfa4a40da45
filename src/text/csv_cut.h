/* Where a CSV file may be cut: exact starts of records, found by walking from quote to quote.
 *
 * A quote opens a field only at the field's start and closes it only at its end, and inside it is
 * doubled. Any other quote could be read in two ways: then there are no cuts, and the reason. */
#ifndef EIDER_TEXT_CSV_CUT_H
#define EIDER_TEXT_CSV_CUT_H

#include <stdbool.h>
#include <stddef.h>

struct ei_csv_dialect {
    char delimiter;
    char quote;        /* 0: fields are never quoted */
    bool double_quote; /* "" inside a quoted field is one quote; else it is ambiguous */
};

/* For each of `count` ascending positions (> 0), cuts[i] becomes the first start of a record at or
 * behind it, or `len`. `data` is the whole file. Returns NULL, or why the file must not be cut. */
const char *ei_csv_cut(const struct ei_csv_dialect *dialect, const char *data, size_t len,
                       const size_t *positions, size_t count, size_t *cuts);

/* The first start of a line at or behind `position` (> 0), or `len`: for text without quoting. */
size_t ei_line_cut(const char *data, size_t len, size_t position);

#endif
