/* What a statement answers: the header, rows of a job or of the gateway's own, the end. */
#include "gateway/query.h"
#include "base/mem.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- writing the answer ---- */

static void on_drained(void *data);

static void start_answer(struct ei_query *q) {
    if (q->started || q->http == NULL)
        return;
    q->started = true;
    ei_http_start(q->http, 200, "application/x-ndjson", on_drained, ei_query_on_aborted, q);
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
    if (q->prepared.answer_settings != NULL)
        ei_buf_printf(&line, ",\"settings\":%s", q->prepared.answer_settings);
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
    q->keep = false; /* all was read */
    ei_query_finish(q);
}

void ei_answer_nothing(struct ei_query *q) {
    ei_plan_schema_release(&q->schema);
    put_header(q);
    end_answer(q, 0);
}

void ei_answer_submitted(struct ei_query *q) {
    char text[64];
    int n = snprintf(text, sizeof text, "{\"job\":%llu}\n", (unsigned long long)q->job);
    ei_query_answer_run(q, &(struct ei_error){.code = EI_OK});
    if (q->http != NULL)
        ei_http_respond(q->http, 200, "application/json", text, (size_t)n);
    q->http = NULL;
    q->keep = true;
    ei_query_finish(q);
}

void ei_answer_warnings(struct ei_query *q, char *const *warnings, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (q->warnings.len > 0)
            ei_buf_putc(&q->warnings, ',');
        ei_buf_json_string(&q->warnings, warnings[i], strlen(warnings[i]));
    }
}

void ei_answer_local_rows(struct ei_query *q) {
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
        else if (q->typed_json && strcmp(q->schema.columns[column].type, "BIGINT") == 0)
            ei_buf_puts(&line, r->cells[i]);
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

static void on_piece_work(uv_work_t *work) {
    struct ei_query *q = work->data;
    q->work_rc = 0;
    if (q->rows == NULL)
        q->work_rc = ei_rows_open(q->g, &q->schema, q->job, q->files, q->file_count, q->typed_json,
                                  q->prepared.settings, &q->rows, &q->error);
    if (q->work_rc == 0)
        q->work_rc = ei_rows_next(q->rows, &q->piece, &q->rows_done, &q->error);
}

static void on_piece_made(uv_work_t *work, int status) {
    struct ei_query *q = work->data;
    (void)status;
    q->pending--;
    q->lane_busy = false;
    if (q->state == STATE_DONE) {
        ei_query_maybe_free(q);
        return;
    }
    if (q->work_rc != 0) {
        ei_query_results_lost(q, &q->error);
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
    if (q->prepared.after != EI_AFTER_STREAM) {
        ei_change_after_job(q);
        return;
    }
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
        ei_query_results_lost(q, e);
        return;
    }
    q->fetched++;
    fetch_next(q);
}

static void fetch_next(struct ei_query *q) {
    const Eider__V1__JobUpdate *u = q->success;
    uint32_t last = q->result_stage;
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

void ei_answer_fetch(struct ei_query *q, const Eider__V1__JobUpdate *update) {
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

void ei_answer_progress(struct ei_query *q, const Eider__V1__JobUpdate *u) {
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

void ei_answer_forget_results(struct ei_query *q) {
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
