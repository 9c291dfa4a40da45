/* One HTTP/1.1 request from bytes. Strict: what two programs could read in two ways is an error.
 * Knows no sockets. Private to http/. */
#ifndef EIDER_HTTP_PARSE_H
#define EIDER_HTTP_PARSE_H

#include "http/http.h"

#define EI_HTTP_HEADERS_MAX 100
#define EI_HTTP_QUERIES_MAX 32

struct ei_http_pair {
    char *name, *value; /* into memory that the parse owns */
};

enum ei_http_phase {
    EI_HTTP_HEAD,
    EI_HTTP_BODY,
    EI_HTTP_CHUNK_SIZE,
    EI_HTTP_CHUNK_DATA,
    EI_HTTP_CHUNK_END,
    EI_HTTP_TRAILER,
    EI_HTTP_DONE,
    EI_HTTP_FAILED
};

struct ei_http_parse {
    enum ei_http_phase phase;
    int status;      /* with FAILED: what to answer */
    const char *why; /* static text */
    struct ei_buf head;
    size_t scanned; /* of the head, in search of its end */
    struct ei_buf body;
    size_t body_max_bytes; /* set by the caller behind the head, not under `left` */
    uint64_t left;         /* of the body or chunk */
    struct ei_buf line;    /* a chunk's size line or a trailer */
    size_t trailer_bytes;
    const char *method;  /* static */
    char *target, *path; /* owned: as sent without the query; decoded */
    struct ei_http_pair headers[EI_HTTP_HEADERS_MAX];
    size_t header_count;
    struct ei_http_pair queries[EI_HTTP_QUERIES_MAX];
    size_t query_count;
    char *query_text; /* owned: behind the pairs */
    bool keep_alive, chunked, http_1_0, expects_continue;
    bool has_value; /* private: the last header got its value */
};

void ei_http_parse_init(struct ei_http_parse *p);
void ei_http_parse_release(struct ei_http_parse *p);
/* Takes bytes up to the end of the head (phase leaves EI_HTTP_HEAD) or of the request. Returns how
 * many; the caller looks at the phase and calls again for the rest. */
size_t ei_http_parse_feed(struct ei_http_parse *p, const char *bytes, size_t n);
const char *ei_http_parse_header(const struct ei_http_parse *p, const char *name);
/* Percent-decodes n bytes into `to` (n + 1 bytes). -1 for a bad escape or a NUL. */
int ei_http_decode(const char *from, size_t n, bool plus_is_space, char *to);

#endif
