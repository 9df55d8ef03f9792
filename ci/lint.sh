#!/bin/sh
# lint.sh BUILD COMPILER LAYER... - everything that can be said about the sources without running them.
# Each check prints what it finds; the exit code tells whether any found something.
set -u
build=$1 compiler=$2
shift 2
cd "$(dirname "$0")/.." || exit 1
found=0

check() {
    name=$1
    shift
    if "$@"; then
        echo "  LINT $name"
    else
        echo "lint: $name: see above"
        found=1
    fi
}

formatted() {
    lines=$(find src tests -name '*.[ch]' -print0 | xargs -0 clang-format --dry-run 2>&1 |
        sed -n 's/^\([^ :]*:[0-9]*\):.*clang-format-violations.*/\1/p' | uniq)
    [ -z "$lines" ] || printf '%s\n' "$lines" "(make format mends these)"
    [ -z "$lines" ]
}

# A header that needs another one included first would make the order of includes matter.
lone_headers() {
    find src tests -name '*.h' -print0 |
        xargs -0 -P "$(nproc)" -I{} $compiler -Werror -Wno-unused-macros -fsyntax-only -include {} -x c /dev/null
}

unmarked() {
    ! grep -rnE '\b(TODO|FIXME|XXX|HACK)\b' src tests suites fixtures docs Makefile --include='*.[ch]' \
        --include='*.sh' --include='*.py' --include='*.yaml' --include='*.md' --include=Makefile
}

printable() {
    ! grep -rnP '\t| +$' src tests ci suites fixtures --include='*.[ch]' --include='*.sh' \
        --include='*.yaml' --include='*.py' --exclude=yaml-tab.yaml
}

# A newcomer finds each header in the table of docs/architecture.md; the fleet's have a line for all.
described() {
    missing=$(for header in src/*/*.h; do
        layer=$(basename "$(dirname "$header")")
        name=$(basename "$header" .h)
        case $name in agent_* | ingest_*) continue ;; esac
        grep "^| \`$layer/\` " docs/architecture.md | grep -q "\`$name\`" || echo "$layer/$name.h"
    done)
    [ -z "$missing" ] || echo "not in the table of docs/architecture.md, \"What is where\":" $missing
    [ -z "$missing" ]
}

shell_syntax() {
    for s in ci/*.sh tests/*/*.sh; do
        sh -n "$s" || return 1
    done
}

check layers ci/layers.sh "$@"
check sizes ci/sizes.sh
check globals ci/globals.sh "$build"
check "lone headers" lone_headers
check format formatted
check "unfinished marks" unmarked
check "tabs and trailing blanks" printable
check "headers described" described
check "shell syntax" shell_syntax
exit $found
