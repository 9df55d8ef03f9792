/* Verified once, decoded once, judged every time; and receive stamps on a clock that may be set. */
#include "unit.h"

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "driver/tls_expect.h"
#include "net/cert.h"
#include "net/rxstamp.h"
#include "net/tls.h"
#include "net/tls_facts.h"
#include "net/tls_verify.h"

struct identity {
    char dir[32], cert[64], key[64], ca[64];
};

static void identity_make(struct identity *i, const char *name)
{
    struct err e;

    strcpy(i->dir, "/tmp/shakedown-tls-XXXXXX");
    assert_non_null(mkdtemp(i->dir));
    snprintf(i->cert, sizeof(i->cert), "%s/cert", i->dir);
    snprintf(i->key, sizeof(i->key), "%s/key", i->dir);
    snprintf(i->ca, sizeof(i->ca), "%s/ca", i->dir);
    assert_true(cert_make(&name, 1, false, &(struct cert_files){i->cert, i->key, i->ca}, &e));
}

static void identity_remove(struct identity *i)
{
    fs_remove_tree(i->dir);
}

static struct ssl_ctx_st *server_of(const struct identity *i)
{
    struct err e;
    struct tls_config c = {.cert = i->cert, .key = i->key};
    struct ssl_ctx_st *ctx = tls_server_ctx(&c, &e);

    assert_non_null(ctx);
    return ctx;
}

/* A whole handshake in memory; true if the client is content. */
static bool shake(struct ssl_ctx_st *client, struct ssl_ctx_st *server, const char *name,
                  struct tls_facts *facts)
{
    SSL *c = tls_connect(client, name, true, -1), *s = SSL_new(server);
    BIO *up = BIO_new(BIO_s_mem()), *down = BIO_new(BIO_s_mem());
    bool ok = false;

    BIO_up_ref(up);
    BIO_up_ref(down);
    SSL_set_bio(c, down, up);
    SSL_set_bio(s, up, down);
    SSL_set_accept_state(s);
    for (int i = 0; i < 4; i++) {
        ok = SSL_do_handshake(c) == 1;
        SSL_do_handshake(s);
    }
    if (ok && facts)
        assert_true(tls_facts_update(facts, c));
    SSL_free(c);
    SSL_free(s);
    return ok;
}

static struct ssl_ctx_st *client_of(const struct identity *i, bool examine)
{
    struct err e;
    struct tls_config c = {.verify = !examine, .examine = examine, .ca = i->ca};
    struct ssl_ctx_st *ctx = tls_client_ctx(&c, &e);

    assert_non_null(ctx);
    return ctx;
}

static void verifies_once(void **state)
{
    struct identity mine, other;
    struct ssl_ctx_st *client, *server, *stranger;

    (void)state;
    identity_make(&mine, "gate.example.com");
    identity_make(&other, "gate.example.com");
    client = client_of(&mine, false);
    server = server_of(&mine);
    stranger = server_of(&other);
    for (int i = 0; i < 5; i++)
        assert_true(shake(client, server, "gate.example.com", NULL));
    assert_int_equal(tls_full_verifications(client), 1);

    /* Another certificate, of nobody trusted, then the first one again. */
    assert_false(shake(client, stranger, "gate.example.com", NULL));
    assert_false(shake(client, stranger, "gate.example.com", NULL));
    assert_int_equal(tls_full_verifications(client), 3);
    assert_true(shake(client, server, "gate.example.com", NULL));
    assert_int_equal(tls_full_verifications(client), 3);

    /* The same certificate under another name. */
    assert_false(shake(client, server, "other.example.com", NULL));
    assert_false(shake(client, server, "127.0.0.1", NULL));
    assert_int_equal(tls_full_verifications(client), 5);
    tls_ctx_free(client);
    tls_ctx_free(server);
    tls_ctx_free(stranger);
    identity_remove(&mine);
    identity_remove(&other);
}

