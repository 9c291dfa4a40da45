/* HTTP/1.1 server side (over the streams of rpc/) and a blocking client for the command line.
 *
 * Server: routes are a table; what is not in it is 404, another method is 405. Requests are parsed
 * by the http_parser library; request line + headers <= 16 KiB, body <= the route's limit. A
 * response is either whole (ei_http_respond) or streamed (start, write..., end). */
#ifndef EIDER_HTTP_HTTP_H
#define EIDER_HTTP_HTTP_H

#include "base/buf.h"
#include "base/error.h"
#include "wire/messages.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EI_HTTP_HEAD_MAX (16u << 10)

enum ei_access { EI_ACCESS_PUBLIC, EI_ACCESS_READ, EI_ACCESS_SUBMIT, EI_ACCESS_ADMIN };

struct ei_http_request; /* one exchange; valid until ended or aborted was called */
typedef void (*ei_http_fn)(struct ei_http_request *r, void *data);

struct ei_http_route {
    const char *method;    /* "GET" */
    const char *pattern;   /* "/v1/jobs/:id/cancel"; a last segment "*" matches any rest */
    enum ei_access access; /* least access the token or certificate must have */
    size_t body_max_bytes;
    ei_http_fn handler;
    const char *summary; /* one line for docs and GET /v1 */
};

/* Who is allowed: a list of SHA-256 of bearer tokens, from a file of lines "sha256hex access name".
 * A client certificate of role CLIENT has EI_ACCESS_ADMIN. */
struct ei_http_server;
int ei_http_server_create(struct ei_http_server **out, const struct ei_http_route *routes,
                          size_t route_count, void *data, const char *tokens_path,
                          struct ei_error *e);
void ei_http_server_destroy(struct ei_http_server *s);

/* ---- inside a handler ---- */
const char *ei_http_method(const struct ei_http_request *r);
const char *ei_http_path(const struct ei_http_request *r);                    /* decoded */
const char *ei_http_param(const struct ei_http_request *r, const char *name); /* of the pattern */
const char *ei_http_query(const struct ei_http_request *r, const char *name); /* decoded, or NULL */
const char *ei_http_header(const struct ei_http_request *r, const char *name); /* or NULL */
const char *ei_http_body(const struct ei_http_request *r, size_t *len);
const char *ei_http_user(const struct ei_http_request *r); /* token's or certificate's name */
enum ei_access ei_http_access(const struct ei_http_request *r);

/* Whole response; ends the exchange. */
void ei_http_respond(struct ei_http_request *r, int status, const char *content_type,
                     const void *body, size_t len);
/* {"error":{"code":"not_found","message":"..."}} with the status of the code. Ends the exchange. */
void ei_http_respond_error(struct ei_http_request *r, const struct ei_error *e);

/* Streamed (chunked) response. `drained` is called when the send queue falls under 256 KiB after a
 * write returned false; `aborted` when the client went away before ei_http_end (nothing may be
 * called on r afterwards). Both may be NULL. */
void ei_http_start(struct ei_http_request *r, int status, const char *content_type,
                   void (*drained)(void *), void (*aborted)(void *), void *data);
/* False: more than 1 MiB is queued, wait for `drained` before writing much more. */
bool ei_http_write(struct ei_http_request *r, const void *data, size_t len);
void ei_http_end(struct ei_http_request *r);
/* Without a response yet: tells when the client goes away. */
void ei_http_on_abort(struct ei_http_request *r, void (*aborted)(void *), void *data);

/* ---- client (blocking; for the command line and tests) ---- */
struct ei_http_client;
struct ei_http_target {
    const char *address; /* host:port */
    const char *ca_path; /* the server must show a certificate of this CA */
    const char *token;   /* bearer token, or NULL */
    uint64_t timeout_ms; /* for connect and for each wait for bytes; 0 = none */
};
/* Connects with TLS. EI_UNREACHABLE if nobody answers. */
int ei_http_client_open(struct ei_http_client **out, const struct ei_http_target *t,
                        struct ei_error *e);
/* One request. `on_body` gets the response's body as it comes and may return -1 (with *e filled) to
 * stop. Returns the status, or -1 and *e. The connection is reused for the next call. */
int ei_http_client_request(struct ei_http_client *c, const char *method, const char *path,
                           const char *content_type, const void *body, size_t len,
                           int (*on_body)(void *data, const char *chunk, size_t n,
                                          struct ei_error *e),
                           void *data, struct ei_error *e);
void ei_http_client_close(struct ei_http_client *c);
/* The socket, so that a signal handler can shutdown(2) it. */
int ei_http_client_fd(const struct ei_http_client *c);

#endif
