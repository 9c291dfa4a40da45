/* The master driven from outside: what each side hears is checked message by message. */
#include "master_world.h"
#include "sanitized.h"

/* ---- tests ---- */

static void test_job_from_submit_to_forget(void **state) {
    (void)state;
    uv_loop_t loop;
    struct fake w, g;
    struct assigned a;
    assert_int_equal(uv_loop_init(&loop), 0);
    worker_up(&w, &loop, "worker-1", 1);
    fake_connect(&g, &loop, "gateway");
    send_register(&g, "gateway", "gateway", 9);
    uint64_t job = submit(&g, true);
    await_tasks(&w, &a, 2);
    assert_true(a.stage->has_spec && a.stage->spec->n_splits == 0 && a.stage->generation > 0);
    assert_string_equal(a.stage->spec->name, "scan x");
    assert_int_equal(a.tasks[0]->split->n_slices, 1);
    assert_int_equal(a.tasks[0]->split->slices[0]->begin, a.tasks[0]->id->task * 100);
    struct report dirty = done;
    dirty.malformed = 3;
    dirty.warning = "x.log:17: no date";
    report_at(&w, w.epoch - 1, a.tasks[1]->id, &done); /* an old epoch: must change nothing */
    report(&w, a.tasks[0]->id, &dirty);
    report(&w, a.tasks[1]->id, &done);
    assigned_release(&a);
    await_tasks(&w, &a, 2);
    assert_int_equal(a.stage->n_sources, 1);
    assert_int_equal(a.stage->sources[0]->n_outputs, 2);
    assert_string_equal(a.stage->sources[0]->outputs[1]->path, "/w/0-1-1.exf");
    assert_string_equal(a.stage->sources[0]->outputs[1]->address, "127.0.0.1:7001");
    assert_string_equal(a.stage->sources[0]->outputs[0]->host_id, "this-host");
    uint32_t partitions = 0;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(a.tasks[i]->first_partition, a.tasks[i]->id->task == 0 ? 0 : 1);
        partitions += a.tasks[i]->partition_count;
        report(&w, a.tasks[i]->id, &done);
    }
    assert_int_equal(partitions, 3);
    assigned_release(&a);
    Eider__V1__JobUpdate *u = await_end(&g);
    assert_int_equal(u->state, EIDER__V1__JOB_STATE__JOB_SUCCEEDED);
    assert_int_equal(u->n_results, 2);
    assert_string_equal(u->results[1]->path, "/w/1-1-1.exf");
    assert_int_equal(u->n_warnings, 1);
    assert_string_equal(u->warnings[0],
                        "x.log: 3 malformed lines skipped, first at x.log:17: no date");
    assert_int_equal(u->stages[0]->done, 2);
    assert_int_equal(u->stages[0]->rows_in, 20);
    let_go(u);
    release_job(&g, job);
    await_forget(&w, job);
    fake_close(&g);
    fake_close(&w);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* Worker 1 finished half of the first stage and vanishes: exactly that is done again elsewhere. */
