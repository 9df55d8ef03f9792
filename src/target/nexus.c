#include "target/nexus.h"

#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "net/tls.h"
#include "net/url.h"

#define MESSAGE_MAX (1 << 20)

static bool make_tls(struct nexus *n, const struct nexus_opts *o, const char *name, struct err *e)
{
    static const char *const alpn[] = {"http/1.1", NULL};
    struct tls_config c = {
        .verify = !o->insecure, .ca = o->ca && *o->ca ? o->ca : NULL, .alpn = alpn};

    n->peer.route.verify = !o->insecure;
    n->peer.route.name = name;
    n->peer.route.ctx = tls_client_ctx(&c, e);
    return n->peer.route.ctx != NULL;
}

static bool find_hub(struct nexus *n, const struct nexus_opts *o, struct arena *arena,
                     struct err *e)
{
    struct url u;

    if (!url_parse(&u, o->url, arena, e))
        return err_wrap(e, "\"%s\"", o->url);
    if (strcmp(u.scheme, "wss") != 0 && strcmp(u.scheme, "ws") != 0)
        return err_set(e, "\"%s\": a hub has a wss: or ws: url", u.clean);
    n->peer.host = url_authority(u.scheme, u.host, u.port, arena);
    n->peer.path = u.path;
    n->peer.frame_max = NEXUS_FRAME_MAX;
    n->peer.message_max = MESSAGE_MAX;
    return addr_resolve(&n->peer.route.to, u.host, u.port, arena, e) &&
           (strcmp(u.scheme, "ws") == 0 || make_tls(n, o, u.host, e));
}

bool nexus_init(struct nexus *n, const struct nexus_opts *o, struct arena *arena, struct err *e)
{
    n->backends = (int)o->backends;
    n->retry = (uint64_t)o->retry;
    n->beat = 5 * NS_PER_S;
    n->retry_max = (uint64_t)(o->retry_max > o->retry ? o->retry_max : o->retry);
    return attest_init(&n->attest, &o->attest, arena, e) && find_hub(n, o, arena, e);
}

void nexus_fini(struct nexus *n)
{
    tls_ctx_free(n->peer.route.ctx);
    n->peer.route.ctx = NULL;
}
