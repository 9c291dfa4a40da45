#include "duck/text_scan.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "duck/text_blocks.h"
#include "text/access_log.h"
#include "text/bits.h"
#include "text/repair.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define WARNING_TEXT_MAX 160
#define INLINE_MAX 12 /* DuckDB keeps strings up to this length inside duckdb_string_t */

enum column { IP, IDENT, USER, TIME, METHOD, PATH, PROTOCOL, STATUS, BYTES, REFERER, AGENT, LINE };

static const struct ei_text_column ACCESS_COLUMNS[] = {
    [IP] = {"ip", "VARCHAR"},
    [IDENT] = {"ident", "VARCHAR"},
    [USER] = {"user", "VARCHAR"},
    [TIME] = {"time", "TIMESTAMP WITH TIME ZONE"},
    [METHOD] = {"method", "VARCHAR"},
    [PATH] = {"path", "VARCHAR"},
    [PROTOCOL] = {"protocol", "VARCHAR"},
    [STATUS] = {"status", "SMALLINT"},
    [BYTES] = {"bytes", "BIGINT"},
    [REFERER] = {"referer", "VARCHAR"},
    [AGENT] = {"agent", "VARCHAR"},
    [LINE] = {"line", "VARCHAR"},
};
static const duckdb_type ACCESS_TYPES[] = {
    [TIME] = DUCKDB_TYPE_TIMESTAMP_TZ,
    [STATUS] = DUCKDB_TYPE_SMALLINT,
    [BYTES] = DUCKDB_TYPE_BIGINT,
    [LINE] = DUCKDB_TYPE_VARCHAR,
};
static const struct ei_text_column LINE_COLUMNS[] = {{"line", "VARCHAR"}};

struct ei_text_scan {
    uint64_t number;
    enum ei_text_kind kind;
    Eider__V1__FileSlice *const *slices;
    size_t slice_count;
    uint64_t total_bytes; /* of the slices, for the estimate of rows */
    /* Every reading of the view (a self-join reads twice) has blocks of its own; all stay. */
    struct ei_text_blocks **readers;
    size_t reader_count, reader_capacity;
    pthread_mutex_t lock; /* of the readers and the warnings */
    char *warnings[EI_TEXT_WARNINGS_MAX];
    size_t warning_count;
    atomic_uint_fast64_t rows, bytes, malformed;
};

/* Scans by number, for the bind function, which gets only values. */
static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct ei_text_scan **registry;
static size_t registry_count, registry_capacity;
static uint64_t last_number;

const struct ei_text_column *ei_text_columns(enum ei_text_kind kind, size_t *count) {
    if (kind == EI_TEXT_LINES) {
        *count = 1;
        return LINE_COLUMNS;
    }
    *count = kind == EI_TEXT_ACCESS_NULL ? LINE + 1 : LINE;
    return ACCESS_COLUMNS;
}

enum ei_text_kind ei_text_kind_of(const Eider__V1__TableInput *in) {
    if (in->kind == EIDER__V1__SOURCE_KIND__SOURCE_LINES)
        return EI_TEXT_LINES;
    bool null = in->options != NULL && strstr(in->options, "malformed='null'") != NULL;
    return null ? EI_TEXT_ACCESS_NULL : EI_TEXT_ACCESS_SKIP;
}

struct ei_text_scan *ei_text_scan_create(enum ei_text_kind kind,
                                         Eider__V1__FileSlice *const *slices, size_t count) {
    struct ei_text_scan *s = ei_calloc(1, sizeof *s);
    s->kind = kind;
    s->slices = slices;
    s->slice_count = count;
    for (size_t i = 0; i < count; i++)
        s->total_bytes += slices[i]->end > slices[i]->begin ? slices[i]->end - slices[i]->begin
                                                            : slices[i]->file_size;
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_mutex_lock(&registry_lock);
    s->number = ++last_number;
    EI_GROW(registry, registry_count, registry_capacity);
    registry[registry_count++] = s;
    (void)pthread_mutex_unlock(&registry_lock);
    return s;
}

