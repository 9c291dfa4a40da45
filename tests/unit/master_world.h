/* For test_master.c: the master as a process of its own (ei_master_main in a child), and workers
 * and gateways that are the test's. */
#ifndef EIDER_TESTS_MASTER_WORLD_H
#define EIDER_TESTS_MASTER_WORLD_H

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

#endif
