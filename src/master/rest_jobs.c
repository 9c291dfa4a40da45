/* REST of jobs. */
#include "master/internal.h"

#include "base/mem.h"
#include "master/json.h"
#include "master/why.h"
#include "os/os.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

const char *ei_job_state_name(enum ei_job_state state) {
    static const char *const names[] = {"waiting", "running", "succeeded", "failed", "cancelled"};
    return names[state];
}

/* ---- parameters ---- */

static int parse_number(const char *text, const char *what, uint64_t most, uint64_t *out,
                        struct ei_error *e) {
    uint64_t value = 0;
    size_t len = strlen(text);
    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)text[i]) || len > 18)
            return ei_fail(e, EI_USAGE, "%s must be a number, not \"%.40s\"", what, text);
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    if (len == 0 || value > most)
        return ei_fail(e, EI_USAGE, "%s must be a number up to %llu", what,
                       (unsigned long long)most);
    *out = value;
    return 0;
}

static int query_number(struct ei_http_request *r, const char *name, uint64_t otherwise,
                        uint64_t most, uint64_t *out, struct ei_error *e) {
    const char *text = ei_http_query(r, name);
    *out = otherwise;
    return text == NULL ? 0 : parse_number(text, name, most, out, e);
}

struct ei_job *ei_rest_find_job(struct ei_http_request *r, const struct ei_master *m,
                                struct ei_error *e) {
    uint64_t id;
    if (parse_number(ei_http_param(r, "id"), "a job's id", UINT64_MAX, &id, e) != 0)
        return NULL;
    struct ei_job *job = ei_job_find(m, id);
    if (job == NULL)
        (void)ei_fail(e, EI_NOT_FOUND,
                      id < m->next_job && id > 0
                          ? "job %llu is not remembered any more: only the last ones are"
                          : "there is no job %llu",
                      (unsigned long long)id);
    return job;
}

/* ---- why a stage waits ---- */

/* What a stage that has not begun waits for. */
static void stage_reason(const struct ei_master *m, const struct ei_job *job, uint32_t id,
                         const struct ei_sched_stage_counts *c, struct ei_json *j) {
    if (ei_job_finished(job) || c->running > 0 || c->done == c->tasks)
        return;
    const struct ei_job_stage *stage = &job->stages[id];
    for (uint32_t i = 0; i < stage->input_count; i++) {
        struct ei_sched_stage_counts input;
        ei_stage_counts(m, job, stage->inputs[i], &input);
        if (input.done >= input.tasks)
            continue;
        char *text = ei_asprintf("It waits for stage %u, of which %u of %u tasks are done.",
                                 stage->inputs[i], input.done, input.tasks);
        ei_json_text(j, "reason", text);
        free(text);
        return;
    }
    ei_json_text(j, "reason", "Its tasks wait for a free core.");
}

/* ---- a job ---- */

static void write_summary(const struct ei_master *m, const struct ei_job *job, struct ei_json *j) {
    uint64_t tasks = 0, done = 0, running = 0;
    for (uint32_t i = 0; i < job->stage_count; i++) {
        struct ei_sched_stage_counts c;
        ei_stage_counts(m, job, i, &c);
        tasks += c.tasks;
        done += c.done;
        running += ei_job_finished(job) ? 0 : c.running;
    }
    int64_t end_us = job->ended_us != 0 ? job->ended_us : ei_now_us();
    ei_json_uint(j, "id", job->id);
    ei_json_text(j, "name", job->name);
    ei_json_text(j, "kind", job->kind);
    ei_json_text(j, "state", ei_job_state_name(job->state));
    ei_json_text(j, "user", job->user);
    ei_json_text(j, "queue", job->queue);
    ei_json_int(j, "priority", job->priority);
    if (ei_why_waits(m, job) != NULL)
        ei_json_text(j, "waits_for", ei_why_waits(m, job));
    ei_json_int(j, "submitted_ms", job->submitted_ms);
    if (job->started_ms != 0)
        ei_json_int(j, "started_ms", job->started_ms);
    if (job->ended_ms != 0)
        ei_json_int(j, "ended_ms", job->ended_ms);
    ei_json_int(j, "elapsed_ms", (end_us - job->submitted_us) / 1000);
    ei_json_uint(j, "stage_count", job->stage_count);
    ei_json_uint(j, "tasks", tasks);
    ei_json_uint(j, "tasks_done", done);
    ei_json_uint(j, "tasks_running", running);
    if (job->error != NULL) {
        ei_json_open(j, "error", '{');
        ei_json_text(j, "code", ei_code_name(job->error->code));
        ei_json_text(j, "message", job->error->text);
        if (job->error_position > 0)
            ei_json_uint(j, "position", job->error_position);
        ei_json_close(j, '}');
    }
}

