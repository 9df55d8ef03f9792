#include "cmd/command.h"

#ifndef SHAKEDOWN_VERSION
#define SHAKEDOWN_VERSION "0.1.0"
#endif

static int run(const void *opts)
{
    (void)opts;
    puts("shakedown " SHAKEDOWN_VERSION);
    return EXIT_PASS;
}

const struct command command_version = {
    .name = "version",
    .usage = "",
    .brief = "prints the version",
    .run = run,
};
