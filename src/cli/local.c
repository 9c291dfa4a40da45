/* Starting and stopping the cluster of this machine, from the outside. */
#include "cli/cli.h"
#include "cli/cluster_files.h"
#include "base/mem.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define START_TIMEOUT_MS 30000
#define STOP_TIMEOUT_US (15 * 1000000LL)

/* Reads the supervisor's one line. */
static int await_supervisor(int fd, struct ei_error *e) {
    struct ei_buf line = {0};
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = poll(&p, 1, START_TIMEOUT_MS);
        if (ready < 0 && errno == EINTR)
            continue;
        char chunk[512];
        ssize_t n = ready > 0 ? read(fd, chunk, sizeof chunk) : 0;
        if (n <= 0)
            break;
        ei_buf_append(&line, chunk, (size_t)n);
    }
    struct json_object *o = line.len > 0 ? json_tokener_parse(line.data) : NULL;
    struct json_object *error = NULL, *code = NULL;
    int rc = 0;
    if (o == NULL) {
        rc = ei_fail(e, EI_INTERNAL,
                     "the cluster's supervisor ended without a word: see "
                     "log/supervisor.log in the data directory");
    } else if (json_object_object_get_ex(o, "error", &error)) {
        (void)json_object_object_get_ex(o, "code", &code);
        rc = ei_fail(e, ei_code_from_wire(code == NULL ? 1 : json_object_get_int(code)), "%s",
                     json_object_get_string(error));
    }
    json_object_put(o);
    ei_buf_release(&line);
    return rc;
}

int ei_local_start(const struct ei_local_options *o, struct ei_error *e) {
    char *log_dir = ei_path_join(o->data_dir, "log");
    int rc = ei_mkdirs(log_dir, 0700, e);
    free(log_dir);
    if (rc != 0)
        return ei_wrap(e, "cannot use the data directory %s", o->data_dir);
    char numbers[5][24];
    (void)snprintf(numbers[0], sizeof numbers[0], "%ld", o->workers);
    (void)snprintf(numbers[1], sizeof numbers[1], "%ld", o->cores_per_worker);
    (void)snprintf(numbers[2], sizeof numbers[2], "%llu",
                   (unsigned long long)o->memory_per_worker_bytes);
    (void)snprintf(numbers[3], sizeof numbers[3], "%ld", o->port);
    (void)snprintf(numbers[4], sizeof numbers[4], "%ld", o->ui_port);
    const char *argv[] = {"eider",
                          "supervisor",
                          "--data-dir",
                          o->data_dir,
                          "--workers",
                          numbers[0],
                          "--cores",
                          numbers[1],
                          "--memory",
                          numbers[2],
                          "--port",
                          numbers[3],
                          "--ui-port",
                          numbers[4],
                          "--ready-fd",
                          "3",
                          o->die_with_parent ? "--throw-away" : NULL,
                          NULL};
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0)
        return ei_fail_errno(e, EI_IO, errno, "cannot make a pipe");
    char *log_path = ei_path_join(o->data_dir, "log/supervisor.log");
    struct ei_spawn spawn = {.argv = argv,
                             .log_path = log_path,
                             .pass_fd = fds[1],
                             .die_with_parent = o->die_with_parent,
                             .own_session = true};
    pid_t pid = ei_spawn(&spawn, e);
    free(log_path);
    close(fds[1]);
    if (pid < 0) {
        close(fds[0]);
        return ei_wrap(e, "cannot start the supervisor");
    }
    rc = await_supervisor(fds[0], e);
    close(fds[0]);
    return rc;
}

/* ---- stopping ---- */

struct listed {
    pid_t pid;
    uint64_t ticks;
    bool supervisor;
};

