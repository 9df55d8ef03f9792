/* When the results directory is written. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "fixture_result.h"
#include "report/files.h"
#include "run/observer.h"
#include "run/result.h"

#define MANY  (FILES_FEW_PHASES + 1)
#define STALE "stale"

struct watched {
    struct arena arena;
    struct run_result *fixture, r;
    struct phase_result phases[MANY + 1];
    struct files_opts opts;
    struct observer *o;
    char dir[64], result[128];
};

static int set_up(void **state)
{
    struct watched *w = calloc(1, sizeof(*w));

    strcpy(w->dir, "/tmp/shakedown-unit-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->result, sizeof(w->result), "%s/result.json", w->dir);
    w->fixture = fixture_result(&w->arena);
    w->r = *w->fixture;
    for (int i = 0; i <= MANY; i++)
        w->phases[i] = (struct phase_result){.phase = w->r.phases[0].phase, .skipped = "not now"};
    w->r.phases = w->phases;
    w->opts.dir = w->dir;
    w->o = files_observer(&w->opts, &w->arena);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct watched *w = *state;

    fixture_free(w->fixture, &w->arena);
    assert_true(fs_remove_tree(w->dir));
    free(w);
    return 0;
}

static void make_stale(struct watched *w)
{
    struct err e;

    assert_true(fs_write(w->result, STALE, strlen(STALE), 0644, &e));
}

/* How many phases the report on the disk has; 0: it is the stale one. */
static int written(struct watched *w)
{
    struct buf text = {0};
    struct err e;
    int n = 0;

    assert_true(fs_read(w->result, 1 << 20, &text, &e));
    for (const char *p = buf_text(&text); (p = strstr(p, "\"skipped\": \"not now\"")); p++)
        n++;
    assert_true(n > 0 || strcmp(buf_text(&text), STALE) == 0);
    buf_free(&text);
    return n;
}

static int end_phase(struct watched *w, int count)
{
    make_stale(w);
    w->r.phase_count = count;
    w->o->phase_end(w->o->ctx, &w->r, &w->phases[count - 1]);
    return written(w);
}

static void few_phases_are_written_one_by_one(void **state)
{
    struct watched *w = *state;

    for (int i = FILES_FEW_PHASES - 2; i <= FILES_FEW_PHASES; i++)
        assert_int_equal(end_phase(w, i), i);
}

/* Looked at only if no second has passed meanwhile; on a machine that is too slow, never. */
static void many_phases_are_not(void **state)
{
    struct watched *w = *state;
    int got = 0;

    for (int i = 0; i < 100; i++) {
        uint64_t began = now_ns();

        assert_int_equal(end_phase(w, FILES_FEW_PHASES), FILES_FEW_PHASES);
        got = end_phase(w, MANY);
        if (now_ns() - began < NS_PER_S) {
            assert_int_equal(got, 0);
            break;
        }
    }
}

static void what_is_behind_is_caught_up_with(void **state)
{
    struct watched *w = *state;

    end_phase(w, FILES_FEW_PHASES);
    end_phase(w, MANY);
    w->r.phase_count = MANY + 1; /* runs, and has not ended */
    while (written(w) == 0) {
        w->o->tick(w->o->ctx, &w->phases[MANY], NULL, 0);
        usleep(10000);
    }
    assert_int_equal(written(w), MANY);
    make_stale(w);
    w->o->tick(w->o->ctx, &w->phases[MANY], NULL, 0);
    assert_int_equal(written(w), 0);
}

static void the_end_and_an_interrupt_are_written_at_once(void **state)
{
    struct watched *w = *state;

    end_phase(w, FILES_FEW_PHASES);
    w->r.interrupted = "SIGINT";
    assert_int_equal(end_phase(w, MANY), MANY);
    w->r.interrupted = NULL;
    end_phase(w, MANY);
    w->o->run_end(w->o->ctx, &w->r);
    assert_int_equal(written(w), MANY);
}

#define FRESH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

UNIT_GROUP(files, FRESH(few_phases_are_written_one_by_one), FRESH(many_phases_are_not),
           FRESH(what_is_behind_is_caught_up_with),
           FRESH(the_end_and_an_interrupt_are_written_at_once))
