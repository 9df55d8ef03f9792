/*
 * f5_profiles.c - client-ssl profiles, changed at once or in a transaction.
 *
 * A transaction gathers changes and applies all of them or none: a certificate that is not there,
 * or a key that is not its own, leaves every profile as it was.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/units.h"
#include "target/f5_state.h"
#include "target/reply.h"

#define ID_MAX 24

struct change {
    const char *profile, *cert, *key, *chain; /* "": as it was */
};

static bool exists(struct session *se, const char *kind, const char *name, struct err *e)
{
    bool failed;
    char *found;

    if (!*name)
        return true;
    found = f5_value(se, "select name from f5_objects where kind = $1 and name = $2",
                     STATE_VALUES(kind, name), &failed, e);
    if (!found && !failed)
        err_set(e, "The requested %s (/Common/%s) was not found.", kind, name);
    free(found);
    return found != NULL;
}

/* Within a transaction of the database. */
static bool apply(struct f5_call *k, const struct change *c, struct err *e)
{
    char now[ID_MAX];

    snprintf(now, sizeof(now), "%" PRIu64, wall_ns() / 1000);
    return exists(k->se, "cert", c->cert, e) && exists(k->se, "key", c->key, e) &&
           exists(k->se, "cert", c->chain, e) &&
           session_run(k->se,
                       "insert into f5_profiles (name, cert, key, chain, changed)"
                       " values ($1, $2, $3, $4, $5) on conflict (name) do update set"
                       " cert = coalesce(nullif(excluded.cert, ''), f5_profiles.cert),"
                       " key = coalesce(nullif(excluded.key, ''), f5_profiles.key),"
                       " chain = coalesce(nullif(excluded.chain, ''), f5_profiles.chain),"
                       " changed = excluded.changed",
                       STATE_VALUES(c->profile, c->cert, c->key, c->chain, now), NULL, NULL, e) &&
           f5_check(k->se, c->profile, e);
}

struct row {
    bool found;
    struct buf *out;
};

static void take_profile(void *arg, const char *const *v, int n)
{
    static const char *const names[] = {"cert", "key", "chain"};
    struct row *row = arg;
    (void)n;
    row->found = true;
    buf_adds(row->out, "{\"kind\":\"tm:ltm:profile:client-ssl:client-sslstate\",\"name\":");
    json_add_text(row->out, v[0]);
    json_add_member(row->out, "partition", "Common");
    for (int i = 0; i < 3; i++) {
        struct buf value = {0};

        if (v[i + 1] && *v[i + 1])
            buf_printf(&value, "/Common/%s", v[i + 1]);
        json_add_member(row->out, names[i], value.len ? value.data : "none");
        buf_free(&value);
    }
    buf_addc(row->out, '}');
}

static void show_profile(struct f5_call *k, const char *name)
{
    struct buf out = {0};
    struct row row = {.out = &out};
    struct db_sink to = {take_profile, &row};
    struct err e;

    if (!session_run(k->se, "select name, cert, key, chain from f5_profiles where name = $1",
                     STATE_VALUES(name), &to, NULL, &e))
        f5_failed(k, &e);
    else if (row.found)
        f5_send(k, 200, &out);
    else
        f5_refuse(k, 404, "The requested Client SSL Profile was not found.");
    buf_free(&out);
}

static struct change change_of(const char *profile, const json_t *body)
{
    return (struct change){.profile = profile,
                           .cert = f5_name(f5_text(body, "cert")),
                           .key = f5_name(f5_text(body, "key")),
                           .chain = f5_name(f5_text(body, "chain"))};
}

/* The transaction that the request names; false: it is none, or not open, and is answered. */
static bool names_transaction(struct f5_call *k, const char *id)
{
    bool failed;
    struct err e;
    char *state = f5_value(k->se, "select state from f5_transactions where id = $1",
                           STATE_VALUES(id), &failed, &e);
    bool open = state && strcmp(state, "STARTED") == 0;

    free(state);
    if (failed)
        f5_failed(k, &e);
    else if (!open)
        f5_refuse(k, 404, "There is no open transaction with this id.");
    return open;
}

/* An id of ours, in decimal, or nothing that the database could choke on. */
static const char *id_of(const char *text, size_t len, char out[ID_MAX])
{
    int64_t n = -1;
    char copy[ID_MAX] = "";

    if (len < sizeof(copy))
        memcpy(copy, text, len);
    if (!units_int(copy, &n) || n < 0)
        n = -1;
    snprintf(out, ID_MAX, "%" PRId64, n);
    return out;
}

static void add_change(struct f5_call *k, const char *transaction, const struct change *c)
{
    char id[ID_MAX];
    struct err e;

    if (!names_transaction(k, transaction))
        return;
    snprintf(id, sizeof(id), "%" PRIu64, (uint64_t)atomic_fetch_add(&k->f->ids, 1));
    if (session_run(k->se, "insert into f5_changes values ($1, $2, $3, $4, $5, $6)",
                    STATE_VALUES(id, transaction, c->profile, c->cert, c->key, c->chain), NULL,
                    NULL, &e))
        show_profile(k, c->profile);
    else
        f5_failed(k, &e);
}

static void change_now(struct f5_call *k, const struct change *c)
{
    struct err e;

    if (session_begin(k->se, &e) && apply(k, c, &e) && session_commit(k->se, &e) &&
        f5_show(k->f, k->se, &e))
        show_profile(k, c->profile);
    else
        f5_refuse(k, 400, e.text);
}

