/* The executor process: started ahead of the first task, restarted when it dies. It is over when it
 * is reaped and its connection is closed; by then everything that it said has been read. */
#include "base/mem.h"
#include "worker/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define RESTART_MIN_MS 100
#define RESTART_MAX_MS 5000
#define EARLY_DEATH_US                                                                             \
    1000000 /* a death this soon after the start is not worth a quick restart                      \
             */
#define OOM_SCORE_ADJ 900

/* A bound for what the memory limit of DuckDB does not see. Address space of data, not memory in
 * use: an allocator keeps more mapped than it uses. */
#define DATA_LIMIT_EXTRA_BYTES (512ull << 20)

static void spawn_executor(struct worker *w);

const char *ei_worker_executor_state_name(const struct worker *w) {
    static const char *const names[] = {"down", "starting", "ready", "dying"};
    if (w->executor.state == EXECUTOR_READY && w->executor.running.count > 0)
        return "busy";
    return names[w->executor.state];
}

/* How many processes the kernel has killed for want of memory; 0 if it does not say. */
uint64_t ei_worker_oom_kills(void) {
    struct ei_buf text = {0};
    uint64_t n = 0;
    if (ei_read_file("/proc/vmstat", 1u << 20, &text, NULL) == 0) {
        const char *line = strstr(text.data, "\noom_kill ");
        if (line)
            n = strtoull(line + strlen("\noom_kill "), NULL, 10);
    }
    ei_buf_release(&text);
    return n;
}

static void kill_executor(struct worker *w, const char *because) {
    struct executor *x = &w->executor;
    if (x->pid > 0 && !x->killed_because) {
        x->killed_because = ei_strdup(because);
        kill(x->pid, SIGKILL);
    }
    if (x->state != EXECUTOR_DOWN)
        x->state = EXECUTOR_DYING;
}

/* ---- death ---- */
static void describe_death(const struct executor *x, pid_t pid, struct ei_error *e) {
    int status = x->wait_status;
    if (x->killed_because)
        ei_fail(e, EI_LOST, "executor (pid %d) was killed: %s", (int)pid, x->killed_because);
    else if (WIFSIGNALED(status))
        ei_fail(e, EI_LOST, "executor (pid %d) died: signal %d (%s)", (int)pid, WTERMSIG(status),
                WTERMSIG(status) == SIGKILL ? "killed" : strsignal(WTERMSIG(status)));
    else
        ei_fail(e, EI_LOST, "executor (pid %d) died: exit code %d", (int)pid, WEXITSTATUS(status));
    if (!x->killed_because && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL &&
        ei_worker_oom_kills() > x->oom_kills) {
        ei_fail(e, EI_OUT_OF_MEMORY,
                "executor (pid %d) was killed by the kernel: the machine, or its memory group, was "
                "out of memory",
                (int)pid);
    }
}

static void fail_running(struct worker *w, const struct ei_error *death) {
    struct executor *x = &w->executor;
    struct ei_error e;
    bool several = x->running.count > 1;
    while (x->running.first) {
        struct attempt *a = x->running.first;
        bool stopped = a->state == ATTEMPT_STOPPING;
        e = *death;
        if (stopped)
            ei_fail(&e, EI_CANCELLED, "%s", a->stop_reason);
        else if (several && e.code == EI_OUT_OF_MEMORY)
            e.code = EI_LOST; /* which of them used the memory is not known: they may run again */
        bool innocent = a->stage->spec->native_noop; /* it does nothing that could kill */
        ei_worker_attempt_failed(w, a, &e, stopped || innocent || x->killed_because != NULL);
    }
}

static void start_again(uv_timer_t *timer) {
    spawn_executor(timer->data);
}

static void plan_restart(struct worker *w, const struct ei_error *death, bool was_ready) {
    struct executor *x = &w->executor;
    uint64_t delay_ms = 0;
    bool early = !x->ran_something && ei_now_us() - x->spawned_us < EARLY_DEATH_US;
    if (!was_ready || early) {
        if (!x->setup_failed)
            x->start_error = *death;
        if (x->bad_starts > 0) /* the first time it may be bad luck */
            delay_ms = (uint64_t)RESTART_MIN_MS << EI_MIN(x->bad_starts - 1, 6u);
        delay_ms = EI_MIN(delay_ms, RESTART_MAX_MS);
        x->bad_starts++;
    }
    uv_timer_start(&x->start_timer, start_again, delay_ms, 0);
}

