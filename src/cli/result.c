#include "cli/result.h"
#include "base/mem.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES (256u << 20)
#define FLUSH_BYTES (256u << 10)
#define PAGE_ROWS 50000 /* a table is aligned over so many rows at a time */

void ei_result_init(struct ei_result *r, enum ei_output form) {
    *r = (struct ei_result){.form = form, .first_rows = true, .begin_us = ei_now_us()};
}

void ei_result_release(struct ei_result *r) {
    ei_buf_release(&r->line);
    ei_buf_release(&r->out);
    if (r->has_table)
        ei_table_release(&r->table);
    json_object_put(r->header);
    r->header = NULL;
}

static void flush(struct ei_result *r) {
    if (r->out.len > 0)
        (void)fwrite(r->out.data, 1, r->out.len, stdout);
    ei_buf_clear(&r->out);
}

static void clear_progress(struct ei_result *r) {
    if (r->progress_shown)
        (void)fputs("\r\x1b[K", stderr);
    r->progress_shown = false;
}

static bool is_numeric(const char *type) {
    static const char *const NAMES[] = {"TINYINT",  "SMALLINT",  "INTEGER",  "BIGINT",  "HUGEINT",
                                        "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT",
                                        "FLOAT",    "DOUBLE",    "BIGNUM"};
    for (size_t i = 0; i < EI_ARRAY_LEN(NAMES); i++)
        if (strcmp(type, NAMES[i]) == 0)
            return true;
    return strncmp(type, "DECIMAL(", 8) == 0 && strchr(type, '[') == NULL;
}

static const char *member(struct json_object *o, const char *key) {
    struct json_object *v = NULL;
    return json_object_object_get_ex(o, key, &v) ? json_object_get_string(v) : "";
}

static void put_header(struct ei_result *r, struct json_object *columns) {
    r->columns = json_object_array_length(columns);
    if (r->form == EI_OUTPUT_JSON) {
        ei_buf_printf(&r->out, "{\"columns\":%s,\"rows\":[",
                      json_object_to_json_string_ext(columns, JSON_C_TO_STRING_PLAIN |
                                                                  JSON_C_TO_STRING_NOSLASHESCAPE));
        return;
    }
    if (r->plain || r->columns == 0)
        return;
    if (r->form == EI_OUTPUT_TABLE) {
        ei_table_init(&r->table, r->columns);
        r->has_table = true;
    }
    for (size_t i = 0; i < r->columns; i++) {
        struct json_object *c = json_object_array_get_idx(columns, i);
        const char *name = member(c, "name");
        if (r->form == EI_OUTPUT_CSV) {
            ei_csv_cell(&r->out, name, strlen(name), i == 0 ? 0 : ',');
        } else {
            ei_table_puts(&r->table, name);
            r->table.right[i] = is_numeric(member(c, "type"));
        }
    }
    if (r->form == EI_OUTPUT_CSV)
        ei_buf_putc(&r->out, '\n');
}

/* ---- rows of text cells: [["a",null],...] ---- */

static const char *unescape_u(const char *p, struct ei_buf *out) {
    unsigned code = 0;
    for (int i = 0; i < 4; i++) {
        char h = p[i];
        if (h == '\0')
            return NULL;
        code = code * 16 + (unsigned)(h <= '9' ? h - '0' : (h | 32) - 'a' + 10);
    }
    /* The gateway escapes control characters only; everything else comes as UTF-8. */
    ei_buf_putc(out, (char)(code & 0x7f));
    return p + 4;
}

