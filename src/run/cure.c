#include "run/cure.h"

#include <string.h>

#include "base/arena.h"
#include "run/result.h"

static const char *fact_of(const struct step_result *r, const char *key)
{
    for (const struct fact *f = r->facts; f; f = f->next)
        if (strcmp(f->key, key) == 0)
            return f->value;
    return NULL;
}

const char *cure_text(const struct step_result *r, struct arena *arena)
{
    const char *hosts = fact_of(r, "hosts"), *sql = fact_of(r, "sql");

    if (!r->step->cleanup)
        return r->failure;
    return arena_printf(
        arena, "%s; what is left%s%s stays until `shakedown cleanup` of this run succeeds%s%s",
        r->failure, hosts ? ", hosts named " : "", hosts ? hosts : "",
        sql ? ", or with the rights of the database: " : "", sql ? sql : "");
}
