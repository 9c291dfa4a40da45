#include "os/os.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

int ei_read_file(const char *path, size_t max_bytes, struct ei_buf *out, struct ei_error *e) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ei_fail_errno(e, errno == ENOENT ? EI_NOT_FOUND : EI_IO, errno, "cannot open %s",
                             path);
    size_t before = out->len;
    int result = 0;
    for (;;) {
        size_t got = out->len - before;
        /* One byte more than allowed, so that a file of exactly max_bytes is told from a longer. */
        size_t want = EI_MIN(max_bytes - got, (size_t)1 << 20) + 1;
        ssize_t n = read(fd, ei_buf_reserve(out, want), want);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            result = ei_fail_errno(e, EI_IO, errno, "cannot read %s", path);
        else if ((size_t)n > max_bytes - got)
            result =
                ei_fail(e, EI_LIMIT, "%s is larger than the limit of %zu bytes", path, max_bytes);
        if (result != 0 || n == 0)
            break;
        out->len += (size_t)n;
    }
    if (result != 0)
        out->len = before;
    if (out->data != NULL)
        out->data[out->len] = '\0';
    (void)close(fd);
    return result;
}

static int write_all(int fd, const char *data, size_t len) {
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

/* A rename is durable only once its directory is. */
static int sync_parent(const char *path) {
    const char *slash = strrchr(path, '/');
    char *dir = slash == NULL   ? ei_strdup(".")
                : slash == path ? ei_strdup("/")
                                : ei_strndup(path, (size_t)(slash - path));
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(dir);
    if (fd < 0)
        return -1;
    int result = fsync(fd);
    int saved = errno;
    (void)close(fd);
    errno = saved;
    /* Some file systems cannot sync a directory and say EINVAL: there is nothing more to do. */
    return result != 0 && saved == EINVAL ? 0 : result;
}

int ei_write_file_atomic(const char *path, mode_t mode, const void *data, size_t len,
                         struct ei_error *e) {
    char *tmp = ei_asprintf("%s.%016" PRIx64 ".tmp", path, ei_random_u64());
    int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    int result = 0;
    if (fd < 0) {
        result = ei_fail_errno(e, EI_IO, errno, "cannot create %s", tmp);
        free(tmp);
        return result;
    }
    if (fchmod(fd, mode) != 0 || write_all(fd, data, len) != 0 || fsync(fd) != 0)
        result = ei_fail_errno(e, EI_IO, errno, "cannot write %s", tmp);
    if (close(fd) != 0 && result == 0)
        result = ei_fail_errno(e, EI_IO, errno, "cannot close %s", tmp);
    if (result == 0 && rename(tmp, path) != 0)
        result = ei_fail_errno(e, EI_IO, errno, "cannot rename %s to %s", tmp, path);
    if (result != 0)
        (void)unlink(tmp);
    else if (sync_parent(path) != 0)
        result = ei_fail_errno(e, EI_IO, errno, "cannot sync the directory of %s", path);
    free(tmp);
    return result;
}

int ei_mkdirs(const char *path, mode_t mode, struct ei_error *e) {
    char *copy = ei_strdup(path);
    int result = 0;
    for (char *p = copy + (*copy == '/'); result == 0; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char saved = *p;
        *p = '\0';
        struct stat st;
        if (*copy != '\0' && mkdir(copy, mode) != 0) {
            int err = errno;
            if (stat(copy, &st) != 0 || !S_ISDIR(st.st_mode))
                result = ei_fail_errno(e, EI_IO, err == EEXIST ? ENOTDIR : err,
                                       "cannot create the directory %s", copy);
        }
        *p = saved;
        if (saved == '\0')
            break;
    }
    free(copy);
    return result;
}

char *ei_path_join(const char *a, const char *b) {
    size_t n = strlen(a);
    if (n == 0 || b[0] == '/')
        return ei_strdup(b);
    return ei_asprintf("%s%s%s", a, a[n - 1] == '/' ? "" : "/", b);
}

char *ei_path_absolute(const char *path, const char *cwd) {
    char *own_cwd = NULL;
    if (path[0] != '/' && cwd == NULL) {
        own_cwd = getcwd(NULL, 0);
        cwd = own_cwd == NULL ? "/" : own_cwd;
    }
    char *joined = path[0] == '/' ? ei_strdup(path) : ei_asprintf("%s/%s", cwd, path);
    struct ei_buf out = {0};
    for (const char *p = joined; *p != '\0';) {
        while (*p == '/')
            p++;
        size_t n = strcspn(p, "/");
        if (n == 2 && p[0] == '.' && p[1] == '.') {
            while (out.len > 0 && out.data[--out.len] != '/') {
            }
        } else if (n > 0 && !(n == 1 && p[0] == '.')) {
            ei_buf_putc(&out, '/');
            ei_buf_append(&out, p, n);
        }
        p += n;
    }
    free(own_cwd);
    free(joined);
    if (out.len == 0)
        ei_buf_putc(&out, '/');
    out.data[out.len] = '\0';
    return ei_buf_steal(&out);
}

int64_t ei_disk_free_bytes(const char *path) {
    struct statvfs v;
    if (statvfs(path, &v) != 0)
        return -1;
    return (int64_t)v.f_bavail * (int64_t)v.f_frsize;
}

int ei_lock_file(const char *path, int *fd, struct ei_error *e) {
    int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (lock < 0)
        return ei_fail_errno(e, EI_IO, errno, "cannot open the lock file %s", path);
    int result;
    do {
        result = flock(lock, LOCK_EX | LOCK_NB);
    } while (result != 0 && errno == EINTR);
    if (result != 0) {
        int err = errno;
        (void)close(lock);
        if (err == EWOULDBLOCK)
            return ei_fail(e, EI_EXISTS, "another process holds the lock %s", path);
        return ei_fail_errno(e, EI_IO, err, "cannot lock %s", path);
    }
    *fd = lock;
    return 0;
}
