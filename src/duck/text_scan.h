/* Our own table function over text: reads lines, or web access logs, from the slices of an open
 * ei_text_scan. SQL names a scan by its number: SELECT ip FROM eider_text(17). */
#ifndef EIDER_DUCK_TEXT_SCAN_H
#define EIDER_DUCK_TEXT_SCAN_H

#include "base/error.h"
#include "duck/api.h"
#include "wire/messages.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EI_TEXT_WARNINGS_MAX 5

enum ei_text_kind {
    EI_TEXT_LINES,
    EI_TEXT_ACCESS_SKIP, /* a malformed line gives no row */
    EI_TEXT_ACCESS_NULL, /* it gives a row of NULLs; one more column holds the raw line */
};

/* The columns of a kind: names and types, `count` of them. */
struct ei_text_column {
    const char *name;
    const char *type;
};
const struct ei_text_column *ei_text_columns(enum ei_text_kind kind, size_t *count);

/* The kind and options of a TableInput, as table_facts writes them. */
enum ei_text_kind ei_text_kind_of(const Eider__V1__TableInput *in);

struct ei_text_scan;

int ei_text_scan_register(duckdb_connection c, struct ei_error *e);

/* The slices stay the caller's. */
struct ei_text_scan *ei_text_scan_create(enum ei_text_kind kind,
                                         Eider__V1__FileSlice *const *slices, size_t count);
void ei_text_scan_destroy(struct ei_text_scan *s); /* NULL-safe */
uint64_t ei_text_scan_number(const struct ei_text_scan *s);

uint64_t ei_text_scan_rows(const struct ei_text_scan *s);
uint64_t ei_text_scan_bytes(const struct ei_text_scan *s);
uint64_t ei_text_scan_malformed(const struct ei_text_scan *s);
size_t ei_text_scan_warnings(const struct ei_text_scan *s, const char *const **lines);

#endif
