/*
 * acme.h - the inside of the acme driver: acme.c has the options and what is done once, acme_plan.c
 * what an operation goes through, acme_run.c goes through it, acme_call.c makes one request of it,
 * signed if need be, and acme_answer.c reads what came.  The parts themselves are in acme_open.c
 * (what is not signed), acme_account.c, acme_order.c and acme_issue.c.
 */
#pragma once

#include "base/buf.h"
#include "driver/driver.h"
#include "driver/fetch.h"
#include "driver/offload.h"
#include "net/csr.h"
#include "net/http1.h"
#include "net/jws.h"
#include "spec/opt.h"
#include "spec/template.h"

struct acme_op;
struct acme_responder;
struct json_t;

enum acme_part {
    ACME_DIRECTORY,
    ACME_NONCE,
    ACME_RENEWAL_INFO,
    ACME_NEW_ACCOUNT,
    ACME_NEW_ORDER,
    ACME_AUTHORIZATIONS,
    ACME_CHALLENGES,
    ACME_FINALIZE,
    ACME_DOWNLOAD,
    ACME_REVOKE,
    ACME_KEY_CHANGE,
    ACME_DEACTIVATE,
    ACME_PARTS,
};
extern const char *const acme_part_names[ACME_PARTS + 1]; /* NULL ends it */

enum acme_metric {
    ACME_PART_DURATION,
    ACME_PART_FAILED,
    ACME_SIGNING,
    ACME_KEY_MAKING,
    ACME_POLL_WAITING,
    ACME_POLLS,
    ACME_BAD_NONCES,
    ACME_RATE_LIMITED,
    ACME_SHAPE_OK,
    ACME_MALFORMED,
    ACME_SERVER_ERRORS,
    ACME_PROBLEMS,
    ACME_CERTIFICATES,
    ACME_HTTP,
    ACME_METRICS = ACME_HTTP + FETCH_METRICS,
};

enum acme_accounts { ACCOUNT_VU, ACCOUNT_SHARED, ACCOUNT_NEW };
enum acme_limit { LIMIT_FAIL, LIMIT_END };
enum acme_revoker { REVOKE_BY_ACCOUNT, REVOKE_BY_CERTIFICATE };

#define ACME_URL_MAX   1024 /* bytes of a URL that a server gives */
#define ACME_NONCE_MAX 256
#define ACME_WHY_MAX   512

struct acme_external { /* external account binding */
    const char *kid, *key;
    bool given;
};

struct acme_poll {
    int64_t every, within;
};

struct acme_opts {
    const struct target *target;
    struct texts parts;
    const struct node *mix;
    int account, algorithm, csr_key, revoke_by, connection, on_rate_limit;
    const char *key, *responder;
    const struct node *names;
    struct texts contact, renewal_status;
    bool terms_agreed, only_existing;
    struct acme_external external_account;
    const struct template *cert_id;
    int64_t reason, timeout, think, max_body;
    struct acme_poll poll;
    const struct bind *bind;
};

/* What an operation goes through. */
struct acme_plan {
    enum acme_part parts[ACME_PARTS]; /* in this order; or those of the mix */
    double weights[ACME_PARTS];       /* of a mix, in the order of `parts` */
    int count;
    bool mixed;
    int index[ACME_PARTS]; /* among the declared parts, from 1; 0: cannot happen */
    const char *names[ACME_PARTS];
    int name_count; /* of the declared parts */
};

/* False with mistakes in `d`; `at` and `path` are the step's. */
bool acme_plan_make(struct acme_plan *p, const struct acme_opts *o, const struct node *at,
                    const char *path, struct diags *d);
bool acme_plan_has(const struct acme_plan *p, enum acme_part part);

enum acme_resource { /* of a directory (RFC 8555 7.1.1, RFC 9773 4.1) */
                     RES_NEW_NONCE,
                     RES_NEW_ACCOUNT,
                     RES_NEW_ORDER,
                     RES_REVOKE,
                     RES_KEY_CHANGE,
                     RES_RENEWAL_INFO,
                     RESOURCES,
};
extern const char *const acme_resource_names[RESOURCES];

struct acme_account {
    struct jws_key *key; /* borrowed from the job if the account is shared */
    struct buf kid;      /* empty: there is no account yet */
};

struct acme_job {
    const struct acme_opts *opts;
    struct acme_plan plan;
    /* What each URL of the server has to begin with: "https://host/", and the same with its port.
     */
    const char *origin, *origin_port;
    const char *contacts; /* JSON */
    const struct template **names;
    int name_count;
    struct jws_key *key; /* of the shared account; NULL */
    struct buf eab_key;
    struct acme_responder *responder;
    bool renewal_ok[1000]; /* by status */
    double weights;        /* of the mix, together */
};

enum acme_method { METHOD_GET, METHOD_HEAD, METHOD_POST, METHODS };

struct acme_lane {
    struct lane *lane;
    struct acme_job *job;
    struct transfers *transfers;
    struct fetch_pool pools[METHODS];
    struct offload offload;
    char *directory[RESOURCES]; /* NULL: not told */
    bool has_directory;
    struct acme_account shared;
    struct acme_account *accounts; /* of this lane's virtual users */
    int account_count;
    char (*nonces)[ACME_NONCE_MAX]; /* a ring */
    int nonce_first, nonce_count, nonce_max;
};

struct acme_answer {
    int status;
    const char *head;
    size_t head_len;
    const char *body;
    size_t body_len;
    struct json_t *json;      /* the body, if it is a JSON object of the right type; else NULL */
    uint64_t retry_ns;        /* what retry-after says, from now; 0: nothing */
    const char *urn, *detail; /* of a problem document; urn NULL: it is none */
};

