/* What the worker's files share. Everything runs on the loop's thread; see README.md for the call
 * tree and the states of an attempt. */
#ifndef EIDER_WORKER_INTERNAL_H
#define EIDER_WORKER_INTERNAL_H

#include "base/buf.h"
#include "base/error.h"
#include "base/map.h"
#include "os/os.h"
#include "rpc/rpc.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#define EI_WORKER_READ_MAX (1u << 20)     /* bytes of one READ_OUTPUT */
#define EI_WORKER_KILL_AFTER_US 150000    /* a stopped attempt may take this long to end */
#define EI_WORKER_NOOPS_MAX 256           /* no-op tasks in the executor at once */
#define EI_WORKER_BAD_STARTS_MAX 3        /* then waiting tasks fail instead of waiting on */
#define EI_WORKER_EXECUTOR_START_MS 20000 /* from spawn to EXECUTOR_READY */
#define EI_WORKER_LOST_AFTER_US 2000000   /* a silent peer's outputs are then lost */
#define EI_WORKER_PEER_IN_FLIGHT 16       /* requests to one peer */
#define EI_WORKER_FILE_IN_FLIGHT 4        /* requests for one file */
#define EI_WORKER_READ_TIMEOUT_MS 10000   /* of one READ_OUTPUT */
#define EI_WORKER_SERVE_PENDING_MAX 256   /* reads in work, all peers together */
#define EI_WORKER_TERMS_MAX 32            /* labels, and resources */
#define EI_WORKER_EVENTS_FRAME_BYTES (4u << 20)

struct worker;
struct job;
struct fetch;
struct waiting;

struct task_id {
    uint64_t job;
    uint32_t stage, task, attempt;
};

/* ---- jobs, stages, attempts ---- */
enum attempt_state {
    ATTEMPT_FETCHING, /* remote inputs are on their way */
    ATTEMPT_READY,    /* waits for a slot of the executor */
    ATTEMPT_RUNNING,  /* in the executor */
    ATTEMPT_STOPPING, /* in the executor, told to stop */
    ATTEMPT_FINAL,    /* done or failed; its event is kept until the job is forgotten */
};

struct stage {
    struct job *job;
    uint32_t id;
    uint32_t generation;              /* of `sources` */
    Eider__V1__StageSpec *spec;       /* owned; NULL until the master sent it */
    Eider__V1__StageOnWorker *source; /* owned; where the exchanges lie; NULL until sent */
};

struct input {         /* the output of one producer task that an attempt reads */
    uint32_t exchange; /* index into spec->exchanges */
    uint32_t producer, task, attempt;
    char *path;              /* owned; NULL until it is readable here */
    struct fetch *fetch;     /* non-NULL while it is being fetched */
    struct waiting *waiting; /* owned, with fetch: who is told */
    bool lost;
};

struct attempt {
    struct task_id id;
    struct stage *stage;
    enum attempt_state state;
    uint32_t first_partition, partition_count;
    uint64_t memory_bytes;
    Eider__V1__Split *split; /* owned, may be NULL */
    struct input *inputs;    /* owned */
    size_t input_count, inputs_pending;
    struct ei_error *input_error; /* owned; of the first lost input, NULL = all are there */
    int64_t assigned_us, started_us, stop_by_us;
    uint64_t fetch_us;
    char *stop_reason;           /* owned */
    struct attempt *prev, *next; /* in worker.ready or executor.running */
    uint8_t *event;              /* owned; packed TaskEvent, once final */
    size_t event_len;
    uint64_t output_bytes;
};

struct attempt_list {
    struct attempt *first, *last;
    size_t count;
};
void ei_worker_list_append(struct attempt_list *l, struct attempt *a);
void ei_worker_list_remove(struct attempt_list *l, struct attempt *a);

struct job {
    uint64_t id;
    struct ei_map stages;   /* id -> struct stage */
    struct ei_map attempts; /* attempt_key -> struct attempt */
    size_t in_executor;
    bool has_directory; /* below exchange_dir */
    bool has_fetched;   /* ... and below fetched_dir */
    bool forgotten;     /* goes when nothing of it is in the executor any more */
};

/* ---- the executor process ---- */
enum executor_state { EXECUTOR_DOWN, EXECUTOR_STARTING, EXECUTOR_READY, EXECUTOR_DYING };

