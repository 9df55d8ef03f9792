#include "driver/fetch.h"

#include <stdlib.h>

#include "base/mem.h"
#include "driver/target.h"
#include "net/transfers.h"

void fetch_report(struct op *op, int at, const struct transfer_answer *t, bool failed)
{
    op_count(op, at + FETCH_REQS, 1);
    op_rate(op, at + FETCH_FAILED, failed);
    op_bytes(op, t->sent, t->received);
    op_value(op, at + FETCH_BLOCKED, (double)t->resolving);
    if (t->fresh && t->connecting) {
        op_count(op, at + FETCH_OPENED, 1);
        op_value(op, at + FETCH_CONNECTING, (double)t->connecting);
        if (t->securing)
            op_value(op, at + FETCH_TLS, (double)t->securing);
    }
    if (t->failure != ATTEMPT_OK)
        return;
    op_status(op, t->status);
    op_value(op, at + FETCH_DURATION, (double)t->duration);
    op_value(op, at + FETCH_WAITING, (double)t->waiting);
    op_value(op, at + FETCH_RECEIVING, (double)t->receiving);
}

struct attempt_request fetch_request(const struct target *t)
{
    static const char *const versions[] = {NULL, "1.2", "1.3"};

    return (struct attempt_request){
        .verify = t->tls.verify,
        .ca = t->tls.ca,
        .cert = t->tls.cert,
        .key = t->tls.key,
        .connect_to = t->connect_to,
        .server_name = t->tls.server_name,
        .source = t->source.n ? t->source.v[0] : NULL,
        .min_version = versions[t->tls.min_version],
        .max_version = versions[t->tls.max_version],
        .ciphers = t->tls.ciphers,
        .groups = t->tls.groups,
    };
}

struct transfer *fetch_take(struct fetch_pool *p, struct transfers *ts)
{
    return p->n ? p->v[--p->n] : transfer_new(ts);
}

void fetch_give(struct fetch_pool *p, struct transfer *t)
{
    if (p->n == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 8;
        p->v = xrealloc(p->v, (size_t)p->cap * sizeof(struct transfer *));
    }
    p->v[p->n++] = t;
}

void fetch_pool_free(struct fetch_pool *p)
{
    while (p->n > 0)
        transfer_free(p->v[--p->n]);
    free(p->v);
    *p = (struct fetch_pool){0};
}
