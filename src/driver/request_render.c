/*
 * request_render.c - pieces to bytes, for one operation.
 *
 * The body is rendered first, behind the largest possible head, because the head has its length;
 * the head is then moved up against it.  A value with a line end would become a field, or a
 * request, of its own: what a template brings into a field is checked, and what it brings into the
 * path or query percent-encoded where it cannot stand there.
 */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "driver/answer.h"
#include "driver/request_parts.h"

#define BAD        SIZE_MAX
#define FIXED_ROOM 128 /* version, content-length and connection */

static void add(struct pieces *p, struct arena *arena, const struct piece *piece)
{
    if (p->n == p->cap) {
        struct piece *old = p->v;

        p->cap = p->cap ? p->cap * 2 : 8;
        p->v = arena_array(arena, struct piece, p->cap);
        if (p->n)
            memcpy(p->v, old, sizeof(*old) * (size_t)p->n);
    }
    p->v[p->n++] = *piece;
}

void pieces_text(struct pieces *p, struct arena *arena, const char *text, size_t len)
{
    struct piece *last = p->n ? &p->v[p->n - 1] : NULL;
    char *joined;

    if (len == 0)
        return;
    if (!last || last->kind != PIECE_TEXT) {
        add(p, arena, &(struct piece){PIECE_TEXT, arena_strndup(arena, text, len), len, NULL, len});
        return;
    }
    joined = arena_alloc(arena, last->len + len + 1);
    memcpy(joined, last->text, last->len);
    memcpy(joined + last->len, text, len);
    *last = (struct piece){PIECE_TEXT, joined, last->len + len, NULL, last->len + len};
}

void pieces_template(struct pieces *p, struct arena *arena, enum piece_kind kind,
                     const struct template *t)
{
    size_t room = template_bound(t, CAPTURE_BYTES_MAX);

    if (kind == PIECE_JSON || kind == PIECE_JSON_VALUE)
        room = room * 7 + 2;
    else if (kind == PIECE_BASE64)
        room = room * 3 + 8;
    else if (kind == PIECE_TARGET)
        room *= 3;
    add(p, arena, &(struct piece){kind, NULL, 0, t, room});
}

bool pieces_constant(const struct pieces *p)
{
    for (int i = 0; i < p->n; i++)
        if (p->v[i].kind != PIECE_TEXT)
            return false;
    return true;
}

size_t pieces_room(const struct pieces *p)
{
    size_t room = 0;

    for (int i = 0; i < p->n; i++)
        room += p->v[i].room;
    return room;
}

static bool may_stand(enum piece_kind kind, const char *s, size_t len, char why[WHY_MAX])
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];

        if (kind == PIECE_TARGET && (c <= ' ' || c == 0x7f)) {
            snprintf(why, WHY_MAX,
                     "the path has a space or control character in it; percent-encode it");
            return false;
        }
        if (c == '\r' || c == '\n' || c == '\0') {
            snprintf(why, WHY_MAX, "a header value has a line end in it");
            return false;
        }
    }
    return true;
}

bool pieces_check(enum piece_kind kind, const char *text, char why[WHY_MAX])
{
    return may_stand(kind, text, strlen(text), why);
}

static size_t put_base64(char *out, size_t len, size_t room)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *in = memmove(out + room - len, out, len);
    size_t n = 0;

    for (size_t i = 0; i < len; i += 3) {
        unsigned a = in[i], b = i + 1 < len ? in[i + 1] : 0, c = i + 2 < len ? in[i + 2] : 0;

        out[n++] = digits[a >> 2];
        out[n++] = digits[(a & 3) << 4 | b >> 4];
        out[n++] = i + 1 < len ? digits[(b & 15) << 2 | c >> 6] : '=';
        out[n++] = i + 2 < len ? digits[c & 63] : '=';
    }
    return n;
}

void pieces_base64(struct pieces *p, struct arena *arena, const char *text)
{
    size_t len = strlen(text), room = len * 3 + 8;
    char *out = arena_alloc(arena, room);

    memcpy(out, text, len);
    pieces_text(p, arena, out, put_base64(out, len, room));
}

/* RFC 8259 7; `len` bytes in `room` at `out`, which is at least six times as much. */
static size_t put_escaped(char *out, size_t len, size_t room)
{
    const char *in = out, *end = out + len;
    size_t n = 0;

    while (in < end && (unsigned char)*in >= 0x20 && *in != '"' && *in != '\\')
        in++;
    if (in == end)
        return len;
    in = memmove(out + room - len, out, len);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)in[i];

        if (c == '"' || c == '\\')
            out[n++] = '\\';
        if (c >= 0x20)
            out[n++] = (char)c;
        else
            n += (size_t)sprintf(out + n, "\\u%04x", c);
    }
    return n;
}

static size_t put_json_value(char *out, size_t len, size_t room)
{
    if (json_is_literal(out, len))
        return len;
    memmove(out + 1, out, len);
    out[0] = '"';
    len = put_escaped(out + 1, len, room - 2);
    out[len + 1] = '"';
    return len + 2;
}

/* RFC 3986 2: what can stand in a path or query by itself, what is escaped already left alone. */
static bool stands_in_target(unsigned char c)
{
    return c > ' ' && c < 0x7f && !strchr("\"#<>\\^`{|}", c);
}

