/* The options of COPY ... TO: ours are taken out, the rest goes to DuckDB's COPY of each task. */
#include "gateway/internal.h"
#include "base/mem.h"
#include "os/os.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct ending {
    const char *text, *format;
    bool tabs;
} ENDINGS[] = {
    {".parquet", "parquet", false}, {".csv", "csv", false},   {".tsv", "csv", true},
    {".txt", "csv", false},         {".json", "json", false}, {".jsonl", "json", false},
    {".ndjson", "json", false},
};

/* Options that DuckDB's COPY gets as they stand. */
static const char *const PASSED[] = {
    "header",
    "delimiter",
    "delim",
    "sep",
    "quote",
    "escape",
    "null",
    "nullstr",
    "compression",
    "dateformat",
    "timestampformat",
    "force_quote",
    "row_group_size",
    "row_group_size_bytes",
    "compression_level",
    "parquet_version",
    "array",
    "prefix",
    "suffix",
    "dictionary_size_limit",
    "write_partition_columns",
    "string_dictionary_page_size_limit",
    "field_ids",
};

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n > m && strcasecmp(text + n - m, end) == 0;
}

/* The path without .gz or .zst; *compression the name of what was cut. */
static char *without_compression(const char *path, const char **compression) {
    *compression = ends_with(path, ".gz") ? "gzip" : ends_with(path, ".zst") ? "zstd" : NULL;
    size_t cut = *compression == NULL ? 0 : ends_with(path, ".gz") ? 3 : 4;
    return ei_strndup(path, strlen(path) - cut);
}

static const struct ending *ending_of(const char *path) {
    const char *compression;
    char *bare = without_compression(path, &compression);
    const struct ending *found = NULL;
    for (size_t i = 0; i < EI_ARRAY_LEN(ENDINGS) && found == NULL; i++)
        if (ends_with(bare, ENDINGS[i].text))
            found = &ENDINGS[i];
    free(bare);
    return found;
}

static const struct ei_copy_option *find(const struct ei_statement *s, const char *name) {
    for (size_t i = 0; i < s->option_count; i++)
        if (strcmp(s->options[i].name, name) == 0)
            return &s->options[i];
    return NULL;
}

/* A switch: given without a value, or with one that means yes. */
static bool is_on(const struct ei_copy_option *o) {
    return o != NULL && (o->count == 0 || strcasecmp(o->values[0], "true") == 0 ||
                         strcmp(o->values[0], "1") == 0);
}

static bool is_passed(const char *name) {
    for (size_t i = 0; i < EI_ARRAY_LEN(PASSED); i++)
        if (strcmp(name, PASSED[i]) == 0)
            return true;
    return false;
}

static void put_names(struct ei_buf *sql, const struct ei_copy_option *o) {
    ei_buf_putc(sql, '(');
    for (size_t i = 0; i < o->count; i++) {
        ei_buf_puts(sql, i == 0 ? "" : ", ");
        if (strcmp(o->values[i], "*") == 0)
            ei_buf_putc(sql, '*');
        else
            ei_buf_sql_ident(sql, o->values[i]);
    }
    ei_buf_putc(sql, ')');
}

static void put_option(struct ei_buf *sql, const struct ei_copy_option *o) {
    ei_buf_printf(sql, ", %s ", o->name);
    if (strcmp(o->name, "force_quote") == 0) {
        put_names(sql, o);
    } else if (o->count == 1) {
        ei_buf_sql_string(sql, o->values[0]);
    }
}

static int check_option(const struct ei_copy_option *o, struct ei_error *e) {
    static const char *const OURS[] = {"format", "partition_by", "overwrite", "append",
                                       "per_thread_output"};
    if (strcmp(o->name, "overwrite_or_ignore") == 0)
        return ei_fail(e, EI_UNSUPPORTED,
                       "COPY: OVERWRITE_OR_IGNORE would leave old files beside new ones; use "
                       "OVERWRITE to replace the target or APPEND to add to it");
    for (size_t i = 0; i < EI_ARRAY_LEN(OURS); i++)
        if (strcmp(o->name, OURS[i]) == 0)
            return 0;
    if (!is_passed(o->name))
        return ei_fail(e, EI_UNSUPPORTED, "COPY: the option %s is not known here", o->name);
    bool list = strcmp(o->name, "force_quote") == 0;
    return o->count <= 1 || list
               ? 0
               : ei_fail(e, EI_INVALID, "COPY: the option %s takes one value", o->name);
}

