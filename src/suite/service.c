/*
 * service.c - `services:`.
 *
 * A service's ports are chosen, and the paths of its files known, before any value of the suite is
 * resolved: that is what lets `${service.NAME.port}` stand in a variable's default.
 */
#include "suite/service.h"

#include <ctype.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "suite/free_port.h"
#include "suite/scope.h"

#define MAX_SERVICES   64 /* bits of a mask */
#define MAX_FILE       (1024 * 1024)
#define FIRST_MOCKPORT 20000 /* for validate, which reserves nothing */

static const char *const certificate_keys[] = {"p256", "rsa2048", NULL};
const char *const stop_signals[] = {"TERM", "INT", "QUIT", "HUP", NULL};

static const char *const starts[] = {"when-needed", "always", NULL};

struct service_opts {
    struct texts command, ports;
    const struct node *env, *files, *prepare;
    const char *user;
    struct certificate_opts certificate;
    struct ready_opts ready;
    struct stop_opts stop;
    int start;
    bool forwards;
};

#define OPT_OF struct ready_opts
static const struct opt ready_table[] = {
    OPT_TEXT(probe, NULL, "URL that answers with a status below 400",
             .example = "https://127.0.0.1:${service.api.port}/healthz"),
    OPT_TEXT(tcp, NULL, "host:port that accepts a connection"),
    OPT_TEXT(log, NULL, "regular expression (PCRE2) that a line of its output matches"),
    OPT_TEXTS(exec, "command that exits with 0"),
    OPT_DURATION(within, "30s", "give up after this long", .min = 1, .max = INT64_C(3600000000000)),
    {0},
};
#undef OPT_OF

#define OPT_OF struct certificate_opts
static const struct opt certificate_table[] = {
    OPT_TEXTS(names, "DNS names and addresses it is valid for", .flags = OPT_REQUIRED),
    OPT_CHOICE(key, "p256", "kind of key", .choices = certificate_keys),
    {0},
};
#undef OPT_OF

#define OPT_OF struct stop_opts
static const struct opt stop_table[] = {
    OPT_CHOICE(signal, "TERM", "sent first, to the whole process group", .choices = stop_signals),
    OPT_DURATION(grace, "10s", "wait this long before KILL", .max = INT64_C(3600000000000)),
    {0},
};
#undef OPT_OF

#define OPT_OF struct service_opts
const struct opt service_table[] = {
    OPT_TEXTS(command, "program and arguments; `shakedown` means this program",
              .flags = OPT_REQUIRED),
    OPT_NODE(env, "map of environment variables for it", .schema_ref = "texts_by_name"),
    OPT_TEXT(user, NULL, "run as this user, if root starts it; anybody else runs it as himself"),
    OPT_TEXTS(ports, "names of ports to choose; the first is ${service.NAME.port}"),
    OPT_NODE(files, "map from a name in its folder to a template file with ${...}",
             .schema_ref = "texts_by_name"),
    OPT_SUB(certificate, struct certificate_opts, certificate_table,
            "make ${service.NAME.cert}, .key and .ca",
            .given = OPT_AT(certificate.given, bool) + 1),
    OPT_NODE(prepare, "commands to run before it starts, in order", .schema_ref = "commands"),
    OPT_SUB(ready, struct ready_opts, ready_table, "how it shows that it is up",
            .given = OPT_AT(ready.given, bool) + 1),
    OPT_SUB(stop, struct stop_opts, stop_table, "how it is ended"),
    OPT_CHOICE(start, "when-needed", "when-needed: only if a value that is used refers to it",
               .choices = starts),
    OPT_BOOL(forwards, "false",
             "it only leads to a server elsewhere, like a tunnel: `cleanup` starts it again"),
    {0},
};
#undef OPT_OF

static bool is_fixed(const struct suite_source *src, const char *service)
{
    for (int i = 0; i < src->fixed_count; i++)
        if (strcmp(src->fixed[i].service, service) == 0)
            return true;
    return false;
}

