/* Placement: takes the stage that deserves to go next, finds a node for one of its tasks, and so on
 * until nothing that waits has room. A shape that found no node is blocked until some node gains
 * enough room for it, so that a full cluster costs nothing however much waits. */
#include "sched/internal.h"

#include <stdlib.h>

/* ---- shapes ---- */

struct ei_sc_shape *ei_sc_shape_get(struct ei_sched *s, uint32_t cores, uint64_t memory,
                                    struct ei_sc_terms terms, bool pack, bool gang) {
    for (uint32_t i = 0; i < s->shape_count; i++) {
        struct ei_sc_shape *have = s->shapes[i];
        if (have->cores == cores && have->memory == memory && have->pack == pack &&
            have->gang == gang && ei_sc_terms_equal(&have->terms, &terms)) {
            have->stages++;
            ei_sc_terms_release(&terms);
            return have;
        }
    }
    struct ei_sc_shape *shape = ei_calloc(1, sizeof *shape);
    *shape = (struct ei_sc_shape){.terms = terms,
                                  .cores = cores,
                                  .memory = memory,
                                  .pack = pack,
                                  .gang = gang,
                                  .stages = 1,
                                  .id = ++s->next_shape_id,
                                  .reserved = EI_SC_NONE,
                                  .blocked_us = INT64_MAX};
    EI_GROW(s->shapes, s->shape_count, s->shape_capacity);
    s->shapes[s->shape_count++] = shape;
    return shape;
}

/* Unused shapes stay for the next job like this one, up to a limit. */
void ei_sc_shape_put(struct ei_sched *s, struct ei_sc_shape *shape) {
    if (--shape->stages > 0)
        return;
    ei_sc_unreserve(s, shape);
    uint32_t idle = 0;
    for (uint32_t i = 0; i < s->shape_count; i++)
        idle += s->shapes[i]->stages == 0;
    if (idle <= EI_SC_MAX_IDLE_SHAPES)
        return;
    for (uint32_t i = s->shape_count; i-- > 0;) {
        if (s->shapes[i]->stages > 0)
            continue;
        ei_sc_shares_purge(s, s->shapes[i]);
        ei_sc_terms_release(&s->shapes[i]->terms);
        free(s->shapes[i]);
        s->shapes[i] = s->shapes[--s->shape_count];
    }
}

void ei_sc_shapes_release(struct ei_sched *s) {
    for (uint32_t i = 0; i < s->shape_count; i++) {
        ei_sc_terms_release(&s->shapes[i]->terms);
        free(s->shapes[i]);
    }
    free(s->shapes);
    free(s->held);
}

/* The stage's next attempts claim another amount of memory. */
void ei_sc_stage_reshape(struct ei_sched *s, struct ei_sc_stage *st, uint64_t memory) {
    struct ei_sc_shape *old = st->shape;
    ei_sc_stage_unhold(s, st);
    ei_sc_stage_dequeue(s, st);
    st->shape =
        ei_sc_shape_get(s, old->cores, memory, ei_sc_terms_copy(&old->terms), old->pack, old->gang);
    ei_sc_lane_drop(&st->job->share, old);
    ei_sc_shape_put(s, old);
    ei_sc_stage_refresh(s, st);
}

static bool fits(const struct ei_sc_node *n, const struct ei_sc_shape *shape) {
    bool open = n->pos != EI_SC_NONE || (n->reserved == shape && !n->cordoned);
    return open && n->free_cores >= shape->cores && n->free_memory >= shape->memory &&
           ei_sc_terms_met(&n->terms, &shape->terms, true);
}

void ei_sc_shapes_unblock(struct ei_sched *s, uint32_t slot) {
    for (uint32_t i = 0; i < s->shape_count; i++) {
        if (s->shapes[i]->blocked && fits(&s->nodes[slot], s->shapes[i]))
            s->shapes[i]->blocked = false;
    }
    for (uint32_t i = 0; i < EI_SC_UNHOLD_BATCH && s->held_count > 0; i++)
        ei_sc_stage_unhold(s, s->held[0]);
}

/* ---- stages whose tasks wait for something of their own ---- */

