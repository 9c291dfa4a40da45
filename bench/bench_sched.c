/* What one task costs in the scheduler: launched, running, done, with the cluster full all the time
 * and more waiting. Prints one JSON line. CPU time of the process, median of five runs. */
#include "base/hash.h"
#include "base/mem.h"
#include "sched/sched.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define GIB (UINT64_C(1) << 30)
enum { TASKS = 300000, RUNS = 5, QUEUED = 1000000, CORES = 4 };

static double cpu_ns(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Cost of a task in ns. The tasks that run end in the order of their start, or in random order:
 * then each touches memory that no cache holds when there are many. */
static double run(uint32_t nodes, bool shuffled) {
    struct ei_sched *s;
    struct ei_sched_actions acts = {0};
    struct ei_rng rng = {nodes};
    uint32_t slots = nodes * CORES, count = 0;
    (void)ei_sched_create(&s, NULL);
    for (uint32_t i = 0; i < nodes; i++) {
        struct ei_sched_event up = {
            .type = EI_SCHED_NODE_UP, .node = i + 1, .u.node_up = {CORES, 64 * GIB, NULL}};
        char name[24];
        (void)snprintf(name, sizeof name, "node%u", i);
        up.u.node_up.name = name;
        ei_sched_step(s, &up, &acts);
    }
    struct ei_sched_action *live = ei_malloc(slots * sizeof *live);
    struct ei_sched_stage st = {.tasks = TASKS + slots, .cores = 1, .memory_bytes = GIB};
    struct ei_sched_event e = {.type = EI_SCHED_JOB_SUBMIT,
                               .u.submit = {.job = 1, .stages = &st, .stage_count = 1}};
    ei_sched_step(s, &e, &acts);
    for (size_t i = 0; i < acts.count; i++) {
        if (acts.items[i].type == EI_SCHED_ACT_LAUNCH)
            live[count++] = acts.items[i];
    }
    double start = cpu_ns();
    for (uint32_t n = 0; n < TASKS; n++) {
        uint32_t pick = shuffled ? (uint32_t)ei_rng_below(&rng, count) : n % count;
        e = (struct ei_sched_event){.type = EI_SCHED_TASK_RUNNING,
                                    .now_us = n,
                                    .node = live[pick].node,
                                    .u.task.id = live[pick].id};
        acts.count = 0;
        ei_sched_step(s, &e, &acts);
        e.type = EI_SCHED_TASK_DONE;
        ei_sched_step(s, &e, &acts);
        for (size_t i = 0; i < acts.count; i++) {
            if (acts.items[i].type == EI_SCHED_ACT_LAUNCH)
                live[pick] = acts.items[i];
        }
    }
    double cost = (cpu_ns() - start) / TASKS;
    free(live);
    ei_sched_actions_release(&acts);
    ei_sched_destroy(s);
    return cost;
}

static double median(uint32_t nodes, bool shuffled) {
    double cost[RUNS];
    for (int i = 0; i < RUNS; i++)
        cost[i] = run(nodes, shuffled);
    qsort(cost, RUNS, sizeof cost[0], by_value);
    return cost[RUNS / 2];
}

static void print_costs(const char *name, bool shuffled) {
    static const uint32_t nodes[] = {10, 100, 1000, 10000};
    double cost[EI_ARRAY_LEN(nodes)];
    (void)printf("\"%s\":{", name);
    for (size_t i = 0; i < EI_ARRAY_LEN(nodes); i++) {
        cost[i] = median(nodes[i], shuffled);
        (void)printf("\"%u\":%.0f,", nodes[i], cost[i]);
    }
    (void)printf("\"ratio\":%.2f,\"events_per_second\":%.0f},", cost[3] / cost[0], 2e9 / cost[3]);
}

/* Bytes of heap a waiting task. */
static double bytes_per_task(void) {
    struct ei_sched *s;
    struct ei_sched_actions acts = {0};
    (void)ei_sched_create(&s, NULL);
    size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    struct ei_sched_stage st = {.tasks = QUEUED, .cores = 1};
    struct ei_sched_event e = {.type = EI_SCHED_JOB_SUBMIT,
                               .u.submit = {.job = 1, .stages = &st, .stage_count = 1}};
    ei_sched_step(s, &e, &acts);
    size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
    ei_sched_actions_release(&acts);
    ei_sched_destroy(s);
    return (double)(after - before) / QUEUED;
}

/* Jobs of one task each, kept in flight: submit, run, done, release. */
static double single_job_ns(void) {
    enum { JOBS = 100000 };
    struct ei_sched *s;
    struct ei_sched_actions acts = {0};
    (void)ei_sched_create(&s, NULL);
    struct ei_sched_event up = {
        .type = EI_SCHED_NODE_UP, .node = 1, .u.node_up = {2, 64 * GIB, "node"}};
    ei_sched_step(s, &up, &acts);
    struct ei_sched_stage st = {.tasks = 1, .cores = 1};
    double start = cpu_ns();
    for (uint64_t job = 1; job <= JOBS; job++) {
        struct ei_sched_event e = {.type = EI_SCHED_JOB_SUBMIT,
                                   .now_us = (int64_t)job,
                                   .u.submit = {.job = job, .stages = &st, .stage_count = 1}};
        acts.count = 0;
        ei_sched_step(s, &e, &acts);
        e = (struct ei_sched_event){.type = EI_SCHED_TASK_DONE,
                                    .now_us = (int64_t)job,
                                    .node = 1,
                                    .u.task.id = {job, 0, 0, 1}};
        ei_sched_step(s, &e, &acts);
        e = (struct ei_sched_event){
            .type = EI_SCHED_JOB_RELEASE, .now_us = (int64_t)job, .u.job.job = job};
        ei_sched_step(s, &e, &acts);
    }
    double cost = (cpu_ns() - start) / JOBS;
    ei_sched_actions_release(&acts);
    ei_sched_destroy(s);
    return cost;
}

int main(void) {
    (void)printf("{");
    print_costs("task_ns_in_order", false);
    print_costs("task_ns_shuffled", true);
    (void)printf("\"bytes_per_queued_task\":%.1f,\"single_task_job_ns\":%.0f}\n", bytes_per_task(),
                 single_job_ns());
    return 0;
}
