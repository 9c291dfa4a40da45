/* Jobs, stages and attempts as the master assigns, kills and forgets them. */
#include "base/mem.h"
#include "worker/internal.h"

#include <inttypes.h>
#include <stdlib.h>

/* Stages and attempts are small numbers; an assignment outside these limits is refused. */
#define STAGE_MAX 0xffffu
#define ATTEMPT_MAX 0xffffu

static uint64_t attempt_key(struct task_id id) {
    return (uint64_t)id.stage << 48 | (uint64_t)id.attempt << 32 | id.task;
}

struct task_id ei_worker_id(const Eider__V1__AttemptId *m) {
    struct task_id id = {0};
    if (m)
        id = (struct task_id){m->job, m->stage, m->task, m->attempt};
    return id;
}

char *ei_worker_output_path(struct worker *w, struct task_id id, const char *suffix) {
    return ei_asprintf("%s/%" PRIu64 "/%u-%u-%u.%s", w->exchange_dir, id.job, id.stage, id.task,
                       id.attempt, suffix);
}

void ei_worker_list_append(struct attempt_list *l, struct attempt *a) {
    a->next = NULL;
    a->prev = l->last;
    if (l->last)
        l->last->next = a;
    else
        l->first = a;
    l->last = a;
    l->count++;
}

void ei_worker_list_remove(struct attempt_list *l, struct attempt *a) {
    if (a->prev)
        a->prev->next = a->next;
    else
        l->first = a->next;
    if (a->next)
        a->next->prev = a->prev;
    else
        l->last = a->prev;
    a->prev = a->next = NULL;
    l->count--;
}

/* ---- tables ---- */
static void *copy_message(const ProtobufCMessage *m) {
    size_t len = protobuf_c_message_get_packed_size(m);
    uint8_t *bytes = ei_malloc(len);
    protobuf_c_message_pack(m, bytes);
    void *copy = protobuf_c_message_unpack(m->descriptor, NULL, len, bytes);
    free(bytes);
    EI_ASSERT(copy);
    return copy;
}

static struct job *job_get(struct worker *w, uint64_t id) {
    struct job *j = ei_map_get_u64(&w->jobs, id);
    if (j)
        return j;
    j = ei_calloc(1, sizeof *j);
    j->id = id;
    ei_map_put_u64(&w->jobs, id, j);
    return j;
}

static struct stage *stage_get(struct job *j, uint32_t id) {
    struct stage *s = ei_map_get_u64(&j->stages, id);
    if (s)
        return s;
    s = ei_calloc(1, sizeof *s);
    s->job = j;
    s->id = id;
    ei_map_put_u64(&j->stages, id, s);
    return s;
}

static void stage_destroy(struct stage *s) {
    if (s->spec)
        eider__v1__stage_spec__free_unpacked(s->spec, NULL);
    if (s->source)
        eider__v1__stage_on_worker__free_unpacked(s->source, NULL);
    free(s);
}

static void job_destroy(struct worker *w, struct job *j) {
    EI_ASSERT(j->in_executor == 0);
    ei_map_remove_u64(&w->jobs, j->id);
    for (size_t i = 0; i < j->attempts.count; i++)
        ei_worker_attempt_destroy(w, j->attempts.entries[i].value);
    for (size_t i = 0; i < j->stages.count; i++)
        stage_destroy(j->stages.entries[i].value);
    ei_map_release(&j->attempts);
    ei_map_release(&j->stages);
    free(j);
}

struct attempt *ei_worker_attempt_find(struct worker *w, struct task_id id) {
    struct job *j = ei_map_get_u64(&w->jobs, id.job);
    if (!j || id.stage > STAGE_MAX || id.attempt > ATTEMPT_MAX)
        return NULL;
    return ei_map_get_u64(&j->attempts, attempt_key(id));
}

bool ei_worker_output_published(struct worker *w, struct task_id id) {
    struct attempt *a = ei_worker_attempt_find(w, id);
    return a && a->state == ATTEMPT_FINAL && a->output_bytes > 0 && !a->stage->job->forgotten;
}

/* ---- ASSIGN ---- */
static void stage_update(struct worker *w, const Eider__V1__StageOnWorker *m) {
    struct job *j = job_get(w, m->job);
    if (m->stage > STAGE_MAX || j->forgotten)
        return;
    struct stage *s = stage_get(j, m->stage);
    if (s->source && m->generation < s->generation)
        return; /* overtaken */
    Eider__V1__StageOnWorker *copy = copy_message(&m->base);
    if (m->has_spec && copy->spec) {
        if (s->spec)
            eider__v1__stage_spec__free_unpacked(s->spec, NULL);
        s->spec = copy->spec;
        copy->spec = NULL;
    }
    if (s->source)
        eider__v1__stage_on_worker__free_unpacked(s->source, NULL);
    s->source = copy;
    s->generation = m->generation;
}

