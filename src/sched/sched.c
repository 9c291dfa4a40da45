/* The step: time first, then the event, then what follows from it for the jobs that it touched,
 * then placement. */
#include "sched/internal.h"

#include <stdlib.h>
#include <string.h>

void ei_sched_config_default(struct ei_sched_config *c) {
    *c = (struct ei_sched_config){.max_attempts = 4,
                                  .max_stage_rounds = 4,
                                  .per_job_core_share_percent = 100,
                                  .node_exclude_us = 60 * UINT64_C(1000000),
                                  .node_exclude_failures = 4,
                                  .max_spared = 100,
                                  .retry_elsewhere_us = 5 * UINT64_C(1000000),
                                  .max_jobs = 100000,
                                  .preempt_grace_us = 10 * UINT64_C(1000000),
                                  .speculate_done_percent = 75,
                                  .speculate_slower_percent = 150,
                                  .speculate_min_us = UINT64_C(1000000),
                                  .speculate_max_percent = 10,
                                  .reserve_after_us = 10 * UINT64_C(1000000),
                                  .near_wait_us = 300000};
}

int ei_sched_create(struct ei_sched **out, const struct ei_sched_config *config) {
    struct ei_sched *s = ei_calloc(1, sizeof *s);
    if (config != NULL)
        s->config = *config;
    else
        ei_sched_config_default(&s->config);
    s->config.max_attempts = EI_MIN(EI_MAX(s->config.max_attempts, 1u), 255u);
    s->config.max_spared = EI_MIN(s->config.max_spared, 254u);
    s->config.node_exclude_failures = EI_MIN(EI_MAX(s->config.node_exclude_failures, 1u), 1000u);
    s->now_us = INT64_MIN;
    s->node_free = s->run_free = EI_SC_NONE;
    ei_sc_queues_init(s);
    *out = s;
    return 0;
}

void ei_sched_destroy(struct ei_sched *s) {
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->jobs.count; i++)
        ei_sc_job_free(s, s->jobs.entries[i].value);
    ei_map_release(&s->jobs);
    ei_sc_queues_release(s);
    ei_sc_shapes_release(s);
    ei_sc_index_release(s);
    ei_sc_nodes_release(s);
    ei_map_release(&s->names);
    free(s->stages);
    free(s->stage_free);
    free(s->touched);
    free(s->dependents);
    free(s->aside);
    free(s->runs);
    free(s->timers);
    free(s);
}

void ei_sched_actions_release(struct ei_sched_actions *a) {
    free(a->items);
    *a = (struct ei_sched_actions){0};
}

static void append(struct ei_sched *s, struct ei_sched_action action) {
    EI_GROW(s->out->items, s->out->count, s->out->capacity);
    s->out->items[s->out->count++] = action;
}

void ei_sc_emit(struct ei_sched *s, enum ei_sched_action_type type, struct ei_attempt id,
                uint64_t node) {
    append(s, (struct ei_sched_action){.type = type, .id = id, .node = node});
}

void ei_sc_emit_launch(struct ei_sched *s, struct ei_attempt id, uint64_t node, uint64_t memory) {
    append(s, (struct ei_sched_action){
                  .type = EI_SCHED_ACT_LAUNCH, .id = id, .node = node, .memory_bytes = memory});
}

void ei_sc_emit_tasks(struct ei_sched *s, uint64_t job, uint32_t stage, uint32_t tasks) {
    append(s, (struct ei_sched_action){
                  .type = EI_SCHED_ACT_STAGE_TASKS, .id = {job, stage, 0, 0}, .tasks = tasks});
}

void ei_sc_emit_state(struct ei_sched *s, uint64_t job, enum ei_job_state state, enum ei_code code,
                      struct ei_attempt blame) {
    blame.job = job;
    append(s, (struct ei_sched_action){
                  .type = EI_SCHED_ACT_JOB_STATE, .id = blame, .state = state, .code = code});
}

static void apply(struct ei_sched *s, const struct ei_sched_event *e) {
    switch (e->type) {
    case EI_SCHED_NODE_UP:
        ei_sc_node_add(s, e);
        break;
    case EI_SCHED_NODE_DOWN:
        ei_sc_on_node_down(s, e);
        break;
    case EI_SCHED_JOB_SUBMIT:
        ei_sc_on_submit(s, e);
        break;
    case EI_SCHED_JOB_CANCEL:
        ei_sc_on_cancel(s, e);
        break;
    case EI_SCHED_JOB_RELEASE:
        ei_sc_on_release(s, e);
        break;
    case EI_SCHED_TASK_RUNNING:
        ei_sc_on_task_running(s, e);
        break;
    case EI_SCHED_TASK_DONE:
        ei_sc_on_task_done(s, e);
        break;
    case EI_SCHED_TASK_FAILED:
        ei_sc_on_task_failed(s, e);
        break;
    case EI_SCHED_INPUT_LOST:
        ei_sc_on_input_lost(s, e);
        break;
    case EI_SCHED_QUEUE_SET:
        ei_sc_on_queue_set(s, e);
        break;
    case EI_SCHED_USER_SET:
        ei_sc_on_user_set(s, e);
        break;
    case EI_SCHED_NODE_CORDON:
    case EI_SCHED_NODE_DRAIN:
    case EI_SCHED_NODE_RESUME:
        ei_sc_on_cordon(s, e);
        break;
    case EI_SCHED_TICK:
        break;
    }
}

void ei_sched_step(struct ei_sched *s, const struct ei_sched_event *event,
                   struct ei_sched_actions *actions) {
    s->out = actions;
    s->ahead_slot = EI_SC_NONE;
    s->now_us = EI_MAX(s->now_us, event->now_us);
    ei_sc_timers_run(s);
    apply(s, event);
    ei_sc_jobs_settle(s);
    ei_sc_dispatch(s);
    s->out = NULL;
}

bool ei_sched_output(const struct ei_sched *s, uint64_t job, uint32_t stage, uint32_t task,
                     struct ei_attempt *id, uint64_t *node) {
    struct ei_attempt want = {job, stage, task, 0};
    const struct ei_sc_stage *st = ei_sc_find(s, &want);
    if (st == NULL || st->task[task].state != EI_SC_DONE)
        return false;
    want.attempt = st->task[task].attempt;
    if (id != NULL)
        *id = want;
    if (node != NULL)
        *node = s->nodes[st->task[task].at].id;
    return true;
}

bool ei_sched_stage_counts(const struct ei_sched *s, uint64_t job, uint32_t stage,
                           struct ei_sched_stage_counts *out) {
    struct ei_attempt want = {job, stage, 0, 0};
    const struct ei_sc_stage *st = ei_sc_find(s, &want);
    if (st == NULL)
        return false;
    *out = (struct ei_sched_stage_counts){.tasks = st->tasks,
                                          .waiting = st->waiting + st->dropped,
                                          .running = st->running,
                                          .done = st->done,
                                          .retries = st->retries,
                                          .rounds = st->rounds};
    return true;
}
