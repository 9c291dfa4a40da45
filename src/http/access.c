#include "http/access.h"

#include "base/mem.h"
#include "os/os.h"
#include "pki/pki.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX_BYTES (1u << 20)
#define TOKEN_MAX_BYTES 512

struct token {
    char sha256_hex[65];
    enum ei_access access;
    char *name; /* owned */
};

struct ei_tokens {
    char *path;
    struct stat seen; /* when the file was read */
    struct token *tokens;
    size_t count, capacity;
};

static void clear(struct ei_tokens *t) {
    for (size_t i = 0; i < t->count; i++)
        free(t->tokens[i].name);
    t->count = 0;
}

static enum ei_access access_from_name(const char *name) {
    if (strcmp(name, "read") == 0)
        return EI_ACCESS_READ;
    if (strcmp(name, "submit") == 0)
        return EI_ACCESS_SUBMIT;
    return strcmp(name, "admin") == 0 ? EI_ACCESS_ADMIN : EI_ACCESS_PUBLIC;
}

static int parse_line(struct ei_tokens *t, const char *line, int number, struct ei_error *e) {
    char sha[66], access[16], name[129];
    size_t blank = strspn(line, " \t\r");
    if (line[blank] == '\0' || line[blank] == '#')
        return 0;
    if (sscanf(line, "%65s %15s %128s", sha, access, name) != 3 || strlen(sha) != 64 ||
        strspn(sha, "0123456789abcdef") != 64 || access_from_name(access) == EI_ACCESS_PUBLIC)
        return ei_fail(
            e, EI_INVALID,
            "%s:%d: a line must be: SHA-256 of the token in hex, read|submit|admin, name", t->path,
            number);
    EI_GROW(t->tokens, t->count, t->capacity);
    struct token *token = &t->tokens[t->count++];
    memcpy(token->sha256_hex, sha, sizeof token->sha256_hex);
    token->access = access_from_name(access);
    token->name = ei_strdup(name);
    return 0;
}

static int load(struct ei_tokens *t, struct ei_error *e) {
    struct ei_buf text = {0};
    clear(t);
    int result = ei_read_file(t->path, FILE_MAX_BYTES, &text, e);
    char *rest = text.data;
    int number = 0;
    for (char *line; result == 0 && rest != NULL && (line = strsep(&rest, "\n")) != NULL;)
        result = parse_line(t, line, ++number, e);
    if (result != 0)
        clear(t); /* half a list is no list: nobody gets in */
    ei_buf_release(&text);
    return result;
}

static bool changed(const struct stat *a, const struct stat *b) {
    return a->st_ino != b->st_ino || a->st_size != b->st_size ||
           a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec;
}

static void refresh(struct ei_tokens *t) {
    struct stat now = {0};
    if (t->path == NULL)
        return;
    (void)stat(t->path, &now); /* a file that is gone has no inode: changed, and then empty */
    if (!changed(&now, &t->seen))
        return;
    t->seen = now;
    (void)load(t, NULL);
}

int ei_tokens_create(struct ei_tokens **out, const char *path, struct ei_error *e) {
    struct ei_tokens *t = ei_calloc(1, sizeof *t);
    t->path = ei_strdup(path);
    if (path != NULL) {
        (void)stat(path, &t->seen);
        if (load(t, e) != 0) {
            ei_tokens_destroy(t);
            return -1;
        }
    }
    *out = t;
    return 0;
}

void ei_tokens_destroy(struct ei_tokens *t) {
    if (t == NULL)
        return;
    clear(t);
    free(t->tokens);
    free(t->path);
    free(t);
}

enum ei_access ei_tokens_find(struct ei_tokens *t, const char *token, const char **name) {
    char sha256_hex[65];
    size_t n = strnlen(token, TOKEN_MAX_BYTES + 1);
    const struct token *found = NULL;
    *name = NULL;
    if (n == 0 || n > TOKEN_MAX_BYTES)
        return EI_ACCESS_PUBLIC;
    refresh(t);
    ei_token_sha256(token, n, sha256_hex);
    /* All lines are compared whole, so that time tells nothing about them. */
    for (size_t i = 0; i < t->count; i++)
        if (CRYPTO_memcmp(t->tokens[i].sha256_hex, sha256_hex, 64) == 0)
            found = &t->tokens[i];
    if (found == NULL)
        return EI_ACCESS_PUBLIC;
    *name = found->name;
    return found->access;
}
