#include "rpc/tls.h"

#include "base/mem.h"
#include "os/os.h"
#include "pki/pki.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CERTIFICATE_LIST_MAX (16u << 10)

struct ei_tls {
    size_t references;
    SSL_CTX *ctx;
    struct ei_peer self;
    char cluster_id[65];
};

static const unsigned char ALPN_EIDER[] = "\x07"
                                          "eider/1";
static const unsigned char ALPN_HTTP[] = "\x08http/1.1";

/* ---- the BIO between SSL and our buffers ---- */

static int bio_read(BIO *bio, char *to, size_t want, size_t *got) {
    struct ei_tls_io *io = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    *got = EI_MIN(want, io->in_len);
    if (*got == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    memcpy(to, io->in, *got);
    io->in += *got;
    io->in_len -= *got;
    return 1;
}

static int bio_write(BIO *bio, const char *from, size_t n, size_t *written) {
    struct ei_tls_io *io = BIO_get_data(bio);
    ei_buf_append(io->out, from, n);
    *written = n;
    return 1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer) {
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH ? 1 : 0;
}

static BIO_METHOD *bio_method;
static pthread_once_t library_once = PTHREAD_ONCE_INIT;

static void start_library(void) {
    /* No configuration file, no tables of error texts: they cost memory in every process. */
    (void)OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_LOAD_SSL_STRINGS, NULL);
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "eider");
    EI_ASSERT(bio_method != NULL && BIO_meth_set_read_ex(bio_method, bio_read) == 1 &&
              BIO_meth_set_write_ex(bio_method, bio_write) == 1 &&
              BIO_meth_set_ctrl(bio_method, bio_ctrl) == 1);
}

