/* A real worker and its real executor under a master made for the test: two stages, faults, cancel,
 * remote inputs, damaged inputs. This program is also the worker and the executor that it starts.
 */
#include "base/mem.h"
#include "exchange/file.h"
#include "executor/executor.h"
#include "os/os.h"
#include "pki/pki.h"
#include "rpc/rpc.h"
#include "worker/worker.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define WAIT_MS 20000
#define EVENTS_MAX 100000
#define LONG_QUERY "SELECT count(*) AS c FROM range(1000000000000) t(i) WHERE i % 7 = 3"

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* ---- the master ---- */
struct peer {
    char name[32];
    struct ei_conn *conn;
    Eider__V1__Register *registration;
    Eider__V1__Heartbeat *heartbeat;
    uint64_t epoch, registrations;
    pid_t pid;
    int ready_fd;
};

static struct {
    uv_loop_t loop;
    char dir[64];
    struct ei_tls *tls;
    struct ei_server *server;
    struct peer workers[2];
    Eider__V1__TaskEvent **events;
    size_t event_count;
    uint64_t epoch, first_job;
    uv_timer_t timer;
    bool timed_out;
} T;

static void *copy_message(const ProtobufCMessage *m) {
    size_t len = protobuf_c_message_get_packed_size(m);
    uint8_t *bytes = ei_malloc(len);
    protobuf_c_message_pack(m, bytes);
    void *copy = protobuf_c_message_unpack(m->descriptor, NULL, len, bytes);
    free(bytes);
    return copy;
}

static struct peer *peer_named(const char *name) {
    for (size_t i = 0; i < 2; i++) {
        if (strcmp(T.workers[i].name, name) == 0)
            return &T.workers[i];
    }
    return NULL;
}

static void on_register(struct ei_conn *c, struct peer *p, const struct ei_message *m) {
    Eider__V1__RegisterReply reply = EIDER__V1__REGISTER_REPLY__INIT;
    if (p->registration)
        eider__v1__register__free_unpacked(p->registration, NULL);
    p->registration = copy_message(m->body);
    p->conn = c;
    p->registrations++;
    reply.epoch = p->epoch = ++T.epoch;
    reply.heartbeat_ms = 100;
    reply.first_job = T.first_job;
    ei_conn_reply(c, m->request, &reply.base);
}

static void on_message(struct ei_conn *c, void *data, const struct ei_message *m) {
    struct peer *p = peer_named(ei_conn_peer_name(c));
    if (m->type == EI_MSG_REGISTER) {
        on_register(c, p, m);
    } else if (m->type == EI_MSG_HEARTBEAT) {
        if (p->heartbeat)
            eider__v1__heartbeat__free_unpacked(p->heartbeat, NULL);
        p->heartbeat = copy_message(m->body);
    } else if (m->type == EI_MSG_TASK_EVENTS) {
        const Eider__V1__TaskEvents *events = (const Eider__V1__TaskEvents *)m->body;
        for (size_t i = 0; i < events->n_events && events->epoch == p->epoch; i++) {
            assert_true(T.event_count < EVENTS_MAX);
            T.events[T.event_count++] = copy_message(&events->events[i]->base);
        }
    }
}

static void on_open(struct ei_conn *c, void *data) {
}

static void on_closed(struct ei_conn *c, void *data, const struct ei_error *e) {
    for (size_t i = 0; i < 2; i++) {
        if (T.workers[i].conn == c)
            T.workers[i].conn = NULL;
    }
}

static const struct ei_conn_events master_events = {on_open, on_message, on_closed};

/* ---- waiting ---- */
static void on_timeout(uv_timer_t *timer) {
    T.timed_out = true;
}

typedef bool (*condition_fn)(const void *arg);

static bool wait_for(condition_fn condition, const void *arg, uint64_t ms) {
    T.timed_out = false;
    uv_timer_start(&T.timer, on_timeout, ms, 0);
    while (!condition(arg) && !T.timed_out)
        uv_run(&T.loop, UV_RUN_ONCE);
    uv_timer_stop(&T.timer);
    return condition(arg);
}

static Eider__V1__TaskEvent *find_event(uint64_t job, uint32_t stage, uint32_t task,
                                        uint32_t attempt) {
    for (size_t i = 0; i < T.event_count; i++) {
        Eider__V1__TaskEvent *event = T.events[i];
        if (event->id->job == job && event->id->stage == stage && event->id->task == task &&
            event->id->attempt == attempt && event->state != EIDER__V1__TASK_STATE__TASK_RUNNING)
            return event;
    }
    return NULL;
}

