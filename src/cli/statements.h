#ifndef EIDER_CLI_STATEMENTS_H
#define EIDER_CLI_STATEMENTS_H

#include <stddef.h>

/* Length of the first SQL statement in text, up to but without its semicolon; *next is where the
 * following one begins (behind the semicolon, or the end). Semicolons in quotes, dollar quotes and
 * comments do not count. A piece of nothing but space and comments has length 0. */
size_t ei_statement_length(const char *text, const char **next);

#endif
