/* From the path argument to a list of files: the same files in the same order as DuckDB's. */
#include "duck/facts.h"

#include "base/mem.h"
#include "duck/text_blocks.h"
#include "os/os.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MAX 100000

static const char *path_argument(const struct ei_facts *f) {
    for (size_t i = 0; i < f->call->argument_count; i++)
        if (f->call->arguments[i].name == NULL)
            return f->call->arguments[i].sql;
    return NULL;
}

/* The argument is an expression without subqueries: DuckDB computes it. */
static int list_patterns(struct ei_facts *f, struct ei_rows *out, struct ei_error *e) {
    const char *argument = path_argument(f);
    size_t positional = 0;
    for (size_t i = 0; i < f->call->argument_count; i++)
        positional += f->call->arguments[i].name == NULL;
    if (positional != 1)
        return ei_fail(e, EI_INVALID,
                       "%s needs one path or list of paths, and then options by "
                       "name",
                       f->call->function);
    struct ei_buf sql = {0}, select = {0};
    ei_buf_printf(&select, "SELECT (%s)", argument);
    ei_buf_puts(&sql, "SELECT json_serialize_sql(");
    ei_buf_sql_string(&sql, select.data);
    ei_buf_putc(&sql, ')');
    int rc = ei_rows_query(f->c, sql.data, out, e);
    if (rc == 0 && out->row_count == 1 && ei_rows_at(out, 0, 0) != NULL) {
        const char *tree = ei_rows_at(out, 0, 0);
        if (strstr(tree, "\"error\":true") != NULL ||
            strstr(tree, "\"class\":\"SUBQUERY\"") != NULL)
            rc = ei_fail(e, EI_INVALID, "the path of a table must be a constant, not %s", argument);
    }
    if (rc == 0) {
        ei_rows_release(out);
        ei_buf_clear(&sql);
        ei_buf_printf(&sql,
                      "SELECT unnest(CASE WHEN typeof(p) = 'VARCHAR' THEN [p::VARCHAR] "
                      "ELSE p::VARCHAR[] END) FROM (SELECT (%s) AS p)",
                      argument);
        rc = ei_rows_query(f->c, sql.data, out, e);
        if (rc != 0)
            (void)ei_fail(e, EI_INVALID,
                          "the path of a table must be a constant text or list of "
                          "texts, not %s",
                          argument);
    }
    ei_buf_release(&sql);
    ei_buf_release(&select);
    return rc;
}

static int add_file(struct ei_facts *f, const char *path, struct ei_error *e) {
    struct stat st;
    if (f->file_count == FILES_MAX)
        return ei_fail(e, EI_LIMIT, "a table of more than %d files is too much", FILES_MAX);
    if (stat(path, &st) != 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return ei_fail(e, EI_INPUT_MISSING, "there is no file %s", path);
        return ei_fail_errno(e, EI_INPUT_MISSING, errno, "cannot look at the file %s", path);
    }
    if (S_ISDIR(st.st_mode))
        return ei_fail(e, EI_INVALID, "%s is a directory: name its files, as in '%s/*.parquet'",
                       path, path);
    if (!S_ISREG(st.st_mode))
        return ei_fail(e, EI_INVALID, "%s is not a regular file", path);
    if (access(path, R_OK) != 0)
        return ei_fail_errno(e, EI_INPUT_MISSING, errno, "cannot read the file %s", path);
    EI_GROW(f->files, f->file_count, f->file_capacity);
    struct ei_facts_file *file = &f->files[f->file_count++];
    file->path = ei_strdup(path);
    file->size = (uint64_t)st.st_size;
    file->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    file->compressed = ei_text_is_compressed(path);
    f->out->bytes += file->size;
    return 0;
}

static int add_pattern(struct ei_facts *f, const char *pattern, struct ei_error *e) {
    if (strstr(pattern, "://") != NULL)
        return ei_fail(e, EI_UNSUPPORTED, "%s: tables on the network cannot be read yet", pattern);
    const char *plain = strncmp(pattern, "./", 2) == 0 ? pattern + 2 : pattern;
    char *path = plain[0] == '/' ? ei_strdup(plain) : ei_path_join(f->call->base_dir, plain);
    if (strpbrk(path, "*?[") == NULL) {
        int rc = add_file(f, path, e);
        free(path);
        return rc;
    }
    struct ei_buf sql = {0};
    struct ei_rows rows;
    ei_buf_puts(&sql, "SELECT file FROM glob(");
    ei_buf_sql_string(&sql, path);
    ei_buf_putc(&sql, ')');
    int rc = ei_rows_query(f->c, sql.data, &rows, e);
    ei_buf_release(&sql);
    if (rc == 0 && rows.row_count == 0)
        rc = ei_fail(e, EI_INPUT_MISSING, "no file matches %s", path);
    for (size_t i = 0; rc == 0 && i < rows.row_count; i++)
        rc = add_file(f, ei_rows_at(&rows, i, 0), e);
    ei_rows_release(&rows);
    free(path);
    return rc;
}

int ei_facts_find_files(struct ei_facts *f, struct ei_error *e) {
    struct ei_rows patterns = {0};
    int rc = list_patterns(f, &patterns, e);
    if (rc == 0 && patterns.row_count == 0)
        rc = ei_fail(e, EI_INVALID, "the list of paths is empty");
    for (size_t i = 0; rc == 0 && i < patterns.row_count; i++) {
        const char *pattern = ei_rows_at(&patterns, i, 0);
        if (pattern == NULL || pattern[0] == '\0')
            rc = ei_fail(e, EI_INVALID, "a path is empty");
        else
            rc = add_pattern(f, pattern, e);
    }
    ei_rows_release(&patterns);
    return rc;
}
