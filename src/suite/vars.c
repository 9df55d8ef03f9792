#include "suite/vars.h"

#include <ctype.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/units.h"
#include "suite/scope.h"

struct var_opts {
    const struct node *fallback;
    struct texts env;
    const char *help, *unit;
};

#define OPT_OF struct var_opts
const struct opt var_table[] = {
    {.name = "default",
     .type = OPT_T_NODE,
     .offset = OPT_AT(fallback, const struct node *),
     .help = "value where no origin gives one; without it the variable must be set",
     .schema_ref = "scalar"},
    OPT_TEXTS(env, "environment variables that set it; the first one that is set counts"),
    OPT_TEXT(help, NULL, "one line for people"),
    OPT_TEXT(unit, NULL, "appended to a bare number from the environment or --set"),
    {0},
};
#undef OPT_OF

const struct var *vars_find(const struct vars *vars, const char *name)
{
    for (int i = 0; i < vars->n; i++)
        if (strcmp(vars->v[i].name, name) == 0)
            return &vars->v[i];
    return NULL;
}

static const char **names_of(const struct vars *vars, struct arena *arena)
{
    const char **names = arena_array(arena, const char *, vars->n + 1);

    for (int i = 0; i < vars->n; i++)
        names[i] = vars->v[i].name;
    return names;
}

static bool is_name(const char *s)
{
    if (!isalpha((unsigned char)*s) && *s != '_')
        return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && *s != '_')
            return false;
    return true;
}

static void declare_one(struct suite_scope *s, const struct node *n)
{
    struct var *v = &s->vars.v[s->vars.n];
    struct var_opts o = {0};
    struct bind b = {.arena = s->arena, .diags = s->diags};

    v->name = n->key;
    v->at = n->key_at;
    if (!is_name(n->key))
        diag_add(s->diags, n->key_at, "vars: \"%s\" is not a name (letters, digits and _)", n->key);
    if (n->type == NODE_SCALAR)
        o.fallback = n;
    else
        opt_bind(var_table, NULL, n, arena_printf(s->arena, "vars.%s", n->key), &o, &b);
    if (o.fallback && o.fallback->type != NODE_SCALAR) {
        diag_add(s->diags, o.fallback->at, "vars.%s.default: expected one value", n->key);
        o.fallback = NULL;
    }
    v->env = o.env;
    v->help = o.help;
    v->unit = o.unit;
    s->var_states[s->vars.n++].fallback = o.fallback;
}

static void read_presets(struct suite_scope *s, const struct node *presets)
{
    s->vars.presets = arena_array(s->arena, const char *, presets->count + 1);
    for (const struct node *p = presets->first; p; p = p->next) {
        s->vars.presets[s->vars.preset_count++] = p->key;
        if (p->type != NODE_MAP) {
            diag_add(s->diags, p->at, "presets.%s: expected a map of variables", p->key);
            continue;
        }
        for (const struct node *n = p->first; n; n = n->next) {
            char hint[OPT_HINT_MAX];

            if (n->type != NODE_SCALAR)
                diag_add(s->diags, n->at, "presets.%s.%s: expected one value", p->key, n->key);
            if (vars_find(&s->vars, n->key))
                continue;
            diag_add(s->diags, n->key_at, "presets.%s: no variable \"%s\"%s", p->key, n->key,
                     opt_hint(n->key, names_of(&s->vars, s->arena), "", hint));
        }
    }
}

/* The command line's, or else the suite's own; a stored run has what it was run with. */
static void choose_preset(struct suite_scope *s, const struct node *presets, const struct node *own)
{
    const char *name = s->src->preset;
    char hint[OPT_HINT_MAX];
    const struct node *p;

    if (own && own->type != NODE_SCALAR)
        diag_add(s->diags, own->at, "preset: expected one name");
    else if (!name && own && !s->src->stored && *own->text)
        name = own->text;
    s->suite->preset = name;
    if (!name)
        return;
    p = presets ? node_find(presets, name) : NULL;
    if (!p) {
        diag_add(s->diags, s->src->preset ? (struct pos){0, 0} : own->at, "%s: no preset \"%s\"%s",
                 s->src->preset ? "--preset" : "preset", name,
                 opt_hint(name, s->vars.presets, " (`shakedown list SUITE` has them)", hint));
        return;
    }
    for (const struct node *n = p->type == NODE_MAP ? p->first : NULL; n; n = n->next) {
        const struct var *v = vars_find(&s->vars, n->key);

        if (v && n->type == NODE_SCALAR)
            s->var_states[v - s->vars.v].preset = n;
    }
}