/* Processes that cluster.json lists; the caller frees. */
static struct listed *read_listed(const char *data_dir, size_t *count) {
    *count = 0;
    char *path = ei_path_join(data_dir, EI_CLUSTER_FILE);
    struct ei_buf text = {0};
    struct ei_error e;
    int rc = ei_read_file(path, 4 << 20, &text, &e);
    free(path);
    struct json_object *o = rc == 0 && text.len > 0 ? json_tokener_parse(text.data) : NULL;
    ei_buf_release(&text);
    struct json_object *list = NULL;
    struct listed *all = NULL;
    if (json_object_is_type(o, json_type_object) &&
        json_object_object_get_ex(o, "processes", &list) &&
        json_object_is_type(list, json_type_array)) {
        size_t n = json_object_array_length(list);
        all = ei_calloc(n, sizeof *all);
        for (size_t i = 0; i < n; i++) {
            struct json_object *p = json_object_array_get_idx(list, i);
            struct json_object *pid = json_object_object_get(p, "pid");
            struct json_object *ticks = json_object_object_get(p, "start_ticks");
            struct json_object *role = json_object_object_get(p, "role");
            if (json_object_get_int(pid) > 1)
                all[(*count)++] = (struct listed){
                    json_object_get_int(pid), json_object_get_uint64(ticks),
                    role != NULL && strcmp(json_object_get_string(role), "supervisor") == 0};
        }
    }
    json_object_put(o);
    return all;
}

static bool lives(const struct listed *p) {
    return p->ticks != 0 && ei_process_start_ticks(p->pid) == p->ticks;
}

static bool any_lives(const struct listed *all, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (lives(&all[i]))
            return true;
    return false;
}

static void signal_living(const struct listed *all, size_t count, int signal_number,
                          bool supervisor_too) {
    for (size_t i = 0; i < count; i++)
        if ((supervisor_too || !all[i].supervisor) && lives(&all[i]))
            (void)kill(all[i].pid, signal_number);
}

/* False: some still live after timeout_us. */
static bool wait_gone(const struct listed *all, size_t count, int64_t timeout_us) {
    int64_t deadline = ei_now_us() + timeout_us;
    struct timespec pause = {0, 2000000};
    while (any_lives(all, count)) {
        if (ei_now_us() > deadline)
            return false;
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

static void remove_descriptions(const char *data_dir) {
    const char *names[] = {EI_CLUSTER_FILE, EI_CLIENT_FILE};
    for (size_t i = 0; i < EI_ARRAY_LEN(names); i++) {
        char *path = ei_path_join(data_dir, names[i]);
        (void)unlink(path);
        free(path);
    }
}

int ei_cluster_stop_leftovers(const char *data_dir, struct ei_error *e) {
    size_t count;
    struct listed *all = read_listed(data_dir, &count);
    signal_living(all, count, SIGTERM, false);
    if (!wait_gone(all, count, STOP_TIMEOUT_US / 3)) {
        signal_living(all, count, SIGKILL, false);
        (void)wait_gone(all, count, STOP_TIMEOUT_US / 3);
    }
    bool stuck = any_lives(all, count);
    free(all);
    remove_descriptions(data_dir);
    return stuck ? ei_fail(e, EI_TIMEOUT, "processes of an earlier cluster in %s cannot be stopped",
                           data_dir)
                 : 0;
}

int ei_local_stop(const char *data_dir, struct ei_error *e) {
    size_t count;
    struct listed *all = read_listed(data_dir, &count);
    if (!any_lives(all, count)) {
        free(all);
        remove_descriptions(data_dir);
        return ei_fail(e, EI_UNREACHABLE, "no cluster runs in %s", data_dir);
    }
    bool supervised = false;
    for (size_t i = 0; i < count; i++)
        supervised |= all[i].supervisor && lives(&all[i]);
    /* The supervisor stops its children; without it we do. */
    for (size_t i = 0; i < count; i++)
        if (all[i].supervisor == supervised && lives(&all[i]))
            (void)kill(all[i].pid, SIGTERM);
    if (!wait_gone(all, count, STOP_TIMEOUT_US)) {
        signal_living(all, count, SIGKILL, true);
        if (!wait_gone(all, count, STOP_TIMEOUT_US)) {
            free(all);
            return ei_fail(e, EI_TIMEOUT, "some processes of the cluster in %s do not end",
                           data_dir);
        }
    }
    free(all);
    remove_descriptions(data_dir);
    return 0;
}
