/* CSV: DuckDB sniffs each file; if all have one dialect and one set of columns, they are cut at
 * record ends and each part is read with exactly what was sniffed. */
#include "duck/facts.h"

#include "base/mem.h"
#include "text/csv_cut.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define SNIFFED_FILES_MAX 64

/* Of read_csv, those that mean the same for each part of a file. */
static const char *const SPLIT_OPTIONS[] = {"all_varchar",
                                            "allow_quoted_nulls",
                                            "auto_detect",
                                            "auto_type_candidates",
                                            "buffer_size",
                                            "column_names",
                                            "column_types",
                                            "columns",
                                            "dateformat",
                                            "date_format",
                                            "decimal_separator",
                                            "delim",
                                            "delimiter",
                                            "dtypes",
                                            "escape",
                                            "force_not_null",
                                            "header",
                                            "max_line_size",
                                            "maximum_line_size",
                                            "names",
                                            "new_line",
                                            "normalize_names",
                                            "null",
                                            "nullstr",
                                            "parallel",
                                            "quote",
                                            "sample_size",
                                            "sep",
                                            "thousands",
                                            "timestampformat",
                                            "timestamp_format",
                                            "types",
                                            NULL};

/* What sniff_csv says of one file. */
struct sniffed {
    struct ei_csv_dialect dialect;
    char *options; /* of read_csv, for a part that begins the file */
};

/* Walks over "a=1, b='x,y', c={'d': 'e'}": *at is the start of an option; returns its length. */
static size_t option_length(const char *at) {
    int depth = 0;
    bool quoted = false;
    size_t i = 0;
    for (; at[i] != '\0'; i++) {
        char c = at[i];
        if (c == '\'')
            quoted = !quoted;
        else if (quoted)
            continue;
        else if (c == '{' || c == '[' || c == '(')
            depth++;
        else if (c == '}' || c == ']' || c == ')')
            depth--;
        else if (c == ',' && depth == 0)
            break;
    }
    return i;
}

/* The options of a part behind the header: the same, and header=false. */
static char *without_header(const char *options) {
    struct ei_buf b = {0};
    for (const char *at = options; *at != '\0';) {
        size_t n = option_length(at);
        if (strncmp(at, "header", 6) != 0 || (at[6] != '=' && at[6] != ' ')) {
            ei_buf_append(&b, at, n);
            ei_buf_puts(&b, ", ");
        }
        at += n;
        at += strspn(at, ", ");
    }
    ei_buf_puts(&b, "header=false");
    return ei_buf_steal(&b);
}

/* sniff_csv prints a control character as an escape, and nothing as (empty). */
static const char *one_char(const char *text, char *out) {
    if (text == NULL || strcmp(text, "(empty)") == 0 || text[0] == '\0')
        *out = 0;
    else if (strcmp(text, "\\t") == 0)
        *out = '\t';
    else if (text[1] == '\0' && (unsigned char)text[0] < 0x80)
        *out = text[0];
    else
        return "its dialect has a separator of several characters";
    return NULL;
}

static const char *read_dialect(const struct ei_rows *r, struct ei_csv_dialect *d) {
    char escape, comment;
    const char *newline = ei_rows_at(r, 0, 3);
    const char *reason = one_char(ei_rows_at(r, 0, 0), &d->delimiter);
    if (reason == NULL)
        reason = one_char(ei_rows_at(r, 0, 1), &d->quote);
    if (reason == NULL)
        reason = one_char(ei_rows_at(r, 0, 2), &escape);
    if (reason == NULL)
        reason = one_char(ei_rows_at(r, 0, 4), &comment);
    if (reason != NULL)
        return reason;
    d->double_quote = escape == d->quote && d->quote != 0;
    if (escape != 0 && escape != d->quote)
        return "its quotes are escaped with a character of its own";
    if (comment != 0)
        return "it has comments";
    if (newline == NULL || (strcmp(newline, "\\n") != 0 && strcmp(newline, "\\r\\n") != 0))
        return "its lines do not end with a line feed";
    if (ei_rows_number(r, 0, 5) != 0)
        return "it begins with lines to skip";
    if (d->delimiter == 0 || d->delimiter == '\n' || d->delimiter == '\r' || d->delimiter == '"')
        return "its delimiter is unusual";
    return NULL;
}

/* NULL, or why the file cannot be divided. The prompt is FROM read_csv('path', options); */
static const char *sniff(struct ei_facts *f, const char *path, struct sniffed *out) {
    struct ei_buf sql = {0}, head = {0};
    struct ei_rows r;
    struct ei_error ignored; /* reading it whole will say what is wrong */
    ei_buf_puts(&sql, "SELECT Delimiter, Quote, Escape, NewLineDelimiter, Comment, SkipRows, "
                      "Prompt FROM sniff_csv(");
    ei_buf_sql_string(&sql, path);
    ei_buf_puts(&sql, f->user_options.len > 0 ? f->user_options.data : "");
    ei_buf_putc(&sql, ')');
    const char *reason = NULL;
    if (ei_rows_query(f->c, sql.data, &r, &ignored) != 0 || r.row_count != 1) {
        reason = "its dialect cannot be found out alone";
        goto done;
    }
    reason = read_dialect(&r, &out->dialect);
    const char *prompt = ei_rows_at(&r, 0, 6);
    ei_buf_printf(&head, "FROM read_csv('%s', ", path);
    size_t n = prompt != NULL ? strlen(prompt) : 0;
    if (reason == NULL && (n < head.len + 2 || strncmp(prompt, head.data, head.len) != 0 ||
                           strcmp(prompt + n - 2, ");") != 0))
        reason = "its dialect cannot be written down";
    if (reason == NULL)
        out->options = ei_strndup(prompt + head.len, n - 2 - head.len);
done:
    ei_rows_release(&r);
    ei_buf_release(&sql);
    ei_buf_release(&head);
    return reason;
}

