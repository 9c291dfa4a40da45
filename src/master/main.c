/* The process: options, start, loop, stop. */
#include "master/master.h"

#include "base/mem.h"
#include "master/internal.h"
#include "os/os.h"
#include "rpc/address.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
    const char *listen, *ui_listen, *pki_dir, *tokens, *data_dir, *name;
    int ready_fd;
    bool json_log;
};

static const struct option long_options[] = {
    {"listen", required_argument, NULL, 'l'},
    {"ui-listen", required_argument, NULL, 'u'},
    {"pki-dir", required_argument, NULL, 'p'},
    {"tokens", required_argument, NULL, 't'},
    {"data-dir", required_argument, NULL, 'd'},
    {"name", required_argument, NULL, 'n'},
    {"ready-fd", required_argument, NULL, 'r'},
    {"log-format", required_argument, NULL, 'f'},
    {NULL, 0, NULL, 0},
};

static int parse_options(int argc, char **argv, struct options *o, struct ei_error *e) {
    *o = (struct options){
        .listen = "127.0.0.1:0", .ui_listen = "127.0.0.1:0", .name = "master", .ready_fd = -1};
    optind = 1;
    opterr = 0;
    for (int c; (c = getopt_long(argc, argv, ":", long_options, NULL)) != -1;) {
        switch (c) {
        case 'l':
            o->listen = optarg;
            break;
        case 'u':
            o->ui_listen = optarg;
            break;
        case 'p':
            o->pki_dir = optarg;
            break;
        case 't':
            o->tokens = optarg;
            break;
        case 'd':
            o->data_dir = optarg;
            break;
        case 'n':
            o->name = optarg;
            break;
        case 'r':
            o->ready_fd = (int)strtol(optarg, NULL, 10);
            break;
        case 'f':
            o->json_log = strcmp(optarg, "json") == 0;
            break;
        default:
            return ei_fail(e, EI_USAGE, "master: %s is no option or lacks its value",
                           argv[optind - 1]);
        }
    }
    if (optind < argc)
        return ei_fail(e, EI_USAGE, "master: there is nothing to do with \"%s\"", argv[optind]);
    if (o->pki_dir == NULL || o->tokens == NULL || o->data_dir == NULL)
        return ei_fail(e, EI_USAGE, "master: --pki-dir, --tokens and --data-dir are needed");
    return 0;
}

/* ---- start ---- */

static int load_tls(struct ei_master *m, const struct options *o, struct ei_error *e) {
    char *ca = ei_path_join(o->pki_dir, "ca.crt");
    char *crt_name = ei_asprintf("%s.crt", o->name), *key_name = ei_asprintf("%s.key", o->name);
    char *crt = ei_path_join(o->pki_dir, crt_name), *key = ei_path_join(o->pki_dir, key_name);
    int rc = ei_tls_create(&m->tls, ca, crt, key, e);
    free(ca);
    free(crt_name);
    free(key_name);
    free(crt);
    free(key);
    return rc;
}

static int listen_on(struct ei_master *m, const char *address, bool plain, struct ei_server **out,
                     struct ei_error *e) {
    struct ei_address at;
    if (ei_address_parse(address, &at, e) != 0)
        return -1;
    struct ei_server_options o = {.host = at.host,
                                  .port = (int)strtol(at.port, NULL, 10),
                                  .tls = m->tls,
                                  .events = &ei_master_conn_events,
                                  .data = &m->root,
                                  .http = m->http,
                                  .plain_http = plain};
    return ei_server_listen(out, &m->loop, &o, e);
}

static int open_state(struct ei_master *m, const struct options *o, struct ei_error *e) {
    if (ei_journal_open(&m->journal, o->data_dir, &m->state, e) != 0)
        return -1;
    m->next_job = m->first_job = m->state.job_ids_used + 1;
    /* Epochs never repeat, not even after a restart within the same millisecond. */
    m->next_epoch = (uint64_t)ei_unix_ms() << 20;
    struct ei_sched_config config;
    ei_sched_config_default(&config);
    if (ei_sched_create(&m->sched, &config) != 0)
        return ei_fail(e, EI_INTERNAL, "the scheduler could not be started");
    ei_settings_start(m);
    return 0;
}

static void on_prepare(uv_prepare_t *p) {
    ei_master_turn(p->data);
}

static void on_check(uv_check_t *c) {
    ei_master_turn(c->data);
}

