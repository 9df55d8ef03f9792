#include "unit.h"

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "driver/attest.h"
#include "net/jwt.h"

/* RFC 7515 A.1 has another header, so the expected token is OpenSSL's and Python's. */
static void a_token_is_signed(void **state)
{
    struct buf out = {0};

    (void)state;
    jwt_add(&out, "{\"a\":1}", 7, "key", 3);
    assert_string_equal(buf_text(&out), "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJhIjoxfQ."
                                        "Z4rGK-v6a2sWAUQdmALR3aYbXZviLr8j26a9ndx_bM4");
    buf_clear(&out);
    jwt_add(&out, "{\"a\":1}", 7, NULL, 0);
    assert_string_equal(buf_text(&out), "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJhIjoxfQ.");
    buf_free(&out);
}

static const char *hosts[] = {"a.test", "b.test"}, *others[] = {"c.test"};

static struct attest_opts usual(void)
{
    return (struct attest_opts){
        .secret = " \tkey\r\n",
        .name = "n",
        .issuer = "authorizer",
        .audience = "nexus",
        .hostnames = {hosts, 2},
        .weight = 1,
        .ttl = INT64_C(60000000000),
        .reauth_interval = INT64_C(600000000000),
        .reauth_grace = INT64_C(30000000000),
    };
}

#define CLAIMS(names) \
    "{\"iss\":\"authorizer\",\"aud\":[\"nexus\"],\"sub\":\"n\",\"hostnames\":[" names "]," \
    "\"weight\":1,\"reauth_interval_seconds\":600,\"reauth_grace_seconds\":30"
#define BOTH  "\"a.test\",\"b.test\""
#define TIMES ",\"iat\":1000,\"exp\":1060"

/* The token of a stage is that of the claims that were expected, signed with the trimmed secret. */
static void expect_claims(const struct attest_opts *o, enum attest_stage stage, const char *claims)
{
    struct buf got = {0}, want = {0};
    struct arena arena = {0};
    struct attest a;
    struct err e;

    assert_true(attest_init(&a, o, &arena, &e));
    attest_token(&a, stage, stage == STAGE_0 ? "" : "AB_-", 1000, &got);
    jwt_add(&want, claims, strlen(claims), o->algorithm == ALGORITHM_NONE ? NULL : "key", 3);
    assert_string_equal(buf_text(&got), buf_text(&want));
    buf_free(&got);
    buf_free(&want);
    arena_free(&arena);
}

static void stages_have_their_claims(void **state)
{
    struct attest_opts o = usual();

    (void)state;
    expect_claims(&o, STAGE_0, CLAIMS(BOTH) TIMES "}");
    expect_claims(&o, STAGE_1, CLAIMS(BOTH) TIMES ",\"session_nonce\":\"AB_-\"}");
    expect_claims(&o, STAGE_REAUTH, CLAIMS(BOTH) TIMES ",\"session_nonce\":\"AB_-\"}");
    o.handshake_max_age = INT64_C(5000000000);
    expect_claims(&o, STAGE_0, CLAIMS(BOTH) ",\"handshake_max_age_seconds\":5" TIMES "}");
    expect_claims(&o, STAGE_1, CLAIMS(BOTH) TIMES ",\"session_nonce\":\"AB_-\"}");
}

static void faults_are_made_where_they_are_asked_for(void **state)
{
    struct attest_opts o = usual();

    (void)state;
    o.nonce = NONCE_OTHER;
    expect_claims(&o, STAGE_1, CLAIMS(BOTH) TIMES ",\"session_nonce\":\"BAAA\"}");
    expect_claims(&o, STAGE_REAUTH, CLAIMS(BOTH) TIMES ",\"session_nonce\":\"AB_-\"}");
    o.nonce = NONCE_NONE;
    expect_claims(&o, STAGE_1, CLAIMS(BOTH) TIMES "}");
    o = usual();
    o.reauth = REAUTH_OTHER_NONCE;
    expect_claims(&o, STAGE_1, CLAIMS(BOTH) TIMES ",\"session_nonce\":\"AB_-\"}");
    expect_claims(&o, STAGE_REAUTH, CLAIMS(BOTH) TIMES ",\"session_nonce\":\"BAAA\"}");
    o = usual();
    o.age = INT64_C(100000000000);
    expect_claims(&o, STAGE_0, CLAIMS(BOTH) ",\"iat\":900,\"exp\":960}");
    o = usual();
    o.stage1_hostnames = (struct texts){others, 1};
    expect_claims(&o, STAGE_0, CLAIMS(BOTH) TIMES "}");
    expect_claims(&o, STAGE_1, CLAIMS("\"c.test\"") TIMES ",\"session_nonce\":\"AB_-\"}");
    o = usual();
    o.algorithm = ALGORITHM_NONE;
    expect_claims(&o, STAGE_0, CLAIMS(BOTH) TIMES "}");
}

static void an_empty_secret_is_refused(void **state)
{
    struct attest_opts o = usual();
    struct arena arena = {0};
    struct attest a;
    struct err e;

    (void)state;
    o.secret = " \n";
    assert_false(attest_init(&a, &o, &arena, &e));
    assert_string_equal(e.text, "the secret is empty");
    o = usual();
    o.name = "\xff";
    assert_false(attest_init(&a, &o, &arena, &e));
    arena_free(&arena);
}

static void challenges_are_read(void **state)
{
    static const struct {
        const char *text;
        enum challenge want;
    } samples[] = {
        {"{\"type\":\"handshake_challenge\",\"nonce\":\"a-_9\"}", CHALLENGE_HANDSHAKE},
        {" {\"nonce\":\"a-_9\",\"type\":\"reauth_challenge\",\"more\":[]} ", CHALLENGE_REAUTH},
        {"{\"type\":\"reauth_challenge\",\"nonce\":\"\"}", CHALLENGE_NONE},
        {"{\"type\":\"reauth_challenge\",\"nonce\":\"a\\\"b\"}", CHALLENGE_NONE},
        {"{\"type\":\"reauth_challenge\",\"nonce\":7}", CHALLENGE_NONE},
        {"{\"type\":\"reauth_challenge\"}", CHALLENGE_NONE},
        {"{\"type\":\"greeting\",\"nonce\":\"a\"}", CHALLENGE_NONE},
        {"{\"type\":7,\"nonce\":\"a\"}", CHALLENGE_NONE},
        {"[]", CHALLENGE_NONE},
        {"{", CHALLENGE_NONE},
        {"", CHALLENGE_NONE},
    };
    char nonce[NONCE_MAX + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        enum challenge c = attest_challenge(samples[i].text, strlen(samples[i].text), nonce);

        assert_int_equal(c, samples[i].want);
        if (c != CHALLENGE_NONE)
            assert_string_equal(nonce, "a-_9");
    }
}

UNIT_GROUP(attest, cmocka_unit_test(a_token_is_signed), cmocka_unit_test(stages_have_their_claims),
           cmocka_unit_test(faults_are_made_where_they_are_asked_for),
           cmocka_unit_test(an_empty_secret_is_refused), cmocka_unit_test(challenges_are_read))
