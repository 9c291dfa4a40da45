/* The process's certificate and the TLS settings made of it. Private to rpc/. */
#ifndef EIDER_RPC_TLS_H
#define EIDER_RPC_TLS_H

#include "rpc/stream.h"

#include <openssl/ssl.h>

/* Where the encrypted bytes go and come from. */
struct ei_tls_io {
    const char *in; /* borrowed while SSL runs */
    size_t in_len;
    struct ei_buf *out;
    bool allow_http; /* server: HTTP may be spoken on this connection */
};

void ei_tls_reference(struct ei_tls *t);
/* A session over *io, which must outlive it. NULL if OpenSSL fails. */
SSL *ei_tls_session(struct ei_tls *t, struct ei_tls_io *io, bool server);
int ei_tls_peer(const struct ei_tls *t, SSL *ssl, struct ei_peer *peer, struct ei_error *e);
/* *e from the last failure of an SSL function. */
void ei_tls_explain(SSL *ssl, struct ei_error *e);

#endif
