/* utf8.h - well-formed UTF-8 (RFC 3629 4).  NULs are characters like others. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool utf8_is(const void *text, size_t len);

/* How many bytes the first character of `text` has; 0: none that is well-formed and whole. */
size_t utf8_length(const void *text, size_t len);

/*
 * Text that comes in pieces.  `*state` is 0 before the first piece, and again wherever a character
 * ends; after false it is spent.
 */
bool utf8_check(uint32_t *state, const void *piece, size_t len);
