#include "duck/errors.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* What the text begins with, DuckDB's number of it, and our code. Everything else that DuckDB says
 * (binder, parser, conversion, constraint...) is about the SQL or the data: EI_INVALID. */
static const struct {
    const char *prefix;
    int type;
    enum ei_code code;
} KINDS[] = {
    {"Out of Memory Error: ", DUCKDB_ERROR_OUT_OF_MEMORY, EI_OUT_OF_MEMORY},
    {"INTERRUPT Error: ", DUCKDB_ERROR_INTERRUPT, EI_CANCELLED},
    {"IO Error: ", DUCKDB_ERROR_IO, EI_IO},
    {"INTERNAL Error: ", DUCKDB_ERROR_INTERNAL, EI_INTERNAL},
    {"FATAL Error: ", DUCKDB_ERROR_FATAL, EI_INTERNAL},
    {"Permission Error: ", DUCKDB_ERROR_PERMISSION, EI_DENIED},
    {"Not implemented Error: ", DUCKDB_ERROR_NOT_IMPLEMENTED, EI_UNSUPPORTED},
};

static enum ei_code io_code(const char *text) {
    static const char *const FULL[] = {"No space left on device", "Disk quota exceeded"};
    static const char *const MISSING[] = {"No such file or directory", "No files found that match",
                                          "Permission denied", "does not exist", "Is a directory"};
    for (size_t i = 0; i < EI_ARRAY_LEN(FULL); i++) {
        if (strstr(text, FULL[i]) != NULL)
            return EI_NO_SPACE;
    }
    for (size_t i = 0; i < EI_ARRAY_LEN(MISSING); i++) {
        if (strstr(text, MISSING[i]) != NULL)
            return EI_INPUT_MISSING;
    }
    return EI_IO;
}

static enum ei_code code_of(const char *text, int type) {
    for (size_t i = 0; i < EI_ARRAY_LEN(KINDS); i++) {
        if (type == KINDS[i].type || strncmp(text, KINDS[i].prefix, strlen(KINDS[i].prefix)) == 0)
            return KINDS[i].code == EI_IO ? io_code(text) : KINDS[i].code;
    }
    return EI_INVALID;
}

/* Where the excerpt begins, NULL if there is none: the last "LINE 7: " at the start of a line. */
static const char *find_excerpt(const char *text) {
    const char *found = NULL;
    for (const char *p = strstr(text, "\nLINE "); p != NULL; p = strstr(p + 1, "\nLINE ")) {
        size_t digits = strspn(p + 6, "0123456789");
        if (digits > 0 && p[6 + digits] == ':')
            found = p + 1;
    }
    return found;
}

static size_t message_length(const char *text) {
    const char *end = find_excerpt(text);
    const char *trace = strstr(text, "\nStack Trace");
    if (trace != NULL && (end == NULL || trace < end))
        end = trace;
    size_t n = end != NULL ? (size_t)(end - text) : strlen(text);
    while (n > 0 && isspace((unsigned char)text[n - 1]))
        n--;
    return n;
}

/* "Invalid Input Error: " says nothing that the sentence behind it does not say. */
static const char *without_prefix(const char *text) {
    static const char PREFIX[] = "Invalid Input Error: ";
    return strncmp(text, PREFIX, sizeof PREFIX - 1) == 0 && text[sizeof PREFIX - 1] != '\0'
               ? text + sizeof PREFIX - 1
               : text;
}

int ei_duck_error(const char *duck_text, int error_type, struct ei_error *e) {
    if (duck_text == NULL || duck_text[0] == '\0')
        return ei_fail(e, EI_INTERNAL, "DuckDB failed without saying why");
    enum ei_code code = code_of(duck_text, error_type);
    const char *text = without_prefix(duck_text);
    size_t len = EI_MIN(message_length(text), EI_ERROR_TEXT_MAX);
    if (code == EI_OUT_OF_MEMORY) /* its advice is about settings that are not the user's here */
        len = EI_MIN(len, strcspn(text, "\n"));
    return ei_fail(e, code, "%.*s", (int)len, text);
}

static uint32_t code_point(const char *s, size_t bytes) {
    const unsigned char *p = (const unsigned char *)s;
    uint32_t c = bytes == 1 ? p[0] : p[0] & (0x7fu >> bytes);
    for (size_t i = 1; i < bytes; i++)
        c = c << 6 | (p[i] & 0x3fu);
    return c;
}

