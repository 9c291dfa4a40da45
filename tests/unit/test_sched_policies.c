/* The scheduler's policies: queues, limits, admission, preemption, speculation, reasons, time,
 * drain. */
#include "sched_story.h"

static void queue_set(struct story *t, const char *name, uint32_t weight, uint32_t min_cores,
                      bool fifo, struct ei_sched_limits limits) {
    step(t, (struct ei_sched_event){.type = EI_SCHED_QUEUE_SET,
                                    .u.queue = {.name = name,
                                                .weight = weight,
                                                .min_cores = min_cores,
                                                .fifo = fifo,
                                                .limits = limits}});
}
static void user_set(struct story *t, const char *name, uint32_t weight,
                     struct ei_sched_limits limits) {
    step(t, (struct ei_sched_event){.type = EI_SCHED_USER_SET, .u.user = {name, weight, limits}});
}
/* One stage; what else the job wants stands in `e`. */
static void submit_as(struct story *t, uint64_t job, const char *user, const char *queue,
                      struct ei_sched_stage st, struct ei_sched_event e) {
    e.type = EI_SCHED_JOB_SUBMIT;
    e.u.submit.job = job;
    e.u.submit.user = user;
    e.u.submit.queue = queue;
    e.u.submit.stages = &st;
    e.u.submit.stage_count = 1;
    step(t, e);
}
static void submit_to(struct story *t, uint64_t job, const char *user, const char *queue,
                      uint32_t tasks) {
    submit_as(t, job, user, queue, (struct ei_sched_stage){.tasks = tasks, .cores = 1},
              (struct ei_sched_event){0});
}
static enum ei_sched_reason_code why(const struct story *t, uint64_t job) {
    struct ei_sched_reason r;
    (void)ei_sched_why(t->s, job, &r);
    return r.code;
}
static uint32_t running_of(const struct story *t, uint64_t job) {
    struct ei_sched_stage_counts c = {0};
    (void)ei_sched_stage_counts(t->s, job, 0, &c);
    return c.running;
}
static const struct ei_sched_limits no_limits = {0};

static void test_queue_weights(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    tell(&t,
         "Queue day weighs three times night: 6 and 2 of 8 cores; the users of day get half each.");
    queue_set(&t, "day", 3, 0, false, no_limits);
    queue_set(&t, "night", 1, 0, false, no_limits);
    submit_to(&t, 1, "ann", "day", 20);
    submit_to(&t, 2, "ben", "day", 20);
    submit_to(&t, 3, "ann", "night", 20);
    node_up(&t, 1, "a", 8);
    assert_int_equal(running_of(&t, 1), 3);
    assert_int_equal(running_of(&t, 2), 3);
    assert_int_equal(running_of(&t, 3), 2);
    tell(&t, "A user who weighs twice gets twice; an unknown queue is refused.");
    user_set(&t, "ben", 2, no_limits);
    node_up(&t, 2, "b", 4);
    assert_int_equal(running_of(&t, 1), 3);
    assert_int_equal(running_of(&t, 2), 6);
    submit_to(&t, 4, "ann", "nowhere", 1);
    assert_failed(&t, EI_NOT_FOUND);
    story_end(&t, "queue_weights");
}

static void test_queue_tree(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    tell(&t,
         "Queues in queues: org 1:1 with other; in org red 3:1 with blue; org at most 8 cores.");
    queue_set(&t, "org", 1, 0, false, (struct ei_sched_limits){.cores = 8});
    step(&t, (struct ei_sched_event){.type = EI_SCHED_QUEUE_SET,
                                     .u.queue = {.name = "red", .parent = "org", .weight = 3}});
    step(&t, (struct ei_sched_event){.type = EI_SCHED_QUEUE_SET,
                                     .u.queue = {.name = "blue", .parent = "org", .weight = 1}});
    submit_to(&t, 1, "ann", "red", 50);
    submit_to(&t, 2, "ann", "blue", 50);
    node_up(&t, 1, "a", 16);
    assert_int_equal(running_of(&t, 1), 6);
    assert_int_equal(running_of(&t, 2), 2);
    assert_int_equal(why(&t, 1), EI_SCHED_WHY_QUEUE_LIMIT);
    tell(&t, "The limit is lifted: all cores are used.");
    queue_set(&t, "org", 1, 0, false, no_limits);
    assert_int_equal(running_of(&t, 1) + running_of(&t, 2), 16);
    story_end(&t, "queue_tree");
}

