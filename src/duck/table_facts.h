/* The gateway's side of tables of files: what a FROM item names (files, format, columns, size) and
 * into which splits tasks can read it. Never a guess about rows: what cannot be cut exactly is read
 * whole, with the reason. */
#ifndef EIDER_DUCK_TABLE_FACTS_H
#define EIDER_DUCK_TABLE_FACTS_H

#include "base/error.h"
#include "duck/api.h"
#include "wire/messages.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ei_table_argument {
    const char *name; /* of a named argument (delim=...); NULL: positional */
    const char *sql;  /* its text: 'data/x.csv', ['a','b'], {'a': 'INTEGER'} */
};

struct ei_table_call {
    const char *function; /* "" for FROM 'path'; else as the user wrote it: read_csv, ... */
    const struct ei_table_argument *arguments; /* FROM 'path': one positional argument, 'path' */
    size_t argument_count;
    const char *base_dir; /* absolute; relative paths are taken from here */
};

/* Everything owned. */
struct ei_table_facts {
    char *label;                  /* for people: "flights-3m.parquet", "access.log.gz and 3 more" */
    Eider__V1__TableInput *input; /* name empty; kind, options, columns, sql filled */
    Eider__V1__Split **splits;    /* together the whole; none if it can only be read whole */
    size_t split_count;
    Eider__V1__Split *whole; /* all of it in one; readable with `input` too */
    char *whole_reason;      /* NULL unless split_count is 0 */
    uint64_t rows;           /* exact for Parquet, estimated else; 0 = empty */
    uint64_t bytes;          /* on disk */
};

/* Is it one of the functions that ei_table_facts_load understands (any case)? */
bool ei_table_facts_is_file_function(const char *name);

/* Looks at the files of a FROM item. `c` is a connection used for nothing else meanwhile.
 * want_splits is the number of tasks that could run at once. EI_INPUT_MISSING: no such file, no
 * match, unreadable; EI_INVALID: broken file or wrong options; each names the path. */
int ei_table_facts_load(duckdb_connection c, const struct ei_table_call *call, uint32_t want_splits,
                        struct ei_table_facts **out, struct ei_error *e);

/* The same with other sizes of splits: for tests. */
struct ei_table_limits {
    uint64_t min_parquet_bytes, max_parquet_bytes; /* of a split, compressed, as on disk */
    uint64_t min_text_bytes, max_text_bytes;
};
int ei_table_facts_load_limited(duckdb_connection c, const struct ei_table_call *call,
                                uint32_t want_splits, const struct ei_table_limits *limits,
                                struct ei_table_facts **out, struct ei_error *e);

void ei_table_facts_destroy(struct ei_table_facts *f); /* NULL-safe */

#endif
