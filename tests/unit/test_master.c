/* The master as a process of its own (ei_master_main in a child), driven by workers and gateways
 * that are this test's: what each side hears is checked message by message. */
#include "base/mem.h"
#include "http/http.h"
#include "master/internal.h"
#include "master/master.h"
#include "os/os.h"
#include "pki/pki.h"

#include <json-c/json.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define WAIT_US 10000000

static struct {
    char dir[64], pki[96], tokens[96], data[96];
    char token[65], reader[65];
    pid_t pid;
    int rpc_port, ui_port;
} master;

/* ---- the master's process ---- */

static int child(int ready_fd) {
    char fd[16];
    (void)snprintf(fd, sizeof fd, "%d", ready_fd);
    const char *argv[] = {"master",     "--pki-dir", master.pki,   "--tokens", master.tokens,
                          "--data-dir", master.data, "--ready-fd", fd,         NULL};
    char *log = ei_path_join(master.dir, "log");
    if (freopen(log, "a", stderr) == NULL)
        return 1;
    free(log);
    return ei_master_main((int)EI_ARRAY_LEN(argv) - 1, (char **)(uintptr_t)argv);
}

static void start_master(void) {
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    master.pid = fork();
    assert_true(master.pid >= 0);
    if (master.pid == 0) {
        (void)close(fds[0]);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(child(fds[1]));
    }
    (void)close(fds[1]);
    char line[512] = {0};
    size_t len = 0;
    for (ssize_t n; len < sizeof line - 1 && (n = read(fds[0], line + len, 511 - len)) > 0;)
        len += (size_t)n;
    (void)close(fds[0]);
    if (sscanf(line, "{\"ports\":{\"rpc\":%d,\"ui\":%d}}", &master.rpc_port, &master.ui_port) != 2)
        fail_msg("the master said: %s", line);
}

static void stop_master(int signal_number, int wanted) {
    int status = 0;
    assert_int_equal(kill(master.pid, signal_number), 0);
    assert_int_equal(waitpid(master.pid, &status, 0), master.pid);
    if (wanted >= 0)
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == wanted);
}

static int setup(void **state) {
    (void)state;
    char cluster[33], hash[2][65];
    struct ei_error e = {0};
    (void)snprintf(master.dir, sizeof master.dir, "/tmp/eider-master-XXXXXX");
    if (mkdtemp(master.dir) == NULL)
        return -1;
    (void)snprintf(master.pki, sizeof master.pki, "%s/pki", master.dir);
    (void)snprintf(master.tokens, sizeof master.tokens, "%s/tokens", master.dir);
    (void)snprintf(master.data, sizeof master.data, "%s/master", master.dir);
    if (ei_mkdirs(master.pki, 0700, &e) != 0 || ei_pki_create_ca(master.pki, cluster, &e) != 0 ||
        ei_pki_issue(master.pki, EI_ROLE_MASTER, "master", NULL, &e) != 0 ||
        ei_pki_issue(master.pki, EI_ROLE_GATEWAY, "gateway", NULL, &e) != 0 ||
        ei_pki_issue(master.pki, EI_ROLE_WORKER, "worker-1", NULL, &e) != 0 ||
        ei_pki_issue(master.pki, EI_ROLE_WORKER, "worker-2", NULL, &e) != 0)
        return -1;
    ei_token_create(master.token, hash[0]);
    ei_token_create(master.reader, hash[1]);
    struct ei_buf b = {0};
    ei_buf_printf(&b, "%s admin test\n%s read reader\n", hash[0], hash[1]);
    int rc = ei_write_file_atomic(master.tokens, 0600, b.data, b.len, &e);
    ei_buf_release(&b);
    start_master();
    return rc;
}

static int teardown(void **state) {
    (void)state;
    stop_master(SIGTERM, 0);
    return ei_remove_tree(master.dir, NULL);
}

/* ---- a fake process ---- */

struct heard {
    uint16_t type;
    ProtobufCMessage *body; /* owned */
};

struct fake {
    uv_loop_t *loop;
    uv_timer_t timer;
    struct ei_tls *tls;
    struct ei_conn *conn;
    bool open, closed, replied;
    ProtobufCMessage *reply; /* owned */
    struct heard inbox[256];
    size_t count;
    uint64_t epoch;
};

static ProtobufCMessage *copy(const ProtobufCMessage *m) {
    size_t n = protobuf_c_message_get_packed_size(m);
    uint8_t *bytes = ei_malloc(n);
    (void)protobuf_c_message_pack(m, bytes);
    ProtobufCMessage *c = protobuf_c_message_unpack(m->descriptor, NULL, n, bytes);
    free(bytes);
    assert_non_null(c);
    return c;
}

static void on_open(struct ei_conn *c, void *data) {
    ((struct fake *)data)->open = true;
}

static void on_message(struct ei_conn *c, void *data, const struct ei_message *m) {
    struct fake *f = data;
    assert_true(f->count < EI_ARRAY_LEN(f->inbox));
    f->inbox[f->count++] = (struct heard){m->type, copy(m->body)};
}

