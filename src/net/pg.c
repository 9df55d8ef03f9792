#include "net/pg.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <libpq-fe.h>

#include "base/err.h"
#include "base/mem.h"

#define SQLSTATE_LEN 5
#define SETTINGS_MAX 12
#define PORTABLE_COPY \
    "COPY from or to the client is not for a suite; use INSERT, or a file on the server"

struct pg {
    PGconn *conn;
    PostgresPollingStatusType polling;
    bool failed;           /* the running statement */
    bool copying;          /* the protocol is in a state that only a new connection gets out of */
    struct db_error error; /* its first; the end of the statement may be a call later */
    const char *sql;       /* the statement, for positions in it; or NULL */
    const struct db_sink *sink; /* of its rows; or NULL */
    struct buf notices;
};

bool db_fail(struct db_error *e, enum db_failure failure, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(e->text, sizeof(e->text), fmt, ap);
    va_end(ap);
    e->failure = failure;
    e->offset = 0;
    return false;
}

void db_result_clear(struct db_result *r)
{
    struct buf kept = r->value;

    buf_clear(&kept);
    *r = (struct db_result){.value = kept};
}

static void add_line(struct buf *out, const char *text, size_t len)
{
    if (len > DB_NOTICES_MAX - out->len)
        len = DB_NOTICES_MAX - out->len;
    buf_add(out, text, len);
}

static void on_notice(void *arg, const PGresult *res)
{
    struct pg *c = arg;
    const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);
    const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

    add_line(&c->notices, severity ? severity : "NOTICE", severity ? strlen(severity) : 6);
    add_line(&c->notices, ": ", 2);
    add_line(&c->notices, text ? text : "", text ? strlen(text) : 0);
    add_line(&c->notices, "\n", 1);
}

struct settings {
    const char *names[SETTINGS_MAX], *values[SETTINGS_MAX];
    int n;
};

static void set(struct settings *s, const char *name, const char *value)
{
    if (!value)
        return;
    s->names[s->n] = name;
    s->values[s->n++] = value;
}

/* Later settings win over what the URL says. */
struct pg *pg_open(const struct db_place *p)
{
    struct pg *c = xcalloc(1, sizeof(*c));
    struct settings s = {0};

    set(&s, "dbname", p->url);
    set(&s, "user", p->user);
    set(&s, "password", p->password);
    set(&s, "host", p->host);
    set(&s, "hostaddr", p->address);
    set(&s, "port", p->port);
    set(&s, "sslmode", p->sslmode);
    set(&s, "sslrootcert", p->ca);
    set(&s, "sslcert", p->cert);
    set(&s, "sslkey", p->key);
    set(&s, "client_encoding", "UTF8");
    set(&s, "tcp_user_timeout", "10000");
    c->conn = mem_check(PQconnectStartParams(s.names, s.values, 1));
    c->polling = PGRES_POLLING_WRITING;
    PQsetNoticeReceiver(c->conn, on_notice, c);
    return c;
}

/* libpq has no codes for why it could not connect, but words, and those of its own are not
 * translated unless the process asks for a locale. */
static enum db_failure connect_failure(const char *text)
{
    static const struct {
        const char *words;
        enum db_failure failure;
    } table[] = {
        {"FATAL:", DB_STATEMENT},
        {"password", DB_STATEMENT},
        {"Connection refused", DB_REFUSED},
        {"No such file or directory", DB_REFUSED},
        {"server closed the connection", DB_LOST},
        {"Connection reset", DB_LOST},
        {"timed out", DB_TIMEOUT},
        {"SSL", DB_TLS},
        {"certificate", DB_TLS},
        {"expected authentication request", DB_PROTOCOL},
        {"invalid", DB_LOCAL},
        {"missing", DB_LOCAL},
    };

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        if (strstr(text, table[i].words))
            return table[i].failure;
    return DB_UNREACHABLE;
}

/* libpq's lines in one; one that it says again, such as for a try without TLS, is said once. */
static void add_lines(struct buf *out, const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "\n"), tab = *text == '\t';

        if (len > tab && !memmem(buf_text(out), out->len, text + tab, len - tab)) {
            buf_adds(out, out->len ? " " : "");
            buf_add(out, text + tab, len - tab);
        }
        text += len + (text[len] == '\n');
    }
}

static enum pg_wait refuse(const struct pg *c, enum db_failure failure, struct db_error *e)
{
    const char *text = PQerrorMessage(c->conn);
    struct buf lines = {0};