void ei_sc_stage_hold(struct ei_sched *s, struct ei_sc_stage *st, int64_t until_us) {
    ei_sc_stage_dequeue(s, st);
    EI_GROW(s->held, s->held_count, s->held_capacity);
    st->held = true;
    st->held_at = s->held_count;
    s->held[s->held_count++] = st;
    st->held_until_us = until_us;
    if (until_us == INT64_MAX || until_us == st->hold_timer_us)
        return;
    st->hold_timer_us = until_us;
    ei_sc_timer_add(s, until_us, EI_SC_TIMER_STAGE, st->job->id, st->id);
}

void ei_sc_stage_unhold(struct ei_sched *s, struct ei_sc_stage *st) {
    if (!st->held)
        return;
    st->held = st->held_near = false;
    struct ei_sc_stage *last = s->held[--s->held_count];
    s->held[st->held_at] = last;
    last->held_at = st->held_at;
    ei_sc_stage_refresh(s, st);
}

void ei_sc_unhold_all(struct ei_sched *s) {
    while (s->held_count > 0)
        ei_sc_stage_unhold(s, s->held[s->held_count - 1]);
}

/* ---- keeping a node free for what is too large for the gaps that small tasks leave ---- */

void ei_sc_unreserve(struct ei_sched *s, struct ei_sc_shape *shape) {
    uint32_t slot = shape->reserved;
    if (slot == EI_SC_NONE)
        return;
    shape->reserved = EI_SC_NONE;
    s->nodes[slot].reserved = NULL;
    if (shape->blocked_us != INT64_MAX) { /* it got nothing from it: another one, later */
        shape->blocked_us = s->now_us;
        ei_sc_timer_add(s, s->now_us + (int64_t)s->config.reserve_after_us, EI_SC_TIMER_RESERVE,
                        shape->id, 0);
    }
    ei_sc_node_reindex(s, slot);
    ei_sc_shapes_unblock(s, slot);
}

static bool waits(const struct ei_sched *s, const struct ei_sc_shape *shape) {
    const struct ei_sc_lane *l = ei_sc_lane_find(&s->root, shape);
    return l != NULL && l->count > 0;
}

/* The shape has been blocked for long: the node that is nearest to having room is kept for it. */
void ei_sc_reserve(struct ei_sched *s, uint32_t shape_id) {
    struct ei_sc_shape *shape = NULL;
    for (uint32_t i = 0; i < s->shape_count; i++) {
        if (s->shapes[i]->id == shape_id)
            shape = s->shapes[i];
    }
    if (shape == NULL || shape->blocked_us == INT64_MAX || shape->reserved != EI_SC_NONE)
        return;
    if (s->now_us - shape->blocked_us < (int64_t)s->config.reserve_after_us)
        return; /* it was blocked anew: another timer runs */
    if (!waits(s, shape)) {
        shape->blocked_us = INT64_MAX;
        return;
    }
    uint32_t best = EI_SC_NONE;
    for (uint32_t i = 0; i < s->node_count; i++) {
        const struct ei_sc_node *n = &s->nodes[i];
        if (!ei_sc_node_usable(s, n) || n->reserved != NULL || n->for_gang ||
            n->cores < shape->cores || n->memory < shape->memory ||
            !ei_sc_terms_met(&n->terms, &shape->terms, false))
            continue;
        if (best == EI_SC_NONE || n->free_cores > s->nodes[best].free_cores)
            best = i;
    }
    if (best == EI_SC_NONE) {
        ei_sc_timer_add(s, s->now_us + (int64_t)s->config.reserve_after_us, EI_SC_TIMER_RESERVE,
                        shape_id, 0);
        return;
    }
    shape->reserved = best;
    s->nodes[best].reserved = shape;
    ei_sc_node_reindex(s, best);
    ei_sc_shapes_unblock(s, best);
}

static void block(struct ei_sched *s, struct ei_sc_shape *shape) {
    shape->blocked = true;
    if (shape->blocked_us != INT64_MAX || s->config.reserve_after_us == 0)
        return;
    shape->blocked_us = s->now_us;
    ei_sc_timer_add(s, s->now_us + (int64_t)s->config.reserve_after_us, EI_SC_TIMER_RESERVE,
                    shape->id, 0);
}

uint32_t ei_sc_find_node(const struct ei_sched *s, const struct ei_sc_shape *shape,
                         uint32_t avoid) {
    uint32_t slot = shape->reserved;
    if (slot != EI_SC_NONE && fits(&s->nodes[slot], shape) &&
        ei_sc_node_usable(s, &s->nodes[slot]) && (avoid == 0 || s->nodes[slot].host->id != avoid))
        return slot;
    return ei_sc_index_find(s, shape, avoid);
}

