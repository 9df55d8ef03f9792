#include "base/units.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct decimal { /* whole + frac / scale */
    uint64_t whole, frac, scale;
};

struct unit {
    const char *suffix;
    int64_t factor;
};

/* Both spellings of the micro sign are Go's. */
static const struct unit time_units[] = {
    {"ns", 1},
    {"us", 1000},
    {"\u00b5s", 1000},
    {"\u03bcs", 1000},
    {"ms", 1000000},
    {"s", INT64_C(1000000000)},
    {"m", INT64_C(60000000000)},
    {"h", INT64_C(3600000000000)},
    {"d", INT64_C(86400000000000)},
    {NULL, 0},
};

static const struct unit size_units[] = {
    {"B", 1},
    {"KiB", INT64_C(1) << 10},
    {"MiB", INT64_C(1) << 20},
    {"GiB", INT64_C(1) << 30},
    {"TiB", INT64_C(1) << 40},
    {"kB", 1000},
    {"KB", 1000},
    {"MB", 1000000},
    {"GB", INT64_C(1000000000)},
    {"TB", INT64_C(1000000000000)},
    {NULL, 0},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "12", "1.5", ".5", "1.": what follows it, or NULL.  Digits beyond the 18th decimal are dropped.
 */
static const char *scan_decimal(const char *s, struct decimal *d)
{
    bool any = false;

    *d = (struct decimal){0, 0, 1};
    for (; is_digit(*s); s++, any = true) {
        if (__builtin_mul_overflow(d->whole, 10, &d->whole) ||
            __builtin_add_overflow(d->whole, (uint64_t)(*s - '0'), &d->whole))
            return NULL;
    }
    if (*s != '.')
        return any ? s : NULL;
    for (s++; is_digit(*s); s++, any = true) {
        if (d->scale < UINT64_C(1000000000000000000)) {
            d->frac = d->frac * 10 + (uint64_t)(*s - '0');
            d->scale *= 10;
        }
    }
    return any ? s : NULL;
}

/* The longest suffix of the table at the start of `s`, or NULL. */
static const struct unit *scan_unit(const char *s, const struct unit *units)
{
    const struct unit *best = NULL;

    for (; units->suffix; units++) {
        size_t len = strlen(units->suffix);

        if (strncmp(s, units->suffix, len) == 0 && (!best || len > strlen(best->suffix)))
            best = units;
    }
    return best;
}

static bool add_scaled(int64_t *total, const struct decimal *d, int64_t factor)
{
    unsigned __int128 sum = (unsigned __int128)d->whole * (uint64_t)factor;

    sum += (unsigned __int128)d->frac * (uint64_t)factor / d->scale;
    sum += (uint64_t)*total;
    if (sum > INT64_MAX)
        return false;
    *total = (int64_t)sum;
    return true;
}

bool units_duration(const char *s, int64_t *ns)
{
    int64_t total = 0;

    if (strcmp(s, "0") == 0) {
        *ns = 0;
        return true;
    }
    for (const char *p = s; *p || p == s;) {
        struct decimal d;
        const struct unit *u;
        const char *number = p;

        if (!(p = scan_decimal(p, &d)) || !(u = scan_unit(p, time_units)))
            return false;
        if ((u->suffix[0] == 'd' && number != s) || !add_scaled(&total, &d, u->factor))
            return false;
        p += strlen(u->suffix);
    }
    *ns = total;
    return true;
}

bool units_size(const char *s, int64_t *bytes)
{
    const struct unit *u;
    struct decimal d;
    int64_t total = 0;

    if (!(s = scan_decimal(s, &d)))
        return false;
    if (*s == '\0') {
        if (d.frac || !add_scaled(&total, &d, 1))
            return false;
    } else {
        u = scan_unit(s, size_units);
        if (!u || s[strlen(u->suffix)] || !add_scaled(&total, &d, u->factor))
            return false;
    }
    *bytes = total;
    return true;
}

/* A number as in JSON, but with an optional part on either side of the point; or NULL. */
static const char *scan_number(const char *s, double *value)
{
    const char *p = s;
    bool any = false;
    double v;

    for (; is_digit(*p); p++)
        any = true;
    if (*p == '.') {
        for (p++; is_digit(*p); p++)
            any = true;
    }
    if (!any)
        return NULL;
    if (*p == 'e' || *p == 'E') {
        const char *digits = p + 1 + (p[1] == '+' || p[1] == '-');

        if (!is_digit(*digits))
            return NULL;
        for (p = digits; is_digit(*p);)
            p++;
    }
    v = strtod(s, NULL);
    if (!isfinite(v))
        return NULL;
    *value = v;
    return p;
}

bool units_number(const char *s, double *value)
{
    double v;
    const char *end = scan_number(s, &v);

    if (!end || *end)
        return false;
    *value = v;
    return true;
}

bool units_ratio(const char *s, double *ratio)
{
    double v;
    const char *end = scan_number(s, &v);

    if (!end || (*end && strcmp(end, "%") != 0))
        return false;
    *ratio = *end ? v / 100 : v;
    return true;
}

bool units_rate(const char *s, double *per_s)
{
    double v;
    const char *end = scan_number(s, &v);

    if (!end)
        return false;
    if (*end == 'k' || *end == 'M')
        v *= *end++ == 'k' ? 1e3 : 1e6;
    if (strcmp(end, "/m") == 0)
        v /= 60;
    else if (strcmp(end, "/h") == 0)
        v /= 3600;
    else if (strcmp(end, "/s") != 0)
        return false;
    if (!isfinite(v))
        return false;
    *per_s = v;
    return true;
}

bool units_int(const char *s, int64_t *value)
{
    bool negative = *s == '-';
    int64_t v = 0;

    s += negative;
    if (!*s)
        return false;
    for (; *s; s++) {
        int64_t digit = *s - '0';

        if (!is_digit(*s) || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, negative ? -digit : digit, &v))
            return false;
    }
    *value = v;
    return true;
}

