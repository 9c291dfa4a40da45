#include "rpc/rpc.h"

#include "base/mem.h"
#include "os/os.h"
#include "pki/pki.h"
#include "wire/frame.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define PUMP_MS 20000

/* ---- certificates: one cluster, and a stranger's with the same names ---- */

static char dir[64], other_dir[80];

static struct ei_tls *tls_in(const char *where, const char *ca_dir, const char *name) {
    struct ei_error e = {0};
    char *ca = ei_asprintf("%s/ca.crt", ca_dir);
    char *crt = ei_asprintf("%s/%s.crt", where, name), *key = ei_asprintf("%s/%s.key", where, name);
    struct ei_tls *t = NULL;
    if (ei_tls_create(&t, ca, crt, key, &e) != 0)
        print_message("%s\n", e.text);
    free(ca);
    free(crt);
    free(key);
    return t;
}

static int setup_all(void **state) {
    struct ei_error e = {0};
    char id[33];
    (void)signal(SIGPIPE, SIG_IGN);
    memcpy(dir, "/tmp/ei-test-rpc-XXXXXX", sizeof "/tmp/ei-test-rpc-XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    (void)snprintf(other_dir, sizeof other_dir, "%s/other", dir);
    if (ei_pki_create_ca(dir, id, &e) != 0 || ei_pki_create_ca(other_dir, id, &e) != 0 ||
        ei_pki_issue(dir, EI_ROLE_MASTER, "master", NULL, &e) != 0 ||
        ei_pki_issue(dir, EI_ROLE_WORKER, "worker-1", NULL, &e) != 0 ||
        ei_pki_issue(dir, EI_ROLE_GATEWAY, "gateway", NULL, &e) != 0 ||
        ei_pki_issue(other_dir, EI_ROLE_WORKER, "worker-1", NULL, &e) != 0) {
        print_message("%s\n", e.text);
        return -1;
    }
    return 0;
}

static int teardown_all(void **state) {
    return ei_remove_tree(dir, NULL);
}

/* ---- a loop with a server and, mostly, one client connection ---- */

struct side {
    struct ei_conn *conn;
    int opened, closed, messages;
    uint64_t last_job;
    struct ei_error why;
    bool answer;       /* requests get a Reply */
    bool close_on_any; /* from inside the message callback */
    char peer_name[65];
};

struct world {
    uv_loop_t loop;
    uv_timer_t tick;
    struct ei_tls *server_tls, *client_tls;
    struct ei_server *server;
    struct side s, c;
    int replies;
    struct ei_error reply_error;
};

static void on_open(struct ei_conn *conn, void *data) {
    struct side *s = data;
    s->conn = conn;
    s->opened++;
    (void)snprintf(s->peer_name, sizeof s->peer_name, "%s", ei_conn_peer_name(conn));
}

static void on_message(struct ei_conn *conn, void *data, const struct ei_message *m) {
    struct side *s = data;
    s->messages++;
    if (m->type == EI_MSG_CANCEL_JOB)
        s->last_job = ((const Eider__V1__CancelJob *)(const void *)m->body)->job;
    if (s->close_on_any)
        ei_conn_close(conn);
    if (s->answer) {
        struct ei_error e;
        Eider__V1__Error wire;
        Eider__V1__Reply reply = EIDER__V1__REPLY__INIT;
        (void)ei_fail(&e, EI_NOT_FOUND, "no job");
        ei_error_to_wire(&e, &wire);
        reply.error = &wire;
        ei_conn_reply(conn, m->request, &reply.base);
    }
}

static void on_closed(struct ei_conn *conn, void *data, const struct ei_error *e) {
    struct side *s = data;
    s->conn = NULL;
    s->closed++;
    s->why = *e;
}

static const struct ei_conn_events EVENTS = {on_open, on_message, on_closed};

static void on_tick(uv_timer_t *t) {
}

static bool pump_until(struct world *w, const int *value, int want) {
    int64_t end = ei_now_us() + PUMP_MS * 1000;
    while (*value < want && ei_now_us() < end)
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    return *value >= want;
}

static void pump_for(struct world *w, int ms) {
    int64_t end = ei_now_us() + (int64_t)ms * 1000;
    while (ei_now_us() < end)
        (void)uv_run(&w->loop, UV_RUN_ONCE);
}

static int setup(void **state) {
    struct world *w = ei_calloc(1, sizeof *w);
    struct ei_error e = {0};
    *state = w;
    (void)uv_loop_init(&w->loop);
    (void)uv_timer_init(&w->loop, &w->tick);
    (void)uv_timer_start(&w->tick, on_tick, 5, 5);
    w->server_tls = tls_in(dir, dir, "master");
    struct ei_server_options o = {
        .host = "127.0.0.1", .tls = w->server_tls, .events = &EVENTS, .data = &w->s};
    if (ei_server_listen(&w->server, &w->loop, &o, &e) != 0) {
        print_message("%s\n", e.text);
        return -1;
    }
    return 0;
}

static int teardown(void **state) {
    struct world *w = *state;
    if (w->c.conn != NULL)
        ei_conn_close(w->c.conn);
    ei_server_close(w->server);
    uv_close((uv_handle_t *)&w->tick, NULL);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    ei_tls_destroy(w->server_tls);
    ei_tls_destroy(w->client_tls);
    int result = uv_loop_close(&w->loop); /* nothing was left open */
    free(w);
    return result;
}

static void dial(struct world *w, const char *where, const char *ca_dir, const char *name,
                 unsigned roles) {
    char address[32];
    w->client_tls = tls_in(where, ca_dir, name);
    assert_non_null(w->client_tls);
    (void)snprintf(address, sizeof address, "localhost:%d", ei_server_port(w->server));
    w->c.conn = ei_conn_connect(&w->loop, w->client_tls, address, roles, &EVENTS, &w->c);
}

static void dial_gateway(struct world *w) {
    dial(w, dir, dir, "gateway", EI_ROLE_MASTER);
    assert_true(pump_until(w, &w->c.opened, 1));
    assert_true(pump_until(w, &w->s.opened, 1));
}

static void on_reply(void *data, const ProtobufCMessage *body, const struct ei_error *e) {
    struct world *w = data;
    w->replies++;
    w->reply_error = *e;
    if (body != NULL) {
        const Eider__V1__Reply *r = (const Eider__V1__Reply *)(const void *)body;
        assert_ptr_equal(body->descriptor, &eider__v1__reply__descriptor);
        (void)ei_error_from_wire(r->error, &w->reply_error);
    }
}

static void call_cancel(struct world *w, uint64_t job, uint64_t timeout_ms) {
    Eider__V1__CancelJob m = EIDER__V1__CANCEL_JOB__INIT;
    m.job = job;
    ei_conn_call(w->c.conn, &m.base, timeout_ms, on_reply, w);
}

/* ---- what should work ---- */

static void test_hello(void **state) {
    struct world *w = *state;
    dial_gateway(w);
    assert_string_equal(w->s.peer_name, "gateway");
    assert_string_equal(w->c.peer_name, "master");
    assert_int_equal(ei_conn_peer_role(w->s.conn), EI_ROLE_GATEWAY);
    assert_true(ei_conn_is_open(w->c.conn));
    ei_conn_close(w->c.conn);
    ei_conn_close(w->c.conn);
    assert_false(ei_conn_is_open(w->c.conn));
    assert_true(pump_until(w, &w->s.closed, 1));
    assert_true(pump_until(w, &w->c.closed, 1));
    assert_int_equal(w->c.why.code, EI_OK);
    assert_int_equal(w->s.why.code, EI_UNREACHABLE);
}

static void test_call_and_reply(void **state) {
    struct world *w = *state;
    dial_gateway(w);
    w->s.answer = true;
    call_cancel(w, 77, 5000);
    assert_int_equal(w->replies, 0); /* never inside the call */
    assert_true(pump_until(w, &w->replies, 1));
    assert_int_equal(w->reply_error.code, EI_NOT_FOUND);
    assert_int_equal(w->s.last_job, 77);
    for (int i = 0; i < 1000; i++)
        call_cancel(w, (uint64_t)i, 0);
    assert_true(pump_until(w, &w->replies, 1001));
}

static void test_timeout(void **state) {
    struct world *w = *state;
    dial_gateway(w);
    int64_t start = ei_now_us();
    call_cancel(w, 1, 5000);
    call_cancel(w, 2, 50);
    assert_true(pump_until(w, &w->replies, 1));
    assert_int_equal(w->reply_error.code, EI_TIMEOUT);
    int64_t took = ei_now_us() - start;
    assert_true(took >= 50000 && took < 2000000);
    /* The other one is answered before `closed`, and a call on a closing connection is too. */
    ei_conn_close(w->c.conn);
    call_cancel(w, 3, 0);
    assert_true(pump_until(w, &w->c.closed, 1));
    assert_int_equal(w->replies, 3);
    assert_int_equal(w->reply_error.code, EI_UNREACHABLE);
}

static void test_call_before_open(void **state) {
    struct world *w = *state;
    dial(w, dir, dir, "gateway", EI_ROLE_MASTER);
    call_cancel(w, 1, 0);
    assert_int_equal(w->replies, 0);
    assert_true(pump_until(w, &w->replies, 1));
    assert_int_equal(w->reply_error.code, EI_UNREACHABLE);
    assert_true(pump_until(w, &w->c.opened, 1));
}

static void test_flood_with_back_pressure(void **state) {
    struct world *w = *state;
    dial_gateway(w);
    char *reason = ei_malloc(4001);
    memset(reason, 'x', 4000);
    reason[4000] = '\0';
    Eider__V1__CancelJob m = EIDER__V1__CANCEL_JOB__INIT;
    m.reason = reason;
    int sent = 0;
    while (sent < 20000) {
        while (sent < 20000 && ei_conn_queued_bytes(w->c.conn) < 1 << 20) {
            m.job = (uint64_t)++sent;
            ei_conn_send(w->c.conn, &m.base);
        }
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    }
    assert_true(pump_until(w, &w->s.messages, sent));
    assert_int_equal(w->s.last_job, sent);
    free(reason);
}

static void test_large_message(void **state) {
    struct world *w = *state;
    dial_gateway(w);
    size_t n = (16u << 20) - 100;
    char *reason = ei_malloc(n + 1000);
    memset(reason, 'x', n + 999);
    reason[n] = '\0';
    Eider__V1__CancelJob m = EIDER__V1__CANCEL_JOB__INIT;
    m.job = 5;
    m.reason = reason;
    ei_conn_send(w->c.conn, &m.base);
    assert_true(pump_until(w, &w->s.messages, 1));
    assert_int_equal(w->s.last_job, 5);
    reason[n] = 'x';
    reason[n + 999] = '\0';
    ei_conn_call(w->c.conn, &m.base, 0, on_reply, w); /* one that fits no frame */
    assert_true(pump_until(w, &w->replies, 1));
    assert_int_equal(w->reply_error.code, EI_LIMIT);
    assert_true(ei_conn_is_open(w->c.conn));
    free(reason);
}

static void test_from_fd(void **state) {
    struct world *w = *state;
    int fd[2];
    struct side a = {0}, b = {0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    struct ei_conn *worker = ei_conn_from_fd(&w->loop, fd[0], EI_ROLE_EXECUTOR, &EVENTS, &a);
    struct ei_conn *executor = ei_conn_from_fd(&w->loop, fd[1], EI_ROLE_WORKER, &EVENTS, &b);
    assert_int_equal(a.opened, 0);
    assert_true(pump_until(w, &a.opened, 1));
    assert_true(pump_until(w, &b.opened, 1));
    Eider__V1__RunTask run = EIDER__V1__RUN_TASK__INIT;
    Eider__V1__TaskFinished finished = EIDER__V1__TASK_FINISHED__INIT;
    ei_conn_send(worker, &run.base);
    ei_conn_send(executor, &finished.base);
    assert_true(pump_until(w, &a.messages, 1));
    assert_true(pump_until(w, &b.messages, 1));
    ei_conn_send(executor, &run.base); /* an executor may not command its worker */
    assert_true(pump_until(w, &a.closed, 1));
    assert_int_equal(a.why.code, EI_DENIED);
    assert_true(pump_until(w, &b.closed, 1));
}

/* ---- what must not ---- */

static void refused(struct world *w, enum ei_code code) {
    assert_true(pump_until(w, &w->c.closed, 1));
    assert_int_equal(w->c.opened, 0);
    assert_int_equal(w->s.opened, 0);
    assert_int_equal(w->s.closed, 0); /* the server never heard of it */
    if (w->c.why.code != code)
        print_message("%s\n", w->c.why.text);
    assert_int_equal(w->c.why.code, code);
}

static void test_wrong_ca(void **state) {
    dial(*state, other_dir, other_dir, "worker-1", EI_ROLE_MASTER);
    refused(*state, EI_UNAUTHENTICATED);
}

static void test_certificate_of_another_cluster(void **state) {
    struct world *w = *state;
    struct ei_error e = {0};
    /* Its own certificate does not even fit the CA file it is started with. */
    char *ca = ei_asprintf("%s/ca.crt", dir), *crt = ei_asprintf("%s/worker-1.crt", other_dir),
         *key = ei_asprintf("%s/worker-1.key", other_dir);
    assert_int_equal(ei_tls_create(&w->client_tls, ca, crt, key, &e), -1);
    assert_int_equal(e.code, EI_INVALID);
    assert_int_equal(chmod(key, 0644), 0);
    assert_int_equal(ei_tls_create(&w->client_tls, ca, crt, key, &e), -1);
    assert_int_equal(e.code, EI_DENIED);
    free(ca);
    free(crt);
    free(key);
}

static void test_wrong_role(void **state) {
    dial(*state, dir, dir, "gateway", EI_ROLE_WORKER);
    refused(*state, EI_DENIED);
}

static void test_nobody_there(void **state) {
    struct world *w = *state;
    w->client_tls = tls_in(dir, dir, "gateway");
    w->c.conn =
        ei_conn_connect(&w->loop, w->client_tls, "127.0.0.1:1", EI_ROLE_MASTER, &EVENTS, &w->c);
    assert_int_equal(w->c.closed, 0);
    refused(w, EI_UNREACHABLE);
    assert_non_null(strstr(w->c.why.text, "cannot connect to 127.0.0.1:1"));
    w->c.closed = 0;
    w->c.conn =
        ei_conn_connect(&w->loop, w->client_tls, "nonsense", EI_ROLE_MASTER, &EVENTS, &w->c);
    refused(w, EI_USAGE);
}

static void test_message_not_allowed(void **state) {
    struct world *w = *state;
    dial(w, dir, dir, "worker-1", EI_ROLE_MASTER);
    assert_true(pump_until(w, &w->s.opened, 1));
    assert_true(pump_until(w, &w->c.opened, 1));
    Eider__V1__SubmitJob m = EIDER__V1__SUBMIT_JOB__INIT;
    ei_conn_send(w->c.conn, &m.base);
    assert_true(pump_until(w, &w->s.closed, 1));
    assert_int_equal(w->s.why.code, EI_DENIED);
    assert_int_equal(w->s.messages, 0);
    assert_true(pump_until(w, &w->c.closed, 1));
}

static void test_close_in_callback(void **state) {
    struct world *w = *state;
    dial_gateway(w);
    w->s.close_on_any = true;
    for (uint64_t i = 0; i < 5; i++)
        call_cancel(w, i, 0);
    assert_true(pump_until(w, &w->c.closed, 1));
    assert_int_equal(w->s.messages, 1);
    assert_int_equal(w->replies, 5);
    assert_true(pump_until(w, &w->s.closed, 1));
    assert_int_equal(w->s.why.code, EI_OK);
}

/* A raw socket to the server; nonblocking. */
static int raw(struct world *w) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)ei_server_port(w->server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

/* Runs the loop until the server closed the socket; returns the bytes of its answer. */
static size_t until_closed(struct world *w, int fd, int limit_ms) {
    char text[4096];
    size_t sum = 0;
    int64_t end = ei_now_us() + (int64_t)limit_ms * 1000;
    for (;;) {
        ssize_t n = read(fd, text, sizeof text);
        if (n == 0 || (n < 0 && errno == ECONNRESET))
            break;
        if (n > 0)
            sum += (size_t)n;
        assert_true(ei_now_us() < end);
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    }
    close(fd);
    return sum;
}

static void test_garbage(void **state) {
    struct world *w = *state;
    static const char *const texts[] = {
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "SSH-2.0-x\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03garbage",
        "\x10\x00\x00\x00\x01\x00\x01\x00xxxxxxxxxxxxxxxxxxxxxxxxx"};
    for (size_t i = 0; i < EI_ARRAY_LEN(texts); i++) {
        int fd = raw(w);
        char block[600];
        memset(block, 'z', sizeof block);
        memcpy(block, texts[i], i == 3 ? 33 : strlen(texts[i]));
        assert_int_equal(write(fd, block, sizeof block), sizeof block);
        assert_true(until_closed(w, fd, 10000) <= 7); /* a TLS alert at most */
    }
    assert_int_equal(w->s.opened, 0);
}

static void test_half_handshake(void **state) {
    struct world *w = *state;
    int fd = raw(w);
    int64_t start = ei_now_us();
    assert_int_equal(write(fd, "\x16\x03\x01\x02\x00\x01", 6), 6);
    (void)until_closed(w, fd, EI_HANDSHAKE_TIMEOUT_MS + 3000);
    assert_true(ei_now_us() - start > (EI_HANDSHAKE_TIMEOUT_MS - 500) * 1000);
}

static void test_half_open_limit(void **state) {
    struct world *w = *state;
    int fds[EI_HALF_OPEN_MAX + 20];
    for (size_t i = 0; i < EI_ARRAY_LEN(fds); i++) {
        fds[i] = raw(w);
        (void)uv_run(&w->loop, UV_RUN_NOWAIT);
    }
    /* The oldest were sent away, and an honest peer still gets in. */
    dial_gateway(w);
    char byte;
    assert_true(recv(fds[0], &byte, 1, 0) <= 0 && errno != EAGAIN);
    assert_true(recv(fds[EI_ARRAY_LEN(fds) - 1], &byte, 1, 0) < 0 && errno == EAGAIN);
    for (size_t i = 0; i < EI_ARRAY_LEN(fds); i++)
        close(fds[i]);
}

/* A certificate is no licence: the frames of a proven peer over a socket pair are checked too. */
static void raw_frame(struct world *w, const void *bytes, size_t n, enum ei_code code) {
    int fd[2];
    struct side a = {0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    (void)ei_conn_from_fd(&w->loop, fd[0], EI_ROLE_EXECUTOR, &EVENTS, &a);
    assert_int_equal(write(fd[1], bytes, n), n);
    assert_true(pump_until(w, &a.closed, 1));
    assert_int_equal(a.why.code, code);
    assert_int_equal(a.messages, 0);
    close(fd[1]);
}

static void test_bad_frames(void **state) {
    struct world *w = *state;
    uint8_t frame[EI_FRAME_HEADER_BYTES + 4] = {0};
    ei_frame_put_header(frame, EI_MSG_TASK_FINISHED, 0, 0, 4);
    memset(frame + EI_FRAME_HEADER_BYTES, 0xff, 4);
    raw_frame(w, frame, sizeof frame, EI_CORRUPT);
    ei_frame_put_header(frame, 999, 0, 0, 0);
    raw_frame(w, frame, EI_FRAME_HEADER_BYTES, EI_UNSUPPORTED);
    ei_frame_put_header(frame, EI_MSG_TASK_FINISHED, 0, 0, 0);
    frame[3] = 0xff; /* 4 GB to come */
    raw_frame(w, frame, EI_FRAME_HEADER_BYTES, EI_LIMIT);
    frame[3] = 0;
    frame[6] = 9;
    raw_frame(w, frame, EI_FRAME_HEADER_BYTES, EI_UNSUPPORTED);
    ei_frame_put_header(frame, EI_MSG_HELLO, 0, 1, 0);
    raw_frame(w, frame, EI_FRAME_HEADER_BYTES, EI_DENIED);
}

static void test_unread_queue_is_bounded(void **state) {
    struct world *w = *state;
    int fd[2];
    struct side a = {0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    struct ei_conn *c = ei_conn_from_fd(&w->loop, fd[0], EI_ROLE_EXECUTOR, &EVENTS, &a);
    assert_true(pump_until(w, &a.opened, 1));
    char *reason = ei_malloc((4u << 20) + 1);
    memset(reason, 'x', 4u << 20);
    reason[4u << 20] = '\0';
    Eider__V1__CancelJob m = EIDER__V1__CANCEL_JOB__INIT;
    m.reason = reason;
    for (int i = 0; i < 15; i++)
        ei_conn_send(c, &m.base);
    pump_for(w, 20);
    assert_int_equal(a.closed, 0);
    for (int i = 0; i < 3; i++)
        ei_conn_send(c, &m.base);
    assert_true(pump_until(w, &a.closed, 1));
    assert_int_equal(a.why.code, EI_LIMIT);
    free(reason);
    close(fd[1]);
}

static void child_peer(int port) {
    struct world *w = ei_calloc(1, sizeof *w);
    char address[32];
    (void)uv_loop_init(&w->loop);
    (void)snprintf(address, sizeof address, "127.0.0.1:%d", port);
    struct ei_tls *tls = tls_in(dir, dir, "worker-1");
    (void)ei_conn_connect(&w->loop, tls, address, EI_ROLE_MASTER, &EVENTS, &w->c);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    _exit(0);
}

static void test_peer_killed(void **state) {
    struct world *w = *state;
    pid_t pid = fork();
    if (pid == 0)
        child_peer(ei_server_port(w->server));
    assert_true(pump_until(w, &w->s.opened, 1));
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_true(pump_until(w, &w->s.closed, 1));
    assert_int_equal(w->s.why.code, EI_UNREACHABLE);
}

static void test_port_in_use(void **state) {
    struct world *w = *state;
    struct ei_error e = {0};
    struct ei_server *second;
    struct ei_server_options o = {.host = "127.0.0.1",
                                  .port = ei_server_port(w->server),
                                  .tls = w->server_tls,
                                  .events = &EVENTS,
                                  .data = &w->s};
    assert_int_equal(ei_server_listen(&second, &w->loop, &o, &e), -1);
    assert_int_equal(e.code, EI_EXISTS);
}

#define WITH_WORLD(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_WORLD(test_hello),
        WITH_WORLD(test_call_and_reply),
        WITH_WORLD(test_timeout),
        WITH_WORLD(test_call_before_open),
        WITH_WORLD(test_flood_with_back_pressure),
        WITH_WORLD(test_large_message),
        WITH_WORLD(test_from_fd),
        WITH_WORLD(test_wrong_ca),
        WITH_WORLD(test_certificate_of_another_cluster),
        WITH_WORLD(test_wrong_role),
        WITH_WORLD(test_nobody_there),
        WITH_WORLD(test_message_not_allowed),
        WITH_WORLD(test_close_in_callback),
        WITH_WORLD(test_garbage),
        WITH_WORLD(test_half_handshake),
        WITH_WORLD(test_half_open_limit),
        WITH_WORLD(test_bad_frames),
        WITH_WORLD(test_unread_queue_is_bounded),
        WITH_WORLD(test_peer_killed),
        WITH_WORLD(test_port_in_use),
    };
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
