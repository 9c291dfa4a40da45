/* One statement from its HTTP request to its last row. Everything here runs on the loop's thread;
 * blocking steps run in work lanes (uv_queue_work) and come back as events.
 *
 *   LISTING --catalogue--> PREPARING --job--> SUBMITTING --> RUNNING --> FETCHING --> STREAMING -->
 * DONE
 *                              |--table created or dropped--> CHANGING --> DONE
 *                              '--rows of our own--------------------------> DONE
 *   A submitted job ends at RUNNING; its result comes by ASKING --outputs--> FETCHING, later.
 *   master lost in LISTING, SUBMITTING, RUNNING: WAITING, then again from the step before.
 *   result files lost in FETCHING, or before the first row: SUBMITTING again.
 *
 * Invariants: `http` is NULL from the moment the exchange ended or the client went away. A query is
 * freed when it is DONE and nothing is pending (calls, work, the timer's close). A job of ours is
 * released exactly once; if it had not finished, it is cancelled before. */
#include "gateway/query.h"
#include "base/mem.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WAIT_FOR_MASTER_MS 30000
#define RESULTS_LOST_MAX 3 /* then the query fails */

static void submit(struct ei_query *q);

/* ---- life ---- */

void ei_query_maybe_free(struct ei_query *q) {
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
    ei_answer_forget_results(q);
    if (q->catalog != NULL)
        eider__v1__catalog_list_reply__free_unpacked(q->catalog, NULL);
    ei_prepared_release(&q->prepared);
    ei_plan_schema_release(&q->schema);
    ei_buf_release(&q->warnings);
    ei_buf_release(&q->piece);
    free(q->sql);
    free(q->directory);
    json_object_put(q->settings);
    json_object_put(q->parameters);
    if (q->order != NULL)
        eider__v1__job_spec__free_unpacked(q->order, NULL);
    free(q);
}

static void on_timer_closed(uv_handle_t *handle) {
    struct ei_query *q = handle->data;
    q->pending--;
    ei_query_maybe_free(q);
}

static void drop_job(struct ei_query *q) {
    if (q->job == 0)
        return;
    (void)ei_map_remove_u64(&q->g->jobs, q->job);
    if (q->keep) {
        q->job = 0;
        return;
    }
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

void ei_query_finish(struct ei_query *q) {
    if (q->state == STATE_DONE)
        return;
    q->state = STATE_DONE;
    drop_job(q);
    if (q->fetch != NULL) {
        ei_fetch_cancel(q->fetch);
        q->fetch = NULL;
    }
    ei_change_abandon(q);
    (void)uv_timer_stop(&q->timer);
    uv_close((uv_handle_t *)&q->timer, on_timer_closed); /* pending until then */
}

void ei_query_on_aborted(void *data) {
    struct ei_query *q = data;
    q->http = NULL;
    ei_query_finish(q);
}

/* The outcome of what the master wanted to be run. */
void ei_query_answer_run(struct ei_query *q, const struct ei_error *e) {
    Eider__V1__Reply reply = EIDER__V1__REPLY__INIT;
    Eider__V1__Error error;
    if (q->run_request == 0 || q->g->master == NULL)
        return;
    if (e->code != EI_OK) {
        ei_error_to_wire(e, &error);
        reply.error = &error;
    }
    ei_conn_reply(q->g->master, q->run_request, &reply.base);
    q->run_request = 0;
}

void ei_query_fail(struct ei_query *q, const struct ei_error *e) {
    if (q->state == STATE_DONE)
        return;
    ei_query_answer_run(q, e);
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
    ei_query_finish(q);
}

void ei_query_on_timeout(uv_timer_t *timer) {
    struct ei_query *q = timer->data;
    struct ei_error e;
    if (q->state == STATE_WAITING && q->timeout_ms == 0)
        (void)ei_fail(&e, EI_UNREACHABLE, "the master has not answered for %d s",
                      WAIT_FOR_MASTER_MS / 1000);
    else
        (void)ei_fail(&e, EI_TIMEOUT, "the query was cancelled after its time limit of %llu s",
                      (unsigned long long)q->timeout_ms / 1000);
    ei_query_fail(q, &e);
}

/* ---- lanes ---- */

static void on_lane_work(uv_work_t *work) {
    struct ei_query *q = work->data;
    q->lane_work(q);
}

static void on_lane_done(uv_work_t *work, int status) {
    struct ei_query *q = work->data;
    (void)status;
    q->pending--;
    q->lane_busy = false;
    q->lane_done(q);
}

void ei_query_lane(struct ei_query *q, void (*work)(struct ei_query *q),
                   void (*done)(struct ei_query *q)) {
    EI_ASSERT(!q->lane_busy);
    q->lane_busy = true;
    q->pending++;
    q->lane_work = work;
    q->lane_done = done;
    q->work.data = q;
    (void)uv_queue_work(q->g->loop, &q->work, on_lane_work, on_lane_done);
}

/* ---- the job ---- */

void ei_query_on_update(struct ei_gateway *g, const Eider__V1__JobUpdate *u) {
    struct ei_query *q = ei_map_get_u64(&g->jobs, u->job);
    if (q == NULL || q->state != STATE_RUNNING)
        return;
    struct ei_error e = {0};
    switch (u->state) {
    case EIDER__V1__JOB_STATE__JOB_SUCCEEDED:
        q->job_finished = true;
        q->fetch_us = ei_now_us();
        ei_answer_warnings(q, u->warnings, u->n_warnings);
        ei_answer_fetch(q, u);
        break;
    case EIDER__V1__JOB_STATE__JOB_FAILED:
    case EIDER__V1__JOB_STATE__JOB_CANCELLED:
        q->job_finished = true;
        if (ei_error_from_wire(u->error, &e) == 0)
            (void)ei_fail(&e, EI_CANCELLED, "the job was cancelled");
        ei_query_fail(q, &e);
        break;
    default:
        if (q->progress)
            ei_answer_progress(q, u);
    }
}

void ei_query_wait(struct ei_query *q, enum state resume) {
    if (q->job != 0)
        (void)ei_map_remove_u64(&q->g->jobs, q->job);
    q->job = 0;
    q->state = STATE_WAITING;
    q->resume = resume;
    if (q->timeout_ms == 0)
        (void)uv_timer_start(&q->timer, ei_query_on_timeout, WAIT_FOR_MASTER_MS, 0);
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
            ei_query_maybe_free(q);
            return;
        }
        if (q->detach) {
            ei_answer_submitted(q);
            return;
        }
        (void)ei_map_put_u64(&q->g->jobs, q->job, q);
        q->state = STATE_RUNNING;
        return;
    }
    if (q->state != STATE_SUBMITTING) {
        ei_query_maybe_free(q);
    } else if (body == NULL && q->detach) { /* once more might be twice */
        refused = *e;
        (void)ei_wrap(&refused, "it is not known whether the job was submitted");
        ei_query_fail(q, &refused);
    } else if (body == NULL && e->code == EI_UNREACHABLE) {
        ei_query_wait(q, STATE_SUBMITTING);
    } else {
        ei_query_fail(q, body == NULL ? e : &refused);
    }
}

