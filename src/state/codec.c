/* The bytes of states and commands. */
#include "state/internal.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

static const char magic[4] = {'E', 'I', 'S', 'T'};

enum { HEAD_BYTES = 4 + 4 + 8 + 4, TRAILER_BYTES = 4 };
enum {
    FLAG_OR_REPLACE = 1,
    FLAG_IF_NOT_EXISTS = 2,
    FLAG_IF_EXISTS = 4,
    FLAG_MUST_BE_NEW = 8,
    FLAG_MUST_EXIST = 16,
    FLAGS_ALL = 31
};

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

static void put_fields(struct ei_buf *b, const char *const *texts, const int64_t *numbers) {
    for (int k = 0; k < EI_SETTING_TEXTS; k++)
        put_string(b, texts[k]);
    for (int k = 0; k < EI_SETTING_NUMBERS; k++)
        put_int(b, (uint64_t)numbers[k], 8);
}

static void put_settings(struct ei_buf *b, const struct ei_state *s) {
    for (int kind = 0; kind < EI_STATE_KIND_COUNT; kind++) {
        const struct ei_state_settings *list = &s->settings[kind];
        put_int(b, list->count, 4);
        for (size_t i = 0; i < list->count; i++) {
            put_string(b, list->items[i].name);
            put_fields(b, (const char *const *)list->items[i].text, list->items[i].number);
        }
    }
}

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
        put_int(&body, (uint64_t)s->tables[i].kind, 1);
        put_int(&body, s->tables[i].revision, 8);
        put_string(&body, s->tables[i].stats);
    }
    put_settings(&body, s);
    size_t start = out->len;
    ei_buf_append(out, magic, sizeof magic);
    put_int(out, EI_STATE_FORMAT, 4);
    put_int(out, s->index, 8);
    put_int(out, body.len, 4);
    ei_buf_append(out, body.data, body.len);
    put_int(out, ei_crc32c(0, out->data + start, out->len - start), 4);
    ei_buf_release(&body);
}

static enum ei_table_kind get_kind(struct reader *r) {
    uint64_t kind = get_int(r, 1);
    if (kind >= EI_TABLE_KIND_COUNT)
        r->bad = true;
    return r->bad ? EI_TABLE_EXTERNAL : (enum ei_table_kind)kind;
}

static int decode_tables(struct ei_state *s, struct reader *r, uint64_t format,
                         struct ei_error *e) {
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
        t->kind = format < 3 ? EI_TABLE_EXTERNAL : get_kind(r);
        t->revision = format < 3 ? s->version : get_int(r, 8);
        t->stats = format < 3 ? ei_strdup("") : get_string(r);
        if (i > 0 && strcmp(t[-1].name, t->name) >= 0)
            r->bad = true;
    }
    return 0;
}

