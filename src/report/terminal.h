/* terminal.h - stderr, where everything for people goes; and files that others write to as well. */
#pragma once

#include <stdbool.h>

struct buf;

/* One write; what is in `text` has been cleaned.  Takes the contents: `text` is empty after it. */
void terminal_write(struct buf *text);

/* "shakedown: " and a cleaned line. */
void terminal_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

int terminal_columns(void); /* of stderr; 100 if it has none */

/* Appends to a file of somebody else's; a failure is told on stderr.  Empties `text`. */
void terminal_append(const char *path, struct buf *text);