static void submit(struct ei_query *q) {
    if (!q->g->registered) {
        ei_query_wait(q, STATE_SUBMITTING);
        return;
    }
    Eider__V1__SubmitJob message = EIDER__V1__SUBMIT_JOB__INIT;
    message.spec = q->prepared.spec;
    message.bound_to_connection = !q->detach;
    q->state = STATE_SUBMITTING;
    q->pending++;
    ei_conn_call(q->g->master, &message.base, EI_CALL_TIMEOUT_MS, on_submitted, q);
}

/* ---- preparing ---- */

static void prepare_work(struct ei_query *q) {
    struct ei_prepare_input in = {.sql = q->sql,
                                  .directory = q->directory,
                                  .explain = q->explain,
                                  .settings = q->settings,
                                  .parameters = q->parameters,
                                  .catalog = q->catalog,
                                  .gateway = q->g};
    q->work_rc = ei_prepare(&in, &q->prepared, &q->error);
}

static void take_result_schema(struct ei_query *q) {
    const Eider__V1__JobSpec *spec = q->prepared.spec;
    const Eider__V1__StageSpec *last = spec->stages[spec->n_stages - 1];
    q->result_stage = (uint32_t)spec->n_stages - 1;
    for (size_t i = 0; i < last->n_columns; i++)
        ei_schema_add(&q->schema, last->columns[i]->name, last->columns[i]->type);
}

static void on_prepared(struct ei_query *q) {
    const struct ei_prepared *p = &q->prepared;
    if (q->state == STATE_DONE) {
        ei_change_abandon(q);
        ei_query_maybe_free(q);
        return;
    }
    if (q->work_rc != 0) {
        ei_query_fail(q, &q->error);
    } else if (q->detach && (p->spec == NULL || p->after != EI_AFTER_STREAM)) {
        (void)ei_fail(&q->error, EI_INVALID, "only a query can be submitted as a job");
        ei_query_fail(q, &q->error);
    } else if (q->prepared.has_rows) {
        ei_answer_local_rows(q);
    } else if (q->prepared.spec == NULL) {
        ei_change_catalog(q);
    } else {
        take_result_schema(q);
        ei_order_apply(q->order, q->prepared.spec);
        q->planned_us = (uint64_t)(ei_now_us() - q->begin_us);
        submit(q);
    }
}

