/* Rings of links inside other structures. */
#ifndef EIDER_RPC_LINK_H
#define EIDER_RPC_LINK_H

#include <stddef.h>

struct ei_link { /* the head of a list is a link of its own */
    struct ei_link *prev, *next;
};

#define EI_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void ei_link_init(struct ei_link *head) {
    head->prev = head->next = head;
}

static inline void ei_link_append(struct ei_link *head, struct ei_link *l) {
    l->prev = head->prev;
    l->next = head;
    head->prev->next = l;
    head->prev = l;
}

/* Nothing happens if it is in no list (zeroed, or removed before). */
static inline void ei_link_remove(struct ei_link *l) {
    if (l->next == NULL)
        return;
    l->prev->next = l->next;
    l->next->prev = l->prev;
    l->prev = l->next = NULL;
}

#endif
