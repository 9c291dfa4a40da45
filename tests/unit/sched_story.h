/* Stories about the scheduler: events told one by one, what it answered as text, compared with a
 * golden trace. For test_sched.c and test_sched_policies.c. */
#ifndef EIDER_TESTS_UNIT_SCHED_STORY_H
#define EIDER_TESTS_UNIT_SCHED_STORY_H

#include "base/buf.h"
#include "base/mem.h"
#include "sched/sched.h"
#include "sim/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SECOND INT64_C(1000000)
#define GIB (UINT64_C(1) << 30)

struct story {
    struct ei_sched *s;
    struct ei_sched_config config;
    struct ei_sched_actions last; /* of the last event */
    struct ei_buf text;
    int64_t now_us;
    struct ei_sched_action launches[400];
    size_t launch_count;
};

void story_begin(struct story *t);
void tell(struct story *t, const char *text);
void step(struct story *t, struct ei_sched_event e);
/* Compares with tests/golden/sched/NAME.trace; EIDER_GOLDEN_UPDATE=1 writes it anew. */
void story_end(struct story *t, const char *name);
void node_up(struct story *t, uint64_t node, const char *name, uint32_t cores);
void node_down(struct story *t, uint64_t node);
void tick(struct story *t);
void submit(struct story *t, uint64_t job, const char *user, int32_t priority,
            const struct ei_sched_stage *stages, uint32_t count);
void submit_flat(struct story *t, uint64_t job, const char *user, uint32_t tasks);
void submit_two(struct story *t, uint64_t job, uint32_t first, uint32_t second);
struct ei_attempt id(uint64_t job, uint32_t stage, uint32_t task, uint32_t attempt);
void done(struct story *t, struct ei_attempt a, uint64_t node);
/* The newest attempt of the task is done, wherever it runs. */
void finish(struct story *t, uint64_t job, uint32_t stage, uint32_t task);
void running(struct story *t, struct ei_attempt a, uint64_t node);
void failed(struct story *t, struct ei_attempt a, uint64_t node, enum ei_code code, bool spared);
void input_lost(struct story *t, struct ei_attempt a, uint64_t node, uint32_t producer,
                struct ei_attempt lost);
void job_event(struct story *t, enum ei_sched_event_type type, uint64_t job);
uint32_t actions(const struct story *t, enum ei_sched_action_type type);
const struct ei_sched_action *action(const struct story *t, enum ei_sched_action_type type);
bool launched(const struct story *t, struct ei_attempt a, uint64_t node);
void assert_failed(const struct story *t, enum ei_code code);

#endif