static void on_listed(void *data, const ProtobufCMessage *body, const struct ei_error *e) {
    struct ei_query *q = data;
    q->pending--;
    if (q->state == STATE_DONE) {
        ei_query_maybe_free(q);
        return;
    }
    if (body == NULL) {
        if (e->code == EI_UNREACHABLE)
            ei_query_wait(q, STATE_LISTING);
        else
            ei_query_fail(q, e);
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
    ei_query_lane(q, prepare_work, on_prepared);
}

void ei_query_list_catalog(struct ei_query *q) {
    if (!q->g->registered) {
        ei_query_wait(q, STATE_LISTING);
        return;
    }
    Eider__V1__CatalogList list = EIDER__V1__CATALOG_LIST__INIT;
    q->state = STATE_LISTING;
    q->pending++;
    ei_conn_call(q->g->master, &list.base, EI_CALL_TIMEOUT_MS, on_listed, q);
}

/* A worker took its files with it after the job was done. As long as the client has seen nothing of
 * the result the job can run again. */
void ei_query_results_lost(struct ei_query *q, const struct ei_error *e) {
    if (q->wanted != 0 || q->header_sent || ++q->results_lost > RESULTS_LOST_MAX) {
        ei_query_fail(q, e);
        return;
    }
    ei_log(EI_LOG_WARN, "job %llu runs again: its result cannot be read: %s",
           (unsigned long long)q->job, e->text);
    ei_answer_forget_results(q);
    drop_job(q);
    q->job_finished = false;
    ei_buf_clear(&q->warnings);
    submit(q);
}

/* ---- the result of a submitted job ---- */

/* The reply's outputs become an update like that of a job of ours. */
static void take_result(struct ei_query *q, const Eider__V1__GetResultReply *reply) {
    Eider__V1__JobUpdate update = EIDER__V1__JOB_UPDATE__INIT;
    q->job_finished = q->keep = true;
    q->result_stage = reply->stage;
    for (size_t i = 0; i < reply->n_columns; i++)
        ei_schema_add(&q->schema, reply->columns[i]->name, reply->columns[i]->type);
    ei_answer_warnings(q, reply->warnings, reply->n_warnings);
    update.n_results = reply->n_results;
    update.results = reply->results;
    ei_answer_fetch(q, &update);
}

static void on_result(void *data, const ProtobufCMessage *body, const struct ei_error *e) {
    struct ei_query *q = data;
    struct ei_error refused = {0};
    q->pending--;
    if (q->state == STATE_DONE)
        ei_query_maybe_free(q);
    else if (body == NULL && e->code == EI_UNREACHABLE)
        ei_query_wait(q, STATE_ASKING);
    else if (body == NULL)
        ei_query_fail(q, e);
    else if (ei_error_from_wire(((const Eider__V1__GetResultReply *)body)->error, &refused) != 0)
        ei_query_fail(q, &refused);
    else
        take_result(q, (const Eider__V1__GetResultReply *)body);
}

void ei_query_ask_result(struct ei_query *q) {
    q->keep = true;
    if (!q->g->registered) {
        ei_query_wait(q, STATE_ASKING);
        return;
    }
    Eider__V1__GetResult ask = EIDER__V1__GET_RESULT__INIT;
    ask.job = q->wanted;
    q->job = q->wanted;
    q->state = STATE_ASKING;
    q->pending++;
    ei_conn_call(q->g->master, &ask.base, EI_CALL_TIMEOUT_MS, on_result, q);
}

/* ---- the master comes and goes ---- */

void ei_query_master_lost(struct ei_gateway *g) {
    for (struct ei_query *q = g->queries; q != NULL; q = q->next) {
        q->run_request = 0; /* nobody waits for it any more */
        if (q->state == STATE_RUNNING)
            ei_query_wait(q, STATE_SUBMITTING);
    }
}

void ei_query_master_found(struct ei_gateway *g) {
    for (struct ei_query *q = g->queries; q != NULL; q = q->next) {
        if (q->state != STATE_WAITING)
            continue;
        if (q->timeout_ms == 0)
            (void)uv_timer_stop(&q->timer);
        if (q->resume == STATE_LISTING)
            ei_query_list_catalog(q);
        else if (q->resume == STATE_ASKING)
            ei_query_ask_result(q);
        else if (q->resume == STATE_CHANGING)
            ei_change_catalog(q);
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
        ei_query_fail(q, &e);
    }
}
