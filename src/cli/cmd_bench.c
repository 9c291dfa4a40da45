/* eider bench: what the cluster itself costs, measured over REST like any other client would. */
#include "cli/cli.h"

#include "base/mem.h"
#include "os/os.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS_MAX 4
#define IN_FLIGHT_MAX 4000
#define ROUND_TRIPS 500
#define WAIT_MS 20000
#define HEARTBEAT_PASSES_US                                                                        \
    1200000 /* the cluster's figures of its processes are this old at most */

static const char *const ROLES[] = {"master", "worker", "executor", "client"};
enum { ROLE_COUNT = 4, CLIENT = 3 };

struct bench {
    struct ei_cluster_address address;
    enum ei_output form;
    uint64_t cpu_us[ROLE_COUNT];
};

static int64_t number_of(struct json_object *o, const char *key) {
    struct json_object *v = NULL;
    return json_object_object_get_ex(o, key, &v) ? json_object_get_int64(v) : 0;
}

static const char *text_of(struct json_object *o, const char *key) {
    struct json_object *v = NULL;
    return json_object_object_get_ex(o, key, &v) && v != NULL ? json_object_get_string(v) : "";
}

/* ---- requests ---- */

static int collect(void *data, const char *chunk, size_t n, struct ei_error *e) {
    ei_buf_append(data, chunk, n);
    return 0;
}

static int request(struct ei_http_client *http, const char *method, const char *path,
                   const char *body, struct json_object **out, struct ei_error *e) {
    struct ei_buf answer = {0};
    int status = ei_http_client_request(http, method, path, body ? "application/json" : NULL, body,
                                        body ? strlen(body) : 0, collect, &answer, e);
    int rc = status < 0 ? -1 : 0;
    if (status >= 300)
        rc = ei_cluster_error(answer.data ? answer.data : "", answer.len, status, e);
    *out = rc == 0 ? json_tokener_parse(answer.data ? answer.data : "") : NULL;
    if (rc == 0 && *out == NULL)
        rc = ei_fail(e, EI_CORRUPT, "the master's answer is not JSON");
    ei_buf_release(&answer);
    return rc;
}

/* The first job that is not `state` of an answer to POST /v1/jobs makes it a failure. */
static int check_jobs(struct json_object *answer, int64_t count, struct ei_error *e) {
    struct json_object *jobs = NULL;
    if (!json_object_object_get_ex(answer, "jobs", &jobs) ||
        (int64_t)json_object_array_length(jobs) != count)
        return ei_fail(e, EI_INTERNAL, "the master did not take all %lld jobs", (long long)count);
    for (size_t i = 0; i < (size_t)count; i++) {
        struct json_object *job = json_object_array_get_idx(jobs, i);
        if (strcmp(text_of(job, "state"), "succeeded") != 0)
            return ei_fail(e, EI_LOST, "job %lld is %s", (long long)number_of(job, "id"),
                           text_of(job, "state"));
    }
    return 0;
}

static int submit_and_wait(struct ei_http_client *http, long jobs, struct ei_error *e) {
    char body[96];
    struct json_object *answer = NULL;
    (void)snprintf(body, sizeof body, "{\"kind\":\"bench\",\"tasks\":1,\"jobs\":%ld}", jobs);
    int rc = request(http, "POST", "/v1/jobs?wait_ms=20000", body, &answer, e);
    if (rc == 0)
        rc = check_jobs(answer, jobs, e);
    json_object_put(answer);
    return rc;
}