static void test_lost_worker(void **state) {
    (void)state;
    uv_loop_t loop;
    struct fake w1, w2, g;
    struct assigned a, b;
    assert_int_equal(uv_loop_init(&loop), 0);
    worker_up(&w1, &loop, "worker-1", 11);
    fake_connect(&g, &loop, "gateway");
    uint64_t job = submit(&g, true);
    await_tasks(&w1, &a, 2);
    report(&w1, a.tasks[0]->id, &done);
    report(&w1, a.tasks[1]->id, &done);
    assigned_release(&a);
    await_tasks(&w1, &a, 2); /* the final stage has begun there */
    assigned_release(&a);
    worker_up(&w2, &loop, "worker-2", 22);
    fake_close(&w1);
    await_tasks(&w2, &a, 2);
    assert_string_equal(a.stage->spec->name, "scan x");
    assert_int_equal(a.tasks[0]->id->attempt, 2);
    report(&w2, a.tasks[0]->id, &done);
    report(&w2, a.tasks[1]->id, &done);
    await_tasks(&w2, &b, 2);
    assert_int_equal(b.stage->stage, 1);
    assert_string_equal(b.stage->sources[0]->outputs[0]->worker, "worker-2");
    assert_int_equal(b.stage->sources[0]->outputs[0]->attempt, 2);
    report(&w2, b.tasks[0]->id, &done);
    report(&w2, b.tasks[1]->id, &done);
    assigned_release(&a);
    assigned_release(&b);
    Eider__V1__JobUpdate *u = await_end(&g);
    assert_int_equal(u->state, EIDER__V1__JOB_STATE__JOB_SUCCEEDED);
    let_go(u);
    struct json_object *s = rest_json("/v1/status");
    assert_non_null(strstr(json_object_to_json_string_ext(s, JSON_C_TO_STRING_PLAIN),
                           "\"name\":\"worker-1\",\"pid\":4711,\"state\":\"lost\""));
    json_object_put(s);
    release_job(&g, job);
    await_forget(&w2, job);
    fake_close(&g);
    fake_close(&w2);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* A broken connection is not a broken worker: the same incarnation goes on where it was. */
static void test_reconnection_keeps_the_work(void **state) {
    (void)state;
    uv_loop_t loop;
    struct fake w, again, g;
    struct assigned a;
    assert_int_equal(uv_loop_init(&loop), 0);
    worker_up(&w, &loop, "worker-1", 31);
    fake_connect(&g, &loop, "gateway");
    (void)submit(&g, true);
    await_tasks(&w, &a, 2);
    fake_connect(&again, &loop, "worker-1");
    Eider__V1__Register r = EIDER__V1__REGISTER__INIT;
    char role[] = "worker", name[] = "worker-1", address[] = "127.0.0.1:7001";
    Eider__V1__AttemptId *running[] = {a.tasks[0]->id};
    Eider__V1__AttemptId stranger = EIDER__V1__ATTEMPT_ID__INIT;
    r.role = role;
    r.name = name;
    r.address = address;
    r.cores = 2;
    r.incarnation = 31;
    stranger.job = 999999;
    stranger.attempt = 1;
    Eider__V1__AttemptId *both[] = {running[0], &stranger};
    r.n_running = 2;
    r.running = both;
    again.epoch = ((const Eider__V1__RegisterReply *)call(&again, &r.base))->epoch;
    assert_true(again.epoch > w.epoch);
    Eider__V1__KillTasks *k = take(&again, EI_MSG_KILL_TASKS);
    assert_int_equal(k->n_ids, 1);
    assert_int_equal(k->ids[0]->job, 999999);
    let_go(k);
    report(&again, a.tasks[0]->id, &done);
    /* The other attempt was not mentioned: it is started anew, without counting as a failure. */
    struct assigned b;
    await_tasks(&again, &b, 1);
    assert_int_equal(b.tasks[0]->id->task, a.tasks[1]->id->task);
    assert_int_equal(b.tasks[0]->id->attempt, a.tasks[1]->id->attempt + 1);
    assert_int_equal(b.frames[0]->n_stages, 0); /* it knows the stage already */
    assigned_release(&a);
    assigned_release(&b);
    fake_close(&g);
    fake_close(&w);
    fake_close(&again);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_cancel(void **state) {
    (void)state;
    uv_loop_t loop;
    struct fake w, g;
    struct assigned a;
    assert_int_equal(uv_loop_init(&loop), 0);
    worker_up(&w, &loop, "worker-1", 41);
    fake_connect(&g, &loop, "gateway");
    uint64_t job = submit(&g, false);
    await_tasks(&w, &a, 2);
    char path[64];
    struct ei_buf body = {0};
    (void)snprintf(path, sizeof path, "/v1/jobs/%llu/cancel", (unsigned long long)job);
    assert_int_equal(rest("POST", path, master.reader, &body), 403);
    assert_int_equal(rest("POST", path, master.token, &body), 200);
    ei_buf_release(&body);
    Eider__V1__KillTasks *k = take(&w, EI_MSG_KILL_TASKS);
    assert_int_equal(k->n_ids, 2);
    let_go(k);
    Eider__V1__JobUpdate *u = await_end(&g);
    assert_int_equal(u->state, EIDER__V1__JOB_STATE__JOB_CANCELLED);
    assert_int_equal(u->error->code, EI_CANCELLED);
    assert_non_null(strstr(u->error->text, "was cancelled: by test"));
    let_go(u);
    struct report gone = {EIDER__V1__TASK_STATE__TASK_FAILED, EI_CANCELLED, "stopped", NULL, 0};
    report(&w, a.tasks[0]->id, &gone);
    report(&w, a.tasks[1]->id, &gone);
    await_forget(&w, job);
    assigned_release(&a);
    fake_close(&g);
    fake_close(&w);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_client_goes_away(void **state) {
    (void)state;
    uv_loop_t loop;
    struct fake w, g;
    struct assigned a;
    assert_int_equal(uv_loop_init(&loop), 0);
    worker_up(&w, &loop, "worker-1", 51);
    fake_connect(&g, &loop, "gateway");
    uint64_t job = submit(&g, true);
    await_tasks(&w, &a, 2);
    fake_close(&g);
    Eider__V1__KillTasks *k = take(&w, EI_MSG_KILL_TASKS);
    assert_int_equal(k->n_ids, 2);
    let_go(k);
    await_forget(&w, job);
    assigned_release(&a);
    fake_close(&w);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_failure_is_a_sentence(void **state) {
    (void)state;
    uv_loop_t loop;
    struct fake w, g;
    struct assigned a;
    assert_int_equal(uv_loop_init(&loop), 0);
    worker_up(&w, &loop, "worker-1", 61);
    fake_connect(&g, &loop, "gateway");
    (void)submit(&g, true);
    await_tasks(&w, &a, 2);
    struct report bad = {EIDER__V1__TASK_STATE__TASK_FAILED, EI_INVALID,
                         "Conversion Error: no number.\n", NULL, 0};
    report(&w, a.tasks[1]->id, &bad);
    Eider__V1__JobUpdate *u = await_end(&g);
    assert_int_equal(u->state, EIDER__V1__JOB_STATE__JOB_FAILED);
    assert_int_equal(u->error->code, EI_INVALID);
    char wanted[128];
    (void)snprintf(wanted, sizeof wanted,
                   "Conversion Error: no number (stage 0 \"scan x\", task %u on worker-1)",
                   a.tasks[1]->id->task);
    assert_string_equal(u->error->text, wanted);
    let_go(u);
    assigned_release(&a);
    fake_close(&g);
    fake_close(&w);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void refuse(struct fake *g, Eider__V1__JobSpec *spec, const char *fragment) {
    Eider__V1__SubmitJob m = EIDER__V1__SUBMIT_JOB__INIT;
    m.spec = spec;
    const Eider__V1__SubmitJobReply *reply = call(g, &m.base);
    assert_non_null(reply->error);
    if (strstr(reply->error->text, fragment) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", reply->error->text, fragment);
    eider__v1__job_spec__free_unpacked(spec, NULL);
}

static void test_bad_specs(void **state) {
    (void)state;
    uv_loop_t loop;
    struct fake g;
    assert_int_equal(uv_loop_init(&loop), 0);
    fake_connect(&g, &loop, "gateway");
    refuse(&g, NULL, "empty");
    Eider__V1__JobSpec *s = make_spec();
    s->stages[0]->id = 1;
    refuse(&g, s, "it has id 1");
    s = make_spec();
    s->stages[1]->exchanges[0]->stage = 1;
    refuse(&g, s, "does not come before it");
    s = make_spec();
    s->stages[0]->tasks = 3;
    refuse(&g, s, "2 splits do not fit 3 tasks");
    s = make_spec();
    s->stages[1]->tasks = 4;
    refuse(&g, s, "more than the 3 partitions");
    s = make_spec();
    s->stages[0]->output = EIDER__V1__DISTRIBUTION__DISTRIBUTION_GATHER;
    s->stages[0]->partitions = 1;
    refuse(&g, s, "must be broadcast");
    s = make_spec();
    s->stages[0]->splits[0]->slices[0]->path[0] = 'x';
    refuse(&g, s, "not absolute");
    s = make_spec();
    s->stages[0]->key_columns[0] = 7;
    refuse(&g, s, "key column 7");
    s = make_spec();
    s->stages[1]->sql[0] = '\0';
    refuse(&g, s, "no SQL");
    s = make_spec();
    s->stages[0]->tasks = EI_JOB_TASKS_MAX + 1;
    refuse(&g, s, "not between 1 and 1000000");
    s = make_spec();
    s->stages[0]->split_table[0] = 'q';
    refuse(&g, s, "none of its tables");
    fake_close(&g);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_catalogue_and_restart(void **state) {
    (void)state;
    uv_loop_t loop;
    struct fake g;
    assert_int_equal(uv_loop_init(&loop), 0);
    fake_connect(&g, &loop, "gateway");
    uint64_t before = submit(&g, true);
    Eider__V1__CatalogCreate c = EIDER__V1__CATALOG_CREATE__INIT;
    Eider__V1__CatalogEntry entry = EIDER__V1__CATALOG_ENTRY__INIT;
    char name[] = "logs", sql[] = "'/data/<b>\"x.log'";
    entry.name = name;
    entry.sql = sql;
    c.entry = &entry;
    const Eider__V1__Reply *r = call(&g, &c.base);
    assert_null(r->error);
    r = call(&g, &c.base);
    assert_int_equal(r->error->code, EI_EXISTS);
    fake_close(&g);
    stop_master(SIGKILL, -1);
    start_master();
    fake_connect(&g, &loop, "gateway");
    Eider__V1__CatalogList list = EIDER__V1__CATALOG_LIST__INIT;
    const Eider__V1__CatalogListReply *tables = call(&g, &list.base);
    assert_int_equal(tables->n_entries, 1);
    assert_string_equal(tables->entries[0]->sql, sql);
    assert_true(tables->entries[0]->created_ms > 0);
    struct json_object *o = rest_json("/v1/tables"), *array = NULL;
    assert_true(json_object_object_get_ex(o, "tables", &array));
    assert_string_equal(text_at(json_object_array_get_idx(array, 0), "sql"), sql);
    json_object_put(o);
    assert_true(submit(&g, true) > before);
    Eider__V1__CatalogDrop d = EIDER__V1__CATALOG_DROP__INIT;
    d.name = name;
    r = call(&g, &d.base);
    assert_null(r->error);
    r = call(&g, &d.base);
    assert_int_equal(r->error->code, EI_NOT_FOUND);
    fake_close(&g);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_rest_documents(void **state) {
    (void)state;
    uv_loop_t loop;
    struct fake w, g;
    struct assigned a;
    struct json_object *o, *list = NULL;
    assert_int_equal(uv_loop_init(&loop), 0);
    worker_up(&w, &loop, "worker-1", 71);
    fake_connect(&g, &loop, "gateway");
    uint64_t job = submit(&g, true);
    await_tasks(&w, &a, 2);
    report(&w, a.tasks[0]->id, &done);
    char path[64];
    (void)snprintf(path, sizeof path, "/v1/jobs/%llu", (unsigned long long)job);
    o = rest_json(path);
    assert_string_equal(text_at(o, "sql"), "SELECT count(*) FROM 'x.log'");
    assert_string_equal(text_at(o, "state"), "running");
    assert_true(json_object_object_get_ex(o, "stages", &list));
    assert_string_equal(text_at(json_object_array_get_idx(list, 0), "tasks"), "2");
    assert_non_null(
        strstr(text_at(json_object_array_get_idx(list, 1), "reason"), "waits for stage 0"));
    json_object_put(o);
    (void)snprintf(path, sizeof path, "/v1/jobs/%llu/tasks?stage=0", (unsigned long long)job);
    o = rest_json(path);
    assert_true(json_object_object_get_ex(o, "tasks", &list));
    assert_int_equal(json_object_array_length(list), 2);
    json_object_put(o);
    o = rest_json("/v1/jobs?limit=1");
    assert_true(json_object_object_get_ex(o, "jobs", &list));
    assert_int_equal(json_object_array_length(list), 1);
    json_object_put(o);
    o = rest_json("/v1");
    assert_true(json_object_object_get_ex(o, "routes", &list));
    assert_int_equal(json_object_array_length(list), ei_master_route_count);
    json_object_put(o);
    o = rest_json("/v1/status");
    assert_true(json_object_object_get_ex(o, "processes", &list));
    assert_string_equal(text_at(json_object_array_get_idx(list, 0), "role"), "master");
    json_object_put(o);
    assigned_release(&a);
    fake_close(&g);
    fake_close(&w);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* Every route: nobody without a token, GET with a reader's, wrong ids and values refused. */
static void test_rest_access(void **state) {
    (void)state;
    struct ei_buf body = {0};
    for (size_t i = 0; i < ei_master_route_count; i++) {
        const struct ei_http_route *r = &ei_master_routes[i];
        char path[64];
        const char *id = strstr(r->pattern, ":id"), *star = strchr(r->pattern, '*');
        if (id != NULL)
            (void)snprintf(path, sizeof path, "%.*s1%s", (int)(id - r->pattern), r->pattern,
                           id + 3);
        else if (star != NULL)
            (void)snprintf(path, sizeof path, "%.*sapp.js", (int)(star - r->pattern), r->pattern);
        else
            (void)snprintf(path, sizeof path, "%s", r->pattern);
        bool open = r->access == EI_ACCESS_PUBLIC;
        assert_int_equal(rest(r->method, path, NULL, &body), open ? 200 : 401);
        assert_int_equal(rest(r->method, path, "wrong", &body), open ? 200 : 401);
        int status = rest(r->method, path, master.reader, &body);
        assert_true(r->access > EI_ACCESS_READ ? status == 403 : status == 200 || status == 404);
    }
    assert_int_equal(rest("GET", "/v1/jobs/x", master.token, &body), 400);
    assert_int_equal(rest("GET", "/v1/jobs/99999999999999999999", master.token, &body), 400);
    assert_int_equal(rest("GET", "/v1/jobs/424242", master.token, &body), 404);
    assert_int_equal(rest("GET", "/v1/jobs?state=odd", master.token, &body), 400);
    assert_int_equal(rest("GET", "/v1/jobs?limit=-1", master.token, &body), 400);
    assert_int_equal(rest("GET", "/ui/../index.html", master.token, &body), 400);
    assert_int_equal(rest("DELETE", "/v1/status", master.token, &body), 405);
    ei_buf_release(&body);
}

static void test_nobody_registers_as_another(void **state) {
    (void)state;
    uv_loop_t loop;
    struct fake w;
    assert_int_equal(uv_loop_init(&loop), 0);
    fake_connect(&w, &loop, "worker-1");
    Eider__V1__Register r = EIDER__V1__REGISTER__INIT;
    char role[] = "worker", name[] = "worker-2", address[] = "127.0.0.1:7001",
         gateway[] = "gateway";
    r.role = role;
    r.name = name;
    r.address = address;
    r.cores = 2;
    const Eider__V1__RegisterReply *reply = call(&w, &r.base);
    assert_int_equal(reply->error->code, EI_DENIED);
    r.role = gateway;
    reply = call(&w, &r.base);
    assert_int_equal(reply->error->code, EI_DENIED);
    fake_close(&w);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_idle_memory(void **state) {
    (void)state;
#if !SANITIZED
    stop_master(SIGTERM, 0);
    start_master();
    assert_in_range(ei_rss_bytes(master.pid), 1, 12u << 20);
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_job_from_submit_to_forget),
        cmocka_unit_test(test_lost_worker),
        cmocka_unit_test(test_reconnection_keeps_the_work),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_client_goes_away),
        cmocka_unit_test(test_failure_is_a_sentence),
        cmocka_unit_test(test_bad_specs),
        cmocka_unit_test(test_catalogue_and_restart),
        cmocka_unit_test(test_rest_documents),
        cmocka_unit_test(test_rest_access),
        cmocka_unit_test(test_nobody_registers_as_another),
        cmocka_unit_test(test_idle_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
