/* POST /v1/jobs: jobs that are described in JSON. So far of kind "bench": a number of tasks that do
 * nothing, to measure what the cluster itself costs. */
#include "master/internal.h"

#include "base/mem.h"
#include "master/json.h"
#include "os/os.h"

#include <json-c/json.h>

#include <stdlib.h>
#include <string.h>

static char *text(const char *s) {
    return (char *)(uintptr_t)s; /* protobuf-c's strings are not const; nobody writes to them */
}

struct order { /* what the body asks for */
    uint32_t jobs, tasks;
    uint64_t exchange_bytes; /* not 0: these are exchanged, instead of empty tasks */
    const char *queue;
    int32_t priority;
    struct json_object *body; /* owned; queue borrows from it */
};

static int whole(struct json_object *body, const char *key, int64_t least, int64_t most,
                 int64_t otherwise, int64_t *out, struct ei_error *e) {
    struct json_object *v = NULL;
    *out = otherwise;
    if (!json_object_object_get_ex(body, key, &v))
        return 0;
    if (json_object_is_type(v, json_type_int))
        *out = json_object_get_int64(v);
    if (!json_object_is_type(v, json_type_int) || *out < least || *out > most)
        return ei_fail(e, EI_USAGE, "\"%s\" must be a whole number from %lld to %lld", key,
                       (long long)least, (long long)most);
    return 0;
}

static int read_order(struct ei_http_request *r, struct order *o, struct ei_error *e) {
    size_t len;
    const char *bytes = ei_http_body(r, &len);
    struct json_tokener *tokener = json_tokener_new();
    o->body = json_tokener_parse_ex(tokener, bytes, (int)len);
    json_tokener_free(tokener);
    if (!json_object_is_type(o->body, json_type_object))
        return ei_fail(e, EI_USAGE,
                       "the body must be a JSON object like "
                       "{\"kind\":\"bench\",\"tasks\":1000}");
    struct json_object *kind = NULL, *queue = NULL;
    if (!json_object_object_get_ex(o->body, "kind", &kind) ||
        strcmp(json_object_get_string(kind), "bench") != 0)
        return ei_fail(e, EI_UNSUPPORTED,
                       "\"kind\" must be \"bench\"; SQL is sent to a gateway's /v1/sql");
    if (json_object_object_get_ex(o->body, "queue", &queue) &&
        json_object_is_type(queue, json_type_string))
        o->queue = json_object_get_string(queue);
    int64_t tasks, jobs, priority, exchange;
    if (whole(o->body, "tasks", 1, EI_JOB_TASKS_MAX, 1, &tasks, e) != 0 ||
        whole(o->body, "jobs", 1, EI_SUBMIT_JOBS_MAX, 1, &jobs, e) != 0 ||
        whole(o->body, "exchange_bytes", 0, EI_BENCH_BYTES_MAX, 0, &exchange, e) != 0 ||
        whole(o->body, "priority", INT32_MIN, INT32_MAX, 0, &priority, e) != 0)
        return -1;
    o->tasks = (uint32_t)tasks;
    o->jobs = (uint32_t)jobs;
    o->exchange_bytes = (uint64_t)exchange;
    o->priority = (int32_t)priority;
    return 0;
}

/* ---- what a bench job consists of ---- */

struct bench_spec { /* what the JobSpec borrows */
    Eider__V1__StageSpec stages[EI_JOB_STAGES_MAX], *stage_list[EI_JOB_STAGES_MAX];
    Eider__V1__ExchangeInput inputs[EI_JOB_STAGES_MAX], *input_list[EI_JOB_STAGES_MAX];
    Eider__V1__Column columns[4], *column_list[4];
    char *sql[EI_JOB_STAGES_MAX], *names[EI_JOB_STAGES_MAX]; /* owned */
};

static void bench_release(struct bench_spec *b) {
    for (size_t i = 0; i < EI_JOB_STAGES_MAX; i++) {
        free(b->sql[i]);
        free(b->names[i]);
    }
}

static Eider__V1__StageSpec *add_stage(struct bench_spec *b, Eider__V1__JobSpec *spec,
                                       const char *name) {
    Eider__V1__StageSpec *s = &b->stages[spec->n_stages];
    eider__v1__stage_spec__init(s);
    s->id = (uint32_t)spec->n_stages;
    s->name = text(name);
    s->tasks = s->partitions = 1;
    s->output = EIDER__V1__DISTRIBUTION__DISTRIBUTION_RESULT;
    b->stage_list[spec->n_stages++] = s;
    spec->stages = b->stage_list;
    return s;
}

static void empty_spec(const struct order *o, struct bench_spec *b, Eider__V1__JobSpec *spec) {
    Eider__V1__StageSpec *s = add_stage(b, spec, "tasks that do nothing");
    s->native_noop = true;
    s->tasks = o->tasks;
}

static void bench_columns(struct bench_spec *b) {
    static const char *const names[] = {"k", "v", "x", "s"};
    static const char *const types[] = {"BIGINT", "BIGINT", "DOUBLE", "VARCHAR"};
    for (size_t i = 0; i < EI_ARRAY_LEN(b->columns); i++) {
        eider__v1__column__init(&b->columns[i]);
        b->columns[i].name = text(names[i]);
        b->columns[i].type = text(types[i]);
        b->column_list[i] = &b->columns[i];
    }
}

