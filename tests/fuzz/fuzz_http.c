/* The request parser, fed in pieces whose sizes the input chooses: the pieces must not matter. */
#include "http/parse.h"

#include <stdlib.h>
#include <string.h>

#define BODY_MAX 1000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As the server does it. Returns the bytes that belong to the request. */
static size_t parse(struct ei_http_parse *p, const char *bytes, size_t n, size_t piece) {
    size_t used = 0;
    ei_http_parse_init(p);
    while (used < n && p->phase != EI_HTTP_DONE && p->phase != EI_HTTP_FAILED) {
        size_t give = n - used < piece ? n - used : piece;
        enum ei_http_phase before = p->phase;
        size_t took = ei_http_parse_feed(p, bytes + used, give);
        if (took > give)
            abort();
        used += took;
        if (before == EI_HTTP_HEAD && p->phase != EI_HTTP_HEAD) {
            p->body_max_bytes = BODY_MAX;
            if (p->phase == EI_HTTP_BODY && p->left > BODY_MAX)
                break;
        }
    }
    if (p->body.len > BODY_MAX)
        abort();
    return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct ei_http_parse whole, pieces;
    if (size < 1)
        return 0;
    const char *bytes = (const char *)data + 1;
    size_t n = size - 1;
    size_t a = parse(&whole, bytes, n, n), b = parse(&pieces, bytes, n, 1u + data[0] % 17);
    /* A failure may be seen sooner or later, but a request is the same request. */
    if ((whole.phase == EI_HTTP_DONE) != (pieces.phase == EI_HTTP_DONE))
        abort();
    if (whole.phase == EI_HTTP_DONE &&
        (a != b || strcmp(whole.path, pieces.path) != 0 || whole.body.len != pieces.body.len ||
         whole.header_count != pieces.header_count || ei_http_parse_header(&whole, "\n") != NULL))
        abort();
    ei_http_parse_release(&whole);
    ei_http_parse_release(&pieces);
    return 0;
}
