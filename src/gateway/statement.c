/* Tells our own statements from DuckDB's. Keywords may be in any case; comments count as space. */
#include "gateway/internal.h"
#include "base/mem.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static int need_end(const char *p, const char *what, struct ei_error *e) {
    return ei_sql_end(p)
               ? 0
               : ei_fail(e, EI_INVALID, "%s is not understood from here on: %.40s", what, p);
}

static int need_name(const char **p, struct ei_statement *out, const char *what,
                     struct ei_error *e) {
    out->name = ei_sql_name(p);
    if (out->name == NULL)
        return ei_fail(e, EI_INVALID, "%s needs a name", what);
    if (**p == '.')
        return ei_fail(e, EI_INVALID, "%s: a name is one word, there are no schemas here", what);
    return 0;
}

/* ---- CREATE ---- */

static int parse_external(const char *p, struct ei_statement *out, struct ei_error *e) {
    out->kind = EI_STATEMENT_CREATE_EXTERNAL;
    out->if_not_exists = ei_sql_take(&p, "if not exists");
    out->name = ei_sql_name(&p);
    if (out->name == NULL)
        return ei_fail(e, EI_INVALID,
                       "CREATE EXTERNAL TABLE needs a table name: CREATE EXTERNAL "
                       "TABLE logs AS FROM 'logs/*.csv'");
    if (!ei_sql_take(&p, "as from") && !ei_sql_take(&p, "as select * from"))
        return ei_fail(e, EI_INVALID,
                       "after CREATE EXTERNAL TABLE %s there must be AS FROM and "
                       "files: AS FROM 'data/*.parquet' or AS FROM read_csv('x.csv', header=true)",
                       out->name);
    out->query = ei_strdup(p);
    return 0;
}

static int parse_table(const char *p, struct ei_statement *out, struct ei_error *e) {
    out->kind = EI_STATEMENT_CREATE_TABLE;
    out->if_not_exists = ei_sql_take(&p, "if not exists");
    if (need_name(&p, out, "CREATE TABLE", e) != 0)
        return -1;
    if (!ei_sql_take(&p, "as"))
        return ei_fail(e, EI_UNSUPPORTED,
                       "CREATE TABLE %s must be followed by AS and a query: CREATE TABLE %s AS "
                       "SELECT ... (for an empty table, a query without rows)",
                       out->name, out->name);
    out->query = ei_strdup(p);
    return 0;
}

static int parse_view(const char *p, struct ei_statement *out, struct ei_error *e) {
    out->kind = EI_STATEMENT_CREATE_VIEW;
    out->if_not_exists = ei_sql_take(&p, "if not exists");
    if (need_name(&p, out, "CREATE VIEW", e) != 0)
        return -1;
    if (!ei_sql_take(&p, "as"))
        return ei_fail(e, EI_INVALID, "CREATE VIEW %s must be followed by AS and a query",
                       out->name);
    out->query = ei_strdup(p);
    return 0;
}

static int parse_create(const char *p, struct ei_statement *out, struct ei_error *e) {
    out->or_replace = ei_sql_take(&p, "or replace");
    if (ei_sql_take(&p, "external table"))
        return parse_external(p, out, e);
    if (ei_sql_take(&p, "table"))
        return parse_table(p, out, e);
    if (ei_sql_take(&p, "view"))
        return parse_view(p, out, e);
    return ei_fail(e, EI_UNSUPPORTED,
                   "CREATE knows TABLE name AS SELECT ..., EXTERNAL TABLE name AS FROM files and "
                   "VIEW name AS SELECT ...");
}

static int parse_drop(const char *p, struct ei_statement *out, struct ei_error *e) {
    out->kind = EI_STATEMENT_DROP;
    out->if_exists = ei_sql_take(&p, "if exists");
    out->name = ei_sql_name(&p);
    if (out->name == NULL || !ei_sql_end(p))
        return ei_fail(e, EI_INVALID, "DROP %s needs one name", out->view ? "VIEW" : "TABLE");
    return 0;
}

/* ---- INSERT ---- */

static int parse_columns(const char *inside, struct ei_statement *out, struct ei_error *e) {
    for (;;) {
        char *name = ei_sql_name(&inside);
        if (name == NULL)
            return ei_fail(e, EI_INVALID, "INSERT INTO %s (...): a column name is missing",
                           out->name);
        out->columns = ei_realloc(out->columns, (out->column_count + 1) * sizeof *out->columns);
        out->columns[out->column_count++] = name;
        if (*inside == '\0')
            return 0;
        if (*inside != ',')
            return ei_fail(e, EI_INVALID, "INSERT INTO %s (...): %s is followed by %.20s",
                           out->name, name, inside);
        inside++;
    }
}

/* Is the bracket that comes a list of columns, or a query? */
static bool is_query(const char *inside) {
    return ei_sql_take(&inside, "select") || ei_sql_take(&inside, "with") ||
           ei_sql_take(&inside, "from") || ei_sql_take(&inside, "values") || inside[0] == '(';
}