static void over(struct worker *w) {
    struct executor *x = &w->executor;
    struct ei_error death;
    if (x->conn || x->pid > 0 || x->state == EXECUTOR_DOWN)
        return;
    describe_death(x, x->wait_pid, &death);
    bool was_ready = x->was_ready;
    x->state = EXECUTOR_DOWN;
    uv_timer_stop(&x->stop_timer);
    uv_timer_stop(&x->start_timer);
    if (x->directory)
        ei_worker_remove_tree_later(w, x->directory);
    x->directory = NULL;
    if (w->stopping) {
        ei_worker_exit_if_stopped(w);
        return;
    }
    if (!x->setup_failed) /* that was logged */
        ei_log(EI_LOG_WARN, "%s%s", death.text, x->running.count ? "; its tasks are reported" : "");
    fail_running(w, &death);
    plan_restart(w, &death, was_ready);
    free(x->killed_because);
    x->killed_because = NULL;
    ei_worker_pump(w);
}

void ei_worker_executor_reap(struct worker *w) {
    struct executor *x = &w->executor;
    int status;
    if (x->pid <= 0 || waitpid(x->pid, &status, WNOHANG) != x->pid)
        return;
    x->wait_status = status;
    x->wait_pid = x->pid;
    x->pid = 0;
    x->state = EXECUTOR_DYING;
    over(w);
}

/* ---- connection ---- */
static void on_ready(void *data, const ProtobufCMessage *body, const struct ei_error *e) {
    struct worker *w = data;
    struct executor *x = &w->executor;
    struct ei_error failed;
    if (x->state != EXECUTOR_STARTING || (!body && e->code == EI_UNREACHABLE))
        return; /* it died: its end says more */
    uv_timer_stop(&x->start_timer);
    if (!body || body->descriptor != &eider__v1__executor_ready__descriptor) {
        kill_executor(w, "it did not get ready");
        return;
    }
    const Eider__V1__ExecutorReady *ready = (const Eider__V1__ExecutorReady *)body;
    if (ei_error_from_wire(ready->error, &failed) != 0) {
        x->start_error = failed;
        x->setup_failed = true;
        ei_log(EI_LOG_ERROR, "the executor cannot start: %s", failed.text);
        kill_executor(w, failed.text);
        return;
    }
    x->state = EXECUTOR_READY;
    x->was_ready = true;
    ei_log(EI_LOG_INFO, "executor (pid %d) is ready after %.1f ms, DuckDB %s", (int)x->pid,
           (double)(ei_now_us() - x->spawned_us) / 1000.0, ready->duckdb_version);
    ei_worker_pump(w);
}

static void on_open(struct ei_conn *c, void *data) {
    struct worker *w = data;
    Eider__V1__ExecutorSetup m = EIDER__V1__EXECUTOR_SETUP__INIT;
    m.directory = w->executor.directory;
    m.memory_bytes = w->o.memory_bytes;
    m.slots = w->o.cores;
    ei_conn_call(c, &m.base, EI_WORKER_EXECUTOR_START_MS, on_ready, w);
}

static void on_message(struct ei_conn *c, void *data, const struct ei_message *m) {
    struct worker *w = data;
    if (m->type != EI_MSG_TASK_FINISHED)
        return;
    const Eider__V1__TaskFinished *body = (const Eider__V1__TaskFinished *)m->body;
    if (!body->event || !body->event->id)
        return;
    struct attempt *a = ei_worker_attempt_find(w, ei_worker_id(body->event->id));
    if (!a || (a->state != ATTEMPT_RUNNING && a->state != ATTEMPT_STOPPING))
        return;
    w->executor.ran_something = true;
    w->executor.bad_starts = 0;
    ei_worker_attempt_finished(w, a, body->event);
    ei_worker_pump(w);
}

static void on_closed(struct ei_conn *c, void *data, const struct ei_error *e) {
    struct worker *w = data;
    struct executor *x = &w->executor;
    x->conn = NULL;
    if (x->pid > 0) {
        x->state = EXECUTOR_DYING;
        kill(x->pid, SIGKILL); /* alive without a connection: of no use */
    }
    over(w);
}

static const struct ei_conn_events executor_events = {on_open, on_message, on_closed};

/* ---- start ---- */
static void start_deadline(uv_timer_t *timer) {
    kill_executor(timer->data, "it was not ready in time");
}

static int spawn_with_socket(struct worker *w, struct ei_error *e) {
    struct executor *x = &w->executor;
    const char *argv[] = {"eider",   "executor",     "--name",
                          w->o.name, "--log-format", w->o.log_json ? "json" : "text",
                          NULL};
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
        return ei_fail_errno(e, EI_IO, errno, "cannot make a socket pair for the executor");
    struct ei_spawn s = {.argv = argv,
                         .pass_fd = fds[1],
                         .die_with_parent = true,
                         .data_limit_bytes = w->o.memory_bytes * 2 + DATA_LIMIT_EXTRA_BYTES,
                         .oom_score_adj = OOM_SCORE_ADJ};
    x->pid = ei_spawn(&s, e);
    close(fds[1]);
    if (x->pid < 0) {
        x->pid = 0;
        close(fds[0]);
        return -1;
    }
    x->conn = ei_conn_from_fd(&w->loop, fds[0], EI_ROLE_EXECUTOR, &executor_events, w);
    return 0;
}

