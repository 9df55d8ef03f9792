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
    struct offload_task task; /* first */
    struct errand *next, *prev;
    struct worker *worker;
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
    struct errand *first; /* all that are on their way */
};

bool errands_start(struct worker *w, int threads, struct err *e)
{
    if (threads == 0)
        return true;
    w->errands = xcalloc(1, sizeof(*w->errands));
    return offload_start(&w->errands->offload, w->base, threads, e);
}

static void errand_free(struct errand *r)
{
    *(r->prev ? &r->prev->next : &r->worker->errands->first) = r->next;
    if (r->next)
        r->next->prev = r->prev;
    reply_free(&r->reply);
    buf_free(&r->kept);
    free(r);
}

void errands_stop(struct worker *w)
{
    if (!w->errands)
        return;
    offload_stop(&w->errands->offload);
    while (w->errands->first)
        errand_free(w->errands->first);
    free(w->errands);
    w->errands = NULL;
}

static void work(struct offload_task *t, void **slot)
{
    struct errand *r = (struct errand *)t;
    struct request rq;

    (void)slot;
    exchange_request(r->kept.data, r->head, r->kept.len, &r->parser, &rq);
    r->route->answer(&rq, r->worker->server, &r->reply);
}

static void done(struct offload_task *t)
{
    struct errand *r = (struct errand *)t;
    void (*back)(void *owner) = r->exchange ? r->back : NULL;
    void *owner = r->owner;

    if (r->exchange)
        exchange_take(r->exchange, &r->reply, now_ns());
    errand_free(r);
    if (back)
        back(owner);
}

void errand_send(struct worker *w, struct exchange *x, void (*back)(void *owner), void *owner)
{
    struct errand *r = xcalloc(1, sizeof(*r));
    struct err e;

    *r = (struct errand){.task = {.work = work, .done = done},
                         .next = w->errands->first,
                         .worker = w,
                         .exchange = x,
                         .back = back,
                         .owner = owner,
                         .route = x->route,
                         .parser = x->parser,
                         .kept = x->kept,
                         .head = x->kept_head};
    x->kept = (struct buf){0};
    x->errand = r;
    if (r->next)
        r->next->prev = r;
    w->errands->first = r;
    if (!offload_submit(&w->errands->offload, &r->task, &e)) {
        work(&r->task, NULL); /* no thread is to be had: then here */
        exchange_take(x, &r->reply, now_ns());
        errand_free(r);
    }
}

void errand_forget(struct errand *r)
{
    if (r)
        r->exchange = NULL;
}
