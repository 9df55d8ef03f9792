#include "net/addr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"

bool addr_resolve(struct addrs *out, const char *host, uint16_t port, struct arena *arena,
                  struct err *e)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list;
    char service[8];
    int rc, n = 0;

    snprintf(service, sizeof(service), "%u", (unsigned)port);
    rc = getaddrinfo(host, service, &hints, &list);
    if (rc == EAI_SYSTEM)
        return err_errno(e, "resolve \"%s\"", host);
    if (rc != 0) {
        const char *reason = gai_strerror(rc);

        return err_set(e, "resolve \"%s\": %c%s", host, reason[0] | 0x20, reason + 1);
    }
    for (struct addrinfo *a = list; a; a = a->ai_next)
        n++;
    *out = (struct addrs){arena_array(arena, struct addr, n), 0};
    for (struct addrinfo *a = list; a; a = a->ai_next) {
        struct addr *to = &out->v[out->n];

        if (a->ai_addrlen > sizeof(to->sa))
            continue;
        memcpy(&to->sa, a->ai_addr, a->ai_addrlen);
        to->len = a->ai_addrlen;
        out->n++;
    }
    freeaddrinfo(list);
    return out->n > 0 || err_set(e, "resolve \"%s\": no address", host);
}

bool addr_parse(struct addr *out, const char *text)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&out->sa;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out->sa;

    *out = (struct addr){0};
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        out->len = sizeof(*v4);
    } else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        out->len = sizeof(*v6);
    }
    return out->len > 0;
}

const char *addr_print(const struct addr *a, char buf[ADDR_TEXT_MAX])
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&a->sa;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&a->sa;
    char text[INET6_ADDRSTRLEN] = "?";

    if (a->sa.ss_family == AF_INET) {
        inet_ntop(AF_INET, &v4->sin_addr, text, sizeof(text));
        snprintf(buf, ADDR_TEXT_MAX, "%s:%u", text, (unsigned)ntohs(v4->sin_port));
    } else {
        inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof(text));
        snprintf(buf, ADDR_TEXT_MAX, "[%s]:%u", text, (unsigned)ntohs(v6->sin6_port));
    }
    return buf;
}
