/* Making an ei_conn of an accepted stream. Private to rpc/. */
#ifndef EIDER_RPC_CONN_H
#define EIDER_RPC_CONN_H

#include "rpc/stream.h"

struct ei_conn_adoption {
    struct ei_stream *stream; /* its TLS handshake is done */
    struct ei_tls *tls;
    const struct ei_conn_events *events;
    void *data;
    int64_t deadline_us;         /* of the Hello */
    void (*opened)(void *owner); /* called once before events->open */
    void *owner;
};

void ei_conn_adopt(const struct ei_conn_adoption *a);

#endif
