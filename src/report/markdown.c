/* markdown.c - summary.md, the run for pull requests and job summaries: GitHub's dialect. */
#include <string.h>

#include "base/buf.h"
#include "report/files.h"
#include "report/text.h"
#include "run/result.h"

/* Text between Markdown's own marks, in a cell of a table or outside one. */
static void markdown(struct buf *out, const char *s)
{
    struct buf clean = {0};

    text_add(&clean, s);
    for (const char *p = buf_text(&clean); *p; p++) {
        if (*p == '<' || *p == '>' || *p == '&')
            buf_printf(out, "&#%d;", *p);
        else if (strchr("\\`*_{}[]()#|!~", *p))
            buf_printf(out, "\\%c", *p);
        else
            buf_addc(out, *p);
    }
    buf_free(&clean);
}

static void row(struct buf *out, const char *phase, const struct finding *f)
{
    char text[UNITS_MAX];
    enum metric_unit unit;

    buf_printf(out, "| %s | ", text_finding_word(f));
    markdown(out, phase);
    buf_adds(out, " | ");
    markdown(out, f->name);
    buf_adds(out, " | ");
    if (f->threshold && f->metric && f->evidence.has_value) {
        unit = text_unit(f->threshold, f->metric);
        markdown(out, text_quantity(unit, f->evidence.observed, text));
        buf_adds(out, " | ");
        markdown(out, text_quantity(unit, f->evidence.margin, text));
    } else {
        buf_adds(out, "- | -");
    }
    buf_printf(out, " | %s |\n", units_print_count((double)f->evidence.n, text));
}

/* The whole summary as it is on the terminal, as far as there is room. */
static void details(const struct run_result *r, struct buf *out)
{
    static const char head[] = "\n<details><summary>Everything</summary>\n\n<pre>\n";
    static const char more[] = "... (the rest is in summary.txt)\n", tail[] = "</pre></details>\n";
    struct buf text = {0};
    const char *p;
    size_t end;

    summary_text(r, false, &text);
    buf_adds(out, head);
    for (p = buf_text(&text), end = out->len; *p; p++) {
        if (*p == '<' || *p == '>' || *p == '&')
            buf_printf(out, "&#%d;", *p);
        else
            buf_addc(out, *p);
        if (*p == '\n')
            end = out->len;
        if (out->len + sizeof(more) + sizeof(tail) > SUMMARY_MARKDOWN_MAX) {
            out->len = end;
            buf_adds(out, more);
            break;
        }
    }
    buf_adds(out, tail);
    buf_free(&text);
}

void summary_markdown(const struct run_result *r, struct buf *out)
{
    static const size_t table_max = SUMMARY_MARKDOWN_MAX / 2;

    buf_adds(out, "### ");
    markdown(out, r->suite->name);
    buf_printf(out, ": %s\n\n", text_verdict(r));
    markdown(out, text_headline(r));
    buf_adds(out, "\n\n| verdict | phase | finding | observed | margin | n |\n"
                  "|---|---|---|---:|---:|---:|\n");
    for (int i = -1; i < r->phase_count; i++)
        for (const struct finding *f = i < 0 ? r->findings : r->phases[i].findings; f; f = f->next)
            if (out->len < table_max)
                row(out, i < 0 ? "services" : r->phases[i].phase->name, f);
    details(r, out);
}
