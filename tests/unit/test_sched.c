/* The scheduler, case by case. Each case tells a story of events; what the scheduler answered is
 * compared with tests/golden/sched/NAME.trace (EIDER_GOLDEN_UPDATE=1 writes it anew: read the
 * difference before it is committed). What a case is about is asserted as well. */
#include "sched_story.h"

/* ---- the stories ---- */

static void test_life_of_a_job(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    tell(&t, "Two nodes; a job of two stages: the second waits for all of the first.");
    node_up(&t, 1, "a", 2);
    node_up(&t, 2, "b", 2);
    submit_two(&t, 7, 3, 1);
    assert_int_equal(actions(&t, EI_SCHED_ACT_LAUNCH), 3);
    running(&t, id(7, 0, 0, 1), 1);
    done(&t, id(7, 0, 0, 1), 1);
    done(&t, id(7, 0, 1, 1), 2);
    assert_int_equal(actions(&t, EI_SCHED_ACT_LAUNCH), 0);
    done(&t, id(7, 0, 2, 1), 1);
    assert_int_equal(actions(&t, EI_SCHED_ACT_STAGE_DONE), 1);
    assert_int_equal(actions(&t, EI_SCHED_ACT_LAUNCH), 1);
    struct ei_attempt out;
    uint64_t node;
    assert_true(ei_sched_output(t.s, 7, 0, 1, &out, &node));
    assert_int_equal(out.attempt, 1);
    assert_int_equal(node, 2);
    done(&t, id(7, 1, 0, 1), action(&t, EI_SCHED_ACT_LAUNCH)->node);
    assert_int_equal(action(&t, EI_SCHED_ACT_JOB_STATE)->state, EI_JOB_SUCCEEDED);
    tell(&t, "The result was read: nothing is kept any more.");
    job_event(&t, EI_SCHED_JOB_RELEASE, 7);
    assert_int_equal(actions(&t, EI_SCHED_ACT_JOB_FORGET), 1);
    assert_false(ei_sched_output(t.s, 7, 0, 1, &out, &node));
    story_end(&t, "life_of_a_job");
}

static void test_bad_graphs(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    uint32_t self = 0, later = 1;
    struct ei_sched_stage none = {.tasks = 0, .cores = 1},
                          loop = {.tasks = 1, .inputs = &self, .input_count = 1},
                          huge = {.tasks = UINT32_MAX};
    struct ei_sched_stage ahead[2] = {{.tasks = 1, .inputs = &later, .input_count = 1},
                                      {.tasks = 1}};
    tell(&t,
         "No stages; no tasks; a stage that reads itself; one that reads ahead; too many tasks.");
    submit(&t, 1, "ann", 0, NULL, 0);
    assert_failed(&t, EI_INVALID);
    submit(&t, 2, "ann", 0, &none, 1);
    assert_failed(&t, EI_INVALID);
    submit(&t, 3, "ann", 0, &loop, 1);
    assert_failed(&t, EI_INVALID);
    submit(&t, 4, "ann", 0, ahead, 2);
    assert_failed(&t, EI_INVALID);
    submit(&t, 5, "ann", 0, &huge, 1);
    assert_failed(&t, EI_INVALID);
    tell(&t, "A job that is submitted twice is one job.");
    submit_flat(&t, 6, "ann", 1);
    submit_flat(&t, 6, "ann", 1);
    node_up(&t, 1, "a", 4);
    assert_int_equal(actions(&t, EI_SCHED_ACT_LAUNCH), 1);
    story_end(&t, "bad_graphs");
}

static void test_fair_sharing(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    tell(&t, "Ann has two jobs, Ben one: the users get half each, Ann's jobs a quarter each.");
    submit_flat(&t, 1, "ann", 20);
    submit_flat(&t, 2, "ann", 20);
    submit_flat(&t, 3, "ben", 20);
    node_up(&t, 1, "a", 8);
    uint32_t of[4] = {0};
    for (size_t i = 0; i < t.last.count; i++) {
        if (t.last.items[i].type == EI_SCHED_ACT_LAUNCH)
            of[t.last.items[i].id.job]++;
    }
    assert_int_equal(of[1], 2);
    assert_int_equal(of[2], 2);
    assert_int_equal(of[3], 4);
    tell(&t, "A job of higher priority gets the next core, whoever's it is.");
    struct ei_sched_stage st = {.tasks = 1, .cores = 1};
    submit(&t, 4, "ben", 5, &st, 1);
    done(&t, id(1, 0, 0, 1), 1);
    assert_int_equal(action(&t, EI_SCHED_ACT_LAUNCH)->id.job, 4);
    story_end(&t, "fair_sharing");
}

