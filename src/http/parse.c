#include "http/parse.h"

#include "base/mem.h"

#include <http_parser.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LINE_MAX_BYTES 256u /* a chunk's size line, or one trailer */
#define TRAILERS_MAX_BYTES 4096u

static void reject(struct ei_http_parse *p, int status, const char *why) {
    p->phase = EI_HTTP_FAILED;
    p->status = status;
    p->why = why;
}

void ei_http_parse_init(struct ei_http_parse *p) {
    *p = (struct ei_http_parse){0};
}

void ei_http_parse_release(struct ei_http_parse *p) {
    ei_buf_release(&p->head);
    ei_buf_release(&p->body);
    ei_buf_release(&p->line);
    free(p->target);
    free(p->path);
    free(p->query_text);
    *p = (struct ei_http_parse){0};
}

const char *ei_http_parse_header(const struct ei_http_parse *p, const char *name) {
    for (size_t i = 0; i < p->header_count; i++)
        if (strcasecmp(p->headers[i].name, name) == 0)
            return p->headers[i].value;
    return NULL;
}

static int hex(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int ei_http_decode(const char *from, size_t n, bool plus_is_space, char *to) {
    for (size_t i = 0; i < n; i++) {
        char c = from[i];
        if (c == '+' && plus_is_space) {
            c = ' ';
        } else if (c == '%') {
            int high = i + 2 < n ? hex(from[i + 1]) : -1;
            int low = i + 2 < n ? hex(from[i + 2]) : -1;
            if (high < 0 || low < 0)
                return -1;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == '\0')
            return -1;
        *to++ = c;
    }
    *to = '\0';
    return 0;
}

/* ---- the head ---- */

/* Line ends are CR LF, nothing is folded, and no other control character but the tab. */
static bool lines_are_clean(const char *s, size_t n) {
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c == '\r') {
            if (i + 1 == n || s[i + 1] != '\n')
                return false;
        } else if (c == '\n') {
            if (i == 0 || s[i - 1] != '\r' || (i + 1 < n && (s[i + 1] == ' ' || s[i + 1] == '\t')))
                return false;
        } else if ((c < 0x20 && c != '\t') || c == 0x7f) {
            return false;
        }
    }
    return true;
}

/* Three words and two single spaces. */
static bool first_line_is_clean(const char *s) {
    size_t method = strcspn(s, " \t\r");
    if (method == 0 || s[method] != ' ')
        return false;
    s += method + 1;
    size_t target = strcspn(s, " \t\r");
    if (target == 0 || s[target] != ' ')
        return false;
    s += target + 1;
    return strncmp(s, "HTTP/", 5) == 0 && s[strcspn(s, " \t\r")] == '\r';
}

static int on_url(http_parser *parser, const char *at, size_t n) {
    struct ei_http_parse *p = parser->data;
    if (p->target != NULL)
        return -1;
    p->target = ei_strndup(at, n);
    return 0;
}

static int on_field(http_parser *parser, const char *at, size_t n) {
    struct ei_http_parse *p = parser->data;
    if (p->header_count == EI_HTTP_HEADERS_MAX || n == 0 || (p->header_count > 0 && !p->has_value))
        return -1;
    struct ei_http_pair *h = &p->headers[p->header_count++];
    p->has_value = false;
    h->name = p->head.data + (at - p->head.data);
    h->value = h->name + n; /* the parser still reads here: terminated later */
    return 0;
}

static int on_value(http_parser *parser, const char *at, size_t n) {
    struct ei_http_parse *p = parser->data;
    if (p->header_count == 0 || p->has_value)
        return -1;
    p->has_value = true;
    p->headers[p->header_count - 1].value = p->head.data + (at - p->head.data);
    (void)n;
    return 0;
}

static int on_headers_complete(http_parser *parser) {
    parser->upgrade = 0;
    return 1; /* the body is ours: nothing for the library to read */
}

/* Ends names and values with NUL inside the head. */
static bool terminate_headers(struct ei_http_parse *p) {
    for (size_t i = 0; i < p->header_count; i++) {
        struct ei_http_pair *h = &p->headers[i];
        char *colon = strchr(h->name, ':');
        char *end = strchr(h->value, '\r');
        if (colon == NULL || end == NULL)
            return false;
        for (const char *c = h->name; c < colon; c++)
            if (*c == ' ' || *c == '\t')
                return false;
        while (end > h->value && (end[-1] == ' ' || end[-1] == '\t'))
            end--;
        *end = '\0';
        *colon = '\0';
    }
    return true;
}

static size_t count_headers(const struct ei_http_parse *p, const char *name) {
    size_t count = 0;
    for (size_t i = 0; i < p->header_count; i++)
        count += strcasecmp(p->headers[i].name, name) == 0;
    return count;
}