static void test_fifo_and_priority(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    tell(&t, "A FIFO queue: one job after the other, but a higher priority first.");
    queue_set(&t, "line", 1, 0, true, no_limits);
    submit_to(&t, 1, "ann", "line", 3);
    submit_to(&t, 2, "ben", "line", 3);
    struct ei_sched_event urgent = {.u.submit = {.priority = 1}};
    submit_as(&t, 3, "eve", "line", (struct ei_sched_stage){.tasks = 1}, urgent);
    node_up(&t, 1, "a", 4);
    assert_int_equal(running_of(&t, 3), 1);
    assert_int_equal(running_of(&t, 1), 3);
    assert_int_equal(running_of(&t, 2), 0);
    assert_int_equal(why(&t, 2), EI_SCHED_WHY_OTHERS_FIRST);
    story_end(&t, "fifo_and_priority");
}

static void test_limits(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    node_up(&t, 1, "a", 16);
    tell(&t, "Ann may use 3 cores and run one job; two may wait, the third is refused.");
    user_set(&t, "ann", 1,
             (struct ei_sched_limits){.cores = 3, .running_jobs = 1, .waiting_jobs = 2});
    submit_to(&t, 1, "ann", NULL, 9);
    assert_int_equal(running_of(&t, 1), 3);
    assert_int_equal(why(&t, 1), EI_SCHED_WHY_USER_LIMIT);
    submit_to(&t, 2, "ann", NULL, 1);
    submit_to(&t, 3, "ann", NULL, 1);
    assert_int_equal(why(&t, 2), EI_SCHED_WHY_USER_JOBS);
    submit_to(&t, 4, "ann", NULL, 1);
    assert_failed(&t, EI_LIMIT);
    tell(&t, "Job 1 ends: job 2 starts, job 3 waits on.");
    job_event(&t, EI_SCHED_JOB_CANCEL, 1);
    assert_int_equal(running_of(&t, 2), 1);
    assert_int_equal(running_of(&t, 3), 0);
    finish(&t, 2, 0, 0);
    assert_int_equal(running_of(&t, 3), 1);
    tell(&t, "A job's own limit: 2 cores, 5 GiB.");
    struct ei_sched_event own = {.u.submit = {.limits = {.cores = 2}}};
    submit_as(&t, 5, "ben", NULL, (struct ei_sched_stage){.tasks = 9}, own);
    assert_int_equal(running_of(&t, 5), 2);
    assert_int_equal(why(&t, 5), EI_SCHED_WHY_JOB_LIMIT);
    own.u.submit.limits = (struct ei_sched_limits){.memory_bytes = 5 * GIB};
    submit_as(&t, 6, "ben", NULL, (struct ei_sched_stage){.tasks = 9, .memory_bytes = 2 * GIB},
              own);
    assert_int_equal(running_of(&t, 6), 2);
    story_end(&t, "limits");
}

static void test_job_cap(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    ei_sched_destroy(t.s);
    t.config.per_job_core_share_percent = 50;
    assert_int_equal(ei_sched_create(&t.s, &t.config), 0);
    tell(&t, "One job gets at most half while another one waits, and all when none does.");
    queue_set(&t, "line", 1, 0, true, no_limits);
    submit_to(&t, 1, "ann", "line", 40);
    submit_to(&t, 2, "ben", "line", 3);
    node_up(&t, 1, "a", 8);
    assert_int_equal(running_of(&t, 1), 5);
    assert_int_equal(running_of(&t, 2), 3);
    for (uint32_t i = 0; i < 3; i++)
        finish(&t, 2, 0, i);
    assert_int_equal(running_of(&t, 1), 8);
    story_end(&t, "job_cap");
}