static const char *distribution_name(Eider__V1__Distribution d) {
    static const char *const names[] = {"gather", "hash", "broadcast", "result"};
    return (unsigned)d < EI_ARRAY_LEN(names) ? names[d] : "unknown";
}

static void write_spread(const struct ei_job *job, const struct ei_job_stage *stage,
                         struct ei_json *j) {
    if (stage->tasks == NULL)
        return;
    uint64_t *counts = ei_calloc(job->worker_count + 1, sizeof *counts);
    for (uint32_t t = 0; t < stage->task_count; t++)
        if (stage->tasks[t].attempt != 0)
            counts[stage->tasks[t].worker]++;
    ei_json_open(j, "workers", '[');
    for (uint32_t w = 0; w < job->worker_count; w++) {
        if (counts[w + 1] == 0)
            continue;
        ei_json_open(j, NULL, '{');
        ei_json_text(j, "name", job->workers[w]);
        ei_json_uint(j, "tasks", counts[w + 1]);
        ei_json_close(j, '}');
    }
    ei_json_close(j, ']');
    free(counts);
}

static void write_stage_times(const struct ei_job *job, const struct ei_job_stage *stage,
                              struct ei_json *j) {
    uint64_t median_us, max_us;
    ei_stage_times(stage, &median_us, &max_us);
    if (stage->started_us != 0) {
        int64_t end_us = stage->ended_us != 0 ? stage->ended_us : ei_now_us();
        ei_json_ms(j, "start_ms", (uint64_t)(stage->started_us - job->submitted_us));
        ei_json_ms(j, "elapsed_ms", (uint64_t)(end_us - stage->started_us));
        ei_json_bool(j, "ended", stage->ended_us != 0);
    }
    ei_json_ms(j, "task_ms_median", median_us);
    ei_json_ms(j, "task_ms_max", max_us);
}

static void write_stage(const struct ei_master *m, const struct ei_job *job, uint32_t id,
                        struct ei_json *j) {
    const struct ei_job_stage *stage = &job->stages[id];
    struct ei_sched_stage_counts c;
    ei_stage_counts(m, job, id, &c);
    ei_json_open(j, NULL, '{');
    ei_json_uint(j, "id", id);
    ei_json_text(j, "name", stage->name);
    ei_json_text(j, "sql", stage->sql);
    ei_json_open(j, "inputs", '[');
    for (uint32_t i = 0; i < stage->input_count; i++)
        ei_json_uint(j, NULL, stage->inputs[i]);
    ei_json_close(j, ']');
    ei_json_text(j, "output", distribution_name(stage->output));
    ei_json_uint(j, "partitions", stage->partitions);
    uint32_t largest, percent;
    if (ei_partitions_skew(stage, &largest, &percent)) {
        ei_json_uint(j, "largest_partition", largest);
        ei_json_uint(j, "largest_partition_percent", percent);
    }
    ei_json_uint(j, "tasks", c.tasks);
    ei_json_uint(j, "done", c.done);
    ei_json_uint(j, "running", ei_job_finished(job) ? 0 : c.running);
    ei_json_uint(j, "waiting", c.waiting);
    ei_json_uint(j, "retries", c.retries);
    ei_json_uint(j, "recomputations", c.rounds);
    ei_json_uint(j, "rows_in", stage->totals.rows_in);
    ei_json_uint(j, "rows_out", stage->totals.rows_out);
    ei_json_uint(j, "bytes_in", stage->totals.bytes_in);
    ei_json_uint(j, "bytes_out", stage->totals.bytes_out);
    ei_json_uint(j, "cpu_us", stage->totals.cpu_us);
    ei_json_uint(j, "spill_bytes", stage->totals.spill_bytes);
    ei_json_uint(j, "malformed_lines", stage->totals.malformed);
    write_stage_times(job, stage, j);
    write_spread(job, stage, j);
    stage_reason(m, job, id, &c, j);
    ei_json_close(j, '}');
}

static void add_warning(void *data, const char *text) {
    ei_json_text(data, NULL, text);
}

