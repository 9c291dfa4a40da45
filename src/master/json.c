#include "master/json.h"

#include <inttypes.h>
#include <string.h>

static void lead(struct ei_json *j, const char *key) {
    if (j->comma)
        ei_buf_putc(&j->buf, ',');
    j->comma = true;
    if (key == NULL)
        return;
    ei_buf_json_string(&j->buf, key, strlen(key));
    ei_buf_putc(&j->buf, ':');
}

void ei_json_open(struct ei_json *j, const char *key, char bracket) {
    lead(j, key);
    ei_buf_putc(&j->buf, bracket);
    j->comma = false;
}

void ei_json_close(struct ei_json *j, char bracket) {
    ei_buf_putc(&j->buf, bracket);
    j->comma = true;
}

void ei_json_text(struct ei_json *j, const char *key, const char *value) {
    lead(j, key);
    ei_buf_json_string(&j->buf, value != NULL ? value : "", value != NULL ? strlen(value) : 0);
}

void ei_json_uint(struct ei_json *j, const char *key, uint64_t value) {
    lead(j, key);
    ei_buf_printf(&j->buf, "%" PRIu64, value);
}

void ei_json_int(struct ei_json *j, const char *key, int64_t value) {
    lead(j, key);
    ei_buf_printf(&j->buf, "%" PRId64, value);
}

void ei_json_ms(struct ei_json *j, const char *key, uint64_t value_us) {
    lead(j, key);
    ei_buf_printf(&j->buf, "%" PRIu64 ".%" PRIu64, value_us / 1000, value_us / 100 % 10);
}

void ei_json_bool(struct ei_json *j, const char *key, bool value) {
    lead(j, key);
    ei_buf_puts(&j->buf, value ? "true" : "false");
}
