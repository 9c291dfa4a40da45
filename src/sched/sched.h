/* The scheduler: events in, actions out. Pure: no clock (the time is part of the event), no I/O, no
 * threads, no logging; the same events give the same actions.
 *
 * It knows jobs as graphs of stages with numbers of tasks, nodes as resources, and which finished
 * output lies where. It never sees SQL, files or addresses: the master joins those to its actions.
 */
#ifndef EIDER_SCHED_SCHED_H
#define EIDER_SCHED_SCHED_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ei_sched;

struct ei_sched_config {
    uint32_t max_attempts; /* failures that count, per task; default 4 */
    /* Recomputations of lost outputs of a stage in a row, that is, without any task that reads it
     * having finished in between; default 4. */
    uint32_t max_stage_rounds;
    uint32_t per_job_core_share_percent; /* cap of one job while others wait; default 100 */
    uint64_t node_exclude_us;       /* how long a node that failed tasks is avoided; default 60 s */
    uint32_t node_exclude_failures; /* failures within that time; default 4 */
    uint32_t
        max_spared; /* ends of attempts without own fault, per task; default 100, at most 254 */
    uint64_t retry_elsewhere_us; /* how long a failed task waits for another host; default 5 s */
    uint32_t max_jobs;           /* that are not forgotten; more are refused; default 100,000 */
    /* Preemption: a queue below its minimum share, with work waiting for this long, takes cores
     * back from queues above theirs; default 10 s, 0 = never. */
    uint64_t preempt_grace_us;
    /* Speculation: when so many of a stage's tasks are done, one that runs longer than so much of
     * their median gets a second attempt elsewhere; default 75, 150, 1 s, 10; max 0 = never. */
    uint32_t speculate_done_percent, speculate_slower_percent;
    uint64_t speculate_min_us;
    uint32_t speculate_max_percent; /* of a stage's tasks, at a time */
    /* A task that fits a node only when others leave it gets one kept free for it after this long;
     * default 10 s, 0 = never. */
    uint64_t reserve_after_us;
    bool keep_memory; /* do not start a task that ran out of memory again with twice as much */
    uint64_t
        near_wait_us; /* how long a ready stage waits for the hosts it prefers; default 300 ms */
};
void ei_sched_config_default(struct ei_sched_config *c);

struct ei_attempt {
    uint64_t job;
    uint32_t stage, task, attempt;
};

/* ---- events ---- */
#define EI_SCHED_EVENTS(X)                                                                         \
    X(NODE_UP)                                                                                     \
    X(NODE_DOWN)                                                                                   \
    X(JOB_SUBMIT)                                                                                  \
    X(JOB_CANCEL)                                                                                  \
    X(JOB_RELEASE)                                                                                 \
    X(TASK_RUNNING)                                                                                \
    X(TASK_DONE)                                                                                   \
    X(TASK_FAILED)                                                                                 \
    X(INPUT_LOST) X(TICK) X(QUEUE_SET) X(USER_SET) X(NODE_CORDON) X(NODE_DRAIN) X(NODE_RESUME)
enum ei_sched_event_type {
#define X(name) EI_SCHED_##name,
    EI_SCHED_EVENTS(X)
#undef X
};

/* A named resource: "gpu", "license"; in thousandths, so that tasks can share one. */
struct ei_sched_extra {
    const char *name;
    uint32_t milli;
};

struct ei_sched_stage {
    uint32_t tasks;
    const uint32_t *inputs; /* ids of the stages it reads, all lower than its own */
    uint32_t input_count;
    uint32_t cores;        /* per task, default 1 */
    uint64_t memory_bytes; /* per task, 0 = no claim */
    bool not_restartable;  /* its attempts are never preempted nor doubled */
    int64_t time_limit_us; /* of an attempt; longer counts as a fault (EI_TIMEOUT); 0 = none */
    /* Only on nodes that have all of these labels, and for each task so much of these resources. */
    const char *const *labels;
    uint32_t label_count;
    const struct ei_sched_extra *extras;
    uint32_t extra_count;
    uint32_t expected_us; /* what a task takes, if that is known; else it is measured; 0 = not */
    /* Where its tasks like to run: the host (node_up.name) of each task, NULL = anywhere; or where
     * their input lies: task i at output i of its first input if that has as many tasks, else all
     * of them where most of it lies. Waited is for a host of the caller's, and for much input. */
    const char *const *near;
    bool near_inputs;
    /* When its inputs are complete and nothing of it ran yet, it gets no more tasks than it has so
     * many bytes of input: neighbouring partitions share one. 0 = as ordered. */
    uint64_t coalesce_bytes;
    bool pack; /* onto the fullest nodes with room, instead of the least loaded ones */
    /* All tasks without a result start together or none does; one that ends without a result ends
     * the others. Never preempted nor doubled. */
    bool gang;
};

