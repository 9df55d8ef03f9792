/*
 * ports.h - are there local ports enough?
 *
 * A connection takes one port of the kernel's range for each pair of local and remote address. Ours
 * end with a reset, so the port is free again at once; where something on the way remembers closed
 * connections for a minute (a NAT, a tracking firewall), those count too: rate x 60 s.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct err;
struct phase_plan;
struct plan;
struct suite;
struct target;

struct port_need { /* of one target in one phase */
    const struct target *target;
    uint64_t sure;    /* connections that closed and held loads open at once */
    uint64_t most;    /* the same, with open loads at their max_in_flight */
    double lingering; /* and with those of the last 60 s */
    int sources;      /* local addresses; 1: the kernel's choice */
};

uint64_t ports_each(void); /* in the kernel's range, for each source address */

struct port_need ports_needed(const struct phase_plan *p, const struct target *t);

/* False, with the arithmetic and the cure in `e`, if some phase is sure to run out. */
bool ports_fit(const struct plan *p, const struct suite *s, struct err *e);
