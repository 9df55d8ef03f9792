/* ready.h - one look at whether a service is up; supervisor.c decides when to look. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct err;
struct service;

/* By its probe, tcp or exec; blocks at most `timeout_ns`.  If it is not, `e` says why. */
bool ready_look(const struct service *v, uint64_t timeout_ns, const volatile int *interrupted,
                struct err *e);

/* True if somebody else answers in its place before it has been started; `e` says who. */
bool ready_is_taken(const struct service *v, const volatile int *interrupted, struct err *e);
