/* `stepping`: the sizes of a plan, the search among them, and the schedule
 * across a change of size. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/redact.h"
#include "run/climb.h"
#include "run/pacer.h"
#include "suite/suite.h"

#include "unit.h"

#define S  NS_PER_S
#define MS NS_PER_MS

struct loaded {
    struct arena arena;
    struct diags diags;
    struct suite_source source;
    struct suite *suite;
};

/* One step with `load` and `thresholds`, each the inside of its map. */
static void load(struct loaded *l, const char *load, const char *thresholds)
{
    static char text[1024];

    snprintf(text, sizeof(text),
             "suite: s\nphases:\n  - name: p\n    noop: {}\n    load: {executor: stepping, %s}\n"
             "    thresholds: {%s}\n",
             load, thresholds);
    *l = (struct loaded){0};
    l->source = (struct suite_source){.file = "s.yaml", .text = text, .len = strlen(text)};
    diags_init(&l->diags, "s.yaml", &l->arena);
    l->suite = suite_load(&l->source, &l->arena, &l->diags);
}

static bool said(const struct loaded *l, const char *what)
{
    for (const struct diag *d = l->diags.first; d; d = d->next)
        if (strstr(d->text, what))
            return true;
    return false;
}

static void done(struct loaded *l)
{
    arena_free(&l->arena);
    redact_reset();
}

#define RATE "of: rate, start: 100/s, max: 1000/s, hold: 10s"
#define P99  "op_duration: p(99)<50ms"

static void a_plan_knows_its_sizes(void **state)
{
    struct loaded l;
    const struct load *load_;

    (void)state;
    load(&l, RATE ", factor: 2, refine: 3", P99);
    assert_non_null(l.suite);
    load_ = &l.suite->phases[0].steps[0].load;
    assert_true(stepping_next(&load_->stepping, 100) == 200);
    assert_true(stepping_next(&load_->stepping, 800) == 1000); /* never beyond max */
    assert_true(stepping_next(&load_->stepping, 1000) == 0);
    /* 100 200 400 800 1000 and three halvings, each settled for 1 s, held twice, turned in 1 s. */
    assert_true(fabs(stepping_longest(load_) - 8 * 22) < 1e-9);
    assert_true(stepping_planned(load_, 100, 10) == 1000);
    done(&l);
    load(
        &l,
        "of: agents, start: 10, step: 5, max: 17, hold: 4s, settle: 0s, interval: 2s, ramp: 1500ms",
        P99);
    assert_non_null(l.suite);
    load_ = &l.suite->phases[0].steps[0].load;
    assert_true(stepping_next(&load_->stepping, 15) == 17);
    assert_int_equal(stepping_lead(load_), 2);
    assert_true(stepping_planned(load_, 10, 4) == 20);
    assert_int_equal(load_->agents, 17);
    done(&l);
    load(&l, "of: vus, start: 1, factor: 1.1, max: 3, hold: 1s", P99);
    assert_non_null(l.suite);
    load_ = &l.suite->phases[0].steps[0].load;
    assert_true(stepping_next(&load_->stepping, 1) == 2); /* it must not stand still */
    assert_true(stepping_middle(&load_->stepping, 1, 2) == 0);
    assert_true(stepping_middle(&load_->stepping, 1, 4) == 2);
    done(&l);
}