static void test_preemption(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    tell(&t,
         "Queue gold is owed 3 cores. Bulk work holds all 4; gold gets its own after the grace.");
    queue_set(&t, "gold", 1, 3, false, no_limits);
    queue_set(&t, "bulk", 1, 0, false, no_limits);
    node_up(&t, 1, "a", 4);
    submit_to(&t, 1, "ann", "bulk", 8);
    submit_to(&t, 2, "ben", "gold", 8);
    assert_int_equal(running_of(&t, 2), 0);
    tick(&t);
    assert_true(t.now_us >= 10 * SECOND);
    assert_int_equal(actions(&t, EI_SCHED_ACT_KILL), 3);
    assert_int_equal(action(&t, EI_SCHED_ACT_KILL)->id.task, 3); /* the newest first */
    assert_int_equal(running_of(&t, 2), 3);
    assert_int_equal(running_of(&t, 1), 1);
    tell(&t, "What was taken back is not counted as failed, and a late end of it is fenced.");
    done(&t, id(1, 0, 3, 1), 1);
    assert_int_equal(actions(&t, EI_SCHED_ACT_OUTPUT_DROP), 1);
    job_event(&t, EI_SCHED_JOB_CANCEL, 2);
    tell(&t, "Work that cannot be started again is left alone.");
    job_event(&t, EI_SCHED_JOB_CANCEL, 1);
    submit_as(&t, 3, "ann", "bulk", (struct ei_sched_stage){.tasks = 4, .not_restartable = true},
              (struct ei_sched_event){0});
    submit_to(&t, 4, "ben", "gold", 1);
    for (int i = 0; i < 4 && ei_sched_next_tick_us(t.s) != INT64_MAX; i++)
        tick(&t);
    assert_int_equal(running_of(&t, 3), 4);
    story_end(&t, "preemption");
}

static void test_speculation(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    node_up(&t, 1, "a", 2);
    node_up(&t, 2, "b", 2);
    submit_to(&t, 1, "ann", NULL, 4);
    t.now_us += 4 * SECOND;
    finish(&t, 1, 0, 0);
    finish(&t, 1, 0, 1);
    finish(&t, 1, 0, 2);
    tell(&t, "Three took 4 s; the fourth gets a second attempt after 6 s, on the other machine.");
    while (actions(&t, EI_SCHED_ACT_LAUNCH) == 0)
        tick(&t);
    assert_in_range((unsigned long)t.now_us, 6 * SECOND, 8 * SECOND);
    struct ei_sched_action second = *action(&t, EI_SCHED_ACT_LAUNCH);
    assert_int_equal(second.id.task, 3);
    assert_int_equal(second.id.attempt, 2);
    assert_int_equal(second.node, 1);
    tell(&t, "The second is first: the first is stopped, and its late end is not counted.");
    done(&t, second.id, 1);
    assert_int_equal(action(&t, EI_SCHED_ACT_KILL)->id.attempt, 1);
    assert_int_equal(action(&t, EI_SCHED_ACT_JOB_STATE)->state, EI_JOB_SUCCEEDED);
    done(&t, id(1, 0, 3, 1), 2);
    assert_int_equal(actions(&t, EI_SCHED_ACT_OUTPUT_DROP), 1);
    struct ei_attempt out;
    assert_true(ei_sched_output(t.s, 1, 0, 3, &out, NULL));
    assert_int_equal(out.attempt, 2);
    story_end(&t, "speculation");
}

