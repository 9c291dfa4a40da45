/* What the files of the scheduler share. Nothing outside src/sched includes this.
 *
 * Names: a run is a live attempt; a shape is what a task claims of a node; a share is a node of the
 * tree queue > priority level > user > job; a lane is what waits under one share with one shape. */
#ifndef EIDER_SCHED_INTERNAL_H
#define EIDER_SCHED_INTERNAL_H

#include "base/map.h"
#include "base/mem.h"
#include "sched/sched.h"

#define EI_SC_NONE UINT32_MAX
#define EI_SC_MAX_STAGES 4096u
#define EI_SC_MAX_TASKS 16000000u /* of one job, all stages */
#define EI_SC_MAX_NODE_CORES 4096u
#define EI_SC_MAX_IDLE_SHAPES 64u
#define EI_SC_SWEEP_MIN 64u
#define EI_SC_SAMPLES 31u
#define EI_SC_MAX_PREEMPTED 3u /* times that one task is preempted */
#define EI_SC_POLL_US INT64_C(1000000)
#define EI_SC_UNHOLD_BATCH 8u
#define EI_SC_AVOID_TRIES 4u
#define EI_SC_AHEAD_US 5000u  /* of work a core that is handed out ahead; also of one task */
#define EI_SC_AHEAD_MAX 1024u /* tasks, a node */
#define EI_SC_AHEAD_WAIT_US INT64_C(200000)
#define EI_SC_NEAR_BYTES (UINT64_C(64) << 20) /* input that is worth a wait */
#define EI_SC_NEAR_WINDOW                                                                          \
    128u /* waiting tasks that are looked at for one with a host with room                         \
          */

struct ei_sc_share;
struct ei_sc_stage;
struct ei_sc_job;

struct ei_sc_ref {
    uint32_t stage, task;
};

/* ---- nodes.c: nodes, hosts and the index that finds a node with room ---- */

struct ei_sc_host { /* outlives the incarnations of its nodes */
    char *name;
    uint32_t id; /* never 0 */
    uint32_t nodes;
    uint32_t first;     /* node slot, EI_SC_NONE */
    int64_t *failed_us; /* ring of the last node_exclude_failures counted failures */
    uint32_t failed_at;
    int64_t excluded_until_us; /* 0 = not excluded */
    uint32_t strikes;          /* exclusions in a row: each doubles the time, up to 8 times */
};

struct ei_sc_extra {
    uint32_t name;
    uint32_t milli, free; /* free: of a node */
};
/* Labels and named resources, as numbers of names. Of a node: what it has; of a shape: what it
 * asks. */
struct ei_sc_terms {
    uint32_t *labels;
    struct ei_sc_extra *extras;
    uint32_t label_count, extra_count;
};

struct ei_sc_node {
    uint64_t id;
    struct ei_sc_host *host; /* NULL = free slot */
    uint32_t cores, free_cores;
    uint64_t memory, free_memory;
    uint32_t *runs; /* live attempts */
    uint32_t run_count, run_capacity;
    uint32_t ahead_first, ahead_last, ahead_count; /* those of them that hold no core yet */
    bool ahead_timer;
    /* Outputs that were finished here, also such as are dropped or forgotten since: an entry counts
     * if its task says so too. Swept when it has doubled. */
    struct ei_sc_ref *outputs;
    uint32_t output_count, output_capacity, output_sweep;
    uint32_t bucket, pos; /* where it stands in the index; pos EI_SC_NONE = not in it */
    uint32_t next_free;   /* slot list */
    uint32_t next_on_host;
    bool down; /* is being taken away */
    bool cordoned, draining;
    struct ei_sc_terms terms;
    int64_t drain_until_us;       /* 0 = no deadline */
    struct ei_sc_shape *reserved; /* kept free for it: not in the index */
    bool for_gang;                /* kept free for s->gang: not in the index */
};

struct ei_sc_entry { /* the free memory is kept here so that a heap walk touches no node */
    uint64_t free_memory;
    uint32_t slot;
};
struct ei_sc_bucket { /* the nodes with the same number of free cores, most free memory on top */
    struct ei_sc_entry *items;
    uint32_t count, capacity;
};
struct ei_sc_index {
    struct ei_sc_bucket *buckets; /* by free cores */
    uint64_t *filled;             /* bitmap of the buckets that are not empty */
    uint32_t bucket_count;
};

/* ---- place.c: shapes ---- */

