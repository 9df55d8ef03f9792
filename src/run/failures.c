#include "run/failures.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/redact.h"
#include "base/rng.h"
#include "run/result.h"

static uint64_t hash_of(enum outcome o, const char *why)
{
    uint64_t h = (uint64_t)o + 1;

    for (size_t i = 0; why[i] && i < FAILURE_LENGTH; i++)
        h = rng_mix(h ^ (unsigned char)why[i]);
    return h;
}

static struct failure *find(struct failures *f, uint64_t hash)
{
    for (int i = 0; i < f->n; i++)
        if (f->v[i].hash == hash)
            return &f->v[i];
    return NULL;
}

void failures_add(struct failures *f, enum outcome o, const char *why, uint64_t count)
{
    const char *text = why ? why : outcomes[o].name;
    uint64_t hash = hash_of(o, text);
    struct failure *x = find(f, hash);

    if (!x && f->n >= FAILURES_MAX) {
        text = outcomes[o].name;
        hash = hash_of(o, text);
        x = find(f, hash);
    }
    if (!x) {
        x = &f->v[f->n++];
        x->hash = hash;
        x->outcome = o;
        strncpy(x->why, text, FAILURE_LENGTH);
    }
    x->count += count;
}

void failures_merge(struct failures *into, const struct failures *from)
{
    for (int i = 0; i < from->n; i++)
        failures_add(into, from->v[i].outcome, from->v[i].why, from->v[i].count);
}

static int by_count(const void *a, const void *b)
{
    const struct failure *x = a, *y = b;

    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return strcmp(x->why, y->why);
}

/* A reason may have been cut in the middle of a secret, and does not end there in every report. */
static const char *clean(const char *why, struct arena *arena)
{
    struct buf b = {0};
    const char *copy;

    redact(why, strlen(why), &b);
    copy = arena_strdup(arena, buf_text(&b));
    buf_free(&b);
    return copy;
}

struct error_count *failures_list(struct failures *f, struct arena *arena)
{
    struct error_count *list = arena_array(arena, struct error_count, f->n);

    qsort(f->v, (size_t)f->n, sizeof(f->v[0]), by_count);
    for (int i = 0; i < f->n; i++)
        list[i] = (struct error_count){f->v[i].outcome, clean(f->v[i].why, arena), f->v[i].count};
    return list;
}
