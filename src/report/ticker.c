#include "report/ticker.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "report/text.h"
#include "run/observer.h"
#include "suite/suite.h"

#define NAME_COLUMNS 18
#define BAR_COLUMNS  16
#define INTERVAL_S   5

static void remember(struct ticker *h, const struct live *l)
{
    uint64_t second = l->elapsed_ns / NS_PER_S;

    if (second + 1 <= h->second)
        return;
    if (h->count == TICKER_POINTS)
        memmove(h->rates, h->rates + 1, --h->count * sizeof(*h->rates));
    h->rates[h->count++] = l->rate;
    h->second = second + 1;
}

static void sparkline(const struct ticker *h, struct buf *out)
{
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    double top = 0;

    for (int i = 0; i < h->count; i++)
        if (h->rates[i] > top)
            top = h->rates[i];
    for (int i = 0; i < h->count; i++)
        buf_adds(out, blocks[top > 0 ? (int)(h->rates[i] / top * 7 + 0.5) : 0]);
}

static void bar(const struct live *l, struct buf *out)
{
    double share = (double)l->elapsed_ns / (double)l->length_ns;
    int full = share >= 1 ? BAR_COLUMNS : (int)(share * BAR_COLUMNS);

    for (int i = 0; i < BAR_COLUMNS; i++)
        buf_adds(out, i < full ? "█" : "░");
}

/* Appends `field` with two spaces before it if there is room, and empties it; false if there is
 * not. */
static bool add_field(struct buf *out, struct buf *field, int width, int *room, bool color,
                      enum style style)
{
    int used = text_width(buf_text(field)), pad = used < width ? width - used : 0;
    bool fits = 2 + used + pad <= *room;

    if (fits) {
        text_pad(out, 2 + pad);
        text_styled(out, color, style, buf_text(field));
        *room -= 2 + used + pad;
    }
    buf_clear(field);
    return fits;
}

static void add_name(const struct live *l, int *room, bool color, struct buf *out)
{
    struct buf name = {0}, field = {0};

    text_add(&name, l->step->name);
    for (const char *p = buf_text(&name); *p; p++) {
        if (((unsigned char)*p & 0xC0) != 0x80 && text_width(buf_text(&field)) == NAME_COLUMNS)
            break;
        buf_addc(&field, *p);
    }
    text_pad(&field, NAME_COLUMNS - text_width(buf_text(&field)));
    add_field(out, &field, 0, room, color, STYLE_BOLD);
    buf_free(&name);
    buf_free(&field);
}

static void add_time(const struct live *l, struct buf *out)
{
    buf_printf(out, "%.0fs", (double)(l->elapsed_ns / NS_PER_S));
    if (l->length_ns)
        buf_printf(out, "/%.0fs", (double)l->length_ns / NS_PER_S);
}

/* "19,950 streams up" of a gauge named streams_up. */
static bool add_gauge(const struct live *l, struct buf *out)
{
    char text[UNITS_MAX];

    if (!l->gauge || l->shown < 0)
        return false;
    buf_printf(out, "%s ", units_print_count((double)l->shown, text));
    for (const char *p = l->gauge; *p; p++)
        buf_addc(out, *p == '_' ? ' ' : *p);
    return true;
}

static bool numbers(const struct live *l, int *room, bool color, struct buf *field, struct buf *out)
{
    char text[UNITS_MAX];
    bool ok;

    add_time(l, field);
    ok = add_field(out, field, 9, room, color, STYLE_PLAIN);
    buf_adds(field, units_print_rate(l->rate, text));
    ok = ok && add_field(out, field, 8, room, color, STYLE_PLAIN);
    buf_printf(field, "%s failed", units_print_count((double)l->failed, text));
    ok = ok && add_field(out, field, 9, room, color, l->failed ? STYLE_BAD : STYLE_PLAIN);
    buf_printf(field, "p95 %s", l->p95_ns > 0 ? units_print_duration(l->p95_ns, text) : "-");
    ok = ok && add_field(out, field, 10, room, color, STYLE_PLAIN);
    buf_printf(field, "%s in flight", units_print_count((double)l->in_flight, text));
    ok = ok && add_field(out, field, 13, room, color, STYLE_PLAIN);
    return ok && (!add_gauge(l, field) || add_field(out, field, 16, room, color, STYLE_PLAIN));
}

void ticker_line(const struct live *l, struct ticker *h, int columns, bool color, struct buf *out)
{
    int room = columns - 1; /* a terminal may wrap as soon as the last column is filled */
    struct buf field = {0};
    bool ok = true;

    add_name(l, &room, color, out);
    if (!l->started || l->over) {
        buf_adds(&field, l->over ? "done" : "waiting");
        add_field(out, &field, 0, &room, color, STYLE_DIM);
        buf_free(&field);
        return;
    }
    remember(h, l);
    if (l->length_ns) {
        bar(l, &field);
        ok = add_field(out, &field, 0, &room, color, STYLE_GOOD);
    }
    ok = ok && numbers(l, &room, color, &field, out);
    sparkline(h, &field);
    if (ok)
        add_field(out, &field, 0, &room, color, STYLE_DIM);
    buf_free(&field);
}

bool ticker_plain(const struct live *l, struct ticker *h, struct buf *out)
{
    uint64_t interval = l->elapsed_ns / (INTERVAL_S * NS_PER_S);
    struct buf gauge = {0};
    char text[UNITS_MAX];

    if (!l->started || l->over || interval <= h->interval)
        return false;
    h->interval = interval;
    buf_adds(out, "  ");
    text_add(out, l->step->name);
    buf_adds(out, ": ");
    add_time(l, out);
    buf_printf(out, ", %s operations", units_print_count((double)l->ended, text));
    buf_printf(out, ", %s", units_print_rate(l->rate, text));
    buf_printf(out, ", %s failed", units_print_count((double)l->failed, text));
    if (l->p95_ns > 0)
        buf_printf(out, ", p95 %s", units_print_duration(l->p95_ns, text));
    buf_printf(out, ", %s in flight", units_print_count((double)l->in_flight, text));
    if (l->backlog)
        buf_printf(out, ", %s waiting", units_print_count((double)l->backlog, text));
    if (add_gauge(l, &gauge))
        buf_printf(out, ", %s", buf_text(&gauge));
    buf_free(&gauge);
    buf_addc(out, '\n');
    return true;
}