static void mistakes_are_told(void **state)
{
    static const struct {
        const char *load, *thresholds, *says;
    } cases[] = {
        {RATE, P99, "either `step` or `factor`"},
        {RATE ", step: 10/s, factor: 2", P99, "either `step` or `factor`"},
        {RATE ", factor: 1", P99, "never grows"},
        {RATE ", step: 1ms", P99, "is not a rate"},
        {RATE ", step: 0.1/s", P99, "more than 500 sizes"},
        {"of: rate, start: 10, factor: 2, max: 1000/s, hold: 10s", P99, "\"10\" is not a rate"},
        {"of: vus, start: 10/s, factor: 2, max: 20, hold: 10s", P99, "not a whole number"},
        {"of: rate, start: 2000/s, factor: 2, max: 1000/s, hold: 10s", P99, "less than `start`"},
        {"of: rate, start: 2/s, factor: 2, max: 10/s, hold: 1500ms", P99, "whole seconds"},
        {"of: agents, start: 2, factor: 2, max: 10, hold: 5s", P99, "needs \"interval\""},
        {RATE ", factor: 2, interval: 3s", P99, "is of agents"},
        {"of: vus, start: 2, factor: 2, max: 10, hold: 5s, max_in_flight: 3", P99, "leave"},
        {RATE ", factor: 2, duration: 10s", P99, "has no option \"duration\""},
        {RATE ", factor: 2", "achieved_rate: value>=95%", "stepping judges each size alone"},
        {RATE ", factor: 2", "op_duration: {threshold: p(99)<1s, confidence: 99.9999%}",
         "the first size's hold has 1000"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct loaded l;

        load(&l, cases[i].load, cases[i].thresholds);
        if (!said(&l, cases[i].says))
            diags_print(&l.diags, stderr);
        assert_true(said(&l, cases[i].says));
        assert_null(l.suite);
        done(&l);
    }
}

static void what_cannot_be_judged_is_warned_of(void **state)
{
    struct loaded l;

    (void)state;
    load(&l, RATE ", factor: 2", "op_failed: rate<1%");
    assert_true(said(&l, "without a threshold on a time"));
    done(&l);
    load(&l, "of: rate, start: 2/s, factor: 2, max: 9/s, hold: 2s", P99);
    assert_true(said(&l, "the first size's hold has 4: a pass says little"));
    done(&l);
    /* A limit on the answer is none by which a size could be judged. */
    load(&l, RATE ", factor: 2", "last_good: value>=200");
    assert_non_null(l.suite);
    assert_true(said(&l, "no thresholds to judge a size by"));
    assert_int_equal(l.suite->phases[0].steps[0].threshold_count, 2);
    done(&l);
}

/* Climbs against a target that holds up to `capacity`; the sizes tried, in `tried`. */
static int climb(const struct stepping *s, double capacity, double *tried, struct climb *c)
{
    enum climb_move move = CLIMB_UP;
    int n = 0;

    for (climb_begin(c, s); move != CLIMB_STOP; n++) {
        tried[n] = c->size;
        move = climb_judged(c, c->size <= capacity ? VERDICT_PASS : VERDICT_BREACH);
    }
    return n;
}

static void the_search_finds_the_capacity(void **state)
{
    struct stepping s = {.of = STEPPING_RATE, .start = 100, .factor = 2, .max = 10000, .refine = 3};
    static const double wanted[] = {100, 200, 400, 300, 350, 325};
    struct climb c;
    double tried[600];

    (void)state;
    assert_int_equal(climb(&s, 340, tried, &c), 6);
    for (int i = 0; i < 6; i++)
        assert_true(tried[i] == wanted[i]);
    assert_true(c.good == 325 && c.bad == 350);
    /* The truth lies between, wherever it is, and the gap is as narrow as was asked for. */
    for (double capacity = 100; capacity < 9000; capacity += 37.5) {
        climb(&s, capacity, tried, &c);
        assert_true(c.good <= capacity && c.bad > capacity);
        assert_true(c.bad - c.good <= c.good / 8 + 1e-9);
    }
    assert_int_equal(climb(&s, 50, tried, &c), 1); /* nothing below the first size is tried */
    assert_true(c.good == 0 && c.bad == 100);
    climb(&s, 1e9, tried, &c);
    assert_true(c.good == 10000 && c.bad == 0);
    s = (struct stepping){.of = STEPPING_VUS, .start = 1, .step = 4, .max = 100, .refine = 20};
    for (double capacity = 1; capacity < 97; capacity++) { /* to the last user */
        climb(&s, capacity, tried, &c);
        assert_true(c.good == capacity && c.bad == capacity + 1);
    }
}

static void what_is_unclear_is_held_once_more(void **state)
{
    struct stepping s = {.of = STEPPING_RATE, .start = 100, .step = 100, .max = 1000};
    struct climb c;

    (void)state;
    climb_begin(&c, &s);
    assert_int_equal(climb_judged(&c, VERDICT_INCONCLUSIVE), CLIMB_AGAIN);
    assert_true(c.size == 100);
    assert_int_equal(climb_judged(&c, VERDICT_PASS), CLIMB_UP);
    assert_true(c.size == 200);
    assert_int_equal(climb_judged(&c, VERDICT_INCONCLUSIVE), CLIMB_AGAIN); /* each has two tries */
    assert_int_equal(climb_judged(&c, VERDICT_INCONCLUSIVE), CLIMB_STOP);
    assert_true(c.good == 100 && c.bad == 0);
}

/* Two lanes: 100/s for 2 s, 250/s for 3 s, nothing for 1.5 s, 50/s.  Every arrival once, in time.
 */
static void a_rate_changes_without_a_gap(void **state)
{
    struct load l = {.executor = EX_STEPPING, .max_in_flight = 100, .lanes = 2};
    static double due[2000];
    int n = 0;

    (void)state;
    l.stepping = (struct stepping){.of = STEPPING_RATE, .max = 250};
    for (int lane = 0; lane < 2; lane++) {
        struct pacer p;
        struct arrival a;
        uint64_t next;

        pacer_init(&p, &l, lane, 2, 1);
        pacer_start(&p, 0);
        pacer_size(&p, 0, 100);
        while (pacer_take(&p, 1900 * MS, &a, &next))
            due[a.iteration] = (double)a.due_ns / 1e9;
        pacer_size(&p, 2 * S, 250);
        while (pacer_take(&p, 4 * S - 1, &a, &next))
            due[a.iteration] = (double)a.due_ns / 1e9;
        assert_int_equal(pacer_waiting(&p, 5 * S), 125); /* this lane's half of 250 */
        pacer_size(&p, 5 * S, 0);
        while (pacer_take(&p, 6 * S, &a, &next))
            due[a.iteration] = (double)a.due_ns / 1e9;
        assert_true(next == UINT64_MAX);
        assert_false(pacer_exhausted(&p, 6 * S)); /* more will come */
        pacer_size(&p, 6500 * MS, 50);
        while (pacer_take(&p, 8499 * MS, &a, &next)) {
            due[a.iteration] = (double)a.due_ns / 1e9;
            n = (int)a.iteration > n ? (int)a.iteration : n;
        }
        pacer_stop(&p, 8500 * MS);
        assert_true(pacer_exhausted(&p, 8500 * MS));
        pacer_fini(&p);
    }
    assert_int_equal(n + 1, 200 + 750 + 100);
    for (int i = 0; i <= n; i++) {
        double want = i < 200   ? i / 100.0
                      : i < 950 ? 2 + (i - 200) / 250.0
                                : 6.5 + (i - 950) / 50.0;

        assert_true(fabs(due[i] - want) < 1e-6);
    }
}

static void take_beats(struct pacer *p, uint64_t until, double last[], int beats[], double every,
                       uint32_t old)
{
    struct arrival a;
    uint64_t next;

    while (pacer_take(p, until, &a, &next)) {
        double at = (double)a.due_ns / 1e9;

        if (a.agent <= old) /* who was there goes on as before */
            assert_true(beats[a.agent] == 0 || fabs(at - last[a.agent] - every) < 1e-6);
        last[a.agent] = at;
        beats[a.agent]++;
    }
}

static void agents_beat_on_while_others_join(void **state)
{
    struct load l = {.executor = EX_STEPPING,
                     .agents = 60,
                     .interval = (int64_t)S,
                     .ramp = (int64_t)S,
                     .max_in_flight = 100};
    double last[61] = {0};
    int beats[61] = {0};
    struct pacer p;

    (void)state;
    l.stepping = (struct stepping){.of = STEPPING_AGENTS, .max = 60};
    pacer_init(&p, &l, 0, 1, 7);
    pacer_start(&p, 0);
    pacer_size(&p, 0, 20);
    assert_int_equal(pacer_population(&p), 20);
    take_beats(&p, 5 * S, last, beats, 1, 60);
    pacer_size(&p, 5 * S, 60);
    assert_int_equal(pacer_population(&p), 60);
    take_beats(&p, 10 * S, last, beats, 1, 20);
    for (int i = 1; i <= 20; i++)
        assert_in_range(beats[i], 9, 10);
    for (int i = 21; i <= 60; i++) {
        assert_in_range(beats[i], 4, 5); /* joined during the ramp, 5 s to 6 s */
        assert_true(last[i] >= 9);
    }
    memset(beats, 0, sizeof(beats));
    pacer_size(&p, 10 * S, 30); /* and those beyond it leave */
    take_beats(&p, 12 * S, last, beats, 1, 30);
    for (int i = 1; i <= 60; i++)
        assert_int_equal(beats[i], i <= 30 ? 2 : 0);
    pacer_size(&p, 12 * S, 40); /* to come back as who they were */
    take_beats(&p, 15 * S, last, beats, 1, 30);
    for (int i = 31; i <= 40; i++)
        assert_in_range(beats[i], 2, 3);
    pacer_fini(&p);
}

static void users_join_and_leave(void **state)
{
    struct load l = {.executor = EX_STEPPING};
    struct arrival a;
    struct pacer p;
    uint64_t next;
    bool seen[21] = {0};
    int n = 0;

    (void)state;
    l.stepping = (struct stepping){.of = STEPPING_VUS, .max = 20};
    pacer_init(&p, &l, 0, 1, 1);
    pacer_start(&p, 0);
    pacer_size(&p, 0, 3);
    for (uint64_t t = 0; t < S; t += MS)
        while (pacer_take(&p, t, &a, &next)) {
            assert_in_range(a.vu, 1, 3);
            n++;
        }
    assert_int_equal(n, 3); /* nobody has answered: each has its one operation */
    pacer_size(&p, S, 20);
    for (uint64_t t = S; t < 2 * S; t += MS)
        while (pacer_take(&p, t, &a, &next)) {
            assert_false(seen[a.vu]);
            seen[a.vu] = true;
            n++;
        }
    assert_int_equal(n, 20);
    pacer_size(&p, 2 * S, 5);
    for (uint32_t vu = 1; vu <= 20; vu++)
        pacer_ended(&p, vu, 2 * S + MS);
    for (n = 0; pacer_take(&p, 3 * S, &a, &next); n++)
        assert_in_range(a.vu, 1, 5);
    assert_int_equal(n, 5);
    pacer_fini(&p);
}

UNIT_GROUP(stepping, cmocka_unit_test(a_plan_knows_its_sizes), cmocka_unit_test(mistakes_are_told),
           cmocka_unit_test(what_cannot_be_judged_is_warned_of),
           cmocka_unit_test(the_search_finds_the_capacity),
           cmocka_unit_test(what_is_unclear_is_held_once_more),
           cmocka_unit_test(a_rate_changes_without_a_gap),
           cmocka_unit_test(agents_beat_on_while_others_join),
           cmocka_unit_test(users_join_and_leave));
