#!/bin/sh
# layers.sh LAYER... - a file of src/ includes only from its own layer and those before it on the
# command line, and a library's headers only where the table below allows it.
set -u
cd "$(dirname "$0")/.." || exit 1

# Library header prefix, and the files (globs, below src/) that may see it.
libraries='
yaml.h      spec/yaml.c
curl/       net/*
openssl/    net/*
event2/     net/* driver/* run/* target/*
nghttp2/    net/h2*
pcre2       net/pattern.c
libxml/     report/junit*.c
libpq-fe.h  net/pg.c
sqlite3.h   net/db_sqlite.c
agent/v1/   driver/agent* target/ingest*
protobuf-c/ driver/agent* target/ingest*
sodium.h    net/ed25519.c
jansson     spec/* driver/* suite/* run/journal* target/* report/* cmd/*
'

includes=$(mktemp) || exit 1
trap 'rm -f "$includes"' EXIT
find src -name '*.[ch]' -exec grep -Hno '^ *# *include *[<"][^>"]*[>"]' {} + >"$includes"

printf '%s' "$libraries" | awk -v order="$*" '
    function glob(pattern) {
        gsub(/[.]/, "[.]", pattern)
        gsub(/[*]/, "[^/]*", pattern)
        return "^" pattern "$"
    }
    function refuse(why) {
        printf "%s:%s: %s\n", path, line, why
        bad = 1
    }
    function library(header,    i, n, ok) {
        for (i = 1; i <= rules; i++) {
            if (index(header, prefix[i]) != 1)
                continue
            n = split(allowed[i], globs, " ")
            for (ok = 0; n > 0; n--)
                ok = ok || file ~ glob(globs[n])
            if (!ok)
                refuse("<" header "> belongs to " allowed[i])
        }
    }
    function layer(header,    to) {
        to = header
        if (!sub(/\/.*/, "", to)) {
            if (from != "")
                refuse("\"" header "\" does not name its layer")
        } else if (!(to in rank)) {
            refuse("there is no layer \"" to "\"")
        } else if (from in rank && rank[to] > rank[from]) {
            refuse("layer " from " lies below " to)
        }
    }
    BEGIN {
        n = split(order, names, " ")
        for (i = 1; i <= n; i++)
            rank[names[i]] = i
    }
    FILENAME == "-" {
        if (NF) {
            prefix[++rules] = $1
            $1 = ""
            allowed[rules] = substr($0, 2)
        }
        next
    }
    {
        split($0, part, ":")
        path = part[1]
        line = part[2]
        file = path
        sub(/^src\//, "", file)
        from = file
        if (!sub(/\/.*/, "", from))
            from = ""
        if (from != "" && !(from in rank))
            refuse("src/" from " is not one of the layers of the Makefile")
        header = $0
        sub(/^[^<"]*[<"]/, "", header)
        sub(/[>"]$/, "", header)
        if ($0 ~ />$/)
            library(header)
        else
            layer(header)
    }
    END { exit bad }
' - "$includes"
