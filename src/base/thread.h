/*
 * thread.h - starts helper threads, on which no signal is ever delivered.
 *
 * Signals are the main thread's: a helper that took one would interrupt its own wait and leave the
 * run's unbroken.
 */
#pragma once

#include <pthread.h>
#include <stddef.h>

/*
 * Runs body(arg) on a new thread with a stack of `stack` bytes (0: the system's default), to be
 * joined by the caller.  0, or an error number.
 */
int thread_start(pthread_t *t, size_t stack, void *(*body)(void *), void *arg);
