#include "master/journal.h"

#include "base/buf.h"
#include "base/hash.h"
#include "base/mem.h"
#include "os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FORMAT = 1, FILE_HEAD = 20, RECORD_HEAD = 20, RECORD_MAX = 1 << 20 };
static const char magic[4] = {'E', 'I', 'J', 'L'};

struct ei_journal {
    char *journal_path, *snapshot_path;
    int fd, lock_fd;
    uint64_t size_bytes;
    bool broken; /* a write failed: the file's state is unknown */
};

static void put(unsigned char *to, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++)
        to[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get(const unsigned char *from, int bytes) {
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)from[i] << (8 * i);
    return value;
}

static bool all_zero(const unsigned char *p, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (p[i] != 0)
            return false;
    return true;
}

/* ---- reading ---- */

static int damaged(const struct ei_journal *j, size_t offset, const char *what,
                   struct ei_error *e) {
    return ei_fail(
        e, EI_CORRUPT,
        "%s is damaged at byte %zu (%s); restore the master's data directory from a copy",
        j->journal_path, offset, what);
}

static int replay_one(struct ei_state *state, const unsigned char *payload, size_t len,
                      struct ei_error *e) {
    struct ei_state_command command;
    struct ei_buf strings = {0};
    int rc = ei_state_command_decode(&command, &strings, payload, len, e);
    if (rc == 0 && ei_state_apply(state, &command, e) < 0)
        rc = -1;
    ei_buf_release(&strings);
    return rc;
}

/* Applies what the snapshot does not hold yet. *keep: bytes of the file that are good. */
static int replay(const struct ei_journal *j, struct ei_state *state, const unsigned char *data,
                  size_t len, size_t *keep, struct ei_error *e) {
    if (len < FILE_HEAD || memcmp(data, magic, sizeof magic) != 0 ||
        get(data + 16, 4) != ei_crc32c(0, data, 16))
        return damaged(j, 0, "its head is wrong", e);
    if (get(data + 4, 4) != FORMAT)
        return ei_fail(e, EI_UNSUPPORTED, "%s has format %u, this program reads format %d",
                       j->journal_path, (unsigned)get(data + 4, 4), FORMAT);
    uint64_t index = get(data + 8, 8);
    if (index > state->index)
        return ei_fail(e, EI_CORRUPT,
                       "%s starts at command %llu but the snapshot beside it ends at %llu; restore "
                       "the master's data directory from a copy",
                       j->journal_path, (unsigned long long)index,
                       (unsigned long long)state->index);
    size_t at = FILE_HEAD;
    while (at < len) {
        const unsigned char *r = data + at;
        if (len - at < RECORD_HEAD || all_zero(r, len - at))
            break;
        if (get(r + 16, 4) != ei_crc32c(0, r, 16))
            return damaged(j, at, "the head of a record", e);
        size_t n = (size_t)get(r, 4);
        if (n > RECORD_MAX || get(r + 4, 8) != index + 1)
            return damaged(j, at, "a record out of order", e);
        if (len - at - RECORD_HEAD < n || all_zero(r + RECORD_HEAD, n))
            break;
        if (get(r + 12, 4) != ei_crc32c(0, r + RECORD_HEAD, n))
            return damaged(j, at, "the content of a record", e);
        index++;
        if (index > state->index && replay_one(state, r + RECORD_HEAD, n, e) != 0)
            return ei_wrap(e, "%s", j->journal_path);
        at += RECORD_HEAD + n;
    }
    *keep = at;
    return index < state->index ? damaged(j, at, "it ends before the snapshot does", e) : 0;
}

/* ---- writing ---- */

static int write_empty_journal(struct ei_journal *j, uint64_t base, struct ei_error *e) {
    unsigned char head[FILE_HEAD];
    memcpy(head, magic, sizeof magic);
    put(head + 4, FORMAT, 4);
    put(head + 8, base, 8);
    put(head + 16, ei_crc32c(0, head, 16), 4);
    if (ei_write_file_atomic(j->journal_path, 0600, head, sizeof head, e) != 0)
        return -1;
    j->size_bytes = FILE_HEAD;
    return 0;
}

