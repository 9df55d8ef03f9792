/*
 * proc.h - processes of this machine, as /proc tells of them.
 *
 * A pid alone names nobody: it is given out again.  With the time at which its process started, and
 * the boot that this time counts from, it does.  Linux, proc(5).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PROC_BOOT_MAX 64

/* Ticks from boot to the start of a process that runs; 0: there is none, or it has ended. */
uint64_t proc_started(pid_t pid);

/* A name for this boot; "" if it cannot be had. */
void proc_boot(char out[PROC_BOOT_MAX]);

/*
 * True if the process was started with NAME=VALUE in its environment, VALUE being one of the words
 * in it.  What it has done to its environment since does not show.
 */
bool proc_has_mark(pid_t pid, const char *name, const char *word);

/* Calls `seen` for each process but ourselves, in no order. */
void proc_each(void (*seen)(pid_t pid, void *ctx), void *ctx);
