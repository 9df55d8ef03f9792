/* target_args.h - the command line of `shakedown target`, and what of it the server is told. */
#pragma once

#include <stdbool.h>

#include "spec/opt.h"
#include "target/ca.h"
#include "target/certctl.h"
#include "target/ingest.h"
#include "target/state.h"

struct err;
struct server_config;

struct target_args {
    struct certctl_opts certctl; /* first, for CERTCTL_ROWS */
    union {                      /* STATE_ROWS knows the members by their own names */
        struct state_opts state;
        struct {
            STATE_FIELDS;
        };
    };
    union { /* INGEST_ROWS knows the members by their own names */
        struct ingest_opts agents;
        struct {
            INGEST_FIELDS;
        };
    };
    union { /* and so does CA_ROWS */
        struct ca_opts ca;
        struct {
            CA_FIELDS;
        };
    };
    struct texts listen, names;
    bool plain, close, chunked, stamps, quiet, f5;
    const char *cert, *key, *ca_out, *port_file, *log;
    const char *latency, *first_byte, *stall, *errors;
    double resets;
    int protocol;
    int64_t size, header_timeout, idle_timeout, grace, max_body, max_connections, threads, seed;
    bool sized, graced;
    const char *nexus_url, *secret_file, *nexus_name, *nexus_ca;
    struct texts nexus_hostname;
    bool nexus_insecure;
    int64_t nexus_weight, nexus_backends, nexus_ttl, nexus_reauth_interval, nexus_reauth_grace;
    int64_t nexus_retry, nexus_retry_max;
};

extern const struct opt target_table[];

/* False if options exclude each other or have no meaning; nothing has been opened. */
bool target_args_read(const struct target_args *a, struct server_config *c, struct err *e);
