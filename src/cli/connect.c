/* Finding a cluster and asking its master over REST. */
#include "cli/cli.h"
#include "base/mem.h"
#include "os/os.h"

#include <stdlib.h>
#include <string.h>

#define REQUEST_TIMEOUT_MS 30000
#define ANSWER_MAX_BYTES (64u << 20)

static char *string_of(struct json_object *o, const char *key) {
    struct json_object *v = NULL;
    if (!json_object_object_get_ex(o, key, &v))
        return NULL;
    if (json_object_is_type(v, json_type_array))
        v = json_object_array_length(v) > 0 ? json_object_array_get_idx(v, 0) : NULL;
    return v == NULL ? NULL : ei_strdup(json_object_get_string(v));
}

void ei_cluster_address_release(struct ei_cluster_address *a) {
    free(a->master);
    free(a->gateway);
    free(a->token);
    free(a->ca);
    free(a->ui);
    *a = (struct ei_cluster_address){0};
}

int ei_cluster_find(const char *data_dir, struct ei_cluster_address *out, struct ei_error *e) {
    *out = (struct ei_cluster_address){0};
    char *path = ei_path_join(data_dir, "client.json");
    struct ei_buf text = {0};
    int rc = ei_read_file(path, 64 << 10, &text, e);
    free(path);
    if (rc != 0) {
        ei_buf_release(&text);
        return ei_fail(e, EI_UNREACHABLE, "no cluster runs in %s: start one with `eider up`",
                       data_dir);
    }
    struct json_object *o = json_tokener_parse(text.data);
    ei_buf_release(&text);
    if (json_object_is_type(o, json_type_object)) {
        out->master = string_of(o, "master");
        out->gateway = string_of(o, "gateways");
        out->token = string_of(o, "token");
        out->ca = string_of(o, "ca");
        out->ui = string_of(o, "ui");
    }
    json_object_put(o);
    if (out->master == NULL || out->gateway == NULL || out->token == NULL || out->ca == NULL) {
        ei_cluster_address_release(out);
        return ei_fail(e, EI_CORRUPT,
                       "%s/client.json does not name a master, a gateway, a token "
                       "and a CA: start the cluster again",
                       data_dir);
    }
    return 0;
}

int ei_cluster_open(const struct ei_cluster_address *a, bool gateway, struct ei_http_client **out,
                    struct ei_error *e) {
    struct ei_http_target target = {gateway ? a->gateway : a->master, a->ca, a->token,
                                    gateway ? 0 : REQUEST_TIMEOUT_MS};
    if (ei_http_client_open(out, &target, e) != 0)
        return ei_wrap(e, "cannot reach the cluster's %s", gateway ? "gateway" : "master");
    return 0;
}

int ei_cluster_error(const char *body, size_t len, int status, struct ei_error *e) {
    struct json_tokener *tokener = json_tokener_new();
    struct json_object *o = json_tokener_parse_ex(tokener, body, (int)len);
    json_tokener_free(tokener);
    struct json_object *error = NULL, *code = NULL, *message = NULL;
    if (json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, "error", &error)) {
        (void)json_object_object_get_ex(error, "code", &code);
        (void)json_object_object_get_ex(error, "message", &message);
    }
    enum ei_code found = EI_INTERNAL;
    const char *name = code == NULL ? "" : json_object_get_string(code);
#define X(n, number, text, http, exit, retry)                                                      \
    if (strcmp(name, text) == 0)                                                                   \
        found = EI_##n;
    EI_CODES(X)
#undef X
    if (message != NULL)
        (void)ei_fail(e, found, "%s", json_object_get_string(message));
    else
        (void)ei_fail(e, found, "the cluster answered with HTTP status %d", status);
    json_object_put(o);
    return -1;
}

static int collect(void *data, const char *chunk, size_t n, struct ei_error *e) {
    struct ei_buf *b = data;
    if (b->len + n > ANSWER_MAX_BYTES)
        return ei_fail(e, EI_LIMIT, "the answer is over %u MiB", ANSWER_MAX_BYTES >> 20);
    ei_buf_append(b, chunk, n);
    return 0;
}

int ei_cluster_json(const struct ei_cluster_address *a, const char *method, const char *path,
                    struct json_object **out, struct ei_error *e) {
    return ei_cluster_send(a, false, method, path, NULL, out, e);
}

int ei_cluster_send(const struct ei_cluster_address *a, bool gateway, const char *method,
                    const char *path, const char *sent, struct json_object **out,
                    struct ei_error *e) {
    struct ei_http_client *client = NULL;
    if (ei_cluster_open(a, gateway, &client, e) != 0)
        return -1;
    struct ei_buf body = {0};
    int status = ei_http_client_request(client, method, path, sent ? "application/json" : NULL,
                                        sent, sent ? strlen(sent) : 0, collect, &body, e);
    ei_http_client_close(client);
    int rc = -1;
    if (status >= 200 && status < 300) {
        *out = json_tokener_parse(body.data == NULL ? "" : body.data);
        rc = *out != NULL ? 0 : ei_fail(e, EI_CORRUPT, "the cluster's answer is not JSON");
    } else if (status > 0) {
        rc = ei_cluster_error(body.data == NULL ? "" : body.data, body.len, status, e);
    }
    ei_buf_release(&body);
    return rc;
}
