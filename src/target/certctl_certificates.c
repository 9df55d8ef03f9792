/* certctl_certificates.c - certificates: made, listed, shown, deployed. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "target/certctl_state.h"

static const char *missing(const json_t *body)
{
    static const char *const needed[] = {"name",    "common_name",       "issuer_id", "owner_id",
                                         "team_id", "renewal_policy_id", NULL};

    for (int i = 0; needed[i]; i++)
        if (!*certctl_text(body, needed[i]))
            return needed[i];
    return NULL;
}

/* As Postgres reads an array. */
static void add_sans(struct buf *out, const json_t *sans)
{
    buf_addc(out, '{');
    for (size_t i = 0; i < json_array_size(sans); i++) {
        const char *text = json_string_value(json_array_get(sans, i));

        buf_adds(out, i ? ",\"" : "\"");
        for (const char *p = text ? text : ""; *p; p++) {
            if (*p == '"' || *p == '\\')
                buf_addc(out, '\\');
            buf_addc(out, *p);
        }
        buf_addc(out, '"');
    }
    buf_addc(out, '}');
}

static bool insert(struct call *k, const char *const *row, bool *taken, struct err *e)
{
    int64_t due = k->now_ms + k->c->opts.deploy_after / 1000000;
    char run[RUN_ID_MAX], job[RUN_ID_MAX + 8], ms[NUMBER_MAX];
    uint64_t count = 0;

    certctl_id(k->c, run);
    snprintf(job, sizeof(job), "job-%s", run);
    if (!session_begin(k->se, e) ||
        !session_run(k->se,
                     "insert into managed_certificates (" CERTIFICATE_COLUMNS ") values"
                     " ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
                     " on conflict (name) do nothing",
                     &(struct db_values){row, 14}, NULL, &count, e))
        return false;
    *taken = count == 0;
    if (*taken)
        return true;
    if (!session_run(k->se,
                     "insert into jobs (id, certificate_id, type, status, due_ms, run_id,"
                     " created_at) values ($1, $2, 'Issuance', 'Pending', $3, $4, $5)",
                     STATE_VALUES(job, row[0], certctl_number(due, ms), run, k->now), NULL, NULL,
                     e) ||
        !session_commit(k->se, e))
        return false;
    certctl_due(k->c, due);
    return true;
}

/* The real server does not tell a name that is taken from any other error of its database. */
static void add_certificate(struct call *k, const json_t *body)
{
    const json_t *tags = json_object_get(body, "tags");
    char *tags_text =
        mem_check(json_is_object(tags) ? json_dumps(tags, JSON_COMPACT) : strdup("{}"));
    char run[RUN_ID_MAX], id[RUN_ID_MAX + 8], never[TIME_MAX];
    struct buf sans = {0}, out = {0};
    bool taken = false;
    struct err e;

    certctl_id(k->c, run);
    snprintf(id, sizeof(id), "cert-%s", run);
    certctl_time(0, never);
    add_sans(&sans, json_object_get(body, "sans"));
    const char *row[] = {id,
                         certctl_text(body, "name"),
                         certctl_text(body, "common_name"),
                         sans.data,
                         certctl_text(body, "environment"),
                         certctl_text(body, "owner_id"),
                         certctl_text(body, "team_id"),
                         certctl_text(body, "issuer_id"),
                         certctl_text(body, "renewal_policy_id"),
                         "Pending",
                         never,
                         tags_text,
                         k->now,
                         k->now};
    if (!insert(k, row, &taken, &e)) {
        certctl_failed(k, "Failed to create certificate", &e);
    } else if (taken) {
        certctl_refuse(k, 500, "Internal Server Error", "Failed to create certificate");
    } else {
        json_add_certificate(&out, row);
        certctl_send(k, 201, &out);
    }
    free(tags_text);
    buf_free(&sans);
}

void certctl_create_certificate(struct call *k)
{
    json_t *body = certctl_body(k);
    const char *without = body ? missing(body) : NULL;
    char message[64];

    if (!body) {
        certctl_refuse(k, 400, "Bad Request", "Invalid request body");
    } else if (without) {
        snprintf(message, sizeof(message), "%s is required", without);
        certctl_refuse(k, 400, "Bad Request", message);
    } else {
        add_certificate(k, body);
    }
    json_decref(body);
}

