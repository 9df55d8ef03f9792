/* One function decides: from findings to the exit code, and what may not decide at all. */
#include <string.h>

#include "base/arena.h"
#include "run/result.h"

#include "unit.h"

struct made { /* a run of one phase with one step, loaded from text and filled in by hand */
    struct arena arena;
    struct diags diags;
    struct suite_source source;
    struct run_result r;
    struct phase_result phase;
    struct step_result step;
};

static void make(struct made *m, const char *thresholds, double planned)
{
    const char *text;

    memset(m, 0, sizeof(*m));
    text =
        arena_printf(&m->arena,
                     "suite: s\nphases:\n  - name: p\n    noop: {}\n    load: {executor: "
                     "constant-arrival-rate, rate: 100/s, duration: 10s}\n    thresholds: {%s}\n",
                     thresholds);
    m->source = (struct suite_source){.file = "s",
                                      .text = text,
                                      .len = strlen(text),
                                      .run_id = "r",
                                      .run_dir = "/",
                                      .run_tmp = "/",
                                      .self = "x"};
    diags_init(&m->diags, "s", &m->arena);
    m->r.suite = suite_load(&m->source, &m->arena, &m->diags);
    assert_non_null(m->r.suite);
    m->r.arena = &m->arena;
    m->r.phases = &m->phase;
    m->r.phase_count = 1;
    m->phase.phase = &m->r.suite->phases[0];
    m->phase.steps = &m->step;
    m->step.step = &m->r.suite->phases[0].steps[0];
    m->step.begun = true;
    m->step.planned = planned;
    step_shape(m->step.step, &m->arena, &m->step.shape);
    meter_init(&m->step.meter, &m->step.shape);
}

static void add_ops(struct made *m, int ok, int failed, uint64_t duration_ns, uint64_t lag_ns)
{
    for (int i = 0; i < ok + failed; i++) {
        bool bad = i * failed % (ok + failed) < failed; /* spread evenly */

        meter_rate(&m->step.meter, M_OP_FAILED, 0, bad ? TAG_FAILED : TAG_OK, i % 10, bad);
        meter_trend(&m->step.meter, M_OP_DURATION, 0, TAG_OK, i % 10, duration_ns);
        meter_trend(&m->step.meter, M_SCHEDULE_LAG, 0, TAG_OK, i % 10, lag_ns);
    }
    m->step.sent = (uint64_t)(ok + failed);
}

static int decide(struct made *m)
{
    int code;

    phase_judge(&m->phase, &m->r, &m->arena);
    run_verdict(&m->r);
    code = m->r.exit_code;
    assert_non_null(m->r.headline);
    return code;
}

static void done(struct made *m)
{
    meter_free(&m->step.meter);
    arena_free(&m->arena);
}

static void all_held_is_a_pass(void **state)
{
    struct made m;

    (void)state;
    make(&m, "op_failed: rate<1%, op_duration: p(99)<50ms", 1000);
    add_ops(&m, 1000, 0, 10000000, 0);
    assert_int_equal(decide(&m), 0);
    done(&m);
}

static void a_breach_is_one(void **state)
{
    struct made m;

    (void)state;
    make(&m, "op_failed: rate<1%, op_duration: p(99)<5ms", 1000);
    add_ops(&m, 1000, 0, 10000000, 0);
    assert_int_equal(decide(&m), 1);
    done(&m);
}

static void a_warning_counts_for_nothing(void **state)
{
    struct made m;

    (void)state;
    make(&m, "op_failed: rate<1%, op_duration: {threshold: p(99)<5ms, severity: warn}", 1000);
    add_ops(&m, 1000, 0, 10000000, 0);
    assert_int_equal(decide(&m), 0);
    done(&m);
}

static void a_load_not_sent_cannot_pass(void **state)
{
    struct made m;

    (void)state;
    make(&m, "op_failed: rate<1%", 1000);
    add_ops(&m, 900, 0, 10000000, 0);
    assert_int_equal(decide(&m), 3);
    done(&m);
    make(&m, "op_duration: p(99)<5ms", 1000); /* but a breach is a breach */
    add_ops(&m, 900, 0, 10000000, 0);
    assert_int_equal(decide(&m), 1);
    done(&m);
}

static void no_samples_is_no_pass(void **state)
{
    struct made m;

    (void)state;
    make(&m, "op_duration: p(99)<5ms", 1000);
    m.step.sent = 1000;
    assert_int_equal(decide(&m), 3);
    done(&m);
}

/* Over the limit by 5 ms, with our own operations starting 8 ms late: that may have been us. */
static void our_own_lag_voids_a_small_breach(void **state)
{
    struct made m;

    (void)state;
    make(&m, "op_duration: p(99)<10ms", 1000);
    add_ops(&m, 1000, 0, 15000000, 8000000);
    assert_int_equal(decide(&m), 3);
    done(&m);
    make(&m, "op_duration: p(99)<10ms", 1000);
    add_ops(&m, 1000, 0, 30000000, 8000000);
    assert_int_equal(decide(&m), 1);
    done(&m);
}

