/* Speed of the exchange: rows of a table in memory through the sink into a file and back through
 * the source, on one thread, beside memcpy and LZ4 over the same bytes.
 *
 *   bench_exchange [-r million rows] [-p partitions] [-d directory] [-o json]
 * Best of five; GB/s counts the bytes of the blocks. */
#include "base/mem.h"
#include "duck/engine.h"
#include "duck/errors.h"
#include "duck/sink.h"
#include "duck/source.h"
#include "os/os.h"

#include <inttypes.h>
#include <lz4.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REPEATS 5

static const struct ei_attempt_id ID = {1, 0, 0, 1};

/* 38 bytes a row: a key, two numbers, a date and a short text */
static const char TABLE[] =
    "CREATE TABLE t AS SELECT hash(n) %% 6000000 AS k, n AS a, n / 7.0 AS d, DATE '2000-01-01' + "
    "(n %% 9000)::INTEGER AS day, 'text ' || (n %% 100000) AS s FROM range(%llu) r(n)";
static const struct ei_duck_column COLUMNS[] = {
    {"k", "UBIGINT"}, {"a", "BIGINT"}, {"d", "DOUBLE"}, {"day", "DATE"}, {"s", "VARCHAR"}};

struct bench {
    duckdb_connection c;
    char *path;
    uint64_t rows, bytes;
    bool json, first;
};

static void must(int status, const struct ei_error *e) {
    if (status == 0)
        return;
    (void)fprintf(stderr, "bench_exchange: %s\n", e->text);
    exit(1);
}

static void report(struct bench *b, const char *name, int64_t us) {
    double s = (double)(us > 0 ? us : 1) / 1e6;
    double gb = (double)b->bytes / 1e9 / s, mrow = (double)b->rows / 1e6 / s;
    if (b->json)
        printf(
            "%s\n  {\"name\": \"%s\", \"seconds\": %.4f, \"gb_per_s\": %.3f, \"mrow_per_s\": %.2f}",
            b->first ? "" : ",", name, s, gb, mrow);
    else
        printf("%-34s %8.4f s %8.2f GB/s %8.1f Mrow/s\n", name, s, gb, mrow);
    b->first = false;
}

static void bench_query(struct bench *b, const char *name, const char *sql) {
    struct ei_error e;
    int64_t best = INT64_MAX;
    for (int i = 0; i < REPEATS; i++) {
        int64_t start = ei_now_us();
        must(ei_duck_run(b->c, sql, &e), &e);
        best = EI_MIN(best, ei_now_us() - start);
    }
    report(b, name, best);
}

static void bench_write(struct bench *b, const char *name, uint32_t partitions, bool keep_order) {
    struct ei_error e;
    const uint32_t key = 0;
    int64_t best = INT64_MAX;
    for (int i = 0; i < REPEATS; i++) {
        struct ei_sink_options o = {.path = b->path,
                                    .id = ID,
                                    .key_columns = &key,
                                    .key_count = 1,
                                    .partitions = partitions,
                                    .keep_order = keep_order};
        struct ei_sink_result r;
        (void)unlink(b->path);
        int64_t start = ei_now_us();
        must(ei_duck_write_exchange(b->c, "SELECT * FROM t", &o, &r, &e), &e);
        best = EI_MIN(best, ei_now_us() - start);
        b->bytes = r.bytes;
        b->rows = r.rows;
        ei_sink_result_release(&r);
    }
    report(b, name, best);
}

static void bench_read(struct bench *b, uint32_t partitions) {
    static const char *const QUERIES[][2] = {
        {"read, checked: count, sums, text",
         "SELECT sum(k), sum(a), sum(d), max(day), sum(strlen(s)) FROM x"},
        {"read, checked: one column", "SELECT sum(a) FROM x"},
    };
    struct ei_error e;
    for (size_t q = 0; q < EI_ARRAY_LEN(QUERIES); q++) {
        int64_t best = INT64_MAX;
        for (int i = 0; i < REPEATS; i++) { /* bound anew each time: checksums are verified again */
            struct ei_exchange_part part = {b->path, ID};
            struct ei_bind_options o = {0, partitions, false};
            struct ei_duck_source *source = NULL;
            int64_t start = ei_now_us();
            must(ei_duck_bind_exchange(b->c, "x", COLUMNS, EI_ARRAY_LEN(COLUMNS), &part, 1, &o,
                                       &source, NULL, &e),
                 &e);
            must(ei_duck_run(b->c, QUERIES[q][1], &e), &e);
            best = EI_MIN(best, ei_now_us() - start);
            ei_duck_source_close(source);
        }
        report(b, QUERIES[q][0], best);
    }
}

