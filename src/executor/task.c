/* One task on one connection: views over its inputs, the stage's SELECT, one exchange file. */
#include "base/mem.h"
#include "duck/errors.h"
#include "duck/sink.h"
#include "duck/source.h"
#include "duck/table_input.h"
#include "executor/internal.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SINK_MEMORY_MAX (64ull << 20)
#define SINK_MEMORY_MIN (4ull << 20)
#define WARNINGS_MAX 20

struct bound_exchange {
    struct ei_duck_source *source;
    uint32_t producer;
    struct ei_exchange_part *parts; /* owned; same order as in the source */
    size_t part_count;
};

struct task {
    struct engine *engine;
    struct run *run;
    const Eider__V1__RunTask *m;
    duckdb_connection connection;
    struct bound_exchange *exchanges; /* n_exchanges of the spec */
    struct ei_duck_table **tables;    /* n_tables + n_whole_tables */
};

static bool stopped(const struct task *t, struct ei_error *e) {
    if (!atomic_load(&t->run->stop))
        return false;
    ei_fail(e, EI_CANCELLED, "the task was stopped");
    return true;
}

static void blame_input(struct task *t, const struct bound_exchange *x, size_t part,
                        struct ei_error *e) {
    if (part >= x->part_count)
        return;
    struct run *r = t->run;
    r->input_lost = true;
    r->lost_stage = x->producer;
    r->lost_task = x->parts[part].id.task;
    r->lost_attempt = x->parts[part].id.attempt;
    e->code = EI_INPUT_LOST;
    ei_wrap(e, "the output of task %u.%u (attempt %u) cannot be used", x->producer, r->lost_task,
            r->lost_attempt);
}

/* ---- inputs: exchanges ---- */
/* How many partitions the producer wrote; 0 if the file does not say (binding it will tell why). */
static uint32_t partitions_of(const char *path) {
    uint8_t *data = ei_malloc(EI_EXCHANGE_HEADER_BYTES);
    struct ei_exchange_header header = {0};
    size_t bytes;
    uint32_t partitions = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && pread(fd, data, EI_EXCHANGE_HEADER_BYTES, 0) == EI_EXCHANGE_HEADER_BYTES &&
        ei_exchange_header_peek(data, EI_EXCHANGE_HEADER_BYTES, &bytes, NULL) == 0) {
        data = ei_realloc(data, bytes);
        if (pread(fd, data, bytes, 0) == (ssize_t)bytes &&
            ei_exchange_header_decode(data, bytes, &header, NULL) == 0)
            partitions = header.partitions;
        ei_exchange_header_release(&header);
    }
    if (fd >= 0)
        close(fd);
    free(data);
    return partitions;
}

static void gather_parts(const struct task *t, const Eider__V1__ExchangeInput *in,
                         struct bound_exchange *x) {
    x->producer = in->stage;
    x->parts = ei_calloc(t->m->n_sources + 1, sizeof *x->parts);
    for (size_t i = 0; i < t->m->n_sources; i++) {
        const Eider__V1__LocalSource *s = t->m->sources[i];
        if (strcmp(s->input, in->name) != 0)
            continue;
        x->parts[x->part_count++] = (struct ei_exchange_part){
            s->path, {t->m->id->job, in->stage, s->producer_task, s->attempt}};
    }
}

static int bind_exchange(struct task *t, const Eider__V1__ExchangeInput *in,
                         struct bound_exchange *x, struct ei_error *e) {
    struct ei_bind_options o = {t->m->first_partition, t->m->partition_count, false};
    size_t bad = EI_NO_PART;
    gather_parts(t, in, x);
    uint32_t partitions = x->part_count ? partitions_of(x->parts[0].path) : 1;
    if (partitions == 1 || o.partition_count == 0) { /* gathered or broadcast: read whole */
        o.first_partition = 0;
        o.partition_count = partitions;
        o.materialise_small = partitions == 1;
    }
    struct ei_duck_column *columns = ei_calloc(in->n_columns + 1, sizeof *columns);
    for (size_t i = 0; i < in->n_columns; i++)
        columns[i] = (struct ei_duck_column){in->columns[i]->name, in->columns[i]->type};
    int rc = ei_duck_bind_exchange(t->connection, in->name, columns, in->n_columns, x->parts,
                                   x->part_count, &o, &x->source, &bad, e);
    free(columns);
    if (rc != 0 && bad != EI_NO_PART)
        blame_input(t, x, bad, e);
    return rc;
}

