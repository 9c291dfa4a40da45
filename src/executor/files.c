/* A stage whose rows go into files that people read: DuckDB's COPY writes them under names that say
 * which attempt made them; what the stage puts out is their list. A failed attempt removes its own;
 * those of killed ones go with the whole directory, which nobody else uses, when the job ends. */
#include "base/mem.h"
#include "duck/errors.h"
#include "duck/sink.h"
#include "executor/internal.h"
#include "os/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX 64         /* of partition columns */
#define FILES_MAX (1u << 20) /* of one task */

struct listing {
    struct ei_buf values; /* ('path', bytes, rows), ... */
    uint64_t files, bytes, rows;
};

static char *copy_sql(const Eider__V1__FileOutput *f, const char *select, const char *path) {
    struct ei_buf sql = {0};
    ei_buf_puts(&sql, "COPY (SELECT ");
    for (size_t i = 0; i < f->n_columns; i++)
        ei_buf_printf(&sql, "%s%s", i == 0 ? "" : ", ", f->columns[i]);
    ei_buf_printf(&sql, " FROM (%s\n) AS eider_rows(", select);
    for (uint32_t i = 0; i < f->width; i++)
        ei_buf_printf(&sql, "%sc%u", i == 0 ? "" : ", ", i);
    ei_buf_puts(&sql, ")) TO ");
    ei_buf_sql_string(&sql, path);
    ei_buf_printf(&sql, " (%s)", f->options);
    return ei_buf_steal(&sql);
}

/* COPY answers with the number of rows. */
static int run_copy(duckdb_connection c, const char *sql, uint64_t *rows, struct ei_error *e) {
    duckdb_result result;
    *rows = 0;
    int rc = 0;
    if (duckdb_query(c, sql, &result) != DuckDBSuccess) {
        rc = ei_duck_result_error(&result, e);
    } else {
        duckdb_data_chunk chunk = duckdb_fetch_chunk(result);
        if (chunk != NULL && duckdb_data_chunk_get_size(chunk) > 0) {
            const int64_t *count = duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk, 0));
            *rows = (uint64_t)count[0];
        }
        duckdb_destroy_data_chunk(&chunk);
    }
    duckdb_destroy_result(&result);
    return rc;
}

/* The file is to be there after a crash of the machine, too. */
static int sync_file(const char *path, uint64_t *bytes, struct ei_error *e) {
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int rc = fd >= 0 && fstat(fd, &st) == 0 && fsync(fd) == 0 ? 0 : -1;
    if (rc != 0)
        (void)ei_fail_errno(e, EI_IO, errno, "cannot write %s", path);
    else
        *bytes = (uint64_t)st.st_size;
    if (fd >= 0)
        (void)close(fd);
    return rc;
}

static int list_file(struct listing *l, const char *base, const char *relative,
                     struct ei_error *e) {
    uint64_t bytes = 0;
    char *path = ei_path_join(base, relative);
    int rc =
        l->files >= FILES_MAX
            ? ei_fail(e, EI_LIMIT, "one task wrote more than %u files: partition by fewer values",
                      FILES_MAX)
            : sync_file(path, &bytes, e);
    free(path);
    if (rc != 0)
        return -1;
    ei_buf_puts(&l->values, l->files == 0 ? "(" : ", (");
    ei_buf_sql_string(&l->values, relative);
    ei_buf_printf(&l->values, ", %" PRIu64 "::UBIGINT, %" PRIu64 "::UBIGINT)", bytes,
                  l->files == 0 ? l->rows : 0);
    l->files++;
    l->bytes += bytes;
    return 0;
}

static int list_tree(struct listing *l, const char *base, const char *relative, int depth,
                     struct ei_error *e) {
    char *path = ei_path_join(base, relative);
    DIR *dir = depth > DEPTH_MAX ? NULL : opendir(path);
    if (dir == NULL) {
        int rc = depth > 0 && errno == ENOTDIR ? list_file(l, base, relative, e)
                 : errno == ENOENT             ? 0 /* no rows, no files */
                                   : ei_fail_errno(e, EI_IO, errno, "cannot read %s", path);
        free(path);
        return rc;
    }
    int rc = 0;
    const struct dirent *entry;
    while (rc == 0 && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        char *child = ei_path_join(relative, entry->d_name);
        rc = list_tree(l, base, child, depth + 1, e);
        free(child);
    }
    (void)closedir(dir);
    free(path);
    return rc;
}

static int write_list(struct run *r, duckdb_connection c, const struct listing *l,
                      struct ei_error *e) {
    const Eider__V1__RunTask *m = r->m;
    struct ei_sink_result result = {0};
    struct ei_sink_options o = {.path = m->output_path,
                                .id = {m->id->job, m->id->stage, m->id->task, m->id->attempt},
                                .partitions = 1,
                                .keep_order = true};
    char *sql =
        l->files == 0
            ? ei_strdup("SELECT ''::VARCHAR AS path, 0::UBIGINT AS bytes, 0::UBIGINT AS rows "
                        "WHERE false")
            : ei_asprintf("SELECT * FROM (VALUES %s) AS files(path, bytes, rows)", l->values.data);
    int rc = ei_duck_write_exchange(c, sql, &o, &result, e);
    free(sql);
    ei_sink_result_release(&result);
    return rc;
}

int ei_task_write_files(struct run *r, duckdb_connection c, struct ei_error *e) {
    const Eider__V1__RunTask *m = r->m;
    const Eider__V1__FileOutput *f = m->spec->files;
    struct listing l = {0};
    char *name = ei_asprintf("%" PRIu64 "-%u-%u-%u.tmp", m->id->job, m->id->stage, m->id->task,
                             m->id->attempt);
    char *path = ei_path_join(f->directory, name);
    char *sql = copy_sql(f, m->spec->sql, path);
    int rc = run_copy(c, sql, &l.rows, e);
    if (rc == 0)
        rc = f->tree ? list_tree(&l, f->directory, name, 0, e)
                     : list_file(&l, f->directory, name, e);
    if (rc == 0)
        rc = write_list(r, c, &l, e);
    if (rc == 0) {
        r->stats.rows_out = l.rows;
        r->stats.bytes_out = l.bytes;
    } else {
        struct ei_error ignored;
        (void)ei_remove_tree(path, &ignored);
    }
    ei_buf_release(&l.values);
    free(sql);
    free(path);
    free(name);
    return rc;
}