static bool event_there(const void *arg) {
    const uint32_t *id = arg;
    return find_event(id[0], id[1], id[2], id[3]) != NULL;
}

static Eider__V1__TaskEvent *wait_event(uint32_t job, uint32_t stage, uint32_t task,
                                        uint32_t attempt) {
    uint32_t id[4] = {job, stage, task, attempt};
    if (!wait_for(event_there, id, WAIT_MS))
        fail_msg("no event for job %u task %u.%u attempt %u", job, stage, task, attempt);
    return find_event(job, stage, task, attempt);
}

static Eider__V1__TaskEvent *wait_done(uint32_t job, uint32_t stage, uint32_t task,
                                       uint32_t attempt) {
    Eider__V1__TaskEvent *event = wait_event(job, stage, task, attempt);
    if (event->state != EIDER__V1__TASK_STATE__TASK_DONE)
        fail_msg("task %u.%u failed: %s", stage, task, event->error ? event->error->text : "?");
    return event;
}

static Eider__V1__TaskEvent *wait_failed(uint32_t job, uint32_t stage, uint32_t task,
                                         uint32_t attempt, enum ei_code code) {
    Eider__V1__TaskEvent *event = wait_event(job, stage, task, attempt);
    assert_int_equal(event->state, EIDER__V1__TASK_STATE__TASK_FAILED);
    if (event->error->code != (uint32_t)code)
        fail_msg("expected %s, got: %s", ei_code_name(code), event->error->text);
    return event;
}

static bool running_there(const void *arg) {
    const uint32_t *id = arg;
    for (size_t i = 0; i < T.event_count; i++) {
        if (T.events[i]->id->job == id[0] && T.events[i]->id->task == id[1] &&
            T.events[i]->state == EIDER__V1__TASK_STATE__TASK_RUNNING)
            return true;
    }
    return false;
}

static void wait_running(uint32_t job, uint32_t task) {
    uint32_t id[2] = {job, task};
    assert_true(wait_for(running_there, id, WAIT_MS));
}

static bool never(const void *arg) {
    return false;
}

static void pause_ms(uint64_t ms) {
    wait_for(never, NULL, ms);
}

/* ---- assignments ---- */
struct plan { /* one stage and its tasks in one Assign */
    uint32_t job, stage;
    const char *sql;
    uint32_t tasks, attempt, partitions;
    bool noop;
    uint32_t first_partition, partition_count; /* of all tasks */
    uint32_t first_task;
    Eider__V1__ExchangeInput *input; /* NULL: none */
    Eider__V1__StageSource *source;
};

static void assign(struct peer *to, const struct plan *plan) {
    Eider__V1__StageSpec spec = EIDER__V1__STAGE_SPEC__INIT;
    Eider__V1__StageOnWorker stage = EIDER__V1__STAGE_ON_WORKER__INIT;
    Eider__V1__Assign m = EIDER__V1__ASSIGN__INIT;
    Eider__V1__StageOnWorker *stages[1] = {&stage};
    Eider__V1__ExchangeInput *inputs[1] = {plan->input};
    Eider__V1__StageSource *sources[1] = {plan->source};
    uint32_t keys[1] = {0};
    Eider__V1__TaskAssign *tasks = ei_calloc(plan->tasks, sizeof *tasks);
    Eider__V1__AttemptId *ids = ei_calloc(plan->tasks, sizeof *ids);
    Eider__V1__TaskAssign **items = ei_calloc(plan->tasks, sizeof *items);
    spec.id = stage.stage = plan->stage;
    spec.sql = (char *)(uintptr_t)plan->sql;
    spec.native_noop = plan->noop;
    spec.tasks = plan->tasks;
    spec.partitions = plan->partitions;
    spec.output = plan->partitions > 1 ? EIDER__V1__DISTRIBUTION__DISTRIBUTION_HASH
                                       : EIDER__V1__DISTRIBUTION__DISTRIBUTION_RESULT;
    spec.key_columns = keys;
    spec.n_key_columns = plan->partitions > 1;
    spec.exchanges = inputs;
    spec.n_exchanges = plan->input != NULL;
    stage.job = plan->job;
    stage.spec = &spec;
    stage.has_spec = true;
    stage.sources = sources;
    stage.n_sources = plan->source != NULL;
    for (uint32_t i = 0; i < plan->tasks; i++) {
        eider__v1__task_assign__init(&tasks[i]);
        eider__v1__attempt_id__init(&ids[i]);
        ids[i].job = plan->job;
        ids[i].stage = plan->stage;
        ids[i].task = plan->first_task + i;
        ids[i].attempt = plan->attempt;
        tasks[i].id = &ids[i];
        tasks[i].first_partition = plan->first_partition;
        tasks[i].partition_count = plan->partition_count;
        items[i] = &tasks[i];
    }
    m.epoch = to->epoch;
    m.stages = stages;
    m.n_stages = 1;
    m.tasks = items;
    m.n_tasks = plan->tasks;
    ei_conn_send(to->conn, &m.base);
    free(items);
    free(ids);
    free(tasks);
}