typedef void acme_done_fn(struct acme_op *a, const struct acme_answer *answer);

enum acme_body { BODY_NONE, BODY_JSON, BODY_PEM }; /* that an answer has to have */

struct acme_call { /* one request; url and payload stay until it is answered */
    enum acme_method method;
    const char *url;
    bool by_key; /* signed by a key itself: the account's, which has no account yet, or: */
    const struct jws_key *signer; /* of by_key; NULL: the account's */
    bool problem_too;             /* a problem document is told to `done` like any answer */
    int status, other;            /* that are as expected */
    enum acme_body body;
    acme_done_fn *done;
};

struct acme_authz {
    size_t url, challenge, token; /* offsets into the order's texts */
    bool pending;
};

struct acme_order {
    struct buf texts; /* URLs and tokens, each ended by NUL */
    struct acme_authz *authz;
    int authz_count, authz_cap, at;
    size_t url, finalize, certificate; /* offsets */
    struct buf names;                  /* each ended by NUL */
    const char **name_list;
    int name_count;
    struct buf csr, der, cert_id;
    unsigned char digest[CSR_DIGEST];
    struct jws_key *key; /* of the certificate, if that is to revoke it; else NULL */
};

struct acme_op {
    struct timer timer; /* first: on_timer() casts */
    struct op *op;      /* NULL: none is under way */
    int at;             /* in the plan */
    enum acme_part part;
    uint64_t part_ns;
    void (*resume)(struct acme_op *a); /* when the timer fires */
    uint64_t poll_end_ns, poll_begun_ns;
    int polls;
    struct acme_account own, *account;
    struct jws_key *next_key; /* that the account is to have */
    struct acme_order order;
    struct acme_call call;
    struct buf payload, body, url;
    bool awaiting_nonce, implied; /* the part is there for another one's sake */
    int bad_nonces;
    uint64_t signing_ns;
    struct transfer *transfer;
    struct offload_task task;
    void (*work)(struct acme_op *a);
    void (*worked)(struct acme_op *a);
    uint64_t work_ns;
    bool work_ok;
};

static inline struct acme_lane *acme_lane_of(const struct acme_op *a)
{
    return (struct acme_lane *)a->op->lane->priv;
}

static inline const struct acme_opts *acme_opts_of(const struct acme_op *a)
{
    return (const struct acme_opts *)a->op->lane->job->opts;
}

/* acme_run.c */
bool acme_start(struct lane *lane, struct err *e);
void acme_fire(struct lane *lane, struct op *op);
void acme_stop(struct lane *lane);
void acme_part_ok(struct acme_op *a); /* the part has ended well; on to the next */
void acme_fail(struct acme_op *a, enum outcome outcome, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void acme_limited(struct acme_op *a); /* the rate limit ends the operation, and is no failure */

/* Another look after a pause: `every`, or what the server asks for; or the part has failed. */
void acme_poll_begin(struct acme_op *a);
void acme_poll_again(struct acme_op *a, const struct acme_answer *r, const char *what,
                     void (*resume)(struct acme_op *a));

/* The tag of what is measured next; op_part_done() ends it. */
void acme_tag(struct acme_op *a, enum acme_part part);
/* Something that takes the CPU: where it may take long, on another thread. */
void acme_work(struct acme_op *a, bool long_one, void (*work)(struct acme_op *a),
               void (*worked)(struct acme_op *a));

/* acme_call.c */
void acme_call(struct acme_op *a, const struct acme_call *call);
void acme_post_as_get(struct acme_op *a, const char *url, acme_done_fn *done);
/* Where the directory says that it is; NULL: the part has failed. */
const char *acme_resource(struct acme_op *a, enum acme_resource r);

/* acme_answer.c */
enum acme_verdict {
    ANSWER_GOOD,
    ANSWER_BAD_NONCE,
    ANSWER_LIMITED,
    ANSWER_MALFORMED_LIMIT,
    ANSWER_BAD
};

/* Fills in `json`, `retry_ns`, `urn` and `detail`; acme_answer_fini() releases them. */
void acme_answer_read(struct acme_answer *r);
void acme_answer_fini(struct acme_answer *r);

/* Held against what the call expects; `why` says what is wrong. */
enum acme_verdict acme_answer_judge(const struct acme_answer *r, const struct acme_call *call,
                                    char why[ACME_WHY_MAX]);
bool acme_answer_field(const struct acme_answer *r, const char *name, struct http1_span *value);
const char *acme_text(const struct json_t *object, const char *key); /* or NULL */
const char *acme_error_detail(const struct json_t *object); /* of its `error`; never NULL */

/* acme_open.c */
/* Is the URL that the server gave one of the target's?  If not, the part has failed. */
bool acme_own_url(struct acme_op *a, const char *what, const char *url);
/* The location: field, in `out`; without one of the target's the part has failed. */
bool acme_location(struct acme_op *a, const struct acme_answer *r, struct buf *out);

/* Texts of the order, by their offsets (acme_order.c). */
size_t acme_keep(struct acme_order *o, const char *text);
const char *acme_kept(const struct acme_order *o, size_t at);

/* The parts. */
void acme_directory(struct acme_op *a);
void acme_nonce(struct acme_op *a);
void acme_renewal_info(struct acme_op *a);
void acme_new_account(struct acme_op *a);
void acme_key_change(struct acme_op *a);
void acme_deactivate(struct acme_op *a);
void acme_new_order(struct acme_op *a);
void acme_authorizations(struct acme_op *a);
void acme_challenges(struct acme_op *a);
void acme_finalize(struct acme_op *a);
void acme_download(struct acme_op *a);
void acme_revoke(struct acme_op *a);
void acme_forget_tokens(struct acme_op *a); /* the responder need not answer them any more */
