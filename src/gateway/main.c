#include "gateway/gateway.h"
#include "gateway/engine.h"
#include "base/mem.h"
#include "os/os.h"
#include "rpc/address.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The one list of routes. */
static const struct ei_http_route ROUTES[] = {
    {"POST", "/v1/sql", EI_ACCESS_SUBMIT, EI_SQL_MAX_BYTES, ei_query_on_http,
     "run one SQL statement; the answer streams as JSON lines"},
    {"POST", "/v1/jobs", EI_ACCESS_SUBMIT, EI_SQL_MAX_BYTES, ei_query_on_submit,
     "submit one SQL query that goes on by itself; the answer is {\"job\":ID}"},
    {"GET", "/v1/jobs/:id/result", EI_ACCESS_SUBMIT, 0, ei_query_on_result,
     "the rows of a submitted job, as /v1/sql answers; they are kept until they were read. "
     "?format=json|text"},
    {"POST", "/v1/explain", EI_ACCESS_SUBMIT, EI_SQL_MAX_BYTES, ei_query_on_explain,
     "show how a query is split into stages"},
};

/* DuckDB computes some constants while it binds, and no memory_limit of DuckDB's bounds one value:
 * this bound of the process does, and the query ends with a sentence. */
#define MEMORY_BOUND_BYTES (768u << 20)

/* Nobody calls a gateway over RPC. */
static void on_stranger(struct ei_conn *c, void *data) {
    (void)data;
    ei_conn_close(c);
}

static void on_stranger_message(struct ei_conn *c, void *data, const struct ei_message *m) {
    (void)data;
    (void)m;
    ei_conn_close(c);
}

static void on_stranger_closed(struct ei_conn *c, void *data, const struct ei_error *e) {
    (void)c;
    (void)data;
    (void)e;
}

static const struct ei_conn_events STRANGERS = {on_stranger, on_stranger_message,
                                                on_stranger_closed};

static void on_stop(uv_signal_t *handle, int signal_number) {
    struct ei_gateway *g = handle->data;
    (void)signal_number;
    if (g->stopping)
        return;
    g->stopping = true;
    ei_query_stop_all(g);
    ei_master_link_stop(g);
    ei_server_close(g->server);
    uv_close((uv_handle_t *)&g->sigterm, NULL);
    uv_close((uv_handle_t *)&g->sigint, NULL);
}

static int listen_on(struct ei_gateway *g, struct ei_error *e) {
    struct ei_address at;
    if (ei_address_parse(g->listen, &at, e) != 0)
        return -1;
    struct ei_server_options o = {.host = at.host,
                                  .port = (int)strtol(at.port, NULL, 10),
                                  .tls = g->tls,
                                  .events = &STRANGERS,
                                  .data = g,
                                  .http = g->http};
    return ei_server_listen(&g->server, g->loop, &o, e);
}

static int start(struct ei_gateway *g, struct ei_error *e) {
    char *fetched = ei_path_join(g->data_dir, "fetched");
    char *ca = ei_path_join(g->pki_dir, "ca.crt");
    char *cert = ei_asprintf("%s/%s.crt", g->pki_dir, g->name);
    char *key = ei_asprintf("%s/%s.key", g->pki_dir, g->name);
    ei_write_recover(g->data_dir);
    int rc = ei_remove_tree(g->data_dir, e); /* results of an earlier life: nobody reads them */
    if (rc == 0)
        rc = ei_mkdirs(fetched, 0700, e);
    if (rc == 0)
        rc = ei_tls_create(&g->tls, ca, cert, key, e);
    if (rc == 0)
        rc = ei_http_server_create(&g->http, ROUTES, EI_ARRAY_LEN(ROUTES), g, g->tokens, e);
    if (rc == 0)
        rc = listen_on(g, e);
    if (rc == 0)
        rc = ei_gateway_engine_open(g, e);
    free(fetched);
    free(ca);
    free(cert);
    free(key);
    return rc;
}

