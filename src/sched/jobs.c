/* Jobs: from submission to oblivion. What an event changed is settled once at its end
 * (ei_sc_job_settle): which lost outputs are still needed, which stages are ready, whether the job
 * is finished or has to fail. */
#include "sched/internal.h"

#include <stdlib.h>
#include <string.h>

static const struct ei_attempt nobody = {0};

/* ---- submission ---- */

static enum ei_code check_graph(const struct ei_sched_stage *stages, uint32_t count) {
    uint64_t tasks = 0;
    if (count == 0 || count > EI_SC_MAX_STAGES)
        return EI_INVALID;
    for (uint32_t i = 0; i < count; i++) {
        if (stages[i].tasks == 0)
            return EI_INVALID;
        tasks += stages[i].tasks;
        for (uint32_t k = 0; k < stages[i].input_count; k++) {
            if (stages[i].inputs[k] >= i)
                return EI_INVALID;
        }
    }
    return tasks > EI_SC_MAX_TASKS ? EI_INVALID : EI_OK;
}

static uint32_t stage_ref(struct ei_sched *s, struct ei_sc_stage *st) {
    uint32_t ref;
    if (s->stage_free_count > 0) {
        ref = s->stage_free[--s->stage_free_count];
    } else {
        EI_GROW(s->stages, s->stage_count, s->stage_capacity);
        ref = s->stage_count++;
    }
    s->stages[ref] = st;
    return ref;
}

static void stage_init(struct ei_sched *s, struct ei_sc_job *j, uint32_t id,
                       const struct ei_sched_stage *spec, uint32_t *inputs) {
    struct ei_sc_stage *st = &j->stages[id];
    *st = (struct ei_sc_stage){.job = j,
                               .id = id,
                               .ref = stage_ref(s, st),
                               .tasks = spec->tasks,
                               .inputs = inputs,
                               .input_count = spec->input_count,
                               .task = ei_calloc(spec->tasks, sizeof *st->task),
                               .back_head = EI_SC_NONE,
                               .dropped_head = EI_SC_NONE,
                               .waiting = spec->tasks};
    st->time_limit_us = spec->time_limit_us;
    st->not_restartable = spec->not_restartable || spec->gang;
    st->task_us = spec->expected_us;
    st->shape = ei_sc_shape_get(
        s, EI_MAX(spec->cores, 1u), spec->memory_bytes,
        ei_sc_terms_make(s, spec->labels, spec->label_count, spec->extras, spec->extra_count),
        spec->pack, spec->gang);
    if (spec->input_count > 0)
        memcpy(inputs, spec->inputs, spec->input_count * sizeof *inputs);
    st->gang_since_us = INT64_MAX;
    st->hold_timer_us = INT64_MIN;
    st->coalesce_bytes = spec->input_count > 0 ? spec->coalesce_bytes : 0;
    ei_sc_near_init(s, st, spec);
}

static void refuse(struct ei_sched *s, uint64_t job, enum ei_code code) {
    struct ei_attempt id = {.job = job};
    ei_sc_emit_state(s, job, EI_JOB_FAILED, code, id);
    ei_sc_emit(s, EI_SCHED_ACT_JOB_FORGET, id, 0);
}

void ei_sc_on_submit(struct ei_sched *s, const struct ei_sched_event *e) {
    uint64_t id = e->u.submit.job;
    if (ei_map_get_u64(&s->jobs, id) != NULL)
        return;
    enum ei_code code = check_graph(e->u.submit.stages, e->u.submit.stage_count);
    if (code == EI_OK)
        code = ei_sc_admission(s, e);
    if (code != EI_OK) {
        refuse(s, id, code);
        return;
    }
    struct ei_sc_job *j = ei_calloc(1, sizeof *j);
    (void)ei_sc_job_join(s, j, e);
    j->id = id;
    j->stage_count = e->u.submit.stage_count;
    j->stages = ei_calloc(j->stage_count, sizeof *j->stages);
    uint32_t inputs = 0;
    for (uint32_t i = 0; i < j->stage_count; i++)
        inputs += e->u.submit.stages[i].input_count;
    j->inputs = ei_malloc(inputs * sizeof *j->inputs);
    inputs = 0;
    for (uint32_t i = 0; i < j->stage_count; i++) {
        stage_init(s, j, i, &e->u.submit.stages[i], j->inputs + inputs);
        inputs += e->u.submit.stages[i].input_count;
    }
    for (uint32_t i = 0; i < inputs; i++)
        j->stages[j->inputs[i]].has_readers = true;
    (void)ei_map_put_u64(&s->jobs, id, j);
    ei_sc_ahead_anywhere(s, j);
    ei_sc_job_gate(s, j, e);
}