static uint16_t fixed_port(const struct suite_source *src, const char *service, int index,
                           uint16_t otherwise)
{
    for (int i = 0; i < src->fixed_count; i++)
        if (strcmp(src->fixed[i].service, service) == 0 && src->fixed[i].index == index)
            return src->fixed[i].port;
    return otherwise;
}

static void declare_ports(struct suite_scope *s, struct service *v, const struct node *ports)
{
    bool list = ports->type == NODE_LIST;
    const struct node *n = list ? ports->first : ports;
    struct err e;

    v->ports = arena_array(s->arena, struct service_port, list ? ports->count : 1);
    for (; n; n = list ? n->next : NULL) {
        struct service_port *p = &v->ports[v->port_count];

        if (n->type != NODE_SCALAR)
            return; /* its table says so */
        *p = (struct service_port){n->raw,
                                   (uint16_t)(FIRST_MOCKPORT + v->index * 16 + v->port_count), -1};
        p->port = fixed_port(s->src, v->name, v->port_count, p->port);
        if (s->src->reserve_ports && !is_fixed(s->src, v->name) &&
            !free_port_reserve(&p->port, &p->fd, &e))
            diag_add(s->diags, n->at, "services.%s.ports: %s", v->name, e.text);
        v->port_count++;
    }
}

