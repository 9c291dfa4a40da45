#include "base/mem.h"
#include "http/server.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *status_text(int status) {
    switch (status) {
#define X(number, text)                                                                            \
    case number:                                                                                   \
        return text;
        X(200, "OK")
        X(201, "Created")
        X(202, "Accepted")
        X(204, "No Content")
        X(304, "Not Modified")
        X(400, "Bad Request")
        X(401, "Unauthorized")
        X(403, "Forbidden")
        X(404, "Not Found")
        X(405, "Method Not Allowed")
        X(409, "Conflict")
        X(413, "Content Too Large")
        X(417, "Expectation Failed")
        X(429, "Too Many Requests")
        X(431, "Request Header Fields Too Large")
        X(500, "Internal Server Error")
        X(501, "Not Implemented")
        X(503, "Service Unavailable")
        X(504, "Gateway Timeout")
        X(505, "HTTP Version Not Supported")
        X(507, "Insufficient Storage")
#undef X
    default:
        return "Status";
    }
}

static void put_date(struct ei_buf *out) {
    time_t now = time(NULL);
    struct tm tm;
    char text[64];
    if (gmtime_r(&now, &tm) != NULL &&
        strftime(text, sizeof text, "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm) > 0)
        ei_buf_puts(out, text);
}

/* Status line and all headers but the one that says where the body ends. */
static void put_head(struct ei_http_request *r, struct ei_buf *out, int status,
                     const char *content_type) {
    ei_buf_printf(out, "HTTP/1.1 %d %s\r\n", status, status_text(status));
    put_date(out);
    if (content_type != NULL)
        ei_buf_printf(out, "Content-Type: %s\r\n", content_type);
    ei_buf_puts(out, "X-Content-Type-Options: nosniff\r\n"
                     "Content-Security-Policy: default-src 'self'; frame-ancestors 'none'\r\n"
                     "X-Frame-Options: DENY\r\n"
                     "Cache-Control: no-store\r\n"
                     "Referrer-Policy: no-referrer\r\n");
    if (r->close_after)
        ei_buf_puts(out, "Connection: close\r\n");
    else if (r->parse.http_1_0)
        ei_buf_puts(out, "Connection: keep-alive\r\n");
}

static void respond_with(struct ei_http_request *r, int status, const char *content_type,
                         const void *body, size_t len, const char *headers) {
    EI_ASSERT(!r->started);
    if (r->conn != NULL) {
        struct ei_buf *out = ei_stream_out(r->conn->stream);
        put_head(r, out, status, content_type);
        ei_buf_puts(out, headers);
        if (status != 204 && status != 304)
            ei_buf_printf(out, "Content-Length: %zu\r\n", len);
        ei_buf_puts(out, "\r\n");
        if (!r->head_only && status != 204 && status != 304)
            ei_buf_append(out, body, len);
        ei_stream_flush_later(r->conn->stream);
    }
    r->started = true;
    ei_http_exchange_done(r);
}

void ei_http_respond(struct ei_http_request *r, int status, const char *content_type,
                     const void *body, size_t len) {
    respond_with(r, status, content_type, body, len, "");
}

static void put_error(struct ei_buf *json, const char *code, const char *text) {
    ei_buf_printf(json, "{\"error\":{\"code\":\"%s\",\"message\":", code);
    ei_buf_json_string(json, text, strlen(text));
    ei_buf_puts(json, "}}\n");
}

void ei_http_respond_error(struct ei_http_request *r, const struct ei_error *e) {
    struct ei_buf json = {0};
    put_error(&json, ei_code_name(e->code), e->text);
    respond_with(r, ei_code_http_status(e->code), "application/json", json.data, json.len, "");
    ei_buf_release(&json);
}

static enum ei_code code_of_status(int status) {
    switch (status) {
    case 401:
        return EI_UNAUTHENTICATED;
    case 403:
        return EI_DENIED;
    case 404:
        return EI_NOT_FOUND;
    case 413:
    case 431:
        return EI_LIMIT;
    case 501:
    case 505:
        return EI_UNSUPPORTED;
    case 503:
        return EI_UNREACHABLE;
    default:
        return EI_USAGE;
    }
}

void ei_http_refuse(struct ei_http_request *r, int status, const char *why, const char *headers) {
    struct ei_buf json = {0};
    put_error(&json, ei_code_name(code_of_status(status)), why);
    respond_with(r, status, "application/json", json.data, json.len, headers);
    ei_buf_release(&json);
}

void ei_http_start(struct ei_http_request *r, int status, const char *content_type,
                   void (*drained)(void *), void (*aborted)(void *), void *data) {
    EI_ASSERT(!r->started);
    r->started = true;
    r->drained = drained;
    r->aborted = aborted;
    r->data = data;
    if (r->conn == NULL)
        return;
    /* HTTP/1.0 knows no chunks: the end of the connection ends the body. */
    r->close_after |= r->parse.http_1_0;
    struct ei_buf *out = ei_stream_out(r->conn->stream);
    put_head(r, out, status, content_type);
    ei_buf_puts(out, r->parse.http_1_0 ? "\r\n" : "Transfer-Encoding: chunked\r\n\r\n");
    ei_stream_flush_later(r->conn->stream);
}

bool ei_http_write(struct ei_http_request *r, const void *data, size_t len) {
    EI_ASSERT(r->started);
    if (r->conn == NULL || r->head_only)
        return true;
    if (len > 0) {
        struct ei_buf *out = ei_stream_out(r->conn->stream);
        if (!r->parse.http_1_0)
            ei_buf_printf(out, "%zx\r\n", len);
        ei_buf_append(out, data, len);
        if (!r->parse.http_1_0)
            ei_buf_append(out, "\r\n", 2);
        ei_stream_flush_later(r->conn->stream);
    }
    r->wants_drain = ei_stream_queued_bytes(r->conn->stream) > EI_HTTP_FULL_BYTES;
    return !r->wants_drain;
}

void ei_http_end(struct ei_http_request *r) {
    EI_ASSERT(r->started);
    if (r->conn != NULL && !r->head_only && !r->parse.http_1_0)
        ei_stream_write(r->conn->stream, "0\r\n\r\n", 5);
    ei_http_exchange_done(r);
}

void ei_http_on_abort(struct ei_http_request *r, void (*aborted)(void *), void *data) {
    r->aborted = aborted;
    r->data = data;
}
