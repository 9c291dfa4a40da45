/* The fake master: turns messages into events, actions into messages, and keeps books of its own of
 * every attempt, by which it judges what the scheduler does. */
#include "sched/admission.h"
#include "sim/trace.h"
#include "sim/world.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MIN_CORES = 8, /* of the third queue */ SMALL = 3000 /* bytes that deserve a task */ };
#define MIN_WINDOW_US (40 * SECOND)

#define ID_FMT "%" PRIu64 "/%u-%u-%u"
#define ID_ARGS(id) (id).job, (id).stage, (id).task, (id).attempt

static struct sim_job *job_of(struct sim *w, uint64_t id) {
    return id == 0 || id > w->job_count ? NULL : &w->jobs[id - 1];
}
static struct sim_stage *stage_of(struct sim *w, const struct ei_attempt *id) {
    return &job_of(w, id->job)->stages[id->stage];
}

/* ---- the books ---- */

static struct sim_limit *limit_of(struct sim_limit *list, const char *name) {
    for (int i = 0; i < 3; i++) {
        if (strcmp(list[i].name, name) == 0)
            return &list[i];
    }
    return NULL;
}

static void charge(struct sim *w, struct sim_job *j, int64_t cores) {
    struct sim_limit *q = limit_of(w->queues, j->queue), *u = limit_of(w->users, j->user);
    j->used_cores += (uint64_t)cores;
    q->cores += (uint64_t)cores;
    u->cores += (uint64_t)cores;
    if (cores < 0)
        return;
    if ((j->max_cores != 0 && j->used_cores > j->max_cores) ||
        (q->max_cores != 0 && q->cores > q->max_cores) ||
        (u->max_cores != 0 && u->cores > u->max_cores))
        sim_broken(w, "job %" PRIu64 " of %s in %s is over a limit of cores", j->id, j->user,
                   j->queue);
}

static void count_running(struct sim *w, struct sim_job *j, bool more) {
    struct sim_limit *q = limit_of(w->queues, j->queue), *u = limit_of(w->users, j->user);
    q->running += more ? 1 : UINT32_MAX;
    u->running += more ? 1 : UINT32_MAX;
}

static void attempt_over(struct sim *w, const struct ei_attempt *id, enum ledger state) {
    struct sim_attempt *a = sim_attempt(w, id);
    struct sim_stage *st = stage_of(w, id);
    if (a->state == LEDGER_LIVE) {
        st->task[id->task].live--;
        if (!st->quick)
            charge(w, job_of(w, id->job), -(int64_t)st->cores);
        struct sim_worker *k = &w->workers[a->worker];
        if (k->node == a->node && !st->quick) {
            k->ledger_cores -= st->cores;
            k->ledger_memory -= a->memory;
            k->ledger_gpu -= st->gpu ? 500 : 0;
        }
    }
    a->state = state;
}

static void node_lost(struct sim *w, uint64_t node) {
    for (uint32_t j = 0; j < w->job_count; j++) {
        for (uint32_t s = 0; s < w->jobs[j].stage_count; s++) {
            struct sim_stage *st = &w->jobs[j].stages[s];
            for (uint32_t t = 0; t < st->tasks; t++) {
                for (uint32_t a = 0; a < st->task[t].count; a++) {
                    struct ei_attempt id = {j + 1, s, t, a + 1};
                    if (st->task[t].attempts[a].state != LEDGER_LIVE ||
                        st->task[t].attempts[a].node != node)
                        continue;
                    attempt_over(w, &id, LEDGER_LOST);
                    st->task[t].spared++;
                }
            }
        }
    }
}

/* ---- rules for actions ---- */

static void rule_inputs(struct sim *w, const struct ei_attempt *id) {
    struct sim_stage *st = stage_of(w, id);
    for (uint32_t i = 0; i < st->input_count; i++) {
        uint32_t p = st->inputs[i];
        for (uint32_t t = 0; t < job_of(w, id->job)->stages[p].tasks; t++) {
            if (!ei_sched_output(w->sched, id->job, p, t, NULL, NULL))
                sim_broken(w, ID_FMT " was launched without its input %u-%u", ID_ARGS(*id), p, t);
        }
    }
}

