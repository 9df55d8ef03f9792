#include "suite/stepping.h"

#include <math.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/clock.h"
#include "suite/load.h"

#define SECOND      ((int64_t)NS_PER_S)
#define SIZES_MAX   500  /* of the growth; more would take days */
#define TOO_CLOSE   0.01 /* of the greater one: a difference that nobody could act upon */
#define TURN_ROUND  1.0  /* seconds from the end of a hold to the next size, if nothing is late */
#define MOST_VUS    1e6
#define MOST_AGENTS 1e7
#define MOST_RATE   1e8

const char *const stepping_of_names[] = {"rate", "vus", "agents", NULL};

/* One size, typed by what it is a number of. */
static void bind_size(const struct stepping *s, const struct node *n, const char *name,
                      const char *path, double *out, const struct bind *b)
{
    bool rate = s->of == STEPPING_RATE;
    const struct opt row = {
        .name = name,
        .type = rate ? OPT_T_RATE : OPT_T_INT,
        .min = rate ? 0 : 1,
        .max = rate ? 0 : (int64_t)(s->of == STEPPING_VUS ? MOST_VUS : MOST_AGENTS)};
    int64_t whole = 0;

    if (!n || n->deferred)
        return;
    path = arena_printf(b->arena, "%s.%s", path, name);
    if (!opt_bind_value(&row, n, path, rate ? (void *)out : (void *)&whole, b))
        return;
    if (!rate)
        *out = (double)whole;
    if (rate && (*out <= 0 || *out > MOST_RATE))
        diag_add(b->diags, n->at, "%s: must be above zero and at most %.0f/s", path, MOST_RATE);
}

static int count_sizes(const struct stepping *s)
{
    int n = 1;

    for (double size = s->start; n <= SIZES_MAX && (size = stepping_next(s, size)) > 0;)
        n++;
    return n;
}

static void check_growth(const struct stepping *s, const struct node *map, const char *path,
                         const struct bind *b)
{
    const struct node *step = node_find(map, "step"), *factor = node_find(map, "factor");

    if (!step == !factor)
        diag_add(b->diags, map->at, "%s: say how it grows: either `step` or `factor`", path);
    else if (factor && !factor->deferred && s->factor < 1.01)
        diag_add(b->diags, factor->at, "%s.factor: must be 1.01 or more, or it never grows", path);
    else if (s->start > 0 && s->max > 0 && s->start > s->max)
        diag_add(b->diags, node_find(map, "max")->at, "%s.max: is less than `start`", path);
    else if (s->start > 0 && s->max > 0 && (s->step > 0 || s->factor > 0) &&
             count_sizes(s) > SIZES_MAX)
        diag_add(b->diags, map->at,
                 "%s: more than %d sizes from `start` to `max`: grow by more at a time", path,
                 SIZES_MAX);
}

static void check_times(const struct load *l, const struct node *map, const char *path,
                        const struct bind *b)
{
    static const char *const fleet_keys[] = {"interval", "jitter", "ramp"};
    const struct stepping *s = &l->stepping;
    bool agents = s->of == STEPPING_AGENTS;

    if (s->hold % SECOND || s->settle % SECOND)
        diag_add(b->diags, node_find(map, s->hold % SECOND ? "hold" : "settle")->at,
                 "%s.%s: is whole seconds, as what is measured is kept by the second", path,
                 s->hold % SECOND ? "hold" : "settle");
    if (agents && !node_find(map, "interval"))
        diag_add(b->diags, map->at, "%s: stepping of agents needs \"interval\"", path);
    for (size_t i = 0; !agents && i < sizeof(fleet_keys) / sizeof(*fleet_keys); i++)
        if (node_find(map, fleet_keys[i]))
            diag_add(b->diags, node_find(map, fleet_keys[i])->key_at,
                     "%s: \"%s\" is of agents, and this is `of: %s`", path, fleet_keys[i],
                     stepping_of_names[s->of]);
    if (s->of == STEPPING_VUS && node_find(map, "max_in_flight"))
        diag_add(b->diags, node_find(map, "max_in_flight")->key_at,
                 "%s: of virtual users each has one operation at a time; leave \"max_in_flight\" "
                 "out",
                 path);
}

void stepping_bind(struct load *l, const struct node *map, const struct stepping_nodes *n,
                   const char *path, const struct bind *b)
{
    struct stepping *s = &l->stepping;

    bind_size(s, n->start, "start", path, &s->start, b);
    bind_size(s, n->step, "step", path, &s->step, b);
    bind_size(s, n->max, "max", path, &s->max, b);
    check_growth(s, map, path, b);
    check_times(l, map, path, b);
}

/* Users and agents are whole, and a factor close to 1 must not stand still. */
static double whole(const struct stepping *s, double size, double above)
{
    if (s->of == STEPPING_RATE)
        return size;
    return fmax(floor(size + 1e-9), above + 1);
}

double stepping_next(const struct stepping *s, double size)
{
    double next = s->step > 0 ? size + s->step : whole(s, size * s->factor, size);

    if (size >= s->max * (1 - 1e-9))
        return 0;
    return next > s->max * (1 - 1e-9) ? s->max : next;
}

double stepping_middle(const struct stepping *s, double good, double bad)
{
    double middle = (good + bad) / 2;

    if (s->of != STEPPING_RATE)
        middle = floor(middle);
    if (middle - good < TOO_CLOSE * bad || (s->of != STEPPING_RATE && middle <= good))
        return 0;
    return middle;
}

int stepping_lead(const struct load *l)
{
    int64_t lead = l->stepping.settle + (l->stepping.of == STEPPING_AGENTS ? l->ramp : 0);

    return (int)((lead + SECOND - 1) / SECOND);
}

double stepping_longest(const struct load *l)
{
    const struct stepping *s = &l->stepping;
    double each = stepping_lead(l) + 2 * (double)s->hold / 1e9 + TURN_ROUND;

    if (!(s->start > 0) || !(s->max > 0) || !(s->step > 0 || s->factor > 0))
        return 0;
    return (count_sizes(s) + (double)s->refine) * each;
}

double stepping_planned(const struct load *l, double size, double seconds)
{
    switch (l->stepping.of) {
    case STEPPING_RATE:
        return size * seconds;
    case STEPPING_AGENTS:
        return l->interval > 0 ? size * seconds * 1e9 / (double)l->interval : 0;
    default:
        return 0;
    }
}

const char *stepping_print(const struct stepping *s, double size, char buf[UNITS_MAX])
{
    char number[UNITS_MAX];

    if (s->of == STEPPING_RATE)
        return units_print_rate(size, buf);
    snprintf(buf, UNITS_MAX, "%s %s", units_print_count(size, number),
             s->of == STEPPING_VUS ? "vus" : "agents");
    return buf;
}
