/* attempt.h - does anything listen, or answer?  One blocking try each, for readiness and probes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct err;

struct attempt_request {
    const char *url;
    const char *method;         /* NULL: GET */
    const char *const *headers; /* "name: value", NULL-terminated; or NULL */
    const char *body;
    long body_len;
    const char *userinfo; /* "user:password" for Basic; or NULL */
    bool verify;
    const char *ca, *cert, *key;
    const char *connect_to;  /* host:port; or NULL */
    const char *server_name; /* SNI and the name verified, when not the URL's host; or NULL */
    const char *source;      /* local address; or NULL */
    const char *min_version, *max_version; /* "1.2", "1.3"; NULL: OpenSSL's */
    const char *ciphers, *groups;          /* as in tls.h; or NULL */
    uint64_t timeout_ns;
    const volatile int *interrupted; /* not 0: give up; or NULL */
};

enum attempt_failure { /* why no answer came */
                       ATTEMPT_OK,
                       ATTEMPT_TIMEOUT,
                       ATTEMPT_REFUSED,
                       ATTEMPT_RESET,
                       ATTEMPT_TLS,
                       ATTEMPT_PROTOCOL,
                       ATTEMPT_UNREACHABLE,
                       ATTEMPT_LOCAL,
                       ATTEMPT_INTERRUPTED,
};

struct attempt_answer {
    long status;
    struct buf *head, *body; /* given by the caller; may be NULL */
    size_t body_max;         /* of the body, this much is kept; 0: 1 MiB */
    bool whole;              /* one of body_max bytes or more is of no use: stop there */
    enum attempt_failure failure;
    double connect_s, tls_s, first_byte_s; /* libcurl's, from the start of the try */
};

/* True if an HTTP response arrived, whatever its status. */
bool attempt_http(const struct attempt_request *r, struct attempt_answer *a, struct err *e);

/* How an attempt ends by its errno, of which EINTR is an interruption and 0 is none. */
enum attempt_failure attempt_failure_of(int error);

/* True if host:port accepts a connection; `failure` and `interrupted` may be NULL. */
bool attempt_tcp(const char *host, uint16_t port, uint64_t timeout_ns,
                 const volatile int *interrupted, enum attempt_failure *failure, struct err *e);
