/*
 * conn.c - sockets and TLS for the load path.
 *
 * System calls are what a request costs, so there is nothing here but them: no buffers, no change
 * of interest, no second read to find out that the first one got everything.  That a peer has
 * closed is known from EPOLLRDHUP (EV_CLOSED), because a short read must not be followed by
 * another.
 */
#include "net/conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/conn_bio.h"
#include "net/conn_error.h"
#include "net/identity.h"
#include "net/rxstamp.h"
#include "net/tls.h"

#define SHARE_BYTES (256 << 10) /* of one connection, each way, before others get their turn */

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;

    (void)fd;
    c->readable = (what & (EV_READ | EV_TIMEOUT)) != 0; /* a time-out: see postpone() */
    c->peer_closed |= (what & EV_CLOSED) != 0;
    c->taken = c->given = 0;
    c->ready(c);
}

/*
 * A peer that is faster than this thread would keep it for ever.  What a connection has left when
 * its share is used up comes with an event of its own, behind timers, arrivals and the events of
 * others: the loop that called us returns first.
 */
static void postpone(struct conn *c)
{
    static const struct timeval at_once = {0};

    if (!c->later) { /* its own: a time-out takes an event off its socket */
        c->later = xcalloc(1, sizeof(*c->later));
        event_assign(c->later, c->base, -1, 0, on_event, c);
    }
    event_add(c->later, &at_once);
    event_base_loopbreak(c->base);
}

bool conn_may_read(struct conn *c)
{
    if (c->taken < SHARE_BYTES)
        return true;
    postpone(c);
    return false;
}

static bool register_events(struct conn *c, struct conn_error *e)
{
    if (!c->event)
        c->event = xcalloc(1, sizeof(*c->event));
    if (event_assign(c->event, c->base, c->fd, EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST,
                     on_event, c) == 0 &&
        event_add(c->event, NULL) == 0)
        return true;
    return conn_fail(e, errno, "watch a connection", NULL);
}

static bool bind_source(int fd, const struct addr *from, struct conn_error *e)
{
    int on = 1;

    /* The port is then chosen by connect(), which knows the peer and so has many more to choose
     * from. */
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    if (bind(fd, (const struct sockaddr *)&from->sa, from->len) == 0)
        return true;
    conn_fail(e, errno, "bind", from);
    if (errno == EADDRNOTAVAIL)
        snprintf(e->why, sizeof(e->why),
                 "a source address of the target is not one of this machine");
    return false;
}

static void close_socket(struct conn *c)
{
    struct linger reset = {.l_onoff = 1, .l_linger = 0};

    if (c->event && event_initialized(c->event))
        event_del(c->event);
    if (c->later)
        event_del(c->later);
    if (c->ssl) {
        /* Quietly: otherwise OpenSSL takes the session of an unclosed connection for a bad one. */
        SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        SSL_free(c->ssl);
        c->ssl = NULL;
    }
    /* Also behind the peer's own close: the reset ends its TIME_WAIT, which would hold our port. */
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    close(c->fd);
    c->state = CONN_CLOSED;
    c->peer_closed = c->readable = false;
}

void conn_close(struct conn *c)
{
    if (c->state != CONN_CLOSED)
        close_socket(c);
}

void conn_free(struct conn *c)
{
    conn_close(c);
    tls_session_free(c->session);
    free(c->event);
    free(c->later);
    c->session = NULL;
    c->event = c->later = NULL;
}

/* Of several source addresses, the next in turn that is of the peer's family. */
static const struct addr *choose_source(const struct addrs *from, unsigned turn, int family)
{
    for (int i = 0; i < from->n; i++) {
        const struct addr *a = &from->v[(turn + (unsigned)i) % (unsigned)from->n];

        if (a->sa.ss_family == family)
            return a;
    }
    return NULL;
}

static void begin_tls(struct conn *c)
{
    c->ssl = tls_connect(c->route->ctx, c->route->name, c->route->verify, -1);
    conn_bio_attach(c);
    if (c->identity)
        identity_use(c->identity, c->ssl);
    if (c->route->resume)
        tls_session_slot(c->ssl, &c->session);
    c->state = CONN_SECURING;
}

static void connected(struct conn *c)
{
    c->connected_ns = now_ns();
    if (c->route->ctx)
        begin_tls(c);
    else
        c->state = CONN_OPEN;
}

static bool connect_to(struct conn *c, const struct addr *to, unsigned turn, struct conn_error *e)
{
    const struct addr *from = choose_source(&c->route->from, turn, to->sa.ss_family);
    bool at_once;
    int on = 1;

    c->fd = socket(to->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return conn_fail(e, errno, "open a socket", NULL);
    c->state = CONN_CONNECTING;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    rxstamp_enable(c->fd);
    if (c->route->receive_buffer) /* before the handshake, which fixes the window's scale */
        setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &c->route->receive_buffer, sizeof(int));
    if (from && !bind_source(c->fd, from, e)) {
        close_socket(c);
        return false;
    }
    at_once = connect(c->fd, (const struct sockaddr *)&to->sa, to->len) == 0;
    if ((at_once || errno == EINPROGRESS || conn_fail(e, errno, "connect", to)) &&
        register_events(c, e)) {
        if (at_once)
            connected(c);
        return true;
    }
    close_socket(c);
    return false;
}

/* The next address of the route that does not fail at once. */
static bool connect_next(struct conn *c, unsigned turn, struct conn_error *e)
{
    while (c->tried < c->route->to.n)
        if (connect_to(c, &c->route->to.v[c->tried++], turn, e))
            return true;
    return false;
}

