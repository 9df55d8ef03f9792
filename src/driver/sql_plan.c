/* sql_plan.c - what the options of the sql driver become: places, statements, assertions. */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/fs.h"
#include "driver/sql.h"
#include "driver/target.h"
#include "net/addr.h"
#include "net/url.h"

#define FILE_MAX_BYTES (64 << 20)
#define ADDRESSES_MAX  16 /* of one name, that are tried */

#define OPT_OF         struct sql_assert_opts
static const struct opt assert_opts[] = {
    OPT_TEXT(query, NULL, "one statement", .flags = OPT_REQUIRED),
    OPT_TEXT(equals, NULL, "its first value", OPT_GIVEN(equals_given)),
    OPT_INT(rows, NULL, "how many rows it gives", OPT_GIVEN(rows_given), .min = 0,
            .max = INT64_MAX),
    OPT_INT(at_least, NULL, "the smallest that its first value may be", OPT_GIVEN(at_least_given)),
    OPT_INT(at_most, NULL, "the largest that its first value may be", OPT_GIVEN(at_most_given)),
    {0},
};
#undef OPT_OF

static bool is_postgres(const struct target *t)
{
    return strcmp(t->scheme, "postgres") == 0 || strcmp(t->scheme, "postgresql") == 0;
}

/* NULL: what the URL says, and else libpq's default. */
static const char *sslmode_of(const struct target *t)
{
    if (t->tls.verify && t->tls.ca)
        return "verify-full";
    return t->tls.verify_given && !t->tls.verify ? "require" : NULL;
}

/* What stays on this machine. */
static bool is_near(const char *host)
{
    return !*host || strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
           strcmp(host, "::1") == 0;
}

/* Once for each target. */
static void warn_prefer(const struct target *t, struct diags *d)
{
    const char *start = arena_printf(d->arena, "targets.%s: spoken to in TLS", t->name);

    for (const struct diag *g = d->first; g; g = g->next)
        if (strncmp(g->text, start, strlen(start)) == 0)
            return;
    diag_warn(d, t->at,
              "%s only if the server offers it, and not verified (libpq's sslmode=prefer): say "
              "`tls: {ca: FILE}`, or `tls: {verify: false}` for TLS with whoever is there, or "
              "?sslmode= in the url",
              start);
}

static bool check_postgres(const struct target *t, const struct node *at, const char *path,
                           struct diags *d)
{
    const char *query = strchr(t->url, '?');

    if (query && strstr(query, "password="))
        return diag_add(d, at->at,
                        "%s.target: the password of \"%s\" belongs before the host "
                        "(postgres://user:${secrets.NAME}@host/), where it is kept out of reports",
                        path, t->name);
    if (!*t->host && !(query && strstr(query, "host=")))
        return diag_add(d, at->at, "%s.target: the url of \"%s\" names no host", path, t->name);
    if (t->source.n > 0)
        return diag_add(d, at->at, "%s.target: libpq cannot be given a source address", path);
    if (t->tls.verify_given && t->tls.verify && !t->tls.ca)
        return diag_add(d, at->at,
                        "%s.target: libpq knows no certificates of the system's: name those that "
                        "\"%s\" is verified with in `tls: {ca: FILE}`",
                        path, t->name);
    if (!sslmode_of(t) && !(query && strstr(query, "sslmode=")) && !is_near(t->host))
        warn_prefer(t, d);
    return true;
}

static bool check_target(const struct target *t, const struct node *at, const char *path,
                         struct diags *d)
{
    if (is_postgres(t))
        return check_postgres(t, at, path, d);
    if (strcmp(t->scheme, "sqlite") != 0)
        return diag_add(d, at->at,
                        "%s.target: \"%s\" is a %s: url, and this driver speaks postgres: and "
                        "sqlite:",
                        path, t->name, t->scheme);
    return t->path[0] == '/' ||
           diag_add(d, at->at,
                    "%s.target: the file of \"%s\" needs an absolute path, such as "
                    "sqlite:${run.tmp}/state.db",
                    path, t->name);
}

