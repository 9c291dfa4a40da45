/* duckdb-oracle: what one DuckDB answers, printed as `eider sql -o csv` prints it. Independent of
 * src/ on purpose: it links libduckdb itself and shares no code with what it judges.
 *
 * The statements before the last one are only executed (SET, CREATE VIEW). Each column of the last
 * one is cast to VARCHAR. NULL is an empty field, an empty string is "".
 *
 * --serve answers many: stdin has, for each query, a line `run N` or `ask N` and N bytes of SQL;
 * stdout one line of JSON for each: {"columns":[...],"types":[...],"rows":[[...]]} with cells as
 * text, {} for a statement that was run, or {"error":"..."}. */
#include <duckdb.h>

#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int complain(const char *what, const char *why) {
    (void)fprintf(stderr, "duckdb-oracle: %s: %s\n", what, why == NULL ? "unknown error" : why);
    return 1;
}

static double now_seconds(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int run(duckdb_connection con, const char *sql, duckdb_result *keep) {
    duckdb_result result;
    duckdb_state state = duckdb_query(con, sql, &result);
    int rc = state == DuckDBSuccess ? 0 : complain("error", duckdb_result_error(&result));
    if (keep != NULL && rc == 0)
        *keep = result;
    else
        duckdb_destroy_result(&result);
    return rc;
}

static void print_cell(const char *text, size_t len, bool first) {
    if (!first)
        (void)putchar(',');
    if (text == NULL)
        return;
    if (len > 0 && memchr(text, ',', len) == NULL && memchr(text, '"', len) == NULL &&
        memchr(text, '\n', len) == NULL && memchr(text, '\r', len) == NULL) {
        (void)fwrite(text, 1, len, stdout);
        return;
    }
    (void)putchar('"');
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"')
            (void)putchar('"');
        (void)putchar(text[i]);
    }
    (void)putchar('"');
}

static void print_chunk(duckdb_data_chunk chunk) {
    idx_t rows = duckdb_data_chunk_get_size(chunk);
    idx_t columns = duckdb_data_chunk_get_column_count(chunk);
    for (idx_t row = 0; row < rows; row++) {
        for (idx_t column = 0; column < columns; column++) {
            duckdb_vector v = duckdb_data_chunk_get_vector(chunk, column);
            uint64_t *validity = duckdb_vector_get_validity(v);
            bool null = validity != NULL && !duckdb_validity_row_is_valid(validity, row);
            duckdb_string_t *s = (duckdb_string_t *)duckdb_vector_get_data(v) + row;
            print_cell(null ? NULL : duckdb_string_t_data(s), null ? 0 : duckdb_string_t_length(*s),
                       column == 0);
        }
        (void)putchar('\n');
    }
}

/* SELECT CAST(c0 AS VARCHAR), ... FROM (sql) AS t(c0, ...); the caller frees. */
static char *cast_all(const char *sql, idx_t columns) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL)
        return NULL;
    (void)fputs("SELECT ", out);
    for (idx_t i = 0; i < columns; i++)
        (void)fprintf(out, "%sCAST(c%llu AS VARCHAR)", i ? "," : "", (unsigned long long)i);
    (void)fprintf(out, " FROM (%s\n) AS t(", sql);
    for (idx_t i = 0; i < columns; i++)
        (void)fprintf(out, "%sc%llu", i ? "," : "", (unsigned long long)i);
    (void)fputc(')', out);
    (void)fclose(out);
    return text;
}

static int print_query(duckdb_connection con, const char *sql, bool with_time) {
    duckdb_prepared_statement statement;
    if (duckdb_prepare(con, sql, &statement) != DuckDBSuccess) {
        int rc = complain("error", duckdb_prepare_error(statement));
        duckdb_destroy_prepare(&statement);
        return rc;
    }
    idx_t columns = duckdb_prepared_statement_column_count(statement);
    for (idx_t i = 0; i < columns; i++) {
        const char *name = duckdb_prepared_statement_column_name(statement, i);
        print_cell(name, strlen(name), i == 0);
    }
    (void)putchar('\n');
    duckdb_destroy_prepare(&statement);

    char *cast = cast_all(sql, columns);
    duckdb_result result;
    double begin = now_seconds();
    int rc = cast == NULL ? complain("error", "out of memory") : run(con, cast, &result);
    free(cast);
    if (rc != 0)
        return rc;
    for (duckdb_data_chunk chunk; (chunk = duckdb_fetch_chunk(result)) != NULL;) {
        print_chunk(chunk);
        duckdb_destroy_data_chunk(&chunk);
    }
    duckdb_destroy_result(&result);
    (void)fflush(stdout);
    if (with_time)
        (void)fprintf(stderr, "seconds %.6f\n", now_seconds() - begin);
    return 0;
}

/* ---- --serve ---- */

static void put_json(const char *text, size_t len) {
    (void)putchar('"');
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\')
            (void)printf("\\%c", c);
        else if (c < 0x20)
            (void)printf("\\u%04x", c);
        else
            (void)putchar(c);
    }
    (void)putchar('"');
}

static void put_error(const char *why) {
    (void)fputs("{\"error\":", stdout);
    put_json(why == NULL ? "unknown error" : why, why == NULL ? 13 : strlen(why));
    (void)putchar('}');
}