/* ---- settings ---- */

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *arg) {
    (void)arg;
    const struct ei_tls_io *io = SSL_get_app_data(ssl);
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_len, ALPN_EIDER, sizeof ALPN_EIDER - 1, in, in_len) ==
        OPENSSL_NPN_NEGOTIATED) {
        SSL_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    } else if (!io->allow_http ||
               SSL_select_next_proto(&chosen, out_len, ALPN_HTTP, sizeof ALPN_HTTP - 1, in,
                                     in_len) != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int read_subject(X509 *cert, char cluster_id[65], struct ei_peer *peer) {
    char role[65];
    X509_NAME *subject = X509_get_subject_name(cert);
    int o = X509_NAME_get_text_by_NID(subject, NID_organizationName, cluster_id, 65);
    int ou = X509_NAME_get_text_by_NID(subject, NID_organizationalUnitName, role, sizeof role);
    int cn = X509_NAME_get_text_by_NID(subject, NID_commonName, peer->name, sizeof peer->name);
    /* A NUL inside would make two names look the same. */
    if (o <= 0 || ou <= 0 || cn <= 0 || strlen(cluster_id) != (size_t)o ||
        strlen(role) != (size_t)ou || strlen(peer->name) != (size_t)cn)
        return -1;
    peer->role = ei_role_from_name(role);
    return (peer->role & EI_ROLE_ANY) == 0 ? -1 : 0;
}

static int check_key_mode(const char *path, struct ei_error *e) {
    struct stat st;
    if (stat(path, &st) == 0 && (st.st_mode & 077) != 0)
        return ei_fail(e, EI_DENIED, "the key %s may be read by others (mode %03o): chmod 600 it",
                       path, (unsigned)(st.st_mode & 0777));
    return 0;
}

static int load_files(struct ei_tls *t, const char *ca_path, const char *cert_path,
                      const char *key_path, struct ei_error *e) {
    const char *paths[] = {ca_path, cert_path, key_path};
    for (size_t i = 0; i < EI_ARRAY_LEN(paths); i++) {
        struct ei_buf text = {0};
        int result = ei_read_file(paths[i], 65536, &text, e);
        if (text.data != NULL)
            OPENSSL_cleanse(text.data, text.len);
        ei_buf_release(&text);
        if (result != 0)
            return -1;
    }
    if (check_key_mode(key_path, e) != 0)
        return -1;
    if (SSL_CTX_load_verify_file(t->ctx, ca_path) != 1)
        return ei_fail(e, EI_INVALID, "%s is no certificate in PEM form", ca_path);
    if (SSL_CTX_use_certificate_file(t->ctx, cert_path, SSL_FILETYPE_PEM) != 1)
        return ei_fail(e, EI_INVALID, "%s is no certificate in PEM form", cert_path);
    if (SSL_CTX_use_PrivateKey_file(t->ctx, key_path, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(t->ctx) != 1)
        return ei_fail(e, EI_INVALID, "%s is not the key of %s", key_path, cert_path);
    X509 *cert = SSL_CTX_get0_certificate(t->ctx);
    if (read_subject(cert, t->cluster_id, &t->self) != 0)
        return ei_fail(e, EI_INVALID, "%s names no cluster, role and node", cert_path);
    X509_STORE_CTX *check = X509_STORE_CTX_new();
    int result = 0;
    if (check == NULL ||
        X509_STORE_CTX_init(check, SSL_CTX_get_cert_store(t->ctx), cert, NULL) != 1 ||
        X509_verify_cert(check) != 1)
        result =
            ei_fail(e, EI_INVALID, "%s is not valid under the CA %s: %s", cert_path, ca_path,
                    X509_verify_cert_error_string(check == NULL ? X509_V_ERR_OUT_OF_MEM
                                                                : X509_STORE_CTX_get_error(check)));
    X509_STORE_CTX_free(check);
    return result;
}

int ei_tls_create(struct ei_tls **out, const char *ca_path, const char *cert_path,
                  const char *key_path, struct ei_error *e) {
    (void)pthread_once(&library_once, start_library);
    struct ei_tls *t = ei_calloc(1, sizeof *t);
    t->references = 1;
    t->ctx = SSL_CTX_new(TLS_method());
    EI_ASSERT(t->ctx != NULL);
    SSL_CTX *c = t->ctx;
    if (SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(c, "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:"
                                    "TLS_AES_256_GCM_SHA384") != 1 ||
        SSL_CTX_set1_groups_list(c, "X25519:P-256") != 1 || SSL_CTX_set_num_tickets(c, 0) != 1) {
        ei_tls_destroy(t);
        return ei_fail(e, EI_INTERNAL, "the crypto library does not offer TLS 1.3");
    }
    (void)SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_options(c,
                              SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    (void)SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    (void)SSL_CTX_set_max_cert_list(c, CERTIFICATE_LIST_MAX);
    SSL_CTX_set_alpn_select_cb(c, choose_alpn, NULL);
    int result = load_files(t, ca_path, cert_path, key_path, e);
    ERR_clear_error();
    if (result != 0) {
        ei_tls_destroy(t);
        return -1;
    }
    *out = t;
    return 0;
}

void ei_tls_reference(struct ei_tls *t) {
    t->references++;
}

void ei_tls_destroy(struct ei_tls *t) {
    if (t == NULL || --t->references > 0)
        return;
    SSL_CTX_free(t->ctx);
    free(t);
}

const char *ei_tls_cluster_id(const struct ei_tls *t) {
    return t->cluster_id;
}

const char *ei_tls_name(const struct ei_tls *t) {
    return t->self.name;
}

enum ei_role ei_tls_role(const struct ei_tls *t) {
    return t->self.role;
}

/* ---- sessions ---- */

SSL *ei_tls_session(struct ei_tls *t, struct ei_tls_io *io, bool server) {
    SSL *ssl = SSL_new(t->ctx);
    BIO *bio = ssl == NULL ? NULL : BIO_new(bio_method);
    if (bio == NULL) {
        SSL_free(ssl);
        return NULL;
    }
    BIO_set_data(bio, io);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    (void)SSL_set_app_data(ssl, io);
    SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
    if (server) {
        SSL_set_accept_state(ssl);
    } else {
        SSL_set_connect_state(ssl);
        (void)SSL_set_alpn_protos(ssl, ALPN_EIDER, sizeof ALPN_EIDER - 1);
    }
    return ssl;
}

int ei_tls_peer(const struct ei_tls *t, SSL *ssl, struct ei_peer *peer, struct ei_error *e) {
    *peer = (struct ei_peer){0};
    X509 *cert = SSL_get0_peer_certificate(ssl);
    if (cert == NULL)
        return 0;
    char cluster_id[65];
    if (SSL_get_verify_result(ssl) != X509_V_OK || read_subject(cert, cluster_id, peer) != 0) {
        peer->role = 0;
        return ei_fail(e, EI_UNAUTHENTICATED, "the peer's certificate names no role of a cluster");
    }
    if (strcmp(cluster_id, t->cluster_id) != 0) {
        peer->role = 0;
        return ei_fail(e, EI_UNAUTHENTICATED, "the peer belongs to another cluster (%s)",
                       cluster_id);
    }
    return 0;
}

void ei_tls_explain(SSL *ssl, struct ei_error *e) {
    unsigned long code = ERR_peek_error();
    int reason = ERR_GET_REASON(code);
    long verify = SSL_get_verify_result(ssl);
    if (verify != X509_V_OK)
        (void)ei_fail(e, EI_UNAUTHENTICATED, "the peer's certificate is not valid: %s",
                      X509_verify_cert_error_string(verify));
    else if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET)
        (void)ei_fail(e, EI_UNAUTHENTICATED, "the peer refused the connection: TLS alert %s",
                      SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET));
    else
        (void)ei_fail(e, EI_UNREACHABLE, "the peer does not speak TLS 1.3 (reason %d)", reason);
    ERR_clear_error();
}