void ei_text_scan_destroy(struct ei_text_scan *s) {
    if (s == NULL)
        return;
    (void)pthread_mutex_lock(&registry_lock);
    for (size_t i = 0; i < registry_count; i++)
        if (registry[i] == s) {
            registry[i] = registry[--registry_count];
            break;
        }
    if (registry_count == 0) {
        free(registry);
        registry = NULL;
        registry_capacity = 0;
    }
    (void)pthread_mutex_unlock(&registry_lock);
    for (size_t i = 0; i < s->reader_count; i++)
        ei_text_blocks_destroy(s->readers[i]);
    free(s->readers);
    for (size_t i = 0; i < s->warning_count; i++)
        free(s->warnings[i]);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

static struct ei_text_scan *find_scan(uint64_t number) {
    struct ei_text_scan *found = NULL;
    (void)pthread_mutex_lock(&registry_lock);
    for (size_t i = 0; i < registry_count && found == NULL; i++)
        if (registry[i]->number == number)
            found = registry[i];
    (void)pthread_mutex_unlock(&registry_lock);
    return found;
}

uint64_t ei_text_scan_number(const struct ei_text_scan *s) {
    return s->number;
}
uint64_t ei_text_scan_rows(const struct ei_text_scan *s) {
    return atomic_load_explicit(&s->rows, memory_order_relaxed);
}
uint64_t ei_text_scan_bytes(const struct ei_text_scan *s) {
    return atomic_load_explicit(&s->bytes, memory_order_relaxed);
}
uint64_t ei_text_scan_malformed(const struct ei_text_scan *s) {
    return atomic_load_explicit(&s->malformed, memory_order_relaxed);
}
size_t ei_text_scan_warnings(const struct ei_text_scan *s, const char *const **lines) {
    *lines = (const char *const *)s->warnings;
    return s->warning_count;
}

/* ---- one reading ---- */

struct reading {
    struct ei_text_scan *scan;
    struct ei_text_blocks *blocks; /* the scan's */
    struct ei_access_scanner scanner;
    struct ei_text_block block;
    size_t line_at;      /* of the next line in the block, when reading lines */
    bool first;          /* of the scan's readings: its malformed lines count */
    bool block_high;     /* bytes beyond ASCII in the block, when reading lines */
    bool counts_lines;   /* the block's first line number is known */
    uint64_t block_line; /* that number, from 1 */
    size_t column_count; /* that the query wants */
    size_t columns[LINE + 1];
    struct ei_buf text; /* of a string that had to be changed */
    uint64_t bytes, malformed;
};

struct output {
    struct reading *reading;
    size_t count;
    duckdb_vector vectors[LINE + 1];
    void *data[LINE + 1];
    uint64_t *validity[LINE + 1];
};

static void free_reading(void *p) {
    struct reading *r = p;
    ei_access_scanner_release(&r->scanner);
    ei_buf_release(&r->text);
    free(r);
}

/* 1: there is a block with something in it, 0: the end. */
static int next_block(struct reading *r, struct ei_error *e) {
    const char *before = r->block.path;
    if (r->block.data != NULL && r->counts_lines)
        r->block_line += ei_text_count(r->block.data, r->block.len, '\n');
    int got = ei_text_blocks_next(r->blocks, &r->block, e);
    if (got <= 0)
        return got;
    if (r->block.offset == 0) {
        r->counts_lines = true;
        r->block_line = 1;
    } else if (r->block.path != before) {
        r->counts_lines = false;
    }
    r->bytes += r->block.len;
    if (r->scan->kind == EI_TEXT_LINES) {
        r->line_at = 0;
        r->block_high = !ei_text_is_ascii(r->block.data, r->block.len);
    } else {
        ei_access_scanner_feed(&r->scanner, r->block.data, r->block.len);
    }
    return 1;
}

/* Writes a string; what can point into a block that stays is not copied. */
static void put_string(struct output *out, size_t i, struct ei_text_span text, bool high,
                       bool escaped) {
    struct reading *r = out->reading;
    if (escaped && memchr(text.data, '\\', text.len) != NULL) {
        ei_buf_clear(&r->text);
        (void)ei_buf_reserve(&r->text, text.len + 1);
        text.len = (uint32_t)ei_access_unescape(&text, r->text.data);
        text.data = r->text.data;
    } else {
        escaped = false;
    }
    if (high && !ei_utf8_valid(text.data, text.len)) {
        char *copy = ei_strndup(text.data, text.len);
        size_t len = text.len;
        ei_buf_clear(&r->text);
        ei_text_repair(copy, len, &r->text);
        free(copy);
        duckdb_vector_assign_string_element_len(out->vectors[i], out->count, r->text.data,
                                                r->text.len);
        return;
    }
    duckdb_string_t *slot = (duckdb_string_t *)out->data[i] + out->count;
    if (text.len <= INLINE_MAX) {
        memset(slot, 0, sizeof *slot);
        slot->value.inlined.length = text.len;
        memcpy(slot->value.inlined.inlined, text.data, text.len);
    } else if (r->block.stays && !escaped) {
        slot->value.pointer.length = text.len;
        memcpy(slot->value.pointer.prefix, text.data, 4);
        slot->value.pointer.ptr = (char *)text.data;
    } else {
        duckdb_vector_assign_string_element_len(out->vectors[i], out->count, text.data, text.len);
    }
}

static void put_null(struct output *out, size_t i) {
    if (out->validity[i] == NULL) {
        duckdb_vector_ensure_validity_writable(out->vectors[i]);
        out->validity[i] = duckdb_vector_get_validity(out->vectors[i]);
    }
    duckdb_validity_set_row_invalid(out->validity[i], out->count);
}

static void put_span(struct output *out, size_t i, const struct ei_text_span *text, bool high,
                     bool escaped) {
    if (text->data == NULL)
        put_null(out, i);
    else
        put_string(out, i, *text, high, escaped);
}

static void put_number(struct output *out, size_t i, enum column column,
                       const struct ei_access_entry *entry) {
    if (column == TIME)
        ((int64_t *)out->data[i])[out->count] = entry->time_us;
    else if (column == STATUS && entry->status >= 0)
        ((int16_t *)out->data[i])[out->count] = entry->status;
    else if (column == BYTES && entry->bytes >= 0)
        ((int64_t *)out->data[i])[out->count] = entry->bytes;
    else
        put_null(out, i);
}

static const struct ei_text_span *span_of(const struct ei_access_entry *entry, enum column column) {
    switch (column) {
    case IP:
        return &entry->ip;
    case IDENT:
        return &entry->ident;
    case USER:
        return &entry->user;
    case METHOD:
        return &entry->method;
    case PATH:
        return &entry->path;
    case PROTOCOL:
        return &entry->protocol;
    case REFERER:
        return &entry->referer;
    case AGENT:
        return &entry->agent;
    default:
        return &entry->line;
    }
}

static void put_entry(struct output *out, const struct ei_access_entry *entry) {
    const struct reading *r = out->reading;
    for (size_t i = 0; i < r->column_count; i++) {
        enum column column = (enum column)r->columns[i];
        if (column == TIME || column == STATUS || column == BYTES)
            put_number(out, i, column, entry);
        else
            put_span(out, i, span_of(entry, column), entry->high,
                     entry->escaped && column != LINE && column != IP && column != IDENT &&
                         column != USER);
    }
    out->count++;
}

static void put_malformed(struct output *out, const struct ei_access_entry *entry) {
    const struct reading *r = out->reading;
    for (size_t i = 0; i < r->column_count; i++)
        if (r->columns[i] == LINE)
            put_span(out, i, &entry->line, entry->high, false);
        else
            put_null(out, i);
    out->count++;
}

/* "access.log:17: text", the text cut, one line, valid UTF-8. */
static void warn(struct reading *r, const struct ei_access_entry *entry) {
    struct ei_text_scan *s = r->scan;
    if (!r->first)
        return;
    r->malformed++;
    if (s->warning_count == EI_TEXT_WARNINGS_MAX)
        return;
    size_t before = (size_t)(entry->line.data - r->block.data);
    struct ei_buf b = {0}, text = {0};
    ei_buf_puts(&b, r->block.path);
    if (r->counts_lines)
        ei_buf_printf(
            &b, ":%llu: ",
            (unsigned long long)(r->block_line + ei_text_count(r->block.data, before, '\n')));
    else
        ei_buf_printf(&b, ":@%llu: ", (unsigned long long)(r->block.offset + before));
    size_t shown = EI_MIN(entry->line.len, (size_t)WARNING_TEXT_MAX);
    while (shown < entry->line.len && shown > 0 && (entry->line.data[shown] & 0xC0) == 0x80)
        shown--;
    ei_text_repair(entry->line.data, shown, &text);
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] < 0x20 || text.data[i] == 0x7f)
            text.data[i] = '?';
    ei_buf_append(&b, text.data, text.len);
    if (shown < entry->line.len)
        ei_buf_puts(&b, "...");
    (void)pthread_mutex_lock(&s->lock);
    if (s->warning_count < EI_TEXT_WARNINGS_MAX)
        s->warnings[s->warning_count++] = ei_buf_steal(&b);
    (void)pthread_mutex_unlock(&s->lock);
    ei_buf_release(&b);
    ei_buf_release(&text);
}