/* Limits of a queue, a user or a job; 0 = none. */
struct ei_sched_limits {
    uint32_t cores;
    uint64_t memory_bytes;
    uint32_t running_jobs; /* more wait, even when there is room */
    uint32_t waiting_jobs; /* not started yet; more are refused with EI_LIMIT */
};

/* A job that has to wait for another one. One that is not known (any more) refuses the job. */
enum ei_sched_after {
    EI_SCHED_AFTER_END,  /* however it ends */
    EI_SCHED_AFTER_OK,   /* if it fails or is cancelled, this one is cancelled */
    EI_SCHED_AFTER_FAIL, /* if it succeeds, this one is cancelled */
};
struct ei_sched_dependency {
    uint64_t job;
    enum ei_sched_after after;
};

struct ei_sched_event {
    enum ei_sched_event_type type;
    int64_t now_us; /* monotonic; may never go back */
    uint64_t node;  /* NODE_*, TASK_*: chosen by the caller, never reused for another incarnation */
    union {
        struct {
            uint32_t cores;
            uint64_t memory_bytes;
            const char *name; /* of the machine or worker: exclusion survives an incarnation */
            const char *const *labels; /* "zone=a", "ssd": compared as they are */
            uint32_t label_count;
            const struct ei_sched_extra *extras;
            uint32_t extra_count;
        } node_up;
        struct {
            uint64_t job; /* chosen by the caller, unique */
            const struct ei_sched_stage *stages;
            uint32_t stage_count;
            int32_t priority;
            const char *user, *queue;      /* NULL or "": queue "default" */
            struct ei_sched_limits limits; /* cores and memory */
            int64_t not_before_us;         /* delayed start, on the scale of now_us; 0 = none */
            int64_t time_limit_us;         /* from its first attempt on; 0 = none */
            const struct ei_sched_dependency *after;
            uint32_t after_count;
        } submit;
        struct {
            uint64_t job;
            enum ei_code code; /* JOB_CANCEL: EI_CANCELLED, EI_TIMEOUT */
        } job;
        struct {
            struct ei_attempt id;
            enum ei_code code;  /* TASK_FAILED */
            bool not_its_fault; /* TASK_FAILED: does not count against max_attempts */
            uint64_t bytes_out; /* TASK_DONE */
            uint64_t took_us; /* TASK_DONE: its own time, as the worker measured it; 0 = unknown */
        } task;
        struct {
            /* The reader: goes back to waiting, does not count as failed. With attempt 0: the
             * client that reads the job's result. */
            struct ei_attempt id;
            uint32_t producer_stage; /* whose outputs are gone: */
            const struct ei_attempt *lost;
            uint32_t lost_count;
        } input_lost;
        struct {                       /* makes the queue, or changes it */
            const char *name, *parent; /* parent NULL or "": the root; of a new queue only */
            uint32_t weight;           /* of its share among its siblings; 0 = 1 */
            uint32_t min_cores;        /* guaranteed while it has work for them */
            bool fifo; /* jobs one after the other; else fair between users and jobs */
            struct ei_sched_limits limits;
        } queue;
        struct {
            const char *name;
            uint32_t weight; /* inside each queue; 0 = 1 */
            struct ei_sched_limits limits;
        } user;
        struct {
            int64_t deadline_us; /* NODE_DRAIN: then what is left is started elsewhere; 0 = none */
        } drain;
    } u;
};

/* ---- actions ---- */
#define EI_SCHED_ACTIONS(X)                                                                        \
    X(LAUNCH)      /* start attempt `id` on `node` */                                              \
    X(KILL)        /* stop attempt `id` on `node`: nobody wants it (any more) */                   \
    X(OUTPUT_DROP) /* the output of attempt `id` no longer counts */                               \
    X(STAGE_DONE)  /* all tasks of (id.job, id.stage) have an output */                            \
    X(JOB_STATE)   /* job changed to `state`; with FAILED: `code` and the attempt `id` to blame */ \
    X(JOB_FORGET)  /* nothing of the job is needed any more on any node */                         \
    X(NODE_DRAINED) /* nothing runs on `node`, and nothing on it is needed */                      \
    X(STAGE_TASKS)  /* (id.job, id.stage) has `tasks` tasks: fewer than ordered, before the first  \
                     */
enum ei_sched_action_type {
#define X(name) EI_SCHED_ACT_##name,
    EI_SCHED_ACTIONS(X)
#undef X
};

enum ei_job_state { /* numbers as in JobState of proto/eider.proto */
                    EI_JOB_WAITING = 0,
                    EI_JOB_RUNNING = 1,
                    EI_JOB_SUCCEEDED = 2,
                    EI_JOB_FAILED = 3,
                    EI_JOB_CANCELLED = 4,
};

