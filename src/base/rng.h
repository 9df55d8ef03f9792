/*
 * rng.h - pseudo-random numbers that a run can repeat.
 *
 * rng_next() is splitmix64 (Steele, Lea, Flood 2014): one word of state, every seed is good.
 * rng_hash() is the same mixing as a pure function of a seed and two counters, for values that
 * must not depend on the order in which they are asked for.
 */
#pragma once

#include <stdint.h>

static inline uint64_t rng_mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline uint64_t rng_next(uint64_t *state)
{
    return rng_mix(*state += UINT64_C(0x9e3779b97f4a7c15));
}

static inline uint64_t rng_hash(uint64_t seed, uint64_t a, uint64_t b)
{
    return rng_mix(rng_mix(seed ^ a * UINT64_C(0x9e3779b97f4a7c15)) +
                   b * UINT64_C(0xd1b54a32d192ed03));
}

/* Uniform in [0, 1), from the top 53 bits. */
static inline double rng_unit(uint64_t bits)
{
    return (double)(bits >> 11) * 0x1p-53;
}

/* Uniform in lo..hi, both included; lo <= hi. */
static inline int64_t rng_between(uint64_t bits, int64_t lo, int64_t hi)
{
    uint64_t span = (uint64_t)hi - (uint64_t)lo + 1;

    if (span == 0)
        return (int64_t)bits;
    return (int64_t)((uint64_t)lo + (uint64_t)(((unsigned __int128)bits * span) >> 64));
}
