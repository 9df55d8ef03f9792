/*
 * server.h - the embedded target: an HTTP/1.1 and HTTP/2 server that does exactly as it is told and
 * stamps what it did.
 *
 * It is the yardstick that measurements are held against.  Each worker is a thread with its own
 * event base, its own listening sockets (SO_REUSEPORT) and its own connections; they share the
 * ledger and what is constant.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "target/program.h"
#include "target/stall.h"

struct ca;
struct certctl;
struct err;
struct f5;
struct ingest;
struct ledger;
struct nexus;
struct ssl_ctx_st;
struct worker;

enum server_protocol { SERVER_AUTO, SERVER_HTTP1, SERVER_H2 }; /* auto: as the client has it */

struct server_config {
    const char *const *listen; /* "ADDRESS:PORT", "[::1]:0"; a name is resolved */
    int listen_count;
    struct ssl_ctx_st *tls;                       /* NULL: plain; borrowed */
    struct program program;                       /* of requests that ask for nothing else */
    struct stall stall;                           /* its start is set by the server */
    uint64_t header_timeout, idle_timeout, grace; /* ns */
    enum server_protocol protocol;
    uint64_t max_body; /* bytes; a larger one is answered 413 */
    uint64_t max_connections;
    int threads;
    int page_threads;        /* of each worker, for pages that wait; 0: there are none */
    uint64_t seed;           /* of random latencies */
    FILE *log;               /* of requests; NULL: none; borrowed */
    struct nexus *nexus;     /* a hub to be a backend of; NULL: none; borrowed */
    struct certctl *certctl; /* its REST surface; NULL: none; borrowed */
    struct f5 *f5;           /* the iControl surface; NULL: none; borrowed */
    struct ingest *ingest;   /* a service of gRPC; NULL: none; borrowed */
    struct ca *ca;           /* the ACME surface; NULL: none; borrowed */
};

struct server {
    struct server_config config;
    struct ledger *ledger;
    struct worker **workers; /* config.threads of them */
    char **urls;             /* config.listen_count, with the ports that were bound */
    uint16_t *ports;
    int stop_fd;      /* an eventfd that all workers watch */
    atomic_int stops; /* how often it was asked to stop */
};

/* Is this an address to listen on?  Nothing is resolved. */
bool server_check_address(const char *text, struct err *e);

/* Listens; connections wait in the kernel until server_run().  Borrows the texts of `c`. */
struct server *server_open(const struct server_config *c, struct err *e);

/*
 * Serves until server_stop(), then takes no more, answers what has begun within the grace and
 * returns. The calling thread is the first worker.
 */
void server_run(struct server *s);

/* From any thread or signal handler; a second call ends the grace. */
void server_stop(struct server *s);

void server_free(struct server *s); /* NULL is fine */
