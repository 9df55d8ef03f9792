#include "target/errand.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "driver/offload.h"
#include "target/exchange.h"
#include "target/request.h"
#include "target/route.h"
#include "target/worker.h"

struct errand {
    struct chore chore;        /* first */
    struct exchange *exchange; /* NULL: forgotten */
    void (*back)(void *owner);
    void *owner;
    const struct route *route;
    struct http1 parser;
    struct buf kept; /* head and body */
    size_t head;
    struct reply reply;
};

struct errands {
    struct offload offload;
    struct chore *first; /* all that are on their way */
};

bool errands_start(struct worker *w, int threads, struct err *e)
{
    if (threads == 0)
        return true;
    w->errands = xcalloc(1, sizeof(*w->errands));
    return offload_start(&w->errands->offload, w->base, threads, e);
}

static void unlist(struct chore *c)
{
    *(c->prev ? &c->prev->next : &c->worker->errands->first) = c->next;
    if (c->next)
        c->next->prev = c->prev;
}

void errands_stop(struct worker *w)
{
    struct chore *c;

    if (!w->errands)
        return;
    offload_stop(&w->errands->offload);
    while ((c = w->errands->first)) {
        unlist(c);
        c->drop(c);
    }
    free(w->errands);
    w->errands = NULL;
}

static void work_on(struct offload_task *t, void **slot)
{
    struct chore *c = (struct chore *)t;

    (void)slot;
    c->work(c);
}

static void finished(struct offload_task *t)
{
    struct chore *c = (struct chore *)t;

    unlist(c);
    c->done(c);
}

bool chore_send(struct worker *w, struct chore *c)
{
    struct err e;

    c->task = (struct offload_task){.work = work_on, .done = finished};
    c->worker = w;
    c->prev = NULL;
    c->next = w->errands->first;
    if (c->next)
        c->next->prev = c;
    w->errands->first = c;
    if (offload_submit(&w->errands->offload, &c->task, &e))
        return true;
    unlist(c);
    return false;
}

static void errand_free(struct chore *c)
{
    struct errand *r = (struct errand *)c;

    reply_free(&r->reply);
    buf_free(&r->kept);
    free(r);
}

static void ask(struct chore *c)
{
    struct errand *r = (struct errand *)c;
    struct request rq;

    exchange_request(r->kept.data, r->head, r->kept.len, &r->parser, &rq);
    r->route->answer(&rq, c->worker->server, &r->reply);
}

static void answered(struct chore *c)
{
    struct errand *r = (struct errand *)c;
    void (*back)(void *owner) = r->exchange ? r->back : NULL;
    void *owner = r->owner;

    if (r->exchange)
        exchange_take(r->exchange, &r->reply, now_ns());
    errand_free(c);
    if (back)
        back(owner);
}

void errand_send(struct worker *w, struct exchange *x, void (*back)(void *owner), void *owner)
{
    struct errand *r = xcalloc(1, sizeof(*r));

    *r = (struct errand){.chore = {.work = ask, .done = answered, .drop = errand_free},
                         .exchange = x,
                         .back = back,
                         .owner = owner,
                         .route = x->route,
                         .parser = x->parser,
                         .kept = x->kept,
                         .head = x->kept_head};
    x->kept = (struct buf){0};
    x->errand = r;
    if (!chore_send(w, &r->chore)) {
        ask(&r->chore);
        exchange_take(x, &r->reply, now_ns());
        errand_free(&r->chore);
    }
}

void errand_forget(struct errand *r)
{
    if (r)
        r->exchange = NULL;
}