static void verifies_again_when_expired(void **state)
{
    struct identity mine;
    struct ssl_ctx_st *client, *server;

    (void)state;
    identity_make(&mine, "gate.example.com");
    client = client_of(&mine, false);
    server = server_of(&mine);
    assert_true(shake(client, server, "gate.example.com", NULL));
    X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(client), time(NULL) + 8 * 24 * 3600);
    assert_false(shake(client, server, "gate.example.com", NULL));
    X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(client), time(NULL) - 2 * 3600);
    assert_false(shake(client, server, "gate.example.com", NULL));
    assert_int_equal(tls_full_verifications(client), 3);
    tls_ctx_free(client);
    tls_ctx_free(server);
    identity_remove(&mine);
}

static void decodes_once(void **state)
{
    struct identity mine, other;
    struct tls_facts f = {0};
    struct ssl_ctx_st *client, *server, *stranger;
    X509 *first;

    (void)state;
    identity_make(&mine, "gate.example.com");
    identity_make(&other, "127.0.0.1");
    client = client_of(&mine, true);
    server = server_of(&mine);
    stranger = server_of(&other);
    assert_true(shake(client, server, "gate.example.com", &f));
    first = f.cert;
    assert_true(tls_facts_name(&f, "gate.example.com"));
    assert_null(f.unverified);
    assert_true(shake(client, stranger, "gate.example.com", &f));
    assert_ptr_not_equal(f.cert, first);
    assert_true(tls_facts_name(&f, "127.0.0.1"));
    assert_false(tls_facts_name(&f, "gate.example.com"));
    assert_non_null(f.unverified);
    assert_true(shake(client, server, "gate.example.com", &f));
    assert_ptr_equal(f.cert, first);
    assert_string_equal(f.key, "EC P-256");
    assert_string_equal(f.issuer, "CN=shakedown throw-away CA");
    assert_int_equal(strlen(f.fingerprint), 64);
    tls_facts_free(&f);
    tls_ctx_free(client);
    tls_ctx_free(server);
    tls_ctx_free(stranger);
    identity_remove(&mine);
    identity_remove(&other);
}

/* The same bytes give the same object, one byte more or less does not, and garbage gives none. */
static void decodes_what_is_there(void **state)
{
    struct identity mine;
    struct ssl_ctx_st *server;
    unsigned char *der = NULL;
    const unsigned char *p;
    X509 *a = X509_new(), *b = X509_new(), *c = X509_new();
    int len;

    (void)state;
    identity_make(&mine, "gate.example.com");
    server = server_of(&mine);
    len = i2d_X509(SSL_CTX_get0_certificate(server), &der);
    p = der;
    assert_non_null(d2i_X509(&a, &p, len));
    assert_ptr_equal(p, der + len);
    p = der;
    assert_non_null(d2i_X509(&b, &p, len));
    assert_ptr_equal(p, der + len);
    assert_ptr_equal(a, b);
    p = der;
    der[len - 1] ^= 1; /* in the signature: another certificate */
    assert_non_null(d2i_X509(&c, &p, len));
    assert_ptr_not_equal(c, a);
    X509_free(c);
    c = X509_new();
    p = der;
    assert_null(d2i_X509(&c, &p, len - 1));
    X509_free(c);
    X509_free(a);
    X509_free(b);
    OPENSSL_free(der);
    tls_ctx_free(server);
    identity_remove(&mine);
}

static bool meets(struct tls_expect_opts o, bool verify, const struct tls_facts *f,
                  char why[WHY_MAX])
{
    struct arena arena = {0};
    struct diags d;
    struct tls_expect *x;
    bool met;

    diags_init(&d, "", &arena);
    x = tls_expect_compile(&o, verify, NULL, "tls", &arena, &d);
    assert_non_null(x);
    met = tls_expect_judge(x, f, 1000000, NULL, why);
    arena_free(&arena);
    return met;
}

