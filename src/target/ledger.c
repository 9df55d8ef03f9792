#include "target/ledger.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

static const char *const count_names[] = {
    [COUNT_ACCEPTED] = "connections_accepted",
    [COUNT_FULL] = "handshakes_full",
    [COUNT_RESUMED] = "handshakes_resumed",
    [COUNT_HANDSHAKE_FAILED] = "handshakes_failed",
    [COUNT_ACCEPT_PAUSED] = "accept_paused",
    [COUNT_REQUESTS] = "requests",
    [COUNT_ANSWERED] = "answered",
    [COUNT_RESET] = "resets_injected",
    [COUNT_ERROR] = "errors_injected",
    [COUNT_ABANDONED] = "abandoned",
    [COUNT_BAD] = "bad_requests",
    [COUNT_TIMED_OUT] = "timed_out",
    [COUNT_RECEIVED] = "bytes_received",
    [COUNT_SENT] = "bytes_sent",
};

static void start(struct ledger *l, uint64_t now)
{
    memset(&l->tally, 0, sizeof(l->tally)); /* too large for a temporary */
    l->tally.since = now;
    l->tally.open_max = l->open;
    l->tally.fine.width = NS_PER_MS;
    l->tally.coarse.width = 10 * NS_PER_MS;
}

struct ledger *ledger_new(FILE *log, uint64_t now)
{
    struct ledger *l = xcalloc(1, sizeof(*l));

    pthread_mutex_init(&l->lock, NULL);
    l->log = log;
    start(l, now);
    if (log)
        fputs("# arrival_ns departure_ns programmed_ns status\n", log);
    return l;
}

void ledger_free(struct ledger *l)
{
    if (l)
        pthread_mutex_destroy(&l->lock);
    free(l);
}

void ledger_count(struct ledger *l, enum count what, uint64_t n)
{
    pthread_mutex_lock(&l->lock);
    l->tally.count[what] += n;
    pthread_mutex_unlock(&l->lock);
}

void ledger_bytes(struct ledger *l, uint64_t received, uint64_t sent)
{
    pthread_mutex_lock(&l->lock);
    l->tally.count[COUNT_RECEIVED] += received;
    l->tally.count[COUNT_SENT] += sent;
    pthread_mutex_unlock(&l->lock);
}

uint64_t ledger_get(struct ledger *l, enum count what)
{
    uint64_t n;

    pthread_mutex_lock(&l->lock);
    n = l->tally.count[what];
    pthread_mutex_unlock(&l->lock);
    return n;
}

uint64_t ledger_open(struct ledger *l)
{
    uint64_t n;

    pthread_mutex_lock(&l->lock);
    n = l->open;
    pthread_mutex_unlock(&l->lock);
    return n;
}

void ledger_connected(struct ledger *l)
{
    pthread_mutex_lock(&l->lock);
    l->tally.count[COUNT_ACCEPTED]++;
    if (++l->open > l->tally.open_max)
        l->tally.open_max = l->open;
    pthread_mutex_unlock(&l->lock);
}

void ledger_disconnected(struct ledger *l)
{
    pthread_mutex_lock(&l->lock);
    l->open--;
    pthread_mutex_unlock(&l->lock);
}

uint64_t ledger_arrived(struct ledger *l, uint64_t now)
{
    struct tally *t = &l->tally;
    uint64_t number;

    pthread_mutex_lock(&l->lock);
    number = t->count[COUNT_REQUESTS]++;
    if (!number)
        t->first = now;
    t->last = now;
    dispersion_add(&t->fine, t->first, now);
    dispersion_add(&t->coarse, t->first, now);
    pthread_mutex_unlock(&l->lock);
    return number;
}

static void write_line(FILE *log, const struct answered *a)
{
    fprintf(log, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %d\n", a->arrival_ns, a->departure_ns,
            a->due_ns - a->arrival_ns, a->reset ? 0 : a->status);
}