/* The stage is the last one, or somebody still has to read it. */
static bool needed(struct sim *w, const struct sim_job *j, uint32_t stage) {
    if (stage + 1 == j->stage_count)
        return true;
    for (uint32_t s = stage + 1; s < j->stage_count; s++) {
        const struct sim_stage *st = &j->stages[s];
        bool reads = false;
        for (uint32_t i = 0; i < st->input_count; i++)
            reads = reads || st->inputs[i] == stage;
        for (uint32_t t = 0; reads && t < st->tasks; t++) {
            if (!ei_sched_output(w->sched, j->id, s, t, NULL, NULL))
                return true;
        }
    }
    return false;
}

/* An output that was there before is made again only if somebody needs it. */
static void rule_needed(struct sim *w, const struct ei_attempt *id) {
    if (stage_of(w, id)->task[id->task].drops > 0 && !needed(w, job_of(w, id->job), id->stage))
        sim_broken(w, ID_FMT " makes an output again that nobody needs", ID_ARGS(*id));
}

static void on_launch(struct sim *w, const struct ei_sched_action *x) {
    struct sim_job *j = job_of(w, x->id.job);
    struct sim_worker *k = ei_map_get_u64(&w->nodes, x->node);
    if (j == NULL || j->state > EI_JOB_RUNNING || j->forgotten) {
        sim_broken(w, ID_FMT " was launched for a job that ended", ID_ARGS(x->id));
        return;
    }
    if (k == NULL || k->node != x->node) {
        sim_broken(w, ID_FMT " was launched on a node that is gone", ID_ARGS(x->id));
        return;
    }
    struct sim_stage *st = stage_of(w, &x->id);
    struct sim_task *t = &st->task[x->id.task];
    if (x->id.attempt != t->count + 1)
        sim_broken(w, ID_FMT ": the attempt before it was %u", ID_ARGS(x->id), t->count);
    if (t->live > 1 || (t->live == 1 && x->id.attempt < 2))
        sim_broken(w, ID_FMT ": two attempts run already", ID_ARGS(x->id));
    if (k->draining)
        sim_broken(w, ID_FMT " was launched on %s, which is cordoned", ID_ARGS(x->id), k->name);
    if (w->now < j->not_before)
        sim_broken(w, "job %" PRIu64 " started before its time", j->id);
    if (j->after != 0 && job_of(w, j->after)->state <= EI_JOB_RUNNING &&
        !job_of(w, j->after)->ended_once)
        sim_broken(w, "job %" PRIu64 " started before job %" PRIu64 " ended", j->id, j->after);
    rule_inputs(w, &x->id);
    rule_needed(w, &x->id);
    w->doubled += t->live;
    if (st->gang && t->live > 0)
        sim_broken(w, ID_FMT " of a gang was doubled", ID_ARGS(x->id));
    if (!st->quick)
        charge(w, j, st->cores);
    EI_GROW(t->attempts, t->count, t->capacity);
    t->attempts[t->count++] = (struct sim_attempt){
        .state = LEDGER_LIVE, .worker = k->index, .node = x->node, .memory = x->memory_bytes};
    t->live++;
    k->ledger_cores += st->quick ? 0 : st->cores;
    k->ledger_memory += st->quick ? 0 : x->memory_bytes;
    k->ledger_gpu += st->gpu ? 500 : 0;
    if (st->even && k->index % 2 != 0)
        sim_broken(w, ID_FMT " was launched on %s, which has not its label", ID_ARGS(x->id),
                   k->name);
    if (x->memory_bytes < st->memory)
        sim_broken(w, ID_FMT " got less memory than it claims", ID_ARGS(x->id));
    if (k->ledger_cores > k->cores || k->ledger_memory > k->memory ||
        k->ledger_gpu > (k->index % 4 == 0 ? 1000u : 0u))
        sim_broken(w, ID_FMT " over-commits %s", ID_ARGS(x->id), k->name);
    w->launches++;
    st->started += st->gang;
    sim_send(w, k, false,
             (struct sim_event){
                 .type = SIM_LAUNCH, .id = x->id, .node = x->node, .memory = x->memory_bytes});
}

static void to_worker(struct sim *w, const struct ei_sched_action *x, enum sim_type type) {
    struct sim_worker *k = ei_map_get_u64(&w->nodes, x->node);
    if (k != NULL && k->node == x->node)
        sim_send(w, k, false, (struct sim_event){.type = type, .id = x->id, .node = x->node});
}

