/* Runs plans in one DuckDB and compares with the query itself. Splits are slices of a table by row
 * number (some empty), exchanges are tables with the producer's number and the partition of each
 * row. The queries: tests/golden/plan_exec.sql, one a line; a line that begins with '=' must give
 * its rows in the same order; one that begins with '!' must be split (no whole_reason). */
#include "plan_env.h"

#include "base/buf.h"
#include "base/mem.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "sanitized.h"

#define RELATIVE_ERROR 1e-9

/* Under a sanitizer each data set takes another fifth of the queries: it is slow. */
#if SANITIZED
#define STRIDE 5
#else
#define STRIDE 1
#endif

/* n = the number of rows of f. NULLs, a skewed key, ties, negative numbers, empty strings. */
static const char *const DATA[] = {
    "CREATE SCHEMA data",
    "CREATE TABLE data.f AS SELECT i::INTEGER AS id,"
    " CASE WHEN i % 11 = 0 THEN NULL WHEN i % 3 = 0 THEN 1 ELSE i % 17 END::INTEGER AS k,"
    " CASE WHEN i % 13 = 0 THEN NULL WHEN i % 7 = 0 THEN '' ELSE 'g' || (i * 7 % 5) END AS g,"
    " CASE WHEN i % 9 = 0 THEN NULL ELSE ((i * 37 % 1000) - 300) / 100.0 END::DECIMAL(15,2) AS d,"
    " CASE WHEN i % 8 = 0 THEN NULL ELSE (i * 31 % 997) / 7.0 - 40 END::DOUBLE AS x,"
    " i % 4 = 1 AS b, DATE '2020-01-01' + (i * 5 % 60)::INTEGER AS dt,"
    " TIMESTAMP '2020-01-01' + to_hours(i * 7 % 100) AS ts, (i * 1000003 % 101)::BIGINT AS big,"
    " CASE WHEN i % 6 = 0 THEN NULL ELSE [i % 3, i % 2] END AS l,"
    " {'p': i % 5, 'q': 's' || (i % 2)} AS st, (i % 250)::UTINYINT AS u"
    " FROM range({n}) t(i)",
    "CREATE TABLE data.h AS SELECT (i * 3 % 400)::BIGINT AS id,"
    " CASE WHEN i % 10 = 0 THEN NULL ELSE i % 19 END::INTEGER AS k, 'v' || (i % 6) AS v,"
    " (i * 17 % 90)::INTEGER AS w FROM range({n} // 2) t(i)",
    "CREATE TABLE data.h2 AS SELECT (i * 7 % 350)::INTEGER AS id, i % 23 AS k2, 'z' || (i % 4) AS z"
    " FROM range({n} // 3) t(i)",
    "CREATE TABLE data.m AS SELECT i::INTEGER AS k, 'm' || (i % 3) AS name, i % 2 = 0 AS even"
    " FROM range(least({n}, 15)) t(i)",
    "CREATE TABLE data.s AS SELECT CASE WHEN i = 3 THEN NULL ELSE i END::INTEGER AS k,"
    " 'n' || (i % 4) AS name FROM range(12) t(i)",
};
static const char *const NAMES[] = {"f", "h", "h2", "m", "s"};

static const char *const COLUMNS[] = {
    "id INTEGER, k INTEGER, g VARCHAR, d DECIMAL(15,2), x DOUBLE, b BOOLEAN, dt DATE, ts "
    "TIMESTAMP, "
    "big BIGINT, l BIGINT[], st STRUCT(p BIGINT, q VARCHAR), u UTINYINT",
    "id BIGINT, k INTEGER, v VARCHAR, w INTEGER",
    "id INTEGER, k2 BIGINT, z VARCHAR",
    "k INTEGER, name VARCHAR, even BOOLEAN",
    "k INTEGER, name VARCHAR",
};

struct world {
    duckdb_database db;
    duckdb_connection original, tasks;
    struct plan_env *planner;
    struct plan_env_table tables[EI_ARRAY_LEN(NAMES)];
    unsigned splits, compared, split_plans;
};

static void must(duckdb_connection c, const char *sql) {
    duckdb_result r;
    if (duckdb_query(c, sql, &r) != DuckDBSuccess)
        fail_msg("%s\n%s", sql, duckdb_result_error(&r));
    duckdb_destroy_result(&r);
}