static void change_profile(struct f5_call *k, const char *name)
{
    struct http1_span value;
    json_t *body = f5_body(k);
    struct change c = change_of(name, body);
    char id[ID_MAX];

    if (!body)
        f5_refuse(k, 400, "Found invalid JSON body in the request.");
    else if (http1_field(&k->rq->head, "x-f5-rest-coordination-id", &value))
        add_change(k, id_of(value.data, value.len, id), &c);
    else
        change_now(k, &c);
    json_decref(body);
}

static void delete_profile(struct f5_call *k, const char *name)
{
    uint64_t count;
    struct err e;

    if (!session_run(k->se, "delete from f5_profiles where name = $1", STATE_VALUES(name), NULL,
                     &count, &e))
        f5_failed(k, &e);
    else if (count)
        f5_send(k, 200, &(struct buf){0});
    else
        f5_refuse(k, 404, "The requested Client SSL Profile was not found.");
}

void f5_profile(struct f5_call *k, const char *name)
{
    if (k->get)
        show_profile(k, name);
    else if (k->patch)
        change_profile(k, name);
    else if (k->delete)
        delete_profile(k, name);
    else
        f5_refuse(k, 405, "Method not allowed");
}

void f5_profiles(struct f5_call *k)
{
    json_t *body = f5_body(k);
    const char *name = f5_name(f5_text(body, "name"));
    struct change c = change_of(name, body);

    if (!k->post)
        f5_refuse(k, 405, "Method not allowed");
    else if (!*name)
        f5_refuse(k, 400, "one or more properties must be specified: name");
    else
        change_now(k, &c);
    json_decref(body);
}

static void say_state(struct f5_call *k, const char *id, const char *state)
{
    struct buf out = {0};

    buf_printf(&out,
               "{\"transId\":%s,\"state\":\"%s\",\"timeoutSeconds\":120,"
               "\"kind\":\"tm:transactionstate\"}",
               id, state);
    f5_send(k, 200, &out);
}

void f5_transactions(struct f5_call *k)
{
    char id[ID_MAX];
    struct err e;

    snprintf(id, sizeof(id), "%" PRIu64, (uint64_t)atomic_fetch_add(&k->f->ids, 1));
    if (!k->post)
        f5_refuse(k, 405, "Method not allowed");
    else if (session_run(k->se, "insert into f5_transactions values ($1, 'STARTED')",
                         STATE_VALUES(id), NULL, NULL, &e))
        say_state(k, id, "STARTED");
    else
        f5_failed(k, &e);
}

struct changes {
    char **texts; /* four for each change */
    int count;
};

static void take_change(void *arg, const char *const *v, int n)
{
    struct changes *all = arg;

    (void)n;
    all->texts = xrealloc(all->texts, sizeof(*all->texts) * 4 * (size_t)(all->count + 1));
    for (int i = 0; i < 4; i++)
        all->texts[4 * all->count + i] = mem_check(strdup(v[i] ? v[i] : ""));
    all->count++;
}

static bool apply_all(struct f5_call *k, const char *id, struct err *e)
{
    struct changes all = {0};
    struct db_sink to = {take_change, &all};
    bool ok = session_run(k->se,
                          "select profile, cert, key, chain from f5_changes"
                          " where transaction_id = $1 order by id",
                          STATE_VALUES(id), &to, NULL, e);

    for (int i = 0; i < 4 * all.count; i += 4) {
        struct change c = {all.texts[i], all.texts[i + 1], all.texts[i + 2], all.texts[i + 3]};

        ok = ok && apply(k, &c, e);
    }
    for (int i = 0; i < 4 * all.count; i++)
        free(all.texts[i]);
    free(all.texts);
    return ok;
}

static void commit(struct f5_call *k, const char *id)
{
    struct err e;

    if (!names_transaction(k, id))
        return;
    if (session_begin(k->se, &e) && apply_all(k, id, &e) &&
        session_run(k->se, "update f5_transactions set state = 'COMPLETED' where id = $1",
                    STATE_VALUES(id), NULL, NULL, &e) &&
        session_commit(k->se, &e) && f5_show(k->f, k->se, &e))
        say_state(k, id, "COMPLETED");
    else
        f5_refuse(k, 400, e.text);
}

static void end_transaction(struct f5_call *k, const char *id)
{
    struct err e;

    if (!names_transaction(k, id))
        return;
    if (session_run(k->se, "delete from f5_transactions where id = $1", STATE_VALUES(id), NULL,
                    NULL, &e))
        f5_send(k, 200, &(struct buf){0});
    else
        f5_failed(k, &e);
}

static void show_transaction(struct f5_call *k, const char *id)
{
    bool failed;
    struct err e;
    char *state = f5_value(k->se, "select state from f5_transactions where id = $1",
                           STATE_VALUES(id), &failed, &e);

    if (failed)
        f5_failed(k, &e);
    else if (state)
        say_state(k, id, state);
    else
        f5_refuse(k, 404, "There is no transaction with this id.");
    free(state);
}

void f5_transaction(struct f5_call *k, const char *text)
{
    char id[ID_MAX];

    id_of(text, strlen(text), id);
    if (k->get)
        show_transaction(k, id);
    else if (k->delete)
        end_transaction(k, id);
    else if (k->patch)
        commit(k, id);
    else
        f5_refuse(k, 405, "Method not allowed");
}