static void input_of(const struct sql_opts *o, const char *source, const char *text, size_t len,
                     struct sql_input *in)
{
    *in = (struct sql_input){.source = source,
                             .text = text,
                             .len = len,
                             .dialect = is_postgres(o->target) ? SQL_POSTGRES : SQL_SQLITE,
                             .names = o->params.names,
                             .name_count = o->params.n};
}

static bool split(const struct sql_opts *o, const char *source, const char *text, size_t len,
                  struct sql_script *out, struct arena *arena, struct err *e)
{
    struct sql_input in;

    input_of(o, source, text, len, &in);
    if (!sql_split(out, &in, arena, e))
        return false;
    for (int i = 0; i < out->n && o->transaction == TRANSACTION_FILE; i++)
        if (out->v[i].transaction)
            return err_set(e,
                           "%s:%d: \"%.20s\" would end the transaction that all of it is in (take "
                           "it out, or say `transaction: none`)",
                           source, out->v[i].line, out->v[i].text);
    return true;
}

static void add_script(struct sql_unit *u, const struct sql_script *s, struct arena *arena)
{
    struct sql_statement *all = arena_array(arena, struct sql_statement, u->script.n + s->n);

    if (u->script.n)
        memcpy(all, u->script.v, sizeof(*all) * (size_t)u->script.n);
    if (s->n)
        memcpy(all + u->script.n, s->v, sizeof(*all) * (size_t)s->n);
    u->script.v = all;
    u->script.n += s->n;
}

/* One unit of all the texts of a list. */
static bool split_texts(const struct sql_opts *o, const char *name, const struct texts *texts,
                        struct sql_unit *out, struct arena *arena, struct err *e)
{
    *out = (struct sql_unit){0};
    for (int i = 0; i < texts->n; i++) {
        const char *source = arena_printf(arena, "%s[%d]", name, i);
        struct sql_script s;

        if (!split(o, source, texts->v[i], strlen(texts->v[i]), &s, arena, e))
            return false;
        add_script(out, &s, arena);
    }
    return true;
}

static bool split_assert(const struct sql_opts *o, struct sql_assert *a, int index,
                         struct arena *arena, struct err *e)
{
    const char *source = arena_printf(arena, "assert[%d]", index);
    struct sql_script s;

    if (!split(o, source, a->o.query, strlen(a->o.query), &s, arena, e))
        return false;
    if (s.n != 1)
        return err_set(e, "%s: the query is %s", source, s.n ? "several statements" : "empty");
    a->statement = s.v[0];
    return true;
}

/* What `equals` says, for messages: NULL and the text "null" read alike. */
static const char *expected(const struct sql_assert *a, const struct node *equals)
{
    if (equals && equals->secret)
        return "***";
    if (a->o.equals && !a->equals_null && strcmp(a->o.equals, "null") == 0)
        return "the text \"null\" (NULL is null without quotes)";
    return a->o.equals;
}

static bool bind_assert(const struct sql_opts *o, const struct node *n, const char *path,
                        struct sql_assert *a, struct diags *d)
{
    const struct node *equals = n->type == NODE_MAP ? node_find(n, "equals") : NULL;
    struct bind b = *o->bind;

    b.diags = d;
    if (!opt_bind(assert_opts, NULL, n, path, &a->o, &b))
        return false;
    a->equals_null = equals && !equals->quoted && strcmp(equals->text, "null") == 0;
    a->shown = expected(a, equals);
    if (a->o.equals_given + a->o.rows_given + (a->o.at_least_given || a->o.at_most_given) != 1)
        return diag_add(d, n->at, "%s: needs one of equals, rows, at_least and at_most", path);
    return true;
}

static bool bind_asserts(const struct sql_opts *o, struct sql_job *j, const char *path,
                         struct diags *d)
{
    const struct node *list = o->assert;
    bool one = list && list->type == NODE_MAP, ok = true;
    struct err e;