/* `v` as it reads after rounding to three significant digits. */
static double rounded(double v)
{
    char text[32];

    snprintf(text, sizeof(text), "%.3g", v);
    return strtod(text, NULL);
}

/* Three significant digits and all digits before the point; never an exponent up to 1e15. */
static int print_number(double v, char *buf, size_t size)
{
    if (fabs(v) >= 100 && fabs(v) < 1e15)
        return snprintf(buf, size, "%.0f", v);
    return snprintf(buf, size, "%.3g", v);
}

/* "1m30s": the two largest units; `seconds` is at least 59.9. */
static void print_long_duration(double seconds, char buf[UNITS_MAX - 1])
{
    static const struct {
        double size;
        char name;
    } parts[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
    int i;
    double lesser, large, small;

    for (i = 0; i < 2; i++) {
        lesser = parts[i + 1].size;
        if (round(seconds / lesser) * lesser >= parts[i].size)
            break;
    }
    lesser = parts[i + 1].size;
    seconds = round(seconds / lesser) * lesser;
    large = floor(seconds / parts[i].size);
    small = (seconds - large * parts[i].size) / lesser;
    if (small >= 1)
        snprintf(buf, UNITS_MAX - 1, "%.6g%c%.0f%c", large, parts[i].name, small,
                 parts[i + 1].name);
    else
        snprintf(buf, UNITS_MAX - 1, "%.6g%c", large, parts[i].name);
}

const char *units_print_duration(double ns, char buf[UNITS_MAX])
{
    static const struct {
        const char *name;
        double size, limit;
    } small[] = {{"ns", 1, 1000}, {"us", 1e3, 1000}, {"ms", 1e6, 1000}, {"s", 1e9, 60}};
    const char *sign = ns < 0 ? "-" : "";

    if (!isfinite(ns) || ns == 0) {
        snprintf(buf, UNITS_MAX, "%.3gs", ns);
        return buf;
    }
    ns = fabs(ns);
    for (size_t i = 0; i < sizeof(small) / sizeof(small[0]); i++) {
        double v = rounded(ns / small[i].size);

        if (v < small[i].limit) {
            snprintf(buf, UNITS_MAX, "%s%.3g%s", sign, v, small[i].name);
            return buf;
        }
    }
    buf[0] = '-';
    print_long_duration(ns / 1e9, buf + strlen(sign));
    return buf;
}

const char *units_print_count(double n, char buf[UNITS_MAX])
{
    char digits[UNITS_MAX];
    int len = print_number(n, digits, sizeof(digits)), at = 0;

    if (!(fabs(n) >= 100 && fabs(n) < 1e15)) {
        memcpy(buf, digits, (size_t)len + 1);
        return buf;
    }
    for (int i = 0; i < len; i++) {
        if (i > 0 && digits[i - 1] != '-' && (len - i) % 3 == 0)
            buf[at++] = ',';
        buf[at++] = digits[i];
    }
    buf[at] = '\0';
    return buf;
}

const char *units_print_rate(double per_s, char buf[UNITS_MAX])
{
    int len = print_number(per_s, buf, UNITS_MAX);

    snprintf(buf + len, (size_t)(UNITS_MAX - len), "/s");
    return buf;
}

/*
 * Just below 100% the digits that matter are those of the complement: 99.95% must not read as 100%,
 * which is what a limit of 99.99% would be compared with in a report.
 */
const char *units_print_ratio(double ratio, char buf[UNITS_MAX])
{
    double percent = ratio * 100, rest = 100 - percent;
    int len;

    if (percent > 99 && percent < 100 && rest >= 1e-9) {
        int decimals = 2 - (int)floor(log10(rest));

        len = snprintf(buf, UNITS_MAX, "%.*f", decimals > 11 ? 11 : decimals, percent);
        while (buf[len - 1] == '0')
            len--;
        if (buf[len - 1] == '.')
            len--;
    } else {
        len = print_number(percent, buf, UNITS_MAX);
    }
    snprintf(buf + len, (size_t)(UNITS_MAX - len), "%%");
    return buf;
}

const char *units_print_size(double bytes, char buf[UNITS_MAX])
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t i = 0;

    while (i + 1 < sizeof(names) / sizeof(names[0]) && fabs(bytes) >= 1023.5) {
        bytes /= 1024;
        i++;
    }
    snprintf(buf, UNITS_MAX, "%.*g %s", fabs(bytes) >= 1000 ? 4 : 3, bytes, names[i]);
    return buf;
}
