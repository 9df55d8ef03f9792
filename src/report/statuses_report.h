/*
 * statuses_report.h - a step's answers by their HTTP status: to result.json, back, and as text.
 *
 *     "status_codes": {"201": 950, "503": 50}
 *     "status_codes_by_part": {"order": {"201": 950, "503": 50}}
 */
#pragma once

struct buf;
struct json_t;
struct reading;
struct step_result;

struct json_t *statuses_report_json(const struct step_result *sr); /* all of the step's */
struct json_t *
statuses_report_parts_json(const struct step_result *sr); /* without those of no part */
void statuses_report_read(struct reading *rd, const struct json_t *from, struct step_result *sr);

/* "201 x 950, 503 x 50" */
void statuses_report_text(const struct step_result *sr, struct buf *out);