    if (!list)
        return true;
    if (list->type == NODE_SCALAR)
        return diag_add(d, list->at, "%s.assert: expected a list of maps", path);
    j->asserts = arena_array(d->arena, struct sql_assert, one ? 1 : list->count);
    for (const struct node *n = one ? list : list->first; n; n = one ? NULL : n->next) {
        struct sql_assert *a = &j->asserts[j->assert_count];

        if (!bind_assert(o, n, arena_printf(d->arena, "%s.assert[%d]", path, j->assert_count), a,
                         d))
            ok = false;
        else if (!split_assert(o, a, j->assert_count, d->arena, &e))
            ok = diag_add(d, n->at, "%s.%s", path, e.text);
        j->assert_count++;
    }
    return ok;
}

/* A file that two patterns match is run once, in the place of the first. */
static void drop_repeats(glob_t *found)
{
    size_t kept = 0;

    for (size_t i = 0; i < found->gl_pathc; i++) {
        bool again = false;

        for (size_t k = 0; k < kept && !again; k++)
            again = strcmp(found->gl_pathv[k], found->gl_pathv[i]) == 0;
        if (again) {
            free(found->gl_pathv[i]);
            continue;
        }
        found->gl_pathv[kept++] = found->gl_pathv[i];
    }
    found->gl_pathc = kept;
    if (found->gl_pathv)
        found->gl_pathv[kept] = NULL;
}

/* A pattern that matches nothing is a mistake; a plain name that is not there is told as itself. */
static bool find_files(const struct sql_opts *o, glob_t *found, struct err *e)
{
    *found = (glob_t){0};
    for (int i = 0; i < o->files.n; i++) {
        if (glob(o->files.v[i], i ? GLOB_APPEND : 0, NULL, found) == 0)
            continue;
        globfree(found);
        *found = (glob_t){0};
        return err_set(e, "no file \"%s\"", o->files.v[i]);
    }
    drop_repeats(found);
    return true;
}

static bool load_file(const struct sql_opts *o, const char *file, struct sql_unit *u,
                      struct arena *arena, struct err *e)
{
    struct buf text = {0};
    bool ok = fs_read(file, FILE_MAX_BYTES, &text, e) &&
              split(o, arena_strdup(arena, file), buf_text(&text), text.len, &u->script, arena, e);

    u->numbered = true;
    buf_free(&text);
    return ok;
}

static bool check_files(const struct sql_opts *o, const struct node *at, const char *path,
                        struct diags *d)
{
    const struct node *n = at->type == NODE_MAP ? node_find(at, "files") : NULL;
    glob_t found = {0};
    struct err e;
    bool ok = true;

    if (!n || n->deferred || (o->files_bind && o->files_bind->any_file))
        return true;
    for (const struct node *c = n->type == NODE_LIST ? n->first : NULL; c; c = c->next)
        if (c->deferred)
            return true;
    if (!find_files(o, &found, &e))
        return diag_add(d, n->at, "%s.files: %s", path, e.text);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct sql_unit ignored = {0};
        struct arena scratch = {0};

        if (!load_file(o, found.gl_pathv[i], &ignored, &scratch, &e))
            ok = diag_add(d, n->at, "%s.files: %s", path, e.text);
        arena_free(&scratch);
    }
    globfree(&found);
    return ok;
}

static bool check_texts(const struct sql_opts *o, const struct node *at, const char *path,
                        struct diags *d)
{
    static const char *const names[] = {"reset", "statements"};
    const struct texts *texts[] = {&o->reset, &o->statements};
    struct sql_unit unit;
    bool ok = true;
    struct err e;

    for (int i = 0; i < 2; i++) {
        const struct node *n = at->type == NODE_MAP ? node_find(at, names[i]) : NULL;

        if (n && !split_texts(o, names[i], texts[i], &unit, d->arena, &e))
            ok = diag_add(d, n->at, "%s.%s", path, e.text);
    }
    return ok;
}

bool sql_plan_check(const void *opts, const struct node *at, const char *path, struct diags *d)
{
    const struct sql_opts *o = opts;
    struct sql_job scratch = {0};

    if (!o->target || !o->target->scheme)
        return false;
    if (!check_target(o->target, at, path, d))
        return false;
    if (o->files.n + o->statements.n + o->reset.n == 0 && !o->assert)
        return diag_add(d, at->at, "%s: needs files, statements or assert", path);
    return check_texts(o, at, path, d) & check_files(o, at, path, d) &
           bind_asserts(o, &scratch, path, d);
}

