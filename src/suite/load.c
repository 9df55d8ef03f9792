/*
 * load.c - `load:` as the engine understands it.
 *
 * One table holds every option of every executor; a second one says which of them each executor
 * needs and which it may have, so that a key that would be ignored is a mistake instead.
 */
#include "suite/load.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/units.h"

#define HOURS(n) ((int64_t)(n)*3600 * (int64_t)NS_PER_S)

const char *const executor_names[] = {
    [EX_ONCE] = "once",
    [EX_CONSTANT_VUS] = "constant-vus",
    [EX_RAMPING_VUS] = "ramping-vus",
    [EX_PER_VU_ITERATIONS] = "per-vu-iterations",
    [EX_SHARED_ITERATIONS] = "shared-iterations",
    [EX_CONSTANT_ARRIVAL_RATE] = "constant-arrival-rate",
    [EX_RAMPING_ARRIVAL_RATE] = "ramping-arrival-rate",
    [EX_AGENT_FLEET] = "agent-fleet",
    [EX_HOLD_CONNECTIONS] = "hold-connections",
    [EX_STEPPING] = "stepping",
    [EX_COUNT] = NULL,
};

const char *const executor_briefs[] = {
    [EX_ONCE] = "one operation, which must succeed",
    [EX_CONSTANT_VUS] = "virtual users, each with one operation after another",
    [EX_RAMPING_VUS] = "virtual users that grow and shrink in stages",
    [EX_PER_VU_ITERATIONS] = "each virtual user does so many operations",
    [EX_SHARED_ITERATIONS] = "the virtual users share so many operations",
    [EX_CONSTANT_ARRIVAL_RATE] = "operations become due at a rate, whatever the target does",
    [EX_RAMPING_ARRIVAL_RATE] = "a rate that grows and shrinks in stages",
    [EX_AGENT_FLEET] = "agents, each with one operation an interval at its own phase",
    [EX_HOLD_CONNECTIONS] = "opens connections at a rate and keeps so many open",
    [EX_STEPPING] = "grows until a threshold breaches; the last good size is the answer",
};

struct load_opts {
    struct load load;
    int executor; /* of the choices below: without "once" */
    const struct node *duration, *stages;
    struct stepping_nodes sizes;
};

#define OPT_OF struct load_opts
#define LOAD_AT(path, ctype) \
    (offsetof(struct load_opts, path) + \
     0 * sizeof(char[_Generic(&((struct load_opts *)0)->path, ctype * : 1)]))
#define LOAD_ROW_AT(key, path, ctype, opt_type, default_, help_, ...) \
    { \
        .name = #key, .type = opt_type, .offset = LOAD_AT(path, ctype), .def = default_, \
        .help = help_, __VA_ARGS__ \
    }
#define LOAD_ROW(f, ctype, opt_type, d, h, ...) \
    LOAD_ROW_AT(f, load.f, ctype, opt_type, d, h, __VA_ARGS__)
#define LOAD_INT(f, d, h, ...)      LOAD_ROW(f, int64_t, OPT_T_INT, d, h, __VA_ARGS__)
#define LOAD_DURATION(f, d, h, ...) LOAD_ROW(f, int64_t, OPT_T_DURATION, d, h, __VA_ARGS__)
#define LOAD_RATE(f, d, h, ...)     LOAD_ROW(f, double, OPT_T_RATE, d, h, __VA_ARGS__)
#define LOAD_RATIO(f, d, h, ...)    LOAD_ROW(f, double, OPT_T_RATIO, d, h, __VA_ARGS__)
#define STEPPING(f, ctype, type, d, h, ...) \
    LOAD_ROW_AT(f, load.stepping.f, ctype, type, d, h, __VA_ARGS__)
#define STEPPING_SIZE(f, h, ...) \
    LOAD_ROW_AT(f, sizes.f, const struct node *, OPT_T_NODE, NULL, h, .schema_ref = "scalar", \
                __VA_ARGS__)

#define STAGES_SCHEMA \
    "{\"type\": \"array\", \"minItems\": 1, \"items\": {\"type\": \"object\", " \
    "\"additionalProperties\": false, \"required\": [\"duration\", \"target\"], \"properties\": " \
    "{\"duration\": {\"type\": \"string\"}, \"target\": {\"type\": [\"integer\", \"string\"]}}}}"