struct executor {
    enum executor_state state;
    pid_t pid;      /* 0 once reaped */
    pid_t wait_pid; /* who was reaped last, and how it ended: */
    int wait_status;
    struct ei_conn *conn; /* NULL once closed */
    char *directory;      /* owned */
    int64_t spawned_us;
    bool was_ready, setup_failed, ran_something; /* this incarnation */
    unsigned bad_starts;                         /* in a row */
    struct ei_error start_error;                 /* of the last bad start */
    char *killed_because;                        /* owned; NULL if the worker did not kill it */
    uint64_t incarnations;
    uint64_t oom_kills; /* the kernel's count when last looked at */
    struct attempt_list running;
    size_t slots_used, noops;
    uv_timer_t start_timer; /* next start, or the deadline of this one */
    uv_timer_t stop_timer;  /* the earliest stop_by_us */
};

/* ---- the link to the master ---- */
struct master_link {
    struct ei_conn *conn; /* NULL while waiting to reconnect */
    bool registered;
    uint64_t epoch;
    uint64_t backoff_ms;
    uv_timer_t retry_timer, heartbeat_timer;
    uv_idle_t flush;        /* active while the outbox holds something */
    struct ei_buf outbox;   /* {size_t length, packed TaskEvent}... */
    char last_failure[256]; /* logged once, not at each attempt */
};

/* ---- files on disk (disk.c) ---- */
enum { EI_DISK_EXCHANGE, EI_DISK_SPILL, EI_DISK_LOG, EI_DISK_KINDS };
struct ei_disk_sum {
    uint64_t bytes, files, oldest_s;
};
struct disk {
    struct ei_disk_sum sums[EI_DISK_KINDS]; /* at the last look */
    uint64_t total_bytes, quota_bytes, memory_available_bytes;
    bool low, low_memory, looking;
    uv_timer_t timer;
};

struct worker_options {
    const char *name, *master, *data_dir, *listen, *pki_dir, *host_id;
    uint32_t cores;
    uint64_t memory_bytes, min_disk_free_bytes, disk_quota_bytes; /* 0 = a default */
    char *labels[EI_WORKER_TERMS_MAX];                            /* borrowed from argv */
    Eider__V1__Resource resources[EI_WORKER_TERMS_MAX];
    size_t label_count, resource_count;
    int ready_fd;
    bool log_json;
};

struct worker {
    uv_loop_t loop;
    struct worker_options o;
    struct ei_tls *tls;
    struct ei_server *server;
    char *address, *exchange_dir, *fetched_dir, *executor_dir;
    int lock_fd;
    uint64_t incarnation;
    struct master_link master;
    struct executor executor;
    struct ei_map jobs; /* id -> struct job */
    struct attempt_list ready;
    struct ei_map peers;   /* address -> struct peer */
    struct ei_map fetched; /* path below fetched_dir -> struct fetched_file */
    uint64_t fetch_count;  /* makes names of fetched files unique */
    uint64_t exchange_bytes;
    size_t serving;
    struct disk disk;
    bool stopping;
    uv_signal_t sigterm, sigint, sigchld;
    uv_timer_t exit_timer, started_timer;
};

/* main.c */
void ei_worker_exit_if_stopped(struct worker *w);
/* Deletes a tree in a work thread; takes `path` over. */
void ei_worker_remove_tree_later(struct worker *w, char *path);

/* master.c: registration, heartbeats, events */
void ei_worker_master_start(struct worker *w);
void ei_worker_master_stop(struct worker *w);
/* Queues a packed TaskEvent; all of one loop turn leave in one frame. Dropped while there is no
 * registration: REGISTER and ei_worker_jobs_resend say it again then. */
void ei_worker_event_push(struct worker *w, const uint8_t *event, size_t len);

/* disk.c */
void ei_worker_disk_start(struct worker *w);
void ei_worker_disk_report(const struct worker *w, Eider__V1__Heartbeat *m,
                           Eider__V1__DiskUse uses[EI_DISK_KINDS],
                           Eider__V1__DiskUse *list[EI_DISK_KINDS]);

