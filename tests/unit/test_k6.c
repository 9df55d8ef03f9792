/* What tools made for k6 read: the data of handleSummary(). */
#include "unit.h"

#include <math.h>
#include <string.h>

#include <jansson.h>

#include "base/buf.h"
#include "driver/target.h"
#include "fixture_result.h"
#include "report/files.h"
#include "run/result.h"

struct loaded {
    struct arena arena;
    struct run_result *r;
    struct buf text;
    json_t *root;
};

static void render(struct loaded *l)
{
    buf_clear(&l->text);
    json_decref(l->root);
    k6_summary(l->r, &l->text);
    l->root = json_loadb(l->text.data, l->text.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(l->root);
}

static void load(struct loaded *l)
{
    *l = (struct loaded){0};
    l->r = fixture_result(&l->arena);
}

static void unload(struct loaded *l)
{
    json_decref(l->root);
    buf_free(&l->text);
    fixture_free(l->r, &l->arena);
}

static const json_t *metric(const struct loaded *l, const char *name)
{
    return json_object_get(json_object_get(l->root, "metrics"), name);
}

static double value(const struct loaded *l, const char *name, const char *key)
{
    const json_t *v = json_object_get(json_object_get(metric(l, name), "values"), key);

    assert_true(json_is_number(v));
    return json_number_value(v);
}

static void the_run_is_the_sum_of_its_steps(void **state)
{
    struct loaded l;
    double count = 0, least = INFINITY, most = 0;

    (void)state;
    load(&l);
    render(&l);
    for (int i = 0; i < l.r->phase_count; i++)
        for (int k = 0; k < l.r->phases[i].phase->step_count; k++) {
            struct selection sel = {.metric = M_OP_DURATION, .part = -1, .outcome = -1, .to = -1};
            struct series s;

            if (!l.r->phases[i].steps || !l.r->phases[i].steps[k].begun)
                continue;
            series_select(&s, &l.r->phases[i].steps[k].meter, &sel);
            count += (double)s.n;
            least = s.n ? fmin(least, s.min) : least;
            most = fmax(most, s.max);
            series_free(&s);
        }
    assert_true(count > 0);
    assert_true(value(&l, "op_duration", "count") == count);
    assert_true(fabs(value(&l, "op_duration", "min") - least / 1e6) < 1e-9);
    assert_true(fabs(value(&l, "op_duration", "max") - most / 1e6) < 1e-9);
    assert_true(value(&l, "op_failed", "passes") + value(&l, "op_failed", "fails") == count);
    unload(&l);
}

static void steps_and_parts_are_sub_metrics(void **state)
{
    struct loaded l;

    (void)state;
    load(&l);
    render(&l);
    assert_non_null(metric(&l, "op_duration{step:control}"));
    assert_non_null(metric(&l, "http_req_duration{step:sustained-rate,part:order}"));
    assert_true(value(&l, "http_reqs{step:sustained-rate,part:order}", "count") +
                    value(&l, "http_reqs{step:sustained-rate,part:served}", "count") ==
                value(&l, "http_reqs{step:sustained-rate}", "count"));
    unload(&l);
}

/* The second of two phases with a step of the same name must not hide the first. */
static void names_that_two_phases_use_are_told_apart(void **state)
{
    struct loaded l;

    (void)state;
    load(&l);
    l.r->suite->phases[2].steps[1].name = "sustained-rate";
    render(&l);
    assert_null(metric(&l, "op_duration{step:sustained-rate}"));
    assert_non_null(metric(&l, "op_duration{phase:sustained-rate,step:sustained-rate}"));
    assert_non_null(metric(&l, "op_duration{phase:slow-loris,step:sustained-rate}"));
    unload(&l);
}

static void secrets_and_control_characters_stay_out(void **state)
{
    struct loaded l;

    (void)state;
    load(&l);
    render(&l);
    assert_null(strstr(buf_text(&l.text), FIXTURE_SECRET));
    assert_null(strchr(buf_text(&l.text), '\033'));
    unload(&l);
}

static void a_connector_is_a_target_under_load(void **state)
{
    static struct target targets[] = {{.name = "nginx"}, {.name = "f5"}};
    const json_t *tier, *nginx;
    struct tag *tags;
    struct loaded l;

    (void)state;
    load(&l);
    l.r->suite->targets = targets;
    l.r->suite->target_count = 2;
    tags = l.r->suite->phases[1].steps[0].tags;
    tags[1] = (struct tag){"target", "nginx"};
    render(&l);
    tier = json_object_get(l.root, "connector_tier");
    nginx = json_object_get(tier, "nginx");
    assert_true(json_is_null(json_object_get(tier, "f5"))); /* declared, and not driven */
    assert_int_equal(json_object_size(nginx), 7);
    assert_true(json_number_value(json_object_get(nginx, "p99")) ==
                value(&l, "op_duration{step:sustained-rate}", "p(99)"));
    assert_true(json_number_value(json_object_get(nginx, "error_rate")) ==
                value(&l, "op_failed{step:sustained-rate}", "rate"));
    assert_true(json_number_value(json_object_get(nginx, "iterations")) > 0);
    unload(&l);
}

UNIT_GROUP(k6, cmocka_unit_test(the_run_is_the_sum_of_its_steps),
           cmocka_unit_test(steps_and_parts_are_sub_metrics),
           cmocka_unit_test(names_that_two_phases_use_are_told_apart),
           cmocka_unit_test(secrets_and_control_characters_stay_out),
           cmocka_unit_test(a_connector_is_a_target_under_load));
