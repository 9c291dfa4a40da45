/* What the files of the master share. Everything here belongs to the loop's thread. */
#ifndef EIDER_MASTER_INTERNAL_H
#define EIDER_MASTER_INTERNAL_H

#include "base/buf.h"
#include "base/error.h"
#include "base/map.h"
#include "http/http.h"
#include "master/journal.h"
#include "rpc/rpc.h"
#include "sched/sched.h"
#include "state/state.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

/* Every limit of the master. */
#define EI_JOB_STAGES_MAX 64
#define EI_JOB_TASKS_MAX 1000000
#define EI_STAGE_SOURCE_TASKS_MAX                                                                  \
    50000 /* of a stage that another one reads: one frame lists them */
#define EI_STAGE_PARTITIONS_MAX 65536
#define EI_JOB_NAME_MAX 200 /* bytes, also of stages, inputs, users, queues */
#define EI_JOBS_UNFINISHED_MAX 10000
#define EI_HISTORY_JOBS_MAX 1000        /* finished jobs that are remembered */
#define EI_HISTORY_BYTES_MAX (8u << 20) /* texts and task figures of these */
#define EI_HISTORY_TASKS_MAX 1000       /* a finished job with more keeps figures of stages only */
#define EI_JOB_AFTER_MAX 100
#define EI_JOB_TERMS_MAX 32                           /* labels, and resources */
#define EI_JOB_MS_MAX (INT64_C(1) << 50)              /* times of a job */
#define EI_RESULT_KEEP_MS (INT64_C(24) * 3600 * 1000) /* of a submitted job, unless it says so */
#define EI_RESULT_CHECK_US 1000000
#define EI_JOB_WARNINGS_MAX 20
#define EI_JOB_FAILURES_MAX 16    /* the last ones, with their texts */
#define EI_PEERS_MAX 2000         /* registered processes, lost ones included */
#define EI_PEER_TERMS_MAX 64      /* labels, and resources, of a worker */
#define EI_PEER_DISK_MAX 16       /* kinds of files that one worker may report */
#define EI_PEER_PROCESSES_MAX 256 /* executors that one worker may report */
#define EI_WORKER_CORES_MAX 4096
#define EI_JOB_IDS_RESERVED 1000 /* job ids taken from the state at a time */
#define EI_SUBMIT_JOBS_MAX 1000  /* of one request */
#define EI_WAIT_MS_MAX 60000     /* of one request for the end of jobs */
#define EI_BENCH_BYTES_MAX (1ll << 44)
#define EI_BENCH_ROW_BYTES 40
#define EI_ASSIGN_BYTES_MAX (4u << 20) /* a frame is sent when its tasks exceed this */

#define EI_HEARTBEAT_MS 1000
#define EI_HEARTBEAT_LOST_US 5000000
#define EI_GRACE_CLOSED_US 200000    /* the process closed its connection: most likely it died */
#define EI_GRACE_BROKEN_US 1000000   /* the connection broke: it may come back */
#define EI_CHECK_US 500000           /* how often heartbeats are looked at */
#define EI_MISSING_ATTEMPT_US 500000 /* an attempt that a returning worker did not mention */
#define EI_PROGRESS_US 100000

/* ---- registered processes (peers.c) ---- */

enum ei_peer_state { EI_PEER_ALIVE, EI_PEER_GRACE, EI_PEER_LOST };

/* An attempt that a worker was told to run and has not reported the end of. */
struct ei_flight {
    struct ei_attempt id;
    int64_t launched_us;
    int64_t missing_since_us; /* the worker came back without it; 0 = fine */
};

/* What a worker knows of a job. */
struct ei_known_job {
    uint64_t job;
    uint32_t stage_count;
    uint32_t generation[]; /* per stage: of the sources it has; 0 = not even the stage's spec */
};

struct ei_peer_process {
    char *role, *name, *state;
    uint32_t pid;
    uint64_t rss_bytes, cpu_us;
};

struct ei_disk_use { /* files of one kind on a worker's disk */
    char what[16];
    uint64_t bytes, files, quota_bytes, oldest_s;
};