/* ---- the end ---- */

void ei_sc_job_free(struct ei_sched *s, struct ei_sc_job *j) {
    for (uint32_t i = 0; i < j->stage_count; i++) {
        s->stages[j->stages[i].ref] = NULL;
        free(j->stages[i].task);
        free(j->stages[i].near);
    }
    free(j->after);
    free(j->inputs);
    free(j->stages);
    ei_sc_share_release(&j->share);
    free(j);
}

void ei_sc_stage_kill(struct ei_sched *s, struct ei_sc_stage *st) {
    for (uint32_t t = 0; st->running > 0; t++) {
        if (st->task[t].state != EI_SC_RUNNING)
            continue;
        while (st->task[t].at != EI_SC_NONE)
            ei_sc_run_kill(s, st->task[t].at);
        ei_sc_task_push(s, st, t, 0);
        st->running--;
    }
}

static void stage_retire(struct ei_sched *s, struct ei_sc_stage *st) {
    ei_sc_stage_kill(s, st);
    ei_sc_stage_unhold(s, st);
    ei_sc_stage_dequeue(s, st);
    ei_sc_gang_gone(s, st);
    ei_sc_shape_put(s, st->shape);
    EI_GROW(s->stage_free, s->stage_free_count, s->stage_free_capacity);
    s->stage_free[s->stage_free_count++] = st->ref;
}

/* Kills what runs and forgets the job: nothing of it is needed on any node. */
static void job_forget(struct ei_sched *s, struct ei_sc_job *j) {
    (void)ei_map_remove_u64(&s->jobs, j->id);
    for (size_t i = 0; j->touched && i < s->touched_count; i++) {
        if (s->touched[i] == j)
            s->touched[i] = s->touched[--s->touched_count];
    }
    ei_sc_job_ungate(s, j);
    for (uint32_t i = 0; i < j->stage_count; i++)
        ei_sc_stage_dequeue(s, &j->stages[i]);
    for (uint32_t i = 0; i < j->stage_count; i++)
        stage_retire(s, &j->stages[i]);
    ei_sc_emit(s, EI_SCHED_ACT_JOB_FORGET, (struct ei_attempt){.job = j->id}, 0);
    ei_sc_job_over(s, j);
    ei_sc_job_leave(s, j);
    ei_sc_job_free(s, j);
}

void ei_sc_job_end(struct ei_sched *s, struct ei_sc_job *j, enum ei_job_state state,
                   enum ei_code code, struct ei_attempt blame) {
    j->state = state;
    ei_sc_emit_state(s, j->id, state, code, blame);
    job_forget(s, j);
}

void ei_sc_on_cancel(struct ei_sched *s, const struct ei_sched_event *e) {
    struct ei_sc_job *j = ei_map_get_u64(&s->jobs, e->u.job.job);
    if (j == NULL)
        return;
    if (j->state == EI_JOB_SUCCEEDED)
        job_forget(s, j);
    else
        ei_sc_job_end(s, j, EI_JOB_CANCELLED, e->u.job.code == EI_OK ? EI_CANCELLED : e->u.job.code,
                      nobody);
}

/* Released before its end: the job goes on, and is forgotten when it is finished. */
void ei_sc_on_release(struct ei_sched *s, const struct ei_sched_event *e) {
    struct ei_sc_job *j = ei_map_get_u64(&s->jobs, e->u.job.job);
    if (j == NULL)
        return;
    j->released = true;
    if (j->state == EI_JOB_SUCCEEDED)
        job_forget(s, j);
}

/* ---- settling ---- */

void ei_sc_job_touch(struct ei_sched *s, struct ei_sc_job *j) {
    if (j->touched)
        return;
    j->touched = true;
    EI_GROW(s->touched, s->touched_count, s->touched_capacity);
    s->touched[s->touched_count++] = j;
}

/* The job fails at the end of this event; the first reason stands. */
void ei_sc_job_doom(struct ei_sched *s, struct ei_sc_job *j, enum ei_code code,
                    struct ei_attempt id) {
    if (j->doom != EI_OK)
        return;
    j->doom = code;
    j->doom_id = id;
    ei_sc_job_touch(s, j);
}

bool ei_sc_stage_inputs_ready(const struct ei_sc_stage *st) {
    for (uint32_t i = 0; i < st->input_count; i++) {
        const struct ei_sc_stage *in = &st->job->stages[st->inputs[i]];
        if (in->done < in->tasks)
            return false;
    }
    return true;
}

