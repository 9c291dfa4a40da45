/* Stragglers: when most tasks of a stage are done, one that takes much longer than their median
 * gets a second attempt on another host; the first of the two to finish counts, the other is
 * stopped. */
#include "sched/internal.h"

#include <stdlib.h>
#include <string.h>

enum { FEW_TASKS = 4 }; /* below this a median says nothing */

/* Keeps an even sample of the durations. */
void ei_sc_sample(struct ei_sched *s, struct ei_sc_stage *st, const struct ei_sc_run *run) {
    uint64_t at = st->sample_count++;
    if (at >= EI_SC_SAMPLES)
        at = ((at * UINT64_C(0x9e3779b97f4a7c15)) >> 32) % st->sample_count;
    if (at < EI_SC_SAMPLES)
        st->sample_ms[at] =
            (uint32_t)EI_MIN((s->now_us - run->launched_us) / 1000, INT64_C(0xffffffff));
}

static int by_value(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static int64_t median_us(const struct ei_sc_stage *st) {
    uint32_t copy[EI_SC_SAMPLES], count = EI_MIN(st->sample_count, EI_SC_SAMPLES);
    memcpy(copy, st->sample_ms, count * sizeof *copy);
    qsort(copy, count, sizeof *copy, by_value);
    return (int64_t)copy[count / 2] * 1000;
}

static bool may_start(const struct ei_sc_stage *st) {
    for (const struct ei_sc_share *h = &st->job->share; h->parent != NULL; h = h->parent) {
        if (!ei_sc_share_allows(h, st->shape))
            return false;
    }
    return true;
}

static void double_slow(struct ei_sched *s, struct ei_sc_stage *st) {
    int64_t limit = median_us(st) * s->config.speculate_slower_percent / 100;
    limit = EI_MAX(limit, (int64_t)s->config.speculate_min_us);
    uint64_t room = EI_MAX((uint64_t)st->tasks * s->config.speculate_max_percent / 100, 1u);
    for (uint32_t t = 0; t < st->tasks; t++) {
        if (st->task[t].state == EI_SC_RUNNING && s->runs[st->task[t].at].sibling != EI_SC_NONE)
            room -= EI_MIN(room, 1u);
    }
    for (uint32_t t = 0; t < st->tasks && room > 0; t++) {
        if (st->task[t].state != EI_SC_RUNNING)
            continue;
        const struct ei_sc_run *run = &s->runs[st->task[t].at];
        if (run->sibling != EI_SC_NONE || s->now_us - run->launched_us < limit || !may_start(st))
            continue;
        uint32_t slot = ei_sc_index_find(s, st->shape, s->nodes[run->node].host->id);
        if (slot == EI_SC_NONE)
            continue;
        ei_sc_task_launch(s, st, t, slot, false);
        room--;
    }
}

/* Looks once a second while the last tasks of a stage run. */
void ei_sc_speculate(struct ei_sched *s, struct ei_sc_stage *st) {
    st->speculating = false;
    if (st->waiting > 0 || st->running == 0 || s->config.speculate_max_percent == 0 ||
        st->not_restartable || st->job->state != EI_JOB_RUNNING)
        return;
    uint64_t done = (uint64_t)st->done * 100;
    if (st->tasks >= FEW_TASKS && st->sample_count > 0 && ei_sc_stage_inputs_ready(st) &&
        done >= (uint64_t)st->tasks * s->config.speculate_done_percent)
        double_slow(s, st);
    st->speculating = true;
    ei_sc_timer_add(s, s->now_us + EI_SC_POLL_US, EI_SC_TIMER_SPECULATE, st->job->id, st->id);
}
