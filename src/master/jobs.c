/* Jobs from submission to their end. */
#include "master/internal.h"

#include "base/mem.h"
#include "os/os.h"
#include "sched/admission.h"

#include <stdlib.h>
#include <string.h>

bool ei_job_finished(const struct ei_job *job) {
    return job->state >= EI_JOB_SUCCEEDED;
}

struct ei_job *ei_job_find(const struct ei_master *m, uint64_t id) {
    size_t low = 0, high = m->job_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (m->jobs[mid]->id == id)
            return m->jobs[mid];
        if (m->jobs[mid]->id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

/* ---- submission ---- */

/* Ids are taken from the lasting state in blocks, before the first of them is used. */
static int next_id(struct ei_master *m, uint64_t *id, struct ei_error *e) {
    if (m->next_job > m->state.job_ids_used) {
        struct ei_state_command c = {.type = EI_STATE_JOB_IDS,
                                     .job_ids = m->state.job_ids_used + EI_JOB_IDS_RESERVED};
        if (ei_journal_commit(m->journal, &m->state, &c, e) < 0)
            return -1;
    }
    *id = m->next_job++;
    return 0;
}

/* What the scheduler is told of a job; release with order_release. */
struct order {
    struct ei_sched_event event;
    struct ei_sched_stage *stages;
    struct ei_sched_dependency *after;
    struct ei_sched_extra *extras;
};

/* Those that the scheduler has forgotten but the history remembers are judged here. */
static uint32_t open_dependencies(const struct ei_master *m, const struct ei_job *job,
                                  struct ei_sched_dependency *out) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < job->after_count; i++) {
        const struct ei_job *other = ei_job_find(m, job->after[i].job);
        if (other == NULL || !ei_job_finished(other))
            out[count++] = job->after[i];
    }
    return count;
}

static void fill_stages(const struct ei_job *job, struct order *o) {
    const Eider__V1__JobSpec *spec = job->spec;
    o->stages = ei_calloc(job->stage_count, sizeof *o->stages);
    o->extras = ei_calloc(spec->n_needs, sizeof *o->extras);
    for (size_t i = 0; i < spec->n_needs; i++)
        o->extras[i] = (struct ei_sched_extra){spec->needs[i]->name, spec->needs[i]->milli};
    for (uint32_t i = 0; i < job->stage_count; i++)
        o->stages[i] = (struct ei_sched_stage){
            .tasks = job->stages[i].task_count,
            .inputs = job->stages[i].inputs,
            .input_count = job->stages[i].input_count,
            .cores = EI_MAX(spec->task_cores, 1u),
            .memory_bytes = spec->memory_bytes,
            .time_limit_us = (int64_t)spec->task_time_limit_ms * 1000,
            .labels = (const char *const *)spec->labels,
            .label_count = (uint32_t)spec->n_labels,
            .extras = o->extras,
            .extra_count = (uint32_t)spec->n_needs,
            .expected_us = spec->stages[i]->native_noop ? 1 : 0,
            .near_inputs = job->stages[i].task_count == 1,
            .coalesce_bytes = spec->stages[i]->files == NULL ? spec->stages[i]->coalesce_bytes : 0,
        };
}

static void order_fill(const struct ei_master *m, const struct ei_job *job, struct order *o) {
    const Eider__V1__JobSpec *spec = job->spec;
    int64_t now_us = ei_now_us(), wait_ms = spec->begin_ms - ei_unix_ms();
    *o = (struct order){0};
    fill_stages(job, o);
    o->after = ei_calloc(job->after_count, sizeof *o->after);
    o->event = (struct ei_sched_event){
        .type = EI_SCHED_JOB_SUBMIT,
        .now_us = now_us,
        .u.submit = {.job = job->id,
                     .stages = o->stages,
                     .stage_count = job->stage_count,
                     .priority = job->priority,
                     .user = job->user,
                     .queue = job->queue,
                     .limits = {.cores = spec->max_cores, .memory_bytes = spec->max_memory_bytes},
                     .not_before_us =
                         spec->begin_ms > 0 && wait_ms > 0 ? now_us + wait_ms * 1000 : 0,
                     .time_limit_us = (int64_t)spec->time_limit_ms * 1000,
                     .after = o->after,
                     .after_count = open_dependencies(m, job, o->after)},
    };
}

