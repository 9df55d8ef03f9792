#include "target/route.h"

#include <string.h>

#include "base/err.h"

static const struct route *const surfaces[] = {pages, NULL};

static bool matches(const struct route *r, struct http1_span path)
{
    size_t len = strlen(r->path);

    if (r->flags & ROUTE_PREFIX ? path.len < len : path.len != len)
        return false;
    return memcmp(path.data, r->path, len) == 0;
}

const struct route *route_get(struct http1_span path)
{
    for (const struct route *const *s = surfaces; *s; s++)
        for (const struct route *r = *s; r->path; r++)
            if (matches(r, path))
                return r;
    bug("no surface answers everything");
}
