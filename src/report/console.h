/*
 * console.h - a run on the terminal (stderr): live lines on a TTY, plain lines otherwise, groups
 * and annotations on GitHub Actions.
 */
#pragma once

#include <stdbool.h>

struct arena;
struct observer;

struct console_opts {
    bool tty; /* redraw lines in place */
    bool color;
    bool quiet;  /* the summary alone */
    bool github; /* groups, annotations, step summary */
};

/* What the environment asks for: isatty(2), TERM, NO_COLOR, FORCE_COLOR, GITHUB_ACTIONS. */
void console_defaults(struct console_opts *o);
struct observer *console_observer(const struct console_opts *o, struct arena *arena);