static bool load_units(const struct sql_opts *o, struct sql_job *j, struct arena *arena,
                       struct err *e)
{
    glob_t found;
    bool ok;

    if (!find_files(o, &found, e))
        return false;
    j->units = arena_array(arena, struct sql_unit, found.gl_pathc + 2);
    ok = split_texts(o, "reset", &o->reset, &j->units[j->unit_count++], arena, e);
    for (size_t i = 0; ok && i < found.gl_pathc; i++)
        ok = load_file(o, found.gl_pathv[i], &j->units[j->unit_count++], arena, e);
    ok = ok && split_texts(o, "statements", &o->statements, &j->units[j->unit_count++], arena, e);
    globfree(&found);
    return ok;
}

static void set_login(struct db_place *p, const char *userinfo, struct arena *arena)
{
    const char *colon = userinfo ? strchr(userinfo, ':') : NULL;

    if (!colon)
        return;
    p->user = colon > userinfo ? arena_strndup(arena, userinfo, (size_t)(colon - userinfo)) : NULL;
    p->password = colon[1] ? colon + 1 : NULL;
}

/* All addresses of the name, for libpq to try in turn. */
static void set_addresses(struct db_place *p, const struct addrs *found, const char *host,
                          struct arena *arena)
{
    struct buf addresses = {0}, hosts = {0};
    char text[ADDR_TEXT_MAX];

    for (int i = 0; i < found->n && i < ADDRESSES_MAX; i++) {
        const char *end;
        bool v6;

        addr_print(&found->v[i], text);
        end = strrchr(text, ':');
        v6 = text[0] == '[';
        buf_adds(&addresses, i ? "," : "");
        buf_add(&addresses, text + v6, (size_t)(end - text) - 2 * (size_t)v6);
        buf_printf(&hosts, "%s%s", i ? "," : "", host);
    }
    p->address = arena_strdup(arena, buf_text(&addresses));
    p->host = *host ? arena_strdup(arena, buf_text(&hosts)) : NULL;
    buf_free(&addresses);
    buf_free(&hosts);
}

/* Names are resolved once, before the load: libpq would block a lane for it. */
static bool find_place(struct sql_job *j, const struct target *t, struct arena *arena,
                       struct err *e)
{
    struct db_place *p = &j->place;
    const char *host = t->host;
    uint16_t port = t->port;
    struct addrs found;

    p->url = t->url;
    p->path = t->path;
    p->sslmode = sslmode_of(t);
    p->ca = t->tls.verify ? t->tls.ca : NULL;
    p->cert = t->tls.cert;
    p->key = t->tls.key ? t->tls.key : t->tls.cert;
    set_login(p, t->userinfo, arena);
    if (j->dialect == SQL_SQLITE || (!t->connect_to && (!*host || strstr(t->url, "host="))))
        return true;
    if (t->connect_to && !url_host_port(t->connect_to, &host, &port, arena, e))
        return false;
    if (!addr_resolve(&found, host, port, arena, e))
        return false;
    set_addresses(p, &found, t->host, arena);
    p->port = arena_printf(arena, "%u", (unsigned)port);
    return true;
}

bool sql_plan_prepare(struct job *job, struct err *e)
{
    const struct sql_opts *o = job->opts;
    struct sql_job *j = job->priv;
    struct diags d;

    j->dialect = is_postgres(o->target) ? SQL_POSTGRES : SQL_SQLITE;
    j->kind = j->dialect == SQL_POSTGRES ? &db_postgres : &db_sqlite;
    diags_init(&d, "", job->arena);
    if (!find_place(j, o->target, job->arena, e) || !load_units(o, j, job->arena, e))
        return false;
    if (!bind_asserts(o, j, job->name, &d))
        return err_set(e, "%s", d.first->text);
    for (int i = 0; i < o->params.n; i++)
        j->room += template_bound(o->params.values[i], 0) + 1;
    j->evented = j->dialect == SQL_POSTGRES && !job->verify && o->files.n + o->reset.n == 0 &&
                 j->assert_count == 0;
    return !j->evented || j->units[j->unit_count - 1].script.n > 0 ||
           err_set(e, "statements: there is no statement in them");
}
