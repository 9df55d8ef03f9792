/* addr.h - names to socket addresses, once, before there is any load. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct arena;
struct err;

struct addr {
    struct sockaddr_storage sa;
    socklen_t len;
};

struct addrs {
    struct addr *v;
    int n;
};

/* All addresses of a name, in the resolver's order; may block.  At least one, or false. */
bool addr_resolve(struct addrs *out, const char *host, uint16_t port, struct arena *arena,
                  struct err *e);

bool addr_parse(struct addr *out, const char *text); /* a numeric address; port 0 */

#define ADDR_TEXT_MAX 64
const char *addr_print(const struct addr *a, char buf[ADDR_TEXT_MAX]); /* "127.0.0.1:80" */
