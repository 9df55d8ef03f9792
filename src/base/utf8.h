/* utf8.h - well-formed UTF-8 (RFC 3629). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

bool utf8_is(const void *text, size_t len); /* NULs are fine */
