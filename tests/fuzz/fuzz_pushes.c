/* Any bytes as the script of the ingest service: what is taken keeps to the bounds it promises. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "net/grpc.h"
#include "spec/diag.h"
#include "target/ingest_script.h"
#include "target/ingest_table.h"

static void hold(bool good)
{
    if (!good)
        abort();
}

static void judge(const struct script *s)
{
    hold(s->tick > 0 && s->undeletable >= 0);
    hold(s->check_count <= SCRIPT_LIST_MAX && s->push_count <= SCRIPT_LIST_MAX &&
         s->fault_count <= SCRIPT_LIST_MAX);
    for (int i = 0; i < s->check_count; i++)
        hold(s->checks[i].id && s->checks[i].type && s->checks[i].config &&
             s->checks[i].interval > 0);
    for (int i = 0; i < s->push_count; i++) {
        const struct script_push *p = &s->pushes[i];

        hold(p->what >= 0 && p->what < PUSH_KINDS && p->every > 0 && p->times > 0);
        hold((p->after_beat > 0) != (p->at > 0) && (s->timed || p->after_beat > 0));
        hold(p->end >= 0 && p->end < GRPC_CODES && p->status >= 0 && p->status <= INGEST_DELETED);
        hold(p->message && p->config && p->username);
    }
    for (int i = 0; i < s->fault_count; i++)
        hold(s->faults[i].method >= 0 && s->faults[i].method < METHOD_OTHER &&
             s->faults[i].code >= 0 && s->faults[i].code < GRPC_CODES && s->faults[i].every > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct script script;
    struct diags d;

    diags_init(&d, "fuzz.yaml", &arena);
    if (script_read(&script, (const char *)data, size, &arena, &d))
        judge(&script);
    arena_free(&arena);
    return 0;
}
