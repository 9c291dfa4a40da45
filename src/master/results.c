/* Results of submitted jobs: where they lie, for a gateway that fetches them, and how long they are
 * kept. */
#include "master/internal.h"

#include "base/mem.h"
#include "os/os.h"

#include <stdlib.h>

struct strings {
    char **items;
    size_t count, capacity;
};

static void add_string(void *data, const char *text) {
    struct strings *s = data;
    EI_GROW(s->items, s->count, s->capacity);
    s->items[s->count++] = ei_strdup(text);
}

static int check(const struct ei_job *job, uint64_t id, struct ei_error *e) {
    unsigned long long n = id;
    if (job == NULL)
        return ei_fail(e, EI_NOT_FOUND, "there is no job %llu", n);
    if (!ei_job_finished(job))
        return ei_fail(e, EI_INVALID, "job %llu is %s: it has no result yet", n,
                       ei_job_state_name(job->state));
    if (job->state != EI_JOB_SUCCEEDED) {
        *e = *job->error;
        return -1;
    }
    if (!job->detached)
        return ei_fail(
            e, EI_NOT_FOUND,
            "job %llu was not submitted with `job submit`: its result went to its client", n);
    if (job->released || job->spec == NULL)
        return ei_fail(
            e, EI_NOT_FOUND,
            "the result of job %llu is gone: it was fetched, or nobody fetched it in time", n);
    return 0;
}

static void reply_outputs(struct ei_session *l, const struct ei_message *msg,
                          const struct ei_job *job) {
    Eider__V1__GetResultReply reply = EIDER__V1__GET_RESULT_REPLY__INIT;
    const struct ei_job_stage *last = &job->stages[job->stage_count - 1];
    const Eider__V1__StageSpec *spec = job->spec->stages[job->stage_count - 1];
    Eider__V1__Output *outputs = ei_calloc(last->task_count, sizeof *outputs);
    struct strings warnings = {0};
    reply.stage = job->stage_count - 1;
    reply.n_columns = spec->n_columns;
    reply.columns = spec->columns;
    reply.results = ei_calloc(last->task_count, sizeof *reply.results);
    for (uint32_t t = 0; t < last->task_count; t++) {
        if (!ei_task_to_output(l->master, last, t, &outputs[t]))
            continue; /* its node is being given up: the fetch fails, and can be tried again */
        reply.results[reply.n_results++] = &outputs[t];
    }
    ei_job_each_warning(job, add_string, &warnings);
    reply.warnings = warnings.items;
    reply.n_warnings = warnings.count;
    Eider__V1__Error error;
    struct ei_error e = {0};
    if (reply.n_results < last->task_count) {
        (void)ei_fail(&e, EI_INPUT_LOST, "a part of the result of job %llu was lost; try again",
                      (unsigned long long)job->id);
        ei_error_to_wire(&e, &error);
        reply.error = &error;
    }
    ei_conn_reply(l->conn, msg->request, &reply.base);
    for (size_t i = 0; i < warnings.count; i++)
        free(warnings.items[i]);
    free(warnings.items);
    free(reply.results);
    free(outputs);
}

void ei_on_get_result(struct ei_session *l, const struct ei_message *msg) {
    uint64_t id = ((const Eider__V1__GetResult *)msg->body)->job;
    const struct ei_job *job = ei_job_find(l->master, id);
    struct ei_error e = {0};
    if (check(job, id, &e) == 0) {
        reply_outputs(l, msg, job);
        return;
    }
    Eider__V1__GetResultReply reply = EIDER__V1__GET_RESULT_REPLY__INIT;
    Eider__V1__Error error;
    ei_error_to_wire(&e, &error);
    reply.error = &error;
    ei_conn_reply(l->conn, msg->request, &reply.base);
}

int64_t ei_results_expire(struct ei_master *m, int64_t now_us) {
    if (now_us < m->next_expiry_us)
        return m->next_expiry_us;
    bool any = false;
    for (size_t i = 0; i < m->job_count; i++) {
        struct ei_job *job = m->jobs[i];
        if (!job->detached || job->released)
            continue;
        any = true;
        int64_t keep_ms = job->keep_ms > 0 ? (int64_t)job->keep_ms : EI_RESULT_KEEP_MS;
        if (ei_job_finished(job) && now_us - job->ended_us >= keep_ms * 1000)
            ei_job_release(m, job);
    }
    m->next_expiry_us = now_us + EI_RESULT_CHECK_US;
    return any ? m->next_expiry_us : INT64_MAX;
}
