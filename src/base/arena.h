/*
 * arena.h - memory that all ends at the same moment.
 *
 * What lives as long as the suite, a phase or a function comes from that owner's arena and is
 * released with it in one call.  Memory arrives zeroed and aligned for any type.  `{0}` is an empty
 * arena.  Running out of memory ends the process: a load generator without memory has no truth
 * left to report.  An arena belongs to one thread at a time.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

struct arena {
    struct arena_block *blocks;
};

void *arena_alloc(struct arena *a, size_t size);
char *arena_strdup(struct arena *a, const char *s); /* NULL stays NULL */
char *arena_strndup(struct arena *a, const char *s, size_t len);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
void arena_free(struct arena *a); /* leaves an empty arena */

#define arena_new(a, type)      ((type *)arena_alloc((a), sizeof(type)))
#define arena_array(a, type, n) ((type *)arena_alloc((a), sizeof(type) * (size_t)(n)))
