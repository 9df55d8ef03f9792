/*
 * agent_duty.c - checks, queries and tasks, as an agent would do them, and their results.
 *
 * A check runs at its own interval, whatever the beats do, and the results that have come up go
 * with the next message; a query is answered at once; a task reports two to four pieces of
 * progress, half a second to two seconds apart, and then its result.
 */
#include "driver/agent_duty.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"

#define RESULTS_MAX 1000 /* of one check in one message: the rest is not caught up with */
#define CHECK_EVERY 60   /* seconds, of a check that does not say */

struct duty *duty_of(struct agent *a)
{
    if (!a->duty)
        a->duty = xcalloc(1, sizeof(*a->duty));
    return a->duty;
}

/*
 * `m` has only repeated fields set: they go with the next message, and are counted.  A server that
 * asks for more than it takes is not made to wait for it.
 */
static bool add(struct fleet *f, struct agent *a, const Agent__V1__HeartbeatRequest *m,
                enum agent_metric counted)
{
    struct buf *b = &duty_of(a)->extra;
    size_t len = agent__v1__heartbeat_request__get_packed_size(m);

    if (b->len + len > DUTY_EXTRA) {
        fleet_fault(f, OP_UNEXPECTED,
                    "the server asks one agent for more than 128 KiB of results at a time");
        return false;
    }
    buf_reserve(b, len + 1);
    agent__v1__heartbeat_request__pack(m, (uint8_t *)b->data + b->len);
    b->len += len;
    if (counted != AM_METRICS)
        fleet_count(f, counted, 1);
    return true;
}

bool duty_is_new(struct duty *d, char kind, const char *id)
{
    uint64_t h = rng_mix((uint64_t)kind);

    for (; *id; id++)
        h = rng_mix(h ^ (unsigned char)*id);
    for (int i = 0; i < DUTY_DONE; i++)
        if (d->done[i] == h)
            return false;
    d->done[d->done_at++ % DUTY_DONE] = h;
    return true;
}

bool duty_has_extra(const struct agent *a)
{
    return a->duty && a->duty->extra.len > 0;
}

size_t duty_take_extra(struct agent *a, char *out, size_t size)
{
    struct buf *b = a->duty ? &a->duty->extra : NULL;
    size_t len = b ? b->len : 0;

    if (len == 0 || len > size)
        return 0;
    memcpy(out, b->data, len);
    buf_clear(b);
    return len;
}

bool duty_has_spill(const struct agent *a)
{
    return a->duty && a->duty->spill;
}

void duty_spill(struct agent *a, const char *data, size_t len)
{
    struct duty *d = duty_of(a);

    d->spill = xrealloc(NULL, len);
    memcpy(d->spill, data, len);
    d->spill_len = len;
    d->spill_at = 0;
}

void duty_drop_spill(struct agent *a)
{
    if (!a->duty)
        return;
    free(a->duty->spill);
    a->duty->spill = NULL;
}

size_t duty_take_spill(struct agent *a, char *out, size_t size, bool *last)
{
    struct duty *d = a->duty;
    size_t left = d->spill_len - d->spill_at, n = left < size ? left : size;
    const struct beat *b = a->first;

    memcpy(out, d->spill + d->spill_at, n);
    d->spill_at += n;
    if (n < left)
        return n;
    duty_drop_spill(a);
    while (b && b->sent_ns)
        b = b->next;
    *last = !b;
    return n;
}

static void free_check(struct check *c)
{
    free(c->id);
}

/* The definitions that were there before keep their time; new and changed ones run at once. */
void duty_set_checks(struct fleet *f, struct agent *a, Agent__V1__CheckDefinition **v, size_t n)
{
    struct duty *d = duty_of(a);
    struct check *fresh;
    uint64_t now = now_ns();

    (void)f;
    n = n < DUTY_CHECKS ? n : DUTY_CHECKS;
    fresh = xcalloc(n, sizeof(*fresh));
    for (size_t i = 0; i < n; i++) {
        int32_t every = v[i]->interval_seconds > 0 ? v[i]->interval_seconds : CHECK_EVERY;

        fresh[i] =
            (struct check){mem_check(strdup(v[i]->check_id)), (uint64_t)every * NS_PER_S, now};
        for (uint32_t k = 0; k < d->check_count; k++)
            if (strcmp(d->checks[k].id, fresh[i].id) == 0 &&
                d->checks[k].every_ns == fresh[i].every_ns)
                fresh[i].next_ns = d->checks[k].next_ns;
    }
    for (uint32_t k = 0; k < d->check_count; k++)
        free_check(&d->checks[k]);
    free(d->checks);
    d->checks = fresh;
    d->check_count = (uint32_t)n;
}