static int parse_insert(const char *p, struct ei_statement *out, struct ei_error *e) {
    out->kind = EI_STATEMENT_INSERT;
    if (need_name(&p, out, "INSERT INTO", e) != 0)
        return -1;
    if (ei_sql_take(&p, "by name"))
        out->by_name = true;
    else
        (void)ei_sql_take(&p, "by position");
    if (*p == '(' && !out->by_name) {
        const char *behind = p;
        char *inside = ei_sql_inside(&behind);
        int rc = 0;
        if (inside != NULL && !is_query(ei_sql_space(inside))) {
            rc = parse_columns(inside, out, e);
            p = behind;
        }
        free(inside);
        if (rc != 0)
            return -1;
    }
    if (*p == '\0' || *p == ';')
        return ei_fail(e, EI_INVALID, "INSERT INTO %s must be followed by a query or VALUES",
                       out->name);
    out->query = ei_strdup(p);
    return 0;
}

/* ---- COPY ---- */

static void add_value(struct ei_copy_option *o, char *value) {
    o->values = ei_realloc(o->values, (o->count + 1) * sizeof *o->values);
    o->values[o->count++] = value;
}

static int parse_value(const char **p, struct ei_copy_option *o, struct ei_error *e) {
    char *value = NULL;
    if (**p == '\'') {
        value = ei_sql_string(p);
        o->quoted = true;
    } else {
        value = **p == '"' ? ei_sql_name(p) : ei_sql_bare(p);
    }
    if (value == NULL)
        return ei_fail(e, EI_INVALID, "COPY: the value of %s is not understood: %.20s", o->name,
                       *p);
    add_value(o, value);
    return 0;
}

static int parse_values(const char **p, struct ei_copy_option *o, struct ei_error *e) {
    (void)ei_sql_take(p, "=");
    if (**p == ',' || **p == '\0')
        return 0; /* a switch: HEADER */
    if (**p != '(')
        return parse_value(p, o, e);
    char *inside = ei_sql_inside(p);
    if (inside == NULL)
        return ei_fail(e, EI_INVALID, "COPY: the bracket of %s is never closed", o->name);
    const char *at = ei_sql_space(inside);
    int rc;
    while ((rc = parse_value(&at, o, e)) == 0 && *at == ',')
        at = ei_sql_space(at + 1);
    if (rc == 0 && *at != '\0')
        rc =
            ei_fail(e, EI_INVALID, "COPY: the values of %s are not understood: %.20s", o->name, at);
    free(inside);
    return rc;
}

static int parse_options(const char *p, struct ei_statement *out, struct ei_error *e) {
    for (p = ei_sql_space(p); *p != '\0'; p = ei_sql_space(p + 1)) {
        char *name = ei_sql_name(&p);
        if (name == NULL)
            return ei_fail(e, EI_INVALID, "COPY: an option's name is missing before %.20s", p);
        for (char *c = name; *c != '\0'; c++)
            *c = (char)tolower((unsigned char)*c);
        out->options = ei_realloc(out->options, (out->option_count + 1) * sizeof *out->options);
        struct ei_copy_option *o = &out->options[out->option_count++];
        *o = (struct ei_copy_option){.name = name};
        if (parse_values(&p, o, e) != 0)
            return -1;
        if (*p == '\0')
            return 0;
        if (*p != ',')
            return ei_fail(e, EI_INVALID, "COPY: after the option %s comes %.20s", name, p);
    }
    return 0;
}

static int parse_copy_source(const char **p, struct ei_statement *out, struct ei_error *e) {
    if (**p == '(') {
        out->query = ei_sql_inside(p);
        return out->query != NULL ? 0 : ei_fail(e, EI_INVALID, "COPY: a bracket is never closed");
    }
    struct ei_buf query = {0};
    char *columns = NULL;
    if (need_name(p, out, "COPY", e) != 0)
        return -1;
    if (**p == '(' && (columns = ei_sql_inside(p)) == NULL)
        return ei_fail(e, EI_INVALID, "COPY: a bracket is never closed");
    ei_buf_printf(&query, "SELECT %s FROM ", columns == NULL ? "*" : columns);
    ei_buf_sql_ident(&query, out->name);
    out->query = ei_buf_steal(&query);
    free(columns);
    return 0;
}

static int parse_copy(const char *p, struct ei_statement *out, struct ei_error *e) {
    out->kind = EI_STATEMENT_COPY;
    if (parse_copy_source(&p, out, e) != 0)
        return -1;
    if (ei_sql_take(&p, "from"))
        return ei_fail(e, EI_UNSUPPORTED,
                       "COPY ... FROM is not there: INSERT INTO %s FROM 'file' does it", out->name);
    if (!ei_sql_take(&p, "to"))
        return ei_fail(e, EI_INVALID,
                       "COPY needs TO and a path: COPY (SELECT ...) TO 'out.parquet'");
    out->target = ei_sql_string(&p);
    if (out->target == NULL || out->target[0] == '\0')
        return ei_fail(e, EI_INVALID, "COPY ... TO needs a path in quotes");
    (void)ei_sql_take(&p, "with");
    if (*p == '(') {
        char *inside = ei_sql_inside(&p);
        int rc = inside == NULL ? ei_fail(e, EI_INVALID, "COPY: a bracket is never closed")
                                : parse_options(inside, out, e);
        free(inside);
        if (rc != 0)
            return -1;
    }
    return need_end(p, "COPY", e);
}

