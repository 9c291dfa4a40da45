#include "os/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Each level holds a descriptor open; nobody nests deeper on purpose. */
#define DEPTH_MAX 200

static DIR *open_dir_at(int parent, const char *name) {
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    DIR *dir = fdopendir(fd);
    if (dir == NULL)
        (void)close(fd);
    return dir;
}

static bool is_dots(const char *name) {
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int remove_at(int parent, const char *name, int depth) {
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -1;
    if (depth > DEPTH_MAX) {
        errno = ELOOP;
        return -1;
    }
    DIR *dir = open_dir_at(parent, name);
    if (dir == NULL)
        return errno == ENOENT ? 0 : -1;
    int result = 0;
    const struct dirent *entry;
    while (result == 0 && (entry = readdir(dir)) != NULL)
        if (!is_dots(entry->d_name))
            result = remove_at(dirfd(dir), entry->d_name, depth + 1);
    int saved = errno;
    (void)closedir(dir);
    errno = saved;
    if (result == 0 && unlinkat(parent, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
        result = -1;
    return result;
}

int ei_remove_tree(const char *path, struct ei_error *e) {
    if (remove_at(AT_FDCWD, path, 0) != 0)
        return ei_fail_errno(e, EI_IO, errno, "cannot remove %s", path);
    return 0;
}

static uint64_t bytes_at(int parent, const char *name, int depth) {
    struct stat st;
    if (depth > DEPTH_MAX || fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return 0;
    if (S_ISREG(st.st_mode))
        return (uint64_t)st.st_size;
    if (!S_ISDIR(st.st_mode))
        return 0;
    DIR *dir = open_dir_at(parent, name);
    if (dir == NULL)
        return 0;
    uint64_t sum = 0;
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL)
        if (!is_dots(entry->d_name))
            sum += bytes_at(dirfd(dir), entry->d_name, depth + 1);
    (void)closedir(dir);
    return sum;
}

uint64_t ei_tree_bytes(const char *path) {
    return bytes_at(AT_FDCWD, path, 0);
}
