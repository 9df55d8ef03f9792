/*
 * flow_request.c - one try of a part that is a request.
 *
 * A handle of libcurl's serves one part alone, so that it is set up once; handles that nothing uses
 * wait in the part's pool.  The connections behind them are the lane's, whatever part made them.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/clock.h"
#include "base/mem.h"
#include "driver/flow.h"
#include "driver/probe.h"
#include "net/transfers.h"

#define SHOWN_MAX 80

static struct transfer *take(struct flow_op *f)
{
    struct flow_lane *l = flow_lane_of(f);
    struct pool *p = &l->pools[flow_index(f)];

    return p->n ? p->v[--p->n] : transfer_new(l->transfers);
}

static void give_back(struct flow_op *f)
{
    struct pool *p = &flow_lane_of(f)->pools[flow_index(f)];

    if (p->n == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 8;
        p->v = xrealloc(p->v, (size_t)p->cap * sizeof(*p->v));
    }
    p->v[p->n++] = f->transfer;
    f->transfer = NULL;
}

/* What came in place of what was looked for, on one line. */
static void show(const struct answer *a, char out[SHOWN_MAX + 4])
{
    size_t len = a->body_len < SHOWN_MAX ? a->body_len : SHOWN_MAX;

    snprintf(out, SHOWN_MAX + 4, "%.*s%s", (int)len, a->body, len < a->body_len ? "..." : "");
    for (char *p = out; *p; p++)
        if (iscntrl((unsigned char)*p))
            *p = ' ';
}

static bool take_captures(struct flow_op *f, struct answer *a, char why[WHY_MAX])
{
    const struct request *r = f->part->request;
    char shown[SHOWN_MAX + 4];

    for (int i = 0; i < r->capture_count; i++) {
        int at = f->part->first_capture + i;
        char *text = f->captured + (size_t)at * CAPTURE_ROOM;

        if (source_text(&r->captures[i].from, a, text, CAPTURE_ROOM)) {
            f->values[at] = text;
            continue;
        }
        show(a, shown);
        snprintf(why, WHY_MAX, "nothing to capture as %.30s in status %d: %s", r->captures[i].name,
                 a->status, shown);
        return false;
    }
    return true;
}

static void report_times(struct flow_op *f, const struct transfer_answer *t)
{
    op_value(f->op, FLOW_BLOCKED, (double)t->resolving);
    if (t->fresh && t->connecting) {
        op_count(f->op, FLOW_OPENED, 1);
        op_value(f->op, FLOW_CONNECTING, (double)t->connecting);
        if (t->securing)
            op_value(f->op, FLOW_TLS, (double)t->securing);
    }
    if (t->failure != PROBE_OK)
        return;
    op_value(f->op, FLOW_DURATION, (double)t->duration);
    op_value(f->op, FLOW_WAITING, (double)t->waiting);
    op_value(f->op, FLOW_RECEIVING, (double)t->receiving);
}

/* Expectations are counted, and numbers read, once: in the answer that ends the part. */
static void report(struct flow_op *f, const struct transfer_answer *t, struct answer *a,
                   enum outcome outcome, bool again)
{
    bool answered = t->failure == PROBE_OK;
    char ignored[WHY_MAX];

    if (again && answered)
        outcome = OP_OK;
    op_part(f->op, flow_index(f) + 1);
    op_count(f->op, FLOW_REQS, 1);
    op_rate(f->op, FLOW_FAILED, outcome != OP_OK);
    op_bytes(f->op, t->sent, t->received);
    report_times(f, t);
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
                       .cut = t->cut};
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

static struct probe_request request_of(struct flow_op *f)
{
    static const char *const versions[] = {NULL, "1.2", "1.3"};
    const struct request *r = f->part->request;
    const struct target *t = r->target;
    uint64_t left = flow_left(f, now_ns()), timeout = (uint64_t)r->timeout;
    bool empty = f->body.len == 0 && strcmp(r->method, "POST") != 0;

    return (struct probe_request){
        .url = buf_text(&f->url),
        .method = r->method,
        .headers = f->header_lines,
        .body = empty ? NULL : buf_text(&f->body),
        .body_len = (long)f->body.len,
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
        .timeout_ns = timeout < left ? timeout : left,
    };
}

void flow_request_try(struct flow_op *f)
{
    struct transfer_options o = {f->part->fresh, f->part->max_body, on_done, f};
    struct probe_request r;
    char why[WHY_MAX];
    struct err e;

    if (!render(f, why)) {
        flow_tried(f, OP_LOCAL, false, why);
        return;
    }
    f->transfer = take(f);
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