static void check_sets(struct suite_scope *s)
{
    for (int i = 0; i < s->src->set_count; i++) {
        const char *set = s->src->sets[i], *eq = strchr(set, '=');
        char hint[OPT_HINT_MAX];
        char *name = arena_strndup(s->arena, set, eq ? (size_t)(eq - set) : strlen(set));

        if (!eq) {
            diag_add(s->diags, (struct pos){0, 0}, "--set: \"%s\" is not name=value", set);
        } else if (!vars_find(&s->vars, name)) {
            diag_add(s->diags, (struct pos){0, 0}, "--set: no variable \"%s\"%s", name,
                     opt_hint(name, names_of(&s->vars, s->arena), "", hint));
        }
    }
}

void vars_declare(struct suite_scope *s, const struct node *vars, const struct node *presets,
                  const struct node *preset)
{
    int n = vars && vars->type == NODE_MAP ? vars->count : 0;

    if (vars && vars->type != NODE_MAP)
        diag_add(s->diags, vars->at, "vars: expected a map");
    if (presets && presets->type != NODE_MAP) {
        diag_add(s->diags, presets->at, "presets: expected a map");
        presets = NULL;
    }
    s->vars.v = arena_array(s->arena, struct var, n);
    s->var_states = arena_array(s->arena, struct var_state, n);
    if (n)
        for (const struct node *v = vars->first; v; v = v->next)
            declare_one(s, v);
    if (presets)
        read_presets(s, presets);
    choose_preset(s, presets, preset);
    check_sets(s);
}

static const char *with_unit(struct suite_scope *s, const char *value, const char *unit)
{
    double number;

    return unit && units_number(value, &number) ? arena_printf(s->arena, "%s%s", value, unit)
                                                : value;
}

/* --set, then the environment: both are taken as they stand, nothing in them is substituted. */
static bool from_outside(struct suite_scope *s, struct var *v)
{
    size_t len = strlen(v->name);
    const char *env = arena_printf(s->arena, "SHAKEDOWN_VAR_%s", v->name);
    const char *value = scope_getenv(s, env);

    for (int i = s->src->set_count; i-- > 0;) {
        const char *set = s->src->sets[i];

        if (strncmp(set, v->name, len) == 0 && set[len] == '=') {
            v->value = with_unit(s, set + len + 1, v->unit);
            v->origin = ORIGIN_SET;
            v->origin_detail = "--set";
            return true;
        }
    }
    for (int i = 0; !value && i < v->env.n; i++)
        value = scope_getenv(s, env = v->env.v[i]);
    if (!value)
        return false;
    v->value = with_unit(s, value, v->unit);
    v->origin = ORIGIN_ENV;
    v->origin_detail = arena_printf(s->arena, "environment %s", env);
    return true;
}

static bool from_suite(struct suite_scope *s, struct var *v, const struct node *n)
{
    struct subst_value value = {0};
    struct err e;

    if (!subst_text(n->raw, scope_lookup, s, s->arena, &value, &e))
        return diag_add(s->diags, n->at, "%s", e.text);
    if (value.deferred && !scope_lists(s))
        return diag_add(s->diags, n->at, "vars.%s: a variable cannot hold what a phase publishes",
                        v->name);
    v->deferred = value.deferred;
    v->value = value.text;
    v->services = value.services;
    v->secret = value.secret;
    return true;
}

bool vars_resolve(struct suite_scope *s, int index)
{
    struct var *v = &s->vars.v[index];
    struct var_state *st = &s->var_states[index];
    const struct node *n = st->preset ? st->preset : st->fallback;

    if (st->resolved || st->failed)
        return !st->failed;
    if (st->resolving) {
        st->failed = true;
        return diag_add(s->diags, v->at, "vars.%s: refers to itself", v->name);
    }
    st->resolving = true;
    if (!from_outside(s, v) && n) {
        v->origin = st->preset ? ORIGIN_PRESET : ORIGIN_DEFAULT;
        v->origin_detail =
            st->preset ? arena_printf(s->arena, "preset %s", s->suite->preset) : "default";
        st->failed |= !from_suite(s, v, n);
    }
    st->resolving = false;
    st->resolved = true;
    return !st->failed;
}

void vars_resolve_all(struct suite_scope *s)
{
    for (int i = 0; i < s->vars.n; i++)
        vars_resolve(s, i);
}
