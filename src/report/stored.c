/*
 * stored.c - reading a run back: the suite with the values it had, then what was measured.
 *
 * The values of the stored run go in as --set, those given now after them, which wins.  What came
 * from the suite's own defaults as a bare number is left to the suite again, since a --set would
 * get the variable's unit appended; and what is secret was never stored.
 */
#include "report/stored.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/units.h"
#include "report/plan_json.h"
#include "report/result_read.h"
#include "report/series.h"
#include "run/result.h"
#include "spec/diag.h"

#define MAX_SMALL ((size_t)16 << 20)
#define MAX_LARGE ((size_t)512 << 20)

static bool read_in(const char *dir, const char *name, size_t max, struct buf *out, struct err *e)
{
    struct buf path = {0};
    bool ok;

    buf_printf(&path, "%s/%s", dir, name);
    ok = fs_read(buf_text(&path), max, out, e);
    buf_free(&path);
    return ok;
}

static bool plan_load(const char *dir, struct plan *plan, struct arena *arena, struct err *e)
{
    struct buf text = {0};
    bool ok;

    if (!read_in(dir, "plan.json", MAX_SMALL, &text, e))
        return err_wrap(e, "\"%s\" is not the results directory of a run", dir);
    ok = plan_read(buf_text(&text), text.len, plan, arena, e);
    buf_free(&text);
    return ok;
}

static bool is_set(const struct plan_var *v)
{
    double number;

    if (v->secret || !v->value)
        return false;
    return v->origin == ORIGIN_ENV || v->origin == ORIGIN_SET || !v->unit ||
           !units_number(v->value, &number);
}

/* The name of a "name=value" of `sets` is `name`. */
static bool names(const char *set, const char *name)
{
    size_t len = strlen(name);

    return strncmp(set, name, len) == 0 && set[len] == '=';
}

static bool is_overridden(const struct stored_opts *o, const char *name)
{
    for (int i = 0; i < o->set_count; i++)
        if (names(o->sets[i], name))
            return true;
    return false;
}

static void sets_of(const struct stored_opts *o, const struct plan *plan, struct suite_source *src,
                    struct arena *arena)
{
    const char **sets = arena_array(arena, const char *, plan->var_count + o->set_count + 1);
    int n = 0;

    for (int i = 0; i < plan->var_count; i++)
        if (is_set(&plan->vars[i]))
            sets[n++] = arena_printf(arena, "%s=%s", plan->vars[i].name, plan->vars[i].value);
    for (int i = 0; i < o->set_count; i++)
        sets[n++] = o->sets[i];
    src->sets = sets;
    src->set_count = n;
}

/* Where a value came from is where it came from in the run, not that it went through --set here. */
static void restore_origins(const struct stored_opts *o, const struct plan *plan, struct suite *s)
{
    for (int i = 0; s->vars && i < s->vars->n; i++) {
        struct var *v = &s->vars->v[i];

        for (int k = 0; k < plan->var_count; k++)
            if (strcmp(plan->vars[k].name, v->name) == 0 && !is_overridden(o, v->name)) {
                v->origin = (enum origin)plan->vars[k].origin;
                v->origin_detail = plan->vars[k].origin_detail;
            }
    }
}

/* Binds what the phases of the run had bound late; a phase that never ran stays as it is. */
static void republish(const struct plan *plan, struct suite *s, struct arena *arena)
{
    for (int i = plan->output_count; i-- > 0;)
        suite_publish(s, plan->outputs[i].phase, plan->outputs[i].key, plan->outputs[i].value);
    for (int i = 0; i < s->phase_count; i++) {
        struct diags unheard;

        diags_init(&unheard, s->file, arena);
        suite_bind_phase(s, &s->phases[i], &unheard);
    }
}

static struct suite *suite_of(const struct stored_opts *o, const struct plan *plan,
                              struct arena *arena, struct diags *d, struct err *e)
{
    struct suite_source *src = arena_new(arena, struct suite_source);
    struct buf text = {0};
    struct suite *s;

    if (!read_in(o->dir, "suite.yaml", MAX_SMALL, &text, e))
        return NULL;
    *src = (struct suite_source){
        .file = plan->file,
        .text = arena_strndup(arena, buf_text(&text), text.len),
        .len = text.len,
        .preset = plan->preset,
        .environ = plan->env,
        .run_id = plan->run_id,
        .run_dir = plan->run_dir,
        .run_tmp = plan->run_tmp,
        .names_only = true,
        .stored = true,
    };
    buf_free(&text);
    sets_of(o, plan, src, arena);
    d->file = src->file;
    s = suite_load(src, arena, d);
    if (!s) {
        err_set(e, "the suite of the stored run in \"%s\" cannot be read again", o->dir);
        return NULL;
    }
    restore_origins(o, plan, s);
    republish(plan, s, arena);
    return s;
}

static struct run_result *result_of(const struct stored_opts *o, struct suite *s,
                                    struct arena *arena)
{
    struct run_result *r = arena_new(arena, struct run_result);

    r->suite = s;
    r->arena = arena;
    r->dir = o->dir;
    r->phase_count = s->phase_count;
    r->phases = arena_array(arena, struct phase_result, s->phase_count + 1);
    for (int i = 0; i < s->phase_count; i++) {
        struct phase_result *p = &r->phases[i];

        p->phase = &s->phases[i];
        p->steps = arena_array(arena, struct step_result, p->phase->step_count + 1);
        for (int k = 0; k < p->phase->step_count; k++) {
            p->steps[k].step = &p->phase->steps[k];
            step_shape(p->steps[k].step, arena, &p->steps[k].shape);
            meter_init(&p->steps[k].meter, &p->steps[k].shape);
        }
        phase_link_attacks(p);
    }
    return r;
}

static void meters_free(struct run_result *r)
{
    for (int i = 0; i < r->phase_count; i++)
        for (int k = 0; k < r->phases[i].phase->step_count; k++)
            meter_free(&r->phases[i].steps[k].meter);
}

struct run_result *stored_load(const struct stored_opts *o, struct arena *arena, struct diags *d,
                               struct err *e)
{
    struct plan plan;
    struct suite *s = NULL;
    struct run_result *r;
    struct buf result = {0}, series = {0};
    bool ok;

    if (plan_load(o->dir, &plan, arena, e))
        s = suite_of(o, &plan, arena, d, e);
    if (!s)
        return NULL;
    r = result_of(o, s, arena);
    ok = read_in(o->dir, "result.json", MAX_LARGE, &result, e) &&
         result_read(buf_text(&result), result.len, r, e) &&
         read_in(o->dir, "series.json", MAX_LARGE, &series, e) &&
         series_read(buf_text(&series), series.len, r, e);
    buf_free(&result);
    buf_free(&series);
    if (ok)
        return r;
    meters_free(r);
    err_wrap(e, "stored run \"%s\"", o->dir);
    return NULL;
}
