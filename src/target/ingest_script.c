#include "target/ingest_script.h"

#include <stdio.h>
#include <string.h>

#include "net/grpc.h"
#include "spec/opt.h"
#include "target/ingest_table.h"

#define S   INT64_C(1000000000)
#define DAY (86400 * S)

const char *const script_methods[] = {
    "Register", "Heartbeat", "Terminal", "SubmitSoftwareInventory", "RenewCertificate", NULL};
const char *const script_whats[] = {"query", "task",   "cancel", "certificate", "terminal",
                                    "delay", "status", "end",    "drop",        NULL};
static const char *const drops[] = {
    [SCRIPT_KEEP] = "none", [SCRIPT_STREAM] = "stream", [SCRIPT_CONNECTION] = "connection", NULL};

struct top {
    int64_t tick, undeletable;
    const struct node *checks, *pushes, *faults;
};

#define OPT_OF struct top
static const struct opt top_table[] = {
    OPT_DURATION(tick, "2s", "how often a stream is looked at for what is due by time",
                 .min = S / 100, .max = DAY),
    OPT_INT(undeletable, "0", "every so many hosts cannot be deleted", .min = 0, .max = 1000000000),
    OPT_NODE(checks, "checks that every host has"),
    OPT_NODE(pushes, "what agents get, and when"),
    OPT_NODE(faults, "calls that fail"),
    {0},
};
#undef OPT_OF

#define OPT_OF struct script_check
static const struct opt check_table[] = {
    OPT_TEXT(id, NULL, "name of the check", .flags = OPT_REQUIRED),
    OPT_TEXT(type, "port", "kind of check"),
    OPT_TEXT(config, "{}", "its settings, JSON"),
    OPT_DURATION(interval, "60s", "how often the agent runs it", .min = S, .max = DAY),
    {0},
};
#undef OPT_OF

#define OPT_OF struct script_push
static const struct opt push_table[] = {
    OPT_INT(after_beat, "0", "with every so many beats of an agent", .min = 0, .max = 1000000000),
    OPT_DURATION(at, "0", "every time that so long has passed since the agent's first beat",
                 .min = 0, .max = DAY),
    OPT_INT(every, "1", "one agent in so many, by the order of registration", .min = 1,
            .max = 1000000000),
    OPT_INT(times, "1", "so often for each agent", .min = 1, .max = 1000000000),
    OPT_TEXT(query, NULL, "ask: list_ports, list_services"),
    OPT_TEXT(task, NULL, "give a task of this type: software_inventory, run_script"),
    OPT_TEXT(config, "{}", "the task's settings, JSON"),
    OPT_BOOL(cancel, "false", "cancel the agent's newest task"),
    OPT_BOOL(certificate, "false", "send a new client certificate"),
    OPT_BOOL(terminal, "false", "ask for a terminal session"),
    OPT_INT(cols, "80", "columns of the terminal", .min = 1, .max = 10000),
    OPT_INT(rows, "24", "rows of the terminal", .min = 1, .max = 10000),
    OPT_TEXT(username, "loadtest", "user of the terminal"),
    OPT_TEXT(input, NULL, "what is typed into the terminal"),
    OPT_BOOL(close, "false", "end the terminal session after that"),
    OPT_DURATION(delay, "0", "hold this reply back for so long", .min = 0, .max = DAY),
    OPT_CHOICE(status, "active", "the agent's status from then on", .choices = ingest_statuses,
               OPT_GIVEN(sets)),
    OPT_CHOICE(end, "UNAVAILABLE", "end the stream with this status", .choices = grpc_code_names,
               OPT_GIVEN(ends)),
    OPT_TEXT(message, "by script", "the message of that status"),
    OPT_CHOICE(drop, "none", "reset the stream, or the connection", .choices = drops),
    {0},
};
#undef OPT_OF

#define OPT_OF struct script_fault
static const struct opt fault_table[] = {
    OPT_CHOICE(method, "Register", "the method whose calls fail", .choices = script_methods),
    OPT_CHOICE(code, "UNAVAILABLE", "the status", .choices = grpc_code_names),
    OPT_TEXT(message, "by script", "its message"),
    OPT_INT(every, "1", "one call in so many", .min = 1, .max = 1000000000),
    OPT_INT(times, "0", "so often; 0: for ever", .min = 0, .max = 1000000000),
    {0},
};
#undef OPT_OF

