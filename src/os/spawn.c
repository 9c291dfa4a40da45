#include "os/os.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_STACK_BYTES (64u << 10)
#define FIRST_SAFE_FD 10 /* our own descriptors live above the ones the child gets */

#ifndef __has_feature
#define __has_feature(name) 0
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#else
#define UNDER_TSAN 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#else
#define UNDER_ASAN 0
#endif

extern char **environ;

static int limit_data(uint64_t bytes) {
    struct rlimit limit = {bytes, bytes};
    bool possible = !UNDER_ASAN && !UNDER_TSAN && bytes > 0;
    return possible ? setrlimit(RLIMIT_DATA, &limit) : 0;
}

void ei_limit_data(uint64_t bytes) {
    (void)limit_data(bytes); /* lowering a limit does not fail */
}

/* Shared with the child, which runs in this memory until it calls execve. */
struct start {
    const struct ei_spawn *spawn;
    const char *path;
    int null_fd, log_fd, pass_fd;
    char oom_text[16];
    sigset_t mask; /* as it was */
    pid_t parent;
    int err;          /* set by the child if it could not start */
    const char *what; /* and the step that failed */
};

static int child_failed(struct start *s, const char *what) {
    s->err = errno;
    s->what = what;
    return 127; /* clone's child ends with it */
}

static void close_from(int first) {
    if (syscall(SYS_close_range, (unsigned)first, ~0u, 0u) == 0)
        return;
    struct rlimit limit;
    int end = getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 65536 ? (int)limit.rlim_cur
                                                                              : 65536;
    for (int fd = first; fd < end; fd++)
        (void)close(fd);
}

static int child_descriptors(struct start *s) {
    if (dup2(s->null_fd, 0) < 0 ||
        (s->log_fd >= 0 && (dup2(s->log_fd, 1) < 0 || dup2(s->log_fd, 2) < 0)) ||
        (s->pass_fd >= 0 && dup2(s->pass_fd, 3) < 0))
        return child_failed(s, "dup2");
    close_from(s->pass_fd >= 0 ? 4 : 3);
    return 0;
}

static void child_signals(struct start *s) {
    /* Handlers go with execve; what is ignored here (SIGPIPE) must not be in the child. */
    struct sigaction act = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++)
        (void)sigaction(number, &act, NULL);
    sigset_t none;
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void child_oom(const struct start *s) {
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    /* Best effort: lowering the score takes a privilege. */
    ssize_t n = write(fd, s->oom_text, strlen(s->oom_text));
    (void)n;
    (void)close(fd);
}

static int child_main(void *arg) {
    struct start *s = arg;
    const struct ei_spawn *o = s->spawn;
    if (o->own_session && setsid() < 0)
        return child_failed(s, "setsid");
    if (o->die_with_parent) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
            return child_failed(s, "prctl");
        if (getppid() != s->parent)
            return 127;
    }
    if (limit_data(o->data_limit_bytes) != 0)
        return child_failed(s, "setrlimit");
    if (o->oom_score_adj != 0)
        child_oom(s);
    if (child_descriptors(s) != 0)
        return 127;
    child_signals(s);
    (void)execve(s->path, (char *const *)(uintptr_t)o->argv, environ);
    return child_failed(s, "execve");
}

/* Moves fd above the numbers that the child uses; -1 stays -1. */
static int safe_copy(int fd) {
    return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FIRST_SAFE_FD);
}

static int open_safe(const char *path, int flags) {
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd < 0 || fd >= FIRST_SAFE_FD)
        return fd;
    int copy = safe_copy(fd);
    (void)close(fd);
    return copy;
}

/* The thread sanitizer keeps books that a child in this memory would spoil: there it gets a copy,
 * and cannot say why it failed. */
#define CLONE_FLAGS (UNDER_TSAN ? SIGCHLD : CLONE_VM | CLONE_VFORK | SIGCHLD)

static pid_t start_child(struct start *s) {
    char *stack = mmap(NULL, CHILD_STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) {
        s->err = errno;
        s->what = "mmap";
        return -1;
    }
    sigset_t all;
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &s->mask);
    pid_t pid = clone(child_main, stack + CHILD_STACK_BYTES, CLONE_FLAGS, s);
    int err = errno;
    (void)sigprocmask(SIG_SETMASK, &s->mask, NULL);
    (void)munmap(stack, CHILD_STACK_BYTES);
    if (pid < 0) {
        s->err = err;
        s->what = "clone";
    } else if (s->err != 0) {
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
        }
        pid = -1;
    }
    return pid;
}

pid_t ei_spawn(const struct ei_spawn *o, struct ei_error *e) {
    struct start s = {.spawn = o,
                      .path = o->path == NULL ? "/proc/self/exe" : o->path,
                      .log_fd = -1,
                      .pass_fd = -1,
                      .parent = getpid()};
    (void)snprintf(s.oom_text, sizeof s.oom_text, "%d", o->oom_score_adj);
    pid_t pid = -1;
    s.null_fd = open_safe("/dev/null", O_RDONLY);
    if (s.null_fd < 0) {
        (void)ei_fail_errno(e, EI_IO, errno, "cannot open /dev/null to start %s", s.path);
        return -1;
    }
    if (o->pass_fd >= 0 && (s.pass_fd = safe_copy(o->pass_fd)) < 0) {
        (void)ei_fail_errno(e, EI_IO, errno, "cannot pass descriptor %d to %s", o->pass_fd, s.path);
    } else if (o->log_path != NULL &&
               (s.log_fd = open_safe(o->log_path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW)) <
                   0) {
        (void)ei_fail_errno(e, EI_IO, errno, "cannot open the log file %s", o->log_path);
    } else {
        pid = start_child(&s);
        if (pid < 0)
            (void)ei_fail_errno(e, EI_IO, s.err, "cannot start %s (%s)", s.path, s.what);
    }
    (void)close(s.null_fd);
    if (s.pass_fd >= 0)
        (void)close(s.pass_fd);
    if (s.log_fd >= 0)
        (void)close(s.log_fd);
    return pid;
}