/* One JSON string at p (behind its quote) into *out; returns behind the closing quote or NULL. */
static const char *take_string(const char *p, struct ei_buf *out) {
    for (;;) {
        size_t run = strcspn(p, "\"\\");
        ei_buf_append(out, p, run);
        p += run;
        if (*p == '\0')
            return NULL;
        if (*p == '"')
            return p + 1;
        p++;
        switch (*p) {
        case 'n':
            ei_buf_putc(out, '\n');
            break;
        case 't':
            ei_buf_putc(out, '\t');
            break;
        case 'r':
            ei_buf_putc(out, '\r');
            break;
        case 'u':
            p = unescape_u(p + 1, out);
            if (p == NULL)
                return NULL;
            continue;
        case '\0':
            return NULL;
        default:
            ei_buf_putc(out, *p);
        }
        p++;
    }
}

static void put_cell(struct ei_result *r, size_t column, const struct ei_buf *cell) {
    const char *text = cell == NULL ? NULL : cell->data == NULL ? "" : cell->data;
    size_t len = cell == NULL ? 0 : cell->len;
    if (r->plain) {
        ei_buf_append(&r->out, text == NULL ? "" : text, len);
        ei_buf_putc(&r->out, '\n');
    } else if (r->form == EI_OUTPUT_CSV) {
        ei_csv_cell(&r->out, text, len, column == 0 ? 0 : ',');
        if (column + 1 == r->columns)
            ei_buf_putc(&r->out, '\n');
    } else {
        ei_table_cell(&r->table, text, len);
    }
}

static void end_page(struct ei_result *r) {
    if (r->form != EI_OUTPUT_TABLE || !r->has_table)
        return;
    ei_table_print(&r->table, EI_OUTPUT_TABLE);
    for (size_t i = 0; i < r->table.count; i++)
        free(r->table.cells[i]);
    r->table.count = 0;
}

static int take_text_rows(struct ei_result *r, const char *p, struct ei_error *e) {
    struct ei_buf cell = {0};
    size_t column = 0;
    int depth = 0;
    while (p != NULL && *p != '\0') {
        if (*p == '[') {
            depth++;
            column = 0;
            p++;
        } else if (*p == ']') {
            if (--depth == 0)
                break;
            r->rows++;
            p++;
            if (r->has_table && r->table.count >= PAGE_ROWS * r->columns)
                end_page(r);
        } else if (*p == '"') {
            ei_buf_clear(&cell);
            p = take_string(p + 1, &cell);
            if (p != NULL)
                put_cell(r, column++, &cell);
        } else if (strncmp(p, "null", 4) == 0) {
            put_cell(r, column++, NULL);
            p += 4;
        } else {
            p++;
        }
    }
    ei_buf_release(&cell);
    return p == NULL ? ei_fail(e, EI_CORRUPT, "the gateway's answer is not well-formed") : 0;
}

/* Typed rows go out as they came in: only the outer brackets are taken off. */
static void take_json_rows(struct ei_result *r, const char *rows, size_t len) {
    while (len > 0 && (rows[len - 1] == '}' || rows[len - 1] == '\n'))
        len--;
    if (len <= 2)
        return;
    if (!r->first_rows)
        ei_buf_putc(&r->out, ',');
    r->first_rows = false;
    ei_buf_append(&r->out, rows + 1, len - 2);
}

/* ---- the other lines ---- */

static void show_progress(struct ei_result *r, struct json_object *p) {
    if (!r->progress)
        return;
    struct json_object *done = json_object_object_get(p, "done");
    struct json_object *tasks = json_object_object_get(p, "tasks");
    struct json_object *rows = json_object_object_get(p, "rows");
    (void)fprintf(stderr, "\r\x1b[K%lld of %lld tasks, %lld rows read, %.1f s",
                  (long long)json_object_get_int64(done), (long long)json_object_get_int64(tasks),
                  (long long)json_object_get_int64(rows),
                  (double)(ei_now_us() - r->begin_us) / 1e6);
    (void)fflush(stderr);
    r->progress_shown = true;
}

