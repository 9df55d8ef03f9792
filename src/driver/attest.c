#include "driver/attest.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/jwt.h"

#define SECOND INT64_C(1000000000)
#define DAY    (INT64_C(86400) * SECOND)

static const char *const algorithms[] = {"HS256", "none", NULL};
static const char *const nonces[] = {"echo", "other", "none", NULL};
static const char *const reauths[] = {"answer", "ignore", "other-nonce", NULL};

#define OPT_OF struct attest_opts
const struct opt attest_table[] = {
    OPT_TEXT(secret, NULL, "what tokens are signed with, white space around it cut off",
             .flags = OPT_REQUIRED | OPT_SECRET, .example = "${secrets.hmac}"),
    OPT_TEXTS(hostnames, "names that the backend wants to serve", .flags = OPT_REQUIRED,
              .example = "[app.example.com]"),
    OPT_TEXT(name, "shakedown", "subject of the tokens: the backend's name"),
    OPT_INT(weight, "1", "share of the traffic, in proportion to other backends", .min = 0,
            .max = 1000000),
    OPT_TEXT(issuer, "authorizer", "issuer that the tokens name"),
    OPT_TEXT(audience, "nexus", "audience that the tokens name"),
    OPT_DURATION(ttl, "60s", "how long a token is valid", .min = SECOND, .max = DAY),
    OPT_DURATION(age, "0",
                 "pretend that tokens were made this long ago; beyond ttl they are expired",
                 .max = 365 * DAY),
    OPT_DURATION(reauth_interval, "600s", "ask to be challenged again this often", .min = SECOND,
                 .max = DAY),
    OPT_DURATION(reauth_grace, "30s", "ask for this long to answer such a challenge", .min = SECOND,
                 .max = DAY),
    OPT_DURATION(handshake_max_age, "0",
                 "allow stage 0 to be this old at stage 1; 0: the hub's own", .max = DAY),
    OPT_CHOICE(algorithm, "HS256", "none: tokens are not signed", .choices = algorithms),
    OPT_CHOICE(nonce, "echo", "what stage 1 has for a nonce: the challenge's, another, or none",
               .choices = nonces),
    OPT_TEXTS(stage1_hostnames, "what stage 1 says in place of the hostnames of stage 0"),
    OPT_CHOICE(reauth, "answer", "what is done about a later challenge", .choices = reauths),
    {0},
};
#undef OPT_OF

static json_t *list_of(const struct texts *t)
{
    json_t *list = json_array();

    for (int i = 0; i < t->n; i++)
        json_array_append_new(list, mem_check(json_string(t->v[i])));
    return list;
}

/* All that stays the same, as text that the rest can be put behind. */
static const char *make_claims(const struct attest_opts *o, enum attest_stage stage,
                               struct arena *arena)
{
    bool other = stage != STAGE_0 && o->stage1_hostnames.n > 0;
    json_t *json = mem_check(json_pack(
        "{s:s, s:[s], s:s, s:o, s:I, s:I, s:I}", "iss", o->issuer, "aud", o->audience, "sub",
        o->name, "hostnames", list_of(other ? &o->stage1_hostnames : &o->hostnames), "weight",
        (json_int_t)o->weight, "reauth_interval_seconds", (json_int_t)(o->reauth_interval / SECOND),
        "reauth_grace_seconds", (json_int_t)(o->reauth_grace / SECOND)));
    const char *text;
    char *dump;

    if (stage == STAGE_0 && o->handshake_max_age > 0)
        json_object_set_new(json, "handshake_max_age_seconds",
                            json_integer(o->handshake_max_age / SECOND));
    dump = mem_check(json_dumps(json, JSON_COMPACT));
    text = arena_strndup(arena, dump, strlen(dump) - 1);
    free(dump);
    json_decref(json);
    return text;
}

static bool is_utf8(const struct texts *t)
{
    bool ok = true;

    for (int i = 0; ok && i < t->n; i++) {
        json_t *s = json_string(t->v[i]);

        ok = s != NULL;
        json_decref(s);
    }
    return ok;
}

