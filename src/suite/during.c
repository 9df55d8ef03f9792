/*
 * during.c - `during:`, control traffic that is judged only while an attack beside it holds.
 *
 * The control's schedule follows from the attack's: it begins `before` it and outlives it by
 * `after`.  Since a phase begins at its first step, that is done by delaying the attack.
 */
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/units.h"
#include "suite/scope.h"

#define SECOND ((int64_t)NS_PER_S)

struct during_opts {
    const char *step;
    double held;
    int64_t before, after, at_least;
};

#define OPT_OF struct during_opts
const struct opt during_table[] = {
    OPT_TEXT(step, NULL, "the attack: a step of the same phase with hold-connections",
             .flags = OPT_REQUIRED),
    OPT_RATIO(held, "90%", "seconds count in which it held at least this share of its connections"),
    OPT_DURATION(before, "5s", "this step begins so long before the attack; whole seconds",
                 .min = 0, .max = 3600 * SECOND),
    OPT_DURATION(after, "10s", "and goes on so long after its end; whole seconds", .min = 0,
                 .max = 3600 * SECOND),
    OPT_DURATION(at_least, "10s", "with less time held than this there is no verdict",
                 .min = SECOND, .max = 24 * 3600 * SECOND),
    {0},
};
#undef OPT_OF

void during_bind(struct step *step, const struct node *n, const char *path, const struct bind *b)
{
    struct during_opts o = {0};

    if (!opt_bind(during_table, NULL, n, path, &o, b) || n->type != NODE_MAP)
        return;
    if (o.held <= 0 || o.held > 1)
        diag_add(b->diags, n->at, "%s.held: is a share above 0%% and at most 100%%", path);
    if (o.before % SECOND || o.after % SECOND || o.at_least % SECOND)
        diag_add(b->diags, n->at,
                 "%s: before, after and at_least are whole seconds, as the windows are", path);
    step->during = arena_new(b->arena, struct during);
    *step->during = (struct during){.step = o.step,
                                    .held = o.held,
                                    .before = o.before,
                                    .after = o.after,
                                    .at_least = o.at_least};
}

static struct step *find_step(struct phase *phase, const char *name)
{
    for (int i = 0; i < phase->step_count; i++)
        if (strcmp(phase->steps[i].name, name) == 0)
            return &phase->steps[i];
    return NULL;
}

static void complain_unknown(const struct phase *phase, const struct step *s, const struct node *n,
                             const struct bind *b)
{
    const char **names = arena_array(b->arena, const char *, phase->step_count + 1);
    char hint[OPT_HINT_MAX];

    for (int i = 0; i < phase->step_count; i++)
        names[i] = phase->steps[i].name;
    diag_add(b->diags, n->at, "%s.during: the phase has no step \"%s\"%s", s->name, s->during->step,
             opt_hint(s->during->step, names, "; put both under `parallel:`", hint));
}

/* How long it takes at least until the attack has opened the share that it has to hold. */
static int64_t opening(const struct step *s, const struct load *attack)
{
    double share = ceil(s->during->held * (double)attack->connections - 1e-9);

    return attack->rate > 0 ? (int64_t)((share - 1) / attack->rate * 1e9) : 0;
}

/* What the attack must be, for there to be something that holds, and an end of it. */
static bool is_attack(const struct step *s, const struct step *attack, const struct node *n,
                      const struct bind *b)
{
    int64_t length = attack->load.duration;
    char opens[UNITS_MAX];

    if (attack->load.executor != EX_HOLD_CONNECTIONS)
        return diag_add(b->diags, n->at,
                        "%s.during: step \"%s\" holds nothing: its load is %s, not "
                        "hold-connections",
                        s->name, attack->name, executor_names[attack->load.executor]);
    if (length == DURATION_UNTIL_STOPPED)
        return diag_add(b->diags, n->at,
                        "%s.during: step \"%s\" runs until it is stopped, and has no end to "
                        "outlive",
                        s->name, attack->name);
    if (length > 0 && s->during->at_least > length)
        return diag_add(b->diags, n->at,
                        "%s.during: at_least is longer than step \"%s\" itself: this could never "
                        "be judged",
                        s->name, attack->name);
    if (length > 0 && opening(s, &attack->load) + s->during->at_least > length)
        return diag_add(b->diags, n->at,
                        "%s.during: step \"%s\" takes %s to open the share that it has to hold, "
                        "which leaves less than at_least: raise its rate or its duration",
                        s->name, attack->name,
                        units_print_duration((double)opening(s, &attack->load), opens));
    return true;
}

static bool check_load(const struct step *s, const struct node *n, int64_t length,
                       const struct bind *b)
{
    const struct node *load = node_find(s->node, "load");
    const struct node *duration = load ? node_find(load, "duration") : NULL;
    char asked[UNITS_MAX], follows[UNITS_MAX];
    enum executor x = s->load.executor;

    if (x != EX_CONSTANT_ARRIVAL_RATE && x != EX_CONSTANT_VUS && x != EX_AGENT_FLEET)
        return diag_add(b->diags, n->at,
                        "%s.during: control traffic is constant-arrival-rate, constant-vus or "
                        "agent-fleet, not %s",
                        s->name, executor_names[x]);
    if (node_find(load, "start_time"))
        return diag_add(b->diags, node_find(load, "start_time")->key_at,
                        "%s.load.start_time: it begins `before` the attack, as `during:` says; "
                        "delay the attack instead",
                        s->name);
    if (duration && !duration->deferred && s->load.duration != length)
        return diag_add(b->diags, duration->key_at,
                        "%s.load.duration: %s, but from `before` to `after` the attack it is %s; "
                        "leave it out",
                        s->name, units_print_duration((double)s->load.duration, asked),
                        units_print_duration((double)length, follows));
    return true;
}

static void set_attack(struct phase *phase, struct step *s, const struct bind *b)
{
    const struct node *n = node_find(s->node, "during");
    struct step *attack = s->during->step ? find_step(phase, s->during->step) : NULL;
    int64_t length;

    s->during->attack = NULL;
    if (attack == s)
        diag_add(b->diags, n->at, "%s.during: a step is no attack on itself", s->name);
    else if (!attack && s->during->step)
        complain_unknown(phase, s, n, b);
    if (!attack || attack == s)
        return;
    if (!attack->driver || !s->driver || !is_attack(s, attack, n, b))
        return;
    length = s->during->before + attack->load.duration + s->during->after;
    if (!check_load(s, n, length, b))
        return;
    s->load.duration = length;
    s->during->attack = attack;
    if (s->during->before > attack->delay)
        attack->delay = s->during->before;
}

void during_resolve(struct phase *phase, const struct bind *b)
{
    for (int i = 0; i < phase->step_count; i++) {
        phase->steps[i].load.start_time -= phase->steps[i].delay;
        phase->steps[i].delay = 0;
    }
    for (int i = 0; i < phase->step_count; i++)
        if (phase->steps[i].during)
            set_attack(phase, &phase->steps[i], b);
    for (int i = 0; i < phase->step_count; i++) {
        struct step *s = &phase->steps[i];

        s->load.start_time += s->delay;
    }
    for (int i = 0; i < phase->step_count; i++) {
        struct step *s = &phase->steps[i];

        if (s->during && s->during->attack) {
            s->delay = s->during->attack->load.start_time - s->during->before;
            s->load.start_time = s->delay;
        }
    }
}