void ledger_answered(struct ledger *l, const struct answered *a)
{
    struct tally *t = &l->tally;

    pthread_mutex_lock(&l->lock);
    t->count[COUNT_ANSWERED] += !a->reset;
    t->count[COUNT_RESET] += a->reset;
    t->count[COUNT_ERROR] += a->error;
    if (!a->reset)
        t->status[a->status]++;
    hist_add(&t->programmed, a->due_ns - a->arrival_ns);
    hist_add(&t->service, a->departure_ns - a->arrival_ns);
    hist_add(&t->late, a->departure_ns - a->due_ns);
    if (l->log)
        write_line(l->log, a);
    pthread_mutex_unlock(&l->lock);
}

void ledger_reset(struct ledger *l)
{
    pthread_mutex_lock(&l->lock);
    start(l, now_ns());
    pthread_mutex_unlock(&l->lock);
}

static json_t *times(const struct hist *h)
{
    static const struct {
        const char *name;
        double q;
    } quantiles[] = {
        {"p(50)", .5}, {"p(90)", .9}, {"p(95)", .95}, {"p(99)", .99}, {"p(99.9)", .999}};
    json_t *o = json_object();

    json_object_set_new(o, "count", json_integer((json_int_t)h->total));
    json_object_set_new(o, "min", json_integer((json_int_t)h->min));
    json_object_set_new(o, "avg", json_real(h->total ? h->sum / (double)h->total : 0));
    for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
        json_object_set_new(o, quantiles[i].name, json_real(hist_quantile(h, quantiles[i].q)));
    json_object_set_new(o, "max", json_integer((json_int_t)h->max));
    return o;
}

static json_t *statuses(const struct tally *t)
{
    json_t *o = json_object();
    char name[16];

    for (int i = 0; i < STATUS_MAX; i++) {
        if (!t->status[i])
            continue;
        snprintf(name, sizeof(name), "%d", i);
        json_object_set_new(o, name, json_integer((json_int_t)t->status[i]));
    }
    return o;
}

static json_t *arrivals(const struct tally *t)
{
    json_t *o = json_object();

    json_object_set_new(o, "first_ns", json_integer((json_int_t)t->first));
    json_object_set_new(o, "last_ns", json_integer((json_int_t)t->last));
    json_object_set_new(o, "dispersion_1ms", json_real(dispersion_index(&t->fine)));
    json_object_set_new(o, "dispersion_10ms", json_real(dispersion_index(&t->coarse)));
    return o;
}

static json_t *describe(const struct tally *t, uint64_t open)
{
    json_t *o = json_object();

    json_object_set_new(o, "since_ns", json_integer((json_int_t)t->since));
    json_object_set_new(o, "now_ns", json_integer((json_int_t)now_ns()));
    json_object_set_new(o, "connections_open", json_integer((json_int_t)open));
    json_object_set_new(o, "connections_open_max", json_integer((json_int_t)t->open_max));
    for (int i = 0; i < COUNTS; i++)
        json_object_set_new(o, count_names[i], json_integer((json_int_t)t->count[i]));
    json_object_set_new(o, "status", statuses(t));
    json_object_set_new(o, "arrivals", arrivals(t));
    json_object_set_new(o, "programmed_ns", times(&t->programmed));
    json_object_set_new(o, "service_ns", times(&t->service));
    json_object_set_new(o, "late_ns", times(&t->late));
    return o;
}

/* The work is done on a copy, so that no request waits for it. */
char *ledger_json(struct ledger *l)
{
    struct tally *copy = xcalloc(1, sizeof(*copy));
    uint64_t open;
    json_t *json;
    char *text;

    pthread_mutex_lock(&l->lock);
    *copy = l->tally;
    open = l->open;
    if (l->log)
        fflush(l->log);
    pthread_mutex_unlock(&l->lock);
    json = describe(copy, open);
    text = mem_check(json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(12)));
    json_decref(json);
    free(copy);
    return text;
}
