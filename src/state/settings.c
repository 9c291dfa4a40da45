/* Settings: queues, users, nodes, cron entries. All kinds are kept alike; what must hold of one
 * kind alone is in its check. */
#include "state/internal.h"

#include "base/mem.h"
#include "base/utf8.h"
#include "state/cron.h"

#include <stdlib.h>
#include <string.h>

enum { QUEUE_DEPTH_MAX = 8 };

static const struct {
    const char *what;
    unsigned most;
} kinds[] = {
#define X(name, number, what, most) [number] = {what, most},
    EI_STATE_KINDS(X)
#undef X
};

unsigned ei_settings_most(enum ei_state_kind kind) {
    return kinds[kind].most;
}

static void setting_release(struct ei_state_setting *i) {
    free(i->name);
    for (int k = 0; k < EI_SETTING_TEXTS; k++)
        free(i->text[k]);
}

void ei_settings_release(struct ei_state *s) {
    for (int kind = 0; kind < EI_STATE_KIND_COUNT; kind++) {
        for (size_t i = 0; i < s->settings[kind].count; i++)
            setting_release(&s->settings[kind].items[i]);
        free(s->settings[kind].items);
    }
}

/* Where the name is (*found) or would go. */
static size_t position(const struct ei_state_settings *list, const char *name, bool *found) {
    size_t low = 0, high = list->count;
    *found = false;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(list->items[mid].name, name);
        if (order == 0) {
            *found = true;
            return mid;
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

const struct ei_state_setting *ei_state_setting(const struct ei_state *s, enum ei_state_kind kind,
                                                const char *name) {
    bool found;
    size_t i = position(&s->settings[kind], name, &found);
    return found ? &s->settings[kind].items[i] : NULL;
}

struct ei_state_command ei_state_put(const struct ei_state *s, enum ei_state_kind kind,
                                     const char *name) {
    struct ei_state_command c = {.type = EI_STATE_SETTING_PUT, .kind = kind, .name = name};
    const struct ei_state_setting *i = ei_state_setting(s, kind, name);
    for (int k = 0; k < EI_SETTING_TEXTS; k++)
        c.text[k] = i != NULL ? i->text[k] : "";
    for (int k = 0; i != NULL && k < EI_SETTING_NUMBERS; k++)
        c.number[k] = i->number[k];
    return c;
}

/* ---- checks ---- */

/* Names of queues and cron entries go into URLs and command lines. */
static bool plain_name(const char *name) {
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    return name[0] != '-' && name[0] != '.' && strspn(name, allowed) == strlen(name);
}

static int check_names(const struct ei_state_command *c, struct ei_error *e) {
    const char *what = kinds[c->kind].what, *name = c->name != NULL ? c->name : "";
    size_t len = strlen(name);
    if (len == 0 || len > EI_STATE_NAME_MAX)
        return ei_fail(e, EI_INVALID, "the name of a %s must have 1 to %d bytes", what,
                       EI_STATE_NAME_MAX);
    bool plain = c->kind == EI_STATE_QUEUE || c->kind == EI_STATE_CRON;
    if (!ei_utf8_valid(name, len) || (plain && !plain_name(name)))
        return ei_fail(
            e, EI_INVALID,
            "\"%.60s\" cannot be the name of a %s: letters, digits, '_', '-' and '.' are "
            "allowed",
            ei_utf8_valid(name, len) ? name : "?", what);
    for (int k = 0; k < EI_SETTING_TEXTS; k++) {
        const char *text = c->text[k] != NULL ? c->text[k] : "";
        if (strlen(text) > EI_STATE_SQL_MAX)
            return ei_fail(e, EI_LIMIT, "a text of %s \"%s\" is %zu bytes long, the limit is %u",
                           what, name, strlen(text), EI_STATE_SQL_MAX);
        if (!ei_utf8_valid(text, strlen(text)))
            return ei_fail(e, EI_INVALID, "a text of %s \"%s\" is not valid UTF-8", what, name);
    }
    return 0;
}

static int check_shares(const struct ei_state_command *c, struct ei_error *e) {
    static const struct {
        const char *name;
        int field;
        int64_t most;
    } fields[] = {{"weight", EI_SHARE_WEIGHT, 1000000},
                  {"max_cores", EI_SHARE_MAX_CORES, UINT32_MAX},
                  {"max_memory", EI_SHARE_MAX_MEMORY, INT64_MAX},
                  {"max_running_jobs", EI_SHARE_MAX_RUNNING_JOBS, UINT32_MAX},
                  {"max_waiting_jobs", EI_SHARE_MAX_WAITING_JOBS, UINT32_MAX},
                  {"min_cores", EI_QUEUE_MIN_CORES, UINT32_MAX}};
    for (size_t i = 0; i < EI_ARRAY_LEN(fields); i++)
        if (c->number[fields[i].field] < 0 || c->number[fields[i].field] > fields[i].most)
            return ei_fail(e, EI_INVALID, "%s must be between 0 and %lld", fields[i].name,
                           (long long)fields[i].most);
    return 0;
}

static int check_queue(const struct ei_state *s, const struct ei_state_command *c,
                       struct ei_error *e) {
    const struct ei_state_setting *old = ei_state_setting(s, EI_STATE_QUEUE, c->name);
    const char *parent = c->text[EI_QUEUE_PARENT] != NULL ? c->text[EI_QUEUE_PARENT] : "";
    if (check_shares(c, e) != 0)
        return -1;
    if (old != NULL && strcmp(old->text[EI_QUEUE_PARENT], parent) != 0)
        return ei_fail(e, EI_INVALID, "queue \"%s\" stands below \"%s\": that cannot be changed",
                       c->name, old->text[EI_QUEUE_PARENT][0] ? old->text[EI_QUEUE_PARENT] : "/");
    if (strcmp(c->name, "default") == 0 && parent[0] != '\0')
        return ei_fail(e, EI_INVALID, "the queue \"default\" has no parent");
    int depth = 1;
    for (const char *p = parent; p[0] != '\0' && strcmp(p, "default") != 0; depth++) {
        const struct ei_state_setting *up = ei_state_setting(s, EI_STATE_QUEUE, p);
        if (up == NULL)
            return ei_fail(e, EI_NOT_FOUND, "there is no queue \"%s\"", p);
        if (depth >= QUEUE_DEPTH_MAX)
            return ei_fail(e, EI_LIMIT, "queues can stand %d deep, not deeper", QUEUE_DEPTH_MAX);
        p = up->text[EI_QUEUE_PARENT];
    }
    return 0;
}

static int check_cron(const struct ei_state_command *c, struct ei_error *e) {
    struct ei_cron schedule;
    if (ei_cron_parse(&schedule, c->text[EI_CRON_SCHEDULE], e) != 0)
        return -1;
    if (c->text[EI_CRON_SQL] == NULL || c->text[EI_CRON_SQL][0] == '\0')
        return ei_fail(e, EI_INVALID, "cron entry \"%s\" has no SQL", c->name);
    return 0;
}

static bool same(const struct ei_state_setting *i, const struct ei_state_command *c) {
    for (int k = 0; k < EI_SETTING_TEXTS; k++)
        if (strcmp(i->text[k], c->text[k] != NULL ? c->text[k] : "") != 0)
            return false;
    return memcmp(i->number, c->number, sizeof i->number) == 0;
}

static int check_put(const struct ei_state *s, const struct ei_state_command *c,
                     struct ei_error *e) {
    const struct ei_state_setting *old = ei_state_setting(s, c->kind, c->name);
    const char *what = kinds[c->kind].what;
    if (old != NULL && c->must_be_new)
        return ei_fail(e, EI_EXISTS, "%s \"%s\" exists already", what, c->name);
    if (old == NULL && c->must_exist)
        return ei_fail(e, EI_NOT_FOUND, "there is no %s \"%s\"", what, c->name);
    if (old == NULL && s->settings[c->kind].count >= kinds[c->kind].most)
        return ei_fail(e, EI_LIMIT, "there are %u of this kind (%s) already, the limit",
                       kinds[c->kind].most, what);
    int rc = 0;
    if (c->kind == EI_STATE_QUEUE)
        rc = check_queue(s, c, e);
    else if (c->kind == EI_STATE_USER)
        rc = check_shares(c, e);
    else if (c->kind == EI_STATE_CRON)
        rc = check_cron(c, e);
    if (rc != 0)
        return -1;
    return old != NULL && same(old, c) ? 0 : 1;
}

int ei_settings_check(const struct ei_state *s, const struct ei_state_command *c,
                      struct ei_error *e) {
    if ((unsigned)c->kind >= EI_STATE_KIND_COUNT)
        return ei_fail(e, EI_CORRUPT, "unknown kind %d of a setting", (int)c->kind);
    if (check_names(c, e) != 0)
        return -1;
    if (c->type == EI_STATE_SETTING_PUT)
        return check_put(s, c, e);
    if (ei_state_setting(s, c->kind, c->name) != NULL)
        return 1;
    if (c->if_exists)
        return 0;
    return ei_fail(e, EI_NOT_FOUND, "there is no %s \"%s\"", kinds[c->kind].what, c->name);
}

/* ---- changes ---- */

static void remove_at(struct ei_state_settings *list, size_t at) {
    setting_release(&list->items[at]);
    memmove(&list->items[at], &list->items[at + 1], (list->count - at - 1) * sizeof *list->items);
    list->count--;
}

static void insert_at(struct ei_state_settings *list, size_t at) {
    EI_GROW(list->items, list->count, list->capacity);
    memmove(&list->items[at + 1], &list->items[at], (list->count - at) * sizeof *list->items);
    list->count++;
}

void ei_settings_apply(struct ei_state *s, const struct ei_state_command *c) {
    struct ei_state_settings *list = &s->settings[c->kind];
    bool found;
    size_t at = position(list, c->name, &found);
    if (c->type == EI_STATE_SETTING_DROP) {
        EI_ASSERT(found);
        remove_at(list, at);
        return;
    }
    /* The command may borrow from the setting that it replaces. */
    struct ei_state_setting made = {.name = ei_strdup(c->name)};
    for (int k = 0; k < EI_SETTING_TEXTS; k++)
        made.text[k] = ei_strdup(c->text[k] != NULL ? c->text[k] : "");
    memcpy(made.number, c->number, sizeof made.number);
    if (found)
        setting_release(&list->items[at]);
    else
        insert_at(list, at);
    list->items[at] = made;
}
