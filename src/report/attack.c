#include "report/attack.h"

#include "base/buf.h"
#include "base/clock.h"
#include "report/figures.h"
#include "report/pressure.h"
#include "report/summary.h"
#include "report/table.h"
#include "report/text.h"

/* All seconds of one metric; its slices are gone when this returns. */
static bool total_of(const struct step_result *sr, const char *name, int part, struct series *s)
{
    struct selection sel = {
        .metric = step_metric(sr->step, name), .part = part, .outcome = -1, .to = -1};

    *s = (struct series){0};
    if (sel.metric < 0 || !sr->meter.cells)
        return false;
    series_select(s, &sr->meter, &sel);
    return true;
}

/* "status-408 x 950, fin x 12" */
static void add_ways(const struct step_result *sr, struct buf *line)
{
    const struct declared *d = &sr->step->declared;
    const char *sep = ": ";
    char count[UNITS_MAX];
    struct series s;

    for (int p = 1; p <= d->part_count; p++) {
        if (!total_of(sr, "evicted_after", p, &s))
            return;
        if (s.n)
            buf_printf(line, "%s%s x %s", sep, units_print_count((double)s.n, count),
                       d->parts[p - 1]);
        sep = s.n ? ", " : sep;
        series_free(&s);
    }
}

static void add_evicted(const struct step_result *sr, struct buf *line)
{
    char count[UNITS_MAX], low[UNITS_MAX], mid[UNITS_MAX], high[UNITS_MAX];
    struct series s;

    if (!total_of(sr, "evicted_after", -1, &s))
        return;
    if (s.n && s.hist) {
        buf_printf(line, "; %s evicted after %s (median; %s to %s)",
                   units_print_count((double)s.n, count),
                   units_print_duration(hist_quantile(s.hist, 0.5), mid),
                   units_print_duration(s.min, low), units_print_duration(s.max, high));
        add_ways(sr, line);
    } else {
        buf_adds(line, "; none evicted");
    }
    series_free(&s);
}

/* How much pressure there was, and what the server did about it. */
static void pressure(const struct step_result *sr, bool color, struct buf *out)
{
    char held[UNITS_MAX], asked[UNITS_MAX], most[UNITS_MAX];
    struct series ratio, peak;
    struct buf line = {0};
    struct pressure p;

    total_of(sr, engine_metrics[M_HELD_RATIO].name, -1, &ratio);
    total_of(sr, engine_metrics[M_CONNECTIONS_PEAK].name, -1, &peak);
    buf_printf(
        &line, "%s: held %s of the connection-time asked for, at most %s of %s connections at once",
        sr->step->name, units_print_ratio(ratio.last, held), units_print_count(peak.max, most),
        units_print_count((double)sr->step->load.connections, asked));
    series_free(&ratio);
    series_free(&peak);
    add_evicted(sr, &line);
    buf_adds(out, "\n  ");
    text_wrap(out, buf_text(&line), 2, 4);
    buf_addc(out, '\n');
    buf_free(&line);
    pressure_find(sr, &p);
    pressure_table(&p, color, out);
    pressure_free(&p);
}

static void window_rows(struct table *t, const struct step_result *sr, const struct windows *w)
{
    char text[UNITS_MAX];
    struct figures f;

    for (int i = 0; i < WINDOWS; i++) {
        int seconds = 0;

        for (int k = 0; k < w->seconds; k++)
            seconds += w->of[i][k];
        figures_get_window(sr, w, (enum window)i, &f);
        table_add(t, window_names[i], STYLE_PLAIN);
        table_add(t, units_print_duration(seconds * (double)NS_PER_S, text), STYLE_PLAIN);
        table_add(t, units_print_count((double)f.n, text), STYLE_PLAIN);
        table_add(t, f.n ? units_print_ratio((double)f.failed / (double)f.n, text) : "-",
                  f.failed ? STYLE_BAD : STYLE_PLAIN);
        summary_times(t, &f);
    }
}

/* Control traffic before, during and after an attack, side by side. */
static void windows(const struct step_result *sr, bool color, struct buf *out)
{
    static const char *const names[] = {"window", "time", "operations", "failed",
                                        "rate",   "p50",  "p95",        "p99"};
    struct table t = {.columns = 8, .left = 1};
    struct buf line = {0};
    struct windows w;
    int recovered;

    windows_find(sr, &w);
    recovered = windows_recovery(sr, &w);
    buf_printf(&line, "%s while %s held its share (%d of %d s); ", sr->step->name,
               sr->attack->step->name, w.held, w.asked);
    if (recovered >= 0)
        buf_printf(&line, "as good as before %d s after its end", recovered);
    else
        buf_adds(&line, "not seen to be as good as before again");
    buf_adds(out, "\n  ");
    text_wrap(out, buf_text(&line), 2, 4);
    buf_addc(out, '\n');
    buf_free(&line);
    summary_headings(&t, names);
    window_rows(&t, sr, &w);
    table_print(&t, 4, color, out);
    windows_free(&w);
}

void attack_text(const struct step_result *sr, bool color, struct buf *out)
{
    if (!sr->begun)
        return;
    if (sr->step->load.executor == EX_HOLD_CONNECTIONS)
        pressure(sr, color, out);
    if (sr->attack)
        windows(sr, color, out);
}