static void kill_task(struct peer *to, uint32_t job, uint32_t stage, uint32_t task) {
    Eider__V1__KillTasks m = EIDER__V1__KILL_TASKS__INIT;
    Eider__V1__AttemptId id = EIDER__V1__ATTEMPT_ID__INIT;
    Eider__V1__AttemptId *ids[1] = {&id};
    id.job = job;
    id.stage = stage;
    id.task = task;
    id.attempt = 1;
    m.epoch = to->epoch;
    m.ids = ids;
    m.n_ids = 1;
    m.reason = (char *)(uintptr_t) "the test cancelled it";
    ei_conn_send(to->conn, &m.base);
}

static void forget(struct peer *to, uint64_t job) {
    Eider__V1__ForgetJobs m = EIDER__V1__FORGET_JOBS__INIT;
    m.jobs = &job;
    m.n_jobs = 1;
    ei_conn_send(to->conn, &m.base);
}

/* ---- worker processes ---- */
static bool registered(const void *arg) {
    const struct peer *p = arg;
    return p->conn && p->registration;
}

static bool executor_ready(const void *arg) {
    const struct peer *p = arg;
    return p->heartbeat && p->heartbeat->n_processes == 1 &&
           strcmp(p->heartbeat->processes[0]->state, "ready") == 0;
}

static void start_worker(size_t number, const char *host_id, const char *cores) {
    struct peer *p = &T.workers[number];
    struct ei_error e;
    char master[64];
    snprintf(p->name, sizeof p->name, "worker-%zu", number + 1);
    snprintf(master, sizeof master, "127.0.0.1:%d", ei_server_port(T.server));
    char *data = ei_asprintf("%s/%s", T.dir, p->name);
    char *log = ei_asprintf("%s/%s.log", T.dir, p->name);
    const char *argv[] = {"eider",     "worker", "--name",    p->name,      "--master",   master,
                          "--cores",   cores,    "--memory",  "1000000000", "--data-dir", data,
                          "--pki-dir", T.dir,    "--host-id", host_id,      NULL};
    struct ei_spawn s = {.argv = argv, .log_path = log, .pass_fd = -1, .die_with_parent = true};
    p->pid = ei_spawn(&s, &e);
    assert_true(p->pid > 0);
    assert_true(wait_for(registered, p, WAIT_MS));
    assert_true(wait_for(executor_ready, p, WAIT_MS));
    free(data);
    free(log);
}

static int stop_worker(struct peer *p, int number) {
    int status = -1;
    if (p->pid <= 0)
        return 0;
    kill(p->pid, number);
    while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR) {
    }
    p->pid = 0;
    return status;
}

static int start_all(void **state) {
    struct ei_error e = {0};
    char id[33], *ca, *crt, *key;
    signal(SIGPIPE, SIG_IGN);
    memcpy(T.dir, "/tmp/ei-test-worker-XXXXXX", sizeof "/tmp/ei-test-worker-XXXXXX");
    if (!mkdtemp(T.dir) || ei_pki_create_ca(T.dir, id, &e) != 0 ||
        ei_pki_issue(T.dir, EI_ROLE_MASTER, "master", NULL, &e) != 0 ||
        ei_pki_issue(T.dir, EI_ROLE_WORKER, "worker-1", NULL, &e) != 0 ||
        ei_pki_issue(T.dir, EI_ROLE_WORKER, "worker-2", NULL, &e) != 0)
        return -1;
    ca = ei_path_join(T.dir, "ca.crt");
    crt = ei_path_join(T.dir, "master.crt");
    key = ei_path_join(T.dir, "master.key");
    int rc = ei_tls_create(&T.tls, ca, crt, key, &e);
    free(ca);
    free(crt);
    free(key);
    uv_loop_init(&T.loop);
    uv_timer_init(&T.loop, &T.timer);
    T.events = ei_calloc(EVENTS_MAX, sizeof *T.events);
    struct ei_server_options o = {
        .host = "127.0.0.1", .port = 0, .tls = T.tls, .events = &master_events};
    if (rc != 0 || ei_server_listen(&T.server, &T.loop, &o, &e) != 0)
        return -1;
    start_worker(0, "host-a", "2");
    return 0;
}

