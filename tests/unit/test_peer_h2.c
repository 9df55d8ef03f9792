/*
 * test_peer_h2.c - what a connection of the target makes of bytes that OpenSSL has read already.
 *
 * The peer is driven by hand, and what it reads comes in segments that the test has cut: no socket,
 * no event and no time is involved, so that nothing but the peer itself can make it read on.
 */
#include "unit.h"

#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fs.h"
#include "fixture_h2.h"
#include "net/cert.h"
#include "net/tls.h"
#include "target/peer_state.h"
#include "target/server.h"

#define SEGMENTS 8

struct wire {
    struct buf segments[SEGMENTS];
    int first, count;
};

struct visit {
    char dir[64], cert[128], key[128], ca[128];
    struct ssl_ctx_st *server_ctx, *client_ctx;
    BIO_METHOD *method;
    struct server *server;
    struct peer *peer;
    struct wire wire; /* to the peer */
    BIO *answers;     /* from it; its own */
    SSL *tls;         /* the client */
    struct side client;
    int far; /* the other end of a socket that carries nothing */
};

/* One read is one segment, as from a socket whose next segment comes right after the read. */
static int wire_read(BIO *bio, char *out, int size)
{
    struct wire *w = BIO_get_data(bio);
    struct buf *b = &w->segments[w->first];

    BIO_clear_retry_flags(bio);
    if (w->first == w->count) {
        BIO_set_retry_read(bio);
        return -1;
    }
    assert_true(b->len <= (size_t)size);
    memcpy(out, b->data, b->len);
    size = (int)b->len;
    buf_free(b);
    w->first++;
    return size;
}

static long wire_ctrl(BIO *bio, int cmd, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return cmd == BIO_CTRL_FLUSH;
}

/* All that the client has written since is one segment. */
static void cut(struct visit *v)
{
    struct buf *b = &v->wire.segments[v->wire.count];
    char *data;
    long len = BIO_get_mem_data(SSL_get_wbio(v->tls), &data);

    if (len == 0)
        return;
    assert_true(v->wire.count < SEGMENTS);
    buf_add(b, data, (size_t)len);
    BIO_reset(SSL_get_wbio(v->tls));
    v->wire.count++;
}

static void take_answers(struct visit *v)
{
    char bytes[16384];
    int n;

    while ((n = BIO_read(v->answers, bytes, sizeof(bytes))) > 0)
        assert_int_equal(BIO_write(SSL_get_rbio(v->tls), bytes, n), n);
}

static void hear(struct visit *v)
{
    char bytes[16384];
    int n;

    take_answers(v);
    while ((n = SSL_read(v->tls, bytes, sizeof(bytes))) > 0)
        h2_receive(v->client.h2, bytes, (size_t)n);
}

/* A record of its own. */
static void ask(struct visit *v, const char *path)
{
    const struct h2_field fields[] = {
        {":method", "GET", 7, 3, false},
        {":scheme", "https", 7, 5, false},
        {":authority", "x", 10, 1, false},
        {":path", path, 5, strlen(path), false},
    };
    static char out[H2_OUT];
    size_t len;

    h2_request(v->client.h2, fields, 4, false, &v->client.stream);
    len = h2_send(v->client.h2, out, sizeof(out));
    assert_int_equal(SSL_write(v->tls, out, (int)len), (int)len);
}

static void make_contexts(struct visit *v)
{
    static const char *const names[] = {"localhost"}, *const alpn[] = {"h2", NULL};
    struct tls_config server = {.cert = v->cert, .key = v->key, .alpn = alpn};
    struct tls_config client = {.alpn = alpn};
    struct err e;

    strcpy(v->dir, "/tmp/shakedown-unit-XXXXXX");
    assert_non_null(mkdtemp(v->dir));
    snprintf(v->cert, sizeof(v->cert), "%s/cert.pem", v->dir);
    snprintf(v->key, sizeof(v->key), "%s/key.pem", v->dir);
    snprintf(v->ca, sizeof(v->ca), "%s/ca.pem", v->dir);
    assert_true(cert_make(names, 1, false, &(struct cert_files){v->cert, v->key, v->ca}, &e));
    v->server_ctx = tls_server_ctx(&server, &e);
    v->client_ctx = tls_client_ctx(&client, &e);
    assert_non_null(v->server_ctx);
    assert_non_null(v->client_ctx);
}

static void make_wire(struct visit *v)
{
    BIO *in;

    v->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "segments");
    BIO_meth_set_read(v->method, wire_read);
    BIO_meth_set_ctrl(v->method, wire_ctrl);
    in = BIO_new(v->method);
    BIO_set_data(in, &v->wire);
    BIO_set_init(in, 1);
    v->answers = BIO_new(BIO_s_mem());
    SSL_set_bio(v->peer->stream.ssl, in, v->answers);
    v->tls = tls_connect(v->client_ctx, "localhost", false, -1);
    SSL_set_bio(v->tls, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
}

static int set_up(void **state)
{
    struct visit *v = calloc(1, sizeof(*v));
    int ends[2];

    make_contexts(v);
    v->server = h2_target();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    v->far = ends[1];
    peer_new(v->server->workers[0], ends[0], v->server_ctx);
    v->peer = v->server->workers[0]->peers;
    make_wire(v);
    side_init(&v->client, false, NULL);
    for (int i = 0; i < 3; i++) {
        SSL_do_handshake(v->tls);
        cut(v);
        v->peer->readable = true;
        peer_advance(v->peer);
        take_answers(v);
    }
    assert_true(SSL_is_init_finished(v->tls));
    assert_int_equal(v->peer->state, PEER_H2);
    *state = v;
    return 0;
}

static int tear_down(void **state)
{
    struct visit *v = *state;

    peer_close(v->peer);
    server_free(v->server);
    SSL_free(v->tls);
    close(v->far);
    tls_ctx_free(v->server_ctx);
    tls_ctx_free(v->client_ctx);
    BIO_meth_free(v->method);
    h2_free(v->client.h2);
    buf_free(&v->client.said);
    fs_remove_tree(v->dir);
    free(v);
    return 0;
}

/*
 * The answer to the first request is an hour away, so that the peer looks whether it has been reset
 * although the socket seems drained.  That read brings two records, and no event tells of the
 * second.
 */
static void a_look_for_a_reset_may_bring_several_records(void **state)
{
    struct visit *v = *state;

    ask(v, "/?latency=1h");
    cut(v);
    ask(v, "/?latency=1h");
    ask(v, "/status/204");
    cut(v);
    v->peer->readable = true;
    peer_advance(v->peer);
    assert_int_equal(v->wire.first, v->wire.count);
    hear(v);
    side_says(&v->client, ":status=204 ");
}

UNIT_GROUP(peer_h2, cmocka_unit_test_setup_teardown(a_look_for_a_reset_may_bring_several_records,
                                                    set_up, tear_down));
