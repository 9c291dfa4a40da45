#include "pki/pki.h"

#include "base/mem.h"
#include "os/os.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

static char dir[64], cluster_id[33];

static int setup(void **state) {
    struct ei_error e;
    memcpy(dir, "/tmp/ei-test-pki-XXXXXX", sizeof "/tmp/ei-test-pki-XXXXXX");
    return mkdtemp(dir) == NULL ? -1 : ei_pki_create_ca(dir, cluster_id, &e);
}

static int teardown(void **state) {
    return ei_remove_tree(dir, NULL);
}

static X509 *load(const char *name) {
    char *path = ei_asprintf("%s/%s.crt", dir, name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    X509 *cert = PEM_read_X509(f, NULL, NULL, NULL);
    assert_non_null(cert);
    (void)fclose(f);
    free(path);
    return cert;
}

static void has_name(X509 *cert, int nid, const char *want) {
    char text[100] = "";
    (void)X509_NAME_get_text_by_NID(X509_get_subject_name(cert), nid, text, sizeof text);
    assert_string_equal(text, want);
}

static void test_ca(void **state) {
    struct ei_error e;
    char id[33];
    assert_int_equal(strlen(cluster_id), 32);
    assert_int_equal(strspn(cluster_id, "0123456789abcdef"), 32);
    X509 *ca = load("ca");
    has_name(ca, NID_organizationName, cluster_id);
    assert_int_equal(X509_check_ca(ca), 1);
    X509_free(ca);
    assert_int_equal(ei_pki_create_ca(dir, id, &e), -1);
    assert_int_equal(e.code, EI_EXISTS);
}

static void test_issue(void **state) {
    struct ei_error e = {0};
    assert_int_equal(ei_pki_issue(dir, EI_ROLE_WORKER, "worker-1", "10.1.2.3", &e), 0);
    assert_int_equal(ei_pki_issue(dir, EI_ROLE_MASTER, "m", "master.example,DNS:evil", &e), 0);
    X509 *ca = load("ca"), *cert = load("worker-1"), *other = load("m");
    has_name(cert, NID_organizationName, cluster_id);
    has_name(cert, NID_organizationalUnitName, "worker");
    has_name(cert, NID_commonName, "worker-1");
    EVP_PKEY *key = X509_get_pubkey(ca);
    assert_int_equal(X509_verify(cert, key), 1);
    EVP_PKEY_free(key);
    assert_int_equal(X509_check_ca(cert), 0);
    assert_int_equal(X509_check_purpose(cert, X509_PURPOSE_SSL_CLIENT, 0), 1);
    assert_int_equal(X509_check_purpose(cert, X509_PURPOSE_SSL_SERVER, 0), 1);
    assert_int_equal(X509_check_host(cert, "localhost", 0, 0, NULL), 1);
    assert_int_equal(X509_check_ip_asc(cert, "127.0.0.1", 0), 1);
    assert_int_equal(X509_check_ip_asc(cert, "::1", 0), 1);
    assert_int_equal(X509_check_ip_asc(cert, "10.1.2.3", 0), 1);
    assert_int_equal(X509_check_ip_asc(cert, "10.1.2.4", 0), 0);
    assert_int_equal(X509_check_host(other, "evil", 0, 0, NULL), 0);
    assert_int_not_equal(
        ASN1_INTEGER_cmp(X509_get_serialNumber(cert), X509_get_serialNumber(other)), 0);
    X509_free(ca);
    X509_free(cert);
    X509_free(other);
}

static void test_file_modes(void **state) {
    static const char *const names[] = {"ca.crt", "ca.key", "worker-1.crt", "worker-1.key"};
    for (size_t i = 0; i < EI_ARRAY_LEN(names); i++) {
        struct stat st;
        char *path = ei_path_join(dir, names[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        free(path);
    }
}

static void test_refusals(void **state) {
    static const char *const names[] = {"", "../x", "a/b", ".hidden", "-x", "a b", "ca", "a\nb"};
    struct ei_error e = {0};
    for (size_t i = 0; i < EI_ARRAY_LEN(names); i++) {
        assert_int_equal(ei_pki_issue(dir, EI_ROLE_WORKER, names[i], NULL, &e), -1);
        assert_int_equal(e.code, EI_USAGE);
    }
    assert_int_equal(ei_pki_issue("/nonexistent", EI_ROLE_WORKER, "w", NULL, &e), -1);
    assert_int_equal(e.code, EI_NOT_FOUND);
    char *path = ei_path_join(dir, "ca.key");
    assert_int_equal(ei_write_file_atomic(path, 0600, "rubbish", 7, &e), 0);
    assert_int_equal(ei_pki_issue(dir, EI_ROLE_WORKER, "w", NULL, &e), -1);
    assert_int_equal(e.code, EI_INVALID);
    free(path);
}

static void test_tokens(void **state) {
    char a[65], b[65], sha_a[65], sha_b[65], again[65];
    ei_token_create(a, sha_a);
    ei_token_create(b, sha_b);
    assert_int_equal(strlen(a), 64);
    assert_string_not_equal(a, b);
    assert_string_not_equal(sha_a, sha_b);
    ei_token_sha256(a, 64, again);
    assert_string_equal(sha_a, again);
    ei_token_sha256("abc", 3, again); /* the example of FIPS 180 */
    assert_string_equal(again, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void test_roles(void **state) {
    assert_string_equal(ei_role_name(EI_ROLE_WORKER), "worker");
    assert_int_equal(ei_role_from_name("gateway"), EI_ROLE_GATEWAY);
    assert_int_equal(ei_role_from_name("root"), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ca),         cmocka_unit_test(test_issue),
        cmocka_unit_test(test_file_modes), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_tokens),     cmocka_unit_test(test_roles),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