bool conn_open(struct conn *c, const struct conn_route *route, unsigned turn, uint64_t now,
               struct conn_error *e)
{
    c->route = route;
    c->tried = 0;
    c->resumed = false;
    c->opened_ns = now;
    c->connected_ns = c->secured_ns = c->securing_ns = 0;
    c->read_ns = c->received_ns = 0;
    c->taken = c->given = 0;
    return connect_next(c, turn, e);
}

static bool finish_connect(struct conn *c, unsigned turn, struct conn_error *e)
{
    const struct addr *to = &c->route->to.v[c->tried - 1];
    socklen_t len = sizeof(int);
    int error = 0;

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        error = errno;
    if (error != 0) {
        conn_fail(e, error, "connect", to);
        close_socket(c);
        return connect_next(c, turn, e);
    }
    connected(c);
    return true;
}

static bool shake_hands(struct conn *c, struct conn_error *e)
{
    int ret, kind;

    errno = 0;
    ret = SSL_do_handshake(c->ssl);
    if (ret != 1) {
        kind = SSL_get_error(c->ssl, ret);
        if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE)
            return true;
        conn_fail_tls(c, ret, "TLS handshake", e);
        close_socket(c);
        return false;
    }
    c->secured_ns = now_ns();
    c->securing_ns = c->secured_ns - c->connected_ns - (c->read_ns - c->received_ns);
    c->resumed = SSL_session_reused(c->ssl) == 1;
    c->state = CONN_OPEN;
    return true;
}

enum conn_state conn_advance(struct conn *c, unsigned turn, struct conn_error *e)
{
    if (c->state == CONN_CONNECTING && !finish_connect(c, turn, e))
        return CONN_CLOSED;
    if (c->state == CONN_SECURING && !shake_hands(c, e))
        return CONN_CLOSED;
    return c->state;
}

void conn_adopt(struct conn *c, struct ssl_st *ssl)
{
    c->ssl = ssl;
    conn_bio_attach(c);
    c->state = CONN_SECURING;
}

bool conn_speaks(const struct conn *c, const char *protocol)
{
    const unsigned char *chosen = NULL;
    unsigned len = 0;

    if (c->ssl)
        SSL_get0_alpn_selected(c->ssl, &chosen, &len);
    return len == strlen(protocol) && memcmp(chosen, protocol, len) == 0;
}

static ssize_t plain_result(ssize_t n, const char *doing, struct conn_error *e)
{
    if (n >= 0)
        return n;
    if (errno == EAGAIN || errno == EINTR)
        return CONN_WAIT;
    conn_fail(e, errno, doing, NULL);
    return CONN_ERROR;
}

static ssize_t tls_result(struct conn *c, int ret, const char *doing, struct conn_error *e)
{
    switch (SSL_get_error(c->ssl, ret)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return CONN_WAIT;
    case SSL_ERROR_ZERO_RETURN:
        return CONN_EOF;
    default:
        conn_fail_tls(c, ret, doing, e);
        return CONN_ERROR;
    }
}

ssize_t conn_send(struct conn *c, const char *data, size_t len, struct conn_error *e)
{
    ssize_t n;

    if (c->given >= SHARE_BYTES) {
        postpone(c);
        return CONN_WAIT;
    }
    if (c->ssl) {
        errno = 0;
        n = SSL_write(c->ssl, data, len > INT32_MAX ? INT32_MAX : (int)len);
        if (n <= 0)
            return tls_result(c, (int)n, "send", e);
    } else {
        n = send(c->fd, data, len, MSG_NOSIGNAL);
        if (n < 0)
            return plain_result(n, "send", e);
    }
    c->given += (uint32_t)n;
    return n;
}

ssize_t conn_recv(struct conn *c, char *data, size_t size, struct conn_error *e)
{
    ssize_t n;
    int ret;

    if (!c->ssl) {
        if (!conn_may_read(c))
            return CONN_WAIT;
        n = rxstamp_recv(c->fd, data, size, &c->read_ns, &c->received_ns);
        c->drained = n < (ssize_t)size;
        c->taken += n > 0 ? (uint32_t)n : 0;
        return plain_result(n, "receive", e);
    }
    errno = 0;
    ret = SSL_read(c->ssl, data, (int)size);
    return ret > 0 ? ret : tls_result(c, ret, "receive", e);
}

void conn_delay_ack(struct conn *c)
{
    int off = 0;

    setsockopt(c->fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof(off));
}

void conn_shutdown(struct conn *c)
{
    if (c->ssl)
        SSL_shutdown(c->ssl);
    ERR_clear_error();
    shutdown(c->fd, SHUT_WR);
}

bool conn_has_unread(const struct conn *c)
{
    return c->ssl && SSL_pending(c->ssl) > 0;
}

bool conn_is_quiet(struct conn *c)
{
    char byte;
    int n;

    if (!c->ssl)
        return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
               (errno == EAGAIN || errno == EINTR);
    n = SSL_peek(c->ssl, &byte, 1); /* takes in session tickets on the way */
    n = n > 0 ? SSL_ERROR_NONE : SSL_get_error(c->ssl, n);
    ERR_clear_error();
    return n == SSL_ERROR_WANT_READ;
}

/* What was announced as closed is read to its end, which no further event tells. */
bool conn_is_drained(const struct conn *c)
{
    return c->drained && !c->peer_closed && !(c->ssl && SSL_has_pending(c->ssl));
}
