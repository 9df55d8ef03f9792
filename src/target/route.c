#include "target/route.h"

#include <string.h>

#include "base/err.h"
#include "target/server.h"

struct surface {
    const struct route *routes;
    bool (*is_on)(const struct server *s); /* NULL: always */
};

static bool has_certctl(const struct server *s)
{
    return s->config.certctl != NULL;
}

static bool has_f5(const struct server *s)
{
    return s->config.f5 != NULL;
}

static bool has_ingest(const struct server *s)
{
    return s->config.ingest != NULL;
}

static bool has_ca(const struct server *s)
{
    return s->config.ca != NULL;
}

static const struct surface surfaces[] = {
    {certctl_pages, has_certctl}, {f5_pages, has_f5}, {ingest_pages, has_ingest},
    {ca_pages, has_ca},           {pages, NULL},      {0}};

static bool matches(const struct route *r, struct http1_span path)
{
    size_t len = strlen(r->path);

    if (r->flags & ROUTE_PREFIX ? path.len < len : path.len != len)
        return false;
    return memcmp(path.data, r->path, len) == 0;
}

const struct route *route_get(const struct server *s, struct http1_span path)
{
    for (const struct surface *f = surfaces; f->routes; f++)
        for (const struct route *r = f->routes; r->path; r++)
            if ((!f->is_on || f->is_on(s)) && matches(r, path))
                return r;
    bug("no surface answers everything");
}
