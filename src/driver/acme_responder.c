#include "driver/acme_responder.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/thread.h"
#include "net/addr.h"
#include "net/http1.h"
#include "net/url.h"

#define PREFIX      "/.well-known/acme-challenge/"
#define HEAD_MAX    8192
#define VISITORS    1024 /* at a time; more wait in the kernel */
#define BUCKETS     4096 /* of tokens */
#define PATIENCE    10   /* seconds for a request to arrive */
#define STACK_BYTES ((size_t)256 << 10)

struct token {
    struct token *next;
    char *text, *answer;
};

struct visitor {
    struct acme_responder *owner;
    struct visitor *next, **here;
    struct event *event;
    struct http1 parser;
    struct buf in;
};

struct acme_responder {
    struct event_base *base;
    struct event *accepting, *stopping;
    int listener, stop_fd;
    pthread_t thread;
    bool running;
    struct visitor *visitors;
    int visitor_count;
    pthread_mutex_t lock;
    struct token *tokens[BUCKETS]; /* under the lock */
};

static struct token **bucket_of(struct acme_responder *r, const char *token, size_t len)
{
    uint32_t h = 2166136261u; /* FNV-1a */

    for (size_t i = 0; i < len; i++)
        h = (h ^ (uint8_t)token[i]) * 16777619u;
    return &r->tokens[h % BUCKETS];
}

/* Under the lock: where the token hangs, or the end of its list. */
static struct token **find(struct acme_responder *r, const char *token, size_t len)
{
    struct token **at = bucket_of(r, token, len);

    while (*at && (strlen((*at)->text) != len || memcmp((*at)->text, token, len) != 0))
        at = &(*at)->next;
    return at;
}

static void drop(struct token **at)
{
    struct token *t = *at;

    *at = t->next;
    free(t->text);
    free(t->answer);
    free(t);
}

void acme_responder_remove(struct acme_responder *r, const char *token)
{
    struct token **at;

    pthread_mutex_lock(&r->lock);
    at = find(r, token, strlen(token));
    if (*at)
        drop(at);
    pthread_mutex_unlock(&r->lock);
}

void acme_responder_add(struct acme_responder *r, const char *token, const char *thumbprint)
{
    struct token *t = xcalloc(1, sizeof(*t)), **at;
    struct buf answer = {0};

    buf_printf(&answer, "%s.%s", token, thumbprint);
    t->text = mem_check(strdup(token));
    t->answer = answer.data;
    pthread_mutex_lock(&r->lock);
    at = find(r, token, strlen(token));
    if (*at)
        drop(at);
    t->next = *at;
    *at = t;
    pthread_mutex_unlock(&r->lock);
}

static void leave(struct visitor *v)
{
    struct acme_responder *r = v->owner;

    *v->here = v->next;
    if (v->next)
        v->next->here = v->here;
    close(event_get_fd(v->event));
    event_free(v->event);
    buf_free(&v->in);
    free(v);
    if (r->visitor_count-- == VISITORS)
        event_add(r->accepting, NULL);
}

/* Small enough for the socket's buffer, so it is sent in one go or not at all. */
static void answer(struct visitor *v, const char *status, const char *body)
{
    struct buf out = {0};

    buf_printf(&out,
               "HTTP/1.1 %s\r\nContent-Type: application/octet-stream\r\nContent-Length: "
               "%zu\r\nConnection: close\r\n\r\n%s",
               status, strlen(body), body);
    if (send(event_get_fd(v->event), out.data, out.len, MSG_NOSIGNAL) >= 0)
        shutdown(event_get_fd(v->event), SHUT_WR);
    buf_free(&out);
    leave(v);
}

static void serve(struct visitor *v, const struct http1_span *head)
{
    struct acme_responder *r = v->owner;
    const char *path = head->data + v->parser.target_at;
    size_t len = v->parser.target_len, prefix = strlen(PREFIX);
    struct token *t = NULL;
    char *text = NULL;

    if (v->parser.method_len == 3 && memcmp(head->data, "GET", 3) == 0 && len > prefix &&
        memcmp(path, PREFIX, prefix) == 0) {
        pthread_mutex_lock(&r->lock);
        t = *find(r, path + prefix, len - prefix);
        text = t ? mem_check(strdup(t->answer)) : NULL;
        pthread_mutex_unlock(&r->lock);
    }
    answer(v, text ? "200 OK" : "404 Not Found", text ? text : "");
    free(text);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct visitor *v = arg;
    struct http1_span head;
    char data[2048];
    ssize_t n = what & EV_TIMEOUT ? 0 : recv(fd, data, sizeof(data), 0);
    size_t used;
    enum http1_event event;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        leave(v);
        return;
    }
    buf_add(&v->in, data, (size_t)n);
    event = http1_next(&v->parser, v->in.data, v->in.len, &used, &head);
    if (event == HTTP1_HEAD)
        serve(v, &head);
    else if (event != HTTP1_MORE)
        answer(v, "400 Bad Request", "");
}

