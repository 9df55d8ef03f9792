/* The exec driver under the real engine. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "fixture_run.h"
#include "run/result.h"

static const struct step_result *only_step(const struct fixture_run *f, int phase)
{
    return &f->result->phases[phase].steps[0];
}

static void output_is_there_for_later_phases(void **state)
{
    struct fixture_run f;

    (void)state;
    fixture_run(&f,
                "suite: t\n"
                "phases:\n"
                "  - name: first\n"
                "    exec: [sh, -c, 'echo \"one  two\"; echo']\n"
                "  - name: second\n"
                "    exec:\n"
                "      command: [sh, -c, 'printf %s \"$0\" >@ROOT@/got; pwd; echo $N', "
                "'${phase.first.output}']\n"
                "      env: {N: 'n%{iteration}'}\n"
                "      dir: /\n"
                "      expect: {output: '^/\\nn0$'}\n",
                false);
    assert_int_equal(f.result->exit_code, 0);
    assert_string_equal(fixture_file(&f, "got"), "one  two");
    fixture_end(&f);
}

static void failures_are_told_with_the_last_words(void **state)
{
    static const struct {
        const char *options;
        enum outcome outcome;
        const char *why;
    } cases[] = {
        {"[sh, -c, 'echo a; echo b >&2; exit 3']", OP_UNEXPECTED, "exited with 3: a\nb"},
        {"{command: [sh, -c, 'exit 0'], expect: {exit: 4}}", OP_UNEXPECTED,
         "exited with 0, expected 4"},
        {"[sh, -c, 'kill -9 $$']", OP_UNEXPECTED, "was killed by signal 9 (Killed)"},
        {"{command: [echo, no], expect: {output: yes}}", OP_UNEXPECTED,
         "its output does not match the expectation: no"},
        {"{command: [sh, -c, 'echo on; sleep 1000'], timeout: 300ms}", OP_TIMEOUT,
         "did not end within 300ms: on"},
        {"[no-such-command]", OP_LOCAL, "command \"no-such-command\": not found in PATH"},
    };
    struct fixture_run f;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[512];

        snprintf(text, sizeof(text), "suite: t\nphases:\n  - name: p\n    exec: %s\n",
                 cases[i].options);
        fixture_run(&f, text, false);
        assert_int_equal(f.result->exit_code, 3);
        assert_int_equal(only_step(&f, 0)->error_count, 1);
        assert_string_equal(only_step(&f, 0)->errors[0].why, cases[i].why);
        assert_int_equal(only_step(&f, 0)->errors[0].outcome, cases[i].outcome);
        fixture_end(&f);
    }
}

static void a_bad_pattern_is_a_mistake_of_the_suite(void **state)
{
    static const char yaml[] = "suite: t\nphases:\n  - name: p\n"
                               "    exec: {command: [echo], expect: {output: '('}}\n";
    struct suite_source source = {.file = "t",
                                  .text = yaml,
                                  .len = sizeof(yaml) - 1,
                                  .environ = (const char *const[]){NULL},
                                  .run_id = "r",
                                  .run_dir = "/d",
                                  .run_tmp = "/t",
                                  .self = "/s"};
    struct arena arena = {0};
    struct diags d;

    (void)state;
    diags_init(&d, "t", &arena);
    assert_null(suite_load(&source, &arena, &d));
    assert_int_equal(d.errors, 1);
    assert_non_null(strstr(d.first->text, "expect.output"));
    arena_free(&arena);
}

static void commands_run_side_by_side(void **state)
{
    const struct step_result *s;
    struct fixture_run f;

    (void)state;
    /* Each waits for all four: one after another they would wait for ever. */
    fixture_run(&f,
                "suite: t\n"
                "phases:\n"
                "  - name: p\n"
                "    exec:\n"
                "      command: [sh, -c, '>@ROOT@/$N; until [ -e @ROOT@/0 -a -e @ROOT@/1 -a -e "
                "@ROOT@/2 -a -e @ROOT@/3 ]; do sleep 0.01; done']\n"
                "      env: {N: '%{iteration}'}\n"
                "    load: {executor: per-vu-iterations, vus: 4, iterations: 1}\n",
                false);
    s = only_step(&f, 0);
    assert_int_equal(s->sent, 4);
    assert_int_equal(s->ok, 4);
    fixture_end(&f);
}

static void nothing_is_left_running_after_the_load(void **state)
{
    uint64_t deadline = now_ns() + 60 * NS_PER_S;
    const struct step_result *s;
    struct fixture_run f;
    const char *pids;

    (void)state;
    fixture_run(
        &f,
        "suite: t\n"
        "phases:\n"
        "  - name: p\n"
        "    exec: [sh, -c, \"trap '' TERM; sleep 1000 & echo $$ $! >>@ROOT@/pids; wait\"]\n"
        "    load: {executor: constant-vus, vus: 3, duration: 1s, graceful_stop: 0s}\n",
        false);
    s = only_step(&f, 0);
    assert_int_equal(s->sent, 3);
    assert_int_equal(s->unfinished, 3);
    pids = fixture_file(&f, "pids");
    for (char *end; *pids; pids = end) {
        int pid = (int)strtol(pids, &end, 10);

        if (end == pids)
            break;
        while (fixture_process_runs(pid)) /* it has been killed, and is on its way */
            assert_true(now_ns() < deadline);
    }
    fixture_end(&f);
}

UNIT_GROUP(exec, cmocka_unit_test(output_is_there_for_later_phases),
           cmocka_unit_test(failures_are_told_with_the_last_words),
           cmocka_unit_test(a_bad_pattern_is_a_mistake_of_the_suite),
           cmocka_unit_test(commands_run_side_by_side),
           cmocka_unit_test(nothing_is_left_running_after_the_load))
