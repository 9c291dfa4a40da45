/* The pump: events go into the scheduler, its actions become frames. Frames of one loop turn are
 * gathered per worker and leave together at its end. */
#include "master/internal.h"

#include "base/mem.h"
#include "os/os.h"

#include <stdlib.h>
#include <string.h>

/* ---- actions ---- */

void ei_master_want(struct ei_master *m, struct ei_peer *p) {
    if (p->queued)
        return;
    p->queued = true;
    EI_GROW(m->pending, m->pending_count, m->pending_capacity);
    m->pending[m->pending_count++] = p;
}

static void launch(struct ei_master *m, const struct ei_sched_action *a) {
    struct ei_peer *p = ei_peer_by_node(m, a->node);
    struct ei_job *job = ei_job_find(m, a->id.job);
    EI_ASSERT(p != NULL && job != NULL && a->id.stage < job->stage_count);
    int64_t now_us = ei_now_us();
    struct ei_job_stage *stage = &job->stages[a->id.stage];
    if (stage->started_us == 0)
        stage->started_us = now_us;
    stage->memory_bytes = a->memory_bytes;
    ei_peer_take_off(p, job, &a->id, now_us);
    EI_GROW(p->launches, p->launch_count, p->launch_capacity);
    p->launches[p->launch_count++] = a->id;
    ei_master_want(m, p);
    ei_job_notify(m, job, false);
}

static void kill_attempt(struct ei_master *m, const struct ei_sched_action *a) {
    struct ei_peer *p = ei_peer_by_node(m, a->node);
    if (p == NULL || p->state == EI_PEER_LOST)
        return;
    EI_GROW(p->kills, p->kill_count, p->kill_capacity);
    p->kills[p->kill_count++] = a->id;
    ei_master_want(m, p);
}

static void forget(struct ei_master *m, uint64_t id) {
    struct ei_job *job = ei_job_find(m, id);
    for (size_t i = 0; i < m->peers.count; i++)
        ei_peer_forget_job(m, m->peers.entries[i].value, id, job);
    if (job == NULL)
        return;
    job->forgotten = true;
    EI_GROW(m->forgotten, m->forgotten_count, m->forgotten_capacity);
    m->forgotten[m->forgotten_count++] = id;
}

static void act_one(struct ei_master *m, const struct ei_sched_action *a) {
    struct ei_job *job;
    switch (a->type) {
    case EI_SCHED_ACT_LAUNCH:
        launch(m, a);
        break;
    case EI_SCHED_ACT_KILL:
        kill_attempt(m, a);
        break;
    case EI_SCHED_ACT_OUTPUT_DROP:
        ei_master_flush(m); /* tasks launched so far were to read this output */
        ei_task_output_dropped(m, &a->id);
        break;
    case EI_SCHED_ACT_STAGE_DONE:
        job = ei_job_find(m, a->id.job);
        if (job != NULL)
            job->stages[a->id.stage].ended_us = ei_now_us();
        break;
    case EI_SCHED_ACT_STAGE_TASKS:
        ei_partitions_group(ei_job_find(m, a->id.job), a->id.stage, a->tasks);
        break;
    case EI_SCHED_ACT_JOB_STATE:
        ei_job_changed_state(m, a);
        break;
    case EI_SCHED_ACT_JOB_FORGET:
        forget(m, a->id.job);
        break;
    case EI_SCHED_ACT_NODE_DRAINED:
        ei_node_drained(m, a->node);
        break;
    default: /* an action that asks nothing of workers or gateways */
        break;
    }
}

void ei_master_act(struct ei_master *m) {
    EI_ASSERT(!m->acting);
    m->acting = true;
    for (size_t i = 0; i < m->actions.count; i++)
        act_one(m, &m->actions.items[i]);
    m->actions.count = 0;
    m->acting = false;
    while (m->to_release_count > 0) {
        struct ei_job *job = ei_job_find(m, m->to_release[--m->to_release_count]);
        if (job != NULL)
            ei_job_release(m, job);
    }
}

void ei_master_step(struct ei_master *m, const struct ei_sched_event *event) {
    ei_sched_step(m->sched, event, &m->actions);
    ei_master_act(m);
}

/* ---- frames ---- */

/* One ASSIGN under construction; its messages live in `pool` and borrow from jobs and peers. */
struct frame {
    void **pool;
    size_t pool_count, pool_capacity;
    Eider__V1__StageOnWorker **stages;
    size_t stage_count, stage_capacity;
    Eider__V1__TaskAssign **tasks;
    size_t task_count, task_capacity;
    size_t bytes;
};

static void *pooled(struct frame *f, size_t count, size_t size) {
    EI_GROW(f->pool, f->pool_count, f->pool_capacity);
    return f->pool[f->pool_count++] = ei_calloc(count, size);
}

