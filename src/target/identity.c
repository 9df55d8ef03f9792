#include "target/identity.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "net/cert.h"
#include "net/tls.h"

#define CA_MAX (64 << 10)

static struct ssl_ctx_st *load(const char *cert, const char *key, const char *const *alpn,
                               struct err *e)
{
    struct tls_config c = {.cert = cert, .key = key, .alpn = alpn};

    return tls_server_ctx(&c, e);
}

static bool publish_ca(const char *from, const char *to, struct err *e)
{
    struct buf pem = {0};
    bool ok = fs_read(from, CA_MAX, &pem, e) && fs_write(to, pem.data, pem.len, 0644, e);

    buf_free(&pem);
    return ok;
}

static struct ssl_ctx_st *make_in(const char *dir, const struct identity_opts *o, struct err *e)
{
    char cert[64], key[64], ca[64];
    struct cert_files files = {cert, key, ca};

    snprintf(cert, sizeof(cert), "%s/cert.pem", dir);
    snprintf(key, sizeof(key), "%s/key.pem", dir);
    snprintf(ca, sizeof(ca), "%s/ca.pem", dir);
    if (!cert_make(o->names, o->name_count, false, &files, e))
        return NULL;
    if (o->ca_out && !publish_ca(ca, o->ca_out, e))
        return NULL;
    return load(cert, key, o->alpn, e);
}

static struct ssl_ctx_st *make(const struct identity_opts *o, struct err *e)
{
    char dir[] = "/tmp/shakedown-target-XXXXXX";
    struct ssl_ctx_st *ctx;

    if (!mkdtemp(dir)) {
        err_errno(e, "cannot make a folder for the certificate");
        return NULL;
    }
    ctx = make_in(dir, o, e);
    fs_remove_tree(dir);
    return ctx;
}

struct ssl_ctx_st *identity_load(const struct identity_opts *o, struct err *e)
{
    return o->cert ? load(o->cert, o->key, o->alpn, e) : make(o, e);
}
