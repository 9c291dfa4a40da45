#include "pki/pki.h"

#include "base/buf.h"
#include "base/mem.h"
#include "os/os.h"

#include <inttypes.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIFETIME_DAYS 3650
#define CLOCK_TOLERANCE_SECONDS 300 /* nodes' clocks differ a little */

static const struct {
    enum ei_role role;
    const char *name;
} ROLES[] = {{EI_ROLE_MASTER, "master"},
             {EI_ROLE_GATEWAY, "gateway"},
             {EI_ROLE_WORKER, "worker"},
             {EI_ROLE_CLIENT, "client"},
             {EI_ROLE_EXECUTOR, "executor"}};

const char *ei_role_name(enum ei_role role) {
    for (size_t i = 0; i < EI_ARRAY_LEN(ROLES); i++)
        if (ROLES[i].role == role)
            return ROLES[i].name;
    return "unknown";
}

enum ei_role ei_role_from_name(const char *name) {
    for (size_t i = 0; i < EI_ARRAY_LEN(ROLES); i++)
        if (strcmp(ROLES[i].name, name) == 0)
            return ROLES[i].role;
    return 0;
}

static int crypto_failed(struct ei_error *e, const char *what) {
    unsigned long code = ERR_get_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
    ERR_clear_error();
    return ei_fail(e, EI_INTERNAL, "cannot %s: %s", what,
                   reason == NULL ? "the crypto library gave no reason" : reason);
}

static bool add_name(X509_NAME *name, int nid, const char *text) {
    return X509_NAME_add_entry_by_NID(name, nid, MBSTRING_UTF8, (const unsigned char *)text, -1, -1,
                                      0) == 1;
}

static bool set_basics(X509 *cert, EVP_PKEY *key) {
    BIGNUM *serial = BN_new();
    bool ok = serial != NULL && BN_rand(serial, 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
              BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert)) != NULL &&
              X509_set_version(cert, X509_VERSION_3) == 1 &&
              X509_gmtime_adj(X509_getm_notBefore(cert), -CLOCK_TOLERANCE_SECONDS) != NULL &&
              X509_time_adj_ex(X509_getm_notAfter(cert), LIFETIME_DAYS, 0, NULL) != NULL &&
              X509_set_pubkey(cert, key) == 1;
    BN_free(serial);
    return ok;
}

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value) {
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool ok = ext != NULL && X509_add_ext(cert, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return ok;
}

/* Built by hand: a host name must not be able to smuggle in more of OpenSSL's little language. */
static bool add_alt_name(GENERAL_NAMES *names, const char *host) {
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_OCTET_STRING *ip = a2i_IPADDRESS(host);
    ERR_clear_error();
    if (name == NULL)
        return false;
    if (ip != NULL) {
        GENERAL_NAME_set0_value(name, GEN_IPADD, ip);
    } else {
        ASN1_IA5STRING *text = ASN1_IA5STRING_new();
        if (text == NULL || ASN1_STRING_set(text, host, -1) != 1) {
            ASN1_IA5STRING_free(text);
            GENERAL_NAME_free(name);
            return false;
        }
        GENERAL_NAME_set0_value(name, GEN_DNS, text);
    }
    if (sk_GENERAL_NAME_push(names, name) > 0)
        return true;
    GENERAL_NAME_free(name);
    return false;
}

static bool add_alt_names(X509 *cert, const char *host) {
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    bool ok = names != NULL && add_alt_name(names, "localhost") &&
              add_alt_name(names, "127.0.0.1") && add_alt_name(names, "::1") &&
              (host == NULL || add_alt_name(names, host)) &&
              X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0) == 1;
    GENERAL_NAMES_free(names);
    return ok;
}

static int write_pem(const char *dir, const char *name, const char *suffix, X509 *cert,
                     EVP_PKEY *key, struct ei_error *e) {
    BIO *bio = BIO_new(BIO_s_secmem());
    char *path = ei_asprintf("%s/%s.%s", dir, name, suffix);
    int result = -1;
    if (bio == NULL ||
        (cert != NULL ? PEM_write_bio_X509(bio, cert)
                      : PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)) != 1) {
        (void)crypto_failed(e, "encode a certificate or key");
    } else {
        char *data;
        long n = BIO_get_mem_data(bio, &data);
        result = ei_write_file_atomic(path, 0600, data, (size_t)n, e);
    }
    free(path);
    BIO_free(bio);
    return result;
}

