/* A real worker and its real executor under a master made for the test: two stages, faults, cancel,
 * remote inputs, damaged inputs. This program is also the worker and the executor that it starts.
 */
#include "executor/executor.h"
#include "fake_master.h"
#include "worker/worker.h"

/* ---- tests ---- */
static void test_two_stages(void **state) {
    struct peer *w = &T.workers[0];
    struct two_stages s;
    int64_t began = ei_now_us();
    produce(&s, w, 1);
    int64_t produced = ei_now_us();
    struct plan a = consumer(&s, 1, 0, 1, 0), b = consumer(&s, 1, 1, 1, 2);
    assign(w, &a);
    assign(w, &b);
    const Eider__V1__TaskEvent *first = wait_done(1, 1, 0, 1), *second = wait_done(1, 1, 1, 1);
    print_message("two stages: producers %.1f ms, consumers %.1f ms\n",
                  (double)(produced - began) / 1000, (double)(ei_now_us() - produced) / 1000);
    int64_t one = result_value(first->output->path), two = result_value(second->output->path);
    assert_true(one > 0 && two > 0);
    assert_int_equal(one + two, SUM_OF_BOTH);
    assert_string_equal(first->output->worker, "worker-1");
    assert_string_equal(first->output->host_id, "host-a");
    assert_int_equal(first->output->rows, 1);
    assert_int_equal(first->stats->rows_in + second->stats->rows_in, 200000);
    assert_int_equal(find_event(1, 0, 0, 1)->n_partition_bytes, 4);
    assert_true(first->stats->wall_us > 0);
}

static void test_read_output(void **state) {
    char *crt = ei_path_join(T.dir, "worker-2.crt"), *key = ei_path_join(T.dir, "worker-2.key");
    char *ca = ei_path_join(T.dir, "ca.crt");
    struct ei_tls *tls;
    bool open = false;
    assert_int_equal(ei_tls_create(&tls, ca, crt, key, NULL), 0);
    struct ei_conn *c = ei_conn_connect(&T.loop, tls, T.workers[0].registration->address,
                                        EI_ROLE_WORKER, &reader_events, &open);
    assert_true(wait_for(is_true, &open, WAIT_MS));
    Eider__V1__ReadOutput m = EIDER__V1__READ_OUTPUT__INIT;
    m.job = 1;
    m.attempt = 1;
    m.length = 1000;
    const Eider__V1__Output *output = find_event(1, 0, 0, 1)->output;
    struct read_result r = read_output(c, m);
    assert_int_equal(r.code, 0);
    assert_int_equal(r.bytes, 1000);
    assert_int_equal(r.file_bytes, output->file_bytes);
    m.offset = output->file_bytes - 10;
    assert_int_equal(read_output(c, m).bytes, 10);
    m.offset = output->file_bytes + 10;
    assert_int_equal(read_output(c, m).bytes, 0);
    m.length = (1u << 20) + 1;
    assert_int_equal(read_output(c, m).code, EI_LIMIT);
    m.length = 10;
    m.attempt = 2;
    assert_int_equal(read_output(c, m).code, EI_NOT_FOUND);
    m.attempt = 1;
    m.job = 77;
    assert_int_equal(read_output(c, m).code, EI_NOT_FOUND);
    ei_conn_close(c);
    assert_true(wait_for(is_false, &open, WAIT_MS));
    ei_tls_destroy(tls);
    free(ca);
    free(crt);
    free(key);
}

static void test_wrong_sql(void **state) {
    struct plan plan = {.job = 2,
                        .sql = "SELECT nothing_here FROM nowhere",
                        .tasks = 1,
                        .attempt = 1,
                        .partitions = 1};
    assign(&T.workers[0], &plan);
    const Eider__V1__TaskEvent *event = wait_failed(2, 0, 0, 1, EI_INVALID);
    assert_non_null(strstr(event->error->text, "nowhere"));
    assert_false(event->not_its_fault);
}

static bool path_gone(const void *path) {
    return access(path, F_OK) != 0;
}

