#include "cmd/plan_text.h"

#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/redact.h"
#include "base/units.h"
#include "suite/plan.h"
#include "suite/ports.h"
#include "suite/suite.h"

static void add_origins(struct buf *b, const struct vars *vars)
{
    int width = 0;

    for (int i = 0; i < vars->n; i++)
        if ((int)strlen(vars->v[i].name) > width)
            width = (int)strlen(vars->v[i].name);
    buf_adds(b, "variables:\n");
    for (int i = 0; i < vars->n; i++) {
        const struct var *v = &vars->v[i];

        buf_printf(b, "  %-*s  %s  (%s)\n", width, v->name,
                   v->secret  ? "***"
                   : v->value ? v->value
                              : "unset",
                   v->value ? v->origin_detail : "no origin gives it a value");
    }
}

static void add_sizes(struct buf *b, const struct stepping *s)
{
    char start[UNITS_MAX], max[UNITS_MAX], hold[UNITS_MAX];

    buf_printf(b, ", %s to %s, each held for %s", stepping_print(s, s->start, start),
               stepping_print(s, s->max, max), units_print_duration((double)s->hold, hold));
}

static void add_thresholds(struct buf *b, const struct step *s, const char *indent)
{
    for (int i = 0; i < s->threshold_count; i++) {
        buf_printf(b, "%s", indent);
        selector_print(&s->thresholds[i]->selector, b);
        buf_printf(b, " %s%s\n", s->thresholds[i]->text,
                   s->implied_threshold && i == s->threshold_count - 1
                       ? "  (stands in: the step has none)"
                       : "");
    }
}

static void add_step(struct buf *b, const struct step_plan *s, bool parallel)
{
    char count[UNITS_MAX], length[UNITS_MAX];
    const struct load *l = &s->step->load;

    buf_printf(b, "  %s%-24s %-7s ", parallel ? "  " : "", s->step->name, s->step->driver->name);
    if (l->executor == EX_ONCE) {
        buf_printf(b, "once\n%s%s", s->notes ? "    " : "", s->notes ? s->notes : "");
        return;
    }
    buf_printf(b, "%s", executor_names[l->executor]);
    if (l->executor == EX_STEPPING)
        add_sizes(b, &l->stepping);
    else if (s->operations > 0)
        buf_printf(b, ", %s operations", units_print_count(s->operations, count));
    else
        buf_adds(b, ", as many operations as the target allows");
    buf_printf(b, ", at most %llu at once", (unsigned long long)s->in_flight);
    if (s->length_s > 0)
        buf_printf(b, ", %s%s", l->executor == EX_STEPPING ? "at most " : "",
                   units_print_duration(s->length_s * 1e9, length));
    else if (s->length_s < 0)
        buf_adds(b, ", until stopped");
    if (s->memory > 0)
        buf_printf(b, ", %llu connections, about %s of memory", (unsigned long long)s->sure,
                   units_print_size((double)s->memory, count));
    buf_printf(b, "\n%s%s", s->notes ? "    " : "", s->notes ? s->notes : "");
    add_thresholds(b, s->step, parallel ? "      " : "    ");
}

/* Only where a load comes anywhere near the number of ports. */
static void add_ports(struct buf *b, const struct plan *p, const struct suite *s)
{
    uint64_t each = ports_each();

    for (int i = 0; i < p->phase_count; i++)
        for (int k = 0; k < s->target_count; k++) {
            struct port_need n = ports_needed(&p->phases[i], &s->targets[k]);
            double have = (double)each * n.sources;

            if ((double)n.most <= have / 2)
                continue;
            buf_printf(
                b,
                "ports: %s to %s: at most %llu at once of %.0f; where closed connections are "
                "remembered for 60 s, %.0f, from %.0f source address%s\n",
                p->phases[i].phase->name, n.target->name, (unsigned long long)n.most, have,
                n.lingering, ceil(n.lingering / (double)each),
                n.lingering > (double)each ? "es" : "");
        }
}

static void add_services(struct buf *b, const struct plan *p, const struct suite *s)
{
    const char *sep = "services:";

    for (int i = 0; i < s->service_count; i++) {
        if (!(p->services >> i & 1))
            continue;
        buf_printf(b, "%s %s", sep, s->services[i].name);
        sep = ",";
    }
    if (*sep == ',')
        buf_addc(b, '\n');
}

static void add_targets(struct buf *b, const struct suite *s)
{
    for (int i = 0; i < s->target_count; i++)
        buf_printf(b, "%s %s %s", i ? "," : "targets:", s->targets[i].name, s->targets[i].url);
    if (s->target_count)
        buf_addc(b, '\n');
}

void plan_print(const struct plan *p, const struct suite *s, bool origins, FILE *out)
{
    struct buf text = {0}, safe = {0};
    char length[UNITS_MAX];

    buf_printf(&text, "suite %s", s->name);
    if (s->preset)
        buf_printf(&text, ", preset %s", s->preset);
    buf_printf(&text, ": %d phase%s, %s of load\n", p->phase_count, p->phase_count == 1 ? "" : "s",
               units_print_duration(p->length_s * 1e9, length));
    if (origins)
        add_origins(&text, s->vars);
    add_targets(&text, s);
    add_services(&text, p, s);
    buf_adds(&text, "phases:\n");
    for (int i = 0; i < p->phase_count; i++) {
        const struct phase *phase = p->phases[i].phase;

        if (phase->parallel)
            buf_printf(&text, "  %s\n", phase->name);
        for (int k = 0; k < phase->step_count; k++)
            add_step(&text, &p->phases[i].steps[k], phase->parallel);
        if (phase->whole)
            add_thresholds(&text, phase->whole, "    all together: ");
    }
    if (p->descriptors > 0)
        buf_printf(&text, "connections at once: %llu at most, besides what open loads need\n",
                   (unsigned long long)p->descriptors);
    add_ports(&text, p, s);
    redact(buf_text(&text), text.len, &safe);
    fputs(buf_text(&safe), out);
    buf_free(&text);
    buf_free(&safe);
}