static void on_kill(struct sim *w, const struct ei_sched_action *x) {
    struct sim_attempt *a = sim_attempt(w, &x->id);
    if (a != NULL && a->state == LEDGER_DONE && !job_of(w, x->id.job)->forgotten)
        sim_broken(w, ID_FMT " was killed after it was counted", ID_ARGS(x->id));
    if (a != NULL && a->state == LEDGER_LIVE && a->node == x->node)
        attempt_over(w, &x->id, LEDGER_KILLED);
    to_worker(w, x, SIM_KILL);
}

static void on_drop(struct sim *w, const struct ei_sched_action *x) {
    struct sim_attempt *a = sim_attempt(w, &x->id);
    if (a != NULL && a->state == LEDGER_LIVE && a->node == x->node)
        sim_broken(w, ID_FMT ": the output of a live attempt was dropped", ID_ARGS(x->id));
    if (a != NULL && a->state == LEDGER_DONE && a->node == x->node) {
        a->state = LEDGER_DROPPED;
        stage_of(w, &x->id)->task[x->id.task].drops++;
        stage_of(w, &x->id)->drops++;
    }
    to_worker(w, x, SIM_DROP);
}

static void rule_failed(struct sim *w, const struct ei_sched_action *x) {
    struct sim_attempt *a = sim_attempt(w, &x->id);
    const struct sim_job *refused = job_of(w, x->id.job);
    if (x->code == EI_LIMIT && limit_of(w->users, refused->user)->max_waiting != 0)
        return;
    if (x->code == EI_NOT_FOUND && refused->after != 0 &&
        (job_of(w, refused->after)->forgotten || !job_of(w, refused->after)->submitted))
        return;
    if (a == NULL) {
        sim_broken(w, "job %" PRIu64 " failed and nobody is to blame", x->id.job);
        return;
    }
    struct sim_stage *st = stage_of(w, &x->id);
    struct sim_task *t = &st->task[x->id.task];
    bool often = t->failures + t->misses >= w->config.max_attempts;
    bool own = a->injected == x->code && (often || !ei_code_retryable(x->code));
    bool lost = x->code == EI_INPUT_LOST && (often || st->drops > w->config.max_stage_rounds);
    bool spared = t->spared > w->config.max_spared;
    if (!own && !lost && !spared)
        sim_broken(w, "job %" PRIu64 " failed with %s by " ID_FMT ", and that is not justified",
                   x->id.job, ei_code_name(x->code), ID_ARGS(x->id));
}

static void on_state(struct sim *w, const struct ei_sched_action *x) {
    struct sim_job *j = job_of(w, x->id.job);
    bool again = j->state == EI_JOB_SUCCEEDED && x->state == EI_JOB_RUNNING;
    if (x->state <= j->state && !again)
        sim_broken(w, "job %" PRIu64 " went from state %d to %d", j->id, j->state, x->state);
    bool timeout = x->code == EI_TIMEOUT && j->time_limit != 0;
    bool others = j->after != 0 && job_of(w, j->after)->state > EI_JOB_RUNNING;
    if (x->state == EI_JOB_CANCELLED && !j->cancelled && !timeout && !others)
        sim_broken(w, "job %" PRIu64 " was cancelled by nobody", j->id);
    if (j->state == EI_JOB_RUNNING)
        count_running(w, j, false);
    if (x->state == EI_JOB_RUNNING)
        count_running(w, j, true);
    struct sim_limit *q = limit_of(w->queues, j->queue), *u = limit_of(w->users, j->user);
    if (x->state == EI_JOB_RUNNING && !again &&
        ((q->max_running != 0 && q->running > q->max_running + q->again) ||
         (u->max_running != 0 && u->running > u->max_running + u->again)))
        sim_broken(w, "job %" PRIu64 " is one too many to run", j->id);
    q->again += again;
    u->again += again;
    j->state = x->state;
    j->ended_once = j->ended_once || x->state > EI_JOB_RUNNING;
    if (x->state == EI_JOB_FAILED)
        rule_failed(w, x);
    if (x->state == EI_JOB_SUCCEEDED)
        sim_push(w, (struct sim_event){.at = w->now + sim_between(w, MS, 2 * SECOND),
                                       .type = SIM_CLIENT,
                                       .id = x->id});
}

