#include "duck/text_blocks.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>
#include <zstd.h>

#define PACKED_BYTES (128u << 10)

enum format { PLAIN, GZIP, ZSTD };

struct mapping {
    void *address;
    size_t len;
};

struct ei_text_blocks {
    Eider__V1__FileSlice *const *slices;
    size_t slice_count, slice; /* slices[slice] is the next to open */
    bool open;
    enum format format;
    const char *path;
    uint64_t offset; /* of the next block in the file */

    struct mapping *mappings; /* one a plain slice */
    size_t mapping_count, mapping_capacity;
    const char *text; /* the rest of a plain slice */
    size_t text_len;

    int fd; /* of a compressed file */
    z_stream gzip;
    ZSTD_DStream *zstd;
    char *packed;
    size_t packed_len, packed_at;
    bool packed_end, member_open; /* a gzip member or zstd frame is not at its end */
    char *plain;
    size_t plain_capacity, plain_len, plain_at; /* [at, len) is not handed out yet */
};

static bool ends_with(const char *s, const char *end) {
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcasecmp(s + n - m, end) == 0;
}

static enum format format_of(const char *path) {
    return ends_with(path, ".gz") ? GZIP : ends_with(path, ".zst") ? ZSTD : PLAIN;
}

bool ei_text_is_compressed(const char *path) {
    return format_of(path) != PLAIN;
}

struct ei_text_blocks *ei_text_blocks_create(Eider__V1__FileSlice *const *slices, size_t count) {
    struct ei_text_blocks *b = ei_calloc(1, sizeof *b);
    b->slices = slices;
    b->slice_count = count;
    b->fd = -1;
    return b;
}

static void close_packed(struct ei_text_blocks *b) {
    if (b->fd < 0)
        return;
    (void)close(b->fd);
    b->fd = -1;
    if (b->format == GZIP)
        (void)inflateEnd(&b->gzip);
    (void)ZSTD_freeDStream(b->zstd);
    b->zstd = NULL;
}

void ei_text_blocks_destroy(struct ei_text_blocks *b) {
    if (b == NULL)
        return;
    close_packed(b);
    for (size_t i = 0; i < b->mapping_count; i++)
        (void)munmap(b->mappings[i].address, b->mappings[i].len);
    free(b->mappings);
    free(b->packed);
    free(b->plain);
    free(b);
}

/* ---- plain files ---- */

static int open_plain(struct ei_text_blocks *b, const Eider__V1__FileSlice *slice, int fd,
                      struct ei_error *e) {
    struct stat st;
    if (fstat(fd, &st) != 0)
        return ei_fail_errno(e, EI_IO, errno, "cannot look at %s", slice->path);
    uint64_t size = (uint64_t)st.st_size, begin = slice->begin;
    uint64_t end = slice->end == 0 && begin == 0 ? size : EI_MIN(slice->end, size);
    b->text_len = 0;
    b->offset = begin;
    if (begin >= end)
        return 0;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t from = begin - begin % page;
    void *address = mmap(NULL, end - from, PROT_READ, MAP_PRIVATE, fd, (off_t)from);
    if (address == MAP_FAILED)
        return ei_fail_errno(e, EI_IO, errno, "cannot map %s", slice->path);
    (void)madvise(address, end - from, MADV_SEQUENTIAL);
    EI_GROW(b->mappings, b->mapping_count, b->mapping_capacity);
    b->mappings[b->mapping_count++] = (struct mapping){address, end - from};
    b->text = (const char *)address + (begin - from);
    b->text_len = end - begin;
    return 0;
}

static bool next_plain(struct ei_text_blocks *b, struct ei_text_block *block) {
    if (b->text_len == 0)
        return false;
    size_t n = EI_MIN(b->text_len, (size_t)EI_TEXT_BLOCK_BYTES);
    if (n < b->text_len) {
        const char *end = memrchr(b->text, '\n', n);
        if (end == NULL)
            end = memchr(b->text + n, '\n', b->text_len - n);
        n = end != NULL ? (size_t)(end - b->text) + 1 : b->text_len;
    }
    *block = (struct ei_text_block){b->text, n, true, b->path, b->offset};
    b->text += n;
    b->text_len -= n;
    b->offset += n;
    return true;
}

/* ---- compressed files ---- */

static int open_packed(struct ei_text_blocks *b, int fd, struct ei_error *e) {
    b->fd = fd;
    b->zstd = NULL;
    memset(&b->gzip, 0, sizeof b->gzip);
    if (b->packed == NULL)
        b->packed = ei_malloc(PACKED_BYTES);
    b->packed_len = b->packed_at = b->plain_len = b->plain_at = 0;
    b->packed_end = b->member_open = false;
    b->offset = 0;
    if (b->format == GZIP && inflateInit2(&b->gzip, 15 + 16) != Z_OK)
        return ei_fail(e, EI_OUT_OF_MEMORY, "no memory to decompress %s", b->path);
    if (b->format == ZSTD) {
        b->zstd = ZSTD_createDStream();
        if (b->zstd == NULL)
            return ei_fail(e, EI_OUT_OF_MEMORY, "no memory to decompress %s", b->path);
    }
    return 0;
}

static int read_packed(struct ei_text_blocks *b, struct ei_error *e) {
    ssize_t n;
    do
        n = read(b->fd, b->packed, PACKED_BYTES);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return ei_fail_errno(e, EI_IO, errno, "cannot read %s", b->path);
    b->packed_at = 0;
    b->packed_len = (size_t)n;
    b->packed_end = n == 0;
    return 0;
}

