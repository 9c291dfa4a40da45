/* The cluster's lasting state: the catalogue of tables and the counter of job ids. Pure: commands
 * in, state out, the same commands in the same order give the same bytes. Who keeps the commands
 * (a journal file today, a replicated log later) is not known here.
 *
 * Bytes of a state:   "EIST" | u32 format | u64 index | u32 length | body | u32 CRC-32C of it all
 * Bytes of a command: u8 format | u8 type | fields; its keeper adds the checksum.
 * Integers are little endian, strings are u32 length + bytes. */
#ifndef EIDER_STATE_STATE_H
#define EIDER_STATE_STATE_H

#include "base/buf.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EI_STATE_FORMAT 1
#define EI_STATE_TABLES_MAX 10000
#define EI_STATE_NAME_MAX 200        /* bytes */
#define EI_STATE_SQL_MAX (64u << 10) /* bytes */
#define EI_STATE_COMMENT_MAX 2000    /* bytes */

struct ei_state_table {
    char *name;
    char *sql; /* what follows FROM */
    char *comment;
    int64_t created_ms; /* Unix time, chosen by whoever made the command */
};

struct ei_state {
    struct ei_state_table *tables; /* sorted by name */
    size_t table_count, table_capacity;
    uint64_t version;      /* of the catalogue: grows with each change of it */
    uint64_t job_ids_used; /* ids up to this one may have been given out */
    uint64_t index;        /* number of commands applied since the beginning */
};

#define EI_STATE_COMMANDS(X) X(TABLE_CREATE, 1) X(TABLE_DROP, 2) X(JOB_IDS, 3)
enum ei_state_command_type {
#define X(name, number) EI_STATE_##name = number,
    EI_STATE_COMMANDS(X)
#undef X
};

struct ei_state_command {
    enum ei_state_command_type type;
    const char *name;    /* TABLE_*; borrowed */
    const char *sql;     /* TABLE_CREATE */
    const char *comment; /* TABLE_CREATE */
    int64_t created_ms;  /* TABLE_CREATE */
    bool or_replace;     /* TABLE_CREATE */
    bool if_not_exists;  /* TABLE_CREATE */
    bool if_exists;      /* TABLE_DROP */
    uint64_t job_ids;    /* JOB_IDS: ids up to this one are taken */
};

void ei_state_init(struct ei_state *s);
void ei_state_release(struct ei_state *s);

/* What applying would do: 1 = change the state, 0 = nothing (IF EXISTS and the like), -1 = refuse,
 * with *e. */
int ei_state_check(const struct ei_state *s, const struct ei_state_command *c, struct ei_error *e);
/* The same answer, and the change is made. `index` grows unless refused. */
int ei_state_apply(struct ei_state *s, const struct ei_state_command *c, struct ei_error *e);
const struct ei_state_table *ei_state_find(const struct ei_state *s, const char *name);

void ei_state_encode(const struct ei_state *s, struct ei_buf *out);
/* *s is initialised by this call, also on failure. Any bytes are safe. */
int ei_state_decode(struct ei_state *s, const void *data, size_t len, struct ei_error *e);

void ei_state_command_encode(const struct ei_state_command *c, struct ei_buf *out);
/* The strings of *c live in *strings, which the caller releases after use. */
int ei_state_command_decode(struct ei_state_command *c, struct ei_buf *strings, const void *data,
                            size_t len, struct ei_error *e);

#endif