static void on_closed(struct ei_conn *c, void *data, const struct ei_error *e) {
    struct fake *f = data;
    f->closed = true;
    f->conn = NULL;
}

static const struct ei_conn_events fake_events = {on_open, on_message, on_closed};

static void on_tick(uv_timer_t *t) {
}

static bool turn_until(struct fake *f, bool (*done)(struct fake *f, const void *arg),
                       const void *arg, int64_t most_us) {
    int64_t end_us = ei_now_us() + most_us;
    while (!done(f, arg)) {
        if (ei_now_us() > end_us)
            return false;
        (void)uv_run(f->loop, UV_RUN_ONCE);
    }
    return true;
}

static bool is_open(struct fake *f, const void *arg) {
    return f->open || f->closed;
}
static bool is_closed(struct fake *f, const void *arg) {
    return f->closed;
}
static bool has_reply(struct fake *f, const void *arg) {
    return f->replied;
}

static void fake_connect(struct fake *f, uv_loop_t *loop, const char *name) {
    *f = (struct fake){.loop = loop};
    char crt[128], key[128], ca[128], address[32];
    struct ei_error e = {0};
    (void)snprintf(ca, sizeof ca, "%s/ca.crt", master.pki);
    (void)snprintf(crt, sizeof crt, "%s/%s.crt", master.pki, name);
    (void)snprintf(key, sizeof key, "%s/%s.key", master.pki, name);
    (void)snprintf(address, sizeof address, "127.0.0.1:%d", master.rpc_port);
    if (ei_tls_create(&f->tls, ca, crt, key, &e) != 0)
        fail_msg("%s", e.text);
    assert_int_equal(uv_timer_init(loop, &f->timer), 0);
    assert_int_equal(uv_timer_start(&f->timer, on_tick, 20, 20), 0);
    f->conn = ei_conn_connect(loop, f->tls, address, EI_ROLE_MASTER, &fake_events, f);
    assert_true(turn_until(f, is_open, NULL, WAIT_US));
    assert_true(f->open && !f->closed);
}

static void fake_close(struct fake *f) {
    if (f->conn != NULL) {
        ei_conn_close(f->conn);
        assert_true(turn_until(f, is_closed, NULL, WAIT_US));
    }
    uv_close((uv_handle_t *)&f->timer, NULL);
    (void)uv_run(f->loop, UV_RUN_NOWAIT);
    for (size_t i = 0; i < f->count; i++)
        protobuf_c_message_free_unpacked(f->inbox[i].body, NULL);
    protobuf_c_message_free_unpacked(f->reply, NULL);
    ei_tls_destroy(f->tls);
}

static void on_reply(void *data, const ProtobufCMessage *body, const struct ei_error *e) {
    struct fake *f = data;
    if (body == NULL)
        fail_msg("%s", e->text);
    f->reply = copy(body);
    f->replied = true;
}

/* The reply stays the fake's until the next call. */
static const void *call(struct fake *f, const ProtobufCMessage *m) {
    protobuf_c_message_free_unpacked(f->reply, NULL);
    f->reply = NULL;
    f->replied = false;
    ei_conn_call(f->conn, m, 5000, on_reply, f);
    assert_true(turn_until(f, has_reply, NULL, WAIT_US));
    return f->reply;
}

static bool has_type(struct fake *f, const void *arg) {
    for (size_t i = 0; i < f->count; i++)
        if (f->inbox[i].type == *(const uint16_t *)arg)
            return true;
    return false;
}

/* Takes the first message of this type out of the inbox; the caller frees it. */
static void *take(struct fake *f, uint16_t type) {
    if (!turn_until(f, has_type, &type, WAIT_US))
        fail_msg("no message of type %u came", type);
    size_t i = 0;
    while (f->inbox[i].type != type)
        i++;
    void *body = f->inbox[i].body;
    memmove(&f->inbox[i], &f->inbox[i + 1], (--f->count - i) * sizeof f->inbox[0]);
    return body;
}

static void let_go(void *message) {
    protobuf_c_message_free_unpacked(message, NULL);
}

static void send_register(struct fake *f, const char *role, const char *name,
                          uint64_t incarnation) {
    Eider__V1__Register r = EIDER__V1__REGISTER__INIT;
    char address[] = "127.0.0.1:7001", host[] = "this-host";
    r.role = (char *)(uintptr_t)role;
    r.name = (char *)(uintptr_t)name;
    r.address = address;
    r.host_id = host;
    r.pid = 4711;
    r.cores = 2;
    r.incarnation = incarnation;
    const Eider__V1__RegisterReply *reply = call(f, &r.base);
    assert_null(reply->error);
    assert_true(reply->epoch > 0 && reply->heartbeat_ms > 0);
    f->epoch = reply->epoch;
}

