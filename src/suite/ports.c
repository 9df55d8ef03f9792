#include "suite/ports.h"

#include <stdio.h>
#include <string.h>

#include "suite/plan.h"
#include "suite/suite.h"

#define LINGER_S 60

void ports_range(unsigned *low, unsigned *high)
{
    FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "r");
    bool known = f && fscanf(f, "%u %u", low, high) == 2 && *low > 0 && *low <= *high;

    if (f)
        fclose(f);
    if (known)
        return;
    *low = 32768;
    *high = 60999; /* the kernel's default */
}

uint64_t ports_each(void)
{
    unsigned low, high;

    ports_range(&low, &high);
    return high - low + 1;
}

bool ports_go_to(const struct step *s, const struct target *t)
{
    for (int i = 0; i < s->tag_count; i++)
        if (strcmp(s->tags[i].name, "target") == 0)
            return strcmp(s->tags[i].value, t->name) == 0;
    return false;
}

struct port_need ports_needed(const struct phase_plan *p, const struct target *t)
{
    struct port_need need = {.target = t, .sources = t->source.n > 0 ? t->source.n : 1};

    for (int i = 0; i < p->phase->step_count; i++) {
        const struct step_plan *s = &p->steps[i];
        const struct load *l = &s->step->load;

        if (!ports_go_to(s->step, t))
            continue;
        need.sure += s->sure;
        if (s->step->driver->needs) {
            need.most += s->sure;
            need.lingering += (double)s->sure;
            continue;
        }
        need.most += s->in_flight;
        need.lingering += (double)s->in_flight;
        if (load_is_open(l))
            need.lingering += load_peak_rate(l) * LINGER_S;
    }
    return need;
}

void ports_fit(const struct phase_plan *p, const struct suite *s, struct diags *d)
{
    uint64_t each = ports_each();

    for (int i = 0; i < s->target_count; i++) {
        struct port_need n = ports_needed(p, &s->targets[i]);
        uint64_t have = each * (uint64_t)n.sources;

        if (n.sure <= have)
            continue;
        diag_add(
            d, plan_place(p, n.target),
            "phase \"%s\" needs %llu connections at once to target \"%s\", and there are %llu "
            "local ports (%llu for each of %d source address%s): give the target %llu addresses "
            "as its source, or widen net.ipv4.ip_local_port_range",
            p->phase->name, (unsigned long long)n.sure, n.target->name, (unsigned long long)have,
            (unsigned long long)each, n.sources, n.sources == 1 ? "" : "es",
            (unsigned long long)((n.sure + each - 1) / each));
    }
}
