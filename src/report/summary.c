/*
 * summary.c - summary.txt, the run for people: the verdict first, then what it rests on, phase by
 * phase, then whether it was us, then what to do next.
 */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "report/attack.h"
#include "report/figures.h"
#include "report/fleet.h"
#include "report/files.h"
#include "report/sizes_report.h"
#include "report/statuses_report.h"
#include "report/summary.h"
#include "report/table.h"
#include "report/text.h"
#include "run/result.h"

#define TOP_ERRORS 5
#define LAST_LINES 10

struct summary {
    const struct run_result *r;
    bool color;
    struct buf *out;
};

static void add_clean(struct table *t, const char *s, enum style style)
{
    struct buf b = {0};

    text_add(&b, s);
    table_add(t, buf_text(&b), style);
    buf_free(&b);
}

static void add_count(struct table *t, double n, enum style style)
{
    char text[UNITS_MAX];

    table_add(t, units_print_count(n, text), style);
}

void summary_headings(struct table *t, const char *const *names)
{
    for (int i = 0; i < t->columns; i++)
        table_add(t, names[i], STYLE_DIM);
}

void summary_times(struct table *t, const struct figures *f)
{
    char text[UNITS_MAX];

    table_add(t, f->rate > 0 ? units_print_rate(f->rate, text) : "-", STYLE_PLAIN);
    table_add(t, f->measured ? units_print_duration(f->p50, text) : "-", STYLE_PLAIN);
    table_add(t, f->measured ? units_print_duration(f->p95, text) : "-", STYLE_PLAIN);
    table_add(t, f->measured ? units_print_duration(f->p99, text) : "-", STYLE_PLAIN);
}

static void add_figures(struct table *t, const struct step_result *sr)
{
    struct figures f;

    figures_get(sr, &f);
    if (sr->step->load.executor == EX_STEPPING) /* of all its sizes together they say nothing */
        f.measured = false;
    summary_times(t, &f);
}

static void steps(struct summary *s, const struct phase_result *p)
{
    static const char *const names[] = {"step", "operations", "failed", "dropped", "unfinished",
                                        "rate", "p50",        "p95",    "p99"};
    struct table t = {.columns = 9, .left = 1};

    for (int i = 0; i < p->phase->step_count; i++) {
        const struct step_result *sr = &p->steps[i];

        if (sr->step->load.executor == EX_ONCE) /* one operation: its finding says it all */
            continue;
        if (t.count == 0)
            summary_headings(&t, names);
        add_clean(&t, sr->step->name, STYLE_PLAIN);
        add_count(&t, (double)sr->sent, STYLE_PLAIN);
        add_count(&t, (double)(sr->failed + sr->client_errors),
                  sr->failed + sr->client_errors ? STYLE_BAD : STYLE_PLAIN);
        add_count(&t, (double)sr->dropped, sr->dropped ? STYLE_DOUBT : STYLE_PLAIN);
        add_count(&t, (double)sr->unfinished, sr->unfinished ? STYLE_DOUBT : STYLE_PLAIN);
        add_figures(&t, sr);
    }
    table_print(&t, 2, s->color, s->out);
}

static void add_evidence(struct table *t, const struct finding *f)
{
    const struct evidence *ev = &f->evidence;
    enum metric_unit unit = text_unit(f->threshold, f->metric);
    char text[2 * UNITS_MAX + 8], low[UNITS_MAX], high[UNITS_MAX];

    table_add(t, ev->has_value ? text_quantity(unit, ev->observed, text) : "-", STYLE_BOLD);
    table_add(t, text_quantity(unit, f->threshold->limit, text), STYLE_PLAIN);
    table_add(t, ev->has_value ? text_quantity(unit, ev->margin, text) : "-",
              ev->has_value && ev->margin < 0 ? STYLE_BAD : STYLE_PLAIN);
    add_count(t, (double)ev->n, STYLE_PLAIN);
    if (ev->has_interval)
        snprintf(text, sizeof(text), "%s..%s", text_quantity(unit, ev->low, low),
                 text_quantity(unit, ev->high, high));
    table_add(t, ev->has_interval ? text : "-", STYLE_PLAIN);
}

/* The name of a finding without the phase's, below whose heading it stands. */
static const char *short_name(const struct finding *f, const char *phase)
{
    const char *name = f->name ? f->name : "";
    size_t len = strlen(phase);

    return strncmp(name, phase, len) == 0 && strncmp(name + len, ": ", 2) == 0 ? name + len + 2
                                                                               : name;
}

