/* One statement from its HTTP request to its last row. Everything here runs on the loop's thread;
 * blocking steps run in work lanes (uv_queue_work) and come back as events.
 *
 *   LISTING --catalogue--> PREPARING --job--> SUBMITTING --> RUNNING --> FETCHING --> STREAMING -->
 * DONE
 *                              |--table created or dropped--> CHANGING --> DONE
 *                              '--rows of our own--------------------------> DONE
 *   master lost in LISTING, SUBMITTING, RUNNING: WAITING, then again from the step before.
 *   result files lost in FETCHING, or before the first row: SUBMITTING again.
 *
 * Invariants: `http` is NULL from the moment the exchange ended or the client went away. A query is
 * freed when it is DONE and nothing is pending (calls, work, the timer's close). A job of ours is
 * released exactly once; if it had not finished, it is cancelled before. */
#include "gateway/engine.h"
#include "base/mem.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CALL_TIMEOUT_MS 10000
#define WAIT_FOR_MASTER_MS 30000
#define RESULTS_LOST_MAX 3 /* then the query fails */

enum state {
    STATE_LISTING,
    STATE_PREPARING,
    STATE_WAITING, /* for a master; then again from `resume` */
    STATE_SUBMITTING,
    STATE_RUNNING,
    STATE_CHANGING,
    STATE_FETCHING,
    STATE_STREAMING,
    STATE_DONE,
};

struct ei_query {
    struct ei_gateway *g;
    struct ei_query *next, *previous;
    struct ei_http_request *http;
    char *sql, *directory, *user;
    bool explain, typed_json, progress, started;
    uint64_t timeout_ms;
    uv_timer_t timer;
    enum state state, resume;
    unsigned pending;
    Eider__V1__CatalogListReply *catalog;
    struct ei_prepared prepared;
    struct ei_plan_schema schema; /* of the result */
    uint64_t job;                 /* 0 = none that must be released */
    bool job_finished;
    struct ei_buf warnings; /* JSON strings, comma separated */
    struct ei_rows_file *files;
    Eider__V1__JobUpdate *success; /* the update with the results, while fetching */
    size_t file_count, fetched;
    struct ei_fetch *fetch;
    struct ei_rows *rows;
    bool rows_done, lane_busy, header_sent;
    unsigned results_lost;
    struct ei_buf piece;
    uv_work_t work;
    int work_rc;
    struct ei_error error;
};

static void list_catalog(struct ei_query *q);
static void submit(struct ei_query *q);

/* ---- life ---- */

static void forget_results(struct ei_query *q) {
    ei_rows_destroy(q->rows);
    q->rows = NULL;
    for (size_t i = 0; i < q->file_count; i++) {
        if (q->files[i].temporary)
            (void)unlink(q->files[i].path);
        free(q->files[i].path);
    }
    free(q->files);
    q->files = NULL;
    q->file_count = q->fetched = 0;
    if (q->success != NULL)
        eider__v1__job_update__free_unpacked(q->success, NULL);
    q->success = NULL;
}

static void maybe_free(struct ei_query *q) {
    if (q->state != STATE_DONE || q->pending > 0)
        return;
    struct ei_gateway *g = q->g;
    if (q->previous != NULL)
        q->previous->next = q->next;
    else
        g->queries = q->next;
    if (q->next != NULL)
        q->next->previous = q->previous;
    g->query_count--;
    forget_results(q);
    if (q->catalog != NULL)
        eider__v1__catalog_list_reply__free_unpacked(q->catalog, NULL);
    ei_prepared_release(&q->prepared);
    ei_plan_schema_release(&q->schema);
    ei_buf_release(&q->warnings);
    ei_buf_release(&q->piece);
    free(q->sql);
    free(q->directory);
    free(q->user);
    free(q);
}

static void on_timer_closed(uv_handle_t *handle) {
    struct ei_query *q = handle->data;
    q->pending--;
    maybe_free(q);
}

static void drop_job(struct ei_query *q) {
    if (q->job == 0)
        return;
    (void)ei_map_remove_u64(&q->g->jobs, q->job);
    if (q->g->master != NULL && !q->job_finished) {
        Eider__V1__CancelJob cancel = EIDER__V1__CANCEL_JOB__INIT;
        cancel.job = q->job;
        cancel.reason = (char *)"its client went away or stopped it";
        ei_conn_send(q->g->master, &cancel.base);
    }
    if (q->g->master != NULL) {
        Eider__V1__ReleaseJob release = EIDER__V1__RELEASE_JOB__INIT;
        release.job = q->job;
        ei_conn_send(q->g->master, &release.base);
    }
    q->job = 0;
}

