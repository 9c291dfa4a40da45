/* A job's own record: what is kept of a JobSpec while it runs and afterwards. */
#include "master/internal.h"

#include "base/mem.h"
#include "os/os.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_KEPT_MAX (64u << 10) /* bytes of SQL and of the plan that are shown to people */

static char *kept(const char *s) {
    return s == NULL ? ei_strdup("") : ei_strndup(s, strnlen(s, TEXT_KEPT_MAX));
}

static Eider__V1__JobSpec *copy_spec(const Eider__V1__JobSpec *spec) {
    size_t len = eider__v1__job_spec__get_packed_size(spec);
    uint8_t *bytes = ei_malloc(len);
    (void)eider__v1__job_spec__pack(spec, bytes);
    Eider__V1__JobSpec *copy = eider__v1__job_spec__unpack(NULL, len, bytes);
    EI_ASSERT(copy != NULL);
    free(bytes);
    return copy;
}

static void build_stage(struct ei_job_stage *stage, const Eider__V1__StageSpec *spec) {
    stage->name = kept(spec->name);
    stage->sql = kept(spec->sql);
    stage->task_count = spec->tasks;
    stage->partitions = spec->partitions;
    stage->output = spec->output;
    stage->tasks = ei_calloc(spec->tasks, sizeof *stage->tasks);
    stage->inputs = ei_calloc(spec->n_exchanges, sizeof *stage->inputs);
    for (size_t i = 0; i < spec->n_exchanges; i++) {
        bool known = false;
        for (uint32_t k = 0; k < stage->input_count; k++)
            known = known || stage->inputs[k] == spec->exchanges[i]->stage;
        if (!known)
            stage->inputs[stage->input_count++] = spec->exchanges[i]->stage;
    }
}

static void copy_after(struct ei_job *job, const Eider__V1__JobSpec *spec) {
    job->after_count = (uint32_t)spec->n_after;
    job->after = ei_calloc(spec->n_after, sizeof *job->after);
    for (size_t i = 0; i < spec->n_after; i++)
        job->after[i] = (struct ei_sched_dependency){spec->after[i]->job,
                                                     (enum ei_sched_after)spec->after[i]->after};
}

struct ei_job *ei_job_create(const Eider__V1__JobSpec *spec) {
    struct ei_job *job = ei_calloc(1, sizeof *job);
    job->spec = copy_spec(spec);
    job->name = kept(spec->name);
    job->kind = kept(spec->kind);
    job->text = kept(spec->text);
    job->user = kept(spec->user);
    job->queue = kept(spec->queue != NULL && spec->queue[0] != '\0' ? spec->queue : "default");
    job->plan_text = kept(spec->plan_text);
    job->whole_reason = kept(spec->whole_reason);
    job->priority = spec->priority;
    job->begin_ms = spec->begin_ms;
    job->time_limit_ms = spec->time_limit_ms;
    job->keep_ms = spec->keep_ms;
    copy_after(job, spec);
    job->stage_count = (uint32_t)spec->n_stages;
    job->stages = ei_calloc(spec->n_stages, sizeof *job->stages);
    for (size_t i = 0; i < spec->n_stages; i++)
        build_stage(&job->stages[i], spec->stages[i]);
    job->submitted_ms = ei_unix_ms();
    job->submitted_us = ei_now_us();
    return job;
}

static void free_tasks(struct ei_job_stage *stage) {
    for (uint32_t t = 0; stage->tasks != NULL && t < stage->task_count; t++)
        free(stage->tasks[t].path);
    free(stage->tasks);
    stage->tasks = NULL;
}

/* The figures stay, the paths (and with many tasks, the tasks) go: nobody reads the outputs now. */
void ei_job_slim(struct ei_job *job) {
    uint64_t tasks = 0;
    for (uint32_t i = 0; i < job->stage_count; i++)
        tasks += job->stages[i].task_count;
    for (uint32_t i = 0; i < job->stage_count; i++) {
        struct ei_job_stage *stage = &job->stages[i];
        if (tasks > EI_HISTORY_TASKS_MAX)
            free_tasks(stage);
        for (uint32_t t = 0; stage->tasks != NULL && t < stage->task_count; t++) {
            free(stage->tasks[t].path);
            stage->tasks[t].path = NULL;
        }
    }
}

size_t ei_job_bytes(const struct ei_job *job) {
    size_t n = sizeof *job + strlen(job->name) + strlen(job->text) + strlen(job->plan_text) +
               strlen(job->whole_reason);
    for (uint32_t i = 0; i < job->stage_count; i++) {
        const struct ei_job_stage *s = &job->stages[i];
        n += sizeof *s + strlen(s->name) + strlen(s->sql);
        n += s->tasks != NULL ? s->task_count * sizeof *s->tasks : 0;
    }
    n += job->spec != NULL ? eider__v1__job_spec__get_packed_size(job->spec) : 0;
    n += job->failures != NULL ? EI_JOB_FAILURES_MAX * sizeof *job->failures : 0;
    n += job->error != NULL ? sizeof *job->error : 0;
    return n;
}

void ei_job_destroy(struct ei_job *job) {
    for (uint32_t i = 0; i < job->stage_count; i++) {
        struct ei_job_stage *stage = &job->stages[i];
        free_tasks(stage);
        free(stage->name);
        free(stage->sql);
        free(stage->inputs);
        free(stage->first_partition);
        free(stage->partition_bytes);
        free(stage->first_malformed);
    }
    for (uint32_t i = 0; i < job->worker_count; i++)
        free(job->workers[i]);
    for (size_t i = 0; i < job->warning_count; i++)
        free(job->warnings[i]);
    eider__v1__job_spec__free_unpacked(job->spec, NULL);
    free(job->waits);
    free(job->stages);
    free(job->workers);
    free(job->warnings);
    free(job->failures);
    free(job->cancel_reason);
    free(job->after);
    free(job->error);
    free(job->name);
    free(job->kind);
    free(job->text);
    free(job->user);
    free(job->queue);
    free(job->plan_text);
    free(job->whole_reason);
    free(job);
}
