/*
 * agent_push.c - a message of the server: is it the reply to a beat, and what does it ask for?
 *
 * A reply says ok and may bring the host's checks, an update or a server certificate.  What the
 * server's ticker pushes in between always has queries, a task, cancellations or a client
 * certificate in it, which a reply never has; sessions of a terminal may stand in either, and both
 * say ok.
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "driver/agent_duty.h"

#define BUMP_FIRST (64 << 10)
#define BUMP_MAX \
    (64 << 20) /* of one message's objects: 4 MiB of bytes can be made to need more \
                */

struct objects { /* memory for the objects of one message, which all go together */
    ProtobufCAllocator allocator;
    char *data;
    size_t used, large;
    struct bump_large {
        struct bump_large *next;
    } * first;
};

static void *bump_alloc(void *data, size_t size)
{
    struct objects *b = data;
    struct bump_large *l;

    size = (size + 15) & ~(size_t)15;
    if (size <= BUMP_FIRST - b->used) {
        b->used += size;
        return b->data + b->used - size;
    }
    if (size > BUMP_MAX - b->large)
        return NULL;
    b->large += size;
    l = xrealloc(NULL, 16 + size);
    l->next = b->first;
    b->first = l;
    return (char *)l + 16;
}

static void bump_release(void *data, void *p)
{
    (void)data;
    (void)p;
}

static void bump_reset(struct objects *b)
{
    struct bump_large *next;

    for (; b->first; b->first = next) {
        next = b->first->next;
        free(b->first);
    }
    b->used = b->large = 0;
}

struct objects *objects_new(void)
{
    struct objects *b = xcalloc(1, sizeof(*b));

    b->allocator = (ProtobufCAllocator){bump_alloc, bump_release, b};
    b->data = xcalloc(1, BUMP_FIRST);
    return b;
}

void objects_free(struct objects *b)
{
    if (!b)
        return;
    bump_reset(b);
    free(b->data);
    free(b);
}

static uint64_t hash_of(struct grpc_span m)
{
    uint64_t h = m.len + 1, word;
    size_t i = 0;

    for (; i + 8 <= m.len; i += 8) {
        memcpy(&word, m.data + i, 8);
        h = rng_mix(h ^ word);
    }
    for (; i < m.len; i++)
        h = rng_mix(h ^ (unsigned char)m.data[i]);
    return h;
}

static void pin(struct fleet *f, const char *pem)
{
    char hex[IDENTITY_FINGERPRINT_MAX];

    if (!identity_fingerprint(pem, strlen(pem), hex))
        return;
    memcpy(f->pin, hex, sizeof(hex));
    beat_profile(f);
}

static void obey(struct fleet *f, struct agent *a, const Agent__V1__HeartbeatResponse *m)
{
    unsigned answer = f->job->answer;

    if (m->n_checks && answer & ANSWER_CHECKS)
        duty_set_checks(f, a, m->checks, m->n_checks);
    for (size_t i = 0; i < m->n_cancel_task_ids; i++)
        duty_cancel(f, a, m->cancel_task_ids[i]);
    if (m->pending_task)
        duty_task(f, a, m->pending_task);
    if (m->n_pending_queries && answer & ANSWER_QUERIES)
        duty_queries(f, a, m->pending_queries, m->n_pending_queries);
    if (answer & ANSWER_TERMINAL)
        for (size_t i = 0; i < m->n_pending_terminal_sessions; i++)
            terminal_begin(f, a, m->pending_terminal_sessions[i]->session_id);
    if (*m->pending_client_cert_pem)
        duty_certificate(f, a, m->pending_client_cert_pem, AM_CERTS_PUSHED);
    if (*m->pending_server_cert_pem)
        pin(f, m->pending_server_cert_pem);
}

static enum push kind_of(const Agent__V1__HeartbeatResponse *m)
{
    if (m->n_pending_queries || m->pending_task || m->n_cancel_task_ids ||
        *m->pending_client_cert_pem)
        return PUSH_ONLY;
    if (m->ok)
        return m->n_pending_terminal_sessions || m->n_cancel_terminal_sessions ? PUSH_EITHER
                                                                               : PUSH_REPLY;
    return m->n_pending_terminal_sessions || m->n_cancel_terminal_sessions ? PUSH_ONLY
                                                                           : PUSH_REFUSED_REPLY;
}

enum push push_take(struct fleet *f, struct agent *a, struct grpc_span message)
{
    Agent__V1__HeartbeatResponse *m;
    enum push kind;
    uint64_t hash;

    if (message.len == 2 && message.data[0] == 0x08 && message.data[1] == 0x01)
        return PUSH_REPLY;
    hash = hash_of(message);
    if (a->duty && a->duty->seen == hash)
        return PUSH_REPLY;
    m = agent__v1__heartbeat_response__unpack(&f->bump->allocator, message.len,
                                              (const uint8_t *)message.data);
    if (!m) {
        bump_reset(f->bump);
        return PUSH_MALFORMED;
    }
    kind = kind_of(m);
    obey(f, a, m);
    if (kind == PUSH_REPLY && !*m->pending_server_cert_pem)
        duty_of(a)->seen = hash;
    bump_reset(f->bump);
    return kind;
}
