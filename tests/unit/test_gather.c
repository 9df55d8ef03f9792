/* What a step's run is held against: the work that was planned, and how much of it was done. */
#include "run/result.h"
#include "suite/load.h"

#include "fixture_run.h"
#include "unit.h"

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

UNIT_GROUP(gather, cmocka_unit_test(a_whole_fleet_is_exactly_as_planned),
           cmocka_unit_test(a_hole_in_a_fleet_is_one));
