/* Where tasks like to run: on the host that holds their split or their input. A stage that is ready
 * waits a short time for room there, if that is worth it; then its tasks go anywhere, those first
 * that still find their host free. A host that is gone, or too small, is not waited for. */
#include "sched/internal.h"

#include <stdlib.h>

static uint32_t host_of(const struct ei_sched *s, const char *name) {
    const struct ei_sc_host *h = name == NULL ? NULL : ei_map_get(&s->hosts, name);
    return h == NULL ? 0 : h->id;
}

void ei_sc_near_init(struct ei_sched *s, struct ei_sc_stage *st,
                     const struct ei_sched_stage *spec) {
    st->near_inputs = spec->near_inputs && spec->near == NULL && spec->input_count > 0;
    st->near_until_us = INT64_MIN;
    if (spec->gang || (spec->near == NULL && !st->near_inputs))
        return;
    st->near = ei_calloc(st->tasks, sizeof *st->near);
    for (uint32_t t = 0; spec->near != NULL && t < st->tasks; t++)
        st->near[t] = host_of(s, spec->near[t]);
}

/* The host that holds the most outputs of the stage's inputs. */
static uint32_t most_inputs(const struct ei_sched *s, const struct ei_sc_stage *st) {
    uint32_t *count = ei_calloc(s->node_count, sizeof *count);
    uint32_t best = 0;
    for (uint32_t i = 0; i < st->input_count; i++) {
        const struct ei_sc_stage *in = &st->job->stages[st->inputs[i]];
        for (uint32_t t = 0; t < in->tasks; t++) {
            uint32_t slot = in->task[t].at;
            count[slot]++;
            if (count[slot] > count[best])
                best = slot;
        }
    }
    free(count);
    return s->nodes[best].host->id;
}

/* The stage has tasks to start, all inputs are there. */
void ei_sc_near_ready(struct ei_sched *s, struct ei_sc_stage *st) {
    if (st->near == NULL)
        return;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < st->input_count; i++)
        bytes += st->job->stages[st->inputs[i]].bytes_out;
    bool worth = !st->near_inputs || bytes >= EI_SC_NEAR_BYTES;
    if (st->near_until_us == INT64_MIN)
        st->near_until_us = s->now_us + (worth ? (int64_t)s->config.near_wait_us : 0);
    ei_sc_task_list_fresh(s, st);
    if (!st->near_inputs)
        return;
    const struct ei_sc_stage *in = &st->job->stages[st->inputs[0]];
    bool each = in->tasks == st->tasks;
    uint32_t all = each ? 0 : most_inputs(s, st);
    for (uint32_t t = 0; t < st->tasks; t++)
        st->near[t] = each ? s->nodes[in->task[t].at].host->id : all;
}

/* A node of the host with room now, or EI_SC_NONE; *later: it could have room some time. */
static uint32_t node_at(const struct ei_sched *s, uint32_t host, const struct ei_sc_shape *shape,
                        bool *later) {
    const struct ei_sc_host *h = ei_map_get_u64(&s->host_ids, host);
    for (uint32_t i = h == NULL ? EI_SC_NONE : h->first; i != EI_SC_NONE;
         i = s->nodes[i].next_on_host) {
        const struct ei_sc_node *n = &s->nodes[i];
        if (!ei_sc_node_usable(s, n) || n->cores < shape->cores || n->memory < shape->memory ||
            !ei_sc_terms_met(&n->terms, &shape->terms, false))
            continue;
        *later = true;
        if (n->pos != EI_SC_NONE && n->free_cores >= shape->cores &&
            n->free_memory >= shape->memory && ei_sc_terms_met(&n->terms, &shape->terms, true))
            return i;
    }
    return EI_SC_NONE;
}

/* True: a task was started where it likes to be, or the stage waits for that. False: any of its
 * tasks may go anywhere. */
bool ei_sc_near_place(struct ei_sched *s, struct ei_sc_stage *st) {
    uint32_t before = EI_SC_NONE, task = st->back_head;
    bool later = false, any = false;
    for (uint32_t i = 0; i < EI_SC_NEAR_WINDOW && task != EI_SC_NONE; i++) {
        uint32_t host = st->near[task];
        bool avoid = st->task[task].at == host && s->now_us < st->avoid_until_us;
        uint32_t slot = host == 0 || avoid ? EI_SC_NONE : node_at(s, host, st->shape, &later);
        if (slot != EI_SC_NONE) {
            ei_sc_task_pick(st, before, task);
            ei_sc_task_launch(s, st, task, slot, false);
            return true;
        }
        any = any || host == 0 || avoid;
        before = task;
        task = st->task[task].next;
    }
    if (any || !later || s->now_us >= st->near_until_us)
        return false;
    ei_sc_stage_hold(s, st, st->near_until_us);
    st->held_near = true;
    return true;
}
