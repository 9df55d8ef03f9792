/*
 * ingest_task.c - calls that wait for something that is done off the loop.
 *
 * The task owns all that it works with.  The call may end before it does, and then nobody is told.
 */
#include <string.h>

#include "base/clock.h"
#include "target/ingest_state.h"
#include "target/peer.h"
#include "target/worker.h"

size_t call_kept(const struct call *c)
{
    const struct call_more *m = c->more;

    if (!m)
        return 0;
    return (m->authorization ? strlen(m->authorization) : 0) + (m->task ? m->task->held : 0) +
           m->waiting.len;
}

void call_forget(struct call *c)
{
    if (!c->more || !c->more->task)
        return;
    c->more->task->call = NULL;
    c->more->task = NULL;
    buf_free(&c->more->waiting);
}

void call_keep(struct call *c, const char *data, size_t len)
{
    buf_add(&c->more->waiting, data, len);
    call_hold(c, call_kept(c));
}

/* What has come meanwhile comes now. */
static void go_on(struct call *c, uint64_t now)
{
    struct buf waiting = c->more->waiting;
    struct calls *cs = c->calls;

    c->more->waiting = (struct buf){0};
    call_hold(c, call_kept(c));
    if (waiting.len > 0)
        call_data(c, waiting.data, waiting.len, now);
    if (cs->current == c && c->phase == CALL_OPEN && c->half_closed)
        call_end(c, now);
    buf_free(&waiting);
}

static void finish(struct call_task *t, uint64_t now)
{
    struct call *c = t->call;
    struct calls *cs = c->calls;

    c->more->task = NULL;
    c->phase = CALL_OPEN;
    cs->current = c;
    t->done(t, now);
    if (cs->current == c && c->phase == CALL_OPEN)
        go_on(c, now);
}

static void done(struct chore *chore)
{
    struct call_task *t = (struct call_task *)chore;
    struct peer *p = t->call ? t->call->calls->peer : NULL;

    if (p)
        finish(t, now_ns());
    t->free(t);
    if (p)
        peer_wake(p);
}

static void work(struct chore *chore)
{
    struct call_task *t = (struct call_task *)chore;

    t->work(t);
}

static void drop(struct chore *chore)
{
    struct call_task *t = (struct call_task *)chore;

    t->free(t);
}

void call_wait(struct call *c, struct call_task *t)
{
    t->chore = (struct chore){.work = work, .done = done, .drop = drop};
    t->call = c;
    call_more(c)->task = t;
    c->phase = CALL_WAITING;
    call_hold(c, call_kept(c));
    if (c->phase == CALL_FINISHED) {
        t->free(t);
    } else if (!chore_send(c->calls->worker, &t->chore)) {
        work(&t->chore);
        finish(t, now_ns());
        t->free(t);
    }
}
