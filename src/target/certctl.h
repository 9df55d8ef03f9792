/*
 * certctl.h - the target as certctl's server: certificates, deployments, renewals, jobs and agents
 * below /api/v1/, behind a bearer token and a rate limiter, as far as its load tests use them.
 *
 * All of it is in the target's state, in tables with the names and columns that seeds for certctl
 * are written for; whatever else writes there is served.  A certificate that it says is deployed is
 * the one that its TLS listener then shows to whoever asks for its common name.  A new process has
 * a new issuer, and shows new certificates for what was deployed before.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct certctl;
struct err;
struct ssl_ctx_st;
struct state;

struct certctl_opts {
    bool certctl, deploy_lies, audit;
    const char *token_file;
    double limit;
    int64_t burst, deploy_after, renew_cap;
};

/* Rows of a command line's table, under an OPT_OF of struct certctl_opts. */
#define CERTCTL_ROWS \
    OPT_BOOL(certctl, "false", "serve certctl's REST surface below /api/v1/, too"), \
        OPT_TEXT(token_file, NULL, \
                 "file with the token that the surface asks for; without it, for none"), \
        OPT_RATE(limit, NULL, "at most this many of the surface's requests, all clients together", \
                 .example = "50/s"), \
        OPT_INT(burst, "100", "requests that the limit lets through at once", .min = 1, \
                .max = 1000000), \
        OPT_DURATION(deploy_after, "1s", \
                     "from asking for a certificate, or its renewal, to its being deployed", \
                     .min = 0, .max = INT64_C(86400000000000)), \
        OPT_BOOL(deploy_lies, "false", "say that certificates are deployed and show the old one"), \
        OPT_INT(renew_cap, "0", "a bulk renewal looks at this many certificates; 0: all", \
                .min = 0, .max = 1000000), \
        OPT_BOOL(audit, "true", "keep a row for each of the surface's requests")

/*
 * `tls` is the listener's context, or NULL without TLS; it makes no handshakes once the surface is
 * freed.  Borrows `state`.  NULL on failure.
 */
struct certctl *certctl_new(const struct certctl_opts *o, struct state *state,
                            struct ssl_ctx_st *tls, struct err *e);
void certctl_free(struct certctl *c); /* NULL is fine */
