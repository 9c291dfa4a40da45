/* May a job be submitted? For whoever answers the submitter; JOB_SUBMIT itself asks the same. And
 * what queues, users and nodes hold now. */
#ifndef EIDER_SCHED_ADMISSION_H
#define EIDER_SCHED_ADMISSION_H

#include "sched/sched.h"

/* 0, or -1 and a sentence in *e that names the limit. `event` is a JOB_SUBMIT. */
int ei_sched_may_submit(const struct ei_sched *s, const struct ei_sched_event *event,
                        struct ei_error *e);

struct ei_sched_use {
    uint64_t cores, memory_bytes; /* of live attempts */
    uint32_t running_jobs, waiting_jobs;
};
/* With all queues below it; all 0 if there is no such queue or user. */
struct ei_sched_use ei_sched_queue_use(const struct ei_sched *s, const char *queue);
struct ei_sched_use ei_sched_user_use(const struct ei_sched *s, const char *user);
/* Until when a node gets nothing after failures; 0 = it is not excluded. */
int64_t ei_sched_node_excluded_until(const struct ei_sched *s, uint64_t node);

#endif
