#include "report/sizes_report.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/clock.h"
#include "report/document.h"
#include "report/figures.h"
#include "report/summary.h"
#include "report/table.h"
#include "report/text.h"
#include "run/result.h"

#define SIZES_MAX 1000 /* in a stored run: more than any run has */

static bool has_sizes(const struct step_result *sr)
{
    return sr->step->load.executor == EX_STEPPING && sr->meter.cells;
}

static const char *word(const struct size_result *z, enum style *style)
{
    *style = z->verdict == VERDICT_PASS     ? STYLE_GOOD
             : z->verdict == VERDICT_BREACH ? STYLE_BAD
                                            : STYLE_DOUBT;
    return z->verdict == VERDICT_PASS     ? "held"
           : z->verdict == VERDICT_BREACH ? "did not"
                                          : "unclear";
}

static void add_row(struct table *t, const struct step_result *sr, const struct size_result *z)
{
    char text[UNITS_MAX];
    struct figures f;
    enum style style;
    const char *w = word(z, &style);

    figures_get_seconds(sr, z->from, z->to, &f);
    f.rate = z->achieved;
    table_add(t, stepping_print(&sr->step->load.stepping, z->size, text), STYLE_PLAIN);
    table_add(t, w, style);
    table_add(t, units_print_duration((z->to - z->from) * (double)NS_PER_S, text), STYLE_PLAIN);
    table_add(t, units_print_count(z->sent, text), STYLE_PLAIN);
    table_add(t, f.n ? units_print_ratio((double)f.failed / (double)f.n, text) : "-",
              f.failed ? STYLE_BAD : STYLE_PLAIN);
    summary_times(t, &f);
}

void sizes_report_text(const struct step_result *sr, bool color, struct buf *out)
{
    static const char *const names[] = {"size",     "verdict", "time", "operations", "failed",
                                        "achieved", "p50",     "p95",  "p99"};
    struct table t = {.columns = 9, .left = 1 | 2};

    if (!has_sizes(sr) || !sr->size_count)
        return;
    buf_adds(out, "\n  ");
    text_add(out, sr->step->name);
    buf_adds(out, ", size by size:\n");
    summary_headings(&t, names);
    for (int i = 0; i < sr->size_count; i++)
        add_row(&t, sr, &sr->sizes[i]);
    table_print(&t, 4, color, out);
}

void sizes_report_lines(const struct step_result *sr, struct buf *out)
{
    char text[UNITS_MAX];
    enum style style;

    for (int i = 0; has_sizes(sr) && i < sr->size_count; i++) {
        const struct size_result *z = &sr->sizes[i];
        struct figures f;

        figures_get_seconds(sr, z->from, z->to, &f);
        text_add(out, sr->step->name);
        buf_printf(out, ": %s %s", stepping_print(&sr->step->load.stepping, z->size, text),
                   word(z, &style));
        buf_printf(out, ", achieved %s", units_print_rate(z->achieved, text));
        buf_printf(out, ", failed %s",
                   units_print_ratio(f.n ? (double)f.failed / (double)f.n : 0, text));
        if (f.measured) {
            buf_printf(out, ", p50 %s", units_print_duration(f.p50, text));
            buf_printf(out, ", p95 %s", units_print_duration(f.p95, text));
            buf_printf(out, ", p99 %s", units_print_duration(f.p99, text));
        }
        buf_adds(out, ": ");
        text_add(out, z->reason);
        buf_addc(out, '\n');
    }
}

static json_t *size_json(const struct step_result *sr, const struct size_result *z)
{
    static const char *const words[] = {"held", "did-not-hold", "unclear"};
    json_t *o = json_object();
    struct figures f;

    figures_get_seconds(sr, z->from, z->to, &f);
    json_object_set_new(o, "size", document_number(z->size));
    json_object_set_new(o, "verdict", document_word(words[z->verdict]));
    json_object_set_new(o, "runner_unfit", json_boolean(z->unfit));
    json_object_set_new(o, "reason", document_text(z->reason));
    json_object_set_new(o, "from", document_number(z->from));
    json_object_set_new(o, "to", document_number(z->to));
    json_object_set_new(o, "planned", z->planned > 0 ? document_number(z->planned) : json_null());
    json_object_set_new(o, "sent", document_number(z->sent));
    json_object_set_new(o, "failed", document_count(f.failed));
    json_object_set_new(o, "achieved_per_s", document_number(z->achieved));
    json_object_set_new(o, "late_for_target", document_number(z->late_busy));
    json_object_set_new(o, "late_for_runner", document_number(z->late_own));
    json_object_set_new(o, "lane_cpu", document_number(z->cpu));
    json_object_set_new(o, "p50_ms", f.measured ? document_ms(f.p50) : json_null());
    json_object_set_new(o, "p95_ms", f.measured ? document_ms(f.p95) : json_null());
    json_object_set_new(o, "p99_ms", f.measured ? document_ms(f.p99) : json_null());
    json_object_set_new(o, "metrics", figures_seconds_json(sr, z->from, z->to));
    return o;
}

json_t *sizes_report_json(const struct step_result *sr)
{
    const struct size_result *bad, *good;
    json_t *o, *sizes;

    if (!has_sizes(sr))
        return json_null();
    o = json_object();
    sizes = json_array();
    good = sizes_found(sr, &bad);
    json_object_set_new(o, "of", document_word(stepping_of_names[sr->step->load.stepping.of]));
    json_object_set_new(o, "last_good", document_number(good ? good->size : 0));
    json_object_set_new(o, "first_bad", bad ? document_number(bad->size) : json_null());
    json_object_set_new(o, "lower_bound", json_boolean(!bad));
    for (int i = 0; i < sr->size_count; i++)
        json_array_append_new(sizes, size_json(sr, &sr->sizes[i]));
    json_object_set_new(o, "sizes", sizes);
    return o;
}

static void size_read(struct reading *rd, const json_t *from, struct size_result *z)
{
    *z = (struct size_result){
        .size = read_number(rd, from, "size"),
        .from = (int)read_number(rd, from, "from"),
        .to = (int)read_number(rd, from, "to"),
        .achieved = read_number(rd, from, "achieved_per_s"),
        .late_busy = read_number(rd, from, "late_for_target"),
        .late_own = read_number(rd, from, "late_for_runner"),
        .cpu = read_number(rd, from, "lane_cpu"),
        .reason = "",
    };
    if (!rd->failed && z->from >= z->to)
        read_fault(rd, "a size is held from second %d to %d", z->from, z->to);
}

/* Older results have none. */
void sizes_report_read(struct reading *rd, const json_t *from, struct step_result *sr)
{
    const json_t *stepping = json_object_get(from, "stepping"), *sizes;
    size_t n;

    if (!json_is_object(stepping))
        return;
    sizes = read_list(rd, stepping, "sizes");
    n = json_array_size(sizes);
    if (n > SIZES_MAX)
        read_fault(rd, "%zu sizes", n);
    if (rd->failed)
        return;
    sr->sizes = arena_array(rd->arena, struct size_result, n + 1);
    for (size_t i = 0; i < n && !rd->failed; i++)
        size_read(rd, json_array_get(sizes, i), &sr->sizes[sr->size_count++]);
}
