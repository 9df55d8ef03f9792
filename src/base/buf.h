/*
 * buf.h - text that grows.
 *
 * `{0}` is empty.  `data` is NUL-terminated whenever `len` is not 0 and may be NULL otherwise;
 * buf_text() never is.  The owner calls buf_free().
 */
#pragma once

#include <stddef.h>

struct buf {
    char *data;
    size_t len, cap;
};

void buf_add(struct buf *b, const void *bytes, size_t len);
void buf_addc(struct buf *b, char c);
void buf_adds(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_reserve(struct buf *b, size_t more); /* room for `more` further bytes */
void buf_clear(struct buf *b);                /* empty, memory kept */
void buf_free(struct buf *b);
const char *buf_text(const struct buf *b);
