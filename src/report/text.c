#include "report/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/redact.h"
#include "run/result.h"

#define REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

/* The length of the UTF-8 character at `s` and its code point; 0 if there is none (RFC 3629, 4). */
static size_t decode(const unsigned char *s, size_t len, uint32_t *point)
{
    static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = s[0] < 0x80   ? 1
               : s[0] < 0xC2 ? 0
               : s[0] < 0xE0 ? 2
               : s[0] < 0xF0 ? 3
               : s[0] < 0xF5 ? 4
                             : 0;
    uint32_t p = n == 1 ? s[0] : s[0] & (0x7Fu >> n);

    if (n == 0 || n > len)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
        p = p << 6 | (s[i] & 0x3Fu);
    }
    if (p < lowest[n] || p > 0x10FFFF || (p >= 0xD800 && p < 0xE000))
        return 0;
    *point = p;
    return n;
}

/* C0, DEL and C1, and the overrides of writing direction, which make a line read as another one. */
static bool is_control(uint32_t p)
{
    return p < 0x20 || (p >= 0x7F && p < 0xA0) || (p >= 0x202A && p <= 0x202E) ||
           (p >= 0x2066 && p <= 0x2069);
}

void text_clean(const char *s, size_t len, bool lines, struct buf *out)
{
    struct buf safe = {0};
    const unsigned char *p;
    uint32_t point = 0;
    size_t n;

    redact(s, len, &safe);
    p = (const unsigned char *)buf_text(&safe);
    for (size_t i = 0; i < safe.len; i += n ? n : 1) {
        n = decode(p + i, safe.len - i, &point);
        if (n == 0 || point == 0xFFFE || point == 0xFFFF)
            buf_adds(out, REPLACEMENT);
        else if (is_control(point) && !(lines && (point == '\n' || point == '\t')))
            buf_addc(out, ' ');
        else
            buf_add(out, p + i, n);
    }
    buf_free(&safe);
}

void text_add(struct buf *out, const char *s)
{
    if (s)
        text_clean(s, strlen(s), false, out);
}

int text_width(const char *s)
{
    int width = 0;

    for (; *s; s++) {
        if (*s == '\033')
            s += strcspn(s, "mK");
        else if (((unsigned char)*s & 0xC0) != 0x80)
            width++;
        if (!*s)
            break;
    }
    return width;
}

void text_pad(struct buf *out, int columns)
{
    for (int i = 0; i < columns; i++)
        buf_addc(out, ' ');
}

static void wrap_clean(struct buf *out, const char *s, int used, int indent)
{
    int column = used;
    bool first = true; /* on this line */

    for (s += strspn(s, " "); *s; s += strspn(s, " ")) {
        size_t len = strcspn(s, " ");
        int width = 0;

        for (size_t i = 0; i < len; i++)
            width += ((unsigned char)s[i] & 0xC0) != 0x80;
        if (!first && column + 1 + width > TEXT_COLUMNS) {
            buf_addc(out, '\n');
            text_pad(out, indent);
            column = indent;
        } else if (!first) {
            buf_addc(out, ' ');
            column++;
        }
        first = false;
        buf_add(out, s, len);
        column += width;
        s += len;
    }
}

void text_wrap(struct buf *out, const char *s, int used, int indent)
{
    struct buf clean = {0};

    text_add(&clean, s);
    wrap_clean(out, buf_text(&clean), used, indent);
    buf_free(&clean);
}

/* As many bytes as make up at most `columns` code points. */
static size_t cut(const char *s, size_t len, int columns)
{
    size_t i = 0;

    for (; i < len; i++)
        if (((unsigned char)s[i] & 0xC0) != 0x80 && columns-- == 0)
            break;
    return i;
}

void text_tail(struct buf *out, const char *s, int indent, int max)
{
    struct buf clean = {0};
    const char *p, *start;
    int lines = 0;

    text_clean(s, strlen(s), true, &clean);
    while (clean.len > 0 && clean.data[clean.len - 1] == '\n')
        clean.data[--clean.len] = '\0';
    start = buf_text(&clean);
    for (p = start + clean.len; p > start; p--)
        if (p[-1] == '\n' && ++lines == max)
            break;
    while (*p) {
        size_t len = strcspn(p, "\n"), shown = cut(p, len, TEXT_COLUMNS - indent);

        while (shown > 0 && p[shown - 1] == ' ')
            shown--;
        text_pad(out, shown ? indent : 0);
        buf_add(out, p, shown);
        buf_addc(out, '\n');
        p += len + (p[len] == '\n');
    }
    buf_free(&clean);
}

