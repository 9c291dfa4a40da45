/* What this worker keeps on disk, and whether it is low on disk or memory. Looked at every few
 * seconds in a work thread; directories of jobs that nobody knows are removed, the log is rotated.
 */
#include "base/mem.h"
#include "worker/internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 5000
#define LOW_DISK_BYTES (UINT64_C(1) << 30)     /* or 5 % of the disk if that is less */
#define LOW_MEMORY_BYTES (UINT64_C(512) << 20) /* or 5 % of the memory if that is less */
#define ORPHAN_AGE_S 60
#define QUOTA_PERCENT 90 /* of what the disk has for us: exchange and spill files */

struct look {
    uv_work_t work;
    struct worker *w;
    struct ei_disk_sum sums[EI_DISK_KINDS];
    uint64_t total_bytes, free_bytes;
    char **known; /* names of directories that may stay; sorted not needed: few */
    size_t known_count;
};

/* ---- in the work thread ---- */

static void add_file(struct ei_disk_sum *s, const struct stat *st, time_t now) {
    s->bytes += (uint64_t)st->st_blocks * 512;
    s->files++;
    if (now > st->st_mtime)
        s->oldest_s = EI_MAX(s->oldest_s, (uint64_t)(now - st->st_mtime));
}

static void sum_tree(int parent, const char *name, struct ei_disk_sum *s, time_t now, int depth) {
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    struct dirent *d;
    while ((d = readdir(dir)) != NULL) {
        struct stat st;
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0 ||
            fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (S_ISREG(st.st_mode))
            add_file(s, &st, now);
        else if (S_ISDIR(st.st_mode) && depth > 0)
            sum_tree(dirfd(dir), d->d_name, s, now, depth - 1);
    }
    closedir(dir);
}

static bool is_known(const struct look *l, const char *name) {
    for (size_t i = 0; i < l->known_count; i++)
        if (strcmp(l->known[i], name) == 0)
            return true;
    return strspn(name, "0123456789") != strlen(name); /* not of a job */
}

/* A directory of a job that was not there when the look began may be a new job's: its age tells. */
static void remove_orphans(const struct look *l, time_t now) {
    DIR *dir = opendir(l->w->exchange_dir);
    struct dirent *d;
    while (dir != NULL && (d = readdir(dir)) != NULL) {
        struct stat st;
        if (d->d_name[0] == '.' || is_known(l, d->d_name) ||
            fstatat(dirfd(dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
            now - st.st_mtime < ORPHAN_AGE_S)
            continue;
        char *path = ei_path_join(l->w->exchange_dir, d->d_name);
        if (ei_remove_tree(path, NULL) == 0)
            ei_log(EI_LOG_WARN, "removed %s, which belongs to no job", path);
        free(path);
    }
    if (dir != NULL)
        closedir(dir);
}

static void look_work(uv_work_t *work) {
    struct look *l = work->data;
    const struct worker *w = l->w;
    time_t now = time(NULL);
    struct statvfs fs;
    struct stat st;
    remove_orphans(l, now);
    sum_tree(AT_FDCWD, w->exchange_dir, &l->sums[EI_DISK_EXCHANGE], now, 2);
    sum_tree(AT_FDCWD, w->executor_dir, &l->sums[EI_DISK_SPILL], now, 4);
    if (fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode))
        add_file(&l->sums[EI_DISK_LOG], &st, now);
    if (statvfs(w->exchange_dir, &fs) == 0) {
        l->total_bytes = (uint64_t)fs.f_blocks * fs.f_frsize;
        l->free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    }
}

/* ---- on the loop's thread ---- */

static uint64_t least(uint64_t bytes, uint64_t total) {
    return EI_MIN(bytes, total / 20);
}

static void look_done(uv_work_t *work, int status) {
    struct look *l = work->data;
    struct worker *w = l->w;
    memcpy(w->disk.sums, l->sums, sizeof l->sums);
    w->disk.total_bytes = l->total_bytes;
    uint64_t ours = l->sums[EI_DISK_EXCHANGE].bytes + l->sums[EI_DISK_SPILL].bytes;
    w->disk.quota_bytes = w->o.disk_quota_bytes > 0 ? w->o.disk_quota_bytes
                                                    : (ours + l->free_bytes) / 100 * QUOTA_PERCENT;
    uint64_t bound = w->o.min_disk_free_bytes > 0 ? w->o.min_disk_free_bytes
                                                  : least(LOW_DISK_BYTES, l->total_bytes);
    w->disk.low = l->total_bytes > 0 && (l->free_bytes < bound || ours > w->disk.quota_bytes);
    w->disk.memory_available_bytes = ei_memory_available_bytes();
    w->disk.low_memory =
        w->disk.memory_available_bytes < least(LOW_MEMORY_BYTES, ei_memory_total_bytes());
    for (size_t i = 0; i < l->known_count; i++)
        free(l->known[i]);
    free(l->known);
    free(l);
    w->disk.looking = false;
    ei_log_rotate(EI_LOG_MAX_BYTES);
}

static void look(uv_timer_t *timer) {
    struct worker *w = timer->data;
    if (w->disk.looking || w->stopping)
        return;
    struct look *l = ei_calloc(1, sizeof *l);
    l->w = w;
    l->work.data = l;
    l->known = ei_calloc(w->jobs.count, sizeof *l->known);
    for (size_t i = 0; i < w->jobs.count; i++)
        l->known[l->known_count++] =
            ei_asprintf("%" PRIu64, ((struct job *)w->jobs.entries[i].value)->id);
    w->disk.looking = true;
    uv_queue_work(&w->loop, &l->work, look_work, look_done);
}

void ei_worker_disk_start(struct worker *w) {
    uv_timer_init(&w->loop, &w->disk.timer);
    w->disk.timer.data = w;
    uv_timer_start(&w->disk.timer, look, 0, LOOK_MS);
}

void ei_worker_disk_report(const struct worker *w, Eider__V1__Heartbeat *m,
                           Eider__V1__DiskUse uses[EI_DISK_KINDS],
                           Eider__V1__DiskUse *list[EI_DISK_KINDS]) {
    static const char *const names[] = {"exchange", "spill", "log"};
    for (size_t i = 0; i < EI_DISK_KINDS; i++) {
        eider__v1__disk_use__init(&uses[i]);
        uses[i].what = (char *)(uintptr_t)names[i];
        uses[i].bytes = w->disk.sums[i].bytes;
        uses[i].files = w->disk.sums[i].files;
        uses[i].oldest_s = w->disk.sums[i].oldest_s;
        uses[i].quota_bytes = i == EI_DISK_LOG ? EI_LOG_MAX_BYTES : w->disk.quota_bytes;
        list[i] = &uses[i];
    }
    m->disk = list;
    m->n_disk = w->disk.total_bytes > 0 ? EI_DISK_KINDS : 0;
    m->disk_total_bytes = w->disk.total_bytes;
    m->memory_available_bytes = w->disk.memory_available_bytes;
    m->low_disk = w->disk.low;
    m->low_memory = w->disk.low_memory;
}
