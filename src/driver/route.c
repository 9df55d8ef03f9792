#include "driver/route.h"

#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "driver/target.h"
#include "net/tls.h"
#include "net/url.h"

enum outcome route_outcome(enum conn_fault fault)
{
    static const enum outcome table[] = {
        [CONN_REFUSED] = OP_REFUSED,   [CONN_UNREACHABLE] = OP_UNREACHABLE,
        [CONN_TIMED_OUT] = OP_TIMEOUT, [CONN_LOCAL] = OP_LOCAL,
        [CONN_RESET] = OP_RESET,       [CONN_TLS] = OP_TLS,
    };

    return table[fault];
}

static bool make_tls(struct conn_route *r, const struct target *t, const char *const *alpn,
                     struct arena *arena, struct err *e)
{
    static const char *const versions[] = {NULL, "1.2", "1.3"};
    const struct tls_opts *o = &t->tls;
    const char **asked = arena_array(arena, const char *, o->alpn.n + 1);
    struct tls_config c = {
        .verify = o->verify && !o->examine,
        .ca = o->ca,
        .cert = o->cert,
        .key = o->key,
        .alpn = alpn,
        .min_version = versions[o->min_version],
        .max_version = versions[o->max_version],
        .ciphers = o->ciphers,
        .groups = o->groups,
        .resume = r->resume,
        .examine = o->examine,
    };

    if (o->alpn.n > 0) {
        memcpy(asked, o->alpn.v, sizeof(*asked) * (size_t)o->alpn.n);
        c.alpn = asked;
    }
    r->verify = o->verify;
    r->name = o->server_name && *o->server_name ? o->server_name : t->host;
    r->ctx = tls_client_ctx(&c, e);
    return r->ctx || err_wrap(e, "target \"%s\"", t->name);
}

bool route_make(struct conn_route *r, const struct target *t, const char *const *alpn, bool resume,
                struct arena *arena, struct err *e)
{
    const char *host = t->host;
    uint16_t port = t->port;

    *r = (struct conn_route){.resume = resume};
    if (t->connect_to && !url_host_port(t->connect_to, &host, &port, arena, e))
        return false;
    if (!addr_resolve(&r->to, host, port, arena, e))
        return err_wrap(e, "target \"%s\"", t->name);
    r->from.v = arena_array(arena, struct addr, t->source.n);
    for (int i = 0; i < t->source.n; i++)
        if (addr_parse(&r->from.v[r->from.n], t->source.v[i]))
            r->from.n++;
    if (strcmp(t->scheme, "https") != 0 && strcmp(t->scheme, "wss") != 0)
        return true;
    return make_tls(r, t, alpn, arena, e);
}
