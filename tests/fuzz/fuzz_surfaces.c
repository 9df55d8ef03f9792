/*
 * One request to certctl's surface or, by the first byte, to the BIG-IP's.  Whatever it is, the
 * answer is a whole one, and a body that says it is JSON is.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "target/certctl.h"
#include "target/exchange.h"
#include "target/f5.h"
#include "target/ledger.h"
#include "target/request.h"
#include "target/route.h"
#include "target/server.h"
#include "target/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char seeds[] =
    "insert into managed_certificates values ('c1', 'one', 'one.example.test', '{a,\"b\\\"c\"}', "
    "'e', 'o', 't', 'i', 'p', 'Active', '2027-01-01 00:00:00+00', '{}', '2026-01-01 00:00:00+00', "
    "'2026-01-01 00:00:00.5+00')";

static struct server *server_of(bool f5)
{
    static struct server servers[2];
    struct server *s = &servers[f5];
    struct state_opts in_memory = {"sqlite::memory:", NULL, 1};
    struct certctl_opts o = {.deploy_after = 3600000000000, .audit = true};
    struct state *state;
    struct session *se;
    struct err e;

    if (s->ledger)
        return s;
    state = state_open(&in_memory, &e);
    s->ledger = ledger_new(NULL, 0);
    s->config.max_body = 1 << 20;
    if (f5)
        s->config.f5 = f5_new(state, NULL, &e);
    else
        s->config.certctl = certctl_new(&o, state, NULL, &e);
    if (!s->config.f5 && !s->config.certctl)
        abort();
    se = f5 ? NULL : state_take(state, &e);
    if (se && !session_run(se, seeds, STATE_NONE, NULL, NULL, &e))
        abort();
    state_give(se);
    return s;
}

static void run_errand(struct exchange *x)
{
    struct reply re = {0};
    struct request rq;

    exchange_request(x->kept.data, x->kept_head, x->kept.len, &x->parser, &rq);
    x->route->answer(&rq, x->server, &re);
    exchange_take(x, &re, 1);
    buf_free(&x->kept);
}

static void check_reply(struct exchange *x)
{
    struct buf body = {0};
    json_t *json;

    if (x->reply.status < 200 || x->reply.status > 599)
        abort();
    while (!reply_body(&x->reply, &body))
        continue;
    if (x->reply.type && strstr(x->reply.type, "json") && !x->reply.head_only &&
        !x->reply.chunked && x->fill < 0) {
        json = json_loadb(buf_text(&body), body.len, 0, NULL);
        if (!json)
            abort();
        json_decref(json);
    }
    buf_free(&body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct exchange x;
    struct buf interim = {0};

    if (size == 0)
        return 0;
    exchange_init(&x, server_of(data[0] & 1));
    exchange_read(&x, (const char *)data + 1, size - 1, 1, &interim);
    if (x.state == EXCHANGE_ASKED) {
        run_errand(&x);
        check_reply(&x);
    }
    exchange_clear(&x);
    buf_free(&interim);
    return 0;
}