const struct opt load_table[] = {
    OPT_CHOICE(executor, NULL, "how operations become due", .choices = executor_names + 1,
               .flags = OPT_REQUIRED),
    LOAD_INT(vus, NULL, "virtual users, each with one operation at a time", .min = 1,
             .max = 1000000),
    LOAD_RATE(rate, NULL,
              "arrivals, whether or not the target keeps up; of hold-connections, opened",
              .example = "200/s"),
    OPT_NODE(duration,
             "operations become due for this long; or until-stopped (the first Ctrl-C), or "
             "with-others (as long as another step of the phase)",
             .example = "30s", .schema_ref = "duration"),
    OPT_NODE(stages, "list of {duration, target}: linear ramps, one after another",
             .schema = STAGES_SCHEMA),
    LOAD_INT(start_vus, "0", "virtual users at the start of the first stage", .min = 0,
             .max = 1000000),
    LOAD_RATE(start_rate, "0/s", "arrivals at the start of the first stage"),
    LOAD_INT(iterations, NULL, "operations: of each virtual user, or shared by all", .min = 1,
             .max = INT64_MAX / 1000000),
    LOAD_DURATION(max_duration, "10m", "end even if iterations are left", .min = 1,
                  .max = HOURS(24 * 30)),
    LOAD_INT(agents, NULL, "identities, each with its own phase and jitter", .min = 1,
             .max = 10000000),
    LOAD_DURATION(interval, NULL, "from one beat of an agent to its next", .min = 1000000,
                  .max = HOURS(24 * 30)),
    LOAD_RATIO(jitter, "0%", "each beat sways by up to this share of the interval, either way"),
    LOAD_DURATION(ramp, "0", "agents join over this long", .max = HOURS(24)),
    STEPPING(of, int, OPT_T_CHOICE, NULL, "stepping: what grows", .choices = stepping_of_names),
    STEPPING_SIZE(start, "stepping: the first size, a rate or a number", .example = "100/s"),
    STEPPING_SIZE(step, "stepping: each size is so much greater than the one before",
                  .example = "100/s"),
    STEPPING(factor, double, OPT_T_RATIO, NULL,
             "stepping: each size is so many times the one before", .example = "2"),
    STEPPING(hold, int64_t, OPT_T_DURATION, NULL,
             "stepping: each size is judged over so long; whole seconds",
             .min = INT64_C(1000000000), .max = HOURS(24)),
    STEPPING_SIZE(max, "stepping: never beyond this size", .example = "10k/s"),
    STEPPING(settle, int64_t, OPT_T_DURATION, "1s",
             "stepping: judge a size only from so long after the change to it; whole seconds",
             .min = 0, .max = HOURS(24)),
    STEPPING(refine, int64_t, OPT_T_INT, "2",
             "stepping: halve the gap between the last good and the first bad size so many times",
             .min = 0, .max = 20),
    LOAD_INT(connections, NULL, "connections to keep open", .min = 1, .max = 10000000),
    LOAD_DURATION(start_time, "0", "begin this long after the phase", .max = HOURS(24 * 30)),
    LOAD_DURATION(graceful_stop, "30s", "wait this long for what is in flight at the end",
                  .max = HOURS(24)),
    LOAD_INT(max_in_flight, "10000",
             "operations at once; what is due beyond waits and keeps its time; of agents, unless "
             "it is set, two each at least",
             .min = 1, .max = 10000000),
    LOAD_DURATION(warmup, "0", "thresholds leave out what is due this early", .max = HOURS(24)),
    LOAD_INT(lanes, "1", "threads that share the load", .min = 1, .max = 64),
    {0},
};
#undef OPT_OF

#define OPEN_KEYS "start_time graceful_stop max_in_flight warmup lanes "

