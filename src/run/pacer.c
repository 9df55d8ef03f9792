/*
 * pacer.c - the executors.
 *
 * Open models take their times from a closed form (arrivals.h).  A closed model's user is due again
 * at the moment its last operation ended.  Agents are in pacer_fleet.c, changes of size in
 * pacer_size.c.
 */
#include "run/pacer_state.h"

#include <math.h>

#include "base/clock.h"
#include "base/mem.h"
#include "suite/load.h"

#define FIRST_RATE 4000 /* first operations of virtual users a second, over all lanes */

struct pacer_vu {
    uint64_t ready_ns; /* when its last operation ended, or the ramp let it in */
    uint64_t done;     /* operations begun */
    bool parked;       /* idle and beyond the ramp's level: not in the ring of the idle */
};

int pacer_slots(const struct load *l, int index, int lanes)
{
    uint64_t n = (uint64_t)l->max_in_flight;
    double planned = load_operations(l);

    if (l->executor == EX_ONCE)
        return index == 0;
    if (load_is_closed(l))
        return (int)pacer_share((uint64_t)load_most_vus(l), index, lanes);
    if (l->executor == EX_HOLD_CONNECTIONS)
        return (int)pacer_share((uint64_t)l->connections, index, lanes);
    if (planned > 0 && planned < (double)n)
        n = (uint64_t)planned + 1;
    return (int)(pacer_share(n, index, lanes) ? pacer_share(n, index, lanes) : 1);
}

static void init_vus(struct pacer *p)
{
    p->vu_count = (uint32_t)pacer_share((uint64_t)load_most_vus(p->load), p->index, p->lanes);
    p->vus = xcalloc(p->vu_count, sizeof(*p->vus));
    p->idle = xcalloc(p->vu_count, sizeof(*p->idle));
    p->vu_active = p->vu_count;
    if (p->load->executor == EX_SHARED_ITERATIONS)
        p->limit = p->vu_count ? pacer_share((uint64_t)p->load->iterations, p->index, p->lanes) : 0;
    if (p->load->executor == EX_PER_VU_ITERATIONS)
        p->limit = p->vu_count * (uint64_t)p->load->iterations;
}

void pacer_init(struct pacer *p, const struct load *load, int index, int lanes, uint64_t seed)
{
    *p = (struct pacer){.load = load, .index = index, .lanes = lanes, .seed = seed};
    p->limit = UINT64_MAX;
    if (load_is_closed(load))
        init_vus(p);
    switch (load_model(load)) {
    case EX_ONCE:
        p->limit = index == 0;
        break;
    case EX_CONSTANT_ARRIVAL_RATE:
    case EX_RAMPING_ARRIVAL_RATE:
        arrivals_init(&p->arrivals, load);
        break;
    case EX_AGENT_FLEET:
        p->beats = xcalloc_huge((size_t)pacer_share((uint64_t)load->agents, index, lanes),
                                sizeof(*p->beats));
        break;
    case EX_HOLD_CONNECTIONS:
        p->wanted = (uint32_t)pacer_share((uint64_t)load->connections, index, lanes);
        break;
    default:
        break;
    }
}

void pacer_fini(struct pacer *p)
{
    arrivals_fini(&p->arrivals);
    free(p->vus);
    free(p->idle);
    free(p->beats);
}

static uint32_t local_of(const struct pacer *p, uint32_t identity_)
{
    return (identity_ - 1) / (uint32_t)p->lanes;
}

static uint64_t length_of(const struct load *l)
{
    int64_t length = l->duration;

    if (l->executor == EX_PER_VU_ITERATIONS || l->executor == EX_SHARED_ITERATIONS)
        length = l->max_duration;
    else if (l->executor == EX_RAMPING_VUS || l->executor == EX_RAMPING_ARRIVAL_RATE)
        length = load_length(l);
    if (l->executor == EX_ONCE || l->executor == EX_STEPPING || length == DURATION_UNTIL_STOPPED)
        return UINT64_MAX;
    return (uint64_t)length;
}

