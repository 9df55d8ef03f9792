/* scrape_try.c - one reading: the request, the answer, and what it adds to the series of the step.
 */
#include "driver/scrape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/mem.h"
#include "driver/fetch.h"
#include "driver/probe.h"
#include "driver/target.h"
#include "net/attempt.h"
#include "net/http1.h"

#define BODY_MAX (16 << 20)

bool scrape_has_header(const struct scrape_opts *o, const char *name)
{
    for (int i = 0; i < o->headers.n; i++)
        if (strcasecmp(o->headers.names[i], name) == 0)
            return true;
    return false;
}

static bool failed(struct scrape_try *x, enum outcome outcome, const char *why)
{
    x->outcome = outcome;
    snprintf(x->why, sizeof(x->why), "%.*s", WHY_MAX - 1, why);
    return false;
}

void scrape_try_init(struct scrape_try *x, const struct job *job)
{
    const struct scrape_opts *o = job->opts;
    const struct scrape_job *j = job->priv;

    x->job = job;
    x->values = xcalloc((size_t)j->plan.n, sizeof(*x->values));
    x->fields = xcalloc((size_t)o->headers.n + 2, sizeof(*x->fields));
    x->headers = xcalloc((size_t)o->headers.n + 3, sizeof(*x->headers));
}

void scrape_try_fini(struct scrape_try *x)
{
    for (int i = 0; x->headers && x->headers[i]; i++)
        buf_free(&x->fields[i]);
    free(x->fields);
    free(x->headers);
    free(x->values);
    buf_free(&x->url);
    buf_free(&x->userinfo);
    buf_free(&x->head);
    buf_free(&x->body);
    *x = (struct scrape_try){0};
}

static void render(struct buf *b, const struct template *t, const struct template_values *v)
{
    size_t room = template_bound(t, 0), len;
    char *text = xcalloc(1, room + 1);

    len = template_render(t, v, text, room);
    buf_add(b, text, len < room ? len : room);
    free(text);
}

/* "name: value"; line ends, which a value could smuggle in, become blanks. */
static void add_field(struct scrape_try *x, int *n, const char *start, const struct template *t,
                      const struct template_values *v)
{
    struct buf *b = &x->fields[*n];

    buf_clear(b);
    buf_adds(b, start);
    if (t)
        render(b, t, v);
    for (size_t i = 0; i < b->len; i++)
        if (b->data[i] == '\r' || b->data[i] == '\n')
            b->data[i] = ' ';
    x->headers[(*n)++] = buf_text(b);
}

/*
 * The text format before OpenMetrics', either of which is read.  Names that need quotes are asked
 * for only where a selector has one: without, an endpoint writes them as everybody knows them.
 */
static const char *accepted(const struct scrape_plan *p)
{
    for (int i = 0; i < p->n; i++)
        if (p->v[i].selector.utf8)
            return "Accept: text/plain;version=1.0.0;escaping=allow-utf-8,"
                   "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.8,"
                   "text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    return "Accept: text/plain;version=0.0.4,application/openmetrics-text;version=1.0.0;q=0.5,"
           "*/*;q=0.1";
}

static void set_headers(struct scrape_try *x, const struct template_values *v)
{
    const struct scrape_opts *o = x->job->opts;
    const struct scrape_job *j = x->job->priv;
    char start[256];
    int n = 0;

    for (int i = 0; i < o->headers.n; i++) {
        snprintf(start, sizeof(start), "%.250s: ", o->headers.names[i]);
        add_field(x, &n, start, o->headers.values[i], v);
    }
    if (o->auth.bearer)
        add_field(x, &n, "Authorization: Bearer ", o->auth.bearer, v);
    if (!scrape_has_header(o, "accept"))
        add_field(x, &n, accepted(&j->plan), NULL, v);
    x->headers[n] = NULL;
}

void scrape_try_set(struct scrape_try *x, const struct template_values *v)
{
    const struct scrape_opts *o = x->job->opts;
    const struct target *t = o->target;
    bool brackets = strchr(t->host, ':') != NULL;

    x->outcome = OP_OK;
    x->read = false;
    buf_clear(&x->head);
    buf_clear(&x->body);
    buf_clear(&x->url);
    buf_printf(&x->url, "%s://%s%s%s:%u%s", t->scheme, brackets ? "[" : "", t->host,
               brackets ? "]" : "", (unsigned)t->port, o->path);
    buf_clear(&x->userinfo);
    if (o->auth.basic)
        render(&x->userinfo, o->auth.basic, v);
    else if (t->userinfo && !o->auth.bearer && !scrape_has_header(o, "authorization"))
        buf_adds(&x->userinfo, t->userinfo);
    set_headers(x, v);
}

static bool fetch(struct scrape_try *x, const volatile int *cancelled)
{
    const struct scrape_opts *o = x->job->opts;
    struct attempt_answer a = {
        .head = &x->head, .body = &x->body, .body_max = BODY_MAX, .whole = true};
    struct attempt_request r = fetch_request(o->target);
    char why[WHY_MAX];
    struct err e;
    bool got;

    r.url = buf_text(&x->url);
    r.headers = x->headers;
    r.userinfo = x->userinfo.len ? buf_text(&x->userinfo) : NULL;
    r.timeout_ns = (uint64_t)o->timeout;
    r.interrupted = cancelled;
    got = attempt_http(&r, &a, &e);
    if (x->body.len >= BODY_MAX)
        return failed(x, OP_PROTOCOL, "the answer has 16 MiB or more");
    if (!got)
        return failed(x, probe_outcome(a.failure), e.text);
    snprintf(why, sizeof(why), "status %ld, expected 200", a.status);
    return a.status == 200 || failed(x, OP_UNEXPECTED, why);
}

/* OpenMetrics 1.0, "Overall Structure": the exposition ends with EOF. */
static bool is_open_metrics(const struct buf *head)
{
    static const char type[] = "application/openmetrics-text";
    struct http1_span all = {head->data, head->len}, value;

    return head->len > 0 && http1_field(&all, "content-type", &value) &&
           value.len >= sizeof(type) - 1 && strncasecmp(value.data, type, sizeof(type) - 1) == 0;
}

static void read_body(struct scrape_try *x)
{
    struct scrape_text text = {buf_text(&x->body), x->body.len, is_open_metrics(&x->head)};
    struct scrape_job *j = x->job->priv;
    struct err e;

    pthread_mutex_lock(&j->lock);
    if (j->any && x->begun_ns < j->began_ns) {
        x->read = false;
    } else if (!scrape_read(&j->plan, j->series, !j->any, &text, x->values, &e)) {
        failed(x, OP_UNEXPECTED, e.text);
    } else {
        x->read = true;
        j->any = true;
        j->began_ns = x->begun_ns;
        memcpy(j->latest, x->values, sizeof(*j->latest) * (size_t)j->plan.n);
    }
    pthread_mutex_unlock(&j->lock);
}

void scrape_try_read(struct scrape_try *x, const volatile int *cancelled)
{
    if (fetch(x, cancelled))
        read_body(x);
}