static void finish(struct ei_query *q) {
    if (q->state == STATE_DONE)
        return;
    q->state = STATE_DONE;
    drop_job(q);
    if (q->fetch != NULL) {
        ei_fetch_cancel(q->fetch);
        q->fetch = NULL;
    }
    (void)uv_timer_stop(&q->timer);
    uv_close((uv_handle_t *)&q->timer, on_timer_closed); /* pending until then */
}

static void on_aborted(void *data) {
    struct ei_query *q = data;
    q->http = NULL;
    finish(q);
}

static void fail(struct ei_query *q, const struct ei_error *e) {
    if (q->state == STATE_DONE)
        return;
    if (q->http != NULL && !q->started) {
        ei_http_respond_error(q->http, e);
    } else if (q->http != NULL) {
        struct ei_buf line = {0};
        ei_buf_printf(&line, "{\"error\":{\"code\":\"%s\",\"message\":", ei_code_name(e->code));
        ei_buf_json_string(&line, e->text, strlen(e->text));
        ei_buf_puts(&line, "}}\n");
        (void)ei_http_write(q->http, line.data, line.len);
        ei_http_end(q->http);
        ei_buf_release(&line);
    }
    q->http = NULL;
    finish(q);
}

static void on_timeout(uv_timer_t *timer) {
    struct ei_query *q = timer->data;
    struct ei_error e;
    if (q->state == STATE_WAITING && q->timeout_ms == 0)
        (void)ei_fail(&e, EI_UNREACHABLE, "the master has not answered for %d s",
                      WAIT_FOR_MASTER_MS / 1000);
    else
        (void)ei_fail(&e, EI_TIMEOUT, "the query was cancelled after its time limit of %llu s",
                      (unsigned long long)q->timeout_ms / 1000);
    fail(q, &e);
}

/* ---- writing the answer ---- */

static void on_drained(void *data);

static void start_answer(struct ei_query *q) {
    if (q->started || q->http == NULL)
        return;
    q->started = true;
    ei_http_start(q->http, 200, "application/x-ndjson", on_drained, on_aborted, q);
}

static void put_header(struct ei_query *q) {
    struct ei_buf line = {0};
    q->header_sent = true;
    ei_buf_puts(&line, "{\"columns\":[");
    for (size_t i = 0; i < q->schema.count; i++) {
        const struct ei_plan_column *c = &q->schema.columns[i];
        ei_buf_puts(&line, i == 0 ? "{\"name\":" : ",{\"name\":");
        ei_buf_json_string(&line, c->name, strlen(c->name));
        ei_buf_puts(&line, ",\"type\":");
        ei_buf_json_string(&line, c->type, strlen(c->type));
        ei_buf_putc(&line, '}');
    }
    ei_buf_putc(&line, ']');
    if (q->job != 0)
        ei_buf_printf(&line, ",\"job\":%llu", (unsigned long long)q->job);
    ei_buf_puts(&line, "}\n");
    start_answer(q);
    if (q->http != NULL)
        (void)ei_http_write(q->http, line.data, line.len);
    ei_buf_release(&line);
}

static void end_answer(struct ei_query *q, uint64_t rows) {
    if (q->http != NULL) {
        struct ei_buf line = {0};
        ei_buf_printf(&line, "{\"end\":{\"row_count\":%llu,\"warnings\":[%s]}}\n",
                      (unsigned long long)rows, q->warnings.data == NULL ? "" : q->warnings.data);
        (void)ei_http_write(q->http, line.data, line.len);
        ei_http_end(q->http);
        ei_buf_release(&line);
    }
    q->http = NULL;
    finish(q);
}

static void answer_local_rows(struct ei_query *q) {
    struct ei_local_rows *r = &q->prepared.rows;
    q->schema = r->schema;
    r->schema = (struct ei_plan_schema){0};
    put_header(q);
    struct ei_buf line = {0};
    for (size_t i = 0; i < r->count; i++) {
        size_t column = i % q->schema.count;
        ei_buf_puts(&line, i == 0 ? "{\"rows\":[[" : column == 0 ? ",[" : ",");
        if (r->cells[i] == NULL)
            ei_buf_puts(&line, "null");
        else
            ei_buf_json_string(&line, r->cells[i], strlen(r->cells[i]));
        if (column + 1 == q->schema.count)
            ei_buf_putc(&line, ']');
    }
    if (r->count > 0) {
        ei_buf_puts(&line, "]}\n");
        if (q->http != NULL)
            (void)ei_http_write(q->http, line.data, line.len);
    }
    ei_buf_release(&line);
    end_answer(q, q->schema.count == 0 ? 0 : r->count / q->schema.count);
}

