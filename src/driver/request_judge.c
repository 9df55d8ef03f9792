/*
 * request_judge.c - what is read out of answers: captures, recorded numbers, counted answers; and
 * the judgement itself.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "driver/driver.h"
#include "driver/request_parts.h"

static const char *const record_types[] = {"counter", "trend", NULL};

struct record_opts {
    const char *from;
    int as;
};

#define OPT_OF struct record_opts
static const struct opt record_table[] = {
    OPT_TEXT(from, NULL, "where the number is: json:/pointer, header:Name or regex:pattern",
             .flags = OPT_REQUIRED),
    OPT_CHOICE(as, "counter", "what the numbers become: a sum, or a distribution",
               .choices = record_types),
    {0},
};
#undef OPT_OF

static bool is_name(const char *s)
{
    if (!isalpha((unsigned char)*s) && *s != '_')
        return false;
    while (isalnum((unsigned char)*s) || *s == '_')
        s++;
    return *s == '\0';
}

static int metric_index(const struct declared *declared, const char *name)
{
    for (int i = 0; declared && i < declared->metric_count; i++)
        if (strcmp(declared->metrics[i]->name, name) == 0)
            return i;
    return 0;
}

static void check_metric(struct maker *m, const struct node *n, const char *what)
{
    if (!is_name(n->key))
        diag_add(m->d, n->key_at, "%s.%s: \"%s\" cannot name a metric (use letters, digits and _)",
                 m->c->path, what, n->key);
    for (const struct metric *e = engine_metrics; e->name; e++)
        if (strcmp(e->name, n->key) == 0)
            diag_add(m->d, n->key_at, "%s.%s: \"%s\" is a metric that every step has", m->c->path,
                     what, n->key);
}

static bool expect_map(struct maker *m, const struct node *n, const char *what)
{
    if (n->type == NODE_MAP)
        return true;
    return diag_add(m->d, n->at, "%s.%s: expected a map from names", m->c->path, what);
}

static void read_source(struct maker *m, const struct node *n, const char *text, struct source *out)
{
    struct err e;

    if (n->deferred)
        text = "json:";
    if (n->type != NODE_SCALAR && !text)
        diag_add(m->d, n->at, "%s: expected json:/pointer, header:Name or regex:pattern",
                 m->c->path);
    else if (!source_parse(out, text, m->arena, &e))
        diag_add(m->d, n->at, "%s: %s", m->c->path, e.text);
    m->r->answer_needed = true;
    m->r->body_needed |= out->json || out->pattern;
}

static void read_captures(struct maker *m, const struct node *map)
{
    if (!expect_map(m, map, "capture"))
        return;
    m->r->captures = arena_array(m->arena, struct capture, map->count);
    for (const struct node *n = map->first; n; n = n->next) {
        struct capture *c = &m->r->captures[m->r->capture_count++];

        c->name = n->key;
        read_source(m, n, n->type == NODE_SCALAR ? n->text : NULL, &c->from);
    }
}

static void read_record(struct maker *m, const struct node *n, struct record *out)
{
    struct record_opts o = {0};
    struct bind b = *m->c->opts->bind;
    const char *path = arena_printf(m->arena, "%s.record.%s", m->c->path, n->key);

    b.arena = m->arena;
    b.diags = m->d;
    if (n->type == NODE_SCALAR)
        o.from = n->text;
    else if (!opt_bind(record_table, NULL, n, path, &o, &b))
        return;
    out->metric = n->key;
    out->trend = o.as == 1;
    out->index = metric_index(m->c->declared, n->key);
    read_source(m, n, o.from, &out->from);
}

static void read_records(struct maker *m, const struct node *map)
{
    if (!expect_map(m, map, "record"))
        return;
    m->r->records = arena_array(m->arena, struct record, map->count);
    for (const struct node *n = map->first; n; n = n->next) {
        check_metric(m, n, "record");
        read_record(m, n, &m->r->records[m->r->record_count++]);
    }
}

static void read_counts(struct maker *m, const struct node *map)
{
    struct bind b;

    if (!expect_map(m, map, "count"))
        return;
    b = *m->c->opts->bind;
    b.arena = m->arena;
    b.diags = m->d;
    m->r->counts = arena_array(m->arena, struct counted, map->count);
    for (const struct node *n = map->first; n; n = n->next) {
        struct counted *c = &m->r->counts[m->r->count_count++];
        const char *path = arena_printf(m->arena, "%s.count.%s", m->c->path, n->key);
        struct expect_opts o = {0};

        check_metric(m, n, "count");
        if (!opt_bind(expect_table, NULL, n, path, &o, &b))
            continue;
        c->metric = n->key;
        c->index = metric_index(m->c->declared, n->key);
        c->like = expect_compile(&o, false, n, path, m->arena, m->d);
        m->r->answer_needed |= c->like && expect_needs_head(c->like);
        m->r->body_needed |= c->like && expect_needs_body(c->like);
    }
}

void request_readings(struct maker *m)
{
    const struct request_opts *o = m->c->opts;

    if (o->capture)
        read_captures(m, o->capture);
    if (o->record)
        read_records(m, o->record);
    if (o->count)
        read_counts(m, o->count);
}

static void declare(struct declared *out, struct arena *arena, const char *name, bool trend,
                    const char *help)
{
    const struct metric **all = arena_array(arena, const struct metric *, out->metric_count + 1);
    struct metric *metric = arena_new(arena, struct metric);

    for (int i = 0; i < out->metric_count; i++)
        if (strcmp(out->metrics[i]->name, name) == 0)
            return;
    *metric = (struct metric){name, trend ? METRIC_TREND : METRIC_COUNTER, UNIT_NONE, help, false};
    if (out->metric_count)
        memcpy(all, out->metrics, sizeof(*all) * (size_t)out->metric_count);
    all[out->metric_count++] = metric;
    out->metrics = all;
}

/* Mistakes were check()'s to report: what is not as it should be is passed over. */
void request_declare(const struct request_opts *o, struct arena *arena, struct declared *out)
{
    if (o->record && o->record->type == NODE_MAP) {
        for (const struct node *n = o->record->first; n; n = n->next) {
            const struct node *as = n->type == NODE_MAP ? node_find(n, "as") : NULL;
            const struct node *from = n->type == NODE_MAP ? node_find(n, "from") : n;

            declare(out, arena, n->key, as && as->text && strcmp(as->text, "trend") == 0,
                    arena_printf(arena, "%s of the answers", from && from->text ? from->text : ""));
        }
    }
    if (o->count && o->count->type == NODE_MAP)
        for (const struct node *n = o->count->first; n; n = n->next)
            declare(out, arena, n->key, false, "answers that look as `count` says");
}

/* A missing number is no sample: a threshold on the metric then finds that it has none. */
static void take_readings(const struct request *r, struct answer *a, struct op *op, int base)
{
    char ignored[WHY_MAX];
    double value;

    for (int i = 0; i < r->record_count; i++) {
        const struct record *rec = &r->records[i];

        if (!source_number(&rec->from, a, &value))
            continue;
        if (rec->trend)
            op_value(op, base + rec->index, value);
        else
            op_count(op, base + rec->index, value);
    }
    for (int i = 0; i < r->count_count; i++)
        if (expect_judge(r->counts[i].like, a, NULL, ignored))
            op_count(op, base + r->counts[i].index, 1);
}

bool request_judge(const struct request *r, struct answer *a, struct op *op, int metric_base,
                   char why[WHY_MAX])
{
    int checks = expect_checks(r->expect), met;
    bool ok = expect_judge(r->expect, a, &met, why);

    for (int i = 0; i < checks; i++)
        op_check(op, i < met);
    take_readings(r, a, op, metric_base);
    return ok;
}