static void spawn_executor(struct worker *w) {
    struct executor *x = &w->executor;
    struct ei_error e;
    x->spawned_us = ei_now_us();
    x->ran_something = x->was_ready = x->setup_failed = false;
    x->oom_kills = ei_worker_oom_kills();
    x->directory = ei_asprintf("%s/%" PRIu64, w->executor_dir, ++x->incarnations);
    if (ei_mkdirs(x->directory, 0700, &e) != 0 || spawn_with_socket(w, &e) != 0) {
        ei_log(EI_LOG_ERROR, "the executor cannot be started: %s", e.text);
        free(x->directory);
        x->directory = NULL;
        plan_restart(w, &e, false);
        ei_worker_pump(w);
        return;
    }
    x->state = EXECUTOR_STARTING;
    uv_timer_start(&x->start_timer, start_deadline, EI_WORKER_EXECUTOR_START_MS, 0);
}

void ei_worker_executor_start(struct worker *w) {
    uv_timer_init(&w->loop, &w->executor.start_timer);
    uv_timer_init(&w->loop, &w->executor.stop_timer);
    w->executor.start_timer.data = w->executor.stop_timer.data = w;
    spawn_executor(w);
}

void ei_worker_executor_stop(struct worker *w) {
    uv_timer_stop(&w->executor.start_timer);
    uv_timer_stop(&w->executor.stop_timer);
    kill_executor(w, "the worker stops");
    if (w->executor.conn)
        ei_conn_close(w->executor.conn);
}

/* ---- tasks ---- */
/* A failure shows when the executor cannot create its output. */
static void make_directory(struct worker *w, struct job *j) {
    char *path = ei_asprintf("%s/%" PRIu64, w->exchange_dir, j->id);
    j->has_directory = ei_mkdirs(path, 0700, NULL) == 0;
    free(path);
}

void ei_worker_executor_run(struct worker *w, struct attempt *a) {
    const Eider__V1__StageSpec *spec = a->stage->spec;
    Eider__V1__RunTask m = EIDER__V1__RUN_TASK__INIT;
    Eider__V1__AttemptId id = EIDER__V1__ATTEMPT_ID__INIT;
    Eider__V1__LocalSource *sources = ei_calloc(a->input_count + 1, sizeof *sources);
    Eider__V1__LocalSource **items = ei_calloc(a->input_count + 1, sizeof *items);
    char *path = ei_worker_output_path(w, a->id, "tmp");
    if (!a->stage->job->has_directory && !spec->native_noop)
        make_directory(w, a->stage->job);
    id.job = a->id.job;
    id.stage = a->id.stage;
    id.task = a->id.task;
    id.attempt = a->id.attempt;
    for (size_t i = 0; i < a->input_count; i++) {
        const struct input *in = &a->inputs[i];
        eider__v1__local_source__init(&sources[i]);
        sources[i].input = spec->exchanges[in->exchange]->name;
        sources[i].path = in->path;
        sources[i].producer_task = in->task;
        sources[i].attempt = in->attempt;
        items[i] = &sources[i];
    }
    m.id = &id;
    m.spec = a->stage->spec;
    m.split = a->split;
    m.first_partition = a->first_partition;
    m.partition_count = a->partition_count;
    m.sources = items;
    m.n_sources = a->input_count;
    m.output_path = path;
    m.memory_bytes = a->memory_bytes;
    ei_conn_send(w->executor.conn, &m.base);
    free(path);
    free(items);
    free(sources);
}

static void stop_overdue(uv_timer_t *timer) {
    struct worker *w = timer->data;
    int64_t now = ei_now_us(), next = INT64_MAX;
    for (struct attempt *a = w->executor.running.first; a; a = a->next) {
        if (a->state == ATTEMPT_STOPPING)
            next = EI_MIN(next, a->stop_by_us);
    }
    if (next == INT64_MAX)
        return;
    if (next <= now)
        kill_executor(w, "a stopped task did not end in time");
    else
        uv_timer_start(timer, stop_overdue, (uint64_t)(next - now + 999) / 1000, 0);
}

void ei_worker_executor_ask_stop(struct worker *w, struct attempt *a) {
    Eider__V1__StopTask m = EIDER__V1__STOP_TASK__INIT;
    Eider__V1__AttemptId id = EIDER__V1__ATTEMPT_ID__INIT;
    id.job = a->id.job;
    id.stage = a->id.stage;
    id.task = a->id.task;
    id.attempt = a->id.attempt;
    m.id = &id;
    if (w->executor.conn)
        ei_conn_send(w->executor.conn, &m.base);
    if (!uv_is_active((uv_handle_t *)&w->executor.stop_timer))
        stop_overdue(&w->executor.stop_timer);
}
