/*
 * store.h - what the certctl surface remembers: certificates, renewal jobs and agents.
 *
 * Kept in memory, in the order of creation.  Time is passed in, and things fall due by themselves:
 * a certificate is deployed, and the job that renews one is completed, the programmed delay after
 * it was asked for.  The caller has the lock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct store;
struct x509_st;

#define STORE_ID_MAX 48

enum cert_status { CERT_PENDING, CERT_ACTIVE, CERT_RENEWING, CERT_STATUSES };
extern const char *const cert_status_names[CERT_STATUSES];

struct cert_row {
    char id[STORE_ID_MAX];
    const char *name, *common_name, *issuer, *owner, *team, *policy, *environment;
    const char *sans; /* a JSON array */
    enum cert_status status;
    int64_t created, expires; /* seconds since 1970; expires 0: not issued yet */
    uint64_t due_ns;          /* when it is deployed; 0: nothing is on its way */
    bool deployed;
    struct x509_st *leaf; /* that is deployed, once somebody asked for it */
    char fingerprint[65];
};

struct job_row {
    uint64_t number;
    const struct cert_row *cert;
    int64_t created;
    uint64_t due_ns; /* when it is completed */
};

enum agent_status { AGENT_UNKNOWN, AGENT_KNOWN, AGENT_RETIRED };

struct store_opts {
    uint64_t delay;                        /* ns */
    int64_t certificates, agents, retired; /* that are there from the start */
    void (*free_leaf)(struct x509_st *leaf);
};

struct store *store_new(const struct store_opts *o, int64_t now);
void store_free(struct store *s); /* NULL is fine */

/* Copies the texts and the SANs; NULL: there is one with this name. */
struct cert_row *store_add(struct store *s, const struct cert_row *row, uint64_t now_ns);

int store_count(const struct store *s);
struct cert_row *store_at(struct store *s, int index, uint64_t now_ns); /* brought up to date */
struct cert_row *store_find(struct store *s, const char *id, uint64_t now_ns);        /* or NULL */
struct cert_row *store_find_host(struct store *s, const char *host, uint64_t now_ns); /* or NULL */

const struct job_row *store_renew(struct store *s, struct cert_row *row, int64_t now,
                                  uint64_t now_ns);
int store_jobs(const struct store *s);
int store_jobs_done(struct store *s, uint64_t now_ns); /* jobs before this one are completed */
const struct job_row *store_job(const struct store *s, int index); /* until the next renewal */

enum agent_status store_agent(const struct store *s, const char *id);
