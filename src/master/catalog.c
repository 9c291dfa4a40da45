/* The catalogue's messages: each becomes a command of the cluster state. */
#include "master/internal.h"

#include "base/mem.h"
#include "os/os.h"

#include <stdlib.h>

void ei_session_reply(struct ei_session *l, const struct ei_message *msg,
                      const struct ei_error *e) {
    Eider__V1__Reply reply = EIDER__V1__REPLY__INIT;
    Eider__V1__Error error;
    if (e->code != EI_OK) {
        ei_error_to_wire(e, &error);
        reply.error = &error;
    }
    ei_conn_reply(l->conn, msg->request, &reply.base);
}

static void commit(struct ei_session *l, const struct ei_message *msg,
                   const struct ei_state_command *c) {
    struct ei_error e = {0};
    (void)ei_journal_commit(l->master->journal, &l->master->state, c, &e);
    ei_session_reply(l, msg, &e);
}

void ei_on_catalog_create(struct ei_session *l, const struct ei_message *msg) {
    const Eider__V1__CatalogCreate *c = (const Eider__V1__CatalogCreate *)msg->body;
    struct ei_state_command command = {.type = EI_STATE_TABLE_CREATE,
                                       .or_replace = c->or_replace,
                                       .if_not_exists = c->if_not_exists,
                                       .expected_revision = c->expected_revision};
    if (c->entry != NULL) {
        command.name = c->entry->name;
        command.sql = c->entry->sql;
        command.comment = c->entry->comment;
        command.stats = c->entry->stats;
        command.table_kind =
            (enum ei_table_kind)EI_MIN((unsigned)c->entry->kind, (unsigned)EI_TABLE_KIND_COUNT - 1);
        command.created_ms = c->expected_revision != 0 ? c->entry->created_ms : ei_unix_ms();
    }
    commit(l, msg, &command);
}

void ei_on_catalog_drop(struct ei_session *l, const struct ei_message *msg) {
    const Eider__V1__CatalogDrop *d = (const Eider__V1__CatalogDrop *)msg->body;
    struct ei_state_command command = {.type = EI_STATE_TABLE_DROP,
                                       .name = d->name,
                                       .if_exists = d->if_exists,
                                       .expected_revision = d->expected_revision};
    commit(l, msg, &command);
}

/* Of all workers that are not lost. */
static uint32_t count_slots(const struct ei_master *m) {
    uint32_t slots = 0;
    for (size_t i = 0; i < m->nodes.count; i++)
        slots += ((const struct ei_peer *)m->nodes.entries[i].value)->cores;
    return slots;
}

void ei_on_catalog_list(struct ei_session *l, const struct ei_message *msg) {
    const struct ei_state *s = &l->master->state;
    Eider__V1__CatalogListReply reply = EIDER__V1__CATALOG_LIST_REPLY__INIT;
    Eider__V1__CatalogEntry *entries = ei_calloc(s->table_count, sizeof *entries);
    reply.entries = ei_calloc(s->table_count, sizeof *reply.entries);
    reply.n_entries = s->table_count;
    reply.version = s->version;
    reply.slots = count_slots(l->master);
    for (size_t i = 0; i < s->table_count; i++) {
        eider__v1__catalog_entry__init(&entries[i]);
        entries[i].name = s->tables[i].name;
        entries[i].sql = s->tables[i].sql;
        entries[i].comment = s->tables[i].comment;
        entries[i].created_ms = s->tables[i].created_ms;
        entries[i].kind = (Eider__V1__TableKind)s->tables[i].kind;
        entries[i].revision = s->tables[i].revision;
        entries[i].stats = s->tables[i].stats;
        reply.entries[i] = &entries[i];
    }
    ei_conn_reply(l->conn, msg->request, &reply.base);
    free(entries);
    free(reply.entries);
}