void pacer_start(struct pacer *p, uint64_t start_ns)
{
    uint64_t length = length_of(p->load);

    p->start_ns = start_ns;
    p->end_ns = length == UINT64_MAX ? UINT64_MAX : start_ns + length;
    p->next_open_ns = start_ns;
    p->ramp_check_ns = start_ns;
    if (p->load->executor == EX_AGENT_FLEET)
        pacer_agents(p, 0, 0, (uint64_t)p->load->agents);
}

void pacer_stop(struct pacer *p, uint64_t now)
{
    if (now < p->end_ns)
        p->end_ns = now;
}

static void hand_out(struct pacer *p, struct arrival *a, uint64_t due_ns, uint32_t vu,
                     uint32_t agent)
{
    a->due_ns = due_ns;
    a->iteration = p->taken * (uint64_t)p->lanes + (uint64_t)p->index;
    a->vu = vu;
    a->agent = agent;
    p->taken++;
}

static uint64_t open_due(struct pacer *p)
{
    uint64_t due = arrivals_due(&p->arrivals, p->taken * (uint64_t)p->lanes + (uint64_t)p->index);

    return due == UINT64_MAX ? UINT64_MAX : p->start_ns + due;
}

static bool take_open(struct pacer *p, uint64_t now, struct arrival *a, uint64_t *next_ns)
{
    uint64_t due = p->load->executor == EX_ONCE ? p->start_ns : open_due(p);

    if (due >= p->end_ns)
        due = UINT64_MAX;
    if (due > now) {
        *next_ns = due;
        return false;
    }
    hand_out(p, a, due, 0, 0);
    return true;
}

static void add_idle(struct pacer *p, uint32_t vu)
{
    uint32_t at = p->idle_first + p->idle_count++;

    p->idle[at < p->vu_count ? at : at - p->vu_count] = vu;
}

static void unpark(struct pacer *p, uint32_t vu, uint64_t now)
{
    p->vus[vu].parked = false;
    p->vus[vu].ready_ns = now;
    add_idle(p, vu);
}

/* Virtual users of this lane `ns` after the start; *again_ns: when to look again. */
static uint32_t ramp_users(const struct pacer *p, uint64_t ns, uint64_t *again_ns)
{
    int64_t changes;
    double level = ramp_level(p->load, (int64_t)ns, &changes);

    *again_ns = changes == INT64_MAX ? UINT64_MAX : ns + (uint64_t)changes;
    return (uint32_t)pacer_share((uint64_t)(level + 1e-9), p->index, p->lanes);
}

static void follow_ramp(struct pacer *p, uint64_t now)
{
    uint64_t again, since = now - p->start_ns;
    uint32_t before = p->vu_active;

    if (load_model(p->load) != EX_RAMPING_VUS || now < p->ramp_check_ns)
        return;
    p->vu_active = p->load->executor == EX_STEPPING ? pacer_climbing(p, since, &again)
                                                    : ramp_users(p, since, &again);
    p->ramp_check_ns = again == UINT64_MAX ? UINT64_MAX : p->start_ns + again;
    for (uint32_t vu = before; vu < p->vu_active; vu++)
        if (p->vus[vu].parked)
            unpark(p, vu, now);
}

/*
 * Users whose first operation is due join the idle ones.  They come one after another, so that
 * thousands of connections are not opened in the same moment.
 */
static void admit(struct pacer *p, uint64_t now, uint64_t *next_ns)
{
    uint64_t gap = load_model(p->load) == EX_RAMPING_VUS ? 0 : NS_PER_S / FIRST_RATE;

    while (p->vu_joined < p->vu_count) {
        uint64_t due = p->start_ns + (pacer_identity(p, p->vu_joined) - 1) * gap;

        if (due > now) {
            *next_ns = due;
            return;
        }
        p->vus[p->vu_joined].ready_ns = due;
        add_idle(p, p->vu_joined++);
    }
}

static bool take_closed(struct pacer *p, uint64_t now, struct arrival *a, uint64_t *next_ns)
{
    *next_ns = UINT64_MAX;
    if (now >= p->end_ns)
        return false;
    admit(p, now, next_ns);
    follow_ramp(p, now);
    while (p->idle_count > 0) {
        uint32_t vu = p->idle[p->idle_first];
        struct pacer_vu *v = &p->vus[vu];

        p->idle_first = p->idle_first + 1 == p->vu_count ? 0 : p->idle_first + 1;
        p->idle_count--;
        if (vu < p->vu_active) {
            v->done++;
            hand_out(p, a, v->ready_ns, pacer_identity(p, vu), 0);
            return true;
        }
        v->parked = true;
    }
    if (load_model(p->load) == EX_RAMPING_VUS)
        *next_ns = p->ramp_check_ns;
    return false;
}

