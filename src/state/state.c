#include "state/internal.h"

#include "base/mem.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

void ei_state_init(struct ei_state *s) {
    *s = (struct ei_state){0};
}

static void table_release(struct ei_state_table *t) {
    free(t->name);
    free(t->sql);
    free(t->comment);
    free(t->stats);
    *t = (struct ei_state_table){0};
}

void ei_state_release(struct ei_state *s) {
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->table_count; i++)
        table_release(&s->tables[i]);
    free(s->tables);
    ei_settings_release(s);
    *s = (struct ei_state){0};
}

/* Where the name is (*found) or would go. */
static size_t position(const struct ei_state *s, const char *name, bool *found) {
    size_t low = 0, high = s->table_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(s->tables[mid].name, name);
        if (order == 0) {
            *found = true;
            return mid;
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *found = false;
    return low;
}

const struct ei_state_table *ei_state_find(const struct ei_state *s, const char *name) {
    bool found;
    size_t i = position(s, name, &found);
    return found ? &s->tables[i] : NULL;
}

static int check_text(const char *what, const char *text, size_t least, size_t most,
                      struct ei_error *e) {
    size_t len = text != NULL ? strlen(text) : 0;
    if (len < least)
        return ei_fail(e, EI_INVALID, "a table needs a %s", what);
    if (len > most)
        return ei_fail(e, EI_LIMIT, "the table's %s is %zu bytes long, the limit is %zu", what, len,
                       most);
    if (!ei_utf8_valid(text != NULL ? text : "", len))
        return ei_fail(e, EI_INVALID, "the table's %s is not valid UTF-8", what);
    return 0;
}

/* Compare and set: two changes that both read the same entry cannot both be made. */
static int check_revision(const struct ei_state *s, const struct ei_state_command *c,
                          struct ei_error *e) {
    if (c->expected_revision == 0)
        return 0;
    const struct ei_state_table *t = ei_state_find(s, c->name);
    if (t != NULL && t->revision == c->expected_revision)
        return 0;
    return ei_fail(e, t == NULL ? EI_NOT_FOUND : EI_STALE,
                   t == NULL ? "table \"%s\" is gone"
                             : "table \"%s\" was changed by somebody else meanwhile",
                   c->name);
}

const char *ei_table_kind_name(enum ei_table_kind kind) {
    static const char *const NAMES[] = {"external", "managed", "view"};
    return kind < EI_TABLE_KIND_COUNT ? NAMES[kind] : NAMES[0];
}

/* What is there already under this name, for people. */
static const char *kind_name(enum ei_table_kind kind) {
    return kind == EI_TABLE_VIEW ? "view" : "table";
}

/* The list of a managed table's files has a name of its own: whoever comes with it again has not
 * heard that the change was made. */
static bool made_already(const struct ei_state *s, const struct ei_state_command *c) {
    const struct ei_state_table *t = ei_state_find(s, c->name);
    return c->table_kind == EI_TABLE_MANAGED && t != NULL && t->kind == EI_TABLE_MANAGED &&
           strcmp(t->sql, c->sql) == 0 && strcmp(t->stats, c->stats != NULL ? c->stats : "") == 0;
}

static int check_create(const struct ei_state *s, const struct ei_state_command *c,
                        struct ei_error *e) {
    if (check_text("name", c->name, 1, EI_STATE_NAME_MAX, e) != 0 ||
        check_text("source", c->sql, 1, EI_STATE_SQL_MAX, e) != 0 ||
        check_text("comment", c->comment, 0, EI_STATE_COMMENT_MAX, e) != 0 ||
        check_text("statistics", c->stats, 0, EI_STATE_STATS_MAX, e) != 0)
        return -1;
    if (made_already(s, c))
        return 0;
    if (check_revision(s, c, e) != 0)
        return -1;
    if (c->or_replace && c->if_not_exists)
        return ei_fail(e, EI_INVALID, "OR REPLACE and IF NOT EXISTS exclude each other");
    const struct ei_state_table *there = ei_state_find(s, c->name);
    if (there != NULL) {
        if (c->or_replace)
            return 1;
        if (c->if_not_exists)
            return 0;
        return ei_fail(e, EI_EXISTS, "%s \"%s\" exists already; use CREATE OR REPLACE",
                       kind_name(there->kind), c->name);
    }
    if (s->table_count >= EI_STATE_TABLES_MAX)
        return ei_fail(e, EI_LIMIT, "the catalogue holds %d tables, its limit; drop some first",
                       EI_STATE_TABLES_MAX);
    return 1;
}

int ei_state_check(const struct ei_state *s, const struct ei_state_command *c, struct ei_error *e) {
    switch (c->type) {
    case EI_STATE_TABLE_CREATE:
        return check_create(s, c, e);
    case EI_STATE_TABLE_DROP:
        if (c->name != NULL && ei_state_find(s, c->name) != NULL)
            return check_revision(s, c, e) != 0 ? -1 : 1;
        if (c->if_exists)
            return 0;
        return ei_fail(e, EI_NOT_FOUND, "there is no table \"%s\"", c->name ? c->name : "");
    case EI_STATE_JOB_IDS:
        return c->job_ids > s->job_ids_used ? 1 : 0;
    case EI_STATE_SETTING_PUT:
    case EI_STATE_SETTING_DROP:
        return ei_settings_check(s, c, e);
    }
    return ei_fail(e, EI_CORRUPT, "unknown command %d of the cluster state", (int)c->type);
}

static void create_table(struct ei_state *s, const struct ei_state_command *c) {
    bool found;
    size_t at = position(s, c->name, &found);
    if (found) {
        table_release(&s->tables[at]);
    } else {
        EI_GROW(s->tables, s->table_count, s->table_capacity);
        memmove(&s->tables[at + 1], &s->tables[at], (s->table_count - at) * sizeof *s->tables);
        s->table_count++;
    }
    s->tables[at] = (struct ei_state_table){
        .name = ei_strdup(c->name),
        .sql = ei_strdup(c->sql),
        .comment = ei_strdup(c->comment != NULL ? c->comment : ""),
        .stats = ei_strdup(c->stats != NULL ? c->stats : ""),
        .created_ms = c->created_ms,
        .kind = c->table_kind,
        .revision = s->version + 1,
    };
}

static void drop_table(struct ei_state *s, const char *name) {
    bool found;
    size_t at = position(s, name, &found);
    EI_ASSERT(found);
    table_release(&s->tables[at]);
    memmove(&s->tables[at], &s->tables[at + 1], (s->table_count - at - 1) * sizeof *s->tables);
    s->table_count--;
}

int ei_state_apply(struct ei_state *s, const struct ei_state_command *c, struct ei_error *e) {
    int effect = ei_state_check(s, c, e);
    if (effect < 0)
        return -1;
    s->index++;
    if (effect == 0)
        return 0;
    switch (c->type) {
    case EI_STATE_TABLE_CREATE:
        create_table(s, c);
        s->version++;
        break;
    case EI_STATE_TABLE_DROP:
        drop_table(s, c->name);
        s->version++;
        break;
    case EI_STATE_JOB_IDS:
        s->job_ids_used = c->job_ids;
        break;
    case EI_STATE_SETTING_PUT:
    case EI_STATE_SETTING_DROP:
        ei_settings_apply(s, c);
        break;
    }
    return 1;
}