/* Its inputs are there, so their size is known; once, before anything of it runs. */
static void coalesce(struct ei_sched *s, struct ei_sc_stage *st) {
    uint64_t bytes = 0, each = st->coalesce_bytes;
    st->coalesce_bytes = 0;
    for (uint32_t i = 0; i < st->input_count; i++)
        bytes += st->job->stages[st->inputs[i]].bytes_out;
    uint64_t tasks = EI_MAX(bytes / each + (bytes % each > 0), UINT64_C(1));
    if (tasks >= st->tasks || st->fresh > 0)
        return;
    st->tasks = st->waiting = (uint32_t)tasks;
    ei_sc_emit_tasks(s, st->job->id, st->id, st->tasks);
}

void ei_sc_stage_refresh(struct ei_sched *s, struct ei_sc_stage *st) {
    if (st->waiting > 0 && !st->held && st->job->admitted && st->job->doom == EI_OK &&
        ei_sc_stage_inputs_ready(st)) {
        if (st->coalesce_bytes > 0)
            coalesce(s, st);
        if (!st->queued)
            ei_sc_near_ready(s, st);
        ei_sc_stage_enqueue(s, st);
    } else {
        ei_sc_stage_dequeue(s, st);
    }
}

/* Lost outputs that are needed are made again. Counts a round when the stage had been complete. */
static void recompute_dropped(struct ei_sched *s, struct ei_sc_stage *st) {
    while (st->dropped_head != EI_SC_NONE) {
        uint32_t task = st->dropped_head;
        st->dropped_head = st->task[task].next;
        st->dropped--;
        ei_sc_task_push(s, st, task, 0);
    }
    if (!st->complete)
        return;
    st->complete = false;
    st->rounds++;
    if (++st->rounds_idle > s->config.max_stage_rounds) {
        struct ei_attempt id = {st->job->id, st->id, st->lost_task, st->lost_attempt};
        ei_sc_job_doom(s, st->job, EI_INPUT_LOST, id);
    }
}

/* The reverse: what was lost was to be made again, and its readers finished without it. */
static void shelve(struct ei_sched *s, struct ei_sc_stage *st) {
    ei_sc_stage_kill(s, st);
    while (st->back_head != EI_SC_NONE) {
        uint32_t task = ei_sc_task_pop(st);
        st->waiting--;
        ei_sc_task_shelve(st, task);
    }
}

/* From the last stage to the first: an output is wanted by the client, or by a stage that still has
 * tasks to finish - which may be so only because its own output was lost and is wanted. */
static void recompute_wanted(struct ei_sched *s, struct ei_sc_job *j) {
    for (uint32_t i = 0; i < j->stage_count; i++)
        j->stages[i].wanted = false;
    j->stages[j->stage_count - 1].wanted = true;
    for (uint32_t i = j->stage_count; i-- > 0;) {
        struct ei_sc_stage *st = &j->stages[i];
        if (st->wanted && st->dropped > 0)
            recompute_dropped(s, st);
        else if (!st->wanted && st->has_readers && ei_sc_stage_pending(st) > 0)
            shelve(s, st);
        if (ei_sc_stage_pending(st) == 0)
            continue;
        for (uint32_t k = 0; k < st->input_count; k++)
            j->stages[st->inputs[k]].wanted = true;
    }
}

static void job_settle(struct ei_sched *s, struct ei_sc_job *j) {
    recompute_wanted(s, j);
    if (j->doom != EI_OK) {
        ei_sc_job_end(s, j, EI_JOB_FAILED, j->doom, j->doom_id);
        return;
    }
    if (j->cancel) {
        ei_sc_job_end(s, j, EI_JOB_CANCELLED, EI_CANCELLED, nobody);
        return;
    }
    bool pending = false;
    for (uint32_t i = 0; i < j->stage_count; i++) {
        pending = pending || ei_sc_stage_pending(&j->stages[i]) > 0;
        ei_sc_stage_refresh(s, &j->stages[i]);
    }
    if (pending && j->state == EI_JOB_SUCCEEDED) {
        j->state = EI_JOB_RUNNING;
        ei_sc_job_counted(s, j, true);
        ei_sc_emit_state(s, j->id, EI_JOB_RUNNING, EI_OK, nobody);
    } else if (!pending && j->state != EI_JOB_SUCCEEDED) {
        j->state = EI_JOB_SUCCEEDED;
        ei_sc_emit_state(s, j->id, EI_JOB_SUCCEEDED, EI_OK, nobody);
        if (j->released)
            job_forget(s, j);
        else
            ei_sc_job_over(s, j);
    }
}

void ei_sc_jobs_settle(struct ei_sched *s) {
    for (size_t i = 0; i < s->touched_count; i++) {
        s->touched[i]->touched = false;
        job_settle(s, s->touched[i]);
    }
    s->touched_count = 0;
}
