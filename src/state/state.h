/* The cluster's lasting state: the catalogue of tables, the counter of job ids, and the settings:
 * queues, users, nodes and cron entries. Pure: commands in, state out, the same commands in the
 * same order give the same bytes. Who keeps the commands (a journal file today, a replicated log
 * later) is not known here.
 *
 * Bytes of a state:   "EIST" | u32 format | u64 index | u32 length | body | u32 CRC-32C of it all
 * Bytes of a command: u8 format | u8 type | fields; its keeper adds the checksum. Older formats
 * are read too: 1 has no settings, 2 no kinds, revisions and statistics of tables.
 * Integers are little endian, strings are u32 length + bytes. */
#ifndef EIDER_STATE_STATE_H
#define EIDER_STATE_STATE_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EI_STATE_FORMAT 3
#define EI_STATE_TABLES_MAX 10000
#define EI_STATE_NAME_MAX 200           /* bytes */
#define EI_STATE_SQL_MAX (64u << 10)    /* bytes */
#define EI_STATE_COMMENT_MAX 2000       /* bytes */
#define EI_STATE_STATS_MAX (256u << 10) /* bytes */

enum ei_table_kind { EI_TABLE_EXTERNAL, EI_TABLE_MANAGED, EI_TABLE_VIEW, EI_TABLE_KIND_COUNT };

struct ei_state_table {
    char *name;
    char *sql; /* external: what follows FROM; managed: its list of files; view: a SELECT */
    char *comment;
    char *stats;        /* JSON that ANALYZE made, or "" */
    int64_t created_ms; /* Unix time, chosen by whoever made the command */
    enum ei_table_kind kind;
    uint64_t revision; /* version of the catalogue after its last change */
};

/* ---- settings ---- */

/* X(kind, number in the bytes, for people, most of them) */
#define EI_STATE_KINDS(X)                                                                          \
    X(QUEUE, 0, "queue", 1000)                                                                     \
    X(USER, 1, "user", 10000)                                                                      \
    X(NODE, 2, "node", 10000)                                                                      \
    X(CRON, 3, "cron entry", 1000)
enum ei_state_kind {
#define X(name, number, what, most) EI_STATE_##name = number,
    EI_STATE_KINDS(X)
#undef X
        EI_STATE_KIND_COUNT
};

/* A setting is a name with a few texts and numbers; what they mean depends on its kind. A field
 * that was never set is "" or 0. */
#define EI_SETTING_TEXTS 5
#define EI_SETTING_NUMBERS 8
enum ei_queue_text { EI_QUEUE_PARENT };
enum ei_queue_number { /* the first six are those of a user, too */
                       EI_SHARE_WEIGHT,
                       EI_SHARE_MAX_CORES,
                       EI_SHARE_MAX_MEMORY,
                       EI_SHARE_MAX_RUNNING_JOBS,
                       EI_SHARE_MAX_WAITING_JOBS,
                       EI_SHARE_CREATED_MS,
                       EI_QUEUE_MIN_CORES,
                       EI_QUEUE_FIFO,
};
enum ei_node_text { EI_NODE_REASON };
enum ei_node_number { EI_NODE_STATE, EI_NODE_SINCE_MS, EI_NODE_DEADLINE_MS };
enum ei_node_state { EI_NODE_OPEN, EI_NODE_CORDONED, EI_NODE_DRAINING, EI_NODE_DRAINED };
enum ei_cron_text { EI_CRON_SCHEDULE, EI_CRON_SQL, EI_CRON_DIRECTORY, EI_CRON_QUEUE, EI_CRON_USER };
enum ei_cron_number { EI_CRON_PRIORITY, EI_CRON_CREATED_MS, EI_CRON_FIRED_MS, EI_CRON_RUNS };

struct ei_state_setting {
    char *name;
    char *text[EI_SETTING_TEXTS]; /* never NULL */
    int64_t number[EI_SETTING_NUMBERS];
};
struct ei_state_settings {
    struct ei_state_setting *items; /* sorted by name */
    size_t count, capacity;
};

struct ei_state {
    struct ei_state_table *tables; /* sorted by name */
    size_t table_count, table_capacity;
    uint64_t version;      /* of the catalogue: grows with each change of it */
    uint64_t job_ids_used; /* ids up to this one may have been given out */
    uint64_t index;        /* number of commands applied since the beginning */
    struct ei_state_settings settings[EI_STATE_KIND_COUNT];
};

#define EI_STATE_COMMANDS(X)                                                                       \
    X(TABLE_CREATE, 1) X(TABLE_DROP, 2) X(JOB_IDS, 3) X(SETTING_PUT, 4) X(SETTING_DROP, 5)
enum ei_state_command_type {
#define X(name, number) EI_STATE_##name = number,
    EI_STATE_COMMANDS(X)
#undef X
};

struct ei_state_command {
    enum ei_state_command_type type;
    const char *name;                   /* TABLE_*; borrowed */
    const char *sql;                    /* TABLE_CREATE */
    const char *comment;                /* TABLE_CREATE */
    int64_t created_ms;                 /* TABLE_CREATE */
    bool or_replace;                    /* TABLE_CREATE */
    bool if_not_exists;                 /* TABLE_CREATE */
    bool if_exists;                     /* TABLE_DROP */
    enum ei_table_kind table_kind;      /* TABLE_CREATE */
    const char *stats;                  /* TABLE_CREATE */
    uint64_t expected_revision;         /* TABLE_*: not 0: of the entry, which must exist */
    uint64_t job_ids;                   /* JOB_IDS: ids up to this one are taken */
    enum ei_state_kind kind;            /* SETTING_*, with `name` */
    const char *text[EI_SETTING_TEXTS]; /* SETTING_PUT: all fields, also those that stay */
    int64_t number[EI_SETTING_NUMBERS];
    bool must_be_new, must_exist; /* SETTING_PUT */
};

void ei_state_init(struct ei_state *s);
void ei_state_release(struct ei_state *s);

/* What applying would do: 1 = change the state, 0 = nothing (IF EXISTS and the like), -1 = refuse,
 * with *e. */
int ei_state_check(const struct ei_state *s, const struct ei_state_command *c, struct ei_error *e);
/* The same answer, and the change is made. `index` grows unless refused. */
int ei_state_apply(struct ei_state *s, const struct ei_state_command *c, struct ei_error *e);
const char *ei_table_kind_name(enum ei_table_kind kind); /* "external", "managed", "view" */
const struct ei_state_table *ei_state_find(const struct ei_state *s, const char *name);
const struct ei_state_setting *ei_state_setting(const struct ei_state *s, enum ei_state_kind kind,
                                                const char *name);
/* A SETTING_PUT of all fields as they are, or as a new one has them; it borrows from the state. */
struct ei_state_command ei_state_put(const struct ei_state *s, enum ei_state_kind kind,
                                     const char *name);

void ei_state_encode(const struct ei_state *s, struct ei_buf *out);
/* *s is initialised by this call, also on failure. Any bytes are safe. */
int ei_state_decode(struct ei_state *s, const void *data, size_t len, struct ei_error *e);

void ei_state_command_encode(const struct ei_state_command *c, struct ei_buf *out);
/* The strings of *c live in *strings, which the caller releases after use. */
int ei_state_command_decode(struct ei_state_command *c, struct ei_buf *strings, const void *data,
                            size_t len, struct ei_error *e);

#endif
