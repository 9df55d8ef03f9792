/* json_text.h - JSON written straight into a buffer, for answers that are made by the thousand. */
#pragma once

struct buf;

void json_add_text(struct buf *out, const char *text); /* with its quotes; NULL is "" */
void json_add_member(struct buf *out, const char *name, const char *text); /* ,"name":"text" */

/* One more object of a list, with a text for each of `names` (NULL-terminated); its end is left to
 * the caller. */
void json_add_row(struct buf *out, const char *const *names, const char *const *texts);
