/* What goes wrong: failed attempts, dead nodes, lost exchange data. Counted are only the faults of
 * the task itself; what happens to it through others is bounded too, by a larger limit, so that a
 * task that kills each machine it runs on does not go on for ever. */
#include "sched/internal.h"

static bool spare(const struct ei_sched *s, struct ei_sc_task *t) {
    if (t->spared < UINT8_MAX)
        t->spared++;
    return t->spared <= s->config.max_spared;
}

/* The task of an attempt that just ended without a result: waits again, unless another attempt of
 * it still runs. */
static void back_to_waiting(struct ei_sched *s, struct ei_sc_stage *st, uint32_t task,
                            uint32_t avoid) {
    if (st->task[task].at != EI_SC_NONE)
        return;
    st->running--;
    ei_sc_task_push(s, st, task, avoid);
    if (st->shape->gang)
        ei_sc_stage_kill(s, st); /* it is to start again together */
    ei_sc_stage_refresh(s, st);
}

static void fail_attempt(struct ei_sched *s, struct ei_sc_stage *st, uint32_t run,
                         enum ei_code code) {
    uint32_t task = s->runs[run].task;
    struct ei_attempt id = {st->job->id, st->id, task, s->runs[run].attempt};
    struct ei_sc_host *host = s->nodes[s->runs[run].node].host;
    struct ei_sc_task *t = &st->task[task];
    ei_sc_run_end(s, run);
    st->avoid_until_us = s->now_us + (int64_t)s->config.retry_elsewhere_us;
    t->faults++;
    if (!ei_code_retryable(code) || t->faults >= s->config.max_attempts)
        ei_sc_job_doom(s, st->job, code, id);
    if (ei_code_retryable(code))
        ei_sc_host_failed(s, host);
    back_to_waiting(s, st, task, host->id);
}

/* Twice the memory for the next attempts of the stage, as far as nodes and limits go. False: there
 * is nothing left to try. A task without a claim had its share of the node. */
static bool more_memory(struct ei_sched *s, struct ei_sc_stage *st, const struct ei_sc_run *run) {
    if (s->config.keep_memory)
        return false;
    if (run->memory < st->shape->memory)
        return true; /* another attempt asked for it already */
    const struct ei_sc_node *n = &s->nodes[run->node];
    uint64_t had = run->memory != 0 ? run->memory : n->memory / n->cores * run->cores;
    uint64_t most = 0;
    for (uint32_t i = 0; i < s->node_count; i++) {
        const struct ei_sc_node *other = &s->nodes[i];
        if (other->host != NULL && other->cores >= run->cores &&
            ei_sc_terms_met(&other->terms, &st->shape->terms, false))
            most = EI_MAX(most, other->memory);
    }
    for (const struct ei_sc_share *h = &st->job->share; h != NULL; h = h->parent) {
        if (h->limits.memory_bytes != 0)
            most = EI_MIN(most, h->limits.memory_bytes);
    }
    if (st->job->user->limits.memory_bytes != 0)
        most = EI_MIN(most, st->job->user->limits.memory_bytes);
    if (most <= had)
        return false;
    ei_sc_stage_reshape(s, st, EI_MIN(had * 2, most));
    return true;
}

static void out_of_memory(struct ei_sched *s, struct ei_sc_stage *st, uint32_t r) {
    struct ei_sc_run run = s->runs[r];
    struct ei_attempt id = {st->job->id, st->id, run.task, run.attempt};
    ei_sc_run_end(s, r);
    st->task[run.task].faults++;
    if (st->task[run.task].faults >= s->config.max_attempts || !more_memory(s, st, &run))
        ei_sc_job_doom(s, st->job, EI_OUT_OF_MEMORY, id);
    back_to_waiting(s, st, run.task, 0);
}

/* Taken back by the scheduler: counts for nothing. */
void ei_sc_requeue(struct ei_sched *s, struct ei_sc_stage *st, uint32_t run) {
    uint32_t task = s->runs[run].task;
    ei_sc_run_kill(s, run);
    back_to_waiting(s, st, task, 0);
}

/* The attempt runs for longer than its stage allows. */
void ei_sc_run_overdue(struct ei_sched *s, uint32_t run) {
    struct ei_sc_stage *st = s->stages[s->runs[run].stage];
    struct ei_attempt id = {st->job->id, st->id, s->runs[run].task, s->runs[run].attempt};
    ei_sc_emit(s, EI_SCHED_ACT_KILL, id, s->runs[run].node_id);
    fail_attempt(s, st, run, EI_TIMEOUT);
}

/* It ended through no fault of its own. */
static void spare_attempt(struct ei_sched *s, struct ei_sc_stage *st, uint32_t run,
                          enum ei_code code) {
    uint32_t task = s->runs[run].task;
    struct ei_attempt id = {st->job->id, st->id, task, s->runs[run].attempt};
    ei_sc_run_end(s, run);
    if (!spare(s, &st->task[task]))
        ei_sc_job_doom(s, st->job, code, id);
    back_to_waiting(s, st, task, 0);
}

/* The live run that an event speaks of; EI_SC_NONE if it is fenced or the sender does not run it.
 */
static uint32_t live_run(const struct ei_sched *s, const struct ei_sc_stage *st,
                         const struct ei_attempt *id, uint64_t node) {
    if (st == NULL)
        return EI_SC_NONE;
    uint32_t run = ei_sc_task_run(s, st, id->task, id->attempt);
    return run == EI_SC_NONE || s->runs[run].node_id != node ? EI_SC_NONE : run;
}

