/* journal_read.c - a journal, as somebody finds it who was not there. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/fs.h"
#include "run/journal.h"

#define JOURNAL_MAX ((size_t)64 << 20)

struct reading {
    struct past *p;
    struct arena *arena;
    int room; /* of each list: no line adds more than one */
};

static const char *text(const struct reading *r, const json_t *entry, const char *key)
{
    const char *s = json_string_value(json_object_get(entry, key));

    return s ? arena_strdup(r->arena, s) : NULL;
}

static int64_t number(const json_t *entry, const char *key)
{
    return json_integer_value(json_object_get(entry, key));
}

static void read_values(struct reading *r, const json_t *values, const json_t *withheld)
{
    struct past *p = r->p;
    const char *name;
    json_t *value;
    size_t i;

    p->sets = arena_array(r->arena, const char *, (int)json_object_size(values) + 1);
    json_object_foreach((json_t *)values, name, value)
    {
        if (json_is_string(value))
            p->sets[p->set_count++] =
                arena_printf(r->arena, "%s=%s", name, json_string_value(value));
    }
    p->withheld = arena_array(r->arena, const char *, (int)json_array_size(withheld) + 1);
    json_array_foreach(withheld, i, value)
    {
        if (json_is_string(value))
            p->withheld[p->withheld_count++] = arena_strdup(r->arena, json_string_value(value));
    }
}

static void on_run(struct reading *r, const json_t *entry)
{
    struct past *p = r->p;
    json_t *always = json_object_get(entry, "always"), *value;
    size_t i;

    p->run_id = text(r, entry, "run_id");
    p->suite = text(r, entry, "suite");
    p->sha256 = text(r, entry, "sha256");
    p->cwd = text(r, entry, "cwd");
    p->dir = text(r, entry, "dir");
    p->preset = text(r, entry, "preset");
    p->boot = text(r, entry, "boot");
    p->pid = (pid_t)number(entry, "pid");
    read_values(r, json_object_get(entry, "values"), json_object_get(entry, "withheld"));
    p->phases = arena_array(r->arena, struct past_phase, (int)json_array_size(always) + 1);
    json_array_foreach(always, i, value)
    {
        if (json_is_string(value))
            p->phases[p->phase_count++].name = arena_strdup(r->arena, json_string_value(value));
    }
}

static struct past_service *service_of(struct reading *r, const json_t *entry)
{
    const char *name = text(r, entry, "name");
    struct past *p = r->p;

    for (int i = 0; name && i < p->service_count; i++)
        if (strcmp(p->services[i].name, name) == 0)
            return &p->services[i];
    if (!name || p->service_count == r->room)
        return NULL;
    p->services[p->service_count].name = name;
    return &p->services[p->service_count++];
}

static void on_service(struct reading *r, const json_t *entry)
{
    struct past_service *v = service_of(r, entry);
    const json_t *ports = json_object_get(entry, "ports");

    if (!v)
        return;
    *v = (struct past_service){.name = v->name};
    for (size_t i = 0; i < json_array_size(ports) && i < 16; i++)
        v->ports[v->port_count++] = (uint16_t)json_integer_value(json_array_get(ports, i));
}

static void on_started(struct reading *r, const json_t *entry)
{
    struct past_service *v = service_of(r, entry);

    if (!v)
        return;
    v->pid = (pid_t)number(entry, "pid");
    v->started = (uint64_t)number(entry, "started");
}

static void on_stopped(struct reading *r, const json_t *entry)
{
    struct past_service *v = service_of(r, entry);

    if (v)
        v->stopped = true;
}

static struct past_phase *phase_of(struct reading *r, const json_t *entry)
{
    const char *name = json_string_value(json_object_get(entry, "name"));

    for (int i = 0; name && i < r->p->phase_count; i++)
        if (strcmp(r->p->phases[i].name, name) == 0)
            return &r->p->phases[i];
    return NULL;
}

static void on_phase(struct reading *r, const json_t *entry)
{
    struct past_phase *p = phase_of(r, entry);

    if (p)
        p->begun = true;
    else
        r->p->any_ran = true;
}

static void on_ended(struct reading *r, const json_t *entry)
{
    const char *state = json_string_value(json_object_get(entry, "state"));
    struct past_phase *p = phase_of(r, entry);

    if (!p)
        return;
    p->begun = false;
    p->done = state && (strcmp(state, "done") == 0 || strcmp(state, "gone") == 0);
}

static void on_output(struct reading *r, const json_t *entry)
{
    struct past_output *o = &r->p->outputs[r->p->output_count];

    *o = (struct past_output){text(r, entry, "phase"), text(r, entry, "key"),
                              text(r, entry, "value")};
    if (o->phase && o->key && o->value)
        r->p->output_count++;
}

static void on_tmp(struct reading *r, const json_t *entry)
{
    r->p->tmp = text(r, entry, "path");
}

static void on_gone(struct reading *r, const json_t *entry)
{
    (void)entry;
    r->p->tmp = NULL;
}

static void on_cleanup(struct reading *r, const json_t *entry)
{
    (void)r;
    (void)entry;
}

static const struct {
    const char *event;
    void (*read)(struct reading *r, const json_t *entry);
} readers[] = {
    {"run", on_run},         {"tmp", on_tmp},         {"gone", on_gone},   {"service", on_service},
    {"started", on_started}, {"stopped", on_stopped}, {"phase", on_phase}, {"ended", on_ended},
    {"output", on_output},   {"cleanup", on_cleanup},
};

static void read_line(struct reading *r, const char *line, size_t len)
{
    json_t *entry = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
    const char *event = json_string_value(json_object_get(entry, "event"));

    for (size_t i = 0; event && i < sizeof(readers) / sizeof(readers[0]); i++)
        if (strcmp(readers[i].event, event) == 0)
            readers[i].read(r, entry);
    json_decref(entry);
}

static int count_lines(const char *text, size_t len)
{
    int n = 0;

    for (size_t i = 0; i < len; i++)
        n += text[i] == '\n';
    return n;
}

bool journal_parse(const char *text, size_t len, const char *name, struct past *p,
                   struct arena *arena, struct err *e)
{
    struct reading r = {.p = p, .arena = arena, .room = count_lines(text, len)};
    const char *end;

    *p = (struct past){0};
    p->services = arena_array(arena, struct past_service, r.room + 1);
    p->outputs = arena_array(arena, struct past_output, r.room + 1);
    for (size_t at = 0; at < len && (end = memchr(text + at, '\n', len - at)) != NULL;
         at = (size_t)(end - text) + 1)
        read_line(&r, text + at, (size_t)(end - text) - at);
    return (p->run_id && p->suite && p->dir) ||
           err_set(e, "\"%s\" is no journal of a run: it has no entry \"run\"", name);
}

bool journal_read(const char *path, struct past *p, struct arena *arena, struct err *e)
{
    struct buf b = {0};
    bool ok;

    *p = (struct past){0};
    ok = fs_read(path, JOURNAL_MAX, &b, e) && journal_parse(buf_text(&b), b.len, path, p, arena, e);
    buf_free(&b);
    return ok;
}
