#include "net/der.h"

#include <string.h>

#define SHORT_MAX  0x7f    /* a length of one byte */
#define LENGTH_MAX 0x10000 /* lengths are below it */

/* The length behind a tag, and how many bytes it takes; 0: there is none. */
static size_t read_length(const unsigned char *at, size_t left, size_t *len)
{
    if (left >= 1 && at[0] <= SHORT_MAX) {
        *len = at[0];
        return 1;
    }
    if (left >= 2 && at[0] == 0x81 && at[1] > SHORT_MAX) {
        *len = at[1];
        return 2;
    }
    if (left >= 3 && at[0] == 0x82 && at[1] > 0) {
        *len = (size_t)at[1] << 8 | at[2];
        return 3;
    }
    return 0;
}

bool der_take(struct der_span *in, enum der_tag tag, struct der_span *contents,
              struct der_span *whole)
{
    size_t len = 0, head;

    if (in->len < 2 || in->data[0] != (unsigned char)tag)
        return false;
    head = read_length(in->data + 1, in->len - 1, &len);
    if (head == 0 || len > in->len - 1 - head)
        return false;
    head++;
    *contents = (struct der_span){in->data + head, len};
    if (whole)
        *whole = (struct der_span){in->data, head + len};
    in->data += head + len;
    in->len -= head + len;
    return true;
}

void der_begin(struct der_out *d, unsigned char *to, size_t size)
{
    *d = (struct der_out){to, to + size, to + size, false};
}

void der_put(struct der_out *d, const void *bytes, size_t len)
{
    if (len > (size_t)(d->at - d->start)) {
        d->full = true;
        return;
    }
    d->at -= len;
    if (len > 0)
        memcpy(d->at, bytes, len);
}

size_t der_mark(const struct der_out *d)
{
    return (size_t)(d->end - d->at);
}

void der_wrap(struct der_out *d, enum der_tag tag, size_t mark)
{
    size_t len = der_mark(d) - mark;
    unsigned char head[4] = {(unsigned char)tag};

    if (len >= LENGTH_MAX) {
        d->full = true;
    } else if (len <= SHORT_MAX) {
        head[1] = (unsigned char)len;
        der_put(d, head, 2);
    } else if (len <= 0xff) {
        head[1] = 0x81;
        head[2] = (unsigned char)len;
        der_put(d, head, 3);
    } else {
        head[1] = 0x82;
        head[2] = (unsigned char)(len >> 8);
        head[3] = (unsigned char)len;
        der_put(d, head, 4);
    }
}

void der_element(struct der_out *d, enum der_tag tag, const void *contents, size_t len)
{
    size_t mark = der_mark(d);

    der_put(d, contents, len);
    der_wrap(d, tag, mark);
}
