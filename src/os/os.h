/* The operating system in small: clock, files, processes, log. First of the I/O layers. */
#ifndef EIDER_OS_OS_H
#define EIDER_OS_OS_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* ---- clock ---- */
int64_t ei_now_us(void);      /* monotonic; for intervals and timers */
int64_t ei_unix_ms(void);     /* wall clock; to show to people only */
uint64_t ei_random_u64(void); /* from the kernel */

/* ---- files ---- */
#define EI_READ_FILE_MAX (64u << 20)
/* Whole file into *out (appended). Fails on files over max_bytes. */
int ei_read_file(const char *path, size_t max_bytes, struct ei_buf *out, struct ei_error *e);
/* Writes `path` atomically: temporary file beside it, fsync, rename, fsync of the directory. */
int ei_write_file_atomic(const char *path, mode_t mode, const void *data, size_t len,
                         struct ei_error *e);
int ei_mkdirs(const char *path, mode_t mode, struct ei_error *e); /* like mkdir -p */
/* Removes a file or a whole tree, never following links. A missing path is no error. */
int ei_remove_tree(const char *path, struct ei_error *e);
char *ei_path_join(const char *a, const char *b); /* the caller frees */
/* Absolute form without touching the file system beyond getcwd; "." and ".." are resolved. */
char *ei_path_absolute(const char *path, const char *cwd);
int64_t ei_disk_free_bytes(const char *path); /* -1 if unknown */
/* Bytes of all regular files below path. */
uint64_t ei_tree_bytes(const char *path);
/* Takes an exclusive lock on a file, creating it. Returns the descriptor to keep open; EI_EXISTS if
 * somebody else holds it. */
int ei_lock_file(const char *path, int *fd, struct ei_error *e);

/* ---- this machine ---- */
/* Equal for two processes that see the same disks and kernel: boot id and mount namespace. */
const char *ei_host_id(void);
int ei_cpu_count(void);
uint64_t ei_memory_total_bytes(void);     /* the smaller of RAM and the cgroup's limit */
uint64_t ei_memory_available_bytes(void); /* without swapping; the total if unknown */
uint64_t ei_rss_bytes(pid_t pid);         /* 0 if unknown; pid 0 = self */
/* CPU time that a process has used; of another one in steps of 10 ms. 0 if unknown; pid 0 = self.
 */
uint64_t ei_process_cpu_us(pid_t pid);
/* Gives free heap and the code pages of this program and its libraries back; those that are used
 * again are mapped again. For a process that has started, or was busy, and now waits. */
void ei_drop_idle_memory(void);
/* Bounds the address space of this process's data (RLIMIT_DATA). Nothing under a sanitizer: its own
 * maps take terabytes. */
void ei_limit_data(uint64_t bytes);
/* Start time of a process in clock ticks since boot, 0 if it does not exist or is a zombie:
 * (pid, start) names a process for good. */
uint64_t ei_process_start_ticks(pid_t pid);

/* ---- processes ---- */
struct ei_spawn {
    const char *path;          /* executable; NULL = this very program (/proc/self/exe) */
    const char *const *argv;   /* NULL-terminated */
    const char *log_path;      /* stdout and stderr are appended to it; NULL = inherited */
    int pass_fd;               /* becomes descriptor 3 of the child; -1 = none */
    bool die_with_parent;      /* PR_SET_PDEATHSIG SIGKILL */
    bool own_session;          /* setsid */
    uint64_t data_limit_bytes; /* as by ei_limit_data, 0 = none */
    int oom_score_adj;         /* 0 = leave */
};
/* Starts a child without copying this process's memory (vfork semantics). Descriptors other than
 * 0-2 and pass_fd are closed. Returns the pid or -1 and *e. */
pid_t ei_spawn(const struct ei_spawn *s, struct ei_error *e);

/* ---- log: one JSON line or one text line on stderr ---- */
enum ei_log_level { EI_LOG_DEBUG, EI_LOG_INFO, EI_LOG_WARN, EI_LOG_ERROR };
#define EI_LOG_MAX_BYTES (UINT64_C(32) << 20)
/* Where stderr is a file that has grown beyond so much: it becomes FILE.1, and a new one begins. */
void ei_log_rotate(uint64_t max_bytes);
void ei_log_setup(const char *component, enum ei_log_level least, bool json);
void ei_log(enum ei_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
