/* Text whose records are lines: JSON lines, plain lines, web access logs. */
#include "duck/facts.h"

#include "base/mem.h"
#include "duck/text_blocks.h"
#include "duck/text_scan.h"
#include "text/access_log.h"
#include "text/bits.h"
#include "text/csv_cut.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAPPED_FACTOR 4 /* a mapped slice may be so much larger than a copied one */

#define LOOK_LINES 10          /* of a .log file: is it an access log? */
#define LINE_BYTES_UNKNOWN 100 /* where there is no line to measure */
#define COMPRESSED_RATIO 5     /* text to gzip or zstd, roughly */

/* ---- of use to all text formats ---- */

int ei_facts_map(const struct ei_facts_file *file, const char **data, struct ei_error *e) {
    *data = NULL;
    if (file->size == 0)
        return 0;
    int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ei_fail_errno(e, EI_INPUT_MISSING, errno, "cannot open %s", file->path);
    void *p = mmap(NULL, file->size, PROT_READ, MAP_PRIVATE, fd, 0);
    int err = errno;
    (void)close(fd);
    if (p == MAP_FAILED)
        return ei_fail_errno(e, EI_IO, err, "cannot map %s", file->path);
    (void)madvise(p, file->size, MADV_SEQUENTIAL);
    *data = p;
    return 0;
}

/* Mapped text is read in place, without a copy of the slice: fewer and larger tasks repeat fewer
 * groups. */
static uint64_t max_slice_bytes(const struct ei_facts *f) {
    return f->limits->max_text_bytes * (f->mapped ? MAPPED_FACTOR : 1);
}

size_t ei_facts_positions(const struct ei_facts *f, const struct ei_facts_file *file,
                          uint64_t target_bytes, size_t **positions) {
    *positions = NULL;
    if (file->compressed || file->size <= f->limits->min_text_bytes)
        return 0;
    uint64_t parts = (file->size + target_bytes / 2) / target_bytes;
    uint64_t most_bytes = max_slice_bytes(f);
    uint64_t least = (file->size + most_bytes - 1) / most_bytes;
    parts = EI_MAX(parts, least);
    if (parts <= 1)
        return 0;
    *positions = ei_calloc(parts - 1, sizeof **positions);
    for (uint64_t i = 1; i < parts; i++)
        (*positions)[i - 1] = (size_t)((__uint128_t)file->size * i / parts);
    return parts - 1;
}

void ei_facts_add_cut_file(struct ei_facts *f, size_t file, const size_t *cuts, size_t n) {
    uint64_t size = f->files[file].size, begin = 0;
    uint64_t ratio = f->files[file].compressed ? COMPRESSED_RATIO : 1;
    for (size_t i = 0; i <= n; i++) {
        uint64_t end = i < n ? cuts[i] : size;
        if (end > begin && end - begin < size)
            ei_facts_add_piece(f, file, begin, end, end - begin);
        else if (end > begin || n == 0)
            ei_facts_add_piece(f, file, 0, 0, size * ratio);
        begin = EI_MAX(begin, end);
    }
}

void ei_facts_estimate_rows(struct ei_facts *f) {
    struct ei_text_block block;
    struct ei_error ignored;
    uint64_t line_bytes = LINE_BYTES_UNKNOWN, bytes = 0;
    if (f->out->bytes == 0)
        return;
    Eider__V1__FileSlice slice = EIDER__V1__FILE_SLICE__INIT, *slices = &slice;
    for (size_t i = 0; i < f->file_count; i++) {
        bytes += f->files[i].size * (f->files[i].compressed ? COMPRESSED_RATIO : 1);
        if (f->files[i].size > 0 && slice.path[0] == '\0')
            slice.path = f->files[i].path;
    }
    struct ei_text_blocks *blocks = ei_text_blocks_create(&slices, 1);
    if (ei_text_blocks_next(blocks, &block, &ignored) == 1)
        line_bytes = block.len / (ei_text_count(block.data, block.len, '\n') + 1) + 1;
    ei_text_blocks_destroy(blocks);
    f->out->rows = bytes / line_bytes + 1;
}

