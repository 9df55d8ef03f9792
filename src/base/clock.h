/* clock.h - monotonic nanoseconds for measuring; wall-clock time is for reports alone. */
#pragma once

#include <stdint.h>
#include <time.h>

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S  UINT64_C(1000000000)

static inline uint64_t clock_read(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static inline uint64_t now_ns(void)
{
    return clock_read(CLOCK_MONOTONIC);
}

/* Nanoseconds since 1970, UTC. */
static inline uint64_t wall_ns(void)
{
    return clock_read(CLOCK_REALTIME);
}
