/* Writes one JSON document into a buffer; commas are its own business. A key is NULL inside an
 * array and for the document itself. */
#ifndef EIDER_MASTER_JSON_H
#define EIDER_MASTER_JSON_H

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct ei_json {
    struct ei_buf buf;
    bool comma; /* the next value needs one before it */
};

void ei_json_open(struct ei_json *j, const char *key, char bracket);      /* '{' or '[' */
void ei_json_close(struct ei_json *j, char bracket);                      /* '}' or ']' */
void ei_json_text(struct ei_json *j, const char *key, const char *value); /* NULL writes "" */
void ei_json_uint(struct ei_json *j, const char *key, uint64_t value);
void ei_json_int(struct ei_json *j, const char *key, int64_t value);
/* Microseconds as milliseconds with one decimal. */
void ei_json_ms(struct ei_json *j, const char *key, uint64_t value_us);
void ei_json_bool(struct ei_json *j, const char *key, bool value);

#endif