const char *text_quantity(enum metric_unit unit, double value, char buf[UNITS_MAX])
{
    value += 0.0; /* a margin of -0 is none */
    switch (unit) {
    case UNIT_TIME:
        return units_print_duration(value, buf);
    case UNIT_BYTES:
        return units_print_size(value, buf);
    case UNIT_RATIO:
        return units_print_ratio(value, buf);
    case UNIT_PER_SECOND:
        return units_print_rate(value, buf);
    default:
        return units_print_count(value, buf);
    }
}

enum metric_unit text_unit(const struct threshold *t, const struct metric *m)
{
    if (t->agg == AGG_COUNT)
        return UNIT_NONE;
    if (t->agg == AGG_RATE)
        return m->type == METRIC_RATE ? UNIT_RATIO : UNIT_PER_SECOND;
    return m->unit;
}

void text_selector(struct buf *out, const struct threshold *t)
{
    struct buf raw = {0};

    selector_print(&t->selector, &raw);
    text_add(out, buf_text(&raw));
    buf_free(&raw);
}

const char *text_time(uint64_t wall_ns, char buf[TEXT_TIME_MAX])
{
    time_t seconds = (time_t)(wall_ns / NS_PER_S);
    struct tm tm;
    size_t n;

    gmtime_r(&seconds, &tm);
    n = strftime(buf, TEXT_TIME_MAX - 8, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(buf + n, TEXT_TIME_MAX - n, ".%03uZ", (unsigned)(wall_ns / NS_PER_MS % 1000));
    return buf;
}

uint64_t text_time_parse(const char *s)
{
    struct tm tm = {0};
    int ms = 0, end = 0;
    time_t t;

    if (sscanf(s, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
               &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &ms, &end) != 7 ||
        end == 0 || s[end] || ms < 0)
        return 0;
    if (tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31)
        return 0;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    t = timegm(&tm);
    if (t < 0 || t > INT64_C(9000000000))
        return 0;
    return (uint64_t)t * NS_PER_S + (uint64_t)ms * NS_PER_MS;
}

int text_exit_code(const struct run_result *r)
{
    return r->exit_code == 0 && !r->complete ? 3 : r->exit_code;
}

const char *text_verdict(const struct run_result *r)
{
    int code = text_exit_code(r);

    return code == 0 ? "pass" : code == 1 ? "breach" : "inconclusive";
}

const char *text_headline(const struct run_result *r)
{
    if (!r->complete && r->exit_code == 0)
        return "the run is not complete";
    return r->headline ? r->headline : "no verdict was reached";
}

int text_phase_state(const struct phase_result *p)
{
    static const int rank[] = {1, 3, 2, 0}; /* pass, breach, inconclusive, not run */
    int state = FOUND_NOT_RUN;

    for (const struct finding *f = p->findings; f; f = f->next) {
        enum finding_state s = f->warn && f->state != FOUND_NOT_RUN ? FOUND_PASS : f->state;

        if (rank[s] > rank[state])
            state = s;
    }
    return state;
}

void text_styled(struct buf *out, bool color, enum style style, const char *clean)
{
    static const char *const codes[] = {"", "1", "2", "32", "1;31", "33"};

    if (!color || style == STYLE_PLAIN) {
        buf_adds(out, clean);
        return;
    }
    buf_printf(out, "\033[%sm%s\033[0m", codes[style], clean);
}

enum style text_finding_style(const struct finding *f)
{
    switch (f->state) {
    case FOUND_PASS:
        return STYLE_GOOD;
    case FOUND_BREACH:
        return f->warn ? STYLE_DOUBT : STYLE_BAD;
    case FOUND_INCONCLUSIVE:
        return STYLE_DOUBT;
    default:
        return STYLE_DIM;
    }
}

const char *text_finding_word(const struct finding *f)
{
    static const char *const words[] = {"pass", "BREACH", "inconclusive", "not run"};

    if (f->warn && f->state != FOUND_PASS && f->state != FOUND_NOT_RUN)
        return "warning";
    return words[f->state];
}

void text_finding(struct buf *out, const struct finding *f, bool color)
{
    const char *word = text_finding_word(f);
    const char *message = f->message ? f->message : f->evidence.reason;
    struct buf text = {0};

    buf_adds(&text, f->name ? f->name : "");
    if (f->line > 0 && f->state != FOUND_PASS && f->kind != FINDING_THRESHOLD)
        buf_printf(&text, " (line %d)", f->line);
    buf_printf(&text, ": %s", message ? message : "");
    text_pad(out, 2);
    text_styled(out, color, text_finding_style(f), word);
    text_pad(out, 2);
    text_wrap(out, buf_text(&text), 4 + text_width(word), 6);
    buf_addc(out, '\n');
    buf_free(&text);
}

const char *text_phase_word(const struct phase_result *p, enum style *style)
{
    struct finding worst = {.state = (enum finding_state)text_phase_state(p)};

    *style = text_finding_style(&worst);
    return text_finding_word(&worst);
}
