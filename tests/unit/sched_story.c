#include "sched_story.h"

void story_begin(struct story *t) {
    *t = (struct story){0};
    ei_sched_config_default(&t->config);
    assert_int_equal(ei_sched_create(&t->s, &t->config), 0);
}

void tell(struct story *t, const char *text) {
    ei_buf_printf(&t->text, "# %s\n", text);
}

void step(struct story *t, struct ei_sched_event e) {
    t->now_us += 1000;
    e.now_us = t->now_us;
    t->last.count = 0;
    ei_sched_step(t->s, &e, &t->last);
    trace_event(&t->text, &e);
    trace_actions(&t->text, &t->last);
    for (size_t i = 0; i < t->last.count; i++) {
        if (t->last.items[i].type == EI_SCHED_ACT_LAUNCH && t->launch_count < 400)
            t->launches[t->launch_count++] = t->last.items[i];
    }
    const char *bad = ei_sched_check(t->s);
    if (bad != NULL)
        fail_msg("%s, after:\n%s", bad, t->text.data);
}

static char *read_file(const char *path) {
    struct ei_buf b = {0};
    char chunk[4096];
    size_t n;
    FILE *f = fopen(path, "r");
    while (f != NULL && (n = fread(chunk, 1, sizeof chunk, f)) > 0)
        ei_buf_append(&b, chunk, n);
    if (f != NULL)
        (void)fclose(f);
    return ei_buf_steal(&b);
}

void story_end(struct story *t, const char *name) {
    char *path = ei_asprintf("%s/%s.trace", EIDER_GOLDEN_DIR, name);
    if (getenv("EIDER_GOLDEN_UPDATE") != NULL) {
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        (void)fputs(t->text.data, f);
        (void)fclose(f);
    }
    char *golden = read_file(path);
    assert_string_equal(t->text.data, golden);
    free(golden);
    free(path);
    ei_buf_release(&t->text);
    ei_sched_actions_release(&t->last);
    ei_sched_destroy(t->s);
}

/* ---- words of the stories ---- */

void node_up(struct story *t, uint64_t node, const char *name, uint32_t cores) {
    step(t, (struct ei_sched_event){
                .type = EI_SCHED_NODE_UP, .node = node, .u.node_up = {cores, 8 * GIB, name}});
}
void node_down(struct story *t, uint64_t node) {
    step(t, (struct ei_sched_event){.type = EI_SCHED_NODE_DOWN, .node = node});
}
void tick(struct story *t) {
    int64_t due = ei_sched_next_tick_us(t->s);
    assert_true(due != INT64_MAX);
    t->now_us = EI_MAX(t->now_us, due);
    step(t, (struct ei_sched_event){.type = EI_SCHED_TICK});
}
void submit(struct story *t, uint64_t job, const char *user, int32_t priority,
            const struct ei_sched_stage *stages, uint32_t count) {
    step(t, (struct ei_sched_event){.type = EI_SCHED_JOB_SUBMIT,
                                    .u.submit = {.job = job,
                                                 .stages = stages,
                                                 .stage_count = count,
                                                 .priority = priority,
                                                 .user = user}});
}
void submit_flat(struct story *t, uint64_t job, const char *user, uint32_t tasks) {
    struct ei_sched_stage st = {.tasks = tasks, .cores = 1};
    submit(t, job, user, 0, &st, 1);
}
/* A stage of `first` tasks that a stage of `second` tasks reads. */
void submit_two(struct story *t, uint64_t job, uint32_t first, uint32_t second) {
    uint32_t zero = 0;
    struct ei_sched_stage st[2] = {
        {.tasks = first, .cores = 1},
        {.tasks = second, .cores = 1, .inputs = &zero, .input_count = 1},
    };
    submit(t, job, "ann", 0, st, 2);
}
struct ei_attempt id(uint64_t job, uint32_t stage, uint32_t task, uint32_t attempt) {
    return (struct ei_attempt){job, stage, task, attempt};
}
void done(struct story *t, struct ei_attempt a, uint64_t node) {
    step(t, (struct ei_sched_event){.type = EI_SCHED_TASK_DONE, .node = node, .u.task.id = a});
}
/* The newest attempt of the task is done, wherever it runs. */
void finish(struct story *t, uint64_t job, uint32_t stage, uint32_t task) {
    for (size_t i = t->launch_count; i-- > 0;) {
        struct ei_sched_action x = t->launches[i];
        if (x.id.job == job && x.id.stage == stage && x.id.task == task) {
            done(t, x.id, x.node);
            return;
        }
    }
    fail_msg("task %u-%u was never launched:\n%s", stage, task, t->text.data);
}
void running(struct story *t, struct ei_attempt a, uint64_t node) {
    step(t, (struct ei_sched_event){.type = EI_SCHED_TASK_RUNNING, .node = node, .u.task.id = a});
}
void failed(struct story *t, struct ei_attempt a, uint64_t node, enum ei_code code, bool spared) {
    step(t, (struct ei_sched_event){
                .type = EI_SCHED_TASK_FAILED, .node = node, .u.task = {a, code, spared, 0}});
}
void input_lost(struct story *t, struct ei_attempt a, uint64_t node, uint32_t producer,
                struct ei_attempt lost) {
    step(t, (struct ei_sched_event){.type = EI_SCHED_INPUT_LOST,
                                    .node = node,
                                    .u.input_lost = {a, producer, &lost, 1}});
}
void job_event(struct story *t, enum ei_sched_event_type type, uint64_t job) {
    step(t, (struct ei_sched_event){.type = type, .u.job = {job, EI_CANCELLED}});
}

uint32_t actions(const struct story *t, enum ei_sched_action_type type) {
    uint32_t n = 0;
    for (size_t i = 0; i < t->last.count; i++)
        n += t->last.items[i].type == type;
    return n;
}
const struct ei_sched_action *action(const struct story *t, enum ei_sched_action_type type) {
    for (size_t i = 0; i < t->last.count; i++) {
        if (t->last.items[i].type == type)
            return &t->last.items[i];
    }
    fail_msg("no such action after:\n%s", t->text.data);
    return NULL;
}
bool launched(const struct story *t, struct ei_attempt a, uint64_t node) {
    for (size_t i = 0; i < t->last.count; i++) {
        const struct ei_sched_action *x = &t->last.items[i];
        if (x->type == EI_SCHED_ACT_LAUNCH && x->id.job == a.job && x->id.stage == a.stage &&
            x->id.task == a.task && x->id.attempt == a.attempt && x->node == node)
            return true;
    }
    return false;
}
void assert_failed(const struct story *t, enum ei_code code) {
    const struct ei_sched_action *x = action(t, EI_SCHED_ACT_JOB_STATE);
    assert_int_equal(x->state, EI_JOB_FAILED);
    assert_int_equal(x->code, code);
    assert_int_equal(actions(t, EI_SCHED_ACT_JOB_FORGET), 1);
}
