#include "target/leaves.h"

#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

struct leaf {
    char *name;
    struct x509_st *cert; /* NULL: nobody has asked yet */
    char fingerprint[ISSUER_FINGERPRINT_MAX];
};

struct leaves {
    pthread_mutex_t lock; /* of the tree and all that is in it */
    struct issuer *issuer;
    void *tree; /* of struct leaf, for tsearch() */
};

static int compare(const void *a, const void *b)
{
    return strcasecmp(((const struct leaf *)a)->name, ((const struct leaf *)b)->name);
}

static struct leaf *find(struct leaves *l, const char *name)
{
    struct leaf key = {.name = (char *)name};
    struct leaf *const *at = tfind(&key, &l->tree, compare);

    return at ? *at : NULL;
}

static struct leaf *find_or_add(struct leaves *l, const char *name)
{
    struct leaf *leaf = find(l, name);

    if (leaf)
        return leaf;
    leaf = xcalloc(1, sizeof(*leaf));
    leaf->name = mem_check(strdup(name));
    mem_check(tsearch(leaf, &l->tree, compare));
    return leaf;
}

static bool make(struct leaves *l, struct leaf *leaf)
{
    struct err e;

    if (!leaf->cert)
        leaf->cert = issuer_leaf(l->issuer, leaf->name, leaf->fingerprint, &e);
    return leaf->cert != NULL;
}

static void leaf_free(void *p)
{
    struct leaf *leaf = p;

    issuer_leaf_free(leaf->cert);
    free(leaf->name);
    free(leaf);
}

struct leaves *leaves_new(struct err *e)
{
    struct leaves *l = xcalloc(1, sizeof(*l));

    pthread_mutex_init(&l->lock, NULL);
    l->issuer = issuer_new(e);
    if (l->issuer)
        return l;
    leaves_free(l);
    return NULL;
}

void leaves_free(struct leaves *l)
{
    if (!l)
        return;
    tdestroy(l->tree, leaf_free);
    issuer_free(l->issuer);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

void leaves_renew(struct leaves *l, const char *name)
{
    struct leaf *leaf;

    pthread_mutex_lock(&l->lock);
    leaf = find_or_add(l, name);
    issuer_leaf_free(leaf->cert);
    leaf->cert = NULL;
    pthread_mutex_unlock(&l->lock);
}

bool leaves_fingerprint(struct leaves *l, const char *name, char out[ISSUER_FINGERPRINT_MAX])
{
    struct leaf *leaf;
    bool made;

    pthread_mutex_lock(&l->lock);
    leaf = find_or_add(l, name);
    made = make(l, leaf);
    if (made)
        memcpy(out, leaf->fingerprint, ISSUER_FINGERPRINT_MAX);
    pthread_mutex_unlock(&l->lock);
    return made;
}

/* In a handshake: the certificate of that name, if it is deployed. */
static void choose(void *arg, const char *name, struct ssl_st *ssl)
{
    struct leaves *l = arg;
    struct leaf *leaf;

    pthread_mutex_lock(&l->lock);
    leaf = find(l, name);
    if (leaf && make(l, leaf))
        issuer_present(l->issuer, leaf->cert, ssl);
    pthread_mutex_unlock(&l->lock);
}

void leaves_show(struct leaves *l, struct ssl_ctx_st *tls)
{
    issuer_choose(tls, choose, l);
}
