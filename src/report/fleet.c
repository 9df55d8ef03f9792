#include "report/fleet.h"

#include <string.h>

#include "base/buf.h"
#include "base/units.h"
#include "report/figures.h"
#include "report/summary.h"
#include "report/table.h"
#include "report/text.h"
#include "run/result.h"

/* One that its preflight let begin. */
static bool is_fleet(const struct step_result *sr)
{
    struct series s;
    double seconds, sum;

    if (sr->step->load.executor == EX_ONCE || !sr->meter.cells ||
        !figures_series(sr, "registrations", -1, &s, &seconds))
        return false;
    sum = s.sum;
    series_free(&s);
    return sum > 0;
}

static void add_row(struct table *t, const struct series *s)
{
    static const double quantiles[] = {0.5, 0.9, 0.95, 0.99, 0.999};
    char text[UNITS_MAX];

    table_add(t, s->metric->name, STYLE_PLAIN);
    table_add(t, units_print_count((double)s->n, text), STYLE_PLAIN);
    for (size_t i = 0; i < sizeof(quantiles) / sizeof(*quantiles); i++)
        table_add(t, units_print_duration(hist_quantile(s->hist, quantiles[i]), text), STYLE_PLAIN);
    table_add(t, units_print_duration(s->max, text), STYLE_PLAIN);
}

static void times(const struct step_result *sr, bool color, struct buf *out)
{
    static const char *const names[] = {"time", "n", "p50", "p90", "p95", "p99", "p99.9", "max"};
    struct table t = {.columns = 8, .left = 1};
    struct series s;
    double seconds;

    summary_headings(&t, names);
    for (int i = 0; i < sr->step->metric_count; i++) {
        const struct metric *m = sr->step->metrics[i];

        if (m->type != METRIC_TREND || m->unit != UNIT_TIME ||
            !figures_series(sr, m->name, -1, &s, &seconds))
            continue;
        if (s.n && s.hist)
            add_row(&t, &s);
        series_free(&s);
    }
    table_print(&t, 4, color, out);
}

/* Those that ought to be 0 are told when they are; of the others, what there was. */
static bool tells(const struct series *s)
{
    static const char *const always[] = {"missed_beats", "beats_late", "reconnects",
                                         "registrations_failed"};

    for (size_t i = 0; i < sizeof(always) / sizeof(*always); i++)
        if (strcmp(s->metric->name, always[i]) == 0)
            return true;
    return s->metric->type == METRIC_GAUGE || s->sum > 0;
}

static void add_count(struct buf *line, const struct series *s)
{
    char text[UNITS_MAX];

    if (!tells(s))
        return;
    buf_printf(line, "%s%s %s", line->len ? ", " : "", s->metric->name,
               units_print_count(s->metric->type == METRIC_GAUGE ? s->last : s->sum, text));
}

static void counts(const struct step_result *sr, struct buf *out)
{
    struct buf line = {0};
    struct series s;
    double seconds;

    for (int i = 0; i < sr->step->metric_count; i++) {
        const struct metric *m = sr->step->metrics[i];

        if ((m->type != METRIC_COUNTER && !m->live) ||
            !figures_series(sr, m->name, -1, &s, &seconds))
            continue;
        if (m->unit == UNIT_NONE && strcmp(m->name, "iterations") != 0)
            add_count(&line, &s);
        series_free(&s);
    }
    text_pad(out, 4);
    text_wrap(out, buf_text(&line), 4, 4);
    buf_addc(out, '\n');
    buf_free(&line);
}

void fleet_text(const struct step_result *sr, bool color, struct buf *out)
{
    if (!is_fleet(sr))
        return;
    buf_adds(out, "\n  ");
    text_add(out, sr->step->name);
    buf_adds(out, ", from its beginning to its end:\n");
    times(sr, color, out);
    counts(sr, out);
}
