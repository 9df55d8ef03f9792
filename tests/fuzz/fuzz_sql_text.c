/*
 * The first byte chooses the dialect.  Statements come in order, hold no NUL and at most what was
 * given; and a statement that is taken apart once more is one statement, which it would not be if a
 * quote, a comment or a parameter had been cut.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "driver/sql_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(const struct sql_statement *s, enum sql_dialect dialect, struct arena *arena)
{
    struct sql_input in = {"again", s->text, strlen(s->text), dialect, NULL, 0};
    struct sql_script script;
    struct err e;

    if (strncmp(s->text, "\xef\xbb\xbf", 3) == 0) /* a mark that only a source's begin is free of */
        return;
    if (!sql_split(&script, &in, arena, &e) || script.n != 1 || strcmp(script.v[0].text, s->text))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"a", "id"};
    struct sql_input in = {.source = "fuzz", .names = names, .name_count = 2};
    struct arena arena = {0};
    struct sql_script script;
    struct err e;
    int line = 1;

    if (size == 0)
        return 0;
    in.dialect = data[0] & 1 ? SQL_SQLITE : SQL_POSTGRES;
    in.text = (const char *)data + 1;
    in.len = size - 1;
    if (sql_split(&script, &in, &arena, &e)) {
        for (int i = 0; i < script.n; i++) {
            const struct sql_statement *s = &script.v[i];

            if (s->line < line || !*s->text || sql_line(s, SIZE_MAX) < s->line)
                abort();
            line = s->line;
            again(s, in.dialect, &arena);
        }
    }
    arena_free(&arena);
    return 0;
}
