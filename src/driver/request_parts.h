/*
 * request_parts.h - the inside of struct request: a message as a row of pieces, each constant text
 * or a template with the rules of the place where it stands; for request*.c.
 */
#pragma once

#include "driver/request.h"

#define CAPTURE_BYTES_MAX 1024 /* of a captured value, in a message */

enum piece_kind {
    PIECE_TEXT,
    PIECE_BODY,       /* anything goes */
    PIECE_TARGET,     /* constant: no white space, no controls; rendered: percent-encoded */
    PIECE_FIELD,      /* no line ends, no NUL */
    PIECE_BASE64,     /* its base64 is sent */
    PIECE_JSON,       /* inside a JSON string */
    PIECE_JSON_VALUE, /* a JSON number, true, false or null, or else a string with its quotes */
};

struct piece {
    enum piece_kind kind;
    const char *text;
    size_t len;
    const struct template *tmpl;
    size_t room; /* that rendering it needs, at most */
};

struct pieces {
    struct piece *v;
    int n, cap;
};

struct request_parts {
    struct pieces path, fields, body;
    const char *host;    /* of the URL, with its port unless it is the scheme's own */
    bool own_host;       /* the fields have one */
    bool content_length; /* is sent */
    bool close;
    size_t head_room;
};

struct maker { /* while a request is being compiled */
    const struct request_compile *c;
    struct arena *arena;
    struct diags *d;
    struct request *r;
    struct request_parts *parts;
};

void pieces_text(struct pieces *p, struct arena *arena, const char *text, size_t len);
void pieces_template(struct pieces *p, struct arena *arena, enum piece_kind kind,
                     const struct template *t);
void pieces_base64(struct pieces *p, struct arena *arena, const char *text); /* its base64 */
bool pieces_constant(const struct pieces *p);
size_t pieces_room(const struct pieces *p);

/* One constant text by the rules of its kind; false and the reason if it cannot stand there. */
bool pieces_check(enum piece_kind kind, const char *text, char why[WHY_MAX]);

void request_json(struct maker *m, const struct node *value, const char *path); /* to parts->body */
void request_readings(struct maker *m); /* capture, record and count */

size_t request_head_room(const struct request *r);
