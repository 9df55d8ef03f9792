/* Keys, thumbprints and signatures, held against the examples of the RFCs. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "net/base64url.h"
#include "net/jws.h"

static void base64url_is_as_in_the_rfc(void **state)
{
    static const struct {
        const char *plain, *text;
    } cases[] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xff\xfe", "__4"}};
    struct buf out = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        buf_clear(&out);
        base64url_add(&out, cases[i].plain, strlen(cases[i].plain));
        assert_string_equal(buf_text(&out), cases[i].text);
        buf_clear(&out);
        assert_true(base64url_decode(&out, cases[i].text, strlen(cases[i].text)));
        assert_string_equal(buf_text(&out), cases[i].plain);
    }
    buf_free(&out);
}

static void base64url_is_strict(void **state)
{
    static const char *const bad[] = {"Z",    "Zg==", "Zm8=", "Zh",   "Zm9",
                                      "Zg\n", "Z+8",  "Z/8",  "Zm 9v"};
    struct buf out = {0};

    (void)state;
    buf_adds(&out, "before");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (base64url_decode(&out, bad[i], strlen(bad[i])))
            fail_msg("%s was taken", bad[i]);
    assert_string_equal(out.data, "before");
    assert_true(base64url_is("aZ09-_", 6));
    assert_false(base64url_is("", 0));
    assert_false(base64url_is("a=", 2));
    buf_free(&out);
}

static const char ed25519_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n"
    "-----END PRIVATE KEY-----\n";

/* RFC 8037 A.1 to A.5: Ed25519 signatures are the same every time. */
static void ed25519_is_as_in_the_rfc(void **state)
{
    struct err e;
    struct jws_key *k = jws_key_read(ed25519_pem, strlen(ed25519_pem), &e);
    struct buf out = {0};

    (void)state;
    assert_non_null(k);
    assert_int_equal(jws_key_alg(k), JWS_EDDSA);
    assert_string_equal(jws_key_jwk(k), "{\"crv\":\"Ed25519\",\"kty\":\"OKP\",\"x\":"
                                        "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}");
    assert_string_equal(jws_key_thumbprint(k), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert_true(jws_sign(&out, k, (struct jws_text){"{\"alg\":\"EdDSA\"}", 15},
                         (struct jws_text){"Example of Ed25519 signing", 26}, &e));
    assert_string_equal(
        out.data, "{\"protected\":\"eyJhbGciOiJFZERTQSJ9\",\"payload\":"
                  "\"RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc\",\"signature\":"
                  "\"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7s"
                  "VvpAr_MuM0KAg\"}");
    buf_free(&out);
    jws_key_free(k);
}

static const char rfc_input[] = "eyJhbGciOiJFUzI1NiJ9."
                                "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
                                "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
static const char rfc_signature[] =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSA"
    "pmWQxfKTUJqPP3-Kg6NU1Q";

/* RFC 7515 A.3 */
static void es256_is_as_in_the_rfc(void **state)
{
    struct jwk jwk = {.kty = "EC",
                      .crv = "P-256",
                      .x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                      .y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"};
    struct err e;
    struct jws_key *k = jws_key_public(&jwk, &e);
    struct jws_text input = {rfc_input, strlen(rfc_input)};
    struct buf sig = {0};

    (void)state;
    assert_non_null(k);
    assert_true(base64url_decode(&sig, rfc_signature, strlen(rfc_signature)));
    assert_true(jws_verify(k, input, sig.data, sig.len));
    sig.data[5] ^= 1;
    assert_false(jws_verify(k, input, sig.data, sig.len));
    sig.data[5] ^= 1;
    input.len--;
    assert_false(jws_verify(k, input, sig.data, sig.len));
    assert_false(jws_verify(k, input, sig.data, sig.len - 1));
    buf_free(&sig);
    jws_key_free(k);
}

/* RFC 7638 3.1 */
static void a_thumbprint_is_as_in_the_rfc(void **state)
{
    struct jwk jwk = {
        .kty = "RSA",
        .e = "AQAB",
        .n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSo"
             "c_"
             "BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-"
             "65YGjQR0"
             "_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-"
             "bFTWh"
             "AI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"};
    struct err e;
    struct jws_key *k = jws_key_public(&jwk, &e);

    (void)state;
    assert_non_null(k);
    assert_int_equal(jws_key_alg(k), JWS_RS256);
    assert_string_equal(jws_key_thumbprint(k), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    jws_key_free(k);
}

/* The value of a member that has no escapes, as it stands in the JSON. */
static struct jws_text member(const struct buf *json, const char *name)
{
    char key[32];
    const char *from, *to;

    snprintf(key, sizeof(key), "\"%s\":\"", name);
    from = strstr(json->data, key);
    assert_non_null(from);
    from += strlen(key);
    to = strchr(from, '"');
    return (struct jws_text){from, (size_t)(to - from)};
}

static void read_back(const char *jwk_text, struct jws_key **out)
{
    struct buf b = {0}, texts[6] = {0};
    static const char *const names[] = {"kty", "crv", "x", "y", "n", "e"};
    struct jwk jwk = {0};
    const char **fields[] = {&jwk.kty, &jwk.crv, &jwk.x, &jwk.y, &jwk.n, &jwk.e};
    struct err e;

    buf_adds(&b, jwk_text);
    for (int i = 0; i < 6; i++) {
        char key[16];

        snprintf(key, sizeof(key), "\"%s\":", names[i]);
        if (!strstr(jwk_text, key))
            continue;
        buf_add(&texts[i], member(&b, names[i]).data, member(&b, names[i]).len);
        *fields[i] = texts[i].data;
    }
    *out = jws_key_public(&jwk, &e);
    for (int i = 0; i < 6; i++)
        buf_free(&texts[i]);
    buf_free(&b);
}

static void what_is_signed_can_be_verified(void **state)
{
    (void)state;
    for (int alg = 0; alg < JWS_ALGS; alg++) {
        struct err e;
        struct jws_key *k = jws_key_new((enum jws_alg)alg, &e), *other, *public;
        struct buf out = {0}, input = {0}, sig = {0};

        assert_non_null(k);
        other = jws_key_new((enum jws_alg)alg, &e);
        read_back(jws_key_jwk(k), &public);
        assert_non_null(public);
        assert_string_equal(jws_key_thumbprint(k), jws_key_thumbprint(public));
        for (int i = 0; i < 20; i++) { /* about one r in 256 is a byte shorter */
            buf_clear(&out), buf_clear(&input), buf_clear(&sig);
            assert_true(
                jws_sign(&out, k, (struct jws_text){"{}", 2}, (struct jws_text){"x", 1}, &e));
            buf_printf(&input, "%.*s.%.*s", (int)member(&out, "protected").len,
                       member(&out, "protected").data, (int)member(&out, "payload").len,
                       member(&out, "payload").data);
            assert_true(base64url_decode(&sig, member(&out, "signature").data,
                                         member(&out, "signature").len));
            assert_true(
                jws_verify(public, (struct jws_text){input.data, input.len}, sig.data, sig.len));
            assert_false(
                jws_verify(other, (struct jws_text){input.data, input.len}, sig.data, sig.len));
        }
        buf_free(&out), buf_free(&input), buf_free(&sig);
        jws_key_free(k), jws_key_free(other), jws_key_free(public);
    }
}

static void other_keys_are_refused(void **state)
{
    static const struct jwk bad[] = {
        {.kty = "EC", .crv = "P-384", .x = "AA", .y = "AA"},
        {.kty = "EC",
         .crv = "P-256", /* not on the curve */
         .x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
         .y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a1"},
        {.kty = "EC", .crv = "P-256", .x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"},
        {.kty = "OKP", .crv = "X25519", .x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        {.kty = "OKP", .crv = "Ed25519", .x = "11qY"},
        {.kty = "RSA", .n = "AQAB", .e = "AQAB"}, /* short */
        {.kty = "oct"},
        {0},
    };
    struct err e;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (jws_key_public(&bad[i], &e))
            fail_msg("key %zu was taken", i);
    assert_null(jws_key_read("nothing", 7, &e));
}

/* The binding of RFC 8555 7.3.4; the value is Python's. */
static void a_shared_secret_signs(void **state)
{
    struct buf out = {0};
    struct err e;

    (void)state;
    assert_true(jws_mac(&out, "secret", 6, (struct jws_text){"{\"alg\":\"HS256\"}", 15},
                        (struct jws_text){"{}", 2}, &e));
    assert_string_equal(out.data,
                        "{\"protected\":\"eyJhbGciOiJIUzI1NiJ9\",\"payload\":\"e30\",\"signature\":"
                        "\"XmNK3GpH3Ys_7wsYBfq4C3M6goz71I7dTgUkuIa5lyQ\"}");
    buf_free(&out);
}

UNIT_GROUP(jws, cmocka_unit_test(base64url_is_as_in_the_rfc), cmocka_unit_test(base64url_is_strict),
           cmocka_unit_test(ed25519_is_as_in_the_rfc), cmocka_unit_test(es256_is_as_in_the_rfc),
           cmocka_unit_test(a_thumbprint_is_as_in_the_rfc),
           cmocka_unit_test(what_is_signed_can_be_verified),
           cmocka_unit_test(other_keys_are_refused), cmocka_unit_test(a_shared_secret_signs))