static void test_forget(void **state) {
    char *path = ei_strdup(find_event(1, 0, 0, 1)->output->path);
    char *job = ei_asprintf("%s/worker-1/exchange/1", T.dir);
    assert_int_equal(access(path, F_OK), 0);
    forget(&T.workers[0], 1);
    while (access(job, F_OK) == 0 && wait_for(path_gone, job, 10) == false) {
    }
    assert_int_not_equal(access(job, F_OK), 0);
    free(path);
    free(job);
}

/* Two splits of one file; a file that is gone. */
static void test_lines(void **state) {
    enum { LINES = 1000 };
    char *path = ei_path_join(T.dir, "lines.txt");
    struct ei_buf text = {0};
    for (int i = 0; i < LINES; i++)
        ei_buf_printf(&text, "line number %d\n", i);
    assert_int_equal(ei_write_file_atomic(path, 0600, text.data, text.len, NULL), 0);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    Eider__V1__Column column = EIDER__V1__COLUMN__INIT, *columns[1] = {&column};
    Eider__V1__TableInput table = EIDER__V1__TABLE_INPUT__INIT;
    Eider__V1__FileSlice slice = EIDER__V1__FILE_SLICE__INIT, *slices[1] = {&slice};
    Eider__V1__Split split = EIDER__V1__SPLIT__INIT;
    column.name = (char *)(uintptr_t) "line";
    column.type = (char *)(uintptr_t) "VARCHAR";
    table.name = (char *)(uintptr_t) "lines";
    table.kind = EIDER__V1__SOURCE_KIND__SOURCE_LINES;
    table.columns = columns;
    table.n_columns = 1;
    slice.path = path;
    slice.file_size = text.len;
    slice.file_mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    split.slices = slices;
    split.n_slices = 1;
    uint64_t cut = (uint64_t)(strchr(text.data + text.len / 2, '\n') + 1 - text.data);
    int64_t total = 0;
    for (uint32_t i = 0; i < 2; i++) {
        struct plan plan = {.job = 15,
                            .sql = "SELECT count(*) AS c FROM lines",
                            .tasks = 1,
                            .first_task = i,
                            .attempt = 1,
                            .partitions = 1,
                            .table = &table,
                            .split = &split};
        slice.begin = i == 0 ? 0 : cut;
        slice.end = i == 0 ? cut : text.len;
        assign(&T.workers[0], &plan);
        const Eider__V1__TaskEvent *event = wait_done(15, 0, i, 1);
        assert_in_range(event->stats->rows_in, LINES / 3, LINES);
        assert_in_range(event->stats->bytes_in, 1, text.len);
        total += result_value(event->output->path);
    }
    assert_int_equal(total, LINES);
    assert_int_equal(unlink(path), 0);
    struct plan missing = {.job = 15,
                           .sql = "SELECT count(*) AS c FROM lines",
                           .tasks = 1,
                           .first_task = 2,
                           .attempt = 1,
                           .partitions = 1,
                           .table = &table,
                           .split = &split};
    assign(&T.workers[0], &missing);
    wait_failed(15, 0, 2, 1, EI_INPUT_MISSING);
    forget(&T.workers[0], 15);
    ei_buf_release(&text);
    free(path);
}

static void test_queue(void **state) { /* more tasks than slots */
    struct plan plan = {
        .job = 3, .sql = "SELECT 1 AS one", .tasks = 40, .attempt = 1, .partitions = 1};
    int64_t began = ei_now_us();
    assign(&T.workers[0], &plan);
    for (uint32_t i = 0; i < 40; i++)
        wait_done(3, 0, i, 1);
    print_message("small tasks: %.2f ms each\n", (double)(ei_now_us() - began) / 1000 / 40);
    forget(&T.workers[0], 3);
}

