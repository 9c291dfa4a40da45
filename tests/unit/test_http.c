#include "http/http.h"

#include "base/mem.h"
#include "os/os.h"
#include "pki/pki.h"
#include "rpc/rpc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define STREAM_BYTES (50u << 20)

/* ---- the server: a thread with a loop, one TLS port and one plain port ---- */

static char dir[64], tokens_path[80], ca_path[80];
static char read_token[65], admin_token[65];
static int tls_port, plain_port;
static int aborts, handled;
static uv_loop_t loop;
static uv_async_t stop_signal;
static pthread_t server_thread;
static pthread_barrier_t started;
static struct ei_http_server *http;
static struct ei_server *servers[2];
static struct ei_tls *tls;
static char app_name[] = "app";

static void on_echo(struct ei_http_request *r, void *data) {
    struct ei_buf b = {0};
    size_t n;
    const char *body = ei_http_body(r, &n);
    const char *q = ei_http_query(r, "q"), *x = ei_http_header(r, "x-test");
    assert_string_equal(data, "app");
    __atomic_add_fetch(&handled, 1, __ATOMIC_SEQ_CST);
    ei_buf_printf(&b, "%s %s id=%s q=%s x=%s user=%s body=", ei_http_method(r), ei_http_path(r),
                  ei_http_param(r, "id"), q == NULL ? "-" : q, x == NULL ? "-" : x,
                  ei_http_user(r));
    ei_buf_append(&b, body, n);
    ei_http_respond(r, 200, "text/plain", b.data, b.len);
    ei_buf_release(&b);
}

static void on_files(struct ei_http_request *r, void *data) {
    const char *rest = ei_http_param(r, "*");
    ei_http_respond(r, 200, "text/plain", rest, strlen(rest));
}

static void on_error(struct ei_http_request *r, void *data) {
    struct ei_error e;
    (void)ei_fail(&e, EI_NOT_FOUND, "no \"job\" 7");
    ei_http_respond_error(r, &e);
}

struct streaming {
    struct ei_http_request *r;
    size_t left;
    uint8_t next;
};

static void pour(void *data) {
    struct streaming *s = data;
    char block[10007];
    while (s->left > 0) {
        size_t n = EI_MIN(s->left, sizeof block);
        for (size_t i = 0; i < n; i++)
            block[i] = (char)s->next++;
        s->left -= n;
        if (!ei_http_write(s->r, block, n) && s->left > 0)
            return;
    }
    ei_http_end(s->r);
    free(s);
}

static void on_abort(void *data) {
    free(data);
    __atomic_add_fetch(&aborts, 1, __ATOMIC_SEQ_CST);
}

static void on_stream(struct ei_http_request *r, void *data) {
    struct streaming *s = ei_calloc(1, sizeof *s);
    s->r = r;
    s->left = STREAM_BYTES;
    ei_http_start(r, 200, "application/octet-stream", pour, on_abort, s);
    pour(s);
}

/* Never answers: ends when the client goes away. */
static void on_wait(struct ei_http_request *r, void *data) {
    ei_http_on_abort(r, on_abort, ei_malloc(1));
}

static const struct ei_http_route ROUTES[] = {
    {"GET", "/v1/jobs/:id", EI_ACCESS_READ, 0, on_echo, ""},
    {"POST", "/v1/jobs/:id/cancel", EI_ACCESS_ADMIN, 1000, on_echo, ""},
    {"PUT", "/v1/jobs/:id", EI_ACCESS_PUBLIC, 100000, on_echo, ""},
    {"GET", "/open/:id", EI_ACCESS_PUBLIC, 0, on_echo, ""},
    {"GET", "/files/*", EI_ACCESS_PUBLIC, 0, on_files, ""},
    {"GET", "/error", EI_ACCESS_PUBLIC, 0, on_error, ""},
    {"GET", "/stream", EI_ACCESS_PUBLIC, 0, on_stream, ""},
    {"GET", "/wait", EI_ACCESS_PUBLIC, 0, on_wait, ""},
};

static void rpc_open(struct ei_conn *c, void *data) {
}

static void rpc_message(struct ei_conn *c, void *data, const struct ei_message *m) {
}

static void rpc_closed(struct ei_conn *c, void *data, const struct ei_error *e) {
}

static const struct ei_conn_events RPC_EVENTS = {rpc_open, rpc_message, rpc_closed};

