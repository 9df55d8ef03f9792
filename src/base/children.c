/*
 * children.c - a table that a signal handler may read at any moment, so it has neither locks nor
 * memory that moves.  What does not fit is not in it, and is left to the death signal.
 */
#include "base/children.h"

#include <signal.h>
#include <stdatomic.h>

#include "base/child.h"

#define MAX_CHILDREN 16384

static _Atomic pid_t table[MAX_CHILDREN];
static _Atomic unsigned high; /* places that have ever been used */

void children_add(pid_t pid)
{
    for (unsigned i = 0; i < MAX_CHILDREN; i++) {
        unsigned used = high;
        pid_t none = 0;

        if (!atomic_compare_exchange_strong(&table[i], &none, pid))
            continue;
        while (used <= i && !atomic_compare_exchange_weak(&high, &used, i + 1))
            ;
        return;
    }
}

void children_remove(pid_t pid)
{
    for (unsigned i = 0; i < high; i++) {
        pid_t expected = pid;

        if (atomic_compare_exchange_strong(&table[i], &expected, 0))
            return;
    }
}

void child_kill_all(void)
{
    for (unsigned i = 0; i < high; i++) {
        pid_t group = table[i];

        if (group > 0)
            kill(-group, SIGKILL);
    }
}