static void tell_failure(const struct ei_gateway *g, const struct ei_error *e) {
    (void)fprintf(stderr, "eider gateway: %s\n", e->text);
    if (g->ready_fd < 0)
        return;
    struct ei_buf line = {0};
    ei_buf_puts(&line, "{\"error\":");
    ei_buf_json_string(&line, e->text, strlen(e->text));
    ei_buf_printf(&line, ",\"exit\":%d}\n", ei_code_exit(e->code));
    ssize_t n = write(g->ready_fd, line.data, line.len);
    (void)n;
    ei_buf_release(&line);
}

static int parse_options(struct ei_gateway *g, int argc, char **argv) {
    static const struct option OPTIONS[] = {
        {"name", required_argument, NULL, 'n'},       {"pki-dir", required_argument, NULL, 'p'},
        {"data-dir", required_argument, NULL, 'd'},   {"listen", required_argument, NULL, 'l'},
        {"master", required_argument, NULL, 'm'},     {"tokens", required_argument, NULL, 't'},
        {"tables-dir", required_argument, NULL, 'T'}, {"ready-fd", required_argument, NULL, 'r'},
        {"log-format", required_argument, NULL, 'f'}, {NULL, 0, NULL, 0},
    };
    bool json = false;
    int o;
    while ((o = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1) {
        switch (o) {
        case 'n':
            g->name = optarg;
            break;
        case 'p':
            g->pki_dir = optarg;
            break;
        case 'd':
            g->data_dir = optarg;
            break;
        case 'l':
            g->listen = optarg;
            break;
        case 'm':
            g->master_address = optarg;
            break;
        case 't':
            g->tokens = optarg;
            break;
        case 'T':
            g->tables_dir = ei_strdup(optarg);
            break;
        case 'r':
            g->ready_fd = (int)strtol(optarg, NULL, 10);
            break;
        case 'f':
            json = strcmp(optarg, "json") == 0;
            break;
        default:
            return -1;
        }
    }
    ei_log_setup("gateway", EI_LOG_INFO, json);
    return g->pki_dir != NULL && g->data_dir != NULL && g->master_address != NULL &&
                   g->tokens != NULL
               ? 0
               : -1;
}

static uint64_t test_size(const char *name) {
    const char *value = getenv(name);
    return value == NULL ? 0 : strtoull(value, NULL, 10);
}

int ei_gateway_main(int argc, char **argv) {
    struct ei_gateway g = {.name = "gateway", .listen = "127.0.0.1:0", .ready_fd = -1};
    g.test.broadcast_limit_bytes = test_size("EIDER_TEST_BROADCAST_LIMIT_BYTES");
    g.test.split_bytes = test_size("EIDER_TEST_SPLIT_BYTES");
    g.test.partition_rows = test_size("EIDER_TEST_PARTITION_ROWS");
    if (parse_options(&g, argc, argv) != 0) {
        (void)fputs("eider gateway: --pki-dir, --data-dir, --master and --tokens are needed\n",
                    stderr);
        return 2;
    }
    ei_limit_data(MEMORY_BOUND_BYTES);
    uv_loop_t loop;
    (void)uv_loop_init(&loop);
    g.loop = &loop;
    g.incarnation = ei_random_u64();
    struct ei_error e = {0};
    if (g.tables_dir == NULL) { /* beside the gateway's own directory */
        char *beside = ei_path_join(g.data_dir, "../tables");
        g.tables_dir = ei_path_absolute(beside, "/");
        free(beside);
    }
    if (start(&g, &e) != 0) {
        tell_failure(&g, &e);
        return ei_code_exit(e.code);
    }
    uv_signal_t *signals[] = {&g.sigterm, &g.sigint};
    const int numbers[] = {SIGTERM, SIGINT};
    for (size_t i = 0; i < EI_ARRAY_LEN(signals); i++) {
        (void)uv_signal_init(&loop, signals[i]);
        signals[i]->data = &g;
        (void)uv_signal_start(signals[i], on_stop, numbers[i]);
    }
    ei_master_link_start(&g);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    ei_gateway_engine_close(&g);
    ei_map_release(&g.jobs);
    free(g.tables_dir);
    ei_http_server_destroy(g.http);
    ei_tls_destroy(g.tls);
    (void)uv_loop_close(&loop);
    return 0;
}