/* Both fill the chunk from the block. */
static void scan_access(struct output *out, size_t room) {
    struct reading *r = out->reading;
    struct ei_access_entry entry;
    while (out->count < room) {
        switch (ei_access_next(&r->scanner, &entry)) {
        case EI_ACCESS_ENTRY:
            put_entry(out, &entry);
            break;
        case EI_ACCESS_MALFORMED:
            warn(r, &entry);
            if (r->scan->kind == EI_TEXT_ACCESS_NULL)
                put_malformed(out, &entry);
            break;
        case EI_ACCESS_END:
            return;
        }
    }
}

static void scan_lines(struct output *out, size_t room) {
    struct reading *r = out->reading;
    const struct ei_text_block *block = &r->block;
    while (out->count < room && r->line_at < block->len) {
        const char *begin = block->data + r->line_at;
        const char *end = memchr(begin, '\n', block->len - r->line_at);
        size_t len = end != NULL ? (size_t)(end - begin) : block->len - r->line_at;
        r->line_at += len + (end != NULL);
        len -= len > 0 && begin[len - 1] == '\r';
        struct ei_text_span text = {begin, (uint32_t)EI_MIN(len, (size_t)UINT32_MAX)};
        for (size_t i = 0; i < r->column_count; i++)
            put_string(out, i, text, r->block_high, false);
        out->count++;
    }
}