/* Adds what a path says of itself and the options do not. */
static void put_from_path(const struct ei_statement *s, struct ei_buf *sql, const char *compression,
                          const struct ending *ending) {
    if (compression != NULL && find(s, "compression") == NULL)
        ei_buf_printf(sql, ", compression '%s'", compression);
    bool delimiter =
        find(s, "delimiter") != NULL || find(s, "delim") != NULL || find(s, "sep") != NULL;
    if (ending != NULL && ending->tabs && !delimiter)
        ei_buf_puts(sql, ", delimiter '\t'");
}

/* ".csv.gz": what readers will know the files by. */
static char *extension_of(const struct ei_statement *s, const char *format) {
    const struct ei_copy_option *c = find(s, "compression");
    bool text = strcmp(format, "parquet") != 0;
    const char *packed = "";
    if (text && c != NULL && c->count == 1)
        packed = strcasecmp(c->values[0], "gzip") == 0   ? ".gz"
                 : strcasecmp(c->values[0], "zstd") == 0 ? ".zst"
                                                         : "";
    return ei_asprintf(".%s%s", format, packed);
}

static int read_format(const struct ei_statement *s, const struct ending *ending,
                       const char **format, struct ei_error *e) {
    const struct ei_copy_option *o = find(s, "format");
    *format = ending != NULL ? ending->format : NULL;
    if (o != NULL && o->count != 1)
        return ei_fail(e, EI_INVALID, "COPY: FORMAT needs one value: parquet, csv or json");
    if (o == NULL && *format != NULL)
        return 0;
    static const char *const FORMATS[] = {"parquet", "csv", "json"};
    for (size_t i = 0; o != NULL && i < EI_ARRAY_LEN(FORMATS); i++)
        if (strcasecmp(o->values[0], FORMATS[i]) == 0) {
            *format = FORMATS[i];
            return 0;
        }
    return o == NULL
               ? ei_fail(
                     e, EI_INVALID,
                     "COPY: the path does not say the format: give (FORMAT parquet), csv or json")
               : ei_fail(e, EI_UNSUPPORTED, "COPY: there is no format %s: use parquet, csv or json",
                         o->values[0]);
}

static void read_form(const struct ei_statement *s, const struct ending *ending,
                      struct ei_write *w) {
    bool slash = s->target[strlen(s->target) - 1] == '/';
    w->tree = find(s, "partition_by") != NULL;
    w->overwrite = is_on(find(s, "overwrite"));
    w->form = ending != NULL && !slash && !w->tree && !is_on(find(s, "per_thread_output"))
                  ? EI_WRITE_FILE
                  : EI_WRITE_DIRECTORY;
    if (is_on(find(s, "append")))
        w->form = EI_WRITE_APPEND;
}

int ei_write_from_copy(const struct ei_statement *s, const char *directory, struct ei_write **out,
                       struct ei_error *e) {
    const struct ending *ending = ending_of(s->target);
    const struct ei_copy_option *partition = find(s, "partition_by");
    const char *format;
    for (size_t i = 0; i < s->option_count; i++)
        if (check_option(&s->options[i], e) != 0)
            return -1;
    if (strstr(s->target, "://") != NULL)
        return ei_fail(e, EI_UNSUPPORTED, "COPY writes to paths, not to %s", s->target);
    if (read_format(s, ending, &format, e) != 0)
        return -1;
    if (partition != NULL && partition->count == 0)
        return ei_fail(e, EI_INVALID,
                       "COPY: PARTITION_BY needs columns: PARTITION_BY (year, month)");
    struct ei_write *w = *out = ei_calloc(1, sizeof *w);
    read_form(s, ending, w);
    if (w->form == EI_WRITE_APPEND && w->overwrite)
        return ei_fail(e, EI_INVALID, "COPY: OVERWRITE and APPEND exclude each other");
    w->target = ei_path_absolute(s->target, directory);
    w->extension = extension_of(s, format);
    const char *compression;
    free(without_compression(s->target, &compression));
    struct ei_buf sql = {0};
    ei_buf_printf(&sql, "FORMAT %s", format);
    put_from_path(s, &sql, compression, ending);
    for (size_t i = 0; i < s->option_count; i++)
        if (is_passed(s->options[i].name))
            put_option(&sql, &s->options[i]);
    if (partition != NULL) {
        ei_buf_puts(&sql, ", PARTITION_BY ");
        put_names(&sql, partition);
        ei_buf_puts(&sql, ", FILE_EXTENSION 'tmp'");
    }
    w->options = ei_buf_steal(&sql);
    return 0;
}
