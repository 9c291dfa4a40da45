/* What a statement changes, and jobs whose result is not for the client.
 *
 *   job done -> list of files (lane) -> committed (lane) -> [catalogue] -> the number of rows
 *
 * A table's files are in place before the catalogue names them, and go again if it refuses. INSERT
 * that comes too late for its turn reads the catalogue again and adds to what is there now. */
#include "gateway/query.h"
#include "base/mem.h"
#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS_MAX 100 /* of compare and set */

static void insert_again(struct ei_query *q);

/* ---- the answer ---- */

static void answer_count(struct ei_query *q) {
    struct ei_prepared *p = &q->prepared;
    char *count = ei_asprintf("%llu", (unsigned long long)p->write->rows);
    ei_schema_add(&p->rows.schema, "Count", "BIGINT");
    ei_local_cell(&p->rows, count);
    free(count);
    ei_plan_schema_release(&q->schema);
    ei_answer_local_rows(q);
}

static void answer(struct ei_query *q) {
    if (q->prepared.write != NULL)
        answer_count(q);
    else
        ei_answer_nothing(q);
}

/* ---- after the catalogue's answer ---- */

static void clean_work(struct ei_query *q) {
    struct ei_error ignored;
    struct ei_prepared *p = &q->prepared;
    if (p->old_directory != NULL)
        (void)ei_remove_tree(p->old_directory, &ignored);
    if (p->after == EI_AFTER_WRITE && p->table != NULL && p->table->base != NULL)
        ei_table_write_clean(p->table);
}

static void clean_done(struct ei_query *q) {
    if (q->state == STATE_DONE)
        ei_query_maybe_free(q);
    else
        answer(q);
}

static void undo_work(struct ei_query *q) {
    ei_table_write_undo(q->prepared.table);
}

static void undo_done(struct ei_query *q) {
    if (q->state == STATE_DONE)
        ei_query_maybe_free(q);
    else
        ei_query_fail(q, &q->error);
}

/* The catalogue did not take the table's files. */
static void undo(struct ei_query *q, const struct ei_error *e) {
    if (e != &q->error)
        q->error = *e;
    if (q->prepared.after == EI_AFTER_WRITE && q->prepared.table != NULL)
        ei_query_lane(q, undo_work, undo_done);
    else
        undo_done(q);
}

static bool may_try_again(const struct ei_query *q, const struct ei_error *e) {
    const struct ei_prepared *p = &q->prepared;
    return e->code == EI_STALE && p->after == EI_AFTER_WRITE && p->table != NULL &&
           p->table->base != NULL && p->table->round < ROUNDS_MAX && q->state != STATE_DONE;
}

static void on_changed(void *data, const ProtobufCMessage *body, const struct ei_error *e) {
    struct ei_query *q = data;
    q->pending--;
    struct ei_error refused = {0};
    bool live = q->state != STATE_DONE;
    if (body == NULL && live && e->code == EI_UNREACHABLE && q->prepared.table != NULL) {
        ei_query_wait(q, STATE_CHANGING); /* asking again does no harm */
    } else if (body == NULL) {
        struct ei_error unknown = *e;
        (void)ei_wrap(&unknown, "it is not known whether the catalogue was changed");
        ei_query_fail(q, &unknown);
        ei_query_maybe_free(q);
    } else if (ei_error_from_wire(((const Eider__V1__Reply *)body)->error, &refused) == 0) {
        ei_query_lane(q, clean_work, clean_done);
    } else if (may_try_again(q, &refused)) {
        insert_again(q);
    } else {
        undo(q, &refused);
    }
}

void ei_change_catalog(struct ei_query *q) {
    struct ei_prepared *p = &q->prepared;
    if (!q->g->registered) {
        struct ei_error e;
        if (p->table != NULL) {
            ei_query_wait(q, STATE_CHANGING);
            return;
        }
        (void)ei_fail(&e, EI_UNREACHABLE, "there is no master at the moment: nothing was changed");
        ei_query_fail(q, &e);
        return;
    }
    q->state = STATE_CHANGING;
    q->pending++;
    if (p->entry != NULL) {
        Eider__V1__CatalogCreate m = EIDER__V1__CATALOG_CREATE__INIT;
        m.entry = p->entry;
        m.or_replace = p->or_replace;
        m.if_not_exists = p->if_not_exists;
        m.expected_revision = p->expected_revision;
        ei_conn_call(q->g->master, &m.base, EI_CALL_TIMEOUT_MS, on_changed, q);
    } else {
        Eider__V1__CatalogDrop m = EIDER__V1__CATALOG_DROP__INIT;
        m.name = p->drop;
        m.if_exists = p->if_exists;
        m.expected_revision = p->expected_revision;
        ei_conn_call(q->g->master, &m.base, EI_CALL_TIMEOUT_MS, on_changed, q);
    }
}

