/* Slot threads: each takes runs from one queue, first come, first served. */
#include "base/mem.h"
#include "executor/internal.h"

#include <stdlib.h>

#define STACK_BYTES (8u << 20) /* DuckDB recurses over expressions; only touched pages count */

struct run_list {
    struct run *first, *last;
};

struct slots {
    struct engine *engine;
    uv_async_t *wake;
    uv_mutex_t lock; /* of: */
    uv_cond_t available;
    struct run_list waiting, finished;
};

static void append(struct run_list *l, struct run *r) {
    r->next = NULL;
    r->prev = l->last;
    if (l->last)
        l->last->next = r;
    else
        l->first = r;
    l->last = r;
}

static void unlink_run(struct run_list *l, struct run *r) {
    if (r->prev)
        r->prev->next = r->next;
    else
        l->first = r->next;
    if (r->next)
        r->next->prev = r->prev;
    else
        l->last = r->prev;
    r->prev = r->next = NULL;
}

struct run *ei_run_create(enum run_kind kind) {
    struct run *r = ei_calloc(1, sizeof *r);
    r->kind = kind;
    eider__v1__task_stats__init(&r->stats);
    EI_ASSERT(uv_mutex_init(&r->lock) == 0);
    return r;
}

void ei_run_destroy(struct run *r) {
    if (r->m)
        eider__v1__run_task__free_unpacked(r->m, NULL);
    for (size_t i = 0; i < r->warning_count; i++)
        free(r->warnings[i]);
    free(r->warnings);
    free(r->partition_bytes);
    uv_mutex_destroy(&r->lock);
    free(r);
}

static void execute(struct slots *s, struct run *r) {
    switch (r->kind) {
    case RUN_TASK:
        ei_task_execute(s->engine, r);
        break;
    case RUN_OPEN:
        ei_engine_reopen(s->engine, r);
        break;
    case RUN_TRIM:
        ei_engine_trim(s->engine);
        break;
    }
}

static void slot_main(void *arg) {
    struct slots *s = arg;
    uv_mutex_lock(&s->lock);
    for (;;) {
        while (!s->waiting.first)
            uv_cond_wait(&s->available, &s->lock);
        struct run *r = s->waiting.first;
        unlink_run(&s->waiting, r);
        uv_mutex_unlock(&s->lock);
        execute(s, r);
        uv_mutex_lock(&s->lock);
        append(&s->finished, r);
        uv_async_send(s->wake);
    }
}

struct slots *ei_slots_create(struct engine *engine, uint32_t threads, uv_async_t *wake) {
    struct slots *s = ei_calloc(1, sizeof *s);
    s->engine = engine;
    s->wake = wake;
    EI_ASSERT(uv_mutex_init(&s->lock) == 0 && uv_cond_init(&s->available) == 0);
    for (uint32_t i = 0; i < threads; i++) {
        /* The threads end with the process: an executor is never taken down in order. */
        uv_thread_t thread;
        uv_thread_options_t o = {.flags = UV_THREAD_HAS_STACK_SIZE, .stack_size = STACK_BYTES};
        EI_ASSERT(uv_thread_create_ex(&thread, &o, slot_main, s) == 0);
    }
    return s;
}

void ei_slots_push(struct slots *s, struct run *r) {
    uv_mutex_lock(&s->lock);
    append(&s->waiting, r);
    uv_cond_signal(&s->available);
    uv_mutex_unlock(&s->lock);
}

bool ei_slots_withdraw(struct slots *s, struct run *r) {
    bool found = false;
    uv_mutex_lock(&s->lock);
    for (struct run *at = s->waiting.first; at && !found; at = at->next)
        found = at == r;
    if (found)
        unlink_run(&s->waiting, r);
    uv_mutex_unlock(&s->lock);
    return found;
}

struct run *ei_slots_take(struct slots *s) {
    uv_mutex_lock(&s->lock);
    struct run *r = s->finished.first;
    if (r)
        unlink_run(&s->finished, r);
    uv_mutex_unlock(&s->lock);
    return r;
}
