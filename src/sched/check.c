/* Every invariant, computed from scratch. Slow on purpose: the simulator and the tests call it. */
#include "sched/internal.h"

#include <stdlib.h>
#include <string.h>

#define REQUIRE(condition, text)                                                                   \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return (text);                                                                         \
    } while (0)

/* ---- nodes ---- */

static const char *check_node_runs(const struct ei_sched *s, uint32_t slot, uint32_t *live) {
    const struct ei_sc_node *n = &s->nodes[slot];
    uint64_t cores = 0, memory = 0, extras = 0;
    uint32_t ahead = 0;
    for (uint32_t i = 0; i < n->run_count; i++) {
        const struct ei_sc_run *run = &s->runs[n->runs[i]];
        REQUIRE(run->attempt > 0 && run->node == slot && run->node_id == n->id,
                "a node lists an attempt that is not its own");
        REQUIRE(run->at_node == i, "an attempt does not know its place on its node");
        REQUIRE(!run->ahead || (run->cores == 0 && run->memory == 0),
                "an attempt that waits for cores holds some");
        ahead += run->ahead;
        cores += run->cores;
        memory += run->memory;
        const struct ei_sc_terms *asks = &s->stages[run->stage]->shape->terms;
        REQUIRE(ei_sc_terms_met(&n->terms, asks, false), "an attempt runs where it must not");
        for (uint32_t k = 0; k < asks->extra_count; k++)
            extras += asks->extras[k].milli;
        (*live)++;
    }
    for (uint32_t k = 0; k < n->terms.extra_count; k++) {
        REQUIRE(n->terms.extras[k].free <= n->terms.extras[k].milli,
                "a resource is over-committed");
        extras -= n->terms.extras[k].milli - n->terms.extras[k].free;
    }
    REQUIRE(extras == 0, "the named resources of a node are wrong");
    for (uint32_t r = n->ahead_first; r != EI_SC_NONE && ahead > 0; r = s->runs[r].ahead_next)
        ahead--;
    REQUIRE(ahead == 0 && n->ahead_count <= EI_SC_AHEAD_MAX, "a node's queue is wrong");
    REQUIRE(cores <= n->cores && memory <= n->memory, "a node is over-committed");
    REQUIRE(n->cores - cores == n->free_cores, "a node's free cores are wrong");
    REQUIRE(n->memory - memory == n->free_memory, "a node's free memory is wrong");
    return NULL;
}

static int by_ref(const void *a, const void *b) {
    const struct ei_sc_ref *x = a, *y = b;
    if (x->stage != y->stage)
        return x->stage < y->stage ? -1 : 1;
    return (x->task > y->task) - (x->task < y->task);
}

/* How many different outputs that count the node lists. */
static uint64_t count_outputs(const struct ei_sched *s, uint32_t slot) {
    const struct ei_sc_node *n = &s->nodes[slot];
    if (n->output_count == 0)
        return 0;
    struct ei_sc_ref *list = ei_malloc(n->output_count * sizeof *list);
    memcpy(list, n->outputs, n->output_count * sizeof *list);
    qsort(list, n->output_count, sizeof *list, by_ref);
    uint64_t count = 0;
    for (uint32_t i = 0; i < n->output_count; i++) {
        if ((i == 0 || by_ref(&list[i], &list[i - 1]) != 0) &&
            ei_sc_output_counts(s, slot, list[i]))
            count++;
    }
    free(list);
    return count;
}

static const char *check_index(const struct ei_sched *s, uint32_t slot) {
    const struct ei_sc_node *n = &s->nodes[slot];
    bool should =
        ei_sc_node_usable(s, n) && n->free_cores > 0 && n->reserved == NULL && !n->for_gang;
    REQUIRE(!n->for_gang || (s->gang != NULL && n->reserved == NULL), "a node is kept for no gang");
    REQUIRE(n->reserved == NULL || n->reserved->reserved == slot, "a node is kept for nobody");
    REQUIRE(should == (n->pos != EI_SC_NONE),
            "a node is in the index and should not be, or is not");
    if (!should)
        return NULL;
    const struct ei_sc_bucket *b = &s->index.buckets[n->bucket];
    REQUIRE(n->bucket == n->free_cores && n->pos < b->count, "a node is in the wrong bucket");
    REQUIRE(b->items[n->pos].slot == slot && b->items[n->pos].free_memory == n->free_memory,
            "the index has another opinion of a node than the node");
    REQUIRE(n->pos == 0 || b->items[(n->pos - 1) / 4].free_memory >= n->free_memory,
            "the order of the index is broken");
    REQUIRE((s->index.filled[n->bucket / 64] >> (n->bucket % 64) & 1) == 1,
            "a bucket is not marked as filled");
    return NULL;
}

