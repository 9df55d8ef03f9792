#!/bin/sh
# peers.sh DIRECTORY - builds the load generators that Debian does not package, from their own registries, into
# DIRECTORY/bin: those whose language is installed here and that are not there yet.  One that cannot be had within
# PEERS_TIMEOUT (600 s) is left out and named; a later call goes on where this one stopped.  Always succeeds.
set -u
mkdir -p "$1" && dir=$(cd "$1" && pwd) || exit 1
limit=${PEERS_TIMEOUT:-600}
PATH=$PATH:/usr/local/go/bin:$HOME/.cargo/bin

# get NAME TOOL COMMAND...
get() {
    name=$1 tool=$2
    shift 2
    [ -x "$dir/bin/$name" ] && return
    if ! command -v "$tool" >/dev/null; then
        echo "  SKIP $name: $tool is not installed"
        return
    fi
    echo "  GET  $name"
    timeout "$limit" "$@" >"$dir/$name.log" 2>&1 </dev/null && return
    echo "  SKIP $name: $(tail -1 "$dir/$name.log" | cut -c1-100) (all of it: $dir/$name.log)"
}

export GOBIN="$dir/bin" CARGO_TARGET_DIR="$dir/cargo"
get vegeta go go install github.com/tsenart/vegeta/v12@v12.13.0
get k6 go go install go.k6.io/k6@v1.5.0
get oha cargo cargo install oha --root "$dir" --locked --no-default-features --features rustls
exit 0