/* ---- INSERT, after another one ---- */

static void name_manifest(struct ei_prepared *p) {
    if (p->entry->sql != (char *)protobuf_c_empty_string)
        free(p->entry->sql);
    p->entry->sql = ei_strdup(p->table->manifest);
}

static void rebase_work(struct ei_query *q) {
    struct ei_table_write *t = q->prepared.table;
    (void)remove(t->manifest);
    t->round++;
    q->work_rc = ei_table_write_manifest(t, t->directory, &q->error);
}

static void rebase_done(struct ei_query *q) {
    if (q->work_rc == 0)
        name_manifest(&q->prepared);
    if (q->work_rc == 0 && q->state != STATE_DONE)
        ei_change_catalog(q);
    else
        undo(q, &q->error);
}

static void on_listed_again(void *data, const ProtobufCMessage *body, const struct ei_error *e) {
    struct ei_query *q = data;
    struct ei_prepared *p = &q->prepared;
    q->pending--;
    const Eider__V1__CatalogEntry *there =
        body == NULL ? NULL
                     : ei_catalog_find((const Eider__V1__CatalogListReply *)body, p->entry->name);
    if (there == NULL || there->kind != EIDER__V1__TABLE_KIND__TABLE_MANAGED) {
        struct ei_error gone;
        (void)ei_fail(&gone, EI_NOT_FOUND, "table %s was dropped meanwhile", p->entry->name);
        undo(q, body == NULL ? e : &gone);
        return;
    }
    p->expected_revision = there->revision;
    free(p->table->base);
    p->table->base = ei_strdup(there->sql);
    ei_query_lane(q, rebase_work, rebase_done);
}

static void insert_again(struct ei_query *q) {
    Eider__V1__CatalogList list = EIDER__V1__CATALOG_LIST__INIT;
    q->pending++;
    ei_conn_call(q->g->master, &list.base, EI_CALL_TIMEOUT_MS, on_listed_again, q);
}

/* ---- files ---- */

static int write_manifest(void *data, const char *directory, const struct ei_written_list *l,
                          struct ei_error *e) {
    struct ei_table_write *t = data;
    for (size_t i = 0; i < l->count; i++) {
        struct ei_written f = l->items[i];
        f.path = ei_strdup(f.path);
        EI_GROW(t->files.items, t->files.count, t->files.capacity);
        t->files.items[t->files.count++] = f;
    }
    return ei_table_write_manifest(t, directory, e);
}

static void commit_work(struct ei_query *q) {
    struct ei_prepared *p = &q->prepared;
    struct ei_written_list list = {0};
    q->work_rc = ei_output_list(q->g, q->job, q->files, q->file_count, &list, &q->error);
    q->list_read = q->work_rc == 0;
    if (q->work_rc == 0)
        q->work_rc = ei_write_commit(p->write, &list, p->table != NULL ? write_manifest : NULL,
                                     p->table, &q->error);
    if (q->work_rc != 0 && p->table != NULL && p->table->base != NULL)
        ei_table_write_undo(p->table); /* files that were moved before the list could be written */
    ei_written_release(&list);
}

static void commit_done(struct ei_query *q) {
    struct ei_prepared *p = &q->prepared;
    bool committed = q->work_rc == 0;
    if (committed && p->table != NULL)
        name_manifest(p);
    if (q->state == STATE_DONE) {
        ei_change_abandon(q); /* does nothing if it was committed */
        if (committed && p->table != NULL && !q->lane_busy)
            undo(q, &q->error);
        else
            ei_query_maybe_free(q);
    } else if (!committed && !q->list_read) {
        ei_query_results_lost(q, &q->error);
    } else if (!committed) {
        ei_query_fail(q, &q->error);
    } else if (p->table != NULL) {
        ei_change_catalog(q);
    } else {
        answer(q);
    }
}

