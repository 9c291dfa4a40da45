#include "rpc/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ei_address_set(struct ei_address *a, const char *host, int port) {
    *a = (struct ei_address){0};
    (void)snprintf(a->host, sizeof a->host, "%s", host);
    (void)snprintf(a->port, sizeof a->port, "%d", port);
    /* "localhost" needs no resolver: it would start a thread or read /etc/hosts. */
    const char *text = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    struct sockaddr_in *v4 = (struct sockaddr_in *)&a->socket;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&a->socket;
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        a->numeric = true;
    } else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        a->numeric = true;
    }
}

int ei_address_parse(const char *text, struct ei_address *a, struct ei_error *e) {
    const char *colon = strrchr(text, ':');
    char host[EI_HOST_MAX];
    char *end = NULL;
    long port =
        colon == NULL || colon[1] < '0' || colon[1] > '9' ? -1 : strtol(colon + 1, &end, 10);
    size_t n = colon == NULL ? 0 : (size_t)(colon - text);
    const char *from = text;
    if (n >= 2 && text[0] == '[' && text[n - 1] == ']') {
        from++;
        n -= 2;
    } else if (n > 0 && memchr(text, ':', n) != NULL) {
        n = 0; /* IPv6 without brackets: where its port begins cannot be told */
    }
    if (n == 0 || n >= sizeof host || port < 0 || port > 65535 || *end != '\0')
        return ei_fail(e, EI_USAGE, "'%s' is no address: write HOST:PORT", text);
    memcpy(host, from, n);
    host[n] = '\0';
    ei_address_set(a, host, (int)port);
    return 0;
}

bool ei_address_is_loopback(const struct sockaddr *s) {
    if (s->sa_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)(const void *)s)->sin_addr.s_addr) >> 24 == 127;
    if (s->sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)s)->sin6_addr);
    return false;
}