struct ei_sc_shape {
    struct ei_sc_terms terms;
    uint32_t cores;
    uint64_t memory;
    bool pack, gang;
    uint32_t stages; /* that use it */
    uint32_t id;
    uint32_t reserved;  /* slot of the node that is kept free for it, EI_SC_NONE */
    bool blocked;       /* no node had room; cleared when one has */
    int64_t blocked_us; /* since when none of it was started; INT64_MAX = not blocked */
    uint64_t skipped;   /* == s->picks: not in this pick */
};

/* ---- shares.c ---- */

struct ei_sc_gate { /* jobs in the order of their admission */
    struct ei_sc_job *first, *last;
};

struct ei_sc_user {
    char *name;
    uint32_t weight;
    struct ei_sched_limits limits;
    uint64_t cores, memory;
    uint32_t running_jobs, waiting_jobs, jobs;
    bool kept; /* has settings of its own */
    struct ei_sc_gate gate;
    struct ei_sc_share **members; /* where the limits hold */
    uint32_t member_count, member_capacity;
};

enum ei_sc_share_kind { EI_SC_QUEUE, EI_SC_LEVEL, EI_SC_USER, EI_SC_JOB };

struct ei_sc_lane {
    struct ei_sc_shape *shape;
    struct ei_sc_share **heap; /* children that have something to start, the most deserving first */
    uint32_t count, capacity;
    uint32_t pos;              /* in the parent's lane of the same shape; EI_SC_NONE = not there */
    struct ei_sc_stage *first; /* job: its ready stages of this shape, by id */
};

struct ei_sc_share {
    enum ei_sc_share_kind kind;
    struct ei_sc_share *parent;
    struct ei_sc_lane *lanes;
    uint32_t lane_count, lane_capacity;
    uint32_t children;      /* all of them, also those with nothing to start */
    uint64_t cores, memory; /* that its live attempts hold */
    uint64_t seq;           /* age */
    uint32_t weight, min_cores;
    struct ei_sched_limits limits;
    uint32_t running_jobs, waiting_jobs; /* queue: admitted; not started yet */
    int32_t priority;                    /* level */
    bool fifo;                           /* queue, and what is below it */
    bool aside;                          /* job: over its cap in this dispatch */
    bool short_of;                       /* queue: of its minimum, and has work; */
    int64_t short_us;                    /* since then */
    struct ei_sc_user *user; /* whose limits hold here: user in a fair queue, job in a FIFO one */
    struct ei_sc_gate gate;  /* queue: jobs that wait for it to run fewer */
    char *name;              /* queue, level, user */
    struct ei_map members;   /* queue: child queues and levels; level: users */
};

/* ---- tasks.c: tasks and their live attempts ---- */

enum ei_sc_task_state {
    EI_SC_WAITING = 0, /* to be started; all zero = never started */
    EI_SC_RUNNING = 1,
    EI_SC_DONE = 2,
    EI_SC_DROPPED = 3, /* was done, its output is gone and nobody needs it now */
};

struct ei_sc_task {
    uint32_t last_attempt; /* the highest number given */
    uint32_t attempt;      /* done: whose output counts */
    uint32_t at;           /* running: its newest run; done: node slot; waiting: host to avoid */
    uint32_t next;         /* in the stage's list of tasks to start again, or of dropped ones */
    uint8_t state, faults, spared, preempted;
};

struct ei_sc_run {
    uint32_t stage, task;
    uint32_t attempt; /* 0 = a free entry */
    uint32_t node;    /* slot */
    uint32_t sibling; /* older live run of the same task; free: next free entry */
    uint32_t cores;
    uint64_t memory;
    uint64_t node_id;
    uint64_t seq;                    /* of the launch */
    int64_t launched_us, started_us; /* started: INT64_MIN = not that we know */
    uint32_t at_node;                /* where its node lists it */
    bool ahead;                      /* waits in its node's queue, holds nothing; its neighbours: */
    uint32_t ahead_prev, ahead_next;
};

/* ---- jobs.c ---- */

