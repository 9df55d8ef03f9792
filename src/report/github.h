/*
 * github.h - workflow commands, annotations and outputs of GitHub Actions.
 *
 * The log is a command channel: any line with `::` or `##[` in it may be obeyed.  What is printed
 * goes through github_guard(), which switches commands off around text that could be one.
 */
#pragma once

struct buf;
struct run_result;

#define GITHUB_TOKEN_MAX 40
void github_token(char token[GITHUB_TOKEN_MAX]); /* random: a peer must not be able to guess it */

void github_group(struct buf *out, const char *title);
void github_group_end(struct buf *out);
void github_guard(struct buf *out, const char *text, const char *token); /* ends in a line end */

/* At most 9, the gravest first, and one that says how many more there are. */
void github_annotations(const struct run_result *r, struct buf *out);

void github_outputs(const struct run_result *r, const char *token, struct buf *out);
