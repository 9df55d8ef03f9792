#include "target/dist.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/rng.h"
#include "base/units.h"
#include "target/strata.h"

#define TEXT_MAX 256

enum argument { ARG_NONE, ARG_TIME, ARG_NUMBER };

/* Index: enum dist_kind.  What a call's arguments are, and how it is written. */
static const struct {
    const char *name;
    enum argument a, b;
    const char *form;
} kinds[] = {
    [DIST_CONSTANT] = {"constant", ARG_TIME, ARG_NONE, "5ms"},
    [DIST_UNIFORM] = {"uniform", ARG_TIME, ARG_TIME, "uniform(1ms,5ms)"},
    [DIST_EXP] = {"exp", ARG_TIME, ARG_NONE, "exp(5ms)"},
    [DIST_NORMAL] = {"normal", ARG_TIME, ARG_TIME, "normal(10ms,2ms)"},
    [DIST_LOGNORMAL] = {"lognormal", ARG_TIME, ARG_NUMBER, "lognormal(5ms,0.5)"},
    [DIST_PARETO] = {"pareto", ARG_TIME, ARG_NUMBER, "pareto(1ms,1.5)"},
};
#define KINDS (int)(sizeof(kinds) / sizeof(kinds[0]))

static char *trim(char *s)
{
    size_t len;

    while (isspace((unsigned char)*s))
        s++;
    for (len = strlen(s); len > 0 && isspace((unsigned char)s[len - 1]); len--)
        s[len - 1] = '\0';
    return s;
}

static bool parse_argument(enum argument type, const char *text, double *value, struct err *e)
{
    int64_t ns;

    if (type == ARG_NUMBER) {
        if (!units_number(text, value))
            return err_set(e, "\"%s\" is not a number (try 0.5)", text);
        return *value > 0 || err_set(e, "\"%s\" has to be above 0", text);
    }
    if (!units_duration(text, &ns))
        return err_set(e, "\"%s\" is not a duration (try 5ms)", text);
    if (ns > DIST_MAX)
        return err_set(e, "\"%s\" is longer than an hour", text);
    *value = (double)ns;
    return true;
}

static bool check(const struct dist_part *p, const char *text, struct err *e)
{
    if (p->kind == DIST_UNIFORM && p->a > p->b)
        return err_set(e, "\"%s\": the first duration is above the second", text);
    return true;
}

/* `args` is what stands between the parentheses; it is cut up. */
static bool parse_call(struct dist_part *p, char *args, const char *text, struct err *e)
{
    char *comma = strchr(args, ',');
    bool two = kinds[p->kind].b != ARG_NONE;

    if (!!comma != two || (comma && strchr(comma + 1, ',')))
        return err_set(e, "\"%s\" is not written like %s", text, kinds[p->kind].form);
    if (comma)
        *comma = '\0';
    if (!parse_argument(kinds[p->kind].a, trim(args), &p->a, e))
        return false;
    if (two && !parse_argument(kinds[p->kind].b, trim(comma + 1), &p->b, e))
        return false;
    return check(p, text, e);
}

/* Cuts "name(args)" into its two; NULL if it is not of that form. */
static char *split_call(char *s)
{
    char *open = strchr(s, '('), *end = s + strlen(s);

    if (!open || end[-1] != ')')
        return NULL;
    *open = '\0';
    end[-1] = '\0';
    return open + 1;
}

static bool parse_part(struct dist_part *p, const char *text, struct err *e)
{
    char copy[TEXT_MAX], *name, *args;

    snprintf(copy, sizeof(copy), "%s", text);
    name = trim(copy);
    if (*name >= '0' && *name <= '9') {
        p->kind = DIST_CONSTANT;
        return parse_argument(ARG_TIME, name, &p->a, e);
    }
    args = split_call(name);
    for (int i = DIST_CONSTANT + 1; args && i < KINDS; i++) {
        if (strcmp(trim(name), kinds[i].name) == 0) {
            p->kind = (enum dist_kind)i;
            return parse_call(p, args, text, e);
        }
    }
    return err_set(
        e,
        "\"%s\" is not a distribution (try 5ms, uniform(1ms,5ms), exp(5ms), "
        "normal(10ms,2ms), lognormal(5ms,0.5), pareto(1ms,1.5) or mix(90%% 1ms, 10%% 5ms))",
        text);
}

