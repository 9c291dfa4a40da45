/* Working ahead: tasks that take less time than telling a worker of them are handed out before
 * there is a core for them, so that the worker never waits for the next one. Such an attempt stands
 * in its node's queue, holds nothing, and takes over the cores of the next attempt that ends there,
 * as it does on the worker, which starts its tasks in the order in which it got them.
 *
 * How many depends on what the tasks of the stage took so far: together a few milliseconds a core.
 * A stage whose tasks are slower, or need named resources, or whose job stands under a limit of
 * cores or memory (the worker starts the next task without asking) gets nothing ahead. Attempts
 * that wait much longer than that, since the one before them did not end, are taken back. */
#include "sched/internal.h"

/* What tasks of the stage take, as far as is known: an average that forgets. */
void ei_sc_ahead_measure(struct ei_sc_stage *st, uint64_t took_us) {
    int64_t took = (int64_t)EI_MIN(took_us, (uint64_t)UINT32_MAX);
    if (took == 0)
        return;
    int64_t mean = st->task_us == 0 ? took : st->task_us + (took - (int64_t)st->task_us) / 8;
    st->task_us = (uint32_t)EI_MAX(mean, INT64_C(1));
}

static uint32_t depth(const struct ei_sc_node *n, const struct ei_sc_stage *st) {
    if (st->task_us == 0 || st->task_us > EI_SC_AHEAD_US)
        return 0;
    uint32_t most = EI_SC_AHEAD_US / st->task_us * (n->cores / st->shape->cores);
    return EI_MIN(most, EI_SC_AHEAD_MAX);
}

/* The node where something may be queued while this event is dealt with. */
void ei_sc_ahead_at(struct ei_sched *s, uint32_t slot) {
    s->ahead_slot = slot;
}

/* A new job has no node where something ends: they take turns. */
void ei_sc_ahead_anywhere(struct ei_sched *s, struct ei_sc_job *j) {
    if (s->node_count == 0)
        return;
    s->ahead_slot = s->ahead_turn++ % s->node_count;
    for (uint32_t i = 0; i < j->stage_count; i++) {
        if (j->stages[i].task_us > 0)
            j->stages[i].shape->blocked = false;
    }
}

/* The first task of the stage goes into the queue of the node of this event. False: it may not. */
bool ei_sc_ahead(struct ei_sched *s, struct ei_sc_stage *st) {
    if (s->ahead_slot == EI_SC_NONE || st->back_head != EI_SC_NONE || st->fresh >= st->tasks)
        return false;
    struct ei_sc_node *n = &s->nodes[s->ahead_slot];
    if (!ei_sc_node_usable(s, n) || n->reserved != NULL || n->cores < st->shape->cores ||
        n->memory < st->shape->memory || n->ahead_count >= depth(n, st) || st->shape->gang ||
        st->shape->terms.extra_count > 0 || ei_sc_share_limited(&st->job->share) ||
        !ei_sc_terms_met(&n->terms, &st->shape->terms, false))
        return false;
    ei_sc_task_launch(s, st, st->fresh++, s->ahead_slot, true);
    return true;
}

/* ---- the queue of a node ---- */

void ei_sc_ahead_push(struct ei_sched *s, uint32_t run) {
    struct ei_sc_run *r = &s->runs[run];
    struct ei_sc_node *n = &s->nodes[r->node];
    r->ahead = true;
    r->ahead_prev = n->ahead_last;
    r->ahead_next = EI_SC_NONE;
    *(n->ahead_count == 0 ? &n->ahead_first : &s->runs[n->ahead_last].ahead_next) = run;
    n->ahead_last = run;
    n->ahead_count++;
    if (n->ahead_timer)
        return;
    n->ahead_timer = true;
    ei_sc_timer_add(s, s->now_us + EI_SC_AHEAD_WAIT_US, EI_SC_TIMER_AHEAD, n->id, 0);
}

void ei_sc_ahead_unlink(struct ei_sched *s, uint32_t run) {
    struct ei_sc_run *r = &s->runs[run];
    struct ei_sc_node *n = &s->nodes[r->node];
    if (r->ahead_prev == EI_SC_NONE)
        n->ahead_first = r->ahead_next;
    else
        s->runs[r->ahead_prev].ahead_next = r->ahead_next;
    if (r->ahead_next == EI_SC_NONE)
        n->ahead_last = r->ahead_prev;
    else
        s->runs[r->ahead_next].ahead_prev = r->ahead_prev;
    r->ahead = false;
    n->ahead_count--;
}

/* Cores became free on the node: those that wait there take them, first come, first served. */
void ei_sc_ahead_promote(struct ei_sched *s, uint32_t slot) {
    struct ei_sc_node *n = &s->nodes[slot];
    while (n->ahead_count > 0 && !n->down) {
        uint32_t run = n->ahead_first;
        struct ei_sc_run *r = &s->runs[run];
        struct ei_sc_stage *st = s->stages[r->stage];
        if (n->free_cores < st->shape->cores || n->free_memory < st->shape->memory)
            return;
        ei_sc_ahead_unlink(s, run);
        r->cores = st->shape->cores;
        r->memory = st->shape->memory;
        r->launched_us = s->now_us;
        ei_sc_node_take(s, slot, r, st->shape);
        ei_sc_share_charge(s, st->job, r->cores, (int64_t)r->memory);
    }
}

/* What waits for too long goes back, and its stage is not ahead again until it is known to be fast.
 */
void ei_sc_ahead_timer(struct ei_sched *s, uint64_t node) {
    uint32_t slot = ei_sc_node_slot(s, node);
    if (slot == EI_SC_NONE)
        return;
    struct ei_sc_node *n = &s->nodes[slot];
    n->ahead_timer = false;
    if (n->ahead_count == 0)
        return;
    if (s->now_us - s->runs[n->ahead_first].launched_us >= EI_SC_AHEAD_WAIT_US) {
        while (n->ahead_count > 0) {
            struct ei_sc_stage *st = s->stages[s->runs[n->ahead_last].stage];
            st->task_us = EI_SC_AHEAD_US + 1;
            ei_sc_requeue(s, st, n->ahead_last);
        }
        return;
    }
    n->ahead_timer = true;
    ei_sc_timer_add(s, s->now_us + EI_SC_AHEAD_WAIT_US, EI_SC_TIMER_AHEAD, n->id, 0);
}
