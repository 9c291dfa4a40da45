/* Virtual time, the weather of a seed, and the jobs that clients submit. */
#include "sim/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool sim_chance(struct sim *w, uint32_t percent) {
    return ei_rng_below(&w->rng, 100) < percent;
}

int64_t sim_between(struct sim *w, int64_t low, int64_t high) {
    return high <= low ? low : low + (int64_t)ei_rng_below(&w->rng, (uint64_t)(high - low + 1));
}

void sim_broken(struct sim *w, const char *fmt, ...) {
    if (w->broken != NULL)
        return;
    struct ei_buf b = {0};
    va_list ap;
    va_start(ap, fmt);
    ei_buf_vprintf(&b, fmt, ap);
    va_end(ap);
    w->broken = ei_buf_steal(&b);
}

struct sim_attempt *sim_attempt(struct sim *w, const struct ei_attempt *id) {
    if (id->job == 0 || id->job > w->job_count)
        return NULL;
    struct sim_job *j = &w->jobs[id->job - 1];
    if (id->stage >= j->stage_count || id->task >= j->stages[id->stage].tasks)
        return NULL;
    struct sim_task *t = &j->stages[id->stage].task[id->task];
    return id->attempt == 0 || id->attempt > t->count ? NULL : &t->attempts[id->attempt - 1];
}

/* ---- the queue of what will happen ---- */

