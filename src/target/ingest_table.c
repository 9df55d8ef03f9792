#include "target/ingest_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"

#define FIRST_BUCKETS 1024 /* a power of two */

const char *const ingest_statuses[] = {
    [INGEST_PENDING] = "pending", [INGEST_ACTIVE] = "active",   [INGEST_OFFLINE] = "offline",
    [INGEST_REVOKED] = "revoked", [INGEST_DELETED] = "deleted", NULL};

static uint64_t word(const unsigned char *bytes)
{
    uint64_t w;

    memcpy(&w, bytes, sizeof(w));
    return w;
}

static uint32_t id_bucket(const struct ingest_table *t, const unsigned char id[16])
{
    return (uint32_t)rng_mix(word(id) ^ word(id + 8)) & (t->buckets - 1);
}

static uint32_t key_bucket(const struct ingest_table *t, const unsigned char key[AGENT_KEY])
{
    return (uint32_t)rng_mix(word(key) ^ t->seed) & (t->buckets - 1);
}

/* FNV-1a from a start that a peer does not know. */
static uint32_t name_bucket(const struct ingest_table *t, const char *text, size_t len)
{
    uint64_t h = t->seed;

    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return (uint32_t)rng_mix(h) & (t->buckets - 1);
}

void ingest_table_init(struct ingest_table *t, uint64_t seed)
{
    *t = (struct ingest_table){.buckets = FIRST_BUCKETS, .seed = rng_mix(seed)};
    t->ids = xcalloc(t->buckets, sizeof(*t->ids));
    t->keys = xcalloc(t->buckets, sizeof(*t->keys));
    t->names = xcalloc(t->buckets, sizeof(*t->names));
}

static void free_agent(struct ingest_agent *a)
{
    struct ingest_task *next;

    for (struct ingest_task *task = a->tasks; task; task = next) {
        next = task->next;
        free(task);
    }
    free(a->cert_key);
    free(a);
}

void ingest_table_fini(struct ingest_table *t)
{
    for (uint32_t i = 0; i < t->count; i++)
        if (t->all[i])
            ingest_table_delete(t, t->all[i]);
    free(t->ids);
    free(t->keys);
    free(t->names);
    free(t->all);
    *t = (struct ingest_table){0};
}

static void link_agent(struct ingest_table *t, struct ingest_agent *a)
{
    uint32_t id = id_bucket(t, a->id), key = key_bucket(t, a->key);

    a->id_next = t->ids[id];
    t->ids[id] = a;
    a->key_next = t->keys[key];
    t->keys[key] = a;
}

static void link_name(struct ingest_table *t, struct ingest_name *n)
{
    uint32_t at = name_bucket(t, n->text, strlen(n->text));

    n->next = t->names[at];
    t->names[at] = n;
}

static void grow(struct ingest_table *t)
{
    struct ingest_name **names = t->names, *next;
    uint32_t had = t->buckets;

    free(t->ids);
    free(t->keys);
    t->buckets *= 2;
    t->ids = xcalloc(t->buckets, sizeof(*t->ids));
    t->keys = xcalloc(t->buckets, sizeof(*t->keys));
    t->names = xcalloc(t->buckets, sizeof(*t->names));
    for (uint32_t i = 0; i < t->count; i++)
        if (t->all[i])
            link_agent(t, t->all[i]);
    for (uint32_t i = 0; i < had; i++)
        for (struct ingest_name *n = names[i]; n; n = next) {
            next = n->next;
            link_name(t, n);
        }
    free(names);
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_id(const char *text, size_t len, unsigned char id[16])
{
    int n = 0;

    if (len != AGENT_ID_TEXT - 1)
        return false;
    for (size_t i = 0; i < len; i++) {
        int digit = hex(text[i]);

        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text[i] != '-')
                return false;
            continue;
        }
        if (digit < 0)
            return false;
        id[n / 2] = (unsigned char)(n % 2 ? id[n / 2] | digit : digit << 4);
        n++;
    }
    return true;
}

void ingest_agent_keep(struct ingest_agent *a, const void *key, size_t len)
{
    if (len > UINT16_MAX)
        return;
    a->cert_key = xrealloc(a->cert_key, 2 + len);
    a->cert_key[0] = (unsigned char)(len >> 8);
    a->cert_key[1] = (unsigned char)len;
    memcpy(a->cert_key + 2, key, len);
}

const char *ingest_agent_host(const struct ingest_agent *a)
{
    for (const struct ingest_name *n = a->names; n; n = n->sibling)
        if (n->text[0] != '/')
            return n->text;
    return "";
}

const char *ingest_agent_id(const struct ingest_agent *a, char text[AGENT_ID_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    char *to = text;

    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *to++ = '-';
        *to++ = digits[a->id[i] >> 4];
        *to++ = digits[a->id[i] & 15];
    }
    *to = '\0';
    return text;
}

