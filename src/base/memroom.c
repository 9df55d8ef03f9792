#include "base/memroom.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static void lower(uint64_t *room, const char **of, uint64_t have, const char *what)
{
    if (have >= *room)
        return;
    *room = have;
    *of = what;
}

/* The number that follows `name` at the start of a line; false: the file or the number is not
 * there. */
static bool read_number(const char *path, const char *name, uint64_t *out)
{
    FILE *f = fopen(path, "re");
    char line[256], *end = NULL;
    size_t n = strlen(name);

    while (f && !end && fgets(line, sizeof(line), f))
        if (strncmp(line, name, n) == 0 && strpbrk(line, "0123456789"))
            *out = strtoull(line + n, &end, 10);
    if (f)
        fclose(f);
    return end;
}

/* cgroup v2: our own group and those above it.  What they hold may be cache, so all of it counts.
 */
static void of_cgroups(uint64_t *room, const char **of)
{
    char line[256] = "", path[512];
    FILE *f = fopen("/proc/self/cgroup", "re");
    uint64_t limit;

    if (!f)
        return;
    while (strncmp(line, "0::/", 4) != 0 && fgets(line, sizeof(line), f))
        ;
    fclose(f);
    if (strncmp(line, "0::/", 4) != 0)
        return;
    line[strcspn(line, "\n")] = '\0';
    for (char *end = line + strlen(line); end; end = strrchr(line + 3, '/')) {
        *end = '\0';
        snprintf(path, sizeof(path), "/sys/fs/cgroup%s/memory.max", line + 3);
        if (read_number(path, "", &limit))
            lower(room, of, limit, "of the control group");
    }
}

/* What is mapped already counts in RLIMIT_AS. */
static void of_rlimits(uint64_t *room, const char **of)
{
    uint64_t pages = 0;
    struct rlimit lim;
    uint64_t used;

    if (getrlimit(RLIMIT_AS, &lim) != 0 || lim.rlim_cur == RLIM_INFINITY)
        return;
    read_number("/proc/self/statm", "", &pages);
    used = pages * 4096;
    lower(room, of, lim.rlim_cur > used ? lim.rlim_cur - used : 1, "of `ulimit -v`");
}

uint64_t memroom(const char **of)
{
    uint64_t kib;
    uint64_t room = UINT64_MAX;

    *of = "of this machine";
    if (read_number("/proc/meminfo", "MemAvailable:", &kib))
        room = kib << 10;
    of_cgroups(&room, of);
    of_rlimits(&room, of);
    return room == UINT64_MAX ? 0 : room;
}
