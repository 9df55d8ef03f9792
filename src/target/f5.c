#include "target/f5.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/issuer.h"
#include "net/keypair.h"
#include "target/f5_state.h"

static const char tables[] =
    "create table if not exists f5_files (name text primary key, content text not null);\n"
    "create table if not exists f5_objects (kind text not null, name text not null,\n"
    "    pem text not null, primary key (kind, name));\n"
    "create table if not exists f5_profiles (name text primary key, cert text not null,\n"
    "    key text not null, chain text not null, changed bigint not null);\n"
    "create table if not exists f5_transactions (id bigint primary key, state text not null);\n"
    "create table if not exists f5_changes (id bigint primary key, transaction_id bigint not null\n"
    "    references f5_transactions (id) on delete cascade, profile text not null,\n"
    "    cert text not null, key text not null, chain text not null);\n"
    "insert into f5_profiles values ('clientssl', '', '', '', 0) on conflict (name) do nothing;\n";

static void take_value(void *arg, const char *const *values, int n)
{
    char **out = arg;

    (void)n;
    if (!*out)
        *out = mem_check(strdup(values[0] ? values[0] : ""));
}

char *f5_value(struct session *se, const char *sql, const struct db_values *v, bool *failed,
               struct err *e)
{
    char *value = NULL;
    struct db_sink to = {take_value, &value};

    *failed = !session_run(se, sql, v, &to, NULL, e);
    return value;
}

static void choose(void *arg, const char *name, struct ssl_st *ssl)
{
    struct f5 *f = arg;

    (void)name;
    pthread_mutex_lock(&f->lock);
    if (f->shown)
        keypair_present(f->shown, ssl);
    pthread_mutex_unlock(&f->lock);
}

static void show(struct f5 *f, struct keypair *pair)
{
    struct keypair *old;

    pthread_mutex_lock(&f->lock);
    old = f->shown;
    f->shown = pair;
    pthread_mutex_unlock(&f->lock);
    keypair_free(old);
}

/* What the profile refers to; NULL with `*ok`: nothing complete, and else they do not fit. */
static struct keypair *pair_of(struct session *se, const char *profile, bool *ok, struct err *e)
{
    static const char cert[] =
        "select o.pem || coalesce(c.pem, '') from f5_profiles p"
        " join f5_objects o on o.kind = 'cert' and o.name = p.cert"
        " left join f5_objects c on c.kind = 'cert' and c.name = p.chain where p.name = $1";
    static const char key[] = "select o.pem from f5_profiles p"
                              " join f5_objects o on o.kind = 'key' and o.name = p.key"
                              " where p.name = $1";
    bool no_cert, no_key = false;
    char *certs = f5_value(se, cert, STATE_VALUES(profile), &no_cert, e);
    char *secret = certs ? f5_value(se, key, STATE_VALUES(profile), &no_key, e) : NULL;
    struct keypair *pair = certs && secret ? keypair_parse(certs, secret, e) : NULL;

    *ok = !no_cert && !no_key && (pair || !certs || !secret);
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
    free(certs);
    return pair;
}

bool f5_check(struct session *se, const char *profile, struct err *e)
{
    bool ok;

    keypair_free(pair_of(se, profile, &ok, e));
    return ok;
}

bool f5_show(struct f5 *f, struct session *se, struct err *e)
{
    static const char last[] = "select name from f5_profiles order by changed desc limit 1";
    struct keypair *pair = NULL;
    bool ok = false, failed;
    char *profile = f5_value(se, last, STATE_NONE, &failed, e);

    if (profile)
        pair = pair_of(se, profile, &ok, e);
    if (pair)
        show(f, pair);
    free(profile);
    return !failed && (ok || !profile);
}

static bool load(struct f5 *f, struct err *e)
{
    struct state_schema schema = {.source = "f5", .both = tables};
    struct session *se;
    bool ok;

    if (!state_create(f->state, &schema, e))
        return false;
    se = state_take(f->state, e);
    ok = se && f5_show(f, se, e);
    state_give(se);
    return ok;
}

struct f5 *f5_new(struct state *state, struct ssl_ctx_st *tls, struct err *e)
{
    struct f5 *f = xcalloc(1, sizeof(*f));
    uint64_t random[2] = {wall_ns(), now_ns()};

    f->state = state;
    f->ids = wall_ns() / 1000; /* larger than those of any process before it */
    pthread_mutex_init(&f->lock, NULL);
    if (getrandom(random, sizeof(random), 0) < 0)
        random[0] ^= (uint64_t)(uintptr_t)f;
    snprintf(f->token, sizeof(f->token), "%016" PRIX64 "%016" PRIX64, random[0], random[1]);
    if (!load(f, e)) {
        f5_free(f);
        return NULL;
    }
    if (tls)
        issuer_choose(tls, choose, f);
    return f;
}

void f5_free(struct f5 *f)
{
    if (!f)
        return;
    keypair_free(f->shown);
    pthread_mutex_destroy(&f->lock);
    free(f);
}
