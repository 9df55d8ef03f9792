#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/units.h"
#include "driver/sql.h"

struct script {
    struct sql_op *x;
    const struct sql_job *job;
    struct db *db;
    struct db_limits limits;
};

static bool run_text(struct script *s, const char *sql, const struct db_values *v,
                     struct db_error *e)
{
    uint64_t begin = now_ns();
    bool ok = s->db->kind->run(s->db, sql, v, &s->limits, &s->x->found.result, e);

    s->x->found.query_ns += now_ns() - begin;
    s->x->found.sent += strlen(sql);
    return ok;
}

static bool run_statement(struct script *s, const struct sql_statement *st, struct db_error *e)
{
    const char *room[SQL_PARAMS_MAX];
    struct db_values v = sql_values(s->x, st, room);

    s->x->found.queries++;
    return run_text(s, st->text, &v, e);
}

/* BEGIN and the like: of no statement of the suite's, so their failure is that of the unit. */
static bool run_word(struct script *s, const struct sql_unit *u, const char *word)
{
    const struct db_values none = {0};
    struct db_error e;

    if (run_text(s, word, &none, &e))
        return true;
    sql_fail(&s->x->found, sql_outcome(e.failure), "%s: %s: %s", u->script.v[0].source, word,
             e.text);
    return false;
}

static void roll_back(struct script *s)
{
    const struct db_values none = {0};
    struct db_error e;

    if (!s->db->dead && !run_text(s, "ROLLBACK", &none, &e))
        s->db->dead = true;
}

/* All of the unit, or nothing of it. */
static bool run_unit(struct script *s, const struct sql_unit *u, bool transaction)
{
    struct db_error e;

    if (u->script.n == 0)
        return true;
    if (transaction && !run_word(s, u, s->job->kind->begin))
        return false;
    for (int i = 0; i < u->script.n; i++) {
        if (run_statement(s, &u->script.v[i], &e))
            continue;
        sql_fail_statement(&s->x->found, u, &u->script.v[i], &e);
        if (transaction)
            roll_back(s);
        return false;
    }
    if (!transaction || run_word(s, u, "COMMIT"))
        return true;
    roll_back(s); /* SQLite's transaction stays open; deferred constraints fail here */
    return false;
}

/* Negative numbers too, which units_number() does not read. */
static bool number_of(const char *text, double *v)
{
    bool negative = text[0] == '-';

    if (!units_number(text + negative, v))
        return false;
    *v = negative ? -*v : *v;
    return true;
}

/* Postgres writes a truth value as t or f, and SQLite has 1 or 0 for one. */
static bool same_truth(const char *want, const char *got)
{
    if (strcmp(want, "true") == 0)
        return strcmp(got, "t") == 0 || strcmp(got, "1") == 0;
    return strcmp(want, "false") == 0 && (strcmp(got, "f") == 0 || strcmp(got, "0") == 0);
}

static bool equal(const struct sql_assert *a, const struct db_result *r)
{
    const char *text = buf_text(&r->value);
    double got, want;

    if (r->null || a->equals_null)
        return r->null && a->equals_null;
    if (strcmp(text, a->o.equals) == 0 || same_truth(a->o.equals, text))
        return true;
    return number_of(text, &got) && number_of(a->o.equals, &want) && got == want;
}

static bool unmet(struct script *s, const struct sql_assert *a, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static bool unmet(struct script *s, const struct sql_assert *a, const char *fmt, ...)
{
    char what[160];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    sql_fail(&s->x->found, OP_UNEXPECTED, "%s: \"%.80s\" gave %s", a->statement.source,
             a->statement.text, what);
    return false;
}

static const char *shown(const struct db_result *r)
{
    if (!r->any)
        return "no row";
    if (r->null)
        return "null";
    return strcmp(buf_text(&r->value), "null") == 0 ? "the text \"null\"" : buf_text(&r->value);
}

static bool check_result(struct script *s, const struct sql_assert *a, uint64_t rows)
{
    const struct db_result *r = &s->x->found.result;
    const char *got = shown(r);
    double v;

    if (a->o.rows_given)
        return rows == (uint64_t)a->o.rows || unmet(s, a, "%llu rows, expected %lld",
                                                    (unsigned long long)rows, (long long)a->o.rows);
    if (a->o.equals_given)
        return (r->any && equal(a, r)) || unmet(s, a, "%.60s, expected %.60s", got, a->shown);
    if (!r->any || r->null || !number_of(buf_text(&r->value), &v))
        return unmet(s, a, "%.60s, expected a number", got);
    if (a->o.at_least_given && v < (double)a->o.at_least)
        return unmet(s, a, "%.60s, expected at least %lld", got, (long long)a->o.at_least);
    if (a->o.at_most_given && v > (double)a->o.at_most)
        return unmet(s, a, "%.60s, expected at most %lld", got, (long long)a->o.at_most);
    return true;
}

static bool run_asserts(struct script *s)
{
    struct sql_found *f = &s->x->found;

    for (int i = 0; i < s->job->assert_count; i++) {
        const struct sql_assert *a = &s->job->asserts[i];
        struct sql_unit u = {0};
        uint64_t before = f->result.rows;
        struct db_error e;

        f->asserts++;
        if (!run_statement(s, &a->statement, &e)) {
            sql_fail_statement(f, &u, &a->statement, &e);
            return false;
        }
        if (!check_result(s, a, f->result.rows - before))
            return false;
        f->asserts_met++;
    }
    return true;
}

static bool connect(struct script *s, void **slot)
{
    struct sql_found *f = &s->x->found;
    uint64_t begin = now_ns();
    struct db_error e = {0};

    s->db = *slot;
    if (s->db)
        return true;
    *slot = s->db = s->job->kind->open(&s->job->place, &s->limits, &e);
    f->connected = true;
    f->connecting_ns = now_ns() - begin;
    if (s->db)
        sql_tell(s->x->op->lane->job->priv, s->db->secured);
    else
        sql_fail(f, sql_outcome(e.failure), "could not connect: %s", e.text);
    return s->db != NULL;
}

static void run_all(struct script *s)
{
    const struct sql_opts *o = s->x->op->lane->job->opts;
    bool transaction = o->transaction == TRANSACTION_FILE, ok = true;

    for (int i = 0; i < s->job->unit_count && ok; i++)
        ok = run_unit(s, &s->job->units[i], transaction);
    if (ok)
        run_asserts(s);
    buf_add(&s->x->notices, buf_text(&s->db->notices), s->db->notices.len);
    buf_clear(&s->db->notices);
}

void sql_script_work(struct offload_task *t, void **slot)
{
    struct sql_op *x = (struct sql_op *)t;
    struct lane *lane = x->op->lane;
    const struct sql_opts *o = lane->job->opts;
    struct script s = {.x = x, .job = lane->job->priv};

    s.limits.deadline_ns = x->op->begun_ns + (uint64_t)o->timeout;
    s.limits.cancelled = &((struct sql_lane *)lane->priv)->offload.cancelled;
    x->found.waited_ns = now_ns() - x->op->begun_ns;
    if (now_ns() >= s.limits.deadline_ns)
        sql_fail(&x->found, OP_TIMEOUT, "no connection of the %d was free in time",
                 (int)o->connections);
    else if (connect(&s, slot))
        run_all(&s);
    if (s.db && s.db->dead)
        sql_script_close(slot);
}

void sql_script_close(void **slot)
{
    struct db *db = *slot;

    if (db)
        db->kind->close(db);
    *slot = NULL;
}