static void order_release(struct order *o) {
    free(o->stages);
    free(o->after);
    free(o->extras);
}

static int check_dependencies(const struct ei_master *m, const struct ei_job *job,
                              struct ei_error *e) {
    for (uint32_t i = 0; i < job->after_count; i++) {
        const struct ei_job *other = ei_job_find(m, job->after[i].job);
        enum ei_sched_after after = job->after[i].after;
        if (other == NULL || !ei_job_finished(other) || after == EI_SCHED_AFTER_END)
            continue;
        if ((other->state == EI_JOB_SUCCEEDED) != (after == EI_SCHED_AFTER_OK))
            return ei_fail(e, EI_INVALID,
                           "job %llu has %s already: a job that waits for it to %s never starts",
                           (unsigned long long)other->id, ei_job_state_name(other->state),
                           after == EI_SCHED_AFTER_OK ? "succeed" : "fail");
    }
    return 0;
}

int ei_job_admitted(struct ei_master *m, const struct ei_job *job, struct ei_error *e) {
    struct order o;
    order_fill(m, job, &o);
    int rc = ei_sched_may_submit(m->sched, &o.event, e);
    order_release(&o);
    return rc == 0 ? check_dependencies(m, job, e) : -1;
}

void ei_job_start(struct ei_master *m, const struct ei_job *job) {
    struct order o;
    order_fill(m, job, &o);
    ei_master_step(m, &o.event);
    order_release(&o);
}

int ei_jobs_have_room(const struct ei_master *m, uint32_t count, struct ei_error *e) {
    if (m->unfinished + count <= EI_JOBS_UNFINISHED_MAX)
        return 0;
    return ei_fail(e, EI_LIMIT, "%zu jobs are waiting or running, the limit is %d; try again later",
                   m->unfinished, EI_JOBS_UNFINISHED_MAX);
}

struct ei_job *ei_job_submit(struct ei_master *m, const Eider__V1__JobSpec *spec,
                             struct ei_session *submitter, struct ei_error *e) {
    uint64_t id;
    if (ei_spec_check(spec, e) != 0 || ei_jobs_have_room(m, 1, e) != 0)
        return NULL;
    struct ei_job *job = ei_job_create(spec);
    if (ei_job_admitted(m, job, e) != 0 || next_id(m, &id, e) != 0) {
        ei_job_destroy(job);
        return NULL;
    }
    job->id = id;
    job->submitter = submitter;
    EI_GROW(m->jobs, m->job_count, m->job_capacity);
    m->jobs[m->job_count++] = job;
    m->unfinished++;
    return job;
}

void ei_on_submit(struct ei_session *l, const struct ei_message *msg) {
    const Eider__V1__SubmitJob *order = (const Eider__V1__SubmitJob *)msg->body;
    Eider__V1__SubmitJobReply reply = EIDER__V1__SUBMIT_JOB_REPLY__INIT;
    Eider__V1__Error error;
    struct ei_error e = {0};
    struct ei_job *job = ei_job_submit(l->master, order->spec, l, &e);
    if (job != NULL) {
        job->bound = order->bound_to_connection;
        job->detached = !job->bound;
        reply.job = job->id;
    } else {
        ei_error_to_wire(&e, &error);
        reply.error = &error;
    }
    ei_conn_reply(l->conn, msg->request, &reply.base);
    if (job != NULL)
        ei_job_start(l->master, job);
}

/* ---- the end ---- */

static void set_error(struct ei_job *job, enum ei_code code, const char *text, uint32_t position) {
    if (job->error == NULL)
        job->error = ei_calloc(1, sizeof *job->error);
    (void)ei_fail(job->error, code, "%s", text);
    job->error_position = position;
}

