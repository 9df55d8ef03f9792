/* supervised.h - one service at run time; shared by supervisor.c, provision.c, ready.c and watch.c.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"

struct pattern;
struct service;

struct supervised {
    const struct service *service;
    pid_t pid; /* 0: not running */

    /* The rest belongs to the watch while it is attached. */
    int pidfd, out, log;           /* -1: none */
    bool polled;                   /* `out` is a file that grows: read it by the clock */
    struct buf line;               /* as far as it has come */
    bool cut;                      /* the rest of this line is dropped */
    struct buf recent;             /* the last lines, redacted */
    size_t logged;                 /* bytes */
    const struct pattern *pattern; /* a line that shows it is ready; or NULL */
    bool matched;
    bool dead, stopping;
    int wait_status; /* of a dead one */
};