/* ---- the rest ---- */

static int parse_set(const char *p, struct ei_statement *out, bool reset, struct ei_error *e) {
    out->kind = EI_STATEMENT_SET;
    if (!ei_sql_take(&p, "session"))
        (void)ei_sql_take(&p, "local");
    bool zone = ei_sql_take(&p, "time zone"); /* the standard's own form, without = */
    out->name = zone ? ei_strdup("TimeZone") : ei_sql_name(&p);
    if (out->name == NULL)
        return ei_fail(e, EI_INVALID, "%s needs the name of a setting", reset ? "RESET" : "SET");
    if (reset)
        return need_end(p, "RESET", e);
    if (!ei_sql_take(&p, "=") && !ei_sql_take(&p, "to") && !zone)
        return ei_fail(e, EI_INVALID, "SET %s needs a value: SET %s = ...", out->name, out->name);
    out->query = *p == '\'' ? ei_sql_string(&p) : *p == '"' ? ei_sql_name(&p) : ei_sql_bare(&p);
    if (out->query == NULL)
        return ei_fail(e, EI_INVALID, "SET %s: the value is not understood", out->name);
    return need_end(p, "SET", e);
}

static int parse_named(const char *p, struct ei_statement *out, enum ei_statement_kind kind,
                       const char *what, struct ei_error *e) {
    out->kind = kind;
    if (need_name(&p, out, what, e) != 0)
        return -1;
    return need_end(p, what, e);
}

static int parse_show(const char *p, struct ei_statement *out, struct ei_error *e) {
    if (ei_sql_take(&p, "tables") || ei_sql_take(&p, "all tables")) {
        out->kind = EI_STATEMENT_SHOW_TABLES;
        return ei_sql_end(p) ? 0 : ei_fail(e, EI_INVALID, "SHOW TABLES stands alone");
    }
    if (ei_sql_take(&p, "stats for") || ei_sql_take(&p, "stats"))
        return parse_named(p, out, EI_STATEMENT_SHOW_STATS, "SHOW STATS", e);
    out->kind = EI_STATEMENT_DESCRIBE; /* SHOW name is DESCRIBE name */
    out->query = ei_strdup(p);
    return 0;
}

static int parse_rest(const char *p, struct ei_statement *out, struct ei_error *e) {
    out->kind = EI_STATEMENT_SELECT;
    if (ei_sql_take(&p, "create"))
        return parse_create(p, out, e);
    out->view = ei_sql_take(&p, "drop view");
    if (out->view || ei_sql_take(&p, "drop external table") || ei_sql_take(&p, "drop table"))
        return parse_drop(p, out, e);
    if (ei_sql_take(&p, "insert into"))
        return parse_insert(p, out, e);
    if (ei_sql_take(&p, "copy"))
        return parse_copy(p, out, e);
    if (ei_sql_take(&p, "show"))
        return parse_show(p, out, e);
    if (ei_sql_take(&p, "describe extended") || ei_sql_take(&p, "desc extended"))
        return parse_named(p, out, EI_STATEMENT_SHOW_STATS, "DESCRIBE EXTENDED", e);
    if (ei_sql_take(&p, "describe") || ei_sql_take(&p, "desc"))
        out->kind = EI_STATEMENT_DESCRIBE;
    else if (ei_sql_take(&p, "analyze"))
        return parse_named(p, out, EI_STATEMENT_ANALYZE, "ANALYZE", e);
    else if (ei_sql_take(&p, "set"))
        return parse_set(p, out, false, e);
    else if (ei_sql_take(&p, "reset"))
        return parse_set(p, out, true, e);
    out->query = ei_strdup(p);
    return 0;
}

int ei_statement_parse(const char *sql, struct ei_statement *out, struct ei_error *e) {
    *out = (struct ei_statement){0};
    const char *p = ei_sql_space(sql);
    if (ei_sql_end(p))
        return ei_fail(e, EI_INVALID, "there is no SQL statement");
    out->analyze = ei_sql_take(&p, "explain analyze");
    out->explain = !out->analyze && ei_sql_take(&p, "explain");
    return parse_rest(p, out, e);
}

void ei_statement_release(struct ei_statement *s) {
    for (size_t i = 0; i < s->column_count; i++)
        free(s->columns[i]);
    for (size_t i = 0; i < s->option_count; i++) {
        for (size_t k = 0; k < s->options[i].count; k++)
            free(s->options[i].values[k]);
        free(s->options[i].values);
        free(s->options[i].name);
    }
    free(s->columns);
    free(s->options);
    free(s->name);
    free(s->query);
    free(s->target);
    *s = (struct ei_statement){0};
}
