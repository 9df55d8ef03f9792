/* programs.h - are the programs that services are made of on this machine? */
#pragma once

struct arena;
struct diags;
struct service;

/* Of several versions of a program ("/usr/lib/postgresql/N/bin/postgres", N being *), the newest.
 */
const char *programs_newest(const char *name, struct arena *scratch);

/*
 * A diagnostic for each program of the service's commands that is not there.  What its `files:` or
 * `prepare:` may make first is left to the start.
 */
void programs_fit(const struct service *v, struct diags *d);