struct ei_sc_stage {
    struct ei_sc_job *job;
    uint32_t id, ref;
    uint32_t tasks;
    uint32_t *inputs;
    uint32_t input_count;
    struct ei_sc_shape *shape;
    struct ei_sc_task *task;
    uint32_t fresh;                /* tasks from here on were never started */
    uint32_t back_head, back_tail; /* tasks to start again, first in first out */
    uint32_t dropped_head;
    uint32_t waiting, running, done, dropped;
    uint32_t rounds, rounds_idle, retries;
    bool complete; /* was told so by STAGE_DONE and had no loss that counts since */
    bool wanted;   /* scratch of ei_sc_job_settle */
    bool has_readers;
    bool queued; /* stands in its job's lane */
    bool held;   /* ready, but each task it could start waits for something of its own */
    uint32_t held_at;
    int64_t held_until_us; /* INT64_MAX: until room comes up */
    int64_t hold_timer_us; /* for which a timer runs */
    uint32_t *near;        /* host id of each task, 0 = anywhere; NULL = no preference */
    bool near_inputs;      /* near is made when the inputs are complete */
    bool held_near;        /* held, for a host that it prefers */
    int64_t near_until_us;
    uint64_t bytes_out, coalesce_bytes;
    int64_t gang_since_us; /* since when a gang waits for room */
    struct ei_sc_stage *next_ready;
    uint64_t loss_seq; /* s->seq when an output was last lost */
    int64_t avoid_until_us;
    int64_t time_limit_us;
    bool not_restartable, speculating;
    uint32_t sample_count;
    uint32_t sample_ms[EI_SC_SAMPLES]; /* of how long its tasks took */
    uint32_t lost_task, lost_attempt;  /* the output lost last */
    uint32_t task_us;                  /* what a task takes; 0 = not known */
};

struct ei_sc_job {
    struct ei_sc_share share; /* first member */
    uint64_t id;
    enum ei_job_state state;
    bool released, touched, cancel;
    struct ei_sc_stage *stages;
    uint32_t stage_count;
    uint32_t *inputs;  /* of all stages */
    enum ei_code doom; /* not EI_OK: fails at the end of this event */
    struct ei_attempt doom_id;
    struct ei_sc_user *user;
    struct ei_sc_share *queue;
    bool admitted, waiting; /* waiting, counted: among the jobs of its queues and user that do */
    bool counted;
    enum ei_sched_reason_code waits; /* not admitted: why */
    struct ei_sc_gate *gate;         /* that it stands in */
    struct ei_sc_job *gate_prev, *gate_next;
    int64_t not_before_us, time_limit_us;
    struct ei_sched_dependency *after; /* not met yet */
    uint32_t after_count;
};

/* ---- timers.c ---- */

enum ei_sc_timer_kind {
    EI_SC_TIMER_HOST,      /* key host: window or exclusion over */
    EI_SC_TIMER_STAGE,     /* key job, sub stage: stop holding it */
    EI_SC_TIMER_START,     /* key job: delayed start */
    EI_SC_TIMER_JOB,       /* key job: time limit */
    EI_SC_TIMER_RUN,       /* key seq of the launch, sub run: time limit */
    EI_SC_TIMER_PREEMPT,   /* some queue is below its minimum for too long */
    EI_SC_TIMER_SPECULATE, /* key job, sub stage */
    EI_SC_TIMER_RESERVE,   /* key shape */
    EI_SC_TIMER_DRAIN,     /* key node */
    EI_SC_TIMER_AHEAD,     /* key node: does its queue move? */
    EI_SC_TIMER_GANG,      /* gangs wait */
};
struct ei_sc_timer {
    int64_t due_us;
    uint64_t key;
    uint32_t sub;
    enum ei_sc_timer_kind kind;
};

struct ei_sched {
    struct ei_sched_config config;
    int64_t now_us;
    uint64_t seq, picks;
    struct ei_sched_actions *out; /* during a step */
    uint32_t ahead_slot;          /* in this step: node that may get tasks ahead */
    uint32_t ahead_turn;

    struct ei_sc_node *nodes; /* by slot */
    uint32_t node_count, node_capacity, node_free, node_live;
    uint64_t total_cores;
    struct ei_map node_ids; /* id -> slot + 1, as a pointer */
    struct ei_map hosts;    /* name -> host */
    struct ei_map host_ids; /* id -> host */
    uint32_t next_host_id, hosts_live, hosts_excluded;
    struct ei_sc_index index;

    struct ei_map jobs;          /* id -> job */
    struct ei_sc_stage **stages; /* by ref; a free one is NULL */
    uint32_t *stage_free;
    uint32_t stage_count, stage_capacity, stage_free_count, stage_free_capacity;
    struct ei_sc_job **touched; /* to be settled at the end of the event */
    size_t touched_count, touched_capacity;

    struct ei_sc_run *runs;
    uint32_t run_count, run_capacity, run_free, run_live;

