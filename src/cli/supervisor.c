/* The supervisor of a cluster on one machine: starts master, gateways and workers, restarts what
 * dies, stops all of it. Started by `eider up`; it holds the data directory's lock for its life.
 *
 * Happy path: lock -> stop left-overs of a crashed supervisor -> certificates and token -> master
 * -> (its port is known) gateway and workers side by side -> cluster.json, client.json -> ready
 * line. A child that fails before the cluster is ready ends the whole start with the child's
 * sentence; later it is restarted after 100 ms, doubling to 5 s while it keeps dying within 10 s.
 */
#include "cli/cluster_files.h"
#include "base/mem.h"
#include "os/os.h"
#include "pki/pki.h"

#include <json-c/json.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_TIMEOUT_US (20 * 1000000LL)
#define STOP_TIMEOUT_US (5 * 1000000LL)
#define BACKOFF_FIRST_US 100000LL
#define BACKOFF_MOST_US (5 * 1000000LL)
#define STEADY_US (10 * 1000000LL)
#define CHILDREN_MAX 1026
#define LINE_MAX_BYTES 4096

struct child {
    char role[16], name[32];
    pid_t pid; /* 0 = not running */
    uint64_t start_ticks;
    int ready_fd; /* -1 once the ready line was read */
    int rpc_port, ui_port;
    bool ready;
    int64_t started_us, restart_us, backoff_us;
    struct ei_buf line;
};

struct supervisor {
    char *data_dir, *pki_dir, *tokens_path;
    long workers, cores, port, ui_port;
    uint64_t memory_bytes;
    bool throw_away;
    int up_fd; /* the waiting `eider up`, -1 once told */
    int lock_fd, signal_fd;
    char cluster_id[33], token[65];
    struct child *children;
    size_t count;
    bool stopping;
    sigset_t old_mask;
};

/* ---- starting one child ---- */

static void add_argument(const char **argv, size_t *n, const char *name, const char *value) {
    argv[(*n)++] = name;
    argv[(*n)++] = value;
}

static int start_child(struct supervisor *s, struct child *c, struct ei_error *e) {
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) != 0)
        return ei_fail_errno(e, EI_IO, errno, "cannot make a pipe");
    char *dir = ei_path_join(s->data_dir, c->name);
    char *log_name = ei_asprintf("%s/log/%s.log", s->data_dir, c->name);
    char *listen = ei_asprintf("127.0.0.1:%d", c->rpc_port);
    char *ui = ei_asprintf("127.0.0.1:%d", c->ui_port);
    char *master = ei_asprintf("127.0.0.1:%d", s->children[0].rpc_port);
    char *cores = ei_asprintf("%ld", s->cores);
    char *memory = ei_asprintf("%llu", (unsigned long long)s->memory_bytes);
    const char *argv[32];
    size_t n = 0;
    argv[n++] = "eider";
    argv[n++] = c->role;
    add_argument(argv, &n, "--name", c->name);
    add_argument(argv, &n, "--pki-dir", s->pki_dir);
    add_argument(argv, &n, "--data-dir", dir);
    add_argument(argv, &n, "--listen", listen);
    add_argument(argv, &n, "--ready-fd", "3");
    bool is_master = strcmp(c->role, "master") == 0;
    if (is_master)
        add_argument(argv, &n, "--ui-listen", ui);
    else
        add_argument(argv, &n, "--master", master);
    if (strcmp(c->role, "worker") == 0) {
        add_argument(argv, &n, "--cores", cores);
        add_argument(argv, &n, "--memory", memory);
    } else {
        add_argument(argv, &n, "--tokens", s->tokens_path);
    }
    argv[n] = NULL;
    struct ei_spawn spawn = {.argv = argv,
                             .log_path = log_name,
                             .pass_fd = pipe_fds[1],
                             .die_with_parent = s->throw_away};
    c->pid = ei_spawn(&spawn, e);
    close(pipe_fds[1]);
    free(dir);
    free(log_name);
    free(listen);
    free(ui);
    free(master);
    free(cores);
    free(memory);
    if (c->pid < 0) {
        c->pid = 0;
        close(pipe_fds[0]);
        return ei_wrap(e, "cannot start %s", c->name);
    }
    c->start_ticks = ei_process_start_ticks(c->pid);
    c->ready_fd = pipe_fds[0];
    c->ready = false;
    c->started_us = ei_now_us();
    ei_buf_clear(&c->line);
    return 0;
}

