/* cleaning.c - the phases of an earlier run, with its suite, values, outputs and id. */
#include "cmd/cleaning.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "cmd/session.h"
#include "net/digest.h"
#include "report/files.h"
#include "run/leftovers.h"
#include "run/observer.h"
#include "run/result.h"
#include "run/run.h"

bool cleaning_is_pending(const struct past *p, const char *phase)
{
    for (int i = 0; i < p->phase_count; i++)
        if (strcmp(p->phases[i].name, phase) == 0)
            return p->any_ran && !p->phases[i].done;
    return false;
}

static bool begins(const char *id, const char *other)
{
    size_t len = strlen(id);

    return strncmp(id, other, len) == 0 && other[len] == '-';
}

static bool is_neighbour(const char *journal, const char *run_id)
{
    struct arena arena = {0};
    struct past p;
    struct err e;
    bool pending = false;

    if (journal_read(journal, &p, &arena, &e) &&
        (begins(p.run_id, run_id) || begins(run_id, p.run_id)))
        for (int i = 0; i < p.phase_count; i++)
            pending |= cleaning_is_pending(&p, p.phases[i].name);
    arena_free(&arena);
    return pending;
}

char *cleaning_neighbour(const char *run_dir, const char *run_id)
{
    const char *slash = strrchr(run_dir, '/');
    int len = slash ? (int)(slash - run_dir) : 0;
    struct buf journal = {0};
    struct dirent *entry;
    char *found = NULL;
    DIR *d;

    buf_printf(&journal, "%.*s", len, run_dir);
    d = opendir(buf_text(&journal));
    while (d && !found && (entry = readdir(d))) {
        buf_clear(&journal);
        buf_printf(&journal, "%.*s/%s/journal.jsonl", len, run_dir, entry->d_name);
        if (is_neighbour(buf_text(&journal), run_id)) {
            buf_clear(&journal);
            buf_printf(&journal, "%.*s/%s", len, run_dir, entry->d_name);
            found = mem_check(strdup(buf_text(&journal)));
        }
    }
    if (d)
        closedir(d);
    buf_free(&journal);
    return found;
}

static const char *suite_path(const struct cleaning *c, struct arena *arena)
{
    const struct past *p = &c->past;

    if (c->args->suite)
        return c->args->suite;
    return p->suite[0] == '/' || !p->cwd ? p->suite
                                         : arena_printf(arena, "%s/%s", p->cwd, p->suite);
}

/* A suite that has changed may clean other things than the run has made. */
static bool is_the_suite(const struct cleaning *c, const struct session *s)
{
    char digest[DIGEST_TEXT];

    digest_sha256(s->text.data, s->text.len, digest);
    if (c->args->suite || !c->past.sha256 || strcmp(digest, c->past.sha256) == 0)
        return true;
    fprintf(stderr,
            "shakedown cleanup: \"%s\" has changed since the run; to clean up with what it says "
            "now, give it as --suite\n",
            s->source.file);
    return false;
}

static bool is_given(const struct texts *sets, const char *name)
{
    size_t len = strlen(name);

    for (int i = 0; i < sets->n; i++)
        if (strncmp(sets->v[i], name, len) == 0 && sets->v[i][len] == '=')
            return true;
    return false;
}

/* A variable whose value was a secret: the journal has only its name. */
static bool has_withheld(const struct cleaning *c)
{
    bool ok = true;

    for (int i = 0; i < c->past.withheld_count; i++) {
        if (is_given(&c->args->set, c->past.withheld[i]))
            continue;
        fprintf(stderr,
                "shakedown cleanup: the value of \"%s\" had a secret in it and is not in the "
                "journal: give it with --set\n",
                c->past.withheld[i]);
        ok = false;
    }
    return ok;
}

static struct suite_args *args_of(struct cleaning *c)
{
    const struct texts *own = &c->args->set;
    struct suite_args *a = arena_new(&c->arena, struct suite_args);
    const char **v = arena_array(&c->arena, const char *, c->past.set_count + own->n + 1);

    for (int i = 0; i < c->past.set_count; i++)
        v[i] = c->past.sets[i];
    for (int i = 0; i < own->n; i++)
        v[c->past.set_count + i] = own->v[i];
    *a = (struct suite_args){.file = suite_path(c, &c->arena), .preset = c->past.preset};
    a->set.v = v;
    a->set.n = c->past.set_count + own->n;
    return a;
}

static void fix_ports(struct cleaning *c, struct session_opts *o)
{
    struct fixed_port *list = arena_array(&c->arena, struct fixed_port, 16 * c->past.service_count);

    for (int i = 0; i < c->past.service_count; i++) {
        const struct past_service *v = &c->past.services[i];

        for (int k = 0; leftovers_is_running(&c->past, v) && k < v->port_count; k++)
            list[o->fixed_count++] = (struct fixed_port){v->name, k, v->ports[k]};
    }
    o->fixed = list;
}