    add_lines(&lines, text);
    db_fail(e, failure == DB_OK ? connect_failure(text) : failure, "%s",
            lines.len ? buf_text(&lines) : "the connection was lost");
    buf_free(&lines);
    return PG_FAILED;
}

enum pg_wait pg_connect(struct pg *c, struct db_error *e)
{
    if (PQstatus(c->conn) == CONNECTION_BAD)
        return refuse(c, DB_OK, e);
    c->polling = PQconnectPoll(c->conn);
    if (c->polling == PGRES_POLLING_FAILED)
        return refuse(c, DB_OK, e);
    if (c->polling != PGRES_POLLING_OK)
        return c->polling == PGRES_POLLING_READING ? PG_READ : PG_WRITE;
    PQsetnonblocking(c->conn, 1);
    return PG_DONE;
}

void pg_secured(const struct pg *c, char out[DB_SECURED_MAX])
{
    const char *version = PQsslInUse(c->conn) ? PQsslAttribute(c->conn, "protocol") : NULL;
    const char *cipher = PQsslInUse(c->conn) ? PQsslAttribute(c->conn, "cipher") : NULL;

    snprintf(out, DB_SECURED_MAX, "%s%s%s", version ? version : "not encrypted", cipher ? " " : "",
             cipher ? cipher : "");
}

int pg_fd(const struct pg *c)
{
    return PQsocket(c->conn);
}

static bool sent(struct pg *c, int ok, const char *sql, const struct db_sink *to,
                 struct db_error *e)
{
    c->failed = false;
    c->sql = sql;
    c->sink = to;
    if (!ok) {
        refuse(c, DB_LOST, e);
        return false;
    }
    PQsetSingleRowMode(c->conn); /* so that a result of any size takes the memory of one row */
    return true;
}

bool pg_send(struct pg *c, const char *sql, const struct db_values *v, struct db_error *e)
{
    int ok = v->n > 0 ? PQsendQueryParams(c->conn, sql, v->n, NULL, v->v, NULL, NULL, 0)
                      : PQsendQuery(c->conn, sql);

    return sent(c, ok, sql, NULL, e);
}

bool pg_send_prepare(struct pg *c, const char *name, const char *sql, struct db_error *e)
{
    return sent(c, PQsendPrepare(c->conn, name, sql, 0, NULL), sql, NULL, e);
}

bool pg_send_prepared(struct pg *c, const char *name, const struct db_values *v,
                      const struct db_sink *to, struct db_error *e)
{
    return sent(c, PQsendQueryPrepared(c->conn, name, v->n, v->v, NULL, NULL, 0), NULL, to, e);
}

/* The position counts characters from 1, and the statement is UTF-8. */
static size_t offset_of(const struct pg *c, const PGresult *res)
{
    const char *position = PQresultErrorField(res, PG_DIAG_STATEMENT_POSITION);
    long left = position ? strtol(position, NULL, 10) : 0;
    size_t at = 0;

    for (; c->sql && left > 1 && c->sql[at]; left--)
        for (at++; ((unsigned char)c->sql[at] & 0xc0) == 0x80;)
            at++;
    return at;
}

static void take_error(struct pg *c, const PGresult *res, struct db_error *e)
{
    static const struct {
        int field;
        const char *label;
    } more[] = {{PG_DIAG_CONTEXT, "; in "},
                {PG_DIAG_MESSAGE_DETAIL, "; detail: "},
                {PG_DIAG_MESSAGE_HINT, "; hint: "}};
    const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    bool lost = PQstatus(c->conn) == CONNECTION_BAD;
    size_t offset = offset_of(c, res), at;

    if (c->failed)
        return;
    c->failed = true;
    if (!text) {
        refuse(c, lost ? DB_LOST : DB_STATEMENT, e);
        return;
    }
    db_fail(e, lost ? DB_LOST : DB_STATEMENT, "%s (SQLSTATE %.*s)", text, SQLSTATE_LEN,
            state ? state : "?");
    for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
        const char *word = PQresultErrorField(res, more[i].field);

        at = strlen(e->text);
        if (word) /* the first line: of a context, the innermost */
            snprintf(e->text + at, sizeof(e->text) - at, "%s%.*s", more[i].label,
                     (int)strcspn(word, "\n"), word);
    }
    e->offset = offset;
}

static void hand_row(const PGresult *res, const struct db_sink *to)
{
    const char *values[DB_COLUMNS_MAX];
    int n = PQnfields(res) < DB_COLUMNS_MAX ? PQnfields(res) : DB_COLUMNS_MAX;

    for (int i = 0; i < n; i++)
        values[i] = PQgetisnull(res, 0, i) ? NULL : PQgetvalue(res, 0, i);
    to->row(to->arg, values, n);
}