static int open_for_append(struct ei_journal *j, struct ei_error *e) {
    if (j->fd >= 0)
        (void)close(j->fd);
    j->fd = open(j->journal_path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    if (j->fd < 0)
        return ei_fail_errno(e, EI_IO, errno, "cannot open %s", j->journal_path);
    return 0;
}

/* Snapshot first, then the empty journal: between the two the journal's records are skipped. */
static int compact(struct ei_journal *j, const struct ei_state *state, struct ei_error *e) {
    struct ei_buf bytes = {0};
    ei_state_encode(state, &bytes);
    int rc = ei_write_file_atomic(j->snapshot_path, 0600, bytes.data, bytes.len, e);
    ei_buf_release(&bytes);
    if (rc == 0)
        rc = write_empty_journal(j, state->index, e);
    if (rc == 0)
        rc = open_for_append(j, e);
    return rc;
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

static int append(struct ei_journal *j, uint64_t index, const struct ei_state_command *command,
                  struct ei_error *e) {
    struct ei_buf record = {0};
    (void)ei_buf_reserve(&record, RECORD_HEAD);
    record.len = RECORD_HEAD;
    ei_state_command_encode(command, &record);
    unsigned char *head = (unsigned char *)record.data;
    size_t n = record.len - RECORD_HEAD;
    put(head, n, 4);
    put(head + 4, index, 8);
    put(head + 12, ei_crc32c(0, head + RECORD_HEAD, n), 4);
    put(head + 16, ei_crc32c(0, head, 16), 4);
    int rc = 0;
    if (write_all(j->fd, record.data, record.len) != 0) {
        rc = ei_fail_errno(e, EI_IO, errno, "cannot write to %s", j->journal_path);
        /* A full disk is no reason to stop: the part that was written is taken back. */
        j->broken = ftruncate(j->fd, (off_t)j->size_bytes) != 0 || fdatasync(j->fd) != 0;
    } else if (fdatasync(j->fd) != 0) {
        rc = ei_fail_errno(e, EI_IO, errno, "cannot write to %s", j->journal_path);
        j->broken = true;
    } else {
        j->size_bytes += record.len;
    }
    ei_buf_release(&record);
    return rc;
}

int ei_journal_commit(struct ei_journal *j, struct ei_state *state,
                      const struct ei_state_command *command, struct ei_error *e) {
    int effect = ei_state_check(state, command, e);
    if (effect <= 0)
        return effect;
    if (j->broken)
        return ei_fail(e, EI_IO,
                       "the master accepts no changes since it could not write to %s; free space "
                       "or repair the disk and restart it",
                       j->journal_path);
    if (append(j, state->index + 1, command, e) != 0)
        return -1;
    int applied = ei_state_apply(state, command, e);
    EI_ASSERT(applied == 1);
    if (j->size_bytes > EI_JOURNAL_COMPACT_BYTES) {
        /* The command itself is safe already: a failure here only shows at the next one. */
        struct ei_error ignored;
        if (compact(j, state, &ignored) != 0)
            j->broken = true;
    }
    return 1;
}

/* ---- opening ---- */

static int load_snapshot(struct ei_journal *j, struct ei_state *state, struct ei_error *e) {
    if (access(j->snapshot_path, F_OK) != 0)
        return 0;
    struct ei_buf bytes = {0};
    int rc = ei_read_file(j->snapshot_path, EI_READ_FILE_MAX, &bytes, e);
    if (rc == 0 && ei_state_decode(state, bytes.data, bytes.len, e) != 0)
        rc = ei_wrap(e, "%s", j->snapshot_path);
    ei_buf_release(&bytes);
    return rc;
}

static int load_journal(struct ei_journal *j, struct ei_state *state, struct ei_error *e) {
    if (access(j->journal_path, F_OK) != 0) {
        if (state->index != 0)
            return ei_fail(e, EI_CORRUPT,
                           "%s is missing beside a snapshot; restore the master's data directory "
                           "from a copy",
                           j->journal_path);
        return write_empty_journal(j, 0, e);
    }
    struct ei_buf bytes = {0};
    size_t keep = 0;
    int rc = ei_read_file(j->journal_path, EI_READ_FILE_MAX, &bytes, e);
    if (rc == 0)
        rc = replay(j, state, (const unsigned char *)bytes.data, bytes.len, &keep, e);
    if (rc == 0 && keep < bytes.len && truncate(j->journal_path, (off_t)keep) != 0)
        rc = ei_fail_errno(e, EI_IO, errno, "cannot cut the torn end of %s", j->journal_path);
    j->size_bytes = keep;
    ei_buf_release(&bytes);
    return rc;
}

static int load(struct ei_journal *j, const char *dir, struct ei_state *state, struct ei_error *e) {
    if (ei_mkdirs(dir, 0700, e) != 0)
        return -1;
    char *lock_path = ei_path_join(dir, "lock");
    int rc = ei_lock_file(lock_path, &j->lock_fd, e);
    free(lock_path);
    if (rc != 0)
        return e->code == EI_EXISTS
                   ? ei_fail(e, EI_EXISTS, "another master is using the data directory %s", dir)
                   : -1;
    if (load_snapshot(j, state, e) != 0 || load_journal(j, state, e) != 0)
        return -1;
    return open_for_append(j, e);
}

int ei_journal_open(struct ei_journal **out, const char *dir, struct ei_state *state,
                    struct ei_error *e) {
    struct ei_error local;
    e = e != NULL ? e : &local;
    struct ei_journal *j = ei_calloc(1, sizeof *j);
    j->journal_path = ei_path_join(dir, "journal");
    j->snapshot_path = ei_path_join(dir, "snapshot");
    j->fd = j->lock_fd = -1;
    ei_state_init(state);
    if (load(j, dir, state, e) != 0) {
        ei_state_release(state);
        ei_journal_close(j);
        return -1;
    }
    *out = j;
    return 0;
}

void ei_journal_close(struct ei_journal *j) {
    if (j == NULL)
        return;
    if (j->fd >= 0)
        (void)close(j->fd);
    if (j->lock_fd >= 0)
        (void)close(j->lock_fd);
    free(j->journal_path);
    free(j->snapshot_path);
    free(j);
}
