/* Connections and TLS contexts against a server thread that does one handshake at a time. */
#include "unit.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "net/cert.h"
#include "net/conn.h"
#include "net/tls.h"

struct peer { /* accepts `count` connections; on each reads a byte and answers with one */
    int fd, count;
    uint16_t port;
    struct ssl_ctx_st *ctx; /* NULL: plain */
    pthread_t thread;
    struct sockaddr_in from; /* of the last client */
};

struct files {
    char dir[32], cert[64], key[64], ca[64];
};

static void converse(struct peer *p, int fd)
{
    char byte;

    if (p->ctx) {
        SSL *ssl = SSL_new(p->ctx);

        SSL_set_fd(ssl, fd);
        if (SSL_accept(ssl) == 1 && SSL_read(ssl, &byte, 1) == 1)
            SSL_write(ssl, &byte, 1);
        SSL_shutdown(ssl);
        SSL_free(ssl);
    } else if (recv(fd, &byte, 1, 0) == 1) {
        send(fd, &byte, 1, MSG_NOSIGNAL);
    }
}

static void *peer_run(void *arg)
{
    struct peer *p = arg;
    socklen_t len = sizeof(p->from);

    for (int i = 0; i < p->count; i++) {
        int fd = accept(p->fd, (struct sockaddr *)&p->from, &len);

        converse(p, fd);
        close(fd);
    }
    return NULL;
}

static void peer_bind(struct peer *p)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(a);

    signal(SIGPIPE, SIG_IGN);
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(p->fd, (struct sockaddr *)&a, sizeof(a)), 0);
    getsockname(p->fd, (struct sockaddr *)&a, &len);
    p->port = ntohs(a.sin_port);
}

static void peer_start(struct peer *p, struct ssl_ctx_st *ctx, int count)
{
    *p = (struct peer){.ctx = ctx, .count = count};
    peer_bind(p);
    listen(p->fd, 8);
    assert_int_equal(pthread_create(&p->thread, NULL, peer_run, p), 0);
}

static void peer_join(struct peer *p)
{
    pthread_join(p->thread, NULL);
    close(p->fd);
}

struct client {
    struct conn conn; /* first */
    struct conn_error e;
    bool ended, echoed, resumed;
};

static void on_ready(struct conn *c)
{
    struct client *me = (struct client *)c;
    bool was_open = c->state == CONN_OPEN;
    char byte = 'x';
    ssize_t n;

    if (!was_open && conn_advance(c, 0, &me->e) == CONN_CLOSED)
        me->ended = true;
    if (!was_open && c->state == CONN_OPEN) {
        me->resumed = c->resumed;
        assert_int_equal(conn_send(c, &byte, 1, &me->e), 1);
    }
    while (c->state == CONN_OPEN && (n = conn_recv(c, &byte, 1, &me->e)) != CONN_WAIT) {
        me->echoed |= n == 1;
        me->ended = n <= 0;
        if (me->ended)
            break;
    }
}

static void client_run(struct client *me, const struct conn_route *route)
{
    struct event_base *base = event_base_new();

    me->conn.base = base;
    me->conn.ready = on_ready;
    me->ended = me->echoed = false;
    me->e = (struct conn_error){0};
    if (!conn_open(&me->conn, route, 0, now_ns(), &me->e))
        me->ended = true;
    else if (me->conn.state != CONN_CONNECTING)
        on_ready(&me->conn);
    while (!me->ended)
        event_base_loop(base, EVLOOP_ONCE);
    conn_close(&me->conn);
    event_base_free(base);
}

static struct conn_route route_to(struct arena *a, uint16_t port)
{
    struct conn_route r = {.name = "localhost"};
    struct err e;

    assert_true(addr_resolve(&r.to, "127.0.0.1", port, a, &e));
    return r;
}

