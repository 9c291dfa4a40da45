/* eider_exchange(handle): a table function over mapped exchange files. Blocks are the units of
 * work, handed out by a counter in the order of files, partitions and writing; with one thread rows
 * come in that order. Fixed columns are copied, strings point into the mapping. */
#include "duck/source.h"

#include "base/mem.h"
#include "duck/errors.h"
#include "duck/handles.h"
#include "duck/types.h"
#include "duck/vectors.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SMALL_BYTES (4u << 20)
#define SMALL_ROWS 100000

struct part {
    char *path;
    struct ei_exchange_file file;
    void *map;
    size_t map_bytes;
    _Atomic bool *checked; /* for each block: its checksum was right */
};

struct unit { /* one block to read */
    uint32_t part, partition, block;
};

struct ei_duck_source {
    duckdb_connection connection;
    char *name;
    bool is_table, is_bound;
    uint64_t handle;
    char **column_names;
    duckdb_logical_type *types;
    size_t column_count;
    struct ei_layout layout;
    struct part *parts;
    size_t part_count;
    struct unit *units;
    size_t unit_count, unit_capacity;
    uint64_t rows;
    _Atomic uint64_t rows_read, bytes_read;
    pthread_mutex_t lock; /* of what follows */
    size_t bad_part;
    struct ei_error error;
};

/* ---- opening the files ---- */

