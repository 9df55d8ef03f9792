/* The slow driver: its ClientHellos, and the words for how a server ended a connection. */
#include <stdio.h>
#include <string.h>

#include <openssl/ssl.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "driver/slow.h"
#include "net/cert.h"
#include "net/tls.h"

#include "unit.h"

static char dir[64];

static const char *file_of(const char *name)
{
    static char paths[3][96];
    static int turn;

    turn = (turn + 1) % 3;
    snprintf(paths[turn], sizeof(paths[turn]), "%s/%s", dir, name);
    return paths[turn];
}

static int make_certificate(void **state)
{
    static const char *const names[] = {"localhost"};
    struct cert_files files;
    struct err e;

    (void)state;
    strcpy(dir, "/tmp/shakedown-unit-XXXXXX");
    assert_non_null(mkdtemp(dir));
    files = (struct cert_files){file_of("cert.pem"), file_of("key.pem"), file_of("ca.pem")};
    assert_true(cert_make(names, 1, false, &files, &e));
    return 0;
}

static int remove_certificate(void **state)
{
    (void)state;
    fs_remove_tree(dir);
    return 0;
}

/* What one side has written becomes what the other one reads. */
static void carry(BIO *from, BIO *to)
{
    char bytes[16384];
    int n;

    while ((n = BIO_read(from, bytes, sizeof(bytes))) > 0)
        assert_int_equal(BIO_write(to, bytes, n), n);
}

/* The bytes are given to a server; then both go on to the end of the handshake. */
static void assert_accepted(struct ssl_st *client, const struct buf *hello, const char *name)
{
    struct tls_config c = {.cert = file_of("cert.pem"), .key = file_of("key.pem")};
    BIO *to_server = BIO_new(BIO_s_mem()), *to_client = BIO_new(BIO_s_mem());
    struct err e;
    SSL_CTX *ctx = tls_server_ctx(&c, &e);
    SSL *server;

    assert_non_null(ctx);
    server = SSL_new(ctx);
    SSL_set_bio(server, to_server, to_client);
    SSL_set_accept_state(server);
    assert_int_equal(BIO_write(to_server, hello->data, (int)hello->len), (int)hello->len);
    for (int i = 0; i < 4; i++) {
        SSL_do_handshake(server);
        carry(to_client, SSL_get_rbio(client));
        SSL_do_handshake(client);
        carry(SSL_get_wbio(client), to_server);
    }
    assert_true(SSL_is_init_finished(server));
    assert_true(SSL_is_init_finished(client));
    if (name)
        assert_string_equal(SSL_get_servername(server, TLSEXT_NAMETYPE_host_name), name);
    else
        assert_null(SSL_get_servername(server, TLSEXT_NAMETYPE_host_name));
    SSL_free(server);
    tls_ctx_free(ctx);
}

static struct ssl_ctx_st *client_ctx(size_t filler)
{
    struct tls_config c = {.verify = true};
    struct err e;
    struct ssl_ctx_st *ctx = tls_client_ctx(&c, &e);

    assert_non_null(ctx);
    if (filler)
        assert_true(tls_ctx_fill(ctx, filler, &e));
    return ctx;
}

/* A server is sent `name`, and hears of `heard`. */
static void hello(size_t filler, const char *name, const char *heard)
{
    struct ssl_ctx_st *ctx = client_ctx(filler);
    struct buf a = {0}, b = {0};
    struct ssl_st *client = tls_hello(ctx, name, &a), *other = tls_hello(ctx, name, &b);

    assert_int_equal((unsigned char)a.data[0], 0x16);
    assert_true(a.len > filler + 100);
    assert_true(a.len == b.len && memcmp(a.data, b.data, a.len) != 0);
    /* The random of the message is behind the heads of record and message and the version. */
    assert_true(memcmp(a.data + 11, b.data + 11, 32) != 0);
    assert_accepted(client, &a, heard);
    tls_free(client);
    tls_free(other);
    tls_ctx_free(ctx);
    buf_free(&a);
    buf_free(&b);
}

static void hellos_are_accepted(void **state)
{
    (void)state;
    hello(0, "localhost", "localhost");
    hello(0, NULL, NULL);
    hello(0, "unknown.invalid", "unknown.invalid");
    hello(0, "127.0.0.1", NULL); /* RFC 6066 3: an address is no server name */
    hello(0, "::1", NULL);
}

static void oversized_hellos_are_accepted(void **state)
{
    (void)state;
    hello(33000, "localhost", "localhost");
    hello(TLS_FILLER_MAX, NULL, NULL);
}

static int ways;
static const char *const *names;

static const char *ended(const char *head, size_t len, const struct conn_error *e,
                         enum slow_metric by)
{
    struct slow_conn s = {0};
    enum slow_metric found;
    int part;

    memcpy(s.head, head, len);
    s.head_len = (uint8_t)len;
    part = slow_part(&s, e, &found);
    assert_int_equal(found, by);
    assert_in_range(part, 1, ways);
    return names[part - 1];
}

static void ends_have_names(void **state)
{
    struct conn_error rst = {CONN_RESET, 104, "receive: connection reset by peer"};
    struct conn_error fin = {CONN_RESET, 0, "receive: closed by the peer"};
    struct conn_error alert = {CONN_TLS, 0, "TLS handshake: alert unrecognized_name received"};
    struct conn_error strange = {CONN_TLS, 0, "TLS handshake: alert tea_time received"};
    struct slow_conn s = {.h2 = {.code = 12}};
    struct arena arena = {0};
    enum slow_metric by;

    (void)state;
    names = slow_parts(&arena, &ways);
    assert_string_equal(ended("", 0, NULL, SLOW_BY_FIN), "fin");
    assert_string_equal(ended("", 0, &fin, SLOW_BY_FIN), "fin");
    assert_string_equal(ended("", 0, &rst, SLOW_BY_RST), "rst");
    assert_string_equal(ended("", 0, &alert, SLOW_BY_ALERT), "alert-unrecognized_name");
    assert_string_equal(ended("", 0, &strange, SLOW_BY_ALERT), "alert-other");
    assert_string_equal(ended("\x15\x03\x03\0\x02\x02\x28", 7, NULL, SLOW_BY_ALERT),
                        "alert-handshake_failure");
    assert_string_equal(ended("\x15\x03\x03\0\x02\x01\0", 7, NULL, SLOW_BY_FIN), "fin");
    assert_string_equal(ended("HTTP/1.1 408 Req", 16, &rst, SLOW_BY_STATUS), "status-408");
    assert_string_equal(ended("HTTP/1.0 599 Odd", 16, NULL, SLOW_BY_STATUS), "status-other");
    assert_string_equal(ended("HTTP/1.1 40", 11, NULL, SLOW_BY_FIN), "fin");
    assert_string_equal(names[slow_part(&s, &rst, &by) - 1], "h2-enhance_your_calm");
    assert_int_equal(by, SLOW_BY_H2);
    for (int i = 0; i < ways; i++)
        for (int k = 0; k < i; k++)
            assert_string_not_equal(names[i], names[k]);
    arena_free(&arena);
}

UNIT_GROUP(slow,
           cmocka_unit_test_setup_teardown(hellos_are_accepted, make_certificate,
                                           remove_certificate),
           cmocka_unit_test_setup_teardown(oversized_hellos_are_accepted, make_certificate,
                                           remove_certificate),
           cmocka_unit_test(ends_have_names))
