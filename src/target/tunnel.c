/*
 * tunnel.c - one visitor of the hub, as a connection of the target.
 *
 * The visitor's bytes go through a pair of sockets to a peer like any other, so that it meets the
 * same TLS, pages, programs and time-outs as a visitor who had connected here.  What the peer does
 * not take at once waits in `in`, which the credits bound; what the hub does not take is left in
 * the socket.
 */
#include "target/link.h"

#include <errno.h>
#include <event2/event.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "target/ledger.h"
#include "target/peer.h"
#include "target/server.h"

#define CHUNK       16384 /* of data in one message to the hub */
#define PREFIX      (1 + TUNNEL_ID)
#define BACKLOG_MAX (1 << 20)      /* bytes that wait for the hub, beyond which nothing is read */
#define END_NS      (2 * NS_PER_S) /* for the peer to end, once its visitor is gone */
#define IN_MAX      (TUNNEL_CREDITS * NEXUS_FRAME_MAX)

static struct tunnel **bucket_of(struct link *l, const uint8_t id[TUNNEL_ID])
{
    return &l->tunnels[(id[0] << 8 | id[15]) % TUNNEL_BUCKETS];
}

struct tunnel *tunnel_find(struct link *l, const uint8_t id[TUNNEL_ID])
{
    struct tunnel *t = *bucket_of(l, id);

    while (t && memcmp(t->id, id, TUNNEL_ID) != 0)
        t = t->next;
    return t;
}

static void close_tunnel(struct tunnel *t)
{
    struct tunnel **at = bucket_of(t->link, t->id);

    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    t->link->tunnel_count--;
    timers_cancel(&t->link->owner->worker->deadlines, &t->end);
    event_del(&t->event);
    close(t->fd);
    buf_free(&t->in);
    free(t);
}

/* The peer is gone; the hub is told unless it was the one to say so. */
static void finish(struct tunnel *t)
{
    if (!t->ended)
        control_disconnect(t->link, t->id, "closed");
    close_tunnel(t);
}

/* What the hub may send again has to have been taken by the peer. */
static void grant(struct tunnel *t)
{
    t->taken += t->pending;
    t->pending = 0;
    if (t->taken < TUNNEL_TOP_UP || t->ended)
        return;
    control_grant(t->link, t->id, t->taken);
    t->taken = 0;
}

/* False if the peer is gone. */
static bool write_in(struct tunnel *t)
{
    size_t done = 0;
    ssize_t n = 0;

    while (done < t->in.len) {
        n = send(t->fd, t->in.data + done, t->in.len - done, MSG_NOSIGNAL);
        if (n < 0)
            break;
        done += (size_t)n;
    }
    if (n < 0 && errno != EAGAIN && errno != EINTR)
        return false;
    if (done < t->in.len) {
        memmove(t->in.data, t->in.data + done, t->in.len - done);
        t->in.len -= done;
        return true;
    }
    buf_free(&t->in);
    grant(t);
    if (t->ended)
        shutdown(t->fd, SHUT_WR);
    return true;
}

/* A peer that takes no more may have left an answer, which is then still there to be read. */
static void write_or_forget(struct tunnel *t)
{
    if (write_in(t))
        return;
    buf_free(&t->in);
    t->readable = true;
}

static bool may_send(const struct tunnel *t)
{
    return t->credits > 0 && !t->paused && t->readable &&
           wsconn_waiting(&t->link->hub.ws) < BACKLOG_MAX;
}

/* The peer's answer, message by message; true if the peer has ended. */
static bool read_out(struct tunnel *t)
{
    char *chunk = t->link->owner->chunk;
    ssize_t n;

    chunk[0] = 1;
    memcpy(chunk + 1, t->id, TUNNEL_ID);
    while (may_send(t)) {
        n = recv(t->fd, chunk + PREFIX, CHUNK, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 && !(n < 0 && errno == EAGAIN))
            return true;
        t->readable = n > 0;
        if (n < 0)
            break;
        t->credits--;
        wsconn_send(&t->link->hub.ws, WS_BINARY, chunk, PREFIX + (size_t)n);
    }
    return false;
}

void tunnel_pump(struct tunnel *t)
{
    if (read_out(t))
        finish(t);
}

static void on_event(evutil_socket_t fd, short what, void *ctx)
{
    struct tunnel *t = ctx;

    (void)fd;
    t->readable |= (what & (EV_READ | EV_CLOSED)) != 0;
    if (t->in.len)
        write_or_forget(t);
    tunnel_pump(t);
}

void tunnel_give(struct tunnel *t, const char *data, size_t len)
{
    if (t->ended)
        return;
    if (t->in.len + len > IN_MAX) {
        control_disconnect(t->link, t->id, "more than was granted");
        close_tunnel(t);
        return;
    }
    t->pending++;
    buf_add(&t->in, data, len);
    write_or_forget(t);
    tunnel_pump(t);
}

static void on_end(struct timer *timer, uint64_t now)
{
    (void)now;
    close_tunnel((struct tunnel *)((char *)timer - offsetof(struct tunnel, end)));
}

void tunnel_end(struct tunnel *t)
{
    if (t->ended)
        return;
    t->ended = true;
    timers_set(&t->link->owner->worker->deadlines, &t->end, now_ns() + END_NS);
    if (t->in.len == 0)
        shutdown(t->fd, SHUT_WR);
}

static struct tunnel *tunnel_new(struct link *l, const uint8_t id[TUNNEL_ID], int fd)
{
    struct tunnel *t = xcalloc(1, sizeof(*t)), **bucket = bucket_of(l, id);

    t->link = l;
    t->fd = fd;
    t->end.fire = on_end;
    memcpy(t->id, id, TUNNEL_ID);
    t->next = *bucket;
    *bucket = t;
    l->tunnel_count++;
    event_assign(&t->event, l->owner->worker->base, fd,
                 EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, on_event, t);
    event_add(&t->event, NULL);
    return t;
}

void tunnel_open(struct link *l, const uint8_t id[TUNNEL_ID], bool tls, int64_t credits)
{
    struct worker *w = l->owner->worker;
    const struct server_config *c = &w->server->config;
    struct tunnel *t;
    int pair[2];

    if (ledger_open(w->server->ledger) >= c->max_connections ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) {
        ledger_count(w->server->ledger, COUNT_ACCEPT_PAUSED, 1);
        control_disconnect(l, id, "no room for another connection");
        return;
    }
    t = tunnel_new(l, id, pair[0]);
    t->credits = credits;
    peer_new(w, pair[1], tls ? c->tls : NULL);
    control_grant(l, id, TUNNEL_CREDITS);
}

static void each_tunnel(struct link *l, void (*act)(struct tunnel *t))
{
    struct tunnel *next;

    for (int i = 0; i < TUNNEL_BUCKETS && l->tunnel_count > 0; i++)
        for (struct tunnel *t = l->tunnels[i]; t; t = next) {
            next = t->next;
            act(t);
        }
}

void tunnels_pump(struct link *l)
{
    each_tunnel(l, tunnel_pump);
}

void tunnels_close(struct link *l)
{
    each_tunnel(l, close_tunnel);
}