static void worker_up(struct fake *f, uv_loop_t *loop, const char *name, uint64_t incarnation) {
    fake_connect(f, loop, name);
    send_register(f, "worker", name, incarnation);
}

/* ---- jobs ---- */

/* Two stages: two splits, hashed into three partitions, that two tasks read. */
static Eider__V1__JobSpec *make_spec(void) {
    static const char text[] = "SELECT count(*) FROM 'x.log'";
    Eider__V1__JobSpec *spec = ei_malloc(sizeof *spec);
    eider__v1__job_spec__init(spec);
    spec->name = ei_strdup("test");
    spec->text = ei_strdup(text);
    spec->user = ei_strdup("me");
    spec->plan_text = ei_strdup("a plan");
    spec->n_stages = 2;
    spec->stages = ei_calloc(2, sizeof *spec->stages);
    for (uint32_t i = 0; i < 2; i++) {
        Eider__V1__StageSpec *s = spec->stages[i] = ei_malloc(sizeof *s);
        eider__v1__stage_spec__init(s);
        s->id = i;
        s->name = ei_strdup(i == 0 ? "scan x" : "final");
        s->sql = ei_strdup("SELECT 1");
        s->tasks = 2;
        s->partitions = i == 0 ? 3 : 1;
        s->output = i == 0 ? EIDER__V1__DISTRIBUTION__DISTRIBUTION_HASH
                           : EIDER__V1__DISTRIBUTION__DISTRIBUTION_RESULT;
    }
    Eider__V1__StageSpec *scan = spec->stages[0], *final = spec->stages[1];
    scan->n_columns = scan->n_key_columns = 1;
    scan->columns = ei_calloc(1, sizeof *scan->columns);
    scan->columns[0] = ei_malloc(sizeof *scan->columns[0]);
    eider__v1__column__init(scan->columns[0]);
    scan->columns[0]->name = ei_strdup("ip");
    scan->columns[0]->type = ei_strdup("VARCHAR");
    scan->key_columns = ei_calloc(1, sizeof *scan->key_columns);
    scan->n_tables = 1;
    scan->tables = ei_calloc(1, sizeof *scan->tables);
    scan->tables[0] = ei_malloc(sizeof *scan->tables[0]);
    eider__v1__table_input__init(scan->tables[0]);
    scan->tables[0]->name = ei_strdup("t");
    scan->split_table = ei_strdup("t");
    scan->n_splits = 2;
    scan->splits = ei_calloc(2, sizeof *scan->splits);
    for (uint32_t i = 0; i < 2; i++) {
        Eider__V1__Split *split = scan->splits[i] = ei_malloc(sizeof *split);
        eider__v1__split__init(split);
        split->n_slices = 1;
        split->slices = ei_calloc(1, sizeof *split->slices);
        split->slices[0] = ei_malloc(sizeof *split->slices[0]);
        eider__v1__file_slice__init(split->slices[0]);
        split->slices[0]->path = ei_strdup("/data/x.log");
        split->slices[0]->begin = i * 100;
        split->slices[0]->end = i * 100 + 100;
    }
    final->n_exchanges = 1;
    final->exchanges = ei_calloc(1, sizeof *final->exchanges);
    final->exchanges[0] = ei_malloc(sizeof *final->exchanges[0]);
    eider__v1__exchange_input__init(final->exchanges[0]);
    final->exchanges[0]->name = ei_strdup("x0");
    return spec;
}

static uint64_t submit(struct fake *gateway, bool bound) {
    Eider__V1__JobSpec *spec = make_spec();
    Eider__V1__SubmitJob m = EIDER__V1__SUBMIT_JOB__INIT;
    m.spec = spec;
    m.bound_to_connection = bound;
    const Eider__V1__SubmitJobReply *reply = call(gateway, &m.base);
    if (reply->error != NULL)
        fail_msg("%s", reply->error->text);
    eider__v1__job_spec__free_unpacked(spec, NULL);
    assert_true(reply->job > 0);
    return reply->job;
}

struct report {
    Eider__V1__TaskState state;
    enum ei_code code;
    const char *text;
    const char *warning;
    uint64_t malformed;
};

static void report_at(struct fake *w, uint64_t epoch, const Eider__V1__AttemptId *id,
                      const struct report *r) {
    Eider__V1__TaskEvents events = EIDER__V1__TASK_EVENTS__INIT;
    Eider__V1__TaskEvent event = EIDER__V1__TASK_EVENT__INIT, *list = &event;
    Eider__V1__Output output = EIDER__V1__OUTPUT__INIT;
    Eider__V1__TaskStats stats = EIDER__V1__TASK_STATS__INIT;
    Eider__V1__Error error = EIDER__V1__ERROR__INIT;
    char path[64];
    char *warning = (char *)(uintptr_t)r->warning;
    (void)snprintf(path, sizeof path, "/w/%u-%u-%u.exf", id->stage, id->task, id->attempt);
    output.path = path;
    output.file_bytes = 1000;
    stats.rows_in = 10;
    stats.rows_out = 5;
    stats.wall_us = 2000;
    stats.malformed_lines = r->malformed;
    error.code = r->code;
    error.text = (char *)(uintptr_t)r->text;
    event.id = (Eider__V1__AttemptId *)(uintptr_t)id;
    event.state = r->state;
    event.stats = &stats;
    if (r->state == EIDER__V1__TASK_STATE__TASK_DONE)
        event.output = &output;
    else
        event.error = &error;
    event.n_warnings = warning != NULL;
    event.warnings = &warning;
    events.epoch = epoch;
    events.n_events = 1;
    events.events = &list;
    ei_conn_send(w->conn, &events.base);
}

