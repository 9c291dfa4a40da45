/* The cluster's own certificate authority: P-256 keys, X.509 v3, files with mode 0600. */
#ifndef EIDER_PKI_PKI_H
#define EIDER_PKI_PKI_H

#include "base/error.h"
#include "wire/messages.h"

#include <stddef.h>

/* Makes dir/ca.crt and dir/ca.key for a new cluster id (random hex, returned in cluster_id[33]).
 * EI_EXISTS if there is a CA already: its nodes would be cut off. */
int ei_pki_create_ca(const char *dir, char cluster_id[33], struct ei_error *e);
/* Makes dir/NAME.crt and dir/NAME.key, signed by dir's CA. The subject is O=cluster id, OU=role,
 * CN=name; SANs are localhost, 127.0.0.1, ::1 and `host` if not NULL. Both server and client use.
 */
int ei_pki_issue(const char *dir, enum ei_role role, const char *name, const char *host,
                 struct ei_error *e);
const char *ei_role_name(enum ei_role role);      /* "worker" */
enum ei_role ei_role_from_name(const char *name); /* 0 if there is no such role */

/* A random 256-bit token as text, and the SHA-256 (hex) that is kept of it. */
void ei_token_create(char token[65], char sha256_hex[65]);
/* What a token file keeps of a token. */
void ei_token_sha256(const char *token, size_t len, char sha256_hex[65]);

#endif