static int stop_all(void **state) {
    struct ei_error e;
    stop_worker(&T.workers[0], SIGTERM);
    stop_worker(&T.workers[1], SIGTERM);
    for (size_t i = 0; i < T.event_count; i++)
        eider__v1__task_event__free_unpacked(T.events[i], NULL);
    free(T.events);
    for (size_t i = 0; i < 2; i++) {
        if (T.workers[i].registration)
            eider__v1__register__free_unpacked(T.workers[i].registration, NULL);
        if (T.workers[i].heartbeat)
            eider__v1__heartbeat__free_unpacked(T.workers[i].heartbeat, NULL);
    }
    ei_server_close(T.server);
    uv_close((uv_handle_t *)&T.timer, NULL);
    uv_run(&T.loop, UV_RUN_DEFAULT);
    ei_tls_destroy(T.tls);
    uv_loop_close(&T.loop);
    return getenv("EI_KEEP") ? 0 : ei_remove_tree(T.dir, &e);
}

/* ---- helpers of the tests ---- */
static Eider__V1__Output output_of(const Eider__V1__TaskEvent *event) {
    return *event->output;
}

/* The one BIGINT of a result with one row. */
static int64_t result_value(const char *path) {
    struct ei_buf file = {0};
    struct ei_error e;
    struct ei_exchange_file f = {0};
    struct ei_block_view views[1];
    if (ei_read_file(path, 1u << 20, &file, &e) != 0)
        fail_msg("%s", e.text);
    assert_int_equal(ei_exchange_file_open((uint8_t *)file.data, file.len, &f, &e), 0);
    assert_int_equal(f.index.rows, 1);
    assert_int_equal(ei_exchange_file_block(&f, 0, 0, true, views, &e), 0);
    int64_t value = *(const int64_t *)views[0].data;
    ei_exchange_file_release(&f);
    ei_buf_release(&file);
    return value;
}

struct two_stages {
    Eider__V1__Column column;
    Eider__V1__Column *columns[1];
    Eider__V1__ExchangeInput input;
    Eider__V1__StageSource source;
    Eider__V1__Output outputs[2];
    Eider__V1__Output *items[2];
};

/* Two producers on `worker` of 0 .. 99999 in four partitions, and what a consumer needs to know. */
static void produce(struct two_stages *s, struct peer *worker, uint32_t job) {
    struct plan plan = {.job = job,
                        .sql = "SELECT i AS k FROM range(100000) t(i)",
                        .tasks = 2,
                        .attempt = 1,
                        .partitions = 4};
    assign(worker, &plan);
    eider__v1__column__init(&s->column);
    eider__v1__exchange_input__init(&s->input);
    eider__v1__stage_source__init(&s->source);
    s->column.name = (char *)(uintptr_t) "k";
    s->column.type = (char *)(uintptr_t) "BIGINT";
    s->columns[0] = &s->column;
    s->input.name = (char *)(uintptr_t) "numbers";
    s->input.columns = s->columns;
    s->input.n_columns = 1;
    for (uint32_t i = 0; i < 2; i++) {
        s->outputs[i] = output_of(wait_done(job, 0, i, 1));
        s->items[i] = &s->outputs[i];
    }
    s->source.outputs = s->items;
    s->source.n_outputs = 2;
}

static struct plan consumer(struct two_stages *s, uint32_t job, uint32_t task, uint32_t attempt,
                            uint32_t first_partition) {
    return (struct plan){.job = job,
                         .stage = 1,
                         .sql = "SELECT CAST(sum(k) AS BIGINT) AS s FROM numbers",
                         .tasks = 1,
                         .first_task = task,
                         .attempt = attempt,
                         .partitions = 1,
                         .first_partition = first_partition,
                         .partition_count = 2,
                         .input = &s->input,
                         .source = &s->source};
}

#define SUM_OF_BOTH (2 * (INT64_C(99999) * 100000 / 2))

/* ---- READ_OUTPUT ---- */
struct read_result {
    bool over;
    uint32_t code;
    size_t bytes;
    uint64_t file_bytes;
};

static void on_read(void *data, const ProtobufCMessage *body, const struct ei_error *e) {
    struct read_result *r = data;
    r->over = true;
    r->code = EI_UNREACHABLE;
    if (!body)
        return;
    const Eider__V1__ReadOutputReply *reply = (const Eider__V1__ReadOutputReply *)body;
    r->code = reply->error ? reply->error->code : 0;
    r->bytes = reply->data.len;
    r->file_bytes = reply->file_bytes;
}