/* Submits one job and waits for its end, however long that takes. */
static int run_job(struct bench *b, const char *body, struct json_object **job,
                   struct ei_error *e) {
    struct ei_http_client *http = NULL;
    struct json_object *answer = NULL, *jobs = NULL;
    char path[96];
    if (ei_cluster_open(&b->address, false, &http, e) != 0)
        return -1;
    int rc = request(http, "POST", "/v1/jobs", body, &answer, e);
    if (rc == 0 && json_object_object_get_ex(answer, "jobs", &jobs))
        (void)snprintf(path, sizeof path, "/v1/jobs/%lld?wait_ms=%d",
                       (long long)number_of(json_object_array_get_idx(jobs, 0), "id"), WAIT_MS);
    *job = NULL;
    while (rc == 0) {
        json_object_put(*job);
        rc = request(http, "GET", path, NULL, job, e);
        const char *state = rc == 0 ? text_of(*job, "state") : "";
        if (strcmp(state, "waiting") == 0 || strcmp(state, "running") == 0)
            continue;
        if (rc == 0 && strcmp(state, "succeeded") != 0)
            rc = ei_fail(e, EI_LOST, "the job ended as %s: see `eider job show %lld`", state,
                         (long long)number_of(*job, "id"));
        break;
    }
    json_object_put(answer);
    ei_http_client_close(http);
    return rc;
}

/* ---- CPU of the processes ---- */

static int read_cpu(struct bench *b, uint64_t out[ROLE_COUNT], struct ei_error *e) {
    struct json_object *status = NULL, *list = NULL;
    (void)usleep(HEARTBEAT_PASSES_US);
    if (ei_cluster_json(&b->address, "GET", "/v1/status", &status, e) != 0)
        return -1;
    memset(out, 0, ROLE_COUNT * sizeof *out);
    if (json_object_object_get_ex(status, "processes", &list)) {
        for (size_t i = 0; i < json_object_array_length(list); i++) {
            struct json_object *p = json_object_array_get_idx(list, i);
            for (int r = 0; r < CLIENT; r++)
                if (strcmp(text_of(p, "role"), ROLES[r]) == 0)
                    out[r] += (uint64_t)number_of(p, "cpu_us");
        }
    }
    out[CLIENT] = ei_process_cpu_us(0);
    json_object_put(status);
    return 0;
}

/* ---- percentiles ---- */

struct times {
    uint64_t *us;
    size_t count, capacity;
};

static void add_time(struct times *t, int64_t us) {
    EI_GROW(t->us, t->count, t->capacity);
    t->us[t->count++] = (uint64_t)us;
}

static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static uint64_t percentile(const struct times *t, unsigned percent) {
    return t->count == 0 ? 0 : t->us[EI_MIN(t->count - 1, t->count * percent / 100)];
}

static int round_trips(struct bench *b, struct times *t, struct ei_error *e) {
    struct ei_http_client *http = NULL;
    int rc = ei_cluster_open(&b->address, false, &http, e);
    for (int i = 0; rc == 0 && i < ROUND_TRIPS + ROUND_TRIPS / 10; i++) {
        int64_t begin = ei_now_us();
        rc = submit_and_wait(http, 1, e);
        if (i >= ROUND_TRIPS / 10) /* the first ones warm up */
            add_time(t, ei_now_us() - begin);
    }
    ei_http_client_close(http);
    return rc;
}

/* ---- bench tasks --single: a connection, in a thread of its own ---- */

struct lane {
    struct bench *bench;
    pthread_t thread;
    bool started;
    long jobs, batch;
    struct times times;
    int rc;
    struct ei_error error;
};

static void *run_lane(void *data) {
    struct lane *l = data;
    struct ei_http_client *http = NULL;
    l->rc = ei_cluster_open(&l->bench->address, false, &http, &l->error);
    while (l->rc == 0 && l->jobs > 0) {
        long batch = EI_MIN(l->batch, l->jobs);
        int64_t begin = ei_now_us();
        l->rc = submit_and_wait(http, batch, &l->error);
        for (long i = 0; i < batch; i++)
            add_time(&l->times, ei_now_us() - begin);
        l->jobs -= batch;
    }
    ei_http_client_close(http);
    return NULL;
}

