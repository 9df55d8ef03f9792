/*
 * text.h - what all reports share: clean text, quantities, times and the word for the verdict.
 *
 * text_clean() is the one way by which a string from elsewhere (a peer's answer, a service's
 * output, a value of the suite) gets into a report: secrets become "***", bytes that are not UTF-8
 * become U+FFFD, and control characters, which could steer a terminal or break XML, become spaces.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/units.h"
#include "stats/metric.h"

struct buf;
struct finding;
struct phase_result;
struct run_result;
struct threshold;

#define TEXT_COLUMNS 100

/* Appends; `lines` keeps line ends and tabs. */
void text_clean(const char *s, size_t len, bool lines, struct buf *out);
void text_add(struct buf *out, const char *s); /* text_clean() of one line; NULL adds nothing */

int text_width(const char *s); /* code points of clean text, colour sequences left out */
void text_pad(struct buf *out, int columns);

/* Clean text in lines of at most TEXT_COLUMNS, all but the first indented; `used` of the first is
 * taken already.  Ends without a line end. */
void text_wrap(struct buf *out, const char *s, int used, int indent);

/* The last `max` lines of `s`, each clean, indented and cut to TEXT_COLUMNS. */
void text_tail(struct buf *out, const char *s, int indent, int max);

/* A value of a metric for people; the unit in which a threshold states its numbers. */
const char *text_quantity(enum metric_unit unit, double value, char buf[UNITS_MAX]);
enum metric_unit text_unit(const struct threshold *t, const struct metric *m);
void text_selector(struct buf *out, const struct threshold *t); /* metric{tag:value}, clean */

#define TEXT_TIME_MAX 40
/* RFC 3339, UTC, with milliseconds; and back again (0: not a time). */
const char *text_time(uint64_t wall_ns, char buf[TEXT_TIME_MAX]);
uint64_t text_time_parse(const char *s);

/*
 * The exit code that a report shows.  Until the run is complete a pass is shown as inconclusive, so
 * that what a killed run leaves behind never reads as a pass.
 */
int text_exit_code(const struct run_result *r);
const char *text_verdict(const struct run_result *r); /* "pass", "breach", "inconclusive" */
const char *text_headline(const struct run_result *r);

/* The worst state among the phase's findings, an enum finding_state, warnings left out. */
int text_phase_state(const struct phase_result *p);

enum style { STYLE_PLAIN, STYLE_BOLD, STYLE_DIM, STYLE_GOOD, STYLE_BAD, STYLE_DOUBT };
void text_styled(struct buf *out, bool color, enum style style, const char *clean);
enum style text_finding_style(const struct finding *f);
const char *text_phase_word(const struct phase_result *p, enum style *style);
/* A finding in words, on lines of its own: "  BREACH  name: message". */
void text_finding(struct buf *out, const struct finding *f, bool color);
const char *text_finding_word(const struct finding *f); /* "pass", "BREACH", "warning", ... */