/* "9% exp(5ms)": the share comes first. */
static bool parse_share(struct dist *d, char *text, struct err *e)
{
    struct dist_part *p = &d->parts[d->count];
    uint32_t from = d->count ? p[-1].until : 0;
    char *rest = text + strcspn(text, " \t");
    double share;

    if (!*rest)
        return err_set(e, "\"%s\" is not a share with its latency (try 9%% 5ms)", text);
    *rest++ = '\0';
    if (!units_ratio(text, &share))
        return err_set(e, "\"%s\" is not a share (try 9%%)", text);
    share *= STRATA;
    if (share > STRATA || fabs(share - round(share)) > 1e-6 || share < 0.5)
        return err_set(e, "share \"%s\" is not 0.1%% to 100%% in steps of 0.1%%", text);
    p->until = from + (uint32_t)lround(share);
    d->count++;
    return parse_part(p, rest, e);
}

/* The next comma outside parentheses, or the end. */
static char *part_end(char *s)
{
    for (int depth = 0; *s && (*s != ',' || depth > 0); s++)
        depth += (*s == '(') - (*s == ')');
    return s;
}

static bool parse_mix(struct dist *d, char *args, const char *text, struct err *e)
{
    for (char *next = args; next;) {
        char *end = part_end(next), *part = next;

        next = *end ? end + 1 : NULL;
        *end = '\0';
        if (d->count == DIST_PARTS_MAX)
            return err_set(e, "\"%s\" has more than %d parts", text, DIST_PARTS_MAX);
        if (!parse_share(d, trim(part), e))
            return false;
    }
    if (d->parts[d->count - 1].until != STRATA)
        return err_set(e, "\"%s\": the shares make %.1f%% instead of 100%%", text,
                       d->parts[d->count - 1].until * 100.0 / STRATA);
    return true;
}

bool dist_parse(struct dist *d, const char *text, struct err *e)
{
    struct dist parsed = {0};
    char copy[TEXT_MAX], *s, *args = NULL;

    if (strlen(text) >= sizeof(copy))
        return err_set(e, "a distribution of %zu characters is too long", strlen(text));
    snprintf(copy, sizeof(copy), "%s", text);
    s = trim(copy);
    if (strncmp(s, "mix", 3) == 0 && *trim(s + 3) == '(')
        args = split_call(s);
    if (args ? !parse_mix(&parsed, args, text, e) : !parse_part(&parsed.parts[0], s, e))
        return false;
    if (!args) {
        parsed.parts[0].until = STRATA;
        parsed.count = 1;
    }
    *d = parsed;
    return true;
}

/* Box and Muller (Annals of Mathematical Statistics 29, 1958). */
static double standard_normal(uint64_t seed, uint64_t number)
{
    double u = 1 - rng_unit(rng_hash(seed, number, 1)), v = rng_unit(rng_hash(seed, number, 2));

    return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

static double draw(const struct dist_part *p, uint64_t seed, uint64_t number)
{
    double u = p->kind == DIST_CONSTANT ? 0 : rng_unit(rng_hash(seed, number, 0));

    switch (p->kind) {
    case DIST_UNIFORM:
        return p->a + u * (p->b - p->a);
    case DIST_EXP:
        return -p->a * log(1 - u);
    case DIST_NORMAL:
        return p->a + p->b * standard_normal(seed, number);
    case DIST_LOGNORMAL:
        return p->a * exp(p->b * standard_normal(seed, number));
    case DIST_PARETO:
        return p->a * pow(1 - u, -1 / p->b);
    case DIST_CONSTANT:
        break;
    }
    return p->a;
}

uint64_t dist_sample(const struct dist *d, uint64_t seed, uint64_t number)
{
    uint32_t place = d->count > 1 ? strata_place(STRATA_MIX, number) : 0;
    const struct dist_part *p = d->parts;
    double ns;

    if (!d->count)
        return 0;
    while (place >= p->until)
        p++;
    ns = draw(p, seed, number);
    return ns <= 0 ? 0 : ns >= (double)DIST_MAX ? (uint64_t)DIST_MAX : (uint64_t)llround(ns);
}
