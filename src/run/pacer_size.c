/* pacer_size.c - the pacers of a stepping load: they go on, at another size. */
#include <math.h>

#include "run/pacer_state.h"

#include "base/clock.h"
#include "suite/load.h"

#define JOIN_RATE 4000.0 /* virtual users a second, over all lanes: not all connect at once */

void pacer_size(struct pacer *p, uint64_t from_ns, double size)
{
    struct pacer_size *s = &p->size;

    switch (load_model(p->load)) {
    case EX_AGENT_FLEET:
        pacer_agents(p, from_ns, (uint64_t)s->size, (uint64_t)size);
        break;
    case EX_RAMPING_VUS:
        p->ramp_check_ns = p->start_ns + from_ns;
        break;
    default:
        arrivals_change(&p->arrivals, from_ns, size);
    }
    *s = (struct pacer_size){.from_ns = from_ns, .before = s->size, .size = size};
}

uint32_t pacer_climbing(const struct pacer *p, uint64_t ns, uint64_t *again_ns)
{
    const struct pacer_size *s = &p->size;
    double level = s->before;

    *again_ns = UINT64_MAX;
    if (ns < s->from_ns) {
        *again_ns = s->from_ns;
    } else {
        level = s->size;
        if (s->size > s->before)
            level = fmin(level, s->before + 1 + (double)(ns - s->from_ns) / 1e9 * JOIN_RATE);
        if (level < s->size)
            *again_ns = ns + (uint64_t)(1e9 / JOIN_RATE);
    }
    return (uint32_t)pacer_share((uint64_t)level, p->index, p->lanes);
}

uint64_t pacer_waiting(const struct pacer *p, uint64_t until_ns)
{
    uint64_t own;

    if (p->vus || until_ns <= p->start_ns)
        return 0;
    if (p->beats)
        return pacer_beats_before(p, until_ns);
    own = pacer_share(arrivals_before(&p->arrivals, until_ns - p->start_ns), p->index, p->lanes);
    return own > p->taken ? own - p->taken : 0;
}
