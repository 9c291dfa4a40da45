/* What the files of the HTTP server share. Private to http/. */
#ifndef EIDER_HTTP_SERVER_H
#define EIDER_HTTP_SERVER_H

#include "http/access.h"
#include "http/http.h"
#include "http/parse.h"
#include "rpc/link.h"
#include "rpc/stream.h"

#define EI_HTTP_PARAMS_MAX 8
#define EI_HTTP_DRAINED_BYTES (256u << 10)
#define EI_HTTP_FULL_BYTES (1u << 20)

struct ei_http_server {
    struct ei_stream_acceptor acceptor; /* must be first: rpc/ knows only this part */
    const struct ei_http_route *routes; /* borrowed */
    size_t route_count;
    void *data;
    struct ei_tokens *tokens;
    struct ei_link connections; /* oldest first */
    size_t connection_count;
    bool destroyed;
};

struct ei_http_conn {
    struct ei_http_server *server;
    struct ei_stream *stream;
    struct ei_link link;
    struct ei_peer peer;
    struct ei_http_request *request; /* being read or answered; NULL between two */
    struct ei_buf pending;           /* came in while the request was being answered */
    bool answering;                  /* the handler has it */
    bool paused;
};

struct ei_http_request {
    struct ei_http_conn *conn; /* NULL once the client is gone */
    struct ei_http_parse parse;
    const struct ei_http_route *route;
    struct ei_http_pair params[EI_HTTP_PARAMS_MAX];
    size_t param_count;
    char *param_text;      /* owned: behind params */
    char *user;            /* owned, or NULL */
    enum ei_access access; /* that it has */
    bool started, head_only, close_after, wants_drain;
    void (*drained)(void *);
    void (*aborted)(void *);
    void *data;
};

/* route.c: fills r->route and params. 0, or the status to answer: 404, or 405 with the methods that
 * would do in *allow. */
int ei_http_route_find(const struct ei_http_server *s, struct ei_http_request *r,
                       struct ei_buf *allow);
/* server.c */
void ei_http_request_destroy(struct ei_http_request *r);
/* The response is complete: on to the next request, or to the end of the connection. */
void ei_http_exchange_done(struct ei_http_request *r);
/* respond.c: an answer that comes before any handler; more headers may follow (each with CR LF). */
void ei_http_refuse(struct ei_http_request *r, int status, const char *why, const char *headers);

#endif
