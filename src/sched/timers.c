/* Deadlines: a heap of what is due when. Each event runs what is due first; the handler looks
 * whether it still applies, so that nothing ever has to be taken out of the heap. */
#include "sched/internal.h"

static bool before(const struct ei_sc_timer *a, const struct ei_sc_timer *b) {
    return a->due_us < b->due_us;
}

void ei_sc_timer_add(struct ei_sched *s, int64_t due_us, enum ei_sc_timer_kind kind, uint64_t key,
                     uint32_t sub) {
    struct ei_sc_timer t = {due_us, key, sub, kind};
    EI_GROW(s->timers, s->timer_count, s->timer_capacity);
    size_t pos = s->timer_count++;
    while (pos > 0 && before(&t, &s->timers[(pos - 1) / 2])) {
        s->timers[pos] = s->timers[(pos - 1) / 2];
        pos = (pos - 1) / 2;
    }
    s->timers[pos] = t;
}

static struct ei_sc_timer pop(struct ei_sched *s) {
    struct ei_sc_timer first = s->timers[0], last = s->timers[--s->timer_count];
    size_t pos = 0;
    for (;;) {
        size_t c = pos * 2 + 1;
        if (c >= s->timer_count)
            break;
        if (c + 1 < s->timer_count && before(&s->timers[c + 1], &s->timers[c]))
            c++;
        if (!before(&s->timers[c], &last))
            break;
        s->timers[pos] = s->timers[c];
        pos = c;
    }
    if (s->timer_count > 0)
        s->timers[pos] = last;
    return first;
}

static void fire_for_job(struct ei_sched *s, const struct ei_sc_timer *t) {
    struct ei_sc_job *j = ei_map_get_u64(&s->jobs, t->key);
    if (j == NULL || t->sub >= j->stage_count)
        return;
    switch (t->kind) {
    case EI_SC_TIMER_STAGE:
        ei_sc_stage_unhold(s, &j->stages[t->sub]);
        break;
    case EI_SC_TIMER_START:
        ei_sc_job_try(s, j);
        break;
    case EI_SC_TIMER_JOB:
        if (j->state == EI_JOB_RUNNING)
            ei_sc_job_end(s, j, EI_JOB_CANCELLED, EI_TIMEOUT, (struct ei_attempt){0});
        break;
    default:
        ei_sc_speculate(s, &j->stages[t->sub]);
        break;
    }
}

static void fire(struct ei_sched *s, const struct ei_sc_timer *t) {
    switch (t->kind) {
    case EI_SC_TIMER_HOST:
        ei_sc_host_timer(s, (uint32_t)t->key);
        break;
    case EI_SC_TIMER_RUN:
        if (t->sub < s->run_count && s->runs[t->sub].attempt > 0 && s->runs[t->sub].seq == t->key)
            ei_sc_run_overdue(s, t->sub);
        break;
    case EI_SC_TIMER_PREEMPT:
        ei_sc_preempt(s);
        break;
    case EI_SC_TIMER_RESERVE:
        ei_sc_reserve(s, (uint32_t)t->key);
        break;
    case EI_SC_TIMER_AHEAD:
        ei_sc_ahead_timer(s, t->key);
        break;
    case EI_SC_TIMER_GANG:
        ei_sc_gang_timer(s);
        break;
    case EI_SC_TIMER_DRAIN:
        ei_sc_drain(s, t->key);
        break;
    default:
        fire_for_job(s, t);
        break;
    }
}

void ei_sc_timers_run(struct ei_sched *s) {
    while (s->timer_count > 0 && s->timers[0].due_us <= s->now_us) {
        struct ei_sc_timer t = pop(s);
        fire(s, &t);
    }
}

int64_t ei_sched_next_tick_us(const struct ei_sched *s) {
    return s->timer_count == 0 ? INT64_MAX : s->timers[0].due_us;
}
