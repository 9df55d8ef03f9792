#include "driver/driver.h"

#include <string.h>

extern const struct driver driver_http, driver_probe, driver_exec, driver_noop;

const struct driver *const drivers[] = {&driver_http, &driver_probe, &driver_exec, &driver_noop,
                                        NULL};

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
