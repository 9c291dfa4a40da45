/* No-op jobs through gearmand: the worker, and a client that keeps a number of them in flight.
 *
 *   gearman-noop worker PORT
 *   gearman-noop client PORT JOBS IN_FLIGHT    prints
 * {"jobs_per_second":..,"p50_us":..,"p99_us":..} */
#include <libgearman/gearman.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static gearman_return_t nothing(gearman_job_st *job, void *context) {
    (void)job;
    (void)context;
    return GEARMAN_SUCCESS;
}

static int run_worker(in_port_t port) {
    gearman_worker_st *worker = gearman_worker_create(NULL);
    gearman_function_t fn = gearman_function_create(nothing);
    if (worker == NULL || gearman_worker_add_server(worker, "127.0.0.1", port) != GEARMAN_SUCCESS ||
        gearman_worker_define_function(worker, "noop", 4, fn, 0, NULL) != GEARMAN_SUCCESS)
        return 1;
    while (gearman_worker_work(worker) == GEARMAN_SUCCESS)
        ;
    return 1;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Batches of `in_flight` jobs; the client library finishes one batch before it takes the next. */
static int run_batches(gearman_client_st *client, long jobs, long in_flight) {
    for (long done = 0; done < jobs; done += in_flight) {
        for (long i = 0; i < in_flight; i++) {
            gearman_return_t rc;
            gearman_client_add_task(client, NULL, NULL, "noop", NULL, NULL, 0, &rc);
            if (rc != GEARMAN_SUCCESS)
                return -1;
        }
        if (gearman_client_run_tasks(client) != GEARMAN_SUCCESS)
            return -1;
        gearman_client_task_free_all(client);
    }
    return 0;
}

static int run_client(in_port_t port, long jobs, long in_flight) {
    enum { TRIPS = 500 };
    double trips[TRIPS];
    gearman_client_st *client = gearman_client_create(NULL);
    if (client == NULL || gearman_client_add_server(client, "127.0.0.1", port) != GEARMAN_SUCCESS)
        return 1;
    double begin = now_us();
    if (run_batches(client, jobs, in_flight) != 0) {
        fprintf(stderr, "%s\n", gearman_client_error(client));
        return 1;
    }
    double took = now_us() - begin;
    for (int i = 0; i < TRIPS; i++) {
        double start = now_us();
        if (run_batches(client, 1, 1) != 0)
            return 1;
        trips[i] = now_us() - start;
    }
    qsort(trips, TRIPS, sizeof *trips, ascending);
    printf("{\"jobs_per_second\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f}\n",
           (double)jobs / took * 1e6, trips[TRIPS / 2], trips[TRIPS * 99 / 100]);
    return 0;
}

int main(int argc, char **argv) {
    long numbers[3] = {0};
    for (int i = 2; i < argc && i < 5; i++)
        numbers[i - 2] = strtol(argv[i], NULL, 10);
    if (argc == 3 && strcmp(argv[1], "worker") == 0)
        return run_worker((in_port_t)numbers[0]);
    if (argc == 5 && strcmp(argv[1], "client") == 0 && numbers[1] > 0 && numbers[2] > 0)
        return run_client((in_port_t)numbers[0], numbers[1], numbers[2]);
    fprintf(stderr, "usage: gearman-noop worker PORT | client PORT JOBS IN_FLIGHT\n");
    return 2;
}
