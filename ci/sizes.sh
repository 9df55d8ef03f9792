#!/bin/sh
# sizes.sh - no file over 450 lines, no function over 60.
#
# clang-format puts the braces of a function, and of nothing else, alone into the first column.
cd "$(dirname "$0")/.." || exit 1
find src tests ci -type f \( -name '*.[ch]' -o -name '*.sh' -o -name '*.py' \) -print0 |
    xargs -0 awk '
    function finish() {
        if (lines > 450) {
            printf "%s: %d lines (at most 450)\n", file, lines
            bad = 1
        }
    }
    FNR == 1 {
        finish()
        file = FILENAME
    }
    { lines = FNR }
    /^\{$/ { start = FNR }
    /^\}$/ && start {
        if (FNR - start - 1 > 60) {
            printf "%s:%d: a function of %d lines (at most 60)\n", FILENAME, start, FNR - start - 1
            bad = 1
        }
        start = 0
    }
    END {
        finish()
        exit bad
    }'