static void put_rows(duckdb_result *result) {
    bool first = true;
    for (duckdb_data_chunk chunk; (chunk = duckdb_fetch_chunk(*result)) != NULL;) {
        idx_t rows = duckdb_data_chunk_get_size(chunk);
        idx_t columns = duckdb_data_chunk_get_column_count(chunk);
        for (idx_t row = 0; row < rows; row++, first = false) {
            (void)fputs(first ? "[" : ",[", stdout);
            for (idx_t column = 0; column < columns; column++) {
                duckdb_vector v = duckdb_data_chunk_get_vector(chunk, column);
                uint64_t *validity = duckdb_vector_get_validity(v);
                duckdb_string_t *s = (duckdb_string_t *)duckdb_vector_get_data(v) + row;
                if (column > 0)
                    (void)putchar(',');
                if (validity != NULL && !duckdb_validity_row_is_valid(validity, row))
                    (void)fputs("null", stdout);
                else
                    put_json(duckdb_string_t_data(s), duckdb_string_t_length(*s));
            }
            (void)putchar(']');
        }
        duckdb_destroy_data_chunk(&chunk);
    }
}

/* The types as DuckDB prints them, by typeof over no row. */
static void put_types(duckdb_connection con, const char *sql) {
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    duckdb_result result;
    if (out == NULL)
        return;
    (void)fprintf(out, "DESCRIBE %s", sql);
    (void)fclose(out);
    (void)fputs(",\"types\":[", stdout);
    if (duckdb_query(con, text, &result) == DuckDBSuccess)
        for (idx_t i = 0; i < duckdb_row_count(&result); i++) {
            char *type = duckdb_value_varchar(&result, 1, i);
            (void)fputs(i > 0 ? "," : "", stdout);
            put_json(type, strlen(type));
            duckdb_free(type);
        }
    duckdb_destroy_result(&result);
    free(text);
    (void)putchar(']');
}

static void ask(duckdb_connection con, const char *sql) {
    duckdb_prepared_statement statement;
    duckdb_result result;
    if (duckdb_prepare(con, sql, &statement) != DuckDBSuccess) {
        put_error(duckdb_prepare_error(statement));
        duckdb_destroy_prepare(&statement);
        return;
    }
    idx_t columns = duckdb_prepared_statement_column_count(statement);
    char *cast = cast_all(sql, columns);
    if (cast == NULL || duckdb_query(con, cast, &result) != DuckDBSuccess) {
        put_error(cast == NULL ? "out of memory" : duckdb_result_error(&result));
    } else {
        (void)fputs("{\"columns\":[", stdout);
        for (idx_t i = 0; i < columns; i++) {
            const char *name = duckdb_prepared_statement_column_name(statement, i);
            (void)fputs(i > 0 ? "," : "", stdout);
            put_json(name, strlen(name));
            duckdb_free((void *)name);
        }
        (void)putchar(']');
        put_types(con, sql);
        (void)fputs(",\"rows\":[", stdout);
        put_rows(&result);
        (void)fputs("]}", stdout);
    }
    if (cast != NULL)
        duckdb_destroy_result(&result);
    free(cast);
    duckdb_destroy_prepare(&statement);
}

static int serve(duckdb_connection con) {
    char word[4];
    size_t size;
    while (scanf("%3s %zu", word, &size) == 2 && getchar() == '\n') {
        char *sql = malloc(size + 1);
        if (sql == NULL || fread(sql, 1, size, stdin) != size)
            return complain("cannot read", "the SQL was cut");
        sql[size] = '\0';
        duckdb_result result;
        if (strcmp(word, "ask") == 0) {
            ask(con, sql);
        } else {
            if (duckdb_query(con, sql, &result) == DuckDBSuccess)
                (void)fputs("{}", stdout);
            else
                put_error(duckdb_result_error(&result));
            duckdb_destroy_result(&result);
        }
        free(sql);
        (void)putchar('\n');
        (void)fflush(stdout);
    }
    return 0;
}

/* Cuts at the last semicolon that has a statement behind it; such a semicolon may not stand in a
 * string of the last statement. Returns that statement. */
static char *cut_last(char *sql) {
    size_t len = strlen(sql);
    while (len > 0 && strchr("; \n\t", sql[len - 1]) != NULL)
        sql[--len] = '\0';
    char *semicolon = strrchr(sql, ';');
    if (semicolon == NULL)
        return sql;
    *semicolon = '\0';
    return semicolon + 1;
}

static int answer_once(duckdb_connection con, char *sql, bool with_time) {
    char *last = cut_last(sql);
    int rc = last == sql ? 0 : run(con, sql, NULL);
    return rc != 0 ? rc : print_query(con, last, with_time);
}

int main(int argc, char **argv) {
    static const struct option OPTIONS[] = {{"threads", required_argument, NULL, 't'},
                                            {"time", no_argument, NULL, 'T'},
                                            {"serve", no_argument, NULL, 's'},
                                            {NULL, 0, NULL, 0}};
    const char *threads = "2";
    bool with_time = false, serving = false;
    for (int c; (c = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1;) {
        if (c == 't')
            threads = optarg;
        else if (c == 'T')
            with_time = true;
        else if (c == 's')
            serving = true;
        else
            return 2;
    }
    if (optind + 1 != argc + serving) {
        (void)fputs("usage: duckdb-oracle [--threads N] ([--time] SQL | --serve)\n", stderr);
        return 2;
    }
    duckdb_config config;
    duckdb_database db;
    duckdb_connection con;
    char *why = NULL;
    (void)duckdb_create_config(&config);
    (void)duckdb_set_config(config, "threads", threads);
    if (duckdb_open_ext(NULL, &db, config, &why) != DuckDBSuccess)
        return complain("cannot open a database", why);
    duckdb_destroy_config(&config);
    (void)duckdb_connect(db, &con);
    int rc = serving ? serve(con) : answer_once(con, argv[optind], with_time);
    duckdb_disconnect(&con);
    duckdb_close(&db);
    return rc;
}
