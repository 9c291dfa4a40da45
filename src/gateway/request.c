/* How a query begins: an HTTP request, or a message of the master. */
#include "gateway/query.h"
#include "base/mem.h"
#include "os/os.h"

#include <stdlib.h>
#include <string.h>

static const char *body_string(struct json_object *o, const char *key) {
    struct json_object *v = NULL;
    return json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_string)
               ? json_object_get_string(v)
               : NULL;
}

/* A reference of its own, or NULL. */
static struct json_object *body_member(struct json_object *o, const char *key) {
    return json_object_get(json_object_object_get(o, key));
}

static int read_members(struct json_object *o, struct ei_query *q, struct ei_error *e) {
    const char *directory = body_string(o, "directory");
    const char *format = body_string(o, "format");
    struct json_object *progress = NULL, *timeout = NULL;
    (void)json_object_object_get_ex(o, "progress", &progress);
    (void)json_object_object_get_ex(o, "timeout_ms", &timeout);
    q->sql = ei_strdup(body_string(o, "sql"));
    q->directory = ei_strdup(directory != NULL && directory[0] == '/' ? directory : "/");
    q->typed_json = format == NULL || strcmp(format, "json") == 0;
    q->progress = progress != NULL && json_object_get_boolean(progress);
    int64_t ms = timeout == NULL ? 0 : json_object_get_int64(timeout);
    q->timeout_ms = ms > 0 ? (uint64_t)ms : 0;
    q->settings = body_member(o, "settings");
    q->parameters = body_member(o, "parameters");
    if (!q->typed_json && strcmp(format, "text") != 0)
        return ei_fail(e, EI_USAGE, "\"format\" must be \"json\" or \"text\"");
    return 0;
}

static int read_request(struct ei_http_request *r, struct ei_query *q, struct ei_error *e) {
    size_t len = 0;
    const char *body = ei_http_body(r, &len);
    struct json_tokener *tokener = json_tokener_new();
    struct json_object *o = len == 0 ? NULL : json_tokener_parse_ex(tokener, body, (int)len);
    json_tokener_free(tokener);
    int rc = -1;
    if (!json_object_is_type(o, json_type_object) || body_string(o, "sql") == NULL)
        rc = ei_fail(e, EI_USAGE, "the body must be a JSON object with the member \"sql\"");
    else if (read_members(o, q, e) == 0)
        rc = ei_order_read(o, ei_http_access(r) >= EI_ACCESS_ADMIN, q->order, e);
    json_object_put(o);
    return rc;
}

static void query_link(struct ei_gateway *g, struct ei_query *q) {
    q->g = g;
    q->begin_us = ei_now_us();
    q->next = g->queries;
    if (q->next != NULL)
        q->next->previous = q;
    g->queries = q;
    g->query_count++;
    (void)uv_timer_init(g->loop, &q->timer);
    q->timer.data = q;
    q->pending++; /* the timer's close */
    if (q->timeout_ms > 0)
        (void)uv_timer_start(&q->timer, ei_query_on_timeout, q->timeout_ms, 0);
}

static int check_room(const struct ei_gateway *g, struct ei_error *e) {
    if (g->query_count < EI_QUERIES_MAX)
        return 0;
    return ei_fail(e, EI_LIMIT, "this gateway already runs %d queries: try again later",
                   EI_QUERIES_MAX);
}

static void begin(struct ei_gateway *g, struct ei_http_request *r, bool explain, bool detach) {
    struct ei_error e = {0};
    if (check_room(g, &e) != 0) {
        ei_http_respond_error(r, &e);
        return;
    }
    struct ei_query *q = ei_calloc(1, sizeof *q);
    q->order = ei_order_create(ei_http_user(r));
    if (read_request(r, q, &e) != 0) {
        ei_http_respond_error(r, &e);
        eider__v1__job_spec__free_unpacked(q->order, NULL);
        free(q->sql);
        free(q->directory);
        json_object_put(q->settings);
        json_object_put(q->parameters);
        free(q);
        return;
    }
    q->http = r;
    q->explain = explain;
    q->detach = detach;
    query_link(g, q);
    ei_http_on_abort(r, ei_query_on_aborted, q);
    ei_query_list_catalog(q);
}

void ei_query_on_http(struct ei_http_request *r, void *data) {
    begin(data, r, false, false);
}

void ei_query_on_submit(struct ei_http_request *r, void *data) {
    begin(data, r, false, true);
}

void ei_query_on_explain(struct ei_http_request *r, void *data) {
    begin(data, r, true, false);
}

void ei_query_on_result(struct ei_http_request *r, void *data) {
    struct ei_gateway *g = data;
    struct ei_error e = {0};
    const char *id = ei_http_param(r, "id"), *format = ei_http_query(r, "format");
    int rc = check_room(g, &e);
    if (rc == 0 && (strlen(id) > 18 || strspn(id, "0123456789") != strlen(id)))
        rc = ei_fail(&e, EI_USAGE, "a job's id must be a number, not \"%.40s\"", id);
    if (rc != 0) {
        ei_http_respond_error(r, &e);
        return;
    }
    struct ei_query *q = ei_calloc(1, sizeof *q);
    q->wanted = strtoull(id, NULL, 10);
    q->typed_json = format == NULL || strcmp(format, "text") != 0;
    q->http = r;
    query_link(g, q);
    ei_http_on_abort(r, ei_query_on_aborted, q);
    ei_query_ask_result(q);
}

void ei_query_on_run(struct ei_gateway *g, const Eider__V1__RunSql *m, uint64_t request) {
    struct ei_query *q = ei_calloc(1, sizeof *q);
    q->sql = ei_strdup(m->sql);
    q->directory = ei_strdup(m->directory != NULL && m->directory[0] == '/' ? m->directory : "/");
    q->order = ei_order_create(m->user);
    q->order->queue = ei_strdup(m->queue);
    q->order->name = ei_strdup(m->name);
    q->order->priority = m->priority;
    q->run_request = request;
    q->detach = true;
    query_link(g, q);
    ei_query_list_catalog(q);
}
