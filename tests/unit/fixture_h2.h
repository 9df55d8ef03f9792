/*
 * fixture_h2.h - a client and a server session that hand each other their bytes, and the target
 * that a client session may visit.
 */
#pragma once

#include "base/buf.h"
#include "net/h2.h"
#include "net/h2_pool.h"

#define H2_OUT (64 << 10)

struct side {
    struct h2 *h2;
    struct buf said;    /* what its events were, in words */
    const char *answer; /* server: the body of each answer, after the request's end */
    const char *body;   /* client: of its request */
    size_t body_at;
    size_t data;
    int32_t id;
    char stream; /* its address is the stream's */
};

struct pair {
    struct side client, server;
    struct h2_pool *pool;
};

struct server;
struct server *h2_target(void); /* not yet serving; for server_free() */

void side_init(struct side *s, bool server, struct h2_pool *pool);
int pair_set_up(void **state);
int pair_tear_down(void **state);

/* One direction; how many bytes.  In pieces of `step`, 0: all at once. */
size_t pair_carry(struct side *from, struct side *to, size_t step);
void pair_talk(struct pair *p, size_t step);        /* until both are silent */
int32_t pair_ask(struct pair *p, const char *body); /* the client; its stream */
void side_answer(struct side *s);                   /* the stream that has asked last */
void side_says(const struct side *s, const char *text);