static void on_stop(uv_async_t *async) {
    ei_server_close(servers[0]);
    ei_server_close(servers[1]);
    ei_http_server_destroy(http);
    uv_close((uv_handle_t *)async, NULL);
}

static void *serve(void *arg) {
    struct ei_error e = {0};
    char *crt = ei_path_join(dir, "gateway.crt"), *key = ei_path_join(dir, "gateway.key");
    struct ei_server_options o = {.host = "127.0.0.1", .events = &RPC_EVENTS};
    (void)uv_loop_init(&loop);
    (void)uv_async_init(&loop, &stop_signal, on_stop);
    if (ei_tls_create(&tls, ca_path, crt, key, &e) != 0 ||
        ei_http_server_create(&http, ROUTES, EI_ARRAY_LEN(ROUTES), app_name, tokens_path, &e) != 0)
        print_message("%s\n", e.text);
    o.tls = tls;
    o.http = http;
    if (ei_server_listen(&servers[0], &loop, &o, &e) != 0)
        print_message("%s\n", e.text);
    o.plain_http = true;
    if (ei_server_listen(&servers[1], &loop, &o, &e) != 0)
        print_message("%s\n", e.text);
    tls_port = ei_server_port(servers[0]);
    plain_port = ei_server_port(servers[1]);
    (void)pthread_barrier_wait(&started);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    ei_tls_destroy(tls);
    free(crt);
    free(key);
    return (void *)(intptr_t)uv_loop_close(&loop);
}

static void write_tokens(const char *first_sha, const char *second_sha) {
    char *text = ei_asprintf("# tokens\n%s read reader\n%s admin boss\n", first_sha, second_sha);
    assert_int_equal(ei_write_file_atomic(tokens_path, 0600, text, strlen(text), NULL), 0);
    free(text);
}

static int setup_all(void **state) {
    struct ei_error e = {0};
    char id[33], sha[2][65];
    (void)signal(SIGPIPE, SIG_IGN);
    memcpy(dir, "/tmp/ei-test-http-XXXXXX", sizeof "/tmp/ei-test-http-XXXXXX");
    if (mkdtemp(dir) == NULL || ei_pki_create_ca(dir, id, &e) != 0 ||
        ei_pki_issue(dir, EI_ROLE_GATEWAY, "gateway", NULL, &e) != 0 ||
        ei_pki_issue(dir, EI_ROLE_WORKER, "worker", NULL, &e) != 0 ||
        ei_pki_issue(dir, EI_ROLE_CLIENT, "anna", NULL, &e) != 0)
        return -1;
    (void)snprintf(tokens_path, sizeof tokens_path, "%s/tokens", dir);
    (void)snprintf(ca_path, sizeof ca_path, "%s/ca.crt", dir);
    ei_token_create(read_token, sha[0]);
    ei_token_create(admin_token, sha[1]);
    write_tokens(sha[0], sha[1]);
    (void)pthread_barrier_init(&started, NULL, 2);
    (void)pthread_create(&server_thread, NULL, serve, NULL);
    (void)pthread_barrier_wait(&started);
    return 0;
}

static int teardown_all(void **state) {
    void *result;
    (void)uv_async_send(&stop_signal);
    (void)pthread_join(server_thread, &result);
    (void)ei_remove_tree(dir, NULL);
    return result == NULL ? 0 : -1;
}

/* ---- the blocking client over TLS ---- */

struct got {
    struct ei_buf body;
    size_t bytes, stop_at;
    uint8_t next;
    bool wrong, keep;
};

static int on_chunk(void *data, const char *chunk, size_t n, struct ei_error *e) {
    struct got *g = data;
    g->bytes += n;
    if (g->keep)
        ei_buf_append(&g->body, chunk, n);
    else
        for (size_t i = 0; i < n; i++)
            g->wrong |= (uint8_t)chunk[i] != g->next++;
    if (g->stop_at > 0 && g->bytes > g->stop_at)
        return ei_fail(e, EI_CANCELLED, "enough");
    return 0;
}

static struct ei_http_client *open_client(const char *token) {
    struct ei_error e = {0};
    char address[32];
    struct ei_http_client *c = NULL;
    (void)snprintf(address, sizeof address, "127.0.0.1:%d", tls_port);
    struct ei_http_target t = {
        .address = address, .ca_path = ca_path, .token = token, .timeout_ms = 10000};
    if (ei_http_client_open(&c, &t, &e) != 0)
        print_message("%s\n", e.text);
    assert_non_null(c);
    return c;
}