/* ---- streaming rows ---- */

static void render(struct ei_query *q);

/* A worker took its files with it after the job was done. As long as the client has seen nothing of
 * the result the job can run again. */
static void results_lost(struct ei_query *q, const struct ei_error *e) {
    if (q->header_sent || ++q->results_lost > RESULTS_LOST_MAX) {
        fail(q, e);
        return;
    }
    ei_log(EI_LOG_WARN, "job %llu runs again: its result cannot be read: %s",
           (unsigned long long)q->job, e->text);
    forget_results(q);
    drop_job(q);
    q->job_finished = false;
    ei_buf_clear(&q->warnings);
    submit(q);
}

static void on_piece_work(uv_work_t *work) {
    struct ei_query *q = work->data;
    q->work_rc = 0;
    if (q->rows == NULL)
        q->work_rc = ei_rows_open(q->g, &q->schema, q->job, q->files, q->file_count, q->typed_json,
                                  &q->rows, &q->error);
    if (q->work_rc == 0)
        q->work_rc = ei_rows_next(q->rows, &q->piece, &q->rows_done, &q->error);
}

static void on_piece_made(uv_work_t *work, int status) {
    struct ei_query *q = work->data;
    (void)status;
    q->pending--;
    q->lane_busy = false;
    if (q->state == STATE_DONE) {
        maybe_free(q);
        return;
    }
    if (q->work_rc != 0) {
        results_lost(q, &q->error);
        return;
    }
    if (!q->header_sent)
        put_header(q);
    if (q->state == STATE_DONE)
        return;
    bool more = true;
    if (q->piece.len > 0)
        more = ei_http_write(q->http, q->piece.data, q->piece.len);
    ei_buf_clear(&q->piece);
    if (q->state == STATE_DONE)
        return;
    if (q->rows_done)
        end_answer(q, ei_rows_count(q->rows));
    else if (more)
        render(q);
}

static void render(struct ei_query *q) {
    q->lane_busy = true;
    q->pending++;
    q->work.data = q;
    (void)uv_queue_work(q->g->loop, &q->work, on_piece_work, on_piece_made);
}

static void on_drained(void *data) {
    struct ei_query *q = data;
    if (q->state == STATE_STREAMING && !q->lane_busy && !q->rows_done)
        render(q);
}

static void start_stream(struct ei_query *q) {
    q->state = STATE_STREAMING;
    uint64_t rows = 0;
    for (size_t i = 0; i < q->success->n_results; i++)
        rows += q->success->results[i]->rows;
    if (rows > 0) {
        render(q);
        return;
    }
    put_header(q);
    end_answer(q, 0);
}

/* ---- fetching results ---- */

static bool is_local(const Eider__V1__Output *o) {
    return strcmp(o->host_id, ei_host_id()) == 0 && access(o->path, R_OK) == 0;
}

static void fetch_next(struct ei_query *q);

static void on_fetched(void *data, const struct ei_error *e) {
    struct ei_query *q = data;
    q->fetch = NULL;
    if (e->code != EI_OK) {
        results_lost(q, e);
        return;
    }
    q->fetched++;
    fetch_next(q);
}

static void fetch_next(struct ei_query *q) {
    const Eider__V1__JobUpdate *u = q->success;
    uint32_t last = (uint32_t)q->prepared.spec->n_stages - 1;
    for (; q->fetched < u->n_results; q->fetched++) {
        const Eider__V1__Output *o = u->results[q->fetched];
        struct ei_rows_file *f = &q->files[q->file_count++];
        *f = (struct ei_rows_file){.stage = last, .task = o->task, .attempt = o->attempt};
        if (is_local(o)) {
            f->path = ei_strdup(o->path);
            continue;
        }
        f->path = ei_asprintf("%s/fetched/%llu-%u-%u", q->g->data_dir, (unsigned long long)q->job,
                              o->task, o->attempt);
        f->temporary = true;
        q->fetch = ei_fetch_start(q->g, o, q->job, last, f->path, on_fetched, q);
        return;
    }
    start_stream(q);
}