/* ---- placing ---- */

/* Starts `task`, the first of those to start. False: no room for it, or none off the host to avoid.
 */
static bool start(struct ei_sched *s, struct ei_sc_stage *st, uint32_t avoid) {
    uint32_t slot = ei_sc_find_node(s, st->shape, avoid);
    if (slot == EI_SC_NONE)
        return false;
    ei_sc_task_launch(s, st, ei_sc_task_pop(st), slot, false);
    return true;
}

/* A task that failed goes to another host while there is one, for a bounded time: a machine that
 * breaks everything is always the one with room. */
static uint32_t host_to_avoid(const struct ei_sched *s, const struct ei_sc_stage *st) {
    if (st->back_head == EI_SC_NONE || s->now_us >= st->avoid_until_us ||
        s->hosts_live - s->hosts_excluded < 2)
        return 0;
    return st->task[st->back_head].at;
}

static void rotate(struct ei_sc_stage *st) {
    uint32_t first = st->back_head;
    if (first == st->back_tail)
        return;
    st->back_head = st->task[first].next;
    st->task[st->back_tail].next = first;
    st->task[first].next = EI_SC_NONE;
    st->back_tail = first;
}

static void place_one(struct ei_sched *s, struct ei_sc_stage *st) {
    if (st->shape->gang) {
        ei_sc_gang_place(s, st);
        return;
    }
    if (ei_sc_find_node(s, st->shape, 0) == EI_SC_NONE) {
        if (!ei_sc_ahead(s, st))
            block(s, st->shape);
        return;
    }
    st->shape->blocked_us = INT64_MAX;
    if (st->near != NULL && ei_sc_near_place(s, st))
        return;
    for (uint32_t tries = 0; tries < EI_SC_AVOID_TRIES; tries++) {
        uint32_t avoid = host_to_avoid(s, st);
        if (start(s, st, avoid))
            return;
        rotate(st);
    }
    if (st->fresh < st->tasks) {
        uint32_t slot = ei_sc_find_node(s, st->shape, 0);
        ei_sc_task_launch(s, st, st->fresh++, slot, false);
        return;
    }
    ei_sc_stage_hold(s, st, st->avoid_until_us);
}

/* ---- the cap of one job ---- */

static bool over_cap(const struct ei_sched *s, const struct ei_sc_stage *st) {
    uint64_t cap = s->total_cores * s->config.per_job_core_share_percent / 100;
    return s->config.per_job_core_share_percent < 100 &&
           st->job->share.cores + st->shape->cores > cap && st->job->share.cores > 0;
}

static void set_aside(struct ei_sched *s, struct ei_sc_job *j, bool aside) {
    j->share.aside = aside;
    ei_sc_share_refresh(&j->share);
    if (!aside)
        return;
    EI_GROW(s->aside, s->aside_count, s->aside_capacity);
    s->aside[s->aside_count++] = j;
}

/* First everybody but the jobs over their cap; what is left then is theirs too. */
static void place_all(struct ei_sched *s) {
    struct ei_sc_stage *st;
    while ((st = ei_sc_share_pick(s)) != NULL) {
        if (over_cap(s, st))
            set_aside(s, st->job, true);
        else
            place_one(s, st);
    }
    if (s->aside_count == 0)
        return;
    while (s->aside_count > 0)
        set_aside(s, s->aside[--s->aside_count], false);
    while ((st = ei_sc_share_pick(s)) != NULL)
        place_one(s, st);
}

/* Nodes that are kept for a shape of which nothing waits any more. */
static bool unreserve_idle(struct ei_sched *s) {
    bool any = false;
    for (uint32_t i = 0; i < s->shape_count; i++) {
        if (s->shapes[i]->reserved == EI_SC_NONE || waits(s, s->shapes[i]))
            continue;
        s->shapes[i]->blocked_us = INT64_MAX;
        ei_sc_unreserve(s, s->shapes[i]);
        any = true;
    }
    return any;
}

void ei_sc_dispatch(struct ei_sched *s) {
    do
        place_all(s);
    while (unreserve_idle(s));
    ei_sc_preempt_watch(s);
}
