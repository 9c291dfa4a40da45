/* Who is next: the tree queue > priority level > user > job. Each share keeps, for each shape that
 * waits below it, a heap of the children that have such a task to start; the most deserving is on
 * top. A lane stands in its parent's heap exactly while it is not empty and its share may still
 * grow by that shape, so that picking the next stage only walks down tops. */
#include "sched/internal.h"

#include <stdlib.h>
#include <string.h>

void ei_sc_share_init(struct ei_sc_share *h, enum ei_sc_share_kind kind, struct ei_sc_share *parent,
                      uint64_t seq) {
    *h = (struct ei_sc_share){.kind = kind, .parent = parent, .seq = seq, .weight = 1};
    if (parent != NULL) {
        parent->children++;
        h->fifo = parent->fifo;
    }
}

void ei_sc_share_release(struct ei_sc_share *h) {
    for (size_t i = 0; i < h->members.count; i++) {
        ei_sc_share_release(h->members.entries[i].value);
        free(h->members.entries[i].value);
    }
    for (uint32_t i = 0; i < h->lane_count; i++)
        free(h->lanes[i].heap);
    free(h->lanes);
    free(h->name);
    ei_map_release(&h->members);
}

/* ---- the order among siblings ---- */

static bool queue_before(const struct ei_sc_share *a, const struct ei_sc_share *b) {
    bool a_short = a->cores < a->min_cores, b_short = b->cores < b->min_cores;
    if (a_short != b_short)
        return a_short;
    uint64_t aw = a_short ? a->min_cores : a->weight, bw = b_short ? b->min_cores : b->weight;
    uint64_t left = a->cores * bw, right = b->cores * aw;
    return left != right ? left < right : a->seq < b->seq;
}

bool ei_sc_share_before(const struct ei_sc_share *a, const struct ei_sc_share *b) {
    if (a->kind != b->kind) /* a queue's own jobs get what its queues leave */
        return a->kind == EI_SC_QUEUE;
    if (a->kind == EI_SC_QUEUE)
        return queue_before(a, b);
    if (a->kind == EI_SC_LEVEL && a->priority != b->priority)
        return a->priority > b->priority;
    if (a->kind == EI_SC_LEVEL || (a->kind == EI_SC_JOB && a->fifo))
        return a->seq < b->seq;
    uint64_t left = a->cores * b->weight, right = b->cores * a->weight;
    return left != right ? left < right : a->seq < b->seq;
}

bool ei_sc_limits_allow(const struct ei_sched_limits *l, uint64_t cores, uint64_t memory,
                        const struct ei_sc_shape *shape) {
    return (l->cores == 0 || cores + shape->cores <= l->cores) &&
           (l->memory_bytes == 0 || memory + shape->memory <= l->memory_bytes);
}

bool ei_sc_share_allows(const struct ei_sc_share *h, const struct ei_sc_shape *shape) {
    return !h->aside && ei_sc_limits_allow(&h->limits, h->cores, h->memory, shape) &&
           (h->user == NULL ||
            ei_sc_limits_allow(&h->user->limits, h->user->cores, h->user->memory, shape));
}

/* ---- lanes ---- */

struct ei_sc_lane *ei_sc_lane_find(const struct ei_sc_share *h, const struct ei_sc_shape *shape) {
    for (uint32_t i = 0; i < h->lane_count; i++) {
        if (h->lanes[i].shape == shape)
            return &h->lanes[i];
    }
    return NULL;
}

static struct ei_sc_lane *lane_get(struct ei_sc_share *h, struct ei_sc_shape *shape) {
    struct ei_sc_lane *l = ei_sc_lane_find(h, shape);
    if (l != NULL)
        return l;
    EI_GROW(h->lanes, h->lane_count, h->lane_capacity);
    h->lanes[h->lane_count] = (struct ei_sc_lane){.shape = shape, .pos = EI_SC_NONE};
    return &h->lanes[h->lane_count++];
}

