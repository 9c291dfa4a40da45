#ifndef EIDER_BASE_UTF8_H
#define EIDER_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Length (1 to 4) of the valid UTF-8 sequence at s (RFC 3629: no surrogates, no overlong forms),
 * 0 if there is none within len bytes. */
size_t ei_utf8_sequence(const char *s, size_t len);
bool ei_utf8_valid(const char *s, size_t len);

#endif