/* ---- inputs: tables ---- */
static int bind_tables(struct task *t, struct ei_error *e) {
    const Eider__V1__StageSpec *spec = t->m->spec;
    const Eider__V1__Split none = EIDER__V1__SPLIT__INIT;
    const char *scratch = t->engine->scratch_directory;
    size_t n = 0;
    for (size_t i = 0; i < spec->n_tables; i++) {
        const Eider__V1__TableInput *in = spec->tables[i];
        bool split = strcmp(in->name, spec->split_table) == 0 && t->m->split;
        if (ei_duck_bind_table(t->connection, in, split ? t->m->split : &none, scratch,
                               &t->tables[n++], e) != 0)
            return -1;
    }
    for (size_t i = 0; i < spec->n_whole_tables; i++) {
        const Eider__V1__Split *files = i < spec->n_whole_splits ? spec->whole_splits[i] : &none;
        if (ei_duck_bind_table(t->connection, spec->whole_tables[i], files, scratch,
                               &t->tables[n++], e) != 0)
            return -1;
    }
    return 0;
}

static int bind_inputs(struct task *t, struct ei_error *e) {
    const Eider__V1__StageSpec *spec = t->m->spec;
    for (size_t i = 0; i < spec->n_settings; i++) {
        if (ei_duck_run(t->connection, spec->settings[i], e) != 0)
            return -1;
    }
    if (bind_tables(t, e) != 0)
        return -1;
    for (size_t i = 0; i < spec->n_exchanges; i++) {
        if (stopped(t, e) || bind_exchange(t, spec->exchanges[i], &t->exchanges[i], e) != 0)
            return -1;
    }
    return 0;
}

/* ---- the statement ---- */
static uint64_t sink_memory(const struct engine *engine) {
    uint64_t share = engine->memory_bytes / engine->slots / 8;
    return EI_MAX(EI_MIN(share, SINK_MEMORY_MAX), SINK_MEMORY_MIN);
}

static int write_output(struct task *t, struct ei_error *e) {
    const Eider__V1__RunTask *m = t->m;
    const Eider__V1__StageSpec *spec = m->spec;
    struct run *r = t->run;
    struct ei_sink_result result = {0};
    struct ei_sink_options o = {
        .path = m->output_path,
        .id = {m->id->job, m->id->stage, m->id->task, m->id->attempt},
        .key_columns = spec->key_columns,
        .key_count = spec->n_key_columns,
        .partitions = spec->partitions,
        .keep_order = spec->output == EIDER__V1__DISTRIBUTION__DISTRIBUTION_RESULT,
        .memory_bytes = sink_memory(t->engine),
    };
    if (spec->output != EIDER__V1__DISTRIBUTION__DISTRIBUTION_HASH)
        o.partitions = 1;
    if (ei_duck_write_exchange(t->connection, spec->sql, &o, &result, e) != 0)
        return -1;
    r->stats.rows_out = result.rows;
    r->stats.bytes_out = result.bytes;
    r->partition_bytes = ei_calloc(result.partitions + 1, sizeof *r->partition_bytes);
    r->partition_count = result.partitions;
    memcpy(r->partition_bytes, result.partition_bytes,
           result.partitions * sizeof *r->partition_bytes);
    ei_sink_result_release(&result);
    return 0;
}

/* Which input, if any, made the statement fail; and the user's names in DuckDB's words. */
static void explain(struct task *t, struct ei_error *e) {
    const Eider__V1__StageSpec *spec = t->m->spec;
    for (size_t i = 0; i < spec->n_exchanges; i++) {
        size_t bad = EI_NO_PART;
        struct bound_exchange *x = &t->exchanges[i];
        if (x->source && ei_duck_source_error(x->source, &bad, e) != 0) {
            blame_input(t, x, bad, e);
            return;
        }
    }
    for (size_t i = 0; i < spec->n_tables + spec->n_whole_tables; i++) {
        if (t->tables[i])
            ei_duck_table_explain(t->tables[i], e);
    }
}

/* ---- figures ---- */
static void add_warnings(struct run *r, const struct ei_duck_table *table) {
    const char *const *lines = NULL;
    size_t n = ei_duck_table_warnings(table, &lines);
    for (size_t i = 0; i < n && r->warning_count < WARNINGS_MAX; i++) {
        EI_GROW(r->warnings, r->warning_count, r->warning_capacity);
        r->warnings[r->warning_count++] = ei_strdup(lines[i]);
    }
}

