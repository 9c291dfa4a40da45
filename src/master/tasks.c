/* What workers report of their attempts. */
#include "master/internal.h"

#include "base/mem.h"
#include "os/os.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* ---- failures: the last few of a job, to explain what became of it ---- */

static bool same_id(const struct ei_attempt *a, const struct ei_attempt *b) {
    return a->job == b->job && a->stage == b->stage && a->task == b->task &&
           a->attempt == b->attempt;
}

void ei_task_note_failure(struct ei_job *job, const struct ei_attempt *id, const char *worker,
                          enum ei_code code, const char *text, uint32_t position) {
    if (job->failures == NULL)
        job->failures = ei_calloc(EI_JOB_FAILURES_MAX, sizeof *job->failures);
    struct ei_failure *f = &job->failures[job->failure_count++ % EI_JOB_FAILURES_MAX];
    f->id = *id;
    f->position = position;
    size_t n = EI_MIN(strlen(worker), sizeof f->worker - 1);
    memcpy(f->worker, worker, n);
    f->worker[n] = '\0';
    (void)ei_fail(&f->error, code, "%s", text);
}

const struct ei_failure *ei_job_failure(const struct ei_job *job, const struct ei_attempt *id) {
    uint32_t kept = EI_MIN(job->failure_count, (uint32_t)EI_JOB_FAILURES_MAX);
    for (uint32_t i = 0; i < kept; i++)
        if (same_id(&job->failures[i].id, id))
            return &job->failures[i];
    return NULL;
}

/* ---- outputs ---- */

bool ei_task_to_output(const struct ei_master *m, const struct ei_job_stage *stage, uint32_t task,
                       Eider__V1__Output *out) {
    const struct ei_task *t = &stage->tasks[task];
    const struct ei_peer *p = t->attempt != 0 ? ei_peer_by_node(m, t->node) : NULL;
    if (p == NULL)
        return false;
    eider__v1__output__init(out);
    out->task = task;
    out->attempt = t->attempt;
    out->worker = p->name;
    out->address = p->address;
    out->host_id = p->host_id;
    /* a no-op leaves no file */
    out->path = t->path != NULL ? t->path : (char *)(uintptr_t) "";
    out->file_bytes = t->file_bytes;
    out->rows = t->rows_out;
    return true;
}

static void drop(struct ei_job_stage *stage, struct ei_task *t) {
    struct ei_stage_totals *sum = &stage->totals;
    sum->rows_in -= t->rows_in;
    sum->rows_out -= t->rows_out;
    sum->bytes_in -= t->bytes_in;
    sum->bytes_out -= t->bytes_out;
    sum->malformed -= t->malformed;
    sum->done--;
    free(t->path);
    *t = (struct ei_task){.worker = t->worker};
    stage->output_generation++;
    stage->ended_us = 0;
}

void ei_task_output_dropped(struct ei_master *m, const struct ei_attempt *id) {
    struct ei_job *job = ei_job_find(m, id->job);
    if (job == NULL || id->stage >= job->stage_count || job->stages[id->stage].tasks == NULL)
        return;
    struct ei_job_stage *stage = &job->stages[id->stage];
    if (id->task < stage->task_count && stage->tasks[id->task].attempt == id->attempt)
        drop(stage, &stage->tasks[id->task]);
}

/* ---- warnings ---- */

/* "access.log:17: why", or with a byte offset "access.log:@900: why" -> length of "access.log"; 0
 * for a warning of another form. */
static size_t file_label(const char *warning) {
    for (const char *colon = strchr(warning, ':'); colon != NULL; colon = strchr(colon + 1, ':')) {
        const char *digits = colon + 1 + (colon[1] == '@');
        const char *p = digits;
        while (isdigit((unsigned char)*p))
            p++;
        if (p > digits && *p == ':')
            return (size_t)(colon - warning);
    }
    return 0;
}