/* Columns that a character takes in a terminal, as DuckDB counts them when it places the caret. */
static size_t width_of(uint32_t c) {
    static const uint32_t WIDE[][2] = {{0x1100, 0x115f}, {0x2e80, 0xa4cf},   {0xac00, 0xd7a3},
                                       {0xf900, 0xfaff}, {0xfe30, 0xfe6f},   {0xff00, 0xff60},
                                       {0xffe0, 0xffe6}, {0x1f300, 0x1faff}, {0x20000, 0x3fffd}};
    if (c < 0x20 || (c >= 0x300 && c <= 0x36f))
        return 0;
    for (size_t i = 0; i < EI_ARRAY_LEN(WIDE); i++) {
        if (c >= WIDE[i][0] && c <= WIDE[i][1])
            return 2;
    }
    return 1;
}

/* Where the character begins that is shown in this column (from 0). */
static size_t bytes_of_columns(const char *s, size_t len, size_t columns) {
    size_t at = 0, column = 0;
    while (at < len) {
        size_t step = ei_utf8_sequence(s + at, len - at);
        size_t width = step > 0 ? width_of(code_point(s + at, step)) : 1;
        if (column >= columns && width > 0)
            break;
        column += width;
        at += step > 0 ? step : 1;
    }
    return at;
}

/* DuckDB prints all white space as blanks. */
static bool same_text(const char *a, const char *b, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (a[i] != b[i] && !(isspace((unsigned char)a[i]) && isspace((unsigned char)b[i])))
            return false;
    }
    return true;
}

/* Offset in sql of byte `at` of the excerpt from line number `line`; SIZE_MAX if it is not there.
 */
static size_t locate(const char *sql, unsigned long line, const char *excerpt, size_t len,
                     size_t at) {
    const char *start = sql;
    while (--line > 0) {
        start = strchr(start, '\n');
        if (start == NULL)
            return SIZE_MAX;
        start++;
    }
    size_t cut = 0;
    size_t line_len = strcspn(start, "\n");
    if (len >= 3 && memcmp(excerpt, "...", 3) == 0 && strncmp(start, "...", 3) != 0)
        cut = 3;
    size_t end = len;
    if (end >= cut + 3 && memcmp(excerpt + end - 3, "...", 3) == 0)
        end -= 3;
    if (at < cut || end - cut > line_len)
        return SIZE_MAX;
    for (size_t i = 0; i + (end - cut) <= line_len; i++) {
        if (same_text(start + i, excerpt + cut, end - cut))
            return (size_t)(start - sql) + i + (at - cut);
        if (cut == 0)
            break;
    }
    return SIZE_MAX;
}

void ei_duck_error_cut(const char *duck_text, const char *sql, struct ei_buf *message,
                       uint32_t *position) {
    *position = 0;
    const char *text = without_prefix(duck_text != NULL ? duck_text : "");
    ei_buf_append(message, text, message_length(text));
    const char *excerpt = find_excerpt(text);
    if (excerpt == NULL || sql == NULL)
        return;
    char *colon = NULL;
    unsigned long line = strtoul(excerpt + 5, &colon, 10);
    if (line == 0 || colon[0] != ':' || colon[1] != ' ')
        return;
    const char *shown = colon + 2;
    size_t shown_len = strcspn(shown, "\n");
    const char *caret_line = shown + shown_len + (shown[shown_len] == '\n' ? 1 : 0);
    size_t column = strspn(caret_line, " ");
    size_t head = (size_t)(shown - excerpt);
    if (caret_line[column] != '^' || column < head)
        return;
    size_t at = bytes_of_columns(shown, shown_len, column - head);
    size_t offset = locate(sql, line, shown, shown_len, at);
    if (offset != SIZE_MAX && offset <= strlen(sql) && offset < UINT32_MAX)
        *position = (uint32_t)offset + 1;
}

int ei_duck_result_error(duckdb_result *result, struct ei_error *e) {
    return ei_duck_error(duckdb_result_error(result), (int)duckdb_result_error_type(result), e);
}

int ei_duck_run(duckdb_connection c, const char *sql, struct ei_error *e) {
    duckdb_result result;
    int status = 0;
    if (duckdb_query(c, sql, &result) == DuckDBError)
        status = ei_duck_result_error(&result, e);
    duckdb_destroy_result(&result);
    return status;
}
