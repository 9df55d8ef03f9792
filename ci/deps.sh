#!/bin/sh
# deps.sh build|check|fuzz|bench - installs the Debian packages of that set that are missing, and says
# nothing when none is.  Needs root or sudo only if there is something to install.
set -eu

build="gcc libc6-dev pkg-config libyaml-dev libevent-dev libssl-dev libcurl4-openssl-dev
    libjansson-dev libnghttp2-dev libpcre2-dev libxml2-dev libpq-dev libsqlite3-dev ca-certificates
    protobuf-c-compiler libprotobuf-c-dev libsodium-dev"
check="$build libcmocka-dev libxml2-utils python3 python3-jsonschema python3-yaml clang-format
    binutils nginx-light postgresql apache2-bin haproxy curl openssl nghttp2-client nghttp2-server
    python3-grpcio python3-protobuf python3-cryptography protobuf-compiler iproute2 nftables pebble"

case ${1-} in
build) want=$build ;;
check) want=$check ;;
fuzz) want="$build clang libclang-rt-dev" ;;
bench) want="$build python3 python3-grpcio python3-protobuf python3-cryptography protobuf-compiler wrk hey postgresql slowhttptest nghttp2-client pebble" ;;
*)
    echo "usage: ci/deps.sh build|check|fuzz|bench" >&2
    exit 2
    ;;
esac

if ! command -v dpkg-query >/dev/null; then
    echo "ci/deps.sh: this is no Debian system; please see to it that the equivalents of these are installed:" $want >&2
    exit 0
fi

# The names of the wanted packages that are not installed, on one line.
missing() {
    for p in $want; do
        case $(dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null) in
        installed) ;;
        *) printf '%s ' "$p" ;;
        esac
    done
}

need=$(missing)
[ -n "$need" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
    root="env DEBIAN_FRONTEND=noninteractive"
elif command -v sudo >/dev/null; then
    root="sudo env DEBIAN_FRONTEND=noninteractive"
else
    echo "ci/deps.sh: neither root nor sudo is available; ask an administrator to run: apt-get install $need" >&2
    exit 1
fi

echo "  APT  $need"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

install_missing() {
    # shellcheck disable=SC2086
    $root apt-get install -o DPkg::Lock::Timeout=300 -y -q --no-install-recommends $need >"$log" 2>&1
}

# Lists that are absent or out of date make the first attempt fail; only then are they fetched.
if ! install_missing; then
    if ! $root apt-get update -q >"$log" 2>&1 || ! install_missing; then
        tail -20 "$log" >&2
        echo "ci/deps.sh: apt-get could not install: $need" >&2
        exit 1
    fi
fi
