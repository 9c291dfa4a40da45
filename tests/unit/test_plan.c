/* Golden plans: tests/golden/plan/NAME.sql gives NAME.plan. EIDER_GOLDEN_UPDATE=1 writes them anew:
 * read the difference before you commit it. */
#include "plan_env.h"

#include "base/buf.h"
#include "base/mem.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#define MB (1000ULL * 1000)

static const struct plan_env_table TABLES[] = {
    {"flights",
     "FlightDate DATE, carrier VARCHAR, origin VARCHAR, dest VARCHAR, delay INTEGER, "
     "distance INTEGER, time DOUBLE, price DECIMAL(9,2)",
     3000000, 36 * MB, 4, NULL},
    {"carriers", "code VARCHAR, name VARCHAR, country VARCHAR", 1500, 40000, 0, NULL},
    {"airports", "iata VARCHAR, city VARCHAR, state VARCHAR", 3400, 200000, 2, NULL},
    {"bookings", "id BIGINT, flight_id BIGINT, carrier VARCHAR, seat INTEGER, paid DECIMAL(12,2)",
     50000000, 900 * MB, 8, NULL},
    {"legs", "flight_id INTEGER, origin VARCHAR, dest VARCHAR, minutes INTEGER", 40000000, 700 * MB,
     6, NULL},
    {"notes", "flight_id BIGINT, words VARCHAR", 60000000, 800 * MB, 0,
     "its CSV has quoted newlines"},
    /* The shape of TPC-H at scale factor 10. */
    {"lineitem",
     "l_orderkey BIGINT, l_partkey BIGINT, l_suppkey BIGINT, l_linenumber INTEGER, "
     "l_quantity DECIMAL(15,2), l_extendedprice DECIMAL(15,2), l_discount DECIMAL(15,2), "
     "l_tax DECIMAL(15,2), l_returnflag VARCHAR, l_linestatus VARCHAR, l_shipdate DATE, "
     "l_commitdate DATE, l_receiptdate DATE, l_shipinstruct VARCHAR, l_shipmode VARCHAR",
     60000000, 2200 * MB, 16, NULL},
    {"orders",
     "o_orderkey BIGINT, o_custkey BIGINT, o_orderstatus VARCHAR, o_totalprice DECIMAL(15,2), "
     "o_orderdate DATE, o_orderpriority VARCHAR, o_shippriority INTEGER, o_comment VARCHAR",
     15000000, 700 * MB, 8, NULL},
    {"partsupp",
     "ps_partkey BIGINT, ps_suppkey BIGINT, ps_availqty INTEGER, ps_supplycost DECIMAL(15,2)",
     8000000, 400 * MB, 4, NULL},
    {"customer",
     "c_custkey BIGINT, c_name VARCHAR, c_address VARCHAR, c_nationkey INTEGER, c_phone VARCHAR, "
     "c_acctbal DECIMAL(15,2), c_mktsegment VARCHAR, c_comment VARCHAR",
     1500000, 140 * MB, 2, NULL},
    {"part",
     "p_partkey BIGINT, p_name VARCHAR, p_mfgr VARCHAR, p_brand VARCHAR, p_type VARCHAR, "
     "p_size INTEGER, p_container VARCHAR",
     2000000, 70 * MB, 2, NULL},
    {"supplier",
     "s_suppkey BIGINT, s_name VARCHAR, s_address VARCHAR, s_nationkey INTEGER, s_phone VARCHAR, "
     "s_acctbal DECIMAL(15,2), s_comment VARCHAR",
     100000, 9 * MB, 1, NULL},
    {"nation", "n_nationkey INTEGER, n_name VARCHAR, n_regionkey INTEGER", 25, 2000, 0, NULL},
    {"region", "r_regionkey INTEGER, r_name VARCHAR", 5, 1000, 0, NULL},
    {"tiny", "a INTEGER, b VARCHAR", 10, 100, 0, NULL},
};

static char *read_text(const char *path) {
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return NULL;
    struct ei_buf text = {0};
    for (size_t n = 1; n > 0;) {
        char *at = ei_buf_reserve(&text, 4096);
        n = fread(at, 1, 4096, f);
        text.len += n;
        text.data[text.len] = '\0';
    }
    (void)fclose(f);
    return ei_buf_steal(&text);
}

static void write_text(const char *path, const char *text) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    (void)fputs(text, f);
    (void)fclose(f);
}

static char *plan_of(struct plan_env *p, const char *sql) {
    struct ei_error e = {0};
    Eider__V1__JobSpec *job = plan_env_plan(p, sql, &e);
    if (job == NULL)
        return ei_asprintf("error %s: %s\n", ei_code_name(e.code), e.text);
    struct ei_buf text = {0};
    ei_buf_puts(&text, job->plan_text);
    const Eider__V1__StageSpec *last = job->stages[job->n_stages - 1];
    ei_buf_puts(&text, "columns:");
    for (size_t i = 0; i < last->n_columns; i++)
        ei_buf_printf(&text, "%s %s %s", i == 0 ? "" : ",", last->columns[i]->name,
                      last->columns[i]->type);
    ei_buf_putc(&text, '\n');
    eider__v1__job_spec__free_unpacked(job, NULL);
    return ei_buf_steal(&text);
}

static bool check_one(struct plan_env *p, const char *name) {
    char *sql_path = ei_asprintf("%s/%s", EIDER_GOLDEN_DIR, name);
    char *plan_path = ei_asprintf("%s/%.*s.plan", EIDER_GOLDEN_DIR, (int)(strlen(name) - 4), name);
    char *sql = read_text(sql_path);
    assert_non_null(sql);
    char *got = plan_of(p, sql), *wanted = read_text(plan_path);
    bool same = wanted != NULL && strcmp(got, wanted) == 0;
    if (getenv("EIDER_GOLDEN_UPDATE") != NULL) {
        write_text(plan_path, got);
        same = true;
    }
    if (!same)
        print_error("%s: the plan changed\n--- wanted\n%s--- got\n%s", name,
                    wanted == NULL ? "(no file)\n" : wanted, got);
    free(sql_path);
    free(plan_path);
    free(sql);
    free(got);
    free(wanted);
    return same;
}

static void test_golden_plans(void **state) {
    (void)state;
    struct plan_env *p = plan_env_create(TABLES, EI_ARRAY_LEN(TABLES), 4, 64 * MB);
    struct dirent **entries = NULL;
    int count = scandir(EIDER_GOLDEN_DIR, &entries, NULL, alphasort);
    assert_true(count > 0);
    size_t checked = 0, wrong = 0;
    for (int i = 0; i < count; i++) {
        size_t len = strlen(entries[i]->d_name);
        if (len > 4 && strcmp(entries[i]->d_name + len - 4, ".sql") == 0) {
            checked++;
            wrong += check_one(p, entries[i]->d_name) ? 0 : 1;
        }
        free(entries[i]);
    }
    free(entries);
    plan_env_destroy(p);
    assert_true(checked >= 60);
    assert_int_equal(wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden_plans)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