    struct ei_sc_share root;
    struct ei_map queues;            /* name -> share */
    struct ei_map users;             /* name -> user */
    struct ei_map names;             /* of labels and named resources -> number, as a pointer */
    struct ei_sc_share **guaranteed; /* queues with a minimum share */
    size_t guaranteed_count, guaranteed_capacity;
    struct ei_sc_job **dependents; /* jobs that wait for others to end */
    size_t dependent_count, dependent_capacity;
    struct ei_sc_job **aside; /* over their cap in this dispatch */
    size_t aside_count, aside_capacity;
    uint32_t next_shape_id;
    struct ei_sc_shape **shapes;
    uint32_t shape_count, shape_capacity;
    struct ei_sc_stage **held;
    uint32_t held_count, held_capacity;
    struct ei_sc_stage *gang; /* nodes are kept free for it */
    bool gang_timer;

    struct ei_sc_timer *timers;
    size_t timer_count, timer_capacity;
};

/* actions: sched.c */
void ei_sc_emit(struct ei_sched *s, enum ei_sched_action_type type, struct ei_attempt id,
                uint64_t node);
void ei_sc_emit_launch(struct ei_sched *s, struct ei_attempt id, uint64_t node, uint64_t memory);
void ei_sc_emit_tasks(struct ei_sched *s, uint64_t job, uint32_t stage, uint32_t tasks);
void ei_sc_emit_state(struct ei_sched *s, uint64_t job, enum ei_job_state state, enum ei_code code,
                      struct ei_attempt blame);

/* nodes.c */
void ei_sc_nodes_release(struct ei_sched *s);
uint32_t ei_sc_node_slot(const struct ei_sched *s, uint64_t id); /* EI_SC_NONE if unknown */
void ei_sc_node_add(struct ei_sched *s, const struct ei_sched_event *e);
void ei_sc_node_remove(struct ei_sched *s, uint32_t slot);
void ei_sc_node_take(struct ei_sched *s, uint32_t slot, const struct ei_sc_run *run,
                     const struct ei_sc_shape *shape);
void ei_sc_node_give(struct ei_sched *s, uint32_t slot, const struct ei_sc_run *run,
                     const struct ei_sc_shape *shape);
void ei_sc_node_reindex(struct ei_sched *s, uint32_t slot);
bool ei_sc_node_usable(const struct ei_sched *s, const struct ei_sc_node *n);
void ei_sc_host_failed(struct ei_sched *s, struct ei_sc_host *h);
void ei_sc_host_timer(struct ei_sched *s, uint32_t host_id);

/* terms.c */
struct ei_sc_terms ei_sc_terms_make(struct ei_sched *s, const char *const *labels,
                                    uint32_t label_count, const struct ei_sched_extra *extras,
                                    uint32_t extra_count);
struct ei_sc_terms ei_sc_terms_copy(const struct ei_sc_terms *t);
void ei_sc_terms_release(struct ei_sc_terms *t);
bool ei_sc_terms_equal(const struct ei_sc_terms *a, const struct ei_sc_terms *b);
bool ei_sc_terms_met(const struct ei_sc_terms *has, const struct ei_sc_terms *asks, bool free_now);
void ei_sc_terms_take(struct ei_sc_terms *has, const struct ei_sc_terms *asks, bool take);

/* index.c: the least loaded node with room, not on host `avoid` (0 = any) */
uint32_t ei_sc_index_find(const struct ei_sched *s, const struct ei_sc_shape *shape,
                          uint32_t avoid);
void ei_sc_index_put(struct ei_sched *s, uint32_t slot);
void ei_sc_index_remove(struct ei_sched *s, uint32_t slot);
void ei_sc_index_release(struct ei_sched *s);

/* shares.c: who is next */
void ei_sc_share_init(struct ei_sc_share *h, enum ei_sc_share_kind kind, struct ei_sc_share *parent,
                      uint64_t seq);
void ei_sc_share_release(struct ei_sc_share *h);
void ei_sc_share_charge(struct ei_sched *s, struct ei_sc_job *j, int64_t cores, int64_t memory);
void ei_sc_share_refresh(struct ei_sc_share *h); /* its order or its limits changed */
void ei_sc_stage_enqueue(struct ei_sched *s, struct ei_sc_stage *st);
void ei_sc_stage_dequeue(struct ei_sched *s, struct ei_sc_stage *st);
struct ei_sc_stage *ei_sc_share_pick(struct ei_sched *s);
struct ei_sc_lane *ei_sc_lane_find(const struct ei_sc_share *h, const struct ei_sc_shape *shape);
bool ei_sc_share_before(const struct ei_sc_share *a, const struct ei_sc_share *b);
bool ei_sc_share_allows(const struct ei_sc_share *h, const struct ei_sc_shape *shape);
bool ei_sc_share_limited(const struct ei_sc_share *h);
bool ei_sc_limits_allow(const struct ei_sched_limits *l, uint64_t cores, uint64_t memory,
                        const struct ei_sc_shape *shape);
