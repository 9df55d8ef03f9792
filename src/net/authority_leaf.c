#include "net/authority_leaf.h"

#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include "base/buf.h"
#include "base/clock.h"
#include "net/der.h"

#define HOUR          3600
#define LEAF_DAYS     90
#define LEAF_MAX      4096
#define SIGNATURE_MAX 256
#define SERIAL        16 /* bytes; of 127 bits, of which the first is set */
#define PEM_LINE      48 /* bytes that a line stands for */
#define UTC_TIME_END  2050

static const unsigned char version_3[] = {0x02, 0x01, 0x02};
static const unsigned char ecdsa_sha256[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
                                             0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
static const unsigned char organization[] = {0x06, 0x03, 0x55, 0x04, 0x0a};
static const unsigned char common_name[] = {0x06, 0x03, 0x55, 0x04, 0x03};
static const unsigned char subject_alt_name[] = {0x06, 0x03, 0x55, 0x1d, 0x11};

bool leaf_form_issuer(struct leaf_form *f, const X509_NAME *name)
{
    int len = i2d_X509_NAME(name, &f->issuer.der);

    f->issuer.len = len > 0 ? (size_t)len : 0;
    return len > 0;
}

bool leaf_form_extension(struct leaf_form *f, const X509_EXTENSION *extension)
{
    struct leaf_part *p = &f->extensions[f->extension_count];
    int len = i2d_X509_EXTENSION(extension, &p->der);

    p->len = len > 0 ? (size_t)len : 0;
    f->extension_count += len > 0;
    return len > 0;
}

void leaf_form_fini(struct leaf_form *f)
{
    OPENSSL_free(f->issuer.der);
    for (int i = 0; i < f->extension_count; i++)
        OPENSSL_free(f->extensions[i].der);
    *f = (struct leaf_form){0};
}

static void put_extensions(struct der_out *d, const struct leaf_form *f, const char *uri)
{
    size_t end = der_mark(d), name = end;

    der_element(d, DER_NAME_URI, uri, strlen(uri));
    der_wrap(d, DER_SEQUENCE, name);
    der_wrap(d, DER_OCTET_STRING, name);
    der_put(d, subject_alt_name, sizeof(subject_alt_name));
    der_wrap(d, DER_SEQUENCE, name);
    for (int i = f->extension_count - 1; i >= 0; i--)
        der_put(d, f->extensions[i].der, f->extensions[i].len);
    der_wrap(d, DER_SEQUENCE, end);
    der_wrap(d, DER_CONTEXT_3, end);
}

static void put_attribute(struct der_out *d, const unsigned char type[5], const char *value)
{
    size_t end = der_mark(d);

    der_element(d, DER_UTF8_STRING, value, strlen(value));
    der_put(d, type, 5);
    der_wrap(d, DER_SEQUENCE, end);
    der_wrap(d, DER_SET, end);
}

static void put_subject(struct der_out *d, const struct leaf_subject *who)
{
    size_t end = der_mark(d);

    put_attribute(d, common_name, who->agent);
    put_attribute(d, organization, who->org);
    der_wrap(d, DER_SEQUENCE, end);
}

/* RFC 5280 4.1.2.5: two digits of the year before 2050, four from then on. */
static void put_time(struct der_out *d, int64_t at)
{
    time_t t = (time_t)at;
    char text[32];
    struct tm tm;
    size_t n, century;

    gmtime_r(&t, &tm);
    n = strftime(text, sizeof(text), "%Y%m%d%H%M%SZ", &tm);
    century = tm.tm_year + 1900 < UTC_TIME_END ? 2 : 0;
    der_element(d, century ? DER_UTC_TIME : DER_GENERALIZED_TIME, text + century, n - century);
}

static void put_validity(struct der_out *d, int64_t from, int64_t to)
{
    size_t end = der_mark(d);

    put_time(d, to);
    put_time(d, from);
    der_wrap(d, DER_SEQUENCE, end);
}

static bool put_serial(struct der_out *d)
{
    unsigned char serial[SERIAL];

    if (RAND_bytes(serial, sizeof(serial)) != 1)
        return false;
    serial[0] = (unsigned char)((serial[0] & 0x7f) | 0x40);
    der_element(d, DER_INTEGER, serial, sizeof(serial));
    return true;
}

/* TBSCertificate: what is signed. */
static bool put_signed_part(struct der_out *d, const struct leaf_form *f,
                            const struct leaf_subject *who, int64_t now, int64_t to)
{
    size_t end = der_mark(d), mark;

    put_extensions(d, f, who->uri);
    der_put(d, who->key, who->key_len);
    put_subject(d, who);
    put_validity(d, now - HOUR, to);
    der_put(d, f->issuer.der, f->issuer.len);
    der_put(d, ecdsa_sha256, sizeof(ecdsa_sha256));
    if (!put_serial(d))
        return false;
    mark = der_mark(d);
    der_put(d, version_3, sizeof(version_3));
    der_wrap(d, DER_CONTEXT_0, mark);
    der_wrap(d, DER_SEQUENCE, end);
    return !d->full;
}

static bool sign(EVP_PKEY *by, const struct der_out *d, unsigned char signature[SIGNATURE_MAX],
                 size_t *len)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool ok = md && EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, by) == 1 &&
              EVP_DigestSign(md, signature, len, d->at, der_mark(d)) == 1;

    EVP_MD_CTX_free(md);
    ERR_clear_error();
    return ok;
}

/* What stands behind the signed part. */
static void put_signature(struct der_out *d, const unsigned char *signature, size_t len)
{
    size_t end = der_mark(d);

    der_put(d, signature, len);
    der_put(d, "", 1); /* no unused bits */
    der_wrap(d, DER_BIT_STRING, end);
    der_put(d, ecdsa_sha256, sizeof(ecdsa_sha256));
}

static void add_pem(struct buf *out, const unsigned char *der, size_t len)
{
    unsigned char line[PEM_LINE / 3 * 4 + 1];

    buf_adds(out, "-----BEGIN CERTIFICATE-----\n");
    for (size_t n; len > 0; der += n, len -= n) {
        n = len < PEM_LINE ? len : PEM_LINE;
        buf_add(out, line, (size_t)EVP_EncodeBlock(line, der, (int)n));
        buf_addc(out, '\n');
    }
    buf_adds(out, "-----END CERTIFICATE-----\n");
}

bool leaf_issue(const struct leaf_form *f, EVP_PKEY *by, const struct leaf_subject *who,
                struct buf *pem, int64_t *not_after)
{
    int64_t now = (int64_t)(wall_ns() / NS_PER_S), to = now + (int64_t)LEAF_DAYS * 24 * HOUR;
    unsigned char part[LEAF_MAX], all[LEAF_MAX], signature[SIGNATURE_MAX];
    size_t len = sizeof(signature);
    struct der_out inner, outer;

    der_begin(&inner, part, sizeof(part));
    if (!put_signed_part(&inner, f, who, now, to) || !sign(by, &inner, signature, &len))
        return false;
    der_begin(&outer, all, sizeof(all));
    put_signature(&outer, signature, len);
    der_put(&outer, inner.at, der_mark(&inner));
    der_wrap(&outer, DER_SEQUENCE, 0);
    if (outer.full)
        return false;
    add_pem(pem, outer.at, der_mark(&outer));
    *not_after = to;
    return true;
}