/* What a task had that ran out of memory: nothing larger was left to try. */
static void put_sizes(const struct ei_master *m, const struct ei_job *job, uint32_t stage,
                      struct ei_buf *text) {
    uint64_t had = job->stages[stage].memory_bytes, largest = 0;
    for (size_t i = 0; i < m->nodes.count; i++) {
        const struct ei_peer *p = m->nodes.entries[i].value;
        largest = EI_MAX(largest, p->memory_bytes);
        if (job->stages[stage].memory_bytes == 0) /* no claim: a core's part of a worker */
            had = EI_MAX(had, p->memory_bytes / EI_MAX(p->cores, 1u));
    }
    ei_buf_printf(text, "; the task had %.1f MB, the largest worker has %.1f MB",
                  (double)had / (double)(1u << 20), (double)largest / (double)(1u << 20));
}

/* One sentence: what went wrong, and where it did. */
static void explain_failure(const struct ei_master *m, struct ei_job *job,
                            const struct ei_sched_action *a) {
    const struct ei_failure *f = ei_job_failure(job, &a->id);
    const char *stage = a->id.stage < job->stage_count ? job->stages[a->id.stage].name : "";
    struct ei_buf where = {0};
    ei_buf_printf(&where, "stage %u%s%s%s, task %u", a->id.stage, stage[0] ? " \"" : "", stage,
                  stage[0] ? "\"" : "", a->id.task);
    if (f != NULL)
        ei_buf_printf(&where, " on %s", f->worker);
    if (a->id.attempt > 1)
        ei_buf_printf(&where, ", %u attempts", a->id.attempt);
    struct ei_buf text = {0};
    if (f != NULL)
        ei_buf_puts(&text, f->error.text);
    else if (a->code == EI_INPUT_LOST || a->code == EI_LOST)
        ei_buf_puts(&text, "the outputs of finished tasks were lost too often");
    else
        ei_buf_printf(&text, "the task ended with \"%s\"", ei_code_name(a->code));
    while (text.len > 0 && (text.data[text.len - 1] == '\n' || text.data[text.len - 1] == '.'))
        text.data[--text.len] = '\0';
    if (a->code == EI_OUT_OF_MEMORY)
        put_sizes(m, job, a->id.stage, &text);
    ei_buf_printf(&text, " (%s)", where.data);
    set_error(job, f != NULL && f->error.code != EI_OK ? f->error.code : a->code, text.data,
              f != NULL ? f->position : 0);
    ei_buf_release(&where);
    ei_buf_release(&text);
}

/* What the scheduler will forget and people will ask for. */
static void keep_figures(struct ei_master *m, struct ei_job *job) {
    for (uint32_t i = 0; i < job->stage_count; i++) {
        struct ei_job_stage *stage = &job->stages[i];
        struct ei_sched_stage_counts counts = {0};
        if (ei_sched_stage_counts(m->sched, job->id, i, &counts)) {
            stage->retries = counts.retries;
            stage->rounds = counts.rounds;
        }
        if (stage->started_us != 0 && stage->ended_us == 0)
            stage->ended_us = job->ended_us;
        ei_stage_times(stage, &stage->median_us, &stage->max_us);
    }
}

/* The caller frees. */
static char *cancel_text(const struct ei_job *job, enum ei_code code) {
    unsigned long long id = job->id;
    if (job->cancel_reason != NULL)
        return ei_asprintf("job %llu was cancelled: %s", id, job->cancel_reason);
    if (code == EI_TIMEOUT)
        return ei_asprintf("job %llu was cancelled after its time limit of %.1f s", id,
                           (double)job->time_limit_ms / 1000);
    if (job->after_count > 0)
        return ei_asprintf("job %llu was cancelled: a job that it waited for did not end as asked",
                           id);
    return ei_asprintf("job %llu was cancelled", id);
}

static void finish(struct ei_master *m, struct ei_job *job, const struct ei_sched_action *a) {
    job->ended_us = ei_now_us();
    job->ended_ms = ei_unix_ms();
    if (a->state == EI_JOB_FAILED) {
        explain_failure(m, job, a);
    } else if (a->state == EI_JOB_CANCELLED) {
        char *text = cancel_text(job, a->code);
        set_error(job, a->code != EI_OK ? a->code : EI_CANCELLED, text, 0);
        free(text);
    }
    keep_figures(m, job);
    m->unfinished--;
    m->ended_by_state[a->state]++;
    ei_history_add(m, job);
    if (a->state != EI_JOB_SUCCEEDED || job->released || (job->bound && job->submitter == NULL)) {
        EI_GROW(m->to_release, m->to_release_count, m->to_release_capacity);
        m->to_release[m->to_release_count++] = job->id;
    }
}

