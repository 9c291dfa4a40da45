#include "duck/handles.h"

#include "base/mem.h"
#include "os/os.h"

#include <pthread.h>
#include <stddef.h>

struct entry {
    uint64_t handle;
    enum ei_handle_kind kind;
    void *object;
};

/* Some entries for each slot: a list is enough. */
static struct {
    pthread_mutex_t lock;
    struct entry *entries;
    size_t count, capacity;
} table = {.lock = PTHREAD_MUTEX_INITIALIZER};

uint64_t ei_handle_add(enum ei_handle_kind kind, void *object) {
    struct entry entry = {ei_random_u64(), kind, object};
    pthread_mutex_lock(&table.lock);
    EI_GROW(table.entries, table.count, table.capacity);
    table.entries[table.count++] = entry;
    pthread_mutex_unlock(&table.lock);
    return entry.handle;
}

void *ei_handle_get(enum ei_handle_kind kind, uint64_t handle) {
    void *found = NULL;
    pthread_mutex_lock(&table.lock);
    for (size_t i = 0; i < table.count && found == NULL; i++) {
        if (table.entries[i].handle == handle && table.entries[i].kind == kind)
            found = table.entries[i].object;
    }
    pthread_mutex_unlock(&table.lock);
    return found;
}

void ei_handle_remove(uint64_t handle) {
    pthread_mutex_lock(&table.lock);
    for (size_t i = 0; i < table.count; i++) {
        if (table.entries[i].handle == handle)
            table.entries[i] = table.entries[--table.count];
    }
    pthread_mutex_unlock(&table.lock);
}