static void test_least_loaded(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    node_up(&t, 1, "a", 2);
    node_up(&t, 2, "b", 4);
    node_up(&t, 3, "c", 3);
    tell(&t, "The node with the most free cores first; memory is never over-committed.");
    struct ei_sched_stage st = {.tasks = 9, .cores = 1, .memory_bytes = 3 * GIB};
    submit(&t, 1, "ann", 0, &st, 1);
    assert_true(launched(&t, id(1, 0, 0, 1), 2));
    assert_int_equal(actions(&t, EI_SCHED_ACT_LAUNCH), 6); /* two on each: 8 GiB / 3 GiB */
    tell(&t, "What fits nowhere waits until it does.");
    struct ei_sched_stage wide = {.tasks = 1, .cores = 16};
    submit(&t, 2, "ann", 0, &wide, 1);
    assert_int_equal(actions(&t, EI_SCHED_ACT_LAUNCH), 0);
    node_up(&t, 4, "d", 16);
    assert_true(launched(&t, id(2, 0, 0, 1), 4));
    story_end(&t, "least_loaded");
}

static void test_retries(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    node_up(&t, 1, "a", 1);
    node_up(&t, 2, "b", 1);
    submit_flat(&t, 1, "ann", 1);
    tell(&t, "A failed task goes to another node; what is not its fault is not counted.");
    failed(&t, id(1, 0, 0, 1), 1, EI_IO, false);
    assert_true(launched(&t, id(1, 0, 0, 2), 2));
    for (uint32_t a = 2; a < 7; a++) {
        failed(&t, id(1, 0, 0, a), action(&t, EI_SCHED_ACT_LAUNCH)->node, EI_LOST, true);
        assert_int_equal(actions(&t, EI_SCHED_ACT_LAUNCH), 1);
    }
    failed(&t, id(1, 0, 0, 7), action(&t, EI_SCHED_ACT_LAUNCH)->node, EI_IO, false);
    failed(&t, id(1, 0, 0, 8), action(&t, EI_SCHED_ACT_LAUNCH)->node, EI_TIMEOUT, false);
    tell(&t, "The fourth fault of its own fails the job.");
    failed(&t, id(1, 0, 0, 9), action(&t, EI_SCHED_ACT_LAUNCH)->node, EI_IO, false);
    assert_failed(&t, EI_IO);
    assert_int_equal(action(&t, EI_SCHED_ACT_JOB_STATE)->id.attempt, 9);
    tell(&t, "A wrong query fails at once, and stops its other tasks.");
    submit_flat(&t, 2, "ann", 2);
    failed(&t, id(2, 0, 1, 1), action(&t, EI_SCHED_ACT_LAUNCH)->node == 1 ? 2 : 1, EI_INVALID,
           false);
    assert_failed(&t, EI_INVALID);
    assert_int_equal(actions(&t, EI_SCHED_ACT_KILL), 1);
    story_end(&t, "retries");
}

static void test_fencing(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    node_up(&t, 1, "a", 1);
    submit_flat(&t, 1, "ann", 1);
    node_up(&t, 2, "b", 1);
    failed(&t, id(1, 0, 0, 1), 1, EI_LOST, true);
    uint64_t second = action(&t, EI_SCHED_ACT_LAUNCH)->node;
    tell(&t, "Late news of attempt 1 changes nothing; its file is deleted, it is stopped.");
    running(&t, id(1, 0, 0, 1), 1);
    assert_int_equal(actions(&t, EI_SCHED_ACT_KILL), 1);
    done(&t, id(1, 0, 0, 1), 1);
    assert_int_equal(actions(&t, EI_SCHED_ACT_OUTPUT_DROP), 1);
    assert_false(ei_sched_output(t.s, 1, 0, 0, NULL, NULL));
    failed(&t, id(1, 0, 0, 1), 1, EI_INVALID, false);
    assert_int_equal(t.last.count, 0);
    tell(&t, "Attempt 2 claimed by a node that does not run it: not counted.");
    done(&t, id(1, 0, 0, 2), second == 1 ? 2 : 1);
    assert_false(ei_sched_output(t.s, 1, 0, 0, NULL, NULL));
    tell(&t, "Told twice is counted once.");
    done(&t, id(1, 0, 0, 2), second);
    assert_int_equal(action(&t, EI_SCHED_ACT_JOB_STATE)->state, EI_JOB_SUCCEEDED);
    done(&t, id(1, 0, 0, 2), second);
    assert_int_equal(t.last.count, 0);
    running(&t, id(1, 0, 0, 2), second);
    assert_int_equal(t.last.count, 0);
    tell(&t, "Nonsense: unknown jobs, stages, tasks, attempts, nodes.");
    done(&t, id(99, 0, 0, 1), 1);
    assert_int_equal(actions(&t, EI_SCHED_ACT_OUTPUT_DROP), 1);
    done(&t, id(1, 9, 0, 1), 1);
    failed(&t, id(1, 0, 9, 1), 1, EI_IO, false);
    running(&t, id(1, 0, 0, 9), 77);
    done(&t, id(1, 0, 0, 0), 77);
    assert_int_equal(t.last.count, 0);
    node_down(&t, 77);
    job_event(&t, EI_SCHED_JOB_CANCEL, 99);
    assert_int_equal(t.last.count, 0);
    story_end(&t, "fencing");
}

