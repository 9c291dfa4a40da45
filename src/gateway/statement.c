/* Tells our own statements from DuckDB's. Keywords may be in any case; comments count as space. */
#include "gateway/internal.h"
#include "base/mem.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *skip_space(const char *p) {
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

/* Moves *p behind the words if they come next. */
static bool take(const char **p, const char *words) {
    const char *at = *p;
    while (*words != '\0') {
        at = skip_space(at);
        size_t n = strcspn(words, " ");
        if (strncasecmp(at, words, n) != 0 || word_char(at[n]))
            return false;
        at += n;
        words += n + (words[n] == ' ');
    }
    *p = skip_space(at);
    return true;
}

/* A plain or "quoted" table name. NULL if there is none. */
static char *take_name(const char **p) {
    const char *at = skip_space(*p);
    struct ei_buf b = {0};
    if (*at == '"') {
        for (at++; *at != '\0' && (*at != '"' || at[1] == '"'); at++) {
            at += *at == '"';
            ei_buf_putc(&b, *at);
        }
        if (*at == '"')
            at++;
    } else {
        while (word_char(*at) || (unsigned char)*at >= 0x80)
            ei_buf_putc(&b, *at++);
    }
    *p = skip_space(at);
    if (b.len == 0) {
        ei_buf_release(&b);
        return NULL;
    }
    return ei_buf_steal(&b);
}

static int parse_create(const char *p, struct ei_statement *out, struct ei_error *e) {
    out->kind = EI_STATEMENT_CREATE_TABLE;
    out->if_not_exists = take(&p, "if not exists");
    out->name = take_name(&p);
    if (out->name == NULL)
        return ei_fail(e, EI_INVALID,
                       "CREATE EXTERNAL TABLE needs a table name: CREATE EXTERNAL "
                       "TABLE logs AS FROM 'logs/*.csv'");
    if (!take(&p, "as from") && !take(&p, "as select * from"))
        return ei_fail(e, EI_INVALID,
                       "after CREATE EXTERNAL TABLE %s there must be AS FROM and "
                       "files: AS FROM 'data/*.parquet' or AS FROM read_csv('x.csv', header=true)",
                       out->name);
    out->body = p;
    return 0;
}

static int parse_drop(const char *p, struct ei_statement *out, struct ei_error *e) {
    out->kind = EI_STATEMENT_DROP_TABLE;
    out->if_exists = take(&p, "if exists");
    out->name = take_name(&p);
    if (out->name == NULL || *p != '\0')
        return ei_fail(e, EI_INVALID, "DROP TABLE needs one table name");
    return 0;
}

int ei_statement_parse(const char *sql, struct ei_statement *out, struct ei_error *e) {
    *out = (struct ei_statement){0};
    const char *p = skip_space(sql);
    if (*p == '\0')
        return ei_fail(e, EI_INVALID, "there is no SQL statement");
    if (take(&p, "explain analyze"))
        return ei_fail(e, EI_UNSUPPORTED,
                       "EXPLAIN ANALYZE is not there yet: run the query, then "
                       "`eider job show ID` shows its stages with times and sizes");
    if (take(&p, "explain"))
        out->explain = true;
    out->body = p;
    if (take(&p, "create external table"))
        return parse_create(p, out, e);
    if (take(&p, "create or replace external table")) {
        out->or_replace = true;
        return parse_create(p, out, e);
    }
    if (take(&p, "drop external table") || take(&p, "drop table"))
        return parse_drop(p, out, e);
    if (take(&p, "show tables") || take(&p, "show all tables")) {
        if (*p != '\0')
            return ei_fail(e, EI_INVALID, "SHOW TABLES stands alone");
        out->kind = EI_STATEMENT_SHOW_TABLES;
    } else if (take(&p, "describe") || take(&p, "desc")) {
        out->kind = EI_STATEMENT_DESCRIBE;
        out->body = p;
    }
    return 0;
}

void ei_statement_release(struct ei_statement *s) {
    free(s->name);
    *s = (struct ei_statement){0};
}