/* jobs.c: what the master asks for */
void ei_worker_assign(struct worker *w, const Eider__V1__Assign *m);
void ei_worker_kill_tasks(struct worker *w, const Eider__V1__KillTasks *m);
void ei_worker_forget_jobs(struct worker *w, const Eider__V1__ForgetJobs *m);
void ei_worker_forget_below(struct worker *w, uint64_t first_job);
struct attempt *ei_worker_attempt_find(struct worker *w, struct task_id id);
/* Is this the published output of a job that is not forgotten? */
bool ei_worker_output_published(struct worker *w, struct task_id id);
void ei_worker_jobs_resend(struct worker *w);
/* Ids of all attempts that are not final; the caller frees the array. */
struct task_id *ei_worker_jobs_running(struct worker *w, size_t *count);
/* Forgets one attempt that has ended. */
void ei_worker_attempt_drop(struct worker *w, struct attempt *a);
void ei_worker_job_left_executor(struct worker *w, struct job *j);
void ei_worker_jobs_release(struct worker *w);
struct task_id ei_worker_id(const Eider__V1__AttemptId *m);
char *ei_worker_output_path(struct worker *w, struct task_id id, const char *suffix);

/* attempts.c: the life of an attempt */
void ei_worker_attempt_start(struct worker *w, struct attempt *a);
void ei_worker_attempt_stop(struct worker *w, struct attempt *a, const char *reason);
void ei_worker_attempt_failed(struct worker *w, struct attempt *a, const struct ei_error *e,
                              bool not_its_fault);
/* The executor's last word on a running attempt. */
void ei_worker_attempt_finished(struct worker *w, struct attempt *a,
                                const Eider__V1__TaskEvent *event);
void ei_worker_attempt_destroy(struct worker *w, struct attempt *a);
/* Hands ready attempts to the executor as long as it has slots. */
void ei_worker_pump(struct worker *w);

/* inputs.c: where an attempt's inputs lie */
/* Finds or starts to fetch each input. When nothing is pending the attempt is ready, or failed:
 * calls ei_worker_inputs_settled, now or later. */
void ei_worker_inputs_find(struct worker *w, struct attempt *a);
void ei_worker_inputs_release(struct worker *w, struct attempt *a);
void ei_worker_inputs_settled(struct worker *w, struct attempt *a); /* attempts.c */
/* Completes event->lost_inputs (task and attempt are set) with what the sources say. Items are
 * borrowed from the stage where they are known there. */
const Eider__V1__Output *ei_worker_source_output(const struct stage *s, uint32_t producer,
                                                 uint32_t task);

/* fetch.c: partitions of other machines' outputs in sparse local files */
typedef void (*fetch_done_fn)(void *data, struct fetch *f, const char *path,
                              const struct ei_error *e);
/* done is called once, from the loop, never inside this call; not after ei_worker_fetch_cancel. */
struct fetch *ei_worker_fetch(struct worker *w, uint64_t job, uint32_t producer,
                              const Eider__V1__Output *from, uint32_t first_partition,
                              uint32_t partition_count, fetch_done_fn done, void *data);
void ei_worker_fetch_cancel(struct fetch *f);
/* A reader found the copy damaged: fetch anew next time. */
void ei_worker_fetched_drop(struct worker *w, uint64_t job, uint32_t producer, uint32_t task,
                            uint32_t attempt);
void ei_worker_fetched_forget(struct worker *w, uint64_t job);
void ei_worker_fetched_release(struct worker *w);

/* peers.c: one connection a peer */
typedef void (*peer_read_fn)(void *data, const Eider__V1__ReadOutputReply *reply,
                             const struct ei_error *e);
/* fn is called exactly once, never inside this call. Unreachable peers are retried for
 * EI_WORKER_LOST_AFTER_US. */
void ei_worker_peer_read(struct worker *w, const char *address, const char *name,
                         const Eider__V1__ReadOutput *request, peer_read_fn fn, void *data);
void ei_worker_peers_close(struct worker *w);

/* serve.c: READ_OUTPUT of this worker's published outputs */
int ei_worker_serve_start(struct worker *w, const char *host, int port, struct ei_error *e);

/* executor.c: the child process */
void ei_worker_executor_start(struct worker *w);
void ei_worker_executor_stop(struct worker *w);
void ei_worker_executor_run(struct worker *w, struct attempt *a);
void ei_worker_executor_ask_stop(struct worker *w, struct attempt *a);
void ei_worker_executor_reap(struct worker *w);
const char *ei_worker_executor_state_name(const struct worker *w);
uint64_t ei_worker_oom_kills(void);

#endif
