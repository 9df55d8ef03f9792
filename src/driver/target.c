#include "driver/target.h"

#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "net/addr.h"
#include "net/tls_names.h"
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
    OPT_TEXT(user, NULL, "who to log in as, in place of the url's"),
    OPT_TEXT(password, NULL, "the password, as it is, in place of the url's",
             .example = "${secrets.password}", .flags = OPT_SECRET),
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
    return true;
}

/* Empty text is none, so that a variable may leave it out. */
static const char *given(const char *text)
{
    return text && *text ? text : NULL;
}

/* The options win over the url, where a password's reserved characters have to be written %XX. */
static void set_login(struct target *t, const struct target_opts *o, struct arena *arena)
{
    const char *user = given(o->user), *password = given(o->password);
    const char *colon = t->userinfo ? strchr(t->userinfo, ':') : NULL;

    if (user && strchr(user, ':'))
        return;
    if (!user)
        user = colon ? arena_strndup(arena, t->userinfo, (size_t)(colon - t->userinfo)) : "";
    if (!password)
        password = colon ? colon + 1 : "";
    if (*user || *password)
        t->userinfo = arena_printf(arena, "%s:%s", user, password);
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

static struct pos place_of(const struct node *map, const char *option)
{
    const struct node *at = map ? node_find(map, option) : NULL;

    return at ? at->at : map ? map->at : (struct pos){0};
}

/* OpenSSL's list in one option. */
static bool check_names(const char *list, const char *option,
                        bool (*known)(const char *, struct err *), const struct node *map,
                        const char *path, struct diags *d)
{
    struct err e;

    return !given(list) || known(list, &e) ||
           diag_add(d, place_of(map, option), "%s.%s: %s", path, option, e.text);
}

bool tls_opts_check(const struct tls_opts *o, const struct node *map, const char *path,
                    struct diags *d)
{
    bool ok = check_names(o->ciphers, "ciphers", tls_ciphers_known, map, path, d);

    ok &= check_names(o->groups, "groups", tls_groups_known, map, path, d);
    if (o->key && !o->cert)
        ok = diag_add(d, place_of(map, "key"), "%s.key: a key without its cert", path);
    if (o->max_version && o->min_version > o->max_version)
        ok =
            diag_add(d, place_of(map, "min_version"), "%s: min_version is above max_version", path);
    for (int i = 0; i < o->alpn.n; i++)
        if (strlen(o->alpn.v[i]) < 1 || strlen(o->alpn.v[i]) > 255)
            ok = diag_add(d, place_of(map, "alpn"), "%s.alpn: a protocol has 1 to 255 bytes", path);
    return ok;
}

bool target_init(struct target *t, const char *name, const struct target_opts *o,
                 const struct node *at, struct diags *d)
{
    bool ok;

    t->name = name;
    t->at = at->at;
    ok = set_url(t, o->url, d);
    set_login(t, o, d->arena);
    if (given(o->user) && strchr(o->user, ':'))
        ok = diag_add(d, t->at, "targets.%s.user: a name has no colon", t->name);
    ok &= set_route(t, o, d);
    t->tls = o->tls;
    t->tls.ca = given(o->tls.ca);
    t->tls.ciphers = given(o->tls.ciphers);
    t->tls.groups = given(o->tls.groups);
    ok &= tls_opts_check(&o->tls, node_find(at, "tls") ?: at,
                         arena_printf(d->arena, "targets.%s.tls", name), d);
    return ok;
}
