/* Any text: the reader comes to an end within it, labels can be asked for, and keys are stable. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net/prom.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = malloc(size + 1), value[32];
    struct prom_sample s;
    struct prom r;
    int before = 0;

    memcpy(copy, data, size);
    prom_init(&r, copy, size);
    while (prom_next(&r, &s)) {
        if (s.name < copy || s.name + s.name_len > copy + size || r.line <= before ||
            (s.labels_len && s.labels + s.labels_len >= copy + size) ||
            prom_key(&s) != prom_key(&s))
            abort();
        before = r.line;
        prom_label(&s, "le", value, sizeof(value));
    }
    free(copy);
    return 0;
}
