/* Start and end of the worker. */
#include "worker/worker.h"

#include "base/mem.h"
#include "worker/internal.h"
#include "rpc/address.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_AFTER_MS 2000    /* whatever still hangs then */
#define STARTED_AFTER_MS 1000 /* the first second's memory is not the next hour's */
#define CORES_MAX 1024

/* ---- options ---- */
static const struct option OPTIONS[] = {
    {"name", required_argument, NULL, 'n'},     /* unique among workers; also of the certificate */
    {"master", required_argument, NULL, 'm'},   /* HOST:PORT */
    {"cores", required_argument, NULL, 'c'},    /* task slots; default: all of the machine */
    {"memory", required_argument, NULL, 'M'},   /* bytes for tasks; default: half of the RAM */
    {"data-dir", required_argument, NULL, 'd'}, /* its exchange/ and executor/ belong to us */
    {"listen", required_argument, NULL, 'l'},   /* HOST:PORT; default 127.0.0.1:0 */
    {"pki-dir", required_argument, NULL, 'p'},  /* ca.crt, NAME.crt, NAME.key */
    {"ready-fd", required_argument, NULL, 'r'}, /* told when the worker is up */
    {"log-format", required_argument, NULL, 'f'},
    {"label", required_argument, NULL, 'L'},    /* of this node, for jobs that ask; repeated */
    {"resource", required_argument, NULL, 'R'}, /* NAME=AMOUNT that tasks can ask for; repeated */
    {"min-disk-free", required_argument, NULL, 'F'}, /* bytes; below that no new work */
    {"disk-quota", required_argument, NULL, 'Q'},    /* bytes of exchange and spill files */
    {"host-id", required_argument, NULL, 'H'},       /* pretend to be another machine */
    {NULL, 0, NULL, 0},
};

static int parse_number(const char *name, const char *text, uint64_t least, uint64_t most,
                        uint64_t *out, struct ei_error *e) {
    char *end;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-' || n < least || n > most)
        return ei_fail(e, EI_USAGE, "--%s must be a number from %llu to %llu, not '%s'", name,
                       (unsigned long long)least, (unsigned long long)most, text);
    *out = n;
    return 0;
}

/* "ssd", "gpu=2"; the text stays in argv. */
static int add_term(struct worker_options *o, int option, const char *value, struct ei_error *e) {
    char *text = (char *)(uintptr_t)value, *end = NULL;
    if (o->label_count >= EI_WORKER_TERMS_MAX || o->resource_count >= EI_WORKER_TERMS_MAX)
        return ei_fail(e, EI_LIMIT, "a worker has at most %d labels and resources",
                       EI_WORKER_TERMS_MAX - 1);
    if (option == 'L') {
        o->labels[o->label_count++] = text;
        return 0;
    }
    char *equals = strchr(text, '=');
    double amount = equals != NULL ? strtod(equals + 1, &end) : 0;
    if (equals == NULL || equals == text || *end != '\0' || !(amount >= 0.001) || amount > 1e6)
        return ei_fail(e, EI_USAGE, "--resource must be like gpu=2, not '%s'", value);
    *equals = '\0';
    Eider__V1__Resource *r = &o->resources[o->resource_count++];
    eider__v1__resource__init(r);
    r->name = text;
    r->milli = (uint32_t)(amount * 1000 + 0.5);
    return 0;
}

static int set_option(struct worker_options *o, int option, const char *value, struct ei_error *e) {
    uint64_t n;
    switch (option) {
    case 'n':
        o->name = value;
        return 0;
    case 'm':
        o->master = value;
        return 0;
    case 'd':
        o->data_dir = value;
        return 0;
    case 'l':
        o->listen = value;
        return 0;
    case 'p':
        o->pki_dir = value;
        return 0;
    case 'H':
        o->host_id = value;
        return 0;
    case 'f':
        o->log_json = strcmp(value, "json") == 0;
        return 0;
    case 'c':
        if (parse_number("cores", value, 1, CORES_MAX, &n, e) != 0)
            return -1;
        o->cores = (uint32_t)n;
        return 0;
    case 'M':
        return parse_number("memory", value, 64ull << 20, 1ull << 50, &o->memory_bytes, e);
    case 'F':
        return parse_number("min-disk-free", value, 1, 1ull << 60, &o->min_disk_free_bytes, e);
    case 'Q':
        return parse_number("disk-quota", value, 1, 1ull << 60, &o->disk_quota_bytes, e);
    case 'L':
    case 'R':
        return add_term(o, option, value, e);
    case 'r':
        if (parse_number("ready-fd", value, 0, 1 << 20, &n, e) != 0)
            return -1;
        o->ready_fd = (int)n;
        return 0;
    default:
        return ei_fail(e, EI_USAGE, "eider worker has no such option or needs a value for it");
    }
}