/* Outputs of its result were lost before anybody had fetched them: they are made again. */
static void revive(struct ei_master *m, struct ei_job *job) {
    job->state = EI_JOB_RUNNING;
    job->ended_us = job->ended_ms = 0;
    m->unfinished++;
    m->ended_by_state[EI_JOB_SUCCEEDED]--;
    ei_history_remove(m, job);
}

void ei_job_changed_state(struct ei_master *m, const struct ei_sched_action *a) {
    struct ei_job *job = ei_job_find(m, a->id.job);
    if (job == NULL)
        return;
    if (ei_job_finished(job)) {
        if (job->state == EI_JOB_SUCCEEDED && a->state == EI_JOB_RUNNING)
            revive(m, job);
        return;
    }
    job->state = a->state;
    if (a->state == EI_JOB_RUNNING && job->started_us == 0) {
        job->started_us = ei_now_us();
        job->started_ms = ei_unix_ms();
    }
    if (ei_job_finished(job)) {
        finish(m, job, a);
        ei_waits_job_ended(m, job);
    }
    ei_job_notify(m, job, true);
}

/* ---- cancel, release ---- */

int ei_job_cancel(struct ei_master *m, uint64_t id, const char *reason, struct ei_error *e) {
    struct ei_job *job = ei_job_find(m, id);
    if (job == NULL)
        return ei_fail(e, EI_NOT_FOUND, "there is no job %llu", (unsigned long long)id);
    if (ei_job_finished(job))
        return 0;
    free(job->cancel_reason);
    job->cancel_reason = ei_strndup(reason, strnlen(reason, EI_JOB_NAME_MAX));
    struct ei_sched_event event = {
        .type = EI_SCHED_JOB_CANCEL, .now_us = ei_now_us(), .u.job = {id, EI_CANCELLED}};
    ei_master_step(m, &event);
    return 0;
}

/* A job that is not finished is released when it is. */
void ei_job_release(struct ei_master *m, struct ei_job *job) {
    bool again = job->released && job->release_sent;
    job->released = true;
    if (again || !ei_job_finished(job))
        return;
    job->release_sent = true;
    struct ei_sched_event event = {
        .type = EI_SCHED_JOB_RELEASE, .now_us = ei_now_us(), .u.job = {job->id, EI_OK}};
    ei_master_step(m, &event);
}

void ei_on_cancel(struct ei_session *l, const struct ei_message *msg) {
    const Eider__V1__CancelJob *c = (const Eider__V1__CancelJob *)msg->body;
    struct ei_error e = {0};
    const char *reason = c->reason != NULL && c->reason[0] != '\0' ? c->reason : "by its user";
    (void)ei_job_cancel(l->master, c->job, reason, &e);
    ei_session_reply(l, msg, &e);
}

void ei_on_release(struct ei_session *l, const struct ei_message *msg) {
    const Eider__V1__ReleaseJob *r = (const Eider__V1__ReleaseJob *)msg->body;
    struct ei_error e = {0};
    struct ei_job *job = ei_job_find(l->master, r->job);
    if (job != NULL)
        ei_job_release(l->master, job);
    else
        (void)ei_fail(&e, EI_NOT_FOUND, "there is no job %llu", (unsigned long long)r->job);
    ei_session_reply(l, msg, &e);
}

void ei_jobs_link_closed(struct ei_master *m, struct ei_session *l) {
    if (m->stopping)
        return;
    for (size_t i = 0; i < m->job_count; i++) {
        struct ei_job *job = m->jobs[i];
        if (job->submitter != l)
            continue;
        job->submitter = NULL;
        if (!job->bound)
            continue;
        (void)ei_job_cancel(m, job->id, "the connection that it was submitted on was closed", NULL);
        ei_job_release(m, job);
    }
}
