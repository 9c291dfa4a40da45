/* How a statement is to run: queue, priority, limits, when. Members of the request's body, kept as
 * the fields of a JobSpec without stages until the planned one is there. */
#include "gateway/internal.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define AFTER_MAX 100
#define TERMS_MAX 32
#define MS_MAX (INT64_C(1) << 50)

static int text_of(struct json_object *o, const char *key, char **out, struct ei_error *e) {
    struct json_object *v = NULL;
    if (!json_object_object_get_ex(o, key, &v))
        return 0;
    if (!json_object_is_type(v, json_type_string))
        return ei_fail(e, EI_USAGE, "\"%s\" must be a string", key);
    free(*out == (char *)protobuf_c_empty_string ? NULL : *out);
    *out = ei_strdup(json_object_get_string(v));
    return 0;
}

static int whole_of(struct json_object *o, const char *key, int64_t least, int64_t most,
                    int64_t *out, struct ei_error *e) {
    struct json_object *v = NULL;
    *out = 0;
    if (!json_object_object_get_ex(o, key, &v))
        return 0;
    *out = json_object_is_type(v, json_type_int) ? json_object_get_int64(v) : least - 1;
    if (!json_object_is_type(v, json_type_int) || *out < least || *out > most)
        return ei_fail(e, EI_USAGE, "\"%s\" must be a whole number from %lld to %lld", key,
                       (long long)least, (long long)most);
    return 0;
}

/* An array or object of at most `most` members, or NULL without one. */
static int list_of(struct json_object *o, const char *key, enum json_type type, size_t most,
                   struct json_object **out, struct ei_error *e) {
    *out = NULL;
    if (!json_object_object_get_ex(o, key, out))
        return 0;
    const char *form = type == json_type_array ? "an array" : "an object";
    if (!json_object_is_type(*out, type))
        return ei_fail(e, EI_USAGE, "\"%s\" must be %s", key, form);
    size_t n = type == json_type_array ? json_object_array_length(*out)
                                       : (size_t)json_object_object_length(*out);
    if (n > most)
        return ei_fail(e, EI_LIMIT, "\"%s\" has %zu members, the limit is %zu", key, n, most);
    return 0;
}

/* "ok:7", "end:7", "fail:7", or "7" for ok. */
static int parse_after(const char *text, Eider__V1__JobDependency *d, struct ei_error *e) {
    static const struct {
        const char *name;
        Eider__V1__After after;
    } words[] = {{"end:", EIDER__V1__AFTER__AFTER_END},
                 {"ok:", EIDER__V1__AFTER__AFTER_OK},
                 {"fail:", EIDER__V1__AFTER__AFTER_FAIL}};
    const char *digits = text;
    d->after = EIDER__V1__AFTER__AFTER_OK;
    for (size_t i = 0; i < EI_ARRAY_LEN(words); i++) {
        if (strncmp(text, words[i].name, strlen(words[i].name)) != 0)
            continue;
        d->after = words[i].after;
        digits = text + strlen(words[i].name);
    }
    size_t n = strspn(digits, "0123456789");
    if (n == 0 || n > 18 || digits[n] != '\0')
        return ei_fail(e, EI_USAGE, "\"%.60s\" is no dependency like ok:7, end:7 or fail:7", text);
    d->job = strtoull(digits, NULL, 10);
    return 0;
}

static int read_after(struct json_object *o, Eider__V1__JobSpec *spec, struct ei_error *e) {
    struct json_object *list = NULL;
    if (list_of(o, "after", json_type_array, AFTER_MAX, &list, e) != 0)
        return -1;
    size_t n = list == NULL ? 0 : json_object_array_length(list);
    if (n == 0)
        return 0;
    spec->after = ei_calloc(n, sizeof *spec->after);
    for (size_t i = 0; i < n; i++) {
        const char *text = json_object_get_string(json_object_array_get_idx(list, i));
        Eider__V1__JobDependency *d = ei_malloc(sizeof *d);
        eider__v1__job_dependency__init(d);
        spec->after[spec->n_after++] = d;
        if (parse_after(text != NULL ? text : "", d, e) != 0)
            return -1;
    }
    return 0;
}

static int read_labels(struct json_object *o, Eider__V1__JobSpec *spec, struct ei_error *e) {
    struct json_object *list = NULL;
    if (list_of(o, "labels", json_type_array, TERMS_MAX, &list, e) != 0)
        return -1;
    size_t n = list == NULL ? 0 : json_object_array_length(list);
    spec->labels = n == 0 ? NULL : ei_calloc(n, sizeof *spec->labels);
    for (size_t i = 0; i < n; i++) {
        struct json_object *v = json_object_array_get_idx(list, i);
        if (!json_object_is_type(v, json_type_string))
            return ei_fail(e, EI_USAGE, "\"labels\" must be an array of strings");
        spec->labels[spec->n_labels++] = ei_strdup(json_object_get_string(v));
    }
    return 0;
}

