/* Placement: takes the stage that deserves to go next, finds a node for one of its tasks, and so on
 * until nothing that waits has room. A shape that found no node is blocked until some node gains
 * enough room for it, so that a full cluster costs nothing however much waits. */
#include "sched/internal.h"

#include <stdlib.h>

/* ---- shapes ---- */

struct ei_sc_shape *ei_sc_shape_get(struct ei_sched *s, uint32_t cores, uint64_t memory) {
    for (uint32_t i = 0; i < s->shape_count; i++) {
        struct ei_sc_shape *have = s->shapes[i];
        if (have->cores == cores && have->memory == memory) {
            have->stages++;
            return have;
        }
    }
    struct ei_sc_shape *shape = ei_calloc(1, sizeof *shape);
    *shape = (struct ei_sc_shape){.cores = cores, .memory = memory, .stages = 1};
    EI_GROW(s->shapes, s->shape_count, s->shape_capacity);
    s->shapes[s->shape_count++] = shape;
    return shape;
}

/* Unused shapes stay for the next job like this one, up to a limit. */
void ei_sc_shape_put(struct ei_sched *s, struct ei_sc_shape *shape) {
    if (--shape->stages > 0)
        return;
    uint32_t idle = 0;
    for (uint32_t i = 0; i < s->shape_count; i++)
        idle += s->shapes[i]->stages == 0;
    if (idle <= EI_SC_MAX_IDLE_SHAPES)
        return;
    for (uint32_t i = s->shape_count; i-- > 0;) {
        if (s->shapes[i]->stages > 0)
            continue;
        ei_sc_shares_purge(s, s->shapes[i]);
        free(s->shapes[i]);
        s->shapes[i] = s->shapes[--s->shape_count];
    }
}

void ei_sc_shapes_release(struct ei_sched *s) {
    for (uint32_t i = 0; i < s->shape_count; i++)
        free(s->shapes[i]);
    free(s->shapes);
    free(s->held);
}

static bool fits(const struct ei_sc_node *n, const struct ei_sc_shape *shape) {
    return n->pos != EI_SC_NONE && n->free_cores >= shape->cores && n->free_memory >= shape->memory;
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

static void hold(struct ei_sched *s, struct ei_sc_stage *st) {
    ei_sc_stage_dequeue(s, st);
    EI_GROW(s->held, s->held_count, s->held_capacity);
    st->held = true;
    st->held_at = s->held_count;
    s->held[s->held_count++] = st;
    ei_sc_timer_add(s, st->avoid_until_us, EI_SC_TIMER_STAGE, st->job->id, st->id);
}

void ei_sc_stage_unhold(struct ei_sched *s, struct ei_sc_stage *st) {
    if (!st->held)
        return;
    st->held = false;
    struct ei_sc_stage *last = s->held[--s->held_count];
    s->held[st->held_at] = last;
    last->held_at = st->held_at;
    ei_sc_stage_refresh(s, st);
}

void ei_sc_unhold_all(struct ei_sched *s) {
    while (s->held_count > 0)
        ei_sc_stage_unhold(s, s->held[s->held_count - 1]);
}

/* ---- placing ---- */

/* Starts `task`, the first of those to start. False: no room for it, or none off the host to avoid.
 */
static bool start(struct ei_sched *s, struct ei_sc_stage *st, uint32_t avoid) {
    uint32_t slot = ei_sc_index_find(s, st->shape, avoid);
    if (slot == EI_SC_NONE)
        return false;
    ei_sc_task_launch(s, st, ei_sc_task_pop(st), slot);
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
    if (ei_sc_index_find(s, st->shape, 0) == EI_SC_NONE) {
        st->shape->blocked = true;
        return;
    }
    for (uint32_t tries = 0; tries < EI_SC_AVOID_TRIES; tries++) {
        uint32_t avoid = host_to_avoid(s, st);
        if (start(s, st, avoid))
            return;
        rotate(st);
    }
    if (st->fresh < st->tasks) {
        uint32_t slot = ei_sc_index_find(s, st->shape, 0);
        ei_sc_task_launch(s, st, st->fresh++, slot);
        return;
    }
    hold(s, st);
}

void ei_sc_dispatch(struct ei_sched *s) {
    struct ei_sc_stage *st;
    while ((st = ei_sc_share_pick(s)) != NULL)
        place_one(s, st);
}
