/* The life of an attempt, from its assignment to its event. */
#include "base/mem.h"
#include "worker/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool in_executor(const struct attempt *a) {
    return a->state == ATTEMPT_RUNNING || a->state == ATTEMPT_STOPPING;
}

static bool is_noop(const struct attempt *a) {
    return a->stage->spec && a->stage->spec->native_noop;
}

static void free_work(struct worker *w, struct attempt *a) {
    ei_worker_inputs_release(w, a);
    free(a->input_error);
    a->input_error = NULL;
    if (a->split)
        eider__v1__split__free_unpacked(a->split, NULL);
    a->split = NULL;
    free(a->stop_reason);
    a->stop_reason = NULL;
}

void ei_worker_attempt_destroy(struct worker *w, struct attempt *a) {
    if (a->state == ATTEMPT_READY)
        ei_worker_list_remove(&w->ready, a);
    free_work(w, a);
    free(a->event);
    free(a);
}

/* ---- events ---- */
static void id_to_wire(struct task_id id, Eider__V1__AttemptId *out) {
    eider__v1__attempt_id__init(out);
    out->job = id.job;
    out->stage = id.stage;
    out->task = id.task;
    out->attempt = id.attempt;
}

static uint8_t *event_pack(const Eider__V1__TaskEvent *event, size_t *len) {
    *len = eider__v1__task_event__get_packed_size(event);
    uint8_t *bytes = ei_malloc(*len);
    eider__v1__task_event__pack(event, bytes);
    return bytes;
}

static void push_running(struct worker *w, struct attempt *a) {
    Eider__V1__AttemptId id;
    id_to_wire(a->id, &id);
    Eider__V1__TaskEvent event = EIDER__V1__TASK_EVENT__INIT;
    event.id = &id;
    event.state = EIDER__V1__TASK_STATE__TASK_RUNNING;
    size_t len;
    uint8_t *bytes = event_pack(&event, &len);
    ei_worker_event_push(w, bytes, len);
    free(bytes);
}

/* The one way into ATTEMPT_FINAL. The event is kept: it is said again after a reconnect; not so
 * that of a no-op, of which there are millions and which the master starts again. May free the
 * attempt and its job, if the job is forgotten. */
static void become_final(struct worker *w, struct attempt *a, Eider__V1__TaskEvent *event) {
    EI_ASSERT(a->state != ATTEMPT_FINAL);
    struct job *j = a->stage->job;
    bool was_in_executor = in_executor(a);
    Eider__V1__AttemptId id;
    id_to_wire(a->id, &id);
    event->id = &id;
    a->event = event_pack(event, &a->event_len);
    event->id = NULL;
    if (a->state == ATTEMPT_READY)
        ei_worker_list_remove(&w->ready, a);
    if (was_in_executor) {
        ei_worker_list_remove(&w->executor.running, a);
        if (is_noop(a))
            w->executor.noops--;
        else
            w->executor.slots_used--;
    }
    a->state = ATTEMPT_FINAL;
    free_work(w, a);
    if (!j->forgotten)
        ei_worker_event_push(w, a->event, a->event_len);
    if (is_noop(a) && !j->forgotten)
        ei_worker_attempt_drop(w, a);
    if (was_in_executor)
        ei_worker_job_left_executor(w, j);
}

static void remove_temporary(struct worker *w, struct attempt *a) {
    char *path = ei_worker_output_path(w, a->id, "tmp");
    unlink(path);
    free(path);
}

void ei_worker_attempt_failed(struct worker *w, struct attempt *a, const struct ei_error *e,
                              bool not_its_fault) {
    Eider__V1__Error error = EIDER__V1__ERROR__INIT;
    ei_error_to_wire(e, &error);
    Eider__V1__TaskEvent event = EIDER__V1__TASK_EVENT__INIT;
    event.state = EIDER__V1__TASK_STATE__TASK_FAILED;
    event.error = &error;
    event.not_its_fault = not_its_fault;
    if (in_executor(a))
        remove_temporary(w, a);
    become_final(w, a, &event);
}

/* ---- inputs, queue ---- */
void ei_worker_attempt_start(struct worker *w, struct attempt *a) {
    a->state = ATTEMPT_FETCHING;
    if (!a->stage->spec) {
        struct ei_error e;
        ei_fail(&e, EI_STALE, "worker %s was not told what stage %u of job %" PRIu64 " is",
                w->o.name, a->id.stage, a->id.job);
        ei_worker_attempt_failed(w, a, &e, true);
        return;
    }
    ei_worker_inputs_find(w, a);
}