static int read_needs(struct json_object *o, Eider__V1__JobSpec *spec, struct ei_error *e) {
    struct json_object *list = NULL;
    if (list_of(o, "needs", json_type_object, TERMS_MAX, &list, e) != 0)
        return -1;
    if (list == NULL || json_object_object_length(list) == 0)
        return 0;
    spec->needs = ei_calloc((size_t)json_object_object_length(list), sizeof *spec->needs);
    json_object_object_foreach(list, name, v) {
        double amount =
            json_object_is_type(v, json_type_int) || json_object_is_type(v, json_type_double)
                ? json_object_get_double(v)
                : 0;
        if (!(amount >= 0.001) || amount > 1e6)
            return ei_fail(e, EI_USAGE, "the need of \"%.60s\" must be a number from 0.001 on",
                           name);
        Eider__V1__Resource *r = ei_malloc(sizeof *r);
        eider__v1__resource__init(r);
        r->name = ei_strdup(name);
        r->milli = (uint32_t)(amount * 1000 + 0.5);
        spec->needs[spec->n_needs++] = r;
    }
    return 0;
}

static int read_numbers(struct json_object *o, Eider__V1__JobSpec *spec, struct ei_error *e) {
    int64_t priority, begin, limit, task_limit, cores, memory, max_cores, max_memory, keep;
    if (whole_of(o, "priority", -1000000, 1000000, &priority, e) != 0 ||
        whole_of(o, "begin_ms", 0, MS_MAX, &begin, e) != 0 ||
        whole_of(o, "time_limit_ms", 0, MS_MAX, &limit, e) != 0 ||
        whole_of(o, "task_time_limit_ms", 0, MS_MAX, &task_limit, e) != 0 ||
        whole_of(o, "cores", 0, 4096, &cores, e) != 0 ||
        whole_of(o, "memory_bytes", 0, MS_MAX, &memory, e) != 0 ||
        whole_of(o, "max_cores", 0, UINT32_MAX, &max_cores, e) != 0 ||
        whole_of(o, "max_memory_bytes", 0, INT64_MAX, &max_memory, e) != 0 ||
        whole_of(o, "keep_ms", 0, MS_MAX, &keep, e) != 0)
        return -1;
    spec->priority = (int32_t)priority;
    spec->begin_ms = begin;
    spec->time_limit_ms = (uint64_t)limit;
    spec->task_time_limit_ms = (uint64_t)task_limit;
    spec->task_cores = (uint32_t)cores;
    spec->memory_bytes = (uint64_t)memory;
    spec->max_cores = (uint32_t)max_cores;
    spec->max_memory_bytes = (uint64_t)max_memory;
    spec->keep_ms = (uint64_t)keep;
    return 0;
}

Eider__V1__JobSpec *ei_order_create(const char *user) {
    Eider__V1__JobSpec *spec = ei_malloc(sizeof *spec);
    eider__v1__job_spec__init(spec);
    spec->user = ei_strdup(user);
    return spec;
}

int ei_order_read(struct json_object *body, bool admin, Eider__V1__JobSpec *order,
                  struct ei_error *e) {
    char *user = NULL;
    if (text_of(body, "queue", &order->queue, e) != 0 ||
        text_of(body, "name", &order->name, e) != 0 || text_of(body, "user", &user, e) != 0 ||
        read_numbers(body, order, e) != 0 || read_after(body, order, e) != 0 ||
        read_labels(body, order, e) != 0 || read_needs(body, order, e) != 0) {
        free(user);
        return -1;
    }
    if (user == NULL)
        return 0;
    bool own = strcmp(user, order->user) == 0;
    if (!own && !admin) {
        (void)ei_fail(e, EI_DENIED, "only an administrator may run a job as user \"%.60s\"", user);
        free(user);
        return -1;
    }
    free(order->user);
    order->user = user;
    return 0;
}

static void take_text(char **to, char **from) {
    if (*from == (char *)protobuf_c_empty_string)
        return;
    if (*to != (char *)protobuf_c_empty_string)
        free(*to);
    *to = *from;
    *from = (char *)protobuf_c_empty_string;
}

void ei_order_apply(Eider__V1__JobSpec *order, Eider__V1__JobSpec *spec) {
    take_text(&spec->user, &order->user);
    take_text(&spec->queue, &order->queue);
    take_text(&spec->name, &order->name);
    spec->priority = order->priority;
    spec->begin_ms = order->begin_ms;
    spec->time_limit_ms = order->time_limit_ms;
    spec->task_time_limit_ms = order->task_time_limit_ms;
    spec->task_cores = order->task_cores;
    spec->max_cores = order->max_cores;
    spec->max_memory_bytes = order->max_memory_bytes;
    spec->keep_ms = order->keep_ms;
    if (order->memory_bytes > 0)
        spec->memory_bytes = order->memory_bytes;
    spec->n_after = order->n_after;
    spec->after = order->after;
    spec->n_needs = order->n_needs;
    spec->needs = order->needs;
    spec->n_labels = order->n_labels;
    spec->labels = order->labels;
    order->n_after = order->n_needs = order->n_labels = 0;
    order->after = NULL;
    order->needs = NULL;
    order->labels = NULL;
}