/* The one JSON line that a child writes when it is ready, or that it cannot start. */
static int take_ready_line(struct child *c, struct ei_error *e) {
    struct json_object *o = c->line.len > 0 ? json_tokener_parse(c->line.data) : NULL;
    struct json_object *ports = NULL, *v = NULL;
    int rc = 0;
    if (json_object_is_type(o, json_type_object) && json_object_object_get_ex(o, "ports", &ports)) {
        if (json_object_object_get_ex(ports, "rpc", &v))
            c->rpc_port = json_object_get_int(v);
        if (json_object_object_get_ex(ports, "ui", &v))
            c->ui_port = json_object_get_int(v);
        c->ready = true;
    } else if (json_object_is_type(o, json_type_object) &&
               json_object_object_get_ex(o, "error", &v)) {
        rc = ei_fail(e, EI_IO, "%s", json_object_get_string(v));
    } else {
        rc = ei_fail(e, EI_INTERNAL,
                     "%s ended before it was ready: see log/%s.log in the data "
                     "directory",
                     c->name, c->name);
    }
    json_object_put(o);
    return rc;
}

static int read_ready(struct child *c, struct ei_error *e) {
    char chunk[512];
    ssize_t n = read(c->ready_fd, chunk, sizeof chunk);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return 0;
    if (n > 0 && c->line.len < LINE_MAX_BYTES) {
        ei_buf_append(&c->line, chunk, (size_t)n);
        return 0;
    }
    close(c->ready_fd);
    c->ready_fd = -1;
    return take_ready_line(c, e);
}

/* ---- the files that describe the cluster ---- */

static int publish(struct supervisor *s, struct ei_error *e) {
    struct ei_buf b = {0};
    ei_buf_printf(&b, "{\"cluster_id\":\"%s\",\"processes\":[", s->cluster_id);
    ei_buf_printf(&b,
                  "{\"role\":\"supervisor\",\"name\":\"supervisor\",\"pid\":%d,"
                  "\"start_ticks\":%llu,\"state\":\"running\",\"ports\":{}}",
                  (int)getpid(), (unsigned long long)ei_process_start_ticks(getpid()));
    for (size_t i = 0; i < s->count; i++) {
        const struct child *c = &s->children[i];
        ei_buf_printf(&b,
                      ",{\"role\":\"%s\",\"name\":\"%s\",\"pid\":%d,\"start_ticks\":%llu,"
                      "\"state\":\"%s\",\"ports\":{\"rpc\":%d",
                      c->role, c->name, (int)c->pid, (unsigned long long)c->start_ticks,
                      c->pid == 0 ? "down" : "running", c->rpc_port);
        if (c->ui_port != 0)
            ei_buf_printf(&b, ",\"ui\":%d", c->ui_port);
        ei_buf_puts(&b, "}}");
    }
    ei_buf_puts(&b, "]}\n");
    char *path = ei_path_join(s->data_dir, EI_CLUSTER_FILE);
    int rc = ei_write_file_atomic(path, 0600, b.data, b.len, e);
    free(path);
    ei_buf_clear(&b);
    ei_buf_printf(&b, "{\"master\":\"127.0.0.1:%d\",\"gateways\":[\"127.0.0.1:%d\"],\"token\":",
                  s->children[0].rpc_port, s->children[1].rpc_port);
    ei_buf_json_string(&b, s->token, strlen(s->token));
    ei_buf_puts(&b, ",\"ca\":");
    char *ca = ei_path_join(s->pki_dir, "ca.crt");
    ei_buf_json_string(&b, ca, strlen(ca));
    free(ca);
    ei_buf_printf(&b, ",\"ui\":\"http://127.0.0.1:%d/\"}\n", s->children[0].ui_port);
    path = ei_path_join(s->data_dir, EI_CLIENT_FILE);
    if (rc == 0)
        rc = ei_write_file_atomic(path, 0600, b.data, b.len, e);
    free(path);
    ei_buf_release(&b);
    return rc;
}