void ei_sc_lane_drop(struct ei_sc_share *h, const struct ei_sc_shape *shape);
void ei_sc_shares_purge(struct ei_sched *s, const struct ei_sc_shape *shape);

/* queues.c: queues, users, and where a job belongs */
void ei_sc_queues_init(struct ei_sched *s);
void ei_sc_queues_release(struct ei_sched *s);
void ei_sc_on_queue_set(struct ei_sched *s, const struct ei_sched_event *e);
void ei_sc_on_user_set(struct ei_sched *s, const struct ei_sched_event *e);
bool ei_sc_job_join(struct ei_sched *s, struct ei_sc_job *j, const struct ei_sched_event *e);
void ei_sc_job_leave(struct ei_sched *s, struct ei_sc_job *j);

/* admit.c: when a job may start */
enum ei_code ei_sc_admission(const struct ei_sched *s, const struct ei_sched_event *e);
void ei_sc_job_gate(struct ei_sched *s, struct ei_sc_job *j, const struct ei_sched_event *e);
void ei_sc_job_try(struct ei_sched *s, struct ei_sc_job *j);
void ei_sc_job_started(struct ei_sched *s, struct ei_sc_job *j);
void ei_sc_job_counted(struct ei_sched *s, struct ei_sc_job *j, bool counted);
void ei_sc_job_over(struct ei_sched *s, struct ei_sc_job *j); /* in its last state */
void ei_sc_job_ungate(struct ei_sched *s, struct ei_sc_job *j);
void ei_sc_gate_wake(struct ei_sched *s, struct ei_sc_gate *g);

/* preempt.c, speculate.c, drain.c */
void ei_sc_preempt_watch(struct ei_sched *s);
void ei_sc_preempt(struct ei_sched *s);
void ei_sc_sample(struct ei_sched *s, struct ei_sc_stage *st, const struct ei_sc_run *run);
void ei_sc_speculate(struct ei_sched *s, struct ei_sc_stage *st);
void ei_sc_on_cordon(struct ei_sched *s, const struct ei_sched_event *e);
void ei_sc_drain(struct ei_sched *s, uint64_t node);

/* ahead.c */
void ei_sc_ahead_measure(struct ei_sc_stage *st, uint64_t took_us);
void ei_sc_ahead_at(struct ei_sched *s, uint32_t slot);
void ei_sc_ahead_anywhere(struct ei_sched *s, struct ei_sc_job *j);
bool ei_sc_ahead(struct ei_sched *s, struct ei_sc_stage *st);
void ei_sc_ahead_push(struct ei_sched *s, uint32_t run);
void ei_sc_ahead_unlink(struct ei_sched *s, uint32_t run);
void ei_sc_ahead_promote(struct ei_sched *s, uint32_t slot);
void ei_sc_ahead_timer(struct ei_sched *s, uint64_t node);

/* place.c */
struct ei_sc_shape *ei_sc_shape_get(struct ei_sched *s, uint32_t cores, uint64_t memory,
                                    struct ei_sc_terms terms, bool pack,
                                    bool gang); /* takes the terms */
void ei_sc_stage_reshape(struct ei_sched *s, struct ei_sc_stage *st, uint64_t memory);
void ei_sc_shape_put(struct ei_sched *s, struct ei_sc_shape *shape);
void ei_sc_shapes_unblock(struct ei_sched *s, uint32_t slot); /* this node gained room */
void ei_sc_shapes_release(struct ei_sched *s);
void ei_sc_dispatch(struct ei_sched *s);
void ei_sc_stage_unhold(struct ei_sched *s, struct ei_sc_stage *st);
void ei_sc_unhold_all(struct ei_sched *s);
void ei_sc_stage_hold(struct ei_sched *s, struct ei_sc_stage *st, int64_t until_us);

/* near.c: where tasks like to run */
void ei_sc_near_init(struct ei_sched *s, struct ei_sc_stage *st, const struct ei_sched_stage *spec);
void ei_sc_near_ready(struct ei_sched *s, struct ei_sc_stage *st);
bool ei_sc_near_place(struct ei_sched *s, struct ei_sc_stage *st);

