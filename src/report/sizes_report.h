/* sizes_report.h - what a stepping load was held at, size by size, for each of the reports. */
#pragma once

#include <stdbool.h>

struct buf;
struct json_t;
struct reading;
struct step_result;

/* A table below the step's own; nothing for any other load. */
void sizes_report_text(const struct step_result *sr, bool color, struct buf *out);

/* One plain line for each size, for logs and JUnit. */
void sizes_report_lines(const struct step_result *sr, struct buf *out);

/* null for any other load; and the way back, which leaves out what sizes_judge() finds again. */
struct json_t *sizes_report_json(const struct step_result *sr);
void sizes_report_read(struct reading *rd, const struct json_t *from, struct step_result *sr);
