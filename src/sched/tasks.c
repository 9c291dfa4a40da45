/* Tasks and their live attempts (runs). A stage of a million tasks is one array of 20 bytes each; a
 * task that was never started is all zero and costs no page; runs come from a pool that is as large
 * as the cluster has cores. Nothing here allocates per task. */
#include "sched/internal.h"

struct ei_sc_stage *ei_sc_find(const struct ei_sched *s, const struct ei_attempt *id) {
    struct ei_sc_job *j = ei_map_get_u64(&s->jobs, id->job);
    if (j == NULL || id->stage >= j->stage_count || id->task >= j->stages[id->stage].tasks)
        return NULL;
    return &j->stages[id->stage];
}

static struct ei_attempt attempt_of(const struct ei_sc_stage *st, uint32_t task, uint32_t attempt) {
    return (struct ei_attempt){st->job->id, st->id, task, attempt};
}

/* The live run of an attempt, EI_SC_NONE if it is fenced. */
uint32_t ei_sc_task_run(const struct ei_sched *s, const struct ei_sc_stage *st, uint32_t task,
                        uint32_t attempt) {
    const struct ei_sc_task *t = &st->task[task];
    if (t->state != EI_SC_RUNNING)
        return EI_SC_NONE;
    for (uint32_t r = t->at; r != EI_SC_NONE; r = s->runs[r].sibling) {
        if (s->runs[r].attempt == attempt)
            return r;
    }
    return EI_SC_NONE;
}

/* ---- the list of tasks to start again ---- */

void ei_sc_task_push(struct ei_sched *s, struct ei_sc_stage *st, uint32_t task, uint32_t avoid) {
    struct ei_sc_task *t = &st->task[task];
    t->state = EI_SC_WAITING;
    t->at = avoid;
    t->next = EI_SC_NONE;
    if (st->back_head == EI_SC_NONE)
        st->back_head = task;
    else
        st->task[st->back_tail].next = task;
    st->back_tail = task;
    st->waiting++;
}

/* Tasks that were started before go first. */
uint32_t ei_sc_task_pop(struct ei_sc_stage *st) {
    uint32_t task = st->back_head;
    if (task == EI_SC_NONE)
        return st->fresh++;
    st->back_head = st->task[task].next;
    return task;
}

/* Lists the tasks that were never started, too: they need not go in their order. */
void ei_sc_task_list_fresh(struct ei_sched *s, struct ei_sc_stage *st) {
    st->waiting -= st->tasks - st->fresh;
    while (st->fresh < st->tasks)
        ei_sc_task_push(s, st, st->fresh++, 0);
}

/* Takes `task` out of the list; it follows `before`, EI_SC_NONE = it is the first. */
void ei_sc_task_pick(struct ei_sc_stage *st, uint32_t before, uint32_t task) {
    *(before == EI_SC_NONE ? &st->back_head : &st->task[before].next) = st->task[task].next;
    if (st->back_tail == task)
        st->back_tail = before;
}

/* ---- runs ---- */

static uint32_t run_alloc(struct ei_sched *s) {
    uint32_t r = s->run_free;
    if (r != EI_SC_NONE) {
        s->run_free = s->runs[r].sibling;
    } else {
        EI_GROW(s->runs, s->run_count, s->run_capacity);
        r = s->run_count++;
    }
    s->run_live++;
    return r;
}

static void unlink_run(struct ei_sched *s, struct ei_sc_stage *st, uint32_t r) {
    const struct ei_sc_run *run = &s->runs[r];
    struct ei_sc_node *n = &s->nodes[run->node];
    n->runs[run->at_node] = n->runs[--n->run_count];
    s->runs[n->runs[run->at_node]].at_node = run->at_node;
    uint32_t *at = &st->task[run->task].at;
    while (*at != r)
        at = &s->runs[*at].sibling;
    *at = run->sibling;
}

static void list_at_node(struct ei_sched *s, uint32_t r) {
    struct ei_sc_node *n = &s->nodes[s->runs[r].node];
    EI_GROW(n->runs, n->run_count, n->run_capacity);
    s->runs[r].at_node = n->run_count;
    n->runs[n->run_count++] = r;
}

/* The task was taken from those that wait, or runs already and gets a second attempt. Ahead: it
 * waits on the node for cores. */
void ei_sc_task_launch(struct ei_sched *s, struct ei_sc_stage *st, uint32_t task, uint32_t slot,
                       bool ahead) {
    struct ei_sc_task *t = &st->task[task];
    bool second = t->state == EI_SC_RUNNING;
    uint32_t r = run_alloc(s);
    s->runs[r] = (struct ei_sc_run){.stage = st->ref,
                                    .task = task,
                                    .attempt = ++t->last_attempt,
                                    .node = slot,
                                    .sibling = second ? t->at : EI_SC_NONE,
                                    .cores = ahead ? 0 : st->shape->cores,
                                    .memory = ahead ? 0 : st->shape->memory,
                                    .seq = ++s->seq,
                                    .node_id = s->nodes[slot].id,
                                    .launched_us = s->now_us,
                                    .started_us = INT64_MIN};
    list_at_node(s, r);
    t->at = r;
    t->state = EI_SC_RUNNING;
    st->retries += t->last_attempt > 1;
    if (!second) {
        st->waiting--;
        st->running++;
    }
    if (ahead) {
        ei_sc_ahead_push(s, r);
    } else {
        ei_sc_node_take(s, slot, &s->runs[r], st->shape);
        ei_sc_share_charge(s, st->job, s->runs[r].cores, (int64_t)s->runs[r].memory);
    }
    if (st->waiting == 0)
        ei_sc_stage_dequeue(s, st);
    if (st->job->state == EI_JOB_WAITING) {
        st->job->state = EI_JOB_RUNNING;
        ei_sc_job_started(s, st->job);
        ei_sc_emit_state(s, st->job->id, EI_JOB_RUNNING, EI_OK, (struct ei_attempt){0});
    }
    if (st->time_limit_us > 0)
        ei_sc_timer_add(s, s->now_us + st->time_limit_us, EI_SC_TIMER_RUN, s->runs[r].seq, r);
    if (st->shape->reserved == slot)
        ei_sc_unreserve(s, st->shape);
    ei_sc_emit_launch(s, attempt_of(st, task, t->last_attempt), s->nodes[slot].id,
                      st->shape->memory);
}

