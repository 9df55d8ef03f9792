/*
 * free_port.h - a port for a service to listen on, held until the service starts.
 *
 * Between the moment in which it is let go and the one in which the service has it, somebody else
 * may take it.  The kernel takes local ports of outgoing connections from a range of its own, and a
 * machine under load takes thousands; so the port is one outside that range, if any is free.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct err;

/*
 * Binds 127.0.0.1 at a random free port: 10000 up to the kernel's range, then above the range, then
 * within.  `*fd` is the caller's to close, also after a failure if it is not negative.
 */
bool free_port_reserve(uint16_t *port, int *fd, struct err *e);