static int parse_options(struct worker_options *o, int argc, char **argv, struct ei_error *e) {
    int option;
    *o = (struct worker_options){.listen = "127.0.0.1:0",
                                 .host_id = ei_host_id(),
                                 .cores = (uint32_t)EI_MAX(ei_cpu_count(), 1),
                                 .memory_bytes = ei_memory_total_bytes() / 2,
                                 .ready_fd = -1};
    optind = 1;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1) {
        if (set_option(o, option, optarg, e) != 0)
            return -1;
    }
    if (optind < argc)
        return ei_fail(e, EI_USAGE, "eider worker does not know what to do with '%s'",
                       argv[optind]);
    if (!o->name || !o->master || !o->data_dir || !o->pki_dir)
        return ei_fail(e, EI_USAGE,
                       "eider worker needs --name, --master, --data-dir and --pki-dir");
    return 0;
}

/* ---- ready ---- */
static void say_ready(struct worker *w, int fd, const struct ei_error *e) {
    struct ei_buf line = {0};
    if (fd < 0)
        return;
    if (e) {
        ei_buf_puts(&line, "{\"error\":");
        ei_buf_json_string(&line, e->text, strlen(e->text));
        ei_buf_printf(&line, ",\"exit\":%d}\n", ei_code_exit(e->code));
    } else {
        ei_buf_printf(&line, "{\"ports\":{\"rpc\":%d}}\n", ei_server_port(w->server));
    }
    if (write(fd, line.data, line.len) != (ssize_t)line.len)
        ei_log(EI_LOG_WARN, "nobody reads the ready descriptor %d", fd);
    close(fd);
    ei_buf_release(&line);
}

/* ---- start ---- */
/* What an earlier incarnation left is of no use: the master never hears of it again. */
static int prepare_directories(struct worker *w, struct ei_error *e) {
    char *lock = ei_path_join(w->o.data_dir, "lock");
    w->exchange_dir = ei_path_join(w->o.data_dir, "exchange");
    w->fetched_dir = ei_path_join(w->exchange_dir, "fetched");
    w->executor_dir = ei_path_join(w->o.data_dir, "executor");
    int rc = ei_mkdirs(w->o.data_dir, 0700, e);
    if (rc == 0)
        rc = ei_lock_file(lock, &w->lock_fd, e);
    if (rc == 0)
        rc = ei_remove_tree(w->exchange_dir, e);
    if (rc == 0)
        rc = ei_remove_tree(w->executor_dir, e);
    if (rc == 0)
        rc = ei_mkdirs(w->exchange_dir, 0700, e);
    if (rc == 0)
        rc = ei_mkdirs(w->executor_dir, 0700, e);
    free(lock);
    return rc;
}

static int load_identity(struct worker *w, struct ei_error *e) {
    char *ca = ei_path_join(w->o.pki_dir, "ca.crt");
    char *crt = ei_asprintf("%s/%s.crt", w->o.pki_dir, w->o.name);
    char *key = ei_asprintf("%s/%s.key", w->o.pki_dir, w->o.name);
    int rc = ei_tls_create(&w->tls, ca, crt, key, e);
    if (rc == 0 && ei_tls_role(w->tls) != EI_ROLE_WORKER)
        rc = ei_fail(e, EI_DENIED, "the certificate %s is not a worker's", crt);
    free(ca);
    free(crt);
    free(key);
    return rc;
}

static int start_listening(struct worker *w, struct ei_error *e) {
    struct ei_address at;
    if (ei_address_parse(w->o.listen, &at, e) != 0 ||
        ei_worker_serve_start(w, at.host, (int)strtol(at.port, NULL, 10), e) != 0)
        return -1;
    w->address = ei_asprintf("%s:%d", at.host, ei_server_port(w->server));
    return 0;
}

/* ---- end ---- */
static void on_exit_timer(uv_timer_t *timer) {
    uv_stop(timer->loop);
}

void ei_worker_exit_if_stopped(struct worker *w) {
    if (w->executor.pid == 0 && !w->executor.conn && !w->master.conn)
        uv_stop(&w->loop);
}