static void faults_of_this_machine_void_a_pass(void **state)
{
    struct made m;

    (void)state;
    make(&m, "op_failed: rate<1%", 1000);
    add_ops(&m, 1000, 0, 10000000, 0);
    m.step.client_errors = 100;
    assert_int_equal(decide(&m), 3);
    assert_string_equal(m.phase.findings->type, "client");
    done(&m);
}

static void a_step_that_could_not_run_is_three(void **state)
{
    struct made m;

    (void)state;
    make(&m, "op_failed: rate<1%", 1000);
    m.step.begun = false;
    m.step.failure = "no such host";
    assert_int_equal(decide(&m), 3);
    assert_string_equal(m.phase.findings->message, "no such host");
    assert_int_equal(m.phase.findings->next->state, FOUND_NOT_RUN);
    done(&m);
}

static void a_breach_outranks_what_could_not_be_told(void **state)
{
    struct finding service = {.kind = FINDING_SERVICE,
                              .state = FOUND_INCONCLUSIVE,
                              .name = "service x",
                              .message = "died",
                              .type = "infra"};
    struct made m;

    (void)state;
    make(&m, "op_duration: p(99)<5ms", 1000);
    add_ops(&m, 1000, 0, 10000000, 0);
    m.r.findings = &service;
    assert_int_equal(decide(&m), 1);
    done(&m);
}

static void what_a_signal_ended_cannot_pass(void **state)
{
    struct made m;

    (void)state;
    make(&m, "op_duration: p(99)<50ms", 1000);
    add_ops(&m, 500, 0, 10000000, 0);
    m.step.interrupted = true;
    m.r.interrupted = "SIGINT";
    assert_int_equal(decide(&m), 3);
    assert_string_equal(m.phase.findings->type, "interrupted");
    done(&m);
    make(&m, "op_duration: p(99)<5ms", 1000); /* what its samples refute, they refute */
    add_ops(&m, 500, 0, 10000000, 0);
    m.step.interrupted = true;
    m.r.interrupted = "SIGINT";
    assert_int_equal(decide(&m), 1);
    done(&m);
    make(&m, "iterations: count>=1000", 1000); /* a count was never given the chance */
    add_ops(&m, 500, 0, 10000000, 0);
    m.step.interrupted = true;
    m.r.interrupted = "SIGINT";
    assert_int_equal(decide(&m), 3);
    done(&m);
}

static void a_target_never_reached_is_three(void **state)
{
    struct error_count refused = {OP_REFUSED, "connection refused", 1000};
    struct made m;

    (void)state;
    make(&m, "op_failed: rate<1%", 1000);
    add_ops(&m, 0, 1000, 10000000, 0);
    m.step.errors = &refused;
    m.step.error_count = 1;
    assert_int_equal(decide(&m), 3);
    done(&m);
    make(&m, "op_failed: rate<1%", 1000); /* but one answer shows that it is there */
    add_ops(&m, 0, 1000, 10000000, 0);
    m.step.errors = &refused;
    m.step.error_count = 1;
    m.step.ok = 1;
    assert_int_equal(decide(&m), 1);
    done(&m);
    make(&m, "op_failed: rate==100%", 1000); /* and a port that must be closed is */
    add_ops(&m, 0, 1000, 10000000, 0);
    m.step.errors = &refused;
    m.step.error_count = 1;
    assert_int_equal(decide(&m), 0);
    done(&m);
}

static void nothing_run_is_no_pass(void **state)
{
    struct made m;

    (void)state;
    make(&m, "op_failed: rate<1%", 1000);
    m.phase.skipped = "left out by --skip";
    assert_int_equal(decide(&m), 3);
    done(&m);
}

static void names_are_unique(void **state)
{
    struct made m;

    (void)state;
    make(&m, "op_failed: [rate<1%, rate<1%]", 1000);
    add_ops(&m, 1000, 0, 10000000, 0);
    decide(&m);
    for (struct finding *f = m.phase.findings; f; f = f->next)
        for (struct finding *g = f->next; g; g = g->next)
            assert_string_not_equal(f->name, g->name);
    done(&m);
}

UNIT_GROUP(verdict, cmocka_unit_test(all_held_is_a_pass), cmocka_unit_test(a_breach_is_one),
           cmocka_unit_test(a_warning_counts_for_nothing),
           cmocka_unit_test(a_load_not_sent_cannot_pass), cmocka_unit_test(no_samples_is_no_pass),
           cmocka_unit_test(our_own_lag_voids_a_small_breach),
           cmocka_unit_test(faults_of_this_machine_void_a_pass),
           cmocka_unit_test(a_step_that_could_not_run_is_three),
           cmocka_unit_test(a_breach_outranks_what_could_not_be_told),
           cmocka_unit_test(what_a_signal_ended_cannot_pass),
           cmocka_unit_test(a_target_never_reached_is_three),
           cmocka_unit_test(nothing_run_is_no_pass), cmocka_unit_test(names_are_unique));
