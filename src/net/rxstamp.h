/*
 * rxstamp.h - when the kernel received bytes, on the monotonic clock.
 *
 * Between a segment's arrival and the read of its bytes lies the time this process needed to get
 * round to it, and that is not the peer's.  A socket asked for it (SO_TIMESTAMPING) tells when the
 * last segment that a read consumed had arrived.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

void rxstamp_enable(int fd); /* silently without effect where the kernel has none */

/*
 * recv() that also tells, if it moved bytes, when that was (*read_ns) and when the last segment of
 * them had arrived (*received_ns, never later); both are the same where the kernel does not say.
 */
ssize_t rxstamp_recv(int fd, void *data, size_t size, uint64_t *read_ns, uint64_t *received_ns);

/*
 * The difference between the two clocks as it is known on one thread.  rxclock_convert() is the
 * arithmetic alone: the stamp `wall` of the real-time clock for bytes read at `now`, or `now` if
 * the clock has been set since it was last looked at and the stamp cannot be told apart from that.
 */
struct rxclock {
    int64_t offset; /* real time minus monotonic */
    uint64_t sampled_ns;
    uint64_t distrust_ns; /* stamps are not used before this time: the clock was set */
};

/* A pair of readings taken together. */
struct rxpair {
    uint64_t mono, wall;
};
uint64_t rxclock_convert(struct rxclock *c, uint64_t wall, uint64_t now,
                         struct rxpair (*read_clocks)(void));