static void make_files(struct files *f)
{
    static const char *const names[] = {"localhost"};
    struct err e;

    strcpy(f->dir, "/tmp/shakedown-conn-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->cert, sizeof(f->cert), "%s/cert.pem", f->dir);
    snprintf(f->key, sizeof(f->key), "%s/key.pem", f->dir);
    snprintf(f->ca, sizeof(f->ca), "%s/ca.pem", f->dir);
    if (!cert_make(names, 1, false, &(struct cert_files){f->cert, f->key, f->ca}, &e))
        fail_msg("%s", e.text);
}

static void the_next_address_is_tried(void **state)
{
    struct arena arena = {0};
    struct client me = {0};
    struct peer closed = {0}, p;
    struct conn_route r, other;

    (void)state;
    peer_bind(&closed);
    peer_start(&p, NULL, 1);
    r = route_to(&arena, closed.port);
    other = route_to(&arena, p.port);
    r.to = (struct addrs){arena_array(&arena, struct addr, 2), 2};
    r.to.v[0] = route_to(&arena, closed.port).to.v[0];
    r.to.v[1] = other.to.v[0];
    client_run(&me, &r);
    peer_join(&p);
    close(closed.fd);
    assert_true(me.echoed);
    assert_true(me.conn.connected_ns >= me.conn.opened_ns);
    conn_free(&me.conn);
    arena_free(&arena);
}

static void the_source_address_is_used(void **state)
{
    struct arena arena = {0};
    struct client me = {0};
    struct conn_route r;
    struct peer p;

    (void)state;
    peer_start(&p, NULL, 1);
    r = route_to(&arena, p.port);
    r.from = (struct addrs){arena_array(&arena, struct addr, 1), 1};
    assert_true(addr_parse(&r.from.v[0], "127.0.0.9"));
    client_run(&me, &r);
    peer_join(&p);
    assert_true(me.echoed);
    assert_int_equal(ntohl(p.from.sin_addr.s_addr), 0x7f000009);
    assert_true(addr_parse(&r.from.v[0], "192.0.2.1"));
    client_run(&me, &r);
    assert_int_equal(me.e.fault, CONN_LOCAL);
    assert_non_null(strstr(me.e.why, "not one of this machine"));
    conn_free(&me.conn);
    arena_free(&arena);
}

struct handshake {
    struct tls_config server, client;
    const char *name; /* verified */
    const char *why;  /* NULL: it works */
};

static void try_handshake(const struct handshake *h)
{
    struct arena arena = {0};
    struct client me = {0};
    struct conn_route r;
    struct peer p;
    struct err e;

    peer_start(&p, tls_server_ctx(&h->server, &e), 1);
    r = route_to(&arena, p.port);
    r.name = h->name;
    r.verify = h->client.verify;
    r.ctx = tls_client_ctx(&h->client, &e);
    assert_non_null(p.ctx);
    assert_non_null(r.ctx);
    client_run(&me, &r);
    peer_join(&p);
    if (h->why ? me.e.fault != CONN_TLS || !strstr(me.e.why, h->why) : !me.echoed)
        fail_msg("expected %s: %d \"%s\"", h->why ? h->why : "success", me.e.fault, me.e.why);
    conn_free(&me.conn);
    tls_ctx_free(r.ctx);
    tls_ctx_free(p.ctx);
    arena_free(&arena);
}

static void handshakes_say_what_is_wrong(void **state)
{
    static const char *const h1[] = {"http/1.1", NULL}, *const h2[] = {"h2", NULL};
    struct files f;

    (void)state;
    make_files(&f);
    {
        struct tls_config server = {.cert = f.cert, .key = f.key};
        struct tls_config strict = {.verify = true, .ca = f.ca};
        struct tls_config server12 = server, client13 = strict, ask = server, offer = strict;
        struct tls_config choosy = server, wants_h2 = strict;
        struct tls_config both = {.verify = true, .ca = f.ca, .cert = f.cert, .key = f.key};

        server12.max_version = "1.2";
        client13.min_version = "1.3";
        ask.verify = true;
        ask.ca = f.ca;
        offer.alpn = choosy.alpn = h1;
        wants_h2.alpn = h2;
        try_handshake(&(struct handshake){server, {.verify = false}, "other", NULL});
        try_handshake(&(struct handshake){server, strict, "localhost", NULL});
        try_handshake(&(struct handshake){server, strict, "other", "hostname mismatch"});
        try_handshake(&(struct handshake){server, {.verify = true}, "localhost", "certificate"});
        try_handshake(
            &(struct handshake){server12, client13, "localhost", "alert protocol_version"});
        try_handshake(&(struct handshake){ask, both, "localhost", NULL});
        try_handshake(&(struct handshake){ask, strict, "localhost", "certificate_required"});
        try_handshake(&(struct handshake){choosy, offer, "localhost", NULL});
        try_handshake(
            &(struct handshake){choosy, wants_h2, "localhost", "no_application_protocol"});
    }
    fs_remove_tree(f.dir);
}

static void sessions_resume_only_when_asked(void **state)
{
    struct files f;

    (void)state;
    make_files(&f);
    for (int resume = 0; resume < 2; resume++) {
        struct tls_config server = {.cert = f.cert, .key = f.key};
        struct tls_config client = {.verify = true, .ca = f.ca, .resume = resume == 1};
        struct arena arena = {0};
        struct client me = {0};
        struct conn_route r;
        struct peer p;
        struct err e;

        peer_start(&p, tls_server_ctx(&server, &e), 2);
        r = route_to(&arena, p.port);
        r.verify = true;
        r.resume = resume == 1;
        r.ctx = tls_client_ctx(&client, &e);
        client_run(&me, &r);
        assert_true(me.echoed && !me.resumed);
        client_run(&me, &r);
        assert_true(me.echoed);
        assert_int_equal(me.resumed, resume == 1);
        peer_join(&p);
        conn_free(&me.conn);
        tls_ctx_free(r.ctx);
        tls_ctx_free(p.ctx);
        arena_free(&arena);
    }
    fs_remove_tree(f.dir);
}

static void bad_contexts_are_explained(void **state)
{
    static const struct {
        struct tls_config c;
        const char *text;
    } cases[] = {
        {{.ca = "/nonexistent.pem", .verify = true}, "\"/nonexistent.pem\": No such file"},
        {{.cert = "/nonexistent.pem"}, "certificate \"/nonexistent.pem\""},
        {{.key = "/k.pem"}, "has no certificate beside it"},
        {{.ciphers = "NOT-ONE"}, "TLS ciphers \"NOT-ONE\""},
        {{.groups = "curve1"}, "TLS groups \"curve1\""},
        {{.min_version = "1.1"}, "neither 1.2 nor 1.3"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err e = {{0}};

        assert_null(tls_client_ctx(&cases[i].c, &e));
        if (!strstr(e.text, cases[i].text))
            fail_msg("case %zu: %s", i, e.text);
    }
}

#define FLOOD_BYTES  (8 << 20)
#define MOST_AT_ONCE (512 << 10)

struct flood {        /* a client whose peer is always faster than itself */
    struct conn conn; /* first */
    bool writes, ended;
    size_t moved, calls, most; /* bytes, calls of ready(), bytes in one of them */
};

static ssize_t move(struct flood *f, char *bytes, size_t size)
{
    struct pollfd p = {f->conn.fd, f->writes ? POLLOUT : POLLIN, 0};
    struct conn_error e;

    poll(&p, 1, -1);
    return f->writes ? conn_send(&f->conn, bytes, size, &e) : conn_recv(&f->conn, bytes, size, &e);
}

static void on_flood(struct conn *c)
{
    static char bytes[64 << 10];
    struct flood *f = (struct flood *)c;
    struct conn_error e;
    size_t now = 0;
    ssize_t n = 1;

    if (c->state != CONN_OPEN && conn_advance(c, 0, &e) == CONN_CLOSED)
        f->ended = true;
    if (c->state != CONN_OPEN)
        return;
    while (f->moved < FLOOD_BYTES && (n = move(f, bytes, sizeof(bytes))) > 0) {
        f->moved += (size_t)n;
        now += (size_t)n;
    }
    f->calls++;
    f->most = now > f->most ? now : f->most;
    f->ended = n == CONN_EOF || n == CONN_ERROR || f->moved >= FLOOD_BYTES;
}

static void *flood_run(void *arg)
{
    static char bytes[64 << 10];
    struct peer *p = arg;
    int fd = accept(p->fd, NULL, NULL);
    SSL *ssl = p->ctx ? SSL_new(p->ctx) : NULL;

    if (ssl) {
        SSL_set_fd(ssl, fd);
        SSL_accept(ssl);
    }
    if (p->count) /* it reads */
        while ((ssl ? SSL_read(ssl, bytes, sizeof(bytes)) : recv(fd, bytes, sizeof(bytes), 0)) > 0)
            ;
    else
        while ((ssl ? SSL_write(ssl, bytes, sizeof(bytes))
                    : send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL)) > 0)
            ;
    SSL_free(ssl);
    close(fd);
    return NULL;
}

static void flood(bool writes, const struct files *files)
{
    struct tls_config server = {.cert = files->cert, .key = files->key}, client = {0};
    struct arena arena = {0};
    struct flood f = {.writes = writes};
    struct conn_route r;
    struct peer p = {.count = writes};
    struct conn_error ce;
    struct err e;

    p.ctx = files->dir[0] ? tls_server_ctx(&server, &e) : NULL;
    peer_bind(&p);
    listen(p.fd, 8);
    assert_int_equal(pthread_create(&p.thread, NULL, flood_run, &p), 0);
    r = route_to(&arena, p.port);
    r.ctx = files->dir[0] ? tls_client_ctx(&client, &e) : NULL;
    f.conn.base = event_base_new();
    f.conn.ready = on_flood;
    assert_true(conn_open(&f.conn, &r, 0, now_ns(), &ce));
    while (!f.ended)
        event_base_loop(f.conn.base, EVLOOP_ONCE);
    conn_free(&f.conn);
    event_base_free(f.conn.base);
    peer_join(&p);
    tls_ctx_free(r.ctx);
    tls_ctx_free(p.ctx);
    arena_free(&arena);
    assert_true(f.moved >= FLOOD_BYTES);
    assert_true(f.most <= MOST_AT_ONCE);
    assert_true(f.calls >= FLOOD_BYTES / MOST_AT_ONCE);
}

/* However fast the peer is, others get their turn. */
static void no_peer_keeps_the_thread(void **state)
{
    struct files plain = {0}, files;

    (void)state;
    make_files(&files);
    for (int writes = 0; writes < 2; writes++) {
        flood(writes, &plain);
        flood(writes, &files);
    }
    fs_remove_tree(files.dir);
}

UNIT_GROUP(conn, cmocka_unit_test(the_next_address_is_tried),
           cmocka_unit_test(the_source_address_is_used),
           cmocka_unit_test(handshakes_say_what_is_wrong),
           cmocka_unit_test(sessions_resume_only_when_asked),
           cmocka_unit_test(bad_contexts_are_explained), cmocka_unit_test(no_peer_keeps_the_thread))
