/* The simulated cluster: virtual time, fake workers, a network with faults, clients, and a fake
 * master that is nothing but the scheduler and one session a worker. See README.md for the model.
 */
#ifndef EIDER_TESTS_SIM_WORLD_H
#define EIDER_TESTS_SIM_WORLD_H

#include "base/buf.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/mem.h"
#include "sched/sched.h"

#define MS INT64_C(1000)
#define SECOND INT64_C(1000000)

enum ledger { /* what the outside knows of an attempt */
              LEDGER_NONE = 0,
              LEDGER_LIVE,
              LEDGER_KILLED,
              LEDGER_DONE, /* its output counts */
              LEDGER_DROPPED,
              LEDGER_FAILED,
              LEDGER_LOST,
};

struct sim_attempt {
    enum ledger state;
    uint32_t worker;
    uint64_t memory;
    uint64_t node;
    bool file, corrupt; /* on the worker's disk, while its incarnation lasts */
    uint64_t file_incarnation;
    enum ei_code injected; /* the simulator let it fail with this */
};
struct sim_task {
    struct sim_attempt *attempts; /* [n - 1] is attempt n */
    uint32_t count, capacity;
    uint32_t live, failures, spared, drops, misses;
};
struct sim_stage {
    struct sim_task *task;
    uint32_t tasks, cores;
    uint64_t memory, needs; /* claimed; and what it takes, or it runs out of it */
    bool even, gpu;         /* asks for label even, for half a gpu */
    uint32_t *inputs;
    uint32_t input_count;
    uint32_t drops, misses;
    int64_t run_us;
    /* Its tasks are so short that workers get them before there are cores for them: the ledger does
     * not count theirs (ei_sched_check does). */
    bool quick, foretold;
    bool near, near_inputs, pack, gang, coalesce;
    uint64_t bytes_out;
    uint32_t started; /* gang: launched in this step */
};
struct sim_job {
    uint64_t id;
    struct sim_stage *stages;
    uint32_t stage_count;
    enum ei_job_state state;
    bool submitted, cancelled, released, impossible, read, ended_once, cursed, forgotten, poisoned;
    int32_t priority;
    const char *user, *queue;
    uint32_t max_cores;
    uint64_t used_cores; /* the ledger's */
    int64_t not_before, time_limit, started;
    uint64_t after; /* job id, 0 = none */
    enum ei_sched_after after_how;
};

struct sim_limit { /* of a queue or a user, and what the ledger says */
    const char *name;
    uint32_t max_cores, max_running, max_waiting;
    uint64_t cores;
    uint32_t running, again; /* again: went on after their end, over the limit */
};

struct sim_exec { /* on a worker */
    struct ei_attempt id;
    uint32_t cores;
    uint64_t memory;
    bool queued; /* waits for a slot: messages came out of order */
};
struct sim_worker {
    char name[16];
    uint32_t index, cores;
    uint64_t memory;
    bool up;       /* process exists */
    bool draining; /* or cordoned, by an operator */
    uint64_t incarnation;
    uint64_t session; /* node id as the worker knows it, 0 = not registered */
    int64_t cut_until, paused_until, bad_until, full_until, slow_until;
    struct sim_exec *execs;
    uint32_t exec_count, exec_capacity;
    uint32_t used_cores;
    uint64_t used_memory;
    /* the master's side */
    uint64_t node; /* live session, 0 = none */
    uint32_t ledger_cores, ledger_gpu;
    uint64_t ledger_memory;
    int64_t last_to_worker, last_to_master; /* delivery times, for links in order */
};

enum sim_type {
    SIM_SUBMIT,
    SIM_CANCEL,
    SIM_RELEASE_EARLY,
    SIM_CLIENT,
    SIM_FAULT,
    SIM_RESTART,
    SIM_DETECT,
    SIM_HEALED,
    SIM_CALM,
    SIM_TICK,
    SIM_OPERATE,
    SIM_REGISTER, /* worker -> master */
    SIM_RUNNING,
    SIM_DONE,
    SIM_FAILED,
    SIM_LOST_INPUT, /* worker -> master */
    SIM_LAUNCH,
    SIM_KILL,
    SIM_DROP,
    SIM_FORGET, /* master -> worker */
    SIM_READ,
    SIM_FINISH, /* inside a worker */
};
struct sim_event {
    int64_t at;
    uint64_t order;
    enum sim_type type;
    uint32_t worker;
    uint64_t incarnation, node;
    struct ei_attempt id;
    enum ei_code code;
    uint64_t memory;
    bool spared;
    uint32_t producer, tries;
    struct ei_attempt *lost; /* owned */
    uint32_t lost_count;
};

struct sim {
    struct ei_rng rng;
    uint64_t seed;
    int64_t now, calm_at, tick_at;
    bool calm, verbose;
    /* the weather of this seed */
    bool ordered, faults;
    uint32_t dup_percent, loss_percent, fail_percent, corrupt_percent;
    int64_t fault_every;
    struct sim_event *heap;
    size_t heap_count, heap_capacity;
    uint64_t order, next_node, next_incarnation;
    struct sim_worker *workers;
    uint32_t worker_count;
    struct sim_job *jobs; /* job id = index + 1 */
    uint32_t job_count;
    struct ei_map nodes; /* node id -> worker, for ever: late messages name dead sessions */
    struct ei_sched *sched;
    struct ei_sched_config config;
    struct ei_sched_actions actions;
    struct ei_buf trace;
    uint64_t steps, check_every, hash;
    uint64_t launches, doubled;
    struct sim_limit queues[3], users[3];
    int64_t short_since; /* since when the queue with a minimum gets less, and could have it */
    char *broken;        /* the first rule that was broken */
};

/* world.c */
void sim_init(struct sim *w, uint64_t seed, uint32_t nodes, bool verbose);
void sim_release(struct sim *w);
void sim_push(struct sim *w, struct sim_event e);
void sim_postpone(struct sim *w, struct sim_event e);
void sim_run(struct sim *w);
void sim_broken(struct sim *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool sim_chance(struct sim *w, uint32_t percent);
int64_t sim_between(struct sim *w, int64_t low, int64_t high);
struct sim_attempt *sim_attempt(struct sim *w, const struct ei_attempt *id);

/* worker.c */
void worker_handle(struct sim *w, struct sim_event *e);
void worker_fault(struct sim *w);
void worker_calm(struct sim *w);
void worker_reset(struct sim *w, struct sim_worker *k);
void sim_send(struct sim *w, struct sim_worker *k, bool to_master, struct sim_event e);
bool sim_readable(struct sim *w, const struct ei_attempt *id);

/* master.c: the scheduler, its ledger and the rules */
void master_handle(struct sim *w, struct sim_event *e);
void master_step(struct sim *w, struct ei_sched_event *e);
void master_final(struct sim *w);
void master_limits(struct sim *w);

#endif
