/* Gangs: stages whose tasks start all together or not at all. A gang that finds no room for all is
 * held and tried again when a node gains room. When it has waited for long, nodes are kept free for
 * it, as many as it needs once they are empty: for one gang at a time, that of the oldest job that
 * the cluster can hold, so that two gangs never wait for what the other one keeps. Which nodes that
 * are is chosen anew each second, the emptiest first. */
#include "sched/internal.h"

#include <stdlib.h>

/* How many tasks of the shape the node takes: now, or when it is empty. */
static uint32_t slots(const struct ei_sc_node *n, const struct ei_sc_shape *shape, bool now) {
    if (!ei_sc_terms_met(&n->terms, &shape->terms, now))
        return 0;
    uint64_t count = (now ? n->free_cores : n->cores) / shape->cores;
    if (shape->memory > 0)
        count = EI_MIN(count, (now ? n->free_memory : n->memory) / shape->memory);
    for (uint32_t i = 0; i < shape->terms.extra_count; i++) {
        const struct ei_sc_extra *asks = &shape->terms.extras[i];
        for (uint32_t k = 0; k < n->terms.extra_count; k++) {
            const struct ei_sc_extra *has = &n->terms.extras[k];
            if (has->name == asks->name && asks->milli > 0)
                count = EI_MIN(count, (now ? has->free : has->milli) / asks->milli);
        }
    }
    return (uint32_t)count;
}

/* For how many of its waiting tasks there is room now. */
uint32_t ei_sc_gang_room(const struct ei_sched *s, const struct ei_sc_stage *st) {
    uint64_t room = 0;
    for (uint32_t i = 0; i < s->node_count && room < st->waiting; i++) {
        const struct ei_sc_node *n = &s->nodes[i];
        bool kept = n->for_gang && s->gang == st && ei_sc_node_usable(s, n);
        if (n->host != NULL && (kept || n->pos != EI_SC_NONE))
            room += slots(n, st->shape, true);
    }
    return (uint32_t)EI_MIN(room, (uint64_t)st->waiting);
}

/* Do the limits of its job, user and queues take all of it? */
bool ei_sc_gang_allowed(const struct ei_sc_stage *st) {
    uint64_t cores = (uint64_t)st->shape->cores * (st->waiting - 1);
    uint64_t memory = st->shape->memory * (st->waiting - 1);
    for (const struct ei_sc_share *h = &st->job->share; h != NULL; h = h->parent) {
        const struct ei_sc_user *u = h->user;
        if (!ei_sc_limits_allow(&h->limits, h->cores + cores, h->memory + memory, st->shape) ||
            (u != NULL &&
             !ei_sc_limits_allow(&u->limits, u->cores + cores, u->memory + memory, st->shape)))
            return false;
    }
    return true;
}

static void timer_start(struct ei_sched *s) {
    if (s->gang_timer)
        return;
    s->gang_timer = true;
    ei_sc_timer_add(s, s->now_us + EI_SC_POLL_US, EI_SC_TIMER_GANG, 0, 0);
}

static void keep_nothing(struct ei_sched *s) {
    for (uint32_t i = 0; s->gang != NULL && i < s->node_count; i++) {
        if (s->nodes[i].host == NULL || !s->nodes[i].for_gang)
            continue;
        s->nodes[i].for_gang = false;
        ei_sc_node_reindex(s, i);
    }
    s->gang = NULL;
}

static void offer_all(struct ei_sched *s) {
    for (uint32_t i = 0; i < s->node_count; i++) {
        if (s->nodes[i].host != NULL && s->nodes[i].pos != EI_SC_NONE)
            ei_sc_shapes_unblock(s, i);
    }
}