static void take_row(const PGresult *res, struct db_result *r)
{
    int columns = PQnfields(res);

    for (int i = 0; i < columns; i++)
        r->received += (uint64_t)PQgetlength(res, 0, i);
    r->rows++;
    if (r->any || columns == 0)
        return;
    r->any = true;
    r->null = PQgetisnull(res, 0, 0);
    buf_clear(&r->value);
    if (!r->null)
        buf_add(&r->value, PQgetvalue(res, 0, 0),
                PQgetlength(res, 0, 0) < DB_VALUE_MAX ? (size_t)PQgetlength(res, 0, 0)
                                                      : DB_VALUE_MAX);
}

static void take(struct pg *c, PGresult *res, struct db_result *r, struct db_error *e)
{
    switch (PQresultStatus(res)) {
    case PGRES_SINGLE_TUPLE:
        if (c->sink)
            hand_row(res, c->sink);
        take_row(res, r);
        break;
    case PGRES_TUPLES_OK:
        break;
    case PGRES_COMMAND_OK:
        r->affected += strtoull(PQcmdTuples(res), NULL, 10);
        break;
    case PGRES_EMPTY_QUERY:
        break;
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
        c->copying = c->failed = true;
        db_fail(e, DB_STATEMENT, PORTABLE_COPY);
        break;
    default:
        take_error(c, res, e);
    }
}

enum pg_wait pg_receive(struct pg *c, struct db_result *r, struct db_error *e)
{
    int unsent;

    if (!PQconsumeInput(c->conn) && PQstatus(c->conn) == CONNECTION_BAD && PQisBusy(c->conn))
        return refuse(c, DB_LOST, e);
    unsent = PQflush(c->conn);
    while (!PQisBusy(c->conn)) {
        PGresult *res = PQgetResult(c->conn);

        if (res)
            take(c, res, r, &c->error);
        PQclear(res);
        if (res && !c->copying)
            continue;
        if (c->failed)
            *e = c->error;
        return c->failed ? PG_FAILED : PG_DONE;
    }
    return unsent == 1 ? PG_WRITE : PG_READ;
}

bool pg_is_usable(const struct pg *c)
{
    return !c->copying && PQstatus(c->conn) == CONNECTION_OK;
}

bool pg_in_transaction(const struct pg *c)
{
    PGTransactionStatusType t = PQtransactionStatus(c->conn);

    return t == PQTRANS_INTRANS || t == PQTRANS_INERROR;
}

const struct buf *pg_notices(const struct pg *c)
{
    return &c->notices;
}

struct pg_cancel *pg_cancel_new(const struct pg *c)
{
    return (struct pg_cancel *)PQgetCancel(c->conn);
}

/*
 * PQcancel() reads until the server hangs up, without a limit: a server that is stopped but whose
 * kernel accepts connections would hold its caller for ever.  So it has a thread of its own, which
 * is left behind if it takes longer; what both use is freed by the one that is done last.
 */
struct cancelling {
    PGcancel *cancel;
    sem_t sent;
    atomic_int users;
};

static void cancelling_drop(struct cancelling *x)
{
    if (atomic_fetch_sub(&x->users, 1) > 1)
        return;
    PQfreeCancel(x->cancel);
    sem_destroy(&x->sent);
    free(x);
}

static void *cancel_main(void *arg)
{
    struct cancelling *x = arg;
    char why[256];

    PQcancel(x->cancel, why, sizeof(why));
    sem_post(&x->sent);
    cancelling_drop(x);
    return NULL;
}

bool pg_cancel_send(struct pg_cancel *p, unsigned patience_s)
{
    struct cancelling *x = xcalloc(1, sizeof(*x));
    struct timespec until;
    pthread_t thread;
    bool sent;

    x->cancel = (PGcancel *)p;
    sem_init(&x->sent, 0, 0);
    atomic_init(&x->users, 2);
    if (pthread_create(&thread, NULL, cancel_main, x) != 0) {
        atomic_store(&x->users, 1);
        cancelling_drop(x);
        return false;
    }
    pthread_detach(thread);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += patience_s;
    while (!(sent = sem_clockwait(&x->sent, CLOCK_MONOTONIC, &until) == 0) && errno == EINTR)
        ;
    cancelling_drop(x);
    return sent;
}

void pg_close(struct pg *c)
{
    PQfinish(c->conn);
    buf_free(&c->notices);
    free(c);
}
