#include "rpc/loop.h"

#include "base/mem.h"

#include <stdlib.h>

/* Connections live on their loop's thread, and so does this list; nearly always of one. */
static _Thread_local struct ei_loop *loops;

static void on_idle(uv_idle_t *idle) {
    (void)idle; /* only there so that polling does not block */
}

static void on_prepare(uv_prepare_t *prepare) {
    struct ei_loop *l = prepare->data;
    struct ei_link batch;
    if (l->dirty.next == &l->dirty) {
        (void)uv_idle_stop(&l->idle);
        return;
    }
    /* What gets marked while this runs waits for the next turn: no stream can starve the loop. */
    batch = l->dirty;
    batch.next->prev = batch.prev->next = &batch;
    ei_link_init(&l->dirty);
    l->flushing = true;
    while (batch.next != &batch) {
        struct ei_link *link = batch.next;
        ei_link_remove(link);
        ei_loop_flush_link(link);
    }
    l->flushing = false;
    if (l->dirty.next == &l->dirty)
        (void)uv_idle_stop(&l->idle);
}

struct ei_loop *ei_loop_get(uv_loop_t *uv) {
    for (struct ei_loop *l = loops; l != NULL; l = l->next)
        if (l->uv == uv) {
            l->references++;
            return l;
        }
    struct ei_loop *l = ei_malloc(sizeof *l); /* not zeroed: the buffers stay untouched */
    l->uv = uv;
    l->references = 1;
    l->handles = 2;
    l->flushing = false;
    ei_link_init(&l->dirty);
    (void)uv_prepare_init(uv, &l->prepare);
    (void)uv_idle_init(uv, &l->idle);
    l->prepare.data = l->idle.data = l;
    (void)uv_prepare_start(&l->prepare, on_prepare);
    uv_unref((uv_handle_t *)&l->prepare);
    uv_unref((uv_handle_t *)&l->idle);
    l->next = loops;
    loops = l;
    return l;
}

static void on_closed(uv_handle_t *handle) {
    struct ei_loop *l = handle->data;
    if (--l->handles == 0)
        free(l);
}

void ei_loop_put(struct ei_loop *l) {
    if (--l->references > 0)
        return;
    for (struct ei_loop **p = &loops; *p != NULL; p = &(*p)->next)
        if (*p == l) {
            *p = l->next;
            break;
        }
    uv_close((uv_handle_t *)&l->prepare, on_closed);
    uv_close((uv_handle_t *)&l->idle, on_closed);
}

void ei_loop_mark(struct ei_loop *l, struct ei_link *link) {
    if (link->next != NULL)
        return;
    ei_link_append(&l->dirty, link);
    if (l->flushing)
        (void)uv_idle_start(&l->idle, on_idle);
}
