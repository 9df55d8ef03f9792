#include "report/document.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "report/text.h"

static json_t *cleaned(const char *s, bool lines)
{
    struct buf b = {0};
    json_t *v;

    if (!s)
        return json_null();
    text_clean(s, strlen(s), lines, &b);
    v = mem_check(json_stringn(buf_text(&b), b.len));
    buf_free(&b);
    return v;
}

json_t *document_text(const char *s)
{
    return cleaned(s, false);
}

json_t *document_lines(const char *s)
{
    return cleaned(s, true);
}

json_t *document_word(const char *s)
{
    return s ? mem_check(json_string(s)) : json_null();
}

json_t *document_number(double v)
{
    if (!isfinite(v))
        return json_null();
    if (v == trunc(v) && fabs(v) < 0x1p53)
        return mem_check(json_integer((json_int_t)v));
    return mem_check(json_real(v));
}

json_t *document_count(uint64_t n)
{
    return mem_check(json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n));
}

json_t *document_ms(double ns)
{
    return document_number(round(ns) / 1e6);
}

void document_set(json_t *object, const char *user_key, json_t *value)
{
    struct buf b = {0};

    text_add(&b, user_key);
    json_object_set_new(object, buf_text(&b), value);
    buf_free(&b);
}

json_t *document_get(json_t *object, const char *user_key)
{
    struct buf b = {0};
    json_t *value;

    text_add(&b, user_key);
    value = json_object_get(object, buf_text(&b));
    buf_free(&b);
    return value;
}

static int take(const char *bytes, size_t len, void *out)
{
    buf_add(out, bytes, len);
    return 0;
}

void document_write(json_t *root, bool readable, struct buf *out)
{
    size_t flags = readable ? JSON_INDENT(2) | JSON_REAL_PRECISION(15)
                            : JSON_COMPACT | JSON_REAL_PRECISION(17);

    if (json_dump_callback(root, take, out, flags) != 0)
        bug("a JSON document could not be written");
    buf_addc(out, '\n');
    json_decref(root);
}

const void *read_fault(struct reading *rd, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    if (rd->failed)
        return NULL;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    rd->failed = true;
    err_set(rd->e, "%s: %s", rd->file, text);
    return NULL;
}

json_t *document_parse(struct reading *rd, const char *text, size_t len, const char *schema)
{
    json_error_t error;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
    const char *found = json_string_value(json_object_get(root, "schema"));

    if (!root) {
        read_fault(rd, "line %d: %s", error.line, error.text);
    } else if (!found || strcmp(found, schema) != 0) {
        read_fault(rd, "schema is \"%.60s\", but this version reads \"%s\"", found ? found : "",
                   schema);
        json_decref(root);
        root = NULL;
    }
    return root;
}

static const json_t *member(struct reading *rd, const json_t *from, const char *key)
{
    const json_t *v = rd->failed ? NULL : json_object_get(from, key);

    if (!v)
        read_fault(rd, "no \"%s\"", key);
    return v;
}

const json_t *read_object(struct reading *rd, const json_t *from, const char *key)
{
    const json_t *v = member(rd, from, key);

    return !v || json_is_object(v) ? v : read_fault(rd, "\"%s\" is not an object", key);
}

const json_t *read_list(struct reading *rd, const json_t *from, const char *key)
{
    const json_t *v = member(rd, from, key);

    return !v || json_is_array(v) ? v : read_fault(rd, "\"%s\" is not a list", key);
}

const char *read_optional(struct reading *rd, const json_t *from, const char *key)
{
    const json_t *v = member(rd, from, key);

    if (!v || json_is_null(v))
        return NULL;
    if (!json_is_string(v))
        return read_fault(rd, "\"%s\" is not text", key);
    return arena_strdup(rd->arena, json_string_value(v));
}

const char *read_text(struct reading *rd, const json_t *from, const char *key)
{
    const char *s = read_optional(rd, from, key);

    if (!s)
        read_fault(rd, "\"%s\" is not text", key);
    return s ? s : "";
}

bool read_bool(struct reading *rd, const json_t *from, const char *key)
{
    const json_t *v = member(rd, from, key);

    if (v && !json_is_boolean(v))
        read_fault(rd, "\"%s\" is neither true nor false", key);
    return json_is_true(v);
}

uint64_t read_count(struct reading *rd, const json_t *from, const char *key)
{
    const json_t *v = member(rd, from, key);

    if (v && (!json_is_integer(v) || json_integer_value(v) < 0)) {
        read_fault(rd, "\"%s\" is not a count", key);
        return 0;
    }
    return v ? (uint64_t)json_integer_value(v) : 0;
}

double read_number(struct reading *rd, const json_t *from, const char *key)
{
    const json_t *v = member(rd, from, key);
    double n = json_number_value(v);

    if (v && (!json_is_number(v) || !isfinite(n) || n < 0)) {
        read_fault(rd, "\"%s\" is not a number of 0 or more", key);
        return 0;
    }
    return n;
}

uint64_t read_ns(struct reading *rd, const json_t *from, const char *key)
{
    double ns = read_number(rd, from, key) * 1e6;

    if (ns > 0x1p62) {
        read_fault(rd, "\"%s\" is too long a time", key);
        return 0;
    }
    return (uint64_t)llround(ns);
}