static bool read_over(const void *arg) {
    return ((const struct read_result *)arg)->over;
}

static void on_reader_open(struct ei_conn *c, void *data) {
    *(bool *)data = true;
}
static void on_reader_message(struct ei_conn *c, void *data, const struct ei_message *m) {
}
static void on_reader_closed(struct ei_conn *c, void *data, const struct ei_error *e) {
    *(bool *)data = false;
}
static const struct ei_conn_events reader_events = {on_reader_open, on_reader_message,
                                                    on_reader_closed};
static bool is_true(const void *arg) {
    return *(const bool *)arg;
}
static bool is_false(const void *arg) {
    return !*(const bool *)arg;
}

static struct read_result read_output(struct ei_conn *c, Eider__V1__ReadOutput m) {
    struct read_result r = {0};
    ei_conn_call(c, &m.base, 5000, on_read, &r);
    assert_true(wait_for(read_over, &r, WAIT_MS));
    return r;
}

/* ---- tests ---- */
static void test_two_stages(void **state) {
    struct peer *w = &T.workers[0];
    struct two_stages s;
    int64_t began = ei_now_us();
    produce(&s, w, 1);
    int64_t produced = ei_now_us();
    struct plan a = consumer(&s, 1, 0, 1, 0), b = consumer(&s, 1, 1, 1, 2);
    assign(w, &a);
    assign(w, &b);
    const Eider__V1__TaskEvent *first = wait_done(1, 1, 0, 1), *second = wait_done(1, 1, 1, 1);
    print_message("two stages: producers %.1f ms, consumers %.1f ms\n",
                  (double)(produced - began) / 1000, (double)(ei_now_us() - produced) / 1000);
    int64_t one = result_value(first->output->path), two = result_value(second->output->path);
    assert_true(one > 0 && two > 0);
    assert_int_equal(one + two, SUM_OF_BOTH);
    assert_string_equal(first->output->worker, "worker-1");
    assert_string_equal(first->output->host_id, "host-a");
    assert_int_equal(first->output->rows, 1);
    assert_int_equal(first->stats->rows_in + second->stats->rows_in, 200000);
    assert_int_equal(find_event(1, 0, 0, 1)->n_partition_bytes, 4);
    assert_true(first->stats->wall_us > 0);
}

static void test_read_output(void **state) {
    char *crt = ei_path_join(T.dir, "worker-2.crt"), *key = ei_path_join(T.dir, "worker-2.key");
    char *ca = ei_path_join(T.dir, "ca.crt");
    struct ei_tls *tls;
    bool open = false;
    assert_int_equal(ei_tls_create(&tls, ca, crt, key, NULL), 0);
    struct ei_conn *c = ei_conn_connect(&T.loop, tls, T.workers[0].registration->address,
                                        EI_ROLE_WORKER, &reader_events, &open);
    assert_true(wait_for(is_true, &open, WAIT_MS));
    Eider__V1__ReadOutput m = EIDER__V1__READ_OUTPUT__INIT;
    m.job = 1;
    m.attempt = 1;
    m.length = 1000;
    const Eider__V1__Output *output = find_event(1, 0, 0, 1)->output;
    struct read_result r = read_output(c, m);
    assert_int_equal(r.code, 0);
    assert_int_equal(r.bytes, 1000);
    assert_int_equal(r.file_bytes, output->file_bytes);
    m.offset = output->file_bytes - 10;
    assert_int_equal(read_output(c, m).bytes, 10);
    m.offset = output->file_bytes + 10;
    assert_int_equal(read_output(c, m).bytes, 0);
    m.length = (1u << 20) + 1;
    assert_int_equal(read_output(c, m).code, EI_LIMIT);
    m.length = 10;
    m.attempt = 2;
    assert_int_equal(read_output(c, m).code, EI_NOT_FOUND);
    m.attempt = 1;
    m.job = 77;
    assert_int_equal(read_output(c, m).code, EI_NOT_FOUND);
    ei_conn_close(c);
    assert_true(wait_for(is_false, &open, WAIT_MS));
    ei_tls_destroy(tls);
    free(ca);
    free(crt);
    free(key);
}

static void test_wrong_sql(void **state) {
    struct plan plan = {.job = 2,
                        .sql = "SELECT nothing_here FROM nowhere",
                        .tasks = 1,
                        .attempt = 1,
                        .partitions = 1};
    assign(&T.workers[0], &plan);
    const Eider__V1__TaskEvent *event = wait_failed(2, 0, 0, 1, EI_INVALID);
    assert_non_null(strstr(event->error->text, "nowhere"));
    assert_false(event->not_its_fault);
}

