/* Bearer tokens. Private to http/. */
#ifndef EIDER_HTTP_ACCESS_H
#define EIDER_HTTP_ACCESS_H

#include "http/http.h"

struct ei_tokens;
/* path NULL = there are none. The file is read again whenever it changed. */
int ei_tokens_create(struct ei_tokens **out, const char *path, struct ei_error *e);
void ei_tokens_destroy(struct ei_tokens *t);
/* What the token may do; EI_ACCESS_PUBLIC if it is unknown. *name is valid until the next call. */
enum ei_access ei_tokens_find(struct ei_tokens *t, const char *token, const char **name);

#endif
