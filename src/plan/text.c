/* The user's own text with input names in the place of the tables: what DuckDB makes column names
 * of, and what its error messages quote, stays as it was written. */
#include "plan/internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *skip_quoted(const char *p, char quote) {
    for (p++; *p != '\0'; p++) {
        if (*p != quote)
            continue;
        if (p[1] != quote)
            return p + 1;
        p++;
    }
    return NULL;
}

static const char *skip_space(const char *p) {
    while (isspace((unsigned char)*p) != 0)
        p++;
    return p;
}

/* Behind name, "name", 'file', a.b.c; NULL if there is none at p. */
static const char *skip_name(const char *p) {
    for (;;) {
        const char *start = p;
        if (*p == '"' || *p == '\'')
            p = skip_quoted(p, *p);
        else
            while (isalnum((unsigned char)*p) != 0 || *p == '_' || (*p & 0x80) != 0)
                p++;
        if (p == NULL || p == start)
            return NULL;
        if (*p != '.')
            return p;
        p++;
    }
}

static const char *skip_comment(const char *p) {
    if (p[0] == '-' && p[1] == '-')
        return p + strcspn(p, "\n");
    if (p[0] == '/' && p[1] == '*') {
        const char *end = strstr(p + 2, "*/");
        return end == NULL ? NULL : end + 2;
    }
    return p;
}

/* Behind the ')' that closes the '(' at p. Dollar quotes are not followed. */
static const char *skip_parentheses(const char *p) {
    int depth = 0;
    while (p != NULL && *p != '\0') {
        const char *behind = skip_comment(p);
        if (behind != p) {
            p = behind;
        } else if (*p == '\'' || *p == '"') {
            p = skip_quoted(p, *p);
        } else if (*p == '$') {
            return NULL;
        } else {
            depth += *p == '(' ? 1 : *p == ')' ? -1 : 0;
            p++;
            if (depth == 0)
                return p;
        }
    }
    return NULL;
}

static int by_location(const void *a, const void *b) {
    uint64_t x = ((const struct ei_plan_named *)a)->location;
    uint64_t y = ((const struct ei_plan_named *)b)->location;
    return x < y ? -1 : x > y;
}

char *ei_plan_text(const char *sql, const struct ei_plan_names *names) {
    if (names->count == 0)
        return ei_strdup(sql);
    qsort(names->items, names->count, sizeof *names->items, by_location);
    struct ei_buf text = {0};
    const char *from = sql;
    size_t len = strlen(sql);
    for (size_t i = 0; i < names->count; i++) {
        const struct ei_plan_named *n = &names->items[i];
        if (n->location >= len || sql + n->location < from)
            break;
        const char *end = skip_name(sql + n->location);
        const char *open = end == NULL ? NULL : skip_space(end);
        if (open != NULL && *open == '(')
            end = skip_parentheses(open);
        if (end == NULL)
            break;
        ei_buf_append(&text, from, (size_t)(sql + n->location - from));
        ei_buf_sql_ident(&text, n->input);
        if (n->visible != NULL) {
            ei_buf_puts(&text, " AS ");
            ei_buf_sql_ident(&text, n->visible);
        }
        from = end;
        if (i + 1 == names->count) {
            ei_buf_puts(&text, from);
            return ei_buf_steal(&text);
        }
    }
    ei_buf_release(&text);
    return NULL;
}