static bool path_gone(const void *path) {
    return access(path, F_OK) != 0;
}

static void test_forget(void **state) {
    char *path = ei_strdup(find_event(1, 0, 0, 1)->output->path);
    char *job = ei_asprintf("%s/worker-1/exchange/1", T.dir);
    assert_int_equal(access(path, F_OK), 0);
    forget(&T.workers[0], 1);
    while (access(job, F_OK) == 0 && wait_for(path_gone, job, 10) == false) {
    }
    assert_int_not_equal(access(job, F_OK), 0);
    free(path);
    free(job);
}

static void test_queue(void **state) { /* more tasks than slots */
    struct plan plan = {
        .job = 3, .sql = "SELECT 1 AS one", .tasks = 40, .attempt = 1, .partitions = 1};
    int64_t began = ei_now_us();
    assign(&T.workers[0], &plan);
    for (uint32_t i = 0; i < 40; i++)
        wait_done(3, 0, i, 1);
    print_message("small tasks: %.2f ms each\n", (double)(ei_now_us() - began) / 1000 / 40);
    forget(&T.workers[0], 3);
}

static void test_kill_task(void **state) {
    struct plan plan = {.job = 4, .sql = LONG_QUERY, .tasks = 4, .attempt = 1, .partitions = 1};
    struct peer *w = &T.workers[0];
    uint32_t executor = w->heartbeat->processes[0]->pid;
    assign(w, &plan);
    wait_running(4, 0);
    wait_running(4, 1);
    pause_ms(50);
    int64_t began = ei_now_us();
    kill_task(w, 4, 0, 3); /* queued */
    wait_failed(4, 0, 3, 1, EI_CANCELLED);
    kill_task(w, 4, 0, 0); /* running */
    const Eider__V1__TaskEvent *event = wait_failed(4, 0, 0, 1, EI_CANCELLED);
    assert_string_equal(event->error->text, "the test cancelled it");
    print_message("kill: %.1f ms\n", (double)(ei_now_us() - began) / 1000);
    assert_true(ei_now_us() - began < (SANITIZED ? 1000000 : 200000));
    forget(w, 4);
    pause_ms(400);
    assert_null(find_event(4, 0, 1, 1)); /* a forgotten job has no events */
    assert_int_equal(w->heartbeat->processes[0]->pid, executor);
    assert_string_equal(w->heartbeat->processes[0]->state, "ready");
}

static bool other_executor(const void *arg) {
    const struct peer *w = &T.workers[0];
    return w->heartbeat->n_processes == 1 &&
           w->heartbeat->processes[0]->pid != *(const uint32_t *)arg && executor_ready(w);
}

/* An interrupt does not reach into one vectorised call: the executor goes, the innocent task with
 * it. */
static void test_kill_stubborn(void **state) {
    struct plan stubborn = {.job = 5,
                            .attempt = 1,
                            .tasks = 1,
                            .partitions = 1,
                            .sql = "SELECT list_sum(list_transform(range(12000000), lambda x: "
                                   "sqrt(x) + ln(x + 1))) AS s"};
    struct plan innocent = {.job = 6, .sql = LONG_QUERY, .tasks = 1, .attempt = 1, .partitions = 1};
    struct peer *w = &T.workers[0];
    uint32_t executor = w->heartbeat->processes[0]->pid;
    assign(w, &innocent);
    assign(w, &stubborn);
    wait_running(6, 0);
    wait_running(5, 0);
    pause_ms(50);
    int64_t began = ei_now_us();
    kill_task(w, 5, 0, 0);
    wait_failed(5, 0, 0, 1, EI_CANCELLED);
    print_message("kill of a stubborn task: %.1f ms\n", (double)(ei_now_us() - began) / 1000);
    assert_true(ei_now_us() - began < (SANITIZED ? 2000000 : 300000));
    const Eider__V1__TaskEvent *event = wait_failed(6, 0, 0, 1, EI_LOST);
    assert_true(event->not_its_fault);
    assert_true(wait_for(other_executor, &executor, WAIT_MS));
    print_message("next executor ready after %.1f ms\n", (double)(ei_now_us() - began) / 1000);
    forget(w, 5);
    forget(w, 6);
}