static int run_single(struct bench *b, long n, long in_flight, struct times *t,
                      struct ei_error *e) {
    struct lane lanes[CONNECTIONS_MAX];
    long count = EI_MIN(in_flight, (long)CONNECTIONS_MAX);
    int rc = 0;
    memset(lanes, 0, sizeof lanes);
    for (long i = 0; i < count; i++) {
        struct lane *l = &lanes[i];
        l->bench = b;
        l->jobs = n / count + (i < n % count);
        l->batch = in_flight / count + (i < in_flight % count);
        l->started = pthread_create(&l->thread, NULL, run_lane, l) == 0;
        if (!l->started)
            rc = ei_fail(e, EI_LIMIT, "cannot start a thread for connection %ld", i);
    }
    for (long i = 0; i < count; i++) {
        struct lane *l = &lanes[i];
        if (l->started)
            (void)pthread_join(l->thread, NULL);
        if (l->rc != 0) {
            rc = -1;
            *e = l->error;
        }
        for (size_t k = 0; k < l->times.count; k++)
            add_time(t, (int64_t)l->times.us[k]);
        free(l->times.us);
    }
    return rc;
}

/* ---- bench tasks ---- */

static void print_tasks(const struct bench *b, const char *what, long n, double seconds,
                        struct times *t, const uint64_t before[ROLE_COUNT]) {
    double rate = (double)n / seconds;
    double cpu[ROLE_COUNT];
    qsort(t->us, t->count, sizeof *t->us, ascending);
    for (int r = 0; r < ROLE_COUNT; r++)
        cpu[r] = (double)(b->cpu_us[r] - EI_MIN(before[r], b->cpu_us[r])) / (double)n;
    if (b->form == EI_OUTPUT_JSON) {
        printf("{\"tasks_per_second\":%.1f,\"tasks\":%ld,\"seconds\":%.6f,\"p50_us\":%llu,"
               "\"p99_us\":%llu,\"cpu_us_per_task\":{",
               rate, n, seconds, (unsigned long long)percentile(t, 50),
               (unsigned long long)percentile(t, 99));
        for (int r = 0; r < ROLE_COUNT; r++)
            printf("%s\"%s\":%.2f", r ? "," : "", ROLES[r], cpu[r]);
        puts("}}");
        return;
    }
    printf("%ld tasks %s in %.2f s: %.0f tasks/s\n", n, what, seconds, rate);
    printf("round trip of one task: median %llu us, 99%% under %llu us\n",
           (unsigned long long)percentile(t, 50), (unsigned long long)percentile(t, 99));
    printf("CPU a task:");
    for (int r = 0; r < ROLE_COUNT; r++)
        printf("%s %s %.2f us", r ? "," : "", ROLES[r], cpu[r]);
    puts("");
}

static int bench_tasks(struct bench *b, long n, long in_flight, struct ei_error *e) {
    struct times t = {0};
    uint64_t before[ROLE_COUNT];
    char body[96];
    struct json_object *job = NULL;
    if (read_cpu(b, before, e) != 0)
        return -1;
    int64_t begin = ei_now_us();
    int rc;
    if (in_flight > 0) {
        rc = run_single(b, n, in_flight, &t, e);
    } else {
        (void)snprintf(body, sizeof body, "{\"kind\":\"bench\",\"tasks\":%ld}", n);
        rc = run_job(b, body, &job, e);
    }
    double seconds = (double)(ei_now_us() - begin) / 1e6;
    if (rc == 0)
        rc = read_cpu(b, b->cpu_us, e);
    if (rc == 0 && in_flight == 0)
        rc = round_trips(b, &t, e);
    if (rc == 0)
        print_tasks(b, in_flight > 0 ? "as jobs of one task" : "as one job", n, seconds, &t,
                    before);
    json_object_put(job);
    free(t.us);
    return rc;
}

/* ---- bench exchange ---- */

struct side { /* of the exchange: the stages that write it, or the one that reads it */
    double bytes, cpu_us;
};

