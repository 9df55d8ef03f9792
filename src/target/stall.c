#include "target/stall.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/units.h"

#define QUEUE_SHIFT 16

bool stall_parse(struct stall *s, const char *text, struct err *e)
{
    char length[32], period[32], rest;
    int64_t l, p;

    if (sscanf(text, " %31s every %31s %c", length, period, &rest) != 2 ||
        !units_duration(length, &l) || !units_duration(period, &p))
        return err_set(e, "\"%s\" is not a stall (try \"2s every 10s\")", text);
    if (l <= 0 || l >= p)
        return err_set(e, "\"%s\": a stall has to be shorter than its period", text);
    s->length = (uint64_t)l;
    s->period = (uint64_t)p;
    return true;
}

uint64_t stall_end(const struct stall *s, uint64_t t)
{
    uint64_t into;

    if (!s->period || t < s->start + s->period)
        return t;
    into = (t - s->start) % s->period;
    return into < s->length ? t + (s->length - into) : t;
}

uint64_t stall_delayed(const struct stall *s, uint64_t t)
{
    uint64_t end = stall_end(s, t);

    return end > t ? end + ((s->length - (end - t)) >> QUEUE_SHIFT) : t;
}