static void fail_input_lost(struct worker *w, struct attempt *a) {
    Eider__V1__Error error = EIDER__V1__ERROR__INIT;
    Eider__V1__TaskEvent event = EIDER__V1__TASK_EVENT__INIT;
    Eider__V1__Output *outputs = ei_calloc(a->input_count, sizeof *outputs);
    Eider__V1__Output **lost = ei_calloc(a->input_count, sizeof *lost);
    size_t n = 0;
    for (size_t i = 0; i < a->input_count; i++) {
        const struct input *in = &a->inputs[i];
        if (!in->lost || (n > 0 && in->producer != event.lost_stage))
            continue; /* an event names one stage; another one's losses are found next time */
        event.lost_stage = in->producer;
        const Eider__V1__Output *known = ei_worker_source_output(a->stage, in->producer, in->task);
        if (known && known->attempt == in->attempt)
            outputs[n] = *known;
        else
            eider__v1__output__init(&outputs[n]);
        outputs[n].task = in->task;
        outputs[n].attempt = in->attempt;
        lost[n] = &outputs[n];
        n++;
    }
    ei_error_to_wire(a->input_error, &error);
    event.state = EIDER__V1__TASK_STATE__TASK_FAILED;
    event.error = &error;
    event.not_its_fault = true;
    event.lost_inputs = lost;
    event.n_lost_inputs = n;
    become_final(w, a, &event);
    free(lost);
    free(outputs);
}

void ei_worker_inputs_settled(struct worker *w, struct attempt *a) {
    a->fetch_us = (uint64_t)(ei_now_us() - a->assigned_us);
    if (a->input_error && a->input_error->code == EI_INPUT_LOST) {
        fail_input_lost(w, a);
        return;
    }
    if (a->input_error) {
        ei_worker_attempt_failed(w, a, a->input_error, false);
        return;
    }
    a->state = ATTEMPT_READY;
    ei_worker_list_append(&w->ready, a);
}

/* What an attempt may use: its claim, or a slot's part of the worker's memory. */
static uint64_t memory_of(const struct worker *w, const struct attempt *a) {
    return a->memory_bytes > 0 ? a->memory_bytes : w->o.memory_bytes / w->o.cores;
}

/* The executor has one memory limit: one that claims more than a slot's part (because it ran out of
 * that, say) gets it by having fewer neighbours, also such without a claim. */
static bool memory_fits(const struct worker *w, const struct attempt *a) {
    uint64_t used = memory_of(w, a);
    bool alone = true;
    for (const struct attempt *r = w->executor.running.first; r; r = r->next) {
        if (is_noop(r))
            continue;
        used += memory_of(w, r);
        alone = false;
    }
    return alone || used <= w->o.memory_bytes;
}

void ei_worker_pump(struct worker *w) {
    struct executor *x = &w->executor;
    struct attempt *next;
    if (w->stopping)
        return;
    if (x->state != EXECUTOR_READY && x->bad_starts >= EI_WORKER_BAD_STARTS_MAX) {
        struct ei_error e = x->start_error;
        e.code = EI_LOST; /* another worker may be better off */
        while (w->ready.first)
            ei_worker_attempt_failed(w, w->ready.first, &e, false);
        return;
    }
    for (struct attempt *a = w->ready.first; a && x->state == EXECUTOR_READY; a = next) {
        next = a->next;
        if (is_noop(a) ? x->noops >= EI_WORKER_NOOPS_MAX
                       : x->slots_used >= w->o.cores || !memory_fits(w, a))
            break; /* first come, first served */
        ei_worker_list_remove(&w->ready, a);
        ei_worker_list_append(&x->running, a);
        if (is_noop(a))
            x->noops++;
        else
            x->slots_used++;
        a->state = ATTEMPT_RUNNING;
        a->started_us = ei_now_us();
        a->stage->job->in_executor++;
        ei_worker_executor_run(w, a);
        if (!is_noop(a))
            push_running(w, a);
    }
}

/* ---- stop ---- */
void ei_worker_attempt_stop(struct worker *w, struct attempt *a, const char *reason) {
    struct ei_error e;
    switch (a->state) {
    case ATTEMPT_FETCHING:
    case ATTEMPT_READY:
        ei_fail(&e, EI_CANCELLED, "%s", reason);
        ei_worker_attempt_failed(w, a, &e, true);
        break;
    case ATTEMPT_RUNNING:
        a->state = ATTEMPT_STOPPING;
        a->stop_reason = ei_strdup(reason);
        a->stop_by_us = ei_now_us() + EI_WORKER_KILL_AFTER_US;
        ei_worker_executor_ask_stop(w, a);
        break;
    case ATTEMPT_STOPPING:
    case ATTEMPT_FINAL:
        break;
    }
}

