/* cure.h - a cleanup that failed: what is left, and how to get rid of it. */
#pragma once

struct arena;
struct step_result;

/* The failure of a step; of one that cleans up, with what to do about it. */
const char *cure_text(const struct step_result *r, struct arena *arena);