static void on_forget(struct sim *w, const struct ei_sched_action *x) {
    struct sim_job *j = job_of(w, x->id.job);
    if (j->forgotten || j->state <= EI_JOB_RUNNING)
        sim_broken(w, "job %" PRIu64 " was forgotten in state %d", j->id, j->state);
    j->forgotten = true;
    bool *told = ei_calloc(w->worker_count, sizeof *told);
    for (uint32_t s = 0; s < j->stage_count; s++) {
        for (uint32_t t = 0; t < j->stages[s].tasks; t++) {
            struct sim_task *task = &j->stages[s].task[t];
            if (task->live > 0)
                sim_broken(w, "job %" PRIu64 " was forgotten while %u-%u runs", j->id, s, t);
            for (uint32_t a = 0; a < task->count; a++) {
                struct sim_worker *k = &w->workers[task->attempts[a].worker];
                if (!told[k->index] && k->node != 0)
                    sim_send(w, k, false, (struct sim_event){.type = SIM_FORGET, .id = x->id});
                told[k->index] = true;
            }
        }
    }
    free(told);
}

static void on_stage_done(struct sim *w, const struct ei_sched_action *x) {
    struct sim_stage *st = stage_of(w, &x->id);
    struct ei_sched_stage_counts c;
    if (ei_sched_stage_counts(w->sched, x->id.job, x->id.stage, &c) && c.done != st->tasks)
        sim_broken(w, "stage %" PRIu64 "/%u is done with %u of %u outputs", x->id.job, x->id.stage,
                   c.done, st->tasks);
}

/* From its input's bytes, not more than ordered, and before anything of it ran. */
static void on_stage_tasks(struct sim *w, const struct ei_sched_action *x) {
    const struct sim_job *j = job_of(w, x->id.job);
    struct sim_stage *st = stage_of(w, &x->id);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < st->input_count; i++)
        bytes += j->stages[st->inputs[i]].bytes_out;
    bool right = st->coalesce && x->tasks > 0 && x->tasks < st->tasks &&
                 x->tasks == EI_MAX((bytes + SMALL - 1) / SMALL, UINT64_C(1));
    for (uint32_t t = 0; t < st->tasks; t++)
        right = right && st->task[t].count == 0;
    if (!right)
        sim_broken(w, "stage %" PRIu64 "/%u got %u tasks of %u for %" PRIu64 " bytes", j->id,
                   x->id.stage, x->tasks, st->tasks, bytes);
    st->tasks = x->tasks;
    st->coalesce = false;
}

static void on_drained(struct sim *w, const struct ei_sched_action *x) {
    struct sim_worker *k = ei_map_get_u64(&w->nodes, x->node);
    if (k == NULL || k->node != x->node || !k->draining)
        sim_broken(w, "a node was drained that nobody drains");
    else if (k->ledger_cores > 0)
        sim_broken(w, "%s counts as drained and runs something", k->name);
}

/* Who starts some tasks of a gang starts all that are to make an output; none ran before. */
static void rule_gang(struct sim *w, const struct ei_attempt *id) {
    struct sim_stage *st = stage_of(w, id);
    uint32_t live = 0, without = 0;
    bool wanted = needed(w, job_of(w, id->job), id->stage);
    if (!st->gang || st->started == 0)
        return;
    for (uint32_t t = 0; t < st->tasks; t++) {
        live += st->task[t].live;
        without += !ei_sched_output(w->sched, id->job, id->stage, t, NULL, NULL) &&
                   (wanted || st->task[t].drops == 0);
    }
    if (live != st->started || without != st->started)
        sim_broken(w, "gang %" PRIu64 "/%u: %u tasks started, %u run, %u have no output", id->job,
                   id->stage, st->started, live, without);
    st->started = 0;
}

/* The queue that has a minimum gets it within a window while it waits for nothing but cores that
 * others hold: counted are jobs with plain tasks of one core. */
