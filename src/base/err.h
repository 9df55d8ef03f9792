/*
 * err.h - one failure at run time, worded for the person who has to act on it.
 *
 * Whatever can fail takes a `struct err *` as its last parameter and returns bool or a pointer.
 * err_set() is for the place that knows the cause, err_wrap() for the callers above it that know
 * what was being attempted; the finished text reads from the outside in:
 *
 *     service "backend": ready: https://127.0.0.1:40123/healthz: connection refused
 *
 * Both always return false, so that `return err_set(e, ...)` ends a function.  The text is part of
 * the struct (truncated at 1023 bytes), so reporting a failure cannot fail.  A user's mistake in a
 * suite has a position and goes to spec/diag.h instead; a mistake of this program is a bug().
 */
#pragma once

#include <stdbool.h>

struct err {
    char text[1024];
};

bool err_set(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool err_wrap(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* err_set() with ": " and the description of the current errno appended. */
bool err_errno(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* For a state that no input can cause: says where, and aborts. */
#define bug(...) err_bug(__FILE__, __LINE__, __VA_ARGS__)
_Noreturn void err_bug(const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
