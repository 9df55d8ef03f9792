/* What a step's run is held against: the work that was planned, and how much of it was done. */
#include "base/clock.h"
#include "run/pacer.h"
#include "run/result.h"
#include "suite/load.h"

#include "fixture_run.h"
#include "unit.h"

#define S NS_PER_S

/* Forty agents that beat once or twice, as their phases have it: 50 beats, give or take some. */
#define FLEET \
    "executor: agent-fleet, agents: 40, interval: 200ms, duration: 250ms, graceful_stop: 0s"

static const struct step_result *run(struct fixture_run *f, const char *yaml)
{
    fixture_run(f, yaml, false);
    return &f->result->phases[0].steps[0];
}

static void a_whole_fleet_is_exactly_as_planned(void **state)
{
    const struct step_result *r;
    struct fixture_run f;

    (void)state;
    r = run(&f, "suite: s\nphases:\n  - name: p\n    noop: {}\n    load: {" FLEET "}\n");
    assert_true(r->planned == (double)r->sent);
    assert_true(r->planned != load_operations(&r->step->load));
    assert_int_equal(f.result->exit_code, 0);
    fixture_end(&f);
}

/* Fewer beats are missing than there are agents, and still they are. */
static void a_hole_in_a_fleet_is_one(void **state)
{
    const struct step_result *r;
    struct fixture_run f;

    (void)state;
    r = run(&f, "suite: s\nphases:\n  - name: p\n    noop: {latency: 10s}\n"
                "    load: {" FLEET ", max_in_flight: 30, lanes: 1}\n");
    assert_int_equal(r->sent, 30);
    assert_true(r->planned == (double)(r->sent + r->dropped));
    assert_int_equal(f.result->phases[0].findings->state, FOUND_INCONCLUSIVE);
    fixture_end(&f);
}

/* What a fleet's run is held against: every beat that its lanes hand out, and no other. */
static void beats_are_counted_beforehand(void **state)
{
    static const struct {
        int64_t agents, interval, duration, ramp;
        double jitter;
    } fleets[] = {
        {1, (int64_t)S, 5 * (int64_t)S, 0, 0},
        {1, 30 * (int64_t)S, 10 * (int64_t)S, 0, 0.1},
        {7, (int64_t)S, (int64_t)S / 2, 0, 0.5},
        {200, (int64_t)S, 5 * (int64_t)S, 0, 0.1},
        {200, (int64_t)S, 5 * (int64_t)S + 7, 3 * (int64_t)S, 0.5},
        {150, 30 * (int64_t)S, 30 * (int64_t)S, 10 * (int64_t)S, 0.2},
        {150, (int64_t)S, 600 * (int64_t)S, 0, 0.25},
        {30000, (int64_t)S, 4 * (int64_t)S, (int64_t)S, 0.1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(fleets) / sizeof(*fleets); i++) {
        struct load l = {.executor = EX_AGENT_FLEET,
                         .agents = fleets[i].agents,
                         .interval = fleets[i].interval,
                         .duration = fleets[i].duration,
                         .ramp = fleets[i].ramp,
                         .jitter = fleets[i].jitter,
                         .max_in_flight = 100};
        uint64_t next, taken = 0;

        for (int lane = 0; lane < 3; lane++) {
            struct pacer p;
            struct arrival a;

            pacer_init(&p, &l, lane, 3, 99 + i);
            pacer_start(&p, 0);
            while (pacer_take(&p, UINT64_MAX - 1, &a, &next))
                taken++;
            pacer_fini(&p);
        }
        assert_int_equal(pacer_beats(&l, 3, 99 + i), taken);
    }
}

UNIT_GROUP(gather, cmocka_unit_test(beats_are_counted_beforehand),
           cmocka_unit_test(a_whole_fleet_is_exactly_as_planned),
           cmocka_unit_test(a_hole_in_a_fleet_is_one));
