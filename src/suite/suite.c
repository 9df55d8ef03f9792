/*
 * suite.c - from text to struct suite.
 *
 * The order matters: names first (variables, secrets, services with their ports), then every value,
 * then types.  Mistakes never stop it; whatever can still be read is read, so that one run shows
 * all.
 */
#include "suite/suite.h"

#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/redact.h"
#include "suite/scope.h"

struct suite_opts {
    const char *suite, *description;
    int64_t version;
    double confidence;
    const struct node *vars, *presets, *preset, *secrets, *targets, *services, *phases;
};

#define OPT_OF struct suite_opts
const struct opt suite_table[] = {
    OPT_TEXT(suite, NULL, "name of the suite", .flags = OPT_REQUIRED),
    OPT_TEXT(description, NULL, "one sentence for people"),
    OPT_INT(version, "1", "version of the suite language", .min = 1, .max = 2),
    OPT_RATIO(confidence, NULL, "demand proof of every pass too, such as 95%"),
    OPT_NODE(vars, "map of variables: a value, or {default, env, help, unit}",
             .schema_ref = "vars"),
    OPT_NODE(presets, "map of named sets of values", .schema_ref = "presets"),
    OPT_NODE(preset, "the preset where --preset gives none, such as ${env.PRESET:-laptop}",
             .schema_ref = "scalar"),
    OPT_NODE(secrets, "map of secrets: {file, env}", .schema_ref = "secrets"),
    OPT_NODE(targets, "the allow-list: map of names to a URL or {url, connect_to, source, tls}",
             .schema_ref = "targets"),
    OPT_NODE(services, "map of processes that the suite starts and ends", .schema_ref = "services"),
    OPT_NODE(phases, "what to do, in order", .flags = OPT_REQUIRED, .schema_ref = "phases"),
    {0},
};
#undef OPT_OF

/* Keys beginning with `x-` are the author's own: a place for anchors. */
static void drop_extensions(struct node *root)
{
    struct node **link = &root->first;

    while (*link) {
        if ((*link)->key && strncmp((*link)->key, "x-", 2) == 0) {
            *link = (*link)->next;
            root->count--;
        } else {
            link = &(*link)->next;
        }
    }
}

static void hide_userinfo(const struct target *t)
{
    const char *colon = t->userinfo ? strchr(t->userinfo, ':') : NULL;

    if (!t->userinfo)
        return;
    redact_add(t->userinfo);
    if (colon)
        redact_add(colon + 1);
}

/* Files that a service makes when it starts are not there yet. */
static void check_tls_files(const struct target *t, const struct node *n, const struct bind *b)
{
    const struct {
        const char *option, *path;
    } files[] = {{"ca", t->tls.ca}, {"cert", t->tls.cert}, {"key", t->tls.key}};
    const struct node *tls = node_find(n, "tls");

    for (int i = 0; tls && i < 3; i++) {
        const struct node *at = node_find(tls, files[i].option);

        if (at && files[i].path && !at->services && !strstr(at->raw, "${run.") &&
            access(files[i].path, R_OK) != 0)
            diag_add(b->diags, at->at, "targets.%s.tls.%s: cannot read \"%s\"", t->name,
                     files[i].option, files[i].path);
    }
}

static void bind_target(struct suite *s, const struct node *n, const struct bind *b)
{
    struct target *t = &s->targets[s->target_count++];
    const char *path = arena_printf(b->arena, "targets.%s", n->key);
    struct target_opts o = {0};

    if (n->type == NODE_SCALAR)
        n = node_wrap(n, "url", b->arena);
    opt_bind(target_opts_table, NULL, n, path, &o, b);
    t->name = n->key;
    t->at = n->key_at;
    t->services = node_services(n);
    if (node_any_deferred(n))
        return;
    if (!o.url || !target_init(t, n->key, &o, n, b->diags))
        return;
    hide_userinfo(t);
    if (!b->any_file)
        check_tls_files(t, n, b);
}

static void bind_targets(struct suite *s, const struct node *map, const struct bind *b)
{
    if (map->type != NODE_MAP) {
        diag_add(b->diags, map->at, "targets: expected a map");
        return;
    }
    s->targets = arena_array(b->arena, struct target, map->count);
    for (const struct node *n = map->first; n; n = n->next)
        bind_target(s, n, b);
}

