/*
 * Any text: the reader comes to an end within it, labels can be asked for, and keys are stable.  As
 * a selector it is refused or chooses; as two readings it adds nothing to what it was.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "driver/scrape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_twice(const char *text, size_t size, enum scrape_as as)
{
    struct scrape_metric m = {.selector.name = "n", .as = as, .quantile = 0.5, .scale = 1};
    struct scrape_text t = {text, size, false};
    struct scrape_plan p = {&m, 1};
    struct scrape_series s = {0};
    struct scrape_value v;
    struct err e;

    if (scrape_read(&p, &s, true, &t, &v, &e) &&
        (!scrape_read(&p, &s, false, &t, &v, &e) || (as == SCRAPE_DELTA && v.any && v.value != 0)))
        abort();
    scrape_series_free(&s);
}

static void choose(const char *text)
{
    static const struct prom_sample sample = {"n_bucket", 8, "a=\"1\"", 5, 1};
    struct prom_selector sel;
    struct arena arena = {0};
    struct err e;

    if (prom_selector(&sel, text, &arena, &e))
        prom_matches(&sel, "_bucket", &sample);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1), value[32];
    struct prom_sample s;
    struct prom r;
    int before = 0;

    memcpy(copy, data, size);
    copy[size] = '\0';
    choose(copy);
    read_twice(copy, size, SCRAPE_DELTA);
    read_twice(copy, size, SCRAPE_QUANTILE);
    prom_init(&r, copy, size);
    while (prom_next(&r, &s)) {
        if (s.name < copy || s.name + s.name_len > copy + size || r.line <= before ||
            (s.labels_len && s.labels + s.labels_len >= copy + size) ||
            prom_key(&s, NULL) != prom_key(&s, NULL))
            abort();
        before = r.line;
        prom_label(&s, "le", value, sizeof(value));
    }
    free(copy);
    return 0;
}
