/* Inside of table_facts: what is being found out about one FROM item. */
#ifndef EIDER_DUCK_FACTS_H
#define EIDER_DUCK_FACTS_H

#include "base/buf.h"
#include "duck/table_facts.h"

/* ---- facts_query.c: a query's result as text ---- */

struct ei_rows {
    char **values; /* owned; row by row; NULL = no value */
    size_t row_count, column_count;
};
int ei_rows_query(duckdb_connection c, const char *sql, struct ei_rows *out, struct ei_error *e);
void ei_rows_release(struct ei_rows *r);
const char *ei_rows_at(const struct ei_rows *r, size_t row, size_t column); /* NULL = no value */
uint64_t ei_rows_number(const struct ei_rows *r, size_t row, size_t column);

/* ---- what is known so far ---- */

struct ei_facts_file {
    char *path;
    uint64_t size;
    int64_t mtime_ns;
    bool compressed; /* .gz, .zst */
};

/* A part of a file that is not divided further. begin = end = 0: the whole file. */
struct ei_facts_piece {
    size_t file;
    uint64_t begin, end;
    uint64_t weight_bytes;
};

enum ei_reader {
    EI_READER_NONE,
    EI_READER_CSV,
    EI_READER_JSON,
    EI_READER_NDJSON,
    EI_READER_PARQUET,
    EI_READER_LINES,
    EI_READER_ACCESS_LOG,
    EI_READER_TEXT, /* .log, .txt: lines or an access log */
};

struct ei_facts {
    duckdb_connection c;
    const struct ei_table_call *call;
    const struct ei_table_limits *limits;
    uint32_t want_splits;
    bool mapped; /* tasks read the text where it lies */
    enum ei_reader reader;
    struct ei_facts_file *files;
    size_t file_count, file_capacity;
    struct ei_buf user_options; /* ", delim='|', header=true" as the user gave them, or "" */
    struct ei_facts_piece *pieces;
    size_t piece_count, piece_capacity;
    struct ei_table_facts *out;
};

/* Sets a string field of a message; the message frees it. */
void ei_facts_set(char **field, const char *value);
/* The value of a named argument as the user wrote it, NULL if it was not given. */
const char *ei_facts_option(const struct ei_facts *f, const char *name);
/* The first named argument that is not in the NULL-terminated list, NULL if all are. */
const char *ei_facts_other_option(const struct ei_facts *f, const char *const *known);
/* read_csv(['/a', '/b'], options): options begin with ", " or are "". */
void ei_facts_put_call(struct ei_buf *b, const struct ei_facts *f, const char *function,
                       const char *options);
/* Columns of a SELECT; an error names what was read. */
int ei_facts_describe(struct ei_facts *f, const char *function, const char *options,
                      struct ei_rows *out, struct ei_error *e);
void ei_facts_set_columns(struct ei_facts *f, const struct ei_rows *described);
/* It is read whole, by DuckDB's own function as the user called it. The reason
 * is copied. */
void ei_facts_whole(struct ei_facts *f, const char *function, const char *reason);

/* ---- facts_files.c ---- */

int ei_facts_find_files(struct ei_facts *f, struct ei_error *e);

/* ---- facts_split.c ---- */

void ei_facts_add_piece(struct ei_facts *f, size_t file, uint64_t begin, uint64_t end,
                        uint64_t weight_bytes);
/* Bytes that a split should have. */
uint64_t ei_facts_target(const struct ei_facts *f, uint64_t min_bytes, uint64_t max_bytes);
/* Pieces into splits of about target_bytes. ends[file] is where the file ends, in its pieces'
 * units: a file whose pieces all fall into one split is read whole. */
void ei_facts_pack(struct ei_facts *f, uint64_t target_bytes, const uint64_t *ends);
/* The split that holds all files whole. */
void ei_facts_fill_whole(struct ei_facts *f);

/* ---- one file a format; each fills f->out ---- */

int ei_facts_parquet(struct ei_facts *f, struct ei_error *e);
int ei_facts_csv(struct ei_facts *f, struct ei_error *e);
int ei_facts_json(struct ei_facts *f, struct ei_error *e);
int ei_facts_text(struct ei_facts *f, struct ei_error *e);

/* ---- facts_text.c: of use to all text formats ---- */

/* Maps a file for reading; *data NULL if it is empty. Give back with munmap. */
int ei_facts_map(const struct ei_facts_file *file, const char **data, struct ei_error *e);
/* Where a text file should be cut: positions[0..n), ascending; n is one less than the parts. */
size_t ei_facts_positions(const struct ei_facts *f, const struct ei_facts_file *file,
                          uint64_t target_bytes, size_t **positions);
/* Pieces of a file that is cut at cuts[0..n), ascending. */
void ei_facts_add_cut_file(struct ei_facts *f, size_t file, const size_t *cuts, size_t n);
void ei_facts_estimate_rows(struct ei_facts *f);

#endif