static void frame_send(struct frame *f, struct ei_peer *p) {
    if (f->task_count > 0) {
        Eider__V1__Assign assign = EIDER__V1__ASSIGN__INIT;
        assign.epoch = p->epoch;
        assign.n_stages = f->stage_count;
        assign.stages = f->stages;
        assign.n_tasks = f->task_count;
        assign.tasks = f->tasks;
        ei_conn_send(p->link->conn, &assign.base);
    }
    for (size_t i = 0; i < f->pool_count; i++)
        free(f->pool[i]);
    f->pool_count = f->stage_count = f->task_count = f->bytes = 0;
}

static void frame_release(struct frame *f) {
    free(f->pool);
    free(f->stages);
    free(f->tasks);
}

/* Where the outputs of a stage lie. All of them must exist: the scheduler starts a reader only
 * then, and a reader that sees some of them only would give a wrong answer. */
static void fill_source(struct ei_master *m, struct frame *f, const struct ei_job *job,
                        uint32_t producer, Eider__V1__StageSource *source) {
    const struct ei_job_stage *stage = &job->stages[producer];
    eider__v1__stage_source__init(source);
    source->producer = producer;
    source->n_outputs = stage->task_count;
    source->outputs = pooled(f, stage->task_count, sizeof *source->outputs);
    Eider__V1__Output *outputs = pooled(f, stage->task_count, sizeof *outputs);
    for (uint32_t t = 0; t < stage->task_count; t++) {
        EI_ASSERT(ei_task_to_output(m, stage, t, &outputs[t]));
        source->outputs[t] = &outputs[t];
        f->bytes += 100 + strlen(outputs[t].path);
    }
}

static uint32_t source_generation(const struct ei_job *job, const struct ei_job_stage *stage) {
    uint32_t generation = 1;
    for (uint32_t i = 0; i < stage->input_count; i++)
        generation += job->stages[stage->inputs[i]].output_generation;
    return generation;
}

static struct ei_known_job *known_job(struct ei_peer *p, const struct ei_job *job) {
    struct ei_known_job *k = ei_map_get_u64(&p->known, job->id);
    if (k == NULL) {
        k = ei_calloc(1, sizeof *k + job->stage_count * sizeof k->generation[0]);
        k->job = job->id;
        k->stage_count = job->stage_count;
        (void)ei_map_put_u64(&p->known, job->id, k);
    }
    return k;
}

/* Tells the worker what it needs to know of the stage before its first task there. */
static void add_stage(struct ei_master *m, struct frame *f, struct ei_peer *p,
                      const struct ei_job *job, uint32_t id) {
    const struct ei_job_stage *stage = &job->stages[id];
    struct ei_known_job *known = known_job(p, job);
    uint32_t generation = source_generation(job, stage);
    if (known->generation[id] == generation)
        return;
    Eider__V1__StageOnWorker *s = pooled(f, 1, sizeof *s);
    eider__v1__stage_on_worker__init(s);
    s->job = job->id;
    s->stage = id;
    s->generation = generation;
    if (known->generation[id] == 0) {
        s->has_spec = true;
        s->spec = pooled(f, 1, sizeof *s->spec);
        *s->spec = *job->spec->stages[id];
        s->spec->n_splits = 0; /* they travel with the tasks */
        s->spec->splits = NULL;
        f->bytes += protobuf_c_message_get_packed_size(&s->spec->base);
    }
    s->n_sources = stage->input_count;
    s->sources = pooled(f, stage->input_count, sizeof *s->sources);
    Eider__V1__StageSource *sources = pooled(f, stage->input_count, sizeof *sources);
    for (uint32_t i = 0; i < stage->input_count; i++) {
        fill_source(m, f, job, stage->inputs[i], &sources[i]);
        s->sources[i] = &sources[i];
    }
    known->generation[id] = generation;
    EI_GROW(f->stages, f->stage_count, f->stage_capacity);
    f->stages[f->stage_count++] = s;
}

static void add_task(struct frame *f, const struct ei_job *job, const struct ei_attempt *id) {
    const Eider__V1__StageSpec *spec = job->spec->stages[id->stage];
    Eider__V1__TaskAssign *t = pooled(f, 1, sizeof *t);
    eider__v1__task_assign__init(t);
    t->id = pooled(f, 1, sizeof *t->id);
    eider__v1__attempt_id__init(t->id);
    t->id->job = id->job;
    t->id->stage = id->stage;
    t->id->task = id->task;
    t->id->attempt = id->attempt;
    if (spec->n_splits > 0) {
        t->split = spec->splits[id->task];
        f->bytes += protobuf_c_message_get_packed_size(&t->split->base);
    }
    uint64_t partitions = ei_spec_hash_partitions(job->spec, spec);
    uint64_t tasks = job->stages[id->stage].task_count;
    t->partition_count = 1;
    if (partitions > 0) {
        const uint32_t *first = job->stages[id->stage].first_partition;
        t->first_partition =
            first != NULL ? first[id->task] : (uint32_t)(id->task * partitions / tasks);
        uint32_t end =
            first != NULL ? first[id->task + 1] : (uint32_t)((id->task + 1) * partitions / tasks);
        t->partition_count = end - t->first_partition;
    }
    t->memory_bytes = job->stages[id->stage].memory_bytes;
    f->bytes += 64;
    EI_GROW(f->tasks, f->task_count, f->task_capacity);
    f->tasks[f->task_count++] = t;
}

