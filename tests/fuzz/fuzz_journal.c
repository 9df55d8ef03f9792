/* Any file taken for a journal: read to its end, within its bounds, or refused with a reason. */
#include <stdint.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "run/journal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct buf text = {0};
    struct past p;
    struct err e = {0};

    buf_add(&text, data, size);
    if (!journal_parse(buf_text(&text), text.len, "fuzz", &p, &arena, &e) && !e.text[0])
        abort();
    for (int i = 0; i < p.service_count; i++)
        if (!p.services[i].name || p.services[i].port_count > 16)
            abort();
    buf_free(&text);
    arena_free(&arena);
    return 0;
}
