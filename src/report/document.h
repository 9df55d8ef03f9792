/*
 * document.h - JSON documents: built, and read back without trust.
 *
 * Text from elsewhere goes in by document_text(), which cleans it (text.h); document_word() is for
 * this program's own vocabulary.  Keys keep the order in which they were set and numbers have one
 * way of being written, so that equal results are equal bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

struct arena;
struct buf;
struct err;

json_t *document_text(const char *s);  /* NULL is null */
json_t *document_lines(const char *s); /* line ends kept */
json_t *document_word(const char *s);
json_t *document_number(double v);  /* whole numbers without a fraction; not finite: null */
json_t *document_count(uint64_t n); /* at most 2^63 - 1 */
json_t *document_ms(double ns);     /* milliseconds, to the nanosecond */
void document_set(json_t *object, const char *user_key, json_t *value); /* the key is cleaned */
json_t *document_get(json_t *object, const char *user_key);             /* the same; or NULL */

/* Takes the reference of `root`.  Readable: indented, 15 digits; else compact, exact doubles. */
void document_write(json_t *root, bool readable, struct buf *out);

struct reading {         /* reading stops at the first fault; everything after it returns zero */
    struct arena *arena; /* texts are copied there */
    struct err *e;
    const char *file; /* for messages */
    bool failed;
};

/* NULL with the reason if it is no JSON object of the schema `schema`. */
json_t *document_parse(struct reading *rd, const char *text, size_t len, const char *schema);

/* A member of an object, of the type that the name says; missing is a fault. */
const json_t *read_object(struct reading *rd, const json_t *from, const char *key);
const json_t *read_list(struct reading *rd, const json_t *from, const char *key);
const char *read_text(struct reading *rd, const json_t *from, const char *key);     /* not null */
const char *read_optional(struct reading *rd, const json_t *from, const char *key); /* or NULL */
bool read_bool(struct reading *rd, const json_t *from, const char *key);
uint64_t read_count(struct reading *rd, const json_t *from, const char *key);
double read_number(struct reading *rd, const json_t *from, const char *key); /* 0 or more */
uint64_t read_ns(struct reading *rd, const json_t *from, const char *key);   /* from milliseconds */

/* Always NULL. */
const void *read_fault(struct reading *rd, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
