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

struct diags;
struct phase_plan;
struct step;
struct suite;
struct target;

struct port_need { /* of one target in one phase */
    const struct target *target;
    uint64_t sure;    /* connections that closed and held loads open at once */
    uint64_t most;    /* the same, with open loads at their max_in_flight */
    double lingering; /* and with those of the last 60 s */
    int sources;      /* local addresses; 1: the kernel's choice */
};

/* The local ports that the kernel gives to outgoing connections: both ends, 1..65535. */
void ports_range(unsigned *low, unsigned *high);

uint64_t ports_each(void); /* in the kernel's range, for each source address */

struct port_need ports_needed(const struct phase_plan *p, const struct target *t);

bool ports_go_to(const struct step *s, const struct target *t);

/* Adds the arithmetic and the cure to `d` for each target for which a phase is sure to run out. */
void ports_fit(const struct phase_plan *p, const struct suite *s, struct diags *d);