static void test_reservation(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    node_up(&t, 1, "a", 4);
    tell(&t, "Small tasks fill each gap; a task of 4 cores gets the node kept free after 10 s.");
    submit_to(&t, 1, "ann", NULL, 50);
    submit_as(&t, 2, "ben", NULL, (struct ei_sched_stage){.tasks = 1, .cores = 4},
              (struct ei_sched_event){0});
    finish(&t, 1, 0, 0);
    assert_int_equal(running_of(&t, 1), 4);
    while (t.now_us < 10 * SECOND)
        tick(&t);
    for (uint32_t i = 1; i < 5; i++) {
        assert_int_equal(running_of(&t, 2), 0);
        finish(&t, 1, 0, i);
    }
    assert_int_equal(running_of(&t, 1), 0);
    assert_int_equal(running_of(&t, 2), 1);
    finish(&t, 2, 0, 0);
    assert_int_equal(running_of(&t, 1), 4);
    story_end(&t, "reservation");
}

static void test_time_and_order(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    node_up(&t, 1, "a", 8);
    tell(&t, "Job 1 starts at 5 s; 2 after it went well, 3 after it failed, 4 after its end.");
    struct ei_sched_event later = {.u.submit = {.not_before_us = 5 * SECOND}};
    struct ei_sched_stage one = {.tasks = 1};
    submit_as(&t, 1, "ann", NULL, one, later);
    assert_int_equal(why(&t, 1), EI_SCHED_WHY_DELAYED);
    for (uint64_t job = 2; job <= 4; job++) {
        struct ei_sched_dependency dep = {1, job == 2   ? EI_SCHED_AFTER_OK
                                             : job == 3 ? EI_SCHED_AFTER_FAIL
                                                        : EI_SCHED_AFTER_END};
        struct ei_sched_event e = {.u.submit = {.after = &dep, .after_count = 1}};
        submit_as(&t, job, "ann", NULL, one, e);
        assert_int_equal(why(&t, job), EI_SCHED_WHY_AFTER_JOB);
    }
    tick(&t);
    assert_true(t.now_us >= 5 * SECOND);
    assert_int_equal(running_of(&t, 1), 1);
    finish(&t, 1, 0, 0);
    assert_int_equal(running_of(&t, 2), 1);
    assert_int_equal(why(&t, 3), EI_SCHED_WHY_UNKNOWN_JOB); /* cancelled */
    assert_int_equal(running_of(&t, 4), 1);
    tell(&t, "A dependency on a job that is not known refuses.");
    struct ei_sched_dependency unknown = {99, EI_SCHED_AFTER_END};
    struct ei_sched_event e = {.u.submit = {.after = &unknown, .after_count = 1}};
    submit_as(&t, 5, "ann", NULL, one, e);
    assert_failed(&t, EI_NOT_FOUND);
    tell(&t, "Attempts may take 1 s: four that take longer fail the job. Job 7 may take 2 s.");
    one.time_limit_us = SECOND;
    submit_as(&t, 6, "ann", NULL, one, (struct ei_sched_event){0});
    for (int i = 0; i < 40 && why(&t, 6) != EI_SCHED_WHY_UNKNOWN_JOB; i++)
        tick(&t);
    assert_failed(&t, EI_TIMEOUT);
    one.time_limit_us = 0;
    e = (struct ei_sched_event){.u.submit = {.time_limit_us = 2 * SECOND}};
    submit_as(&t, 7, "ann", NULL, one, e);
    for (int i = 0; i < 40 && why(&t, 7) != EI_SCHED_WHY_UNKNOWN_JOB; i++)
        tick(&t);
    assert_int_equal(action(&t, EI_SCHED_ACT_JOB_STATE)->state, EI_JOB_CANCELLED);
    assert_int_equal(action(&t, EI_SCHED_ACT_JOB_STATE)->code, EI_TIMEOUT);
    story_end(&t, "time_and_order");
}

