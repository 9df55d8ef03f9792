#!/bin/sh
# globals.sh BUILD - a symbol that only its own file uses is static.
#
# Compares what the objects define with what other objects (tests included) refer to.  An object counts
# only while its source is there.  What drivers may call (driver/driver.h) is an interface, whether or not
# one of them does today; generated code is left out.
set -u
cd "$(dirname "$0")/.." || exit 1
find src tests -name '*.c' | sed "s|^src/||; s|\.c\$|.o|; s|^|$1/|" |
    while read -r object; do
        [ ! -e "$object" ] || printf '%s\0' "$object"
    done |
    xargs -0 nm -A | awk -v interface='^(op|lane|job)_' '
    {
        object = $1
        sub(/:[^:]*$/, "", object)
        kind = $(NF - 1)
        if (kind ~ /^[BCDRT]$/ && object !~ /\/tests\//)
            where[$NF] = object
        else if (kind == "U")
            used[$NF] = 1
    }
    END {
        for (name in where) {
            if (!(name in used) && name != "main" && name !~ interface) {
                printf "%s: \"%s\" is used nowhere else: make it static, or delete it\n", where[name], name
                bad = 1
            }
        }
        exit bad
    }'
