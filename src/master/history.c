/* Finished jobs are remembered: the last 1,000 of them, within a budget of bytes. */
#include "master/internal.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { SAMPLE_MAX = 10000 };

static int compare_u64(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t time_of(const struct ei_task *task) {
    return task->wall_us;
}

static uint64_t rows_of(const struct ei_task *task) {
    return task->rows_in;
}

/* The maximum is exact; the median is of at most SAMPLE_MAX evenly chosen tasks. */
static void spread(const struct ei_job_stage *stage, uint64_t (*of)(const struct ei_task *),
                   uint64_t *median, uint64_t *max) {
    uint32_t stride = stage->totals.done / SAMPLE_MAX + 1;
    uint64_t *values = ei_calloc(stage->totals.done / stride + 1, sizeof *values);
    size_t count = 0;
    uint32_t seen = 0;
    *max = 0;
    for (uint32_t t = 0; t < stage->task_count; t++) {
        const struct ei_task *task = &stage->tasks[t];
        if (task->attempt == 0)
            continue;
        *max = EI_MAX(*max, of(task));
        if (seen++ % stride == 0)
            values[count++] = of(task);
    }
    qsort(values, count, sizeof *values, compare_u64);
    *median = values[count / 2];
    free(values);
}

void ei_stage_times(const struct ei_job_stage *stage, uint64_t *median_us, uint64_t *max_us) {
    *median_us = stage->median_us;
    *max_us = stage->max_us;
    if (stage->tasks != NULL && stage->totals.done > 0)
        spread(stage, time_of, median_us, max_us);
}

void ei_stage_rows(const struct ei_job_stage *stage, uint64_t *median, uint64_t *max) {
    *median = *max = 0;
    if (stage->tasks != NULL && stage->totals.done > 0)
        spread(stage, rows_of, median, max);
}

void ei_history_add(struct ei_master *m, struct ei_job *job) {
    job->history_bytes = ei_job_bytes(job);
    m->history_jobs++;
    m->history_bytes += job->history_bytes;
}

void ei_history_remove(struct ei_master *m, struct ei_job *job) {
    m->history_jobs--;
    m->history_bytes -= job->history_bytes;
    job->history_bytes = 0;
}

static void forget_job(struct ei_master *m, size_t at) {
    struct ei_job *job = m->jobs[at];
    m->history_jobs--;
    m->history_bytes -= job->history_bytes;
    memmove(&m->jobs[at], &m->jobs[at + 1], (m->job_count - at - 1) * sizeof(struct ei_job *));
    m->job_count--;
    ei_job_destroy(job);
}

static void slim_forgotten(struct ei_master *m) {
    for (size_t i = 0; i < m->forgotten_count; i++) {
        struct ei_job *job = ei_job_find(m, m->forgotten[i]);
        if (job == NULL || !ei_job_finished(job))
            continue;
        eider__v1__job_spec__free_unpacked(job->spec, NULL); /* the frames that named it are gone */
        job->spec = NULL;
        ei_job_slim(job);
        m->history_bytes -= job->history_bytes;
        job->history_bytes = ei_job_bytes(job);
        m->history_bytes += job->history_bytes;
    }
    m->forgotten_count = 0;
}

/* Called at the end of a loop turn, when nothing else holds a pointer to a job. The oldest finished
 * job goes first; one that nobody released is released by that, and goes when its files went. */
void ei_history_trim(struct ei_master *m) {
    slim_forgotten(m);
    for (size_t i = 0; i < m->job_count && (m->history_jobs > EI_HISTORY_JOBS_MAX ||
                                            m->history_bytes > EI_HISTORY_BYTES_MAX);) {
        struct ei_job *job = m->jobs[i];
        if (!ei_job_finished(job) || job->notify_queued) {
            i++;
            continue;
        }
        ei_job_release(m, job);
        if (job->forgotten)
            forget_job(m, i);
        else
            i++;
    }
}