static void expect(struct ei_http_client *c, const char *method, const char *path, const char *body,
                   int status, const char *answer) {
    struct ei_error e = {0};
    struct got g = {.keep = true};
    ei_buf_puts(&g.body, "");
    int got =
        ei_http_client_request(c, method, path, "text/plain", body, strlen(body), on_chunk, &g, &e);
    if (got != status)
        print_message("%s %s: %d %s\n", method, path, got, e.text);
    assert_int_equal(got, status);
    if (answer != NULL)
        assert_string_equal(g.body.data, answer);
    ei_buf_release(&g.body);
}

static void test_routes(void **state) {
    struct ei_http_client *c = open_client(admin_token);
    int fd = ei_http_client_fd(c);
    expect(c, "GET", "/v1/jobs/17?q=a%20b+c&z", "", 200,
           "GET /v1/jobs/17 id=17 q=a b c x=- user=boss body=");
    expect(c, "POST", "/v1/jobs/a%2Fb/cancel", "now", 200,
           "POST /v1/jobs/a/b/cancel id=a/b q=- x=- user=boss body=now");
    expect(c, "GET", "/files/a/b%20c", "", 200, "a/b c");
    expect(c, "GET", "/error", "", 404,
           "{\"error\":{\"code\":\"not_found\",\"message\":\"no \\\"job\\\" 7\"}}\n");
    expect(c, "GET", "/nothing", "", 404, NULL);
    expect(c, "GET", "/v1/jobs/", "", 404, NULL);
    expect(c, "GET", "/v1/jobs/1/", "", 404, NULL);
    expect(c, "DELETE", "/v1/jobs/1", "", 405, NULL);
    expect(c, "HEAD", "/v1/jobs/1", "", 200, "");
    assert_int_equal(ei_http_client_fd(c), fd); /* one connection for all */
    expect(c, "GET", "/files/../secret", "", 400, NULL);
    expect(c, "GET", "/files/%2e%2e/secret", "", 400, NULL);
    expect(c, "GET", "/files/a%00b", "", 400, NULL);
    expect(c, "GET", "/files/a%zz", "", 400, NULL);
    ei_http_client_close(c);
}

static void test_access(void **state) {
    struct ei_http_client *none = open_client(NULL), *reader = open_client(read_token),
                          *wrong = open_client("0123");
    int before = handled;
    expect(none, "GET", "/v1/jobs/1", "", 401, NULL);
    expect(wrong, "GET", "/v1/jobs/1", "", 401, NULL);
    expect(reader, "POST", "/v1/jobs/1/cancel", "", 403, NULL);
    expect(reader, "POST", "/v1/jobs/1/cancel", "with a body", 403, NULL);
    assert_int_equal(handled, before);
    expect(reader, "GET", "/v1/jobs/1", "", 200, NULL);
    expect(none, "GET", "/open/1", "", 200, NULL);
    expect(wrong, "GET", "/open/1", "", 200, NULL);
    ei_http_client_close(none);
    ei_http_client_close(reader);
    ei_http_client_close(wrong);
}

static void test_tokens_are_read_again(void **state) {
    struct ei_http_client *admin = open_client(admin_token);
    char new_token[65], new_sha[65], admin_sha[65], old_sha[65];
    ei_token_create(new_token, new_sha);
    ei_token_sha256(admin_token, 64, admin_sha);
    ei_token_sha256(read_token, 64, old_sha);
    expect(admin, "GET", "/v1/jobs/1", "", 200, NULL);
    write_tokens(old_sha, new_sha);
    expect(admin, "GET", "/v1/jobs/1", "", 401, NULL);
    write_tokens(old_sha, admin_sha);
    expect(admin, "GET", "/v1/jobs/1", "", 200, NULL);
    ei_http_client_close(admin);
}

static void test_body_limit(void **state) {
    struct ei_http_client *c = open_client(admin_token);
    char *body = ei_malloc(100002);
    memset(body, 'b', 100001);
    body[1000] = '\0';
    expect(c, "POST", "/v1/jobs/1/cancel", body, 200, NULL);
    body[1000] = 'b';
    body[1001] = '\0';
    expect(c, "POST", "/v1/jobs/1/cancel", body, 413, NULL);
    body[1001] = 'b';
    body[100000] = '\0';
    expect(c, "PUT", "/v1/jobs/1", body, 200, NULL);
    body[100000] = 'b';
    body[100001] = '\0';
    expect(c, "PUT", "/v1/jobs/1", body, 413, NULL);
    free(body);
    ei_http_client_close(c);
}