/* Runs sql with every {n} replaced. */
static void must_with(duckdb_connection c, const char *sql, unsigned n) {
    struct ei_buf text = {0};
    for (const char *p = sql; *p != '\0';) {
        const char *mark = strstr(p, "{n}");
        ei_buf_append(&text, p, mark == NULL ? strlen(p) : (size_t)(mark - p));
        if (mark == NULL)
            break;
        ei_buf_printf(&text, "%u", n);
        p = mark + 3;
    }
    must(c, text.data);
    ei_buf_release(&text);
}

static void world_init(struct world *w, unsigned rows, unsigned partitions) {
    struct ei_error e;
    *w = (struct world){.splits = partitions + 1};
    assert_int_equal(ei_duck_load(&e), 0);
    duckdb_config config;
    (void)duckdb_create_config(&config);
    (void)duckdb_set_config(config, "threads", "1");
    assert_int_equal(duckdb_open_ext(":memory:", &w->db, config, NULL), DuckDBSuccess);
    duckdb_destroy_config(&config);
    assert_int_equal(duckdb_connect(w->db, &w->original), DuckDBSuccess);
    assert_int_equal(duckdb_connect(w->db, &w->tasks), DuckDBSuccess);
    for (size_t i = 0; i < EI_ARRAY_LEN(DATA); i++)
        must_with(w->original, DATA[i], rows);
    for (size_t i = 0; i < EI_ARRAY_LEN(NAMES); i++) {
        char *view = ei_asprintf("CREATE VIEW %s AS SELECT * FROM data.%s", NAMES[i], NAMES[i]);
        must(w->original, view);
        free(view);
        bool large = i < 3;
        /* The planner is told of many rows, so that it makes as many partitions as there are slots.
         */
        w->tables[i] = (struct plan_env_table){.name = NAMES[i],
                                               .columns = COLUMNS[i],
                                               .rows = large ? 10000000 - i : 100000,
                                               .bytes = large ? 1000000000 - i : 5000,
                                               .splits = i < 4 ? w->splits : 0};
    }
    w->planner = plan_env_create(w->tables, EI_ARRAY_LEN(NAMES), partitions, 50000000);
}

static void world_release(struct world *w) {
    plan_env_destroy(w->planner);
    duckdb_disconnect(&w->original);
    duckdb_disconnect(&w->tasks);
    duckdb_close(&w->db);
}

/* ---- a task ---- */

static uint64_t row_count(struct world *w, const char *table) {
    struct ei_error e;
    char *sql = ei_asprintf("SELECT count(*) FROM data.%s", table);
    char *text = plan_env_text(w->original, sql, &e);
    uint64_t n = strtoull(text, NULL, 10);
    free(sql);
    free(text);
    return n;
}

static void bind_table(struct world *w, const Eider__V1__TableInput *t,
                       const Eider__V1__Split *split) {
    const Eider__V1__FileSlice *slice = split->slices[0];
    uint64_t rows = row_count(w, slice->path), n = w->splits;
    uint64_t from = rows * slice->begin * slice->begin / (n * n);
    uint64_t to = slice->end == 0 ? rows : rows * slice->end * slice->end / (n * n);
    char *sql = ei_asprintf("CREATE OR REPLACE TEMP VIEW \"%s\" AS SELECT * FROM data.%s WHERE "
                            "rowid >= %lu AND rowid < %lu",
                            t->name, slice->path, (unsigned long)from, (unsigned long)to);
    must(w->tasks, sql);
    free(sql);
}

static void bind_exchange(struct world *w, const Eider__V1__JobSpec *job,
                          const Eider__V1__ExchangeInput *x, uint32_t task) {
    struct ei_buf sql = {0};
    ei_buf_printf(&sql, "CREATE OR REPLACE TEMP VIEW \"%s\" AS SELECT ", x->name);
    for (size_t i = 0; i < x->n_columns; i++) {
        ei_buf_puts(&sql, i == 0 ? "" : ", ");
        ei_buf_sql_ident(&sql, x->columns[i]->name);
    }
    ei_buf_printf(&sql, " FROM out_%u", x->stage);
    if (job->stages[x->stage]->output == EIDER__V1__DISTRIBUTION__DISTRIBUTION_HASH)
        ei_buf_printf(&sql, " WHERE \"#part\" = %u", task);
    must(w->tasks, sql.data);
    ei_buf_release(&sql);
}

