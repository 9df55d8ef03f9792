/*
 * answer.c - reading values out of an answer.
 *
 * The body was sent by a peer that is not to be trusted; its size is bounded by whoever kept it,
 * its depth by jansson.
 */
#include "driver/answer.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "net/http1.h"
#include "net/pattern.h"

#define SHOWN_MAX   60
#define CODING_MAX  16
#define CODING_ROOM (CODING_MAX + sizeof(" (Content-Encoding: "))

static const char *skip_digits(const char *p, const char *end)
{
    while (p < end && isdigit((unsigned char)*p))
        p++;
    return p;
}

/* RFC 8259 6. */
static bool is_number(const char *p, const char *end)
{
    const char *start;

    if (p < end && *p == '-')
        p++;
    start = p;
    p = skip_digits(p, end);
    if (p == start || (*start == '0' && p - start > 1))
        return false;
    if (p < end && *p == '.') {
        start = ++p;
        p = skip_digits(p, end);
        if (p == start)
            return false;
    }
    if (p < end && (*p | 0x20) == 'e') {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        start = p;
        p = skip_digits(p, end);
        if (p == start)
            return false;
    }
    return p == end;
}

static bool text_is(const char *text, size_t len, const char *word)
{
    return len == strlen(word) && memcmp(text, word, len) == 0;
}

bool json_is_literal(const char *text, size_t len)
{
    return text_is(text, len, "true") || text_is(text, len, "false") ||
           text_is(text, len, "null") || is_number(text, text + len);
}

/* "${name}" and nothing around it: the one form in which a quoted scalar is not a string. */
static bool is_reference(const char *raw)
{
    int depth = 0;

    if (strncmp(raw, "${", 2) != 0)
        return false;
    for (const char *p = raw; *p; p++) {
        depth += *p == '{';
        depth -= *p == '}';
        if (depth == 0 && *p == '}')
            return p[1] == '\0';
    }
    return false;
}

bool json_reads_as_string(const struct node *scalar)
{
    if (!scalar->quoted && scalar->text[0] == '\0')
        return false;
    if (scalar->quoted && !is_reference(scalar->raw))
        return true;
    return !json_is_literal(scalar->text, strlen(scalar->text));
}