void ei_sc_on_task_running(struct ei_sched *s, const struct ei_sched_event *e) {
    struct ei_sc_stage *st = ei_sc_find(s, &e->u.task.id);
    uint32_t run = live_run(s, st, &e->u.task.id, e->node);
    if (run != EI_SC_NONE) {
        if (s->runs[run].started_us == INT64_MIN)
            s->runs[run].started_us = s->now_us;
        return;
    }
    bool finished = st != NULL && st->task[e->u.task.id.task].state == EI_SC_DONE &&
                    st->task[e->u.task.id.task].attempt == e->u.task.id.attempt;
    if (!finished && ei_sc_node_slot(s, e->node) != EI_SC_NONE)
        ei_sc_emit(s, EI_SCHED_ACT_KILL, e->u.task.id, e->node);
}

void ei_sc_on_task_done(struct ei_sched *s, const struct ei_sched_event *e) {
    struct ei_sc_stage *st = ei_sc_find(s, &e->u.task.id);
    uint32_t run = live_run(s, st, &e->u.task.id, e->node);
    if (run != EI_SC_NONE) {
        st->bytes_out += e->u.task.bytes_out;
        ei_sc_ahead_measure(st, e->u.task.took_us);
        ei_sc_ahead_at(s, s->runs[run].node);
        ei_sc_task_done(s, st, run);
        return;
    }
    if (ei_sc_node_slot(s, e->node) == EI_SC_NONE)
        return; /* with its incarnation its files are gone */
    if (st != NULL) {
        const struct ei_sc_task *t = &st->task[e->u.task.id.task];
        if (t->state == EI_SC_DONE && t->attempt == e->u.task.id.attempt &&
            s->nodes[t->at].id == e->node)
            return; /* told twice */
    }
    ei_sc_emit(s, EI_SCHED_ACT_OUTPUT_DROP, e->u.task.id, e->node);
}

void ei_sc_on_task_failed(struct ei_sched *s, const struct ei_sched_event *e) {
    struct ei_sc_stage *st = ei_sc_find(s, &e->u.task.id);
    uint32_t run = live_run(s, st, &e->u.task.id, e->node);
    if (run == EI_SC_NONE)
        return;
    enum ei_code code = e->u.task.code == EI_OK ? EI_INTERNAL : e->u.task.code;
    if (e->u.task.not_its_fault)
        spare_attempt(s, st, run, code);
    else if (code == EI_OUT_OF_MEMORY)
        out_of_memory(s, st, run);
    else
        fail_attempt(s, st, run, code);
}

/* Drops those of the named outputs that count now. Returns how many. */
static uint32_t drop_named(struct ei_sched *s, const struct ei_sched_event *e) {
    uint32_t dropped = 0;
    for (uint32_t i = 0; i < e->u.input_lost.lost_count; i++) {
        struct ei_attempt id = e->u.input_lost.lost[i];
        id.job = e->u.input_lost.id.job;
        id.stage = e->u.input_lost.producer_stage;
        struct ei_sc_stage *st = ei_sc_find(s, &id);
        if (st == NULL || st->task[id.task].state != EI_SC_DONE ||
            st->task[id.task].attempt != id.attempt)
            continue;
        ei_sc_output_drop(s, st, id.task);
        dropped++;
    }
    return dropped;
}

static bool reads(const struct ei_sc_stage *st, uint32_t producer) {
    for (uint32_t i = 0; i < st->input_count; i++) {
        if (st->inputs[i] == producer)
            return true;
    }
    return false;
}

/* A reader that complains of what was replaced before it started, or of what it does not read,
 * counts as failed: else it could complain for ever. */
void ei_sc_on_input_lost(struct ei_sched *s, const struct ei_sched_event *e) {
    const struct ei_attempt *id = &e->u.input_lost.id;
    uint32_t producer = e->u.input_lost.producer_stage;
    struct ei_sc_job *j = ei_map_get_u64(&s->jobs, id->job);
    if (id->attempt == 0) { /* the client read the job's result */
        if (j != NULL && producer + 1 == j->stage_count)
            (void)drop_named(s, e);
        return;
    }
    struct ei_sc_stage *st = ei_sc_find(s, id);
    uint32_t run = live_run(s, st, id, e->node);
    if (run == EI_SC_NONE)
        return;
    bool input = reads(st, producer);
    if (!input || (drop_named(s, e) == 0 && j->stages[producer].loss_seq < s->runs[run].seq)) {
        fail_attempt(s, st, run, EI_INPUT_LOST);
        return;
    }
    ei_sc_run_end(s, run);
    back_to_waiting(s, st, id->task, 0);
}

void ei_sc_on_node_down(struct ei_sched *s, const struct ei_sched_event *e) {
    uint32_t slot = ei_sc_node_slot(s, e->node);
    if (slot == EI_SC_NONE)
        return;
    struct ei_sc_node *n = &s->nodes[slot];
    n->down = true;
    while (n->run_count > 0) {
        uint32_t run = n->runs[n->run_count - 1];
        spare_attempt(s, s->stages[s->runs[run].stage], run, EI_LOST);
    }
    for (uint32_t i = 0; i < n->output_count; i++) {
        struct ei_sc_ref out = n->outputs[i];
        if (ei_sc_output_counts(s, slot, out))
            ei_sc_output_drop(s, s->stages[out.stage], out.task);
    }
    ei_sc_node_remove(s, slot);
}