static const char *check_nodes(const struct ei_sched *s, uint64_t *outputs) {
    uint32_t live_runs = 0, live_nodes = 0, indexed = 0;
    uint64_t cores = 0;
    for (uint32_t i = 0; i < s->node_count; i++) {
        const struct ei_sc_node *n = &s->nodes[i];
        if (n->host == NULL)
            continue;
        const char *bad = check_node_runs(s, i, &live_runs);
        bad = bad != NULL ? bad : check_index(s, i);
        if (bad != NULL)
            return bad;
        REQUIRE(ei_sc_node_slot(s, n->id) == i, "a node cannot be found by its id");
        live_nodes++;
        *outputs += count_outputs(s, i);
        indexed += n->pos != EI_SC_NONE;
        cores += n->cores;
    }
    for (uint32_t b = 0; b < s->index.bucket_count; b++)
        indexed -= s->index.buckets[b].count;
    REQUIRE(indexed == 0, "the index lists a node that is gone");
    REQUIRE(live_runs == s->run_live, "an attempt lives on no node");
    REQUIRE(live_nodes == s->node_live && cores == s->total_cores, "the totals of nodes are wrong");
    REQUIRE(s->node_ids.count == live_nodes, "an id of a node that is gone is kept");
    return NULL;
}

static const char *check_hosts(const struct ei_sched *s) {
    uint32_t nodes = 0, live = 0, excluded = 0;
    for (size_t i = 0; i < s->hosts.count; i++) {
        const struct ei_sc_host *h = s->hosts.entries[i].value;
        nodes += h->nodes;
        live += h->nodes > 0;
        excluded += h->nodes > 0 && h->excluded_until_us != 0;
        REQUIRE(h->excluded_until_us == 0 || h->excluded_until_us > s->now_us,
                "a host is excluded for longer than it should");
    }
    REQUIRE(nodes == s->node_live && live == s->hosts_live && excluded == s->hosts_excluded,
            "the totals of hosts are wrong");
    return NULL;
}

/* ---- jobs ---- */

struct tally {
    uint64_t outputs, runs, cores;
};

static const char *check_running(const struct ei_sched *s, const struct ei_sc_stage *st,
                                 uint32_t task, struct tally *tally) {
    const struct ei_sc_task *t = &st->task[task];
    uint32_t last = UINT32_MAX;
    REQUIRE(t->at != EI_SC_NONE, "a task runs without an attempt");
    for (uint32_t r = t->at; r != EI_SC_NONE; r = s->runs[r].sibling) {
        const struct ei_sc_run *run = &s->runs[r];
        REQUIRE(run->attempt > 0 && run->stage == st->ref && run->task == task,
                "a task lists an attempt that is not its own");
        REQUIRE(run->attempt < last && run->attempt <= t->last_attempt && run->attempt > 0,
                "two attempts of a task have the same number");
        last = run->attempt;
        tally->runs++;
        tally->cores += run->cores;
    }
    return NULL;
}

static const char *check_tasks(const struct ei_sched *s, const struct ei_sc_stage *st,
                               struct tally *tally) {
    uint32_t count[4] = {0}, back = 0, dropped = 0;
    for (uint32_t i = 0; i < st->tasks; i++) {
        const struct ei_sc_task *t = &st->task[i];
        REQUIRE(t->state <= EI_SC_DROPPED, "a task is in no known state");
        count[t->state]++;
        REQUIRE(i < st->fresh || (t->state == EI_SC_WAITING && t->last_attempt == 0),
                "a task ran that was never started");
        REQUIRE(t->faults < s->config.max_attempts, "a task failed more often than it may");
        REQUIRE(t->spared <= s->config.max_spared, "a task was spared more often than it may");
        REQUIRE(t->preempted <= EI_SC_MAX_PREEMPTED, "a task was preempted more often than it may");
        if (t->state == EI_SC_RUNNING) {
            const char *bad = check_running(s, st, i, tally);
            if (bad != NULL)
                return bad;
        }
        REQUIRE(t->state != EI_SC_DONE || (t->attempt > 0 && t->attempt <= t->last_attempt),
                "an output has an attempt that was never given");
    }
    for (uint32_t t = st->back_head; t != EI_SC_NONE && back <= st->tasks; back++) {
        REQUIRE(st->task[t].state == EI_SC_WAITING, "a task waits that does not");
        t = st->task[t].next;
    }
    for (uint32_t t = st->dropped_head; t != EI_SC_NONE && dropped <= st->tasks; dropped++) {
        REQUIRE(st->task[t].state == EI_SC_DROPPED, "a task is listed as dropped that is not");
        t = st->task[t].next;
    }
    REQUIRE(back + (st->tasks - st->fresh) == count[EI_SC_WAITING], "a waiting task is in no list");
    REQUIRE(dropped == count[EI_SC_DROPPED], "a list of tasks is broken");
    REQUIRE(count[EI_SC_WAITING] == st->waiting && count[EI_SC_RUNNING] == st->running &&
                count[EI_SC_DONE] == st->done && count[EI_SC_DROPPED] == st->dropped,
            "the counts of a stage are wrong");
    tally->outputs += st->done;
    return NULL;
}