/* gang.c: tasks that start together */
void ei_sc_gang_place(struct ei_sched *s, struct ei_sc_stage *st);
void ei_sc_gang_timer(struct ei_sched *s);
void ei_sc_gang_gone(struct ei_sched *s, const struct ei_sc_stage *st);
uint32_t ei_sc_gang_room(const struct ei_sched *s, const struct ei_sc_stage *st);
bool ei_sc_gang_allowed(const struct ei_sc_stage *st);

/* tasks.c */
struct ei_sc_stage *ei_sc_find(const struct ei_sched *s, const struct ei_attempt *id);
uint32_t ei_sc_task_run(const struct ei_sched *s, const struct ei_sc_stage *st, uint32_t task,
                        uint32_t attempt);
void ei_sc_task_launch(struct ei_sched *s, struct ei_sc_stage *st, uint32_t task, uint32_t slot,
                       bool ahead);
void ei_sc_run_end(struct ei_sched *s, uint32_t run);
void ei_sc_run_kill(struct ei_sched *s, uint32_t run);
void ei_sc_task_push(struct ei_sched *s, struct ei_sc_stage *st, uint32_t task, uint32_t avoid);
uint32_t ei_sc_task_pop(struct ei_sc_stage *st);
void ei_sc_task_list_fresh(struct ei_sched *s, struct ei_sc_stage *st);
void ei_sc_task_pick(struct ei_sc_stage *st, uint32_t before, uint32_t task);
void ei_sc_task_done(struct ei_sched *s, struct ei_sc_stage *st, uint32_t run);
bool ei_sc_output_counts(const struct ei_sched *s, uint32_t slot, struct ei_sc_ref ref);
void ei_sc_task_shelve(struct ei_sc_stage *st, uint32_t task);
void ei_sc_output_drop(struct ei_sched *s, struct ei_sc_stage *st, uint32_t task);

uint32_t ei_sc_find_node(const struct ei_sched *s, const struct ei_sc_shape *shape, uint32_t avoid);
void ei_sc_reserve(struct ei_sched *s, uint32_t shape_id);
void ei_sc_unreserve(struct ei_sched *s, struct ei_sc_shape *shape);

/* faults.c */
void ei_sc_requeue(struct ei_sched *s, struct ei_sc_stage *st, uint32_t run);
void ei_sc_run_overdue(struct ei_sched *s, uint32_t run);
void ei_sc_on_task_running(struct ei_sched *s, const struct ei_sched_event *e);
void ei_sc_on_task_done(struct ei_sched *s, const struct ei_sched_event *e);
void ei_sc_on_task_failed(struct ei_sched *s, const struct ei_sched_event *e);
void ei_sc_on_input_lost(struct ei_sched *s, const struct ei_sched_event *e);
void ei_sc_on_node_down(struct ei_sched *s, const struct ei_sched_event *e);

/* jobs.c */
void ei_sc_on_submit(struct ei_sched *s, const struct ei_sched_event *e);
void ei_sc_on_cancel(struct ei_sched *s, const struct ei_sched_event *e);
void ei_sc_on_release(struct ei_sched *s, const struct ei_sched_event *e);
void ei_sc_job_end(struct ei_sched *s, struct ei_sc_job *j, enum ei_job_state state,
                   enum ei_code code, struct ei_attempt blame);
void ei_sc_job_touch(struct ei_sched *s, struct ei_sc_job *j);
void ei_sc_job_doom(struct ei_sched *s, struct ei_sc_job *j, enum ei_code code,
                    struct ei_attempt id);
void ei_sc_jobs_settle(struct ei_sched *s);
void ei_sc_job_free(struct ei_sched *s, struct ei_sc_job *j);
void ei_sc_stage_refresh(struct ei_sched *s, struct ei_sc_stage *st);
void ei_sc_stage_kill(struct ei_sched *s, struct ei_sc_stage *st);
bool ei_sc_stage_inputs_ready(const struct ei_sc_stage *st);
static inline uint32_t ei_sc_stage_pending(const struct ei_sc_stage *st) {
    return st->waiting + st->running;
}

/* timers.c */
void ei_sc_timer_add(struct ei_sched *s, int64_t due_us, enum ei_sc_timer_kind kind, uint64_t key,
                     uint32_t sub);
void ei_sc_timers_run(struct ei_sched *s);

#endif