static bool same_rows(const struct ei_rows *a, const struct ei_rows *b) {
    if (a->row_count != b->row_count)
        return false;
    for (size_t i = 0; i < a->row_count; i++)
        if (strcmp(ei_rows_at(a, i, 0), ei_rows_at(b, i, 0)) != 0 ||
            strcmp(ei_rows_at(a, i, 1), ei_rows_at(b, i, 1)) != 0)
            return false;
    return true;
}

/* Do these options give the columns that the user's own call gives? */
static bool gives_columns(struct ei_facts *f, const char *options, const struct ei_rows *columns) {
    struct ei_buf b = {0};
    struct ei_rows described;
    struct ei_error ignored;
    ei_buf_printf(&b, ", %s", options);
    bool same = ei_facts_describe(f, "read_csv", b.data, &described, &ignored) == 0;
    ei_buf_release(&b);
    if (same) {
        same = same_rows(columns, &described);
        ei_rows_release(&described);
    }
    return same;
}

static const char *sniff_all(struct ei_facts *f, const struct ei_rows *columns,
                             struct sniffed *out) {
    if (f->file_count > SNIFFED_FILES_MAX)
        return "it has too many files to look at each one's dialect";
    const char *reason = sniff(f, f->files[0].path, out);
    for (size_t i = 1; reason == NULL && i < f->file_count; i++) {
        struct sniffed other = {0};
        reason = sniff(f, f->files[i].path, &other);
        if (reason == NULL && strcmp(other.options, out->options) != 0)
            reason = "its files differ in dialect or types";
        free(other.options);
    }
    if (reason != NULL)
        return reason;
    char *rest = without_header(out->options);
    if (!gives_columns(f, out->options, columns) || !gives_columns(f, rest, columns))
        reason = "its columns cannot be written down";
    else
        ei_facts_set(&f->out->input->options, rest);
    ei_facts_set(&f->out->input->first_options, out->options);
    free(rest);
    return reason;
}

static int cut_file(struct ei_facts *f, size_t file, const struct ei_csv_dialect *dialect,
                    uint64_t target, const char **reason, struct ei_error *e) {
    const char *data;
    size_t *positions;
    size_t n = ei_facts_positions(f, &f->files[file], target, &positions);
    if (n == 0) {
        free(positions);
        ei_facts_add_cut_file(f, file, NULL, 0);
        return 0;
    }
    size_t size = f->files[file].size;
    size_t *cuts = ei_calloc(n, sizeof *cuts);
    int rc = ei_facts_map(&f->files[file], &data, e);
    if (rc == 0) {
        if (dialect->quote == 0 && memchr(data, '"', size) != NULL)
            *reason = "quotes appear only behind the lines that DuckDB looked at";
        else
            *reason = ei_csv_cut(dialect, data, size, positions, n, cuts);
        (void)munmap((void *)data, size);
        if (*reason == NULL)
            ei_facts_add_cut_file(f, file, cuts, n);
    }
    free(cuts);
    free(positions);
    return rc;
}

static int split_files(struct ei_facts *f, const struct ei_csv_dialect *dialect,
                       const char **reason, struct ei_error *e) {
    uint64_t target = ei_facts_target(f, f->limits->min_text_bytes, f->limits->max_text_bytes);
    uint64_t *ends = ei_calloc(f->file_count, sizeof *ends);
    int rc = 0;
    for (size_t i = 0; rc == 0 && *reason == NULL && i < f->file_count; i++) {
        ends[i] = f->files[i].size;
        rc = cut_file(f, i, dialect, target, reason, e);
    }
    if (rc == 0 && *reason == NULL)
        ei_facts_pack(f, target, ends);
    free(ends);
    return rc;
}

int ei_facts_csv(struct ei_facts *f, struct ei_error *e) {
    struct ei_rows columns;
    struct sniffed sniffed = {0};
    if (ei_facts_describe(f, "read_csv", f->user_options.data, &columns, e) != 0)
        return -1;
    ei_facts_set_columns(f, &columns);
    ei_facts_estimate_rows(f);
    const char *reason = NULL;
    int rc = 0;
    const char *auto_detect = ei_facts_option(f, "auto_detect");
    if (ei_facts_other_option(f, SPLIT_OPTIONS) != NULL)
        goto whole;
    if (auto_detect != NULL && strcmp(auto_detect, "true") != 0) {
        reason = "auto_detect is off";
        goto whole;
    }
    reason = sniff_all(f, &columns, &sniffed);
    if (reason == NULL)
        rc = split_files(f, &sniffed.dialect, &reason, e);
    if (rc == 0 && reason == NULL) {
        f->out->input->kind = EIDER__V1__SOURCE_KIND__SOURCE_CSV;
        goto done;
    }
whole:
    ei_facts_whole(f, "read_csv", reason);
done:
    free(sniffed.options);
    ei_rows_release(&columns);
    return rc;
}
