/*
 * watch.h - the thread that reads the services' output and notices their deaths.
 *
 * Output goes to the log files and to the last lines kept for messages, redacted line by line.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "run/supervised.h"

struct arena;
struct err;
struct watch;

struct watch *watch_new(struct supervised *list, int count);
bool watch_start(struct watch *w, struct err *e); /* later calls do nothing */

/* Watches a process that has been started; takes `out` and `pidfd`. */
void watch_attach(struct watch *w, struct supervised *s, pid_t pid, int out, int pidfd);

/* Waits for a death or a matching line of `s`, at most `ns`. */
void watch_wait(struct watch *w, struct supervised *s, uint64_t ns);

bool watch_is_dead(struct watch *w, struct supervised *s, int *wait_status);
bool watch_has_matched(struct watch *w, struct supervised *s);
void watch_expect_end(struct watch *w, struct supervised *s); /* its death is ours from now on */

/* Adds text to its log, like output of its own. */
void watch_log(struct watch *w, struct supervised *s, const char *text, size_t len);

const char *watch_last_lines(struct watch *w, struct supervised *s, int lines, struct arena *arena);

/* Reads what is left, ends the thread, closes everything. */
void watch_free(struct watch *w);
