/* children.h - the process groups that are running; for spawn.c and child.c. */
#pragma once

#include <sys/types.h>

void children_add(pid_t pid);
void children_remove(pid_t pid); /* before it is reaped, while its number is still its own */
