/* Files that a statement makes. The tasks write into a hidden directory beside (or in) the target,
 *
 *   PARENT/.eider-TOKEN/JOB-STAGE-TASK-ATTEMPT.tmp
 *
 * and when the job is done the files of the attempts that count move to PARENT/.eider-TOKEN/out,
 * which then becomes the target in one rename: readers see all of it or nothing. A single file is
 * renamed itself. The hidden directory goes in any case; a note in the gateway's data directory
 * names it, so that a gateway that was killed removes it in its next life. */
#include "gateway/internal.h"
#include "base/mem.h"
#include "os/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define HIDDEN ".eider-"
#define REMOVE_TRIES 100 /* of 20 ms: an attempt that is being killed may still make files */
#define NOTES "writes"

void ei_write_destroy(struct ei_write *w) {
    if (w == NULL)
        return;
    free(w->target);
    free(w->extension);
    free(w->options);
    free(w->token);
    free(w->staging);
    free(w->note);
    free(w);
}

void ei_written_release(struct ei_written_list *l) {
    for (size_t i = 0; i < l->count; i++)
        free(l->items[i].path);
    free(l->items);
    *l = (struct ei_written_list){0};
}

static char *parent_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL || slash == path ? ei_strdup("/")
                                          : ei_strndup(path, (size_t)(slash - path));
}

/* ---- may it be written? ---- */

/* OVERWRITE replaces a whole directory: only one that holds nothing but data files, so that a
 * wrong path does not cost anything else. */
static int check_only_data(const char *path, int depth, struct ei_error *e) {
    static const char *const KNOWN[] = {".parquet", ".csv", ".json", ".gz", ".zst", ".tsv", ".txt"};
    DIR *dir = depth > 16 ? NULL : opendir(path);
    if (dir == NULL)
        return ei_fail_errno(e, EI_IO, errno, "cannot look into %s", path);
    int rc = 0;
    const struct dirent *entry;
    while (rc == 0 && (entry = readdir(dir)) != NULL) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        char *child = ei_path_join(path, name);
        struct stat st;
        bool known = false;
        for (size_t i = 0; i < EI_ARRAY_LEN(KNOWN); i++) {
            size_t n = strlen(name), m = strlen(KNOWN[i]);
            known = known || (n > m && strcmp(name + n - m, KNOWN[i]) == 0);
        }
        if (lstat(child, &st) != 0)
            rc = ei_fail_errno(e, EI_IO, errno, "cannot look at %s", child);
        else if (S_ISDIR(st.st_mode) && strchr(name, '=') != NULL)
            rc = check_only_data(child, depth + 1, e);
        else if (!S_ISREG(st.st_mode) || !known)
            rc = ei_fail(e, EI_EXISTS,
                         "%s is not overwritten: it holds %s, which is no data file; remove the "
                         "directory yourself if you mean it",
                         path, name);
        free(child);
    }
    (void)closedir(dir);
    return rc;
}

static bool is_empty(const char *path) {
    DIR *dir = opendir(path);
    const struct dirent *entry;
    bool empty = dir != NULL;
    while (empty && (entry = readdir(dir)) != NULL)
        empty = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;
    if (dir != NULL)
        (void)closedir(dir);
    return empty;
}

/* The cluster's keys, tokens and tables lie beside the gateway's directory. */
static int check_place(const struct ei_write *w, const struct ei_gateway *g, struct ei_error *e) {
    char *beside = parent_of(g->data_dir), *parent = parent_of(w->target);
    char *ours = realpath(beside, NULL), *real = realpath(parent, NULL);
    size_t n = ours == NULL ? 0 : strlen(ours);
    bool inside =
        real != NULL && n > 1 && strncmp(real, ours, n) == 0 && (real[n] == '/' || real[n] == '\0');
    free(ours);
    free(real);
    free(beside);
    free(parent);
    return inside && !w->own ? ei_fail(e, EI_DENIED,
                                       "%s is inside of the cluster's own directory: nothing is "
                                       "written there",
                                       w->target)
                             : 0;
}

static int check_target(const struct ei_write *w, struct ei_error *e) {
    struct stat st;
    if (stat(w->target, &st) != 0)
        return errno == ENOENT && w->form != EI_WRITE_APPEND
                   ? 0
                   : ei_fail_errno(e, EI_INVALID, errno, "cannot write to %s", w->target);
    bool directory = S_ISDIR(st.st_mode);
    if (directory != (w->form != EI_WRITE_FILE))
        return ei_fail(e, EI_EXISTS, "%s is there already and is %s", w->target,
                       directory ? "a directory" : "no directory");
    if (w->form == EI_WRITE_APPEND || (directory && is_empty(w->target)))
        return 0;
    if (!w->overwrite)
        return ei_fail(e, EI_EXISTS, "%s is there already: add OVERWRITE to replace it%s",
                       w->target, directory ? ", or APPEND to add files" : "");
    if (!directory && !S_ISREG(st.st_mode))
        return ei_fail(e, EI_EXISTS, "%s is not a plain file", w->target);
    return directory ? check_only_data(w->target, 0, e) : 0;
}