static void run_task(struct world *w, const Eider__V1__JobSpec *job, const Eider__V1__StageSpec *s,
                     uint32_t task) {
    for (size_t i = 0; i < s->n_tables; i++)
        bind_table(w, s->tables[i], s->splits[task]);
    for (size_t i = 0; i < s->n_whole_tables; i++)
        bind_table(w, s->whole_tables[i], s->whole_splits[i]);
    for (size_t i = 0; i < s->n_exchanges; i++)
        bind_exchange(w, job, s->exchanges[i], task);
    struct ei_buf sql = {0};
    if (task == 0)
        ei_buf_printf(&sql, "CREATE OR REPLACE TEMP TABLE out_%u AS ", s->id);
    else
        ei_buf_printf(&sql, "INSERT INTO out_%u ", s->id);
    ei_buf_puts(&sql, "SELECT ");
    if (s->output == EIDER__V1__DISTRIBUTION__DISTRIBUTION_HASH) {
        ei_buf_puts(&sql, "hash(");
        for (size_t i = 0; i < s->n_key_columns; i++) {
            ei_buf_puts(&sql, i == 0 ? "" : ", ");
            ei_buf_sql_ident(&sql, s->columns[s->key_columns[i]]->name);
        }
        ei_buf_printf(&sql, ") %% %u", s->partitions);
    } else {
        ei_buf_puts(&sql, "0");
    }
    ei_buf_printf(&sql, " AS \"#part\", * FROM (%s)", s->sql);
    must(w->tasks, sql.data);
    ei_buf_release(&sql);
}

/* A stage that reads two hash exchanges needs them cut alike. */
static void check_shape(const Eider__V1__JobSpec *job, const Eider__V1__StageSpec *s) {
    for (size_t i = 0; i < s->n_exchanges; i++) {
        const Eider__V1__StageSpec *producer = job->stages[s->exchanges[i]->stage];
        assert_true(s->exchanges[i]->stage < s->id);
        if (producer->output == EIDER__V1__DISTRIBUTION__DISTRIBUTION_HASH)
            assert_int_equal(producer->partitions, s->tasks);
        assert_true(producer->output != EIDER__V1__DISTRIBUTION__DISTRIBUTION_GATHER ||
                    s->tasks == 1);
    }
    assert_int_equal(s->n_whole_tables, s->n_whole_splits);
    assert_true(s->n_splits == 0 || s->n_splits == s->tasks);
}

static void run_job(struct world *w, const Eider__V1__JobSpec *job) {
    for (size_t i = 0; i < job->n_stages; i++) {
        check_shape(job, job->stages[i]);
        for (uint32_t task = 0; task < job->stages[i]->tasks; task++)
            run_task(w, job, job->stages[i], task);
    }
}

/* ---- comparing ---- */

struct rows {
    duckdb_result result;
    size_t first_column, columns, count;
    char **values, **keys;
    size_t *order;
};

static const struct rows *sorting;

static int by_key(const void *a, const void *b) {
    return strcmp(sorting->keys[*(const size_t *)a], sorting->keys[*(const size_t *)b]);
}

static bool is_float(const struct rows *r, size_t column) {
    duckdb_type type =
        duckdb_column_type((duckdb_result *)(uintptr_t)&r->result, r->first_column + column);
    return type == DUCKDB_TYPE_DOUBLE || type == DUCKDB_TYPE_FLOAT;
}

static void rows_load(struct rows *r, duckdb_connection c, const char *sql, size_t first_column,
                      bool ordered) {
    *r = (struct rows){.first_column = first_column};
    if (duckdb_query(c, sql, &r->result) != DuckDBSuccess)
        fail_msg("%s\n%s", sql, duckdb_result_error(&r->result));
    r->columns = duckdb_column_count(&r->result) - first_column;
    r->count = duckdb_row_count(&r->result);
    r->values = ei_calloc(r->count * r->columns + 1, sizeof *r->values);
    r->keys = ei_calloc(r->count + 1, sizeof *r->keys);
    r->order = ei_calloc(r->count + 1, sizeof *r->order);
    for (size_t i = 0; i < r->count; i++) {
        struct ei_buf key = {0};
        r->order[i] = i;
        for (size_t k = 0; k < r->columns; k++) {
            char *value = duckdb_value_varchar(&r->result, first_column + k, i);
            r->values[i * r->columns + k] = value == NULL ? NULL : ei_strdup(value);
            if (value != NULL && is_float(r, k))
                ei_buf_printf(&key, "%.5e|", strtod(value, NULL) + 0.0);
            else
                ei_buf_printf(&key, "%s|", value == NULL ? "\001" : value);
            duckdb_free(value);
        }
        r->keys[i] = ei_buf_steal(&key);
    }
    sorting = r;
    if (!ordered)
        qsort(r->order, r->count, sizeof *r->order, by_key);
}

static void rows_release(struct rows *r) {
    for (size_t i = 0; i < r->count * r->columns; i++)
        free(r->values[i]);
    for (size_t i = 0; i < r->count; i++)
        free(r->keys[i]);
    free(r->values);
    free(r->keys);
    free(r->order);
    duckdb_destroy_result(&r->result);
}