static void test_stream(void **state) {
    struct ei_http_client *c = open_client(NULL);
    struct got g = {0};
    struct ei_error e = {0};
    assert_int_equal(ei_http_client_request(c, "GET", "/stream", NULL, NULL, 0, on_chunk, &g, &e),
                     200);
    assert_int_equal(g.bytes, STREAM_BYTES);
    assert_false(g.wrong);
    expect(c, "GET", "/open/1", "", 200, NULL);
    ei_http_client_close(c);
}

static void wait_for_aborts(int want) {
    for (int i = 0; i < 1000 && __atomic_load_n(&aborts, __ATOMIC_SEQ_CST) < want; i++)
        usleep(10000);
    assert_int_equal(aborts, want);
}

static void test_abort(void **state) {
    struct ei_http_client *c = open_client(NULL);
    struct got g = {.stop_at = 1 << 20};
    struct ei_error e = {0};
    int before = aborts;
    assert_int_equal(ei_http_client_request(c, "GET", "/stream", NULL, NULL, 0, on_chunk, &g, &e),
                     -1);
    assert_int_equal(e.code, EI_CANCELLED);
    wait_for_aborts(before + 1);
    expect(c, "GET", "/open/1", "", 200, NULL); /* over a new connection */
    ei_http_client_close(c);
}

static void test_client_failures(void **state) {
    struct ei_error e = {0};
    struct ei_http_client *c = NULL;
    char other[96], address[32], id[33];
    struct ei_http_target t = {.address = "127.0.0.1:1", .ca_path = ca_path, .timeout_ms = 3000};
    assert_int_equal(ei_http_client_open(&c, &t, &e), -1);
    assert_int_equal(e.code, EI_UNREACHABLE);
    (void)snprintf(address, sizeof address, "localhost:%d", tls_port);
    (void)snprintf(other, sizeof other, "%s/other", dir);
    assert_int_equal(ei_pki_create_ca(other, id, &e), 0);
    (void)snprintf(other, sizeof other, "%s/other/ca.crt", dir);
    t.address = address;
    t.ca_path = other;
    assert_int_equal(ei_http_client_open(&c, &t, &e), -1);
    assert_int_equal(e.code, EI_UNAUTHENTICATED);
    t.ca_path = ca_path;
    t.timeout_ms = 200;
    assert_int_equal(ei_http_client_open(&c, &t, &e), 0);
    int before = aborts;
    assert_int_equal(ei_http_client_request(c, "GET", "/wait", NULL, NULL, 0, NULL, NULL, &e), -1);
    assert_int_equal(e.code, EI_TIMEOUT);
    wait_for_aborts(before + 1);
    ei_http_client_close(c);
}

/* ---- raw bytes ---- */

static int raw_to(int port) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval limit = {.tv_sec = 10};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static int raw(void) {
    return raw_to(plain_port);
}

/* Sends all and reads until the server closes; the caller frees. */
static char *ask_bytes(const char *bytes, size_t n) {
    struct ei_buf b = {0};
    int fd = raw();
    (void)send(fd, bytes, n, MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_WR);
    char block[4096];
    for (ssize_t got; (got = read(fd, block, sizeof block)) > 0;)
        ei_buf_append(&b, block, (size_t)got);
    close(fd);
    return ei_buf_steal(&b);
}

static char *ask(const char *bytes) {
    struct ei_buf b = {0};
    int fd = raw();
    size_t n = strlen(bytes);
    assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), n);
    char block[4096];
    for (ssize_t got; (got = read(fd, block, sizeof block)) > 0;)
        ei_buf_append(&b, block, (size_t)got);
    close(fd);
    return ei_buf_steal(&b);
}

static int answers(const char *text, const char *start) {
    int count = 0;
    for (const char *s = text; (s = strstr(s, start)) != NULL; s++)
        count++;
    return count;
}

#define H "Host: localhost\r\n"
#define CLOSE "Connection: close\r\n"

