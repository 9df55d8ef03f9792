/* The suite reader: any bytes give a tree or a message, and every tree binds or says why not. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/arena.h"
#include "spec/opt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct inner {
    int64_t count;
    const char *text;
};

struct outer {
    int64_t pause, room;
    double rate, share;
    bool flag;
    int mode;
    struct texts list;
    const struct template *path;
    struct named_templates headers;
    struct inner inner;
    const struct node *any;
};

static const char *const modes[] = {"keep", "new", NULL};

#define OPT_OF struct inner
static const struct opt inner_table[] = {
    OPT_INT(count, "1", "a count", .min = 1, .max = 10),
    OPT_TEXT(text, NULL, "a text", .flags = OPT_PATH),
    {0},
};
#undef OPT_OF

#define OPT_OF struct outer
static const struct opt outer_table[] = {
    OPT_DURATION(pause, "1s", "a pause", .min = 1, .max = INT64_C(1000000000)),
    OPT_SIZE(room, "1KiB", "room"),
    OPT_RATE(rate, "1/s", "a rate"),
    OPT_RATIO(share, "1%", "a share"),
    OPT_BOOL(flag, "false", "a flag"),
    OPT_CHOICE(mode, "new", "a mode", .choices = modes),
    OPT_TEXTS(list, "a list"),
    OPT_TEMPLATE(path, "/", "a path"),
    OPT_TEMPLATES(headers, "headers"),
    OPT_SUB(inner, struct inner, inner_table, "more"),
    OPT_NODE(any, "anything"),
    {0},
};
#undef OPT_OF

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct diags d;
    struct bind b = {.arena = &arena, .diags = &d, .dir = "."};
    struct outer out = {0};
    const struct node *root;

    diags_init(&d, "fuzz.yaml", &arena);
    root = yaml_parse((const char *)data, size, &arena, &d);
    if (!root && !d.errors)
        abort();
    if (root) {
        node_copy(root, &arena);
        if (!opt_bind(outer_table, NULL, root, "", &out, &b) && !d.errors)
            abort();
    }
    arena_free(&arena);
    return 0;
}
