/*
 * rxstamp.c - kernel receive stamps and the two clocks.
 *
 * The kernel stamps with CLOCK_REALTIME, and everything here is measured with CLOCK_MONOTONIC.
 * Their difference is read again after a millisecond, and at once when a stamp lies suspiciously
 * far back, because somebody may have set the clock: then no stamp is used for a second, after
 * which nothing that was stamped by the old setting is still unread.
 */
#include "net/rxstamp.h"

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"

#define FRESH_NS    NS_PER_MS
#define PLAUSIBLE   (500 * NS_PER_US) /* a longer lag has the clocks read again before it counts */
#define STEP_NS     (100 * NS_PER_US) /* no slewing moves the clocks apart so far between looks */
#define DISTRUST_NS NS_PER_S
#define TOGETHER_NS (2 * NS_PER_US) /* two readings further apart were interrupted */

static void ask_for_stamps(int fd)
{
    int flags = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;

    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof(flags));
}

/*
 * The kernel patches its receive path when the first such socket comes and when the last one goes.
 * One that stays spares it that for every short connection.
 */
static void keep_one(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd >= 0)
        ask_for_stamps(fd);
}

void rxstamp_enable(int fd)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, keep_one);
    ask_for_stamps(fd);
}

static struct rxpair read_clocks(void)
{
    struct rxpair best = {0}, p;
    uint64_t nearest = UINT64_MAX;

    for (int i = 0; i < 3 && nearest > TOGETHER_NS; i++) {
        uint64_t after;

        p.mono = now_ns();
        p.wall = wall_ns();
        after = now_ns();
        if (after - p.mono < nearest) {
            nearest = after - p.mono;
            best = p;
        }
    }
    return best;
}

static void look(struct rxclock *c, struct rxpair (*read)(void))
{
    struct rxpair p = read();
    int64_t offset = (int64_t)(p.wall - p.mono), moved = offset - c->offset;

    /* Clocks may drift 500 ppm apart while nobody looks. */
    if (c->sampled_ns && llabs(moved) > (long long)(STEP_NS + (p.mono - c->sampled_ns) / 2000))
        c->distrust_ns = p.mono + DISTRUST_NS;
    c->offset = offset;
    c->sampled_ns = p.mono;
}

uint64_t rxclock_convert(struct rxclock *c, uint64_t wall, uint64_t now,
                         struct rxpair (*read)(void))
{
    int64_t lag;

    if (!c->sampled_ns || now > c->sampled_ns + FRESH_NS)
        look(c, read);
    lag = (int64_t)(now + (uint64_t)c->offset - wall);
    if (lag > (int64_t)PLAUSIBLE) {
        look(c, read);
        lag = (int64_t)(now + (uint64_t)c->offset - wall);
    }
    if (lag < 0 || now < c->distrust_ns || (uint64_t)lag > now)
        return now;
    return now - (uint64_t)lag;
}

static uint64_t stamp_of(struct msghdr *m)
{
    struct timespec ts;

    for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h))
        if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_TIMESTAMPING) {
            memcpy(&ts, CMSG_DATA(h), sizeof(ts));
            return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
        }
    return 0;
}

ssize_t rxstamp_recv(int fd, void *data, size_t size, uint64_t *read_ns, uint64_t *received_ns)
{
    static _Thread_local struct rxclock clocks;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct scm_timestamping))];
    struct iovec v = {data, size};
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(fd, &m, 0);
    uint64_t wall;

    if (n <= 0)
        return n;
    wall = stamp_of(&m);
    *read_ns = now_ns();
    *received_ns = wall ? rxclock_convert(&clocks, wall, *read_ns, read_clocks) : *read_ns;
    return n;
}