/* By executor: the keys it needs, and those it may have besides. */
static const struct {
    const char *needs, *may;
} keys[EX_COUNT] = {
    [EX_CONSTANT_VUS] = {"vus duration ", "start_time graceful_stop warmup lanes "},
    [EX_RAMPING_VUS] = {"stages ", "start_vus start_time graceful_stop warmup lanes "},
    [EX_PER_VU_ITERATIONS] = {"vus iterations ", "max_duration start_time graceful_stop lanes "},
    [EX_SHARED_ITERATIONS] = {"vus iterations ", "max_duration start_time graceful_stop lanes "},
    [EX_CONSTANT_ARRIVAL_RATE] = {"rate duration ", OPEN_KEYS},
    [EX_RAMPING_ARRIVAL_RATE] = {"stages ", "start_rate " OPEN_KEYS},
    [EX_AGENT_FLEET] = {"agents interval duration ", "jitter ramp " OPEN_KEYS},
    [EX_HOLD_CONNECTIONS] = {"connections rate duration ", "start_time graceful_stop lanes "},
    [EX_STEPPING] = {"of start hold max ",
                     "step factor settle refine interval jitter ramp start_time graceful_stop "
                     "max_in_flight lanes "},
};

static bool listed(const char *list, const char *key)
{
    size_t len = strlen(key);

    for (const char *p = list; *p; p = strchr(p, ' ') + 1)
        if (strncmp(p, key, len) == 0 && p[len] == ' ')
            return true;
    return false;
}

static const char *keys_text(enum executor x, struct arena *arena)
{
    struct buf list = {0};
    const char *text, *all = arena_printf(arena, "%s%s", keys[x].needs, keys[x].may);

    for (; *all; all++) {
        if (*all != ' ')
            buf_addc(&list, *all);
        else if (all[1])
            buf_adds(&list, ", ");
    }
    text = arena_strdup(arena, buf_text(&list));
    buf_free(&list);
    return text;
}

static void check_keys(const struct node *map, enum executor x, bool timed, const char *path,
                       const struct bind *b)
{
    for (const struct node *n = map->first; n; n = n->next)
        if (opt_find(load_table, n->key) && strcmp(n->key, "executor") != 0 &&
            !listed(keys[x].needs, n->key) && !listed(keys[x].may, n->key))
            diag_add(b->diags, n->key_at, "%s: %s has no option \"%s\" (it has: %s)", path,
                     executor_names[x], n->key, keys_text(x, b->arena));
    for (const char *p = keys[x].needs; *p; p = strchr(p, ' ') + 1) {
        char *key = arena_strndup(b->arena, p, (size_t)(strchr(p, ' ') - p));

        if (!node_find(map, key) && !(timed && strcmp(key, "duration") == 0))
            diag_add(b->diags, map->at, "%s: %s needs \"%s\"", path, executor_names[x], key);
    }
}

static void bind_duration(struct load *l, const struct node *n, const char *path,
                          const struct bind *b)
{
    static const struct opt row = {
        .name = "duration", .type = OPT_T_DURATION, .min = 1, .max = HOURS(24 * 365)};

    if (n->deferred)
        return;
    l->with_others = n->type == NODE_SCALAR && strcmp(n->text, "with-others") == 0;
    if (l->with_others || (n->type == NODE_SCALAR && strcmp(n->text, "until-stopped") == 0))
        l->duration = DURATION_UNTIL_STOPPED;
    else
        opt_bind_value(&row, n, arena_printf(b->arena, "%s.duration", path), &l->duration, b);
}

struct stage_opts {
    int64_t duration;
    double rate;
    int64_t vus;
};

#define OPT_OF struct stage_opts
static const struct opt rate_stage_table[] = {
    OPT_DURATION(duration, NULL, "length of the stage", .min = 0, .max = HOURS(24 * 30),
                 .flags = OPT_REQUIRED),
    {.name = "target",
     .type = OPT_T_RATE,
     .offset = OPT_AT(rate, double),
     .help = "rate at its end",
     .flags = OPT_REQUIRED},
    {0},
};
static const struct opt vu_stage_table[] = {
    OPT_DURATION(duration, NULL, "length of the stage", .min = 0, .max = HOURS(24 * 30),
                 .flags = OPT_REQUIRED),
    {.name = "target",
     .type = OPT_T_INT,
     .offset = OPT_AT(vus, int64_t),
     .help = "virtual users at its end",
     .max = 1000000,
     .flags = OPT_REQUIRED},
    {0},
};
#undef OPT_OF