static bool is_threshold(const struct finding *f)
{
    return f->threshold && f->metric;
}

static void thresholds(struct summary *s, const struct phase_result *p)
{
    static const char *const names[] = {"verdict", "threshold", "observed", "limit",
                                        "margin",  "n",         "interval"};
    struct table t = {.columns = 7, .left = 3};

    for (const struct finding *f = p->findings; f; f = f->next) {
        if (!is_threshold(f))
            continue;
        if (t.count == 0)
            summary_headings(&t, names);
        table_add(&t, text_finding_word(f), text_finding_style(f));
        add_clean(&t, short_name(f, p->phase->name), STYLE_PLAIN);
        add_evidence(&t, f);
    }
    if (t.count)
        buf_addc(s->out, '\n');
    table_print(&t, 2, s->color, s->out);
}

/* What passed is told by its table row; everything else deserves its sentence. */
static void sentences(struct summary *s, const struct finding *first)
{
    for (const struct finding *f = first; f; f = f->next)
        if (f->state != FOUND_PASS || !is_threshold(f))
            text_finding(s->out, f, s->color);
}

static void errors(struct summary *s, const struct step_result *sr)
{
    char count[UNITS_MAX];
    struct buf line = {0};

    for (int i = 0; i < sr->error_count && i < TOP_ERRORS; i++) {
        const struct error_count *ec = &sr->errors[i];
        const struct outcome_info *info = &outcomes[ec->outcome];

        buf_clear(&line);
        buf_printf(&line, "%s: %s x %s (%s): %s", sr->step->name,
                   units_print_count((double)ec->count, count), info->name,
                   fault_names[info->fault], ec->why ? ec->why : info->name);
        text_pad(s->out, 4);
        text_wrap(s->out, buf_text(&line), 4, 8);
        buf_addc(s->out, '\n');
    }
    if (sr->error_count > TOP_ERRORS)
        buf_printf(s->out, "    ... and %d other kinds\n", sr->error_count - TOP_ERRORS);
    if (sr->error_count && sr->status_count) {
        buf_clear(&line);
        buf_printf(&line, "%s: answers by status: ", sr->step->name);
        statuses_report_text(sr, &line);
        text_pad(s->out, 4);
        text_wrap(s->out, buf_text(&line), 4, 8);
        buf_addc(s->out, '\n');
    }
    buf_free(&line);
}

static bool has_errors(const struct phase_result *p)
{
    for (int i = 0; p->steps && i < p->phase->step_count; i++)
        if (p->steps[i].error_count)
            return true;
    return false;
}

static void phase(struct summary *s, const struct phase_result *p)
{
    enum style style;
    const char *word = text_phase_word(p, &style);
    struct buf name = {0};
    char took[UNITS_MAX];

    text_add(&name, p->phase->name);
    buf_addc(s->out, '\n');
    text_styled(s->out, s->color, STYLE_BOLD, buf_text(&name));
    buf_free(&name);
    buf_adds(s->out, ": ");
    text_styled(s->out, s->color, style, word);
    if (p->skipped) {
        buf_adds(s->out, ", ");
        text_wrap(s->out, p->skipped, 20, 4);
    } else if (p->elapsed_ns) {
        buf_printf(s->out, ", %s", units_print_duration((double)p->elapsed_ns, took));
    }
    buf_addc(s->out, '\n');
    if (p->skipped)
        return;
    if (p->steps)
        steps(s, p);
    for (int i = 0; p->steps && i < p->phase->step_count; i++) {
        attack_text(&p->steps[i], s->color, s->out);
        fleet_text(&p->steps[i], s->color, s->out);
        sizes_report_text(&p->steps[i], s->color, s->out);
    }
    thresholds(s, p);
    sentences(s, p->findings);
    if (has_errors(p)) {
        buf_adds(s->out, "  failures, most frequent first:\n");
        for (int i = 0; i < p->phase->step_count; i++)
            errors(s, &p->steps[i]);
    }
}

