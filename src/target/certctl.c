#include "target/certctl.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "target/certctl_state.h"
#include "target/reply.h"
#include "target/request.h"

#define TOKEN_MAX 65536

bool certctl_leaf(struct certctl *c, struct cert_row *row)
{
    struct err e;

    if (!row->leaf)
        row->leaf = issuer_leaf(c->issuer, row->common_name, row->fingerprint, &e);
    return row->leaf != NULL;
}

/* In a handshake: the certificate of that name, once it is deployed. */
static void choose(void *arg, const char *name, struct ssl_st *ssl)
{
    struct certctl *c = arg;
    struct cert_row *row;

    pthread_mutex_lock(&c->lock);
    row = store_find_host(c->store, name, now_ns());
    if (row && row->deployed && certctl_leaf(c, row))
        issuer_present(c->issuer, row->leaf, ssl);
    pthread_mutex_unlock(&c->lock);
}

static void refuse(struct reply *re, uint16_t status, const char *field, const char *body)
{
    reply_text(re, status, body);
    re->fields = field ? mem_check(strdup(field)) : NULL;
}

/* Compares all of it whatever differs, so that time tells nothing. */
static bool same_token(const char *token, const char *given, size_t given_len)
{
    size_t len = strlen(token);
    unsigned differ = len != given_len;

    for (size_t i = 0; i < given_len; i++)
        differ |= (unsigned char)given[i] ^ (unsigned char)token[i < len ? i : len];
    return differ == 0;
}

bool certctl_admits(struct certctl *c, const struct request *rq, struct reply *re, uint64_t now_ns)
{
    static const char realm[] = "WWW-Authenticate: Bearer realm=\"certctl\"\r\n";
    struct http1_span value;

    if (!bucket_take(&c->bucket, now_ns)) {
        refuse(re, 429, "Retry-After: 1\r\n", "{\"error\":\"Rate limit exceeded\"}\n");
        return false;
    }
    if (!c->token)
        return true;
    if (!http1_field(&rq->head, "authorization", &value)) {
        refuse(re, 401, realm, "{\"error\":\"Authorization header is required\"}\n");
        return false;
    }
    if (value.len > 7 && strncmp(value.data, "Bearer ", 7) == 0 &&
        same_token(c->token, value.data + 7, value.len - 7))
        return true;
    refuse(re, 401, NULL, "{\"error\":\"Invalid API key\"}\n");
    return false;
}

static bool read_token(struct certctl *c, const char *path, struct err *e)
{
    struct buf b = {0};
    bool ok = fs_read(path, TOKEN_MAX, &b, e);

    while (ok && b.len > 0 && isspace((unsigned char)b.data[b.len - 1]))
        b.data[--b.len] = '\0';
    if (ok && b.len == 0)
        ok = err_set(e, "%s is empty", path);
    if (ok)
        c->token = mem_check(strdup(b.data));
    if (b.data)
        explicit_bzero(b.data, b.cap);
    buf_free(&b);
    return ok;
}

struct certctl *certctl_new(const struct certctl_opts *o, struct ssl_ctx_st *tls, struct err *e)
{
    struct store_opts s = {(uint64_t)o->deploy_after, o->certificates, o->agents, o->retired,
                           issuer_leaf_free};
    struct certctl *c = xcalloc(1, sizeof(*c));

    c->opts = *o;
    pthread_mutex_init(&c->lock, NULL);
    bucket_init(&c->bucket, o->limit, (double)o->burst, now_ns());
    c->store = store_new(&s, (int64_t)(wall_ns() / NS_PER_S));
    c->issuer = issuer_new(e);
    if (!c->issuer || (o->token_file && !read_token(c, o->token_file, e))) {
        certctl_free(c);
        return NULL;
    }
    if (tls && !o->deploy_lies)
        issuer_choose(tls, choose, c);
    return c;
}

void certctl_free(struct certctl *c)
{
    if (!c)
        return;
    store_free(c->store);
    issuer_free(c->issuer);
    if (c->token)
        explicit_bzero(c->token, strlen(c->token));
    free(c->token);
    pthread_mutex_destroy(&c->lock);
    free(c);
}