static bool run_check(struct fleet *f, struct agent *a, const struct check *c, uint64_t ran_ns,
                      uint64_t now)
{
    Agent__V1__HeartbeatRequest m = AGENT__V1__HEARTBEAT_REQUEST__INIT;
    Agent__V1__CheckResult r = AGENT__V1__CHECK_RESULT__INIT, *list = &r;
    bool bad = rng_unit(rng_next(&f->rng)) < f->job->opts->check_failure_rate;

    r.check_id = c->id;
    r.status = bad ? "fail" : "pass";
    r.output = bad ? "simulated failure" : "simulated";
    r.duration_ms = (int32_t)rng_between(rng_next(&f->rng), 10, 209);
    r.ran_at_unix = (int64_t)((wall_ns() - (now - ran_ns)) / NS_PER_S);
    m.check_results = &list;
    m.n_check_results = 1;
    return add(f, a, &m, AM_CHECKS);
}

void duty_before_beat(struct fleet *f, struct agent *a)
{
    uint64_t now = now_ns();

    for (uint32_t i = 0; a->duty && i < a->duty->check_count; i++) {
        struct check *c = &a->duty->checks[i];

        for (int n = 0; c->next_ns <= now && n < RESULTS_MAX; n++) {
            if (!run_check(f, a, c, c->next_ns, now))
                break;
            c->next_ns += c->every_ns;
        }
        if (c->next_ns <= now)
            c->next_ns = now + c->every_ns;
    }
}

static void answer_ports(struct fleet *f, struct agent *a, Agent__V1__AgentQueryResult *r,
                         Agent__V1__HeartbeatRequest *m)
{
    static const struct {
        int32_t port;
        char *process;
    } open[] = {{22, "sshd"}, {80, "nginx"}, {443, "nginx"}};
    Agent__V1__PortInfo ports[3], *list[3];

    for (int i = 0; i < 3; i++) {
        agent__v1__port_info__init(&ports[i]);
        ports[i].port = open[i].port;
        ports[i].protocol = "tcp";
        ports[i].process = open[i].process;
        list[i] = &ports[i];
    }
    r->ports = list;
    r->n_ports = 3;
    add(f, a, m, AM_QUERIES);
}

static void answer_services(struct fleet *f, struct agent *a, Agent__V1__AgentQueryResult *r,
                            Agent__V1__HeartbeatRequest *m)
{
    static char *const names[] = {"sshd.service", "cron.service"};
    Agent__V1__ServiceInfo services[2], *list[2];

    for (int i = 0; i < 2; i++) {
        agent__v1__service_info__init(&services[i]);
        services[i].name = names[i];
        services[i].load_state = "loaded";
        services[i].active_sub = "active/running";
        list[i] = &services[i];
    }
    r->services = list;
    r->n_services = 2;
    add(f, a, m, AM_QUERIES);
}

static void answer_query(struct fleet *f, struct agent *a, const Agent__V1__AgentQuery *q)
{
    Agent__V1__HeartbeatRequest m = AGENT__V1__HEARTBEAT_REQUEST__INIT;
    Agent__V1__AgentQueryResult r = AGENT__V1__AGENT_QUERY_RESULT__INIT, *list = &r;

    r.query_id = q->query_id;
    r.query_type = q->query_type;
    r.status = "ok";
    m.query_results = &list;
    m.n_query_results = 1;
    if (strcmp(q->query_type, "list_ports") == 0) {
        answer_ports(f, a, &r, &m);
    } else if (strcmp(q->query_type, "list_services") == 0) {
        answer_services(f, a, &r, &m);
    } else {
        r.status = "error";
        r.error = "unknown query type";
        add(f, a, &m, AM_QUERIES);
    }
}

void duty_queries(struct fleet *f, struct agent *a, Agent__V1__AgentQuery **v, size_t n)
{
    bool any = false;

    for (size_t i = 0; i < n && i < DUTY_DONE; i++) {
        if (!duty_is_new(duty_of(a), 'q', v[i]->query_id))
            continue;
        answer_query(f, a, v[i]);
        any = true;
    }
    if (any)
        agent_extra(f, a);
}

static void send_result(struct fleet *f, struct agent *a, const char *id, const char *type,
                        const char *error)
{
    Agent__V1__HeartbeatRequest m = AGENT__V1__HEARTBEAT_REQUEST__INIT;
    Agent__V1__AgentTaskResult r = AGENT__V1__AGENT_TASK_RESULT__INIT, *list = &r;

    r.task_id = (char *)id;
    r.task_type = (char *)type;
    r.exit_code = error ? 1 : 0;
    r.result_json = error ? "" : "{\"source\":\"loadtest\",\"ok\":true}";
    r.error = error ? (char *)error : "";
    m.task_results = &list;
    m.n_task_results = 1;
    if (add(f, a, &m, AM_TASKS))
        agent_extra(f, a);
}

static void free_task(struct task *t)
{
    timers_cancel(t->fleet->links.timers, &t->timer);
    free(t->id);
    free(t->type);
    free(t);
}

static void remove_task(struct duty *d, struct task *t)
{
    struct task **p = &d->tasks;

    while (*p != t)
        p = &(*p)->next;
    *p = t->next;
    d->task_count--;
    free_task(t);
}

