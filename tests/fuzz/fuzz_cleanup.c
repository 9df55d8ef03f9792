/* Any answer of a bulk-delete endpoint: one verdict, a reason that ends, numbers that add up. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "driver/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const long statuses[] = {200, 307, 400, 401, 405, 500, 503};
    struct buf body = {0};

    buf_add(&body, data, size);
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        struct cleanup_count count = {.created = (int64_t)size};
        char why[200] = "";
        enum cleanup_verdict v =
            cleanup_judge(statuses[i], "/login", &body, &count, why, sizeof(why));

        if (count.deleted < 0 || (v == CLEANUP_DONE && count.deleted != count.created) ||
            (statuses[i] != 200 && (v == CLEANUP_DONE || v == CLEANUP_MORE)) ||
            (v >= CLEANUP_REFUSED && !*why))
            abort();
    }
    buf_free(&body);
    return 0;
}
