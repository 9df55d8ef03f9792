#include "driver/acme.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/units.h"
#include "driver/acme_responder.h"
#include "driver/expect.h"
#include "driver/target.h"
#include "net/base64url.h"
#include "net/url.h"

#define S INT64_C(1000000000)

static const char *const accounts[] = {"vu", "shared", "new", NULL};
static const char *const csr_keys[] = {"p256", "rsa2048", NULL};
static const char *const revokers[] = {"account", "certificate", NULL};
static const char *const connections[] = {"keep", "new", NULL};
static const char *const limits[] = {"fail", "end", NULL};

#define OPT_OF struct acme_external
static const struct opt external_table[] = {
    OPT_TEXT(kid, NULL, "the key's identifier, as the server has given it"),
    OPT_TEXT(key, NULL, "the key, in base64url, as the server has given it", .flags = OPT_SECRET,
             .example = "${secrets.eab}"),
    {0},
};
#undef OPT_OF

#define OPT_OF struct acme_poll
static const struct opt poll_table[] = {
    OPT_DURATION(every, "250ms", "pause between two looks, unless the server asks for a longer one",
                 .min = 1000000, .max = 3600 * S),
    OPT_DURATION(within, "60s", "the part has failed if nothing comes of it within this",
                 .min = 1000000, .max = 86400 * S),
    {0},
};
#undef OPT_OF

