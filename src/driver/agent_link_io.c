/*
 * agent_link_io.c - reading and sending of a thread's links, all that are due in one go.
 *
 * Each link is used some dozens of times a second and there are thousands of them, so that what one
 * needs (the TLS connection, the session) has left the cache in between.  The next link is fetched
 * while this one is in work; that is why an event only puts a link in line.
 */
#include <string.h>

#include <event2/event_struct.h>

#include "base/clock.h"
#include "base/mem.h"
#include "driver/agent_link.h"
#include "driver/route.h"

#define ACK_PAUSE (36 * NS_PER_MS) /* a little less than Linux's delayed acknowledgement waits */

void link_unread(struct link *l)
{
    struct links *all = l->all;

    l->unread = true;
    if (l->in_line)
        return;
    l->in_line = true;
    l->next_readable = NULL;
    *(all->readable ? &all->last_readable->next_readable : &all->readable) = l;
    all->last_readable = l;
    h2_fetch_head(l->h2);
}

/* True if the connection is still there. */
static bool receive(struct link *l)
{
    struct conn_error e;
    ssize_t n;

    l->unread = false;
    do {
        n = conn_recv(&l->conn, l->all->in, LINK_IN, &e);
        if (n == CONN_WAIT)
            break;
        if (n <= 0) {
            link_break(l, n == CONN_EOF ? OP_RESET : route_outcome(e.fault),
                       n == CONN_EOF ? "the server closed the connection" : e.why);
            return false;
        }
        l->heard_ns = l->conn.read_ns;
        l->all->received += (uint64_t)n;
        h2_receive(l->h2, l->all->in, (size_t)n);
        if (h2_failure(l->h2)) {
            link_break(l, OP_PROTOCOL, h2_failure(l->h2));
            return false;
        }
    } while (!conn_is_drained(&l->conn));
    if (h2_wants_send(l->h2))
        link_dirty(l);
    if (l->state != LINK_DRAINING || l->unanswered > 0)
        return true;
    link_drained(l);
    return false;
}

/* False if nothing further can be sent for now, or ever. */
static bool put(struct link *l, const char *data, size_t len)
{
    struct conn_error e;
    size_t done = 0;

    while (done < len) {
        ssize_t n = conn_send(&l->conn, data + done, len - done, &e);

        if (n == CONN_WAIT)
            break;
        if (n < 0) { /* what the peer said before may explain it */
            l->rest_len = 0;
            l->conn.peer_closed = true;
            if (receive(l))
                link_break(l, route_outcome(e.fault), e.why);
            return false;
        }
        done += (size_t)n;
    }
    l->all->sent += done;
    if (len - done > l->rest_cap) {
        l->rest_cap = (uint32_t)(len - done);
        l->rest = xrealloc(l->rest, l->rest_cap);
    }
    if (len > done)
        memmove(l->rest, data + done, len - done);
    l->rest_len = (uint32_t)(len - done);
    return done == len;
}

static void flush_link(struct link *l)
{
    size_t n;

    if (!l->h2 || (l->rest_len > 0 && !put(l, l->rest, l->rest_len)))
        return;
    do {
        n = h2_send(l->h2, l->all->out, LINK_OUT);
        if (n > 0 && !put(l, l->all->out, n))
            return;
    } while (n > LINK_OUT - H2_SEND_ROOM);
    if (l->all->chatty && l->all->flush_ns > l->heard_ns + ACK_PAUSE)
        conn_delay_ack(&l->conn);
    if (h2_failure(l->h2))
        link_break(l, OP_PROTOCOL, h2_failure(l->h2));
    else if (h2_over(l->h2))
        link_break(l, OP_RESET, "the server ended the connection");
}

static void fetch(const struct link *l)
{
    if (l && l->h2) {
        h2_fetch(l->h2);
        mem_fetch(l->conn.event, 0, sizeof(*l->conn.event));
        tls_warm_fetch(&l->warm);
    }
}

/* What has come is read first: the kernel would stamp it anew, together with the next answer. */
static void send_all(struct links *all)
{
    while (all->dirty) {
        struct link *l = all->dirty;

        all->dirty = l->next_dirty;
        l->dirty = false;
        fetch(all->dirty);
        if (l->unread && !receive(l))
            continue;
        all->flush_ns = now_ns();
        flush_link(l);
    }
}

static void read_all(struct links *all)
{
    struct link *l;

    while ((l = all->readable)) {
        all->readable = l->next_readable;
        l->in_line = false;
        fetch(all->readable);
        if (l->unread)
            receive(l);
    }
}

void links_flush(struct links *all)
{
    do {
        send_all(all);
        read_all(all);
    } while (all->dirty);
}