/* A link to a directory stays a link: what it points to is replaced. */
static void follow_target(struct ei_write *w) {
    char *real = realpath(w->target, NULL);
    if (real == NULL)
        return;
    free(w->target);
    w->target = ei_strdup(real);
    free(real);
}

int ei_write_begin(struct ei_write *w, const struct ei_gateway *g, struct ei_error *e) {
    follow_target(w);
    if (check_place(w, g, e) != 0 || check_target(w, e) != 0)
        return -1;
    char *parent = w->form == EI_WRITE_APPEND ? ei_strdup(w->target) : parent_of(w->target);
    w->token = ei_asprintf("%016" PRIx64, ei_random_u64());
    w->staging = ei_asprintf("%s/" HIDDEN "%s", parent, w->token);
    w->note = ei_asprintf("%s/" NOTES "/%s", g->data_dir, w->token);
    free(parent);
    char *notes = ei_path_join(g->data_dir, NOTES);
    int rc = ei_mkdirs(notes, 0700, e);
    if (rc == 0)
        rc = ei_write_file_atomic(w->note, 0600, w->staging, strlen(w->staging), e);
    free(notes);
    if (rc == 0 && mkdir(w->staging, 0777) != 0)
        rc = ei_fail_errno(e, errno == ENOENT || errno == ENOTDIR ? EI_INVALID : EI_IO, errno,
                           "cannot write to %s", w->target);
    return rc;
}

/* ---- the end ---- */

void ei_write_abandon(struct ei_write *w) {
    if (w->settled || w->staging == NULL)
        return;
    struct ei_error e = {0};
    int rc = -1;
    for (int i = 0; i < REMOVE_TRIES && rc != 0; i++) {
        rc = ei_remove_tree(w->staging, &e);
        if (rc != 0)
            (void)nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    if (rc != 0)
        ei_log(EI_LOG_WARN, "files of a statement that failed are left: %s", e.text);
    else
        (void)unlink(w->note);
    w->settled = true;
}

void ei_write_recover(const char *data_dir) {
    char *notes = ei_path_join(data_dir, NOTES);
    DIR *dir = opendir(notes);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        char *note = ei_path_join(notes, entry->d_name);
        struct ei_buf staging = {0};
        struct ei_error e;
        if (entry->d_name[0] != '.' && ei_read_file(note, 65536, &staging, &e) == 0 &&
            staging.len > 0 && strstr(staging.data, "/" HIDDEN) != NULL) {
            struct ei_write w = {.staging = staging.data, .note = note};
            ei_write_abandon(&w);
        }
        ei_buf_release(&staging);
        free(note);
    }
    if (dir != NULL)
        (void)closedir(dir);
    free(notes);
}

/* ---- the commit ---- */

static int sync_directory(const char *path) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 || (fsync(fd) != 0 && errno != EINVAL) ? -1 : 0;
    if (fd >= 0)
        (void)close(fd);
    return rc;
}

static int move(const char *from, const char *to, unsigned flags) {
    if (syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, flags) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -1;
    /* A file system without such flags. */
    if (flags == RENAME_NOREPLACE && access(to, F_OK) == 0) {
        errno = EEXIST;
        return -1;
    }
    return flags == RENAME_EXCHANGE ? -1 : rename(from, to);
}

static int fail_move(const struct ei_write *w, const char *from, struct ei_error *e) {
    if (errno == EEXIST || errno == ENOTEMPTY)
        return ei_fail(e, EI_EXISTS, "%s was made by somebody else meanwhile", w->target);
    if (errno == ENOENT && access(from, F_OK) != 0)
        return ei_fail(e, EI_IO,
                       "what a task wrote cannot be seen at %s: the target must be in a directory "
                       "that all machines of the cluster share",
                       from);
    return ei_fail_errno(e, EI_IO, errno, "cannot write %s", w->target);
}

/* "k=v/" of JOB-STAGE-TASK-ATTEMPT.tmp/k=v/data_0.tmp, or "". */
static char *folder_of(const char *path) {
    const char *first = strchr(path, '/'), *last = strrchr(path, '/');
    return first == NULL ? ei_strdup("") : ei_strndup(first + 1, (size_t)(last - first));
}

/* part-00003.parquet; with the statement's token where there may be others; with a number where a
 * task wrote several. */
