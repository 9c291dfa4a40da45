/* Members of a request's JSON body. */
#include "master/internal.h"

#include "base/mem.h"

#include <json-c/json.h>

#include <string.h>

struct json_object *ei_rest_body(struct ei_http_request *r, struct ei_error *e) {
    size_t len;
    const char *bytes = ei_http_body(r, &len);
    if (len == 0)
        return json_object_new_object();
    struct json_tokener *tokener = json_tokener_new();
    struct json_object *body = json_tokener_parse_ex(tokener, bytes, (int)len);
    json_tokener_free(tokener);
    if (json_object_is_type(body, json_type_object))
        return body;
    json_object_put(body);
    (void)ei_fail(e, EI_USAGE, "the body must be a JSON object");
    return NULL;
}

int ei_body_known(struct json_object *body, const char *const *names, struct ei_error *e) {
    json_object_object_foreach(body, key, value) {
        (void)value;
        size_t i = 0;
        while (names[i] != NULL && strcmp(names[i], key) != 0)
            i++;
        if (names[i] == NULL)
            return ei_fail(e, EI_USAGE, "\"%.60s\" is not known here", key);
    }
    return 0;
}

int ei_body_text(struct json_object *body, const char *key, const char **out, struct ei_error *e) {
    struct json_object *v = NULL;
    if (!json_object_object_get_ex(body, key, &v))
        return 0;
    if (!json_object_is_type(v, json_type_string) ||
        strlen(json_object_get_string(v)) != (size_t)json_object_get_string_len(v))
        return ei_fail(e, EI_USAGE, "\"%s\" must be a string", key);
    *out = json_object_get_string(v);
    return 0;
}

int ei_body_int(struct json_object *body, const char *key, int64_t least, int64_t most,
                int64_t *out, struct ei_error *e) {
    struct json_object *v = NULL;
    if (!json_object_object_get_ex(body, key, &v))
        return 0;
    int64_t n = json_object_is_type(v, json_type_int) ? json_object_get_int64(v) : least;
    if (!json_object_is_type(v, json_type_int) || n < least || n > most)
        return ei_fail(e, EI_USAGE, "\"%s\" must be a whole number from %lld to %lld", key,
                       (long long)least, (long long)most);
    *out = n;
    return 0;
}
