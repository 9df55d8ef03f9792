/*
 * flow_request.c - one try of a part that is a request.
 *
 * A handle of libcurl's serves one part alone, so that it is set up once; handles that nothing uses
 * wait in the part's pool.  The connections behind them are the lane's, whatever part made them.
 */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/clock.h"
#include "driver/fetch.h"
#include "driver/flow.h"
#include "driver/probe.h"
#include "net/transfers.h"

static struct fetch_pool *pool_of(const struct flow_op *f)
{
    return &flow_lane_of(f)->pools[flow_index(f)];
}

static void give_back(struct flow_op *f)
{
    fetch_give(pool_of(f), f->transfer);
    f->transfer = NULL;
}

static bool take_captures(struct flow_op *f, struct answer *a, char why[WHY_MAX])
{
    const struct request *r = f->part->request;
    char shown[QUOTED_ROOM], missing[80];

    for (int i = 0; i < r->capture_count; i++) {
        int at = f->part->first_capture + i;
        char *text = f->captured + (size_t)at * CAPTURE_ROOM;

        if (source_text(&r->captures[i].from, a, text, CAPTURE_ROOM)) {
            f->values[at] = text;
            continue;
        }
        answer_quote(a, shown);
        source_missing(&r->captures[i].from, a, CAPTURE_ROOM, missing);
        snprintf(why, WHY_MAX, "nothing to capture as %.30s: %.60s; status %d: %.70s",
                 r->captures[i].name, missing, a->status, shown);
        return false;
    }
    return true;
}

/* Expectations are counted, and numbers read, once: in the answer that ends the part. */
static void report(struct flow_op *f, const struct transfer_answer *t, struct answer *a,
                   enum outcome outcome, bool again)
{
    bool answered = t->failure == ATTEMPT_OK;
    char ignored[WHY_MAX];

    if (again && answered)
        outcome = OP_OK;
    op_part(f->op, flow_index(f) + 1);
    fetch_report(f->op, FLOW_HTTP, t, outcome != OP_OK);
    if (answered && !again)
        request_judge(f->part->request, a, f->op, FLOW_METRICS, ignored);
    op_part_done(f->op, outcome);
}

static void on_done(void *arg, const struct transfer_answer *t)
{
    struct flow_op *f = arg;
    struct answer a = {.status = t->status,
                       .head = t->head,
                       .head_len = t->head_len,
                       .body = t->body,
                       .body_len = t->body_len,
                       .cut = t->cut,
                       .quote = f->op->lane->job->verify};
    enum outcome outcome = probe_outcome(t->failure);
    char why[WHY_MAX] = "";
    bool again;

    if (outcome != OP_OK)
        snprintf(why, sizeof(why), "%s", t->why);
    else if (!expect_judge(f->part->request->expect, &a, NULL, why) || !take_captures(f, &a, why))
        outcome = OP_UNEXPECTED;
    again = flow_again(f, outcome);
    report(f, t, &a, outcome, again);
    answer_release(&a);
    give_back(f);
    flow_tried(f, outcome, again, why);
}

static bool render(struct flow_op *f, char why[WHY_MAX])
{
    struct template_values v = flow_values(f);

    buf_clear(&f->url);
    buf_clear(&f->headers);
    buf_clear(&f->body);
    if (!request_pieces(f->part->request, &v, &f->url, &f->headers, &f->body, why))
        return false;
    request_header_list(&f->headers, &f->header_lines);
    return true;
}

static struct attempt_request request_of(struct flow_op *f)
{
    const struct request *r = f->part->request;
    struct attempt_request p = fetch_request(r->target);
    uint64_t left = flow_left(f, now_ns()), timeout = (uint64_t)r->timeout;
    bool empty = f->body.len == 0 && strcmp(r->method, "POST") != 0;

    p.url = buf_text(&f->url);
    p.method = r->method;
    p.headers = f->header_lines;
    p.body = empty ? NULL : buf_text(&f->body);
    p.body_len = (long)f->body.len;
    p.timeout_ns = timeout < left ? timeout : left;
    return p;
}

void flow_request_try(struct flow_op *f)
{
    struct transfer_options o = {f->part->fresh, f->part->max_body, on_done, f};
    struct attempt_request r;
    char why[WHY_MAX];
    struct err e;

    if (!render(f, why)) {
        flow_tried(f, f->part->first_capture > 0 ? OP_UNEXPECTED : OP_LOCAL, false, why);
        return;
    }
    f->transfer = fetch_take(pool_of(f), flow_lane_of(f)->transfers);
    if (!f->transfer) {
        flow_tried(f, OP_LOCAL, false, "libcurl is out of memory");
        return;
    }
    r = request_of(f);
    if (transfer_begin(f->transfer, &r, &o, &e))
        return;
    give_back(f);
    flow_tried(f, OP_LOCAL, false, e.text);
}