static void report(struct fake *w, const Eider__V1__AttemptId *id, const struct report *r) {
    report_at(w, w->epoch, id, r);
}

static const struct report done = {.state = EIDER__V1__TASK_STATE__TASK_DONE};

/* Collects assignments until `tasks` of them came; the message list is the caller's. */
struct assigned {
    Eider__V1__Assign *frames[64];
    size_t frame_count;
    const Eider__V1__TaskAssign *tasks[64];
    size_t count;
    const Eider__V1__StageOnWorker *stage; /* the last one told */
};

static void await_tasks(struct fake *w, struct assigned *a, size_t tasks) {
    *a = (struct assigned){0};
    while (a->count < tasks) {
        Eider__V1__Assign *f = take(w, EI_MSG_ASSIGN);
        assert_int_equal(f->epoch, w->epoch);
        a->frames[a->frame_count++] = f;
        for (size_t i = 0; i < f->n_tasks; i++)
            a->tasks[a->count++] = f->tasks[i];
        if (f->n_stages > 0)
            a->stage = f->stages[f->n_stages - 1];
    }
    assert_int_equal(a->count, tasks);
}

static void assigned_release(struct assigned *a) {
    for (size_t i = 0; i < a->frame_count; i++)
        let_go(a->frames[i]);
}

/* Waits for the job to end; the caller frees the update. */
static Eider__V1__JobUpdate *await_end(struct fake *gateway) {
    for (;;) {
        Eider__V1__JobUpdate *u = take(gateway, EI_MSG_JOB_UPDATE);
        if (u->state >= EIDER__V1__JOB_STATE__JOB_SUCCEEDED)
            return u;
        let_go(u);
    }
}

static void release_job(struct fake *gateway, uint64_t job) {
    Eider__V1__ReleaseJob m = EIDER__V1__RELEASE_JOB__INIT;
    m.job = job;
    const Eider__V1__Reply *reply = call(gateway, &m.base);
    assert_true(reply->error == NULL || reply->error->code == EI_OK);
}

static void await_forget(struct fake *w, uint64_t job) {
    Eider__V1__ForgetJobs *f = take(w, EI_MSG_FORGET_JOBS);
    assert_int_equal(f->n_jobs, 1);
    assert_int_equal(f->jobs[0], job);
    let_go(f);
}

/* ---- REST ---- */

static int collect(void *data, const char *chunk, size_t n, struct ei_error *e) {
    ei_buf_append(data, chunk, n);
    return 0;
}

static int rest(const char *method, const char *path, const char *token, struct ei_buf *body) {
    char address[32], ca[128];
    struct ei_error e = {0};
    (void)snprintf(address, sizeof address, "127.0.0.1:%d", master.rpc_port);
    (void)snprintf(ca, sizeof ca, "%s/ca.crt", master.pki);
    struct ei_http_target target = {address, ca, token, 5000};
    struct ei_http_client *client = NULL;
    ei_buf_clear(body);
    if (ei_http_client_open(&client, &target, &e) != 0)
        fail_msg("%s", e.text);
    int status = ei_http_client_request(client, method, path, NULL, NULL, 0, collect, body, &e);
    if (status < 0)
        fail_msg("%s %s: %s", method, path, e.text);
    ei_http_client_close(client);
    return status;
}

static struct json_object *rest_json(const char *path) {
    struct ei_buf body = {0};
    assert_int_equal(rest("GET", path, master.token, &body), 200);
    struct json_object *o = json_tokener_parse(body.data);
    if (o == NULL)
        fail_msg("%s is no JSON: %s", path, body.data);
    ei_buf_release(&body);
    return o;
}

static const char *text_at(struct json_object *o, const char *key) {
    struct json_object *v = NULL;
    return json_object_object_get_ex(o, key, &v) ? json_object_get_string(v) : "";
}

/* ---- tests ---- */