static bool is_folder_name(const char *s)
{
    for (const char *p = s; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_')
            return false;
    return *s != '\0';
}

void services_declare(struct suite_scope *s, const struct node *services)
{
    struct suite *suite = s->suite;

    if (services->type != NODE_MAP || services->count > MAX_SERVICES) {
        diag_add(s->diags, services->at, "services: expected a map of at most %d", MAX_SERVICES);
        return;
    }
    suite->services = arena_array(s->arena, struct service, services->count);
    for (const struct node *n = services->first; n; n = n->next) {
        struct service *v = &suite->services[suite->service_count];

        v->name = n->key;
        v->index = suite->service_count++;
        v->at = n->key_at;
        v->dir = arena_printf(s->arena, "%s/%s", s->src->run_tmp, n->key);
        v->cert = arena_printf(s->arena, "%s/cert.pem", v->dir);
        v->key_file = arena_printf(s->arena, "%s/key.pem", v->dir);
        v->ca = arena_printf(s->arena, "%s/ca.pem", v->dir);
        if (!is_folder_name(n->key))
            diag_add(s->diags, n->key_at,
                     "services: \"%s\" is not a name (letters, digits, - and _)", n->key);
        if (n->type == NODE_MAP && node_find(n, "ports"))
            declare_ports(s, v, node_find(n, "ports"));
        v->certificate.given = n->type == NODE_MAP && node_find(n, "certificate");
    }
}

static bool lookup_port(const struct suite_scope *s, const struct service *v, const char *which,
                        struct subst_value *out, struct err *e)
{
    for (int i = 0; i < v->port_count; i++) {
        if (*which && strcmp(v->ports[i].name, which) != 0)
            continue;
        out->text = arena_printf(s->arena, "%u", (unsigned)v->ports[i].port);
        return true;
    }
    if (*which)
        return err_set(e, "service \"%s\" has no port \"%s\"", v->name, which);
    return err_set(e, "service \"%s\" has no `ports:`", v->name);
}

static bool lookup_member(const struct suite_scope *s, const struct service *v, const char *member,
                          struct subst_value *out, struct err *e)
{
    bool cert = strcmp(member, "cert") == 0, key = strcmp(member, "key") == 0;

    if (strcmp(member, "port") == 0)
        return lookup_port(s, v, "", out, e);
    if (strncmp(member, "port.", 5) == 0)
        return lookup_port(s, v, member + 5, out, e);
    if (strcmp(member, "dir") == 0) {
        out->text = v->dir;
        return true;
    }
    if (!cert && !key && strcmp(member, "ca") != 0)
        return err_set(e, "a service has port, cert, key, ca and dir, but no \"%s\"", member);
    if (!v->certificate.given)
        return err_set(e, "service \"%s\" has no `certificate:`", v->name);
    out->text = cert ? v->cert : key ? v->key_file : v->ca;
    return true;
}

bool service_lookup(const struct suite_scope *s, const char *name, struct subst_value *out,
                    struct err *e)
{
    const char *dot = strchr(name, '.');
    const char *own = arena_strndup(s->arena, name, dot ? (size_t)(dot - name) : strlen(name));
    const char **names = arena_array(s->arena, const char *, s->suite->service_count + 1);
    char hint[OPT_HINT_MAX];

    for (int i = 0; i < s->suite->service_count; i++) {
        const struct service *v = &s->suite->services[i];

        names[i] = v->name;
        if (strcmp(v->name, own) != 0)
            continue;
        out->services = UINT64_C(1) << i;
        return lookup_member(s, v, dot ? dot + 1 : "", out, e);
    }
    return err_set(e, "no service \"%s\"%s", own, opt_hint(own, names, "", hint));
}

static void bind_env(struct service *v, const struct node *map, const char *path,
                     const struct bind *b)
{
    if (map->type != NODE_MAP) {
        diag_add(b->diags, map->at, "%s.env: expected a map", path);
        return;
    }
    v->env = arena_array(b->arena, struct named_text, map->count);
    for (const struct node *n = map->first; n; n = n->next) {
        if (n->type != NODE_SCALAR)
            diag_add(b->diags, n->at, "%s.env.%s: expected text", path, n->key);
        else
            v->env[v->env_count++] = (struct named_text){n->key, n->text};
    }
}

/* The template's text with every ${...} filled in; what it refers to counts for the service. */
static const char *render_file(struct suite_scope *s, struct service *v, const struct node *n,
                               const char *from)
{
    struct subst_value value = {0};
    struct buf text = {0};
    struct err e;

    if (s->src->stored) {
        return "";
    } else if (!fs_read(from, MAX_FILE, &text, &e)) {
        diag_add(s->diags, n->at, "services.%s.files: %s", v->name, e.text);
    } else if (!subst_text(buf_text(&text), scope_lookup, s, s->arena, &value, &e)) {
        diag_add(s->diags, n->at, "services.%s.files: %s: %s", v->name, from, e.text);
    } else if (value.deferred && !scope_lists(s)) {
        diag_add(s->diags, n->at, "services.%s.files: %s: services start before phases publish",
                 v->name, from);
    }
    /* A text without ${...} comes back as it went in, and the buffer ends here. */
    value.text = arena_strdup(s->arena, value.text);
    buf_free(&text);
    v->needs |= value.services;
    return value.text ? value.text : "";
}

static void bind_files(struct suite_scope *s, struct service *v, const struct node *map,
                       const char *path)
{
    if (map->type != NODE_MAP) {
        diag_add(s->diags, map->at, "%s.files: expected a map", path);
        return;
    }
    v->files = arena_array(s->arena, struct service_file, map->count);
    v->file_texts = arena_array(s->arena, const char *, map->count);
    for (const struct node *n = map->first; n; n = n->next) {
        const char *from = n->text;

        if (n->type != NODE_SCALAR) {
            diag_add(s->diags, n->at, "%s.files.%s: expected the path of a template", path, n->key);
            continue;
        }
        if (n->key[0] == '/' || strstr(n->key, "..")) {
            diag_add(s->diags, n->key_at, "%s.files: \"%s\" must lie in the service's folder", path,
                     n->key);
            continue;
        }
        if (from[0] != '/' && s->dir)
            from = arena_printf(s->arena, "%s/%s", s->dir, from);
        v->files[v->file_count] = (struct service_file){n->key, from};
        v->file_texts[v->file_count++] = render_file(s, v, n, from);
    }
}

/* A command of the list. */
static const struct opt prepare_table[] = {
    {.name = "prepare",
     .type = OPT_T_TEXTS,
     .help = "program and arguments",
     .flags = OPT_REQUIRED},
    {0},
};

/* A list of commands, each a list; one command may stand alone. */
static void bind_prepare(struct service *v, const struct node *list, const char *path,
                         const struct bind *b)
{
    bool nested = list->type == NODE_LIST && list->first && list->first->type == NODE_LIST;

    v->prepare = arena_array(b->arena, struct texts, nested ? list->count : 1);
    for (const struct node *n = nested ? list->first : list; n; n = nested ? n->next : NULL)
        if (opt_bind(prepare_table, NULL, node_wrap(n, "prepare", b->arena), path,
                     &v->prepare[v->prepare_count], b))
            v->prepare_count++;
}

static void replace_self(const struct suite_scope *s, struct texts *command)
{
    if (command->n > 0 && command->v[0] && strcmp(command->v[0], "shakedown") == 0)
        command->v[0] = s->src->self;
}

/* Counted as written, because a value with a mistake in it has been told. */
static void check_ready(const struct node *n, const char *path, const struct bind *b)
{
    static const char *const ways[] = {"probe", "tcp", "log", "exec"};
    int given = 0;

    for (int i = 0; i < 4; i++) {
        const struct node *way = node_find(n, ways[i]);

        given += way && (way->type != NODE_LIST || way->count > 0);
    }
    if (given != 1)
        diag_add(b->diags, n->at, "%s.ready: needs exactly one of probe, tcp, log and exec", path);
}

static void check_secrets(const struct node *n, const char *path, const struct bind *b)
{
    static const char *const argvs[] = {"command", "prepare"};

    for (int i = 0; i < 2; i++) {
        const struct node *c = node_find(n, argvs[i]);

        if (c && node_any_secret(c))
            diag_add(b->diags, c->at,
                     "%s.%s: a secret must not stand on a command line, where every user can read "
                     "it; pass it in `env:` or `files:`",
                     path, argvs[i]);
    }
}

static void bind_one(struct suite_scope *s, struct service *v, const struct node *n,
                     const struct bind *b)
{
    const char *path = arena_printf(b->arena, "services.%s", v->name);
    struct service_opts o = {0};

    opt_bind(service_table, NULL, n, path, &o, b);
    if (n->type != NODE_MAP)
        return;
    v->command = o.command;
    v->user = o.user;
    v->certificate = o.certificate;
    v->ready = o.ready;
    v->stop = o.stop;
    v->always = o.start == 1 && !s->src->cleanup;
    v->forwards = o.forwards;
    v->needs = node_services(n) & ~(UINT64_C(1) << v->index);
    if (o.env)
        bind_env(v, o.env, path, b);
    if (o.files)
        bind_files(s, v, o.files, path);
    if (o.prepare)
        bind_prepare(v, o.prepare, path, b);
    replace_self(s, &v->command);
    for (int i = 0; i < v->prepare_count; i++)
        replace_self(s, &v->prepare[i]);
    replace_self(s, &v->ready.exec);
    v->needs &= ~(UINT64_C(1) << v->index);
    if (node_find(n, "ready"))
        check_ready(node_find(n, "ready"), path, b);
    check_secrets(n, path, b);
    if (node_any_deferred(n) && b->diags->errors == 0 && !scope_lists(s))
        diag_add(b->diags, n->at, "%s: services start before any phase publishes", path);
}

void services_bind(struct suite_scope *s, const struct node *services, const struct bind *b)
{
    int i = 0;

    if (services->type == NODE_MAP)
        for (const struct node *n = services->first; n && i < s->suite->service_count; n = n->next)
            bind_one(s, &s->suite->services[i++], n, b);
}
