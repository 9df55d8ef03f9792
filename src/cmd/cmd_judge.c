/* cmd_judge.c - `shakedown judge`: a stored run, decided again. */
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "cmd/command.h"
#include "cmd/judged.h"
#include "report/files.h"
#include "run/result.h"

struct judge_args {
    const char *dir, *out;
    struct texts set;
    bool json;
    int junit_dialect;
};

#define OPT_OF struct judge_args
static const struct opt judge_opts[] = {
    OPT_TEXT(dir, NULL, "results directory of a run", .flags = OPT_REQUIRED | OPT_POSITIONAL),
    OPT_TEXTS(set, "value of a variable, above those of the run; may be repeated",
              .example = "name=value"),
    OPT_TEXT(out, NULL, "write the reports here; the stored ones are never touched",
             .short_name = 'o'),
    OPT_BOOL(json, "false", "print result.json instead of the summary"),
    OPT_CHOICE(junit_dialect, "ci",
               "with --out: ci has files and lines; strict validates against both schemas",
               .choices = junit_dialects),
    {0},
};
#undef OPT_OF

static void print_result(const struct judge_args *a, const struct run_result *r)
{
    struct buf text = {0};

    if (a->json)
        result_json(r, &text);
    else
        summary_text(r, false, &text);
    fputs(buf_text(&text), stdout);
    buf_free(&text);
}

static int decide(const struct judge_args *a, struct run_result *r)
{
    struct files_opts files = {a->out, a->junit_dialect, NULL};
    struct err e;

    print_result(a, r);
    if (a->out && (!fs_mkdirs(a->out, 0755, &e) || !files_write(&files, r, &e))) {
        fprintf(stderr, "shakedown judge: %s\n", e.text);
        return EXIT_COULD_NOT;
    }
    return r->exit_code;
}

static int run_judge(const void *opts)
{
    const struct judge_args *a = opts;
    struct judged j;
    int code = judged_open(&j, "judge", a->dir, &a->set) ? decide(a, j.result) : EXIT_USAGE;

    judged_close(&j);
    return code;
}

const struct command command_judge = {
    .name = "judge",
    .usage = "DIR [options]",
    .brief = "decides a stored run again, also with other limits",
    .details = "Reads the results directory of an earlier run and evaluates its thresholds anew.  "
               "The same\n"
               "run gives the same verdict, byte for byte, on any machine.",
    .opts = judge_opts,
    .opts_size = sizeof(struct judge_args),
    .run = run_judge,
};