static void test_bad_requests(void **state) {
    static const struct {
        const char *request;
        int status;
    } cases[] = {
        /* one length, said once */
        {"PUT /v1/jobs/1 HTTP/1.1\r\n" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
         "0\r\n\r\n",
         400},
        {"PUT /v1/jobs/1 HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"
         "0\r\n\r\n",
         400},
        {"PUT /v1/jobs/1 HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
         400},
        {"PUT /v1/jobs/1 HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
         400},
        {"PUT /v1/jobs/1 HTTP/1.1\r\n" H "Content-Length: 5, 5\r\n\r\nhello", 400},
        {"PUT /v1/jobs/1 HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\nhello", 400},
        {"PUT /v1/jobs/1 HTTP/1.1\r\n" H "Content-Length: -5\r\n\r\nhello", 400},
        {"PUT /v1/jobs/1 HTTP/1.1\r\n" H "Content-Length: 0x5\r\n\r\nhello", 400},
        {"PUT /v1/jobs/1 HTTP/1.1\r\n" H "Content-Length: 5 5\r\n\r\nhello", 400},
        {"PUT /v1/jobs/1 HTTP/1.1\r\n" H "Content-Length:\r\n\r\nhello", 400},
        {"PUT /v1/jobs/1 HTTP/1.1\r\n" H "Content-Length: 99999999999999999999\r\n\r\nhello", 400},
        {"PUT /v1/jobs/1 HTTP/1.1\r\n" H "Content-Length : 5\r\n\r\nhello", 400},
        {"PUT /v1/jobs/1 HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {"PUT /v1/jobs/1 HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n"
         "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n",
         400},
        {"PUT /v1/jobs/1 HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501},
        {"PUT /v1/jobs/1 HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501},
        {"PUT /v1/jobs/1 HTTP/1.1\r\n" H "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400},
        {"PUT /v1/jobs/1 HTTP/1.1\r\n" H "Transfer-Encoding: \x0b"
         "chunked\r\n\r\n0\r\n\r\n",
         400},
        /* chunks */
        {"PUT /v1/jobs/1 HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
         400},
        {"PUT /v1/jobs/1 HTTP/1.1\r\n" H
         "Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\n",
         400},
        {"PUT /v1/jobs/1 HTTP/1.1\r\n" H
         "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n0\r\n\r\n",
         400},
        {"PUT /v1/jobs/1 HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n", 400},
        {"PUT /v1/jobs/1 HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n", 400},
        {"PUT /v1/jobs/1 HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nfffffffff\r\n", 400},
        {"PUT /v1/jobs/1 HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n\r\n", 400},
        {"PUT /v1/jobs/1 HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nffffff\r\n", 413},
        /* line ends and folding */
        {"GET /open/1 HTTP/1.1\nHost: localhost\n\n", 400},
        {"GET /open/1 HTTP/1.1\r\nHost: localhost\nX: y\r\n\r\n", 400},
        {"GET /open/1 HTTP/1.1\r\n" H "X: a\rb\r\n\r\n", 400},
        {"GET /open/1 HTTP/1.1\r\n" H "X: a\r\n folded\r\n\r\n", 400},
        {"GET /open/1 HTTP/1.1\r\n" H "NoColon\r\n\r\n", 400},
        {"GET /open/1 HTTP/1.1\r\n" H ": empty\r\n\r\n", 400},
        {"\r\nGET /open/1 HTTP/1.1\r\n" H "\r\n", 400},
        /* request line */
        {"GET  /open/1 HTTP/1.1\r\n" H "\r\n", 400},
        {"GET /open/1\r\n\r\n", 400},
        {"GET /open/1 HTTP/2.0\r\n" H "\r\n", 505},
        {"GET open HTTP/1.1\r\n" H "\r\n", 400},
        {"GET http://localhost/open/1 HTTP/1.1\r\n" H "\r\n", 400},
        {"CONNECT localhost:1 HTTP/1.1\r\n" H "\r\n", 400},
        {"BREW /open/1 HTTP/1.1\r\n" H "\r\n", 400},
        {"get /open/1 HTTP/1.1\r\n" H "\r\n", 400},
        /* host, origin, expectations */
        {"GET /open/1 HTTP/1.1\r\n" CLOSE "\r\n", 400},
        {"GET /open/1 HTTP/1.1\r\n" H H CLOSE "\r\n", 400},
        {"GET /open/1 HTTP/1.1\r\nHost: evil.example\r\n" CLOSE "\r\n", 403},
        {"GET /open/1 HTTP/1.1\r\nHost: localhost.evil.example\r\n" CLOSE "\r\n", 403},
        {"GET /open/1 HTTP/1.1\r\nHost: 127.0.0.1.evil\r\n" CLOSE "\r\n", 403},
        {"GET /open/1 HTTP/1.1\r\nHost: localhost:80@evil\r\n" CLOSE "\r\n", 403},
        {"GET /open/1 HTTP/1.1\r\nHost: [::1\r\n" CLOSE "\r\n", 403},
        {"GET /open/1 HTTP/1.1\r\n" H "Origin: http://evil.example\r\n" CLOSE "\r\n", 403},
        {"GET /open/1 HTTP/1.1\r\n" H "Origin: null\r\n" CLOSE "\r\n", 403},
        {"GET /open/1 HTTP/1.1\r\n" H "Origin: https://localhost\r\n" CLOSE "\r\n", 403},
        {"GET /open/1 HTTP/1.1\r\n" H "Expect: tea\r\n\r\n", 417},
    };
    int before = handled;
    for (size_t i = 0; i < EI_ARRAY_LEN(cases); i++) {
        char want[32], *got = ask(cases[i].request);
        (void)snprintf(want, sizeof want, "HTTP/1.1 %d ", cases[i].status);
        if (strncmp(got, want, strlen(want)) != 0)
            print_message("case %zu: %s\n%s\n", i, cases[i].request, got);
        assert_memory_equal(got, want, strlen(want));
        assert_int_equal(answers(got, "\r\nDate: "), 1); /* nothing smuggled behind it */
        free(got);
    }
    assert_int_equal(handled, before);
}

static void test_good_requests(void **state) {
    static const char *const requests[] = {
        "GET /open/1 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n" CLOSE "\r\n",
        "GET /open/1 HTTP/1.1\r\nHost: [::1]:1\r\n" CLOSE "\r\n",
        "GET /open/1 HTTP/1.1\r\nHost: LOCALHOST\r\nOrigin: http://localhost\r\n" CLOSE "\r\n",
        "GET /open/1 HTTP/1.0\r\n" H "\r\n",
        "GET /open/1 HTTP/1.1\r\n" H "Upgrade: h2c\r\nConnection: Upgrade, close\r\n\r\n",
        "PUT /v1/jobs/1 HTTP/1.1\r\n" H CLOSE "Transfer-Encoding: Chunked\r\n\r\n"
        "5\r\nhello\r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n",
    };
    for (size_t i = 0; i < EI_ARRAY_LEN(requests); i++) {
        char *got = ask(requests[i]);
        if (strncmp(got, "HTTP/1.1 200 OK\r\n", 17) != 0)
            print_message("case %zu: %s\n%s\n", i, requests[i], got);
        assert_memory_equal(got, "HTTP/1.1 200 OK\r\n", 17);
        if (i == 5)
            assert_non_null(strstr(got, "body=hello0123456789"));
        free(got);
    }
}

static void test_headers(void **state) {
    char *got = ask("DELETE /v1/jobs/1 HTTP/1.1\r\n" H CLOSE "\r\n");
    assert_non_null(strstr(got, "\r\nAllow: GET, HEAD, PUT\r\n"));
    static const char *const wanted[] = {
        "X-Content-Type-Options: nosniff",
        "Content-Security-Policy: default-src 'self'; frame-ancestors 'none'",
        "X-Frame-Options: DENY", "Cache-Control: no-store", "Referrer-Policy: no-referrer"};
    for (size_t i = 0; i < EI_ARRAY_LEN(wanted); i++)
        assert_non_null(strstr(got, wanted[i]));
    free(got);
    got = ask("GET /v1/jobs/1 HTTP/1.1\r\n" H CLOSE "\r\n");
    assert_non_null(strstr(got, "HTTP/1.1 401 "));
    assert_non_null(strstr(got, "\r\nWWW-Authenticate: Bearer\r\n"));
    free(got);
    got = ask("PUT /v1/jobs/1 HTTP/1.1\r\n" H CLOSE "Expect: 100-continue\r\n"
              "Content-Length: 2\r\n\r\nok");
    assert_memory_equal(got, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200", 37);
    free(got);
}

static void test_pipelining(void **state) {
    struct ei_buf b = {0};
    for (int i = 0; i < 500; i++)
        ei_buf_printf(&b, "PUT /v1/jobs/%d HTTP/1.1\r\n" H "Content-Length: 4\r\n\r\nGET ", i);
    ei_buf_puts(&b, "GET /open/last HTTP/1.1\r\n" H CLOSE "\r\n");
    char *got = ask(b.data);
    assert_int_equal(answers(got, "HTTP/1.1 200 OK"), 501);
    const char *at = got;
    for (int i = 0; i < 500; i++) {
        char want[32];
        (void)snprintf(want, sizeof want, "id=%d q=", i);
        at = strstr(at, want);
        assert_non_null(at);
    }
    ei_buf_release(&b);
    free(got);
}

/* One byte at a time gives what one piece gives. */
static void test_byte_by_byte(void **state) {
    const char *request = "PUT /v1/jobs/1 HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
                          "5\r\nhello\r\n0\r\n\r\nGET /open/2 HTTP/1.1\r\n" H CLOSE "\r\n";
    int fd = raw(), one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one, sizeof one);
    for (const char *s = request; *s != '\0'; s++) {
        assert_int_equal(send(fd, s, 1, MSG_NOSIGNAL), 1);
        usleep(200);
    }
    struct ei_buf b = {0};
    char block[4096];
    for (ssize_t got; (got = read(fd, block, sizeof block)) > 0;)
        ei_buf_append(&b, block, (size_t)got);
    close(fd);
    assert_int_equal(answers(b.data, "HTTP/1.1 200 OK"), 2);
    assert_non_null(strstr(b.data, "body=hello"));
    ei_buf_release(&b);
}

static void test_head_limit(void **state) {
    struct ei_buf b = {0};
    ei_buf_puts(&b, "GET /open/1 HTTP/1.1\r\n" H "X: ");
    while (b.len < EI_HTTP_HEAD_MAX + 100)
        ei_buf_putc(&b, 'x');
    char *got = ask(b.data);
    assert_memory_equal(got, "HTTP/1.1 431 ", 13);
    free(got);
    ei_buf_clear(&b);
    ei_buf_puts(&b, "GET /open/1 HTTP/1.1\r\n" H);
    for (int i = 0; i < 150; i++)
        ei_buf_puts(&b, "a: b\r\n");
    ei_buf_puts(&b, "\r\n");
    got = ask(b.data);
    assert_memory_equal(got, "HTTP/1.1 431 ", 13);
    free(got);
    ei_buf_clear(&b);
    ei_buf_puts(&b, "GET /open/1 HTTP/1.1\r\n" H CLOSE "X: ");
    while (b.len < EI_HTTP_HEAD_MAX - 4)
        ei_buf_putc(&b, 'x');
    ei_buf_puts(&b, "\r\n\r\n");
    got = ask(b.data);
    assert_memory_equal(got, "HTTP/1.1 200 ", 13);
    free(got);
    ei_buf_release(&b);
}

static void test_slow_head(void **state) {
    int fd = raw();
    char byte;
    int64_t start = ei_now_us();
    assert_int_equal(send(fd, "GET / HTTP/1.1\r\n", 16, MSG_NOSIGNAL), 16);
    for (int i = 0; i < 12; i++) {
        usleep(500000);
        if (send(fd, "a", 1, MSG_NOSIGNAL) != 1)
            break;
    }
    assert_true(read(fd, &byte, 1) <= 0);
    assert_true(ei_now_us() - start < 8000000);
    close(fd);
}

static void test_not_http(void **state) {
    char *got = ask("\x16\x03\x01\x02\x01\x01\x01\xfc\x03\x03 TLS on the plain port\r\n\r\n");
    assert_memory_equal(got, "HTTP/1.1 400", 12);
    free(got);
    got = ask_bytes("", 0);
    assert_string_equal(got, "");
    free(got);
    got = ask_bytes("GET /open/1 HTTP/1.1\r\nX: \0\r\n\r\n", 31);
    assert_true(strncmp(got, "HTTP/1.1 400", 12) == 0 || got[0] == '\0');
    free(got);
}

/* HTTP/1.0 gets the stream without chunks, up to the end of the connection. */
static void test_stream_http_1_0(void **state) {
    int fd = raw();
    const char *request = "GET /stream HTTP/1.0\r\n" H "\r\n";
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    char *block = ei_malloc(1 << 16);
    size_t sum = 0, head = 0;
    for (ssize_t got; (got = read(fd, block, 1 << 16)) > 0; sum += (size_t)got)
        if (sum == 0)
            head = (size_t)((char *)memmem(block, (size_t)got, "\r\n\r\n", 4) - block) + 4;
    assert_int_equal(sum - head, STREAM_BYTES);
    free(block);
    close(fd);
}

static void test_plain_needs_loopback(void **state) {
    struct ei_error e = {0};
    struct ei_server *s;
    uv_loop_t own;
    (void)uv_loop_init(&own);
    struct ei_server_options o = {.host = "0.0.0.0", .http = http, .plain_http = true};
    assert_int_equal(ei_server_listen(&s, &own, &o, &e), -1);
    assert_int_equal(e.code, EI_DENIED);
    (void)uv_run(&own, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&own), 0);
}

/* ---- TLS as strangers and people with certificates speak it ---- */

/* The answer to a request over TLS, or NULL if the server did not want to talk; the caller frees.
 */
static char *ask_tls(const char *name, const char *alpn, int max_version, const char *request) {
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    struct ei_buf b = {0};
    assert_non_null(ctx);
    (void)SSL_CTX_set_max_proto_version(ctx, max_version);
    if (name != NULL) {
        char *crt = ei_asprintf("%s/%s.crt", dir, name), *key = ei_asprintf("%s/%s.key", dir, name);
        assert_int_equal(SSL_CTX_use_certificate_file(ctx, crt, SSL_FILETYPE_PEM), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM), 1);
        free(crt);
        free(key);
    }
    SSL *ssl = SSL_new(ctx);
    int fd = raw_to(tls_port);
    assert_int_equal(SSL_set_fd(ssl, fd), 1);
    if (alpn != NULL)
        assert_int_equal(
            SSL_set_alpn_protos(ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn)), 0);
    if (SSL_connect(ssl) == 1) {
        char block[4096];
        (void)SSL_write(ssl, request, (int)strlen(request));
        for (int n; (n = SSL_read(ssl, block, sizeof block)) > 0;)
            ei_buf_append(&b, block, (size_t)n);
    }
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    close(fd);
    return b.len == 0 ? NULL : ei_buf_steal(&b);
}

