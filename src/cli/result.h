/* The gateway's answer to POST /v1/sql, as it streams in: one JSON object a line.
 *
 *   {"columns":[{"name":"n","type":"BIGINT"}],"job":7}      first; "job" only if one was made
 *   {"progress":{"done":3,"tasks":8,"rows":120000}}          any number, if asked for
 *   {"rows":[["1",null],["2","b"]]}                          any number, up to some thousand rows
 * each
 *   {"end":{"row_count":2,"warnings":["..."]}}               last, or
 *   {"error":{"code":"invalid","message":"...","position":8}}
 *
 * A stream that ends without its last line was cut. */
#ifndef EIDER_CLI_RESULT_H
#define EIDER_CLI_RESULT_H

#include "cli/cli.h"

struct ei_result {
    enum ei_output form;
    bool progress; /* show it on stderr */
    bool quiet;
    bool plain; /* the only column's text as it is (explain) */
    struct ei_buf line, out;
    struct ei_table table;
    bool has_table, first_rows, ended, progress_shown;
    size_t columns;
    struct json_object *header;
    unsigned long long rows;
    int64_t begin_us;
    struct ei_error error; /* of the statement; code EI_OK if none */
};

void ei_result_init(struct ei_result *r, enum ei_output form);
void ei_result_release(struct ei_result *r);
/* An on_body callback of http/http.h; data is a struct ei_result. */
int ei_result_feed(void *data, const char *chunk, size_t n, struct ei_error *e);
/* After the last byte: prints what is left. -1 and *e if the statement failed or the answer was
 * cut. */
int ei_result_finish(struct ei_result *r, struct ei_error *e);

#endif
