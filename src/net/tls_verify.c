#include "net/tls_verify.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/mem.h"

#define REMEMBERED 4 /* chains: a balanced address may show several */

struct passed {
    STACK_OF(X509) * chain; /* as presented, the leaf first; NULL: none */
    char *name;
    time_t from, until; /* all certificates of the built chain are valid */
};

struct verified { /* of one context; its connections may be on several threads */
    pthread_mutex_t lock;
    struct passed passed[REMEMBERED];
    unsigned next; /* to be replaced */
    uint64_t full;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int verified_index = -1;

static void forget(struct passed *p)
{
    sk_X509_pop_free(p->chain, X509_free);
    free(p->name);
    *p = (struct passed){0};
}

static void verified_free(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl,
                          void *argp)
{
    struct verified *v = ptr;

    (void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
    if (!v)
        return;
    for (int i = 0; i < REMEMBERED; i++)
        forget(&v->passed[i]);
    pthread_mutex_destroy(&v->lock);
    free(v);
}

static void register_index(void)
{
    verified_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, verified_free);
}

/* What the peer has to be called, as the connection's parameters say it. */
static char *name_of(X509_STORE_CTX *s)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(s, SSL_get_ex_data_X509_STORE_CTX_idx());
    X509_VERIFY_PARAM *p = SSL_get0_param(ssl);
    const char *host = X509_VERIFY_PARAM_get0_host(p, 0);
    char *ip = host ? NULL : X509_VERIFY_PARAM_get1_ip_asc(p), *name;

    name = mem_check(strdup(host ? host : ip ? ip : ""));
    OPENSSL_free(ip);
    return name;
}

/* X509_cmp() compares the whole encoding, and finds the same object equal at once. */
static bool same_chain(const STACK_OF(X509) * a, const STACK_OF(X509) * b)
{
    int n = sk_X509_num(a);

    if (n <= 0 || n != sk_X509_num(b))
        return false;
    for (int i = 0; i < n; i++)
        if (X509_cmp(sk_X509_value(a, i), sk_X509_value(b, i)) != 0)
            return false;
    return true;
}

static bool has_passed(const struct verified *v, const STACK_OF(X509) * chain, const char *name,
                       time_t now)
{
    for (int i = 0; i < REMEMBERED; i++) {
        const struct passed *p = &v->passed[i];

        if (p->chain && now >= p->from && now < p->until && strcmp(p->name, name) == 0 &&
            same_chain(p->chain, chain))
            return true;
    }
    return false;
}

static time_t time_of(const ASN1_TIME *t)
{
    struct tm tm;

    return ASN1_TIME_to_tm(t, &tm) == 1 ? timegm(&tm) : 0;
}

/* Takes `name`.  A chain with a time that cannot be read is never valid again: until is 0. */
static void remember(struct verified *v, X509_STORE_CTX *s, const STACK_OF(X509) * presented,
                     char *name)
{
    const STACK_OF(X509) *built = X509_STORE_CTX_get0_chain(s);
    struct passed *p = &v->passed[v->next++ % REMEMBERED];

    forget(p);
    p->chain = mem_check(X509_chain_up_ref((STACK_OF(X509) *)presented));
    p->name = name;
    p->until = sk_X509_num(built) > 0 ? INT64_MAX : 0;
    for (int i = 0; i < sk_X509_num(built); i++) {
        const X509 *cert = sk_X509_value(built, i);
        time_t from = time_of(X509_get0_notBefore(cert)), until = time_of(X509_get0_notAfter(cert));

        p->from = from > p->from ? from : p->from;
        p->until = until < p->until ? until : p->until;
    }
}

/* The time that OpenSSL would verify at: now, unless the context says another. */
static time_t time_for(X509_STORE_CTX *s)
{
    const X509_VERIFY_PARAM *p = X509_STORE_CTX_get0_param(s);

    if (X509_VERIFY_PARAM_get_flags(p) & X509_V_FLAG_USE_CHECK_TIME)
        return X509_VERIFY_PARAM_get_time(p);
    return time(NULL);
}

static int verify(X509_STORE_CTX *s, void *arg)
{
    struct verified *v = arg;
    const STACK_OF(X509) *presented = X509_STORE_CTX_get0_untrusted(s);
    char *name = name_of(s);
    int ok = 1;

    pthread_mutex_lock(&v->lock);
    if (has_passed(v, presented, name, time_for(s))) {
        X509_STORE_CTX_set_error(s, X509_V_OK);
    } else {
        v->full++;
        ok = X509_verify_cert(s);
        if (ok > 0) {
            remember(v, s, presented, name);
            name = NULL;
        }
    }
    pthread_mutex_unlock(&v->lock);
    free(name);
    return ok > 0;
}

void tls_verify_once(struct ssl_ctx_st *ctx)
{
    struct verified *v = xcalloc(1, sizeof(*v));

    pthread_once(&once, register_index);
    pthread_mutex_init(&v->lock, NULL);
    SSL_CTX_set_ex_data(ctx, verified_index, v);
    SSL_CTX_set_cert_verify_callback(ctx, verify, v);
}

uint64_t tls_full_verifications(struct ssl_ctx_st *ctx)
{
    struct verified *v = SSL_CTX_get_ex_data(ctx, verified_index);
    uint64_t n;

    pthread_mutex_lock(&v->lock);
    n = v->full;
    pthread_mutex_unlock(&v->lock);
    return n;
}
