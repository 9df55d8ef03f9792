/* Substitution: any text gives a value or a reason. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "spec/subst.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool lookup(void *ctx, const char *name, struct subst_value *out, struct err *e)
{
    (void)ctx;
    switch (name[0]) {
    case 'a':
        *out = (struct subst_value){.text = "${b}$$"};
        return true;
    case 'b':
        *out = (struct subst_value){.text = ""};
        return true;
    case 'c':
        *out = (struct subst_value){.text = NULL};
        return true;
    case 'd':
        *out = (struct subst_value){.text = "", .deferred = true};
        return true;
    case 's':
        *out = (struct subst_value){.text = "s", .secret = true, .services = 2};
        return true;
    default:
        return err_set(e, "no \"%s\"", name);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct err e = {{0}};
    struct subst_value v;
    char *text = arena_strndup(&arena, (const char *)data, size);

    if (subst_text(text, lookup, NULL, &arena, &v, &e)) {
        if (!v.text || (v.deferred && v.text[0]) ||
            (!strstr(text, "${") && strcmp(text, v.text) != 0))
            abort();
    } else if (!e.text[0]) {
        abort();
    }
    arena_free(&arena);
    return 0;
}