static void on_visitor(evutil_socket_t fd, short what, void *arg)
{
    static const struct timeval patience = {PATIENCE, 0};
    struct acme_responder *r = arg;
    struct visitor *v;
    int client;

    (void)what;
    while (r->visitor_count < VISITORS) {
        client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client < 0)
            return;
        v = xcalloc(1, sizeof(*v));
        v->owner = r;
        http1_init(&v->parser, HTTP1_REQUEST, HEAD_MAX);
        v->event = mem_check(event_new(r->base, client, EV_READ | EV_PERSIST, on_readable, v));
        v->next = r->visitors;
        v->here = &r->visitors;
        if (v->next)
            v->next->here = &v->next;
        r->visitors = v;
        r->visitor_count++;
        event_add(v->event, &patience);
    }
    event_del(r->accepting);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
    struct acme_responder *r = arg;

    (void)fd, (void)what;
    event_base_loopbreak(r->base);
}

static void *run(void *arg)
{
    struct acme_responder *r = arg;

    event_base_dispatch(r->base);
    return NULL;
}

static bool bind_to(struct acme_responder *r, const char *address, struct arena *arena,
                    struct err *e)
{
    struct addrs addrs;
    const char *host;
    uint16_t port;
    int yes = 1;

    if (!url_host_port(address, &host, &port, arena, e) ||
        !addr_resolve(&addrs, host, port, arena, e))
        return err_wrap(e, "responder");
    r->listener = socket(addrs.v->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (r->listener < 0)
        return err_errno(e, "responder: could not make a socket");
    setsockopt(r->listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    if (bind(r->listener, (struct sockaddr *)&addrs.v->sa, addrs.v->len) != 0 ||
        listen(r->listener, SOMAXCONN) != 0)
        return err_errno(e, "responder: cannot listen on %s", address);
    return true;
}

static bool start(struct acme_responder *r, struct err *e)
{
    int error = thread_start(&r->thread, STACK_BYTES, run, r);

    r->running = error == 0;
    return r->running || err_set(e, "responder: %s", strerrordesc_np(error));
}

static bool set_up(struct acme_responder *r, struct err *e)
{
    r->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r->base = event_base_new();
    if (r->stop_fd < 0 || !r->base)
        return err_errno(e, "responder: could not make an event loop");
    r->accepting = event_new(r->base, r->listener, EV_READ | EV_PERSIST, on_visitor, r);
    r->stopping = event_new(r->base, r->stop_fd, EV_READ, on_stop, r);
    if (!r->accepting || !r->stopping || event_add(r->accepting, NULL) != 0 ||
        event_add(r->stopping, NULL) != 0)
        return err_set(e, "responder: could not watch its socket");
    return start(r, e);
}

struct acme_responder *acme_responder_open(const char *address, struct arena *arena, struct err *e)
{
    struct acme_responder *r = xcalloc(1, sizeof(*r));

    r->listener = r->stop_fd = -1;
    pthread_mutex_init(&r->lock, NULL);
    if (bind_to(r, address, arena, e) && set_up(r, e))
        return r;
    acme_responder_close(r);
    return NULL;
}

void acme_responder_close(struct acme_responder *r)
{
    uint64_t one = 1;

    if (!r)
        return;
    if (r->running && write(r->stop_fd, &one, sizeof(one)) == sizeof(one))
        pthread_join(r->thread, NULL);
    while (r->visitors)
        leave(r->visitors);
    for (int i = 0; i < BUCKETS; i++)
        while (r->tokens[i])
            drop(&r->tokens[i]);
    if (r->accepting)
        event_free(r->accepting);
    if (r->stopping)
        event_free(r->stopping);
    if (r->base)
        event_base_free(r->base);
    if (r->listener >= 0)
        close(r->listener);
    if (r->stop_fd >= 0)
        close(r->stop_fd);
    pthread_mutex_destroy(&r->lock);
    free(r);
}