/* Cuts all files at line ends; check (may be NULL) says why a file must not be cut. */
static int split_lines(struct ei_facts *f, const char *(*check)(const char *data, size_t len),
                       const char **reason, struct ei_error *e) {
    uint64_t target = ei_facts_target(f, f->limits->min_text_bytes, max_slice_bytes(f));
    uint64_t *ends = ei_calloc(f->file_count, sizeof *ends);
    int rc = 0;
    for (size_t i = 0; rc == 0 && *reason == NULL && i < f->file_count; i++) {
        const char *data = NULL;
        size_t *positions, size = f->files[i].size;
        size_t n = ei_facts_positions(f, &f->files[i], target, &positions);
        ends[i] = size;
        if (n > 0 || (check != NULL && !f->files[i].compressed))
            rc = ei_facts_map(&f->files[i], &data, e);
        if (rc == 0 && check != NULL && data != NULL)
            *reason = check(data, size);
        if (rc == 0 && *reason == NULL) {
            for (size_t k = 0; k < n; k++)
                positions[k] = ei_line_cut(data, size, positions[k]);
            ei_facts_add_cut_file(f, i, positions, n);
        }
        if (data != NULL)
            (void)munmap((void *)data, size);
        free(positions);
    }
    if (rc == 0 && *reason == NULL)
        ei_facts_pack(f, target, ends);
    free(ends);
    return rc;
}

/* ---- JSON ---- */

/* Of read_json, those that mean the same for each part of a file. */
static const char *const JSON_SPLIT_OPTIONS[] = {"columns",
                                                 "convert_strings_to_integers",
                                                 "field_appearance_threshold",
                                                 "format",
                                                 "map_inference_threshold",
                                                 "maximum_depth",
                                                 "maximum_object_size",
                                                 "sample_size",
                                                 NULL};

/* One object a line, for certain: each line begins with { and ends with }, and no JSON value has a
 * line end between a } and a {. */
static const char *check_json_lines(const char *data, size_t len) {
    size_t at = 0;
    while (at < len) {
        const char *p = memchr(data + at, '\n', len - at);
        size_t end = p != NULL ? (size_t)(p - data) : len, begin = at;
        at = end + 1;
        while (begin < end && strchr(" \t\r", data[begin]) != NULL && data[begin] != '\0')
            begin++;
        while (end > begin && strchr(" \t\r", data[end - 1]) != NULL && data[end - 1] != '\0')
            end--;
        if (begin < end && (data[begin] != '{' || data[end - 1] != '}'))
            return "it is not one JSON object a line";
    }
    return NULL;
}

/* A part of the file would have to agree with the whole about the format of times. */
static const char *sniffed_type(const struct ei_rows *columns) {
    for (size_t i = 0; i < columns->row_count; i++) {
        const char *type = ei_rows_at(columns, i, 1);
        if (strstr(type, "DATE") != NULL || strstr(type, "TIME") != NULL ||
            strstr(type, "UUID") != NULL)
            return "it has times or ids whose format is found out by looking at all of it";
    }
    return NULL;
}

static void json_options(struct ei_facts *f, const struct ei_rows *columns) {
    struct ei_buf b = {0};
    ei_buf_puts(&b, "format='newline_delimited', auto_detect=false, columns={");
    for (size_t i = 0; i < columns->row_count; i++) {
        ei_buf_puts(&b, i > 0 ? ", " : "");
        ei_buf_sql_string(&b, ei_rows_at(columns, i, 0));
        ei_buf_puts(&b, ": ");
        ei_buf_sql_string(&b, ei_rows_at(columns, i, 1));
    }
    ei_buf_putc(&b, '}');
    const char *size = ei_facts_option(f, "maximum_object_size");
    if (size != NULL)
        ei_buf_printf(&b, ", maximum_object_size=%s", size);
    ei_facts_set(&f->out->input->options, b.data);
    ei_buf_release(&b);
}

/* NULL, or why it is read whole. *check: the lines must be looked at. */
static const char *json_reason(struct ei_facts *f, const struct ei_rows *columns, bool *check) {
    const char *format = ei_facts_option(f, "format");
    *check = false;
    if (format == NULL && f->reader == EI_READER_JSON)
        *check = true;
    else if (format != NULL && strcmp(format, "'newline_delimited'") != 0 &&
             strcmp(format, "'nd'") != 0) {
        if (strcmp(format, "'auto'") != 0)
            return "it is not one JSON object a line";
        *check = true;
    }
    if (*check)
        for (size_t i = 0; i < f->file_count; i++)
            if (f->files[i].compressed)
                return "it is compressed and not said to be newline_delimited";
    for (size_t i = 0; i < f->file_count; i++)
        if (strchr(f->files[i].path, '=') != NULL)
            return "its paths may hold columns (hive partitions)";
    if (columns->row_count == 1 && strcmp(ei_rows_at(columns, 0, 0), "json") == 0)
        return "its records have no common columns";
    return ei_facts_option(f, "columns") != NULL ? NULL : sniffed_type(columns);
}