static int map_file(struct part *p, struct ei_error *e) {
    int fd = open(p->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return ei_fail_errno(e, EI_INPUT_LOST, errno, "cannot open the exchange file %s", p->path);
    struct stat st;
    int status = 0;
    if (fstat(fd, &st) != 0) {
        status = ei_fail_errno(e, EI_INPUT_LOST, errno, "cannot look at %s", p->path);
    } else if (!S_ISREG(st.st_mode) || st.st_size < EI_EXCHANGE_HEADER_BYTES) {
        status = ei_fail(e, EI_CORRUPT, "%s is no exchange file", p->path);
    } else {
        p->map_bytes = (size_t)st.st_size;
        p->map = mmap(NULL, p->map_bytes, PROT_READ, MAP_SHARED, fd, 0);
        if (p->map == MAP_FAILED) {
            p->map = NULL;
            status = ei_fail_errno(e, EI_IO, errno, "cannot map the exchange file %s", p->path);
        }
    }
    (void)close(fd);
    return status;
}

static int check_part(const struct ei_duck_source *s, const struct part *p,
                      const struct ei_attempt_id *id, struct ei_error *e) {
    const struct ei_exchange_header *h = &p->file.header;
    if (!ei_attempt_equal(&h->id, id))
        return ei_fail(e, EI_CORRUPT,
                       "%s was written by attempt %u of task %u, stage %u, job %" PRIu64 ", not by "
                       "attempt %u of task %u, stage %u, job %" PRIu64,
                       p->path, h->id.attempt, h->id.task, h->id.stage, h->id.job, id->attempt,
                       id->task, id->stage, id->job);
    if (!ei_layout_equal(&h->layout, &s->layout))
        return ei_fail(e, EI_CORRUPT, "%s has other column types than its stage was planned with",
                       p->path);
    return 0;
}

static int open_part(const struct ei_duck_source *s, struct part *p,
                     const struct ei_exchange_part *in, struct ei_error *e) {
    p->path = ei_strdup(in->path);
    if (map_file(p, e) != 0)
        return -1;
    if (ei_exchange_file_open(p->map, p->map_bytes, &p->file, e) != 0)
        return ei_wrap(e, "%s", p->path);
    p->checked = ei_calloc(p->file.index.block_count, sizeof *p->checked);
    return check_part(s, p, &in->id, e);
}

static void add_units(struct ei_duck_source *s, uint32_t part, uint32_t first, uint32_t count) {
    const struct ei_exchange_index *x = &s->parts[part].file.index;
    for (uint32_t p = first; p < x->partition_count && p - first < count; p++) {
        for (uint32_t b = 0; b < x->partitions[p].block_count; b++) {
            EI_GROW(s->units, s->unit_count, s->unit_capacity);
            s->units[s->unit_count++] = (struct unit){part, p, x->partitions[p].first_block + b};
        }
        s->rows += x->partitions[p].rows;
    }
}

static int open_parts(struct ei_duck_source *s, const struct ei_exchange_part *parts, size_t n,
                      const struct ei_bind_options *o, size_t *bad_part, struct ei_error *e) {
    s->parts = ei_calloc(n, sizeof *s->parts);
    for (size_t i = 0; i < n; i++) {
        s->part_count = i + 1;
        if (open_part(s, &s->parts[i], &parts[i], e) != 0) {
            *bad_part = i;
            return -1;
        }
        add_units(s, (uint32_t)i, o->first_partition, o->partition_count);
    }
    return 0;
}

/* ---- the table function ---- */

static void source_bind(duckdb_bind_info info) {
    duckdb_value argument = duckdb_bind_get_parameter(info, 0);
    struct ei_duck_source *s = ei_handle_get(EI_HANDLE_SOURCE, duckdb_get_uint64(argument));
    duckdb_destroy_value(&argument);
    if (s == NULL) {
        duckdb_bind_set_error(info, "eider_exchange is not for use in SQL");
        return;
    }
    for (size_t i = 0; i < s->column_count; i++)
        duckdb_bind_add_result_column(info, s->column_names[i], s->types[i]);
    if (s->column_count == 0) { /* a table must have a column */
        duckdb_logical_type type = duckdb_create_logical_type(DUCKDB_TYPE_BOOLEAN);
        duckdb_bind_add_result_column(info, "no_columns", type);
        duckdb_destroy_logical_type(&type);
    }
    duckdb_bind_set_cardinality(info, s->rows, true);
    duckdb_bind_set_bind_data(info, s, NULL);
}

struct scan { /* of all threads */
    _Atomic size_t next;
    size_t projected;
    uint32_t columns[]; /* numbers of the wanted columns */
};

struct local { /* of one thread */
    const struct unit *unit;
    uint64_t row, rows;
    struct ei_block_view views[];
};

static void source_init(duckdb_init_info info) {
    const struct ei_duck_source *s = duckdb_init_get_bind_data(info);
    idx_t n = duckdb_init_get_column_count(info);
    struct scan *scan = ei_calloc(1, sizeof *scan + n * sizeof scan->columns[0]);
    scan->projected = n;
    for (idx_t i = 0; i < n; i++) {
        idx_t column = duckdb_init_get_column_index(info, i);
        scan->columns[i] = column < s->column_count ? (uint32_t)column : UINT32_MAX;
    }
    duckdb_init_set_init_data(info, scan, free);
    duckdb_init_set_max_threads(info, EI_MAX(1, s->unit_count));
}

static void source_local_init(duckdb_init_info info) {
    const struct ei_duck_source *s = duckdb_init_get_bind_data(info);
    struct local *local = ei_calloc(1, sizeof *local + s->layout.count * sizeof local->views[0]);
    duckdb_init_set_init_data(info, local, free);
}

static void note_bad(struct ei_duck_source *s, const struct unit *u, struct ei_error *e) {
    (void)ei_wrap(e, "%s", s->parts[u->part].path);
    pthread_mutex_lock(&s->lock);
    if (s->bad_part == EI_NO_PART) {
        s->bad_part = u->part;
        s->error = *e;
    }
    pthread_mutex_unlock(&s->lock);
}

/* The next block that has rows; local->unit stays NULL at the end. */
static int next_unit(struct ei_duck_source *s, struct scan *scan, struct local *local,
                     struct ei_error *e) {
    local->unit = NULL;
    size_t i = atomic_fetch_add(&scan->next, 1);
    if (i >= s->unit_count)
        return 0;
    const struct unit *u = &s->units[i];
    struct part *p = &s->parts[u->part];
    bool checked = atomic_load_explicit(&p->checked[u->block], memory_order_acquire);
    if (ei_exchange_file_block(&p->file, u->partition, u->block, !checked, local->views, e) != 0) {
        note_bad(s, u, e);
        return -1;
    }
    atomic_store_explicit(&p->checked[u->block], true, memory_order_release);
    atomic_fetch_add_explicit(&s->bytes_read, p->file.index.blocks[u->block].bytes,
                              memory_order_relaxed);
    local->unit = u;
    local->row = 0;
    local->rows = p->file.index.blocks[u->block].rows;
    return 0;
}

static int put_columns(const struct ei_duck_source *s, const struct scan *scan,
                       const struct local *local, uint64_t n, duckdb_data_chunk output) {
    for (size_t i = 0; i < scan->projected; i++) {
        if (scan->columns[i] == UINT32_MAX)
            continue; /* count(*) and the like: any values will do */
        uint32_t node = 0;
        for (uint32_t c = 0; c < scan->columns[i]; c++)
            node = s->layout.nodes[node].next;
        if (ei_duck_vectors_put(&s->layout, local->views, node, local->row, n,
                                duckdb_data_chunk_get_vector(output, i)) != 0)
            return -1;
    }
    return 0;
}

static void source_function(duckdb_function_info info, duckdb_data_chunk output) {
    struct ei_duck_source *s = duckdb_function_get_bind_data(info);
    struct scan *scan = duckdb_function_get_init_data(info);
    struct local *local = duckdb_function_get_local_init_data(info);
    struct ei_error e;
    while (local->unit == NULL || local->row == local->rows) {
        if (next_unit(s, scan, local, &e) != 0) {
            duckdb_function_set_error(info, e.text);
            return;
        }
        if (local->unit == NULL) {
            duckdb_data_chunk_set_size(output, 0);
            return;
        }
    }
    uint64_t n = EI_MIN(duckdb_vector_size(), local->rows - local->row);
    if (put_columns(s, scan, local, n, output) != 0) {
        duckdb_function_set_error(info, "Out of Memory Error: a list of exchange data is too long "
                                        "for the task's memory");
        return;
    }
    duckdb_data_chunk_set_size(output, n);
    local->row += n;
    atomic_fetch_add_explicit(&s->rows_read, n, memory_order_relaxed);
}

int ei_duck_register_source(duckdb_connection c, struct ei_error *e) {
    duckdb_table_function f = duckdb_create_table_function();
    duckdb_logical_type ubigint = duckdb_create_logical_type(DUCKDB_TYPE_UBIGINT);
    duckdb_table_function_set_name(f, "eider_exchange");
    duckdb_table_function_add_parameter(f, ubigint);
    duckdb_table_function_set_bind(f, source_bind);
    duckdb_table_function_set_init(f, source_init);
    duckdb_table_function_set_local_init(f, source_local_init);
    duckdb_table_function_set_function(f, source_function);
    duckdb_table_function_supports_projection_pushdown(f, true);
    duckdb_state state = duckdb_register_table_function(c, f);
    duckdb_destroy_logical_type(&ubigint);
    duckdb_destroy_table_function(&f);
    if (state == DuckDBSuccess)
        return 0;
    return ei_fail(e, EI_INTERNAL, "DuckDB does not take the function eider_exchange");
}

/* ---- binding ---- */

/* Results may have columns of one name, tables not: DuckDB's own way out is a_1, a_2. */
static char *unique_name(const struct ei_duck_source *s, size_t taken, const char *name) {
    char *unique = ei_strdup(name);
    for (unsigned suffix = 1;; suffix++) {
        size_t i = 0;
        while (i < taken && strcasecmp(s->column_names[i], unique) != 0)
            i++;
        if (i == taken)
            return unique;
        free(unique);
        unique = ei_asprintf("%s_%u", name, suffix);
    }
}

static int take_types(struct ei_duck_source *s, const struct ei_duck_column *columns, size_t n,
                      struct ei_error *e) {
    const char **texts = ei_calloc(n, sizeof *texts);
    for (size_t i = 0; i < n; i++)
        texts[i] = columns[i].type;
    int status = ei_duck_types_parse(s->connection, texts, n, &s->types, &s->layout, e);
    free(texts);
    if (status != 0)
        return -1;
    s->column_count = n;
    s->column_names = ei_calloc(n, sizeof *s->column_names);
    for (size_t i = 0; i < n; i++)
        s->column_names[i] = unique_name(s, i, columns[i].name);
    return 0;
}

static uint64_t unit_bytes(const struct ei_duck_source *s) {
    uint64_t sum = 0;
    for (size_t i = 0; i < s->unit_count; i++)
        sum += s->parts[s->units[i].part].file.index.blocks[s->units[i].block].bytes;
    return sum;
}

static int create_view(struct ei_duck_source *s, bool materialise_small, struct ei_error *e) {
    struct ei_buf sql = {0};
    s->is_table = materialise_small && s->rows <= SMALL_ROWS && unit_bytes(s) <= SMALL_BYTES;
    ei_buf_printf(&sql, "CREATE OR REPLACE TEMP %s ", s->is_table ? "TABLE" : "VIEW");
    ei_buf_sql_ident(&sql, s->name);
    ei_buf_printf(&sql, " AS SELECT * FROM eider_exchange(%" PRIu64 "::UBIGINT)", s->handle);
    int status = ei_duck_run(s->connection, sql.data, e);
    s->is_bound = status == 0;
    ei_buf_release(&sql);
    return status;
}

int ei_duck_bind_exchange(duckdb_connection c, const char *view_name,
                          const struct ei_duck_column *columns, size_t column_count,
                          const struct ei_exchange_part *parts, size_t part_count,
                          const struct ei_bind_options *o, struct ei_duck_source **out,
                          size_t *bad_part, struct ei_error *e) {
    size_t bad = EI_NO_PART;
    struct ei_duck_source *s = ei_calloc(1, sizeof *s);
    *out = NULL;
    s->connection = c;
    s->name = ei_strdup(view_name);
    s->bad_part = EI_NO_PART;
    pthread_mutex_init(&s->lock, NULL);
    s->handle = ei_handle_add(EI_HANDLE_SOURCE, s);
    int status = take_types(s, columns, column_count, e);
    if (status == 0)
        status = open_parts(s, parts, part_count, o, &bad, e);
    if (status == 0) {
        status = create_view(s, o->materialise_small, e);
        if (status != 0)
            (void)ei_duck_source_error(s, &bad, e);
    }
    if (bad_part != NULL)
        *bad_part = bad;
    if (status == 0)
        *out = s;
    else
        ei_duck_source_close(s);
    return status;
}

int ei_duck_source_error(const struct ei_duck_source *s, size_t *bad_part, struct ei_error *e) {
    pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&s->lock;
    pthread_mutex_lock(lock);
    int status = s->bad_part == EI_NO_PART ? 0 : -1;
    if (status != 0 && e != NULL)
        *e = s->error;
    if (status != 0 && bad_part != NULL)
        *bad_part = s->bad_part;
    pthread_mutex_unlock(lock);
    return status;
}

void ei_duck_source_progress(const struct ei_duck_source *s, uint64_t *rows, uint64_t *bytes) {
    *rows = atomic_load_explicit(&s->rows_read, memory_order_relaxed);
    *bytes = atomic_load_explicit(&s->bytes_read, memory_order_relaxed);
}

uint64_t ei_duck_source_rows(const struct ei_duck_source *s) {
    return s->rows;
}

static void drop_view(struct ei_duck_source *s) {
    struct ei_buf sql = {0};
    struct ei_error ignored; /* the view may be gone with its connection's state */
    ei_buf_printf(&sql, "DROP %s IF EXISTS temp.", s->is_table ? "TABLE" : "VIEW");
    ei_buf_sql_ident(&sql, s->name);
    (void)ei_duck_run(s->connection, sql.data, &ignored);
    ei_buf_release(&sql);
}

void ei_duck_source_close(struct ei_duck_source *s) {
    if (s == NULL)
        return;
    if (s->is_bound)
        drop_view(s);
    ei_handle_remove(s->handle);
    for (size_t i = 0; i < s->part_count; i++) {
        struct part *p = &s->parts[i];
        ei_exchange_file_release(&p->file);
        if (p->map != NULL)
            (void)munmap(p->map, p->map_bytes);
        free(p->checked);
        free(p->path);
    }
    free(s->parts);
    free(s->units);
    for (size_t i = 0; i < s->column_count; i++)
        free(s->column_names[i]);
    free(s->column_names);
    ei_duck_types_free(s->types, s->column_count);
    ei_layout_release(&s->layout);
    pthread_mutex_destroy(&s->lock);
    free(s->name);
    free(s);
}
