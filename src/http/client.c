#include "http/http.h"

#include "base/mem.h"
#include "os/os.h"
#include "rpc/address.h"

#include <errno.h>
#include <fcntl.h>
#include <http_parser.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES (64u << 10)

struct ei_http_client {
    char *address, *token;
    uint64_t timeout_ms;
    SSL_CTX *ctx;
    SSL *ssl; /* NULL = not connected */
    int fd;
    char *input; /* READ_BYTES */
};

/* One response as it arrives. */
struct response {
    bool done, keep_alive, head_only;
    int (*on_body)(void *data, const char *chunk, size_t n, struct ei_error *e);
    void *data;
    struct ei_error *e;
    bool stopped; /* by on_body */
};

static const unsigned char ALPN[] = "\x08http/1.1";

/* ---- waiting ---- */

/* Waits until the socket is ready. The time limit holds over interrupting signals. */
static int wait_for(const struct ei_http_client *c, short events, const char *what,
                    struct ei_error *e) {
    int64_t end = ei_now_us() + (int64_t)c->timeout_ms * 1000;
    for (;;) {
        struct pollfd p = {.fd = c->fd, .events = events};
        int64_t left_ms = c->timeout_ms == 0 ? -1 : EI_MAX((end - ei_now_us() + 999) / 1000, 0);
        int n = poll(&p, 1, (int)EI_MIN(left_ms, (int64_t)INT_MAX));
        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return ei_fail_errno(e, EI_IO, errno, "cannot wait for %s", c->address);
        if (n == 0)
            return ei_fail(e, EI_TIMEOUT, "%s %s within %llu ms", c->address, what,
                           (unsigned long long)c->timeout_ms);
    }
}

/* What an SSL function wants before it can go on: 0 = call it again, 1 = the peer closed. */
static int wait_for_ssl(const struct ei_http_client *c, int result, struct ei_error *e) {
    int why = SSL_get_error(c->ssl, result);
    if (why == SSL_ERROR_WANT_READ)
        return wait_for(c, POLLIN, "did not answer", e);
    if (why == SSL_ERROR_WANT_WRITE)
        return wait_for(c, POLLOUT, "did not take the request", e);
    long verify = SSL_get_verify_result(c->ssl);
    unsigned long code = ERR_peek_error();
    ERR_clear_error();
    if (verify != X509_V_OK)
        return ei_fail(e, EI_UNAUTHENTICATED,
                       "%s shows a certificate that is not of this cluster: %s", c->address,
                       X509_verify_cert_error_string(verify));
    if (why == SSL_ERROR_ZERO_RETURN ||
        ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING || why == SSL_ERROR_SYSCALL)
        return 1;
    return ei_fail(e, EI_UNREACHABLE, "%s does not speak TLS 1.3 as expected (reason %d)",
                   c->address, ERR_GET_REASON(code));
}

static int closed_by_peer(const struct ei_http_client *c, struct ei_error *e) {
    return ei_fail(e, EI_UNREACHABLE, "%s closed the connection", c->address);
}

/* ---- connecting ---- */

static void disconnect(struct ei_http_client *c) {
    SSL_free(c->ssl);
    c->ssl = NULL;
    if (c->fd >= 0)
        (void)close(c->fd);
    c->fd = -1;
}

static int connect_one(struct ei_http_client *c, const struct sockaddr *to, socklen_t n,
                       struct ei_error *e) {
    c->fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return ei_fail_errno(e, EI_IO, errno, "cannot make a socket");
    int err = connect(c->fd, to, n) == 0 ? 0 : errno;
    if (err == EINPROGRESS || err == EINTR) {
        if (wait_for(c, POLLOUT, "did not accept the connection", e) != 0)
            return -1;
        socklen_t size = sizeof err;
        (void)getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &size);
    }
    if (err != 0)
        return ei_fail_errno(e, EI_UNREACHABLE, err, "cannot connect to %s", c->address);
    int one = 1;
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return 0;
}