static void test_drain(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    node_up(&t, 1, "a", 1);
    submit_two(&t, 1, 1, 1);
    finish(&t, 1, 0, 0);
    tell(&t, "Node a runs the reader and holds what it reads: drained only when both are over.");
    step(&t, (struct ei_sched_event){.type = EI_SCHED_NODE_DRAIN, .node = 1});
    assert_int_equal(actions(&t, EI_SCHED_ACT_NODE_DRAINED), 0);
    submit_to(&t, 2, "ben", NULL, 1);
    assert_int_equal(why(&t, 2), EI_SCHED_WHY_NODES_EXCLUDED);
    finish(&t, 1, 1, 0);
    tick(&t);
    assert_int_equal(actions(&t, EI_SCHED_ACT_NODE_DRAINED), 0); /* the result is not read */
    job_event(&t, EI_SCHED_JOB_RELEASE, 1);
    while (actions(&t, EI_SCHED_ACT_NODE_DRAINED) == 0)
        tick(&t);
    tell(&t, "Resumed: it works again. Drained with a deadline: what runs moves to b.");
    step(&t, (struct ei_sched_event){.type = EI_SCHED_NODE_RESUME, .node = 1});
    assert_true(launched(&t, id(2, 0, 0, 1), 1));
    node_up(&t, 2, "b", 1);
    step(&t, (struct ei_sched_event){.type = EI_SCHED_NODE_DRAIN,
                                     .node = 1,
                                     .u.drain.deadline_us = t.now_us + 2 * SECOND});
    while (actions(&t, EI_SCHED_ACT_NODE_DRAINED) == 0)
        tick(&t);
    assert_true(launched(&t, id(2, 0, 0, 2), 2));
    story_end(&t, "drain");
}

static void test_reasons(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    struct ei_sched_reason r;
    submit_two(&t, 1, 1, 1);
    assert_int_equal(why(&t, 1), EI_SCHED_WHY_NO_NODES);
    node_up(&t, 1, "a", 2);
    assert_int_equal(why(&t, 1), EI_SCHED_WHY_RUNNING);
    struct ei_sched_stage wide = {.tasks = 2, .cores = 1, .memory_bytes = 64 * GIB};
    submit(&t, 2, "ann", 0, &wide, 1);
    assert_int_equal(ei_sched_why(t.s, 2, &r), 0);
    assert_int_equal(r.code, EI_SCHED_WHY_NO_NODE_LARGE_ENOUGH);
    assert_int_equal(r.memory_bytes, 64 * GIB);
    assert_int_equal(r.free_memory_bytes, 8 * GIB);
    assert_int_equal(r.tasks, 2);
    submit_flat(&t, 3, "ann", 9);
    assert_int_equal(why(&t, 3), EI_SCHED_WHY_NODES_FULL);
    assert_int_equal(ei_sched_why(t.s, 77, &r), -1);
    assert_string_equal(ei_sched_reason_name(EI_SCHED_WHY_NODES_FULL), "NODES_FULL");
    for (int c = 0; c <= EI_SCHED_WHY_WAITS_GANG; c++)
        assert_true(strlen(ei_sched_reason_text((enum ei_sched_reason_code)c)) > 5);
    story_end(&t, "reasons");
}

static void test_labels(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    static const char *const ssd[] = {"ssd"};
    static const struct ei_sched_extra one_gpu[] = {{"gpu", 1000}}, part[] = {{"gpu", 400}};
    node_up(&t, 1, "a", 8);
    tell(&t, "Node b has an ssd and one gpu. Tasks that ask for them go there; two share the gpu.");
    struct ei_sched_stage st = {.tasks = 3, .labels = ssd, .label_count = 1};
    submit(&t, 1, "ann", 0, &st, 1);
    assert_int_equal(why(&t, 1), EI_SCHED_WHY_NO_NODE_WITH_LABELS);
    step(&t, (struct ei_sched_event){.type = EI_SCHED_NODE_UP,
                                     .node = 2,
                                     .u.node_up = {.cores = 8,
                                                   .memory_bytes = 8 * GIB,
                                                   .name = "b",
                                                   .labels = ssd,
                                                   .label_count = 1,
                                                   .extras = one_gpu,
                                                   .extra_count = 1}});
    assert_int_equal(running_of(&t, 1), 3);
    st = (struct ei_sched_stage){.tasks = 3, .extras = part, .extra_count = 1};
    submit(&t, 2, "ann", 0, &st, 1);
    assert_int_equal(running_of(&t, 2), 2);
    assert_int_equal(why(&t, 2), EI_SCHED_WHY_NODES_FULL);
    finish(&t, 2, 0, 0);
    assert_true(launched(&t, id(2, 0, 2, 1), 2));
    story_end(&t, "labels");
}