static bool before(const struct sim_event *a, const struct sim_event *b) {
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

/* Later, but before what came after it. */
void sim_postpone(struct sim *w, struct sim_event e) {
    EI_GROW(w->heap, w->heap_count, w->heap_capacity);
    size_t pos = w->heap_count++;
    while (pos > 0 && before(&e, &w->heap[(pos - 1) / 2])) {
        w->heap[pos] = w->heap[(pos - 1) / 2];
        pos = (pos - 1) / 2;
    }
    w->heap[pos] = e;
}

void sim_push(struct sim *w, struct sim_event e) {
    e.at = EI_MAX(e.at, w->now);
    e.order = ++w->order;
    sim_postpone(w, e);
}

static struct sim_event pop(struct sim *w) {
    struct sim_event first = w->heap[0], last = w->heap[--w->heap_count];
    size_t pos = 0;
    for (;;) {
        size_t c = pos * 2 + 1;
        if (c >= w->heap_count)
            break;
        if (c + 1 < w->heap_count && before(&w->heap[c + 1], &w->heap[c]))
            c++;
        if (!before(&w->heap[c], &last))
            break;
        w->heap[pos] = w->heap[c];
        pos = c;
    }
    if (w->heap_count > 0)
        w->heap[pos] = last;
    return first;
}

/* ---- jobs ---- */

static void make_stage(struct sim *w, struct sim_job *j, uint32_t id, uint32_t max_cores) {
    struct sim_stage *st = &j->stages[id];
    st->tasks = (uint32_t)sim_between(w, 1, sim_chance(w, 15) ? 150 : 15);
    st->task = ei_calloc(st->tasks, sizeof *st->task);
    st->cores = sim_chance(w, 80) ? 1 : (uint32_t)sim_between(w, 1, max_cores);
    st->memory = sim_chance(w, 60) ? 0 : (uint64_t)sim_between(w, 1, 4) << 30;
    if (sim_chance(w, 5))
        st->needs = (uint64_t)sim_between(w, 1, 8) << 30;
    st->even = sim_chance(w, 5);
    st->gpu = sim_chance(w, 5);
    st->run_us = sim_between(w, 5 * MS, sim_chance(w, 15) ? 20 * SECOND : SECOND);
    /* not drawn: the stories of old seeds stay as they are */
    uint64_t kind = ei_mix64(w->seed * 1000003 + j->id * 64 + id);
    st->quick = kind % 8 == 0 && !st->gpu;
    st->foretold = st->quick && kind % 16 == 0;
    if (st->quick)
        st->run_us = 300 + (int64_t)(kind >> 32) % 3000;
    st->coalesce = (kind >> 20) % 4 == 0;
    st->pack = (kind >> 8) % 4 == 0;
    st->near = (kind >> 12) % 6 == 0;
    st->near_inputs = (kind >> 12) % 6 == 1;
    st->gang = (kind >> 16) % 8 == 0 && st->tasks * st->cores <= 8 && st->memory == 0 &&
               st->needs == 0 && !st->gpu && !st->quick;
    st->inputs = ei_calloc(id + 1, sizeof *st->inputs);
    for (uint32_t p = id; p-- > 0 && st->input_count < 3;) {
        if (p + 1 == id ? sim_chance(w, 90) : sim_chance(w, 20))
            st->inputs[st->input_count++] = p;
    }
}

static void make_job(struct sim *w, uint32_t index, uint32_t max_cores) {
    static const char *const users[] = {"ann", "ben", "eve"};
    struct sim_job *j = &w->jobs[index];
    j->id = index + 1;
    j->stage_count = (uint32_t)sim_between(w, 1, 5);
    j->stages = ei_calloc(j->stage_count, sizeof *j->stages);
    j->priority = sim_chance(w, 80) ? 0 : (int32_t)sim_between(w, -2, 2);
    j->user = users[sim_between(w, 0, 2)];
    j->queue = w->queues[sim_between(w, 0, 2)].name;
    j->poisoned = sim_chance(w, 4);
    j->cursed = sim_chance(w, 2);
    if (sim_chance(w, 10))
        j->max_cores = (uint32_t)sim_between(w, max_cores, 2 * max_cores);
    if (sim_chance(w, 5))
        j->time_limit = sim_between(w, SECOND, 60 * SECOND);
    if (index > 0 && sim_chance(w, 10)) {
        j->after = (uint64_t)sim_between(w, 1, index);
        j->after_how = (enum ei_sched_after)sim_between(w, 0, 2);
    }
    for (uint32_t i = 0; i < j->stage_count; i++)
        make_stage(w, j, i, max_cores);
    if (sim_chance(w, 2)) {
        j->impossible = true;
        j->stages[0].cores = 1000;
    }
    int64_t at = sim_between(w, 0, w->calm_at * 9 / 10);
    if (sim_chance(w, 10))
        j->not_before = at + sim_between(w, 0, 30 * SECOND);
    struct ei_attempt id = {.job = j->id};
    sim_push(w, (struct sim_event){.at = at, .type = SIM_SUBMIT, .id = id});
    if (sim_chance(w, 8))
        sim_push(w, (struct sim_event){
                        .at = at + sim_between(w, 0, 20 * SECOND), .type = SIM_CANCEL, .id = id});
    if (sim_chance(w, 8))
        sim_push(w, (struct sim_event){.at = at + sim_between(w, 0, 10 * SECOND),
                                       .type = SIM_RELEASE_EARLY,
                                       .id = id});
}

/* ---- the beginning ---- */

static void make_weather(struct sim *w) {
    w->ordered = sim_chance(w, 60);
    w->faults = sim_chance(w, 92);
    w->calm_at = sim_between(w, 20, 120) * SECOND;
    if (!w->faults)
        return;
    w->loss_percent = w->ordered ? 0 : (uint32_t)sim_between(w, 0, 10);
    w->dup_percent = sim_chance(w, 50) ? (uint32_t)sim_between(w, 0, 20) : 0;
    w->fail_percent = sim_chance(w, 50) ? (uint32_t)sim_between(w, 0, 8) : 0;
    w->corrupt_percent = sim_chance(w, 40) ? (uint32_t)sim_between(w, 0, 5) : 0;
    w->fault_every =
        sim_chance(w, 50) ? sim_between(w, 50 * MS, SECOND) : sim_between(w, SECOND, 20 * SECOND);
}

/* Limits are never below what one task may claim, or nothing could ever start. */
static void make_limits(struct sim *w) {
    static const char *const queues[] = {"default", "batch", "small"};
    static const char *const users[] = {"ann", "ben", "eve"};
    for (int i = 0; i < 3; i++) {
        w->queues[i].name = queues[i];
        w->users[i].name = users[i];
        if (sim_chance(w, 30))
            w->queues[i].max_cores = (uint32_t)sim_between(w, 8, 40);
        if (sim_chance(w, 20))
            w->queues[i].max_running = (uint32_t)sim_between(w, 1, 8);
        if (sim_chance(w, 20))
            w->users[i].max_cores = (uint32_t)sim_between(w, 8, 40);
        if (sim_chance(w, 20))
            w->users[i].max_running = (uint32_t)sim_between(w, 1, 8);
        if (sim_chance(w, 10))
            w->users[i].max_waiting = (uint32_t)sim_between(w, 1, 20);
    }
    master_limits(w);
}

static void make_workers(struct sim *w, uint32_t nodes) {
    uint32_t count = nodes;
    if (count == 0)
        count = (uint32_t)sim_between(w, 1, sim_chance(w, 10) ? 200 : 12);
    w->workers = ei_calloc(count, sizeof *w->workers);
    w->worker_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct sim_worker *k = &w->workers[i];
        (void)snprintf(k->name, sizeof k->name, "w%u", i);
        k->index = i;
        k->cores = i == 0 ? 8 : (uint32_t)sim_between(w, 1, 8);
        k->memory = (uint64_t)(i == 0 ? 32 : sim_between(w, 2, 32)) << 30;
        sim_push(w, (struct sim_event){
                        .at = sim_between(w, 0, SECOND), .type = SIM_RESTART, .worker = i});
    }
}