static int connect_socket(struct ei_http_client *c, struct ei_error *e) {
    struct ei_address to;
    if (ei_address_parse(c->address, &to, e) != 0)
        return -1;
    if (to.numeric)
        return connect_one(c, (const struct sockaddr *)&to.socket, sizeof to.socket, e);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    int status = getaddrinfo(to.host, to.port, &hints, &list);
    if (status != 0)
        return ei_fail(e, EI_UNREACHABLE, "cannot look up %s: %s", to.host, gai_strerror(status));
    int result = -1;
    for (struct addrinfo *a = list; a != NULL && result != 0; a = a->ai_next) {
        disconnect(c);
        result = connect_one(c, a->ai_addr, a->ai_addrlen, e);
    }
    freeaddrinfo(list);
    return result;
}

static int connect_tls(struct ei_http_client *c, struct ei_error *e) {
    if (connect_socket(c, e) != 0) {
        disconnect(c);
        return -1;
    }
    c->ssl = SSL_new(c->ctx);
    EI_ASSERT(c->ssl != NULL && SSL_set_fd(c->ssl, c->fd) == 1);
    (void)SSL_set_alpn_protos(c->ssl, ALPN, sizeof ALPN - 1);
    for (;;) {
        ERR_clear_error();
        int result = SSL_connect(c->ssl);
        if (result == 1)
            return 0;
        int wait = wait_for_ssl(c, result, e);
        if (wait == 1)
            (void)closed_by_peer(c, e);
        if (wait != 0) {
            disconnect(c);
            return -1;
        }
    }
}

static int make_context(struct ei_http_client *c, const char *ca_path, struct ei_error *e) {
    /* A command ends right after its answer: tidying the library up would only make it later. */
    (void)OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_LOAD_SSL_STRINGS |
                               OPENSSL_INIT_NO_ATEXIT,
                           NULL);
    c->ctx = SSL_CTX_new(TLS_client_method());
    EI_ASSERT(c->ctx != NULL && SSL_CTX_set_min_proto_version(c->ctx, TLS1_3_VERSION) == 1);
    SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
    (void)SSL_CTX_set_mode(c->ctx, SSL_MODE_AUTO_RETRY);
    if (SSL_CTX_load_verify_file(c->ctx, ca_path) == 1)
        return 0;
    ERR_clear_error();
    return ei_fail(e, access(ca_path, R_OK) == 0 ? EI_INVALID : EI_NOT_FOUND,
                   "cannot read the cluster's CA certificate %s", ca_path);
}

int ei_http_client_open(struct ei_http_client **out, const struct ei_http_target *t,
                        struct ei_error *e) {
    struct ei_http_client *c = ei_calloc(1, sizeof *c);
    c->address = ei_strdup(t->address);
    c->token = ei_strdup(t->token);
    c->timeout_ms = t->timeout_ms;
    c->fd = -1;
    c->input = ei_malloc(READ_BYTES);
    if (make_context(c, t->ca_path, e) != 0 || connect_tls(c, e) != 0) {
        ei_http_client_close(c);
        return -1;
    }
    *out = c;
    return 0;
}

void ei_http_client_close(struct ei_http_client *c) {
    if (c == NULL)
        return;
    if (c->ssl != NULL)
        (void)SSL_shutdown(c->ssl);
    disconnect(c);
    SSL_CTX_free(c->ctx);
    if (c->token != NULL)
        OPENSSL_cleanse(c->token, strlen(c->token));
    free(c->token);
    free(c->address);
    free(c->input);
    free(c);
}

int ei_http_client_fd(const struct ei_http_client *c) {
    return c->fd;
}

/* ---- one request ---- */

static int send_all(struct ei_http_client *c, const char *data, size_t n, struct ei_error *e) {
    while (n > 0) {
        size_t written = 0;
        ERR_clear_error();
        if (SSL_write_ex(c->ssl, data, n, &written) == 1) {
            data += written;
            n -= written;
            continue;
        }
        int wait = wait_for_ssl(c, 0, e);
        if (wait == 1)
            return 0; /* it may have answered before it closed: let the reader tell */
        if (wait != 0)
            return -1;
    }
    return 0;
}

