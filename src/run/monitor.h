/*
 * monitor.h - the runner watching itself and its machine, so that a verdict can tell its own
 * trouble from the target's.  Main thread only.
 */
#pragma once

#include <stdint.h>

struct monitor_result;

struct monitor {
    uint64_t started_ns, last_ns;
    double cpu_at_start, cpu_last;             /* seconds used by this process */
    uint64_t steal_at_start, jiffies_at_start; /* of the machine, from /proc/stat */
    uint64_t throttled_at_start;               /* ns, from the cgroup's cpu.stat */
    double busiest;                            /* cores, in one interval of at least a second */
};

void monitor_start(struct monitor *m);
void monitor_tick(struct monitor *m);                               /* a few times a second */
void monitor_finish(struct monitor *m, struct monitor_result *out); /* all but the lag */
