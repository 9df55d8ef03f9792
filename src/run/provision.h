/* provision.h - what a service needs before it starts; used by supervisor.c and ready.c. */
#pragma once

#include <stdbool.h>

#include "base/child.h"

struct arena;
struct err;
struct service;
struct texts;

/* Its folder, rendered files and certificate, given to its user. */
bool provision_files(const struct service *v, struct arena *scratch, struct err *e);

/* How a command of the service is run: its environment, folder and user. */
struct child_opts provision_command(const struct service *v, const struct texts *command,
                                    struct arena *scratch);