static void scan_chunk(duckdb_function_info info, duckdb_data_chunk chunk) {
    struct reading *r = duckdb_function_get_init_data(info);
    struct output out = {.reading = r};
    struct ei_error e;
    size_t room = duckdb_vector_size();
    for (size_t i = 0; i < r->column_count; i++) {
        out.vectors[i] = duckdb_data_chunk_get_vector(chunk, i);
        out.data[i] = duckdb_vector_get_data(out.vectors[i]);
    }
    while (out.count < room) {
        if (r->scan->kind == EI_TEXT_LINES)
            scan_lines(&out, room);
        else
            scan_access(&out, room);
        /* Strings of a block that does not stay are copied, so a chunk may span blocks. */
        if (out.count == room)
            break;
        int got = next_block(r, &e);
        if (got < 0) {
            duckdb_function_set_error(info, e.text);
            return;
        }
        if (got == 0)
            break;
    }
    duckdb_data_chunk_set_size(chunk, out.count);
    atomic_fetch_add_explicit(&r->scan->rows, out.count, memory_order_relaxed);
    atomic_fetch_add_explicit(&r->scan->bytes, r->bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&r->scan->malformed, r->malformed, memory_order_relaxed);
    r->bytes = r->malformed = 0;
}

/* ---- DuckDB's table function ---- */