static void test_node_dies(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    node_up(&t, 1, "a", 2);
    node_up(&t, 2, "b", 2);
    submit_two(&t, 1, 4, 2);
    done(&t, id(1, 0, 0, 1), 1);
    done(&t, id(1, 0, 1, 1), 2);
    done(&t, id(1, 0, 2, 1), 1);
    tell(&t,
         "Three of four are done, two of them on a; a dies: its outputs are made again, at once.");
    node_down(&t, 1);
    assert_int_equal(actions(&t, EI_SCHED_ACT_OUTPUT_DROP), 2);
    assert_true(launched(&t, id(1, 0, 2, 2), 2) || launched(&t, id(1, 0, 0, 2), 2));
    struct ei_sched_stage_counts c;
    assert_true(ei_sched_stage_counts(t.s, 1, 0, &c));
    assert_int_equal(c.rounds, 0); /* it had not been complete */
    finish(&t, 1, 0, 3);
    finish(&t, 1, 0, 0);
    finish(&t, 1, 0, 2);
    assert_true(ei_sched_stage_counts(t.s, 1, 0, &c));
    assert_int_equal(c.done, 4);
    tell(&t, "Stage 0 is complete, stage 1 runs; b dies with all of stage 0: one round.");
    node_down(&t, 2);
    assert_true(ei_sched_stage_counts(t.s, 1, 0, &c));
    assert_int_equal(c.rounds, 1);
    assert_int_equal(c.done, 0);
    tell(&t, "While stage 0 is made again the next node dies: no further round is counted.");
    node_up(&t, 4, "b", 2);
    finish(&t, 1, 0, 0);
    finish(&t, 1, 0, 1);
    finish(&t, 1, 0, 2);
    node_up(&t, 6, "a", 2);
    node_down(&t, 4);
    assert_true(ei_sched_stage_counts(t.s, 1, 0, &c));
    assert_int_equal(c.rounds, 1);
    tell(&t, "All nodes are gone: the job waits, and goes on with the first that comes.");
    node_down(&t, 6);
    assert_int_equal(actions(&t, EI_SCHED_ACT_JOB_STATE), 0);
    node_up(&t, 5, "c", 8);
    assert_int_equal(actions(&t, EI_SCHED_ACT_LAUNCH), 4);
    for (uint32_t i = 0; i < 4; i++)
        finish(&t, 1, 0, i);
    assert_int_equal(actions(&t, EI_SCHED_ACT_LAUNCH), 2);
    assert_true(ei_sched_stage_counts(t.s, 1, 1, &c));
    assert_int_equal(c.running, 2);
    story_end(&t, "node_dies");
}

