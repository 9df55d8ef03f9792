#include "cmd/judged.h"

#include <stdio.h>

#include "base/err.h"
#include "base/redact.h"
#include "report/stored.h"
#include "run/result.h"
#include "spec/diag.h"

bool judged_open(struct judged *j, const char *command, const char *dir, const struct texts *set)
{
    struct stored_opts so = {dir, set->v, set->n};
    struct err e = {0};
    struct diags d;

    *j = (struct judged){0};
    diags_init(&d, dir, &j->arena);
    j->result = stored_load(&so, &j->arena, &d, &e);
    if (!j->result) {
        diags_print(&d, stderr);
        if (e.text[0])
            fprintf(stderr, "shakedown %s: %s\n", command, e.text);
        return false;
    }
    for (int i = 0; i < j->result->phase_count; i++)
        phase_judge(&j->result->phases[i], j->result, j->result->arena);
    services_judge(j->result);
    run_verdict(j->result);
    return true;
}

void judged_close(struct judged *j)
{
    for (int i = 0; j->result && i < j->result->phase_count; i++)
        for (int k = 0; j->result->phases[i].steps && k < j->result->phases[i].phase->step_count;
             k++)
            meter_free(&j->result->phases[i].steps[k].meter);
    arena_free(&j->arena);
    redact_reset();
}