/* Stages of one task each write rows of about 40 bytes, by hash of k; the last stage reads them. */
static void exchange_spec(const struct ei_master *m, const struct order *o, struct bench_spec *b,
                          Eider__V1__JobSpec *spec) {
    static const uint32_t keys[] = {0};
    uint32_t cores = ei_peers_cores(m);
    uint32_t writers = EI_MIN(EI_MAX(cores * 2, 2u), EI_JOB_STAGES_MAX - 1u);
    uint64_t rows = EI_MAX(o->exchange_bytes / EI_BENCH_ROW_BYTES / writers, 1u);
    struct ei_buf from = {0};
    bench_columns(b);
    for (uint32_t i = 0; i < writers; i++) {
        Eider__V1__StageSpec *s = add_stage(b, spec, "make rows and write them");
        s->sql = b->sql[i] =
            ei_asprintf("SELECT (i * 2654435761) %% 1000003 AS k, i AS v, i * 0.5::DOUBLE AS x, "
                        "'row ' || (i %% 1000) AS s FROM range(%llu, %llu) t(i)",
                        (unsigned long long)(i * rows), (unsigned long long)((i + 1) * rows));
        s->output = EIDER__V1__DISTRIBUTION__DISTRIBUTION_HASH;
        s->partitions = writers;
        s->key_columns = (uint32_t *)(uintptr_t)keys;
        s->n_key_columns = 1;
        s->columns = b->column_list;
        s->n_columns = EI_ARRAY_LEN(b->columns);
        Eider__V1__ExchangeInput *in = b->input_list[i] = &b->inputs[i];
        eider__v1__exchange_input__init(in);
        in->name = b->names[i] = ei_asprintf("rows_%u", i);
        in->stage = i;
        in->columns = b->column_list;
        in->n_columns = EI_ARRAY_LEN(b->columns);
        ei_buf_printf(&from, "%sSELECT * FROM rows_%u", i > 0 ? " UNION ALL " : "", i);
    }
    Eider__V1__StageSpec *s = add_stage(b, spec, "read them");
    s->sql = b->sql[writers] = ei_asprintf(
        "SELECT max(k) AS k, max(v) AS v, max(x) AS x, max(s) AS s FROM (%s)", from.data);
    s->tasks = writers;
    s->exchanges = b->input_list;
    s->n_exchanges = writers;
    s->columns = b->column_list;
    s->n_columns = EI_ARRAY_LEN(b->columns);
    ei_buf_release(&from);
}

/* ---- answers ---- */

static void write_one(struct ei_json *j, uint64_t id, enum ei_job_state state, int64_t elapsed_us) {
    ei_json_open(j, NULL, '{');
    ei_json_uint(j, "id", id);
    ei_json_text(j, "state", ei_job_state_name(state));
    if (state >= EI_JOB_SUCCEEDED)
        ei_json_int(j, "elapsed_us", elapsed_us);
    ei_json_close(j, '}');
}

static void answer(struct ei_master *m, struct ei_wait *w) {
    struct ei_json j = {0};
    ei_json_open(&j, NULL, '{');
    ei_json_open(&j, "jobs", '[');
    for (uint32_t i = 0; i < w->count; i++)
        write_one(&j, w->jobs[i].id, w->jobs[i].state, w->jobs[i].elapsed_us);
    ei_json_close(&j, ']');
    ei_json_close(&j, '}');
    ei_rest_json(w->request, &j);
}

/* ---- the route ---- */

static int submit(struct ei_master *m, struct ei_http_request *r, const struct order *o,
                  const Eider__V1__JobSpec *spec, uint64_t wait_ms, struct ei_error *e) {
    if (ei_jobs_have_room(m, o->jobs, e) != 0)
        return -1;
    struct ei_wait *w = NULL;
    for (uint32_t i = 0; i < o->jobs; i++) {
        struct ei_job *job = ei_job_submit(m, spec, NULL, e);
        if (job == NULL) {
            if (w == NULL)
                return -1;
            break; /* those that were accepted are answered for */
        }
        job->released = true; /* nobody reads the outputs */
        if (w == NULL)
            w = ei_wait_create(m, r, o->jobs, wait_ms, answer);
        ei_wait_add(w, job);
        ei_job_start(m, job);
    }
    EI_ASSERT(w != NULL); /* an order has at least one job */
    w->owner = wait_ms > 0;
    return 0;
}

void ei_rest_submit(struct ei_http_request *r, void *data) {
    struct ei_master *m = data;
    struct ei_error e = {0};
    struct order o = {0};
    uint64_t wait_ms;
    if (ei_rest_wait_ms(r, &wait_ms, &e) != 0 || read_order(r, &o, &e) != 0) {
        ei_http_respond_error(r, &e);
    } else {
        Eider__V1__JobSpec spec = EIDER__V1__JOB_SPEC__INIT;
        struct bench_spec bench = {0};
        spec.name = spec.kind = text("bench");
        spec.user = text(ei_http_user(r));
        spec.queue = text(o.queue != NULL ? o.queue : "");
        spec.priority = o.priority;
        if (o.exchange_bytes > 0)
            exchange_spec(m, &o, &bench, &spec);
        else
            empty_spec(&o, &bench, &spec);
        if (submit(m, r, &o, &spec, wait_ms, &e) != 0)
            ei_http_respond_error(r, &e);
        bench_release(&bench);
    }
    json_object_put(o.body);
}
