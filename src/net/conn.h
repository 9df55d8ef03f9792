/*
 * conn.h - one client connection, TCP or TLS, that never blocks.
 *
 * Its events are edge-triggered, registered once when it opens and never changed: the owner's
 * ready() runs when something may have moved, and the owner then goes on until an answer is
 * CONN_WAIT.  Data may be left unread: the next event of a connection comes with its next bytes or
 * its end.  CONN_WAIT also says that the connection has had its share for now, so that a peer that
 * is faster than this thread does not keep it from timers and other connections; then the next
 * event comes by itself.
 *
 * {0} is a closed connection.  One thread only.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "net/addr.h"

struct event;
struct event_base;
struct identity;
struct ssl_ctx_st;
struct ssl_session_st;
struct ssl_st;

struct conn_route {         /* where connections go; constant while lanes run */
    struct addrs to;        /* tried in turn until one accepts */
    struct addrs from;      /* local addresses, used in turn; none: the kernel's choice */
    struct ssl_ctx_st *ctx; /* NULL: plain TCP */
    const char *name;       /* SNI and the name to verify */
    bool verify;
    bool resume;        /* offer the connection slot's last session */
    int receive_buffer; /* bytes, for a window that stays small; 0: the kernel's choice */
};

enum conn_state { CONN_CLOSED, CONN_CONNECTING, CONN_SECURING, CONN_OPEN };

enum conn_fault {
    CONN_FINE,
    CONN_REFUSED,
    CONN_UNREACHABLE,
    CONN_TIMED_OUT, /* the kernel gave up */
    CONN_LOCAL,     /* descriptors, ports, memory; `why` has the cure */
    CONN_RESET,
    CONN_TLS,
};

struct conn_error {
    enum conn_fault fault;
    int error; /* errno behind it; 0: none */
    char why[200];
};

struct conn {
    int fd;                /* while not CONN_CLOSED */
    uint8_t state;         /* enum conn_state */
    bool peer_closed;      /* an end or reset was announced: what is left to read ends with it */
    bool readable;         /* the last event said so */
    bool resumed;          /* TLS: this handshake resumed a session */
    bool drained;          /* the last read of the socket got all there was */
    uint16_t tried;        /* addresses of the route */
    uint32_t taken, given; /* bytes read and written since the last event */
    const struct conn_route *route;
    struct ssl_st *ssl;
    struct ssl_session_st *session;
    const struct identity *identity; /* shown by the next handshake; NULL: the context's, if any */
    struct event *event, *later;
    struct event_base *base;
    void (*ready)(struct conn *c);
    uint64_t opened_ns, connected_ns, secured_ns; /* monotonic, as it went through its states */
    uint64_t securing_ns; /* how long the handshake took, but for the wait of its last bytes for
                             this process */
    uint64_t read_ns, received_ns; /* when the last bytes were read, and when they had arrived */
};

/*
 * `ready` and `base` are set.  Begins to connect from source `turn`; false and the reason in `e`.
 * If the state is beyond CONN_CONNECTING already, conn_advance() is due without an event.
 */
bool conn_open(struct conn *c, const struct conn_route *route, unsigned turn, uint64_t now,
               struct conn_error *e);

/* Goes on with connect and handshake; CONN_CLOSED and the reason in `e` if that failed. */
enum conn_state conn_advance(struct conn *c, unsigned turn, struct conn_error *e);

/*
 * Goes on with a handshake that was begun without a socket (tls_hello()) on a connection that is
 * CONN_OPEN without TLS; `ssl` is the connection's from now on.
 */
void conn_adopt(struct conn *c, struct ssl_st *ssl);

bool conn_speaks(const struct conn *c, const char *protocol); /* it was chosen by ALPN */

enum { CONN_EOF = 0, CONN_WAIT = -1, CONN_ERROR = -2 };

/* Bytes moved, or one of the above; CONN_ERROR has its reason in `e`. */
ssize_t conn_send(struct conn *c, const char *data, size_t len, struct conn_error *e);
ssize_t conn_recv(struct conn *c, char *data, size_t size, struct conn_error *e);

bool conn_is_drained(const struct conn *c); /* a further conn_recv() would find nothing now */
bool conn_is_quiet(struct conn *c);         /* an idle one: open, and nothing has come unasked */
bool conn_has_unread(const struct conn *c); /* decrypted bytes that no event will announce */

/*
 * Says that nothing more will be sent, by TLS and by TCP, and keeps reading possible: a server that
 * refuses a client certificate (RFC 8446 4.4.2.4) says so only after the client's handshake ended.
 */
void conn_shutdown(struct conn *c);

/*
 * The answer to what has just been sent may be acknowledged together with what is sent next, if
 * that follows within 40 ms.  The kernel does so by itself (RFC 9293 3.8.6.3) until a pause was
 * longer; then it acknowledges the next answer at once, in a segment of its own.
 */
void conn_delay_ack(struct conn *c);

/* With a reset, so that no TIME_WAIT is left on this side; the slot may be opened again. */
void conn_close(struct conn *c);
void conn_free(struct conn *c); /* closes; and what the slot kept for the next opening */
