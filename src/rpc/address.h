/* "host:port" as people write it: name, IPv4, [IPv6]. */
#ifndef EIDER_RPC_ADDRESS_H
#define EIDER_RPC_ADDRESS_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/socket.h>

#define EI_HOST_MAX 256

struct ei_address {
    char host[EI_HOST_MAX];
    char port[6];
    bool numeric; /* `socket` is filled; otherwise the host is a name to look up */
    struct sockaddr_storage socket;
};

/* Port 0 is for listening: any free one. */
int ei_address_parse(const char *text, struct ei_address *a, struct ei_error *e);
/* Fills a from a host and a port without a look-up; a->numeric tells if it could. */
void ei_address_set(struct ei_address *a, const char *host, int port);
bool ei_address_is_loopback(const struct sockaddr *s);

#endif
