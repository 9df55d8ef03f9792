#include "target/ingest_push.h"

#include <agent/v1/heartbeat.pb-c.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "target/ingest_record.h"
#include "target/ingest_state.h"
#include "target/peer.h"

#define ID_MAX    64
#define TASKS_MAX 64 /* of one agent that are remembered */

struct due {
    struct call *call;
    const struct script_push *push;
    uint32_t index, round; /* of the push; which time it is, from 1 */
};

static void make_id(const struct due *d, const char *kind, char id[ID_MAX])
{
    snprintf(id, ID_MAX, "%s-%" PRIu32 "-%" PRIu32 "-%" PRIu32, kind, d->call->agent->number,
             d->index, d->round);
}

static bool read_id(const char *id, const char *kind, uint32_t *agent, uint32_t *push,
                    uint32_t *round)
{
    size_t len = strlen(kind);
    int used = 0;

    return strncmp(id, kind, len) == 0 && id[len] == '-' && strlen(id) < ID_MAX &&
           sscanf(id + len + 1, "%" SCNu32 "-%" SCNu32 "-%" SCNu32 "%n", agent, push, round,
                  &used) == 3 &&
           id[len + 1 + (size_t)used] == '\0';
}

struct ingest_task *ingest_task_find(const struct ingest_agent *a, const char *id)
{
    struct ingest_task *t = a->tasks;
    uint32_t agent, push, round;

    if (!read_id(id, "task", &agent, &push, &round) || agent != a->number)
        return NULL;
    while (t && (t->push != push || t->round != round))
        t = t->next;
    return t;
}

const struct script_push *ingest_session_find(const struct ingest *g, const char *id)
{
    uint32_t agent, push, round;

    if (!read_id(id, "terminal", &agent, &push, &round) || push >= (uint32_t)g->script.push_count ||
        !g->script.pushes[push].terminal)
        return NULL;
    return &g->script.pushes[push];
}

static void send(struct due *d, Agent__V1__HeartbeatResponse *r)
{
    struct call *c = d->call;
    struct buf *pack = &c->calls->own->pack;

    r->ok = true;
    buf_clear(pack);
    buf_reserve(pack, agent__v1__heartbeat_response__get_packed_size(r));
    pack->len = agent__v1__heartbeat_response__pack(r, (uint8_t *)pack->data);
    call_send(c, pack->data, pack->len);
}

static void push_query(struct due *d, Agent__V1__HeartbeatResponse *r)
{
    Agent__V1__AgentQuery query = AGENT__V1__AGENT_QUERY__INIT, *list[] = {&query};
    char id[ID_MAX];

    make_id(d, "query", id);
    query.query_id = id;
    query.query_type = (char *)d->push->query;
    ingest_record_query(d->call->calls->ingest, d->call->agent, id, query.query_type);
    r->n_pending_queries = 1;
    r->pending_queries = list;
    send(d, r);
}

/* The oldest that has ended makes room. */
static void remember_task(struct due *d)
{
    struct ingest *g = d->call->calls->ingest;
    struct ingest_task *t = xcalloc(1, sizeof(*t)), **at;
    struct ingest_agent *a = d->call->agent;
    int n = 0;

    t->push = d->index;
    t->round = d->round;
    pthread_mutex_lock(&g->lock);
    t->next = a->tasks;
    a->tasks = t;
    for (at = &a->tasks; *at; at = &(*at)->next)
        if (++n > TASKS_MAX) {
            free(*at);
            *at = NULL;
            break;
        }
    pthread_mutex_unlock(&g->lock);
}

static void push_task(struct due *d, Agent__V1__HeartbeatResponse *r)
{
    Agent__V1__AgentTask task = AGENT__V1__AGENT_TASK__INIT;
    char id[ID_MAX];

    make_id(d, "task", id);
    remember_task(d);
    task.task_id = id;
    task.task_type = (char *)d->push->task;
    ingest_record_task(d->call->calls->ingest, d->call->agent, id, task.task_type, "running");
    task.config_json = (char *)d->push->config;
    r->pending_task = &task;
    send(d, r);
}

static void push_cancel(struct due *d, Agent__V1__HeartbeatResponse *r)
{
    struct ingest *g = d->call->calls->ingest;
    struct ingest_agent *a = d->call->agent;
    char id[ID_MAX], *list[] = {id};
    struct due made = *d;
    bool found;

    pthread_mutex_lock(&g->lock);
    found = a->tasks != NULL;
    if (found) {
        made.index = a->tasks->push;
        made.round = a->tasks->round;
        if (a->tasks->status == TASK_RUNNING)
            a->tasks->status = TASK_CANCELLING;
    }
    pthread_mutex_unlock(&g->lock);
    if (!found)
        return;
    make_id(&made, "task", id);
    ingest_record_task(g, a, id, g->script.pushes[made.index].task, "cancelling");
    r->n_cancel_task_ids = 1;
    r->cancel_task_ids = list;
    send(d, r);
}

