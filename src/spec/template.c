/*
 * template.c - a text is cut into pieces once; rendering walks them.
 *
 * Numbers are printed by hand: snprintf() would cost more than the rest of a small request, and
 * every operation of a load renders at least one template.
 */
#include "spec/piece.h"

#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "spec/dataset.h"

struct output {
    char *at;
    size_t room, len;
};

static size_t print_unsigned(uint64_t v, char out[NUMBER_MAX])
{
    char digits[NUMBER_MAX];
    size_t n = 0;

    do {
        digits[NUMBER_MAX - ++n] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    memcpy(out, digits + NUMBER_MAX - n, n);
    return n;
}

const char *template_constant(const struct template *t)
{
    return t->constant;
}

static void put(struct output *o, const char *text, size_t len)
{
    if (o->len < o->room)
        memcpy(o->at + o->len, text, len < o->room - o->len ? len : o->room - o->len);
    o->len += len;
}

static void put_zeros(struct output *o, int width, size_t len)
{
    for (int n = (int)len; n < width; n++)
        put(o, "0", 1);
}

static void put_unsigned(struct output *o, uint64_t v, int width)
{
    char digits[NUMBER_MAX];
    size_t n = print_unsigned(v, digits);

    put_zeros(o, width, n);
    put(o, digits, n);
}

/* As printf's %0*d: the sign counts for the width. */
static void put_signed(struct output *o, int64_t v, int width)
{
    if (v < 0)
        put(o, "-", 1);
    put_unsigned(o, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, width - (v < 0));
}

/* Text from data and captures is padded if it is a number. */
static void put_text(struct output *o, const char *text, int width)
{
    size_t len = strlen(text);

    if (width && len && strspn(text, "0123456789") == len)
        put_zeros(o, width, len);
    put(o, text, len);
}

/* RFC 9562 version 4. */
static void put_uuid(struct output *o, uint64_t *rng)
{
    static const char hex[] = "0123456789abcdef";
    uint64_t high = (rng_next(rng) & ~UINT64_C(0xf000)) | UINT64_C(0x4000);
    uint64_t low = (rng_next(rng) & ~(UINT64_C(3) << 62)) | (UINT64_C(2) << 62);
    char text[UUID_LEN];
    int at = 0;

    for (int i = 0; i < 32; i++) {
        uint64_t half = i < 16 ? high : low;

        if (i == 8 || i == 12 || i == 16 || i == 20)
            text[at++] = '-';
        text[at++] = hex[(half >> (60 - 4 * (i % 16))) & 15];
    }
    put(o, text, sizeof(text));
}

static int64_t cycled(const struct piece *p, uint64_t iteration)
{
    uint64_t span = (uint64_t)p->hi - (uint64_t)p->lo + 1;

    return (int64_t)((uint64_t)p->lo + (span ? iteration % span : iteration));
}

static const char *cell(const struct template *t, const struct piece *p, uint64_t iteration)
{
    const struct dataset *d = t->scope->data;
    size_t row = (size_t)(iteration % (uint64_t)d->row_count);

    return d->cells[row * (size_t)d->column_count + (size_t)p->index];
}

static void put_piece(struct output *o, const struct template *t, const struct piece *p,
                      const struct template_values *v)
{
    const char *capture;

    switch (p->type) {
    case PIECE_TEXT:
        put(o, p->text, p->len);
        break;
    case PIECE_ITERATION:
        put_unsigned(o, v->iteration, p->width);
        break;
    case PIECE_VU:
        put_unsigned(o, v->vu, p->width);
        break;
    case PIECE_AGENT:
        put_unsigned(o, v->agent, p->width);
        break;
    case PIECE_UUID:
        put_uuid(o, v->rng);
        break;
    case PIECE_UNIX_MS:
        put_unsigned(o, wall_ns() / NS_PER_MS, p->width);
        break;
    case PIECE_RANDOM:
        put_signed(o, rng_between(rng_next(v->rng), p->lo, p->hi), p->width);
        break;
    case PIECE_CYCLE:
        put_signed(o, cycled(p, v->iteration), p->width);
        break;
    case PIECE_DATA:
        put_text(o, cell(t, p, v->iteration), p->width);
        break;
    case PIECE_CAPTURE:
        capture = v->captures ? v->captures[p->index] : NULL;
        put_text(o, capture ? capture : "", p->width);
        break;
    }
}

size_t template_render(const struct template *t, const struct template_values *v, char *out,
                       size_t room)
{
    struct output o = {.at = out, .room = room};

    for (int i = 0; i < t->count; i++)
        put_piece(&o, t, &t->pieces[i], v);
    return o.len;
}

size_t template_bound(const struct template *t, size_t capture_max)
{
    size_t sum = 0;

    for (int i = 0; i < t->count; i++) {
        const struct piece *p = &t->pieces[i];
        size_t len = p->type == PIECE_CAPTURE ? capture_max : p->len;

        sum += len > (size_t)p->width ? len : (size_t)p->width;
    }
    return sum;
}

bool template_is_single(const struct template *t, bool *numeric)
{
    const struct piece *p = t->pieces;

    if (t->count != 1 || p->type == PIECE_TEXT)
        return false;
    switch (p->type) {
    case PIECE_DATA:
        *numeric = !p->width && t->scope->data->numeric[p->index];
        break;
    case PIECE_UUID:
    case PIECE_CAPTURE:
        *numeric = false;
        break;
    default:
        *numeric = !p->width; /* leading zeros are not JSON */
    }
    return true;
}