static void rule_minimum(struct sim *w) {
    const struct sim_limit *q = &w->queues[2];
    bool waits = false;
    uint32_t plain = 0;
    for (uint32_t i = 0; i < w->worker_count; i++) {
        const struct sim_worker *k = &w->workers[i];
        plain +=
            k->node != 0 && !k->draining && ei_sched_node_excluded_until(w->sched, k->node) == 0
                ? k->cores
                : 0;
    }
    for (uint32_t i = 0; i < w->job_count && q->cores < MIN_CORES && plain > 2 * MIN_CORES; i++) {
        const struct sim_job *j = &w->jobs[i];
        struct ei_sched_reason r;
        if (!j->submitted || j->forgotten || j->queue != q->name || j->max_cores != 0 ||
            ei_sched_why(w->sched, j->id, &r) != 0)
            continue;
        const struct sim_stage *st = &j->stages[r.stage];
        bool full = r.code == EI_SCHED_WHY_NODES_FULL || r.code == EI_SCHED_WHY_OTHERS_FIRST;
        waits = waits || (full && st->cores == 1 && r.memory_bytes == 0 && !st->even && !st->gpu);
    }
    if (!waits)
        w->short_since = INT64_MAX;
    else
        w->short_since = EI_MIN(w->short_since, w->now);
    if (waits && w->now - w->short_since > MIN_WINDOW_US)
        sim_broken(w, "queue %s has %" PRIu64 " cores of its minimum of %d, and work, for %d s",
                   q->name, q->cores, MIN_CORES, (int)(MIN_WINDOW_US / SECOND));
}

static void obey(struct sim *w) {
    for (size_t i = 0; i < w->actions.count; i++) {
        const struct ei_sched_action *x = &w->actions.items[i];
        w->hash =
            ei_mix64(w->hash ^ ei_hash_bytes(&x->id, offsetof(struct ei_attempt, attempt) + 4) ^
                     x->node ^ ((uint64_t)x->type << 56));
        switch (x->type) {
        case EI_SCHED_ACT_LAUNCH:
            on_launch(w, x);
            break;
        case EI_SCHED_ACT_KILL:
            on_kill(w, x);
            break;
        case EI_SCHED_ACT_OUTPUT_DROP:
            on_drop(w, x);
            break;
        case EI_SCHED_ACT_STAGE_TASKS:
            on_stage_tasks(w, x);
            break;
        case EI_SCHED_ACT_STAGE_DONE:
            on_stage_done(w, x);
            break;
        case EI_SCHED_ACT_JOB_STATE:
            on_state(w, x);
            break;
        case EI_SCHED_ACT_JOB_FORGET:
            on_forget(w, x);
            break;
        case EI_SCHED_ACT_NODE_DRAINED:
            on_drained(w, x);
            break;
        }
    }
    for (size_t i = 0; i < w->actions.count && w->broken == NULL; i++) {
        if (w->actions.items[i].type == EI_SCHED_ACT_LAUNCH)
            rule_gang(w, &w->actions.items[i].id);
    }
}

void master_step(struct sim *w, struct ei_sched_event *e) {
    e->now_us = w->now;
    w->actions.count = 0;
    ei_sched_step(w->sched, e, &w->actions);
    if (w->verbose) {
        trace_event(&w->trace, e);
        trace_actions(&w->trace, &w->actions);
    }
    w->steps++;
    if (w->steps % w->check_every == 0) {
        const char *bad = ei_sched_check(w->sched);
        if (bad != NULL)
            sim_broken(w, "%s", bad);
    }
    obey(w);
    if (w->steps % w->check_every == 0)
        rule_minimum(w);
    int64_t tick = ei_sched_next_tick_us(w->sched);
    if (tick != INT64_MAX && tick <= w->now)
        sim_broken(w, "a tick is due that was just run");
    if (tick != INT64_MAX && (w->tick_at <= w->now || tick < w->tick_at)) {
        w->tick_at = tick;
        sim_push(w, (struct sim_event){.at = tick, .type = SIM_TICK});
    }
}

/* ---- messages and people ---- */

static void node_down(struct sim *w, struct sim_worker *k) {
    uint64_t node = k->node;
    node_lost(w, node);
    k->node = 0;
    k->draining = false; /* a new incarnation is not cordoned */
    k->ledger_cores = 0;
    k->ledger_memory = 0;
    k->ledger_gpu = 0;
    struct ei_sched_event e = {.type = EI_SCHED_NODE_DOWN, .node = node};
    master_step(w, &e);
}

static void on_register(struct sim *w, const struct sim_event *m) {
    struct sim_worker *k = &w->workers[m->worker];
    if (!k->up || k->incarnation != m->incarnation || k->session != 0)
        return;
    if (k->node != 0)
        node_down(w, k);
    k->node = k->session = ++w->next_node;
    (void)ei_map_put_u64(&w->nodes, k->node, k);
    static const char *const even = "even";
    static const struct ei_sched_extra gpu = {"gpu", 1000};
    struct ei_sched_event e = {.type = EI_SCHED_NODE_UP,
                               .node = k->node,
                               .u.node_up = {.cores = k->cores,
                                             .memory_bytes = k->memory,
                                             .name = k->name,
                                             .labels = &even,
                                             .label_count = k->index % 2 == 0,
                                             .extras = &gpu,
                                             .extra_count = k->index % 4 == 0}};
    master_step(w, &e);
}