static bool split_query(struct ei_http_parse *p, const char *query) {
    p->query_text = ei_malloc(strlen(query) + 2);
    char *to = p->query_text;
    for (const char *s = query; *s != '\0';) {
        size_t n = strcspn(s, "&"), name = strcspn(s, "=&");
        if (n > 0) {
            if (p->query_count == EI_HTTP_QUERIES_MAX)
                return false;
            struct ei_http_pair *q = &p->queries[p->query_count++];
            q->name = to;
            if (ei_http_decode(s, name, true, to) != 0)
                return false;
            to += strlen(to) + 1;
            q->value = name < n ? to : to - 1;
            if (name < n) {
                if (ei_http_decode(s + name + 1, n - name - 1, true, to) != 0)
                    return false;
                to += strlen(to) + 1;
            }
        }
        s += n + (s[n] == '&');
    }
    return true;
}

/* No "." and ".." segments: nobody needs them and they only ever lead out of somewhere. */
static bool has_dot_segments(const char *path) {
    for (const char *s = path; *s != '\0';) {
        s += *s == '/';
        size_t n = strcspn(s, "/");
        if ((n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
            return true;
        s += n;
    }
    return false;
}

static bool split_target(struct ei_http_parse *p) {
    if (p->target == NULL || p->target[0] != '/')
        return false;
    p->target[strcspn(p->target, "#")] = '\0';
    char *query = strchr(p->target, '?');
    if (query != NULL)
        *query++ = '\0';
    p->path = ei_malloc(strlen(p->target) + 1);
    return ei_http_decode(p->target, strlen(p->target), false, p->path) == 0 &&
           !has_dot_segments(p->path) && (query == NULL || split_query(p, query));
}

/* Which of the two ways says where the body ends; both, or one twice, is a smuggler's trick. */
static void find_body(struct ei_http_parse *p) {
    size_t lengths = count_headers(p, "content-length");
    size_t codings = count_headers(p, "transfer-encoding");
    const char *length = ei_http_parse_header(p, "content-length");
    const char *coding = ei_http_parse_header(p, "transfer-encoding");
    if (lengths + codings > 1 || (codings == 1 && p->http_1_0)) {
        reject(p, 400, "the length of the body is given twice");
    } else if (codings == 1 && strcasecmp(coding, "chunked") != 0) {
        reject(p, 501, "only the transfer coding chunked is known");
    } else if (codings == 1) {
        p->chunked = true;
        p->phase = EI_HTTP_CHUNK_SIZE;
    } else if (lengths == 0) {
        p->phase = EI_HTTP_DONE;
    } else {
        size_t digits = strspn(length, "0123456789");
        if (digits == 0 || digits > 18 || length[digits] != '\0') {
            reject(p, 400, "Content-Length is no number");
            return;
        }
        p->left =
            strtoull(length, NULL, 10); /* the limit is the caller's to check: it has the route */
        p->phase = p->left == 0 ? EI_HTTP_DONE : EI_HTTP_BODY;
    }
}

static void finish_head(struct ei_http_parse *p) {
    static const http_parser_settings settings = {.on_url = on_url,
                                                  .on_header_field = on_field,
                                                  .on_header_value = on_value,
                                                  .on_headers_complete = on_headers_complete};
    http_parser parser;
    if (!first_line_is_clean(p->head.data) || !lines_are_clean(p->head.data, p->head.len)) {
        reject(p, 400, "the request's lines are not well formed: CR LF, no control characters");
        return;
    }
    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = p;
    size_t took = http_parser_execute(&parser, &settings, p->head.data, p->head.len);
    /* Our own callbacks check the lengths; the library must only not have stumbled elsewhere. */
    enum http_errno problem = HTTP_PARSER_ERRNO(&parser);
    if (p->header_count == EI_HTTP_HEADERS_MAX && problem != HPE_OK) {
        reject(p, 431, "the request has too many headers");
        return;
    }
    if (problem != HPE_OK || took != p->head.len || !terminate_headers(p)) {
        reject(p, 400, "this is no HTTP request");
        return;
    }
    p->method = http_method_str((enum http_method)parser.method);
    p->http_1_0 = parser.http_major == 1 && parser.http_minor == 0;
    p->keep_alive = http_should_keep_alive(&parser) != 0;
    const char *expect = ei_http_parse_header(p, "expect");
    if (parser.http_major != 1 || parser.http_minor > 1)
        reject(p, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    else if (!split_target(p))
        reject(p, 400, "the path of the request is not well formed");
    else if (count_headers(p, "host") > 1 || (!p->http_1_0 && count_headers(p, "host") == 0))
        reject(p, 400, "the request must name one Host");
    else if (expect != NULL && strcasecmp(expect, "100-continue") != 0)
        reject(p, 417, "the only known expectation is 100-continue");
    else
        find_body(p);
    p->expects_continue = expect != NULL && p->phase != EI_HTTP_DONE;
}

static size_t feed_head(struct ei_http_parse *p, const char *bytes, size_t n) {
    size_t room = EI_HTTP_HEAD_MAX + 1 - p->head.len;
    size_t take = EI_MIN(n, room);
    ei_buf_append(&p->head, bytes, take);
    size_t from = p->scanned < 3 ? 0 : p->scanned - 3;
    char *end = memmem(p->head.data + from, p->head.len - from, "\r\n\r\n", 4);
    if (end == NULL) {
        p->scanned = p->head.len;
        /* A bare line feed at the end of a "head" would otherwise wait for the deadline. */
        if (memmem(p->head.data + from, p->head.len - from, "\n\n", 2) != NULL)
            reject(p, 400, "the head of the request has a bare line feed");
        else if (p->head.len > EI_HTTP_HEAD_MAX)
            reject(p, 431, "the head of the request is over 16 KiB");
        return take;
    }
    size_t used = (size_t)(end - p->head.data) + 4;
    size_t surplus = p->head.len - used;
    p->head.len = used;
    p->head.data[used] = '\0';
    if (used > EI_HTTP_HEAD_MAX)
        reject(p, 431, "the head of the request is over 16 KiB");
    else
        finish_head(p);
    return take - surplus;
}

/* ---- the body ---- */

static size_t feed_data(struct ei_http_parse *p, const char *bytes, size_t n) {
    size_t take = EI_MIN((uint64_t)n, p->left);
    EI_ASSERT(p->left <= p->body_max_bytes - p->body.len); /* checked when the size was known */
    ei_buf_append(&p->body, bytes, take);
    p->left -= take;
    if (p->left == 0)
        p->phase = p->chunked ? EI_HTTP_CHUNK_END : EI_HTTP_DONE;
    return take;
}

/* Collects a line into p->line, without CR LF. True when it is complete; else see the phase. */
static bool take_line(struct ei_http_parse *p, const char *bytes, size_t n, size_t *used) {
    const char *lf = memchr(bytes, '\n', n);
    *used = lf == NULL ? n : (size_t)(lf - bytes) + 1;
    if (p->line.len + *used > LINE_MAX_BYTES) {
        reject(p, 400, "a line between the chunks is too long");
        return false;
    }
    ei_buf_append(&p->line, bytes, *used);
    if (lf == NULL)
        return false;
    if (p->line.len < 2 || !lines_are_clean(p->line.data, p->line.len)) {
        reject(p, 400, "a line between the chunks does not end with CR LF");
        return false;
    }
    p->line.len -= 2;
    p->line.data[p->line.len] = '\0';
    return true;
}

static void on_chunk_size(struct ei_http_parse *p) {
    uint64_t size = 0;
    size_t digits = 0;
    while (digits < p->line.len && hex(p->line.data[digits]) >= 0)
        size = size << 4 | (uint64_t)hex(p->line.data[digits++]);
    /* No extensions: nobody sends them, except to confuse. */
    if (digits == 0 || digits > 8 || digits != p->line.len) {
        reject(p, 400, "a chunk's size is not well formed");
        return;
    }
    if (size > p->body_max_bytes - p->body.len) {
        reject(p, 413, "the body of the request is over this route's limit");
        return;
    }
    p->left = size;
    p->phase = size == 0 ? EI_HTTP_TRAILER : EI_HTTP_CHUNK_DATA;
}

static size_t feed_line(struct ei_http_parse *p, const char *bytes, size_t n) {
    size_t used;
    if (!take_line(p, bytes, n, &used))
        return used;
    if (p->phase == EI_HTTP_CHUNK_SIZE) {
        on_chunk_size(p);
    } else if (p->phase == EI_HTTP_CHUNK_END) {
        if (p->line.len == 0)
            p->phase = EI_HTTP_CHUNK_SIZE;
        else
            reject(p, 400, "a chunk is longer than it said");
    } else if (p->line.len == 0) {
        p->phase = EI_HTTP_DONE;
    } else {
        p->trailer_bytes += p->line.len; /* trailers are ignored, but not without end */
        if (p->trailer_bytes > TRAILERS_MAX_BYTES)
            reject(p, 431, "the request has too many trailers");
    }
    ei_buf_clear(&p->line);
    return used;
}

size_t ei_http_parse_feed(struct ei_http_parse *p, const char *bytes, size_t n) {
    if (p->phase == EI_HTTP_HEAD)
        return feed_head(p, bytes, n);
    size_t used = 0;
    while (used < n && p->phase != EI_HTTP_DONE && p->phase != EI_HTTP_FAILED) {
        if (p->phase == EI_HTTP_BODY || p->phase == EI_HTTP_CHUNK_DATA)
            used += feed_data(p, bytes + used, n - used);
        else
            used += feed_line(p, bytes + used, n - used);
    }
    return used;
}
