/*
 * acme_call.c - one request of a part, and what is done with its answer.
 *
 * Each answer brings a nonce for a request to come; they wait in the lane, and the newest is used
 * first.  Only when there is none is one asked for.  A server may decline a nonce at any time: the
 * request is signed anew with the one that came with the refusal (RFC 8555 6.5).
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "driver/acme.h"
#include "driver/probe.h"
#include "driver/target.h"
#include "net/base64url.h"
#include "net/transfers.h"

#define BAD_NONCES_MAX 10 /* of one request, until the server is to blame */

const char *acme_resource(struct acme_op *a, enum acme_resource r)
{
    const char *url = acme_lane_of(a)->directory[r];

    if (!url)
        acme_fail(a, OP_UNEXPECTED, "the directory has no %s", acme_resource_names[r]);
    return url;
}

/* Anything else than base64url is to be ignored (RFC 8555 6.5.1). */
static bool keep_nonce(struct acme_lane *l, const struct acme_answer *r)
{
    struct http1_span nonce;
    int at;

    if (!acme_answer_field(r, "replay-nonce", &nonce) || nonce.len >= ACME_NONCE_MAX ||
        !base64url_is(nonce.data, nonce.len))
        return false;
    if (l->nonce_count == l->nonce_max)
        l->nonce_first = (l->nonce_first + 1) % l->nonce_max;
    else
        l->nonce_count++;
    at = (l->nonce_first + l->nonce_count - 1) % l->nonce_max;
    memcpy(l->nonces[at], nonce.data, nonce.len);
    l->nonces[at][nonce.len] = '\0';
    return true;
}

static const char *take_nonce(struct acme_lane *l)
{
    l->nonce_count--;
    return l->nonces[(l->nonce_first + l->nonce_count) % l->nonce_max];
}

static void send(struct acme_op *a);

static void report(struct acme_op *a, const struct transfer_answer *t, bool failed,
                   enum acme_verdict v)
{
    acme_tag(a, a->awaiting_nonce ? ACME_NONCE : a->part);
    fetch_report(a->op, ACME_HTTP, t, failed);
    if (a->signing_ns)
        op_value(a->op, ACME_SIGNING, (double)a->signing_ns);
    if (t->failure == ATTEMPT_OK)
        op_rate(a->op, ACME_SERVER_ERRORS, t->status >= 500 && v != ANSWER_LIMITED);
    if (v == ANSWER_BAD_NONCE)
        op_count(a->op, ACME_BAD_NONCES, 1);
    if (v == ANSWER_LIMITED || v == ANSWER_MALFORMED_LIMIT) {
        op_count(a->op, ACME_RATE_LIMITED, 1);
        op_count(a->op, v == ANSWER_LIMITED ? ACME_SHAPE_OK : ACME_MALFORMED, 1);
    }
    op_part_done(a->op, failed ? OP_UNEXPECTED : OP_OK);
}

static void count_problem(struct acme_op *a, const struct acme_answer *r)
{
    acme_tag(a, a->part);
    op_count(a->op, ACME_PROBLEMS, 1);
    op_part_done(a->op, r->status < 400 ? OP_OK : OP_UNEXPECTED);
}

static void take_answer(struct acme_op *a, const struct acme_answer *r, bool nonce)
{
    if (!a->awaiting_nonce) {
        a->call.done(a, r);
        return;
    }
    a->awaiting_nonce = false;
    if (nonce)
        send(a);
    else
        acme_fail(a, OP_UNEXPECTED,
                  "newNonce answers status %d without a replay-nonce that can "
                  "be used",
                  r->status);
}

static void judged(struct acme_op *a, const struct acme_answer *r, enum acme_verdict v,
                   const char *why, bool nonce)
{
    if (v == ANSWER_GOOD)
        take_answer(a, r, nonce);
    else if (v == ANSWER_BAD_NONCE && a->bad_nonces++ < BAD_NONCES_MAX)
        send(a);
    else if (v == ANSWER_LIMITED && acme_opts_of(a)->on_rate_limit == LIMIT_END)
        acme_limited(a);
    else if (v == ANSWER_BAD_NONCE)
        acme_fail(a, OP_UNEXPECTED, "the server accepts none of %d nonces of its own: %s",
                  a->bad_nonces, r->detail);
    else
        acme_fail(a, OP_UNEXPECTED, "%s%s", a->awaiting_nonce ? "newNonce: " : "", why);
}

static const struct acme_call nonce_call = {
    .method = METHOD_HEAD, .status = 200, .other = 204, .body = BODY_NONE};

