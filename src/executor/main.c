/* The executor's loop: messages of the worker, the slots' results, stops. */
#include "executor/executor.h"

#include "base/mem.h"
#include "executor/internal.h"
#include "os/os.h"
#include "rpc/rpc.h"

#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define WORKER_FD 3
#define SLOTS_MAX 1024
#define INTERRUPT_EVERY_MS 5 /* one that comes before its statement is lost: repeat */
#define SAMPLE_EVERY_MS 100
#define TRIM_AFTER_MS 500
#define TRIM_ABOVE_BYTES (40u << 20) /* resident memory that an idle executor may keep */
#define SLEEP_AFTER_MS 5000          /* after the trim: code pages go too */

struct executor {
    uv_loop_t loop;
    struct ei_conn *conn;
    struct engine engine;
    struct slots *slots;          /* NULL until set up */
    uint64_t setup_request;       /* to be answered when the database is open; 0 = done */
    struct run *active;           /* in the slots' queue or in a slot */
    struct run *held, **held_end; /* wait until the database is open again */
    size_t active_count;
    bool database_bad; /* an internal error: reopen before anything else runs */
    bool opening, trimmed;
    uv_async_t finished;
    uv_timer_t interrupt_timer, sample_timer, trim_timer;
};

/* ---- runs ---- */
static void push(struct executor *x, struct run *r) {
    r->next_active = x->active;
    x->active = r;
    x->active_count++;
    ei_slots_push(x->slots, r);
}

static void forget_active(struct executor *x, struct run *r) {
    for (struct run **at = &x->active; *at; at = &(*at)->next_active) {
        if (*at == r) {
            *at = r->next_active;
            x->active_count--;
            return;
        }
    }
}

static void open_database(struct executor *x) {
    x->database_bad = false;
    x->opening = true;
    push(x, ei_run_create(RUN_OPEN));
}

static void hold(struct executor *x, struct run *r) {
    r->next = NULL;
    *x->held_end = r;
    x->held_end = &r->next;
}

/* Figures of the process, not of a task: what its neighbours used at that time is among them. */
static void sample(uv_timer_t *timer) {
    struct executor *x = timer->data;
    uint64_t rss = ei_rss_bytes(0), spill = ei_tree_bytes(x->engine.spill_directory);
    for (struct run *r = x->active; r; r = r->next_active) {
        if (rss > atomic_load(&r->peak_rss_bytes))
            atomic_store(&r->peak_rss_bytes, rss);
        if (spill > atomic_load(&r->spill_bytes))
            atomic_store(&r->spill_bytes, spill);
    }
}

static void trim(uv_timer_t *timer) {
    struct executor *x = timer->data;
    if (x->active_count > 0 || ei_rss_bytes(0) < TRIM_ABOVE_BYTES)
        return;
    if (x->trimmed) {
        ei_drop_idle_memory();
    } else {
        x->trimmed = true;
        push(x, ei_run_create(RUN_TRIM));
    }
}

/* What is due when something ended or came. */
static void settle(struct executor *x) {
    if (x->database_bad && x->active_count == 0)
        open_database(x);
    while (x->held && !x->database_bad && !x->opening) {
        struct run *r = x->held;
        x->held = r->next;
        if (!x->held)
            x->held_end = &x->held;
        push(x, r);
    }
    if (x->active_count == 0) {
        uv_timer_stop(&x->sample_timer);
        uv_timer_start(&x->trim_timer, trim, x->trimmed ? SLEEP_AFTER_MS : TRIM_AFTER_MS, 0);
    } else if (!uv_is_active((uv_handle_t *)&x->sample_timer)) {
        uv_timer_start(&x->sample_timer, sample, SAMPLE_EVERY_MS, SAMPLE_EVERY_MS);
    }
}

/* ---- answers ---- */
static void send_event(struct executor *x, Eider__V1__TaskEvent *event) {
    Eider__V1__TaskFinished m = EIDER__V1__TASK_FINISHED__INIT;
    m.event = event;
    ei_conn_send(x->conn, &m.base);
}