static bool is_wanted(const struct ei_sc_job *j, uint32_t stage) {
    if (stage + 1 == j->stage_count)
        return true;
    for (uint32_t i = stage + 1; i < j->stage_count; i++) {
        const struct ei_sc_stage *st = &j->stages[i];
        for (uint32_t k = 0; k < st->input_count && ei_sc_stage_pending(st) > 0; k++) {
            if (st->inputs[k] == stage)
                return true;
        }
    }
    return false;
}

/* The stage waits for no share above it to shrink. */
static bool free_to_start(const struct ei_sc_stage *st) {
    for (const struct ei_sc_share *h = &st->job->share; h->parent != NULL; h = h->parent) {
        if (!ei_sc_share_allows(h, st->shape))
            return false;
    }
    return true;
}

static const char *check_stage(const struct ei_sched *s, const struct ei_sc_job *j, uint32_t id,
                               struct tally *tally) {
    const struct ei_sc_stage *st = &j->stages[id];
    REQUIRE(s->stages[st->ref] == st && st->job == j && st->id == id, "a stage is misfiled");
    const char *bad = check_tasks(s, st, tally);
    if (bad != NULL)
        return bad;
    REQUIRE(st->tasks > 0 && st->fresh <= st->tasks, "a stage has too few tasks");
    REQUIRE(st->dropped == 0 || !is_wanted(j, id), "an output that is needed is not made again");
    REQUIRE(!st->complete || st->done + st->dropped == st->tasks,
            "a stage counts as complete and is not");
    REQUIRE(st->complete || st->done < st->tasks, "a complete stage was not told so");
    REQUIRE(st->rounds_idle <= s->config.max_stage_rounds && st->rounds_idle <= st->rounds,
            "a stage was made again more often than it may");
    bool ready = j->admitted && st->waiting > 0 && ei_sc_stage_inputs_ready(st);
    REQUIRE(st->queued == (ready && !st->held), "a stage is ready and not queued, or reversed");
    REQUIRE(!st->held || (st->held_at < s->held_count && s->held[st->held_at] == st),
            "a held stage is misfiled");
    if (st->queued) {
        REQUIRE(!free_to_start(st) || st->shape->blocked, "a task could start and was not started");
        const struct ei_sc_lane *l = ei_sc_lane_find(&j->share, st->shape);
        bool found = false;
        for (const struct ei_sc_stage *r = l->first; r != NULL; r = r->next_ready)
            found = found || r == st;
        REQUIRE(found, "a queued stage is not in its lane");
    }
    return NULL;
}

static const char *check_jobs(const struct ei_sched *s, uint64_t *outputs) {
    struct tally tally = {0};
    for (size_t i = 0; i < s->jobs.count; i++) {
        const struct ei_sc_job *j = s->jobs.entries[i].value;
        REQUIRE(!j->touched && j->doom == EI_OK, "a job was not settled");
        bool pending = false, started = false;
        uint64_t others = tally.cores;
        for (uint32_t k = 0; k < j->stage_count; k++) {
            const char *bad = check_stage(s, j, k, &tally);
            if (bad != NULL)
                return bad;
            pending = pending || ei_sc_stage_pending(&j->stages[k]) > 0;
            for (uint32_t t = 0; t < j->stages[k].fresh && !started; t++)
                started = j->stages[k].task[t].last_attempt > 0;
        }
        enum ei_job_state state = !pending  ? EI_JOB_SUCCEEDED
                                  : started ? EI_JOB_RUNNING
                                            : EI_JOB_WAITING;
        REQUIRE(tally.cores - others == j->share.cores, "the cores of a job are wrong");
        REQUIRE(j->state == state, "a job is in the wrong state");
        REQUIRE(j->admitted || state == EI_JOB_WAITING, "a job started before it was admitted");
        REQUIRE(j->admitted || j->waits != EI_SCHED_WHY_NONE, "a job waits for no reason");
        REQUIRE(j->counted == (j->admitted && state <= EI_JOB_RUNNING) &&
                    j->waiting == (state == EI_JOB_WAITING),
                "a job is counted wrongly");
        REQUIRE(!j->cancel && (j->gate != NULL) == (j->waits == EI_SCHED_WHY_QUEUE_JOBS ||
                                                    j->waits == EI_SCHED_WHY_USER_JOBS),
                "a job stands in the wrong gate");
        REQUIRE(!j->released || state != EI_JOB_SUCCEEDED, "a released job was not forgotten");
    }
    REQUIRE(tally.runs == s->run_live, "an attempt belongs to no task");
    *outputs = tally.outputs;
    return NULL;
}

