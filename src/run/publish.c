/* publish.c - what a driver says in collect(), for the phases after its own. */
#include <string.h>

#include "run/journal.h"
#include "run/phase.h"
#include "suite/suite.h"

void job_publish(struct job *job, const char *key, const char *value)
{
    const struct board *b = job->engine;

    suite_publish(b->suite, b->phase, key, value);
    journal_output(b->journal, b->phase, key, value);
}

const char *job_earlier(const struct job *job, const char *key)
{
    const struct board *b = job->engine;

    for (const struct published *p = b->suite->published; p; p = p->next)
        if (strcmp(p->phase, b->phase) == 0 && strcmp(p->key, key) == 0)
            return p->value;
    return NULL;
}