static void test_job_from_submit_to_forget(void **state) {
    (void)state;
    uv_loop_t loop;
    struct fake w, g;
    struct assigned a;
    assert_int_equal(uv_loop_init(&loop), 0);
    worker_up(&w, &loop, "worker-1", 1);
    fake_connect(&g, &loop, "gateway");
    send_register(&g, "gateway", "gateway", 9);
    uint64_t job = submit(&g, true);
    await_tasks(&w, &a, 2);
    assert_true(a.stage->has_spec && a.stage->spec->n_splits == 0 && a.stage->generation > 0);
    assert_string_equal(a.stage->spec->name, "scan x");
    assert_int_equal(a.tasks[0]->split->n_slices, 1);
    assert_int_equal(a.tasks[0]->split->slices[0]->begin, a.tasks[0]->id->task * 100);
    struct report dirty = done;
    dirty.malformed = 3;
    dirty.warning = "x.log:17: no date";
    report_at(&w, w.epoch - 1, a.tasks[1]->id, &done); /* an old epoch: must change nothing */
    report(&w, a.tasks[0]->id, &dirty);
    report(&w, a.tasks[1]->id, &done);
    assigned_release(&a);
    await_tasks(&w, &a, 2);
    assert_int_equal(a.stage->n_sources, 1);
    assert_int_equal(a.stage->sources[0]->n_outputs, 2);
    assert_string_equal(a.stage->sources[0]->outputs[1]->path, "/w/0-1-1.exf");
    assert_string_equal(a.stage->sources[0]->outputs[1]->address, "127.0.0.1:7001");
    assert_string_equal(a.stage->sources[0]->outputs[0]->host_id, "this-host");
    uint32_t partitions = 0;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(a.tasks[i]->first_partition, a.tasks[i]->id->task == 0 ? 0 : 1);
        partitions += a.tasks[i]->partition_count;
        report(&w, a.tasks[i]->id, &done);
    }
    assert_int_equal(partitions, 3);
    assigned_release(&a);
    Eider__V1__JobUpdate *u = await_end(&g);
    assert_int_equal(u->state, EIDER__V1__JOB_STATE__JOB_SUCCEEDED);
    assert_int_equal(u->n_results, 2);
    assert_string_equal(u->results[1]->path, "/w/1-1-1.exf");
    assert_int_equal(u->n_warnings, 1);
    assert_string_equal(u->warnings[0],
                        "x.log: 3 malformed lines skipped, first at x.log:17: no date");
    assert_int_equal(u->stages[0]->done, 2);
    assert_int_equal(u->stages[0]->rows_in, 20);
    let_go(u);
    release_job(&g, job);
    await_forget(&w, job);
    fake_close(&g);
    fake_close(&w);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* Worker 1 finished half of the first stage and vanishes: exactly that is done again elsewhere. */
