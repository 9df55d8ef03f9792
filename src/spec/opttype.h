/* opttype.h - what the parts of opt share. */
#pragma once

#include "base/units.h"
#include "spec/opt.h"

/* "1s to 1h", "at least 1"; NULL if the row has no range. */
const char *opt_range(const struct opt *o, char *buf, size_t size);
