/*
 * silence.h - whether the other end of a TCP connection is still there.
 *
 * A path that begins to drop packets ends nothing: both ends go on believing in the connection.
 * Only what is sent and never acknowledged tells, so the kernel is asked to send a keep-alive probe
 * when nothing else has come for a while, and to give up (ETIMEDOUT) when nothing of all that is
 * acknowledged for as long again.
 */
#pragma once

#include <stdint.h>

void silence_limit(int fd, unsigned ms); /* of an established connection; at least 1000 */

/* When the peer last acknowledged anything (monotonic, ns), of a connection that has timed out. */
uint64_t silence_began(int fd, uint64_t now_ns);

/* The same of one that is open, if something has been sent since, twice and in vain; UINT64_MAX:
 * nothing is missing, or the kernel does not say. */
uint64_t silence_since(int fd, uint64_t now_ns);
