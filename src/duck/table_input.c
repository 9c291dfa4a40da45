/* How each kind of table becomes the text of a view:
 *
 *   Parquet     read_parquet over the files; row ranges by a filter on file_row_number, which
 * prunes row groups. CSV, JSON   byte ranges are copied into memory files and read by DuckDB from
 * /proc/self/fd/N with the dialect and types found at planning; whole files by their path. lines,
 * logs our table function eider_text (text_scan.h). SQL         as it stands.
 *
 * The view casts each column to its planned type; where that changes nothing DuckDB drops the cast,
 * and filters still reach the reader. */
#include "duck/table_input.h"

#include "base/buf.h"
#include "base/mem.h"
#include "duck/errors.h"
#include "duck/text_scan.h"
#include "text/bits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define FD_PATH "/proc/self/fd/"

struct memory_file {
    int fd;
    const Eider__V1__FileSlice *slice;
};

struct ei_duck_table {
    char *name;
    Eider__V1__Split *split; /* a copy of ours: the scan reads from it */
    struct ei_text_scan *scan;
    struct memory_file *files;
    size_t file_count;
    uint64_t rows, bytes;
};

int ei_duck_register_sources(duckdb_connection c, struct ei_error *e) {
    /* A task binds its view and then its query, and the next task reads the same file. */
    if (ei_duck_run(c, "SET GLOBAL parquet_metadata_cache = true", e) != 0)
        return -1;
    return ei_text_scan_register(c, e);
}

/* ---- slices ---- */

static bool is_whole(const Eider__V1__FileSlice *s) {
    return s->begin == 0 && s->end == 0;
}

static int check_slice(const Eider__V1__FileSlice *s, struct ei_error *e) {
    struct stat st;
    if (stat(s->path, &st) != 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return ei_fail(e, EI_INPUT_MISSING, "the file %s is gone", s->path);
        return ei_fail_errno(e, EI_INPUT_MISSING, errno, "cannot look at the file %s", s->path);
    }
    int64_t mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    if ((uint64_t)st.st_size != s->file_size || mtime_ns != s->file_mtime_ns)
        return ei_fail(e, EI_INVALID,
                       "the file %s changed while the query ran: run the query again", s->path);
    if (access(s->path, R_OK) != 0)
        return ei_fail_errno(e, EI_INPUT_MISSING, errno, "cannot read the file %s", s->path);
    return 0;
}

static int check_slices(const Eider__V1__Split *split, struct ei_error *e) {
    for (size_t i = 0; i < split->n_slices; i++) {
        bool again = i > 0 && strcmp(split->slices[i]->path, split->slices[i - 1]->path) == 0;
        if (!again && check_slice(split->slices[i], e) != 0)
            return -1;
    }
    return 0;
}

static Eider__V1__Split *copy_split(const Eider__V1__Split *split) {
    size_t n = eider__v1__split__get_packed_size(split);
    uint8_t *packed = ei_malloc(n);
    (void)eider__v1__split__pack(split, packed);
    Eider__V1__Split *copy = eider__v1__split__unpack(NULL, n, packed);
    free(packed);
    EI_ASSERT(copy != NULL);
    return copy;
}