#define GET_JOB "GET /v1/jobs/1 HTTP/1.1\r\n" H CLOSE "\r\n"

static void test_certificates(void **state) {
    char *got = ask_tls("anna", "\x08http/1.1", TLS1_3_VERSION, GET_JOB);
    assert_non_null(got);
    assert_non_null(strstr(got, "user=anna"));
    free(got);
    got = ask_tls("worker", "\x08http/1.1", TLS1_3_VERSION, GET_JOB); /* no person */
    assert_non_null(got);
    assert_memory_equal(got, "HTTP/1.1 401", 12);
    free(got);
    got = ask_tls(NULL, NULL, TLS1_3_VERSION, "GET /open/1 HTTP/1.1\r\n" H CLOSE "\r\n");
    assert_non_null(got);
    assert_memory_equal(got, "HTTP/1.1 200", 12);
    free(got);
}

static void test_tls_refusals(void **state) {
    assert_null(ask_tls(NULL,
                        "\x07"
                        "eider/1",
                        TLS1_3_VERSION, GET_JOB)); /* no certificate */
    assert_null(ask_tls("anna", "\x02h2", TLS1_3_VERSION, GET_JOB));
    assert_null(ask_tls("anna", "\x08http/1.1", TLS1_2_VERSION, GET_JOB));
    /* A certificate, but no greeting: the server's own Hello comes, and then the end. */
    char *got = ask_tls("anna",
                        "\x07"
                        "eider/1",
                        TLS1_3_VERSION, GET_JOB);
    assert_true(got == NULL || strstr(got, "HTTP/1.1") == NULL);
    free(got);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes),
        cmocka_unit_test(test_access),
        cmocka_unit_test(test_tokens_are_read_again),
        cmocka_unit_test(test_body_limit),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_abort),
        cmocka_unit_test(test_client_failures),
        cmocka_unit_test(test_bad_requests),
        cmocka_unit_test(test_good_requests),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_pipelining),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_head_limit),
        cmocka_unit_test(test_slow_head),
        cmocka_unit_test(test_not_http),
        cmocka_unit_test(test_stream_http_1_0),
        cmocka_unit_test(test_plain_needs_loopback),
        cmocka_unit_test(test_certificates),
        cmocka_unit_test(test_tls_refusals),
    };
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
