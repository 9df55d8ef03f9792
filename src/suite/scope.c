#include "suite/scope.h"

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/redact.h"

#define SECRET_MAX 65536

struct secret_opts {
    const char *file, *env;
};

#define OPT_OF struct secret_opts
const struct opt secret_table[] = {
    OPT_TEXT(file, NULL, "file that holds it; trailing line ends are cut off", .flags = OPT_PATH),
    OPT_TEXT(env, NULL, "environment variable that holds it, if the file does not exist"),
    {0},
};
#undef OPT_OF

const char *scope_getenv(const struct suite_scope *s, const char *name)
{
    size_t len = strlen(name);

    for (const char *const *e = s->src->environ; e && *e; e++)
        if (strncmp(*e, name, len) == 0 && (*e)[len] == '=')
            return *e + len + 1;
    return NULL;
}

/* Used or not: what ${env.NAME} was is in the reports. */
static void hide(const struct suite_scope *s, const char *name)
{
    const char *value = name ? scope_getenv(s, name) : NULL;

    if (value)
        redact_add(value);
}

void secrets_declare(struct suite_scope *s, const struct node *secrets)
{
    struct bind b = {.arena = s->arena, .diags = s->diags, .dir = s->dir};

    if (secrets->type != NODE_MAP) {
        diag_add(s->diags, secrets->at, "secrets: expected a map");
        return;
    }
    s->secrets = arena_array(s->arena, struct secret, secrets->count);
    for (const struct node *n = secrets->first; n; n = n->next) {
        struct secret *x = &s->secrets[s->secret_count++];
        struct secret_opts o = {0};
        const char *path = arena_printf(s->arena, "secrets.%s", n->key);

        opt_bind(secret_table, NULL, n, path, &o, &b);
        if (n->type == NODE_MAP && !o.file && !o.env)
            diag_add(s->diags, n->at, "%s: needs `file:`, `env:` or both", path);
        if (o.file && !*o.file)
            o.file = NULL;
        *x = (struct secret){n->key, o.file, o.env, NULL, n->key_at};
        hide(s, o.env);
    }
}

static char *read_secret(const struct secret *x, struct arena *arena, struct err *e)
{
    struct buf b = {0};
    char *text = NULL;

    if (fs_read(x->file, SECRET_MAX, &b, e)) {
        while (b.len && (b.data[b.len - 1] == '\n' || b.data[b.len - 1] == '\r'))
            b.len--;
        text = arena_strndup(arena, buf_text(&b), b.len);
        explicit_bzero(b.data, b.len);
    }
    buf_free(&b);
    return text;
}

static bool load_secret(struct suite_scope *s, struct secret *x, struct err *e)
{
    struct err file_error = {0};

    if (x->file)
        x->value = read_secret(x, s->arena, &file_error);
    if (!x->value && x->env)
        x->value = scope_getenv(s, x->env);
    if (!x->value && x->file && x->env)
        return err_set(e, "secret \"%s\": %s, and the environment has no %s", x->name,
                       file_error.text, x->env);
    if (!x->value && x->file)
        return err_set(e, "secret \"%s\": %s", x->name, file_error.text);
    if (!x->value)
        return err_set(e, "secret \"%s\": the environment has no %s", x->name, x->env);
    if (!*x->value)
        return err_set(e, "secret \"%s\" is empty", x->name);
    redact_add(x->value);
    return true;
}

static bool lookup_secret(struct suite_scope *s, const char *name, struct subst_value *out,
                          struct err *e)
{
    const char **names = arena_array(s->arena, const char *, s->secret_count + 1);
    char hint[OPT_HINT_MAX];

    for (int i = 0; i < s->secret_count; i++) {
        struct secret *x = &s->secrets[i];

        names[i] = x->name;
        if (strcmp(x->name, name) != 0)
            continue;
        if (!x->value && (x->file || x->env) && !load_secret(s, x, e) && !s->src->names_only)
            return false;
        *out = (struct subst_value){.text = x->value ? x->value : "", .secret = true};
        return true;
    }
    return err_set(e, "no secret \"%s\" under `secrets:`%s", name, opt_hint(name, names, "", hint));
}

static bool lookup_run(const struct suite_scope *s, const char *name, struct subst_value *out,
                       struct err *e)
{
    if (strcmp(name, "id") == 0)
        out->text = s->src->run_id;
    else if (strcmp(name, "dir") == 0)
        out->text = s->src->run_dir;
    else if (strcmp(name, "tmp") == 0)
        out->text = s->src->run_tmp;
    else
        return err_set(e, "no ${run.%s}; there are run.id, run.dir and run.tmp", name);
    return true;
}