static struct ingest_agent *find_id(const struct ingest_table *t, const unsigned char id[16])
{
    struct ingest_agent *a = t->ids[id_bucket(t, id)];

    while (a && memcmp(a->id, id, 16) != 0)
        a = a->id_next;
    return a;
}

struct ingest_agent *ingest_table_id(const struct ingest_table *t, const char *id, size_t len)
{
    unsigned char bytes[16];

    return read_id(id, len, bytes) ? find_id(t, bytes) : NULL;
}

struct ingest_agent *ingest_table_key(const struct ingest_table *t,
                                      const unsigned char key[AGENT_KEY])
{
    struct ingest_agent *a = t->keys[key_bucket(t, key)];

    while (a && memcmp(a->key, key, AGENT_KEY) != 0)
        a = a->key_next;
    return a;
}

struct ingest_name *ingest_table_name(const struct ingest_table *t, const char *text, size_t len,
                                      const struct ingest_name *after)
{
    struct ingest_name *n = after ? after->next : t->names[name_bucket(t, text, len)];

    while (n && (strlen(n->text) != len || memcmp(n->text, text, len) != 0))
        n = n->next;
    return n;
}

/* Version 4 and the variant of RFC 9562; the rest is as good as random. */
static void make_id(const struct ingest_table *t, struct ingest_agent *a)
{
    uint64_t high = rng_hash(t->seed, a->number, 1), low = rng_hash(t->seed, a->number, 2);

    memcpy(a->id, &high, 8);
    memcpy(a->id + 8, &low, 8);
    a->id[6] = (unsigned char)((a->id[6] & 0x0f) | 0x40);
    a->id[8] = (unsigned char)((a->id[8] & 0x3f) | 0x80);
}

void ingest_table_claim(struct ingest_table *t, struct ingest_agent *a, const char *text,
                        size_t len)
{
    struct ingest_name *n = xcalloc(1, sizeof(*n) + len + 1);

    memcpy(n->text, text, len);
    n->agent = a;
    n->sibling = a->names;
    a->names = n;
    link_name(t, n);
}

struct ingest_agent *ingest_table_add(struct ingest_table *t, const char *id,
                                      const unsigned char key[AGENT_KEY], const char *host,
                                      size_t host_len)
{
    struct ingest_agent *a = xcalloc(1, sizeof(*a));

    if (t->count == t->buckets)
        grow(t);
    if (t->count == t->room) {
        t->room = t->room ? t->room * 2 : FIRST_BUCKETS;
        t->all = xrealloc(t->all, t->room * sizeof(struct ingest_agent *));
    }
    a->number = t->count;
    if (!id || !read_id(id, strlen(id), a->id))
        make_id(t, a);
    memcpy(a->key, key, AGENT_KEY);
    a->gap_min_us = UINT32_MAX;
    t->all[t->count++] = a;
    t->alive++;
    link_agent(t, a);
    if (host_len > 0)
        ingest_table_claim(t, a, host, host_len);
    return a;
}

static void unlink_key(struct ingest_table *t, struct ingest_agent *a)
{
    struct ingest_agent **at = &t->keys[key_bucket(t, a->key)];

    while (*at && *at != a)
        at = &(*at)->key_next;
    if (*at)
        *at = a->key_next;
}

void ingest_table_rekey(struct ingest_table *t, struct ingest_agent *a,
                        const unsigned char key[AGENT_KEY])
{
    uint32_t bucket;

    unlink_key(t, a);
    memcpy(a->key, key, AGENT_KEY);
    bucket = key_bucket(t, key);
    a->key_next = t->keys[bucket];
    t->keys[bucket] = a;
}

static void unlink_id(struct ingest_table *t, struct ingest_agent *a)
{
    struct ingest_agent **at = &t->ids[id_bucket(t, a->id)];

    while (*at && *at != a)
        at = &(*at)->id_next;
    if (*at)
        *at = a->id_next;
}

static void free_names(struct ingest_table *t, struct ingest_agent *a)
{
    struct ingest_name *next;

    for (struct ingest_name *n = a->names; n; n = next) {
        struct ingest_name **at = &t->names[name_bucket(t, n->text, strlen(n->text))];

        next = n->sibling;
        while (*at && *at != n)
            at = &(*at)->next;
        if (*at)
            *at = n->next;
        free(n);
    }
    a->names = NULL;
}

void ingest_table_delete(struct ingest_table *t, struct ingest_agent *a)
{
    unlink_id(t, a);
    unlink_key(t, a);
    free_names(t, a);
    t->all[a->number] = NULL;
    t->alive--;
    a->status = INGEST_DELETED;
    if (a->streams == 0)
        free_agent(a);
}

void ingest_agent_release(struct ingest_agent *a)
{
    a->streams--;
    if (a->streams == 0 && a->status == INGEST_DELETED)
        free_agent(a);
}