static void test_kill_task(void **state) {
    struct plan plan = {.job = 4, .sql = LONG_QUERY, .tasks = 4, .attempt = 1, .partitions = 1};
    struct peer *w = &T.workers[0];
    uint32_t executor = w->heartbeat->processes[0]->pid;
    assign(w, &plan);
    wait_running(4, 0);
    wait_running(4, 1);
    pause_ms(50);
    int64_t began = ei_now_us();
    kill_task(w, 4, 0, 3); /* queued */
    wait_failed(4, 0, 3, 1, EI_CANCELLED);
    kill_task(w, 4, 0, 0); /* running */
    const Eider__V1__TaskEvent *event = wait_failed(4, 0, 0, 1, EI_CANCELLED);
    assert_string_equal(event->error->text, "the test cancelled it");
    print_message("kill: %.1f ms\n", (double)(ei_now_us() - began) / 1000);
    assert_true(ei_now_us() - began < (SANITIZED ? 1000000 : 200000));
    forget(w, 4);
    pause_ms(400);
    assert_null(find_event(4, 0, 1, 1)); /* a forgotten job has no events */
    assert_int_equal(w->heartbeat->processes[0]->pid, executor);
    assert_string_equal(w->heartbeat->processes[0]->state, "ready");
}

static bool other_executor(const void *arg) {
    const struct peer *w = &T.workers[0];
    return w->heartbeat->n_processes == 1 &&
           w->heartbeat->processes[0]->pid != *(const uint32_t *)arg && executor_ready(w);
}

/* An interrupt does not reach into one vectorised call: the executor goes, the innocent task with
 * it. */
static void test_kill_stubborn(void **state) {
    struct plan stubborn = {.job = 5,
                            .attempt = 1,
                            .tasks = 1,
                            .partitions = 1,
                            .sql = "SELECT list_sum(list_transform(range(12000000), lambda x: "
                                   "sqrt(x) + ln(x + 1))) AS s"};
    struct plan innocent = {.job = 6, .sql = LONG_QUERY, .tasks = 1, .attempt = 1, .partitions = 1};
    struct peer *w = &T.workers[0];
    uint32_t executor = w->heartbeat->processes[0]->pid;
    assign(w, &innocent);
    assign(w, &stubborn);
    wait_running(6, 0);
    wait_running(5, 0);
    pause_ms(50);
    int64_t began = ei_now_us();
    kill_task(w, 5, 0, 0);
    wait_failed(5, 0, 0, 1, EI_CANCELLED);
    print_message("kill of a stubborn task: %.1f ms\n", (double)(ei_now_us() - began) / 1000);
    assert_true(ei_now_us() - began < (SANITIZED ? 2000000 : 300000));
    const Eider__V1__TaskEvent *event = wait_failed(6, 0, 0, 1, EI_LOST);
    assert_true(event->not_its_fault);
    assert_true(wait_for(other_executor, &executor, WAIT_MS));
    print_message("next executor ready after %.1f ms\n", (double)(ei_now_us() - began) / 1000);
    forget(w, 5);
    forget(w, 6);
}

static void test_executor_killed(void **state) {
    struct plan plan = {.job = 7, .sql = LONG_QUERY, .tasks = 1, .attempt = 1, .partitions = 1};
    struct plan again = {
        .job = 7, .stage = 1, .sql = "SELECT 1 AS one", .tasks = 1, .attempt = 2, .partitions = 1};
    struct peer *w = &T.workers[0];
    uint32_t executor = w->heartbeat->processes[0]->pid;
    assign(w, &plan);
    wait_running(7, 0);
    int64_t began = ei_now_us();
    kill((pid_t)executor, SIGKILL);
    const Eider__V1__TaskEvent *event = wait_failed(7, 0, 0, 1, EI_LOST);
    assert_false(event->not_its_fault);
    assert_non_null(strstr(event->error->text, "died: signal 9 (killed)"));
    assign(w, &again);
    wait_done(7, 1, 0, 2);
    print_message("executor killed, next task done after %.1f ms\n",
                  (double)(ei_now_us() - began) / 1000);
    forget(w, 7);
}

static bool registered_again(const void *arg) {
    return T.workers[0].conn && T.workers[0].registrations > *(const uint64_t *)arg;
}

