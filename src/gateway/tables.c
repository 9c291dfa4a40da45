/* Tables that Eider keeps: a directory of Parquet files and lists of them. The catalogue names the
 * list that counts, so readers see a change whole or not at all.
 *
 *   TABLES/NAME-TOKEN/part-....parquet
 *   TABLES/NAME-TOKEN/manifest-TOKEN     {"format":1,"columns":[...],"files":[...]}
 *
 * A list never changes. INSERT writes a new one, which takes the old one's place in the catalogue
 * by compare and set; who comes too late reads the new one and tries again. */
#include "gateway/internal.h"
#include "base/mem.h"
#include "os/os.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MANIFEST_MAX_BYTES (64u << 20)
#define MANIFEST_KEPT_MS (10 * 60 * 1000)

void ei_manifest_release(struct ei_manifest *m) {
    free(m->directory);
    json_object_put(m->json);
    ei_plan_schema_release(&m->columns);
    *m = (struct ei_manifest){0};
}

static const char *text_of(struct json_object *o, const char *key) {
    struct json_object *v = NULL;
    return json_object_object_get_ex(o, key, &v) ? json_object_get_string(v) : NULL;
}

static int read_columns(struct ei_manifest *m) {
    struct json_object *list = json_object_object_get(m->json, "columns");
    if (!json_object_is_type(list, json_type_array) || json_object_array_length(list) == 0)
        return -1;
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        const char *name = text_of(json_object_array_get_idx(list, i), "name");
        const char *type = text_of(json_object_array_get_idx(list, i), "type");
        if (name == NULL || type == NULL)
            return -1;
        ei_schema_add(&m->columns, name, type);
    }
    m->files = json_object_object_get(m->json, "files");
    return json_object_is_type(m->files, json_type_array) ? 0 : -1;
}

int ei_manifest_read(const char *path, struct ei_manifest *out, struct ei_error *e) {
    struct ei_buf text = {0};
    *out = (struct ei_manifest){0};
    if (ei_read_file(path, MANIFEST_MAX_BYTES, &text, e) != 0)
        return -1;
    out->json = json_tokener_parse(text.data == NULL ? "" : text.data);
    ei_buf_release(&text);
    const char *slash = strrchr(path, '/');
    out->directory = ei_strndup(path, slash == NULL ? 0 : (size_t)(slash - path));
    if (!json_object_is_type(out->json, json_type_object) || read_columns(out) != 0) {
        ei_manifest_release(out);
        return ei_fail(e, EI_CORRUPT, "%s is not a table's list of files", path);
    }
    return 0;
}

char *ei_manifest_list(const struct ei_manifest *m) {
    struct ei_buf sql = {0};
    for (size_t i = 0; i < json_object_array_length(m->files); i++) {
        const char *name = text_of(json_object_array_get_idx(m->files, i), "path");
        char *path = ei_path_join(m->directory, name == NULL ? "" : name);
        ei_buf_putc(&sql, i == 0 ? '[' : ',');
        ei_buf_sql_string(&sql, path);
        free(path);
    }
    ei_buf_putc(&sql, ']');
    return ei_buf_steal(&sql);
}

/* ---- types ---- */

const char *ei_table_stored_as(const char *type) {
    /* What Parquet keeps as something else. */
    static const char *const LOSSY[] = {
        "HUGEINT", "BIT",     "BIGNUM",   "INTERVAL", "TIME WITH TIME ZONE",
        "UNION(",  "VARIANT", "GEOMETRY", "TIME_NS"};
    bool nested = strpbrk(type, "([") != NULL && strncmp(type, "DECIMAL(", 8) != 0;
    nested = nested && (strncmp(type, "ENUM(", 5) != 0 || type[strlen(type) - 1] == ']');
    for (size_t i = 0; i < EI_ARRAY_LEN(LOSSY); i++)
        if (strstr(type, LOSSY[i]) != NULL && strncmp(type, "ENUM(", 5) != 0)
            return nested ? NULL : "VARCHAR";
    return type;
}

/* ---- a change of a table ---- */

void ei_table_write_destroy(struct ei_table_write *t) {
    if (t == NULL)
        return;
    ei_plan_schema_release(&t->columns);
    ei_written_release(&t->files);
    free(t->base);
    free(t->manifest);
    free(t);
}

