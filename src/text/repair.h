/* Makes any bytes valid UTF-8: each byte that belongs to no valid sequence becomes U+FFFD. */
#ifndef EIDER_TEXT_REPAIR_H
#define EIDER_TEXT_REPAIR_H

#include "base/buf.h"

#include <stddef.h>

void ei_text_repair(const char *data, size_t len, struct ei_buf *out); /* appends */

#endif
