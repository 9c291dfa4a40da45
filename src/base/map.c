#include "base/map.h"

#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

void ei_map_init(struct ei_map *m) {
    *m = (struct ei_map){0};
}

void ei_map_release(struct ei_map *m) {
    if (m == NULL)
        return;
    for (size_t i = 0; i < m->count; i++)
        free(m->entries[i].name);
    free(m->entries);
    free(m->slots);
    *m = (struct ei_map){0};
}

static bool same(const struct ei_map_entry *e, const char *name, uint64_t key) {
    if (e->key != key)
        return false;
    return name == NULL ? e->name == NULL : (e->name != NULL && strcmp(e->name, name) == 0);
}

/* The slot that holds the key, or the free slot where it would go. */
static size_t find_slot(const struct ei_map *m, const char *name, uint64_t key) {
    size_t mask = m->slot_count - 1;
    size_t i = ei_mix64(key) & mask;
    while (m->slots[i] != 0 && !same(&m->entries[m->slots[i] - 1], name, key))
        i = (i + 1) & mask;
    return i;
}

static void rehash(struct ei_map *m, size_t slot_count) {
    free(m->slots);
    m->slots = ei_calloc(slot_count, sizeof *m->slots);
    m->slot_count = slot_count;
    size_t mask = slot_count - 1;
    for (size_t e = 0; e < m->count; e++) {
        size_t i = ei_mix64(m->entries[e].key) & mask;
        while (m->slots[i] != 0)
            i = (i + 1) & mask;
        m->slots[i] = (uint32_t)e + 1;
    }
}

static void *get(const struct ei_map *m, const char *name, uint64_t key) {
    if (m->count == 0)
        return NULL;
    size_t i = find_slot(m, name, key);
    return m->slots[i] == 0 ? NULL : m->entries[m->slots[i] - 1].value;
}

static void *put(struct ei_map *m, const char *name, uint64_t key, void *value) {
    EI_ASSERT(value != NULL);
    if ((m->count + 1) * 2 > m->slot_count)
        rehash(m, m->slot_count == 0 ? 16 : m->slot_count * 2);
    size_t i = find_slot(m, name, key);
    if (m->slots[i] != 0) {
        struct ei_map_entry *e = &m->entries[m->slots[i] - 1];
        void *old = e->value;
        e->value = value;
        return old;
    }
    EI_GROW(m->entries, m->count, m->capacity);
    m->entries[m->count] = (struct ei_map_entry){ei_strdup(name), key, value};
    m->slots[i] = (uint32_t)++m->count;
    return NULL;
}

/* Closes the gap that a freed slot leaves in its probe chain. */
static void close_gap(struct ei_map *m, size_t gap) {
    size_t mask = m->slot_count - 1;
    for (size_t i = (gap + 1) & mask; m->slots[i] != 0; i = (i + 1) & mask) {
        size_t home = ei_mix64(m->entries[m->slots[i] - 1].key) & mask;
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            m->slots[gap] = m->slots[i];
            gap = i;
        }
    }
    m->slots[gap] = 0;
}

static void *drop(struct ei_map *m, const char *name, uint64_t key) {
    if (m->count == 0)
        return NULL;
    size_t slot = find_slot(m, name, key);
    if (m->slots[slot] == 0)
        return NULL;
    size_t e = m->slots[slot] - 1;
    void *value = m->entries[e].value;
    free(m->entries[e].name);
    close_gap(m, slot);
    size_t last = m->count - 1;
    if (e != last) {
        size_t moved = find_slot(m, m->entries[last].name, m->entries[last].key);
        m->entries[e] = m->entries[last];
        m->slots[moved] = (uint32_t)e + 1;
    }
    m->count = last;
    return value;
}

void *ei_map_get(const struct ei_map *m, const char *name) {
    return get(m, name, ei_hash_bytes(name, strlen(name)));
}

void *ei_map_put(struct ei_map *m, const char *name, void *value) {
    return put(m, name, ei_hash_bytes(name, strlen(name)), value);
}

void *ei_map_remove(struct ei_map *m, const char *name) {
    return drop(m, name, ei_hash_bytes(name, strlen(name)));
}

void *ei_map_get_u64(const struct ei_map *m, uint64_t key) {
    return get(m, NULL, key);
}

void *ei_map_put_u64(struct ei_map *m, uint64_t key, void *value) {
    return put(m, NULL, key, value);
}

void *ei_map_remove_u64(struct ei_map *m, uint64_t key) {
    return drop(m, NULL, key);
}
