/*
 * ca_state.h - the inside of the ACME surface.
 *
 *     ca.c           beginning and end, tables, limiters
 *     ca_pages.c     which page answers what, how answers and problems are worded, nonces
 *     ca_jws.c       who has signed a request, and whether that holds
 *     ca_accounts.c  accounts and their keys
 *     ca_orders.c    orders
 *     ca_challenge.c authorizations, challenges and the look at their answers
 *     ca_issue.c     certificates: issued, given out, revoked, due for renewal
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/issuer.h"
#include "net/jws.h"
#include "target/bucket.h"
#include "target/ca.h"
#include "target/request.h"
#include "target/state.h"

struct json_t;
struct reply;

#define CA_PREFIX   "/acme/profile/"
#define CA_BODY_MAX 65536
#define CA_ID_MAX   32
#define CA_PATH_MAX 512
#define CA_HOUR_MS  INT64_C(3600000)

struct ca {
    struct ca_opts opts;
    struct state *state;
    struct issuer *issuer;
    uint64_t secret; /* random; ids and nonces are made of it */
    atomic_uint_fast64_t ids, nonces, orders;
    pthread_mutex_t lock; /* of the buckets */
    struct bucket front, limit;
};

struct ca_call { /* one request while it is answered, on a thread that may wait */
    struct ca *ca;
    const struct request *rq;
    struct reply *re;
    struct session *se;
    int64_t now_ms;         /* since 1970 */
    char now[24], hour[24]; /* the same, and an hour before it, as text */
    char base[CA_PATH_MAX]; /* "https://host/acme/profile/ID/" */
    char path[CA_PATH_MAX]; /* behind the profile */
    struct buf fields;      /* of the answer, beside the nonce */

    /* Of a signed request, once it has been checked. */
    struct json_t *header, *payload; /* payload NULL: POST-as-GET */
    struct jws_key *key;             /* that signed it */
    char account[CA_ID_MAX];         /* "" if signed by a key alone */
};

/* ca.c */
void ca_id(struct ca *ca, char id[CA_ID_MAX]); /* of letters that base64url has */
uint64_t ca_random(struct ca *ca, uint64_t number);

/* ca_pages.c; what answers takes `json` over */
void ca_send(struct ca_call *k, uint16_t status, struct json_t *json);
void ca_send_text(struct ca_call *k, const char *type, char *text); /* takes the text; 200 */
void ca_problem(struct ca_call *k, uint16_t status, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void ca_limited(struct ca_call *k, int64_t retry_s, const char *what);
bool ca_broken(struct ca_call *k, const struct err *e); /* the database; always false */
void ca_location(struct ca_call *k, const char *what, const char *id);
const char *ca_text(const struct json_t *object, const char *key); /* "" */
struct json_t *ca_url(const struct ca_call *k, const char *what, const char *id);

struct ca_row { /* the first row of a query */
    bool found;
    struct buf values[6]; /* NULL is "" */
};
bool ca_row(struct ca_call *k, const char *sql, const struct db_values *v, struct ca_row *row);
void ca_row_free(struct ca_row *row);
bool ca_run(struct ca_call *k, const char *sql, const struct db_values *v, uint64_t *count);
bool ca_count(struct ca_call *k, const char *sql, const struct db_values *v, int64_t *n);

/*
 * ca_jws.c: reads and checks a signed request, and takes its nonce out of the world.  False: it has
 * been refused.  `by` says whose signature it has: an account's, that
 * of a key in the request, or either.
 */
enum ca_signer { CA_ACCOUNT, CA_KEY, CA_EITHER };
bool ca_verify(struct ca_call *k, enum ca_signer by);
struct jws_key *ca_read_key(const struct json_t *jwk, struct err *e); /* or NULL */

/* An inner JWS with a key of its own: the payload, or NULL.  `key` is to be freed. */
struct json_t *ca_verify_inner(struct ca_call *k, const struct json_t *jws, struct jws_key **key);

/* Fewer than `limit` of what the query counts; 0: there is no limit.  Else it has been refused. */
bool ca_is_within(struct ca_call *k, int64_t limit, const char *sql, const struct db_values *v,
                  const char *what);
struct json_t *ca_reason(const char *why); /* "name: sentence" as a problem */

void ca_new_account(struct ca_call *k);
void ca_account(struct ca_call *k, const char *id);
void ca_key_change(struct ca_call *k);
void ca_new_order(struct ca_call *k);
void ca_order(struct ca_call *k, const char *id);
void ca_authorization(struct ca_call *k, const char *id);
void ca_challenge(struct ca_call *k, const char *id);
void ca_finalize(struct ca_call *k, const char *id);
void ca_certificate(struct ca_call *k, const char *id);
void ca_revoke(struct ca_call *k);
void ca_renewal_info(struct ca_call *k, const char *cert_id);

/* The answer that an order is. */
void ca_show_order(struct ca_call *k, uint16_t status, const char *id);