static json_t *answer_json(struct answer *a)
{
    const char *body = a->body ? a->body : "";

    if (!a->parsed && !a->cut)
        a->json = json_loadb(body, a->body_len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (!a->parsed && !a->cut && !a->json) /* perhaps an integer beyond 64 bits: those are reals */
        a->json = json_loadb(body, a->body_len,
                             JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);
    a->parsed = true;
    return a->json;
}

void answer_release(struct answer *a)
{
    json_decref(a->json);
    a->json = NULL;
    a->parsed = false;
}

static bool is_escape(const char *tilde)
{
    return tilde[1] == '0' || tilde[1] == '1';
}

/* "" or " (Content-Encoding: gzip": bodies are read as they come, and never decoded. */
static void show_coding(const struct answer *a, char out[CODING_ROOM])
{
    struct http1_span head = {a->head, a->head_len}, value;

    *out = '\0';
    if (head.len > 0 && http1_field(&head, "content-encoding", &value) && value.len > 0 &&
        !text_is(value.data, value.len, "identity"))
        snprintf(out, CODING_ROOM, " (Content-Encoding: %.*s",
                 (int)(value.len < CODING_MAX ? value.len : CODING_MAX), value.data);
}

static void explain_no_json(const struct answer *a, char why[WHY_MAX])
{
    char quoted[QUOTED_ROOM], coding[CODING_ROOM];

    show_coding(a, coding);
    answer_quote(a, quoted);
    if (*coding && !a->cut)
        snprintf(why, WHY_MAX,
                 "the body is not JSON%s, which is not decoded: send Accept-Encoding: identity)",
                 coding);
    else
        snprintf(why, WHY_MAX, "%s%s%s",
                 a->cut ? "the body is longer than max_body, so not read as JSON"
                        : "the body is not JSON",
                 a->quote ? ": " : "", a->quote ? quoted : "");
}

/* One reference token of RFC 6901, unescaped; false if it is longer than any key worth finding. */
static bool next_token(const char **p, char *token, size_t size)
{
    size_t n = 0;

    for (++*p; **p && **p != '/'; ++*p) {
        char c = **p;

        if (c == '~' && is_escape(*p))
            c = *++*p == '0' ? '~' : '/';
        if (n + 1 >= size)
            return false;
        token[n++] = c;
    }
    token[n] = '\0';
    return true;
}

const char *json_pointer_cure(const char *pointer, struct arena *arena)
{
    struct buf cured = {0};
    bool wrong = false;
    const char *text;

    for (const char *p = pointer; *p; p++) {
        bool bare = *p == '~' && !is_escape(p);

        buf_addc(&cured, *p);
        buf_adds(&cured, bare ? "0" : "");
        wrong |= bare;
    }
    text = wrong ? arena_strdup(arena, buf_text(&cured)) : NULL;
    buf_free(&cured);
    return text;
}

static json_t *array_at(json_t *array, const char *token)
{
    char *end;
    unsigned long i;

    if (!isdigit((unsigned char)*token) || (*token == '0' && token[1]))
        return NULL;
    errno = 0;
    i = strtoul(token, &end, 10);
    return *end || errno ? NULL : json_array_get(array, i);
}

static json_t *find(json_t *v, const char *pointer)
{
    char token[256];

    while (v && *pointer) {
        if (!next_token(&pointer, token, sizeof(token)))
            return NULL;
        v = json_is_array(v) ? array_at(v, token) : json_object_get(v, token);
    }
    return v;
}

static bool equal_number(const json_t *v, const char *text)
{
    if (json_is_integer(v) && !strpbrk(text, ".eE")) {
        errno = 0;
        return json_integer_value(v) == strtoll(text, NULL, 10) && errno == 0;
    }
    return fabs(json_number_value(v) - strtod(text, NULL)) <=
           1e-12 * fmax(1, fabs(json_number_value(v)));
}

static bool equal_scalar(const json_t *v, const struct node *n)
{
    const char *text = n->text;

    if (json_reads_as_string(n))
        return json_typeof(v) == JSON_STRING && json_string_length(v) == strlen(text) &&
               strcmp(json_string_value(v), text) == 0;
    switch (json_typeof(v)) {
    case JSON_TRUE:
        return strcmp(text, "true") == 0;
    case JSON_FALSE:
        return strcmp(text, "false") == 0;
    case JSON_NULL:
        return strcmp(text, "null") == 0 || *text == '\0';
    case JSON_INTEGER:
    case JSON_REAL:
        return is_number(text, text + strlen(text)) && equal_number(v, text);
    default:
        return false;
    }
}

static bool equal(const json_t *v, const struct node *n)
{
    size_t i = 0;

    if (n->type == NODE_SCALAR)
        return equal_scalar(v, n);
    if (n->type == NODE_LIST) {
        if (!json_is_array(v) || json_array_size(v) != (size_t)n->count)
            return false;
        for (const struct node *c = n->first; c; c = c->next)
            if (!equal(json_array_get(v, i++), c))
                return false;
        return true;
    }
    if (!json_is_object(v) || json_object_size(v) != (size_t)n->count)
        return false;
    for (const struct node *c = n->first; c; c = c->next) {
        const json_t *member = json_object_get(v, c->key);

        if (!member || !equal(member, c))
            return false;
    }
    return true;
}

static void show(const json_t *v, char out[SHOWN_MAX])
{
    size_t n = json_dumpb(v, out, SHOWN_MAX - 4, JSON_ENCODE_ANY | JSON_COMPACT);

    if (n > SHOWN_MAX - 4)
        memcpy(out + SHOWN_MAX - 4, "...", 4);
    else
        out[n] = '\0';
}

/* What only its quotes tell from another value keeps them. */
static void explain_scalar(const json_t *v, const struct node *expected, char why[WHY_MAX])
{
    const char *text = expected->text, *quote = "";
    char shown[SHOWN_MAX];

    if (json_reads_as_string(expected) && (!*text || json_is_literal(text, strlen(text))))
        quote = "\"";
    show(v, shown);
    snprintf(why, WHY_MAX, "json %s is %s, expected %s%.60s%s", expected->key, shown, quote, text,
             quote);
}

bool answer_has(struct answer *a, const struct node *expected, char why[WHY_MAX])
{
    json_t *whole = answer_json(a), *v = whole ? find(whole, expected->key) : NULL;
    char shown[SHOWN_MAX];

    if (v && equal(v, expected))
        return true;
    if (!whole) {
        explain_no_json(a, why);
    } else if (!v) {
        snprintf(why, WHY_MAX, "no json %s", expected->key);
    } else if (expected->type == NODE_SCALAR && !expected->secret) {
        explain_scalar(v, expected, why);
    } else {
        show(v, shown);
        snprintf(why, WHY_MAX, "json %s is %s, which is not as expected", expected->key, shown);
    }
    return false;
}

bool source_parse(struct source *s, const char *text, struct arena *arena, struct err *e)
{
    const char *cure;

    *s = (struct source){0};
    if (strncmp(text, "json:", 5) == 0 && (text[5] == '/' || text[5] == '\0')) {
        cure = json_pointer_cure(text + 5, arena);
        if (cure)
            return err_set(e, "\"%s\": " JSON_TILDE " (try \"json:%s\")", text, cure);
        *s = (struct source){.json = true, .name = text + 5};
        return true;
    }
    if (strncmp(text, "header:", 7) == 0 && text[7] != '\0') {
        *s = (struct source){.name = text + 7};
        return true;
    }
    if (strncmp(text, "regex:", 6) == 0 && text[6] != '\0') {
        s->pattern = pattern_compile(text + 6, arena, e);
        return s->pattern != NULL;
    }
    return err_set(e, "\"%s\" is none of json:/pointer, header:Name and regex:pattern", text);
}

/* Of a header field, or of the body by a pattern. */
static bool plain_text(const struct source *s, const struct answer *a, char *out, size_t size)
{
    struct http1_span head = {a->head, a->head_len}, value;
    size_t at;

    if (s->pattern) {
        if (!pattern_find(s->pattern, a->body, a->body_len, &at, &value.len))
            return false;
        value.data = a->body ? a->body + at : "";
    } else if (!http1_field(&head, s->name, &value)) {
        return false;
    }
    if (value.len == 0 || value.len >= size || memchr(value.data, '\0', value.len))
        return false;
    memcpy(out, value.data, value.len);
    out[value.len] = '\0';
    return true;
}

bool source_number(const struct source *s, struct answer *a, double *value)
{
    char text[64];
    json_t *v;

    if (s->json) {
        v = answer_json(a) ? find(a->json, s->name) : NULL;
        *value = json_number_value(v);
        return json_is_number(v);
    }
    if (!plain_text(s, a, text, sizeof(text)) || !is_number(text, text + strlen(text)))
        return false;
    *value = strtod(text, NULL);
    return isfinite(*value);
}

/* Null and nothing at all are what a server says while it has no value yet. */
static bool is_nothing(const json_t *v)
{
    return !v || json_is_null(v) || (json_is_string(v) && json_string_length(v) == 0);
}

static void explain_no_field(const struct source *s, const struct answer *a, size_t size,
                             char out[80])
{
    struct http1_span head = {a->head, a->head_len}, value;

    if (head.len == 0 || !http1_field(&head, s->name, &value))
        snprintf(out, 80, "no header %.60s", s->name);
    else if (value.len == 0)
        snprintf(out, 80, "header %.50s is empty", s->name);
    else
        snprintf(out, 80, "header %.30s has more than %zu bytes", s->name, size - 1);
}

void source_missing(const struct source *s, struct answer *a, size_t size, char out[80])
{
    json_t *v = s->json && answer_json(a) ? find(a->json, s->name) : NULL;
    char coding[CODING_ROOM];

    show_coding(a, coding);
    if (s->json && a->cut)
        snprintf(out, 80, "the body is longer than max_body");
    else if (s->json && !a->json)
        snprintf(out, 80, "the body is not JSON%s%s", coding, *coding ? ")" : "");
    else if (s->json && !v)
        snprintf(out, 80, "no json %.60s", *s->name ? s->name : "at all");
    else if (s->json && is_nothing(v))
        snprintf(out, 80, "json %.50s is %s", s->name, json_is_null(v) ? "null" : "empty");
    else if (s->json)
        snprintf(out, 80, "json %.30s has a NUL or more than %zu bytes", s->name, size - 1);
    else if (s->pattern)
        snprintf(out, 80, "the pattern finds none in the body, or more than %zu bytes", size - 1);
    else
        explain_no_field(s, a, size, out);
}

bool source_text(const struct source *s, struct answer *a, char *out, size_t size)
{
    json_t *v;
    size_t n;

    if (!s->json)
        return plain_text(s, a, out, size);
    v = answer_json(a) ? find(a->json, s->name) : NULL;
    if (is_nothing(v))
        return false;
    if (json_is_string(v))
        n = json_string_length(v) < size ? json_string_length(v) : size;
    else
        n = json_dumpb(v, out, size, JSON_ENCODE_ANY | JSON_COMPACT);
    if (n == 0 || n >= size || (json_is_string(v) && memchr(json_string_value(v), '\0', n)))
        return false;
    if (json_is_string(v))
        memcpy(out, json_string_value(v), n);
    out[n] = '\0';
    return true;
}
