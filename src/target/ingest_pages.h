/* ingest_pages.h - the pages of the ingest service, for its table of routes. */
#pragma once

struct reply;
struct request;
struct server;

void ingest_bulk_delete(const struct request *rq, const struct server *s, struct reply *re);
void ingest_timing(const struct request *rq, const struct server *s, struct reply *re);