static bool same_value(const char *a, const char *b, bool number) {
    if (a == NULL || b == NULL)
        return a == b;
    if (strcmp(a, b) == 0)
        return true;
    double x = strtod(a, NULL), y = strtod(b, NULL);
    return number && fabs(x - y) <= RELATIVE_ERROR * fmax(1e-3, fmax(fabs(x), fabs(y)));
}

static bool same_rows(const struct rows *a, const struct rows *b) {
    if (a->count != b->count || a->columns != b->columns) {
        print_error("%zu rows of %zu columns instead of %zu of %zu\n", b->count, b->columns,
                    a->count, a->columns);
        return false;
    }
    for (size_t i = 0; i < a->count; i++)
        for (size_t k = 0; k < a->columns; k++) {
            const char *x = a->values[a->order[i] * a->columns + k];
            const char *y = b->values[b->order[i] * b->columns + k];
            if (same_value(x, y, is_float(a, k)))
                continue;
            print_error("row %zu column %zu: %s instead of %s\n", i, k, y == NULL ? "NULL" : y,
                        x == NULL ? "NULL" : x);
            return false;
        }
    return true;
}

static bool check_query(struct world *w, const char *line) {
    bool ordered = false, must_split = false;
    for (; *line == '=' || *line == '!'; line++) {
        ordered = ordered || *line == '=';
        must_split = must_split || *line == '!';
    }
    struct ei_error e = {0};
    Eider__V1__JobSpec *job = plan_env_plan(w->planner, line, &e);
    if (job == NULL) {
        print_error("%s\nnot planned: %s\n", line, e.text);
        return false;
    }
    bool whole = job->whole_reason != NULL && job->whole_reason[0] != '\0';
    if (getenv("EIDER_PLAN_VERBOSE") != NULL && whole)
        print_message("whole: %s: %s\n", job->whole_reason, line);
    w->split_plans += whole ? 0 : 1;
    w->compared++;
    run_job(w, job);
    char *result = ei_asprintf("SELECT * FROM out_%zu", job->n_stages - 1);
    struct rows wanted, got;
    rows_load(&wanted, w->original, line, 0, ordered);
    rows_load(&got, w->tasks, result, 1, ordered);
    bool same = same_rows(&wanted, &got);
    const Eider__V1__StageSpec *last = job->stages[job->n_stages - 1];
    same = same && last->n_columns == wanted.columns;
    if (must_split && whole) {
        print_error("should be split\n");
        same = false;
    }
    if (!same)
        print_error("%s\n%s\n", line, job->plan_text);
    rows_release(&wanted);
    rows_release(&got);
    free(result);
    eider__v1__job_spec__free_unpacked(job, NULL);
    return same;
}

static void check_all(unsigned rows, unsigned partitions) {
    struct world w;
    world_init(&w, rows, partitions);
    FILE *file = fopen(EIDER_GOLDEN_DIR "_exec.sql", "rb");
    assert_non_null(file);
    char *line = NULL;
    size_t capacity = 0, wrong = 0, number = rows + partitions;
    for (ssize_t n; (n = getline(&line, &capacity, file)) > 0;) {
        if (line[n - 1] == '\n')
            line[--n] = '\0';
        if (n > 0 && strncmp(line, "--", 2) != 0 && number++ % STRIDE == 0)
            wrong += check_query(&w, line) ? 0 : 1;
    }
    free(line);
    (void)fclose(file);
    print_message("%u rows, %u partitions: %u queries compared, %u of them split\n", rows,
                  partitions, w.compared, w.split_plans);
    assert_true(w.compared >= 150 / STRIDE);
    world_release(&w);
    assert_int_equal(wrong, 0);
}

static void test_one_partition(void **state) {
    (void)state;
    check_all(700, 1);
}

static void test_two_partitions(void **state) {
    (void)state;
    check_all(700, 2);
}

static void test_three_partitions(void **state) {
    (void)state;
    check_all(100, 3);
}

static void test_seven_partitions(void **state) {
    (void)state;
    check_all(700, 7);
}

static void test_no_rows(void **state) {
    (void)state;
    check_all(0, 2);
}

static void test_one_row(void **state) {
    (void)state;
    check_all(1, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_partition),    cmocka_unit_test(test_two_partitions),
        cmocka_unit_test(test_three_partitions), cmocka_unit_test(test_seven_partitions),
        cmocka_unit_test(test_no_rows),          cmocka_unit_test(test_one_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