static void unpublish(struct supervisor *s) {
    const char *names[] = {EI_CLUSTER_FILE, EI_CLIENT_FILE};
    for (size_t i = 0; i < EI_ARRAY_LEN(names); i++) {
        char *path = ei_path_join(s->data_dir, names[i]);
        (void)unlink(path);
        free(path);
    }
}

/* Certificates are made anew at each start, the private keys never leave the directory. */
static int make_identity(struct supervisor *s, struct ei_error *e) {
    if (ei_remove_tree(s->pki_dir, e) != 0 || ei_mkdirs(s->pki_dir, 0700, e) != 0 ||
        ei_pki_create_ca(s->pki_dir, s->cluster_id, e) != 0 ||
        ei_pki_issue(s->pki_dir, EI_ROLE_CLIENT, "client", NULL, e) != 0)
        return -1;
    for (size_t i = 0; i < s->count; i++) {
        enum ei_role role = i == 0 ? EI_ROLE_MASTER : i == 1 ? EI_ROLE_GATEWAY : EI_ROLE_WORKER;
        if (ei_pki_issue(s->pki_dir, role, s->children[i].name, NULL, e) != 0)
            return -1;
    }
    char sha256_hex[65];
    ei_token_create(s->token, sha256_hex);
    char *line = ei_asprintf("%s admin local\n", sha256_hex);
    int rc = ei_write_file_atomic(s->tokens_path, 0600, line, strlen(line), e);
    free(line);
    return rc;
}

/* ---- life ---- */

static void tell_up(struct supervisor *s, const struct ei_error *e) {
    if (s->up_fd < 0)
        return;
    struct ei_buf b = {0};
    if (e == NULL) {
        ei_buf_puts(&b, "{\"ok\":true}\n");
    } else {
        ei_buf_puts(&b, "{\"error\":");
        ei_buf_json_string(&b, e->text, strlen(e->text));
        ei_buf_printf(&b, ",\"code\":%d}\n", (int)e->code);
    }
    ssize_t n = write(s->up_fd, b.data, b.len);
    (void)n; /* an `up` that went away needs no answer */
    close(s->up_fd);
    s->up_fd = -1;
    ei_buf_release(&b);
}

static struct child *child_of(struct supervisor *s, pid_t pid) {
    for (size_t i = 0; i < s->count; i++)
        if (s->children[i].pid == pid)
            return &s->children[i];
    return NULL;
}

static void reap(struct supervisor *s) {
    pid_t pid;
    int status;
    bool changed = false;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct child *c = child_of(s, pid);
        if (c == NULL)
            continue;
        changed = true;
        int64_t now = ei_now_us();
        c->pid = 0;
        bool steady = now - c->started_us > STEADY_US;
        c->backoff_us = steady || c->backoff_us == 0 ? BACKOFF_FIRST_US
                                                     : EI_MIN(c->backoff_us * 2, BACKOFF_MOST_US);
        c->restart_us = now + c->backoff_us;
        if (!s->stopping)
            ei_log(EI_LOG_WARN, "%s (pid %d) ended with %s %d, restarting in %lld ms", c->name,
                   (int)pid, WIFSIGNALED(status) ? "signal" : "exit code",
                   WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
                   (long long)(c->backoff_us / 1000));
    }
    struct ei_error e;
    if (changed && !s->stopping && s->up_fd < 0 && publish(s, &e) != 0)
        ei_log(EI_LOG_ERROR, "%s", e.text);
}

/* Waits for children's ready lines, signals and restarts, at most until `until_us`. Returns -1 if a
 * child that was starting failed. */