static void test_executor_killed(void **state) {
    struct plan plan = {.job = 7, .sql = LONG_QUERY, .tasks = 1, .attempt = 1, .partitions = 1};
    struct plan again = {
        .job = 7, .stage = 1, .sql = "SELECT 1 AS one", .tasks = 1, .attempt = 2, .partitions = 1};
    struct peer *w = &T.workers[0];
    uint32_t executor = w->heartbeat->processes[0]->pid;
    assign(w, &plan);
    wait_running(7, 0);
    int64_t began = ei_now_us();
    kill((pid_t)executor, SIGKILL);
    const Eider__V1__TaskEvent *event = wait_failed(7, 0, 0, 1, EI_LOST);
    assert_false(event->not_its_fault);
    assert_non_null(strstr(event->error->text, "died: signal 9 (killed)"));
    assign(w, &again);
    wait_done(7, 1, 0, 2);
    print_message("executor killed, next task done after %.1f ms\n",
                  (double)(ei_now_us() - began) / 1000);
    forget(w, 7);
}

static bool registered_again(const void *arg) {
    return T.workers[0].conn && T.workers[0].registrations > *(const uint64_t *)arg;
}

static void test_reconnect(void **state) {
    struct plan quick = {
        .job = 8, .sql = "SELECT 1 AS one", .tasks = 1, .attempt = 1, .partitions = 1};
    struct plan slow = {.job = 9, .sql = LONG_QUERY, .tasks = 1, .attempt = 1, .partitions = 1};
    struct peer *w = &T.workers[0];
    uint64_t before = w->registrations;
    assign(w, &quick);
    assign(w, &slow);
    wait_done(8, 0, 0, 1);
    wait_running(9, 0);
    size_t events = T.event_count;
    uint64_t incarnation = w->registration->incarnation;
    ei_conn_close(w->conn);
    assert_true(wait_for(registered_again, &before, WAIT_MS));
    assert_int_equal(w->registration->incarnation, incarnation);
    assert_int_equal(w->registration->n_running, 1);
    assert_int_equal(w->registration->running[0]->job, 9);
    pause_ms(100);
    assert_true(T.event_count > events); /* said again */
    assert_int_equal(T.events[T.event_count - 1]->id->job, 8);
    T.first_job = 10; /* as a master that knows nothing of them would */
    before = w->registrations;
    ei_conn_close(w->conn);
    assert_true(wait_for(registered_again, &before, WAIT_MS));
    pause_ms(300);
    before = w->registrations;
    ei_conn_close(w->conn);
    assert_true(wait_for(registered_again, &before, WAIT_MS));
    assert_int_equal(w->registration->n_running, 0);
}

static void test_noops(void **state) {
    enum { TASKS = 20000 };
    struct plan plan = {
        .job = 10, .sql = "", .tasks = TASKS, .attempt = 1, .partitions = 1, .noop = true};
    int64_t began = ei_now_us();
    size_t before = T.event_count;
    assign(&T.workers[0], &plan);
    while (T.event_count - before < TASKS && !T.timed_out)
        uv_run(&T.loop, UV_RUN_ONCE);
    print_message("no-op tasks: %.0f a second\n",
                  TASKS / ((double)(ei_now_us() - began) / 1000000));
    assert_int_equal(T.event_count - before, TASKS);
    forget(&T.workers[0], 10);
}

static void test_idle_memory(void **state) {
    struct peer *w = &T.workers[0];
    pause_ms(1500);
    uint64_t worker = w->heartbeat->rss_bytes, executor = w->heartbeat->processes[0]->rss_bytes;
    print_message("idle memory: worker %.1f MB, executor %.1f MB\n", (double)worker / 1e6,
                  (double)executor / 1e6);
    if (!SANITIZED) {
        assert_true(worker < 8u << 20);
        assert_true(executor < 45u << 20);
    }
}

static void flip_byte(const char *path, off_t at) {
    char c;
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0 && pread(fd, &c, 1, at) == 1);
    c = (char)~c;
    assert_int_equal(pwrite(fd, &c, 1, at), 1);
    close(fd);
}

static void test_remote(void **state) {
    struct two_stages s;
    start_worker(1, "host-b", "1");
    produce(&s, &T.workers[0], 11);
    struct plan a = consumer(&s, 11, 0, 1, 0), b = consumer(&s, 11, 1, 1, 2);
    int64_t began = ei_now_us();
    assign(&T.workers[1], &a);
    assign(&T.workers[1], &b);
    const Eider__V1__TaskEvent *first = wait_done(11, 1, 0, 1), *second = wait_done(11, 1, 1, 1);
    print_message("remote inputs: %.1f ms\n", (double)(ei_now_us() - began) / 1000);
    assert_int_equal(result_value(first->output->path) + result_value(second->output->path),
                     SUM_OF_BOTH);
    assert_string_equal(first->output->worker, "worker-2");
}