static void on_detect(struct sim *w, const struct sim_event *m) {
    struct sim_worker *k = &w->workers[m->worker];
    bool silent = m->spared || k->cut_until > w->now || k->paused_until > w->now;
    if (m->node != 0 && k->node == m->node && silent)
        node_down(w, k);
}

/* An output counts exactly if the attempt that brings it was live: fenced ones change nothing. */
static void on_done(struct sim *w, const struct sim_event *m) {
    struct ei_attempt was = {0}, is = {0};
    struct sim_attempt *a = sim_attempt(w, &m->id);
    bool live = a->state == LEDGER_LIVE && a->node == m->node;
    (void)ei_sched_output(w->sched, m->id.job, m->id.stage, m->id.task, &was, NULL);
    if (live) {
        attempt_over(w, &m->id, LEDGER_DONE);
        stage_of(w, &m->id)->bytes_out += SMALL / 3;
        if (was.attempt != 0)
            sim_broken(w, ID_FMT " ran while an output of it counted", ID_ARGS(m->id));
    }
    const struct sim_stage *st = stage_of(w, &m->id);
    struct ei_sched_event e = {.type = EI_SCHED_TASK_DONE,
                               .node = m->node,
                               .u.task = {.id = m->id,
                                          .bytes_out = SMALL / 3,
                                          .took_us = st->quick ? (uint64_t)st->run_us : 0}};
    master_step(w, &e);
    if (job_of(w, m->id.job)->forgotten)
        return;
    (void)ei_sched_output(w->sched, m->id.job, m->id.stage, m->id.task, &is, NULL);
    if (is.attempt != (live ? m->id.attempt : was.attempt))
        sim_broken(w, ID_FMT ": the output that counts is of attempt %u", ID_ARGS(m->id),
                   is.attempt);
}

static void on_failed(struct sim *w, const struct sim_event *m) {
    struct sim_attempt *a = sim_attempt(w, &m->id);
    if (a->state == LEDGER_LIVE && a->node == m->node) {
        struct sim_task *t = &stage_of(w, &m->id)->task[m->id.task];
        attempt_over(w, &m->id, LEDGER_FAILED);
        t->spared += m->spared;
        t->failures += !m->spared;
    }
    struct ei_sched_event e = {
        .type = EI_SCHED_TASK_FAILED, .node = m->node, .u.task = {m->id, m->code, m->spared, 0}};
    master_step(w, &e);
}

static void on_input_lost(struct sim *w, const struct sim_event *m) {
    struct sim_attempt *a = sim_attempt(w, &m->id);
    if (a->state == LEDGER_LIVE && a->node == m->node) {
        attempt_over(w, &m->id, LEDGER_FAILED);
        stage_of(w, &m->id)->task[m->id.task].misses++;
    }
    struct ei_sched_event e = {
        .type = EI_SCHED_INPUT_LOST,
        .node = m->node,
        .u.input_lost = {m->id, m->producer, m->lost, m->lost_count},
    };
    master_step(w, &e);
    for (size_t i = 0; i < w->actions.count; i++) {
        const struct ei_sched_action *x = &w->actions.items[i];
        bool named = x->type != EI_SCHED_ACT_OUTPUT_DROP;
        for (uint32_t k = 0; k < m->lost_count; k++)
            named = named || (x->id.job == m->id.job && x->id.stage == m->producer &&
                              x->id.task == m->lost[k].task && x->id.attempt == m->lost[k].attempt);
        if (!named)
            sim_broken(w, ID_FMT " was dropped and nobody missed it", ID_ARGS(x->id));
    }
}

