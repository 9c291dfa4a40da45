/* Why a job waits, failed or is slow. Reasons to wait are the scheduler's (EI_SCHED_REASONS in
 * sched/sched.h); those of failures and slowness are here. */
#ifndef EIDER_MASTER_WHY_H
#define EIDER_MASTER_WHY_H

#include "master/internal.h"

/* X(name, the reason as a sentence without its figures) */
#define EI_WHY_REASONS(X)                                                                          \
    X(FAILED, "a task failed as often as it may, or in a way that no other attempt can mend")      \
    X(CANCELLED, "it was cancelled")                                                               \
    X(RETRIES, "tasks were started again")                                                         \
    X(RECOMPUTED, "outputs of finished tasks were lost and made again")                            \
    X(SKEW, "one task has much more of the rows than the others")                                  \
    X(STRAGGLER, "one task takes much longer than the others")                                     \
    X(SPILL, "memory did not suffice: rows went to disk and back")                                 \
    X(WAITED, "it waited for long before its first task")                                          \
    X(NOTHING_SLOW, "nothing stands out")
enum ei_why_code {
#define X(name, text) EI_WHY_##name,
    EI_WHY_REASONS(X)
#undef X
};

#define EI_WHY_MAX 4 /* reasons of one job */

struct ei_why {
    struct {
        const char *code; /* static */
        char *text;       /* owned; a sentence */
    } reasons[EI_WHY_MAX];
    size_t count;
};
void ei_why(const struct ei_master *m, const struct ei_job *job, struct ei_why *out);
void ei_why_release(struct ei_why *w);
/* The sentences, one after the other. */
void ei_why_text(const struct ei_why *w, struct ei_buf *out);

/* Code of what a job that is not finished waits for; NULL if it waits for nothing. */
const char *ei_why_waits(const struct ei_master *m, const struct ei_job *job);

void ei_rest_job_why(struct ei_http_request *r, void *data);
void ei_rest_reasons(struct ei_http_request *r, void *data);

#endif
