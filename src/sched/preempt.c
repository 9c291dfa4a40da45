/* Preemption: a queue that is below its minimum share, and has work for it, takes cores back after
 * a time of grace. Taken are the newest attempts that can be started again, from queues that stay
 * at or above their own minimum; a task is preempted a bounded number of times. */
#include "sched/internal.h"

#include <stdlib.h>

static bool is_short(const struct ei_sc_share *q) {
    if (q->cores >= q->min_cores)
        return false;
    for (uint32_t i = 0; i < q->lane_count; i++) {
        if (q->lanes[i].count > 0 && q->lanes[i].pos != EI_SC_NONE)
            return true;
    }
    return false;
}

/* After each dispatch: since when is a queue short of its minimum? */
void ei_sc_preempt_watch(struct ei_sched *s) {
    for (size_t i = 0; i < s->guaranteed_count && s->config.preempt_grace_us > 0; i++) {
        struct ei_sc_share *q = s->guaranteed[i];
        bool now_short = is_short(q);
        if (now_short && !q->short_of) {
            q->short_us = s->now_us;
            ei_sc_timer_add(s, s->now_us + (int64_t)s->config.preempt_grace_us, EI_SC_TIMER_PREEMPT,
                            0, 0);
        }
        q->short_of = now_short;
    }
}

/* A queue that runs the attempt, does not contain `q`, and would fall below its minimum. */
static bool may_take(const struct ei_sched *s, const struct ei_sc_share *q, uint32_t run) {
    const struct ei_sc_run *r = &s->runs[run];
    const struct ei_sc_stage *st = s->stages[r->stage];
    if (r->attempt == 0 || st->not_restartable ||
        st->task[r->task].preempted >= EI_SC_MAX_PREEMPTED ||
        !ei_sc_node_usable(s, &s->nodes[r->node]))
        return false;
    for (const struct ei_sc_share *h = st->job->queue; h != NULL; h = h->parent) {
        const struct ei_sc_share *above = q;
        while (above != NULL && above != h)
            above = above->parent;
        if (above == h)
            return h != q;
        if (h->cores < (uint64_t)h->min_cores + r->cores)
            return false;
    }
    return false;
}

struct victim {
    uint64_t seq;
    uint32_t run;
};

static int newest_first(const void *a, const void *b) {
    const struct victim *x = a, *y = b;
    return (x->seq < y->seq) - (x->seq > y->seq);
}

static void take_back(struct ei_sched *s, struct ei_sc_share *q) {
    struct victim *list = ei_malloc(s->run_count * sizeof *list);
    uint32_t count = 0;
    for (uint32_t r = 0; r < s->run_count; r++) {
        if (may_take(s, q, r))
            list[count++] = (struct victim){s->runs[r].seq, r};
    }
    qsort(list, count, sizeof *list, newest_first);
    uint64_t need = q->min_cores - q->cores;
    for (uint32_t i = 0; i < count && need > 0; i++) {
        if (!may_take(s, q, list[i].run)) /* its queue gave enough */
            continue;
        struct ei_sc_run run = s->runs[list[i].run];
        struct ei_sc_stage *st = s->stages[run.stage];
        st->task[run.task].preempted++;
        ei_sc_requeue(s, st, list[i].run);
        need -= EI_MIN(need, run.cores);
    }
    free(list);
}

void ei_sc_preempt(struct ei_sched *s) {
    for (size_t i = 0; i < s->guaranteed_count; i++) {
        struct ei_sc_share *q = s->guaranteed[i];
        if (!q->short_of || s->now_us - q->short_us < (int64_t)s->config.preempt_grace_us)
            continue;
        if (is_short(q))
            take_back(s, q);
        q->short_of = false; /* a new time of grace */
    }
}