static void test_lineage(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    uint32_t in[2] = {0, 1};
    struct ei_sched_stage st[3] = {
        {.tasks = 1, .cores = 1},
        {.tasks = 1, .cores = 1, .inputs = &in[0], .input_count = 1},
        {.tasks = 1, .cores = 1, .inputs = &in[1], .input_count = 1},
    };
    node_up(&t, 1, "a", 1);
    submit(&t, 1, "ann", 0, st, 3);
    done(&t, id(1, 0, 0, 1), 1);
    done(&t, id(1, 1, 0, 1), 1);
    tell(&t, "Stage 0's output is lost when nobody needs it: it is not made again.");
    node_up(&t, 2, "b", 2);
    input_lost(&t, id(1, 2, 0, 1), 1, 0, id(1, 0, 0, 1));
    assert_int_equal(actions(&t, EI_SCHED_ACT_OUTPUT_DROP), 0); /* stage 2 does not read it */
    node_down(&t, 1);
    tell(&t, "Stage 1's output is needed, and for it stage 0's: both are made again, in order.");
    assert_true(launched(&t, id(1, 0, 0, 2), 2));
    done(&t, id(1, 0, 0, 2), 2);
    assert_true(launched(&t, id(1, 1, 0, 2), 2));
    done(&t, id(1, 1, 0, 2), 2);
    finish(&t, 1, 2, 0);
    assert_int_equal(action(&t, EI_SCHED_ACT_JOB_STATE)->state, EI_JOB_SUCCEEDED);
    tell(&t,
         "The result is lost before it was read: everything again. After the release: nothing.");
    node_up(&t, 3, "c", 1);
    node_down(&t, 2);
    assert_int_equal(action(&t, EI_SCHED_ACT_JOB_STATE)->state, EI_JOB_RUNNING);
    assert_true(launched(&t, id(1, 0, 0, 3), 3));
    finish(&t, 1, 0, 0);
    finish(&t, 1, 1, 0);
    finish(&t, 1, 2, 0);
    job_event(&t, EI_SCHED_JOB_RELEASE, 1);
    assert_int_equal(actions(&t, EI_SCHED_ACT_JOB_FORGET), 1);
    node_down(&t, 3);
    assert_int_equal(t.last.count, 0);
    story_end(&t, "lineage");
}

static void test_input_lost(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    node_up(&t, 1, "a", 2);
    submit_two(&t, 1, 2, 2);
    done(&t, id(1, 0, 0, 1), 1);
    done(&t, id(1, 0, 1, 1), 1);
    tell(&t, "Both readers miss the same output: it is made again once, nobody is blamed.");
    input_lost(&t, id(1, 1, 0, 1), 1, 0, id(1, 0, 1, 1));
    assert_true(launched(&t, id(1, 0, 1, 2), 1));
    input_lost(&t, id(1, 1, 1, 1), 1, 0, id(1, 0, 1, 1));
    assert_int_equal(actions(&t, EI_SCHED_ACT_OUTPUT_DROP), 0);
    done(&t, id(1, 0, 1, 2), 1);
    assert_int_equal(actions(&t, EI_SCHED_ACT_LAUNCH), 2);
    tell(&t, "Late: an ended attempt complains. Nothing follows.");
    input_lost(&t, id(1, 1, 0, 1), 1, 0, id(1, 0, 1, 2));
    assert_int_equal(t.last.count, 0);
    tell(&t, "Lost again and again without progress: the fifth time fails the job.");
    for (uint32_t a = 2; a < 5; a++) {
        input_lost(&t, id(1, 1, 0, a), 1, 0, id(1, 0, 0, a - 1));
        done(&t, id(1, 0, 0, a), 1);
        assert_int_equal(actions(&t, EI_SCHED_ACT_LAUNCH), 1);
    }
    input_lost(&t, id(1, 1, 0, 5), 1, 0, id(1, 0, 0, 4));
    assert_failed(&t, EI_INPUT_LOST);
    tell(&t, "A reader that complains of what is not lost has failed itself.");
    submit_two(&t, 2, 1, 1);
    done(&t, id(2, 0, 0, 1), 1);
    for (uint32_t a = 1; a < 4; a++)
        input_lost(&t, id(2, 1, 0, a), 1, 0, id(2, 0, 0, 77));
    input_lost(&t, id(2, 1, 0, 4), 1, 0, id(2, 0, 0, 77));
    assert_failed(&t, EI_INPUT_LOST);
    story_end(&t, "input_lost");
}

static void test_cancel(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    node_up(&t, 1, "a", 2);
    submit_flat(&t, 1, "ann", 5);
    tell(&t, "Cancelled: what runs is stopped, the job is forgotten, its cores are free.");
    job_event(&t, EI_SCHED_JOB_CANCEL, 1);
    assert_int_equal(actions(&t, EI_SCHED_ACT_KILL), 2);
    assert_int_equal(action(&t, EI_SCHED_ACT_JOB_STATE)->state, EI_JOB_CANCELLED);
    submit_flat(&t, 2, "ann", 2);
    assert_int_equal(actions(&t, EI_SCHED_ACT_LAUNCH), 2);
    tell(&t, "The stopped attempt had just finished: its file is deleted.");
    done(&t, id(1, 0, 0, 1), 1);
    assert_int_equal(actions(&t, EI_SCHED_ACT_OUTPUT_DROP), 1);
    tell(&t, "Released while it runs: it goes on, and is forgotten when it is finished.");
    job_event(&t, EI_SCHED_JOB_RELEASE, 2);
    assert_int_equal(t.last.count, 0);
    done(&t, id(2, 0, 0, 1), 1);
    done(&t, id(2, 0, 1, 1), 1);
    assert_int_equal(actions(&t, EI_SCHED_ACT_JOB_FORGET), 1);
    story_end(&t, "cancel");
}

