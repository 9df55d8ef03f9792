/*
 * route.h - which page answers a path.
 *
 * A surface is one file with a table of rows and one line in route.c.  The first row that matches
 * wins; the last surface answers everything.
 */
#pragma once

#include <stdbool.h>

#include "net/http1.h"

struct reply;
struct request;
struct server;

enum {
    ROUTE_PREFIX = 1 << 0, /* the path begins with it; otherwise it is the whole path */
    ROUTE_BODY = 1 << 1,   /* the page reads the request's body; otherwise it is passed over */
    ROUTE_ADMIN = 1 << 2,  /* neither counted nor programmed */
    ROUTE_QUERY = 1 << 3,  /* the query is the page's own: it holds no knobs */
    ROUTE_WAITS = 1 << 4,  /* the page may block: it is asked off the loop (errand.h) */
};

struct route {
    const char *path; /* NULL ends a table */
    unsigned flags;
    const char *knob; /* set from what follows the prefix; or NULL */
    const char *flag; /* a knob that the path alone sets to true; or NULL */
    void (*answer)(const struct request *rq, const struct server *s, struct reply *re);

    /* Of a page that waits: looks at the request on the loop; false: `re` refuses it.  Or NULL. */
    bool (*admit)(const struct request *rq, const struct server *s, struct reply *re);
};

const struct route *route_get(const struct server *s, struct http1_span path);

extern const struct route pages[], certctl_pages[], f5_pages[], ingest_pages[], ca_pages[];