static void push_certificate(struct due *d, Agent__V1__HeartbeatResponse *r)
{
    struct ingest *g = d->call->calls->ingest;
    const unsigned char *key = d->call->agent->cert_key;
    char id[AGENT_ID_TEXT];
    struct buf pem = {0};

    if (!g->authority || !key)
        return;
    if (authority_certify(g->authority, key + 2, (size_t)key[0] << 8 | key[1],
                          ingest_agent_id(d->call->agent, id), INGEST_ORG, &pem,
                          &r->pending_client_cert_not_after_unix)) {
        r->pending_client_cert_pem = pem.data;
        r->agent_ca_cert_pem = (char *)authority_pem(g->authority);
        send(d, r);
    }
    buf_free(&pem);
}

static void push_terminal(struct due *d, Agent__V1__HeartbeatResponse *r)
{
    Agent__V1__TerminalSessionRequest session = AGENT__V1__TERMINAL_SESSION_REQUEST__INIT,
                                      *list[] = {&session};
    char id[ID_MAX];

    make_id(d, "terminal", id);
    session.session_id = id;
    session.cols = (uint32_t)d->push->cols;
    session.rows = (uint32_t)d->push->rows;
    session.username = (char *)d->push->username;
    r->n_pending_terminal_sessions = 1;
    r->pending_terminal_sessions = list;
    send(d, r);
}

static void set_status(const struct due *d)
{
    struct ingest *g = d->call->calls->ingest;
    struct ingest_agent *a = d->call->agent;

    pthread_mutex_lock(&g->lock);
    if (d->push->status == INGEST_DELETED && a->status != INGEST_DELETED) {
        ingest_record_deleted(g, a);
        ingest_table_delete(&g->table, a);
    } else if (a->status != INGEST_DELETED) {
        a->status = (uint8_t)d->push->status;
        ingest_record_status(g, a, ingest_statuses[a->status], NULL);
    }
    pthread_mutex_unlock(&g->lock);
}

static void deliver(struct due *d)
{
    static void (*const sends[PUSH_KINDS])(struct due *, Agent__V1__HeartbeatResponse *) = {
        [PUSH_QUERY] = push_query,       [PUSH_TASK] = push_task,
        [PUSH_CANCEL] = push_cancel,     [PUSH_CERTIFICATE] = push_certificate,
        [PUSH_TERMINAL] = push_terminal,
    };
    Agent__V1__HeartbeatResponse r = AGENT__V1__HEARTBEAT_RESPONSE__INIT;
    struct call *c = d->call;

    ingest_add(&c->calls->own->pushed[d->push->what], 1);
    if (sends[d->push->what])
        sends[d->push->what](d, &r);
    else if (d->push->what == PUSH_STATUS)
        set_status(d);
    else if (d->push->what == PUSH_END)
        call_finish(c, (enum grpc_code)d->push->end, "%s", d->push->message);
    else if (d->push->what == PUSH_DROP && d->push->drop == SCRIPT_STREAM)
        call_reset(c);
    else if (d->push->what == PUSH_DROP)
        peer_drop(c->calls->peer);
}

static bool is_meant(const struct script_push *p, const struct ingest_agent *a)
{
    return a->number % (uint64_t)p->every == 0;
}

/* True if the call is still there to be looked at. */
static bool give(struct call *c, const struct script_push *p, int index, uint64_t round)
{
    struct due d = {c, p, (uint32_t)index, (uint32_t)round};
    bool gone = p->what == PUSH_END || p->what == PUSH_DROP;

    deliver(&d);
    return !gone && c->phase == CALL_OPEN;
}

static enum push_side side_of(const struct script_push *p)
{
    return p->what == PUSH_DELAY || p->what == PUSH_END || p->what == PUSH_DROP ? PUSH_BEFORE
                                                                                : PUSH_AFTER;
}

void ingest_push_beat(struct call *c, uint64_t now, enum push_side side, int64_t *delay)
{
    const struct script *s = &c->calls->ingest->script;
    uint64_t beat = c->agent->beats;

    (void)now;
    for (int i = 0; i < s->push_count; i++) {
        const struct script_push *p = &s->pushes[i];
        uint64_t after = (uint64_t)p->after_beat, round = after ? beat / after : 0;

        if (!after || side_of(p) != side || beat % after != 0 || round > (uint64_t)p->times ||
            !is_meant(p, c->agent))
            continue;
        if (p->what == PUSH_DELAY)
            *delay += p->delay;
        if (!give(c, p, i, round))
            return;
    }
}

void ingest_push_tick(struct call *c, uint64_t from, uint64_t now)
{
    const struct script *s = &c->calls->ingest->script;
    uint64_t first = c->agent->first_ns;

    for (int i = 0; i < s->push_count; i++) {
        const struct script_push *p = &s->pushes[i];
        uint64_t at = (uint64_t)p->at, round = at && now > first ? (now - first) / at : 0;

        if (round == 0 || round > (uint64_t)p->times || !is_meant(p, c->agent) ||
            (from > first && (from - first) / at == round))
            continue;
        if (!give(c, p, i, round))
            return;
    }
}
