/* When a job may start. A job that is accepted waits, in this order, for its time, for the jobs
 * that it depends on, and for its queues and its user to run few enough jobs; each of these that
 * can be full has a gate, where the jobs stand by priority, then age. */
#include "sched/admission.h"
#include "sched/internal.h"

#include <stdlib.h>
#include <string.h>

static bool full(uint32_t count, uint32_t limit) {
    return limit != 0 && count >= limit;
}

static int no_queue(const char *name, struct ei_error *e) {
    return ei_fail(e, EI_NOT_FOUND, "there is no queue \"%s\"", name);
}

static int too_many_waiting(const char *what, const char *name, uint32_t count, uint32_t limit,
                            struct ei_error *e) {
    return ei_fail(e, EI_LIMIT,
                   "%s \"%s\" has %u waiting jobs and its limit max_waiting_jobs is %u: try again "
                   "later",
                   what, name, count, limit);
}

/* Is there room for one more job to wait? */
int ei_sched_may_submit(const struct ei_sched *s, const struct ei_sched_event *event,
                        struct ei_error *e) {
    const char *queue = event->u.submit.queue, *user = event->u.submit.user;
    queue = queue == NULL || queue[0] == '\0' ? "default" : queue;
    const struct ei_sc_share *q = ei_map_get(&s->queues, queue);
    const struct ei_sc_user *u = ei_map_get(&s->users, user == NULL ? "" : user);
    if (q == NULL)
        return no_queue(queue, e);
    if (s->jobs.count >= s->config.max_jobs)
        return ei_fail(e, EI_LIMIT, "the cluster holds %u jobs, its limit: try again later",
                       s->config.max_jobs);
    if (u != NULL && full(u->waiting_jobs, u->limits.waiting_jobs))
        return too_many_waiting("user", u->name, u->waiting_jobs, u->limits.waiting_jobs, e);
    for (; q != NULL; q = q->parent) {
        if (full(q->waiting_jobs, q->limits.waiting_jobs))
            return too_many_waiting("queue", q->name == NULL ? "/" : q->name, q->waiting_jobs,
                                    q->limits.waiting_jobs, e);
    }
    for (uint32_t i = 0; i < event->u.submit.after_count; i++) {
        uint64_t job = event->u.submit.after[i].job;
        if (ei_map_get_u64(&s->jobs, job) == NULL)
            return ei_fail(e, EI_NOT_FOUND, "job %llu, which it is to wait for, is not known",
                           (unsigned long long)job);
    }
    return 0;
}

enum ei_code ei_sc_admission(const struct ei_sched *s, const struct ei_sched_event *e) {
    struct ei_error error = {.code = EI_OK};
    return ei_sched_may_submit(s, e, &error) == 0 ? EI_OK : error.code;
}

/* ---- looking in ---- */

struct ei_sched_use ei_sched_queue_use(const struct ei_sched *s, const char *queue) {
    const struct ei_sc_share *q = ei_map_get(&s->queues, queue);
    if (q == NULL)
        return (struct ei_sched_use){0};
    return (struct ei_sched_use){q->cores, q->memory, q->running_jobs, q->waiting_jobs};
}

struct ei_sched_use ei_sched_user_use(const struct ei_sched *s, const char *user) {
    const struct ei_sc_user *u = ei_map_get(&s->users, user);
    if (u == NULL)
        return (struct ei_sched_use){0};
    return (struct ei_sched_use){u->cores, u->memory, u->running_jobs, u->waiting_jobs};
}

int64_t ei_sched_node_excluded_until(const struct ei_sched *s, uint64_t node) {
    uint32_t slot = ei_sc_node_slot(s, node);
    return slot == EI_SC_NONE ? 0 : s->nodes[slot].host->excluded_until_us;
}

/* ---- gates ---- */

static void gate_enter(struct ei_sc_gate *g, struct ei_sc_job *j) {
    struct ei_sc_job *before = g->last; /* the one it stands behind */
    int32_t own = j->share.parent->parent->priority;
    while (before != NULL) {
        int32_t other = before->share.parent->parent->priority;
        if (other > own || (other == own && before->share.seq < j->share.seq))
            break;
        before = before->gate_prev;
    }
    j->gate = g;
    j->gate_prev = before;
    j->gate_next = before == NULL ? g->first : before->gate_next;
    *(before == NULL ? &g->first : &before->gate_next) = j;
    *(j->gate_next == NULL ? &g->last : &j->gate_next->gate_prev) = j;
}

static void gate_leave(struct ei_sc_job *j) {
    struct ei_sc_gate *g = j->gate;
    if (g == NULL)
        return;
    *(j->gate_prev == NULL ? &g->first : &j->gate_prev->gate_next) = j->gate_next;
    *(j->gate_next == NULL ? &g->last : &j->gate_next->gate_prev) = j->gate_prev;
    j->gate = NULL;
    j->gate_prev = j->gate_next = NULL;
}

void ei_sc_gate_wake(struct ei_sched *s, struct ei_sc_gate *g) {
    while (g->first != NULL) {
        struct ei_sc_job *j = g->first;
        ei_sc_job_try(s, j);
        if (j->gate == g)
            break;
    }
}

/* ---- counting ---- */

