/* Templates: what compiles renders within its bound, whole or cut, the same each time. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "spec/dataset.h"
#include "spec/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *columns[] = {"id", "name"};
static const char *cells[] = {"1", "x", "22", "yy"};
static const bool numeric_columns[] = {true, false};
static const struct dataset rows = {columns, 2, cells, 2, numeric_columns};
static const char *const captures[] = {"leaf", NULL};
static const char *const values[] = {"0123456"};

static void render(const struct template *t, uint64_t iteration)
{
    uint64_t rng = iteration, again = iteration;
    struct template_values v = {
        .iteration = iteration, .vu = 1, .agent = 7, .rng = &rng, .captures = values};
    size_t bound = template_bound(t, strlen(values[0])), room = bound / 2, len;
    char *whole = malloc(bound + 1), *cut = malloc(room + 1);

    len = template_render(t, &v, whole, bound);
    v.rng = &again;
    if (len > bound || template_render(t, &v, cut, room) != len || rng != again)
        abort();
    free(whole);
    free(cut);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct template_scope scope = {&rows, captures, true};
    struct arena arena = {0};
    struct err e = {{0}};
    char *text = arena_strndup(&arena, (const char *)data, size);
    const struct template *t = template_compile(text, &scope, &arena, &e);
    bool numeric;

    if (!t && !e.text[0])
        abort();
    if (t) {
        template_is_single(t, &numeric);
        render(t, 0);
        render(t, 1);
        render(t, UINT64_MAX);
    }
    arena_free(&arena);
    return 0;
}