static int send_request(struct ei_http_client *c, const char *method, const char *path,
                        const char *content_type, const void *body, size_t len,
                        struct ei_error *e) {
    struct ei_buf out = {0};
    ei_buf_printf(&out, "%s %s HTTP/1.1\r\nHost: %s\r\n", method, path, c->address);
    if (c->token != NULL)
        ei_buf_printf(&out, "Authorization: Bearer %s\r\n", c->token);
    if (content_type != NULL)
        ei_buf_printf(&out, "Content-Type: %s\r\n", content_type);
    if (len > 0 || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0)
        ei_buf_printf(&out, "Content-Length: %zu\r\n", len);
    ei_buf_puts(&out, "\r\n");
    ei_buf_append(&out, body, len);
    int result = send_all(c, out.data, out.len, e);
    OPENSSL_cleanse(out.data, out.len);
    ei_buf_release(&out);
    return result;
}

static int on_headers_complete(http_parser *parser) {
    const struct response *r = parser->data;
    return r->head_only ? 1 : 0;
}

static int on_body(http_parser *parser, const char *at, size_t n) {
    struct response *r = parser->data;
    if (r->on_body == NULL || r->on_body(r->data, at, n, r->e) == 0)
        return 0;
    r->stopped = true;
    return -1;
}

static int on_message_complete(http_parser *parser) {
    struct response *r = parser->data;
    if (parser->status_code / 100 == 1)
        return 0; /* the real one follows */
    r->done = true;
    r->keep_alive = http_should_keep_alive(parser) != 0;
    http_parser_pause(parser, 1);
    return 0;
}

/* One read. Returns the bytes, 0 at the end of the connection, -1 and *e. */
static ssize_t receive(struct ei_http_client *c, struct ei_error *e) {
    for (;;) {
        size_t n = 0;
        ERR_clear_error();
        if (SSL_read_ex(c->ssl, c->input, READ_BYTES, &n) == 1)
            return (ssize_t)n;
        int wait = wait_for_ssl(c, 0, e);
        if (wait != 0)
            return wait == 1 ? 0 : -1;
    }
}

static int read_response(struct ei_http_client *c, struct response *r, struct ei_error *e) {
    static const http_parser_settings settings = {.on_headers_complete = on_headers_complete,
                                                  .on_body = on_body,
                                                  .on_message_complete = on_message_complete};
    http_parser parser;
    http_parser_init(&parser, HTTP_RESPONSE);
    parser.data = r;
    while (!r->done) {
        ssize_t n = receive(c, e);
        if (n < 0)
            return -1;
        size_t took = http_parser_execute(&parser, &settings, c->input, (size_t)n);
        if (r->stopped)
            return -1;
        if (r->done)
            break;
        if (n == 0)
            return closed_by_peer(c, e);
        if (HTTP_PARSER_ERRNO(&parser) != HPE_OK || took != (size_t)n)
            return ei_fail(e, EI_CORRUPT, "%s does not answer in HTTP", c->address);
    }
    return (int)parser.status_code;
}

/* A connection that became readable while nothing was asked was closed by the server. */
static bool is_stale(const struct ei_http_client *c) {
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    return c->ssl == NULL || poll(&p, 1, 0) != 0;
}

int ei_http_client_request(struct ei_http_client *c, const char *method, const char *path,
                           const char *content_type, const void *body, size_t len,
                           int (*on_chunk)(void *data, const char *chunk, size_t n,
                                           struct ei_error *e),
                           void *data, struct ei_error *e) {
    struct response r = {
        .on_body = on_chunk, .data = data, .e = e, .head_only = strcmp(method, "HEAD") == 0};
    if (is_stale(c)) {
        disconnect(c);
        if (connect_tls(c, e) != 0)
            return -1;
    }
    int status = send_request(c, method, path, content_type, body, len, e);
    if (status == 0)
        status = read_response(c, &r, e);
    if (status < 0 || !r.keep_alive)
        disconnect(c);
    return status;
}