void ei_sc_job_counted(struct ei_sched *s, struct ei_sc_job *j, bool counted) {
    if (j->counted == counted)
        return;
    j->counted = counted;
    uint32_t by = counted ? 1 : UINT32_MAX;
    j->user->running_jobs += by;
    for (struct ei_sc_share *q = j->queue; q != NULL; q = q->parent)
        q->running_jobs += by;
    if (counted)
        return;
    ei_sc_gate_wake(s, &j->user->gate);
    for (struct ei_sc_share *q = j->queue; q != NULL; q = q->parent)
        ei_sc_gate_wake(s, &q->gate);
}

static void count_waiting(struct ei_sc_job *j, bool waiting) {
    if (j->waiting == waiting)
        return;
    j->waiting = waiting;
    uint32_t by = waiting ? 1 : UINT32_MAX;
    j->user->waiting_jobs += by;
    for (struct ei_sc_share *q = j->queue; q != NULL; q = q->parent)
        q->waiting_jobs += by;
}

/* ---- the way in ---- */

void ei_sc_job_try(struct ei_sched *s, struct ei_sc_job *j) {
    if (j->admitted)
        return;
    gate_leave(j);
    if (j->not_before_us > s->now_us) {
        j->waits = EI_SCHED_WHY_DELAYED;
        return;
    }
    if (j->after_count > 0) {
        j->waits = EI_SCHED_WHY_AFTER_JOB;
        return;
    }
    for (struct ei_sc_share *q = j->queue; q != NULL; q = q->parent) {
        if (full(q->running_jobs, q->limits.running_jobs)) {
            j->waits = EI_SCHED_WHY_QUEUE_JOBS;
            gate_enter(&q->gate, j);
            return;
        }
    }
    if (full(j->user->running_jobs, j->user->limits.running_jobs)) {
        j->waits = EI_SCHED_WHY_USER_JOBS;
        gate_enter(&j->user->gate, j);
        return;
    }
    j->admitted = true;
    j->waits = EI_SCHED_WHY_NONE;
    ei_sc_job_counted(s, j, true);
    ei_sc_job_touch(s, j);
}

/* Returns what a dependency on a job in this state means: 1 met, 0 not yet, -1 never. */
static int judge(enum ei_sched_after after, enum ei_job_state state) {
    if (state <= EI_JOB_RUNNING)
        return 0;
    bool ok = state == EI_JOB_SUCCEEDED;
    if (after == EI_SCHED_AFTER_END || ok == (after == EI_SCHED_AFTER_OK))
        return 1;
    return -1;
}

/* Looks at the dependencies on `job`. */
static void depend(struct ei_sched *s, struct ei_sc_job *j, uint64_t job, enum ei_job_state state) {
    for (uint32_t i = j->after_count; i-- > 0;) {
        if (j->after[i].job != job)
            continue;
        int verdict = judge(j->after[i].after, state);
        if (verdict != 0)
            j->after[i] = j->after[--j->after_count];
        if (verdict < 0) {
            j->cancel = true;
            ei_sc_job_touch(s, j);
        }
    }
}

void ei_sc_job_gate(struct ei_sched *s, struct ei_sc_job *j, const struct ei_sched_event *e) {
    count_waiting(j, true);
    j->not_before_us = e->u.submit.not_before_us;
    j->time_limit_us = e->u.submit.time_limit_us;
    if (j->not_before_us > s->now_us)
        ei_sc_timer_add(s, j->not_before_us, EI_SC_TIMER_START, j->id, 0);
    j->after_count = e->u.submit.after_count;
    if (j->after_count > 0) {
        j->after = ei_malloc(j->after_count * sizeof *j->after);
        memcpy(j->after, e->u.submit.after, j->after_count * sizeof *j->after);
        for (uint32_t i = 0; i < e->u.submit.after_count; i++) {
            const struct ei_sc_job *other = ei_map_get_u64(&s->jobs, e->u.submit.after[i].job);
            depend(s, j, other->id, other->state);
        }
        EI_GROW(s->dependents, s->dependent_count, s->dependent_capacity);
        s->dependents[s->dependent_count++] = j;
    }
    ei_sc_job_try(s, j);
}

void ei_sc_job_started(struct ei_sched *s, struct ei_sc_job *j) {
    count_waiting(j, false);
    if (j->time_limit_us > 0)
        ei_sc_timer_add(s, s->now_us + j->time_limit_us, EI_SC_TIMER_JOB, j->id, 0);
}

/* ---- the way out ---- */

void ei_sc_job_ungate(struct ei_sched *s, struct ei_sc_job *j) {
    count_waiting(j, false);
    gate_leave(j);
    for (size_t i = 0; i < s->dependent_count; i++) {
        if (s->dependents[i] == j)
            s->dependents[i] = s->dependents[--s->dependent_count];
    }
}

void ei_sc_job_over(struct ei_sched *s, struct ei_sc_job *j) {
    for (size_t i = s->dependent_count; i-- > 0;) {
        struct ei_sc_job *d = s->dependents[i];
        if (d == j)
            continue;
        depend(s, d, j->id, j->state);
        if (d->after_count == 0) {
            s->dependents[i] = s->dependents[--s->dependent_count];
            if (!d->cancel)
                ei_sc_job_try(s, d);
        }
    }
    ei_sc_job_counted(s, j, false);
}