static void bind_stages(struct load *l, const struct node *list, const char *path,
                        const struct bind *b)
{
    bool rate = l->executor == EX_RAMPING_ARRIVAL_RATE;

    if (list->type != NODE_LIST || list->count == 0) {
        diag_add(b->diags, list->at, "%s.stages: expected a list of {duration, target}", path);
        return;
    }
    l->stages = arena_array(b->arena, struct stage, list->count);
    for (const struct node *n = list->first; n; n = n->next) {
        struct stage_opts o = {0};
        const char *at = arena_printf(b->arena, "%s.stages[%d]", path, l->stage_count);

        opt_bind(rate ? rate_stage_table : vu_stage_table, NULL, n, at, &o, b);
        l->stages[l->stage_count++] = (struct stage){o.duration, rate ? o.rate : (double)o.vus};
    }
    if (load_length(l) == 0)
        diag_add(b->diags, list->at, "%s.stages: all of them have no length", path);
}

#define RATE_MAX 1e8 /* per second: beyond any machine */

static double most_at_once(const struct load *l)
{
    if (load_is_closed(l))
        return load_most_vus(l);
    if (load_model(l) == EX_AGENT_FLEET)
        return (double)l->agents;
    return l->executor == EX_HOLD_CONNECTIONS ? (double)l->connections : (double)l->max_in_flight;
}

/* A ramp from nothing to nothing.  What is not known yet may be more. */
static bool is_idle(const struct load *l, const struct node *stages)
{
    for (const struct node *n = stages ? stages->first : NULL; n; n = n->next)
        if (node_find(n, "target") && node_find(n, "target")->deferred)
            return false;
    return stages && fmax(load_most_vus(l), load_peak_rate(l)) == 0;
}

static void check_sense(const struct load *l, const struct node *map, const char *path,
                        const struct bind *b)
{
    const struct node *warmup = node_find(map, "warmup"), *stages = node_find(map, "stages");
    int64_t length = load_length(l);

    if (fmax(l->rate, load_peak_rate(l)) > RATE_MAX)
        diag_add(b->diags, stages ? stages->at : map->at, "%s: a rate is above %.0f/s", path,
                 RATE_MAX);
    if (is_idle(l, stages))
        diag_add(b->diags, stages->at,
                 "%s.stages: nothing is ever due, as no stage has a target above zero", path);
    if (warmup && length > 0 && length != DURATION_UNTIL_STOPPED && l->warmup >= length)
        diag_add(b->diags, warmup->at, "%s.warmup: leaves nothing to judge", path);
    if (l->jitter < 0 || l->jitter > 0.5)
        diag_add(b->diags, node_find(map, "jitter")->at,
                 "%s.jitter: is out of range (0%% to 50%%: beats must keep their order)", path);
    if (l->executor == EX_CONSTANT_ARRIVAL_RATE && node_find(map, "rate") && !(l->rate > 0) &&
        !node_find(map, "rate")->deferred)
        diag_add(b->diags, node_find(map, "rate")->at, "%s.rate: must be above zero", path);
}

/* In a storm each agent has a beat that waits for its connection, and the next one falls due. */
static void fit_agents(struct load *l, const struct node *map)
{
    if (load_model(l) == EX_AGENT_FLEET && !node_find(map, "max_in_flight") &&
        l->max_in_flight < 2 * l->agents)
        l->max_in_flight = 2 * l->agents;
}

