/* Results and lists as aligned tables, CSV or JSON. */
#include "cli/cli.h"
#include "base/mem.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int ei_cli_output(const struct ei_cli *c, enum ei_output *out) {
    *out = EI_OUTPUT_TABLE;
    if (c->output == NULL || strcmp(c->output, "table") == 0)
        return 0;
    if (strcmp(c->output, "json") == 0)
        *out = EI_OUTPUT_JSON;
    else if (strcmp(c->output, "csv") == 0)
        *out = EI_OUTPUT_CSV;
    else {
        (void)ei_cli_usage("--output must be table, json or csv, not '%s'", c->output);
        return -1;
    }
    return 0;
}

void ei_table_init(struct ei_table *t, size_t columns) {
    *t = (struct ei_table){.columns = columns, .right = ei_calloc(columns, sizeof(bool))};
}

void ei_table_release(struct ei_table *t) {
    for (size_t i = 0; i < t->count; i++)
        free(t->cells[i]);
    free(t->cells);
    free(t->right);
    *t = (struct ei_table){0};
}

void ei_table_cell(struct ei_table *t, const char *text, size_t len) {
    EI_GROW(t->cells, t->count, t->capacity);
    t->cells[t->count++] = text == NULL ? NULL : ei_strndup(text, len);
}

void ei_table_puts(struct ei_table *t, const char *text) {
    ei_table_cell(t, text, text == NULL ? 0 : strlen(text));
}

void ei_csv_cell(struct ei_buf *b, const char *text, size_t len, char before) {
    if (before != 0)
        ei_buf_putc(b, before);
    if (text == NULL)
        return;
    bool quote = len == 0;
    for (size_t i = 0; i < len && !quote; i++)
        quote = text[i] == ',' || text[i] == '"' || text[i] == '\n' || text[i] == '\r';
    if (!quote) {
        ei_buf_append(b, text, len);
        return;
    }
    ei_buf_putc(b, '"');
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"')
            ei_buf_putc(b, '"');
        ei_buf_putc(b, text[i]);
    }
    ei_buf_putc(b, '"');
}

/* Columns on a terminal: characters, not bytes; wide characters count as one. */
static size_t width(const char *s) {
    size_t n = 0;
    for (; *s != '\0'; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

/* A cell as it may be shown: control characters would let data steer the terminal. */
static void put_visible(struct ei_buf *b, const char *s) {
    size_t len = strlen(s);
    for (size_t i = 0; i < len;) {
        size_t n = ei_utf8_sequence(s + i, len - i);
        bool control = (unsigned char)s[i] < 0x20 || s[i] == 0x7f ||
                       (n == 2 && (unsigned char)s[i] == 0xc2 && (unsigned char)s[i + 1] < 0xa0);
        if (n == 0 || control)
            ei_buf_puts(b, s[i] == '\n' ? "\\n" : s[i] == '\t' ? "\\t" : "\xef\xbf\xbd");
        else
            ei_buf_append(b, s + i, n);
        i += n == 0 ? 1 : n;
    }
}

static void pad(struct ei_buf *b, size_t n, char c) {
    char *to = ei_buf_reserve(b, n);
    memset(to, c, n);
    b->len += n;
    b->data[b->len] = '\0';
}

static void print_aligned(const struct ei_table *t) {
    size_t rows = t->columns == 0 ? 0 : t->count / t->columns;
    size_t *widths = ei_calloc(t->columns, sizeof *widths);
    char **shown = ei_calloc(t->count, sizeof *shown);
    for (size_t i = 0; i < t->count; i++) {
        struct ei_buf b = {0};
        put_visible(&b, t->cells[i] == NULL ? "NULL" : t->cells[i]);
        shown[i] = ei_buf_steal(&b);
        size_t w = width(shown[i]);
        widths[i % t->columns] = EI_MAX(widths[i % t->columns], w);
    }
    struct ei_buf line = {0};
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < t->columns; c++) {
            const char *text = shown[r * t->columns + c];
            size_t gap = widths[c] - width(text);
            bool right = t->right[c];
            if (right)
                pad(&line, gap, ' ');
            ei_buf_puts(&line, text);
            if (c + 1 < t->columns)
                pad(&line, (right ? 0 : gap) + 2, ' ');
        }
        ei_buf_putc(&line, '\n');
        if (r == 0) {
            for (size_t c = 0; c < t->columns; c++) {
                pad(&line, widths[c], '-');
                ei_buf_puts(&line, c + 1 < t->columns ? "  " : "\n");
            }
        }
        if (line.len > 64 << 10 || r + 1 == rows) {
            (void)fwrite(line.data, 1, line.len, stdout);
            ei_buf_clear(&line);
        }
    }
    ei_buf_release(&line);
    for (size_t i = 0; i < t->count; i++)
        free(shown[i]);
    free(shown);
    free(widths);
}

void ei_table_print(const struct ei_table *t, enum ei_output form) {
    if (form != EI_OUTPUT_CSV) {
        print_aligned(t);
        return;
    }
    struct ei_buf line = {0};
    for (size_t i = 0; i < t->count; i++) {
        const char *cell = t->cells[i];
        ei_csv_cell(&line, cell, cell == NULL ? 0 : strlen(cell), i % t->columns == 0 ? 0 : ',');
        if (i % t->columns + 1 == t->columns)
            ei_buf_putc(&line, '\n');
    }
    if (line.len > 0)
        (void)fwrite(line.data, 1, line.len, stdout);
    ei_buf_release(&line);
}
