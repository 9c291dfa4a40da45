/* A master made for tests: takes registrations, sends assignments, keeps the events that come back,
 * starts workers (this very program, see the test's main) and reads their results. */
#ifndef EIDER_TESTS_FAKE_MASTER_H
#define EIDER_TESTS_FAKE_MASTER_H

#include "base/mem.h"
#include "exchange/file.h"
#include "os/os.h"
#include "pki/pki.h"
#include "rpc/rpc.h"

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

#include "sanitized.h"

#define WAIT_MS 20000
#define EVENTS_MAX 100000
#define LONG_QUERY "SELECT count(*) AS c FROM range(1000000000000) t(i) WHERE i % 7 = 3"

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
    Eider__V1__TableInput *table; /* NULL: none */
    Eider__V1__Split *split;      /* of the table, for all tasks */
};

static void assign(struct peer *to, const struct plan *plan) {
    Eider__V1__StageSpec spec = EIDER__V1__STAGE_SPEC__INIT;
    Eider__V1__StageOnWorker stage = EIDER__V1__STAGE_ON_WORKER__INIT;
    Eider__V1__Assign m = EIDER__V1__ASSIGN__INIT;
    Eider__V1__StageOnWorker *stages[1] = {&stage};
    Eider__V1__ExchangeInput *inputs[1] = {plan->input};
    Eider__V1__StageSource *sources[1] = {plan->source};
    Eider__V1__TableInput *tables[1] = {plan->table};
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
    if (plan->table) {
        spec.tables = tables;
        spec.n_tables = 1;
        spec.split_table = plan->table->name;
    }
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
        tasks[i].split = plan->split;
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

#endif