static int decode_settings(struct ei_state *s, struct reader *r, struct ei_error *e) {
    for (int kind = 0; kind < EI_STATE_KIND_COUNT; kind++) {
        struct ei_state_settings *list = &s->settings[kind];
        uint64_t count = get_int(r, 4);
        if (count > ei_settings_most((enum ei_state_kind)kind))
            return ei_fail(e, EI_CORRUPT, "the saved cluster state claims to hold %llu settings",
                           (unsigned long long)count);
        for (uint64_t i = 0; i < count && !r->bad; i++) {
            EI_GROW(list->items, list->count, list->capacity);
            struct ei_state_setting *item = &list->items[list->count++];
            item->name = get_string(r);
            for (int k = 0; k < EI_SETTING_TEXTS; k++)
                item->text[k] = get_string(r);
            for (int k = 0; k < EI_SETTING_NUMBERS; k++)
                item->number[k] = (int64_t)get_int(r, 8);
            if (i > 0 && strcmp(item[-1].name, item->name) >= 0)
                r->bad = true;
        }
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
    if (format < 1 || format > EI_STATE_FORMAT)
        return ei_fail(e, EI_UNSUPPORTED,
                       "the saved cluster state has format %llu, this program reads up to %d",
                       (unsigned long long)format, EI_STATE_FORMAT);
    s->index = get_int(&r, 8);
    uint64_t body = get_int(&r, 4);
    if (body != r.left)
        r.bad = true;
    s->version = get_int(&r, 8);
    s->job_ids_used = get_int(&r, 8);
    if (decode_tables(s, &r, format, e) != 0 || (format > 1 && decode_settings(s, &r, e) != 0)) {
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
                (c->if_exists ? FLAG_IF_EXISTS : 0u) | (c->must_be_new ? FLAG_MUST_BE_NEW : 0u) |
                (c->must_exist ? FLAG_MUST_EXIST : 0u),
            1);
    put_string(out, c->name);
    put_string(out, c->sql);
    put_string(out, c->comment);
    put_int(out, (uint64_t)c->created_ms, 8);
    put_int(out, c->job_ids, 8);
    put_int(out, (uint64_t)c->table_kind, 1);
    put_int(out, c->expected_revision, 8);
    put_string(out, c->stats);
    if (c->type != EI_STATE_SETTING_PUT && c->type != EI_STATE_SETTING_DROP)
        return;
    put_int(out, (uint64_t)c->kind, 1);
    put_fields(out, c->text, c->number);
}

/* Copies a string of the input; returns where it begins in *strings. */
static size_t keep_string(struct reader *r, struct ei_buf *strings) {
    size_t n, offset = strings->len;
    const char *s = get_bytes(r, &n);
    ei_buf_append(strings, s, n);
    ei_buf_putc(strings, '\0');
    return offset;
}

static void decode_setting(struct ei_state_command *c, struct reader *r, struct ei_buf *strings,
                           size_t *texts) {
    uint64_t kind = get_int(r, 1);
    if (kind >= EI_STATE_KIND_COUNT)
        r->bad = true;
    c->kind = r->bad ? EI_STATE_QUEUE : (enum ei_state_kind)kind;
    for (int k = 0; k < EI_SETTING_TEXTS; k++)
        texts[k] = keep_string(r, strings);
    for (int k = 0; k < EI_SETTING_NUMBERS; k++)
        c->number[k] = (int64_t)get_int(r, 8);
}

int ei_state_command_decode(struct ei_state_command *c, struct ei_buf *strings, const void *data,
                            size_t len, struct ei_error *e) {
    struct reader r = {data, len, false};
    uint64_t format = get_int(&r, 1);
    if (!r.bad && (format < 1 || format > EI_STATE_FORMAT))
        return ei_fail(
            e, EI_UNSUPPORTED,
            "a command of the cluster state has format %llu, this program reads up to %d",
            (unsigned long long)format, EI_STATE_FORMAT);
    uint64_t type = get_int(&r, 1);
    uint64_t flags = get_int(&r, 1);
    ei_buf_clear(strings);
    size_t name = keep_string(&r, strings), sql = keep_string(&r, strings);
    size_t comment = keep_string(&r, strings), texts[EI_SETTING_TEXTS] = {0};
    *c = (struct ei_state_command){
        .type = (enum ei_state_command_type)type,
        .created_ms = (int64_t)get_int(&r, 8),
        .job_ids = get_int(&r, 8),
        .or_replace = (flags & FLAG_OR_REPLACE) != 0,
        .if_not_exists = (flags & FLAG_IF_NOT_EXISTS) != 0,
        .if_exists = (flags & FLAG_IF_EXISTS) != 0,
        .must_be_new = (flags & FLAG_MUST_BE_NEW) != 0,
        .must_exist = (flags & FLAG_MUST_EXIST) != 0,
    };
    size_t stats = strings->len - 1; /* of nothing: the end of the last string */
    if (format > 2) {
        c->table_kind = get_kind(&r);
        c->expected_revision = get_int(&r, 8);
        stats = keep_string(&r, strings);
    }
    if (type == EI_STATE_SETTING_PUT || type == EI_STATE_SETTING_DROP)
        decode_setting(c, &r, strings, texts);
    c->name = strings->data + name;
    c->sql = strings->data + sql;
    c->comment = strings->data + comment;
    c->stats = strings->data + stats;
    for (int k = 0; k < EI_SETTING_TEXTS; k++)
        c->text[k] = strings->data + texts[k]; /* 0 without a setting, where they mean nothing */
    if (r.bad || r.left != 0 || type < EI_STATE_TABLE_CREATE || type > EI_STATE_SETTING_DROP ||
        flags > FLAGS_ALL)
        return ei_fail(e, EI_CORRUPT, "a command of the cluster state is malformed");
    return 0;
}
