/*
 * ca.h - the target as an ACME server (RFC 8555, RFC 9773) below /acme/profile/ID/, with limits as
 * certctl has them.
 *
 * Signatures are checked, nonces good for one request, and certificates issued by a CA of this
 * process.  What it knows is in the target's state.  A profile that it does not have is answered as
 * certctl answers it: by its dashboard, a page of HTML with status 200.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "spec/opt.h"

struct ca;
struct err;
struct state;

#define CA_FIELDS \
    bool acme, acme_trust; \
    struct texts acme_profile; \
    const char *acme_http01; \
    double acme_limit, acme_front_limit, acme_bad_nonces, acme_invalid; \
    int64_t acme_burst, acme_orders, acme_concurrent, acme_key_changes, acme_responds, \
        acme_issue_after
struct ca_opts {
    CA_FIELDS;
};

/* Rows of a command line's table, under an OPT_OF of a struct that has CA_FIELDS. */
#define CA_ROWS \
    OPT_BOOL(acme, "false", "serve ACME below /acme/profile/ID/, too"), \
        OPT_TEXTS(acme_profile, "profile that there is, repeatable (prof-test-tls)"), \
        OPT_BOOL(acme_trust, "true", \
                 "authorizations are valid at once; else when their challenge is answered"), \
        OPT_TEXT( \
            acme_http01, NULL, \
            "ADDRESS:PORT at which answers to http-01 challenges are looked at, whatever the " \
            "name; without it they are believed; asks for --acme-trust=false", \
            .example = "127.0.0.1:80"), \
        OPT_DURATION(acme_issue_after, "0", "from finalizing an order to its certificate", \
                     .min = 0, .max = INT64_C(86400000000000)), \
        OPT_RATIO(acme_invalid, "0", "share of orders that end invalid", .example = "1%"), \
        OPT_RATIO(acme_bad_nonces, "0", "share of good nonces that are rejected", \
                  .example = "5%"), \
        OPT_INT(acme_orders, "100", "orders of an account in an hour; 0: no limit", .min = 0, \
                .max = 1000000000), \
        OPT_INT(acme_concurrent, "5", "orders of an account in progress; 0: no limit", .min = 0, \
                .max = 1000000000), \
        OPT_INT(acme_key_changes, "5", "key changes of an account in an hour; 0: no limit", \
                .min = 0, .max = 1000000000), \
        OPT_INT(acme_responds, "60", "challenges that an account answers in an hour; 0: no limit", \
                .min = 0, .max = 1000000000), \
        OPT_RATE(acme_limit, NULL, \
                 "at most this many of the surface's requests, all clients together; more are " \
                 "answered as ACME has it", \
                 .example = "50/s"), \
        OPT_RATE(acme_front_limit, NULL, \
                 "the same by a limiter that knows nothing of ACME: text/plain", \
                 .example = "50/s"), \
        OPT_INT(acme_burst, "100", "requests that either limit lets through at once", .min = 1, \
                .max = 1000000)

/* Whether the options go together; false with the reason. */
bool ca_check(const struct ca_opts *o, struct err *e);

/* Borrows `state`, and the texts of `o`.  NULL on failure. */
struct ca *ca_new(const struct ca_opts *o, struct state *state, struct err *e);
void ca_free(struct ca *ca); /* NULL is fine */
