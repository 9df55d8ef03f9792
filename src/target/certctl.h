/*
 * certctl.h - the target as certctl's server: certificates, deployments, renewals, agents and jobs
 * below /api/v1/, behind a bearer token and a rate limiter, as far as its load tests use them.
 *
 * A certificate that it says is deployed is the one that its TLS listener then shows to whoever
 * asks for its common name.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct certctl;
struct err;
struct ssl_ctx_st;

struct certctl_opts {
    bool certctl, deploy_lies;
    const char *token_file;
    double limit;
    int64_t burst, deploy_after, certificates, agents, retired, renew_cap;
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
        OPT_DURATION(deploy_after, "1s", "from asking for a certificate to its being deployed", \
                     .min = 0, .max = INT64_C(86400000000000)), \
        OPT_BOOL(deploy_lies, "false", "say that certificates are deployed and show the old one"), \
        OPT_INT(certificates, "0", "certificates that are there from the start", .min = 0, \
                .max = 1000000), \
        OPT_INT(agents, "5000", "agents that are known: ag-loadtest-00001 and so on", .min = 0, \
                .max = 10000000), \
        OPT_INT(retired, "0", "so many of the last agents are retired", .min = 0, \
                .max = 10000000), \
        OPT_INT(renew_cap, "0", "a bulk renewal looks at this many certificates; 0: all", \
                .min = 0, .max = 1000000)

/*
 * `tls` is the listener's context, or NULL without TLS; it makes no handshakes once the surface is
 * freed.  NULL on failure.
 */
struct certctl *certctl_new(const struct certctl_opts *o, struct ssl_ctx_st *tls, struct err *e);
void certctl_free(struct certctl *c); /* NULL is fine */
