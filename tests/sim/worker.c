/* Fake workers and the network between them and the master. */
#include "sim/world.h"

#include <stdlib.h>
#include <string.h>

#define DETECT_AFTER (5 * SECOND)

static struct sim_stage *stage_of(struct sim *w, const struct ei_attempt *id) {
    return &w->jobs[id->job - 1].stages[id->stage];
}

/* ---- network ---- */

static int64_t delivery(struct sim *w, struct sim_worker *k, int64_t *last) {
    int64_t at = w->now + sim_between(w, 100, 2 * MS);
    if (w->faults && !w->calm && sim_chance(w, 5))
        at += sim_between(w, 5 * MS, 150 * MS);
    while (!w->calm && sim_chance(w, w->loss_percent))
        at += sim_between(w, 200 * MS, 400 * MS); /* lost, sent again */
    if (k->cut_until > w->now)
        at = EI_MAX(at, k->cut_until + sim_between(w, 0, 100 * MS));
    if (w->ordered) {
        at = EI_MAX(at, *last + 1);
        *last = at;
    }
    return at;
}

void sim_send(struct sim *w, struct sim_worker *k, bool to_master, struct sim_event e) {
    int64_t *last = to_master ? &k->last_to_master : &k->last_to_worker;
    e.worker = k->index;
    e.incarnation = k->incarnation;
    e.at = delivery(w, k, last);
    bool again = !w->calm && sim_chance(w, w->dup_percent);
    sim_push(w, e);
    if (!again)
        return;
    e.at = delivery(w, k, last);
    if (e.lost_count > 0) {
        struct ei_attempt *copy = ei_malloc(e.lost_count * sizeof *copy);
        memcpy(copy, e.lost, e.lost_count * sizeof *copy);
        e.lost = copy;
    }
    sim_push(w, e);
}

static void tell_master(struct sim *w, struct sim_worker *k, struct sim_event e) {
    e.node = k->session;
    sim_send(w, k, true, e);
}

/* ---- attempts on a worker ---- */

static struct sim_exec *exec_find(struct sim_worker *k, const struct ei_attempt *id) {
    for (uint32_t i = 0; i < k->exec_count; i++) {
        struct ei_attempt *x = &k->execs[i].id;
        if (x->job == id->job && x->stage == id->stage && x->task == id->task &&
            x->attempt == id->attempt)
            return &k->execs[i];
    }
    return NULL;
}

static bool has_room(const struct sim_worker *k, const struct sim_exec *x) {
    return k->used_cores + x->cores <= k->cores && k->used_memory + x->memory <= k->memory;
}

/* Attempts that came ahead of their cores make the worker's count differ from the master's. */
static bool has_quick(struct sim *w, const struct sim_worker *k) {
    for (uint32_t i = 0; i < k->exec_count; i++) {
        if (stage_of(w, &k->execs[i].id)->quick)
            return true;
    }
    return false;
}

static void begin(struct sim *w, struct sim_worker *k, struct sim_exec *x) {
    x->queued = false;
    k->used_cores += x->cores;
    k->used_memory += x->memory;
    struct ei_attempt id = x->id;
    if (sim_chance(w, 80))
        tell_master(w, k, (struct sim_event){.type = SIM_RUNNING, .id = id});
    enum ei_code code = EI_OK;
    static const enum ei_code codes[] = {EI_INTERNAL, EI_IO, EI_TIMEOUT, EI_CORRUPT, EI_LOST};
    if (!w->calm && k->bad_until > w->now)
        code = EI_IO;
    else if (!w->calm && k->full_until > w->now && sim_chance(w, 70))
        code = EI_NO_SPACE;
    else if (x->memory < stage_of(w, &id)->needs)
        code = EI_OUT_OF_MEMORY;
    else if (!w->calm && sim_chance(w, w->fail_percent))
        code = codes[sim_between(w, 0, 4)];
    else if (w->jobs[id.job - 1].poisoned && sim_chance(w, 20))
        code = sim_chance(w, 50) ? EI_INVALID : EI_INTERNAL;
    struct sim_event e = {.at = w->now + sim_between(w, 100, 5 * MS),
                          .type = code == EI_OK ? SIM_READ : SIM_FINISH,
                          .worker = k->index,
                          .incarnation = k->incarnation,
                          .id = id,
                          .code = code};
    sim_push(w, e);
}