static void test_exclusion(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    node_up(&t, 1, "bad", 1);
    node_up(&t, 2, "good", 1);
    submit_flat(&t, 1, "ann", 12);
    tell(&t, "Machine bad breaks each task: the fourth failure excludes it for a minute.");
    struct ei_attempt on_bad = id(1, 0, 0, 1);
    for (uint32_t i = 0; i < 4; i++) {
        failed(&t, on_bad, 1, EI_IO, false);
        if (i < 3)
            on_bad = action(&t, EI_SCHED_ACT_LAUNCH)->id;
    }
    assert_int_equal(t.last.count, 0);
    tell(&t, "It comes back as another incarnation, and stays excluded.");
    node_down(&t, 1);
    node_up(&t, 3, "bad", 1);
    assert_int_equal(t.last.count, 0);
    while (actions(&t, EI_SCHED_ACT_LAUNCH) == 0)
        tick(&t);
    assert_int_equal(action(&t, EI_SCHED_ACT_LAUNCH)->node, 3);
    assert_true(t.now_us >= 60 * SECOND);
    story_end(&t, "exclusion");
}

static void took(struct story *t, struct ei_attempt a, uint64_t node, uint64_t us) {
    step(t, (struct ei_sched_event){
                .type = EI_SCHED_TASK_DONE, .node = node, .u.task = {.id = a, .took_us = us}});
}

static void test_ahead(void **state) {
    (void)state;
    struct story t;
    story_begin(&t);
    struct ei_sched_stage quick = {.tasks = 12, .cores = 1, .expected_us = 2000};
    node_up(&t, 1, "a", 1);
    tell(&t, "Tasks of 2 ms: one runs, two more (5 ms of work) are handed out ahead.");
    submit(&t, 1, "ann", 0, &quick, 1);
    assert_int_equal(actions(&t, EI_SCHED_ACT_LAUNCH), 3);
    tell(&t, "The next one takes the core of the first; the queue is filled up.");
    done(&t, id(1, 0, 0, 1), 1);
    assert_true(launched(&t, id(1, 0, 3, 1), 1));
    tell(&t, "An urgent job gets what comes free next, behind those few milliseconds.");
    struct ei_sched_stage slow = {.tasks = 2, .cores = 1};
    submit(&t, 2, "ben", 9, &slow, 1);
    took(&t, id(1, 0, 1, 1), 1, 2000);
    assert_int_equal(actions(&t, EI_SCHED_ACT_LAUNCH), 0);
    tell(&t, "The queue does not move: its task is taken back, the urgent job is not behind it.");
    while (actions(&t, EI_SCHED_ACT_KILL) == 0)
        tick(&t);
    assert_true(t.now_us >= 200000);
    done(&t, id(1, 0, 2, 1), 1);
    assert_true(launched(&t, id(2, 0, 0, 1), 1));
    tell(&t, "What turns out to be slow is not handed out ahead; what is fast, is.");
    took(&t, id(2, 0, 0, 1), 1, 9000);
    assert_int_equal(actions(&t, EI_SCHED_ACT_LAUNCH), 1);
    took(&t, id(2, 0, 1, 1), 1, 9000);
    assert_true(launched(&t, id(1, 0, 3, 2), 1));
    done(&t, id(1, 0, 3, 2), 1);
    took(&t, action(&t, EI_SCHED_ACT_LAUNCH)->id, 1, 1000);
    assert_int_equal(actions(&t, EI_SCHED_ACT_LAUNCH), 2);
    tell(&t, "The node goes: all of it starts again elsewhere.");
    node_down(&t, 1);
    node_up(&t, 2, "b", 4);
    assert_true(actions(&t, EI_SCHED_ACT_LAUNCH) >= 4);
    story_end(&t, "ahead");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life_of_a_job), cmocka_unit_test(test_bad_graphs),
        cmocka_unit_test(test_fair_sharing),  cmocka_unit_test(test_least_loaded),
        cmocka_unit_test(test_retries),       cmocka_unit_test(test_fencing),
        cmocka_unit_test(test_node_dies),     cmocka_unit_test(test_lineage),
        cmocka_unit_test(test_input_lost),    cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_exclusion),     cmocka_unit_test(test_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
