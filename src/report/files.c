#include "report/files.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "report/plan_json.h"
#include "report/terminal.h"
#include "report/text.h"
#include "run/observer.h"
#include "run/result.h"

struct files {
    struct observer observer; /* first: files_failed() gets from it to the rest */
    const struct files_opts *opts;
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
    struct err e;

    if (!files_write(f->opts, r, &e)) {
        f->failed = true;
        terminal_error("reports: %s", e.text);
    }
}

static void on_begin(void *ctx, const struct run_result *r)
{
    write_all(ctx, r);
}

static void on_phase_end(void *ctx, const struct run_result *r, const struct phase_result *p)
{
    (void)p;
    write_all(ctx, r);
}

struct observer *files_observer(const struct files_opts *o, struct arena *arena)
{
    struct files *f = arena_new(arena, struct files);

    f->opts = o;
    f->observer = (struct observer){
        .ctx = f,
        .run_begin = on_begin,
        .phase_end = on_phase_end,
        .run_end = on_begin,
    };
    return &f->observer;
}

bool files_failed(const struct observer *files)
{
    return ((const struct files *)files->ctx)->failed;
}
