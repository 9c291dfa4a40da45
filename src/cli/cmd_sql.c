/* eider sql, eider explain: the text goes to a gateway, the rows come back as they are made. */
#include "cli/order.h"
#include "cli/result.h"
#include "cli/statements.h"
#include "base/mem.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SQL_MAX_BYTES (16u << 20)
#define TIMEOUT_MOST_S 31536000L

static volatile sig_atomic_t interrupted;
static volatile sig_atomic_t connection = -1;

static void on_interrupt(int signal_number) {
    (void)signal_number;
    interrupted = 1;
    if (connection >= 0)
        (void)shutdown(connection, SHUT_RDWR); /* the gateway cancels the job */
}

static int read_all(FILE *f, const char *name, struct ei_buf *out, struct ei_error *e) {
    char chunk[16384];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0) {
        ei_buf_append(out, chunk, n);
        if (out->len > SQL_MAX_BYTES)
            return ei_fail(e, EI_LIMIT, "%s has more than %u MiB of SQL", name,
                           SQL_MAX_BYTES >> 20);
    }
    if (ferror(f))
        return ei_fail_errno(e, EI_IO, errno, "cannot read %s", name);
    if (out->data != NULL && strlen(out->data) != out->len)
        return ei_fail(e, EI_INVALID, "%s contains a NUL byte: it is not SQL text", name);
    return 0;
}

/* From the argument, --file or standard input. */
int ei_cli_read_sql(struct ei_cli *c, struct ei_buf *sql, struct ei_error *e) {
    const char *file = ei_cli_get(c, "file");
    if (file != NULL && c->argc > 0)
        return ei_fail(e, EI_USAGE, "give the SQL as an argument or with --file, not both");
    if (c->argc > 0 && strcmp(c->argv[0], "-") != 0) {
        ei_buf_puts(sql, c->argv[0]);
        return 0;
    }
    if (file == NULL || strcmp(file, "-") == 0) {
        if (file == NULL && c->argc == 0 && isatty(0))
            return ei_fail(e, EI_USAGE,
                           "no SQL given: pass it as an argument, with --file FILE or "
                           "on standard input");
        return read_all(stdin, "standard input", sql, e);
    }
    FILE *f = fopen(file, "re");
    if (f == NULL)
        return ei_fail_errno(e, EI_INPUT_MISSING, errno, "cannot read %s", file);
    int rc = read_all(f, file, sql, e);
    (void)fclose(f);
    return rc;
}

struct session {
    struct ei_http_client *client;
    enum ei_output form;
    bool explain, quiet, progress;
    struct json_object *order; /* members of every request */
    long timeout_s;
};

static void put_order(const struct session *s, struct ei_buf *out) {
    json_object_object_foreach(s->order, key, value) {
        ei_buf_puts(out, ",");
        ei_buf_json_string(out, key, strlen(key));
        ei_buf_puts(out, ":");
        ei_buf_puts(out, json_object_to_json_string(value));
    }
}

static void put_request(const struct session *s, const char *sql, size_t len, struct ei_buf *out) {
    char cwd[4096];
    if (getcwd(cwd, sizeof cwd) == NULL)
        (void)snprintf(cwd, sizeof cwd, "/");
    ei_buf_puts(out, "{\"sql\":");
    ei_buf_json_string(out, sql, len);
    ei_buf_puts(out, ",\"directory\":");
    ei_buf_json_string(out, cwd, strlen(cwd));
    ei_buf_printf(out, ",\"format\":\"%s\",\"progress\":%s,\"timeout_ms\":%ld",
                  s->form == EI_OUTPUT_JSON ? "json" : "text", s->progress ? "true" : "false",
                  s->timeout_s * 1000);
    put_order(s, out);
    ei_buf_putc(out, '}');
}

/* -p n=5 -p name=x: a value that is a JSON number, true, false or null is one; all else is text.
 * -p 1=x is $1. */
static int read_params(const struct ei_cli *c, struct json_object *order, struct ei_error *e) {
    struct json_object *named = json_object_new_object(), *listed = json_object_new_array();
    int rc = 0;
    for (int i = 0; i < c->param_count && rc == 0; i++) {
        const char *equals = strchr(c->params[i], '=');
        if (equals == NULL || equals == c->params[i]) {
            rc = ei_fail(e, EI_USAGE, "--param needs NAME=VALUE, not '%s'", c->params[i]);
            break;
        }
        char *name = ei_strndup(c->params[i], (size_t)(equals - c->params[i])), *end;
        enum json_tokener_error bad;
        struct json_object *value = json_tokener_parse_verbose(equals + 1, &bad);
        bool scalar = bad == json_tokener_success &&
                      !json_object_is_type(value, json_type_object) &&
                      !json_object_is_type(value, json_type_array);
        bool partly = strspn(equals + 1, "-+.0123456789eE") != strlen(equals + 1) &&
                      (json_object_is_type(value, json_type_int) ||
                       json_object_is_type(value, json_type_double));
        if (!scalar || partly) {
            json_object_put(value);
            value = json_object_new_string(equals + 1);
        }
        unsigned long n = strtoul(name, &end, 10);
        if (*end == '\0' && n > 0 && n <= EI_CLI_PARAMS_MAX)
            (void)json_object_array_put_idx(listed, n - 1, value);
        else
            json_object_object_add(named, name, value);
        free(name);
    }
    bool by_number = json_object_array_length(listed) > 0;
    if (rc == 0 && by_number && json_object_object_length(named) > 0)
        rc = ei_fail(e, EI_USAGE, "parameters have either names or numbers, not both");
    if (c->param_count > 0)
        json_object_object_add(order, "parameters", json_object_get(by_number ? listed : named));
    json_object_put(named);
    json_object_put(listed);
    return rc;
}

