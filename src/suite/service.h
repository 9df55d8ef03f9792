/*
 * service.h - a process that the suite starts, waits for, supervises and tears down, as declared
 * under `services:`.  run/supervisor.h runs them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "spec/opt.h"

struct ready_opts {    /* exactly one of the first four */
    const char *probe; /* URL that answers with a status below 400 */
    const char *tcp;   /* host:port that accepts */
    const char *log;   /* PCRE2 pattern that a line of output matches */
    struct texts exec; /* command that exits 0 */
    int64_t within;    /* ns */
    bool given;
};

enum certificate_key { KEY_P256, KEY_RSA2048 };

struct certificate_opts {
    struct texts names; /* DNS names and IP addresses */
    int key;            /* enum certificate_key */
    bool given;
};

struct stop_opts {
    int signal;    /* index into stop_signals */
    int64_t grace; /* ns before SIGKILL */
};
extern const char *const stop_signals[]; /* "TERM", "INT", "QUIT", "HUP", NULL */

struct service_port {
    const char *name;
    uint16_t port; /* reserved by the runner */
    int fd;        /* holds the reservation until the service starts; -1: none */
};

struct service_file {
    const char *dest; /* below the service's folder */
    const char *from; /* template file with ${...} */
};

struct named_text {
    const char *name, *value;
};

struct service {
    const char *name;
    int index;
    struct texts command;
    struct named_text *env;
    int env_count;
    const char *user;
    struct service_port *ports;
    int port_count;
    struct service_file *files;
    const char **file_texts; /* contents of each, substituted */
    int file_count;
    struct certificate_opts certificate;
    struct texts *prepare; /* commands */
    int prepare_count;
    struct ready_opts ready;
    struct stop_opts stop;
    bool always;                      /* start: always */
    bool forwards;                    /* what is reached through it lies elsewhere */
    uint64_t needs;                   /* other services its values refer to, as bits */
    const char *dir;                  /* ${run.tmp}/NAME; also the working directory */
    const char *cert, *key_file, *ca; /* paths, set if certificate.given */
    struct pos at;
};

extern const struct opt service_table[]; /* for help and schema */
