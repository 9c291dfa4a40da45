/* The bytes of states and commands. */
#include "state/state.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static const char magic[4] = {'E', 'I', 'S', 'T'};

enum { HEAD_BYTES = 4 + 4 + 8 + 4, TRAILER_BYTES = 4 };
enum { FLAG_OR_REPLACE = 1, FLAG_IF_NOT_EXISTS = 2, FLAG_IF_EXISTS = 4 };

/* ---- writing ---- */

static void put_int(struct ei_buf *b, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++)
        ei_buf_putc(b, (char)(value >> (8 * i)));
}

static void put_string(struct ei_buf *b, const char *s) {
    size_t len = s != NULL ? strlen(s) : 0;
    put_int(b, len, 4);
    if (len > 0)
        ei_buf_append(b, s, len);
}

/* ---- reading: after the first failure `bad` stays set and everything reads as zero ---- */

struct reader {
    const unsigned char *at;
    size_t left;
    bool bad;
};

static uint64_t get_int(struct reader *r, int bytes) {
    if (r->bad || r->left < (size_t)bytes) {
        r->bad = true;
        return 0;
    }
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)r->at[i] << (8 * i);
    r->at += bytes;
    r->left -= (size_t)bytes;
    return value;
}

/* The string's bytes in the input; a NUL inside would be cut off later, so it is refused. */
static const char *get_bytes(struct reader *r, size_t *len) {
    *len = (size_t)get_int(r, 4);
    if (r->bad || *len > r->left || memchr(r->at, 0, *len) != NULL) {
        r->bad = true;
        *len = 0;
        return "";
    }
    const char *s = (const char *)r->at;
    r->at += *len;
    r->left -= *len;
    return s;
}

static char *get_string(struct reader *r) {
    size_t len;
    const char *s = get_bytes(r, &len);
    return ei_strndup(s, len);
}

/* ---- states ---- */

void ei_state_encode(const struct ei_state *s, struct ei_buf *out) {
    struct ei_buf body = {0};
    put_int(&body, s->version, 8);
    put_int(&body, s->job_ids_used, 8);
    put_int(&body, s->table_count, 4);
    for (size_t i = 0; i < s->table_count; i++) {
        put_string(&body, s->tables[i].name);
        put_string(&body, s->tables[i].sql);
        put_string(&body, s->tables[i].comment);
        put_int(&body, (uint64_t)s->tables[i].created_ms, 8);
    }
    size_t start = out->len;
    ei_buf_append(out, magic, sizeof magic);
    put_int(out, EI_STATE_FORMAT, 4);
    put_int(out, s->index, 8);
    put_int(out, body.len, 4);
    ei_buf_append(out, body.data, body.len);
    put_int(out, ei_crc32c(0, out->data + start, out->len - start), 4);
    ei_buf_release(&body);
}

static int decode_tables(struct ei_state *s, struct reader *r, struct ei_error *e) {
    uint64_t count = get_int(r, 4);
    if (count > EI_STATE_TABLES_MAX)
        return ei_fail(e, EI_CORRUPT, "the saved cluster state claims to hold %llu tables",
                       (unsigned long long)count);
    for (uint64_t i = 0; i < count && !r->bad; i++) {
        EI_GROW(s->tables, s->table_count, s->table_capacity);
        struct ei_state_table *t = &s->tables[s->table_count++];
        t->name = get_string(r);
        t->sql = get_string(r);
        t->comment = get_string(r);
        t->created_ms = (int64_t)get_int(r, 8);
        if (i > 0 && strcmp(t[-1].name, t->name) >= 0)
            r->bad = true;
    }
    return 0;
}

int ei_state_decode(struct ei_state *s, const void *data, size_t len, struct ei_error *e) {
    ei_state_init(s);
    if (len < HEAD_BYTES + TRAILER_BYTES || memcmp(data, magic, sizeof magic) != 0)
        return ei_fail(e, EI_CORRUPT, "this is not a saved cluster state");
    struct reader tail = {(const unsigned char *)data + len - TRAILER_BYTES, TRAILER_BYTES, false};
    if (get_int(&tail, 4) != ei_crc32c(0, data, len - TRAILER_BYTES))
        return ei_fail(e, EI_CORRUPT, "the checksum of the saved cluster state is wrong");
    struct reader r = {(const unsigned char *)data + 4, len - 4 - TRAILER_BYTES, false};
    uint64_t format = get_int(&r, 4);
    if (format != EI_STATE_FORMAT)
        return ei_fail(e, EI_UNSUPPORTED,
                       "the saved cluster state has format %llu, this program reads format %d",
                       (unsigned long long)format, EI_STATE_FORMAT);
    s->index = get_int(&r, 8);
    uint64_t body = get_int(&r, 4);
    if (body != r.left)
        r.bad = true;
    s->version = get_int(&r, 8);
    s->job_ids_used = get_int(&r, 8);
    if (decode_tables(s, &r, e) != 0) {
        ei_state_release(s);
        return -1;
    }
    if (r.bad || r.left != 0) {
        ei_state_release(s);
        return ei_fail(e, EI_CORRUPT, "the saved cluster state is malformed");
    }
    return 0;
}

/* ---- commands ---- */

void ei_state_command_encode(const struct ei_state_command *c, struct ei_buf *out) {
    put_int(out, EI_STATE_FORMAT, 1);
    put_int(out, (uint64_t)c->type, 1);
    put_int(out,
            (c->or_replace ? FLAG_OR_REPLACE : 0u) | (c->if_not_exists ? FLAG_IF_NOT_EXISTS : 0u) |
                (c->if_exists ? FLAG_IF_EXISTS : 0u),
            1);
    put_string(out, c->name);
    put_string(out, c->sql);
    put_string(out, c->comment);
    put_int(out, (uint64_t)c->created_ms, 8);
    put_int(out, c->job_ids, 8);
}

int ei_state_command_decode(struct ei_state_command *c, struct ei_buf *strings, const void *data,
                            size_t len, struct ei_error *e) {
    struct reader r = {data, len, false};
    uint64_t format = get_int(&r, 1);
    if (!r.bad && format != EI_STATE_FORMAT)
        return ei_fail(e, EI_UNSUPPORTED,
                       "a command of the cluster state has format %llu, this program reads %d",
                       (unsigned long long)format, EI_STATE_FORMAT);
    uint64_t type = get_int(&r, 1);
    uint64_t flags = get_int(&r, 1);
    size_t offsets[3];
    ei_buf_clear(strings);
    for (int i = 0; i < 3; i++) {
        size_t n;
        const char *s = get_bytes(&r, &n);
        offsets[i] = strings->len;
        ei_buf_append(strings, s, n);
        ei_buf_putc(strings, '\0');
    }
    *c = (struct ei_state_command){
        .type = (enum ei_state_command_type)type,
        .name = strings->data + offsets[0],
        .sql = strings->data + offsets[1],
        .comment = strings->data + offsets[2],
        .created_ms = (int64_t)get_int(&r, 8),
        .job_ids = get_int(&r, 8),
        .or_replace = (flags & FLAG_OR_REPLACE) != 0,
        .if_not_exists = (flags & FLAG_IF_NOT_EXISTS) != 0,
        .if_exists = (flags & FLAG_IF_EXISTS) != 0,
    };
    if (r.bad || r.left != 0 || type < EI_STATE_TABLE_CREATE || type > EI_STATE_JOB_IDS ||
        flags > (FLAG_OR_REPLACE | FLAG_IF_NOT_EXISTS | FLAG_IF_EXISTS))
        return ei_fail(e, EI_CORRUPT, "a command of the cluster state is malformed");
    return 0;
}