static void test_reconnect(void **state) {
    struct plan quick = {
        .job = 8, .sql = "SELECT 1 AS one", .tasks = 1, .attempt = 1, .partitions = 1};
    struct plan slow = {.job = 9, .sql = LONG_QUERY, .tasks = 1, .attempt = 1, .partitions = 1};
    struct peer *w = &T.workers[0];
    uint64_t before = w->registrations;
    assign(w, &quick);
    assign(w, &slow);
    wait_done(8, 0, 0, 1);
    wait_running(9, 0);
    size_t events = T.event_count;
    uint64_t incarnation = w->registration->incarnation;
    ei_conn_close(w->conn);
    assert_true(wait_for(registered_again, &before, WAIT_MS));
    assert_int_equal(w->registration->incarnation, incarnation);
    assert_int_equal(w->registration->n_running, 1);
    assert_int_equal(w->registration->running[0]->job, 9);
    pause_ms(100);
    assert_true(T.event_count > events); /* said again */
    assert_int_equal(T.events[T.event_count - 1]->id->job, 8);
    T.first_job = 10; /* as a master that knows nothing of them would */
    before = w->registrations;
    ei_conn_close(w->conn);
    assert_true(wait_for(registered_again, &before, WAIT_MS));
    pause_ms(300);
    before = w->registrations;
    ei_conn_close(w->conn);
    assert_true(wait_for(registered_again, &before, WAIT_MS));
    assert_int_equal(w->registration->n_running, 0);
}

static bool events_there(const void *arg) {
    return T.event_count >= *(const size_t *)arg;
}

static void test_noops(void **state) {
    enum { TASKS = 20000 };
    struct plan plan = {
        .job = 10, .sql = "", .tasks = TASKS, .attempt = 1, .partitions = 1, .noop = true};
    pause_ms(50); /* what the last reconnect said again */
    int64_t began = ei_now_us();
    size_t before = T.event_count;
    assign(&T.workers[0], &plan);
    size_t wanted = before + TASKS;
    assert_true(wait_for(events_there, &wanted, WAIT_MS));
    print_message("no-op tasks: %.0f a second\n",
                  TASKS / ((double)(ei_now_us() - began) / 1000000));
    assert_int_equal(T.event_count - before, TASKS);
    forget(&T.workers[0], 10);
}

static void test_idle_memory(void **state) {
    struct peer *w = &T.workers[0];
    pause_ms(1500);
    uint64_t worker = w->heartbeat->rss_bytes, executor = w->heartbeat->processes[0]->rss_bytes;
    print_message("idle memory: worker %.1f MB, executor %.1f MB\n", (double)worker / 1e6,
                  (double)executor / 1e6);
    if (!SANITIZED) {
        assert_true(worker < 8u << 20);
        assert_true(executor < 45u << 20);
    }
}

static void flip_byte(const char *path, off_t at) {
    char c = 0;
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0 && pread(fd, &c, 1, at) == 1);
    c = (char)~c;
    assert_int_equal(pwrite(fd, &c, 1, at), 1);
    close(fd);
}

static void test_remote(void **state) {
    struct two_stages s;
    start_worker(1, "host-b", "1");
    produce(&s, &T.workers[0], 11);
    struct plan a = consumer(&s, 11, 0, 1, 0), b = consumer(&s, 11, 1, 1, 2);
    int64_t began = ei_now_us();
    assign(&T.workers[1], &a);
    assign(&T.workers[1], &b);
    const Eider__V1__TaskEvent *first = wait_done(11, 1, 0, 1), *second = wait_done(11, 1, 1, 1);
    print_message("remote inputs: %.1f ms\n", (double)(ei_now_us() - began) / 1000);
    assert_int_equal(result_value(first->output->path) + result_value(second->output->path),
                     SUM_OF_BOTH);
    assert_string_equal(first->output->worker, "worker-2");
}

static void check_lost(const Eider__V1__TaskEvent *event, uint32_t task) {
    assert_int_equal(event->lost_stage, 0);
    assert_int_equal(event->n_lost_inputs, 1);
    assert_int_equal(event->lost_inputs[0]->task, task);
    assert_int_equal(event->lost_inputs[0]->attempt, 1);
    assert_string_equal(event->lost_inputs[0]->worker, "worker-1");
    assert_true(event->not_its_fault);
}