/* ---- shares and shapes ---- */

static const char *check_lane(const struct ei_sc_share *h, const struct ei_sc_lane *l) {
    for (uint32_t i = 0; i < l->count; i++) {
        const struct ei_sc_lane *child = ei_sc_lane_find(l->heap[i], l->shape);
        REQUIRE(l->heap[i]->parent == h, "a share stands under the wrong parent");
        REQUIRE(child != NULL && child->pos == i, "a share does not know its place");
        REQUIRE(i == 0 || !ei_sc_share_before(l->heap[i], l->heap[(i - 1) / 2]),
                "the order of shares is broken");
    }
    bool filled = h->kind == EI_SC_JOB ? l->first != NULL : l->count > 0;
    bool should = filled && ei_sc_share_allows(h, l->shape);
    REQUIRE(h->parent == NULL || should == (l->pos != EI_SC_NONE),
            "a share with work is not offered, or one without is");
    return NULL;
}

static const char *check_share(const struct ei_sc_share *h) {
    for (uint32_t i = 0; i < h->lane_count; i++) {
        const char *bad = check_lane(h, &h->lanes[i]);
        if (bad != NULL)
            return bad;
    }
    uint64_t cores = 0;
    for (size_t i = 0; i < h->members.count; i++) {
        const struct ei_sc_share *c = h->members.entries[i].value;
        const char *bad = check_share(c);
        if (bad != NULL)
            return bad;
        cores += c->cores;
    }
    REQUIRE(h->kind == EI_SC_USER || cores == h->cores, "the cores of a share are wrong");
    return NULL;
}

static const char *check_users(const struct ei_sched *s) {
    uint64_t cores = 0, memory = 0, running = 0, waiting = 0;
    for (size_t i = 0; i < s->users.count; i++) {
        const struct ei_sc_user *u = s->users.entries[i].value;
        cores += u->cores;
        memory += u->memory;
        running += u->running_jobs;
        waiting += u->waiting_jobs;
        REQUIRE(u->jobs > 0 || u->kept, "a user without jobs is kept");
        REQUIRE(u->gate.first == NULL || u->running_jobs >= u->limits.running_jobs,
                "a job waits for its user, who runs few enough");
    }
    REQUIRE(cores == s->root.cores && memory == s->root.memory, "the users' totals are wrong");
    REQUIRE(running == s->root.running_jobs && waiting == s->root.waiting_jobs,
            "the users' jobs are counted wrongly");
    for (size_t i = 0; i < s->queues.count; i++) {
        const struct ei_sc_share *q = s->queues.entries[i].value;
        REQUIRE(q->gate.first == NULL || q->running_jobs >= q->limits.running_jobs,
                "a job waits for its queue, which runs few enough");
    }
    return NULL;
}

static const char *check_shares(const struct ei_sched *s) {
    uint64_t cores = 0, held = 0;
    for (uint32_t i = 0; i < s->run_count; i++)
        held += s->runs[i].attempt > 0 ? s->runs[i].cores : 0;
    REQUIRE(held == s->root.cores, "the cores of all attempts are wrong");
    for (size_t i = 0; i < s->jobs.count; i++) {
        const struct ei_sc_job *j = s->jobs.entries[i].value;
        for (uint32_t k = 0; k < j->share.lane_count; k++) {
            const char *bad = check_lane(&j->share, &j->share.lanes[k]);
            if (bad != NULL)
                return bad;
        }
        cores += j->share.cores;
    }
    REQUIRE(cores == s->root.cores, "the cores of all jobs are wrong");
    for (uint32_t i = 0; i < s->shape_count; i++) {
        const struct ei_sc_shape *shape = s->shapes[i];
        REQUIRE(!shape->blocked || ei_sc_find_node(s, shape, 0) == EI_SC_NONE,
                "a shape is blocked and a node has room for it");
    }
    return check_share(&s->root);
}

const char *ei_sched_check(const struct ei_sched *s) {
    uint64_t on_nodes = 0, in_jobs = 0;
    const char *bad = check_nodes(s, &on_nodes);
    bad = bad != NULL ? bad : check_hosts(s);
    bad = bad != NULL ? bad : check_jobs(s, &in_jobs);
    bad = bad != NULL ? bad : check_users(s);
    bad = bad != NULL ? bad : check_shares(s);
    if (bad == NULL && on_nodes != in_jobs)
        bad = "an output lies on no node";
    return bad;
}
