/* Parquet: rows and row groups from the footers; splits by ranges of rows, along row groups. */
#include "duck/facts.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Of read_parquet, those that mean the same for each part of the files. */
static const char *const SPLIT_OPTIONS[] = {"binary_as_string", "filename", "file_row_number",
                                            "hive_partitioning", NULL};

static bool looks_hive(const struct ei_facts_file *file) {
    const char *name = strrchr(file->path, '/');
    for (const char *p = file->path; p < name; p++)
        if (*p == '=')
            return true;
    return false;
}

static bool is_false(const char *sql) {
    return sql != NULL && (strcmp(sql, "false") == 0 || strcmp(sql, "0") == 0 ||
                           strcmp(sql, "CAST('f' AS BOOLEAN)") == 0);
}

/* One row a file: rows, row groups and a text of its schema. */
static int query_footers(struct ei_facts *f, struct ei_rows *rows, struct ei_rows *schemas,
                         struct ei_error *e) {
    struct ei_buf sql = {0};
    ei_buf_puts(&sql, "SELECT file_name, num_rows, num_row_groups FROM ");
    ei_facts_put_call(&sql, f, "parquet_file_metadata", "");
    int rc = ei_rows_query(f->c, sql.data, rows, e);
    if (rc == 0 && f->file_count > 1) {
        ei_buf_clear(&sql);
        ei_buf_puts(&sql, "SELECT DISTINCT list({n: name, t: type, c: converted_type, s: scale, "
                          "p: precision, l: logical_type, k: num_children, r: repetition_type})"
                          "::VARCHAR FROM ");
        ei_facts_put_call(&sql, f, "parquet_schema", "");
        ei_buf_puts(&sql, " GROUP BY file_name LIMIT 2");
        rc = ei_rows_query(f->c, sql.data, schemas, e);
    }
    ei_buf_release(&sql);
    return rc;
}

static int add_row_groups(struct ei_facts *f, size_t file, struct ei_error *e) {
    struct ei_buf sql = {0};
    struct ei_rows groups;
    ei_buf_puts(&sql, "SELECT row_group_id, any_value(row_group_num_rows), "
                      "sum(total_compressed_size) FROM parquet_metadata(");
    ei_buf_sql_string(&sql, f->files[file].path);
    ei_buf_puts(&sql, ") GROUP BY ALL ORDER BY row_group_id");
    int rc = ei_rows_query(f->c, sql.data, &groups, e);
    ei_buf_release(&sql);
    uint64_t row = 0;
    for (size_t i = 0; rc == 0 && i < groups.row_count; i++) {
        uint64_t rows = ei_rows_number(&groups, i, 1);
        if (rows > 0)
            ei_facts_add_piece(f, file, row, row + rows, ei_rows_number(&groups, i, 2));
        row += rows;
    }
    if (rc == 0 && row == 0)
        ei_facts_add_piece(f, file, 0, 0, f->files[file].size);
    ei_rows_release(&groups);
    return rc;
}

static int add_pieces(struct ei_facts *f, const struct ei_rows *footers, struct ei_error *e) {
    uint64_t target =
        ei_facts_target(f, f->limits->min_parquet_bytes, f->limits->max_parquet_bytes);
    uint64_t *ends = ei_calloc(f->file_count, sizeof *ends);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < f->file_count; i++) {
        ends[i] = ei_rows_number(footers, i, 1);
        if (ei_rows_number(footers, i, 2) > 1 && f->files[i].size > target / 2)
            rc = add_row_groups(f, i, e);
        else
            ei_facts_add_piece(f, i, 0, 0, f->files[i].size);
    }
    if (rc == 0)
        ei_facts_pack(f, target, ends);
    free(ends);
    return rc;
}

static const char *whole_reason(const struct ei_facts *f, const struct ei_rows *footers,
                                const struct ei_rows *schemas, const struct ei_rows *columns) {
    if (schemas->row_count > 1)
        return "its files have different schemas";
    if (footers->row_count != f->file_count)
        return "a file is named twice";
    for (size_t i = 0; i < f->file_count; i++)
        if (strcmp(ei_rows_at(footers, i, 0), f->files[i].path) != 0)
            return "its files come in no fixed order";
    if (!is_false(ei_facts_option(f, "hive_partitioning")) && looks_hive(&f->files[0]))
        return "its paths hold columns (hive partitions)";
    for (size_t i = 0; i < columns->row_count; i++)
        if (ei_facts_option(f, "file_row_number") == NULL &&
            strcasecmp(ei_rows_at(columns, i, 0), "file_row_number") == 0)
            return "it has a column file_row_number";
    return NULL;
}

int ei_facts_parquet(struct ei_facts *f, struct ei_error *e) {
    struct ei_rows columns, footers = {0}, schemas = {0};
    if (ei_facts_describe(f, "read_parquet", f->user_options.data, &columns, e) != 0)
        return -1;
    ei_facts_set_columns(f, &columns);
    const char *other = ei_facts_other_option(f, SPLIT_OPTIONS);
    int rc = query_footers(f, &footers, &schemas, e);
    if (rc != 0) { /* encrypted, for example: only read_parquet has the key */
        if (other != NULL) {
            rc = 0;
            ei_facts_whole(f, "read_parquet", NULL);
        }
        goto done;
    }
    for (size_t i = 0; i < footers.row_count; i++)
        f->out->rows += ei_rows_number(&footers, i, 1);
    const char *reason = whole_reason(f, &footers, &schemas, &columns);
    if (other != NULL || reason != NULL) {
        ei_facts_whole(f, "read_parquet", reason);
        goto done;
    }
    f->out->input->kind = EIDER__V1__SOURCE_KIND__SOURCE_PARQUET;
    ei_facts_set(&f->out->input->options, f->user_options.len > 2 ? f->user_options.data + 2 : "");
    rc = add_pieces(f, &footers, e);
done:
    ei_rows_release(&columns);
    ei_rows_release(&footers);
    ei_rows_release(&schemas);
    return rc;
}