/* Copies [begin, end) of a file into a memory file. */
static int copy_range(int from, int to, const Eider__V1__FileSlice *s, struct ei_error *e) {
    off_t at = (off_t)s->begin;
    while ((uint64_t)at < s->end) {
        ssize_t n = sendfile(to, from, &at, s->end - (uint64_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ei_fail_errno(e, errno == ENOMEM ? EI_OUT_OF_MEMORY : EI_IO, errno,
                                 "cannot read %s", s->path);
        if (n == 0)
            return ei_fail(e, EI_INVALID,
                           "the file %s changed while the query ran: run the query again", s->path);
    }
    return 0;
}

static int open_range(const Eider__V1__FileSlice *s, int *out, struct ei_error *e) {
    static atomic_long serial;
    int from = open(s->path, O_RDONLY | O_CLOEXEC);
    if (from < 0)
        return ei_fail_errno(e, EI_INPUT_MISSING, errno, "cannot open %s", s->path);
    int to = memfd_create("eider-slice", MFD_CLOEXEC);
    int rc;
    if (to < 0)
        rc = ei_fail_errno(e, EI_IO, errno, "cannot make a memory file");
    else
        rc = copy_range(from, to, s, e);
    (void)close(from);
    if (rc != 0) {
        if (to >= 0)
            (void)close(to);
        return -1;
    }
    /* Descriptors come again; a time of its own tells two files of one path apart for any cache. */
    struct timespec times[2];
    times[0].tv_sec = times[1].tv_sec = 1 + atomic_fetch_add(&serial, 1);
    times[0].tv_nsec = times[1].tv_nsec = 0;
    (void)futimens(to, times);
    (void)lseek(to, 0, SEEK_SET);
    *out = to;
    return 0;
}

static int open_ranges(struct ei_duck_table *t, struct ei_error *e) {
    t->files = ei_calloc(t->split->n_slices, sizeof *t->files);
    for (size_t i = 0; i < t->split->n_slices; i++) {
        const Eider__V1__FileSlice *s = t->split->slices[i];
        if (is_whole(s))
            continue;
        struct memory_file *f = &t->files[t->file_count];
        if (open_range(s, &f->fd, e) != 0)
            return -1;
        f->slice = s;
        t->file_count++;
    }
    return 0;
}

/* ---- the view's text ---- */

struct text {
    struct ei_buf sql;
    size_t parts; /* of the UNION ALL */
};

static void begin_part(struct text *x) {
    ei_buf_puts(&x->sql, x->parts++ > 0 ? " UNION ALL " : "");
}

static void put_columns(struct ei_buf *b, const Eider__V1__TableInput *in) {
    for (size_t i = 0; i < in->n_columns; i++) {
        ei_buf_puts(b, i > 0 ? ", CAST(" : "CAST(");
        ei_buf_sql_ident(b, in->columns[i]->name);
        ei_buf_printf(b, " AS %s) AS ", in->columns[i]->type);
        ei_buf_sql_ident(b, in->columns[i]->name);
    }
}

static void put_options(struct ei_buf *b, const char *options) {
    if (options != NULL && options[0] != '\0')
        ei_buf_printf(b, ", %s", options);
}

/* SELECT columns FROM function([paths], options): the slices for which wanted() holds. */
static void put_part_head(struct text *x, const Eider__V1__TableInput *in, const char *function) {
    begin_part(x);
    ei_buf_puts(&x->sql, "SELECT ");
    put_columns(&x->sql, in);
    ei_buf_printf(&x->sql, " FROM %s([", function);
}

static void parquet_text(struct text *x, const Eider__V1__TableInput *in,
                         const Eider__V1__Split *split) {
    size_t whole = 0;
    for (size_t i = 0; i < split->n_slices; i++) {
        if (!is_whole(split->slices[i]))
            continue;
        if (whole++ == 0)
            put_part_head(x, in, "read_parquet");
        else
            ei_buf_puts(&x->sql, ", ");
        ei_buf_sql_string(&x->sql, split->slices[i]->path);
    }
    if (whole > 0) {
        ei_buf_putc(&x->sql, ']');
        put_options(&x->sql, in->options);
        ei_buf_putc(&x->sql, ')');
    }
    bool numbered = in->options != NULL && strstr(in->options, "file_row_number=") != NULL;
    for (size_t i = 0; i < split->n_slices; i++) {
        const Eider__V1__FileSlice *s = split->slices[i];
        if (is_whole(s))
            continue;
        put_part_head(x, in, "read_parquet");
        ei_buf_sql_string(&x->sql, s->path);
        ei_buf_putc(&x->sql, ']');
        put_options(&x->sql, in->options);
        ei_buf_printf(&x->sql, "%s) WHERE file_row_number < %llu",
                      numbered ? "" : ", file_row_number=true", (unsigned long long)s->end);
        if (s->begin > 0)
            ei_buf_printf(&x->sql, " AND file_row_number >= %llu", (unsigned long long)s->begin);
    }
}

/* One call for the slices that begin their files (they may have a header), one for the others. */
static void text_file_part(struct text *x, const Eider__V1__TableInput *in, const char *function,
                           const struct ei_duck_table *t, bool first, const char *options) {
    size_t count = 0, file = 0;
    for (size_t i = 0; i < t->split->n_slices; i++) {
        const Eider__V1__FileSlice *s = t->split->slices[i];
        size_t number = file;
        file += !is_whole(s);
        if ((s->begin == 0) != first)
            continue;
        if (count++ == 0)
            put_part_head(x, in, function);
        else
            ei_buf_puts(&x->sql, ", ");
        if (is_whole(s))
            ei_buf_sql_string(&x->sql, s->path);
        else
            ei_buf_printf(&x->sql, "'" FD_PATH "%d'", t->files[number].fd);
    }
    if (count > 0) {
        ei_buf_putc(&x->sql, ']');
        put_options(&x->sql, options);
        ei_buf_putc(&x->sql, ')');
    }
}

static int input_text(struct text *x, const Eider__V1__TableInput *in, struct ei_duck_table *t,
                      struct ei_error *e) {
    switch (in->kind) {
    case EIDER__V1__SOURCE_KIND__SOURCE_PARQUET:
        parquet_text(x, in, t->split);
        return 0;
    case EIDER__V1__SOURCE_KIND__SOURCE_CSV:
    case EIDER__V1__SOURCE_KIND__SOURCE_JSON: {
        const char *function =
            in->kind == EIDER__V1__SOURCE_KIND__SOURCE_CSV ? "read_csv" : "read_json";
        const char *first = in->first_options != NULL && in->first_options[0] != '\0'
                                ? in->first_options
                                : in->options;
        if (open_ranges(t, e) != 0)
            return -1;
        text_file_part(x, in, function, t, true, first);
        text_file_part(x, in, function, t, false, in->options);
        return 0;
    }
    case EIDER__V1__SOURCE_KIND__SOURCE_LINES:
    case EIDER__V1__SOURCE_KIND__SOURCE_ACCESS_LOG:
        t->scan = ei_text_scan_create(ei_text_kind_of(in), t->split->slices, t->split->n_slices);
        begin_part(x);
        ei_buf_puts(&x->sql, "SELECT ");
        put_columns(&x->sql, in);
        ei_buf_printf(&x->sql, " FROM eider_text(%llu)",
                      (unsigned long long)ei_text_scan_number(t->scan));
        return 0;
    case EIDER__V1__SOURCE_KIND__SOURCE_SQL:
        begin_part(x);
        ei_buf_puts(&x->sql, "SELECT ");
        put_columns(&x->sql, in);
        ei_buf_printf(&x->sql, " FROM (%s) AS input", in->sql);
        return 0;
    default:
        return ei_fail(e, EI_UNSUPPORTED,
                       "the table %s is of a kind (%d) that this version of "
                       "Eider does not know",
                       in->name, (int)in->kind);
    }
}

static void add_sizes(struct ei_duck_table *t, const Eider__V1__TableInput *in) {
    if (t->scan != NULL)
        return;
    for (size_t i = 0; i < t->split->n_slices; i++) {
        const Eider__V1__FileSlice *s = t->split->slices[i];
        if (in->kind != EIDER__V1__SOURCE_KIND__SOURCE_PARQUET)
            t->bytes += is_whole(s) ? s->file_size : s->end - s->begin;
        else if (is_whole(s))
            t->bytes += s->file_size;
        else
            t->rows += s->end - s->begin;
    }
}

int ei_duck_bind_table(duckdb_connection c, const Eider__V1__TableInput *in,
                       const Eider__V1__Split *split, const char *scratch_dir,
                       struct ei_duck_table **out, struct ei_error *e) {
    (void)scratch_dir; /* ranges live in memory files */
    if (check_slices(split, e) != 0)
        return -1;
    struct ei_duck_table *t = ei_calloc(1, sizeof *t);
    t->name = ei_strdup(in->name);
    t->split = copy_split(split);
    struct text x = {0};
    ei_buf_puts(&x.sql, "CREATE OR REPLACE TEMP VIEW ");
    ei_buf_sql_ident(&x.sql, in->name);
    ei_buf_puts(&x.sql, " AS ");
    int rc = input_text(&x, in, t, e);
    if (rc == 0 && x.parts == 0) { /* a split without slices */
        ei_buf_puts(&x.sql, "SELECT ");
        for (size_t i = 0; i < in->n_columns; i++) {
            ei_buf_printf(&x.sql, "%sCAST(NULL AS %s) AS ", i > 0 ? ", " : "",
                          in->columns[i]->type);
            ei_buf_sql_ident(&x.sql, in->columns[i]->name);
        }
        ei_buf_puts(&x.sql, " WHERE false");
    }
    if (rc == 0)
        rc = ei_duck_run(c, x.sql.data, e);
    ei_buf_release(&x.sql);
    if (rc != 0) {
        ei_duck_table_explain(t, e);
        ei_duck_table_close(c, t);
        return -1;
    }
    add_sizes(t, in);
    *out = t;
    return 0;
}

/* ---- afterwards ---- */

void ei_duck_table_counts(const struct ei_duck_table *t, struct ei_duck_table_counts *out) {
    *out = (struct ei_duck_table_counts){t->rows, t->bytes, 0};
    if (t->scan != NULL) {
        out->rows = ei_text_scan_rows(t->scan);
        out->bytes = ei_text_scan_bytes(t->scan);
        out->malformed_lines = ei_text_scan_malformed(t->scan);
    }
}

size_t ei_duck_table_warnings(const struct ei_duck_table *t, const char *const **lines) {
    *lines = NULL;
    return t->scan != NULL ? ei_text_scan_warnings(t->scan, lines) : 0;
}

/* Lines of the file before the slice. */
static uint64_t lines_before(const Eider__V1__FileSlice *s) {
    uint64_t lines = 0;
    int fd = open(s->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    void *p = s->begin > 0 ? mmap(NULL, s->begin, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
    (void)close(fd);
    if (p == MAP_FAILED)
        return 0;
    lines = ei_text_count(p, s->begin, '\n');
    (void)munmap(p, s->begin);
    return lines;
}

/* Replaces "<before><number>" by what `text` gives for the number; appends the result. */
static bool replace_fd(struct ei_buf *b, const char **at, const struct memory_file *f) {
    char name[64];
    int n = snprintf(name, sizeof name, FD_PATH "%d", f->fd);
    const char *p = *at;
    if (strncmp(p, name, (size_t)n) != 0 || (p[n] >= '0' && p[n] <= '9'))
        return false;
    ei_buf_puts(b, f->slice->path);
    *at = p + n;
    return true;
}

void ei_duck_table_explain(const struct ei_duck_table *t, struct ei_error *e) {
    static const char LINE[] = "Line: ";
    const struct memory_file *named = NULL;
    for (size_t i = 0; i < t->file_count && named == NULL; i++) {
        char name[64];
        int n = snprintf(name, sizeof name, FD_PATH "%d", t->files[i].fd);
        for (const char *p = strstr(e->text, name); p != NULL; p = strstr(p + 1, name))
            if (p[n] < '0' || p[n] > '9')
                named = &t->files[i];
    }
    if (named == NULL)
        return;
    uint64_t before = lines_before(named->slice);
    struct ei_buf b = {0};
    const char *p = e->text;
    while (*p != '\0') {
        if (replace_fd(&b, &p, named))
            continue;
        if (strncmp(p, LINE, sizeof LINE - 1) == 0 && p[6] >= '0' && p[6] <= '9') {
            char *end;
            unsigned long long line = strtoull(p + 6, &end, 10);
            ei_buf_printf(&b, "%s%llu", LINE, line + (unsigned long long)before);
            p = end;
            continue;
        }
        ei_buf_putc(&b, *p++);
    }
    enum ei_code code = e->code;
    (void)ei_fail(e, code, "%s", b.data);
    ei_buf_release(&b);
}

void ei_duck_table_close(duckdb_connection c, struct ei_duck_table *t) {
    if (t == NULL)
        return;
    struct ei_buf sql = {0};
    struct ei_error ignored;
    ei_buf_puts(&sql, "DROP VIEW IF EXISTS temp.");
    ei_buf_sql_ident(&sql, t->name);
    (void)ei_duck_run(c, sql.data, &ignored);
    ei_buf_release(&sql);
    ei_text_scan_destroy(t->scan);
    for (size_t i = 0; i < t->file_count; i++)
        (void)close(t->files[i].fd);
    free(t->files);
    eider__v1__split__free_unpacked(t->split, NULL);
    free(t->name);
    free(t);
}