static void find_running(struct cleaning *c, const struct suite *s)
{
    for (int i = 0; i < s->service_count; i++)
        for (int k = 0; k < c->past.service_count; k++)
            if (strcmp(s->services[i].name, c->past.services[k].name) == 0 &&
                leftovers_is_running(&c->past, &c->past.services[k]))
                c->running |= UINT64_C(1) << i;
}

/* The service that the phase needs and that has ended, with what it held; NULL: none. */
static const struct service *gone_with(const struct cleaning *c, const struct suite *s,
                                       const struct phase *p)
{
    uint64_t needed = phase_services(p) & ~c->running;

    for (int i = 0; i < s->service_count; i++)
        if (needed >> i & 1 && !s->services[i].forwards)
            return &s->services[i];
    return NULL;
}

/* The phases to run, NULL-terminated. */
static const char *const *choose_phases(struct cleaning *c, const struct suite *s)
{
    const char **list = arena_array(&c->arena, const char *, s->phase_count + 1);
    int n = 0;

    for (int i = 0; i < s->phase_count; i++) {
        const struct phase *p = &s->phases[i];
        const struct service *gone = gone_with(c, s, p);

        if (!cleaning_is_pending(&c->past, p->name))
            continue;
        if (!gone) {
            list[n++] = p->name;
            continue;
        }
        printf("phase %s: service \"%s\" has ended, and what it held with it\n", p->name,
               gone->name);
        journal_ended(c->journal, p->name, "gone");
    }
    return list;
}

/* What an attempt did that was cut short is not known to anybody. */
static void publish_past(const struct cleaning *c, struct suite *s)
{
    for (int i = 0; i < c->past.output_count; i++)
        suite_publish(s, c->past.outputs[i].phase, c->past.outputs[i].key,
                      c->past.outputs[i].value);
    for (int i = 0; i < c->past.phase_count; i++)
        if (c->past.phases[i].begun)
            suite_publish(s, c->past.phases[i].name, "unanswered", "true");
}

static bool is_refusal(const struct phase_result *p)
{
    for (int i = 0; p->steps && i < p->phase->step_count; i++)
        for (int k = 0; k < p->steps[i].error_count; k++)
            if (p->steps[i].errors[k].outcome == OP_UNEXPECTED)
                return true;
    return false;
}

static void learn(struct cleaning *c, const struct phase_result *p)
{
    for (const struct finding *f = p->findings; f; f = f->next) {
        bool good = f->state == FOUND_PASS;

        if (p->skipped || f->state == FOUND_NOT_RUN)
            continue;
        printf("phase %s: %s%s\n", p->phase->name, good ? "" : "FAILED: ", f->message);
        if (!good && is_refusal(p))
            c->refused = true;
        else if (!good)
            c->could_not = true;
    }
}

/* For services that are started again. */
static bool make_folders(struct cleaning *c, const char *reports, const char *tmp, struct err *e)
{
    if (!fs_mkdirs(reports, 0755, e) || !journal_tmp(c->journal, tmp, e))
        return false;
    c->past.tmp = arena_strdup(&c->arena, tmp);
    return fs_mkdirs(tmp, 0700, e);
}

static void run_phases(struct cleaning *c, struct session *s, const char *const *only)
{
    struct files_opts files = {arena_printf(&c->arena, "%s/cleanup", c->past.dir), 0,
                               c->args->junit};
    const struct observer *observers[] = {files_observer(&files, &c->arena), NULL};
    struct run_opts o = {.suite = s->suite,
                         .run_id = c->past.run_id,
                         .dir = files.dir,
                         .observers = observers,
                         .only = only,
                         .cleanup_only = true,
                         .running = c->running,
                         .journal = c->journal};
    struct run_result *r;
    struct err e;

    if (!make_folders(c, files.dir, s->source.run_tmp, &e)) {
        fprintf(stderr, "shakedown cleanup: %s\n", e.text);
        c->could_not = true;
        return;
    }
    r = run_suite(&o, &c->arena);
    for (int i = 0; i < r->service_count; i++)
        if (r->services[i].failure)
            printf("service %s: FAILED: %s\n", s->suite->services[i].name, r->services[i].failure);
    for (int i = 0; i < r->phase_count; i++) {
        learn(c, &r->phases[i]);
        for (int k = 0; r->phases[i].steps && k < r->phases[i].phase->step_count; k++)
            meter_free(&r->phases[i].steps[k].meter);
    }
    c->could_not |= r->interrupted != NULL;
}

bool cleaning_do_phases(struct cleaning *c)
{
    struct session_opts o = {.args = args_of(c),
                             .run_id = c->past.run_id,
                             .out = c->past.dir,
                             .reserve_ports = true,
                             .cleanup = true,
                             .run_tmp = c->past.tmp};
    const char *const *only;
    struct session s = {0};
    bool ok;

    fix_ports(c, &o);
    ok = has_withheld(c) && session_open(&s, &o);
    if (ok && is_the_suite(c, &s)) {
        find_running(c, s.suite);
        publish_past(c, s.suite);
        only = choose_phases(c, s.suite);
        if (only[0])
            run_phases(c, &s, only);
    } else {
        ok = false;
    }
    session_close(&s);
    return ok;
}
