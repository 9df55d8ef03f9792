#include "run/monitor.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "run/result.h"

static double cpu_seconds(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6 +
           (double)u.ru_stime.tv_sec + (double)u.ru_stime.tv_usec / 1e6;
}

/* The first line of /proc/stat: user nice system idle iowait irq softirq steal ... (proc(5)) */
static void read_steal(uint64_t *steal, uint64_t *all)
{
    unsigned long long v[8] = {0};
    FILE *f = fopen("/proc/stat", "re");

    *steal = *all = 0;
    if (!f)
        return;
    if (fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1], &v[2], &v[3], &v[4],
               &v[5], &v[6], &v[7]) == 8) {
        *steal = v[7];
        for (int i = 0; i < 8; i++)
            *all += v[i];
    }
    fclose(f);
}

/* cgroup v2: throttled_usec of our own group's cpu.stat; 0 where there is none. */
static uint64_t read_throttled(void)
{
    char line[512], path[640] = "";
    unsigned long long usec = 0;
    FILE *f = fopen("/proc/self/cgroup", "re");

    while (f && fgets(line, sizeof(line), f)) {
        if (strncmp(line, "0::", 3) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(path, sizeof(path), "/sys/fs/cgroup%s/cpu.stat", line + 3);
    }
    if (f)
        fclose(f);
    f = *path ? fopen(path, "re") : NULL;
    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "throttled_usec %llu", &usec) == 1)
            break;
    if (f)
        fclose(f);
    return usec * NS_PER_US;
}

void monitor_start(struct monitor *m)
{
    *m = (struct monitor){0};
    m->started_ns = m->last_ns = now_ns();
    m->cpu_at_start = m->cpu_last = cpu_seconds();
    read_steal(&m->steal_at_start, &m->jiffies_at_start);
    m->throttled_at_start = read_throttled();
}

void monitor_tick(struct monitor *m)
{
    uint64_t now = now_ns();
    double cpu, cores;

    if (now - m->last_ns < NS_PER_S)
        return;
    cpu = cpu_seconds();
    cores = (cpu - m->cpu_last) * 1e9 / (double)(now - m->last_ns);
    if (cores > m->busiest)
        m->busiest = cores;
    m->cpu_last = cpu;
    m->last_ns = now;
}

void monitor_finish(struct monitor *m, struct monitor_result *out)
{
    uint64_t steal, all;
    struct rusage u;
    double elapsed = (double)(now_ns() - m->started_ns) / 1e9;

    getrusage(RUSAGE_SELF, &u);
    read_steal(&steal, &all);
    out->cpu_seconds = cpu_seconds() - m->cpu_at_start;
    out->cpu_share = m->busiest > 0 ? m->busiest : elapsed > 0 ? out->cpu_seconds / elapsed : 0;
    if (all > m->jiffies_at_start)
        out->steal_share =
            (double)(steal - m->steal_at_start) / (double)(all - m->jiffies_at_start);
    out->throttled_ns = read_throttled() - m->throttled_at_start;
    out->peak_rss = (uint64_t)u.ru_maxrss * 1024;
}