/* memcpy and LZ4 over the file's bytes, in pieces of 1 MiB like the blocks */
static void bench_yardsticks(struct bench *b) {
    enum { PIECE = 1 << 20 };
    struct ei_buf file = {0};
    struct ei_error e;
    must(ei_read_file(b->path, SIZE_MAX, &file, &e), &e);
    int bound = LZ4_compressBound(PIECE);
    size_t pieces = file.len / PIECE;
    char *out = ei_malloc(file.len);
    char *packed = ei_malloc(pieces * (size_t)bound);
    int *sizes = ei_calloc(pieces, sizeof *sizes);
    int64_t best[3] = {INT64_MAX, INT64_MAX, INT64_MAX};
    memset(out, 1, file.len);
    for (int i = 0; i < 3; i++) {
        int64_t start = ei_now_us();
        memcpy(out, file.data, file.len);
        best[0] = EI_MIN(best[0], ei_now_us() - start);
        start = ei_now_us();
        for (size_t p = 0; p < pieces; p++)
            sizes[p] = LZ4_compress_default(file.data + p * PIECE, packed + p * (size_t)bound,
                                            PIECE, bound);
        best[1] = EI_MIN(best[1], ei_now_us() - start);
        start = ei_now_us();
        for (size_t p = 0; p < pieces; p++)
            (void)LZ4_decompress_safe(packed + p * (size_t)bound, out, sizes[p], PIECE);
        best[2] = EI_MIN(best[2], ei_now_us() - start);
    }
    report(b, "memcpy of the file", best[0]);
    report(b, "LZ4 compress", best[1]);
    report(b, "LZ4 decompress", best[2]);
    free(out);
    free(packed);
    free(sizes);
    ei_buf_release(&file);
}

int main(int argc, char **argv) {
    struct bench b = {.first = true};
    struct ei_error e;
    unsigned long long millions = 5;
    uint32_t partitions = 16;
    const char *dir = "/dev/shm";
    for (int o; (o = getopt(argc, argv, "r:p:d:o:")) != -1;) {
        if (o == 'r')
            millions = strtoull(optarg, NULL, 10);
        else if (o == 'p')
            partitions = (uint32_t)strtoul(optarg, NULL, 10);
        else if (o == 'd')
            dir = optarg;
        else if (o == 'o' && strcmp(optarg, "json") == 0)
            b.json = true;
        else
            return 2;
    }
    struct ei_duck_engine *engine = NULL;
    struct ei_duck_engine_options options = {.memory_limit_bytes = 4ull << 30};
    must(ei_duck_load(&e), &e);
    must(ei_duck_engine_open(&options, &engine, &e), &e);
    must(ei_duck_connect(engine, &b.c, &e), &e);
    char *create = ei_asprintf(TABLE, millions * 1000000ull);
    must(ei_duck_run(b.c, create, &e), &e);
    b.path = ei_asprintf("%s/bench-exchange-%d.exf", dir, (int)getpid());
    if (b.json)
        printf("[");
    bench_write(&b, "write, in order (streamed)", 1, true);
    bench_write(&b, "write, one partition", 1, false);
    bench_write(&b, "write, hash partitioned", partitions, false);
    bench_read(&b, partitions);
    bench_query(&b, "the same from DuckDB's own table",
                "SELECT sum(k), sum(a), sum(d), max(day), sum(strlen(s)) FROM t");
    bench_yardsticks(&b);
    if (b.json)
        printf("\n]\n");
    (void)unlink(b.path);
    duckdb_disconnect(&b.c);
    ei_duck_engine_close(engine);
    free(create);
    free(b.path);
    return 0;
}