/* ---- end ---- */
/* The rename is the publication: before it nobody can read the output, after it it never changes.
 */
static int publish(struct worker *w, struct attempt *a, char **path, uint64_t *bytes,
                   struct ei_error *e) {
    char *temporary = ei_worker_output_path(w, a->id, "tmp");
    struct stat st;
    int rc = -1;
    *path = ei_worker_output_path(w, a->id, "exf");
    if (lstat(temporary, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
        ei_fail(e, EI_LOST, "task %u.%u said it was done, but left no output at %s", a->id.stage,
                a->id.task, temporary);
    else if (rename(temporary, *path) != 0)
        ei_fail_errno(e, EI_IO, errno, "cannot publish %s", *path);
    else
        rc = 0;
    *bytes = rc == 0 ? (uint64_t)st.st_size : 0;
    free(temporary);
    return rc;
}

static void finished_done(struct worker *w, struct attempt *a, const Eider__V1__TaskEvent *from) {
    Eider__V1__TaskEvent event = *from; /* borrows everything */
    Eider__V1__Output output = EIDER__V1__OUTPUT__INIT;
    char *path = NULL;
    uint64_t bytes = 0;
    struct ei_error e;
    if (!is_noop(a) && publish(w, a, &path, &bytes, &e) != 0) {
        free(path);
        ei_worker_attempt_failed(w, a, &e, false);
        return;
    }
    output.task = a->id.task;
    output.attempt = a->id.attempt;
    if (!is_noop(a)) {
        output.worker = (char *)(uintptr_t)w->o.name;
        output.address = w->address;
        output.host_id = (char *)(uintptr_t)w->o.host_id;
        output.path = path;
        output.file_bytes = bytes;
        output.rows = from->stats ? from->stats->rows_out : 0;
    }
    event.output = &output;
    a->output_bytes = bytes;
    w->exchange_bytes += bytes;
    become_final(w, a, &event);
    free(path);
}

/* The executor knows which producer's data was bad, the worker knows where that came from. */
static void finished_failed(struct worker *w, struct attempt *a, const Eider__V1__TaskEvent *from) {
    Eider__V1__TaskEvent event = *from;
    Eider__V1__Output **lost = ei_calloc(from->n_lost_inputs + 1, sizeof *lost);
    for (size_t i = 0; i < from->n_lost_inputs; i++) {
        const Eider__V1__Output *item = from->lost_inputs[i];
        const Eider__V1__Output *known =
            ei_worker_source_output(a->stage, from->lost_stage, item->task);
        ei_worker_fetched_drop(w, a->id.job, from->lost_stage, item->task, item->attempt);
        bool same = known && known->attempt == item->attempt;
        lost[i] = (Eider__V1__Output *)(uintptr_t)(same ? known : item);
    }
    event.state = EIDER__V1__TASK_STATE__TASK_FAILED;
    event.lost_inputs = lost;
    event.output = NULL;
    if (from->n_lost_inputs > 0)
        event.not_its_fault = true;
    remove_temporary(w, a);
    become_final(w, a, &event);
    free(lost);
}

void ei_worker_attempt_finished(struct worker *w, struct attempt *a,
                                const Eider__V1__TaskEvent *event) {
    Eider__V1__TaskEvent own = *event;
    Eider__V1__TaskStats stats = EIDER__V1__TASK_STATS__INIT;
    if (a->state == ATTEMPT_STOPPING) { /* nobody wants it, whatever it became */
        struct ei_error e;
        ei_fail(&e, EI_CANCELLED, "%s", a->stop_reason);
        ei_worker_attempt_failed(w, a, &e, true);
        return;
    }
    EI_ASSERT(a->state == ATTEMPT_RUNNING);
    if (event->stats)
        stats = *event->stats;
    stats.fetch_us = a->fetch_us;
    stats.start_us = (uint64_t)(a->started_us - a->assigned_us);
    own.stats = &stats;
    if (event->state == EIDER__V1__TASK_STATE__TASK_DONE)
        finished_done(w, a, &own);
    else
        finished_failed(w, a, &own);
}