static int turn(struct supervisor *s, int64_t until_us, struct ei_error *e) {
    struct pollfd fds[CHILDREN_MAX + 1];
    struct child *owners[CHILDREN_MAX + 1];
    nfds_t n = 0;
    fds[n++] = (struct pollfd){.fd = s->signal_fd, .events = POLLIN};
    for (size_t i = 0; i < s->count; i++) {
        struct child *c = &s->children[i];
        if (c->ready_fd >= 0) {
            owners[n] = c;
            fds[n++] = (struct pollfd){.fd = c->ready_fd, .events = POLLIN};
        }
        if (c->pid == 0 && c->restart_us != 0 && !s->stopping)
            until_us = EI_MIN(until_us, c->restart_us);
    }
    int64_t wait_us = until_us == INT64_MAX ? -1 : EI_MAX(until_us - ei_now_us(), 0);
    (void)poll(fds, n, wait_us < 0 ? -1 : (int)((wait_us + 999) / 1000));
    int rc = 0;
    bool changed = false;
    for (nfds_t i = 1; i < n; i++) {
        if (fds[i].revents == 0)
            continue;
        if (read_ready(owners[i], e) != 0)
            rc = -1;
        changed |= owners[i]->ready;
    }
    struct signalfd_siginfo info;
    while (read(s->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            reap(s);
        else
            s->stopping = true;
    }
    struct ei_error ignored;
    if (changed && s->up_fd < 0 && !s->stopping && publish(s, &ignored) != 0)
        ei_log(EI_LOG_ERROR, "%s", ignored.text);
    return rc;
}

static void restart_due(struct supervisor *s) {
    int64_t now = ei_now_us();
    for (size_t i = 0; i < s->count; i++) {
        struct child *c = &s->children[i];
        if (c->pid != 0 || c->restart_us > now)
            continue;
        if (c->ready_fd >= 0)
            close(c->ready_fd);
        struct ei_error e;
        if (start_child(s, c, &e) != 0) {
            ei_log(EI_LOG_ERROR, "%s", e.text);
            c->restart_us = now + BACKOFF_MOST_US;
        }
    }
}

static int wait_ready(struct supervisor *s, size_t from, size_t to, struct ei_error *e) {
    int64_t deadline = ei_now_us() + READY_TIMEOUT_US;
    for (;;) {
        const struct child *missing = NULL;
        for (size_t i = from; i < to && missing == NULL; i++)
            if (!s->children[i].ready)
                missing = &s->children[i];
        if (missing == NULL)
            return 0;
        if (s->stopping)
            return ei_fail(e, EI_CANCELLED, "stopped while starting");
        if (ei_now_us() > deadline)
            return ei_fail(e, EI_TIMEOUT, "%s was not ready after %lld s", missing->name,
                           READY_TIMEOUT_US / 1000000);
        if (turn(s, deadline, e) != 0)
            return -1;
    }
}

static int start_all(struct supervisor *s, struct ei_error *e) {
    if (start_child(s, &s->children[0], e) != 0 || wait_ready(s, 0, 1, e) != 0)
        return -1;
    for (size_t i = 1; i < s->count; i++)
        if (start_child(s, &s->children[i], e) != 0)
            return -1;
    return wait_ready(s, 1, s->count, e);
}

static void signal_all(struct supervisor *s, int signal_number) {
    for (size_t i = s->count; i-- > 0;)
        if (s->children[i].pid != 0)
            (void)kill(s->children[i].pid, signal_number);
}

static bool any_alive(const struct supervisor *s) {
    for (size_t i = 0; i < s->count; i++)
        if (s->children[i].pid != 0)
            return true;
    return false;
}

static void stop_all(struct supervisor *s) {
    s->stopping = true;
    signal_all(s, s->throw_away ? SIGKILL : SIGTERM);
    int64_t deadline = ei_now_us() + STOP_TIMEOUT_US;
    struct ei_error ignored;
    reap(s);
    while (any_alive(s)) {
        if (ei_now_us() >= deadline) {
            signal_all(s, SIGKILL);
            deadline = INT64_MAX;
        }
        (void)turn(s, deadline, &ignored);
    }
}

static void add_child(struct supervisor *s, const char *role, const char *name, long port,
                      long ui_port) {
    struct child *c = &s->children[s->count++];
    *c = (struct child){.ready_fd = -1, .rpc_port = (int)port, .ui_port = (int)ui_port};
    (void)snprintf(c->role, sizeof c->role, "%s", role);
    (void)snprintf(c->name, sizeof c->name, "%s", name);
}

/* Ports that the cluster had last time, so that bookmarks and client.json stay good. */
static int prepare(struct supervisor *s, struct ei_error *e) {
    if (ei_mkdirs(s->data_dir, 0700, e) != 0)
        return -1;
    char *lock = ei_path_join(s->data_dir, "lock");
    int rc = ei_lock_file(lock, &s->lock_fd, e);
    free(lock);
    if (rc != 0) {
        if (e->code == EI_EXISTS)
            return ei_fail(e, EI_EXISTS,
                           "a cluster already runs in %s: stop it with `eider down`, "
                           "or name another --data-dir",
                           s->data_dir);
        return -1;
    }
    if (ei_cluster_stop_leftovers(s->data_dir, e) != 0)
        return -1;
    char *log_dir = ei_path_join(s->data_dir, "log");
    rc = ei_mkdirs(log_dir, 0700, e);
    free(log_dir);
    if (rc != 0)
        return -1;
    s->children = ei_calloc((size_t)s->workers + 2, sizeof *s->children);
    add_child(s, "master", "master", s->port, s->ui_port);
    add_child(s, "gateway", "gateway", 0, 0);
    for (long i = 1; i <= s->workers; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "worker-%ld", i);
        add_child(s, "worker", name, 0, 0);
    }
    return make_identity(s, e);
}

