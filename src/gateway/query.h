/* One statement, as query.c (its way), request.c (how it begins), answer.c (its rows) and change.c
 * (what it changes) see it. All on the loop's thread, but for the functions that run in a lane. */
#ifndef EIDER_GATEWAY_QUERY_H
#define EIDER_GATEWAY_QUERY_H

#include "gateway/engine.h"

#define EI_CALL_TIMEOUT_MS 10000

enum state {
    STATE_LISTING,
    STATE_PREPARING,
    STATE_WAITING, /* for a master; then again from `resume` */
    STATE_SUBMITTING,
    STATE_RUNNING,
    STATE_CHANGING,
    STATE_FETCHING,
    STATE_STREAMING,
    STATE_ASKING, /* for the outputs of a job that was submitted */
    STATE_DONE,
};

struct ei_query {
    struct ei_gateway *g;
    struct ei_query *next, *previous;
    struct ei_http_request *http;
    char *sql, *directory;
    Eider__V1__JobSpec *order; /* how to run it; no stages */
    bool detach;               /* the answer is the job's id */
    bool keep;                 /* the job is not ours: it stays as it is */
    uint64_t run_request;      /* of the master, which waits for the outcome; 0 = none */
    bool explain, typed_json, progress, started;
    struct json_object *settings, *parameters; /* of the request, or NULL */
    int64_t begin_us, fetch_us;                /* when it came; when the job was done */
    uint64_t planned_us;                       /* from the request to the job */
    uint64_t timeout_ms;
    uv_timer_t timer;
    enum state state, resume;
    unsigned pending;
    Eider__V1__CatalogListReply *catalog;
    struct ei_prepared prepared;
    struct ei_plan_schema schema; /* of the result */
    uint64_t job;                 /* 0 = none that must be released */
    uint64_t wanted;              /* the job whose result is asked for */
    uint32_t result_stage;        /* of the job: the last one */
    bool job_finished;
    struct ei_buf warnings; /* JSON strings, comma separated */
    struct ei_rows_file *files;
    Eider__V1__JobUpdate *success; /* the update with the results, while fetching */
    size_t file_count, fetched;
    struct ei_fetch *fetch;
    struct ei_rows *rows;
    bool rows_done, lane_busy, header_sent;
    unsigned results_lost;
    bool list_read; /* of the files that were written */
    struct ei_buf piece;
    uv_work_t work;
    void (*lane_work)(struct ei_query *q), (*lane_done)(struct ei_query *q);
    int work_rc;
    struct ei_error error;
};

/* query.c */
void ei_query_fail(struct ei_query *q, const struct ei_error *e);
void ei_query_finish(struct ei_query *q);
void ei_query_maybe_free(struct ei_query *q);
void ei_query_wait(struct ei_query *q, enum state resume); /* for a master */
void ei_query_on_aborted(void *data);
void ei_query_on_timeout(uv_timer_t *timer);
void ei_query_list_catalog(struct ei_query *q);
void ei_query_ask_result(struct ei_query *q);
void ei_query_answer_run(struct ei_query *q, const struct ei_error *e);
/* Runs `work` in a lane, then `done` on the loop; `done` looks at the state, which may be DONE. */
void ei_query_lane(struct ei_query *q, void (*work)(struct ei_query *q),
                   void (*done)(struct ei_query *q));
/* The result cannot be read: the job runs again, if nobody has seen anything of it. */
void ei_query_results_lost(struct ei_query *q, const struct ei_error *e);

/* answer.c */
void ei_answer_progress(struct ei_query *q, const Eider__V1__JobUpdate *u);
void ei_answer_local_rows(struct ei_query *q);
void ei_answer_submitted(struct ei_query *q);
void ei_answer_warnings(struct ei_query *q, char *const *warnings, size_t count);
/* No rows at all. */
void ei_answer_nothing(struct ei_query *q);
void ei_answer_forget_results(struct ei_query *q);
/* The job has succeeded: fetches its result, then streams it. */
void ei_answer_fetch(struct ei_query *q, const Eider__V1__JobUpdate *update);

/* change.c */
void ei_change_catalog(struct ei_query *q); /* what was prepared */
/* The job's result is here and is not for the client: files to commit, figures to show, ... */
void ei_change_after_job(struct ei_query *q);
/* Of a query that is DONE: what its tasks wrote goes. */
void ei_change_abandon(struct ei_query *q);

#endif