static void send_launches(struct ei_master *m, struct ei_peer *p) {
    struct frame f = {0};
    for (size_t i = 0; i < p->launch_count; i++) {
        const struct ei_attempt *id = &p->launches[i];
        struct ei_job *job = ei_job_find(m, id->job);
        if (job == NULL || job->spec == NULL || job->forgotten) {
            ei_peer_land(p, job, id); /* it ended while the worker's connection was down */
            continue;
        }
        add_stage(m, &f, p, job, id->stage);
        add_task(&f, job, id);
        if (f.bytes > EI_ASSIGN_BYTES_MAX)
            frame_send(&f, p);
    }
    p->launch_count = 0;
    frame_send(&f, p);
    frame_release(&f);
}

static void send_kills(struct ei_peer *p) {
    if (p->kill_count == 0)
        return;
    Eider__V1__AttemptId *ids = ei_calloc(p->kill_count, sizeof *ids);
    Eider__V1__AttemptId **list = ei_calloc(p->kill_count, sizeof *list);
    for (size_t i = 0; i < p->kill_count; i++) {
        eider__v1__attempt_id__init(&ids[i]);
        ids[i].job = p->kills[i].job;
        ids[i].stage = p->kills[i].stage;
        ids[i].task = p->kills[i].task;
        ids[i].attempt = p->kills[i].attempt;
        list[i] = &ids[i];
    }
    Eider__V1__KillTasks msg = EIDER__V1__KILL_TASKS__INIT;
    char reason[] = "no longer wanted";
    msg.epoch = p->epoch;
    msg.n_ids = p->kill_count;
    msg.ids = list;
    msg.reason = reason;
    ei_conn_send(p->link->conn, &msg.base);
    p->kill_count = 0;
    free(ids);
    free(list);
}

static void send_forgets(struct ei_peer *p) {
    if (p->forget_count == 0)
        return;
    Eider__V1__ForgetJobs msg = EIDER__V1__FORGET_JOBS__INIT;
    msg.n_jobs = p->forget_count;
    msg.jobs = p->forgets;
    ei_conn_send(p->link->conn, &msg.base);
    p->forget_count = 0;
}

/* What is meant for a worker without a connection waits in its lists until it is back. */
void ei_master_flush(struct ei_master *m) {
    for (size_t i = 0; i < m->pending_count; i++) {
        struct ei_peer *p = m->pending[i];
        p->queued = false;
        if (p->link == NULL)
            continue;
        send_launches(m, p);
        send_kills(p);
        send_forgets(p);
    }
    m->pending_count = 0;
}

/* ---- the end of a loop turn ---- */

void ei_master_turn(struct ei_master *m) {
    if (m->stopping)
        return;
    int64_t now_us = ei_now_us();
    ei_master_flush(m);
    int64_t due_us = ei_updates_send(m, now_us);
    due_us = EI_MIN(due_us, ei_waits_answer(m, now_us));
    due_us = EI_MIN(due_us, ei_results_expire(m, now_us));
    due_us = EI_MIN(due_us, ei_cron_run(m, now_us));
    ei_history_trim(m);
    ei_master_flush(m); /* what the trimming released */
    due_us = EI_MIN(due_us, m->next_check_us);
    due_us = EI_MIN(due_us, ei_sched_next_tick_us(m->sched));
    if (due_us == m->timer_due_us)
        return;
    m->timer_due_us = due_us;
    if (due_us == INT64_MAX) {
        (void)uv_timer_stop(&m->timer);
        return;
    }
    uint64_t wait_ms = due_us <= now_us ? 0 : (uint64_t)(due_us - now_us + 999) / 1000;
    uv_update_time(&m->loop);
    (void)uv_timer_start(&m->timer, ei_master_on_timer, wait_ms, 0);
}

void ei_master_on_timer(uv_timer_t *t) {
    struct ei_master *m = t->data;
    int64_t now_us = ei_now_us();
    m->timer_due_us = -1;
    if (now_us >= m->next_check_us)
        ei_peers_check(m, now_us);
    if (now_us >= ei_sched_next_tick_us(m->sched)) {
        struct ei_sched_event event = {.type = EI_SCHED_TICK, .now_us = now_us};
        ei_master_step(m, &event);
    }
}