/* A worker or gateway, known by role and name; stays when its process is lost. */
struct ei_peer {
    enum ei_role role;
    char *name, *address, *host_id;
    uint32_t pid, cores, http_port;
    uint64_t memory_bytes, incarnation, epoch;
    enum ei_peer_state state;
    int64_t heard_us, grace_until_us, lost_ms;
    struct ei_session *link; /* NULL without a connection */
    uint64_t rss_bytes, cpu_us, disk_free_bytes, disk_total_bytes, exchange_bytes;
    uint64_t memory_available_bytes;
    struct ei_peer_process *processes;
    size_t process_count;
    /* workers only */
    bool low_disk, low_memory; /* it says: no new work */
    bool closed;               /* the scheduler gives it none */
    char **labels;
    size_t label_count;
    struct ei_sched_extra *extras; /* names owned */
    size_t extra_count;
    struct ei_disk_use *disk_use;
    size_t disk_use_count;
    uint64_t node; /* the scheduler's name for this incarnation, 0 = not known to it */
    struct ei_flight *flights;
    size_t flight_count, flight_capacity;
    struct ei_map flight_index; /* a hash of the id -> 1 + index into flights */
    struct ei_map known;        /* job -> struct ei_known_job */
    /* what the end of this loop turn sends */
    struct ei_attempt *launches, *kills;
    uint64_t *forgets;
    size_t launch_count, launch_capacity, kill_count, kill_capacity, forget_count, forget_capacity;
    bool queued; /* is in ei_master.pending */
};

/* A connection. */
struct ei_session {
    struct ei_master *master;
    struct ei_conn *conn;
    struct ei_peer *peer; /* after REGISTER */
};

/* ---- jobs (jobs.c, history.c) ---- */

struct ei_wait; /* a request that waits for jobs to end */

/* A task, and its output if it has one. */
struct ei_task {
    uint64_t node; /* of the output */
    char *path;    /* of the output, NULL where there is none */
    uint64_t file_bytes, rows_in, rows_out, bytes_in, bytes_out, wall_us;
    uint32_t attempt; /* whose output counts, 0 = none */
    uint32_t malformed;
    uint32_t worker; /* 1 + index into ei_job.workers, 0 = none yet */
};

/* Figures of the tasks of a stage that have an output. */
struct ei_stage_totals {
    uint64_t rows_in, rows_out, bytes_in, bytes_out, malformed;
    uint64_t cpu_us, spill_bytes; /* spent, also on outputs that were lost later */
    uint32_t done;
};

struct ei_job_stage {
    char *name, *sql;
    uint32_t *inputs;
    uint32_t input_count;
    uint32_t task_count, partitions;
    uint32_t *first_partition; /* of each task, and the end; NULL: all have as many */
    uint64_t *partition_bytes; /* of all outputs so far; NULL: none known */
    uint64_t memory_bytes;     /* that its newest attempt claims: grows when they run out of it */
    Eider__V1__Distribution output;
    struct ei_task *tasks; /* NULL once only the figures below are kept */
    struct ei_stage_totals totals;
    uint32_t output_generation; /* grows when an output of this stage comes or goes */
    uint32_t retries, rounds;
    int64_t started_us, ended_us;
    uint64_t median_us, max_us; /* of the tasks' times; set at the end of the job */
    char *first_malformed;      /* "access.log:17: ..." of the lowest task that said so */
    uint32_t first_malformed_task;
    bool many_files; /* malformed lines in more than one */
};

struct ei_failure {
    struct ei_attempt id;
    struct ei_error error;
    char worker[64];
    uint32_t position;
};

struct ei_job {
    uint64_t id;
    enum ei_job_state state;
    bool bound, released, release_sent, forgotten;
    bool detached;                /* its result is kept until it was fetched */
    struct ei_session *submitter; /* NULL once its connection is closed */
    Eider__V1__JobSpec *spec;     /* NULL once nothing of the job is needed any more */
    char *name, *kind, *text, *user, *queue, *plan_text, *whole_reason;
    int32_t priority;
    struct ei_sched_dependency *after; /* as ordered */
    uint32_t after_count;
    int64_t begin_ms; /* Unix time, 0 = at once */
    uint64_t time_limit_ms, keep_ms;
    struct ei_job_stage *stages;
    uint32_t stage_count;
    char **workers; /* names that tasks refer to */
    uint32_t worker_count, worker_capacity;
    struct ei_failure *failures; /* ring of the last EI_JOB_FAILURES_MAX */
    uint32_t failure_count;
    char **warnings; /* other than malformed lines */
    size_t warning_count;
    char *cancel_reason;
    struct ei_error *error; /* why it failed or was cancelled */
    uint32_t error_position;
    int64_t submitted_ms, started_ms, ended_ms; /* Unix time, for people */
    int64_t submitted_us, started_us, ended_us;
    size_t history_bytes;
    uint32_t in_flight;     /* attempts, on all workers */
    struct ei_wait **waits; /* requests that wait for its end */
    size_t wait_count, wait_capacity;
    bool changed;       /* the submitter is to hear of a new state */
    bool progressed;    /* ... of progress */
    bool notify_queued; /* is in ei_master.notify */
    int64_t update_due_us;
};

