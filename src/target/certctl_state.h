/*
 * certctl_state.h - the inside of the certctl surface.
 *
 *     certctl.c         beginning and end, the limiter and the token
 *     certctl_schema.c  its tables
 *     certctl_pages.c   which page answers what, and how answers are worded
 *     certctl_certificates.c  certificates and deployments
 *     certctl_renew.c   bulk renewal
 *     certctl_agents.c  what agents ask
 *     certctl_jobs.c    jobs: the list, and the scheduler that completes them
 *     certctl_audit.c   a row for each request
 *     certctl_json.c    rows as the real server words them
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"
#include "target/bucket.h"
#include "target/certctl.h"
#include "target/json_text.h"
#include "target/leaves.h"
#include "target/request.h"
#include "target/state.h"

struct json_t;
struct reply;
struct audit;

#define CERTCTL_PREFIX "/api/v1/"
#define PATH_MAX_LEN   256
#define TIME_MAX       40
#define NUMBER_MAX     24
#define RUN_ID_MAX     24

struct certctl {
    struct certctl_opts opts;
    struct state *state;
    struct leaves *leaves;
    struct audit *audit; /* NULL: none is kept */
    char *token;         /* NULL: none is asked for */
    uint32_t boot;       /* random; makes ids unique in a database that outlives the process */
    atomic_uint_fast64_t ids;
    _Atomic int64_t next_due; /* ms since 1970; the first pending job; INT64_MAX: none known */
    atomic_int complaints;
    pthread_mutex_t lock; /* of the bucket, and of what the scheduler waits for */
    struct bucket bucket;
    pthread_cond_t wake;
    bool ending, scheduling;
    pthread_t scheduler;
};

struct call { /* one request while it is answered, on a thread that may wait */
    struct certctl *c;
    const struct request *rq;
    struct reply *re;
    struct session *se;
    char path[PATH_MAX_LEN]; /* behind the prefix */
    int64_t now_ms;          /* since 1970 */
    char now[TIME_MAX];      /* as the database has it */
};

bool certctl_create(struct state *s, struct err *e); /* the tables that are missing */

/* ids and times */
void certctl_id(struct certctl *c, char id[RUN_ID_MAX]); /* "1a2b3c4d-00000001" */
void certctl_time(int64_t ms, char out[TIME_MAX]);
const char *certctl_number(int64_t n, char out[NUMBER_MAX]);

/* answers; those that take a text or a body take it over */
void certctl_send(struct call *k, uint16_t status, struct buf *json);
void certctl_say(struct call *k, uint16_t status, const char *key, const char *value);
void certctl_refuse(struct call *k, uint16_t status, const char *word, const char *message);
void certctl_failed(struct call *k, const char *message, const struct err *e); /* 500 */
struct json_t *certctl_body(const struct call *k);                      /* an object, or NULL */
const char *certctl_text(const struct json_t *object, const char *key); /* "" */

/* The first column of the first row, as a number; 0 if there is no row. */
bool certctl_count(struct call *k, const char *sql, const struct db_values *v, int64_t *n,
                   struct err *e);

struct page {
    int64_t page, per_page;
    char limit[NUMBER_MAX], offset[NUMBER_MAX];
};
struct page certctl_page(const struct call *k); /* from the query */
bool certctl_parameter(const struct call *k, const char *name, char *text, size_t size);
void certctl_send_page(struct call *k, const struct page *p, struct buf *rows, int64_t total);

/* pages */
void certctl_create_certificate(struct call *k);
void certctl_list_certificates(struct call *k);
void certctl_show_certificate(struct call *k, const char *id);
void certctl_show_deployment(struct call *k, const char *id);
void certctl_renew(struct call *k);
void certctl_jobs(struct call *k);
void certctl_heartbeat(struct call *k, const char *agent);
void certctl_work(struct call *k, const char *agent);
void certctl_csr(struct call *k, const char *agent);

/* A job has been added that is due then: the scheduler looks at it in time. */
void certctl_due(struct certctl *c, int64_t ms);

/* Completes what is due by now; answers that tell of it come after that. */
bool certctl_settle(struct certctl *c, struct session *se, int64_t now_ms, struct err *e);
bool certctl_schedule(struct certctl *c, struct err *e); /* starts the scheduler */

void certctl_complain(struct certctl *c, const struct err *e); /* on standard error, at times */

struct audit *audit_new(void);
void audit_free(struct audit *a);
void audit_add(struct audit *a, const struct call *k);
bool audit_write(struct audit *a, struct session *se, struct err *e);
bool audit_is_full(struct audit *a);

void json_add_time(struct buf *out, const char *time); /* as Go writes it */

/* A row of CERTIFICATE_COLUMNS. */
#define CERTIFICATE_COLUMNS \
    "id, name, common_name, sans, environment, owner_id, team_id, issuer_id, renewal_policy_id, " \
    "status, expires_at, tags, created_at, updated_at"
void json_add_certificate(struct buf *out, const char *const *values);