static bool take_beat(struct pacer *p, uint64_t now, struct arrival *a, uint64_t *next_ns)
{
    uint64_t due = pacer_next_beat(p);
    uint32_t id;

    *next_ns = due >= p->end_ns ? UINT64_MAX : due;
    if (due > now || due >= p->end_ns)
        return false;
    id = pacer_take_beat(p, &due);
    hand_out(p, a, due, id, id);
    return true;
}

static bool take_hold(struct pacer *p, uint64_t now, struct arrival *a, uint64_t *next_ns)
{
    double gap = p->load->rate > 0 ? 1e9 * p->lanes / p->load->rate : 0;

    *next_ns = p->open < p->wanted && p->next_open_ns < p->end_ns ? p->next_open_ns : UINT64_MAX;
    if (*next_ns > now)
        return false;
    hand_out(p, a, p->next_open_ns, 0, 0);
    p->next_open_ns += (uint64_t)gap;
    p->open++;
    return true;
}

bool pacer_take(struct pacer *p, uint64_t now, struct arrival *a, uint64_t *next_ns)
{
    *next_ns = UINT64_MAX;
    if (p->taken >= p->limit)
        return false;
    switch (load_model(p->load)) {
    case EX_AGENT_FLEET:
        return take_beat(p, now, a, next_ns);
    case EX_HOLD_CONNECTIONS:
        return take_hold(p, now, a, next_ns);
    default:
        return load_is_closed(p->load) ? take_closed(p, now, a, next_ns)
                                       : take_open(p, now, a, next_ns);
    }
}

void pacer_ended(struct pacer *p, uint32_t vu, uint64_t now)
{
    if (p->vus) {
        uint32_t local = local_of(p, vu);
        struct pacer_vu *v = &p->vus[local];

        v->ready_ns = now;
        if (p->load->executor != EX_PER_VU_ITERATIONS || v->done < (uint64_t)p->load->iterations)
            add_idle(p, local);
    } else if (p->load->executor == EX_HOLD_CONNECTIONS) {
        p->open--;
        if (p->next_open_ns < now) /* the ramp rate holds for reopening; no catching up */
            p->next_open_ns = now;
    }
}

bool pacer_exhausted(struct pacer *p, uint64_t now)
{
    if (p->taken >= p->limit)
        return true;
    if (p->load->executor == EX_STEPPING) /* more may yet become due, until it is stopped */
        return now >= p->end_ns && pacer_waiting(p, p->end_ns) == 0;
    switch (p->load->executor) {
    case EX_CONSTANT_ARRIVAL_RATE:
    case EX_RAMPING_ARRIVAL_RATE:
        return open_due(p) >= p->end_ns;
    case EX_AGENT_FLEET: /* between their beats agents are there, to the end */
        return now >= p->end_ns && pacer_next_beat(p) >= p->end_ns;
    default:
        return now >= p->end_ns;
    }
}

static uint64_t drop_open(struct pacer *p, uint64_t now)
{
    uint64_t until = now < p->end_ns ? now : p->end_ns, dropped;

    dropped = pacer_waiting(p, until);
    p->taken += dropped;
    return dropped;
}

uint64_t pacer_drop(struct pacer *p, uint64_t now)
{
    uint64_t dropped = 0, next;
    struct arrival a;

    if (p->vus || p->load->executor == EX_HOLD_CONNECTIONS)
        return 0;
    if (load_is_open(p->load) && !p->beats)
        return drop_open(p, now);
    while (pacer_take(p, now, &a, &next))
        dropped++;
    return dropped;
}

int64_t pacer_population(const struct pacer *p)
{
    switch (load_model(p->load)) {
    case EX_AGENT_FLEET:
        return p->agent_active;
    case EX_HOLD_CONNECTIONS:
        return p->open;
    default:
        return p->vus ? (int64_t)p->vu_active : -1;
    }
}