static struct json_object *columns_json(const struct ei_plan_schema *s) {
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < s->count; i++) {
        struct json_object *o = json_object_new_object();
        json_object_object_add(o, "name", json_object_new_string(s->columns[i].name));
        json_object_object_add(o, "type", json_object_new_string(s->columns[i].type));
        json_object_array_add(list, o);
    }
    return list;
}

static void add_files(struct json_object *list, const struct ei_written_list *files) {
    for (size_t i = 0; i < files->count; i++) {
        struct json_object *o = json_object_new_object();
        json_object_object_add(o, "path", json_object_new_string(files->items[i].path));
        json_object_object_add(o, "rows", json_object_new_uint64(files->items[i].rows));
        json_object_object_add(o, "bytes", json_object_new_uint64(files->items[i].bytes));
        json_object_array_add(list, o);
    }
}

static bool same_columns(const struct ei_plan_schema *a, const struct ei_plan_schema *b) {
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same = strcmp(a->columns[i].name, b->columns[i].name) == 0 &&
               strcmp(a->columns[i].type, b->columns[i].type) == 0;
    return same;
}

/* The files that the table has already. */
static int start_from_base(const struct ei_table_write *t, struct json_object *files,
                           struct ei_error *e) {
    struct ei_manifest base;
    if (ei_manifest_read(t->base, &base, e) != 0)
        return -1;
    int rc = same_columns(&base.columns, &t->columns)
                 ? 0
                 : ei_fail(e, EI_STALE, "table %s was replaced meanwhile", t->name);
    for (size_t i = 0; rc == 0 && i < json_object_array_length(base.files); i++)
        json_object_array_add(files, json_object_get(json_object_array_get_idx(base.files, i)));
    ei_manifest_release(&base);
    return rc;
}

int ei_table_write_manifest(struct ei_table_write *t, const char *directory, struct ei_error *e) {
    struct json_object *json = json_object_new_object();
    struct json_object *files = json_object_new_array();
    json_object_object_add(json, "format", json_object_new_int(1));
    json_object_object_add(json, "columns", columns_json(&t->columns));
    json_object_object_add(json, "files", files);
    int rc = t->base == NULL ? 0 : start_from_base(t, files, e);
    add_files(files, &t->files);
    if (rc == 0) {
        char *name = ei_asprintf("manifest-%s-%u", t->token, t->round);
        char *path = ei_path_join(directory, name);
        const char *text = json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN);
        rc = ei_write_file_atomic(path, 0666, text, strlen(text), e);
        free(t->manifest);
        t->manifest = ei_path_join(t->directory, name);
        free(path);
        free(name);
    }
    json_object_put(json);
    return rc;
}

/* Whoever has read the catalogue reads its list soon after: old ones go some time later. */
void ei_table_write_clean(const struct ei_table_write *t) {
    DIR *dir = opendir(t->directory);
    const struct dirent *entry;
    const char *current = strrchr(t->manifest, '/') + 1;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        struct stat st;
        if (strncmp(entry->d_name, "manifest-", 9) == 0 && strcmp(entry->d_name, current) != 0 &&
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            (int64_t)st.st_mtime * 1000 + MANIFEST_KEPT_MS < ei_unix_ms())
            (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir != NULL)
        (void)closedir(dir);
}

/* The files of a change that was refused. */
void ei_table_write_undo(struct ei_table_write *t) {
    struct ei_error ignored;
    if (t->base == NULL) {
        (void)ei_remove_tree(t->directory, &ignored);
        return;
    }
    for (size_t i = 0; i < t->files.count; i++) {
        char *path = ei_path_join(t->directory, t->files.items[i].path);
        (void)unlink(path);
        free(path);
    }
    if (t->manifest != NULL)
        (void)unlink(t->manifest);
}

/* TABLES/NAME-TOKEN; the token keeps a table from the files of its predecessors. */
char *ei_table_new_directory(const struct ei_gateway *g, const char *name) {
    struct ei_buf safe = {0};
    for (const char *p = name; *p != '\0' && safe.len < 60; p++)
        ei_buf_putc(&safe, isalnum((unsigned char)*p) || *p == '_' ? *p : '_');
    char *leaf = ei_asprintf("%s-%08llx", safe.data == NULL ? "" : safe.data,
                             (unsigned long long)(ei_random_u64() & 0xffffffffu));
    char *path = ei_path_join(g->tables_dir, leaf);
    free(leaf);
    ei_buf_release(&safe);
    return path;
}