static void services(struct summary *s)
{
    const struct run_result *r = s->r;

    if (r->findings)
        buf_addc(s->out, '\n');
    sentences(s, r->findings);
    for (int i = 0; i < r->service_count; i++) {
        const struct service_result *sv = &r->services[i];
        struct buf line = {0};

        if (!sv->failure || !sv->service)
            continue;
        buf_printf(&line, "service %s: %s", sv->service->name, sv->failure);
        buf_addc(s->out, '\n');
        text_wrap(s->out, buf_text(&line), 0, 4);
        buf_addc(s->out, '\n');
        buf_free(&line);
        if (sv->last_lines && *sv->last_lines) {
            buf_adds(s->out, "  the last lines of its output:\n");
            text_tail(s->out, sv->last_lines, 4, LAST_LINES);
        }
    }
}

static void monitor(struct summary *s)
{
    const struct monitor_result *m = &s->r->monitor;
    char a[UNITS_MAX], b[UNITS_MAX], c[UNITS_MAX];
    struct buf line = {0};

    buf_printf(&line,
               "Was it us? Operations began %s (median), %s (p99), %s (worst) after they were "
               "due; ",
               units_print_duration(m->lag_p50_ns, a), units_print_duration(m->lag_p99_ns, b),
               units_print_duration(m->lag_max_ns, c));
    buf_printf(&line, "%.2f cores in the busiest second, %s of CPU in all; steal %s, ",
               m->cpu_share, units_print_duration(m->cpu_seconds * NS_PER_S, a),
               units_print_ratio(m->steal_share, b));
    buf_printf(&line, "throttled %s; peak memory %s.",
               units_print_duration((double)m->throttled_ns, a),
               units_print_size((double)m->peak_rss, b));
    buf_addc(s->out, '\n');
    text_wrap(s->out, buf_text(&line), 0, 2);
    buf_addc(s->out, '\n');
    buf_free(&line);
}

static void verdict(struct summary *s)
{
    static const char *const words[] = {"PASS", "BREACH", "USAGE", "INCONCLUSIVE"};
    static const enum style styles[] = {STYLE_GOOD, STYLE_BAD, STYLE_DOUBT, STYLE_DOUBT};
    const struct run_result *r = s->r;
    int code = text_exit_code(r) & 3;
    char text[TEXT_TIME_MAX > UNITS_MAX ? TEXT_TIME_MAX : UNITS_MAX];
    struct buf line = {0};

    text_styled(s->out, s->color, styles[code], words[code]);
    buf_adds(s->out, ": ");
    buf_printf(&line, "%s (exit %d)", text_headline(r), code);
    text_wrap(s->out, buf_text(&line), (int)strlen(words[code]) + 2, 2);
    buf_clear(&line);
    buf_printf(&line, "suite %s", r->suite->name);
    if (r->suite->preset)
        buf_printf(&line, ", preset %s", r->suite->preset);
    buf_printf(&line, ", run %s, %s", r->run_id, text_time(r->started_wall_ns, text));
    buf_printf(&line, ", took %s", units_print_duration((double)r->elapsed_ns, text));
    if (r->interrupted)
        buf_printf(&line, ", interrupted by %s", r->interrupted);
    buf_addc(s->out, '\n');
    text_wrap(s->out, buf_text(&line), 0, 2);
    buf_addc(s->out, '\n');
    buf_free(&line);
}

static void next_steps(struct summary *s)
{
    const struct run_result *r = s->r;
    int code = text_exit_code(r);
    const char *advice =
        "Nothing is known about the service until the cause above is mended and the "
        "run repeated.";

    if (code == 1)
        advice =
            "A breach is conclusive: the service missed a limit, and chance or this machine do "
            "not explain it.";
    if (code != 0) {
        text_wrap(s->out, advice, 0, 2);
        buf_addc(s->out, '\n');
    }
    if (!r->dir)
        return;
    if (s->r->left_running)
        text_clean(s->r->left_running, strlen(s->r->left_running), true, s->out);
    buf_adds(s->out, "Results: ");
    text_add(s->out, r->dir);
    buf_adds(s->out, "\nOther limits on the same measurements: shakedown judge ");
    text_add(s->out, r->dir);
    buf_adds(s->out, " --set NAME=VALUE\n");
}

void summary_text(const struct run_result *r, bool color, struct buf *out)
{
    struct summary s = {.r = r, .color = color, .out = out};

    verdict(&s);
    services(&s);
    for (int i = 0; i < r->phase_count; i++)
        phase(&s, &r->phases[i]);
    monitor(&s);
    next_steps(&s);
}
