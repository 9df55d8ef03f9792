/*
 * command.h - the subcommands: one file and one row each.
 *
 * An option of the command line is a row of the command's option table; parsing, `--help` and the
 * reference come from it.  `--max-rows` binds the field `max_rows`.
 */
#pragma once

#include "spec/opt.h"

enum { EXIT_PASS, EXIT_BREACH, EXIT_USAGE, EXIT_COULD_NOT };

struct command {
    const char *name;
    const char *usage;   /* what follows the name: "SUITE [options]" */
    const char *brief;   /* one line */
    const char *details; /* more for --help; or NULL */
    const struct opt *opts;
    size_t opts_size;
    int (*run)(const void *opts);
};

extern const struct command command_run, command_validate, command_judge, command_report,
    command_cleanup, command_list, command_help, command_schema, command_target, command_completion,
    command_version;

extern const struct command *const commands[]; /* NULL-terminated */

const struct command *command_find(const char *name);
void command_print_help(const struct command *c, FILE *out);
int command_main(int argc, char **argv); /* exit code */
