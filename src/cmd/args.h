/*
 * args.h - a command line, bound by an option table.
 *
 *     --name value  --name=value  -x value  -xvalue  --flag  --no-flag  --  -
 *
 * A field `max_rows` is `--max-rows`.  A list takes one element each time its option is given; of
 * the others the last one counts.  Rows with OPT_POSITIONAL take what is no option, in order; a
 * positional list takes all that remain.
 */
#pragma once

#include <stdio.h>

#include "spec/opt.h"

enum args_result { ARGS_OK, ARGS_HELP, ARGS_WRONG };

/*
 * `argv` starts after the command's name.  Fills the struct at `out` by `table` (NULL: there are no
 * options); all mistakes go to b->diags.  ARGS_HELP if `--help` or `-h` is among the options,
 * whatever else is.
 */
enum args_result args_bind(const struct opt *table, int argc, char **argv, void *out,
                           const struct bind *b);

/* The options as they are written on a command line. */
void args_print_help(const struct opt *table, FILE *out);