static void test_lost_worker(void **state) {
    (void)state;
    uv_loop_t loop;
    struct fake w1, w2, g;
    struct assigned a, b;
    assert_int_equal(uv_loop_init(&loop), 0);
    worker_up(&w1, &loop, "worker-1", 11);
    fake_connect(&g, &loop, "gateway");
    uint64_t job = submit(&g, true);
    await_tasks(&w1, &a, 2);
    report(&w1, a.tasks[0]->id, &done);
    report(&w1, a.tasks[1]->id, &done);
    assigned_release(&a);
    await_tasks(&w1, &a, 2); /* the final stage has begun there */
    assigned_release(&a);
    worker_up(&w2, &loop, "worker-2", 22);
    fake_close(&w1);
    await_tasks(&w2, &a, 2);
    assert_string_equal(a.stage->spec->name, "scan x");
    assert_int_equal(a.tasks[0]->id->attempt, 2);
    report(&w2, a.tasks[0]->id, &done);
    report(&w2, a.tasks[1]->id, &done);
    await_tasks(&w2, &b, 2);
    assert_int_equal(b.stage->stage, 1);
    assert_string_equal(b.stage->sources[0]->outputs[0]->worker, "worker-2");
    assert_int_equal(b.stage->sources[0]->outputs[0]->attempt, 2);
    report(&w2, b.tasks[0]->id, &done);
    report(&w2, b.tasks[1]->id, &done);
    assigned_release(&a);
    assigned_release(&b);
    Eider__V1__JobUpdate *u = await_end(&g);
    assert_int_equal(u->state, EIDER__V1__JOB_STATE__JOB_SUCCEEDED);
    let_go(u);
    struct json_object *s = rest_json("/v1/status");
    assert_non_null(strstr(json_object_to_json_string_ext(s, JSON_C_TO_STRING_PLAIN),
                           "\"name\":\"worker-1\",\"pid\":4711,\"state\":\"lost\""));
    json_object_put(s);
    release_job(&g, job);
    await_forget(&w2, job);
    fake_close(&g);
    fake_close(&w2);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* A broken connection is not a broken worker: the same incarnation goes on where it was. */
static void test_reconnection_keeps_the_work(void **state) {
    (void)state;
    uv_loop_t loop;
    struct fake w, again, g;
    struct assigned a;
    assert_int_equal(uv_loop_init(&loop), 0);
    worker_up(&w, &loop, "worker-1", 31);
    fake_connect(&g, &loop, "gateway");
    (void)submit(&g, true);
    await_tasks(&w, &a, 2);
    fake_connect(&again, &loop, "worker-1");
    Eider__V1__Register r = EIDER__V1__REGISTER__INIT;
    char role[] = "worker", name[] = "worker-1", address[] = "127.0.0.1:7001";
    Eider__V1__AttemptId *running[] = {a.tasks[0]->id};
    Eider__V1__AttemptId stranger = EIDER__V1__ATTEMPT_ID__INIT;
    r.role = role;
    r.name = name;
    r.address = address;
    r.cores = 2;
    r.incarnation = 31;
    stranger.job = 999999;
    stranger.attempt = 1;
    Eider__V1__AttemptId *both[] = {running[0], &stranger};
    r.n_running = 2;
    r.running = both;
    again.epoch = ((const Eider__V1__RegisterReply *)call(&again, &r.base))->epoch;
    assert_true(again.epoch > w.epoch);
    Eider__V1__KillTasks *k = take(&again, EI_MSG_KILL_TASKS);
    assert_int_equal(k->n_ids, 1);
    assert_int_equal(k->ids[0]->job, 999999);
    let_go(k);
    report(&again, a.tasks[0]->id, &done);
    /* The other attempt was not mentioned: it is started anew, without counting as a failure. */
    struct assigned b;
    await_tasks(&again, &b, 1);
    assert_int_equal(b.tasks[0]->id->task, a.tasks[1]->id->task);
    assert_int_equal(b.tasks[0]->id->attempt, a.tasks[1]->id->attempt + 1);
    assert_int_equal(b.frames[0]->n_stages, 0); /* it knows the stage already */
    assigned_release(&a);
    assigned_release(&b);
    fake_close(&g);
    fake_close(&w);
    fake_close(&again);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_cancel(void **state) {
    (void)state;
    uv_loop_t loop;
    struct fake w, g;
    struct assigned a;
    assert_int_equal(uv_loop_init(&loop), 0);
    worker_up(&w, &loop, "worker-1", 41);
    fake_connect(&g, &loop, "gateway");
    uint64_t job = submit(&g, false);
    await_tasks(&w, &a, 2);
    char path[64];
    struct ei_buf body = {0};
    (void)snprintf(path, sizeof path, "/v1/jobs/%llu/cancel", (unsigned long long)job);
    assert_int_equal(rest("POST", path, master.reader, &body), 403);
    assert_int_equal(rest("POST", path, master.token, &body), 200);
    ei_buf_release(&body);
    Eider__V1__KillTasks *k = take(&w, EI_MSG_KILL_TASKS);
    assert_int_equal(k->n_ids, 2);
    let_go(k);
    Eider__V1__JobUpdate *u = await_end(&g);
    assert_int_equal(u->state, EIDER__V1__JOB_STATE__JOB_CANCELLED);
    assert_int_equal(u->error->code, EI_CANCELLED);
    assert_non_null(strstr(u->error->text, "was cancelled: by test"));
    let_go(u);
    struct report gone = {EIDER__V1__TASK_STATE__TASK_FAILED, EI_CANCELLED, "stopped", NULL, 0};
    report(&w, a.tasks[0]->id, &gone);
    report(&w, a.tasks[1]->id, &gone);
    await_forget(&w, job);
    assigned_release(&a);
    fake_close(&g);
    fake_close(&w);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_client_goes_away(void **state) {
    (void)state;
    uv_loop_t loop;
    struct fake w, g;
    struct assigned a;
    assert_int_equal(uv_loop_init(&loop), 0);
    worker_up(&w, &loop, "worker-1", 51);
    fake_connect(&g, &loop, "gateway");
    uint64_t job = submit(&g, true);
    await_tasks(&w, &a, 2);
    fake_close(&g);
    Eider__V1__KillTasks *k = take(&w, EI_MSG_KILL_TASKS);
    assert_int_equal(k->n_ids, 2);
    let_go(k);
    await_forget(&w, job);
    assigned_release(&a);
    fake_close(&w);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_failure_is_a_sentence(void **state) {
    (void)state;
    uv_loop_t loop;
    struct fake w, g;
    struct assigned a;
    assert_int_equal(uv_loop_init(&loop), 0);
    worker_up(&w, &loop, "worker-1", 61);
    fake_connect(&g, &loop, "gateway");
    (void)submit(&g, true);
    await_tasks(&w, &a, 2);
    struct report bad = {EIDER__V1__TASK_STATE__TASK_FAILED, EI_INVALID,
                         "Conversion Error: no number.\n", NULL, 0};
    report(&w, a.tasks[1]->id, &bad);
    Eider__V1__JobUpdate *u = await_end(&g);
    assert_int_equal(u->state, EIDER__V1__JOB_STATE__JOB_FAILED);
    assert_int_equal(u->error->code, EI_INVALID);
    char wanted[128];
    (void)snprintf(wanted, sizeof wanted,
                   "Conversion Error: no number (stage 0 \"scan x\", task %u on worker-1)",
                   a.tasks[1]->id->task);
    assert_string_equal(u->error->text, wanted);
    let_go(u);
    assigned_release(&a);
    fake_close(&g);
    fake_close(&w);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void refuse(struct fake *g, Eider__V1__JobSpec *spec, const char *fragment) {
    Eider__V1__SubmitJob m = EIDER__V1__SUBMIT_JOB__INIT;
    m.spec = spec;
    const Eider__V1__SubmitJobReply *reply = call(g, &m.base);
    assert_non_null(reply->error);
    if (strstr(reply->error->text, fragment) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", reply->error->text, fragment);
    eider__v1__job_spec__free_unpacked(spec, NULL);
}

static void test_bad_specs(void **state) {
    (void)state;
    uv_loop_t loop;
    struct fake g;
    assert_int_equal(uv_loop_init(&loop), 0);
    fake_connect(&g, &loop, "gateway");
    refuse(&g, NULL, "empty");
    Eider__V1__JobSpec *s = make_spec();
    s->stages[0]->id = 1;
    refuse(&g, s, "it has id 1");
    s = make_spec();
    s->stages[1]->exchanges[0]->stage = 1;
    refuse(&g, s, "does not come before it");
    s = make_spec();
    s->stages[0]->tasks = 3;
    refuse(&g, s, "2 splits do not fit 3 tasks");
    s = make_spec();
    s->stages[1]->tasks = 4;
    refuse(&g, s, "more than the 3 partitions");
    s = make_spec();
    s->stages[0]->output = EIDER__V1__DISTRIBUTION__DISTRIBUTION_GATHER;
    s->stages[0]->partitions = 1;
    refuse(&g, s, "must be broadcast");
    s = make_spec();
    s->stages[0]->splits[0]->slices[0]->path[0] = 'x';
    refuse(&g, s, "not absolute");
    s = make_spec();
    s->stages[0]->key_columns[0] = 7;
    refuse(&g, s, "key column 7");
    s = make_spec();
    s->stages[1]->sql[0] = '\0';
    refuse(&g, s, "no SQL");
    s = make_spec();
    s->stages[0]->tasks = EI_JOB_TASKS_MAX + 1;
    refuse(&g, s, "not between 1 and 1000000");
    s = make_spec();
    s->stages[0]->split_table[0] = 'q';
    refuse(&g, s, "none of its tables");
    fake_close(&g);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_catalogue_and_restart(void **state) {
    (void)state;
    uv_loop_t loop;
    struct fake g;
    assert_int_equal(uv_loop_init(&loop), 0);
    fake_connect(&g, &loop, "gateway");
    uint64_t before = submit(&g, true);
    Eider__V1__CatalogCreate c = EIDER__V1__CATALOG_CREATE__INIT;
    Eider__V1__CatalogEntry entry = EIDER__V1__CATALOG_ENTRY__INIT;
    char name[] = "logs", sql[] = "'/data/<b>\"x.log'";
    entry.name = name;
    entry.sql = sql;
    c.entry = &entry;
    const Eider__V1__Reply *r = call(&g, &c.base);
    assert_null(r->error);
    r = call(&g, &c.base);
    assert_int_equal(r->error->code, EI_EXISTS);
    fake_close(&g);
    stop_master(SIGKILL, -1);
    start_master();
    fake_connect(&g, &loop, "gateway");
    Eider__V1__CatalogList list = EIDER__V1__CATALOG_LIST__INIT;
    const Eider__V1__CatalogListReply *tables = call(&g, &list.base);
    assert_int_equal(tables->n_entries, 1);
    assert_string_equal(tables->entries[0]->sql, sql);
    assert_true(tables->entries[0]->created_ms > 0);
    struct json_object *o = rest_json("/v1/tables"), *array = NULL;
    assert_true(json_object_object_get_ex(o, "tables", &array));
    assert_string_equal(text_at(json_object_array_get_idx(array, 0), "sql"), sql);
    json_object_put(o);
    assert_true(submit(&g, true) > before);
    Eider__V1__CatalogDrop d = EIDER__V1__CATALOG_DROP__INIT;
    d.name = name;
    r = call(&g, &d.base);
    assert_null(r->error);
    r = call(&g, &d.base);
    assert_int_equal(r->error->code, EI_NOT_FOUND);
    fake_close(&g);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_rest_documents(void **state) {
    (void)state;
    uv_loop_t loop;
    struct fake w, g;
    struct assigned a;
    struct json_object *o, *list = NULL;
    assert_int_equal(uv_loop_init(&loop), 0);
    worker_up(&w, &loop, "worker-1", 71);
    fake_connect(&g, &loop, "gateway");
    uint64_t job = submit(&g, true);
    await_tasks(&w, &a, 2);
    report(&w, a.tasks[0]->id, &done);
    char path[64];
    (void)snprintf(path, sizeof path, "/v1/jobs/%llu", (unsigned long long)job);
    o = rest_json(path);
    assert_string_equal(text_at(o, "sql"), "SELECT count(*) FROM 'x.log'");
    assert_string_equal(text_at(o, "state"), "running");
    assert_true(json_object_object_get_ex(o, "stages", &list));
    assert_string_equal(text_at(json_object_array_get_idx(list, 0), "tasks"), "2");
    assert_non_null(
        strstr(text_at(json_object_array_get_idx(list, 1), "reason"), "waits for stage 0"));
    json_object_put(o);
    (void)snprintf(path, sizeof path, "/v1/jobs/%llu/tasks?stage=0", (unsigned long long)job);
    o = rest_json(path);
    assert_true(json_object_object_get_ex(o, "tasks", &list));
    assert_int_equal(json_object_array_length(list), 2);
    json_object_put(o);
    o = rest_json("/v1/jobs?limit=1");
    assert_true(json_object_object_get_ex(o, "jobs", &list));
    assert_int_equal(json_object_array_length(list), 1);
    json_object_put(o);
    o = rest_json("/v1");
    assert_true(json_object_object_get_ex(o, "routes", &list));
    assert_int_equal(json_object_array_length(list), ei_master_route_count);
    json_object_put(o);
    o = rest_json("/v1/status");
    assert_true(json_object_object_get_ex(o, "processes", &list));
    assert_string_equal(text_at(json_object_array_get_idx(list, 0), "role"), "master");
    json_object_put(o);
    assigned_release(&a);
    fake_close(&g);
    fake_close(&w);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* Every route: nobody without a token, GET with a reader's, wrong ids and values refused. */
static void test_rest_access(void **state) {
    (void)state;
    struct ei_buf body = {0};
    for (size_t i = 0; i < ei_master_route_count; i++) {
        const struct ei_http_route *r = &ei_master_routes[i];
        char path[64];
        const char *id = strstr(r->pattern, ":id"), *star = strchr(r->pattern, '*');
        if (id != NULL)
            (void)snprintf(path, sizeof path, "%.*s1%s", (int)(id - r->pattern), r->pattern,
                           id + 3);
        else if (star != NULL)
            (void)snprintf(path, sizeof path, "%.*sapp.js", (int)(star - r->pattern), r->pattern);
        else
            (void)snprintf(path, sizeof path, "%s", r->pattern);
        bool open = r->access == EI_ACCESS_PUBLIC;
        assert_int_equal(rest(r->method, path, NULL, &body), open ? 200 : 401);
        assert_int_equal(rest(r->method, path, "wrong", &body), open ? 200 : 401);
        int status = rest(r->method, path, master.reader, &body);
        assert_true(r->access > EI_ACCESS_READ ? status == 403 : status == 200 || status == 404);
    }
    assert_int_equal(rest("GET", "/v1/jobs/x", master.token, &body), 400);
    assert_int_equal(rest("GET", "/v1/jobs/99999999999999999999", master.token, &body), 400);
    assert_int_equal(rest("GET", "/v1/jobs/424242", master.token, &body), 404);
    assert_int_equal(rest("GET", "/v1/jobs?state=odd", master.token, &body), 400);
    assert_int_equal(rest("GET", "/v1/jobs?limit=-1", master.token, &body), 400);
    assert_int_equal(rest("GET", "/ui/../index.html", master.token, &body), 400);
    assert_int_equal(rest("DELETE", "/v1/status", master.token, &body), 405);
    ei_buf_release(&body);
}

static void test_nobody_registers_as_another(void **state) {
    (void)state;
    uv_loop_t loop;
    struct fake w;
    assert_int_equal(uv_loop_init(&loop), 0);
    fake_connect(&w, &loop, "worker-1");
    Eider__V1__Register r = EIDER__V1__REGISTER__INIT;
    char role[] = "worker", name[] = "worker-2", address[] = "127.0.0.1:7001",
         gateway[] = "gateway";
    r.role = role;
    r.name = name;
    r.address = address;
    r.cores = 2;
    const Eider__V1__RegisterReply *reply = call(&w, &r.base);
    assert_int_equal(reply->error->code, EI_DENIED);
    r.role = gateway;
    reply = call(&w, &r.base);
    assert_int_equal(reply->error->code, EI_DENIED);
    fake_close(&w);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_idle_memory(void **state) {
    (void)state;
#if !defined(__SANITIZE_ADDRESS__)
    stop_master(SIGTERM, 0);
    start_master();
    assert_in_range(ei_rss_bytes(master.pid), 1, 12u << 20);
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job_from_submit_to_forget),
        cmocka_unit_test(test_lost_worker),
        cmocka_unit_test(test_reconnection_keeps_the_work),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_client_goes_away),
        cmocka_unit_test(test_failure_is_a_sentence),
        cmocka_unit_test(test_bad_specs),
        cmocka_unit_test(test_catalogue_and_restart),
        cmocka_unit_test(test_rest_documents),
        cmocka_unit_test(test_rest_access),
        cmocka_unit_test(test_nobody_registers_as_another),
        cmocka_unit_test(test_idle_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