static void set_pause(struct task *t)
{
    uint64_t pause = (uint64_t)rng_between(rng_next(&t->fleet->rng), 500, 2000) * NS_PER_MS;

    timers_set(t->fleet->links.timers, &t->timer, now_ns() + pause);
}

static void on_task(struct timer *timer, uint64_t now)
{
    struct task *t = (struct task *)timer;
    Agent__V1__HeartbeatRequest m = AGENT__V1__HEARTBEAT_REQUEST__INIT;
    Agent__V1__AgentTaskProgress p = AGENT__V1__AGENT_TASK_PROGRESS__INIT, *list = &p;
    char text[64];

    (void)now;
    if (t->chunk == t->chunks) {
        send_result(t->fleet, t->agent, t->id, t->type, NULL);
        remove_task(t->agent->duty, t);
        return;
    }
    snprintf(text, sizeof(text), "step %d of %d\n", ++t->chunk, t->chunks);
    p.task_id = t->id;
    p.output_chunk = text;
    m.task_progress = &list;
    m.n_task_progress = 1;
    if (add(t->fleet, t->agent, &m, AM_METRICS))
        agent_extra(t->fleet, t->agent);
    set_pause(t);
}

void duty_task(struct fleet *f, struct agent *a, const Agent__V1__AgentTask *m)
{
    bool inventory = strcmp(m->task_type, "software_inventory") == 0 ||
                     strcmp(m->task_type, "software_inventory_scan") == 0;
    unsigned needs = inventory ? ANSWER_INVENTORY : ANSWER_TASKS;
    struct duty *d = duty_of(a);
    struct task *t;

    if (!(f->job->answer & needs) || !duty_is_new(d, 't', m->task_id))
        return;
    if (inventory) {
        inventory_begin(f, a, m->task_id);
        return;
    }
    if (d->task_count >= DUTY_TASKS) {
        send_result(f, a, m->task_id, m->task_type, "too many tasks at once");
        return;
    }
    t = xcalloc(1, sizeof(*t));
    t->timer.fire = on_task;
    t->fleet = f;
    t->agent = a;
    t->id = mem_check(strdup(m->task_id));
    t->type = mem_check(strdup(m->task_type));
    t->chunks = (int)rng_between(rng_next(&f->rng), 2, 4);
    t->next = d->tasks;
    d->tasks = t;
    d->task_count++;
    set_pause(t);
}

void duty_cancel(struct fleet *f, struct agent *a, const char *id)
{
    for (struct task *t = a->duty ? a->duty->tasks : NULL; t; t = t->next) {
        if (strcmp(t->id, id) != 0)
            continue;
        send_result(f, a, t->id, t->type, "cancelled");
        remove_task(a->duty, t);
        fleet_count(f, AM_CANCELLED, 1);
        return;
    }
    if (!inventory_cancel(f, a, id))
        return;
    duty_task_failed(f, a, id, "cancelled");
    fleet_count(f, AM_CANCELLED, 1);
}

void duty_task_failed(struct fleet *f, struct agent *a, const char *id, const char *why)
{
    send_result(f, a, id, "software_inventory", why);
}

unsigned char *duty_own_certificate(struct fleet *f, struct agent *a, const char *pem, size_t *len)
{
    struct identity *i = NULL;
    unsigned char *der;
    struct ed25519 key;

    *len = identity_der(pem, strlen(pem), &der);
    if (*len) {
        ed25519_derive(&key, f->job->stem, fleet_agent_number(f, a));
        i = identity_new(der, *len, key.seed);
    }
    if (!i) {
        fleet_count(f, AM_CERTS_REJECTED, 1);
        fleet_fault(f, OP_UNEXPECTED, "a client certificate that is not of the agent's key");
        free(der);
        der = NULL;
    }
    identity_free(i);
    return der;
}

/* That of the connection is replaced, and a new connection shows it, as an agent of its own would.
 */
void duty_certificate(struct fleet *f, struct agent *a, const char *pem, enum agent_metric counted)
{
    uint32_t number = fleet_agent_number(f, a);
    struct link *l = fleet_link(f, a);
    size_t len;
    unsigned char *der = duty_own_certificate(f, a, pem, &len);

    if (!der)
        return;
    fleet_count(f, counted, 1);
    if (f->job->opts->client_certificate == CERT_NONE || (l->cert && l->cert_agent != number)) {
        free(der);
        return;
    }
    free(l->cert);
    l->cert = der;
    l->cert_len = (uint32_t)len;
    l->cert_agent = number;
    link_turn(l);
}

void duty_free(struct fleet *f, struct agent *a)
{
    struct duty *d = a->duty;
    struct task *next;

    (void)f;
    if (!d)
        return;
    for (struct task *t = d->tasks; t; t = next) {
        next = t->next;
        free_task(t);
    }
    for (uint32_t i = 0; i < d->check_count; i++)
        free_check(&d->checks[i]);
    free(d->checks);
    free(d->spill);
    buf_free(&d->extra);
    free(d);
    a->duty = NULL;
}
