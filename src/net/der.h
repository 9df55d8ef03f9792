/*
 * der.h - a little DER (X.690 10): elements read in their order, and written from the last to the
 * first, so that what is inside is there before its length is needed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum der_tag {
    DER_INTEGER = 0x02,
    DER_BIT_STRING = 0x03,
    DER_OCTET_STRING = 0x04,
    DER_OID = 0x06,
    DER_UTF8_STRING = 0x0c,
    DER_PRINTABLE_STRING = 0x13,
    DER_UTC_TIME = 0x17,
    DER_GENERALIZED_TIME = 0x18,
    DER_SEQUENCE = 0x30,
    DER_SET = 0x31,
    DER_CONTEXT_0 = 0xa0, /* constructed */
    DER_CONTEXT_3 = 0xa3,
    DER_NAME_URI = 0x86, /* of a GeneralName (RFC 5280 4.2.1.6) */
};

struct der_span {
    const unsigned char *data;
    size_t len;
};

/*
 * Takes the element with this tag off the front of `in`: its contents, and, unless `whole` is NULL,
 * with tag and length.  False, and `in` stays, if there is another one, if its length is not the
 * shortest way to write it, is 64 KiB or more, or says more than there is.
 */
bool der_take(struct der_span *in, enum der_tag tag, struct der_span *contents,
              struct der_span *whole);

struct der_out {
    unsigned char *start, *at, *end; /* at: the first byte that is written */
    bool full;                       /* there was no room for all of it */
};

void der_begin(struct der_out *d, unsigned char *to, size_t size);
void der_put(struct der_out *d, const void *bytes, size_t len); /* before what is there */

/* An element around what has been written since `mark`, which is what der_mark() said then. */
size_t der_mark(const struct der_out *d);
void der_wrap(struct der_out *d, enum der_tag tag, size_t mark);
void der_element(struct der_out *d, enum der_tag tag, const void *contents, size_t len);