struct ei_sched_action {
    enum ei_sched_action_type type;
    struct ei_attempt id;
    uint64_t node;
    enum ei_job_state state;
    enum ei_code code;
    uint64_t memory_bytes; /* LAUNCH: what the attempt may use; 0 = no claim */
    uint32_t tasks;        /* STAGE_TASKS */
};
struct ei_sched_actions {
    struct ei_sched_action *items; /* owned by this struct */
    size_t count, capacity;
};
void ei_sched_actions_release(struct ei_sched_actions *a);

int ei_sched_create(struct ei_sched **out, const struct ei_sched_config *config);
void ei_sched_destroy(struct ei_sched *s);
/* Applies one event and appends what follows from it to *actions. Events that refer to unknown or
 * fenced attempts, jobs or nodes change nothing. */
void ei_sched_step(struct ei_sched *s, const struct ei_sched_event *event,
                   struct ei_sched_actions *actions);
/* When the next TICK is due (now_us scale), INT64_MAX if none. */
int64_t ei_sched_next_tick_us(const struct ei_sched *s);

/* ---- looking in ---- */
/* The attempt whose output counts for a task; false if there is none now. */
bool ei_sched_output(const struct ei_sched *s, uint64_t job, uint32_t stage, uint32_t task,
                     struct ei_attempt *id, uint64_t *node);
struct ei_sched_stage_counts {
    uint32_t tasks, waiting, running, done, retries, rounds;
};
bool ei_sched_stage_counts(const struct ei_sched *s, uint64_t job, uint32_t stage,
                           struct ei_sched_stage_counts *out);
/* ---- why ---- */
/* X(name, the reason as a sentence without its figures) */
#define EI_SCHED_REASONS(X)                                                                        \
    X(NONE, "nothing keeps it from running")                                                       \
    X(UNKNOWN_JOB, "there is no such job")                                                         \
    X(FINISHED, "it has finished")                                                                 \
    X(RUNNING, "all tasks that are ready run")                                                     \
    X(WAITS_INPUT, "it waits for tasks of an earlier stage")                                       \
    X(NO_NODES, "no node is up")                                                                   \
    X(NO_NODE_LARGE_ENOUGH, "no node of the cluster is large enough for one task")                 \
    X(NO_NODE_WITH_LABELS, "no node has the labels and named resources that it asks for")          \
    X(NODES_EXCLUDED, "the nodes with room are excluded after failures, cordoned or draining")     \
    X(NODES_FULL, "all nodes that could take it are full")                                         \
    X(OTHERS_FIRST, "other work is served first: its share is used up or its priority is lower")   \
    X(QUEUE_LIMIT, "its queue is at its limit of cores or memory")                                 \
    X(USER_LIMIT, "its user is at the limit of cores or memory")                                   \
    X(JOB_LIMIT, "the job is at its limit of cores or memory")                                     \
    X(QUEUE_JOBS, "its queue is at its limit of running jobs")                                     \
    X(USER_JOBS, "its user is at the limit of running jobs")                                       \
    X(DELAYED, "it starts later, as ordered")                                                      \
    X(AFTER_JOB, "it waits for another job to end")                                                \
    X(RETRY_ELSEWHERE, "a task failed and waits for room on another machine")                      \
    X(WAITS_LOCAL, "it waits a moment for room on the machines that hold its data")                \
    X(WAITS_GANG, "its tasks start all together, and there is not room for all of them")
enum ei_sched_reason_code {
#define X(name, text) EI_SCHED_WHY_##name,
    EI_SCHED_REASONS(X)
#undef X
};
struct ei_sched_reason {
    enum ei_sched_reason_code code;
    uint32_t stage;       /* the first that has tasks to start */
    uint32_t tasks;       /* of it that wait */
    uint32_t input_stage; /* WAITS_INPUT, and how many of its tasks are missing */
    uint32_t input_missing;
    uint32_t cores, free_cores; /* one task needs; the most that a usable node has free */
    uint64_t memory_bytes, free_memory_bytes;
    uint64_t limit, used; /* *_LIMIT, *_JOBS */
    uint64_t other_job;   /* AFTER_JOB */
    int64_t until_us; /* DELAYED, RETRY_ELSEWHERE, WAITS_LOCAL, NODES_EXCLUDED: when that ends */
    uint32_t room;    /* WAITS_GANG: for so many of `tasks` */
};
const char *ei_sched_reason_name(enum ei_sched_reason_code code); /* "NODES_FULL" */
const char *ei_sched_reason_text(enum ei_sched_reason_code code);
/* Why the job, or its first stage that could go on, does not start (more) tasks now. Returns 0, or
 * -1 if the job is unknown. */
int ei_sched_why(const struct ei_sched *s, uint64_t job, struct ei_sched_reason *out);

/* Checks every invariant; the simulator calls it after each step. NULL, or what is broken. */
const char *ei_sched_check(const struct ei_sched *s);

#endif