static char *final_name(const struct ei_write *w, const struct ei_written *f, size_t number) {
    char *folder = folder_of(f->path);
    bool others = w->form == EI_WRITE_APPEND;
    struct ei_buf name = {0};
    ei_buf_printf(&name, "%spart-%s%s%05u", folder, others ? w->token : "", others ? "-" : "",
                  f->task);
    if (w->tree)
        ei_buf_printf(&name, "-%zu", number);
    ei_buf_puts(&name, w->extension);
    free(folder);
    return ei_buf_steal(&name);
}

/* Files without rows are left out, but for one that shows the columns. */
static void drop_empty(const struct ei_write *w, struct ei_written_list *l) {
    size_t kept = 0;
    bool any = false;
    for (size_t i = 0; i < l->count; i++)
        any = any || l->items[i].rows > 0;
    for (size_t i = 0; i < l->count; i++) {
        bool keep =
            w->tree || l->items[i].rows > 0 || (!any && kept == 0 && w->form != EI_WRITE_APPEND);
        if (keep)
            l->items[kept++] = l->items[i];
        else
            free(l->items[i].path);
    }
    l->count = kept;
}

/* Moves the files into `directory`; their paths become the new ones, below it. On failure those
 * that were moved are removed again. */
static int move_files(struct ei_write *w, const char *directory, struct ei_written_list *l,
                      struct ei_error *e) {
    size_t moved = 0;
    int rc = 0;
    for (; moved < l->count && rc == 0; moved++) {
        struct ei_written *f = &l->items[moved];
        char *name = final_name(w, f, moved);
        char *from = ei_path_join(w->staging, f->path), *to = ei_path_join(directory, name);
        char *parent = parent_of(to);
        rc = w->tree ? ei_mkdirs(parent, 0777, e) : 0;
        if (rc == 0 && move(from, to, RENAME_NOREPLACE) != 0)
            rc = fail_move(w, from, e);
        if (rc == 0) {
            free(f->path);
            f->path = name;
        } else {
            free(name);
        }
        free(parent);
        free(from);
        free(to);
        if (rc != 0)
            break;
    }
    for (size_t i = 0; rc != 0 && i < moved; i++) {
        char *path = ei_path_join(directory, l->items[i].path);
        (void)unlink(path);
        free(path);
    }
    return rc;
}

static int place_directory(struct ei_write *w, const char *from, struct ei_error *e) {
    if (move(from, w->target, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno == EEXIST && is_empty(w->target) && rename(from, w->target) == 0)
        return 0;
    if (errno != EEXIST || !w->overwrite)
        return fail_move(w, from, e);
    if (move(from, w->target, RENAME_EXCHANGE) == 0)
        return 0; /* the old one goes with the hidden directory */
    char *old = ei_path_join(w->staging, "old");
    int rc =
        rename(w->target, old) == 0 && rename(from, w->target) == 0 ? 0 : fail_move(w, from, e);
    free(old);
    return rc;
}

static int commit_directory(struct ei_write *w, struct ei_written_list *l, ei_write_extra extra,
                            void *data, struct ei_error *e) {
    char *out = ei_path_join(w->staging, "out");
    int rc = ei_mkdirs(out, 0777, e);
    if (rc == 0)
        rc = move_files(w, out, l, e);
    if (rc == 0 && extra != NULL)
        rc = extra(data, out, l, e);
    if (rc == 0)
        (void)sync_directory(out);
    if (rc == 0)
        rc = place_directory(w, out, e);
    free(out);
    return rc;
}

static int commit_file(struct ei_write *w, const struct ei_written_list *l, struct ei_error *e) {
    if (l->count != 1)
        return ei_fail(e, EI_INTERNAL, "one file was to be written, there are %zu", l->count);
    char *from = ei_path_join(w->staging, l->items[0].path);
    int rc =
        move(from, w->target, w->overwrite ? 0 : RENAME_NOREPLACE) == 0 ? 0 : fail_move(w, from, e);
    free(from);
    return rc;
}

int ei_write_commit(struct ei_write *w, struct ei_written_list *l, ei_write_extra extra, void *data,
                    struct ei_error *e) {
    for (size_t i = 0; i < l->count; i++) {
        w->rows += l->items[i].rows;
        w->bytes += l->items[i].bytes;
    }
    if (w->form != EI_WRITE_FILE)
        drop_empty(w, l);
    w->files = l->count;
    int rc = w->form == EI_WRITE_FILE        ? commit_file(w, l, e)
             : w->form == EI_WRITE_DIRECTORY ? commit_directory(w, l, extra, data, e)
                                             : move_files(w, w->target, l, e);
    if (rc == 0 && w->form == EI_WRITE_APPEND && extra != NULL)
        rc = extra(data, w->target, l, e);
    if (rc == 0) {
        char *parent = parent_of(w->target);
        (void)sync_directory(w->form == EI_WRITE_APPEND ? w->target : parent);
        free(parent);
    }
    ei_write_abandon(w);
    return rc;
}
