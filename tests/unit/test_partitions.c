/* Which task reads which partitions of a hash exchange. */
#include "base/hash.h"
#include "master/internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MOST = 40 };

struct world {
    uint64_t bytes[MOST];
    uint32_t input;
    Eider__V1__StageSpec specs[2], *spec_list[2];
    Eider__V1__ExchangeInput exchange, *exchange_list[1];
    Eider__V1__JobSpec spec;
    struct ei_job_stage stages[2];
    struct ei_job job;
};

/* Two stages: the second one reads `partitions` partitions of the first. */
static void begin(struct world *w, uint32_t partitions) {
    *w = (struct world){0};
    eider__v1__job_spec__init(&w->spec);
    eider__v1__exchange_input__init(&w->exchange);
    w->exchange_list[0] = &w->exchange;
    for (int i = 0; i < 2; i++) {
        eider__v1__stage_spec__init(&w->specs[i]);
        w->spec_list[i] = &w->specs[i];
    }
    w->specs[0].output = EIDER__V1__DISTRIBUTION__DISTRIBUTION_HASH;
    w->specs[0].partitions = partitions;
    w->specs[1].exchanges = w->exchange_list;
    w->specs[1].n_exchanges = 1;
    w->spec.stages = w->spec_list;
    w->spec.n_stages = 2;
    w->stages[0] = (struct ei_job_stage){.partitions = partitions, .partition_bytes = w->bytes};
    w->stages[1] =
        (struct ei_job_stage){.inputs = &w->input, .input_count = 1, .task_count = partitions};
    w->job = (struct ei_job){.stages = w->stages, .stage_count = 2, .spec = &w->spec};
}

static void test_groups(void **state) {
    (void)state;
    struct world w;
    begin(&w, 6);
    static const uint64_t bytes[6] = {10, 10, 80, 30, 30, 40};
    for (int i = 0; i < 6; i++)
        w.bytes[i] = bytes[i];
    ei_partitions_group(&w.job, 1, 2);
    const uint32_t *first = w.stages[1].first_partition;
    assert_int_equal(w.stages[1].task_count, 2);
    assert_int_equal(first[0], 0);
    assert_int_equal(first[1], 3); /* 100 and 100 bytes */
    assert_int_equal(first[2], 6);
    free(w.stages[1].first_partition);
    uint32_t largest, percent;
    assert_true(ei_partitions_skew(&w.stages[0], &largest, &percent));
    assert_int_equal(largest, 2);
    assert_int_equal(percent, 40);
    assert_false(ei_partitions_skew(&w.stages[1], &largest, &percent));
}

/* However uneven: each partition is read by one task, each task reads at least one. */
static void test_every_partition_once(void **state) {
    (void)state;
    struct ei_rng rng = {7};
    for (int round = 0; round < 5000; round++) {
        struct world w;
        uint32_t partitions = 1 + (uint32_t)ei_rng_below(&rng, MOST);
        uint32_t tasks = 1 + (uint32_t)ei_rng_below(&rng, partitions);
        begin(&w, partitions);
        for (uint32_t p = 0; p < partitions; p++)
            w.bytes[p] = ei_rng_below(&rng, 4) == 0 ? ei_rng_below(&rng, 3) * 100000
                                                    : ei_rng_below(&rng, 100);
        w.bytes[0]++;
        ei_partitions_group(&w.job, 1, tasks);
        const uint32_t *first = w.stages[1].first_partition;
        assert_int_equal(first[0], 0);
        assert_int_equal(first[tasks], partitions);
        for (uint32_t t = 0; t < tasks; t++)
            assert_true(first[t] < first[t + 1]);
        free(w.stages[1].first_partition);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_every_partition_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