static void close_handle(uv_handle_t *handle, void *data) {
    (void)data;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void on_signal(uv_signal_t *s, int number) {
    (void)number;
    struct ei_master *m = s->data;
    if (m->stopping)
        return;
    m->stopping = true;
    ei_server_close(m->server);
    ei_server_close(m->ui_server);
    uv_handle_t *own[] = {(uv_handle_t *)&m->prepare, (uv_handle_t *)&m->check,
                          (uv_handle_t *)&m->timer, (uv_handle_t *)&m->sigterm,
                          (uv_handle_t *)&m->sigint};
    for (size_t i = 0; i < EI_ARRAY_LEN(own); i++)
        close_handle(own[i], NULL);
}

static void start_handles(struct ei_master *m) {
    (void)uv_prepare_init(&m->loop, &m->prepare);
    (void)uv_check_init(&m->loop, &m->check);
    (void)uv_timer_init(&m->loop, &m->timer);
    (void)uv_signal_init(&m->loop, &m->sigterm);
    (void)uv_signal_init(&m->loop, &m->sigint);
    m->prepare.data = m->check.data = m->timer.data = m->sigterm.data = m->sigint.data = m;
    (void)uv_prepare_start(&m->prepare, on_prepare);
    (void)uv_check_start(&m->check, on_check);
    (void)uv_signal_start(&m->sigterm, on_signal, SIGTERM);
    (void)uv_signal_start(&m->sigint, on_signal, SIGINT);
}

static int start(struct ei_master *m, const struct options *o, struct ei_error *e) {
    (void)uv_loop_init(&m->loop);
    m->name = ei_strdup(o->name);
    m->root.master = m;
    m->started_ms = ei_unix_ms();
    m->last_check_us = ei_now_us();
    m->next_check_us = m->next_wait_us = INT64_MAX;
    m->timer_due_us = -1;
    if (load_tls(m, o, e) != 0 || open_state(m, o, e) != 0 ||
        ei_http_server_create(&m->http, ei_master_routes, ei_master_route_count, m, o->tokens, e) !=
            0)
        return -1;
    if (listen_on(m, o->listen, false, &m->server, e) != 0)
        return -1;
    if (listen_on(m, o->ui_listen, true, &m->ui_server, e) != 0)
        return -1;
    start_handles(m);
    return 0;
}

/* ---- stop ---- */

static void release(struct ei_master *m) {
    m->stopping = true;
    for (size_t i = 0; i < m->job_count; i++)
        ei_job_destroy(m->jobs[i]);
    for (size_t i = 0; i < m->peers.count; i++)
        ei_peer_destroy(m->peers.entries[i].value);
    ei_map_release(&m->peers);
    ei_map_release(&m->nodes);
    ei_sched_actions_release(&m->actions);
    ei_sched_destroy(m->sched);
    ei_http_server_destroy(m->http);
    ei_journal_close(m->journal);
    ei_state_release(&m->state);
    ei_tls_destroy(m->tls);
    free(m->jobs);
    free(m->notify);
    free(m->forgotten);
    free(m->to_release);
    free(m->pending);
    ei_cron_release(m);
    for (size_t i = 0; i < m->wait_count; i++)
        free(m->waits[i]);
    free(m->waits);
    free(m->name);
}

static void tell_ready(int fd, const struct ei_buf *line) {
    if (fd < 0)
        return;
    (void)!write(fd, line->data, line->len);
    (void)close(fd);
}

static int refuse(const struct options *o, const struct ei_error *e) {
    struct ei_buf line = {0};
    ei_log(EI_LOG_ERROR, "%s", e->text);
    ei_buf_puts(&line, "{\"error\":");
    ei_buf_json_string(&line, e->text, strlen(e->text));
    ei_buf_printf(&line, ",\"exit\":%d}\n", ei_code_exit(e->code));
    tell_ready(o->ready_fd, &line);
    ei_buf_release(&line);
    return ei_code_exit(e->code);
}

int ei_master_main(int argc, char **argv) {
    struct options o;
    struct ei_error e = {0};
    struct ei_master m = {0};
    (void)signal(SIGPIPE, SIG_IGN);
    int parsed = parse_options(argc, argv, &o, &e);
    ei_log_setup("master", EI_LOG_INFO, o.json_log);
    if (parsed != 0)
        return refuse(&o, &e);
    if (start(&m, &o, &e) != 0) {
        /* Servers that listen already close in the loop. */
        if (m.server != NULL)
            ei_server_close(m.server);
        (void)uv_run(&m.loop, UV_RUN_DEFAULT);
        release(&m);
        (void)uv_loop_close(&m.loop);
        return refuse(&o, &e);
    }
    struct ei_buf line = {0};
    ei_buf_printf(&line, "{\"ports\":{\"rpc\":%d,\"ui\":%d}}\n", ei_server_port(m.server),
                  ei_server_port(m.ui_server));
    ei_log(EI_LOG_INFO, "ready: RPC and REST on port %d, web page on port %d",
           ei_server_port(m.server), ei_server_port(m.ui_server));
    tell_ready(o.ready_fd, &line);
    ei_buf_release(&line);
    (void)uv_run(&m.loop, UV_RUN_DEFAULT);
    release(&m);
    (void)uv_loop_close(&m.loop);
    ei_log(EI_LOG_INFO, "stopped");
    return 0;
}