static void test_out_of_memory(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    node_up(&t, 1, "a", 4);
    tell(&t, "No claim: a core's share is 2 GiB. Out of memory: 4, then 8; then nothing is left.");
    submit_flat(&t, 1, "ann", 2);
    failed(&t, id(1, 0, 0, 1), 1, EI_OUT_OF_MEMORY, false);
    assert_int_equal(action(&t, EI_SCHED_ACT_LAUNCH)->memory_bytes, 4 * GIB);
    failed(&t, id(1, 0, 0, 2), 1, EI_OUT_OF_MEMORY, false);
    assert_int_equal(action(&t, EI_SCHED_ACT_LAUNCH)->memory_bytes, 8 * GIB);
    tell(&t, "A task that had less already asks for no more than the stage does now.");
    failed(&t, id(1, 0, 1, 1), 1, EI_OUT_OF_MEMORY, false);
    assert_int_equal(actions(&t, EI_SCHED_ACT_LAUNCH), 0);
    failed(&t, id(1, 0, 0, 3), 1, EI_OUT_OF_MEMORY, false);
    assert_failed(&t, EI_OUT_OF_MEMORY);
    story_end(&t, "out_of_memory");
}

static void test_limits_hold_for_fast_tasks(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    struct ei_sched_limits one = {.cores = 1};
    user_set(&t, "ann", 1, one);
    node_up(&t, 1, "a", 4);
    tell(&t, "Tasks of 50 us are handed out ahead; ann may have one core, so hers are not.");
    submit_flat(&t, 1, "ben", 40);
    submit_flat(&t, 2, "ann", 40);
    uint32_t most = 0;
    for (uint32_t i = 0; i < 60; i++) { /* in the order of their launches */
        struct ei_sched_action x = t.launches[i];
        step(&t, (struct ei_sched_event){.type = EI_SCHED_TASK_DONE,
                                         .node = x.node,
                                         .u.task = {.id = x.id, .took_us = 50}});
        uint32_t running = running_of(&t, 2);
        most = running > most ? running : most;
    }
    assert_int_equal(most, 1);
    story_end(&t, "limits_fast");
}

static void test_near(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    node_up(&t, 1, "a", 2);
    node_up(&t, 2, "b", 2);
    tell(&t, "Two tasks like to run on a, one on b, one is indifferent: they get what they like.");
    const char *near[] = {"a", "b", "a", NULL};
    struct ei_sched_stage st = {.tasks = 4, .cores = 1, .near = near};
    submit(&t, 1, "ann", 0, &st, 1);
    assert_true(launched(&t, id(1, 0, 0, 1), 1));
    assert_true(launched(&t, id(1, 0, 1, 1), 2));
    assert_true(launched(&t, id(1, 0, 2, 1), 1));
    assert_true(launched(&t, id(1, 0, 3, 1), 2));
    finish(&t, 1, 0, 1);
    tell(&t, "a is full, b has a core: a task for a waits a moment, then it takes what there is.");
    const char *only_a[] = {"a"};
    st = (struct ei_sched_stage){.tasks = 1, .cores = 1, .near = only_a};
    submit(&t, 2, "ann", 0, &st, 1);
    assert_int_equal(actions(&t, EI_SCHED_ACT_LAUNCH), 0);
    assert_int_equal(why(&t, 2), EI_SCHED_WHY_WAITS_LOCAL);
    int64_t from = t.now_us;
    while (actions(&t, EI_SCHED_ACT_LAUNCH) == 0)
        tick(&t);
    assert_true(launched(&t, id(2, 0, 0, 1), 2));
    assert_in_range(t.now_us - from, 299000, 302000);
    tell(&t, "When a gets room in time the task goes there.");
    finish(&t, 2, 0, 0);
    submit(&t, 3, "ann", 0, &st, 1);
    assert_int_equal(actions(&t, EI_SCHED_ACT_LAUNCH), 0);
    finish(&t, 1, 0, 0);
    assert_true(launched(&t, id(3, 0, 0, 1), 1));
    tell(&t, "Nobody waits for a host that is not there.");
    const char *gone[] = {"z"};
    st.near = gone;
    submit(&t, 4, "ann", 0, &st, 1);
    assert_true(launched(&t, id(4, 0, 0, 1), 2));
    story_end(&t, "near");
}

