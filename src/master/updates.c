/* What the connection that submitted a job hears of it: each change of state at once, progress at
 * most ten times a second. */
#include "master/internal.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void ei_job_notify(struct ei_master *m, struct ei_job *job, bool state_changed) {
    if (job->submitter == NULL || (!state_changed && ei_job_finished(job)))
        return;
    if (state_changed)
        job->changed = true;
    else
        job->progressed = true;
    if (job->notify_queued)
        return;
    job->notify_queued = true;
    EI_GROW(m->notify, m->notify_count, m->notify_capacity);
    m->notify[m->notify_count++] = job;
}

void ei_stage_counts(const struct ei_master *m, const struct ei_job *job, uint32_t stage,
                     struct ei_sched_stage_counts *out) {
    const struct ei_job_stage *s = &job->stages[stage];
    *out = (struct ei_sched_stage_counts){.tasks = s->task_count,
                                          .waiting = s->task_count - s->totals.done,
                                          .done = s->totals.done,
                                          .retries = s->retries,
                                          .rounds = s->rounds};
    if (!ei_job_finished(job))
        (void)ei_sched_stage_counts(m->sched, job->id, stage, out);
}

/* ---- warnings ---- */

/* "access.log: 12 malformed lines skipped, first at access.log:17: no closing quote" */
static char *malformed_sentence(const struct ei_job_stage *s) {
    unsigned long long n = s->totals.malformed;
    const char *lines = n == 1 ? "line" : "lines";
    if (s->first_malformed == NULL)
        return ei_asprintf("%llu malformed %s skipped in stage \"%s\"", n, lines, s->name);
    size_t label = 0, end = 0; /* the file's name without its folders */
    for (; s->first_malformed[end] != ':'; end++)
        label = s->first_malformed[end] == '/' ? end + 1 : label;
    return ei_asprintf("%.*s%s: %llu malformed %s skipped, first at %s", (int)(end - label),
                       s->first_malformed + label, s->many_files ? " and other files" : "", n,
                       lines, s->first_malformed);
}

void ei_job_each_warning(const struct ei_job *job, void (*add)(void *, const char *), void *data) {
    for (uint32_t i = 0; i < job->stage_count; i++) {
        if (job->stages[i].totals.malformed == 0)
            continue;
        char *text = malformed_sentence(&job->stages[i]);
        add(data, text);
        free(text);
    }
    for (size_t i = 0; i < job->warning_count; i++)
        add(data, job->warnings[i]);
}

/* ---- messages ---- */

struct strings {
    char **items;
    size_t count, capacity;
};

static void add_string(void *data, const char *text) {
    struct strings *s = data;
    EI_GROW(s->items, s->count, s->capacity);
    s->items[s->count++] = ei_strdup(text);
}

/* What EXPLAIN ANALYZE shows. */
static void fill_figures(const struct ei_job_stage *stage, Eider__V1__StageProgress *out) {
    out->bytes_in = stage->totals.bytes_in;
    out->cpu_us = stage->totals.cpu_us;
    out->spill_bytes = stage->totals.spill_bytes;
    ei_stage_times(stage, &out->median_us, &out->max_us);
    ei_stage_rows(stage, &out->median_rows_in, &out->max_rows_in);
}

static void fill_stages(const struct ei_master *m, const struct ei_job *job,
                        Eider__V1__StageProgress *stages, Eider__V1__StageProgress **list) {
    for (uint32_t i = 0; i < job->stage_count; i++) {
        struct ei_sched_stage_counts c;
        const struct ei_stage_totals *sum = &job->stages[i].totals;
        ei_stage_counts(m, job, i, &c);
        eider__v1__stage_progress__init(&stages[i]);
        stages[i].stage = i;
        stages[i].tasks = c.tasks;
        stages[i].running = c.running;
        stages[i].done = c.done;
        stages[i].retries = c.retries;
        stages[i].rows_in = sum->rows_in;
        stages[i].rows_out = sum->rows_out;
        stages[i].bytes_out = sum->bytes_out;
        if (job->state == EI_JOB_SUCCEEDED)
            fill_figures(&job->stages[i], &stages[i]);
        list[i] = &stages[i];
    }
}

/* Outputs of the last stage; one whose worker is gone since is left out, and its reader sees that
 * a task is missing. */
static size_t fill_results(const struct ei_master *m, const struct ei_job *job,
                           Eider__V1__Output *outputs, Eider__V1__Output **list) {
    const struct ei_job_stage *last = &job->stages[job->stage_count - 1];
    size_t count = 0;
    for (uint32_t t = 0; t < last->task_count; t++) {
        if (ei_task_to_output(m, last, t, &outputs[count])) {
            list[count] = &outputs[count];
            count++;
        }
    }
    return count;
}

static void send_update(const struct ei_master *m, const struct ei_job *job) {
    Eider__V1__JobUpdate u = EIDER__V1__JOB_UPDATE__INIT;
    Eider__V1__Error error;
    struct strings warnings = {0};
    uint32_t tasks = job->stages[job->stage_count - 1].task_count;
    bool results = job->state == EI_JOB_SUCCEEDED && job->stages[job->stage_count - 1].tasks;
    Eider__V1__StageProgress *stages = ei_calloc(job->stage_count, sizeof *stages);
    Eider__V1__Output *outputs = ei_calloc(results ? tasks : 0, sizeof *outputs);
    u.stages = ei_calloc(job->stage_count, sizeof *u.stages);
    u.results = ei_calloc(results ? tasks : 0, sizeof *u.results);
    u.job = job->id;
    u.state = (Eider__V1__JobState)job->state;
    if (job->error != NULL) {
        ei_error_to_wire(job->error, &error);
        error.position = job->error_position;
        u.error = &error;
    }
    if (job->state == EI_JOB_SUCCEEDED) {
        int64_t began_us = job->started_us != 0 ? job->started_us : job->ended_us;
        u.waited_us = (uint64_t)(began_us - job->submitted_us);
        u.ran_us = (uint64_t)(job->ended_us - began_us);
    }
    u.n_stages = job->stage_count;
    fill_stages(m, job, stages, u.stages);
    if (results)
        u.n_results = fill_results(m, job, outputs, u.results);
    if (ei_job_finished(job))
        ei_job_each_warning(job, add_string, &warnings);
    u.n_warnings = warnings.count;
    u.warnings = warnings.items;
    ei_conn_send(job->submitter->conn, &u.base);
    for (size_t i = 0; i < warnings.count; i++)
        free(warnings.items[i]);
    free(warnings.items);
    free(stages);
    free(outputs);
    free(u.stages);
    free(u.results);
}

int64_t ei_updates_send(struct ei_master *m, int64_t now_us) {
    int64_t next_us = INT64_MAX;
    size_t kept = 0;
    for (size_t i = 0; i < m->notify_count; i++) {
        struct ei_job *job = m->notify[i];
        if (job->submitter != NULL && !job->changed && now_us < job->update_due_us) {
            next_us = EI_MIN(next_us, job->update_due_us);
            m->notify[kept++] = job;
            continue;
        }
        if (job->submitter != NULL)
            send_update(m, job);
        job->changed = job->progressed = job->notify_queued = false;
        job->update_due_us = now_us + EI_PROGRESS_US;
    }
    m->notify_count = kept;
    return next_us;
}
