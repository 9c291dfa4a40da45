/* Partitions of hash exchanges: which task reads which, and how uneven they are. */
#include "master/internal.h"

#include "base/mem.h"

#include <stdlib.h>

/* Bytes of the partition in all inputs of the stage. */
static uint64_t bytes_of(const struct ei_job *job, const struct ei_job_stage *stage,
                         uint32_t partition, uint32_t partitions) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < stage->input_count; i++) {
        const struct ei_job_stage *in = &job->stages[stage->inputs[i]];
        if (in->partition_bytes != NULL && in->partitions == partitions)
            bytes += in->partition_bytes[partition];
    }
    return bytes;
}

/* Neighbours are taken together until they have a task's part of the bytes; each task gets at least
 * one. */
void ei_partitions_group(struct ei_job *job, uint32_t id, uint32_t tasks) {
    if (job == NULL || job->spec == NULL || id >= job->stage_count)
        return;
    struct ei_job_stage *stage = &job->stages[id];
    uint32_t partitions = ei_spec_hash_partitions(job->spec, job->spec->stages[id]);
    EI_ASSERT(tasks <= stage->task_count);
    stage->task_count = tasks;
    if (partitions < tasks)
        return;
    uint64_t total = 0, sum = 0;
    for (uint32_t p = 0; p < partitions; p++)
        total += bytes_of(job, stage, p, partitions);
    if (total == 0)
        return;
    uint32_t *first = stage->first_partition = ei_calloc(tasks + 1, sizeof *first);
    uint32_t task = 0;
    for (uint32_t p = 0; p < partitions && task + 1 < tasks; p++) {
        sum += bytes_of(job, stage, p, partitions);
        bool full = (double)sum >= (double)total * (task + 1) / tasks;
        bool must = partitions - (p + 1) == tasks - (task + 1); /* one for each that is left */
        if (full || must)
            first[++task] = p + 1;
    }
    first[tasks] = partitions;
}

bool ei_partitions_skew(const struct ei_job_stage *stage, uint32_t *largest, uint32_t *percent) {
    uint64_t total = 0;
    *largest = 0;
    for (uint32_t p = 0; stage->partition_bytes != NULL && p < stage->partitions; p++) {
        total += stage->partition_bytes[p];
        if (stage->partition_bytes[p] > stage->partition_bytes[*largest])
            *largest = p;
    }
    if (total == 0)
        return false;
    *percent = (uint32_t)(stage->partition_bytes[*largest] * 100 / total);
    return true;
}
