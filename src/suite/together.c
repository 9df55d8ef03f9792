/*
 * together.c - thresholds of a phase with several steps: those that name one are that step's, and
 * the others are about all steps together.
 *
 * The latter belong to a step of their own that is never run: it has the metrics that every step
 * has, and the phase's tags.
 */
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "suite/scope.h"

/* A threshold that names a step which the phase does not have would be judged by none. */
static void check_step_tags(const struct phase *phase, const struct node *map, const char *path,
                            const struct bind *b)
{
    for (const struct node *n = map->type == NODE_MAP ? map->first : NULL; n; n = n->next) {
        struct selector selector;
        struct err e;

        if (!selector_parse(&selector, n->key, b->arena, &e))
            continue;
        for (int i = 0; i < selector.tag_count; i++) {
            bool found = strcmp(selector.tags[i].name, "step") != 0;

            for (int k = 0; k < phase->step_count && !found; k++)
                found = strcmp(phase->steps[k].name, selector.tags[i].value) == 0;
            if (!found)
                diag_add(b->diags, n->key_at, "%s: the phase has no step \"%s\"", path,
                         selector.tags[i].value);
        }
    }
}

static bool all_have(const struct phase *phase, const struct metric *m)
{
    for (int i = 0; i < phase->step_count; i++) {
        const struct step *s = &phase->steps[i];
        int at = step_metric(s, m->name);

        if (at < 0 || s->metrics[at]->type != m->type || s->metrics[at]->unit != m->unit)
            return false;
    }
    return true;
}

static struct step *whole_of(const struct phase *phase, struct arena *arena)
{
    const struct step *first = &phase->steps[0];
    struct step *whole = arena_new(arena, struct step);
    const struct metric **metrics = arena_array(arena, const struct metric *, first->metric_count);

    for (int i = 0; i < first->metric_count; i++)
        if (all_have(phase, first->metrics[i]))
            metrics[whole->metric_count++] = first->metrics[i];
    whole->name = phase->name;
    whole->metrics = metrics;
    whole->confidence = first->confidence;
    whole->load.executor = EX_ONCE;
    whole->tags = arena_new(arena, struct tag);
    whole->tags[0] = (struct tag){"phase", phase->name};
    whole->tag_count = 1;
    whole->at = phase->at;
    return whole;
}

/* Sizes, and windows of an attack, are a step's own: nothing could be judged over several. */
static const char *unmixable(const struct phase *phase)
{
    for (int i = 0; i < phase->step_count; i++) {
        const struct step *s = &phase->steps[i];

        if (s->load.executor == EX_STEPPING || s->during)
            return s->name;
    }
    return NULL;
}

static bool names_no_step(const struct node *map)
{
    for (const struct node *n = map->type == NODE_MAP ? map->first : NULL; n; n = n->next)
        if (!strstr(n->key, "step:"))
            return true;
    return false;
}

void phase_bind_thresholds(struct phase *phase, const struct node *map, const char *path,
                           const struct bind *b)
{
    const char *alone = unmixable(phase);

    check_step_tags(phase, map, path, b);
    for (int i = 0; i < phase->step_count; i++) {
        if (!phase->steps[i].metrics)
            return; /* it has mistakes, which have been told */
        step_bind_thresholds(&phase->steps[i], map, path, HOME_PHASE, b);
    }
    if (!names_no_step(map) || phase->step_count == 0)
        return;
    if (alone) {
        diag_add(b->diags, map->at,
                 "%s: step \"%s\" is judged in parts, so say which step is meant: "
                 "\"METRIC{step:NAME}\"",
                 path, alone);
        return;
    }
    phase->whole = whole_of(phase, b->arena);
    step_bind_thresholds(phase->whole, map, path, HOME_WHOLE, b);
}