static void count_inputs(struct task *t) {
    const Eider__V1__StageSpec *spec = t->m->spec;
    Eider__V1__TaskStats *stats = &t->run->stats;
    for (size_t i = 0; i < spec->n_tables + spec->n_whole_tables; i++) {
        struct ei_duck_table_counts counts = {0};
        if (!t->tables[i])
            continue;
        ei_duck_table_counts(t->tables[i], &counts);
        stats->rows_in += counts.rows;
        stats->bytes_in += counts.bytes;
        stats->malformed_lines += counts.malformed_lines;
        add_warnings(t->run, t->tables[i]);
    }
    for (size_t i = 0; i < spec->n_exchanges; i++) {
        uint64_t rows = 0, bytes = 0;
        if (!t->exchanges[i].source)
            continue;
        ei_duck_source_progress(t->exchanges[i].source, &rows, &bytes);
        stats->rows_in += rows;
        stats->bytes_in += bytes;
    }
}

static uint64_t thread_cpu_us(void) {
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

/* ---- all of it ---- */
static void set_connection(struct run *r, duckdb_connection c) {
    uv_mutex_lock(&r->lock);
    r->connection = c;
    uv_mutex_unlock(&r->lock);
}

static void close_inputs(struct task *t) {
    const Eider__V1__StageSpec *spec = t->m->spec;
    for (size_t i = 0; i < spec->n_exchanges; i++) {
        ei_duck_source_close(t->exchanges[i].source);
        free(t->exchanges[i].parts);
    }
    for (size_t i = 0; i < spec->n_tables + spec->n_whole_tables; i++)
        ei_duck_table_close(t->connection, t->tables[i]);
}

static int run_on_connection(struct task *t, struct ei_error *e) {
    if (stopped(t, e))
        return -1;
    if (ei_duck_connect(t->engine->duck, &t->connection, e) != 0)
        return -1;
    set_connection(t->run, t->connection);
    int rc = bind_inputs(t, e);
    if (rc == 0 && stopped(t, e)) {
        rc = -1;
    } else if (rc == 0) {
        rc = t->m->spec->files != NULL ? ei_task_write_files(t->run, t->connection, e)
                                       : write_output(t, e);
        if (rc != 0)
            explain(t, e);
    }
    /* An interrupt must not hit the statements that clean up. */
    set_connection(t->run, NULL);
    count_inputs(t);
    close_inputs(t);
    duckdb_disconnect(&t->connection);
    return rc;
}

void ei_task_execute(struct engine *engine, struct run *r) {
    const Eider__V1__StageSpec *spec = r->m->spec;
    struct task t = {.engine = engine, .run = r, .m = r->m};
    int64_t began_us = ei_now_us();
    uint64_t cpu_us = thread_cpu_us();
    t.exchanges = ei_calloc(spec->n_exchanges + 1, sizeof *t.exchanges);
    t.tables = ei_calloc(spec->n_tables + spec->n_whole_tables + 1, sizeof *t.tables);
    if (run_on_connection(&t, &r->error) == 0)
        r->error.code = EI_OK;
    else if (atomic_load(&r->stop))
        ei_fail(&r->error, EI_CANCELLED, "the task was stopped");
    free(t.exchanges);
    free(t.tables);
    r->stats.wall_us = (uint64_t)(ei_now_us() - began_us);
    r->stats.cpu_us = thread_cpu_us() - cpu_us;
}

/* ---- the database ---- */
void ei_engine_reopen(struct engine *engine, struct run *r) {
    static const ei_duck_register_fn registrations[] = {ei_duck_register_sources};
    struct ei_duck_engine_options o = {
        /* The rest is for what DuckDB does not count: the sinks, our readers, fragmentation. */
        .memory_limit_bytes = engine->memory_bytes / 4 * 3,
        .temp_directory = engine->spill_directory,
        .registrations = registrations,
        .registration_count = EI_ARRAY_LEN(registrations),
    };
    ei_duck_engine_close(engine->duck);
    engine->duck = NULL;
    if (ei_duck_load(&r->error) == 0 && ei_duck_engine_open(&o, &engine->duck, &r->error) == 0)
        r->error.code = EI_OK;
}

/* DuckDB gives all its free memory back when its number of threads changes, and only then. */
void ei_engine_trim(struct engine *engine) {
    duckdb_connection c;
    if (ei_duck_connect(engine->duck, &c, NULL) == 0) {
        ei_duck_run(c, "SET threads=2; SET threads=1", NULL);
        duckdb_disconnect(&c);
    }
    malloc_trim(0);
}