/* What is left to start of a gang waits for the rest of it to end. */
void ei_sc_gang_place(struct ei_sched *s, struct ei_sc_stage *st) {
    uint64_t need = (uint64_t)st->shape->cores * st->waiting;
    if (st->running > 0 || s->total_cores - s->root.cores < need || !ei_sc_gang_allowed(st) ||
        ei_sc_gang_room(s, st) < st->waiting) {
        st->gang_since_us = EI_MIN(st->gang_since_us, s->now_us);
        ei_sc_stage_hold(s, st, INT64_MAX);
        timer_start(s);
        return;
    }
    bool kept = s->gang == st;
    if (kept)
        keep_nothing(s);
    st->gang_since_us = INT64_MAX;
    for (uint32_t left = st->waiting; left > 0; left--)
        ei_sc_task_launch(s, st, ei_sc_task_pop(st), ei_sc_index_find(s, st->shape, 0), false);
    if (kept)
        offer_all(s);
}

void ei_sc_gang_gone(struct ei_sched *s, const struct ei_sc_stage *st) {
    if (s->gang != st)
        return;
    keep_nothing(s);
    offer_all(s);
}

/* ---- keeping nodes free ---- */

struct candidate {
    uint32_t slot, free, total;
};

static int emptiest_first(const void *a, const void *b) {
    const struct candidate *x = a, *y = b;
    if (x->free != y->free)
        return x->free > y->free ? -1 : 1;
    return (x->slot > y->slot) - (x->slot < y->slot);
}

static bool keep_nodes(struct ei_sched *s, struct ei_sc_stage *st) {
    struct candidate *list = ei_calloc(s->node_count, sizeof *list);
    uint32_t count = 0;
    uint64_t total = 0;
    for (uint32_t i = 0; i < s->node_count; i++) {
        const struct ei_sc_node *n = &s->nodes[i];
        if (!ei_sc_node_usable(s, n) || n->reserved != NULL)
            continue;
        struct candidate c = {i, slots(n, st->shape, true), slots(n, st->shape, false)};
        if (c.total == 0)
            continue;
        list[count++] = c;
        total += c.total;
    }
    bool enough = total >= st->waiting;
    qsort(list, count, sizeof *list, emptiest_first);
    uint64_t kept = 0;
    for (uint32_t i = 0; enough && kept < st->waiting; i++) {
        s->nodes[list[i].slot].for_gang = true;
        ei_sc_node_reindex(s, list[i].slot);
        kept += list[i].total;
    }
    free(list);
    if (enough)
        s->gang = st;
    return enough;
}

/* The oldest gang that waits for long enough, younger than `than`. */
static struct ei_sc_stage *oldest(const struct ei_sched *s, uint64_t than) {
    struct ei_sc_stage *best = NULL;
    for (uint32_t i = 0; i < s->held_count; i++) {
        struct ei_sc_stage *st = s->held[i];
        bool long_enough = st->shape->gang && st->waiting > 0 && st->running == 0 &&
                           s->config.reserve_after_us > 0 &&
                           s->now_us - st->gang_since_us >= (int64_t)s->config.reserve_after_us;
        uint64_t seq = st->job->share.seq;
        if (!long_enough || !ei_sc_gang_allowed(st) || seq <= than)
            continue;
        if (best == NULL || seq < best->job->share.seq ||
            (best->job == st->job && st->id < best->id))
            best = st;
    }
    return best;
}

/* Once a second while gangs wait: who is kept nodes for, and does one have room? */
void ei_sc_gang_timer(struct ei_sched *s) {
    s->gang_timer = false;
    bool kept = s->gang != NULL;
    keep_nothing(s);
    uint64_t than = 0;
    struct ei_sc_stage *st;
    while ((st = oldest(s, than)) != NULL && !keep_nodes(s, st))
        than = st->job->share.seq;
    if (kept)
        offer_all(s);
    for (uint32_t i = s->held_count; i-- > 0;) {
        if (i < s->held_count && s->held[i]->shape->gang)
            ei_sc_stage_unhold(s, s->held[i]);
    }
    if (s->gang != NULL)
        timer_start(s);
}