static void write_failures(const struct ei_job *job, struct ei_json *j) {
    uint32_t kept = EI_MIN(job->failure_count, (uint32_t)EI_JOB_FAILURES_MAX);
    ei_json_open(j, "failures", '[');
    for (uint32_t i = 0; i < kept; i++) {
        const struct ei_failure *f =
            &job->failures[(job->failure_count - kept + i) % EI_JOB_FAILURES_MAX];
        ei_json_open(j, NULL, '{');
        ei_json_uint(j, "stage", f->id.stage);
        ei_json_uint(j, "task", f->id.task);
        ei_json_uint(j, "attempt", f->id.attempt);
        ei_json_text(j, "worker", f->worker);
        ei_json_text(j, "code", ei_code_name(f->error.code));
        ei_json_text(j, "message", f->error.text);
        ei_json_close(j, '}');
    }
    ei_json_close(j, ']');
}

static void write_why(const struct ei_master *m, const struct ei_job *job, struct ei_json *j) {
    struct ei_why w;
    struct ei_buf text = {0};
    ei_why(m, job, &w);
    bool plain = w.count == 1 && (strcmp(w.reasons[0].code, "RUNNING") == 0 ||
                                  strcmp(w.reasons[0].code, "NOTHING_SLOW") == 0);
    ei_why_text(&w, &text);
    if (!plain)
        ei_json_text(j, "reason", text.data);
    ei_json_open(j, "reason_codes", '[');
    for (size_t i = 0; i < w.count; i++)
        ei_json_text(j, NULL, w.reasons[i].code);
    ei_json_close(j, ']');
    ei_buf_release(&text);
    ei_why_release(&w);
}

static void respond_job(struct ei_http_request *r, const struct ei_master *m,
                        const struct ei_job *job) {
    struct ei_json j = {0};
    ei_json_open(&j, NULL, '{');
    write_summary(m, job, &j);
    ei_json_text(&j, "sql", job->text);
    ei_json_text(&j, "plan", job->plan_text);
    ei_json_text(&j, "whole_reason", job->whole_reason);
    write_why(m, job, &j);
    ei_json_open(&j, "stages", '[');
    for (uint32_t i = 0; i < job->stage_count; i++)
        write_stage(m, job, i, &j);
    ei_json_close(&j, ']');
    ei_json_open(&j, "warnings", '[');
    ei_job_each_warning(job, add_warning, &j);
    ei_json_close(&j, ']');
    write_failures(job, &j);
    ei_json_close(&j, '}');
    ei_rest_json(r, &j);
}

int ei_rest_wait_ms(struct ei_http_request *r, uint64_t *out, struct ei_error *e) {
    return query_number(r, "wait_ms", 0, EI_WAIT_MS_MAX, out, e);
}

static void answer_wait(struct ei_master *m, struct ei_wait *w) {
    respond_job(w->request, m, ei_job_find(m, w->jobs[0].id));
}

void ei_rest_job(struct ei_http_request *r, void *data) {
    struct ei_master *m = data;
    struct ei_error e = {0};
    uint64_t wait_ms = 0;
    struct ei_job *job = ei_rest_find_job(r, m, &e);
    if (job == NULL || ei_rest_wait_ms(r, &wait_ms, &e) != 0)
        ei_http_respond_error(r, &e);
    else if (wait_ms > 0 && !ei_job_finished(job))
        ei_wait_add(ei_wait_create(m, r, 1, wait_ms, answer_wait), job);
    else
        respond_job(r, m, job);
}

void ei_rest_job_cancel(struct ei_http_request *r, void *data) {
    struct ei_master *m = data;
    struct ei_error e = {0};
    const struct ei_job *job = ei_rest_find_job(r, m, &e);
    if (job == NULL) {
        ei_http_respond_error(r, &e);
        return;
    }
    char *reason = ei_asprintf("by %s", ei_http_user(r));
    (void)ei_job_cancel(m, job->id, reason, &e);
    free(reason);
    respond_job(r, m, job);
}

/* ---- lists ---- */

static int state_filter(struct ei_http_request *r, int *state, struct ei_error *e) {
    const char *text = ei_http_query(r, "state");
    *state = -1;
    if (text == NULL || text[0] == '\0')
        return 0;
    for (int i = 0; i < 5; i++)
        if (strcmp(text, ei_job_state_name((enum ei_job_state)i)) == 0)
            *state = i;
    if (*state >= 0)
        return 0;
    return ei_fail(e, EI_USAGE,
                   "state must be waiting, running, succeeded, failed or cancelled, not \"%.40s\"",
                   text);
}

