#include "text/repair.h"

#include "base/utf8.h"

void ei_text_repair(const char *data, size_t len, struct ei_buf *out) {
    size_t at = 0, good = 0; /* [good, at) is valid and not yet appended */
    while (at < len) {
        size_t n = ei_utf8_sequence(data + at, len - at);
        if (n > 0) {
            at += n;
            continue;
        }
        ei_buf_append(out, data + good, at - good);
        ei_buf_append(out, "\xEF\xBF\xBD", 3);
        good = ++at;
    }
    ei_buf_append(out, data + good, at - good);
}