static void test_damaged_input(void **state) {
    struct two_stages s;
    produce(&s, &T.workers[0], 12);
    flip_byte(s.outputs[1].path, (off_t)s.outputs[1].file_bytes / 2);
    struct plan here = consumer(&s, 12, 0, 1, 0), there = consumer(&s, 12, 1, 1, 0);
    here.partition_count = there.partition_count = 4;
    assign(&T.workers[0], &here);
    check_lost(wait_failed(12, 1, 0, 1, EI_INPUT_LOST), 1);
    assign(&T.workers[1], &there);
    check_lost(wait_failed(12, 1, 1, 1, EI_INPUT_LOST), 1);
    /* Recomputed: the same task reads attempt 2 and is right. */
    struct plan plan = {.job = 12,
                        .sql = "SELECT i AS k FROM range(100000) t(i)",
                        .tasks = 1,
                        .first_task = 1,
                        .attempt = 2,
                        .partitions = 4};
    assign(&T.workers[0], &plan);
    s.outputs[1] = output_of(wait_done(12, 0, 1, 2));
    there.attempt = 2;
    assign(&T.workers[1], &there);
    assert_int_equal(result_value(wait_done(12, 1, 1, 2)->output->path), SUM_OF_BOTH);
}

static void test_missing_input(void **state) {
    struct two_stages s;
    produce(&s, &T.workers[0], 13);
    assert_int_equal(unlink(s.outputs[0].path), 0);
    struct plan here = consumer(&s, 13, 0, 1, 0), there = consumer(&s, 13, 1, 1, 0);
    assign(&T.workers[0], &here);
    check_lost(wait_failed(13, 1, 0, 1, EI_INPUT_LOST), 0);
    assign(&T.workers[1], &there);
    check_lost(wait_failed(13, 1, 1, 1, EI_INPUT_LOST), 0);
}

static void test_dead_peer(void **state) {
    struct two_stages s;
    produce(&s, &T.workers[0], 14);
    stop_worker(&T.workers[0], SIGKILL);
    struct plan there = consumer(&s, 14, 0, 1, 0);
    int64_t began = ei_now_us();
    assign(&T.workers[1], &there);
    const Eider__V1__TaskEvent *event = wait_failed(14, 1, 0, 1, EI_INPUT_LOST);
    print_message("dead peer: %.0f ms; %s\n", (double)(ei_now_us() - began) / 1000,
                  event->error->text);
    assert_int_equal(event->n_lost_inputs, 2);
    assert_true(ei_now_us() - began < 5000000);
}

static void test_clean_stop(void **state) {
    char *exchange = ei_asprintf("%s/worker-2/exchange", T.dir);
    char *executor = ei_asprintf("%s/worker-2/executor", T.dir);
    assert_int_equal(access(exchange, F_OK), 0);
    int64_t began = ei_now_us();
    int status = stop_worker(&T.workers[1], SIGTERM);
    print_message("stop: %.0f ms\n", (double)(ei_now_us() - began) / 1000);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_not_equal(access(exchange, F_OK), 0);
    assert_int_not_equal(access(executor, F_OK), 0);
    free(exchange);
    free(executor);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "worker") == 0)
        return ei_worker_main(argc - 1, argv + 1);
    if (argc > 1 && strcmp(argv[1], "executor") == 0)
        return ei_executor_main(argc - 1, argv + 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_two_stages),    cmocka_unit_test(test_read_output),
        cmocka_unit_test(test_wrong_sql),     cmocka_unit_test(test_forget),
        cmocka_unit_test(test_lines),         cmocka_unit_test(test_queue),
        cmocka_unit_test(test_kill_task),     cmocka_unit_test(test_idle_memory),
        cmocka_unit_test(test_kill_stubborn), cmocka_unit_test(test_executor_killed),
        cmocka_unit_test(test_reconnect),     cmocka_unit_test(test_noops),
        cmocka_unit_test(test_remote),        cmocka_unit_test(test_damaged_input),
        cmocka_unit_test(test_missing_input), cmocka_unit_test(test_dead_peer),
        cmocka_unit_test(test_clean_stop),
    };
    return cmocka_run_group_tests(tests, start_all, stop_all);
}