/* What each kind of push is asked for by. */
static bool asks_for(const struct script_push *p, enum script_what what)
{
    switch (what) {
    case PUSH_QUERY:
        return p->query != NULL;
    case PUSH_TASK:
        return p->task != NULL;
    case PUSH_CANCEL:
        return p->cancel;
    case PUSH_CERTIFICATE:
        return p->certificate;
    case PUSH_TERMINAL:
        return p->terminal;
    case PUSH_DELAY:
        return p->delay > 0;
    case PUSH_STATUS:
        return p->sets;
    case PUSH_END:
        return p->ends;
    default:
        return p->drop != SCRIPT_KEEP;
    }
}

static bool judge_push(struct script_push *p, const struct node *at, struct diags *d)
{
    int found = 0;

    for (int what = 0; what < PUSH_KINDS; what++)
        if (asks_for(p, (enum script_what)what)) {
            p->what = (enum script_what)what;
            found++;
        }
    if (found != 1)
        return diag_add(d, at->at,
                        "a push is one of query, task, cancel, certificate, terminal, delay, "
                        "status, end and drop; this is %s",
                        found ? "more than one" : "none");
    if (!p->after_beat == !p->at)
        return diag_add(d, at->at, "a push has either after_beat or at");
    if (p->what == PUSH_DELAY && !p->after_beat)
        return diag_add(d, at->at, "a reply is held back after a beat: after_beat in place of at");
    return true;
}

/* The elements of a list, each bound into a struct of `size` bytes; NULL if there are none. */
static void *bind_list(const struct node *list, const char *path, const struct opt *table,
                       size_t size, int *count, const struct bind *b)
{
    char *out, where[64];
    int i = 0;

    *count = 0;
    if (!list)
        return NULL;
    if (list->type != NODE_LIST) {
        diag_add(b->diags, list->at, "%s: a list is expected", path);
        return NULL;
    }
    if (list->count > SCRIPT_LIST_MAX) {
        diag_add(b->diags, list->at, "%s: at most %d", path, SCRIPT_LIST_MAX);
        return NULL;
    }
    out = arena_alloc(b->arena, size * (size_t)(list->count + 1));
    for (const struct node *n = list->first; n; n = n->next, i++) {
        snprintf(where, sizeof(where), "%s[%d]", path, i);
        if (n->type == NODE_MAP)
            opt_bind(table, NULL, n, where, out + size * (size_t)i, b);
        else
            diag_add(b->diags, n->at, "%s: a map is expected", where);
    }
    *count = i;
    return out;
}

static void bind_all(struct script *s, const struct node *root, const struct bind *b)
{
    struct top top = {0};
    int i = 0;

    if (root->type != NODE_MAP) {
        diag_add(b->diags, root->at, "a map with tick, checks, pushes and faults is expected");
        return;
    }
    opt_bind(top_table, NULL, root, "script", &top, b);
    s->tick = top.tick;
    s->undeletable = top.undeletable;
    s->checks =
        bind_list(top.checks, "checks", check_table, sizeof(*s->checks), &s->check_count, b);
    s->pushes = bind_list(top.pushes, "pushes", push_table, sizeof(*s->pushes), &s->push_count, b);
    s->faults =
        bind_list(top.faults, "faults", fault_table, sizeof(*s->faults), &s->fault_count, b);
    if (b->diags->errors)
        return;
    for (const struct node *n = top.pushes ? top.pushes->first : NULL; n; n = n->next, i++) {
        judge_push(&s->pushes[i], n, b->diags);
        s->timed |= s->pushes[i].at > 0;
        s->rotates |= s->pushes[i].certificate;
    }
}

void script_nothing(struct script *s)
{
    *s = (struct script){.tick = 2 * S};
}

bool script_read(struct script *s, const char *text, size_t len, struct arena *arena,
                 struct diags *d)
{
    struct bind b = {.arena = arena, .diags = d};
    struct node *root = yaml_parse(text, len, arena, d);

    script_nothing(s);
    if (root)
        bind_all(s, root, &b);
    else if (!d->errors)
        diag_add(d, (struct pos){1, 1}, "the file is empty");
    return !d->errors;
}
