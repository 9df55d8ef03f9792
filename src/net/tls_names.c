#include "net/tls_names.h"

#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

#define SEPARATORS ":, "

static bool is_suite(const char *name) /* of TLS 1.3, which are set by another call than the rest */
{
    return strncmp(name, "TLS_", 4) == 0;
}

bool tls_set_ciphers(struct ssl_ctx_st *ctx, const char *list)
{
    struct buf old = {0}, suites = {0};
    const char *p = list;
    bool ok;

    while (*p) {
        size_t len = strcspn(p, SEPARATORS);
        struct buf *b = is_suite(p) ? &suites : &old;

        if (len > 0 && b->len > 0)
            buf_addc(b, ':');
        buf_add(b, p, len);
        p += len + (p[len] != '\0');
    }
    ok = (old.len == 0 || SSL_CTX_set_cipher_list(ctx, old.data)) &&
         (suites.len == 0 || SSL_CTX_set_ciphersuites(ctx, suites.data));
    buf_free(&old);
    buf_free(&suites);
    return ok;
}

static bool cipher_known(SSL_CTX *ctx, const char *name)
{
    if (strchr("!-", *name)) /* takes away what may not even be compiled in */
        return name[1] != '\0';
    if (*name == '@')
        return strcmp(name, "@STRENGTH") == 0 ||
               (strncmp(name, "@SECLEVEL=", 10) == 0 && strchr("012345", name[10]) && name[10] &&
                !name[11]);
    if (*name == '+')
        name++;
    return is_suite(name) ? SSL_CTX_set_ciphersuites(ctx, name)
                          : SSL_CTX_set_cipher_list(ctx, name);
}

/* Each name of a list by itself; the first that `known` does not take is told. */
static bool all_known(const char *list, const char *what, bool (*known)(SSL_CTX *, const char *),
                      const char *cure, struct err *e)
{
    SSL_CTX *ctx = mem_check(SSL_CTX_new(TLS_client_method()));
    char name[80];
    bool ok = true;

    for (const char *p = list; *p && ok;) {
        size_t len = strcspn(p, SEPARATORS), n = len < sizeof(name) ? len : sizeof(name) - 1;

        memcpy(name, p, n);
        name[n] = '\0';
        if (len > 0 && (n < len || !known(ctx, name)))
            ok = err_set(e, "OpenSSL knows no %s \"%s\" (%s)", what, name, cure);
        p += len + (p[len] != '\0');
    }
    SSL_CTX_free(ctx);
    ERR_clear_error();
    return ok;
}

bool tls_ciphers_known(const char *list, struct err *e)
{
    return all_known(list, "cipher", cipher_known, "`openssl ciphers -s` lists them", e);
}

static bool group_known(SSL_CTX *ctx, const char *name)
{
    return SSL_CTX_set1_groups_list(ctx, name) == 1;
}

bool tls_groups_known(const char *list, struct err *e)
{
    return all_known(list, "group", group_known, "as X25519, P-256, P-384, P-521, X448, ffdhe2048",
                     e);
}