static void send_finished(struct executor *x, struct run *r) {
    Eider__V1__TaskEvent event = EIDER__V1__TASK_EVENT__INIT;
    Eider__V1__Error error = EIDER__V1__ERROR__INIT;
    Eider__V1__Output lost = EIDER__V1__OUTPUT__INIT;
    Eider__V1__Output *lost_items[1] = {&lost};
    event.id = r->m->id;
    event.stats = &r->stats;
    event.warnings = r->warnings;
    event.n_warnings = r->warning_count;
    r->stats.peak_memory_bytes = EI_MAX(atomic_load(&r->peak_rss_bytes), ei_rss_bytes(0));
    r->stats.spill_bytes = atomic_load(&r->spill_bytes);
    if (r->error.code == EI_OK) {
        event.state = EIDER__V1__TASK_STATE__TASK_DONE;
        event.partition_bytes = r->partition_bytes;
        event.n_partition_bytes = r->partition_count;
    } else {
        event.state = EIDER__V1__TASK_STATE__TASK_FAILED;
        ei_error_to_wire(&r->error, &error);
        event.error = &error;
    }
    if (r->input_lost && r->error.code == EI_INPUT_LOST) {
        lost.task = r->lost_task;
        lost.attempt = r->lost_attempt;
        event.lost_stage = r->lost_stage;
        event.lost_inputs = lost_items;
        event.n_lost_inputs = 1;
    }
    send_event(x, &event);
}

static void opened(struct executor *x, const struct run *r) {
    x->opening = false;
    if (x->setup_request != 0) {
        Eider__V1__ExecutorReady m = EIDER__V1__EXECUTOR_READY__INIT;
        Eider__V1__Error error = EIDER__V1__ERROR__INIT;
        if (r->error.code != EI_OK) {
            ei_error_to_wire(&r->error, &error);
            m.error = &error;
        } else {
            m.duckdb_version = (char *)(uintptr_t)duckdb_library_version();
        }
        ei_conn_reply(x->conn, x->setup_request, &m.base);
        x->setup_request = 0;
    } else if (r->error.code != EI_OK) {
        ei_log(EI_LOG_ERROR, "the database cannot be opened again: %s", r->error.text);
        _exit(1); /* the worker starts a new executor */
    }
}

static void on_finished(uv_async_t *handle) {
    struct executor *x = handle->data;
    struct run *r;
    while ((r = ei_slots_take(x->slots))) {
        forget_active(x, r);
        if (r->kind == RUN_TASK) {
            x->trimmed = false;
            if (r->error.code == EI_INTERNAL)
                x->database_bad = true;
            send_finished(x, r);
        } else if (r->kind == RUN_OPEN) {
            opened(x, r);
        }
        ei_run_destroy(r);
    }
    settle(x);
}

/* ---- stops ---- */
static void interrupt_stopped(uv_timer_t *timer) {
    struct executor *x = timer->data;
    bool any = false;
    for (struct run *r = x->active; r; r = r->next_active) {
        if (r->kind != RUN_TASK || !atomic_load(&r->stop))
            continue;
        any = true;
        uv_mutex_lock(&r->lock);
        if (r->connection)
            ei_duck_cancel(r->connection);
        uv_mutex_unlock(&r->lock);
    }
    if (any)
        uv_timer_start(timer, interrupt_stopped, INTERRUPT_EVERY_MS, 0);
}

static bool same_id(const Eider__V1__AttemptId *a, const Eider__V1__AttemptId *b) {
    return a->job == b->job && a->stage == b->stage && a->task == b->task &&
           a->attempt == b->attempt;
}

static void end_unrun(struct executor *x, struct run *r) {
    ei_fail(&r->error, EI_CANCELLED, "the task was stopped before it began");
    send_finished(x, r);
    ei_run_destroy(r);
}

static void stop_task(struct executor *x, const Eider__V1__AttemptId *id) {
    for (struct run **at = &x->held; *at; at = &(*at)->next) {
        struct run *r = *at;
        if (!same_id(r->m->id, id))
            continue;
        *at = r->next;
        if (!*at)
            x->held_end = at;
        end_unrun(x, r);
        return;
    }
    for (struct run *r = x->active; r; r = r->next_active) {
        if (r->kind != RUN_TASK || !same_id(r->m->id, id))
            continue;
        atomic_store(&r->stop, true);
        if (ei_slots_withdraw(x->slots, r)) {
            forget_active(x, r);
            end_unrun(x, r);
            settle(x);
        } else {
            interrupt_stopped(&x->interrupt_timer);
        }
        return;
    }
}

/* ---- messages ---- */
static void *copy_message(const ProtobufCMessage *m) {
    size_t len = protobuf_c_message_get_packed_size(m);
    uint8_t *bytes = ei_malloc(len);
    protobuf_c_message_pack(m, bytes);
    void *copy = protobuf_c_message_unpack(m->descriptor, NULL, len, bytes);
    free(bytes);
    EI_ASSERT(copy);
    return copy;
}