int ei_pki_create_ca(const char *dir, char cluster_id[33], struct ei_error *e) {
    if (ei_mkdirs(dir, 0700, e) != 0)
        return -1;
    char *path = ei_path_join(dir, "ca.key");
    bool exists = access(path, F_OK) == 0;
    free(path);
    if (exists)
        return ei_fail(e, EI_EXISTS, "%s already holds a certificate authority (ca.key)", dir);
    (void)snprintf(cluster_id, 33, "%016" PRIx64 "%016" PRIx64, ei_random_u64(), ei_random_u64());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_NAME *name = cert == NULL ? NULL : X509_get_subject_name(cert);
    int result = -1;
    if (key == NULL || name == NULL || !set_basics(cert, key) ||
        !add_name(name, NID_organizationName, cluster_id) ||
        !add_name(name, NID_commonName, "Eider cluster CA") ||
        X509_set_issuer_name(cert, name) != 1 ||
        !add_extension(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
        !add_extension(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") ||
        !add_extension(cert, cert, NID_subject_key_identifier, "hash") ||
        X509_sign(cert, key, EVP_sha256()) == 0)
        (void)crypto_failed(e, "make the cluster's certificate authority");
    else if (write_pem(dir, "ca", "key", NULL, key, e) == 0)
        result = write_pem(dir, "ca", "crt", cert, NULL, e);
    X509_free(cert);
    EVP_PKEY_free(key);
    return result;
}

/* Reads dir/ca.crt or dir/ca.key as PEM into a memory BIO; NULL and *e on failure. */
static BIO *open_pem(const char *dir, const char *file, struct ei_buf *text, struct ei_error *e) {
    char *path = ei_path_join(dir, file);
    BIO *bio = NULL;
    if (ei_read_file(path, 65536, text, e) == 0 && text->len > 0 &&
        (bio = BIO_new_mem_buf(text->data, (int)text->len)) == NULL)
        (void)crypto_failed(e, "read a PEM file");
    else if (bio == NULL && text->len == 0 && e != NULL && e->code == EI_OK)
        (void)ei_fail(e, EI_INVALID, "%s is empty", path);
    free(path);
    return bio;
}

static int load_ca(const char *dir, X509 **cert, EVP_PKEY **key, struct ei_error *e) {
    struct ei_buf cert_text = {0}, key_text = {0};
    struct ei_error local = {0};
    BIO *cert_bio = open_pem(dir, "ca.crt", &cert_text, &local);
    BIO *key_bio = cert_bio == NULL ? NULL : open_pem(dir, "ca.key", &key_text, &local);
    *cert = cert_bio == NULL ? NULL : PEM_read_bio_X509(cert_bio, NULL, NULL, NULL);
    *key = key_bio == NULL ? NULL : PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);
    BIO_free(cert_bio);
    BIO_free(key_bio);
    if (key_text.data != NULL)
        OPENSSL_cleanse(key_text.data, key_text.len);
    ei_buf_release(&cert_text);
    ei_buf_release(&key_text);
    ERR_clear_error();
    if (*cert != NULL && *key != NULL && X509_check_private_key(*cert, *key) == 1)
        return 0;
    X509_free(*cert);
    EVP_PKEY_free(*key);
    if (local.code != EI_OK)
        return ei_fail(e, local.code, "cannot load the certificate authority: %s", local.text);
    return ei_fail(e, EI_INVALID, "%s/ca.crt and ca.key are no certificate and its key", dir);
}

static bool file_name_ok(const char *name) {
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    return n > 0 && n <= 64 && name[n] == '\0' && name[0] != '.' && name[0] != '-' &&
           strcmp(name, "ca") != 0;
}

static bool fill_node(X509 *cert, EVP_PKEY *key, X509 *ca, enum ei_role role, const char *name,
                      const char *host) {
    char cluster_id[65];
    X509_NAME *subject = X509_get_subject_name(cert);
    X509_NAME *issuer = X509_get_subject_name(ca);
    return X509_NAME_get_text_by_NID(issuer, NID_organizationName, cluster_id, sizeof cluster_id) >
               0 &&
           set_basics(cert, key) && add_name(subject, NID_organizationName, cluster_id) &&
           add_name(subject, NID_organizationalUnitName, ei_role_name(role)) &&
           add_name(subject, NID_commonName, name) && X509_set_issuer_name(cert, issuer) == 1 &&
           add_extension(cert, ca, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(cert, ca, NID_key_usage, "critical,digitalSignature") &&
           add_extension(cert, ca, NID_ext_key_usage, "serverAuth,clientAuth") &&
           add_extension(cert, ca, NID_subject_key_identifier, "hash") &&
           add_extension(cert, ca, NID_authority_key_identifier, "keyid:always") &&
           add_alt_names(cert, host);
}

int ei_pki_issue(const char *dir, enum ei_role role, const char *name, const char *host,
                 struct ei_error *e) {
    if (!file_name_ok(name))
        return ei_fail(e, EI_USAGE,
                       "'%s' is no node name: use 1 to 64 of a-z, A-Z, 0-9, '.', '_' and '-'",
                       name);
    X509 *ca;
    EVP_PKEY *ca_key;
    if (load_ca(dir, &ca, &ca_key, e) != 0)
        return -1;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    int result = -1;
    if (key == NULL || cert == NULL || !fill_node(cert, key, ca, role, name, host) ||
        X509_sign(cert, ca_key, EVP_sha256()) == 0)
        (void)crypto_failed(e, "make a certificate");
    else if (write_pem(dir, name, "key", NULL, key, e) == 0)
        result = write_pem(dir, name, "crt", cert, NULL, e);
    X509_free(cert);
    EVP_PKEY_free(key);
    X509_free(ca);
    EVP_PKEY_free(ca_key);
    return result;
}