static void exec_remove(struct sim *w, struct sim_worker *k, struct sim_exec *x) {
    if (!x->queued) {
        k->used_cores -= x->cores;
        k->used_memory -= x->memory;
    }
    size_t left = (size_t)(&k->execs[k->exec_count] - x) - 1;
    memmove(x, x + 1, left * sizeof *x);
    k->exec_count--;
    for (uint32_t i = 0; i < k->exec_count; i++) {
        if (k->execs[i].queued && has_room(k, &k->execs[i]))
            begin(w, k, &k->execs[i]);
    }
}

static void on_launch(struct sim *w, struct sim_worker *k, const struct sim_event *e) {
    struct sim_attempt *a = sim_attempt(w, &e->id);
    if (e->node != k->session || a->file_incarnation == k->incarnation)
        return; /* an old session, or told twice */
    a->file_incarnation = k->incarnation;
    struct sim_stage *st = stage_of(w, &e->id);
    struct sim_exec x = {e->id, st->cores, e->memory, true};
    EI_GROW(k->execs, k->exec_count, k->exec_capacity);
    k->execs[k->exec_count++] = x;
    if (has_room(k, &x))
        begin(w, k, &k->execs[k->exec_count - 1]);
    else if (w->ordered && !has_quick(w, k))
        sim_broken(w, "%s is over-committed, as it sees it", k->name);
}

/* ---- reading ---- */

bool sim_readable(struct sim *w, const struct ei_attempt *id) {
    struct sim_attempt *a = sim_attempt(w, id);
    if (a == NULL || !a->file || a->corrupt)
        return false;
    struct sim_worker *k = &w->workers[a->worker];
    return k->up && a->file_incarnation == k->incarnation && k->cut_until <= w->now &&
           k->paused_until <= w->now;
}

/* What of `producer` the reader cannot get: named is the attempt that it was told of, which may
 * have been replaced meanwhile. */
static void collect_lost(struct sim *w, const struct ei_attempt *reader, uint32_t producer,
                         struct sim_event *e) {
    struct sim_stage *in = &w->jobs[reader->job - 1].stages[producer];
    uint32_t capacity = 0;
    for (uint32_t t = 0; t < in->tasks; t++) {
        struct ei_attempt id = {reader->job, producer, t, 0};
        if (ei_sched_output(w->sched, reader->job, producer, t, &id, NULL)) {
            if (sim_readable(w, &id))
                continue;
        } else {
            id.attempt = in->task[t].count;
        }
        EI_GROW(e->lost, e->lost_count, capacity);
        e->lost[e->lost_count++] = id;
    }
}

static void on_read(struct sim *w, struct sim_worker *k, struct sim_event *e) {
    struct sim_exec *x = exec_find(k, &e->id);
    if (x == NULL)
        return;
    struct sim_stage *st = stage_of(w, &e->id);
    struct sim_event out = {.type = SIM_LOST_INPUT, .id = e->id};
    for (uint32_t i = 0; i < st->input_count && out.lost_count == 0; i++) {
        out.producer = st->inputs[i];
        collect_lost(w, &e->id, st->inputs[i], &out);
    }
    if (out.lost_count == 0) {
        int64_t took = st->run_us / 2 + sim_between(w, 0, st->run_us);
        if (k->slow_until > w->now)
            took *= 10;
        if (st->quick && ei_mix64(e->id.job << 32 | e->id.task << 8 | e->id.attempt) % 64 == 0)
            took += 2 * SECOND; /* what was queued behind it must not wait for it */
        struct sim_event done = *e;
        done.at = w->now + took;
        done.type = SIM_FINISH;
        sim_push(w, done);
    } else if (e->tries < 3 && sim_chance(w, 50)) {
        struct sim_event again = *e;
        again.at = w->now + 300 * MS;
        again.tries++;
        sim_push(w, again);
        free(out.lost);
    } else {
        exec_remove(w, k, x);
        tell_master(w, k, out);
    }
}