/* Frees the run and what it held. The task stays in its state: the caller knows what comes next. */
void ei_sc_run_end(struct ei_sched *s, uint32_t r) {
    struct ei_sc_run run = s->runs[r];
    struct ei_sc_stage *st = s->stages[run.stage];
    unlink_run(s, st, r);
    if (run.ahead)
        ei_sc_ahead_unlink(s, r);
    s->runs[r].attempt = 0;
    s->runs[r].sibling = s->run_free;
    s->run_free = r;
    s->run_live--;
    if (run.ahead) {
        st->shape->blocked = false; /* there is room in the queue */
        return;
    }
    ei_sc_share_charge(s, st->job, -(int64_t)run.cores, -(int64_t)run.memory);
    ei_sc_node_give(s, run.node, &run, st->shape);
    ei_sc_ahead_promote(s, run.node);
}

void ei_sc_run_kill(struct ei_sched *s, uint32_t r) {
    const struct ei_sc_run *run = &s->runs[r];
    ei_sc_emit(s, EI_SCHED_ACT_KILL, attempt_of(s->stages[run->stage], run->task, run->attempt),
               s->nodes[run->node].id);
    ei_sc_run_end(s, r);
}

/* ---- outputs ---- */

bool ei_sc_output_counts(const struct ei_sched *s, uint32_t slot, struct ei_sc_ref ref) {
    const struct ei_sc_stage *st = ref.stage < s->stage_count ? s->stages[ref.stage] : NULL;
    return st != NULL && ref.task < st->tasks && st->task[ref.task].state == EI_SC_DONE &&
           st->task[ref.task].at == slot;
}

static void output_add(struct ei_sched *s, struct ei_sc_stage *st, uint32_t task, uint32_t slot) {
    struct ei_sc_node *n = &s->nodes[slot];
    if (n->output_count >= n->output_sweep) {
        uint32_t kept = 0;
        for (uint32_t i = 0; i < n->output_count; i++) {
            if (ei_sc_output_counts(s, slot, n->outputs[i]))
                n->outputs[kept++] = n->outputs[i];
        }
        n->output_count = kept;
        n->output_sweep = EI_MAX(kept * 2, EI_SC_SWEEP_MIN);
    }
    EI_GROW(n->outputs, n->output_count, n->output_capacity);
    n->outputs[n->output_count++] = (struct ei_sc_ref){st->ref, task};
    st->task[task].at = slot;
}

/* The attempt of run `r` finished: its output counts, every other attempt of the task is stopped.
 */
void ei_sc_task_done(struct ei_sched *s, struct ei_sc_stage *st, uint32_t r) {
    uint32_t task = s->runs[r].task, attempt = s->runs[r].attempt, slot = s->runs[r].node;
    struct ei_sc_task *t = &st->task[task];
    ei_sc_sample(s, st, &s->runs[r]);
    ei_sc_run_end(s, r);
    while (t->at != EI_SC_NONE)
        ei_sc_run_kill(s, t->at);
    t->state = EI_SC_DONE;
    t->attempt = attempt;
    output_add(s, st, task, slot);
    st->running--;
    st->done++;
    for (uint32_t i = 0; i < st->input_count; i++)
        st->job->stages[st->inputs[i]].rounds_idle = 0;
    if (!st->speculating && st->waiting == 0 && st->running > 0) {
        st->speculating = true;
        ei_sc_timer_add(s, s->now_us + EI_SC_POLL_US, EI_SC_TIMER_SPECULATE, st->job->id, st->id);
    }
    if (st->done == st->tasks && !st->complete) {
        st->complete = true;
        ei_sc_emit(s, EI_SCHED_ACT_STAGE_DONE, attempt_of(st, 0, 0), 0);
    }
    if (ei_sc_stage_pending(st) == 0)
        ei_sc_job_touch(s, st->job);
}

/* Its output is gone, and it is not to be started. */
void ei_sc_task_shelve(struct ei_sc_stage *st, uint32_t task) {
    struct ei_sc_task *t = &st->task[task];
    t->state = EI_SC_DROPPED;
    t->next = st->dropped_head;
    st->dropped_head = task;
    st->dropped++;
}

/* The output is gone or wrong. Whether it is made again is decided when the event has been read
 * to its end: ei_sc_job_settle. */
void ei_sc_output_drop(struct ei_sched *s, struct ei_sc_stage *st, uint32_t task) {
    struct ei_sc_task *t = &st->task[task];
    EI_ASSERT(t->state == EI_SC_DONE);
    ei_sc_emit(s, EI_SCHED_ACT_OUTPUT_DROP, attempt_of(st, task, t->attempt), s->nodes[t->at].id);
    st->lost_task = task;
    st->lost_attempt = t->attempt;
    ei_sc_task_shelve(st, task);
    st->done--;
    st->loss_seq = ++s->seq;
    ei_sc_job_touch(s, st->job);
}
