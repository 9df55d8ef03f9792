/* Memory for large tables: zero whatever lay there before, and where huge pages can be. */
#include "base/mem.h"

#include <stdint.h>
#include <string.h>

#include "unit.h"

static void large_tables_are_zero_and_aligned(void **state)
{
    const size_t sizes[] = {1, MEM_HUGE - 1, MEM_HUGE, 3 * MEM_HUGE + 12345};

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
        for (int again = 0; again < 2; again++) { /* the second time it may be the same, used */
            char *p = xcalloc_huge(sizes[i], 1);

            if (sizes[i] >= MEM_HUGE)
                assert_int_equal((uintptr_t)p % MEM_HUGE, 0);
            for (size_t k = 0; k < sizes[i]; k++)
                assert_true(p[k] == 0);
            memset(p, 1, sizes[i]);
            free(p);
        }
}

UNIT_GROUP(mem, cmocka_unit_test(large_tables_are_zero_and_aligned));