static void judges_each_expectation(void **state)
{
    struct tls_facts f = {.subject = "CN=a",
                          .issuer = "CN=R3,O=Let's Encrypt",
                          .fingerprint =
                              "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
                          .not_after = 1000000 + 14 * 86400,
                          .protocol = "1.3",
                          .cipher = "TLS_AES_128_GCM_SHA256",
                          .alpn = "h2"};
    char why[WHY_MAX];

    (void)state;
    assert_true(meets((struct tls_expect_opts){.protocol = 2,
                                               .cipher = "TLS_AES_128_GCM_SHA256",
                                               .alpn = "h2",
                                               .expires_in = INT64_C(14) * 86400000000000,
                                               .issuer = "Encrypt$",
                                               .chain = 1,
                                               .fingerprint = "00:11:22:33:44:55:66:77:88:99:AA:BB:"
                                                              "CC:DD:EE:FF:00:11:22:33:44:55:66:77:"
                                                              "88:99:aa:bb:cc:dd:ee:ff"},
                      false, &f, why));
    assert_false(meets((struct tls_expect_opts){.protocol = 1}, false, &f, why));
    assert_string_equal(why, "TLS 1.3, expected 1.2");
    assert_false(
        meets((struct tls_expect_opts){.cipher = "TLS_AES_256_GCM_SHA384"}, false, &f, why));
    assert_false(meets((struct tls_expect_opts){.alpn = ""}, false, &f, why));
    assert_false(meets((struct tls_expect_opts){.name = "a"}, false, &f, why));
    assert_false(meets((struct tls_expect_opts){.issuer = "DigiCert"}, false, &f, why));
    assert_false(meets((struct tls_expect_opts){.chain = 2}, false, &f, why));
    assert_false(meets((struct tls_expect_opts){.expires_in = INT64_C(15) * 86400000000000}, false,
                       &f, why));
    assert_string_equal(why, "the certificate expires in 14d, expected at least 15d");
    f.not_after = 1000000 - 86400;
    assert_false(meets((struct tls_expect_opts){.expires_in = 1}, false, &f, why));
    assert_non_null(strstr(why, "expired 1d ago"));
    f.unverified = "certificate has expired";
    assert_false(meets((struct tls_expect_opts){0}, true, &f, why));
    assert_string_equal(why, "the certificate does not pass: certificate has expired");
    assert_true(meets((struct tls_expect_opts){.chain = 2}, false, &f, why));
}

static void refuses_impossible_expectations(void **state)
{
    struct arena arena = {0};
    struct diags d;

    (void)state;
    diags_init(&d, "", &arena);
    assert_null(tls_expect_compile(&(struct tls_expect_opts){.fingerprint = "abc"}, true, NULL, "t",
                                   &arena, &d));
    assert_null(
        tls_expect_compile(&(struct tls_expect_opts){.issuer = "("}, true, NULL, "t", &arena, &d));
    assert_null(
        tls_expect_compile(&(struct tls_expect_opts){.chain = 2}, true, NULL, "t", &arena, &d));
    arena_free(&arena);
}

static struct rxpair pretended; /* what the clocks say */

static struct rxpair read_pretended(void)
{
    return pretended;
}

static void converts_stamps(void **state)
{
    struct rxclock c = {0};
    const uint64_t offset = UINT64_C(1700000000) * NS_PER_S;
    uint64_t now = 100 * NS_PER_S;

    (void)state;
    pretended = (struct rxpair){now, now + offset};
    assert_int_equal(rxclock_convert(&c, now + offset - 40000, now, read_pretended), now - 40000);
    /* Never later than now. */
    assert_int_equal(rxclock_convert(&c, now + offset + 5, now, read_pretended), now);
    /* A long lag is one if the clocks have stayed together. */
    assert_int_equal(rxclock_convert(&c, now + offset - 30 * NS_PER_MS, now, read_pretended),
                     now - 30 * NS_PER_MS);
    /* Slewing is followed. */
    now += 10 * NS_PER_MS;
    pretended = (struct rxpair){now, now + offset + 3000};
    assert_int_equal(rxclock_convert(&c, now + offset + 3000 - 100, now, read_pretended),
                     now - 100);
}

