/* cmd_validate.c - `shakedown validate`: every mistake of a suite, and nothing else. */
#include <stdio.h>

#include "cmd/command.h"
#include "cmd/session.h"

struct validate_args {
    struct suite_args args;
};

#define OPT_OF struct validate_args
static const struct opt validate_opts[] = {SUITE_ARGS_ROWS, {0}};
#undef OPT_OF

static int run_validate(const void *opts)
{
    const struct validate_args *a = opts;
    struct session_opts so = {.args = &a->args, .run_id = "validate"};
    struct session s;
    int code = EXIT_USAGE;

    if (session_open(&s, &so)) {
        printf("%s: suite %s: %d phase%s, no mistakes\n", s.source.file, s.suite->name,
               s.suite->phase_count, s.suite->phase_count == 1 ? "" : "s");
        code = EXIT_PASS;
    }
    session_close(&s);
    return code;
}

const struct command command_validate = {
    .name = "validate",
    .usage = "SUITE [options]",
    .brief = "checks a suite and starts nothing",
    .details = "All mistakes are told at once, as file:line:column: path: what is wrong.  Exit "
               "codes: 0 no\n"
               "mistakes (warnings may be told), 2 mistakes.",
    .opts = validate_opts,
    .opts_size = sizeof(struct validate_args),
    .run = run_validate,
};
