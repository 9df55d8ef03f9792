/* certctl_state.h - the inside of the certctl surface; for certctl.c and certctl_pages.c. */
#pragma once

#include <pthread.h>

#include "net/issuer.h"
#include "target/bucket.h"
#include "target/certctl.h"
#include "target/store.h"

struct reply;
struct request;

struct certctl {
    pthread_mutex_t lock; /* of all that follows but opts, issuer and token */
    struct certctl_opts opts;
    struct issuer *issuer;
    char *token; /* NULL: none is asked for */
    struct store *store;
    struct bucket bucket;
    uint64_t requests; /* for their ids */
};

/*
 * The limiter first and the token second, in the order of the real server; false: `re` says why
 * not.  What those two say is JSON in the body and text/plain in the field, as there.
 */
bool certctl_admits(struct certctl *c, const struct request *rq, struct reply *re, uint64_t now_ns);

/* Makes the leaf of a deployed certificate if nobody has yet; false: its name cannot be in one. */
bool certctl_leaf(struct certctl *c, struct cert_row *row);