bool load_bind(struct load *l, const struct node *node, bool timed, const char *path,
               const struct bind *b)
{
    struct load_opts o = {0};
    int before = b->diags->errors;

    if (!node) {
        *l = (struct load){.executor = EX_ONCE, .max_in_flight = 1, .lanes = 1};
        return true;
    }
    opt_bind(load_table, NULL, node, path, &o, b);
    o.load.executor = (enum executor)(o.executor + 1);
    if (node->type != NODE_MAP)
        return false;
    if (node_find(node, "executor") && b->diags->errors == before)
        check_keys(node, o.load.executor, timed, path, b);
    if (o.duration)
        bind_duration(&o.load, o.duration, path, b);
    if (o.stages)
        bind_stages(&o.load, o.stages, path, b);
    if (o.load.executor == EX_STEPPING && b->diags->errors == before)
        stepping_bind(&o.load, node, &o.sizes, path, b);
    if (load_model(&o.load) == EX_AGENT_FLEET && o.load.executor == EX_STEPPING)
        o.load.agents = (int64_t)o.load.stepping.max;
    fit_agents(&o.load, node);
    if (b->diags->errors == before)
        check_sense(&o.load, node, path, b);
    if ((double)o.load.lanes > most_at_once(&o.load)) /* a lane without a share has nothing to do */
        o.load.lanes = (int64_t)fmax(most_at_once(&o.load), 1);
    *l = o.load;
    return b->diags->errors == before;
}

int64_t load_length(const struct load *l)
{
    int64_t sum = 0;

    if (l->stage_count == 0)
        return l->duration;
    for (int i = 0; i < l->stage_count; i++)
        sum += l->stages[i].duration;
    return sum;
}

static double ramp_area(const struct load *l)
{
    double sum = 0, from = l->start_rate;

    for (int i = 0; i < l->stage_count; i++) {
        sum += (from + l->stages[i].target) / 2 * (double)l->stages[i].duration / 1e9;
        from = l->stages[i].target;
    }
    return sum;
}

double load_operations(const struct load *l)
{
    double seconds = (double)l->duration / 1e9;

    if (l->duration == DURATION_UNTIL_STOPPED)
        return 0;
    switch (l->executor) {
    case EX_ONCE:
        return 1;
    case EX_PER_VU_ITERATIONS:
        return (double)l->vus * (double)l->iterations;
    case EX_SHARED_ITERATIONS:
        return (double)l->iterations;
    case EX_CONSTANT_ARRIVAL_RATE:
        return ceil(l->rate * seconds - 1e-9);
    case EX_RAMPING_ARRIVAL_RATE:
        return ceil(ramp_area(l) - 1e-9);
    case EX_AGENT_FLEET: /* an agent joins half a ramp late, and beats first after half an interval
                          */
        return (double)l->agents * fmax(seconds - (double)l->ramp / 2e9, 0) /
               ((double)l->interval / 1e9);
    default:
        return 0;
    }
}

enum executor load_model(const struct load *l)
{
    static const enum executor models[] = {
        [STEPPING_RATE] = EX_RAMPING_ARRIVAL_RATE,
        [STEPPING_VUS] = EX_RAMPING_VUS,
        [STEPPING_AGENTS] = EX_AGENT_FLEET,
    };

    return l->executor == EX_STEPPING ? models[l->stepping.of] : l->executor;
}

bool load_is_closed(const struct load *l)
{
    enum executor m = load_model(l);

    return m == EX_CONSTANT_VUS || m == EX_RAMPING_VUS || m == EX_PER_VU_ITERATIONS ||
           m == EX_SHARED_ITERATIONS;
}

double load_most_vus(const struct load *l)
{
    double most = (double)l->start_vus;

    if (l->executor == EX_STEPPING)
        return l->stepping.max;
    if (l->executor != EX_RAMPING_VUS)
        return (double)l->vus;
    for (int i = 0; i < l->stage_count; i++)
        most = fmax(most, l->stages[i].target);
    return most;
}

double load_peak_rate(const struct load *l)
{
    double rate = fmax(l->rate, l->start_rate);

    if (load_model(l) != EX_CONSTANT_ARRIVAL_RATE && load_model(l) != EX_RAMPING_ARRIVAL_RATE)
        return 0;
    for (int i = 0; i < l->stage_count; i++)
        rate = fmax(rate, l->stages[i].target);
    return l->executor == EX_STEPPING ? l->stepping.max : rate;
}

bool load_is_open(const struct load *l)
{
    enum executor m = load_model(l);

    return m == EX_CONSTANT_ARRIVAL_RATE || m == EX_RAMPING_ARRIVAL_RATE || m == EX_AGENT_FLEET;
}