static void on_finish(struct sim *w, struct sim_worker *k, struct sim_event *e) {
    struct sim_exec *x = exec_find(k, &e->id);
    if (x == NULL)
        return;
    exec_remove(w, k, x);
    struct sim_attempt *a = sim_attempt(w, &e->id);
    if (e->code != EI_OK) {
        a->injected = e->code;
        tell_master(w, k, (struct sim_event){.type = SIM_FAILED, .id = e->id, .code = e->code});
        return;
    }
    a->file = true;
    a->corrupt = !w->calm && sim_chance(w, w->corrupt_percent);
    if (w->jobs[e->id.job - 1].cursed &&
        e->id.stage == 0) /* by a broken disk, or a fault of ours */
        a->corrupt = true;
    tell_master(w, k, (struct sim_event){.type = SIM_DONE, .id = e->id});
}

/* ---- orders ---- */

static void on_forget(struct sim *w, struct sim_worker *k, uint64_t job) {
    struct sim_job *j = &w->jobs[job - 1];
    for (uint32_t i = k->exec_count; i-- > 0;) {
        if (i < k->exec_count && k->execs[i].id.job == job)
            exec_remove(w, k, &k->execs[i]);
    }
    for (uint32_t s = 0; s < j->stage_count; s++) {
        for (uint32_t t = 0; t < j->stages[s].tasks; t++) {
            for (uint32_t a = 0; a < j->stages[s].task[t].count; a++) {
                if (j->stages[s].task[t].attempts[a].worker == k->index)
                    j->stages[s].task[t].attempts[a].file = false;
            }
        }
    }
}

void worker_reset(struct sim *w, struct sim_worker *k) {
    k->exec_count = 0;
    k->used_cores = 0;
    k->used_memory = 0;
    k->session = 0;
    k->incarnation = ++w->next_incarnation;
    k->up = true;
    sim_send(w, k, true, (struct sim_event){.type = SIM_REGISTER});
}

static void on_healed(struct sim *w, struct sim_worker *k) {
    if (k->up && k->cut_until <= w->now && k->paused_until <= w->now && k->session != 0 &&
        k->session != k->node)
        worker_reset(w, k);
}

void worker_handle(struct sim *w, struct sim_event *e) {
    struct sim_worker *k = &w->workers[e->worker];
    if (e->type == SIM_RESTART) {
        if (!k->up)
            worker_reset(w, k);
        return;
    }
    if (!k->up || (e->type != SIM_HEALED && e->incarnation != k->incarnation))
        return;
    if (k->paused_until > w->now) {
        struct sim_event later = *e;
        later.at = k->paused_until;
        e->lost = NULL;
        sim_postpone(w, later);
        return;
    }
    struct sim_exec *x = exec_find(k, &e->id);
    switch (e->type) {
    case SIM_LAUNCH:
        on_launch(w, k, e);
        break;
    case SIM_KILL:
        if (x != NULL)
            exec_remove(w, k, x);
        break;
    case SIM_DROP:
        if (sim_attempt(w, &e->id) != NULL && sim_attempt(w, &e->id)->worker == k->index)
            sim_attempt(w, &e->id)->file = false;
        break;
    case SIM_FORGET:
        on_forget(w, k, e->id.job);
        break;
    case SIM_READ:
        on_read(w, k, e);
        break;
    case SIM_FINISH:
        on_finish(w, k, e);
        break;
    default:
        on_healed(w, k);
        break;
    }
}

/* ---- faults ---- */

static void crash(struct sim *w, struct sim_worker *k) {
    if (!k->up)
        return;
    k->up = false;
    k->exec_count = 0;
    k->used_cores = 0;
    k->used_memory = 0;
    int64_t seen = sim_chance(w, 60) ? sim_between(w, MS, 20 * MS) : DETECT_AFTER;
    int64_t back = sim_between(w, 50 * MS, sim_chance(w, 30) ? 30 * SECOND : 4 * SECOND);
    sim_push(w, (struct sim_event){.at = w->now + seen,
                                   .type = SIM_DETECT,
                                   .worker = k->index,
                                   .node = k->session,
                                   .spared = true});
    sim_push(w, (struct sim_event){.at = w->now + back, .type = SIM_RESTART, .worker = k->index});
    k->session = 0;
}

