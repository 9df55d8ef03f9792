#include "run/climb.h"

void climb_begin(struct climb *c, const struct stepping *s)
{
    *c = (struct climb){.stepping = s, .size = s->start};
}

static enum climb_move halve(struct climb *c)
{
    double middle = 0, last = c->size;

    if (c->good > 0 && c->halvings < (int)c->stepping->refine)
        middle = stepping_middle(c->stepping, c->good, c->bad);
    if (!(middle > 0))
        return CLIMB_STOP;
    c->halvings++;
    c->size = middle;
    return middle > last ? CLIMB_UP : CLIMB_DOWN;
}

enum climb_move climb_judged(struct climb *c, enum verdict v)
{
    bool again = c->again;
    double next;

    c->again = false;
    if (v == VERDICT_INCONCLUSIVE) {
        c->again = !again;
        return again ? CLIMB_STOP : CLIMB_AGAIN;
    }
    if (v == VERDICT_BREACH) {
        c->bad = c->size;
        return halve(c);
    }
    c->good = c->size;
    if (c->bad > 0)
        return halve(c);
    next = stepping_next(c->stepping, c->size);
    if (!(next > 0))
        return CLIMB_STOP;
    c->size = next;
    return CLIMB_UP;
}