static int broken(const struct ei_text_blocks *b, const char *why, struct ei_error *e) {
    return ei_fail(e, EI_INVALID, "the compressed file %s is broken: %s", b->path, why);
}

static int inflate_gzip(struct ei_text_blocks *b, struct ei_error *e) {
    if (!b->member_open) { /* members may follow each other */
        (void)inflateReset(&b->gzip);
        b->member_open = true;
    }
    b->gzip.next_in = (Bytef *)b->packed + b->packed_at;
    b->gzip.avail_in = (uInt)(b->packed_len - b->packed_at);
    b->gzip.next_out = (Bytef *)b->plain + b->plain_len;
    b->gzip.avail_out = (uInt)(b->plain_capacity - b->plain_len);
    int rc = inflate(&b->gzip, Z_NO_FLUSH);
    b->packed_at = b->packed_len - b->gzip.avail_in;
    b->plain_len = b->plain_capacity - b->gzip.avail_out;
    if (rc == Z_STREAM_END)
        b->member_open = false;
    else if (rc != Z_OK && rc != Z_BUF_ERROR)
        return broken(b, b->gzip.msg != NULL ? b->gzip.msg : "not in gzip format", e);
    return 0;
}

static int inflate_zstd(struct ei_text_blocks *b, struct ei_error *e) {
    ZSTD_inBuffer in = {b->packed, b->packed_len, b->packed_at};
    ZSTD_outBuffer out = {b->plain, b->plain_capacity, b->plain_len};
    size_t rc = ZSTD_decompressStream(b->zstd, &out, &in);
    b->packed_at = in.pos;
    b->plain_len = out.pos;
    if (ZSTD_isError(rc))
        return broken(b, ZSTD_getErrorName(rc), e);
    b->member_open = rc != 0;
    return 0;
}

/* Decompresses until the buffer is full or the file ends. */
static int fill_plain(struct ei_text_blocks *b, struct ei_error *e) {
    while (b->plain_len < b->plain_capacity) {
        if (b->packed_at == b->packed_len && !b->packed_end && read_packed(b, e) != 0)
            return -1;
        if (b->packed_at == b->packed_len && b->packed_end && !b->member_open)
            return 0;
        size_t before = b->plain_len;
        if ((b->format == GZIP ? inflate_gzip(b, e) : inflate_zstd(b, e)) != 0)
            return -1;
        if (b->packed_end && b->packed_at == b->packed_len && b->plain_len == before &&
            b->member_open)
            return broken(b, "it ends in the middle", e);
    }
    return 0;
}

/* Room behind what is not handed out yet: a line that fills the whole buffer doubles it. */
static int make_room(struct ei_text_blocks *b, struct ei_error *e) {
    size_t rest = b->plain_len - b->plain_at;
    if (b->plain == NULL || (b->plain_at == 0 && rest == b->plain_capacity)) {
        size_t capacity = b->plain == NULL ? EI_TEXT_BLOCK_BYTES : b->plain_capacity * 2;
        if (capacity > 2 * EI_TEXT_LINE_MAX)
            return ei_fail(e, EI_LIMIT, "a line of %s is longer than %u MiB", b->path,
                           EI_TEXT_LINE_MAX >> 20);
        b->plain = ei_realloc(b->plain, capacity);
        b->plain_capacity = capacity;
    }
    if (rest > 0)
        memmove(b->plain, b->plain + b->plain_at, rest);
    b->plain_at = 0;
    b->plain_len = rest;
    return 0;
}

static int next_packed(struct ei_text_blocks *b, struct ei_text_block *block, struct ei_error *e) {
    for (;;) {
        if (make_room(b, e) != 0 || fill_plain(b, e) != 0)
            return -1;
        if (b->plain_len == 0)
            return 0;
        bool last = b->plain_len < b->plain_capacity;
        const char *end = last ? NULL : memrchr(b->plain, '\n', b->plain_len);
        if (!last && end == NULL)
            continue;
        size_t n = last ? b->plain_len : (size_t)(end - b->plain) + 1;
        *block = (struct ei_text_block){b->plain, n, false, b->path, b->offset};
        b->plain_at = n;
        b->offset += n;
        return 1;
    }
}

/* ---- all files ---- */

static int open_slice(struct ei_text_blocks *b, struct ei_error *e) {
    const Eider__V1__FileSlice *slice = b->slices[b->slice++];
    b->path = slice->path;
    b->format = format_of(slice->path);
    int fd = open(slice->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return ei_fail_errno(e, EI_INPUT_MISSING, errno, "cannot open %s", slice->path);
    b->open = true;
    if (b->format != PLAIN)
        return open_packed(b, fd, e);
    int rc = open_plain(b, slice, fd, e);
    (void)close(fd);
    return rc;
}

int ei_text_blocks_next(struct ei_text_blocks *b, struct ei_text_block *block, struct ei_error *e) {
    for (;;) {
        if (!b->open) {
            if (b->slice == b->slice_count)
                return 0;
            if (open_slice(b, e) != 0)
                return -1;
        }
        int got = b->format == PLAIN ? next_plain(b, block) : next_packed(b, block, e);
        if (got != 0)
            return got;
        close_packed(b);
        b->open = false;
    }
}