static void on_answer(struct acme_op *a, const struct transfer_answer *t)
{
    struct acme_answer r = {.status = t->status,
                            .head = t->head,
                            .head_len = t->head_len,
                            .body = t->body,
                            .body_len = t->body_len};
    bool nonce = keep_nonce(acme_lane_of(a), &r);
    char why[ACME_WHY_MAX] = "";
    enum acme_verdict v = ANSWER_BAD;
    bool failed;

    if (t->cut)
        snprintf(why, sizeof(why), "status %d with a body of more than %lld bytes (max_body)",
                 t->status, (long long)acme_opts_of(a)->max_body);
    else {
        acme_answer_read(&r);
        v = acme_answer_judge(&r, a->awaiting_nonce ? &nonce_call : &a->call, why);
    }
    failed = v != ANSWER_GOOD && v != ANSWER_BAD_NONCE &&
             (v != ANSWER_LIMITED || acme_opts_of(a)->on_rate_limit != LIMIT_END);
    report(a, t, failed, v);
    if (r.urn && (v == ANSWER_BAD || v == ANSWER_GOOD))
        count_problem(a, &r);
    judged(a, &r, v, why, nonce);
    acme_answer_fini(&r);
}

static void on_done(void *arg, const struct transfer_answer *t)
{
    struct acme_op *a = arg;
    struct acme_lane *l = acme_lane_of(a);

    fetch_give(&l->pools[a->awaiting_nonce ? METHOD_HEAD : a->call.method], a->transfer);
    a->transfer = NULL;
    if (t->failure == ATTEMPT_OK) {
        on_answer(a, t);
        return;
    }
    report(a, t, true, ANSWER_BAD);
    acme_fail(a, probe_outcome(t->failure), "%s%s", a->awaiting_nonce ? "newNonce: " : "", t->why);
}

static void begin(struct acme_op *a, enum acme_method method, const char *url)
{
    static const char *const methods[] = {"GET", "HEAD", "POST"};
    static const char *const signed_headers[] = {"Content-Type: application/jose+json", NULL};
    const struct acme_opts *o = acme_opts_of(a);
    struct acme_lane *l = acme_lane_of(a);
    struct transfer_options t = {o->connection == 1, (size_t)o->max_body, on_done, a};
    struct attempt_request r = fetch_request(o->target);
    struct err e;

    r.url = url;
    r.method = methods[method];
    r.timeout_ns = (uint64_t)o->timeout;
    if (method == METHOD_POST) {
        r.headers = signed_headers;
        r.body = a->body.data;
        r.body_len = (long)a->body.len;
    }
    a->transfer = fetch_take(&l->pools[method], l->transfers);
    if (!a->transfer) {
        acme_fail(a, OP_LOCAL, "libcurl is out of memory");
        return;
    }
    if (transfer_begin(a->transfer, &r, &t, &e))
        return;
    fetch_give(&l->pools[method], a->transfer);
    a->transfer = NULL;
    acme_fail(a, OP_LOCAL, "%s", e.text);
}

/* Nothing in it needs escaping: URLs and nonces have been checked when they came. */
static bool sign(struct acme_op *a, struct err *e)
{
    struct acme_lane *l = acme_lane_of(a);
    const struct jws_key *key = a->call.signer ? a->call.signer : a->account->key;
    struct jws_text payload = {buf_text(&a->payload), a->payload.len}, text;
    struct buf header = {0};
    uint64_t begun;
    bool ok;

    buf_printf(&header, "{\"alg\":\"%s\",", jws_alg_names[jws_key_alg(key)]);
    if (a->call.by_key)
        buf_printf(&header, "\"jwk\":%s,", jws_key_jwk(key));
    else
        buf_printf(&header, "\"kid\":\"%s\",", a->account->kid.data);
    buf_printf(&header, "\"nonce\":\"%s\",\"url\":\"%s\"}", take_nonce(l), a->call.url);
    text = (struct jws_text){header.data, header.len};
    buf_clear(&a->body);
    begun = now_ns();
    ok = jws_sign(&a->body, key, text, payload, e);
    a->signing_ns = now_ns() - begun;
    buf_free(&header);
    return ok;
}

static void send(struct acme_op *a)
{
    struct acme_lane *l = acme_lane_of(a);
    const char *url;
    struct err e;

    a->signing_ns = 0;
    if (a->call.method != METHOD_POST) {
        begin(a, a->call.method, a->call.url);
    } else if (l->nonce_count == 0) {
        url = acme_resource(a, RES_NEW_NONCE);
        a->awaiting_nonce = url != NULL;
        if (url)
            begin(a, METHOD_HEAD, url);
    } else if (sign(a, &e)) {
        begin(a, METHOD_POST, a->call.url);
    } else {
        acme_fail(a, OP_LOCAL, "%s", e.text);
    }
}

void acme_call(struct acme_op *a, const struct acme_call *call)
{
    a->call = *call;
    a->bad_nonces = 0;
    a->awaiting_nonce = false;
    send(a);
}

void acme_post_as_get(struct acme_op *a, const char *url, acme_done_fn *done)
{
    struct acme_call call = {
        .method = METHOD_POST, .url = url, .status = 200, .body = BODY_JSON, .done = done};

    buf_clear(&a->payload);
    acme_call(a, &call);
}