void ei_rest_jobs(struct ei_http_request *r, void *data) {
    const struct ei_master *m = data;
    struct ei_error e = {0};
    uint64_t limit;
    int state;
    if (query_number(r, "limit", 100, 1000000, &limit, &e) != 0 ||
        state_filter(r, &state, &e) != 0) {
        ei_http_respond_error(r, &e);
        return;
    }
    const char *queue = ei_http_query(r, "queue"), *user = ei_http_query(r, "user");
    struct ei_json j = {0};
    ei_json_open(&j, NULL, '{');
    ei_json_open(&j, "jobs", '[');
    for (size_t i = m->job_count; i-- > 0 && limit > 0;) {
        if ((state >= 0 && (int)m->jobs[i]->state != state) ||
            (queue != NULL && strcmp(queue, m->jobs[i]->queue) != 0) ||
            (user != NULL && strcmp(user, m->jobs[i]->user) != 0))
            continue;
        ei_json_open(&j, NULL, '{');
        write_summary(m, m->jobs[i], &j);
        ei_json_close(&j, '}');
        limit--;
    }
    ei_json_close(&j, ']');
    ei_json_close(&j, '}');
    ei_rest_json(r, &j);
}

/* The attempt of a task that is running now: what and where. */
static const struct ei_flight *running_attempt(const struct ei_master *m, uint64_t job,
                                               uint32_t stage, uint32_t task,
                                               const struct ei_peer **where) {
    for (size_t i = 0; i < m->nodes.count; i++) {
        const struct ei_peer *p = m->nodes.entries[i].value;
        for (size_t f = 0; f < p->flight_count; f++) {
            const struct ei_attempt *id = &p->flights[f].id;
            if (id->job == job && id->stage == stage && id->task == task) {
                *where = p;
                return &p->flights[f];
            }
        }
    }
    return NULL;
}

static void write_task(const struct ei_master *m, const struct ei_job *job, uint32_t stage,
                       uint32_t task, struct ei_json *j) {
    const struct ei_task *t = &job->stages[stage].tasks[task];
    const struct ei_peer *where = NULL;
    const struct ei_flight *f = NULL;
    if (t->attempt == 0 && !ei_job_finished(job))
        f = running_attempt(m, job->id, stage, task, &where);
    ei_json_open(j, NULL, '{');
    ei_json_uint(j, "task", task);
    if (t->attempt != 0) {
        ei_json_text(j, "state", "done");
        ei_json_uint(j, "attempt", t->attempt);
        ei_json_text(j, "worker", t->worker > 0 ? job->workers[t->worker - 1] : "");
        ei_json_ms(j, "ms", t->wall_us);
        ei_json_uint(j, "rows_in", t->rows_in);
        ei_json_uint(j, "rows_out", t->rows_out);
        ei_json_uint(j, "bytes_in", t->bytes_in);
        ei_json_uint(j, "bytes_out", t->bytes_out);
    } else if (f != NULL) {
        ei_json_text(j, "state", "running");
        ei_json_uint(j, "attempt", f->id.attempt);
        ei_json_text(j, "worker", where->name);
        ei_json_ms(j, "ms", (uint64_t)(ei_now_us() - f->launched_us));
    } else {
        ei_json_text(j, "state", ei_job_finished(job) ? "not finished" : "waiting");
    }
    ei_json_close(j, '}');
}

void ei_rest_job_tasks(struct ei_http_request *r, void *data) {
    const struct ei_master *m = data;
    struct ei_error e = {0};
    uint64_t stage, limit;
    const struct ei_job *job = ei_rest_find_job(r, m, &e);
    if (job == NULL || query_number(r, "stage", 0, UINT32_MAX, &stage, &e) != 0 ||
        query_number(r, "limit", 1000, EI_HISTORY_TASKS_MAX, &limit, &e) != 0) {
        ei_http_respond_error(r, &e);
        return;
    }
    if (stage >= job->stage_count) {
        (void)ei_fail(&e, EI_NOT_FOUND, "job %llu has %u stages, there is no stage %llu",
                      (unsigned long long)job->id, job->stage_count, (unsigned long long)stage);
        ei_http_respond_error(r, &e);
        return;
    }
    const struct ei_job_stage *s = &job->stages[stage];
    struct ei_json j = {0};
    ei_json_open(&j, NULL, '{');
    ei_json_uint(&j, "job", job->id);
    ei_json_uint(&j, "stage", stage);
    ei_json_uint(&j, "count", s->task_count);
    ei_json_bool(&j, "kept", s->tasks != NULL);
    ei_json_open(&j, "tasks", '[');
    for (uint32_t t = 0; s->tasks != NULL && t < EI_MIN((uint64_t)s->task_count, limit); t++)
        write_task(m, job, (uint32_t)stage, t, &j);
    ei_json_close(&j, ']');
    ei_json_close(&j, '}');
    ei_rest_json(r, &j);
}