static void start_fetch(struct ei_query *q, const Eider__V1__JobUpdate *update) {
    size_t len = eider__v1__job_update__get_packed_size(update);
    uint8_t *packed = ei_malloc(len);
    (void)eider__v1__job_update__pack(update, packed);
    q->success = eider__v1__job_update__unpack(NULL, len, packed);
    free(packed);
    EI_ASSERT(q->success != NULL);
    q->state = STATE_FETCHING;
    q->files = ei_calloc(update->n_results, sizeof *q->files);
    fetch_next(q);
}

/* ---- the job ---- */

static void put_progress(struct ei_query *q, const Eider__V1__JobUpdate *u) {
    uint64_t tasks = 0, done = 0, rows = 0;
    for (size_t i = 0; i < u->n_stages; i++) {
        tasks += u->stages[i]->tasks;
        done += u->stages[i]->done;
        rows += u->stages[i]->rows_in;
    }
    start_answer(q);
    struct ei_buf line = {0};
    ei_buf_printf(&line, "{\"progress\":{\"done\":%llu,\"tasks\":%llu,\"rows\":%llu}}\n",
                  (unsigned long long)done, (unsigned long long)tasks, (unsigned long long)rows);
    if (q->http != NULL)
        (void)ei_http_write(q->http, line.data, line.len);
    ei_buf_release(&line);
}

void ei_query_on_update(struct ei_gateway *g, const Eider__V1__JobUpdate *u) {
    struct ei_query *q = ei_map_get_u64(&g->jobs, u->job);
    if (q == NULL || q->state != STATE_RUNNING)
        return;
    struct ei_error e = {0};
    switch (u->state) {
    case EIDER__V1__JOB_STATE__JOB_SUCCEEDED:
        q->job_finished = true;
        for (size_t i = 0; i < u->n_warnings; i++) {
            if (q->warnings.len > 0)
                ei_buf_putc(&q->warnings, ',');
            ei_buf_json_string(&q->warnings, u->warnings[i], strlen(u->warnings[i]));
        }
        start_fetch(q, u);
        break;
    case EIDER__V1__JOB_STATE__JOB_FAILED:
    case EIDER__V1__JOB_STATE__JOB_CANCELLED:
        q->job_finished = true;
        if (ei_error_from_wire(u->error, &e) == 0)
            (void)ei_fail(&e, EI_CANCELLED, "the job was cancelled");
        fail(q, &e);
        break;
    default:
        if (q->progress)
            put_progress(q, u);
    }
}

static void wait_for_master(struct ei_query *q, enum state resume) {
    if (q->job != 0)
        (void)ei_map_remove_u64(&q->g->jobs, q->job);
    q->job = 0;
    q->state = STATE_WAITING;
    q->resume = resume;
    if (q->timeout_ms == 0)
        (void)uv_timer_start(&q->timer, on_timeout, WAIT_FOR_MASTER_MS, 0);
}

static void on_submitted(void *data, const ProtobufCMessage *body, const struct ei_error *e) {
    struct ei_query *q = data;
    q->pending--;
    const Eider__V1__SubmitJobReply *reply = (const Eider__V1__SubmitJobReply *)body;
    struct ei_error refused = {0};
    if (body != NULL && ei_error_from_wire(reply->error, &refused) == 0) {
        q->job = reply->job;
        if (q->state != STATE_SUBMITTING) {
            drop_job(q);
            maybe_free(q);
            return;
        }
        (void)ei_map_put_u64(&q->g->jobs, q->job, q);
        q->state = STATE_RUNNING;
        return;
    }
    if (q->state != STATE_SUBMITTING)
        maybe_free(q);
    else if (body == NULL && e->code == EI_UNREACHABLE)
        wait_for_master(q, STATE_SUBMITTING);
    else
        fail(q, body == NULL ? e : &refused);
}

static void submit(struct ei_query *q) {
    if (!q->g->registered) {
        wait_for_master(q, STATE_SUBMITTING);
        return;
    }
    Eider__V1__SubmitJob message = EIDER__V1__SUBMIT_JOB__INIT;
    message.spec = q->prepared.spec;
    message.bound_to_connection = true;
    q->state = STATE_SUBMITTING;
    q->pending++;
    ei_conn_call(q->g->master, &message.base, CALL_TIMEOUT_MS, on_submitted, q);
}