/* "NAME.output" or "NAME.output.KEY" */
static bool lookup_phase(const struct suite_scope *s, const char *name, struct subst_value *out,
                         struct err *e)
{
    const char *dot = strstr(name, ".output"), *key = dot ? dot + strlen(".output") : "";
    size_t len = dot ? (size_t)(dot - name) : 0;
    int at = 0;

    if (!dot || (*key && *key != '.'))
        return err_set(e, "${phase.%s}: expected phase.NAME.output or phase.NAME.output.KEY", name);
    key += *key == '.';
    for (; s->phase_names && s->phase_names[at]; at++)
        if (strlen(s->phase_names[at]) == len && memcmp(s->phase_names[at], name, len) == 0)
            break;
    if (!s->phase_names || !s->phase_names[at])
        return err_set(e, "no phase \"%.*s\"", (int)len, name);
    if (s->phase_limit >= 0 && at >= s->phase_limit)
        return err_set(e, "phase \"%.*s\" has not run yet when this is needed", (int)len, name);
    for (const struct published *p = s->suite->published; p; p = p->next) {
        if (strlen(p->phase) == len && memcmp(p->phase, name, len) == 0 &&
            strcmp(p->key, key) == 0) {
            *out = (struct subst_value){.text = p->value};
            return true;
        }
    }
    if (s->running)
        *out = (struct subst_value){
            .why = arena_printf(s->arena, "phase \"%.*s\" has published no output%s%s", (int)len,
                                name, *key ? " " : "", key)};
    else
        *out = (struct subst_value){.text = "", .deferred = true};
    return true;
}

static bool lookup_var(struct suite_scope *s, const char *name, struct subst_value *out,
                       struct err *e)
{
    const struct var *v = vars_find(&s->vars, name);
    char hint[OPT_HINT_MAX];
    const char **names;

    if (v) {
        if (!vars_resolve(s, (int)(v - s->vars.v)))
            return err_set(e, "variable \"%s\" has no usable value", name);
        *out = (struct subst_value){.text = v->value,
                                    .services = v->services,
                                    .secret = v->secret,
                                    .deferred = v->deferred,
                                    .waived = scope_lists(s)};
        return true;
    }
    names = arena_array(s->arena, const char *, s->vars.n + 1);
    for (int i = 0; i < s->vars.n; i++)
        names[i] = s->vars.v[i].name;
    return err_set(e, "no variable \"%s\"%s", name, opt_hint(name, names, "", hint));
}

bool scope_lookup(void *ctx, const char *name, struct subst_value *out, struct err *e)
{
    struct suite_scope *s = ctx;

    *out = (struct subst_value){0};
    if (strncmp(name, "env.", 4) == 0) {
        *out = (struct subst_value){.text = scope_getenv(s, name + 4), .waived = scope_lists(s)};
        return true;
    }
    if (strncmp(name, "secrets.", 8) == 0)
        return lookup_secret(s, name + 8, out, e);
    if (strncmp(name, "run.", 4) == 0)
        return lookup_run(s, name + 4, out, e);
    if (strncmp(name, "service.", 8) == 0)
        return service_lookup(s, name + 8, out, e);
    if (strncmp(name, "phase.", 6) == 0)
        return lookup_phase(s, name + 6, out, e);
    return lookup_var(s, name, out, e);
}

void scope_subst(struct suite_scope *s, struct node *n)
{
    struct subst_value value = {0};
    struct err e;

    for (struct node *child = n->first; child; child = child->next)
        scope_subst(s, child);
    if (n->type != NODE_SCALAR || !strchr(n->raw, '$'))
        return;
    if (!subst_text(n->raw, scope_lookup, s, s->arena, &value, &e)) {
        diag_add(s->diags, n->at, "%s", e.text);
        n->deferred = true; /* so that no second message follows about its type */
        return;
    }
    n->text = value.text;
    n->services = value.services;
    n->secret = value.secret;
    n->deferred = value.deferred;
}

uint64_t node_services(const struct node *n)
{
    uint64_t mask = n->services;

    for (const struct node *child = n->first; child; child = child->next)
        mask |= node_services(child);
    return mask;
}

bool node_any_secret(const struct node *n)
{
    bool any = n->secret;

    for (const struct node *child = n->first; child && !any; child = child->next)
        any = node_any_secret(child);
    return any;
}

bool node_any_deferred(const struct node *n)
{
    bool any = n->deferred;

    for (const struct node *child = n->first; child && !any; child = child->next)
        any = node_any_deferred(child);
    return any;
}