static void list_phase_names(struct suite_scope *s, const struct node *phases)
{
    const char **names = arena_array(s->arena, const char *, phases->count + 1);
    int at = 0;

    for (const struct node *n = phases->type == NODE_LIST ? phases->first : NULL; n; n = n->next) {
        const struct node *name = n->type == NODE_MAP ? node_find(n, "name") : NULL;

        names[at++] = name && name->type == NODE_SCALAR ? name->raw : "?";
    }
    s->phase_names = names;
}

bool suite_leaves_out(const struct suite_source *src, const struct node *phase)
{
    const struct node *when = phase->type == NODE_MAP ? node_find(phase, "when") : NULL;

    return src->cleanup && (!when || when->type != NODE_SCALAR || strcmp(when->raw, "always") != 0);
}

static void subst_phases(struct suite_scope *s, const struct node *phases)
{
    s->phase_limit = 0;
    for (struct node *n = phases->first; n; n = n->next, s->phase_limit++)
        if (!suite_leaves_out(s->src, n))
            scope_subst(s, n);
    s->phase_limit = -1;
}

uint64_t suite_needed(const struct suite *s, uint64_t services)
{
    uint64_t before;

    for (int i = 0; i < s->service_count; i++)
        if (s->services[i].always)
            services |= UINT64_C(1) << i;
    do {
        before = services;
        for (int i = 0; i < s->service_count; i++)
            if (services >> i & 1)
                services |= s->services[i].needs;
    } while (services != before);
    return services;
}

uint64_t phase_services(const struct phase *p)
{
    uint64_t services = 0;

    for (int i = 0; i < p->step_count; i++)
        services |= p->steps[i].services;
    return services;
}

static const char *dir_of(const char *file, struct arena *arena)
{
    const char *slash = strrchr(file, '/');

    return slash ? arena_strndup(arena, file, (size_t)(slash - file) + (slash == file)) : ".";
}

static struct suite_scope *scope_new(struct suite *suite, const struct suite_source *src,
                                     struct arena *arena, struct diags *d)
{
    struct suite_scope *s = arena_new(arena, struct suite_scope);

    *s = (struct suite_scope){.suite = suite, .arena = arena, .diags = d, .src = src};
    s->dir = dir_of(src->file, arena);
    s->phase_limit = 0;
    suite->scope = s;
    suite->vars = &s->vars;
    return s;
}

static void declare_names(struct suite_scope *s, const struct suite_opts *o)
{
    if (o->services)
        services_declare(s, o->services);
    if (o->secrets) {
        scope_subst(s, (struct node *)o->secrets);
        secrets_declare(s, o->secrets);
    }
    if (o->phases)
        list_phase_names(s, o->phases);
    if (o->preset)
        scope_subst(s, (struct node *)o->preset);
    vars_declare(s, o->vars, o->presets, o->preset);
    vars_resolve_all(s);
}

static void bind_values(struct suite_scope *s, const struct suite_opts *o)
{
    struct bind b = {
        .arena = s->arena, .diags = s->diags, .dir = s->dir, .any_file = s->src->stored};

    if (o->targets) {
        scope_subst(s, (struct node *)o->targets);
        bind_targets(s->suite, o->targets, &b);
    }
    if (o->services) {
        scope_subst(s, (struct node *)o->services);
        services_bind(s, o->services, &b);
    }
    if (o->phases) {
        subst_phases(s, o->phases);
        phases_bind(s, o->phases, &b);
    }
}

struct suite *suite_load(const struct suite_source *src, struct arena *arena, struct diags *d)
{
    struct suite *suite = arena_new(arena, struct suite);
    struct node *root = yaml_parse(src->text, src->len, arena, d);
    struct suite_opts o = {0};
    struct bind b = {.arena = arena, .diags = d};
    struct suite_scope *s;

    if (!root)
        return NULL;
    if (root->type == NODE_MAP)
        drop_extensions(root);
    opt_bind(suite_table, NULL, root, "suite", &o, &b);
    if (root->type != NODE_MAP)
        return NULL;
    if (o.version != 1)
        diag_add(d, node_find(root, "version")->at, "version: this program reads version 1");
    suite->name = o.suite;
    suite->description = o.description;
    suite->file = src->file;
    suite->confidence = o.confidence;
    suite->arena = arena;
    suite->source = src;
    s = scope_new(suite, src, arena, d);
    declare_names(s, &o);
    bind_values(s, &o);
    return d->errors ? NULL : suite;
}

void suite_publish(struct suite *suite, const char *phase, const char *key, const char *value)
{
    struct published *p = arena_new(suite->arena, struct published);

    *p = (struct published){suite->published, phase, arena_strdup(suite->arena, key),
                            arena_strdup(suite->arena, value)};
    suite->published = p;
}
