#include "net/pattern.h"

#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"

#define MATCH_LIMIT 1000000

struct pattern {
    const char *literal; /* a text without metacharacters is simply searched for */
    size_t len;
    pcre2_code *code;
    pcre2_match_context *limits;
};

static void *from_arena(size_t size, void *arena)
{
    return arena_alloc(arena, size);
}

static void keep(void *memory, void *arena)
{
    (void)memory, (void)arena;
}

const struct pattern *pattern_compile(const char *text, struct arena *arena, struct err *e)
{
    struct pattern *p = arena_new(arena, struct pattern);
    pcre2_general_context *memory = pcre2_general_context_create(from_arena, keep, arena);
    pcre2_compile_context *ctx = pcre2_compile_context_create(memory);
    unsigned char reason[160];
    size_t at;
    int code;

    p->len = strlen(text);
    if (!strpbrk(text, "\\^$.[]|()?*+{}#")) {
        p->literal = arena_strdup(arena, text);
        return p;
    }
    p->code = pcre2_compile((PCRE2_SPTR)text, p->len, PCRE2_UTF | PCRE2_MATCH_INVALID_UTF, &code,
                            &at, ctx);
    if (!p->code) {
        pcre2_get_error_message(code, reason, sizeof(reason));
        err_set(e, "\"%s\" is not a pattern: %s at character %zu", text, (char *)reason, at + 1);
        return NULL;
    }
    p->limits = mem_check(pcre2_match_context_create(memory));
    pcre2_set_match_limit(p->limits, MATCH_LIMIT);
    return p;
}

bool pattern_search(const struct pattern *p, const char *text, size_t len)
{
    pcre2_match_data *found;
    int rc;

    if (p->literal)
        return p->len == 0 || (len > 0 && memmem(text, len, p->literal, p->len));
    found = mem_check(pcre2_match_data_create(1, NULL));
    rc = pcre2_match(p->code, (PCRE2_SPTR)(text ? text : ""), len, 0, 0, found, p->limits);
    pcre2_match_data_free(found);
    return rc >= 0;
}

static bool find_literal(const struct pattern *p, const char *text, size_t len, size_t *at,
                         size_t *size)
{
    const char *found = p->len == 0 ? text : len ? memmem(text, len, p->literal, p->len) : NULL;

    *at = found ? (size_t)(found - text) : 0;
    *size = p->len;
    return p->len == 0 || found != NULL;
}

bool pattern_find(const struct pattern *p, const char *text, size_t len, size_t *at, size_t *size)
{
    pcre2_match_data *found;
    size_t *places, group;
    int rc;

    if (p->literal)
        return find_literal(p, text, len, at, size);
    found = mem_check(pcre2_match_data_create(2, NULL));
    rc = pcre2_match(p->code, (PCRE2_SPTR)(text ? text : ""), len, 0, 0, found, p->limits);
    places = pcre2_get_ovector_pointer(found);
    group = rc != 1 && places[2] != PCRE2_UNSET ? 2 : 0; /* 0: there are more groups than places */
    if (rc >= 0) {
        *at = places[group];
        *size = places[group + 1] - places[group];
    }
    pcre2_match_data_free(found);
    return rc >= 0;
}
