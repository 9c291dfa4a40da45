/* Jobs that go on by themselves: submit, wait, result, why. */
#include "cli/order.h"
#include "cli/result.h"

#include "base/mem.h"
#include "os/os.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WAIT_STEP_MS 20000 /* under the time limit of a request */

/* ---- submit ---- */

static void show_submitted(struct ei_cli *c, struct json_object *o, enum ei_output form) {
    (void)c;
    if (form == EI_OUTPUT_JSON)
        ei_cli_print_json(o);
    else
        (void)printf("%lld\n", (long long)ei_cli_int(o, "job"));
}

int ei_cmd_job_submit(struct ei_cli *c) {
    struct ei_error e = {0};
    struct ei_buf sql = {0};
    char cwd[4096];
    if (ei_cli_read_sql(c, &sql, &e) != 0) {
        ei_buf_release(&sql);
        return ei_cli_fail(&e);
    }
    struct json_object *body = json_object_new_object();
    const char *text = sql.data != NULL ? sql.data : "";
    json_object_object_add(body, "sql", json_object_new_string(text));
    json_object_object_add(body, "directory",
                           json_object_new_string(getcwd(cwd, sizeof cwd) != NULL ? cwd : "/"));
    ei_buf_release(&sql);
    if (ei_cli_order(c, body) != 0) {
        json_object_put(body);
        return 2;
    }
    return ei_cli_ask(c, true, "POST", "/v1/jobs", body, show_submitted);
}

/* ---- wait ---- */

static int ended_code(struct ei_cli *c, struct json_object *job, enum ei_output form) {
    const char *state = ei_cli_text(job, "state");
    struct json_object *error = NULL;
    bool ok = strcmp(state, "succeeded") == 0;
    if (form == EI_OUTPUT_JSON)
        ei_cli_print_json(job);
    else if (ok && !c->quiet)
        (void)printf("job %s succeeded\n", c->argv[0]);
    if (ok)
        return 0;
    (void)json_object_object_get_ex(job, "error", &error);
    (void)fflush(stdout);
    (void)fprintf(stderr, "eider: %s\n", error != NULL ? ei_cli_text(error, "message") : state);
    return 1;
}

/* One request that the master answers when the job has ended, or after a while. */
static int wait_once(const struct ei_cluster_address *a, const char *path, int64_t left_ms,
                     struct json_object **job, struct ei_error *e) {
    char *url = ei_asprintf("%s?wait_ms=%lld", path,
                            (long long)EI_MAX(EI_MIN(left_ms, (int64_t)WAIT_STEP_MS), 1));
    int rc = ei_cluster_json(a, "GET", url, job, e);
    free(url);
    return rc;
}

static int wait_for(struct ei_cli *c, const char *path, int64_t until_us, enum ei_output form,
                    struct ei_error *e) {
    struct ei_cluster_address address;
    char *data_dir = ei_cli_data_dir(c);
    int code = -1, rc = ei_cluster_find(data_dir, &address, e);
    free(data_dir);
    if (rc != 0)
        return -1;
    while (code < 0) {
        struct json_object *job = NULL;
        int64_t left_ms = (until_us - ei_now_us()) / 1000;
        if (left_ms <= 0) {
            (void)ei_fail(e, EI_TIMEOUT, "job %s has not ended in time; it goes on", c->argv[0]);
            break;
        }
        if (wait_once(&address, path, left_ms, &job, e) != 0)
            break;
        const char *state = ei_cli_text(job, "state");
        if (strcmp(state, "waiting") != 0 && strcmp(state, "running") != 0)
            code = ended_code(c, job, form);
        json_object_put(job);
    }
    ei_cluster_address_release(&address);
    return code;
}

int ei_cmd_job_wait(struct ei_cli *c) {
    enum ei_output form;
    long timeout_s;
    struct ei_error e = {0};
    if (ei_cli_output(c, &form) != 0 ||
        ei_cli_number(c, "timeout", 1, 31536000, 31536000, &timeout_s) != 0)
        return 2;
    char *path = ei_cli_job_path(c, "");
    if (path == NULL)
        return 2;
    int code = wait_for(c, path, ei_now_us() + (int64_t)timeout_s * 1000000, form, &e);
    free(path);
    return code >= 0 ? code : ei_cli_fail(&e);
}

/* ---- result ---- */

struct answer {
    struct ei_result result;
    struct ei_buf raw; /* the first bytes, for an error answer without a stream */
};

static int feed(void *data, const char *chunk, size_t n, struct ei_error *e) {
    struct answer *a = data;
    if (a->raw.len < 65536)
        ei_buf_append(&a->raw, chunk, EI_MIN(n, 65536 - a->raw.len));
    return ei_result_feed(&a->result, chunk, n, e);
}

static int fetch_result(struct ei_cli *c, enum ei_output form, const char *path,
                        struct ei_error *e) {
    struct ei_cluster_address address;
    struct ei_http_client *client = NULL;
    struct answer a = {0};
    char *data_dir = ei_cli_data_dir(c);
    int rc = ei_cluster_find(data_dir, &address, e);
    free(data_dir);
    if (rc != 0)
        return -1;
    rc = ei_cluster_open(&address, true, &client, e);
    ei_cluster_address_release(&address);
    if (rc != 0)
        return -1;
    ei_result_init(&a.result, form);
    a.result.quiet = c->quiet;
    int status = ei_http_client_request(client, "GET", path, NULL, NULL, 0, feed, &a, e);
    rc = -1;
    if (status < 0)
        (void)ei_wrap(e, "the connection to the gateway was lost");
    else if (status != 200)
        rc = ei_cluster_error(a.raw.data == NULL ? "" : a.raw.data, a.raw.len, status, e);
    else
        rc = ei_result_finish(&a.result, e);
    ei_http_client_close(client);
    ei_result_release(&a.result);
    ei_buf_release(&a.raw);
    return rc;
}

int ei_cmd_job_result(struct ei_cli *c) {
    enum ei_output form;
    struct ei_error e = {0};
    if (ei_cli_output(c, &form) != 0)
        return 2;
    char *path =
        ei_cli_job_path(c, form == EI_OUTPUT_JSON ? "/result?format=json" : "/result?format=text");
    if (path == NULL)
        return 2;
    int rc = fetch_result(c, form, path, &e);
    free(path);
    return rc == 0 ? 0 : ei_cli_fail(&e);
}

/* ---- why ---- */

static void show_why(struct ei_cli *c, struct json_object *o, enum ei_output form) {
    (void)c;
    if (form == EI_OUTPUT_JSON)
        ei_cli_print_json(o);
    else
        (void)puts(ei_cli_text(o, "text"));
}

int ei_cmd_why(struct ei_cli *c) {
    char *path = ei_cli_job_path(c, "/why");
    int code = path == NULL ? 2 : ei_cli_ask(c, false, "GET", path, NULL, show_why);
    free(path);
    return code;
}