static void cut(struct sim *w, struct sim_worker *k, bool pause) {
    int64_t until = w->now + sim_between(w, 100 * MS, 15 * SECOND);
    if (pause)
        k->paused_until = EI_MAX(until, k->paused_until);
    else
        k->cut_until = EI_MAX(until, k->cut_until);
    sim_push(w, (struct sim_event){.at = w->now + DETECT_AFTER,
                                   .type = SIM_DETECT,
                                   .worker = k->index,
                                   .node = k->session});
    sim_push(w, (struct sim_event){.at = until + 200 * MS, .type = SIM_HEALED, .worker = k->index});
}

/* An executor dies with all its attempts; one of them did it. */
static void executor_crash(struct sim *w, struct sim_worker *k) {
    bool guilty = true;
    for (uint32_t i = k->exec_count; k->up && i-- > 0;) {
        if (i >= k->exec_count || k->execs[i].queued)
            continue;
        struct ei_attempt id = k->execs[i].id;
        exec_remove(w, k, &k->execs[i]);
        sim_attempt(w, &id)->injected = EI_LOST;
        tell_master(
            w, k,
            (struct sim_event){.type = SIM_FAILED, .id = id, .code = EI_LOST, .spared = !guilty});
        guilty = false;
    }
}

static void lose_files(struct sim *w, struct sim_worker *k) {
    for (uint32_t j = 0; j < w->job_count; j++) {
        for (uint32_t s = 0; s < w->jobs[j].stage_count; s++) {
            for (uint32_t t = 0; t < w->jobs[j].stages[s].tasks; t++) {
                struct sim_task *task = &w->jobs[j].stages[s].task[t];
                for (uint32_t a = 0; a < task->count; a++) {
                    if (task->attempts[a].worker == k->index && sim_chance(w, 30))
                        task->attempts[a].corrupt = true;
                }
            }
        }
    }
}

/* Speaks of an attempt that another worker runs, or ran. */
static void lie(struct sim *w, struct sim_worker *k) {
    static const enum sim_type types[] = {SIM_RUNNING, SIM_DONE, SIM_FAILED, SIM_LOST_INPUT};
    const struct sim_job *j = &w->jobs[sim_between(w, 0, w->job_count - 1)];
    struct ei_attempt id = {j->id, (uint32_t)sim_between(w, 0, j->stage_count - 1), 0, 0};
    id.task = (uint32_t)sim_between(w, 0, j->stages[id.stage].tasks - 1);
    id.attempt = j->stages[id.stage].task[id.task].count;
    struct sim_attempt *a = sim_attempt(w, &id);
    if (!k->up || k->session == 0 || a == NULL || a->worker == k->index)
        return;
    struct sim_event e = {
        .type = types[sim_between(w, 0, 3)], .id = id, .code = EI_INVALID, .producer = 0};
    tell_master(w, k, e);
}

void worker_fault(struct sim *w) {
    struct sim_worker *k = &w->workers[sim_between(w, 0, w->worker_count - 1)];
    int64_t until = w->now + sim_between(w, 100 * MS, 10 * SECOND);
    switch (sim_between(w, 0, 10)) {
    case 0:
    case 1:
        crash(w, k);
        break;
    case 2:
        cut(w, k, false);
        break;
    case 3:
        cut(w, k, true);
        break;
    case 4:
        k->bad_until = until;
        break;
    case 5:
        k->full_until = until;
        break;
    case 6:
        k->slow_until = until;
        break;
    case 9:
        lie(w, k);
        break;
    case 7:
        executor_crash(w, k);
        break;
    case 8:
        if (w->corrupt_percent > 0)
            lose_files(w, k);
        break;
    default: /* all at once: a rack, or a switch */
        for (uint32_t i = 0; i < w->worker_count && sim_chance(w, 90); i++)
            crash(w, &w->workers[i]);
        break;
    }
}

void worker_calm(struct sim *w) {
    for (uint32_t i = 0; i < w->worker_count; i++) {
        struct sim_worker *k = &w->workers[i];
        k->bad_until = k->full_until = k->slow_until =
            w->now; /* cuts and pauses end by themselves */
    }
}