/* SET answers with what the next statements are to be sent with. */
static void keep_settings(struct session *s, struct json_object *header) {
    struct json_object *set = NULL, *all = NULL;
    if (!json_object_object_get_ex(header, "settings", &set))
        return;
    if (!json_object_object_get_ex(s->order, "settings", &all)) {
        all = json_object_new_object();
        json_object_object_add(s->order, "settings", all);
    }
    json_object_object_foreach(set, key, value) {
        json_object_object_add(all, key, json_object_get(value));
    }
}

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

static int run_one(struct session *s, const char *sql, size_t len, struct ei_error *e) {
    struct ei_buf body = {0};
    put_request(s, sql, len, &body);
    struct answer a = {0};
    ei_result_init(&a.result, s->form);
    a.result.quiet = s->quiet;
    a.result.progress = s->progress;
    a.result.plain = s->explain && s->form == EI_OUTPUT_TABLE;
    int status = ei_http_client_request(s->client, "POST", s->explain ? "/v1/explain" : "/v1/sql",
                                        "application/json", body.data, body.len, feed, &a, e);
    ei_buf_release(&body);
    int rc = -1;
    if (status < 0)
        (void)ei_wrap(e, "the connection to the gateway was lost");
    else if (status != 200)
        rc = ei_cluster_error(a.raw.data == NULL ? "" : a.raw.data, a.raw.len, status, e);
    else
        rc = ei_result_finish(&a.result, e);
    if (rc == 0)
        keep_settings(s, a.result.header);
    ei_result_release(&a.result);
    ei_buf_release(&a.raw);
    return rc;
}

static int run_all(struct session *s, const char *sql, struct ei_error *e) {
    while (*sql != '\0') {
        const char *next;
        size_t len = ei_statement_length(sql, &next);
        if (len > 0 && run_one(s, sql, len, e) != 0)
            return -1;
        sql = next;
    }
    return 0;
}

/* ---- with a throw-away cluster ---- */

static int start_throw_away(char **dir, struct ei_error *e) {
    const char *tmp = getenv("TMPDIR");
    char *path = ei_path_join(tmp != NULL && tmp[0] == '/' ? tmp : "/tmp", "eider-XXXXXX");
    if (mkdtemp(path) == NULL) {
        (void)ei_fail_errno(e, EI_IO, errno,
                            "cannot make a directory for a throw-away cluster in "
                            "%s",
                            tmp != NULL ? tmp : "/tmp");
        free(path);
        return -1;
    }
    struct ei_local_options o = {.data_dir = path,
                                 .workers = 1,
                                 .cores_per_worker = ei_cpu_count(),
                                 .memory_per_worker_bytes = ei_memory_total_bytes() / 100 * 60,
                                 .die_with_parent = true};
    if (ei_local_start(&o, e) != 0) {
        struct ei_error ignored;
        (void)ei_remove_tree(path, &ignored);
        free(path);
        return -1;
    }
    *dir = path;
    return 0;
}

static void stop_throw_away(char *dir) {
    struct ei_error e;
    if (dir == NULL)
        return;
    if (ei_local_stop(dir, &e) != 0 || ei_remove_tree(dir, &e) != 0)
        (void)fprintf(stderr, "eider: %s\n", e.text);
    free(dir);
}

static int with_cluster(struct ei_cli *c, struct session *s, const char *sql, struct ei_error *e) {
    char *data_dir = ei_cli_data_dir(c);
    char *throw_away = NULL;
    struct ei_cluster_address address;
    int rc = ei_cluster_find(data_dir, &address, e);
    bool named = c->data_dir != NULL;
    if (rc != 0 && e->code == EI_UNREACHABLE && !named) {
        rc = start_throw_away(&throw_away, e);
        if (rc == 0)
            rc = ei_cluster_find(throw_away, &address, e);
    }
    free(data_dir);
    if (rc == 0) {
        rc = ei_cluster_open(&address, true, &s->client, e);
        ei_cluster_address_release(&address);
    }
    if (rc == 0) {
        connection = ei_http_client_fd(s->client);
        rc = interrupted ? ei_fail(e, EI_CANCELLED, "interrupted") : run_all(s, sql, e);
        connection = -1;
        ei_http_client_close(s->client);
    }
    stop_throw_away(throw_away);
    return rc;
}

static int run_sql(struct ei_cli *c, bool explain) {
    struct session s = {.explain = explain, .quiet = c->quiet, .order = json_object_new_object()};
    if (ei_cli_output(c, &s.form) != 0 ||
        ei_cli_number(c, "timeout", 1, TIMEOUT_MOST_S, 0, &s.timeout_s) != 0 ||
        ei_cli_order(c, s.order) != 0) {
        json_object_put(s.order);
        return 2;
    }
    s.progress = isatty(2) && !c->quiet && ei_cli_get(c, "no-progress") == NULL && !explain;
    struct ei_error e = {0};
    struct ei_buf sql = {0};
    struct sigaction action = {.sa_handler = on_interrupt};
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
    int code = 0;
    if (read_params(c, s.order, &e) != 0 || ei_cli_read_sql(c, &sql, &e) != 0 ||
        with_cluster(c, &s, sql.data == NULL ? "" : sql.data, &e) != 0) {
        if (interrupted)
            (void)ei_fail(&e, EI_CANCELLED, "interrupted: the query was cancelled");
        code = ei_cli_fail(&e);
    }
    ei_buf_release(&sql);
    json_object_put(s.order);
    return code;
}

int ei_cmd_sql(struct ei_cli *c) {
    return run_sql(c, false);
}

int ei_cmd_explain(struct ei_cli *c) {
    return run_sql(c, true);
}
