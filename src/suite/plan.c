#include "suite/plan.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/memroom.h"
#include "suite/ports.h"
#include "suite/programs.h"
#include "suite/suite.h"

#define OWN_DESCRIPTORS 64 /* logs, event loops, services' pipes */

static uint64_t most_at_once(const struct load *l)
{
    double most = (double)l->max_in_flight, planned = load_operations(l);

    if (l->executor == EX_ONCE)
        return 1;
    if (load_is_closed(l))
        return (uint64_t)load_most_vus(l);
    if (l->executor == EX_HOLD_CONNECTIONS)
        return (uint64_t)l->connections;
    return (uint64_t)(planned > 0 ? fmin(most, planned) : most);
}

static double length_of(const struct load *l)
{
    int64_t length = load_length(l);

    if (l->with_others)
        return 0;
    if (length == DURATION_UNTIL_STOPPED)
        return -1;
    if (l->executor == EX_STEPPING)
        return stepping_longest(l) + (double)l->start_time / 1e9;
    return length > 0 ? (double)(length + l->start_time) / 1e9 : 0;
}

/*
 * Closed and held loads open what they say; an open one is only bounded by max_in_flight, and gets
 * near it when the target stalls, so it does not count against the limit.  A fleet's driver may
 * know better.
 */
static void plan_step(struct step_plan *p, const struct step *s, struct arena *arena)
{
    struct driver_needs needs = {0};
    uint64_t agents = s->load.executor == EX_ONCE ? 1 : (uint64_t)s->load.agents;

    *p = (struct step_plan){s, load_operations(&s->load), most_at_once(&s->load),
                            length_of(&s->load)};
    p->sure = load_is_open(&s->load) ? 0 : p->in_flight;
    if (!s->driver->needs || !s->opts || agents > UINT32_MAX)
        return;
    s->driver->needs(s->opts, (uint32_t)agents, arena, &needs);
    p->sure = needs.connections;
    p->memory = needs.memory;
    p->notes = needs.notes;
    p->sum = needs.sum;
}

void plan_make(struct plan *p, const struct suite *s, struct arena *arena)
{
    uint64_t services = 0;

    *p = (struct plan){.suite = s, .phase_count = s->phase_count};
    p->phases = arena_array(arena, struct phase_plan, s->phase_count);
    for (int i = 0; i < s->phase_count; i++) {
        struct phase_plan *f = &p->phases[i];

        f->phase = &s->phases[i];
        f->steps = arena_array(arena, struct step_plan, f->phase->step_count);
        services |= phase_services(f->phase);
        for (int k = 0; k < f->phase->step_count; k++) {
            const struct step *step = &f->phase->steps[k];

            plan_step(&f->steps[k], step, arena);
            f->length_s = fmax(f->length_s, f->steps[k].length_s);
            f->descriptors += f->steps[k].sure;
            f->memory += f->steps[k].memory;
        }
        p->length_s += f->length_s;
        p->descriptors = f->descriptors > p->descriptors ? f->descriptors : p->descriptors;
    }
    p->services = suite_needed(s, services);
}

/* Where a suite says how many operations of a step run at once. */
static struct pos place_of(const struct step *s)
{
    static const char *const options[] = {"connections", "vus", "agents", "stages"};
    const struct node *load = s->node ? node_find(s->node, "load") : NULL, *at;

    for (int i = 0; load && i < 4; i++)
        if ((at = node_find(load, options[i])))
            return at->at;
    return load ? load->at : s->at;
}

struct pos plan_place(const struct phase_plan *p, const struct target *t)
{
    const struct step_plan *most = NULL;

    for (int i = 0; i < p->phase->step_count; i++) {
        const struct step_plan *s = &p->steps[i];

        if (t && !ports_go_to(s->step, t))
            continue;
        if (s->sure > 0 && (!most || s->sure > most->sure))
            most = s;
    }
    return most ? place_of(most->step) : p->phase->at;
}

/* " (30 agents ...) and (20 agents ...)": what the number beside it is the sum of. */
static const char *sum_of(const struct phase_plan *p, struct buf *text)
{
    for (int i = 0; i < p->phase->step_count; i++)
        if (p->steps[i].sum)
            buf_printf(text, "%s%s", text->len ? " and" : "", p->steps[i].sum);
    return buf_text(text);
}

static void descriptors_fit(const struct phase_plan *p, uint64_t have, struct diags *d)
{
    struct buf sum = {0};

    if (p->descriptors + OWN_DESCRIPTORS <= have)
        return;
    diag_add(
        d, plan_place(p, NULL),
        "phase \"%s\" needs %llu connections at once%s and %d descriptors besides; this process "
        "may have %llu: raise `ulimit -n`, or lower the load",
        p->phase->name, (unsigned long long)p->descriptors, sum_of(p, &sum), OWN_DESCRIPTORS,
        (unsigned long long)have);
    buf_free(&sum);
}

/* Only what a fleet is known to take; everything else is small beside it. */
static void memory_fits(const struct phase_plan *p, struct diags *d)
{
    const char *of = NULL;
    uint64_t room = p->memory ? memroom(&of) : 0;
    char need[UNITS_MAX], have[UNITS_MAX];
    struct buf sum = {0};

    if (room == 0 || p->memory <= room)
        return;
    diag_add(
        d, plan_place(p, NULL),
        "phase \"%s\" needs about %s of memory%s, and %s %s are available: lower the number of "
        "agents, or raise fan_out",
        p->phase->name, units_print_size((double)p->memory, need), sum_of(p, &sum),
        units_print_size((double)room, have), of);
    buf_free(&sum);
}

/* "postgres://user:password@host" anywhere in `text`. */
static bool has_password(const char *text)
{
    for (const char *at = strstr(text, "://"); at; at = strstr(at, "://")) {
        size_t n = strcspn(at += 3, "/?#"), user = strcspn(at, ":@");
        const char *end = memchr(at, '@', n);

        if (end && at[user] == ':' && at + user + 1 < end)
            return true;
    }
    return false;
}

static void commands_fit(const struct service *v, struct diags *d)
{
    bool open = false;

    for (int i = 0; i < v->command.n; i++)
        open |= v->command.v[i] && has_password(v->command.v[i]);
    for (int k = 0; k < v->prepare_count; k++)
        for (int i = 0; i < v->prepare[k].n; i++)
            open |= v->prepare[k].v[i] && has_password(v->prepare[k].v[i]);
    if (open)
        diag_add(d, v->at,
                 "services.%s: the password of a url must not stand on a command line, where "
                 "every user can read it; leave it out, and pass it in `env:` or `files:` (for "
                 "Postgres: PGPASSWORD)",
                 v->name);
}

bool plan_fits(const struct plan *p, struct diags *d)
{
    int before = d->errors;
    struct rlimit lim;

    if (getrlimit(RLIMIT_NOFILE, &lim) != 0)
        return diag_add(d, (struct pos){0, 0}, "cannot read the limit of descriptors");
    if (lim.rlim_cur < lim.rlim_max) {
        lim.rlim_cur = lim.rlim_max;
        setrlimit(RLIMIT_NOFILE, &lim);
    }
    for (int i = 0; i < p->phase_count; i++) {
        descriptors_fit(&p->phases[i], lim.rlim_cur, d);
        memory_fits(&p->phases[i], d);
        ports_fit(&p->phases[i], p->suite, d);
    }
    for (int i = 0; i < p->suite->service_count; i++)
        if (p->services & (UINT64_C(1) << i)) {
            commands_fit(&p->suite->services[i], d);
            programs_fit(&p->suite->services[i], d);
        }
    return d->errors == before;
}