static void task_assign(struct worker *w, const Eider__V1__TaskAssign *m) {
    struct task_id id = ei_worker_id(m->id);
    if (id.stage > STAGE_MAX || id.attempt > ATTEMPT_MAX) {
        ei_log(EI_LOG_ERROR, "assignment of stage %u attempt %u is beyond the limits", id.stage,
               id.attempt);
        return;
    }
    struct job *j = job_get(w, id.job);
    if (j->forgotten || ei_map_get_u64(&j->attempts, attempt_key(id)))
        return; /* said twice */
    struct attempt *a = ei_calloc(1, sizeof *a);
    a->id = id;
    a->stage = stage_get(j, id.stage);
    a->first_partition = m->first_partition;
    a->partition_count = m->partition_count;
    a->memory_bytes = m->memory_bytes;
    a->assigned_us = ei_now_us();
    if (m->split)
        a->split = copy_message(&m->split->base);
    ei_map_put_u64(&j->attempts, attempt_key(id), a);
    ei_worker_attempt_start(w, a);
}

void ei_worker_assign(struct worker *w, const Eider__V1__Assign *m) {
    if (m->epoch != w->master.epoch)
        return;
    for (size_t i = 0; i < m->n_stages; i++)
        stage_update(w, m->stages[i]);
    for (size_t i = 0; i < m->n_tasks; i++)
        task_assign(w, m->tasks[i]);
    ei_worker_pump(w);
}

/* ---- KILL_TASKS, FORGET_JOBS ---- */
void ei_worker_kill_tasks(struct worker *w, const Eider__V1__KillTasks *m) {
    if (m->epoch != w->master.epoch)
        return;
    for (size_t i = 0; i < m->n_ids; i++) {
        struct attempt *a = ei_worker_attempt_find(w, ei_worker_id(m->ids[i]));
        if (a)
            ei_worker_attempt_stop(w, a, m->reason && *m->reason ? m->reason : "cancelled");
    }
    ei_worker_pump(w);
}

void ei_worker_attempt_drop(struct worker *w, struct attempt *a) {
    (void)ei_map_remove_u64(&a->stage->job->attempts, attempt_key(a->id));
    ei_worker_attempt_destroy(w, a);
}

static void job_erase(struct worker *w, struct job *j) {
    for (size_t i = 0; i < j->attempts.count; i++)
        w->exchange_bytes -= ((struct attempt *)j->attempts.entries[i].value)->output_bytes;
    if (j->has_directory)
        ei_worker_remove_tree_later(w, ei_asprintf("%s/%" PRIu64, w->exchange_dir, j->id));
    job_destroy(w, j);
}

void ei_worker_job_left_executor(struct worker *w, struct job *j) {
    EI_ASSERT(j->in_executor > 0);
    j->in_executor--;
    if (j->forgotten && j->in_executor == 0)
        job_erase(w, j);
}

static void job_forget(struct worker *w, struct job *j) {
    j->forgotten = true;
    /* stops nothing twice; events of a forgotten job are not sent */
    j->in_executor++; /* the job must outlive this loop */
    for (size_t i = 0; i < j->attempts.count; i++)
        ei_worker_attempt_stop(w, j->attempts.entries[i].value, "the job was forgotten");
    ei_worker_fetched_forget(w, j->id);
    ei_worker_job_left_executor(w, j);
}

void ei_worker_forget_jobs(struct worker *w, const Eider__V1__ForgetJobs *m) {
    for (size_t i = 0; i < m->n_jobs; i++) {
        struct job *j = ei_map_get_u64(&w->jobs, m->jobs[i]);
        if (j && !j->forgotten)
            job_forget(w, j);
    }
    ei_worker_pump(w);
}

void ei_worker_forget_below(struct worker *w, uint64_t first_job) {
    for (size_t i = w->jobs.count; i-- > 0;) { /* removal moves the last one into the hole */
        struct job *j = w->jobs.entries[i].value;
        if (j->id < first_job && !j->forgotten)
            job_forget(w, j);
    }
}

/* ---- after a reconnect ---- */
void ei_worker_jobs_resend(struct worker *w) {
    for (size_t i = 0; i < w->jobs.count; i++) {
        struct job *j = w->jobs.entries[i].value;
        for (size_t k = 0; !j->forgotten && k < j->attempts.count; k++) {
            struct attempt *a = j->attempts.entries[k].value;
            if (a->state == ATTEMPT_FINAL)
                ei_worker_event_push(w, a->event, a->event_len);
        }
    }
}

struct task_id *ei_worker_jobs_running(struct worker *w, size_t *count) {
    struct task_id *ids = NULL;
    size_t n = 0, capacity = 0;
    for (size_t i = 0; i < w->jobs.count; i++) {
        struct job *j = w->jobs.entries[i].value;
        for (size_t k = 0; !j->forgotten && k < j->attempts.count; k++) {
            struct attempt *a = j->attempts.entries[k].value;
            if (a->state == ATTEMPT_FINAL)
                continue;
            EI_GROW(ids, n, capacity);
            ids[n++] = a->id;
        }
    }
    *count = n;
    return ids;
}

void ei_worker_jobs_release(struct worker *w) {
    while (w->jobs.count > 0) {
        struct job *j = w->jobs.entries[0].value;
        j->in_executor = 0;
        job_destroy(w, j);
    }
    ei_map_release(&w->jobs);
}