#define OPT_OF struct acme_opts
static const struct opt acme_table[] = {
    OPT_TARGET(target, "the server; its url is the directory's", .flags = OPT_REQUIRED),
    OPT_TEXTS(parts,
              "what one operation goes through, in this order: directory, nonce, renewal-info, "
              "new-account, new-order, authorizations, challenges, finalize, download, revoke, "
              "key-change, deactivate; default: new-order to download",
              .example = "[directory, nonce, renewal-info]"),
    OPT_NODE(mix, "in place of parts: unsigned ones with weights, of which an operation is one",
             .schema = "{\"type\":\"object\",\"minProperties\":1,\"additionalProperties\":false,"
                       "\"properties\":{\"directory\":{\"type\":\"integer\",\"minimum\":1},"
                       "\"nonce\":{\"type\":\"integer\",\"minimum\":1},"
                       "\"renewal-info\":{\"type\":\"integer\",\"minimum\":1}}}",
             .example = "{directory: 1, nonce: 2}"),
    OPT_NODE(names, "DNS names and addresses that the certificate is to be for; may hold %{...}",
             .schema = "{\"type\":[\"string\",\"array\"],\"items\":{\"type\":\"string\"}}",
             .example = "\"%{uuid}.example.com\"", OPT_BINDING(bind)),
    OPT_CHOICE(account, "vu",
               "vu: each virtual user has one; shared: all have the same; new: one for each "
               "operation",
               .choices = accounts),
    OPT_CHOICE(algorithm, "ES256", "of the accounts' keys and signatures",
               .choices = jws_alg_names),
    OPT_TEXT(key, NULL, "the shared account's private key, in PEM; default: one is made",
             .flags = OPT_SECRET, .example = "${secrets.account}"),
    OPT_TEXTS(contact, "URLs that the server may use to reach the accounts' owner",
              .example = "[\"mailto:ops@example.com\"]"),
    OPT_BOOL(terms_agreed, "true", "the terms of service are agreed to"),
    OPT_BOOL(only_existing, "false", "the account has to be there already"),
    OPT_SUB(external_account, struct acme_external, external_table,
            "binds new accounts to one outside of ACME", OPT_GIVEN(external_account.given)),
    OPT_TEXT(responder, NULL,
             "ADDRESS:PORT at which http-01 challenges are answered while the step runs",
             .example = "0.0.0.0:80"),
    OPT_CHOICE(csr_key, "p256", "the certificate's key, made anew for each", .choices = csr_keys),
    OPT_CHOICE(revoke_by, "account",
               "whose key signs a revocation: the account's, or the certificate's own",
               .choices = revokers),
    OPT_INT(reason, "0", "why certificates are revoked, a code of RFC 5280", .min = 0, .max = 10),
    OPT_TEMPLATE(cert_id, NULL,
                 "whose renewal information is asked for; default: of the certificate downloaded",
                 .example = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"),
    OPT_TEXTS(renewal_status, "statuses that renewal information may have; default: 200",
              .example = "[200, 404]"),
    OPT_CHOICE(on_rate_limit, "fail",
               "fail: a rate limit is a failure; end: it ends the operation, and is counted",
               .choices = limits),
    OPT_CHOICE(connection, "keep", "keep: reuse connections; new: a full handshake for each",
               .choices = connections),
    OPT_SUB(poll, struct acme_poll, poll_table, "looks at what the server has still to do"),
    OPT_DURATION(think, "0", "pause before the first part", .min = 0, .max = 86400 * S),
    OPT_DURATION(timeout, "30s", "give up on one request after this long", .min = 1000000,
                 .max = 86400 * S),
    OPT_SIZE(max_body, "64KiB", "a longer answer is a failure", .min = 1, .max = 16 << 20),
    {0},
};
#undef OPT_OF

static const struct metric acme_metrics[] = {
    [ACME_PART_DURATION] = {"part_duration", METRIC_TREND, UNIT_TIME,
                            "one part with all its requests and pauses, without thinking"},
    [ACME_PART_FAILED] = {"part_failed", METRIC_RATE, UNIT_RATIO,
                          "parts that did not end as expected"},
    [ACME_SIGNING] = {"jws_signing", METRIC_TREND, UNIT_TIME, "signing one request, of this CPU"},
    [ACME_KEY_MAKING] = {"key_making", METRIC_TREND, UNIT_TIME,
                         "making one key, and what is signed with it, of this CPU"},
    [ACME_POLL_WAITING] = {"poll_waiting", METRIC_TREND, UNIT_TIME,
                           "one pause between two looks at what the server has still to do"},
    [ACME_POLLS] = {"polls", METRIC_COUNTER, UNIT_NONE, "looks after such a pause"},
    [ACME_BAD_NONCES] = {"bad_nonces", METRIC_COUNTER, UNIT_NONE,
                         "requests sent again because their nonce was not accepted"},
    [ACME_RATE_LIMITED] = {"rate_limited", METRIC_COUNTER, UNIT_NONE,
                           "answers that are a rate limit, of any shape"},
    [ACME_SHAPE_OK] = {"rate_limit_shape_ok", METRIC_COUNTER, UNIT_NONE,
                       "of these, the ones with the right status, type and URN"},
    [ACME_MALFORMED] = {"rate_limit_malformed", METRIC_COUNTER, UNIT_NONE,
                        "of these, the ones that are not as ACME has them"},
    [ACME_SERVER_ERRORS] = {"server_errors", METRIC_RATE, UNIT_RATIO,
                            "answers with a status from 500, rate limits left out"},
    [ACME_PROBLEMS] = {"problems", METRIC_COUNTER, UNIT_NONE,
                       "problem documents, rejected nonces and rate limits left out"},
    [ACME_CERTIFICATES] = {"certificates", METRIC_COUNTER, UNIT_NONE,
                           "certificates downloaded and found to be those asked for"},
    FETCH_ROWS(ACME_HTTP),
    [ACME_METRICS] = {0},
};

/* The texts of a list, or one alone, as templates; NULL with mistakes. */
static const struct template **read_names(const struct acme_opts *o, const char *path, int *count,
                                          struct arena *arena, struct diags *d)
{
    const struct node *names = o->names;
    const struct node *first = names->type == NODE_LIST ? names->first : names;
    const struct template **list =
        arena_array(arena, const struct template *, names->count > 0 ? names->count : 1);
    int before = d->errors;
    struct err e;

    *count = 0;
    if (names->type == NODE_MAP || !first || names->count > CSR_NAMES_MAX) {
        diag_add(d, names->at, "%s.names: expected 1 to %d names", path, CSR_NAMES_MAX);
        return NULL;
    }
    for (const struct node *n = first; n; n = names->type == NODE_LIST ? n->next : NULL) {
        list[*count] =
            n->type == NODE_SCALAR ? template_compile(n->text, o->bind->scope, arena, &e) : NULL;
        if (n->type != NODE_SCALAR)
            diag_add(d, n->at, "%s.names: a name is text", path);
        else if (!list[*count])
            diag_add(d, n->at, "%s.names: %s", path, e.text);
        (*count)++;
    }
    return d->errors == before ? list : NULL;
}

static bool read_statuses(const struct texts *t, bool ok[1000], const char *path, struct pos at,
                          struct diags *d)
{
    int64_t status;

    ok[200] = t->n == 0;
    for (int i = 0; i < t->n; i++) {
        if (!units_int(t->v[i], &status) || status < 200 || status > 599)
            return diag_add(d, at, "%s.renewal_status: \"%s\" is not a status from 200 to 599",
                            path, t->v[i]);
        ok[status] = true;
    }
    return true;
}

/* The secret itself is never in a message. */
static bool read_keys(const struct acme_opts *o, struct buf *eab, struct jws_key **key,
                      const char *path, struct pos at, struct diags *d)
{
    const char *text = o->external_account.key;
    bool ok = true;
    struct err e;

    if (text && (!base64url_decode(eab, text, strlen(text)) || eab->len == 0))
        ok = diag_add(d, at, "%s.external_account.key: not base64url without padding", path);
    if (o->key && !(*key = jws_key_read(o->key, strlen(o->key), &e)))
        ok = diag_add(d, at, "%s.key: %s", path, e.text);
    return ok;
}

static void check_values(const struct acme_opts *o, const char *path, struct pos at,
                         struct diags *d)
{
    const char *host;
    uint16_t port;
    struct err e;

    if (o->responder && !url_host_port(o->responder, &host, &port, d->arena, &e))
        diag_add(d, at, "%s.responder: %s (try 0.0.0.0:80)", path, e.text);
    for (int i = 0; i < o->contact.n; i++)
        if (!strchr(o->contact.v[i], ':'))
            diag_add(d, at, "%s.contact: \"%s\" is not a URL (try mailto:%s)", path,
                     o->contact.v[i], o->contact.v[i]);
}

static bool acme_check(const void *opts, const struct node *at, const char *path, struct diags *d)
{
    const struct acme_opts *o = opts;
    struct pos pos = at ? at->at : (struct pos){0};
    bool statuses[1000] = {false};
    int before = d->errors, count;
    struct jws_key *key = NULL;
    struct buf eab = {0};
    struct acme_plan plan;

    if (!o->target || !o->target->scheme) /* that has been told */
        return false;
    if (strcmp(o->target->scheme, "http") != 0 && strcmp(o->target->scheme, "https") != 0)
        diag_add(d, pos,
                 "%s.target: \"%s\" is a %s: url, and a directory's is https: or http:", path,
                 o->target->name, o->target->scheme);
    acme_plan_make(&plan, o, at, path, d);
    if (o->names)
        read_names(o, path, &count, d->arena, d);
    read_statuses(&o->renewal_status, statuses, path, pos, d);
    check_values(o, path, pos, d);
    read_keys(o, &eab, &key, path, pos, d);
    jws_key_free(key);
    if (eab.data)
        explicit_bzero(eab.data, eab.cap);
    buf_free(&eab);
    return d->errors == before;
}

static void acme_declare(const void *opts, struct arena *arena, struct declared *out)
{
    struct acme_plan *plan = arena_new(arena, struct acme_plan);
    struct diags ignored;

    diags_init(&ignored, "", arena);
    acme_plan_make(plan, opts, NULL, "", &ignored);
    out->parts = plan->names;
    out->part_count = plan->name_count;
}

static const char *contacts_of(const struct acme_opts *o, struct arena *arena, struct err *e)
{
    json_t *list = json_array();
    const char *text;
    char *dump;

    for (int i = 0; i < o->contact.n; i++)
        if (json_array_append_new(list, json_string(o->contact.v[i])) != 0) {
            json_decref(list);
            err_set(e, "contact: not UTF-8");
            return NULL;
        }
    dump = mem_check(json_dumps(list, JSON_COMPACT));
    text = arena_strdup(arena, dump);
    free(dump);
    json_decref(list);
    return text;
}

static bool compile(struct acme_job *j, struct job *job, struct err *e)
{
    const struct acme_opts *o = job->opts;
    struct pos nowhere = {0};
    struct diags d;

    j->opts = o;
    diags_init(&d, "", job->arena);
    acme_plan_make(&j->plan, o, NULL, job->name, &d);
    if (o->names)
        j->names = read_names(o, job->name, &j->name_count, job->arena, &d);
    read_statuses(&o->renewal_status, j->renewal_ok, job->name, nowhere, &d);
    read_keys(o, &j->eab_key, &j->key, job->name, nowhere, &d);
    for (int i = 0; j->plan.mixed && i < j->plan.count; i++)
        j->weights += j->plan.weights[i];
    return !d.first || err_set(e, "%s", d.first->text);
}

static bool acme_prepare(struct job *job, struct err *e)
{
    struct acme_job *j = job->priv;
    const struct acme_opts *o = job->opts;
    const struct target *t = o->target;

    if (!compile(j, job, e))
        return false;
    j->origin = arena_printf(job->arena, "%s://%s/", t->scheme,
                             url_authority(t->scheme, t->host, t->port, job->arena));
    j->origin_port =
        arena_printf(job->arena, strchr(t->host, ':') ? "%s://[%s]:%u/" : "%s://%s:%u/", t->scheme,
                     t->host, (unsigned)t->port);
    j->contacts = contacts_of(o, job->arena, e);
    if (!j->contacts)
        return false;
    if (o->account == ACCOUNT_SHARED && !j->key)
        j->key = jws_key_new((enum jws_alg)o->algorithm, e);
    if (o->account == ACCOUNT_SHARED && !j->key)
        return false;
    if (o->responder)
        j->responder = acme_responder_open(o->responder, job->arena, e);
    return !o->responder || j->responder;
}

static void acme_collect(struct job *job)
{
    struct acme_job *j = job->priv;

    acme_responder_close(j->responder);
    jws_key_free(j->key);
    if (j->eab_key.data)
        explicit_bzero(j->eab_key.data, j->eab_key.cap);
    buf_free(&j->eab_key);
    j->responder = NULL;
    j->key = NULL;
}

const struct driver driver_acme = {
    .name = "acme",
    .brief = "ACME: its unsigned requests, and signed conversations from account to certificate",
    .opts = acme_table,
    .metrics = acme_metrics,
    .opts_size = sizeof(struct acme_opts),
    .job_size = sizeof(struct acme_job),
    .lane_size = sizeof(struct acme_lane),
    .op_size = sizeof(struct acme_op),
    .check = acme_check,
    .declare = acme_declare,
    .prepare = acme_prepare,
    .start = acme_start,
    .fire = acme_fire,
    .stop = acme_stop,
    .collect = acme_collect,
};