static void check_lost(const Eider__V1__TaskEvent *event, uint32_t task) {
    assert_int_equal(event->lost_stage, 0);
    assert_int_equal(event->n_lost_inputs, 1);
    assert_int_equal(event->lost_inputs[0]->task, task);
    assert_int_equal(event->lost_inputs[0]->attempt, 1);
    assert_string_equal(event->lost_inputs[0]->worker, "worker-1");
    assert_true(event->not_its_fault);
}

static void test_damaged_input(void **state) {
    struct two_stages s;
    produce(&s, &T.workers[0], 12);
    flip_byte(s.outputs[1].path, (off_t)s.outputs[1].file_bytes / 2);
    struct plan here = consumer(&s, 12, 0, 1, 0), there = consumer(&s, 12, 1, 1, 0);
    here.partition_count = there.partition_count = 4;
    assign(&T.workers[0], &here);
    check_lost(wait_failed(12, 1, 0, 1, EI_INPUT_LOST), 1);
    assign(&T.workers[1], &there);
    check_lost(wait_failed(12, 1, 1, 1, EI_INPUT_LOST), 1);
    /* Recomputed: the same task reads attempt 2 and is right. */
    struct plan plan = {.job = 12,
                        .sql = "SELECT i AS k FROM range(100000) t(i)",
                        .tasks = 1,
                        .first_task = 1,
                        .attempt = 2,
                        .partitions = 4};
    assign(&T.workers[0], &plan);
    s.outputs[1] = output_of(wait_done(12, 0, 1, 2));
    there.attempt = 2;
    assign(&T.workers[1], &there);
    assert_int_equal(result_value(wait_done(12, 1, 1, 2)->output->path), SUM_OF_BOTH);
}

static void test_missing_input(void **state) {
    struct two_stages s;
    produce(&s, &T.workers[0], 13);
    assert_int_equal(unlink(s.outputs[0].path), 0);
    struct plan here = consumer(&s, 13, 0, 1, 0), there = consumer(&s, 13, 1, 1, 0);
    assign(&T.workers[0], &here);
    check_lost(wait_failed(13, 1, 0, 1, EI_INPUT_LOST), 0);
    assign(&T.workers[1], &there);
    check_lost(wait_failed(13, 1, 1, 1, EI_INPUT_LOST), 0);
}

static void test_dead_peer(void **state) {
    struct two_stages s;
    produce(&s, &T.workers[0], 14);
    stop_worker(&T.workers[0], SIGKILL);
    struct plan there = consumer(&s, 14, 0, 1, 0);
    int64_t began = ei_now_us();
    assign(&T.workers[1], &there);
    const Eider__V1__TaskEvent *event = wait_failed(14, 1, 0, 1, EI_INPUT_LOST);
    print_message("dead peer: %.0f ms; %s\n", (double)(ei_now_us() - began) / 1000,
                  event->error->text);
    assert_int_equal(event->n_lost_inputs, 2);
    assert_true(ei_now_us() - began < 5000000);
}

static void test_clean_stop(void **state) {
    char *exchange = ei_asprintf("%s/worker-2/exchange", T.dir);
    char *executor = ei_asprintf("%s/worker-2/executor", T.dir);
    assert_int_equal(access(exchange, F_OK), 0);
    int64_t began = ei_now_us();
    int status = stop_worker(&T.workers[1], SIGTERM);
    print_message("stop: %.0f ms\n", (double)(ei_now_us() - began) / 1000);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_not_equal(access(exchange, F_OK), 0);
    assert_int_not_equal(access(executor, F_OK), 0);
    free(exchange);
    free(executor);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "worker") == 0)
        return ei_worker_main(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "executor") == 0)
        return ei_executor_main(argc - 1, argv + 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_stages),      cmocka_unit_test(test_read_output),
        cmocka_unit_test(test_wrong_sql),       cmocka_unit_test(test_forget),
        cmocka_unit_test(test_queue),           cmocka_unit_test(test_kill_task),
        cmocka_unit_test(test_idle_memory),     cmocka_unit_test(test_kill_stubborn),
        cmocka_unit_test(test_executor_killed), cmocka_unit_test(test_reconnect),
        cmocka_unit_test(test_noops),           cmocka_unit_test(test_remote),
        cmocka_unit_test(test_damaged_input),   cmocka_unit_test(test_missing_input),
        cmocka_unit_test(test_dead_peer),       cmocka_unit_test(test_clean_stop),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
