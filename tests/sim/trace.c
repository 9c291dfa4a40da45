#include "sim/trace.h"

#include <inttypes.h>

static const char *const event_names[] = {
#define X(name) #name,
    EI_SCHED_EVENTS(X)
#undef X
};
static const char *const action_names[] = {
#define X(name) #name,
    EI_SCHED_ACTIONS(X)
#undef X
};
static const char *const state_names[] = {"WAITING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"};

static void put_attempt(struct ei_buf *b, const struct ei_attempt *id) {
    ei_buf_printf(b, " %" PRIu64 "/%u-%u-%u", id->job, id->stage, id->task, id->attempt);
}

static void put_submit(struct ei_buf *b, const struct ei_sched_event *e) {
    ei_buf_printf(b, " job %" PRIu64 " user=%s queue=%s priority=%d", e->u.submit.job,
                  e->u.submit.user == NULL ? "" : e->u.submit.user,
                  e->u.submit.queue == NULL ? "" : e->u.submit.queue, e->u.submit.priority);
    for (uint32_t i = 0; i < e->u.submit.stage_count; i++) {
        const struct ei_sched_stage *st = &e->u.submit.stages[i];
        ei_buf_printf(b, " [%u: %u tasks x %u cores %" PRIu64 " bytes", i, st->tasks, st->cores,
                      st->memory_bytes);
        for (uint32_t k = 0; k < st->input_count; k++)
            ei_buf_printf(b, "%s%u", k == 0 ? " <- " : ",", st->inputs[k]);
        ei_buf_putc(b, ']');
    }
}

static void put_task(struct ei_buf *b, const struct ei_sched_event *e) {
    put_attempt(b, &e->u.task.id);
    ei_buf_printf(b, " from n%" PRIu64, e->node);
    if (e->type == EI_SCHED_TASK_FAILED)
        ei_buf_printf(b, " %s%s", ei_code_name(e->u.task.code),
                      e->u.task.not_its_fault ? " (not its fault)" : "");
}

void trace_event(struct ei_buf *b, const struct ei_sched_event *e) {
    ei_buf_printf(b, "%" PRId64 ".%06" PRId64 " %s", e->now_us / 1000000, e->now_us % 1000000,
                  event_names[e->type]);
    switch (e->type) {
    case EI_SCHED_NODE_UP:
        ei_buf_printf(b, " n%" PRIu64 " %s: %u cores, %" PRIu64 " bytes", e->node,
                      e->u.node_up.name == NULL ? "" : e->u.node_up.name, e->u.node_up.cores,
                      e->u.node_up.memory_bytes);
        break;
    case EI_SCHED_NODE_DOWN:
    case EI_SCHED_NODE_CORDON:
    case EI_SCHED_NODE_DRAIN:
    case EI_SCHED_NODE_RESUME:
        ei_buf_printf(b, " n%" PRIu64, e->node);
        break;
    case EI_SCHED_QUEUE_SET:
        ei_buf_printf(b, " %s weight=%u min=%u max=%u%s", e->u.queue.name, e->u.queue.weight,
                      e->u.queue.min_cores, e->u.queue.limits.cores,
                      e->u.queue.fifo ? " fifo" : "");
        break;
    case EI_SCHED_USER_SET:
        ei_buf_printf(b, " %s weight=%u max=%u", e->u.user.name, e->u.user.weight,
                      e->u.user.limits.cores);
        break;
    case EI_SCHED_JOB_SUBMIT:
        put_submit(b, e);
        break;
    case EI_SCHED_JOB_CANCEL:
    case EI_SCHED_JOB_RELEASE:
        ei_buf_printf(b, " job %" PRIu64, e->u.job.job);
        break;
    case EI_SCHED_TASK_RUNNING:
    case EI_SCHED_TASK_DONE:
    case EI_SCHED_TASK_FAILED:
        put_task(b, e);
        break;
    case EI_SCHED_INPUT_LOST:
        put_attempt(b, &e->u.input_lost.id);
        ei_buf_printf(b, " from n%" PRIu64 " misses", e->node);
        for (uint32_t i = 0; i < e->u.input_lost.lost_count; i++)
            ei_buf_printf(b, " %u-%u-%u", e->u.input_lost.producer_stage,
                          e->u.input_lost.lost[i].task, e->u.input_lost.lost[i].attempt);
        break;
    default:
        break;
    }
    ei_buf_putc(b, '\n');
}

void trace_actions(struct ei_buf *b, const struct ei_sched_actions *a) {
    for (size_t i = 0; i < a->count; i++) {
        const struct ei_sched_action *x = &a->items[i];
        ei_buf_printf(b, "    %s", action_names[x->type]);
        switch (x->type) {
        case EI_SCHED_ACT_STAGE_DONE:
            ei_buf_printf(b, " %" PRIu64 "/%u", x->id.job, x->id.stage);
            break;
        case EI_SCHED_ACT_STAGE_TASKS:
            ei_buf_printf(b, " %" PRIu64 "/%u: %u", x->id.job, x->id.stage, x->tasks);
            break;
        case EI_SCHED_ACT_NODE_DRAINED:
            ei_buf_printf(b, " n%" PRIu64, x->node);
            break;
        case EI_SCHED_ACT_JOB_FORGET:
            ei_buf_printf(b, " job %" PRIu64, x->id.job);
            break;
        case EI_SCHED_ACT_JOB_STATE:
            ei_buf_printf(b, " job %" PRIu64 " %s", x->id.job, state_names[x->state]);
            if (x->code != EI_OK)
                ei_buf_printf(b, " %s", ei_code_name(x->code));
            if (x->id.attempt != 0)
                put_attempt(b, &x->id);
            break;
        default:
            put_attempt(b, &x->id);
            ei_buf_printf(b, " on n%" PRIu64, x->node);
            break;
        }
        ei_buf_putc(b, '\n');
    }
}