struct ei_master;

/* A request that waits for jobs to end (waits.c). */
struct ei_waited {
    uint64_t id;
    enum ei_job_state state;
    int64_t elapsed_us; /* once it has ended */
};
typedef void (*ei_wait_fn)(struct ei_master *m, struct ei_wait *w); /* answers the request */
struct ei_wait {
    struct ei_master *master;
    struct ei_http_request *request;
    ei_wait_fn answer;
    int64_t due_us;
    bool owner; /* submitted the jobs: they end when the client goes away */
    size_t at;  /* in ei_master.waits */
    uint32_t count, left;
    struct ei_waited jobs[]; /* by rising id */
};

/* ---- the process ---- */

struct ei_master {
    uv_loop_t loop;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_timer_t timer;
    uv_signal_t sigterm, sigint;
    char *name;
    struct ei_tls *tls;
    struct ei_server *server, *ui_server;
    struct ei_http_server *http;
    struct ei_session root; /* data of connections that are not open yet */
    struct ei_sched *sched;
    struct ei_sched_actions actions;
    bool acting;
    struct ei_state state;
    struct ei_journal *journal;
    struct ei_map peers; /* "role/name" -> struct ei_peer */
    struct ei_map nodes; /* scheduler's node -> struct ei_peer */
    struct ei_peer **pending;
    size_t pending_count, pending_capacity;
    uint64_t next_node, next_epoch, next_job, first_job;
    struct ei_job **jobs; /* by rising id */
    size_t job_count, job_capacity;
    size_t unfinished, history_jobs, history_bytes;
    uint64_t ended_by_state[5]; /* since the start */
    uint64_t *to_release;       /* jobs that ended badly: nobody reads their outputs */
    size_t to_release_count, to_release_capacity;
    struct ei_job **notify; /* jobs whose submitters are to hear something */
    size_t notify_count, notify_capacity;
    uint64_t *forgotten; /* finished jobs whose task details are to be slimmed */
    size_t forgotten_count, forgotten_capacity;
    struct ei_wait **waits;
    size_t wait_count, wait_capacity;
    int64_t next_wait_us; /* not before this one of them is answered */
    int64_t next_expiry_us, next_cron_us;
    struct ei_map cron_errors; /* name of an entry -> why it did not run, owned */
    int64_t started_ms, last_check_us, next_check_us, timer_due_us;
    bool stopping;
};

/* pump.c: the scheduler's step and what follows from it */
void ei_master_step(struct ei_master *m, const struct ei_sched_event *event);
void ei_master_act(struct ei_master *m); /* carries out m->actions */
void ei_master_flush(struct ei_master *m);
void ei_master_turn(struct ei_master *m); /* end of a loop turn */
void ei_master_on_timer(uv_timer_t *t);
void ei_master_want(struct ei_master *m, struct ei_peer *p); /* p has something to send */

/* peers.c */
extern const struct ei_conn_events ei_master_conn_events;
struct ei_job;
struct ei_peer *ei_peer_by_node(const struct ei_master *m, uint64_t node);
uint32_t ei_peers_cores(const struct ei_master *m); /* task slots of all live workers */
void ei_peer_node_down(struct ei_master *m, struct ei_peer *p);
void ei_peers_check(struct ei_master *m, int64_t now_us);
/* job NULL = is not remembered. Workers do not report what becomes of a forgotten job's attempts.
 */
void ei_peer_forget_job(struct ei_master *m, struct ei_peer *p, uint64_t id, struct ei_job *job);
struct ei_flight *ei_peer_flight(struct ei_peer *p, const struct ei_attempt *id);
void ei_peer_take_off(struct ei_peer *p, struct ei_job *job, const struct ei_attempt *id,
                      int64_t now_us);
