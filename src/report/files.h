/*
 * files.h - the results directory: result.json, series.json, junit.xml, summary.txt, summary.md,
 * plan.json and a copy of the suite.  All are rewritten after every phase and at the end, by temp
 * file and rename.  Of a run of more than FILES_FEW_PHASES it is a second, or as long as keeps
 * writing to a fifth of the time, until they are written again, but for the end and an interrupt.
 */
#pragma once

#include <stdbool.h>

struct arena;
struct err;
struct observer;
struct run_result;
struct buf;

enum junit_dialect { JUNIT_CI, JUNIT_STRICT };
extern const char *const junit_dialects[]; /* "ci", "strict", NULL */

#define FILES_FEW_PHASES 100

struct files_opts {
    const char *dir;   /* exists already */
    int dialect;       /* enum junit_dialect */
    const char *junit; /* a second place for junit.xml; or NULL */
};

/* An observer that writes them; `o` is kept.  A file that cannot be written is told on stderr, and
 * files_failed() remembers it. */
struct observer *files_observer(const struct files_opts *o, struct arena *arena);
bool files_failed(const struct observer *files);

/* Writes everything for a finished run; used by the observer and by `judge`. */
bool files_write(const struct files_opts *o, const struct run_result *r, struct err *e);

/* The single documents, in memory. */
void result_json(const struct run_result *r, struct buf *out);
void series_json(const struct run_result *r, struct buf *out);
void junit_xml(const struct run_result *r, enum junit_dialect dialect, struct buf *out);
void k6_summary(const struct run_result *r, struct buf *out); /* what handleSummary() is given */
#define SUMMARY_MARKDOWN_MAX 65536
void summary_markdown(const struct run_result *r, struct buf *out);
void summary_text(const struct run_result *r, bool color, struct buf *out);