void sim_init(struct sim *w, uint64_t seed, uint32_t nodes, bool verbose) {
    *w = (struct sim){.rng = {seed * 7919 + 1}, .seed = seed, .verbose = verbose, .check_every = 1};
    ei_sched_config_default(&w->config);
    if (sim_chance(w, 30))
        w->config.node_exclude_us = 5 * UINT64_C(1000000);
    if (sim_chance(w, 30))
        w->config.per_job_core_share_percent = 60;
    w->short_since = INT64_MAX;
    (void)ei_sched_create(&w->sched, &w->config);
    make_weather(w);
    make_workers(w, nodes);
    make_limits(w);
    w->job_count = (uint32_t)sim_between(w, 1, sim_chance(w, 20) ? 200 : 40);
    w->jobs = ei_calloc(w->job_count, sizeof *w->jobs);
    for (uint32_t i = 0; i < w->job_count; i++)
        make_job(w, i, 8);
    w->check_every = 1 + (uint64_t)w->worker_count * w->job_count / 400;
    if (w->faults)
        sim_push(w, (struct sim_event){.at = w->fault_every, .type = SIM_FAULT});
    for (int64_t at = 0; at < w->calm_at; at += sim_between(w, SECOND, 60 * SECOND))
        sim_push(w, (struct sim_event){.at = at, .type = SIM_OPERATE});
    sim_push(w, (struct sim_event){.at = w->calm_at, .type = SIM_CALM});
}

void sim_release(struct sim *w) {
    for (uint32_t i = 0; i < w->job_count; i++) {
        struct sim_job *j = &w->jobs[i];
        for (uint32_t k = 0; k < j->stage_count; k++) {
            for (uint32_t t = 0; t < j->stages[k].tasks; t++)
                free(j->stages[k].task[t].attempts);
            free(j->stages[k].task);
            free(j->stages[k].inputs);
        }
        free(j->stages);
    }
    for (uint32_t i = 0; i < w->worker_count; i++)
        free(w->workers[i].execs);
    for (size_t i = 0; i < w->heap_count; i++)
        free(w->heap[i].lost);
    free(w->jobs);
    free(w->workers);
    free(w->heap);
    free(w->broken);
    ei_map_release(&w->nodes);
    ei_sched_actions_release(&w->actions);
    ei_buf_release(&w->trace);
    ei_sched_destroy(w->sched);
}

/* ---- the run ---- */

static void calm(struct sim *w) {
    w->calm = true;
    worker_calm(w);
    sim_push(w, (struct sim_event){.at = w->now, .type = SIM_OPERATE});
    for (uint32_t i = 0; i < w->job_count; i++) {
        if (w->jobs[i].impossible)
            sim_push(w, (struct sim_event){.at = w->now + SECOND,
                                           .type = SIM_CANCEL,
                                           .id = {.job = w->jobs[i].id}});
    }
}

static void handle(struct sim *w, struct sim_event *e) {
    switch (e->type) {
    case SIM_CALM:
        calm(w);
        break;
    case SIM_FAULT:
        if (w->calm)
            break;
        worker_fault(w);
        sim_push(w, (struct sim_event){.at = w->now + sim_between(w, 0, 2 * w->fault_every),
                                       .type = SIM_FAULT});
        break;
    case SIM_RESTART:
    case SIM_HEALED:
    case SIM_LAUNCH:
    case SIM_KILL:
    case SIM_DROP:
    case SIM_FORGET:
    case SIM_READ:
    case SIM_FINISH:
        worker_handle(w, e);
        break;
    default:
        master_handle(w, e);
        break;
    }
}

void sim_run(struct sim *w) {
    const int64_t limit = w->calm_at + 100000 * SECOND;
    while (w->heap_count > 0 && w->broken == NULL) {
        struct sim_event e = pop(w);
        w->now = e.at;
        if (w->now > limit) {
            free(e.lost);
            break;
        }
        handle(w, &e);
        free(e.lost);
    }
    if (w->broken == NULL)
        master_final(w);
}
