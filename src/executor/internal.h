/* What the executor's files share.
 *
 *   main.c   the loop's thread: messages in and out, which run is where
 *   slots.c  the slot threads and their queue
 *   task.c   one task on one connection, in a slot's thread
 *   files.c  a task whose rows go into files for people
 *
 * A run belongs to the loop's thread, except between ei_slots_push and its return by ei_slots_take:
 * then only `stop`, `lock` and the sampled figures may be touched from there. */
#ifndef EIDER_EXECUTOR_INTERNAL_H
#define EIDER_EXECUTOR_INTERNAL_H

#include "base/error.h"
#include "duck/engine.h"
#include "wire/messages.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

enum run_kind {
    RUN_TASK, /* m */
    RUN_OPEN, /* open the database, after closing what was open: nothing else may run */
    RUN_TRIM, /* give memory back to the system: nothing else runs */
};

struct run {
    enum run_kind kind;
    Eider__V1__RunTask *m;   /* owned; RUN_TASK */
    struct run *prev, *next; /* in the queue, or in the list of finished runs */
    struct run *next_active; /* list of the loop's thread */

    atomic_bool stop;             /* nobody wants the result */
    uv_mutex_t lock;              /* of: */
    duckdb_connection connection; /* NULL when there is none to interrupt */

    _Atomic uint64_t peak_rss_bytes, spill_bytes; /* of the process while this ran */

    struct ei_error error; /* EI_OK = done */
    Eider__V1__TaskStats stats;
    uint64_t *partition_bytes; /* owned */
    size_t partition_count;
    char **warnings; /* owned */
    size_t warning_count, warning_capacity;
    bool input_lost; /* with error: */
    uint32_t lost_stage, lost_task, lost_attempt;
};

struct slots; /* threads and queue */

/* What the slot threads need to know; fixed once set up. */
struct engine {
    struct ei_duck_engine *duck;               /* changed by RUN_OPEN only */
    char *spill_directory, *scratch_directory; /* owned */
    uint64_t memory_bytes;                     /* of the whole executor */
    uint32_t slots;
};

/* slots.c */
struct slots *ei_slots_create(struct engine *engine, uint32_t threads, uv_async_t *wake);
void ei_slots_push(struct slots *s, struct run *r);
/* Takes a run back that no thread has begun; false if one has. */
bool ei_slots_withdraw(struct slots *s, struct run *r);
/* The next finished run, or NULL. The async handle is sent after each. */
struct run *ei_slots_take(struct slots *s);

struct run *ei_run_create(enum run_kind kind);
void ei_run_destroy(struct run *r);

/* task.c */
void ei_task_execute(struct engine *engine, struct run *r);
void ei_engine_reopen(struct engine *engine, struct run *r);
void ei_engine_trim(struct engine *engine);

/* files.c */
int ei_task_write_files(struct run *r, duckdb_connection c, struct ei_error *e);

#endif