static void put_at(struct ei_sc_lane *l, uint32_t pos, struct ei_sc_share *h) {
    l->heap[pos] = h;
    ei_sc_lane_find(h, l->shape)->pos = pos;
}

static void sift_up(struct ei_sc_lane *l, uint32_t pos) {
    struct ei_sc_share *h = l->heap[pos];
    while (pos > 0 && ei_sc_share_before(h, l->heap[(pos - 1) / 2])) {
        put_at(l, pos, l->heap[(pos - 1) / 2]);
        pos = (pos - 1) / 2;
    }
    put_at(l, pos, h);
}

static void sift_down(struct ei_sc_lane *l, uint32_t pos) {
    struct ei_sc_share *h = l->heap[pos];
    for (;;) {
        uint32_t c = pos * 2 + 1;
        if (c >= l->count)
            break;
        if (c + 1 < l->count && ei_sc_share_before(l->heap[c + 1], l->heap[c]))
            c++;
        if (!ei_sc_share_before(l->heap[c], h))
            break;
        put_at(l, pos, l->heap[c]);
        pos = c;
    }
    put_at(l, pos, h);
}

static void heap_remove(struct ei_sc_lane *l, uint32_t pos) {
    ei_sc_lane_find(l->heap[pos], l->shape)->pos = EI_SC_NONE;
    if (pos == --l->count)
        return;
    struct ei_sc_share *last = l->heap[l->count];
    put_at(l, pos, last);
    sift_up(l, pos);
    sift_down(l, ei_sc_lane_find(last, l->shape)->pos);
}

/* Puts the lane of `h` into its parent's heap or takes it out, and so on upwards. */
static void lane_refresh(struct ei_sc_share *h, struct ei_sc_shape *shape) {
    for (; h->parent != NULL; h = h->parent) {
        struct ei_sc_lane *own = lane_get(h, shape);
        bool filled = h->kind == EI_SC_JOB ? own->first != NULL : own->count > 0;
        bool should = filled && ei_sc_share_allows(h, shape);
        if (should == (own->pos != EI_SC_NONE))
            return;
        struct ei_sc_lane *up = lane_get(h->parent, shape);
        if (should) {
            EI_GROW(up->heap, up->count, up->capacity);
            up->heap[up->count] = h;
            sift_up(up, up->count++);
        } else {
            heap_remove(up, own->pos);
        }
    }
}

static bool limited(const struct ei_sched_limits *l) {
    return l->cores != 0 || l->memory_bytes != 0;
}

/* May a limit of cores or memory stop the job's next task? */
bool ei_sc_share_limited(const struct ei_sc_share *h) {
    for (; h != NULL; h = h->parent) {
        if (limited(&h->limits) || (h->user != NULL && limited(&h->user->limits)))
            return true;
    }
    return false;
}

static void refresh_lanes(struct ei_sc_share *h) {
    for (uint32_t i = 0; i < h->lane_count; i++)
        lane_refresh(h, h->lanes[i].shape);
}

static void resift(struct ei_sc_share *h) {
    for (uint32_t i = 0; i < h->lane_count; i++) {
        struct ei_sc_lane *own = &h->lanes[i];
        if (own->pos == EI_SC_NONE)
            continue;
        struct ei_sc_lane *up = ei_sc_lane_find(h->parent, own->shape);
        sift_up(up, own->pos);
        sift_down(up, own->pos);
    }
}

void ei_sc_share_refresh(struct ei_sc_share *h) {
    if (h->parent == NULL)
        return;
    refresh_lanes(h);
    resift(h);
}

