#include "target/reporter.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "target/ledger.h"
#include "target/server.h"

#define REPORT_EVERY 10 /* seconds */

struct reporter {
    struct server *server;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool end;
};

static void report(const struct server *s)
{
    printf("served %" PRIu64 " requests, %" PRIu64 " connections open\n",
           ledger_get(s->ledger, COUNT_ANSWERED), ledger_open(s->ledger));
    fflush(stdout);
}

static void *run_reporter(void *ctx)
{
    struct reporter *r = ctx;
    struct timespec next;

    clock_gettime(CLOCK_MONOTONIC, &next);
    pthread_mutex_lock(&r->lock);
    while (!r->end) {
        next.tv_sec += REPORT_EVERY;
        while (!r->end && pthread_cond_clockwait(&r->ended, &r->lock, CLOCK_MONOTONIC, &next) == 0)
            continue;
        report(r->server);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

void reporter_serve(struct server *s)
{
    struct reporter r = {
        .server = s, .lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};
    bool started = pthread_create(&r.thread, NULL, run_reporter, &r) == 0;

    server_run(s);
    if (!started)
        return;
    pthread_mutex_lock(&r.lock);
    r.end = true;
    pthread_cond_signal(&r.ended);
    pthread_mutex_unlock(&r.lock);
    pthread_join(r.thread, NULL);
}
