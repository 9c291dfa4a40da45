/* Labels and named resources: what a node has and a task asks for. Names become numbers once, so
 * that comparing costs no string. */
#include "sched/internal.h"

#include <stdlib.h>
#include <string.h>

static uint32_t name_number(struct ei_sched *s, const char *name) {
    uintptr_t number = (uintptr_t)ei_map_get(&s->names, name);
    if (number == 0) {
        number = s->names.count + 1;
        (void)ei_map_put(&s->names, name, (void *)number);
    }
    return (uint32_t)number;
}

static struct ei_sc_extra *extra_find(const struct ei_sc_terms *t, uint32_t name) {
    for (uint32_t i = 0; i < t->extra_count; i++) {
        if (t->extras[i].name == name)
            return &t->extras[i];
    }
    return NULL;
}

struct ei_sc_terms ei_sc_terms_make(struct ei_sched *s, const char *const *labels,
                                    uint32_t label_count, const struct ei_sched_extra *extras,
                                    uint32_t extra_count) {
    struct ei_sc_terms t = {0};
    if (label_count > 0)
        t.labels = ei_malloc(label_count * sizeof *t.labels);
    if (extra_count > 0)
        t.extras = ei_malloc(extra_count * sizeof *t.extras);
    for (uint32_t i = 0; i < label_count; i++)
        t.labels[t.label_count++] = name_number(s, labels[i]);
    for (uint32_t i = 0; i < extra_count; i++)
        t.extras[t.extra_count++] =
            (struct ei_sc_extra){name_number(s, extras[i].name), extras[i].milli, extras[i].milli};
    return t;
}

struct ei_sc_terms ei_sc_terms_copy(const struct ei_sc_terms *t) {
    struct ei_sc_terms copy = *t;
    if (t->label_count > 0) {
        copy.labels = ei_malloc(t->label_count * sizeof *copy.labels);
        memcpy(copy.labels, t->labels, t->label_count * sizeof *copy.labels);
    }
    if (t->extra_count > 0) {
        copy.extras = ei_malloc(t->extra_count * sizeof *copy.extras);
        memcpy(copy.extras, t->extras, t->extra_count * sizeof *copy.extras);
    }
    return copy;
}

void ei_sc_terms_release(struct ei_sc_terms *t) {
    free(t->labels);
    free(t->extras);
    *t = (struct ei_sc_terms){0};
}

/* In the same order, too: a shape more than needed does no harm. */
bool ei_sc_terms_equal(const struct ei_sc_terms *a, const struct ei_sc_terms *b) {
    if (a->label_count != b->label_count || a->extra_count != b->extra_count)
        return false;
    for (uint32_t i = 0; i < a->label_count; i++) {
        if (a->labels[i] != b->labels[i])
            return false;
    }
    for (uint32_t i = 0; i < a->extra_count; i++) {
        if (a->extras[i].name != b->extras[i].name || a->extras[i].milli != b->extras[i].milli)
            return false;
    }
    return true;
}

/* free_now: with what is free of its resources, else with all that it has. */
bool ei_sc_terms_met(const struct ei_sc_terms *has, const struct ei_sc_terms *asks, bool free_now) {
    for (uint32_t i = 0; i < asks->label_count; i++) {
        bool found = false;
        for (uint32_t k = 0; k < has->label_count && !found; k++)
            found = has->labels[k] == asks->labels[i];
        if (!found)
            return false;
    }
    for (uint32_t i = 0; i < asks->extra_count; i++) {
        const struct ei_sc_extra *x = extra_find(has, asks->extras[i].name);
        if (x == NULL || (free_now ? x->free : x->milli) < asks->extras[i].milli)
            return false;
    }
    return true;
}

void ei_sc_terms_take(struct ei_sc_terms *has, const struct ei_sc_terms *asks, bool take) {
    for (uint32_t i = 0; i < asks->extra_count; i++) {
        struct ei_sc_extra *x = extra_find(has, asks->extras[i].name);
        x->free += take ? -asks->extras[i].milli : asks->extras[i].milli;
    }
}