/* ---- catalogue changes ---- */

static void on_changed(void *data, const ProtobufCMessage *body, const struct ei_error *e) {
    struct ei_query *q = data;
    q->pending--;
    if (q->state == STATE_DONE) {
        maybe_free(q);
        return;
    }
    struct ei_error refused = {0};
    if (body == NULL) {
        struct ei_error unknown = *e;
        (void)ei_wrap(&unknown, "it is not known whether the catalogue was changed");
        fail(q, &unknown);
    } else if (ei_error_from_wire(((const Eider__V1__Reply *)body)->error, &refused) != 0) {
        fail(q, &refused);
    } else {
        start_answer(q);
        end_answer(q, 0);
    }
}

static void change_catalog(struct ei_query *q) {
    struct ei_prepared *p = &q->prepared;
    if (!q->g->registered) {
        struct ei_error e;
        (void)ei_fail(&e, EI_UNREACHABLE, "there is no master at the moment: nothing was changed");
        fail(q, &e);
        return;
    }
    q->state = STATE_CHANGING;
    q->pending++;
    if (p->entry != NULL) {
        Eider__V1__CatalogCreate m = EIDER__V1__CATALOG_CREATE__INIT;
        m.entry = p->entry;
        m.or_replace = p->or_replace;
        m.if_not_exists = p->if_not_exists;
        ei_conn_call(q->g->master, &m.base, CALL_TIMEOUT_MS, on_changed, q);
    } else {
        Eider__V1__CatalogDrop m = EIDER__V1__CATALOG_DROP__INIT;
        m.name = p->drop;
        m.if_exists = p->if_exists;
        ei_conn_call(q->g->master, &m.base, CALL_TIMEOUT_MS, on_changed, q);
    }
}

/* ---- preparing ---- */

static void on_prepare_work(uv_work_t *work) {
    struct ei_query *q = work->data;
    struct ei_prepare_input in = {.sql = q->sql,
                                  .directory = q->directory,
                                  .explain = q->explain,
                                  .catalog = q->catalog,
                                  .gateway = q->g};
    q->work_rc = ei_prepare(&in, &q->prepared, &q->error);
}

static void take_result_schema(struct ei_query *q) {
    const Eider__V1__JobSpec *spec = q->prepared.spec;
    const Eider__V1__StageSpec *last = spec->stages[spec->n_stages - 1];
    for (size_t i = 0; i < last->n_columns; i++)
        ei_schema_add(&q->schema, last->columns[i]->name, last->columns[i]->type);
}

static void on_prepared(uv_work_t *work, int status) {
    struct ei_query *q = work->data;
    (void)status;
    q->pending--;
    if (q->state == STATE_DONE) {
        maybe_free(q);
        return;
    }
    if (q->work_rc != 0) {
        fail(q, &q->error);
    } else if (q->prepared.has_rows) {
        answer_local_rows(q);
    } else if (q->prepared.spec == NULL) {
        change_catalog(q);
    } else {
        take_result_schema(q);
        if (q->prepared.spec->user != (char *)protobuf_c_empty_string)
            free(q->prepared.spec->user);
        q->prepared.spec->user = ei_strdup(q->user);
        submit(q);
    }
}

static void on_listed(void *data, const ProtobufCMessage *body, const struct ei_error *e) {
    struct ei_query *q = data;
    q->pending--;
    if (q->state == STATE_DONE) {
        maybe_free(q);
        return;
    }
    if (body == NULL) {
        if (e->code == EI_UNREACHABLE)
            wait_for_master(q, STATE_LISTING);
        else
            fail(q, e);
        return;
    }
    size_t len = protobuf_c_message_get_packed_size(body);
    uint8_t *packed = ei_malloc(len);
    (void)protobuf_c_message_pack(body, packed);
    if (q->catalog != NULL)
        eider__v1__catalog_list_reply__free_unpacked(q->catalog, NULL);
    q->catalog = eider__v1__catalog_list_reply__unpack(NULL, len, packed);
    free(packed);
    q->state = STATE_PREPARING;
    q->pending++;
    q->work.data = q;
    (void)uv_queue_work(q->g->loop, &q->work, on_prepare_work, on_prepared);
}

static void list_catalog(struct ei_query *q) {
    if (!q->g->registered) {
        wait_for_master(q, STATE_LISTING);
        return;
    }
    Eider__V1__CatalogList list = EIDER__V1__CATALOG_LIST__INIT;
    q->state = STATE_LISTING;
    q->pending++;
    ei_conn_call(q->g->master, &list.base, CALL_TIMEOUT_MS, on_listed, q);
}

