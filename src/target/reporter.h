/* reporter.h - a server that says every ten seconds how much it has served. */
#pragma once

struct server;

/*
 * server_run(), with lines on standard output.  They are written by a thread of their own: a full
 * pipe must not hold up a worker.
 */
void reporter_serve(struct server *s);
