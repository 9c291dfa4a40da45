#include "cli/statements.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

static const char *skip_quoted(const char *p, char quote) {
    for (p++; *p != '\0'; p++)
        if (*p == quote) {
            if (p[1] != quote)
                return p + 1;
            p++;
        }
    return p;
}

/* $tag$ ... $tag$ ; p at the first dollar. Not one: returns p + 1. */
static const char *skip_dollar(const char *p) {
    const char *end = p + 1;
    while (isalnum((unsigned char)*end) || *end == '_')
        end++;
    if (*end != '$' || isdigit((unsigned char)p[1]))
        return p + 1;
    size_t tag = (size_t)(end + 1 - p);
    for (const char *q = end + 1; *q != '\0'; q++)
        if (strncmp(q, p, tag) == 0)
            return q + tag;
    return p + strlen(p);
}

static const char *skip_block_comment(const char *p) {
    int depth = 0;
    while (*p != '\0') {
        if (p[0] == '/' && p[1] == '*') {
            depth++;
            p += 2;
        } else if (p[0] == '*' && p[1] == '/') {
            p += 2;
            if (--depth == 0)
                return p;
        } else {
            p++;
        }
    }
    return p;
}

size_t ei_statement_length(const char *text, const char **next) {
    const char *p = text;
    bool something = false;
    while (*p != '\0' && *p != ';') {
        if (p[0] == '-' && p[1] == '-') {
            p += strcspn(p, "\n");
        } else if (p[0] == '/' && p[1] == '*') {
            p = skip_block_comment(p);
        } else {
            something |= !isspace((unsigned char)*p);
            if (*p == '\'' || *p == '"')
                p = skip_quoted(p, *p);
            else
                p = *p == '$' ? skip_dollar(p) : p + 1;
        }
    }
    *next = *p == ';' ? p + 1 : p;
    return something ? (size_t)(p - text) : 0;
}