static void add_row(void *arg, const char *const *values, int n)
{
    struct buf *out = arg;

    (void)n;
    if (out->len)
        buf_addc(out, ',');
    json_add_certificate(out, values);
}

void certctl_list_certificates(struct call *k)
{
    struct page p = certctl_page(k);
    struct buf rows = {0};
    struct db_sink to = {add_row, &rows};
    int64_t total;
    struct err e;

    if (certctl_settle(k->c, k->se, k->now_ms, &e) &&
        certctl_count(k, "select count(*) from managed_certificates", STATE_NONE, &total, &e) &&
        session_run(k->se,
                    "select " CERTIFICATE_COLUMNS " from managed_certificates"
                    " order by created_at, id limit $1 offset $2",
                    STATE_VALUES(p.limit, p.offset), &to, NULL, &e))
        certctl_send_page(k, &p, &rows, total);
    else
        certctl_failed(k, "Failed to list certificates", &e);
    buf_free(&rows);
}

void certctl_show_certificate(struct call *k, const char *id)
{
    struct buf out = {0};
    struct db_sink to = {add_row, &out};
    struct err e;

    if (!certctl_settle(k->c, k->se, k->now_ms, &e) ||
        !session_run(k->se,
                     "select " CERTIFICATE_COLUMNS " from managed_certificates where id = $1",
                     STATE_VALUES(id), &to, NULL, &e))
        certctl_failed(k, "Failed to get certificate", &e);
    else if (out.len)
        certctl_send(k, 200, &out);
    else
        certctl_refuse(k, 404, "Not Found", "Certificate not found");
    buf_free(&out);
}

struct deployment {
    bool found;
    char *server_name; /* NULL: not deployed */
    bool told;         /* the fingerprint is in the database */
};

static void take_deployment(void *arg, const char *const *values, int n)
{
    struct deployment *d = arg;

    (void)n;
    d->found = true;
    d->server_name = values[1] ? mem_check(strdup(values[1])) : NULL;
    d->told = values[2] != NULL;
}

static void say_deployment(struct call *k, const char *id, const char *status,
                           const char *server_name, const char *fingerprint)
{
    struct buf out = {0};

    buf_adds(&out, "{\"certificate_id\":");
    json_add_text(&out, id);
    json_add_member(&out, "status", status);
    if (server_name)
        json_add_member(&out, "server_name", server_name);
    if (fingerprint)
        json_add_member(&out, "fingerprint", fingerprint);
    buf_addc(&out, '}');
    certctl_send(k, 200, &out);
}

static void say_deployed(struct call *k, const char *id, const struct deployment *d)
{
    char fingerprint[ISSUER_FINGERPRINT_MAX];
    struct err e;

    if (!leaves_fingerprint(k->c->leaves, d->server_name, fingerprint))
        say_deployment(k, id, "failed", NULL, NULL);
    else if (!d->told &&
             !session_run(k->se,
                          "update deployments set fingerprint = $2 where certificate_id = $1",
                          STATE_VALUES(id, fingerprint), NULL, NULL, &e))
        certctl_failed(k, "Failed to record the deployment", &e);
    else
        say_deployment(k, id, "deployed", d->server_name, fingerprint);
}

void certctl_show_deployment(struct call *k, const char *id)
{
    struct deployment d = {0};
    struct db_sink to = {take_deployment, &d};
    struct err e;

    if (!certctl_settle(k->c, k->se, k->now_ms, &e) ||
        !session_run(k->se,
                     "select c.id, d.server_name, d.fingerprint from managed_certificates c"
                     " left join deployments d on d.certificate_id = c.id and d.status = 'deployed'"
                     " where c.id = $1",
                     STATE_VALUES(id), &to, NULL, &e))
        certctl_failed(k, "Failed to get the deployment", &e);
    else if (!d.found)
        certctl_refuse(k, 404, "Not Found", "Certificate not found");
    else if (!d.server_name)
        say_deployment(k, id, "pending", NULL, NULL);
    else
        say_deployed(k, id, &d);
    free(d.server_name);
}