static void discards_stamps_after_a_step(void **state)
{
    struct rxclock c = {0};
    const uint64_t offset = UINT64_C(1700000000) * NS_PER_S, step = 20 * NS_PER_MS;
    uint64_t now = 100 * NS_PER_S;

    (void)state;
    pretended = (struct rxpair){now, now + offset};
    assert_int_equal(rxclock_convert(&c, now + offset - 500, now, read_pretended), now - 500);
    /* Forward, and not noticed yet: an old stamp is still right, a new one lies in the future. */
    now += 100;
    pretended = (struct rxpair){now, now + offset + step};
    assert_int_equal(rxclock_convert(&c, now + offset - 500, now, read_pretended), now - 500);
    assert_int_equal(rxclock_convert(&c, now + offset + step - 500, now, read_pretended), now);
    /* Noticed: an old stamp would seem 20 ms old, and a new one cannot be told from it. */
    now += 2 * NS_PER_MS;
    pretended = (struct rxpair){now, now + offset + step};
    assert_int_equal(rxclock_convert(&c, now + offset - 500, now, read_pretended), now);
    assert_int_equal(rxclock_convert(&c, now + offset + step - 500, now, read_pretended), now);
    /* Long after, stamps are good again. */
    now += 2 * NS_PER_S;
    pretended = (struct rxpair){now, now + offset + step};
    assert_int_equal(rxclock_convert(&c, now + offset + step - 500, now, read_pretended),
                     now - 500);
    /* Backward. */
    now += 2 * NS_PER_MS;
    pretended = (struct rxpair){now, now + offset - step};
    assert_int_equal(rxclock_convert(&c, now + offset + step - 500, now, read_pretended), now);
    assert_int_equal(rxclock_convert(&c, now + offset - step - 500, now, read_pretended), now);
}

/* One byte, read 3 ms after it came; true if its stamp says when it came and not when it was read.
 */
static bool stamped(int client, int peer)
{
    uint64_t read_ns = 0, received_ns = 0, before, arrived;
    struct pollfd p = {client, POLLIN, 0};
    char byte = 'x';

    before = now_ns();
    assert_int_equal(send(peer, &byte, 1, 0), 1);
    poll(&p, 1, -1);
    arrived = now_ns();
    while (now_ns() < arrived + 3 * NS_PER_MS)
        continue;
    assert_int_equal(rxstamp_recv(client, &byte, 1, &read_ns, &received_ns), 1);
    assert_true(read_ns >= arrived + 3 * NS_PER_MS);
    assert_true(received_ns <= read_ns);
    /* The clocks are read some nanoseconds apart. */
    return received_ns >= before - 50 * NS_PER_US && received_ns <= arrived + 50 * NS_PER_US;
}

/* The kernel begins to stamp a moment after the first socket has asked for it. */
static void stamps_when_bytes_came(void **state)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(a);
    int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0), peer;
    bool ever = false;

    (void)state;
    assert_int_equal(bind(listener, (struct sockaddr *)&a, sizeof(a)), 0);
    listen(listener, 1);
    getsockname(listener, (struct sockaddr *)&a, &len);
    rxstamp_enable(client);
    assert_int_equal(connect(client, (struct sockaddr *)&a, sizeof(a)), 0);
    peer = accept(listener, NULL, NULL);
    for (int i = 0; i < 1000 && !ever; i++)
        ever = stamped(client, peer);
    assert_true(ever);
    close(client);
    close(peer);
    close(listener);
}

UNIT_GROUP(tls, cmocka_unit_test(verifies_once), cmocka_unit_test(verifies_again_when_expired),
           cmocka_unit_test(decodes_once), cmocka_unit_test(decodes_what_is_there),
           cmocka_unit_test(judges_each_expectation),
           cmocka_unit_test(refuses_impossible_expectations), cmocka_unit_test(converts_stamps),
           cmocka_unit_test(discards_stamps_after_a_step), cmocka_unit_test(stamps_when_bytes_came))