int ei_facts_json(struct ei_facts *f, struct ei_error *e) {
    const char *function = f->reader == EI_READER_NDJSON ? "read_ndjson" : "read_json";
    struct ei_rows columns;
    bool check = false;
    if (ei_facts_describe(f, function, f->user_options.data, &columns, e) != 0)
        return -1;
    ei_facts_set_columns(f, &columns);
    ei_facts_estimate_rows(f);
    const char *reason = NULL;
    bool other = ei_facts_other_option(f, JSON_SPLIT_OPTIONS) != NULL;
    int rc = 0;
    if (!other)
        reason = json_reason(f, &columns, &check);
    if (!other && reason == NULL)
        rc = split_lines(f, check ? check_json_lines : NULL, &reason, e);
    if (other || reason != NULL) {
        ei_facts_whole(f, function, reason);
    } else {
        f->out->input->kind = EIDER__V1__SOURCE_KIND__SOURCE_JSON;
        json_options(f, &columns);
    }
    ei_rows_release(&columns);
    return rc;
}

/* ---- lines and access logs ---- */

/* Of the first few lines that are not blank, do most parse? */
static int looks_like_access_log(struct ei_facts *f, bool *yes, struct ei_error *e) {
    size_t lines = 0, good = 0;
    int rc = 0;
    *yes = false;
    for (size_t i = 0; rc == 0 && lines == 0 && i < f->file_count; i++) {
        struct ei_text_block block;
        Eider__V1__FileSlice slice = EIDER__V1__FILE_SLICE__INIT, *slices = &slice;
        slice.path = f->files[i].path;
        struct ei_text_blocks *blocks = ei_text_blocks_create(&slices, 1);
        struct ei_access_scanner s;
        struct ei_access_entry entry;
        enum ei_access_result got;
        int more = ei_text_blocks_next(blocks, &block, e);
        rc = more < 0 ? -1 : 0;
        ei_access_scanner_init(&s);
        if (more == 1) {
            ei_access_scanner_feed(&s, block.data, block.len);
            while (lines < LOOK_LINES && (got = ei_access_next(&s, &entry)) != EI_ACCESS_END) {
                lines++;
                good += got == EI_ACCESS_ENTRY;
            }
        }
        ei_access_scanner_release(&s);
        ei_text_blocks_destroy(blocks);
    }
    *yes = good * 2 > lines;
    return rc;
}

static void set_text_columns(struct ei_facts *f, enum ei_text_kind kind) {
    size_t n;
    const struct ei_text_column *columns = ei_text_columns(kind, &n);
    struct ei_rows rows = {ei_calloc(n * 2, sizeof(char *)), n, 2};
    for (size_t i = 0; i < n; i++) {
        rows.values[2 * i] = ei_strdup(columns[i].name);
        rows.values[2 * i + 1] = ei_strdup(columns[i].type);
    }
    ei_facts_set_columns(f, &rows);
    ei_rows_release(&rows);
}

static int text_kind(struct ei_facts *f, enum ei_text_kind *kind, struct ei_error *e) {
    static const char *const LOG_OPTIONS[] = {"malformed", NULL}, *const NO_OPTIONS[] = {NULL};
    bool log = f->reader == EI_READER_ACCESS_LOG;
    const char *other = ei_facts_other_option(f, log ? LOG_OPTIONS : NO_OPTIONS);
    if (other != NULL)
        return ei_fail(e, EI_INVALID, "%s has no option %s", f->call->function, other);
    *kind = log ? EI_TEXT_ACCESS_SKIP : EI_TEXT_LINES;
    if (f->reader == EI_READER_TEXT) {
        if (looks_like_access_log(f, &log, e) != 0)
            return -1;
        *kind = log ? EI_TEXT_ACCESS_NULL : EI_TEXT_LINES;
    }
    const char *malformed = ei_facts_option(f, "malformed");
    if (malformed != NULL && strcasecmp(malformed, "'null'") == 0)
        *kind = EI_TEXT_ACCESS_NULL;
    else if (malformed != NULL && strcasecmp(malformed, "'skip'") != 0)
        return ei_fail(e, EI_INVALID, "the option malformed is 'skip' or 'null', not %s",
                       malformed);
    return 0;
}

int ei_facts_text(struct ei_facts *f, struct ei_error *e) {
    enum ei_text_kind kind = EI_TEXT_LINES;
    const char *reason = NULL;
    if (text_kind(f, &kind, e) != 0)
        return -1;
    f->out->input->kind = kind == EI_TEXT_LINES ? EIDER__V1__SOURCE_KIND__SOURCE_LINES
                                                : EIDER__V1__SOURCE_KIND__SOURCE_ACCESS_LOG;
    if (kind != EI_TEXT_LINES)
        ei_facts_set(&f->out->input->options,
                     kind == EI_TEXT_ACCESS_NULL ? "malformed='null'" : "malformed='skip'");
    set_text_columns(f, kind);
    ei_facts_estimate_rows(f);
    f->mapped = true;
    return split_lines(f, NULL, &reason, e);
}