/* The attempt has ended; job NULL = is not remembered. */
void ei_peer_land(struct ei_peer *p, struct ei_job *job, const struct ei_attempt *id);
void ei_peer_destroy(struct ei_peer *p);
void ei_on_register(struct ei_session *l, const struct ei_message *msg);
void ei_on_heartbeat(struct ei_session *l, const struct ei_message *msg);

/* spec.c */
int ei_spec_check(const Eider__V1__JobSpec *spec, struct ei_error *e);
/* Reads partitions of hash inputs? Their number, or 0. */
uint32_t ei_spec_hash_partitions(const Eider__V1__JobSpec *spec, const Eider__V1__StageSpec *stage);

/* jobs.c */
struct ei_job *ei_job_find(const struct ei_master *m, uint64_t id);
/* May so many more be submitted? 0, or -1 and *e. */
int ei_jobs_have_room(const struct ei_master *m, uint32_t count, struct ei_error *e);
/* A new job with an id, not started; NULL and *e. */
struct ei_job *ei_job_submit(struct ei_master *m, const Eider__V1__JobSpec *spec,
                             struct ei_session *submitter, struct ei_error *e);
/* Whether the scheduler takes it; a sentence that names the limit if not. */
int ei_job_admitted(struct ei_master *m, const struct ei_job *job, struct ei_error *e);
void ei_job_start(struct ei_master *m, const struct ei_job *job);
void ei_job_changed_state(struct ei_master *m, const struct ei_sched_action *a);
int ei_job_cancel(struct ei_master *m, uint64_t id, const char *reason, struct ei_error *e);
void ei_job_release(struct ei_master *m, struct ei_job *job);
void ei_job_destroy(struct ei_job *job);
void ei_jobs_link_closed(struct ei_master *m, struct ei_session *l);
bool ei_job_finished(const struct ei_job *job);
void ei_on_submit(struct ei_session *l, const struct ei_message *msg);
void ei_on_cancel(struct ei_session *l, const struct ei_message *msg);
void ei_on_release(struct ei_session *l, const struct ei_message *msg);

/* job_build.c: a job's own record of what was submitted */
struct ei_job *ei_job_create(const Eider__V1__JobSpec *spec);
void ei_job_slim(struct ei_job *job);          /* nobody needs its outputs any more */
size_t ei_job_bytes(const struct ei_job *job); /* of memory, roughly */

/* tasks.c: what workers report */
void ei_on_task_events(struct ei_session *l, const struct ei_message *msg);
/* The message borrows from the stage and the worker's record; false if there is no output now. */
bool ei_task_to_output(const struct ei_master *m, const struct ei_job_stage *stage, uint32_t task,
                       Eider__V1__Output *out);
void ei_task_output_dropped(struct ei_master *m, const struct ei_attempt *id);
const struct ei_failure *ei_job_failure(const struct ei_job *job, const struct ei_attempt *id);
/* A node took its attempts with it. */
void ei_task_note_failure(struct ei_job *job, const struct ei_attempt *id, const char *worker,
                          enum ei_code code, const char *text, uint32_t position);

/* updates.c: what submitters hear */
void ei_job_notify(struct ei_master *m, struct ei_job *job, bool state_changed);
/* Sends what is due; returns when the next one is, INT64_MAX if none. */
int64_t ei_updates_send(struct ei_master *m, int64_t now_us);
/* Malformed lines and the tasks' own warnings, as sentences appended one by one through `add`. */
void ei_job_each_warning(const struct ei_job *job, void (*add)(void *, const char *), void *data);
void ei_stage_counts(const struct ei_master *m, const struct ei_job *job, uint32_t stage,
                     struct ei_sched_stage_counts *out);

/* waits.c */
struct ei_wait *ei_wait_create(struct ei_master *m, struct ei_http_request *r, uint32_t count,
                               uint64_t wait_ms, ei_wait_fn answer);
void ei_wait_add(struct ei_wait *w, struct ei_job *job);
void ei_waits_job_ended(struct ei_master *m, struct ei_job *job);
/* Answers what is due; returns when the next one is, INT64_MAX if none. */
int64_t ei_waits_answer(struct ei_master *m, int64_t now_us);

/* history.c */
void ei_history_add(struct ei_master *m, struct ei_job *job);
void ei_history_remove(struct ei_master *m, struct ei_job *job); /* it runs again */
void ei_history_trim(struct ei_master *m);
/* Median and maximum of the tasks' times of a stage. */
void ei_stage_times(const struct ei_job_stage *stage, uint64_t *median_us, uint64_t *max_us);
/* The same of the rows that they read; 0 once the tasks are forgotten. */
void ei_stage_rows(const struct ei_job_stage *stage, uint64_t *median, uint64_t *max);

