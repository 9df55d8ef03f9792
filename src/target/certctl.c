#include "target/certctl.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "target/certctl_state.h"

#define TOKEN_MAX      65536
#define COMPLAINTS_MAX 20

void certctl_id(struct certctl *c, char id[RUN_ID_MAX])
{
    snprintf(id, RUN_ID_MAX, "%08" PRIx32 "-%08" PRIx64, c->boot,
             (uint64_t)atomic_fetch_add(&c->ids, 1) + 1);
}

/* 0 is the time that was never set, as Go has it. */
void certctl_time(int64_t ms, char out[TIME_MAX])
{
    time_t t = (time_t)(ms / 1000);
    struct tm tm;
    size_t n;

    if (!ms) {
        snprintf(out, TIME_MAX, "0001-01-01 00:00:00+00");
        return;
    }
    n = strftime(out, TIME_MAX, "%Y-%m-%d %H:%M:%S", gmtime_r(&t, &tm));
    snprintf(out + n, TIME_MAX - n, ".%03d+00", (int)(ms % 1000));
}

const char *certctl_number(int64_t n, char out[NUMBER_MAX])
{
    snprintf(out, NUMBER_MAX, "%" PRId64, n);
    return out;
}

/* A database that is away is told of, and not at every request. */
void certctl_complain(struct certctl *c, const struct err *e)
{
    int n = atomic_fetch_add(&c->complaints, 1);

    if (n < COMPLAINTS_MAX)
        fprintf(stderr, "certctl: %s\n", e->text);
    if (n == COMPLAINTS_MAX)
        fprintf(stderr, "certctl: further failures are not told\n");
}

static bool read_token(struct certctl *c, const char *path, struct err *e)
{
    struct buf b = {0};
    bool ok = fs_read(path, TOKEN_MAX, &b, e);

    while (ok && b.len > 0 && isspace((unsigned char)b.data[b.len - 1]))
        b.data[--b.len] = '\0';
    if (ok && b.len == 0)
        ok = err_set(e, "%s is empty", path);
    if (ok)
        c->token = mem_check(strdup(b.data));
    if (b.data)
        explicit_bzero(b.data, b.cap);
    buf_free(&b);
    return ok;
}

static void add_deployed(void *arg, const char *const *values, int n)
{
    struct certctl *c = arg;

    (void)n;
    if (values[0])
        leaves_renew(c->leaves, values[0]);
}

/* What an earlier process has deployed is shown with leaves of this one's issuer. */
static bool load_deployed(struct certctl *c, struct err *e)
{
    struct db_sink to = {add_deployed, c};
    struct session *se = state_take(c->state, e);
    bool ok =
        se &&
        session_run(se, "update deployments set fingerprint = null", STATE_NONE, NULL, NULL, e) &&
        session_run(se, "select server_name from deployments where status = 'deployed'", STATE_NONE,
                    &to, NULL, e);

    state_give(se);
    return ok;
}

struct certctl *certctl_new(const struct certctl_opts *o, struct state *state,
                            struct ssl_ctx_st *tls, struct err *e)
{
    struct certctl *c = xcalloc(1, sizeof(*c));

    c->opts = *o;
    c->state = state;
    c->next_due = INT64_MAX;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->wake, NULL);
    bucket_init(&c->bucket, o->limit, (double)o->burst, now_ns());
    if (getrandom(&c->boot, sizeof(c->boot), 0) != sizeof(c->boot))
        c->boot = (uint32_t)wall_ns();
    c->audit = o->audit ? audit_new() : NULL;
    c->leaves = leaves_new(e);
    if (!c->leaves || (o->token_file && !read_token(c, o->token_file, e)) ||
        !certctl_create(state, e) || !load_deployed(c, e) || !certctl_schedule(c, e)) {
        certctl_free(c);
        return NULL;
    }
    if (tls && !o->deploy_lies)
        leaves_show(c->leaves, tls);
    return c;
}

void certctl_free(struct certctl *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->ending = true;
    pthread_cond_signal(&c->wake);
    pthread_mutex_unlock(&c->lock);
    if (c->scheduling)
        pthread_join(c->scheduler, NULL);
    leaves_free(c->leaves);
    audit_free(c->audit);
    if (c->token)
        explicit_bzero(c->token, strlen(c->token));
    free(c->token);
    pthread_cond_destroy(&c->wake);
    pthread_mutex_destroy(&c->lock);
    free(c);
}