/* Owned; some hosts are not there, some tasks do not care. */
static const char **near_hosts(struct sim *w, const struct sim_job *j, uint32_t stage) {
    const struct sim_stage *st = &j->stages[stage];
    if (!st->near)
        return NULL;
    const char **near = ei_calloc(st->tasks, sizeof *near);
    for (uint32_t t = 0; t < st->tasks; t++) {
        uint64_t pick = ei_mix64(w->seed + j->id * 7919 + stage * 131 + t);
        near[t] = pick % 10 == 0   ? NULL
                  : pick % 10 == 1 ? "nowhere"
                                   : w->workers[(pick >> 8) % w->worker_count].name;
    }
    return near;
}

static void submit(struct sim *w, struct sim_job *j) {
    static const char *const even = "even";
    static const struct ei_sched_extra gpu = {"gpu", 500};
    struct ei_sched_stage *specs = ei_calloc(j->stage_count, sizeof *specs);
    const char **near[8] = {0};
    EI_ASSERT(j->stage_count <= EI_ARRAY_LEN(near));
    for (uint32_t i = 0; i < j->stage_count; i++)
        near[i] = near_hosts(w, j, i);
    for (uint32_t i = 0; i < j->stage_count; i++)
        specs[i] = (struct ei_sched_stage){.tasks = j->stages[i].tasks,
                                           .inputs = j->stages[i].inputs,
                                           .input_count = j->stages[i].input_count,
                                           .cores = j->stages[i].cores,
                                           .memory_bytes = j->stages[i].memory,
                                           .labels = &even,
                                           .label_count = j->stages[i].even,
                                           .extras = &gpu,
                                           .extra_count = j->stages[i].gpu,
                                           .expected_us = j->stages[i].foretold ? 500 : 0,
                                           .near = near[i],
                                           .near_inputs = j->stages[i].near_inputs,
                                           .pack = j->stages[i].pack,
                                           .gang = j->stages[i].gang,
                                           .coalesce_bytes = j->stages[i].coalesce ? SMALL : 0};
    struct ei_sched_dependency after = {j->after, j->after_how};
    struct ei_sched_event e = {.type = EI_SCHED_JOB_SUBMIT,
                               .u.submit = {.job = j->id,
                                            .stages = specs,
                                            .stage_count = j->stage_count,
                                            .priority = j->priority,
                                            .user = j->user,
                                            .queue = j->queue,
                                            .limits = {.cores = j->max_cores},
                                            .not_before_us = j->not_before,
                                            .time_limit_us = j->time_limit,
                                            .after = &after,
                                            .after_count = j->after != 0}};
    j->submitted = true;
    master_step(w, &e);
    for (uint32_t i = 0; i < j->stage_count; i++)
        free(near[i]);
    free(specs);
}

void master_limits(struct sim *w) {
    for (uint32_t i = 0; i < 3; i++) {
        const struct sim_limit *q = &w->queues[i], *u = &w->users[i];
        struct ei_sched_event e = {
            .type = EI_SCHED_QUEUE_SET,
            .u.queue = {.name = q->name,
                        .weight = i + 1,
                        .min_cores = i == 2 ? MIN_CORES : 0,
                        .fifo = w->seed % 3 == i,
                        .limits = {.cores = q->max_cores, .running_jobs = q->max_running}}};
        master_step(w, &e);
        struct ei_sched_limits limits = {
            .cores = u->max_cores, .running_jobs = u->max_running, .waiting_jobs = u->max_waiting};
        e = (struct ei_sched_event){.type = EI_SCHED_USER_SET,
                                    .u.user = {.name = u->name, .weight = 1, .limits = limits}};
        master_step(w, &e);
    }
}

/* An operator cordons, drains and resumes; in the calm all nodes are resumed. */
static void operate(struct sim *w) {
    for (uint32_t i = 0; i < w->worker_count; i++) {
        struct sim_worker *k = &w->workers[i];
        bool resume = k->draining && (w->calm || sim_chance(w, 50));
        if (k->node == 0 || (!resume && (w->calm || k->draining || !sim_chance(w, 10))))
            continue;
        struct ei_sched_event e = {.type = resume              ? EI_SCHED_NODE_RESUME
                                           : sim_chance(w, 50) ? EI_SCHED_NODE_CORDON
                                                               : EI_SCHED_NODE_DRAIN,
                                   .node = k->node};
        e.u.drain.deadline_us = sim_chance(w, 50) ? w->now + 5 * SECOND : 0;
        k->draining = !resume;
        master_step(w, &e);
    }
}

static void order(struct sim *w, enum ei_sched_event_type type, uint64_t job) {
    struct ei_sched_event e = {.type = type, .u.job = {job, EI_CANCELLED}};
    master_step(w, &e);
}