static void bind_scan(duckdb_bind_info info) {
    duckdb_value value = duckdb_bind_get_parameter(info, 0);
    struct ei_text_scan *scan = find_scan((uint64_t)duckdb_get_int64(value));
    duckdb_destroy_value(&value);
    if (scan == NULL) {
        duckdb_bind_set_error(info, "eider_text reads only what a task was given");
        return;
    }
    size_t count;
    const struct ei_text_column *columns = ei_text_columns(scan->kind, &count);
    for (size_t i = 0; i < count; i++) {
        duckdb_type id = columns == ACCESS_COLUMNS && ACCESS_TYPES[i] != DUCKDB_TYPE_INVALID
                             ? ACCESS_TYPES[i]
                             : DUCKDB_TYPE_VARCHAR;
        duckdb_logical_type type = duckdb_create_logical_type(id);
        duckdb_bind_add_result_column(info, columns[i].name, type);
        duckdb_destroy_logical_type(&type);
    }
    duckdb_bind_set_bind_data(info, scan, NULL);
    duckdb_bind_set_cardinality(info, scan->total_bytes / 150 + 1, false);
}

static void init_scan(duckdb_init_info info) {
    struct ei_text_scan *scan = duckdb_init_get_bind_data(info);
    struct reading *r = ei_calloc(1, sizeof *r);
    size_t total;
    (void)ei_text_columns(scan->kind, &total);
    r->scan = scan;
    ei_access_scanner_init(&r->scanner);
    r->column_count = duckdb_init_get_column_count(info);
    if (r->column_count > EI_ARRAY_LEN(r->columns)) {
        free(r);
        duckdb_init_set_error(info, "eider_text: a column was asked for twice");
        return;
    }
    for (size_t i = 0; i < r->column_count; i++) {
        idx_t column = duckdb_init_get_column_index(info, i);
        EI_ASSERT(column < total);
        r->columns[i] = column;
    }
    r->blocks = ei_text_blocks_create(scan->slices, scan->slice_count);
    (void)pthread_mutex_lock(&scan->lock);
    EI_GROW(scan->readers, scan->reader_count, scan->reader_capacity);
    r->first = scan->reader_count == 0;
    scan->readers[scan->reader_count++] = r->blocks;
    (void)pthread_mutex_unlock(&scan->lock);
    duckdb_init_set_max_threads(info, 1);
    duckdb_init_set_init_data(info, r, free_reading);
}

int ei_text_scan_register(duckdb_connection c, struct ei_error *e) {
    duckdb_table_function f = duckdb_create_table_function();
    duckdb_logical_type number = duckdb_create_logical_type(DUCKDB_TYPE_BIGINT);
    duckdb_table_function_set_name(f, "eider_text");
    duckdb_table_function_add_parameter(f, number);
    duckdb_table_function_set_bind(f, bind_scan);
    duckdb_table_function_set_init(f, init_scan);
    duckdb_table_function_set_function(f, scan_chunk);
    duckdb_table_function_supports_projection_pushdown(f, true);
    duckdb_state state = duckdb_register_table_function(c, f);
    duckdb_destroy_logical_type(&number);
    duckdb_destroy_table_function(&f);
    if (state != DuckDBSuccess)
        return ei_fail(e, EI_INTERNAL, "DuckDB did not take the table function eider_text");
    return 0;
}
