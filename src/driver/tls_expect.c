#include "driver/tls_expect.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/units.h"
#include "driver/driver.h"
#include "net/pattern.h"
#include "net/tls_facts.h"
#include "net/tls_names.h"

enum { CHAIN_ANY, CHAIN_VERIFIED, CHAIN_UNVERIFIED };

static const char *const chains[] = {"", "verified", "unverified", NULL};

#define OPT_OF struct tls_expect_opts
const struct opt tls_expect_table[] = {
    OPT_CHOICE(protocol, "", "version that was agreed on", .choices = tls_versions),
    OPT_TEXT(cipher, NULL, "cipher suite that was agreed on, by OpenSSL's name",
             .example = "TLS_AES_128_GCM_SHA256"),
    OPT_TEXT(alpn, NULL, "protocol that was agreed on; empty: none", .example = "h2"),
    OPT_TEXT(name, NULL, "host name or address that the certificate is valid for",
             .example = "edge.example.com"),
    OPT_DURATION(expires_in, "0", "the certificate is valid for at least this long", .min = 0,
                 .max = INT64_C(86400000000000) * 36500, .example = "14d"),
    OPT_TEXT(fingerprint, NULL, "SHA-256 of the certificate, in hex; colons may separate bytes",
             .example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
    OPT_TEXT(issuer, NULL, "PCRE2 pattern to find in the issuer's name",
             .example = "O=Let's Encrypt"),
    OPT_CHOICE(chain, "",
               "unverified: the chain does not lead to a trusted root; needs verify: false",
               .choices = chains),
    {0},
};
#undef OPT_OF

struct tls_expect {
    const struct tls_expect_opts *opts;
    char fingerprint[FINGERPRINT_MAX]; /* empty: any */
    const struct pattern *issuer;
    bool verify;
};

static struct pos place(const struct node *at, const char *key)
{
    const struct node *n = at ? node_find(at, key) : NULL;

    return n ? n->at : at ? at->at : (struct pos){0};
}

/* "AB:CD:..." or "abcd...": 32 bytes. */
static bool parse_fingerprint(const char *text, char out[FINGERPRINT_MAX])
{
    int n = 0;

    for (; *text; text++) {
        if (*text == ':' && n % 2 == 0)
            continue;
        if (!isxdigit((unsigned char)*text) || n == FINGERPRINT_MAX - 1)
            return false;
        out[n++] = (char)tolower((unsigned char)*text);
    }
    out[n] = '\0';
    return n == FINGERPRINT_MAX - 1;
}

struct tls_expect *tls_expect_compile(const struct tls_expect_opts *o, bool verify,
                                      const struct node *at, const char *path, struct arena *arena,
                                      struct diags *d)
{
    struct tls_expect *x = arena_new(arena, struct tls_expect);
    struct err e;
    int before = d->errors;

    x->opts = o;
    x->verify = verify;
    if (o->cipher && *o->cipher && !tls_ciphers_known(o->cipher, &e))
        diag_add(d, place(at, "cipher"), "%s.expect.cipher: %s", path, e.text);
    if (o->fingerprint && !parse_fingerprint(o->fingerprint, x->fingerprint))
        diag_add(d, place(at, "fingerprint"),
                 "%s.expect.fingerprint: \"%s\" is not a SHA-256 in hex (64 digits)", path,
                 o->fingerprint);
    if (o->issuer) {
        x->issuer = pattern_compile(o->issuer, arena, &e);
        if (!x->issuer)
            diag_add(d, place(at, "issuer"), "%s.expect.issuer: %s", path, e.text);
    }
    if (o->chain == CHAIN_UNVERIFIED && verify)
        diag_add(d, place(at, "chain"),
                 "%s.expect.chain: verify: true asks for the opposite; add verify: false", path);
    return d->errors == before ? x : NULL;
}

bool tls_expect_examines(const struct tls_expect *x)
{
    return x->verify || x->opts->chain != CHAIN_ANY;
}

struct judging {
    struct op *op;
    char *why;
    bool all;
};

static void judge(struct judging *j, bool met, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* `fmt` describes what is wrong if the check was not met. */
static void judge(struct judging *j, bool met, const char *fmt, ...)
{
    va_list ap;

    if (j->op)
        op_check(j->op, met);
    if (!met && j->all) {
        va_start(ap, fmt);
        vsnprintf(j->why, WHY_MAX, fmt, ap);
        va_end(ap);
    }
    j->all &= met;
}

static void judge_agreement(struct judging *j, const struct tls_expect_opts *o,
                            const struct tls_facts *f)
{
    if (o->protocol)
        judge(j, strcmp(f->protocol, tls_versions[o->protocol]) == 0, "TLS %s, expected %s",
              f->protocol, tls_versions[o->protocol]);
    if (o->cipher)
        judge(j, strcmp(f->cipher, o->cipher) == 0, "cipher %s, expected %s", f->cipher, o->cipher);
    if (o->alpn)
        judge(j, strcmp(f->alpn, o->alpn) == 0, "alpn \"%.60s\", expected \"%.60s\"", f->alpn,
              o->alpn);
}

static void judge_expiry(struct judging *j, const struct tls_expect_opts *o,
                         const struct tls_facts *f, int64_t now)
{
    char left[UNITS_MAX], least[UNITS_MAX];
    int64_t seconds = f->not_after - now;

    units_print_duration((double)o->expires_in, least);
    units_print_duration((double)(seconds < 0 ? -seconds : seconds) * 1e9, left);
    if (seconds < 0)
        judge(j, false, "the certificate expired %s ago, expected at least %s left", left, least);
    else
        judge(j, (double)seconds * 1e9 >= (double)o->expires_in,
              "the certificate expires in %s, expected at least %s", left, least);
}

bool tls_expect_judge(const struct tls_expect *x, const struct tls_facts *f, int64_t now,
                      struct op *op, char why[WHY_MAX])
{
    const struct tls_expect_opts *o = x->opts;
    struct judging j = {op, why, true};

    if (x->verify)
        judge(&j, !f->unverified, "the certificate does not pass: %s", f->unverified);
    judge_agreement(&j, o, f);
    if (o->name)
        judge(&j, tls_facts_name(f, o->name),
              "the certificate is not valid for %.60s (subject %.80s)", o->name, f->subject);
    if (o->expires_in)
        judge_expiry(&j, o, f, now);
    if (x->fingerprint[0])
        judge(&j, strcmp(f->fingerprint, x->fingerprint) == 0, "fingerprint %s, expected %s",
              f->fingerprint, x->fingerprint);
    if (x->issuer)
        judge(&j, pattern_search(x->issuer, f->issuer, strlen(f->issuer)),
              "issuer \"%.80s\" does not match \"%.60s\"", f->issuer, o->issuer);
    if (o->chain == CHAIN_VERIFIED && !x->verify)
        judge(&j, !f->unverified, "the chain is not verified: %s", f->unverified);
    if (o->chain == CHAIN_UNVERIFIED)
        judge(&j, f->unverified, "the chain is verified, expected one that is not");
    return j.all;
}