/* partitions.c: the stage has fewer tasks than its inputs have partitions: neighbours share one. */
void ei_partitions_group(struct ei_job *job, uint32_t stage, uint32_t tasks);
/* The largest partition of the stage's output and its share of the bytes; false: not known. */
bool ei_partitions_skew(const struct ei_job_stage *stage, uint32_t *largest, uint32_t *percent);

/* results.c: of jobs that are not bound to a connection */
void ei_on_get_result(struct ei_session *l, const struct ei_message *msg);
/* Lets go of results that nobody fetched for too long; returns when to look again. */
int64_t ei_results_expire(struct ei_master *m, int64_t now_us);

/* nodes.c: cordon, drain, resume; low on disk or memory */
void ei_node_apply(struct ei_master *m, struct ei_peer *p);
void ei_node_heard(struct ei_master *m, struct ei_peer *p, bool low_disk, bool low_memory);
void ei_node_drained(struct ei_master *m, uint64_t node);
const char *ei_node_state_name(const struct ei_master *m, const struct ei_peer *p);
void ei_rest_nodes(struct ei_http_request *r, void *data);
void ei_rest_node_cordon(struct ei_http_request *r, void *data);
void ei_rest_node_drain(struct ei_http_request *r, void *data);
void ei_rest_node_resume(struct ei_http_request *r, void *data);
void ei_rest_disk(struct ei_http_request *r, void *data);

/* cron.c */
/* Runs what is due; returns when to look again, INT64_MAX if there is nothing. */
int64_t ei_cron_run(struct ei_master *m, int64_t now_us);
void ei_cron_release(struct ei_master *m);
void ei_rest_cron(struct ei_http_request *r, void *data);
void ei_rest_cron_add(struct ei_http_request *r, void *data);
void ei_rest_cron_remove(struct ei_http_request *r, void *data);

/* settings.c: queues and users */
void ei_settings_start(struct ei_master *m);
void ei_rest_queues(struct ei_http_request *r, void *data);
void ei_rest_queue_create(struct ei_http_request *r, void *data);
void ei_rest_queue_set(struct ei_http_request *r, void *data);
void ei_rest_users(struct ei_http_request *r, void *data);
void ei_rest_user_set(struct ei_http_request *r, void *data);

/* rest_body.c: members of a request's JSON body; each leaves *out as it is without the member */
struct json_object;
struct json_object *ei_rest_body(struct ei_http_request *r,
                                 struct ei_error *e); /* owned, or NULL */
int ei_body_known(struct json_object *body, const char *const *names, struct ei_error *e);
int ei_body_text(struct json_object *body, const char *key, const char **out, struct ei_error *e);
int ei_body_int(struct json_object *body, const char *key, int64_t least, int64_t most,
                int64_t *out, struct ei_error *e);

/* catalog.c */
void ei_on_catalog_create(struct ei_session *l, const struct ei_message *msg);
void ei_on_catalog_drop(struct ei_session *l, const struct ei_message *msg);
void ei_on_catalog_list(struct ei_session *l, const struct ei_message *msg);
void ei_session_reply(struct ei_session *l, const struct ei_message *msg, const struct ei_error *e);

/* rest.c: the routes; rest_jobs.c */
struct ei_json;
void ei_rest_json(struct ei_http_request *r, struct ei_json *j); /* answers with it, frees it */
extern const struct ei_http_route ei_master_routes[];
extern const size_t ei_master_route_count;
void ei_rest_jobs(struct ei_http_request *r, void *data);
void ei_rest_job(struct ei_http_request *r, void *data);
void ei_rest_job_tasks(struct ei_http_request *r, void *data);
void ei_rest_job_cancel(struct ei_http_request *r, void *data);
void ei_rest_submit(struct ei_http_request *r, void *data);
/* The parameter wait_ms of the request. */
int ei_rest_wait_ms(struct ei_http_request *r, uint64_t *out, struct ei_error *e);
void ei_rest_ui(struct ei_http_request *r, void *data);
const char *ei_job_state_name(enum ei_job_state state);
struct ei_job *ei_rest_find_job(struct ei_http_request *r, const struct ei_master *m,
                                struct ei_error *e); /* of the parameter id */

#endif