static void abandon_work(struct ei_query *q) {
    ei_write_abandon(q->prepared.write);
}

void ei_change_abandon(struct ei_query *q) {
    struct ei_write *w = q->prepared.write;
    if (w != NULL && !w->settled && w->staging != NULL && !q->lane_busy)
        ei_query_lane(q, abandon_work, ei_query_maybe_free);
}

/* ---- EXPLAIN ANALYZE, ANALYZE ---- */

/* Reads the result as for a client; the first piece stays in q->piece. */
static void read_work(struct ei_query *q) {
    struct ei_buf rest = {0};
    bool done = false;
    q->work_rc = ei_rows_open(q->g, &q->schema, q->job, q->files, q->file_count, false,
                              q->prepared.settings, &q->rows, &q->error);
    if (q->work_rc == 0)
        q->work_rc = ei_rows_next(q->rows, &q->piece, &done, &q->error);
    while (q->work_rc == 0 && !done) {
        ei_buf_clear(&rest);
        q->work_rc = ei_rows_next(q->rows, &rest, &done, &q->error);
    }
    ei_buf_release(&rest);
}

static void show_figures(struct ei_query *q) {
    struct ei_prepared *p = &q->prepared;
    struct ei_figures f = {.planned_us = q->planned_us,
                           .transfer_us = (uint64_t)(ei_now_us() - q->fetch_us),
                           .rows = ei_rows_count(q->rows)};
    ei_figures_rows(p->spec->plan_text, q->success, &f, &p->rows);
    ei_plan_schema_release(&q->schema);
    ei_answer_local_rows(q);
}

/* {"rows":[["120","7","3"]]} -> {"rows":120,"bytes":...,"distinct":{"a":7,"b":3}} */
static char *stats_json(const struct ei_query *q) {
    const struct ei_prepared *p = &q->prepared;
    struct json_object *o = json_tokener_parse(q->piece.data == NULL ? "" : q->piece.data);
    struct json_object *row = json_object_array_get_idx(json_object_object_get(o, "rows"), 0);
    struct json_object *out = json_object_new_object(), *distinct = json_object_new_object();
    struct json_object *cell = json_object_array_get_idx(row, 0);
    json_object_object_add(out, "rows", json_object_new_int64(json_object_get_int64(cell)));
    json_object_object_add(out, "bytes", json_object_new_uint64(p->table_bytes));
    json_object_object_add(out, "analyzed_ms", json_object_new_int64(ei_unix_ms()));
    json_object_object_add(out, "distinct", distinct);
    for (size_t i = 0; i < p->table->columns.count; i++) {
        cell = json_object_array_get_idx(row, i + 1);
        json_object_object_add(distinct, p->table->columns.columns[i].name,
                               json_object_new_int64(json_object_get_int64(cell)));
    }
    char *text = ei_strdup(json_object_to_json_string_ext(out, JSON_C_TO_STRING_PLAIN));
    json_object_put(out);
    json_object_put(o);
    return text;
}

static void read_done(struct ei_query *q) {
    if (q->state == STATE_DONE) {
        ei_query_maybe_free(q);
    } else if (q->work_rc != 0) {
        ei_query_results_lost(q, &q->error);
    } else if (q->prepared.after == EI_AFTER_FIGURES) {
        show_figures(q);
    } else if (q->piece.len == 0) {
        struct ei_error e;
        (void)ei_fail(&e, EI_INTERNAL, "ANALYZE gave no row");
        ei_query_fail(q, &e);
    } else {
        q->prepared.entry->stats = stats_json(q);
        ei_change_catalog(q);
    }
}

void ei_change_after_job(struct ei_query *q) {
    q->state = STATE_CHANGING;
    ei_rows_destroy(q->rows);
    q->rows = NULL;
    ei_buf_clear(&q->piece);
    if (q->prepared.after == EI_AFTER_WRITE)
        ei_query_lane(q, commit_work, commit_done);
    else
        ei_query_lane(q, read_work, read_done);
}
