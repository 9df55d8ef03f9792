/*
 * ingest_register.c - Register: a request, and what it is answered with.
 *
 * A signature with RSA takes a processor longer than hundreds of beats, and a database may take any
 * time: registrations that need either are done off the loop.
 */
#include <agent/v1/registration.pb-c.h>
#include <stdlib.h>

#include "base/mem.h"
#include "target/ingest_enrol.h"
#include "target/ingest_record.h"
#include "target/ingest_skim.h"
#include "target/worker.h"

#define BLOCK 2048 /* bytes that a usual request takes beside those of its texts */

struct registration {
    struct enrolment enrolment; /* first */
    struct buf answer;          /* packed */
    bool certified;
};

static char *const words[] = {[INGEST_PENDING] = "registration is waiting for approval",
                              [INGEST_ACTIVE] = "agent registered",
                              [INGEST_REVOKED] = "agent has been revoked"};

static struct registration *of(struct call_task *t)
{
    return (struct registration *)t;
}

static void pack(struct registration *r, const Agent__V1__RegisterResponse *m)
{
    buf_reserve(&r->answer, agent__v1__register_response__get_packed_size(m));
    r->answer.len = agent__v1__register_response__pack(m, (uint8_t *)r->answer.data);
}

static void make_answer(struct registration *r)
{
    struct enrolment *n = &r->enrolment;
    Agent__V1__RegisterResponse m = AGENT__V1__REGISTER_RESPONSE__INIT;
    struct buf token = {0}, pem = {0};

    m.agent_id = n->agent;
    m.status = (char *)ingest_statuses[n->status];
    m.message = words[n->status];
    if (n->status == INGEST_ACTIVE && !ingest_sign(n->ingest, n->agent, &token)) {
        n->code = GRPC_INTERNAL;
        n->why = "could not sign a token";
    }
    if (n->status == INGEST_ACTIVE) {
        m.jwt_token = (char *)buf_text(&token);
        r->certified = n->cert_key_len > 0 &&
                       authority_certify(n->ingest->authority, n->cert_key, n->cert_key_len,
                                         n->agent, INGEST_ORG, &pem, &m.client_cert_not_after_unix);
    }
    if (r->certified) {
        m.client_cert_pem = (char *)buf_text(&pem);
        m.agent_ca_cert_pem = (char *)authority_pem(n->ingest->authority);
    }
    pack(r, &m);
    buf_free(&token);
    buf_free(&pem);
}

static void work(struct call_task *t)
{
    struct registration *r = of(t);
    struct enrolment *n = &r->enrolment;

    enrolment_judge(n);
    if (n->code != GRPC_OK)
        return;
    ingest_record_enrolled(n->ingest, n->request,
                           &(const struct enrolled){n->agent, ingest_statuses[n->status], n->fresh,
                                                    n->rekeyed, n->queued, n->cert_key,
                                                    n->cert_key_len});
    make_answer(r);
}

static void count(struct call *c, const struct registration *r)
{
    const struct enrolment *n = &r->enrolment;

    ingest_tally(c, n->fresh ? INGEST_NEW : INGEST_KNOWN, 1);
    ingest_tally(c,
                 n->status == INGEST_ACTIVE    ? INGEST_REGISTERED_ACTIVE
                 : n->status == INGEST_PENDING ? INGEST_REGISTERED_PENDING
                                               : INGEST_REGISTERED_REVOKED,
                 1);
    ingest_tally(c, INGEST_CERTIFICATES, r->certified);
}

static void answer(struct call_task *t, uint64_t now)
{
    struct registration *r = of(t);
    struct call *c = t->call;

    (void)now;
    if (r->enrolment.code != GRPC_OK) {
        call_finish(c, r->enrolment.code, "%s", r->enrolment.why);
        return;
    }
    count(c, r);
    call_send(c, r->answer.data, r->answer.len);
    call_finish(c, GRPC_OK, "%s", "");
}

static void release(struct call_task *t)
{
    struct registration *r = of(t);

    bump_free(&r->enrolment.bump);
    buf_free(&r->answer);
    free(r);
}

static bool takes_a_while(const struct enrolment *n)
{
    return n->ingest->sql || n->ingest->opts.ingest_jwt == INGEST_RS256 ||
           (n->ingest->authority && n->request->csr_der.len > 0);
}

static void begin(struct call *c, struct registration *r)
{
    struct enrolment *n = &r->enrolment;

    if (!enrolment_check(n)) {
        call_finish(c, n->code, "%s", n->why);
        release(&n->task);
    } else if (takes_a_while(n)) {
        call_wait(c, &n->task);
    } else {
        n->task.call = c;
        work(&n->task);
        answer(&n->task, 0);
        release(&n->task);
    }
}

static struct registration *registration_new(struct ingest *g, size_t len)
{
    struct registration *r = xcalloc(1, sizeof(*r));
    struct enrolment *n = &r->enrolment;

    n->task = (struct call_task){.work = work, .done = answer, .free = release};
    n->ingest = g;
    n->bump.first = n->task.held = BLOCK + 2 * len;
    return r;
}

static void on_message(struct call *c, struct grpc_span m, uint64_t now)
{
    struct registration *r = registration_new(c->calls->ingest, m.len);
    struct enrolment *n = &r->enrolment;

    (void)now;
    n->request =
        agent__v1__register_request__unpack(bump_start(&n->bump), m.len, (const uint8_t *)m.data);
    if (!n->request)
        call_malformed(c);
    else if (!ingest_skim_registration(m.data, m.len))
        call_finish(c, GRPC_INVALID_ARGUMENT,
                    "a text is not UTF-8, has a NUL in it or more than %d bytes", SKIM_NAME_MAX);
    else {
        begin(c, r);
        return;
    }
    release(&n->task);
}

static void on_end(struct call *c, uint64_t now)
{
    (void)now;
    call_finish(c, GRPC_INTERNAL, "a request message is missing");
}

const struct method ingest_register = {"Register", on_message, on_end, NULL};