static void test_near_inputs(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    node_up(&t, 1, "a", 1);
    node_up(&t, 2, "b", 1);
    tell(&t, "Two of the three outputs lie on b: what collects them runs there.");
    uint32_t zero = 0;
    struct ei_sched_stage st[2] = {
        {.tasks = 3, .cores = 1},
        {.tasks = 1, .cores = 1, .inputs = &zero, .input_count = 1, .near_inputs = true},
    };
    submit(&t, 1, "ann", 0, st, 2);
    done(&t, id(1, 0, 1, 1), 2);
    done(&t, id(1, 0, 2, 1), 2);
    done(&t, id(1, 0, 0, 1), 1);
    assert_true(launched(&t, id(1, 1, 0, 1), 2));
    finish(&t, 1, 1, 0);
    tell(&t, "As many tasks as outputs: each goes to its own.");
    st[0].tasks = st[1].tasks = 2;
    submit(&t, 2, "ann", 0, st, 2);
    finish(&t, 2, 0, 0);
    finish(&t, 2, 0, 1);
    for (uint32_t i = 0; i < 2; i++) {
        struct ei_attempt made;
        uint64_t node;
        assert_true(ei_sched_output(t.s, 2, 0, i, &made, &node));
        assert_true(launched(&t, id(2, 1, i, 1), node));
    }
    story_end(&t, "near_inputs");
}

static void test_pack(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    node_up(&t, 1, "a", 4);
    node_up(&t, 2, "b", 4);
    tell(&t, "Spread: the least loaded node each time.");
    struct ei_sched_stage st = {.tasks = 2, .cores = 1};
    submit(&t, 1, "ann", 0, &st, 1);
    assert_true(launched(&t, id(1, 0, 0, 1), 1) != launched(&t, id(1, 0, 1, 1), 1));
    finish(&t, 1, 0, 0);
    tell(&t, "Pack: the node that is used already is filled first, then the next one.");
    st = (struct ei_sched_stage){.tasks = 4, .cores = 1, .pack = true};
    submit(&t, 2, "ann", 0, &st, 1);
    uint64_t used = 0;
    for (uint32_t i = 0; i < t.last.count; i++) {
        const struct ei_sched_action *x = &t.last.items[i];
        if (x->type != EI_SCHED_ACT_LAUNCH)
            continue;
        used = used == 0 ? x->node : used;
        assert_true((x->id.task < 3) == (x->node == used));
    }
    story_end(&t, "pack");
}

static void test_gang(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    node_up(&t, 1, "a", 2);
    submit_flat(&t, 1, "ann", 1);
    tell(&t, "One core is free and the gang needs two: nothing of it starts before both are.");
    struct ei_sched_stage two = {.tasks = 2, .cores = 1, .gang = true};
    submit(&t, 2, "ben", 0, &two, 1);
    assert_int_equal(running_of(&t, 2), 0);
    struct ei_sched_reason r;
    assert_int_equal(ei_sched_why(t.s, 2, &r), 0);
    assert_int_equal(r.code, EI_SCHED_WHY_WAITS_GANG);
    assert_int_equal(r.room, 1);
    assert_int_equal(r.tasks, 2);
    finish(&t, 1, 0, 0);
    assert_int_equal(running_of(&t, 2), 2);
    tell(&t, "One of them fails: the other one is stopped, and both start again together.");
    failed(&t, id(2, 0, 0, 1), 1, EI_IO, false);
    assert_int_equal(actions(&t, EI_SCHED_ACT_KILL), 1);
    assert_true(launched(&t, id(2, 0, 0, 2), 1) && launched(&t, id(2, 0, 1, 2), 1));
    tell(&t, "One is done and the other one fails: it alone starts again.");
    done(&t, id(2, 0, 1, 2), 1);
    failed(&t, id(2, 0, 0, 2), 1, EI_IO, true);
    assert_true(launched(&t, id(2, 0, 0, 3), 1));
    story_end(&t, "gang");
}

