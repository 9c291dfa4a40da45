/* Why a job does not start (more) tasks: looks at the same things, in the same order, as admission
 * and placement do. */
#include "sched/internal.h"

static const struct {
    const char *name, *text;
} reasons[] = {
#define X(name, text) {#name, text},
    EI_SCHED_REASONS(X)
#undef X
};

const char *ei_sched_reason_name(enum ei_sched_reason_code code) {
    return (size_t)code < EI_ARRAY_LEN(reasons) ? reasons[code].name : reasons[0].name;
}

const char *ei_sched_reason_text(enum ei_sched_reason_code code) {
    return (size_t)code < EI_ARRAY_LEN(reasons) ? reasons[code].text : reasons[0].text;
}

/* ---- not admitted ---- */

static void why_not_admitted(const struct ei_sc_job *j, struct ei_sched_reason *r) {
    r->code = j->waits;
    if (r->code == EI_SCHED_WHY_DELAYED)
        r->until_us = j->not_before_us;
    if (r->code == EI_SCHED_WHY_AFTER_JOB)
        r->other_job = j->after[0].job;
    if (r->code == EI_SCHED_WHY_USER_JOBS) {
        r->limit = j->user->limits.running_jobs;
        r->used = j->user->running_jobs;
    }
    for (const struct ei_sc_share *q = j->queue; q != NULL; q = q->parent) {
        if (r->code != EI_SCHED_WHY_QUEUE_JOBS || &q->gate != j->gate)
            continue;
        r->limit = q->limits.running_jobs;
        r->used = q->running_jobs;
    }
}

/* ---- limits ---- */

static bool set_limit(struct ei_sched_reason *r, enum ei_sched_reason_code code,
                      const struct ei_sched_limits *l, uint64_t cores, uint64_t memory,
                      const struct ei_sc_shape *shape) {
    if (ei_sc_limits_allow(l, cores, memory, shape))
        return false;
    bool by_cores = l->cores != 0 && cores + shape->cores > l->cores;
    r->code = code;
    r->limit = by_cores ? l->cores : l->memory_bytes;
    r->used = by_cores ? cores : memory;
    return true;
}

static bool why_limited(const struct ei_sc_stage *st, struct ei_sched_reason *r) {
    const struct ei_sc_job *j = st->job;
    if (set_limit(r, EI_SCHED_WHY_JOB_LIMIT, &j->share.limits, j->share.cores, j->share.memory,
                  st->shape) ||
        set_limit(r, EI_SCHED_WHY_USER_LIMIT, &j->user->limits, j->user->cores, j->user->memory,
                  st->shape))
        return true;
    for (const struct ei_sc_share *q = j->queue; q != NULL; q = q->parent) {
        if (set_limit(r, EI_SCHED_WHY_QUEUE_LIMIT, &q->limits, q->cores, q->memory, st->shape))
            return true;
    }
    return false;
}

/* ---- nodes ---- */

static void why_no_room(const struct ei_sched *s, const struct ei_sc_stage *st,
                        struct ei_sched_reason *r) {
    bool large = false, usable = false, suitable = false;
    int64_t until = INT64_MAX;
    for (uint32_t i = 0; i < s->node_count; i++) {
        const struct ei_sc_node *n = &s->nodes[i];
        if (n->host == NULL)
            continue;
        if (!ei_sc_terms_met(&n->terms, &st->shape->terms, false))
            continue;
        suitable = true;
        bool fits = n->cores >= st->shape->cores && n->memory >= st->shape->memory;
        large = large || fits;
        if (!ei_sc_node_usable(s, n)) {
            if (fits && n->host->excluded_until_us != 0)
                until = EI_MIN(until, n->host->excluded_until_us);
            continue;
        }
        usable = usable || fits;
        if (n->free_cores > r->free_cores ||
            (n->free_cores == r->free_cores && n->free_memory > r->free_memory_bytes)) {
            r->free_cores = n->free_cores;
            r->free_memory_bytes = n->free_memory;
        }
    }
    r->code = s->node_live == 0 ? EI_SCHED_WHY_NO_NODES
              : !suitable       ? EI_SCHED_WHY_NO_NODE_WITH_LABELS
              : !large          ? EI_SCHED_WHY_NO_NODE_LARGE_ENOUGH
              : !usable         ? EI_SCHED_WHY_NODES_EXCLUDED
                                : EI_SCHED_WHY_NODES_FULL;
    if (r->code == EI_SCHED_WHY_NODES_EXCLUDED && until != INT64_MAX)
        r->until_us = until;
    /* All is full, and others hold more than this job does: it is a matter of shares. */
    if (r->code == EI_SCHED_WHY_NODES_FULL && st->shape->terms.extra_count == 0 &&
        st->job->share.cores * 2 < s->root.cores && s->jobs.count > 1)
        r->code = EI_SCHED_WHY_OTHERS_FIRST;
}

/* ---- stages ---- */

static void why_input(const struct ei_sc_stage *st, struct ei_sched_reason *r) {
    r->code = EI_SCHED_WHY_WAITS_INPUT;
    for (uint32_t i = 0; i < st->input_count; i++) {
        const struct ei_sc_stage *in = &st->job->stages[st->inputs[i]];
        if (in->done < in->tasks) {
            r->input_stage = in->id;
            r->input_missing = in->tasks - in->done;
            return;
        }
    }
}

static void why_stage(const struct ei_sched *s, const struct ei_sc_stage *st,
                      struct ei_sched_reason *r) {
    r->stage = st->id;
    r->tasks = st->waiting;
    r->cores = st->shape->cores;
    r->memory_bytes = st->shape->memory;
    if (!ei_sc_stage_inputs_ready(st)) {
        why_input(st, r);
    } else if (st->held && st->shape->gang) {
        if (ei_sc_gang_allowed(st) || !why_limited(st, r)) {
            r->code = EI_SCHED_WHY_WAITS_GANG;
            r->room = ei_sc_gang_room(s, st);
        }
    } else if (st->held_near) {
        r->code = EI_SCHED_WHY_WAITS_LOCAL;
        r->until_us = st->near_until_us;
    } else if (st->held) {
        r->code = EI_SCHED_WHY_RETRY_ELSEWHERE;
        r->until_us = st->avoid_until_us;
    } else if (!why_limited(st, r)) {
        why_no_room(s, st, r);
    }
}

int ei_sched_why(const struct ei_sched *s, uint64_t job, struct ei_sched_reason *out) {
    const struct ei_sc_job *j = ei_map_get_u64(&s->jobs, job);
    *out = (struct ei_sched_reason){.code = EI_SCHED_WHY_UNKNOWN_JOB};
    if (j == NULL)
        return -1;
    if (j->state == EI_JOB_SUCCEEDED) {
        out->code = EI_SCHED_WHY_FINISHED;
        return 0;
    }
    if (!j->admitted) {
        why_not_admitted(j, out);
        return 0;
    }
    const struct ei_sc_stage *first = NULL;
    uint32_t running = 0;
    for (uint32_t i = 0; i < j->stage_count; i++) {
        const struct ei_sc_stage *st = &j->stages[i];
        running += st->running;
        bool better =
            first == NULL || (!ei_sc_stage_inputs_ready(first) && ei_sc_stage_inputs_ready(st));
        if (st->waiting > 0 && better)
            first = st;
    }
    if (first == NULL || (running > 0 && !ei_sc_stage_inputs_ready(first)))
        out->code = EI_SCHED_WHY_RUNNING;
    else
        why_stage(s, first, out);
    return 0;
}
