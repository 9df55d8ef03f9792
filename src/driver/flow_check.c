/*
 * flow_check.c - one try of a part that looks at the certificate served now: a connection, a full
 * handshake, and what came of it held against what is expected.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/clock.h"
#include "base/units.h"
#include "driver/flow.h"
#include "driver/route.h"
#include "driver/tls_expect.h"

static bool render(const struct template *t, const struct template_values *v, char *out,
                   size_t size)
{
    size_t n = template_render(t, v, out, size - 1);

    out[n < size ? n : 0] = '\0';
    return n > 0 && n < size;
}

/* Hex in lower case without colons or blanks, as the facts have it; "SHA256:" before it goes. */
static void normalize(char *text)
{
    const char *p = strncasecmp(text, "sha-256", 7) == 0  ? text + 7
                    : strncasecmp(text, "sha256", 6) == 0 ? text + 6
                                                          : text;
    char *to = text;

    for (; *p; p++)
        if (*p != ':' && *p != ' ' && *p != '=')
            *to++ = (char)tolower((unsigned char)*p);
    *to = '\0';
}

static bool is_the_leaf(struct flow_op *f, const struct tls_facts *facts, char why[WHY_MAX])
{
    bool same;

    if (!f->part->check.fingerprint)
        return true;
    same = strcmp(f->fingerprint, facts->fingerprint) == 0;
    op_check(f->op, same);
    if (!same)
        snprintf(why, WHY_MAX, "the certificate served has fingerprint %.16s..., expected %.16s...",
                 facts->fingerprint, f->fingerprint);
    return same;
}

/* Both are always looked at, so that each counts as a check. */
static bool judge(struct flow_op *f, bool final, char why[WHY_MAX])
{
    struct tls_facts *facts = &flow_lane_of(f)->facts;
    char other[WHY_MAX];
    bool leaf;

    if (!tls_facts_update(facts, f->conn.ssl)) {
        snprintf(why, WHY_MAX, "the server showed no certificate");
        return false;
    }
    if (!final)
        return (!f->part->check.fingerprint || strcmp(f->fingerprint, facts->fingerprint) == 0) &&
               tls_expect_judge(f->part->check.expect, facts, time(NULL), NULL, other);
    leaf = is_the_leaf(f, facts, why);
    return tls_expect_judge(f->part->check.expect, facts, time(NULL), f->op, leaf ? why : other) &&
           leaf;
}

static void report(struct flow_op *f, enum outcome outcome, bool again)
{
    const struct conn *c = &f->conn;

    op_part(f->op, flow_index(f) + 1);
    if (c->connected_ns)
        op_value(f->op, FLOW_TCP_CONNECTING, (double)(c->connected_ns - c->opened_ns));
    if (c->connected_ns && c->secured_ns)
        op_value(f->op, FLOW_TLS_HANDSHAKING, (double)c->securing_ns);
    op_part_done(f->op, again && outcome == OP_UNEXPECTED ? OP_OK : outcome);
}

static void finish(struct flow_op *f, enum outcome outcome, const char *why)
{
    bool again = flow_again(f, outcome);

    f->wait = WAIT_NOTHING;
    report(f, outcome, again);
    conn_close(&f->conn);
    flow_tried(f, outcome, again, why);
}

static void judge_and_finish(struct flow_op *f)
{
    char why[WHY_MAX] = "";
    bool ok = judge(f, false, why), again = flow_again(f, ok ? OP_OK : OP_UNEXPECTED);

    if (!again) {
        op_part(f->op, flow_index(f) + 1);
        ok = judge(f, true, why);
    }
    finish(f, ok ? OP_OK : OP_UNEXPECTED, why);
}

static void advance(struct flow_op *f)
{
    struct conn_error e;

    switch (conn_advance(&f->conn, f->turn, &e)) {
    case CONN_OPEN:
        judge_and_finish(f);
        break;
    case CONN_CLOSED:
        finish(f, route_outcome(e.fault), e.why);
        break;
    default:
        break;
    }
}

void flow_check_ready(struct conn *c)
{
    struct flow_op *f = (struct flow_op *)c;

    if (f->op)
        advance(f);
}

void flow_check_expire(struct flow_op *f)
{
    char why[WHY_MAX], limit[UNITS_MAX];

    units_print_duration((double)f->part->check.timeout, limit);
    snprintf(why, sizeof(why), "no %s within %s",
             f->conn.state == CONN_CONNECTING ? "connection" : "TLS handshake", limit);
    finish(f, OP_TIMEOUT, why);
}

void flow_check_try(struct flow_op *f)
{
    const struct flow_check *c = &f->part->check;
    struct template_values v = flow_values(f);
    struct flow_lane *l = flow_lane_of(f);
    uint64_t now = now_ns(), left = flow_left(f, now);
    struct conn_error e;

    f->route = c->route;
    if ((c->server_name && !render(c->server_name, &v, f->server_name, sizeof(f->server_name))) ||
        (c->fingerprint && !render(c->fingerprint, &v, f->fingerprint, sizeof(f->fingerprint)))) {
        flow_tried(f, OP_LOCAL, false, "the server name or fingerprint rendered is empty or long");
        return;
    }
    normalize(f->fingerprint);
    if (c->server_name)
        f->route.name = f->server_name;
    f->turn = l->turn;
    l->turn += (unsigned)f->op->lane->job->lane_count;
    f->conn.connected_ns = f->conn.secured_ns = 0;
    f->wait = WAIT_CHECK;
    timers_set(f->op->lane->timers, &f->timer, now + (c->timeout < left ? c->timeout : left));
    if (!conn_open(&f->conn, &f->route, f->turn, now, &e))
        finish(f, route_outcome(e.fault), e.why);
    else if (f->conn.state != CONN_CONNECTING)
        advance(f);
}