static void run_task(struct executor *x, const Eider__V1__RunTask *m) {
    if (!m->id || !m->spec)
        return;
    if (m->spec->native_noop) {
        Eider__V1__TaskEvent event = EIDER__V1__TASK_EVENT__INIT;
        event.id = m->id;
        event.state = EIDER__V1__TASK_STATE__TASK_DONE;
        send_event(x, &event);
        return;
    }
    struct run *r = ei_run_create(RUN_TASK);
    r->m = copy_message(&m->base);
    if (x->database_bad || x->opening)
        hold(x, r);
    else
        push(x, r);
    settle(x);
}

static int make_directories(struct executor *x, const char *directory, struct ei_error *e) {
    x->engine.spill_directory = ei_path_join(directory, "spill");
    x->engine.scratch_directory = ei_path_join(directory, "scratch");
    if (ei_mkdirs(x->engine.spill_directory, 0700, e) != 0)
        return -1;
    return ei_mkdirs(x->engine.scratch_directory, 0700, e);
}

static void setup(struct executor *x, const Eider__V1__ExecutorSetup *m, uint64_t request) {
    struct ei_error e;
    if (x->slots)
        return;
    if (make_directories(x, m->directory, &e) != 0) {
        Eider__V1__ExecutorReady reply = EIDER__V1__EXECUTOR_READY__INIT;
        Eider__V1__Error error = EIDER__V1__ERROR__INIT;
        ei_error_to_wire(&e, &error);
        reply.error = &error;
        ei_conn_reply(x->conn, request, &reply.base);
        return;
    }
    x->engine.memory_bytes = m->memory_bytes;
    x->engine.slots = EI_MAX(EI_MIN(m->slots, SLOTS_MAX), 1u);
    x->setup_request = request;
    x->slots = ei_slots_create(&x->engine, x->engine.slots, &x->finished);
    open_database(x);
}

static void on_open(struct ei_conn *c, void *data) {
    /* the worker speaks first */
}

static void on_message(struct ei_conn *c, void *data, const struct ei_message *m) {
    struct executor *x = data;
    if (m->type == EI_MSG_EXECUTOR_SETUP) {
        setup(x, (const Eider__V1__ExecutorSetup *)m->body, m->request);
    } else if (m->type == EI_MSG_RUN_TASK && x->slots) {
        run_task(x, (const Eider__V1__RunTask *)m->body);
    } else if (m->type == EI_MSG_STOP_TASK && x->slots) {
        const Eider__V1__StopTask *stop = (const Eider__V1__StopTask *)m->body;
        if (stop->id)
            stop_task(x, stop->id);
    }
}

static void on_closed(struct ei_conn *c, void *data, const struct ei_error *e) {
    _exit(0); /* the worker is gone or wants us gone; nothing here is worth keeping */
}

static const struct ei_conn_events worker_events = {on_open, on_message, on_closed};

/* ---- start ---- */
static const struct option OPTIONS[] = {
    {"name", required_argument, NULL, 'n'},       /* of the worker, for the log */
    {"log-format", required_argument, NULL, 'f'}, /* text or json */
    {NULL, 0, NULL, 0},
};

static int start(struct executor *x) {
    uv_async_init(&x->loop, &x->finished, on_finished);
    uv_timer_init(&x->loop, &x->interrupt_timer);
    uv_timer_init(&x->loop, &x->sample_timer);
    uv_timer_init(&x->loop, &x->trim_timer);
    x->finished.data = x;
    x->interrupt_timer.data = x->sample_timer.data = x->trim_timer.data = x;
    x->conn = ei_conn_from_fd(&x->loop, WORKER_FD, EI_ROLE_WORKER, &worker_events, x);
    return x->conn ? 0 : -1;
}

int ei_executor_main(int argc, char **argv) {
    const char *name = "executor";
    bool json = false;
    int option;
    optind = 1;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1) {
        if (option == 'n')
            name = optarg;
        else if (option == 'f')
            json = strcmp(optarg, "json") == 0;
    }
    ei_log_setup(name, EI_LOG_INFO, json);
    signal(SIGPIPE, SIG_IGN);
    mallopt(M_ARENA_MAX, 2); /* an arena a thread keeps too much */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        ei_log(EI_LOG_WARN, "the executor cannot give up privileges");
    struct executor *x = ei_calloc(1, sizeof *x);
    x->held_end = &x->held;
    if (uv_loop_init(&x->loop) != 0 || start(x) != 0) {
        ei_log(EI_LOG_ERROR, "an executor is started by its worker, over descriptor %d", WORKER_FD);
        return 2;
    }
    uv_run(&x->loop, UV_RUN_DEFAULT);
    return 0;
}