/* ---- the master comes and goes ---- */

void ei_query_master_lost(struct ei_gateway *g) {
    for (struct ei_query *q = g->queries; q != NULL; q = q->next)
        if (q->state == STATE_RUNNING)
            wait_for_master(q, STATE_SUBMITTING);
}

void ei_query_master_found(struct ei_gateway *g) {
    for (struct ei_query *q = g->queries; q != NULL; q = q->next) {
        if (q->state != STATE_WAITING)
            continue;
        if (q->timeout_ms == 0)
            (void)uv_timer_stop(&q->timer);
        if (q->resume == STATE_LISTING)
            list_catalog(q);
        else
            submit(q);
    }
}

void ei_query_stop_all(struct ei_gateway *g) {
    struct ei_error e;
    (void)ei_fail(&e, EI_UNREACHABLE, "the gateway is being stopped");
    struct ei_query *next;
    for (struct ei_query *q = g->queries; q != NULL; q = next) {
        next = q->next;
        fail(q, &e);
    }
}

/* ---- the request ---- */

static const char *body_string(struct json_object *o, const char *key) {
    struct json_object *v = NULL;
    return json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_string)
               ? json_object_get_string(v)
               : NULL;
}

static int read_request(struct ei_http_request *r, struct ei_query *q, struct ei_error *e) {
    size_t len = 0;
    const char *body = ei_http_body(r, &len);
    struct json_tokener *tokener = json_tokener_new();
    struct json_object *o = len == 0 ? NULL : json_tokener_parse_ex(tokener, body, (int)len);
    json_tokener_free(tokener);
    int rc = 0;
    const char *sql = json_object_is_type(o, json_type_object) ? body_string(o, "sql") : NULL;
    if (sql == NULL) {
        rc = ei_fail(e, EI_USAGE, "the body must be a JSON object with the member \"sql\"");
    } else {
        const char *directory = body_string(o, "directory");
        const char *format = body_string(o, "format");
        struct json_object *progress = NULL, *timeout = NULL;
        (void)json_object_object_get_ex(o, "progress", &progress);
        (void)json_object_object_get_ex(o, "timeout_ms", &timeout);
        q->sql = ei_strdup(sql);
        q->directory = ei_strdup(directory != NULL && directory[0] == '/' ? directory : "/");
        q->typed_json = format == NULL || strcmp(format, "json") == 0;
        q->progress = progress != NULL && json_object_get_boolean(progress);
        int64_t ms = timeout == NULL ? 0 : json_object_get_int64(timeout);
        q->timeout_ms = ms > 0 ? (uint64_t)ms : 0;
        if (!q->typed_json && strcmp(format, "text") != 0)
            rc = ei_fail(e, EI_USAGE, "\"format\" must be \"json\" or \"text\"");
    }
    json_object_put(o);
    return rc;
}

static void begin(struct ei_gateway *g, struct ei_http_request *r, bool explain) {
    struct ei_error e = {0};
    if (g->query_count >= EI_QUERIES_MAX) {
        (void)ei_fail(&e, EI_LIMIT, "this gateway already runs %d queries: try again later",
                      EI_QUERIES_MAX);
        ei_http_respond_error(r, &e);
        return;
    }
    struct ei_query *q = ei_calloc(1, sizeof *q);
    if (read_request(r, q, &e) != 0) {
        ei_http_respond_error(r, &e);
        free(q->sql);
        free(q->directory);
        free(q);
        return;
    }
    q->g = g;
    q->http = r;
    q->explain = explain;
    q->user = ei_strdup(ei_http_user(r));
    q->next = g->queries;
    if (q->next != NULL)
        q->next->previous = q;
    g->queries = q;
    g->query_count++;
    (void)uv_timer_init(g->loop, &q->timer);
    q->timer.data = q;
    q->pending++; /* the timer's close */
    if (q->timeout_ms > 0)
        (void)uv_timer_start(&q->timer, on_timeout, q->timeout_ms, 0);
    ei_http_on_abort(r, on_aborted, q);
    list_catalog(q);
}

void ei_query_on_http(struct ei_http_request *r, void *data) {
    begin(data, r, false);
}

void ei_query_on_explain(struct ei_http_request *r, void *data) {
    begin(data, r, true);
}
