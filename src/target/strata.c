#include "target/strata.h"

#include <pthread.h>

#include "base/rng.h"

#define SEED UINT64_C(0x7374726174610000)

static uint16_t places[STRATA_USES][STRATA];

/* Fisher and Yates, from a seed that never changes: the counts of a test may rely on it. */
static void shuffle(uint16_t *p, uint64_t seed)
{
    for (int i = 0; i < STRATA; i++)
        p[i] = (uint16_t)i;
    for (int i = STRATA - 1; i > 0; i--) {
        int64_t j = rng_between(rng_next(&seed), 0, i);
        uint16_t t = p[i];

        p[i] = p[j];
        p[j] = t;
    }
}

static void fill(void)
{
    for (int use = 0; use < STRATA_USES; use++)
        shuffle(places[use], SEED + (uint64_t)use);
}

uint32_t strata_place(enum strata_use use, uint64_t number)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, fill);
    return places[use][number % STRATA];
}

bool strata_hit(enum strata_use use, uint64_t number, double share)
{
    double per_block = share * STRATA, block = (double)(number / STRATA);
    double quota;

    if (share <= 0)
        return false;
    if (share >= 1)
        return true;
    /* What is due by the end of this block, less what the earlier ones had; a share of 1.5 per
     * block deals 1 and 2 in turn.  The small addend forgives 0.1% its binary form. */
    quota = (double)(uint64_t)((block + 1) * per_block + 1e-6) -
            (double)(uint64_t)(block * per_block + 1e-6);
    return strata_place(use, number) < quota;
}
