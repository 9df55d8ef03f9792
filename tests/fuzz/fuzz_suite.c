/* Any bytes as a suite: read, checked and bound, with nothing read from disk and nothing started.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/redact.h"
#include "suite/plan.h"
#include "suite/suite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const environ[] = {"HOME=/", "TOKEN=hunter22", NULL};
    static const char *const sets[] = {"a=1", "b=${c}"};
    struct arena arena = {0};
    struct suite_source source = {.file = "fuzz.yaml",
                                  .text = (const char *)data,
                                  .len = size,
                                  .preset = "p",
                                  .sets = sets,
                                  .set_count = 2,
                                  .environ = environ,
                                  .run_id = "r",
                                  .run_dir = "/nowhere",
                                  .run_tmp = "/nowhere",
                                  .self = "self",
                                  .names_only = true,
                                  .stored = true};
    struct diags diags;
    struct suite *suite;
    struct plan plan;

    diags_init(&diags, source.file, &arena);
    suite = suite_load(&source, &arena, &diags);
    if (suite) {
        plan_make(&plan, suite, &arena);
        suite_publish(suite, "a", "", "1s");
        for (int i = 0; i < suite->phase_count; i++)
            suite_bind_phase(suite, &suite->phases[i], &diags);
    }
    arena_free(&arena);
    redact_reset();
    return 0;
}