static int run(struct supervisor *s) {
    struct ei_error e = {0};
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGCHLD);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    sigaddset(&mask, SIGHUP);
    (void)sigprocmask(SIG_BLOCK, &mask, &s->old_mask);
    s->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    if (prepare(s, &e) != 0) {
        tell_up(s, &e);
        return ei_code_exit(e.code);
    }
    if (start_all(s, &e) != 0 || publish(s, &e) != 0) {
        stop_all(s);
        unpublish(s);
        tell_up(s, &e);
        return ei_code_exit(e.code);
    }
    tell_up(s, NULL);
    while (!s->stopping) {
        if (turn(s, INT64_MAX, &e) != 0)
            ei_log(EI_LOG_ERROR, "%s", e.text);
        if (!s->stopping)
            restart_due(s);
    }
    stop_all(s);
    unpublish(s);
    if (s->throw_away && ei_remove_tree(s->data_dir, &e) != 0)
        ei_log(EI_LOG_ERROR, "%s", e.text);
    return 0;
}

int ei_supervisor_main(int argc, char **argv) {
    static const struct option OPTIONS[] = {
        {"data-dir", required_argument, NULL, 'd'},
        {"workers", required_argument, NULL, 'w'},
        {"cores", required_argument, NULL, 'c'},
        {"memory", required_argument, NULL, 'm'},
        {"port", required_argument, NULL, 'p'},
        {"ui-port", required_argument, NULL, 'u'},
        {"ready-fd", required_argument, NULL, 'r'},
        {"throw-away", no_argument, NULL, 't'},
        {NULL, 0, NULL, 0},
    };
    struct supervisor s = {.workers = 1, .cores = 1, .up_fd = -1, .lock_fd = -1};
    int o;
    while ((o = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1) {
        switch (o) {
        case 'd':
            s.data_dir = optarg;
            break;
        case 'w':
            s.workers = strtol(optarg, NULL, 10);
            break;
        case 'c':
            s.cores = strtol(optarg, NULL, 10);
            break;
        case 'm':
            s.memory_bytes = strtoull(optarg, NULL, 10);
            break;
        case 'p':
            s.port = strtol(optarg, NULL, 10);
            break;
        case 'u':
            s.ui_port = strtol(optarg, NULL, 10);
            break;
        case 'r':
            s.up_fd = (int)strtol(optarg, NULL, 10);
            break;
        case 't':
            s.throw_away = true;
            break;
        default:
            return 2;
        }
    }
    if (s.data_dir == NULL || s.workers < 1 || s.workers > CHILDREN_MAX - 2)
        return 2;
    (void)umask(077);
    ei_log_setup("supervisor", EI_LOG_INFO, false);
    s.pki_dir = ei_path_join(s.data_dir, "pki");
    s.tokens_path = ei_path_join(s.data_dir, "tokens");
    int code = run(&s);
    free(s.pki_dir);
    free(s.tokens_path);
    for (size_t i = 0; i < s.count; i++)
        ei_buf_release(&s.children[i].line);
    free(s.children);
    return code;
}
