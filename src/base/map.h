/* An open-addressing hash map with string or 64-bit keys. Values are pointers that the map does not
 * own; string keys are copied. Iteration order is the order of insertion as long as nothing was
 * removed (removal moves the last entry into the hole): deterministic for a given history. */
#ifndef EIDER_BASE_MAP_H
#define EIDER_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ei_map_entry {
    char *name;   /* owned; NULL in a map of numbers */
    uint64_t key; /* the number, or the hash of the name */
    void *value;
};

struct ei_map {
    struct ei_map_entry *entries; /* dense, `count` of them: iterate over these */
    size_t count, capacity;
    uint32_t *slots; /* index + 1 into entries, 0 = free; a power of two of them */
    size_t slot_count;
};

void ei_map_init(struct ei_map *m); /* or zero-initialise */
void ei_map_release(struct ei_map *m);

void *ei_map_get(const struct ei_map *m, const char *name); /* NULL if absent */
/* Returns the value that was there before, or NULL. value must not be NULL. */
void *ei_map_put(struct ei_map *m, const char *name, void *value);
void *ei_map_remove(struct ei_map *m, const char *name); /* returns the value, or NULL */

/* The same with numbers; one map holds either names or numbers. */
void *ei_map_get_u64(const struct ei_map *m, uint64_t key);
void *ei_map_put_u64(struct ei_map *m, uint64_t key, void *value);
void *ei_map_remove_u64(struct ei_map *m, uint64_t key);

#endif