bool attest_init(struct attest *a, const struct attest_opts *o, struct arena *arena, struct err *e)
{
    const char *texts[] = {o->issuer, o->audience, o->name};
    const struct texts plain = {texts, 3};
    const char *key = o->secret ? o->secret : "";
    size_t len;

    if (!is_utf8(&plain) || !is_utf8(&o->hostnames) || !is_utf8(&o->stage1_hostnames))
        return err_set(e, "claims of a token have to be UTF-8");
    while (isspace((unsigned char)*key))
        key++;
    len = strlen(key);
    while (len > 0 && isspace((unsigned char)key[len - 1]))
        len--;
    if (len == 0)
        return err_set(e, "the secret is empty");
    *a = (struct attest){
        .key = arena_strndup(arena, key, len),
        .key_len = len,
        .ttl_s = o->ttl / SECOND,
        .age_s = o->age / SECOND,
        .algorithm = (enum attest_algorithm)o->algorithm,
        .nonce = (enum attest_nonce)o->nonce,
        .reauth = (enum attest_reauth)o->reauth,
    };
    for (int i = 0; i < STAGES; i++)
        a->claims[i] = make_claims(o, (enum attest_stage)i, arena);
    return true;
}

/* A nonce as good as the hub's in all but being another. */
static void add_other(struct buf *b, const char *nonce)
{
    for (const char *p = nonce; *p; p++)
        buf_addc(b, *p == 'A' ? 'B' : 'A');
}

static void add_nonce(const struct attest *a, enum attest_stage stage, const char *nonce,
                      struct buf *b)
{
    bool other = stage == STAGE_1 ? a->nonce == NONCE_OTHER : a->reauth == REAUTH_OTHER_NONCE;

    if (stage == STAGE_0 || (stage == STAGE_1 && a->nonce == NONCE_NONE))
        return;
    buf_adds(b, ",\"session_nonce\":\"");
    if (other)
        add_other(b, nonce);
    else
        buf_adds(b, nonce);
    buf_addc(b, '"');
}

void attest_token(const struct attest *a, enum attest_stage stage, const char *nonce,
                  uint64_t unix_s, struct buf *out)
{
    int64_t issued = (int64_t)unix_s - a->age_s;
    struct buf claims = {0};

    buf_adds(&claims, a->claims[stage]);
    buf_printf(&claims, ",\"iat\":%" PRId64 ",\"exp\":%" PRId64, issued, issued + a->ttl_s);
    add_nonce(a, stage, nonce, &claims);
    buf_addc(&claims, '}');
    jwt_add(out, claims.data, claims.len, a->algorithm == ALGORITHM_NONE ? NULL : a->key,
            a->key_len);
    buf_free(&claims);
}

/* It goes back inside a JSON string as it stands, so it may only be what base64url has. */
static bool copy_nonce(const json_t *value, char nonce[NONCE_MAX + 1])
{
    const char *text = json_string_value(value);
    size_t len = text ? strlen(text) : 0;

    if (len == 0 || len > NONCE_MAX)
        return false;
    for (const char *p = text; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_')
            return false;
    memcpy(nonce, text, len + 1);
    return true;
}

enum challenge attest_challenge(const char *text, size_t len, char nonce[NONCE_MAX + 1])
{
    json_t *json = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
    const char *type = json_string_value(json_object_get(json, "type"));
    enum challenge c = CHALLENGE_NONE;

    if (type && strcmp(type, "handshake_challenge") == 0)
        c = CHALLENGE_HANDSHAKE;
    else if (type && strcmp(type, "reauth_challenge") == 0)
        c = CHALLENGE_REAUTH;
    if (c != CHALLENGE_NONE && !copy_nonce(json_object_get(json, "nonce"), nonce))
        c = CHALLENGE_NONE;
    json_decref(json);
    return c;
}