static int report_exchange(const struct bench *b, struct json_object *job, double seconds,
                           struct ei_error *e) {
    struct json_object *stages = NULL;
    struct side wrote = {0}, read = {0};
    if (!json_object_object_get_ex(job, "stages", &stages) || json_object_array_length(stages) < 2)
        return ei_fail(e, EI_CORRUPT, "the job has no stages that exchange anything");
    size_t last = json_object_array_length(stages) - 1;
    for (size_t i = 0; i <= last; i++) {
        struct json_object *s = json_object_array_get_idx(stages, i);
        struct side *side = i == last ? &read : &wrote;
        side->bytes += (double)number_of(s, i == last ? "bytes_in" : "bytes_out");
        side->cpu_us += (double)number_of(s, "cpu_us");
    }
    if (wrote.cpu_us <= 0 || read.cpu_us <= 0)
        return ei_fail(e, EI_INVALID,
                       "too little was exchanged to measure it: give a larger --size");
    double out = wrote.bytes / wrote.cpu_us / 1e3, in = read.bytes / read.cpu_us / 1e3;
    if (b->form == EI_OUTPUT_JSON)
        printf("{\"bytes\":%.0f,\"seconds\":%.6f,\"gb_per_second\":%.4f,"
               "\"written_gb_per_core_second\":%.4f,\"read_gb_per_core_second\":%.4f}\n",
               wrote.bytes, seconds, wrote.bytes / seconds / 1e9, out, in);
    else
        printf("%.2f GB exchanged in %.2f s: %.2f GB/s\n"
               "written, making the rows included: %.2f GB/s a core\n"
               "read, looking at every column included: %.2f GB/s a core\n",
               wrote.bytes / 1e9, seconds, wrote.bytes / seconds / 1e9, out, in);
    return 0;
}

static int bench_exchange(struct bench *b, uint64_t bytes, struct ei_error *e) {
    char body[96];
    struct json_object *job = NULL;
    (void)snprintf(body, sizeof body, "{\"kind\":\"bench\",\"exchange_bytes\":%llu}",
                   (unsigned long long)bytes);
    int64_t begin = ei_now_us();
    int rc = run_job(b, body, &job, e);
    if (rc == 0)
        rc = report_exchange(b, job, (double)(ei_now_us() - begin) / 1e6, e);
    json_object_put(job);
    return rc;
}

/* ---- commands ---- */

static int open_bench(struct ei_cli *c, struct bench *b, struct ei_error *e) {
    *b = (struct bench){0};
    char *data_dir = ei_cli_data_dir(c);
    int rc = ei_cluster_find(data_dir, &b->address, e);
    free(data_dir);
    return rc;
}

static int close_bench(struct bench *b, int rc, const struct ei_error *e) {
    ei_cluster_address_release(&b->address);
    return rc == 0 ? 0 : ei_cli_fail(e);
}

int ei_cmd_bench_tasks(struct ei_cli *c) {
    struct bench b;
    struct ei_error e = {0};
    enum ei_output form;
    bool single = ei_cli_get(c, "single") != NULL;
    long n, in_flight;
    if (ei_cli_output(c, &form) != 0 ||
        ei_cli_number(c, "number", 1, 1000000, single ? 100000 : 1000000, &n) != 0 ||
        ei_cli_number(c, "in-flight", 1, IN_FLIGHT_MAX, 256, &in_flight) != 0)
        return 2;
    int rc = open_bench(c, &b, &e);
    b.form = form;
    if (rc == 0)
        rc = bench_tasks(&b, n, single ? in_flight : 0, &e);
    return close_bench(&b, rc, &e);
}

int ei_cmd_bench_exchange(struct ei_cli *c) {
    struct bench b;
    struct ei_error e = {0};
    enum ei_output form;
    uint64_t bytes = 1000000000;
    const char *size = ei_cli_get(c, "size");
    if (ei_cli_output(c, &form) != 0)
        return 2;
    if (size != NULL && (bytes = ei_cli_size(size)) == 0)
        return ei_cli_usage("--size must be a size like 500MB or 4GB, not '%s'", size);
    int rc = open_bench(c, &b, &e);
    b.form = form;
    if (rc == 0)
        rc = bench_exchange(&b, bytes, &e);
    return close_bench(&b, rc, &e);
}
