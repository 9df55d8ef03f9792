/* cmd_report.c - `shakedown report`: a stored run, written in one of the formats there are. */
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "cmd/command.h"
#include "cmd/judged.h"
#include "report/files.h"

enum format {
    FORMAT_SUMMARY,
    FORMAT_MARKDOWN,
    FORMAT_JSON,
    FORMAT_JUNIT,
    FORMAT_STRICT,
    FORMAT_K6
};
static const char *const formats[] = {"summary",      "markdown",   "json", "junit",
                                      "junit-strict", "k6-summary", NULL};

struct report_args {
    const char *dir, *out;
    struct texts set;
    int format;
};

#define OPT_OF struct report_args
static const struct opt report_opts[] = {
    OPT_TEXT(dir, NULL, "results directory of a run", .flags = OPT_REQUIRED | OPT_POSITIONAL),
    OPT_CHOICE(format, "summary", "what to write", .choices = formats, .short_name = 'f'),
    OPT_TEXT(out, NULL, "write it into this file instead of to standard output", .short_name = 'o'),
    OPT_TEXTS(set, "value of a variable, above those of the run; may be repeated",
              .example = "name=value"),
    {0},
};
#undef OPT_OF

static void render(enum format format, const struct run_result *r, struct buf *out)
{
    switch (format) {
    case FORMAT_SUMMARY:
        summary_text(r, false, out);
        break;
    case FORMAT_MARKDOWN:
        summary_markdown(r, out);
        break;
    case FORMAT_JSON:
        result_json(r, out);
        break;
    case FORMAT_JUNIT:
        junit_xml(r, JUNIT_CI, out);
        break;
    case FORMAT_STRICT:
        junit_xml(r, JUNIT_STRICT, out);
        break;
    case FORMAT_K6:
        k6_summary(r, out);
    }
}

static int write_report(const struct report_args *a, const struct buf *text)
{
    struct err e;

    if (!a->out) {
        fwrite(text->data, 1, text->len, stdout);
        return EXIT_PASS;
    }
    if (fs_write(a->out, buf_text(text), text->len, 0644, &e))
        return EXIT_PASS;
    fprintf(stderr, "shakedown report: %s\n", e.text);
    return EXIT_COULD_NOT;
}

static int run_report(const void *opts)
{
    const struct report_args *a = opts;
    struct buf text = {0};
    struct judged j;
    int code = EXIT_USAGE;

    if (judged_open(&j, "report", a->dir, &a->set)) {
        render((enum format)a->format, j.result, &text);
        code = write_report(a, &text);
    }
    buf_free(&text);
    judged_close(&j);
    return code;
}

const struct command command_report = {
    .name = "report",
    .usage = "DIR [options]",
    .brief = "writes a stored run in another format",
    .details =
        "k6-summary is what k6 hands to handleSummary(), with the steps as sub-metrics and\n"
        "connector_tier beside it.  The exit code tells whether the report was written, not the\n"
        "verdict: that is what judge is for.",
    .opts = report_opts,
    .opts_size = sizeof(struct report_args),
    .run = run_report,
};
