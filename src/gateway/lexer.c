/* The little that statements of our own need to know of SQL's text: words, names, strings,
 * brackets. Quotes, dollar quotes and comments are passed over as DuckDB does. */
#include "gateway/internal.h"
#include "base/mem.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *ei_sql_space(const char *p) {
    for (;;) {
        if (isspace((unsigned char)*p)) {
            p++;
        } else if (p[0] == '-' && p[1] == '-') {
            p += strcspn(p, "\n");
        } else if (p[0] == '/' && p[1] == '*') {
            const char *end = strstr(p + 2, "*/");
            p = end == NULL ? p + strlen(p) : end + 2;
        } else {
            return p;
        }
    }
}

static bool word_char(char c) {
    return isalnum((unsigned char)c) || c == '_';
}

bool ei_sql_take(const char **p, const char *words) {
    const char *at = *p;
    while (*words != '\0') {
        at = ei_sql_space(at);
        size_t n = strcspn(words, " ");
        if (strncasecmp(at, words, n) != 0 || (word_char(words[n - 1]) && word_char(at[n])))
            return false;
        at += n;
        words += n + (words[n] == ' ');
    }
    *p = ei_sql_space(at);
    return true;
}

/* Text in quotes, a doubled quote stands for one. NULL if it is never closed. */
static char *take_quoted(const char **p, char quote) {
    struct ei_buf b = {0};
    const char *at = *p + 1;
    for (; *at != '\0' && (*at != quote || at[1] == quote); at++) {
        at += *at == quote;
        ei_buf_putc(&b, *at);
    }
    if (*at != quote) {
        ei_buf_release(&b);
        return NULL;
    }
    *p = ei_sql_space(at + 1);
    return ei_buf_steal(&b);
}

static char *take_run(const char **p, const char *end) {
    char *text = end == *p ? NULL : ei_strndup(*p, (size_t)(end - *p));
    *p = ei_sql_space(end);
    return text;
}

char *ei_sql_name(const char **p) {
    const char *at = ei_sql_space(*p), *end = at;
    if (*at == '"') {
        char *name = take_quoted(&at, '"');
        *p = at;
        if (name != NULL && name[0] != '\0')
            return name;
        free(name);
        return NULL;
    }
    while (word_char(*end) || (unsigned char)*end >= 0x80)
        end++;
    *p = at;
    return take_run(p, end);
}

char *ei_sql_string(const char **p) {
    const char *at = ei_sql_space(*p);
    if (*at != '\'')
        return NULL;
    char *text = take_quoted(&at, '\'');
    if (text != NULL)
        *p = at;
    return text;
}

char *ei_sql_bare(const char **p) {
    const char *at = ei_sql_space(*p), *end = at;
    while (*end != '\0' && !isspace((unsigned char)*end) && strchr(",();'\"", *end) == NULL)
        end++;
    *p = at;
    return take_run(p, end);
}

/* Behind $tag$ ... $tag$, or behind the dollar if it begins none. */
static const char *skip_dollar(const char *p) {
    const char *end = p + 1;
    while (word_char(*end))
        end++;
    if (*end != '$' || isdigit((unsigned char)p[1]))
        return p + 1;
    size_t tag = (size_t)(end + 1 - p);
    for (const char *q = end + 1; *q != '\0'; q++)
        if (strncmp(q, p, tag) == 0)
            return q + tag;
    return p + strlen(p);
}

static const char *skip_quoted(const char *p) {
    char quote = *p;
    for (p++; *p != '\0' && (*p != quote || p[1] == quote); p++)
        p += *p == quote;
    return *p == '\0' ? p : p + 1;
}

char *ei_sql_inside(const char **p) {
    const char *begin = *p + 1, *at = begin;
    int depth = 1;
    while (*at != '\0') {
        const char *space = ei_sql_space(at);
        if (space != at) {
            at = space;
        } else if (*at == '\'' || *at == '"') {
            at = skip_quoted(at);
        } else if (*at == '$') {
            at = skip_dollar(at);
        } else {
            depth += *at == '(' ? 1 : *at == ')' ? -1 : 0;
            if (depth == 0) {
                *p = ei_sql_space(at + 1);
                return ei_strndup(begin, (size_t)(at - begin));
            }
            at++;
        }
    }
    return NULL;
}

bool ei_sql_end(const char *p) {
    p = ei_sql_space(p);
    if (*p == ';')
        p = ei_sql_space(p + 1);
    return *p == '\0';
}
