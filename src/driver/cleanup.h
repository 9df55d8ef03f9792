/*
 * cleanup.h - what of a fleet is left at the server, and the one answer that says it is gone.
 *
 * The request is POST {"hostnamePrefix": "PREFIX-RUN-"}, the answer {"deleted": n, "failed":
 * [...]}. The prefix is made here, of a name that begins with "loadtest" and of the run's id: none
 * that is empty, belongs to another run or means something to SQL's LIKE can be sent.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

enum cleanup_verdict {
    CLEANUP_DONE,
    CLEANUP_MORE,    /* hosts were deleted; whether any are left, the next answer tells */
    CLEANUP_REFUSED, /* an answer, but not the one that is needed */
    CLEANUP_ODD,     /* not an answer of that endpoint; what it has deleted is not known */
};

struct cleanup_count {
    int64_t deleted;
    int64_t created; /* hosts that have to be deleted; -1: not known */
    int64_t failed;
    bool lost; /* an earlier request may have deleted some more: not all of them have to be seen */
};

/* "loadtest" itself, or "loadtest-" and lower-case letters, digits and dashes; at most 100. */
bool cleanup_is_prefix(const char *hostname_prefix);

/*
 * Reads one answer, adds to `count` and says in `why` (of `size` bytes) what is wrong with it.  The
 * answer is a stranger's: `body` may hold anything.
 */
enum cleanup_verdict cleanup_judge(long status, const char *location, const struct buf *body,
                                   struct cleanup_count *count, char *why, size_t size);
