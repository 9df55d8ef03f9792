/* url.h - URLs (RFC 3986) of any scheme, taken apart by libcurl's parser. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct arena;
struct err;

struct url {              /* all text lives in the arena given to url_parse() */
    const char *clean;    /* the URL without userinfo */
    const char *scheme;   /* lower case */
    const char *userinfo; /* "user:password", decoded; NULL: none */
    const char *host;     /* lower case, without brackets; "" for schemes that need none */
    const char *path;     /* with the query; starts with '/' if there is a host */
    uint16_t port;        /* 0: none, and the scheme has no usual one */
};

bool url_parse(struct url *u, const char *text, struct arena *arena, struct err *e);

/* Host as a URL and a host: field have it, with its port unless it is the scheme's usual one. */
const char *url_authority(const char *scheme, const char *host, uint16_t port, struct arena *arena);

/* "host:port" or "[address]:port". */
bool url_host_port(const char *text, const char **host, uint16_t *port, struct arena *arena,
                   struct err *e);
