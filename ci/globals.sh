#!/bin/sh
# globals.sh BUILD - a symbol that only its own file uses is static.
#
# Compares what the objects define with what other objects (tests included) refer to.  What drivers may
# call (driver/driver.h) is an interface, whether or not one of them does today; so is generated code.
set -u
find "$1" -maxdepth 4 -name '*.o' ! -path '*/fuzz/*' ! -path "$1/address/*" ! -path "$1/thread/*" \
    ! -path "$1/debug/*" ! -path "$1/cov/*" ! -path "$1/proto/*" -print0 |
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