static void put_end(struct ei_result *r, struct json_object *end) {
    struct json_object *warnings = json_object_object_get(end, "warnings");
    clear_progress(r);
    end_page(r);
    if (r->form == EI_OUTPUT_JSON) {
        struct json_object *count = json_object_object_get(end, "row_count");
        struct json_object *job = json_object_object_get(r->header, "job");
        ei_buf_printf(&r->out,
                      "],\"row_count\":%lld,\"job\":%s,\"warnings\":%s,"
                      "\"elapsed_ms\":%.1f}\n",
                      (long long)json_object_get_int64(count),
                      job == NULL ? "null" : json_object_get_string(job),
                      warnings == NULL
                          ? "[]"
                          : json_object_to_json_string_ext(
                                warnings, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE),
                      (double)(ei_now_us() - r->begin_us) / 1000.0);
    }
    flush(r);
    (void)fflush(stdout);
    size_t n =
        json_object_is_type(warnings, json_type_array) ? json_object_array_length(warnings) : 0;
    for (size_t i = 0; i < n && !r->quiet; i++)
        (void)fprintf(stderr, "eider: warning: %s\n",
                      json_object_get_string(json_object_array_get_idx(warnings, i)));
    r->ended = true;
}

static int take_error(struct ei_result *r, const char *line, size_t len) {
    clear_progress(r);
    (void)ei_cluster_error(line, len, 500, &r->error);
    r->ended = true;
    return 0;
}

static int take_line(struct ei_result *r, const char *line, size_t len, struct ei_error *e) {
    static const char ROWS[] = "{\"rows\":";
    if (len > sizeof ROWS && memcmp(line, ROWS, sizeof ROWS - 1) == 0) {
        clear_progress(r);
        int rc = 0;
        if (r->form == EI_OUTPUT_JSON)
            take_json_rows(r, line + sizeof ROWS - 1, len - (sizeof ROWS - 1));
        else
            rc = take_text_rows(r, line + sizeof ROWS - 1, e);
        if (r->out.len > FLUSH_BYTES)
            flush(r);
        return rc;
    }
    struct json_object *o = json_tokener_parse(line);
    struct json_object *v = NULL;
    int rc = 0;
    if (!json_object_is_type(o, json_type_object)) {
        rc = ei_fail(e, EI_CORRUPT, "the gateway's answer is not well-formed");
    } else if (json_object_object_get_ex(o, "columns", &v)) {
        r->header = json_object_get(o);
        put_header(r, v);
    } else if (json_object_object_get_ex(o, "progress", &v)) {
        show_progress(r, v);
    } else if (json_object_object_get_ex(o, "end", &v)) {
        put_end(r, v);
    } else if (json_object_object_get_ex(o, "error", &v)) {
        rc = take_error(r, line, len);
    }
    json_object_put(o);
    return rc;
}

int ei_result_feed(void *data, const char *chunk, size_t n, struct ei_error *e) {
    struct ei_result *r = data;
    while (n > 0) {
        const char *newline = memchr(chunk, '\n', n);
        size_t part = newline == NULL ? n : (size_t)(newline - chunk);
        if (r->line.len + part > LINE_MAX_BYTES)
            return ei_fail(e, EI_LIMIT, "a line of the answer is over %u MiB",
                           LINE_MAX_BYTES >> 20);
        ei_buf_append(&r->line, chunk, part);
        if (newline == NULL)
            return 0;
        if (r->line.len > 0 && take_line(r, r->line.data, r->line.len, e) != 0)
            return -1;
        ei_buf_clear(&r->line);
        chunk += part + 1;
        n -= part + 1;
    }
    return 0;
}

int ei_result_finish(struct ei_result *r, struct ei_error *e) {
    clear_progress(r);
    if (r->form == EI_OUTPUT_JSON && r->error.code != EI_OK)
        ei_buf_clear(&r->out);
    flush(r);
    (void)fflush(stdout);
    if (r->error.code != EI_OK) {
        *e = r->error;
        return -1;
    }
    if (!r->ended)
        return ei_fail(e, EI_UNREACHABLE,
                       "the connection to the gateway was lost before the result "
                       "was complete");
    return 0;
}
