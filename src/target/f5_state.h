/*
 * f5_state.h - the inside of the iControl surface.
 *
 *     f5.c           beginning and end, tables, the certificate shown
 *     f5_pages.c     which page answers what; login, uploads, certificates and keys
 *     f5_profiles.c  client-ssl profiles and transactions
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"
#include "target/f5.h"
#include "target/json_text.h"
#include "target/request.h"
#include "target/state.h"

struct json_t;
struct keypair;
struct reply;

#define F5_PREFIX   "/mgmt/"
#define F5_PATH_MAX 256
#define F5_TOKEN    33

struct f5 {
    struct state *state;
    char token[F5_TOKEN]; /* of this process */
    atomic_uint_fast64_t ids;
    pthread_mutex_t lock;  /* of `shown` */
    struct keypair *shown; /* NULL: the listener's own */
};

struct f5_call { /* one request while it is answered, on a thread that may wait */
    struct f5 *f;
    const struct request *rq;
    struct reply *re;
    struct session *se;
    char path[F5_PATH_MAX]; /* behind the prefix */
    bool post, get, patch, delete;
};

void f5_send(struct f5_call *k, uint16_t status, struct buf *json); /* takes it over */
void f5_refuse(struct f5_call *k, uint16_t status, const char *message);
void f5_failed(struct f5_call *k, const struct err *e);            /* the database */
struct json_t *f5_body(const struct f5_call *k);                   /* an object, or NULL */
const char *f5_text(const struct json_t *object, const char *key); /* "" */

/* "/Common/x", "~Common~x" and "x" are x. */
const char *f5_name(const char *text);

/* The first column of the first row, to be freed; NULL: there is none, or `*failed`. */
char *f5_value(struct session *se, const char *sql, const struct db_values *v, bool *failed,
               struct err *e);

void f5_profile(struct f5_call *k, const char *name);
void f5_profiles(struct f5_call *k); /* POST: makes one */
void f5_transaction(struct f5_call *k, const char *id);
void f5_transactions(struct f5_call *k); /* POST: begins one */

/* Do the certificate and the key that the profile refers to, if it does, fit? */
bool f5_check(struct session *se, const char *profile, struct err *e);

/* Shows what the profile that was changed last refers to, if that is complete. */
bool f5_show(struct f5 *f, struct session *se, struct err *e);