static void add_warning(struct ei_job *job, const char *text) {
    for (size_t i = 0; i < job->warning_count; i++)
        if (strcmp(job->warnings[i], text) == 0)
            return;
    if (job->warning_count >= EI_JOB_WARNINGS_MAX)
        return;
    job->warnings = ei_realloc(job->warnings, (job->warning_count + 1) * sizeof *job->warnings);
    job->warnings[job->warning_count++] = ei_strndup(text, strnlen(text, 500));
}

static void note_malformed(struct ei_job_stage *stage, uint32_t task, const char *text) {
    if (stage->first_malformed != NULL) {
        size_t a = file_label(stage->first_malformed), b = file_label(text);
        if (a != b || strncmp(stage->first_malformed, text, a) != 0)
            stage->many_files = true;
        if (stage->first_malformed_task <= task)
            return;
    }
    free(stage->first_malformed);
    stage->first_malformed = ei_strndup(text, strnlen(text, 500));
    stage->first_malformed_task = task;
}

static void note_warnings(struct ei_job *job, const Eider__V1__TaskEvent *ev) {
    struct ei_job_stage *stage = &job->stages[ev->id->stage];
    for (size_t i = 0; i < ev->n_warnings; i++) {
        if (file_label(ev->warnings[i]) > 0)
            note_malformed(stage, ev->id->task, ev->warnings[i]);
        else
            add_warning(job, ev->warnings[i]);
    }
}

/* ---- events ---- */

static uint32_t worker_index(struct ei_job *job, const char *name) {
    for (uint32_t i = 0; i < job->worker_count; i++)
        if (strcmp(job->workers[i], name) == 0)
            return i + 1;
    EI_GROW(job->workers, job->worker_count, job->worker_capacity);
    job->workers[job->worker_count++] = ei_strdup(name);
    return job->worker_count;
}

static void record_output(struct ei_job *job, const struct ei_peer *p,
                          const Eider__V1__TaskEvent *ev) {
    static const Eider__V1__TaskStats no_stats = EIDER__V1__TASK_STATS__INIT;
    const Eider__V1__TaskStats *stats = ev->stats != NULL ? ev->stats : &no_stats;
    struct ei_job_stage *stage = &job->stages[ev->id->stage];
    struct ei_task *t = &stage->tasks[ev->id->task];
    const char *path = ev->output != NULL ? ev->output->path : NULL;
    if (t->attempt != 0)
        drop(stage, t);
    *t = (struct ei_task){
        .node = p->node,
        .path = path != NULL && path[0] != '\0' ? ei_strdup(path) : NULL,
        .file_bytes = ev->output != NULL ? ev->output->file_bytes : 0,
        .rows_in = stats->rows_in,
        .rows_out = stats->rows_out,
        .bytes_in = stats->bytes_in,
        .bytes_out = stats->bytes_out,
        .wall_us = stats->wall_us,
        .attempt = ev->id->attempt,
        .malformed = (uint32_t)EI_MIN(stats->malformed_lines, (uint64_t)UINT32_MAX),
        .worker = worker_index(job, p->name),
    };
    stage->output_generation++;
    struct ei_stage_totals *sum = &stage->totals;
    sum->rows_in += t->rows_in;
    sum->rows_out += t->rows_out;
    sum->bytes_in += t->bytes_in;
    sum->bytes_out += t->bytes_out;
    sum->malformed += t->malformed;
    sum->spill_bytes += stats->spill_bytes;
    sum->cpu_us += stats->cpu_us;
    sum->done++;
    note_warnings(job, ev);
    if (stage->partitions < 2 || ev->n_partition_bytes != stage->partitions)
        return;
    if (stage->partition_bytes == NULL)
        stage->partition_bytes = ei_calloc(stage->partitions, sizeof *stage->partition_bytes);
    for (uint32_t i = 0; i < stage->partitions; i++)
        stage->partition_bytes[i] += ev->partition_bytes[i];
}