/* Two gangs that each need the whole cluster, and small tasks that fill every gap. */
static void test_two_gangs(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    node_up(&t, 1, "a", 2);
    node_up(&t, 2, "b", 2);
    submit_flat(&t, 1, "ann", 60);
    tell(&t, "Two gangs of four wait while small tasks take each core that becomes free.");
    struct ei_sched_stage four = {.tasks = 4, .cores = 1, .gang = true};
    submit(&t, 2, "ben", 0, &four, 1);
    submit(&t, 3, "eve", 0, &four, 1);
    tell(&t, "After ten seconds the nodes are kept for the older one; then for the other.");
    size_t next = 0;
    uint64_t first = 0;
    for (uint32_t round = 0; round < 90; round++) {
        for (uint32_t i = 0; i < 2 && ei_sched_next_tick_us(t.s) != INT64_MAX; i++)
            tick(&t);
        if (next == t.launch_count)
            continue;
        struct ei_sched_action x = t.launches[next++];
        done(&t, x.id, x.node);
        if (running_of(&t, 2) == 4 && first == 0)
            first = 2;
        if (running_of(&t, 3) == 4 && first == 0)
            first = 3;
    }
    assert_int_equal(first, 2);
    struct ei_sched_stage_counts c;
    for (uint64_t job = 2; job <= 3; job++) {
        if (ei_sched_stage_counts(t.s, job, 0, &c))
            assert_int_equal(c.done, 4);
    }
    story_end(&t, "two_gangs");
}

static void test_coalesce(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    node_up(&t, 1, "a", 8);
    tell(&t, "Eight partitions, but 250 bytes in all: at 100 bytes a task three are enough.");
    uint32_t zero = 0;
    struct ei_sched_stage st[2] = {
        {.tasks = 2, .cores = 1},
        {.tasks = 8, .cores = 1, .inputs = &zero, .input_count = 1, .coalesce_bytes = 100},
    };
    for (uint64_t job = 1; job <= 2; job++) {
        if (job == 2)
            tell(&t, "Four times as much needs all of them.");
        submit(&t, job, "ann", 0, st, 2);
        for (uint32_t i = 0; i < 2; i++)
            step(&t, (struct ei_sched_event){
                         .type = EI_SCHED_TASK_DONE,
                         .node = 1,
                         .u.task = {.id = id(job, 0, i, 1), .bytes_out = job * job * 1250 / 10}});
        if (job == 1)
            assert_int_equal(action(&t, EI_SCHED_ACT_STAGE_TASKS)->tasks, 3);
        assert_int_equal(actions(&t, EI_SCHED_ACT_LAUNCH), job == 1 ? 3 : 5);
    }
    assert_int_equal(actions(&t, EI_SCHED_ACT_STAGE_TASKS), 0);
    story_end(&t, "coalesce");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queue_weights),
        cmocka_unit_test(test_queue_tree),
        cmocka_unit_test(test_fifo_and_priority),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_job_cap),
        cmocka_unit_test(test_preemption),
        cmocka_unit_test(test_speculation),
        cmocka_unit_test(test_reservation),
        cmocka_unit_test(test_time_and_order),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_limits_hold_for_fast_tasks),
        cmocka_unit_test(test_coalesce),
        cmocka_unit_test(test_near),
        cmocka_unit_test(test_near_inputs),
        cmocka_unit_test(test_pack),
        cmocka_unit_test(test_gang),
        cmocka_unit_test(test_two_gangs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