/* Reads the result; complains about what is broken; releases the job in the end. */
static void on_client(struct sim *w, const struct sim_event *m) {
    struct sim_job *j = job_of(w, m->id.job);
    if (j->state != EI_JOB_SUCCEEDED || j->forgotten)
        return;
    uint32_t last = j->stage_count - 1;
    for (uint32_t t = 0; t < j->stages[last].tasks; t++) {
        struct ei_attempt id = {j->id, last, t, 0};
        if (!ei_sched_output(w->sched, j->id, last, t, &id, NULL)) {
            sim_broken(w, "job %" PRIu64 " succeeded without its result %u", j->id, t);
            return;
        }
        if (sim_readable(w, &id))
            continue;
        if (sim_attempt(w, &id)->corrupt) {
            struct ei_sched_event e = {.type = EI_SCHED_INPUT_LOST,
                                       .u.input_lost = {{j->id, 0, 0, 0}, last, &id, 1}};
            master_step(w, &e);
        } else {
            struct sim_event again = *m;
            again.at = w->now + SECOND;
            sim_push(w, again);
        }
        return;
    }
    j->read = true;
    order(w, EI_SCHED_JOB_RELEASE, j->id);
}

void master_handle(struct sim *w, struct sim_event *m) {
    struct sim_job *j = job_of(w, m->id.job);
    struct ei_sched_event e = {.type = EI_SCHED_TICK};
    switch (m->type) {
    case SIM_SUBMIT:
        submit(w, j);
        break;
    case SIM_CANCEL:
        j->cancelled = true;
        order(w, EI_SCHED_JOB_CANCEL, j->id);
        break;
    case SIM_RELEASE_EARLY:
        j->released = true;
        order(w, EI_SCHED_JOB_RELEASE, j->id);
        break;
    case SIM_OPERATE:
        operate(w);
        break;
    case SIM_CLIENT:
        on_client(w, m);
        break;
    case SIM_REGISTER:
        on_register(w, m);
        break;
    case SIM_DETECT:
        on_detect(w, m);
        break;
    case SIM_DONE:
        on_done(w, m);
        break;
    case SIM_FAILED:
        on_failed(w, m);
        break;
    case SIM_LOST_INPUT:
        on_input_lost(w, m);
        break;
    case SIM_RUNNING:
        e.type = EI_SCHED_TASK_RUNNING;
        e.node = m->node;
        e.u.task.id = m->id;
        master_step(w, &e);
        break;
    default:
        w->tick_at = w->tick_at <= w->now ? 0 : w->tick_at;
        master_step(w, &e);
        break;
    }
}

/* ---- at quiet ---- */

static void rule_no_leak(struct sim *w, const struct sim_job *j) {
    for (uint32_t s = 0; s < j->stage_count; s++) {
        for (uint32_t t = 0; t < j->stages[s].tasks; t++) {
            for (uint32_t a = 0; a < j->stages[s].task[t].count; a++) {
                const struct sim_attempt *x = &j->stages[s].task[t].attempts[a];
                const struct sim_worker *k = &w->workers[x->worker];
                if (x->file && x->file_incarnation == k->incarnation)
                    sim_broken(w, "%s keeps the file of %" PRIu64 "/%u-%u-%u", k->name, j->id, s, t,
                               a + 1);
            }
        }
    }
}

void master_final(struct sim *w) {
    for (uint32_t i = 0; i < w->job_count; i++) {
        const struct sim_job *j = &w->jobs[i];
        if (j->used_cores != 0)
            sim_broken(w, "job %" PRIu64 " holds cores in the books", j->id);
        if (!j->forgotten)
            sim_broken(w, "job %" PRIu64 " did not end: state %d", j->id, j->state);
        else if (j->state == EI_JOB_SUCCEEDED && !j->read && !j->released && !j->cancelled)
            sim_broken(w, "job %" PRIu64 " was forgotten before its result was read", j->id);
        rule_no_leak(w, j);
    }
    for (uint32_t i = 0; i < w->worker_count; i++) {
        if (w->workers[i].exec_count > 0 || w->workers[i].ledger_cores > 0)
            sim_broken(w, "%s still runs something", w->workers[i].name);
        if (w->workers[i].node == 0)
            sim_broken(w, "%s did not come back", w->workers[i].name);
    }
}