static void on_terminate(uv_signal_t *signal, int number) {
    struct worker *w = signal->data;
    if (w->stopping)
        return;
    w->stopping = true;
    ei_log(EI_LOG_INFO, "stopping");
    uv_timer_start(&w->exit_timer, on_exit_timer, EXIT_AFTER_MS, 0);
    ei_worker_master_stop(w);
    ei_worker_executor_stop(w);
    ei_worker_exit_if_stopped(w);
}

static void on_child(uv_signal_t *signal, int number) {
    ei_worker_executor_reap(signal->data);
}

static void watch_signal(struct worker *w, uv_signal_t *handle, uv_signal_cb fn, int number) {
    uv_signal_init(&w->loop, handle);
    handle->data = w;
    uv_signal_start(handle, fn, number);
}

struct removal {
    uv_work_t work;
    char *path;
};

static void remove_tree(uv_work_t *work) {
    struct removal *r = work->data;
    ei_remove_tree(r->path, NULL); /* what stays goes with the next start */
}

static void tree_removed(uv_work_t *work, int status) {
    struct removal *r = work->data;
    free(r->path);
    free(r);
}

void ei_worker_remove_tree_later(struct worker *w, char *path) {
    struct removal *r = ei_calloc(1, sizeof *r);
    r->work.data = r;
    r->path = path;
    uv_queue_work(&w->loop, &r->work, remove_tree, tree_removed);
}

static void close_handle(uv_handle_t *handle, void *arg) {
    struct worker *w = arg;
    bool ours = handle->data == w &&
                (handle->type == UV_TIMER || handle->type == UV_SIGNAL || handle->type == UV_IDLE);
    if (ours && !uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void worker_release(struct worker *w) {
    ei_worker_jobs_release(w);
    ei_worker_peers_close(w);
    ei_worker_fetched_release(w);
    if (w->server)
        ei_server_close(w->server);
    uv_walk(&w->loop, close_handle, w);
    for (int turns = 0; turns < 100 && uv_run(&w->loop, UV_RUN_NOWAIT) != 0; turns++)
        usleep(1000); /* work threads may still be deleting */
    if (w->exchange_dir)
        ei_remove_tree(w->exchange_dir, NULL);
    if (w->executor_dir)
        ei_remove_tree(w->executor_dir, NULL);
    ei_tls_destroy(w->tls);
    ei_buf_release(&w->master.outbox);
    free(w->executor.directory);
    free(w->executor.killed_because);
    free(w->address);
    free(w->exchange_dir);
    free(w->fetched_dir);
    free(w->executor_dir);
    if (w->lock_fd >= 0)
        close(w->lock_fd);
    uv_loop_close(&w->loop);
    free(w);
}

static void on_started(uv_timer_t *timer) {
    ei_drop_idle_memory();
}

static void run(struct worker *w) {
    uv_timer_init(&w->loop, &w->exit_timer);
    uv_timer_init(&w->loop, &w->started_timer);
    w->exit_timer.data = w->started_timer.data = w;
    uv_timer_start(&w->started_timer, on_started, STARTED_AFTER_MS, 0);
    watch_signal(w, &w->sigterm, on_terminate, SIGTERM);
    watch_signal(w, &w->sigint, on_terminate, SIGINT);
    watch_signal(w, &w->sigchld, on_child, SIGCHLD);
    ei_worker_executor_start(w);
    ei_worker_master_start(w);
    ei_worker_disk_start(w);
    say_ready(w, w->o.ready_fd, NULL);
    ei_log(EI_LOG_INFO, "worker %s listens at %s with %u cores", w->o.name, w->address, w->o.cores);
    uv_run(&w->loop, UV_RUN_DEFAULT);
}

int ei_worker_main(int argc, char **argv) {
    struct worker *w = ei_calloc(1, sizeof *w);
    struct ei_error e;
    int code = 0;
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&w->loop);
    w->lock_fd = -1;
    w->incarnation = ei_random_u64();
    int rc = parse_options(&w->o, argc, argv, &e);
    ei_log_setup(rc == 0 ? w->o.name : "worker", EI_LOG_INFO, w->o.log_json);
    if (rc == 0)
        rc = load_identity(w, &e);
    if (rc == 0)
        rc = prepare_directories(w, &e);
    if (rc == 0)
        rc = start_listening(w, &e);
    if (rc == 0) {
        run(w);
    } else {
        ei_log(EI_LOG_ERROR, "the worker cannot start: %s", e.text);
        say_ready(w, w->o.ready_fd, &e);
        code = ei_code_exit(e.code);
    }
    worker_release(w);
    return code;
}
