#include "driver/driver.h"

#include <string.h>

#include "base/arena.h"

/* clang-format off */
/* One line for each, in the order of help and reference: driver_NAME of its own file. */
#define DRIVERS \
    DRIVER(http) \
    DRIVER(flow) \
    DRIVER(acme) \
    DRIVER(tls) \
    DRIVER(slow) \
    DRIVER(probe) \
    DRIVER(ws) \
    DRIVER(agent) \
    DRIVER(scrape) \
    DRIVER(sql) \
    DRIVER(cleanup) \
    DRIVER(exec) \
    DRIVER(noop)

#define DRIVER(name) extern const struct driver driver_##name;
DRIVERS
#undef DRIVER

const struct driver *const drivers[] = {
#define DRIVER(name) &driver_##name,
    DRIVERS
#undef DRIVER
    NULL};
/* clang-format on */

const struct outcome_info outcomes[OP_OUTCOMES] = {
    [OP_OK] = {"ok", FAULT_NONE, false},
    [OP_UNEXPECTED] = {"unexpected answer", FAULT_TARGET, false},
    [OP_TIMEOUT] = {"timeout", FAULT_TARGET, true},
    [OP_REFUSED] = {"connection refused", FAULT_TARGET, false},
    [OP_RESET] = {"connection reset", FAULT_TARGET, false},
    [OP_TLS] = {"TLS failure", FAULT_TARGET, false},
    [OP_PROTOCOL] = {"protocol error", FAULT_TARGET, false},
    [OP_UNREACHABLE] = {"unreachable", FAULT_PATH, false},
    [OP_LOCAL] = {"local resource", FAULT_CLIENT, false},
    [OP_ABORTED] = {"unfinished", FAULT_TARGET, true},
};

const char *const fault_names[] = {"none", "client", "path", "target"};

const struct driver *driver_find(const char *name)
{
    for (int i = 0; drivers[i]; i++)
        if (strcmp(drivers[i]->name, name) == 0)
            return drivers[i];
    return NULL;
}

void job_fact(struct job *job, const char *key, const char *value)
{
    struct fact **end = &job->facts;

    while (*end)
        end = &(*end)->next;
    *end = arena_new(job->arena, struct fact);
    (*end)->key = key;
    (*end)->value = arena_strdup(job->arena, value);
}