static size_t put_target(char *out, size_t len, size_t room)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *in = out, *end = out + len;
    size_t n = 0;

    while (in < end && stands_in_target((unsigned char)*in))
        in++;
    if (in == end)
        return len;
    in = memmove(out + room - len, out, len);
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)in[i];

        if (stands_in_target(c)) {
            out[n++] = (char)c;
            continue;
        }
        out[n++] = '%';
        out[n++] = digits[c >> 4];
        out[n++] = digits[c & 15];
    }
    return n;
}

const char *json_quote(const char *text, struct arena *arena)
{
    size_t len = strlen(text), room = len * 7 + 2;
    char *out = arena_alloc(arena, room + 1);

    memcpy(out + 1, text, len);
    out[0] = '"';
    len = put_escaped(out + 1, len, room - 2);
    out[len + 1] = '"';
    return out;
}

static size_t put_piece(const struct piece *p, const struct template_values *v, char *out,
                        char why[WHY_MAX])
{
    size_t len;

    if (p->kind == PIECE_TEXT) {
        memcpy(out, p->text, p->len);
        return p->len;
    }
    len = template_render(p->tmpl, v, out, p->room);
    if (len > p->room) {
        snprintf(why, WHY_MAX, "a rendered value is longer than %zu bytes", p->room);
        return BAD;
    }
    switch (p->kind) {
    case PIECE_JSON:
        return put_escaped(out, len, p->room);
    case PIECE_JSON_VALUE:
        return put_json_value(out, len, p->room);
    case PIECE_BASE64:
        return put_base64(out, len, p->room);
    case PIECE_TARGET:
        return put_target(out, len, p->room);
    case PIECE_BODY:
        return len;
    default:
        return may_stand(p->kind, out, len, why) ? len : BAD;
    }
}

static size_t put_pieces(const struct pieces *ps, const struct template_values *v, char *out,
                         char why[WHY_MAX])
{
    size_t len = 0;

    for (int i = 0; i < ps->n; i++) {
        size_t n = put_piece(&ps->v[i], v, out + len, why);

        if (n == BAD)
            return BAD;
        len += n;
    }
    return len;
}

size_t request_head_room(const struct request *r)
{
    const struct request_parts *p = r->parts;

    return strlen(r->method) + pieces_room(&p->path) + strlen(p->host) + pieces_room(&p->fields) +
           FIXED_ROOM;
}

/* RFC 9112 3 and 5; the head of a message with `body_len` bytes of body. */
static size_t put_head(const struct request *r, const struct template_values *v, size_t body_len,
                       char *out, char why[WHY_MAX])
{
    const struct request_parts *p = r->parts;
    size_t len = (size_t)sprintf(out, "%s ", r->method), n;

    n = put_pieces(&p->path, v, out + len, why);
    if (n == BAD)
        return BAD;
    len += n;
    len += (size_t)sprintf(out + len, " HTTP/1.1\r\n");
    if (!p->own_host)
        len += (size_t)sprintf(out + len, "Host: %s\r\n", p->host);
    n = put_pieces(&p->fields, v, out + len, why);
    if (n == BAD)
        return BAD;
    len += n;
    if (p->content_length)
        len += (size_t)sprintf(out + len, "Content-Length: %zu\r\n", body_len);
    len += (size_t)sprintf(out + len, p->close ? "Connection: close\r\n\r\n" : "\r\n");
    return len;
}

bool request_render(const struct request *r, const struct template_values *v, char *out,
                    const char **start, size_t *len, char why[WHY_MAX])
{
    char *body = out + r->parts->head_room;
    size_t body_len = put_pieces(&r->parts->body, v, body, why), head_len;

    if (body_len == BAD)
        return false;
    head_len = put_head(r, v, body_len, out, why);
    if (head_len == BAD)
        return false;
    *start = memmove(body - head_len, out, head_len);
    *len = head_len + body_len;
    return true;
}

static bool append(const struct pieces *ps, const struct template_values *v, struct buf *out,
                   char why[WHY_MAX])
{
    size_t n;

    buf_reserve(out, pieces_room(ps));
    n = put_pieces(ps, v, out->data + out->len, why);
    if (n == BAD)
        return false;
    out->len += n;
    out->data[out->len] = '\0';
    return true;
}

bool request_pieces(const struct request *r, const struct template_values *v, struct buf *url,
                    struct buf *headers, struct buf *body, char why[WHY_MAX])
{
    const struct request_parts *p = r->parts;
    size_t from = headers->len, to = from;

    buf_printf(url, "%s://%s", r->target->scheme, p->host);
    if (!append(&p->path, v, url, why) || !append(&p->fields, v, headers, why) ||
        !append(&p->body, v, body, why))
        return false;
    for (size_t i = from; i < headers->len; i++)
        if (headers->data[i] != '\r')
            headers->data[to++] = headers->data[i] == '\n' ? '\0' : headers->data[i];
    headers->len = to;
    buf_addc(headers, '\0');
    return true;
}

void request_header_list(const struct buf *headers, const char ***list)
{
    const char *at = headers->len ? headers->data : "";
    size_t n = 0;

    for (const char *p = at; *p; p += strlen(p) + 1)
        n++;
    *list = xrealloc(*list, (n + 1) * sizeof(**list));
    for (size_t i = 0; i < n; i++, at += strlen(at) + 1)
        (*list)[i] = at;
    (*list)[n] = NULL;
}
