/* ingest_look.c - calls whose agent is not known here, but perhaps in the database. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "target/ingest_share.h"
#include "target/ingest_state.h"

enum { LOOKED_PEER = 1, LOOKED_AGENT = 2 }; /* of a call_more's `looked` */

struct look {
    struct call_task task; /* first */
    struct ingest *ingest;
    char agent[AUTHORITY_ID_MAX];
    struct buf message;
    bool whole; /* there is a message */
};

static void work(struct call_task *t)
{
    struct look *l = (struct look *)t;

    ingest_share_find(l->ingest, l->agent);
}

static void done(struct call_task *t, uint64_t now)
{
    struct look *l = (struct look *)t;

    if (l->whole)
        t->call->method->message(t->call, (struct grpc_span){buf_text(&l->message), l->message.len},
                                 now);
    else
        call_admitted(t->call);
}

static void release(struct call_task *t)
{
    struct look *l = (struct look *)t;

    buf_free(&l->message);
    free(l);
}

bool call_look(struct call *c, const char *agent, const struct grpc_span *message)
{
    uint8_t what = message ? LOOKED_AGENT : LOOKED_PEER;
    struct look *l;

    if (!c->calls->ingest->sql || (call_more(c)->looked & what) ||
        strlen(agent) >= sizeof(l->agent))
        return false;
    c->more->looked |= what;
    l = xcalloc(1, sizeof(*l));
    l->task = (struct call_task){.work = work, .done = done, .free = release};
    l->ingest = c->calls->ingest;
    memcpy(l->agent, agent, strlen(agent));
    l->whole = message != NULL;
    if (message)
        buf_add(&l->message, message->data, message->len);
    l->task.held = l->message.len;
    call_wait(c, &l->task);
    return true;
}
