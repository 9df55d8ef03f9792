#include "driver/target.h"

#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/redact.h"
#include "net/addr.h"
#include "net/url.h"

const char *const tls_versions[] = {"", "1.2", "1.3", NULL};

#define OPT_OF struct tls_opts
static const struct opt tls_opts_table[] = {
    TLS_ROWS,
    {0},
};
#undef OPT_OF

#define OPT_OF struct target_opts
const struct opt target_opts_table[] = {
    OPT_TEXT(url, NULL, "where it is; the path is the default for requests", .flags = OPT_REQUIRED,
             .example = "https://edge.example.com:8443/"),
    OPT_TEXT(connect_to, NULL, "host:port to connect to in place of the url's",
             .example = "10.0.0.7:443"),
    OPT_TEXTS(source, "local addresses to connect from, used in turn",
              .example = "[127.0.0.2, 127.0.0.3]"),
    OPT_SUB(tls, struct tls_opts, tls_opts_table, "how to speak TLS to it"),
    {0},
};
#undef OPT_OF

static bool set_url(struct target *t, const char *text, struct diags *d)
{
    struct url u;
    struct err e;

    if (!url_parse(&u, text, d->arena, &e))
        return diag_add(d, t->at, "targets.%s.url: \"%s\": %s", t->name,
                        strchr(text, '@') ? "..." : text, e.text);
    t->url = u.clean;
    t->userinfo = u.userinfo;
    t->scheme = u.scheme;
    t->host = u.host;
    t->port = u.port;
    t->path = u.path;
    if (t->userinfo && strchr(t->userinfo, ':')[1])
        redact_add(strchr(t->userinfo, ':') + 1);
    return true;
}

/* Empty text is none, so that a variable may leave it out. */
static const char *given(const char *text)
{
    return text && *text ? text : NULL;
}

static bool set_route(struct target *t, const struct target_opts *o, struct diags *d)
{
    bool ok = true;
    const char *host;
    struct addr addr;
    uint16_t port;
    struct err e;

    t->connect_to = given(o->connect_to);
    t->source = o->source;
    if (t->connect_to && !url_host_port(t->connect_to, &host, &port, d->arena, &e))
        ok = diag_add(d, t->at, "targets.%s.connect_to: %s", t->name, e.text);
    for (int i = 0; i < t->source.n; i++)
        if (!addr_parse(&addr, t->source.v[i]))
            ok = diag_add(d, t->at, "targets.%s.source: \"%s\" is not an IP address", t->name,
                          t->source.v[i]);
    return ok;
}

static bool set_tls(struct target *t, const struct tls_opts *o, struct diags *d)
{
    bool ok = true;

    t->tls = *o;
    t->tls.ca = given(o->ca);
    if (o->key && !o->cert)
        ok = diag_add(d, t->at, "targets.%s.tls: a key without its cert", t->name);
    if (o->max_version && o->min_version > o->max_version)
        ok = diag_add(d, t->at, "targets.%s.tls: min_version is above max_version", t->name);
    for (int i = 0; i < o->alpn.n; i++)
        if (strlen(o->alpn.v[i]) < 1 || strlen(o->alpn.v[i]) > 255)
            ok = diag_add(d, t->at, "targets.%s.tls.alpn: a protocol has 1 to 255 bytes", t->name);
    return ok;
}

bool target_init(struct target *t, const char *name, const struct target_opts *o, struct pos at,
                 struct diags *d)
{
    bool ok;

    t->name = name;
    t->at = at;
    ok = set_url(t, o->url, d);
    ok &= set_route(t, o, d);
    ok &= set_tls(t, &o->tls, d);
    return ok;
}
