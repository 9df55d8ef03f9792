/*
 * ingest_call.h - gRPC calls of one connection: streams of HTTP/2 with a head, messages and a
 * status.
 *
 * A stream's pointer begins with a word that says whether it is a call.  An open heartbeat stream
 * costs one struct call and nothing else while it rests.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct call;
struct calls;
struct h2;
struct ingest;
struct peer;
struct ssl_st;
struct worker;

enum strand { STRAND_VISIT, STRAND_CALL };

/* Of a connection; it borrows all, and `ssl` may be NULL. */
struct calls *calls_new(struct ingest *g, struct peer *p, struct worker *w, struct h2 *h2,
                        const struct ssl_st *ssl);
void calls_free(struct calls *cs); /* with all its calls; NULL is fine */
void calls_pinged(struct calls *cs, uint64_t now);

/* Everything that could be sent was: true if there is more now. */
bool calls_again(struct calls *cs);

/* A request with this path and these field lines is a call. */
bool call_wanted(const char *path, const char *fields);

/* `fields`: field lines as in HTTP/1.1.  The texts are borrowed for the call. */
struct call *call_new(struct calls *cs, int32_t id, const char *method, const char *path,
                      const char *fields);
void call_begin(struct call *c);
void call_data(struct call *c, const char *data, size_t len, uint64_t now);
void call_end(struct call *c, uint64_t now);
ssize_t call_read(struct call *c, char *out, size_t size, bool *last);
void call_sent(struct call *c);
void call_closed(struct call *c);
