#include "report/files.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "report/plan_json.h"
#include "report/terminal.h"
#include "report/text.h"
#include "run/observer.h"
#include "run/result.h"

#define REST_SHARE 4 /* of the time that writing took, before it is done again */

struct files {
    struct observer observer; /* first: files_failed() gets from it to the rest */
    const struct files_opts *opts;
    const struct run_result *behind; /* a phase of it has ended that is not written; or NULL */
    uint64_t due_ns;                 /* when the next one may be, beyond FILES_FEW_PHASES */
    bool failed;
};

static bool write_path(const char *path, struct buf *text, struct err *e)
{
    bool ok = fs_write(path, buf_text(text), text->len, 0644, e);

    buf_free(text);
    return ok;
}

/* Takes `text`. */
static bool write_in(const struct files_opts *o, const char *name, struct buf *text, struct err *e)
{
    struct buf path = {0};
    bool ok;

    buf_printf(&path, "%s/%s", o->dir, name);
    ok = write_path(buf_text(&path), text, e);
    buf_free(&path);
    return ok;
}

static bool write_inputs(const struct files_opts *o, const struct suite *s, struct err *e)
{
    struct buf plan = {0}, suite = {0};
    bool ok;

    plan_json(s, &plan);
    text_clean(s->source->text, s->source->len, true, &suite);
    ok = write_in(o, "plan.json", &plan, e);
    return write_in(o, "suite.yaml", &suite, e) && ok;
}

static bool write_junit(const struct files_opts *o, const struct run_result *r, struct err *e)
{
    struct buf a = {0}, b = {0};
    bool ok;

    junit_xml(r, (enum junit_dialect)o->dialect, &a);
    if (o->junit)
        buf_add(&b, a.data, a.len);
    ok = write_in(o, "junit.xml", &a, e);
    return (!o->junit || write_path(o->junit, &b, e)) && ok;
}

/* Every document is tried, whatever became of the one before: half a report beats none. */
bool files_write(const struct files_opts *o, const struct run_result *r, struct err *e)
{
    struct buf result = {0}, series = {0}, summary = {0}, markdown = {0};
    bool ok = write_inputs(o, r->suite, e);

    result_json(r, &result);
    series_json(r, &series);
    summary_text(r, false, &summary);
    summary_markdown(r, &markdown);
    ok = write_in(o, "series.json", &series, e) && ok;
    ok = write_junit(o, r, e) && ok;
    ok = write_in(o, "summary.txt", &summary, e) && ok;
    ok = write_in(o, "summary.md", &markdown, e) && ok;
    return write_in(o, "result.json", &result, e) && ok;
}

static void write_all(struct files *f, const struct run_result *r)
{
    uint64_t began = now_ns(), ended, rest;
    struct err e;

    if (!files_write(f->opts, r, &e)) {
        f->failed = true;
        terminal_error("reports: %s", e.text);
    }
    ended = now_ns();
    rest = (ended - began) * REST_SHARE;
    f->due_ns = ended + (rest > NS_PER_S ? rest : NS_PER_S);
    f->behind = NULL;
}

static void on_begin(void *ctx, const struct run_result *r)
{
    write_all(ctx, r);
}

/* Every report is of all phases so far: written after each of very many, they would take longer
 * than the run. */
static void on_phase_end(void *ctx, const struct run_result *r, const struct phase_result *p)
{
    struct files *f = ctx;

    (void)p;
    if (r->phase_count <= FILES_FEW_PHASES || r->interrupted || now_ns() >= f->due_ns)
        write_all(f, r);
    else
        f->behind = r;
}

/* The phase that is running is not among those that have ended. */
static void on_tick(void *ctx, const struct phase_result *p, const struct live *steps, int count)
{
    struct files *f = ctx;
    struct run_result ended;

    (void)p;
    (void)steps;
    (void)count;
    if (!f->behind || now_ns() < f->due_ns)
        return;
    ended = *f->behind;
    ended.phase_count--;
    write_all(f, &ended);
}

struct observer *files_observer(const struct files_opts *o, struct arena *arena)
{
    struct files *f = arena_new(arena, struct files);

    f->opts = o;
    f->observer = (struct observer){
        .ctx = f,
        .run_begin = on_begin,
        .phase_end = on_phase_end,
        .tick = on_tick,
        .run_end = on_begin,
    };
    return &f->observer;
}

bool files_failed(const struct observer *files)
{
    return ((const struct files *)files->ctx)->failed;
}
