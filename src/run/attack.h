/*
 * attack.h - whether an attack was there: without it, what was measured of it or beside it decides
 * nothing.
 */
#pragma once

#include <stdbool.h>

struct arena;
struct metric;
struct step_result;

/* Why the attack beside a step with `during:` was too little to judge by; NULL: it was enough. */
const char *attack_missing(const struct step_result *r, struct arena *arena);

/* A load of nothing but held connections, and none was. */
bool attack_never_held(const struct step_result *r);

/* `metric` says how much was held, and packets of held connections were dropped on the way: that
 * does not tell how long the target would have kept them. */
bool attack_was_lost(const struct step_result *r, const struct metric *metric);
