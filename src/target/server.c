#include "target/server.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/rxstamp.h"
#include "target/ledger.h"
#include "target/worker.h"

#define BACKLOG 65535 /* the kernel takes what net.core.somaxconn allows */

struct address {
    char host[256], port[8];
    struct addrinfo *found;
};

/* "127.0.0.1:0", "[::1]:8443", "localhost:8080". */
static bool split(struct address *a, const char *text, struct err *e)
{
    const char *colon = strrchr(text, ':'), *host = text;
    size_t len = colon ? (size_t)(colon - text) : 0;

    if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
        host++;
        len -= 2;
    } else if (memchr(text, ':', len)) {
        return err_set(e, "\"%s\": an IPv6 address stands in brackets (try [::1]:0)", text);
    }
    if (!colon || len == 0 || len >= sizeof(a->host) || strlen(colon + 1) >= sizeof(a->port) ||
        !colon[1] || strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return err_set(e, "\"%s\" is not ADDRESS:PORT (try 127.0.0.1:0)", text);
    if (atoi(colon + 1) > UINT16_MAX)
        return err_set(e, "\"%s\": a port is at most 65535", text);
    memcpy(a->host, host, len);
    a->host[len] = '\0';
    memcpy(a->port, colon + 1, strlen(colon + 1) + 1);
    return true;
}

bool server_check_address(const char *text, struct err *e)
{
    struct address a;

    return split(&a, text, e);
}

static bool resolve(struct address *a, const char *text, struct err *e)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV | AI_PASSIVE};
    int status;

    if (!split(a, text, e))
        return false;
    status = getaddrinfo(a->host, a->port, &hints, &a->found);
    return status == 0 || err_set(e, "%s: %s", text, gai_strerror(status));
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage ss = {0};
    socklen_t len = sizeof(ss);
    char port[8] = "0";

    getsockname(fd, (struct sockaddr *)&ss, &len);
    getnameinfo((struct sockaddr *)&ss, len, NULL, 0, port, sizeof(port), NI_NUMERICSERV);
    return (uint16_t)atoi(port);
}

/*
 * SO_REUSEPORT comes after bind() for the first socket of an address, so that a port which another
 * process holds is refused rather than shared, and before it for those of the other workers.
 */
static int listen_at(const struct addrinfo *ai, bool share, bool first)
{
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, kept;

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    rxstamp_enable(fd); /* for the connections that it accepts */
    if (share && !first)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0) {
        if (share && first)
            setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
        if (listen(fd, BACKLOG) == 0)
            return fd;
    }
    kept = errno;
    close(fd);
    errno = kept;
    return -1;
}

static void set_port(struct sockaddr *sa, uint16_t port)
{
    if (sa->sa_family == AF_INET6)
        ((struct sockaddr_in6 *)sa)->sin6_port = htons(port);
    else
        ((struct sockaddr_in *)sa)->sin_port = htons(port);
}

static char *url_of(const struct server *s, const struct address *a, uint16_t port)
{
    bool bare6 = strchr(a->host, ':') != NULL;
    struct buf url = {0};

    buf_printf(&url, "%s://%s%s%s:%u/", s->config.tls ? "https" : "http", bare6 ? "[" : "", a->host,
               bare6 ? "]" : "", (unsigned)port);
    return url.data;
}

/* One socket for each worker: fds[worker][address]. */
static bool bind_address(struct server *s, int at, int **fds, struct err *e)
{
    const char *text = s->config.listen[at];
    struct address a = {0};
    bool ok = resolve(&a, text, e);

    for (int w = 0; ok && w < s->config.threads; w++) {
        fds[w][at] = listen_at(a.found, s->config.threads > 1, w == 0);
        ok = fds[w][at] >= 0 || err_errno(e, "%s", text);
        if (!ok || w > 0)
            continue;
        s->ports[at] = port_of(fds[w][at]);
        s->urls[at] = url_of(s, &a, s->ports[at]);
        set_port(a.found->ai_addr, s->ports[at]);
    }
    if (a.found)
        freeaddrinfo(a.found);
    return ok || err_wrap(e, "cannot listen");
}

static void close_all(int *fds, int n)
{
    for (int i = 0; i < n; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static bool start_workers(struct server *s, struct err *e)
{
    int n = s->config.listen_count, threads = s->config.threads;
    int **fds = xcalloc((size_t)threads, sizeof(*fds));
    bool ok = true;

    for (int w = 0; w < threads; w++) {
        fds[w] = xcalloc((size_t)n, sizeof(**fds));
        memset(fds[w], 0xff, (size_t)n * sizeof(**fds)); /* -1: not open */
    }
    for (int i = 0; ok && i < n; i++)
        ok = bind_address(s, i, fds, e);
    for (int w = 0; w < threads; w++) {
        if (ok)
            ok = (s->workers[w] = worker_new(s, w, fds[w], e)) != NULL;
        else
            close_all(fds[w], n);
        free(fds[w]);
    }
    free(fds);
    return ok;
}

/* As many connections as the hard limit allows, rather than the shell's 1024. */
static void raise_descriptor_limit(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
}

struct server *server_open(const struct server_config *c, struct err *e)
{
    struct server *s = xcalloc(1, sizeof(*s));

    raise_descriptor_limit();
    s->config = *c;
    s->config.stall.start = now_ns();
    s->ledger = ledger_new(c->log, s->config.stall.start);
    s->workers = xcalloc((size_t)c->threads, sizeof(struct worker *));
    s->urls = xcalloc((size_t)c->listen_count, sizeof(char *));
    s->ports = xcalloc((size_t)c->listen_count, sizeof(*s->ports));
    s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->stop_fd < 0)
        err_errno(e, "cannot make an eventfd");
    else if (start_workers(s, e))
        return s;
    server_free(s);
    return NULL;
}

static void *run_thread(void *ctx)
{
    worker_run(ctx);
    return NULL;
}

void server_run(struct server *s)
{
    int started = 1;

    while (started < s->config.threads) {
        struct worker *w = s->workers[started];

        if (pthread_create(&w->thread, NULL, run_thread, w) != 0)
            break;
        started++;
    }
    worker_run(s->workers[0]);
    for (int i = 1; i < started; i++)
        pthread_join(s->workers[i]->thread, NULL);
}

void server_stop(struct server *s)
{
    uint64_t one = 1;
    int kept = errno;

    atomic_fetch_add(&s->stops, 1);
    if (write(s->stop_fd, &one, sizeof(one)) < 0)
        abort(); /* an eventfd takes 2^64 - 2 of them */
    errno = kept;
}

void server_free(struct server *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->config.threads; i++)
        worker_free(s->workers[i]);
    for (int i = 0; i < s->config.listen_count; i++)
        free(s->urls[i]);
    if (s->stop_fd >= 0)
        close(s->stop_fd);
    free(s->workers);
    free(s->urls);
    free(s->ports);
    ledger_free(s->ledger);
    free(s);
}