static void task_done(struct ei_master *m, struct ei_peer *p, struct ei_job *job,
                      const struct ei_attempt *id, const Eider__V1__TaskEvent *ev) {
    uint64_t bytes = ev->output != NULL ? ev->output->file_bytes : 0;
    struct ei_sched_event event = {
        .type = EI_SCHED_TASK_DONE,
        .now_us = ei_now_us(),
        .node = p->node,
        .u.task = {*id, EI_OK, false, bytes, ev->stats != NULL ? ev->stats->wall_us : 0}};
    struct ei_attempt counts;
    uint64_t node;
    /* Whether it counts is the scheduler's word; the actions already rely on the output. */
    ei_sched_step(m->sched, &event, &m->actions);
    if (job->stages[id->stage].tasks != NULL &&
        ei_sched_output(m->sched, id->job, id->stage, id->task, &counts, &node) &&
        same_id(&counts, id) && node == p->node)
        record_output(job, p, ev);
    ei_master_act(m);
}

static void input_lost(struct ei_master *m, struct ei_peer *p, const struct ei_attempt *id,
                       const Eider__V1__TaskEvent *ev) {
    struct ei_attempt *lost = ei_calloc(ev->n_lost_inputs, sizeof *lost);
    for (size_t i = 0; i < ev->n_lost_inputs; i++)
        lost[i] = (struct ei_attempt){id->job, ev->lost_stage, ev->lost_inputs[i]->task,
                                      ev->lost_inputs[i]->attempt};
    struct ei_sched_event event = {
        .type = EI_SCHED_INPUT_LOST,
        .now_us = ei_now_us(),
        .node = p->node,
        .u.input_lost = {*id, ev->lost_stage, lost, (uint32_t)ev->n_lost_inputs},
    };
    ei_master_step(m, &event);
    free(lost);
}

static void task_failed(struct ei_master *m, struct ei_peer *p, struct ei_job *job,
                        const struct ei_attempt *id, const Eider__V1__TaskEvent *ev) {
    struct ei_error e = {0};
    if (ei_error_from_wire(ev->error, &e) == 0)
        (void)ei_fail(&e, EI_INTERNAL, "the worker gave no reason");
    ei_task_note_failure(job, id, p->name, e.code, e.text,
                         ev->error != NULL ? ev->error->position : 0);
    if (e.code == EI_INPUT_LOST && ev->n_lost_inputs > 0) {
        input_lost(m, p, id, ev);
        return;
    }
    struct ei_sched_event event = {.type = EI_SCHED_TASK_FAILED,
                                   .now_us = ei_now_us(),
                                   .node = p->node,
                                   .u.task = {*id, e.code, ev->not_its_fault, 0}};
    ei_master_step(m, &event);
}

static void one_event(struct ei_master *m, struct ei_peer *p, const Eider__V1__TaskEvent *ev) {
    if (ev->id == NULL)
        return;
    struct ei_attempt id = {ev->id->job, ev->id->stage, ev->id->task, ev->id->attempt};
    struct ei_job *job = ei_job_find(m, id.job);
    if (ev->state != EIDER__V1__TASK_STATE__TASK_RUNNING)
        ei_peer_land(p, job, &id);
    if (job == NULL || id.stage >= job->stage_count ||
        id.task >= job->stages[id.stage].task_count || id.attempt == 0)
        return;
    switch (ev->state) {
    case EIDER__V1__TASK_STATE__TASK_DONE:
        task_done(m, p, job, &id, ev);
        break;
    case EIDER__V1__TASK_STATE__TASK_FAILED:
        task_failed(m, p, job, &id, ev);
        break;
    default: {
        struct ei_sched_event event = {.type = EI_SCHED_TASK_RUNNING,
                                       .now_us = ei_now_us(),
                                       .node = p->node,
                                       .u.task = {id, EI_OK, false, 0}};
        ei_master_step(m, &event);
        break;
    }
    }
    ei_job_notify(m, job, false);
}

void ei_on_task_events(struct ei_session *l, const struct ei_message *msg) {
    const Eider__V1__TaskEvents *events = (const Eider__V1__TaskEvents *)msg->body;
    struct ei_peer *p = l->peer;
    if (p == NULL || p->node == 0 || events->epoch != p->epoch)
        return; /* of an earlier registration: fenced */
    for (size_t i = 0; i < events->n_events; i++)
        one_event(l->master, p, events->events[i]);
}
