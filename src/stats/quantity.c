#include "stats/quantity.h"

#include <stdio.h>
#include <string.h>

/* What one unit is worth; either a factor or a divisor, so that 0.1% is the double nearest 0.001.
 */
static const struct {
    enum quantity of;
    const char *name;
    double factor, divisor;
} units[] = {
    {Q_NUMBER, "", 1, 1},
    {Q_TIME, "", 1e6, 1}, /* as in k6 */
    {Q_TIME, "ms", 1e6, 1},
    {Q_TIME, "s", 1e9, 1},
    {Q_TIME, "us", 1e3, 1},
    {Q_TIME, "\u00b5s", 1e3, 1}, /* the micro sign */
    {Q_TIME, "\u03bcs", 1e3, 1}, /* the Greek letter */
    {Q_TIME, "ns", 1, 1},
    {Q_TIME, "m", 60e9, 1},
    {Q_TIME, "h", 3600e9, 1},
    {Q_BYTES, "", 1, 1},
    {Q_BYTES, "B", 1, 1},
    {Q_BYTES, "KiB", 1024, 1},
    {Q_BYTES, "MiB", 1048576, 1},
    {Q_BYTES, "GiB", 1073741824, 1},
    {Q_RATIO, "", 1, 1},
    {Q_RATIO, "%", 1, 100},
    {Q_PER_SECOND, "", 1, 1},
    {Q_PER_SECOND, "/s", 1, 1},
    {Q_PER_SECOND, "/m", 1, 60},
    {Q_PER_SECOND, "/h", 1, 3600},
    {Q_BYTES_PER_SECOND, "", 1, 1},
    {Q_BYTES_PER_SECOND, "B/s", 1, 1},
    {Q_BYTES_PER_SECOND, "KiB/s", 1024, 1},
    {Q_BYTES_PER_SECOND, "MiB/s", 1048576, 1},
    {Q_BYTES_PER_SECOND, "GiB/s", 1073741824, 1},
};
#define UNITS (sizeof(units) / sizeof(units[0]))

enum quantity quantity_of(enum aggregation agg, const struct metric *m)
{
    if (m->type == METRIC_RATE)
        return Q_RATIO;
    if (agg == AGG_RATE)
        return m->unit == UNIT_BYTES ? Q_BYTES_PER_SECOND : Q_PER_SECOND;
    if (agg == AGG_COUNT && m->type == METRIC_TREND)
        return Q_NUMBER;
    switch (m->unit) {
    case UNIT_TIME:
        return Q_TIME;
    case UNIT_BYTES:
        return Q_BYTES;
    case UNIT_RATIO:
        return Q_RATIO;
    case UNIT_PER_SECOND:
        return Q_PER_SECOND;
    case UNIT_NONE:
        break;
    }
    return Q_NUMBER;
}

bool quantity_read(enum quantity q, double number, const char *unit, double *value)
{
    for (size_t i = 0; i < UNITS; i++)
        if (units[i].of == q && !strcmp(units[i].name, unit)) {
            *value = number * units[i].factor / units[i].divisor;
            return true;
        }
    return false;
}

const char *quantity_hint(enum quantity q)
{
    static const char *const hints[] = {
        [Q_NUMBER] = "it is a plain number",
        [Q_TIME] = "try ns, us, ms, s, m or h",
        [Q_BYTES] = "try B, KiB, MiB or GiB",
        [Q_RATIO] = "try % or a share such as 0.01",
        [Q_PER_SECOND] = "try /s, /m or /h",
        [Q_BYTES_PER_SECOND] = "try B/s, KiB/s, MiB/s or GiB/s",
    };

    return hints[q];
}

const char *quantity_print(enum quantity q, double value, char buf[UNITS_MAX])
{
    size_t len;

    switch (q) {
    case Q_TIME:
        return units_print_duration(value, buf);
    case Q_BYTES:
        return units_print_size(value, buf);
    case Q_RATIO:
        return units_print_ratio(value, buf);
    case Q_PER_SECOND:
        return units_print_rate(value, buf);
    case Q_BYTES_PER_SECOND:
        len = strlen(units_print_size(value, buf));
        snprintf(buf + len, UNITS_MAX - len, "/s");
        return buf;
    case Q_NUMBER:
        break;
    }
    return units_print_count(value, buf);
}

const char *quantity_print_exact(enum quantity q, double value, char buf[UNITS_MAX])
{
    static const struct {
        double size;
        const char *unit;
    } of[] = {
        [Q_NUMBER] = {1, ""},    [Q_TIME] = {1e6, "ms"},     [Q_BYTES] = {1, " B"},
        [Q_RATIO] = {0.01, "%"}, [Q_PER_SECOND] = {1, "/s"}, [Q_BYTES_PER_SECOND] = {1, " B/s"},
    };

    snprintf(buf, UNITS_MAX, "%.6g%s", value / of[q].size, of[q].unit);
    return buf;
}
