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
};
void ei_sched_config_default(struct ei_sched_config *c);

struct ei_attempt {
    uint64_t job;
    uint32_t stage, task, attempt;
};

/* ---- events ---- */
#define EI_SCHED_EVENTS(X)                                                                         \
    X(NODE_UP)                                                                                     \
    X(NODE_DOWN) X(JOB_SUBMIT) X(JOB_CANCEL) X(JOB_RELEASE) X(TASK_RUNNING) X(TASK_DONE)           \
        X(TASK_FAILED) X(INPUT_LOST) X(TICK)
enum ei_sched_event_type {
#define X(name) EI_SCHED_##name,
    EI_SCHED_EVENTS(X)
#undef X
};

struct ei_sched_stage {
    uint32_t tasks;
    const uint32_t *inputs; /* ids of the stages it reads, all lower than its own */
    uint32_t input_count;
    uint32_t cores;        /* per task, default 1 */
    uint64_t memory_bytes; /* per task, 0 = no claim */
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
        } node_up;
        struct {
            uint64_t job; /* chosen by the caller, unique */
            const struct ei_sched_stage *stages;
            uint32_t stage_count;
            int32_t priority;
            const char *user, *queue;
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
        } task;
        struct {
            /* The reader: goes back to waiting, does not count as failed. With attempt 0: the
             * client that reads the job's result. */
            struct ei_attempt id;
            uint32_t producer_stage; /* whose outputs are gone: */
            const struct ei_attempt *lost;
            uint32_t lost_count;
        } input_lost;
    } u;
};

/* ---- actions ---- */
#define EI_SCHED_ACTIONS(X)                                                                        \
    X(LAUNCH)      /* start attempt `id` on `node` */                                              \
    X(KILL)        /* stop attempt `id` on `node`: nobody wants it (any more) */                   \
    X(OUTPUT_DROP) /* the output of attempt `id` no longer counts */                               \
    X(STAGE_DONE)  /* all tasks of (id.job, id.stage) have an output */                            \
    X(JOB_STATE)   /* job changed to `state`; with FAILED: `code` and the attempt `id` to blame */ \
    X(JOB_FORGET)  /* nothing of the job is needed any more on any node */
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
/* Checks every invariant; the simulator calls it after each step. NULL, or what is broken. */
const char *ei_sched_check(const struct ei_sched *s);

#endif
