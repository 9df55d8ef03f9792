#include "target/store.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"

#define DAY INT64_C(86400)

const char *const cert_status_names[CERT_STATUSES] = {"Pending", "Active", "RenewalInProgress"};

struct store {
    struct store_opts opts;
    struct arena arena; /* rows and their texts */
    struct cert_row **rows;
    struct job_row *jobs;
    int count, cap, job_count, job_cap, jobs_done;
    json_t *by_id, *by_name, *by_host; /* to an index */
};

static void index_row(json_t *map, const char *key, int at)
{
    json_object_set_new_nocheck(map, key, json_integer(at));
}

/* The delay is over: what was on its way has arrived. */
static struct cert_row *refresh(struct store *s, struct cert_row *row, uint64_t now_ns)
{
    if (row->due_ns && now_ns >= row->due_ns) {
        row->due_ns = 0;
        row->status = CERT_ACTIVE;
        row->deployed = true;
        row->expires = row->created + 90 * DAY;
        s->opts.free_leaf(row->leaf);
        row->leaf = NULL;
    }
    return row;
}

static struct cert_row *append(struct store *s, const struct cert_row *from)
{
    struct cert_row *row = arena_new(&s->arena, struct cert_row);

    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 64;
        s->rows = xrealloc(s->rows, (size_t)s->cap * sizeof(*s->rows));
    }
    *row = *from;
    row->name = arena_strdup(&s->arena, from->name);
    row->common_name = arena_strdup(&s->arena, from->common_name);
    row->issuer = arena_strdup(&s->arena, from->issuer);
    row->owner = arena_strdup(&s->arena, from->owner);
    row->team = arena_strdup(&s->arena, from->team);
    row->policy = arena_strdup(&s->arena, from->policy);
    row->environment = arena_strdup(&s->arena, from->environment);
    row->sans = arena_strdup(&s->arena, from->sans);
    if (!row->id[0])
        snprintf(row->id, sizeof(row->id), "cert-%08x", (unsigned)s->count + 1);
    index_row(s->by_id, row->id, s->count);
    index_row(s->by_name, row->name, s->count);
    index_row(s->by_host, row->common_name, s->count);
    s->rows[s->count++] = row;
    return row;
}

static void seed(struct store *s, int64_t now)
{
    for (int64_t g = 1; g <= s->opts.certificates; g++) {
        char name[64], sans[80];
        struct cert_row row = {.name = name,
                               .common_name = name,
                               .issuer = "iss-local",
                               .owner = "o-alice",
                               .team = "t-platform",
                               .policy = "rp-standard",
                               .environment = "loadtest",
                               .sans = sans,
                               .status = CERT_ACTIVE,
                               .created = now,
                               .expires = now + (g % 30) * DAY + (g % 24) * 3600};

        snprintf(row.id, sizeof(row.id), "cert-loadtest-bulk-%05" PRId64, g);
        snprintf(name, sizeof(name), "loadtest-bulk-%05" PRId64 ".example.test", g);
        snprintf(sans, sizeof(sans), "[\"%s\"]", name);
        append(s, &row);
    }
}

struct store *store_new(const struct store_opts *o, int64_t now)
{
    struct store *s = xcalloc(1, sizeof(*s));

    s->opts = *o;
    s->by_id = mem_check(json_object());
    s->by_name = mem_check(json_object());
    s->by_host = mem_check(json_object());
    seed(s, now);
    return s;
}

void store_free(struct store *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->count; i++)
        s->opts.free_leaf(s->rows[i]->leaf);
    json_decref(s->by_id);
    json_decref(s->by_name);
    json_decref(s->by_host);
    free(s->rows);
    free(s->jobs);
    arena_free(&s->arena);
    free(s);
}

struct cert_row *store_add(struct store *s, const struct cert_row *row, uint64_t now_ns)
{
    struct cert_row *added;

    if (json_object_get(s->by_name, row->name))
        return NULL;
    added = append(s, row);
    added->due_ns = now_ns + s->opts.delay;
    return added;
}

int store_count(const struct store *s)
{
    return s->count;
}

struct cert_row *store_at(struct store *s, int index, uint64_t now_ns)
{
    return refresh(s, s->rows[index], now_ns);
}

static struct cert_row *find(struct store *s, const json_t *map, const char *key, uint64_t now_ns)
{
    const json_t *at = json_object_get(map, key);

    return at ? store_at(s, (int)json_integer_value(at), now_ns) : NULL;
}

struct cert_row *store_find(struct store *s, const char *id, uint64_t now_ns)
{
    return find(s, s->by_id, id, now_ns);
}

struct cert_row *store_find_host(struct store *s, const char *host, uint64_t now_ns)
{
    return find(s, s->by_host, host, now_ns);
}

const struct job_row *store_renew(struct store *s, struct cert_row *row, int64_t now,
                                  uint64_t now_ns)
{
    struct job_row *job;

    if (s->job_count == s->job_cap) {
        s->job_cap = s->job_cap ? s->job_cap * 2 : 64;
        s->jobs = xrealloc(s->jobs, (size_t)s->job_cap * sizeof(*s->jobs));
    }
    job = &s->jobs[s->job_count++];
    *job = (struct job_row){(uint64_t)s->job_count, row, now, now_ns + s->opts.delay};
    row->status = CERT_RENEWING;
    row->due_ns = job->due_ns;
    return job;
}

int store_jobs(const struct store *s)
{
    return s->job_count;
}

/* One delay for all: jobs are completed in the order in which they were made. */
int store_jobs_done(struct store *s, uint64_t now_ns)
{
    while (s->jobs_done < s->job_count && s->jobs[s->jobs_done].due_ns <= now_ns)
        s->jobs_done++;
    return s->jobs_done;
}

const struct job_row *store_job(const struct store *s, int index)
{
    return &s->jobs[index];
}

/* Agents are "ag-loadtest-00001" and so on; the last ones of them are retired. */
enum agent_status store_agent(const struct store *s, const char *id)
{
    static const char prefix[] = "ag-loadtest-";
    const char *digits = id + sizeof(prefix) - 1;
    long number;

    if (strncmp(id, prefix, sizeof(prefix) - 1) != 0 || strlen(digits) < 5 || strlen(digits) > 8 ||
        digits[strspn(digits, "0123456789")] != '\0')
        return AGENT_UNKNOWN;
    number = strtol(digits, NULL, 10);
    if (number < 1 || number > s->opts.agents || (strlen(digits) > 5 && digits[0] == '0'))
        return AGENT_UNKNOWN;
    return number > s->opts.agents - s->opts.retired ? AGENT_RETIRED : AGENT_KNOWN;
}
