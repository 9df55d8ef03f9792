/*
 * certctl_audit.c - a row for each request, written behind its answer as the real server does.
 *
 * Rows wait in memory and go out together, several to a statement.  When too many wait, the next
 * request writes them before its answer, so that their memory is bounded.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "target/certctl_state.h"
#include "target/reply.h"

#define WAITING_MAX 8192
#define TOGETHER    8 /* rows in one statement */
#define COLUMNS     5

struct event {
    char id[RUN_ID_MAX], method[8], path[128], status[NUMBER_MAX], at[TIME_MAX];
};

struct audit {
    pthread_mutex_t lock;
    struct event *waiting; /* WAITING_MAX of them */
    int count;
};

struct audit *audit_new(void)
{
    struct audit *a = xcalloc(1, sizeof(*a));

    pthread_mutex_init(&a->lock, NULL);
    a->waiting = xcalloc(WAITING_MAX, sizeof(*a->waiting));
    return a;
}

void audit_free(struct audit *a)
{
    if (!a)
        return;
    pthread_mutex_destroy(&a->lock);
    free(a->waiting);
    free(a);
}

static void copy(char *to, size_t size, struct http1_span from)
{
    size_t n = from.len < size - 1 ? from.len : size - 1;

    for (size_t i = 0; i < n; i++) /* what is no text has no place in the database */
        to[i] = from.data[i] >= 0x20 && from.data[i] < 0x7f ? from.data[i] : '?';
    to[n] = '\0';
}

void audit_add(struct audit *a, const struct call *k)
{
    struct event *v;

    pthread_mutex_lock(&a->lock);
    if (a->count < WAITING_MAX) {
        v = &a->waiting[a->count++];
        certctl_id(k->c, v->id);
        copy(v->method, sizeof(v->method), k->rq->method);
        copy(v->path, sizeof(v->path), k->rq->path);
        certctl_number(k->re->status, v->status);
        memcpy(v->at, k->now, sizeof(v->at));
    }
    pthread_mutex_unlock(&a->lock);
}

bool audit_is_full(struct audit *a)
{
    bool full;

    pthread_mutex_lock(&a->lock);
    full = a->count >= WAITING_MAX * 3 / 4;
    pthread_mutex_unlock(&a->lock);
    return full;
}

static int take(struct audit *a, struct event *out, int max)
{
    int n;

    pthread_mutex_lock(&a->lock);
    n = a->count < max ? a->count : max;
    a->count -= n;
    memcpy(out, a->waiting + a->count, sizeof(*out) * (size_t)n);
    pthread_mutex_unlock(&a->lock);
    return n;
}

#define INSERT "insert into audit_events (id, method, path, status, created_at) values "

static bool write_rows(struct session *se, const struct event *v, int n, struct err *e)
{
    static const char one[] = INSERT "($1, $2, $3, $4, $5)";
    static const char many[] =
        INSERT "($1, $2, $3, $4, $5), ($6, $7, $8, $9, $10), ($11, $12, $13, $14, $15), "
               "($16, $17, $18, $19, $20), ($21, $22, $23, $24, $25), ($26, $27, $28, $29, $30), "
               "($31, $32, $33, $34, $35), ($36, $37, $38, $39, $40)";
    const char *values[TOGETHER * COLUMNS];

    for (int i = 0; i < n; i++) {
        const char **row = values + i * COLUMNS;

        row[0] = v[i].id;
        row[1] = v[i].method;
        row[2] = v[i].path;
        row[3] = v[i].status;
        row[4] = v[i].at;
    }
    if (n == TOGETHER)
        return session_run(se, many, &(struct db_values){values, n * COLUMNS}, NULL, NULL, e);
    for (int i = 0; i < n; i++)
        if (!session_run(se, one, &(struct db_values){values + i * COLUMNS, COLUMNS}, NULL, NULL,
                         e))
            return false;
    return true;
}

bool audit_write(struct audit *a, struct session *se, struct err *e)
{
    struct event rows[TOGETHER];
    bool ok = true, begun = false;
    int n;

    while (ok && (n = take(a, rows, TOGETHER)) > 0) {
        if (!begun)
            ok = session_begin(se, e);
        begun = true;
        ok = ok && write_rows(se, rows, n, e);
    }
    return ok && (!begun || session_commit(se, e));
}
