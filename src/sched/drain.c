/* Cordon, drain, resume. A cordoned node gets nothing new. A draining one is told of as drained
 * when nothing runs on it and nothing on it is needed; after its deadline what is left is taken
 * away from it: its attempts and its needed outputs are started elsewhere. */
#include "sched/internal.h"

static bool needed(const struct ei_sched *s, uint32_t slot, struct ei_sc_ref out) {
    if (!ei_sc_output_counts(s, slot, out))
        return false;
    const struct ei_sc_stage *st = s->stages[out.stage];
    return st->wanted;
}

static bool holds_needed(const struct ei_sched *s, uint32_t slot) {
    const struct ei_sc_node *n = &s->nodes[slot];
    for (uint32_t i = 0; i < n->output_count; i++) {
        if (needed(s, slot, n->outputs[i]))
            return true;
    }
    return false;
}

static void evict(struct ei_sched *s, uint32_t slot) {
    struct ei_sc_node *n = &s->nodes[slot];
    while (n->run_count > 0) {
        uint32_t run = n->runs[n->run_count - 1];
        ei_sc_requeue(s, s->stages[s->runs[run].stage], run);
    }
    for (uint32_t i = 0; i < n->output_count; i++) {
        if (needed(s, slot, n->outputs[i]))
            ei_sc_output_drop(s, s->stages[n->outputs[i].stage], n->outputs[i].task);
    }
}

/* Looks once a second. */
void ei_sc_drain(struct ei_sched *s, uint64_t node) {
    uint32_t slot = ei_sc_node_slot(s, node);
    if (slot == EI_SC_NONE || !s->nodes[slot].draining)
        return;
    struct ei_sc_node *n = &s->nodes[slot];
    if (n->drain_until_us != 0 && n->drain_until_us <= s->now_us)
        evict(s, slot);
    if (n->run_count == 0 && !holds_needed(s, slot)) {
        n->draining = false; /* told once; it stays cordoned */
        ei_sc_emit(s, EI_SCHED_ACT_NODE_DRAINED, (struct ei_attempt){0}, node);
        return;
    }
    ei_sc_timer_add(s, s->now_us + EI_SC_POLL_US, EI_SC_TIMER_DRAIN, node, 0);
}

void ei_sc_on_cordon(struct ei_sched *s, const struct ei_sched_event *e) {
    uint32_t slot = ei_sc_node_slot(s, e->node);
    if (slot == EI_SC_NONE)
        return;
    struct ei_sc_node *n = &s->nodes[slot];
    bool was_draining = n->draining;
    n->cordoned = e->type != EI_SCHED_NODE_RESUME;
    n->draining = e->type == EI_SCHED_NODE_DRAIN;
    n->drain_until_us = n->draining ? e->u.drain.deadline_us : 0;
    if (n->cordoned && n->reserved != NULL)
        ei_sc_unreserve(s, n->reserved);
    ei_sc_node_reindex(s, slot);
    ei_sc_shapes_unblock(s, slot);
    ei_sc_unhold_all(s);
    if (n->draining && !was_draining)
        ei_sc_drain(s, e->node);
}