void ei_sc_share_charge(struct ei_sched *s, struct ei_sc_job *j, int64_t cores, int64_t memory) {
    struct ei_sc_user *u = j->user;
    u->cores += (uint64_t)cores;
    u->memory += (uint64_t)memory;
    for (struct ei_sc_share *h = &j->share; h != NULL; h = h->parent) {
        h->cores += (uint64_t)cores;
        h->memory += (uint64_t)memory;
        if (h->parent == NULL)
            break;
        if (limited(&h->limits))
            refresh_lanes(h);
        if (h->kind != EI_SC_LEVEL && !(h->kind == EI_SC_JOB && h->fifo))
            resift(h);
    }
    for (uint32_t i = 0; limited(&u->limits) && i < u->member_count; i++)
        refresh_lanes(u->members[i]);
}

void ei_sc_stage_enqueue(struct ei_sched *s, struct ei_sc_stage *st) {
    if (st->queued)
        return;
    struct ei_sc_lane *l = lane_get(&st->job->share, st->shape);
    struct ei_sc_stage **at = &l->first;
    while (*at != NULL && (*at)->id < st->id)
        at = &(*at)->next_ready;
    st->next_ready = *at;
    *at = st;
    st->queued = true;
    lane_refresh(&st->job->share, st->shape);
}

void ei_sc_stage_dequeue(struct ei_sched *s, struct ei_sc_stage *st) {
    if (!st->queued)
        return;
    struct ei_sc_lane *l = ei_sc_lane_find(&st->job->share, st->shape);
    struct ei_sc_stage **at = &l->first;
    while (*at != st)
        at = &(*at)->next_ready;
    *at = st->next_ready;
    st->next_ready = NULL;
    st->queued = false;
    lane_refresh(&st->job->share, st->shape);
}

/* ---- picking ---- */

/* Shapes that a share on the way down may not grow by are skipped from there on. */
static bool may_take(const struct ei_sched *s, const struct ei_sc_share *h,
                     const struct ei_sc_lane *l) {
    if (h->parent != NULL && l->pos == EI_SC_NONE)
        l->shape->skipped = s->picks;
    return !l->shape->blocked && l->shape->skipped != s->picks;
}

/* The child of `h` that deserves most among those that wait with a shape that has room. */
static struct ei_sc_share *best_child(const struct ei_sched *s, const struct ei_sc_share *h) {
    struct ei_sc_share *best = NULL;
    for (uint32_t i = 0; i < h->lane_count; i++) {
        const struct ei_sc_lane *l = &h->lanes[i];
        if (l->count == 0 || !may_take(s, h, l))
            continue;
        if (best == NULL || (l->heap[0] != best && ei_sc_share_before(l->heap[0], best)))
            best = l->heap[0];
    }
    return best;
}

struct ei_sc_stage *ei_sc_share_pick(struct ei_sched *s) {
    s->picks++;
    struct ei_sc_share *h = &s->root;
    while (h != NULL && h->kind != EI_SC_JOB)
        h = best_child(s, h);
    if (h == NULL)
        return NULL;
    struct ei_sc_stage *best = NULL;
    for (uint32_t i = 0; i < h->lane_count; i++) {
        const struct ei_sc_lane *l = &h->lanes[i];
        if (l->first != NULL && may_take(s, h, l) && (best == NULL || l->first->id < best->id))
            best = l->first;
    }
    return best;
}

/* ---- forgetting a shape ---- */

/* The lane is empty. */
void ei_sc_lane_drop(struct ei_sc_share *h, const struct ei_sc_shape *shape) {
    struct ei_sc_lane *l = ei_sc_lane_find(h, shape);
    if (l == NULL || l->first != NULL)
        return;
    EI_ASSERT(l->count == 0 && l->pos == EI_SC_NONE);
    free(l->heap);
    *l = h->lanes[--h->lane_count];
}

static void purge_lanes(struct ei_sc_share *h, const struct ei_sc_shape *shape) {
    ei_sc_lane_drop(h, shape);
    for (size_t i = 0; i < h->members.count; i++)
        purge_lanes(h->members.entries[i].value, shape);
}

void ei_sc_shares_purge(struct ei_sched *s, const struct ei_sc_shape *shape) {
    purge_lanes(&s->root, shape);
}
