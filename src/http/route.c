#include "base/mem.h"
#include "http/server.h"

#include <stdlib.h>
#include <string.h>

/* Decodes one segment (or all the rest) into *to and remembers it as a parameter. */
static bool add_param(struct ei_http_request *r, const char *name, const char *from, size_t n,
                      char **to) {
    if (r->param_count == EI_HTTP_PARAMS_MAX || ei_http_decode(from, n, false, *to) != 0)
        return false;
    r->params[r->param_count].name = (char *)(uintptr_t)name;
    r->params[r->param_count++].value = *to;
    *to += strlen(*to) + 1;
    return true;
}

/* The target is matched as it was sent: an escaped slash does not end a segment. */
static bool matches(struct ei_http_request *r, const char *pattern) {
    const char *target = r->parse.target;
    char *to = r->param_text;
    r->param_count = 0;
    for (;;) {
        if (*pattern != '/' || *target != '/')
            return *pattern == *target;
        pattern++;
        target++;
        size_t want = strcspn(pattern, "/"), have = strcspn(target, "/");
        if (want == 1 && pattern[0] == '*')
            return add_param(r, "*", target, strlen(target), &to);
        if (want > 0 && pattern[0] == ':') {
            if (have == 0 || !add_param(r, pattern + 1, target, have, &to))
                return false;
        } else if (want != have || memcmp(pattern, target, have) != 0) {
            return false;
        }
        pattern += want;
        target += have;
    }
}

static void add_method(struct ei_buf *allow, const char *method) {
    if (allow->len > 0)
        ei_buf_puts(allow, ", ");
    ei_buf_puts(allow, method);
    if (strcmp(method, "GET") == 0)
        ei_buf_puts(allow, ", HEAD");
}

int ei_http_route_find(const struct ei_http_server *s, struct ei_http_request *r,
                       struct ei_buf *allow) {
    const char *method = r->head_only ? "GET" : r->parse.method;
    free(r->param_text);
    r->param_text = ei_malloc(strlen(r->parse.target) + EI_HTTP_PARAMS_MAX + 1);
    for (size_t i = 0; i < s->route_count; i++) {
        if (!matches(r, s->routes[i].pattern))
            continue;
        if (strcmp(s->routes[i].method, method) == 0) {
            r->route = &s->routes[i];
            return 0;
        }
        add_method(allow, s->routes[i].method);
    }
    r->param_count = 0;
    return allow->len > 0 ? 405 : 404;
}
