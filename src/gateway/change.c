/* Changes of the catalogue. */
#include "gateway/query.h"
#include "base/mem.h"
#include "os/os.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- catalogue changes ---- */

static void on_changed(void *data, const ProtobufCMessage *body, const struct ei_error *e) {
    struct ei_query *q = data;
    q->pending--;
    if (q->state == STATE_DONE) {
        ei_query_maybe_free(q);
        return;
    }
    struct ei_error refused = {0};
    if (body == NULL) {
        struct ei_error unknown = *e;
        (void)ei_wrap(&unknown, "it is not known whether the catalogue was changed");
        ei_query_fail(q, &unknown);
    } else if (ei_error_from_wire(((const Eider__V1__Reply *)body)->error, &refused) != 0) {
        ei_query_fail(q, &refused);
    } else {
        ei_answer_nothing(q);
    }
}

void ei_change_catalog(struct ei_query *q) {
    struct ei_prepared *p = &q->prepared;
    if (!q->g->registered) {
        struct ei_error e;
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
        ei_conn_call(q->g->master, &m.base, EI_CALL_TIMEOUT_MS, on_changed, q);
    } else {
        Eider__V1__CatalogDrop m = EIDER__V1__CATALOG_DROP__INIT;
        m.name = p->drop;
        m.if_exists = p->if_exists;
        ei_conn_call(q->g->master, &m.base, EI_CALL_TIMEOUT_MS, on_changed, q);
    }
}
