/* memroom.h - how much memory this process may still take. */
#pragma once

#include <stdint.h>

/* In bytes; 0: not known.  `of` says what sets the limit, a string of our own. */
uint64_t memroom(const char **of);
