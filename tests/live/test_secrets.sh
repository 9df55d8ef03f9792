. ./lib.sh

LIVE_SECRET='canary/7f3a+"quoted" & spaced'
LIVE_SECRET_ENCODED='canary%2F7f3a%2B%22quoted%22%20%26%20spaced'
export LIVE_SECRET LIVE_SECRET_ENCODED

# Fails if any form of the secret is anywhere in the files.
absent() {
    ! grep -rlF -e "$LIVE_SECRET" -e 'canary/7f3a' -e 'canary%2F7f3a' -e 'canary%2f7f3a' \
        -e "$(printf '%s' "$LIVE_SECRET" | base64 -w 0)" -e "$(printf '%s' "user:$LIVE_SECRET" | base64 -w 0)" "$@"
}

run 1 "a run that uses a secret" tests/live/suites/secrets.yaml
check "the secret is in no report, log or output" absent "$OUT" "$TMP/stdout" "$TMP/stderr"
check "the service that told it is redacted" grep -q '\*\*\*' "$OUT/services/talker.log"

program run tests/live/suites/secrets.yaml --dry-run --show-origin >"$TMP/stdout" 2>"$TMP/stderr"
expect_code 0 $? "a plan that uses a secret"
check "the secret is not in the plan" absent "$TMP/stdout" "$TMP/stderr"
shake 1 "judge: a run that used a secret" judge "$OUT"
check "the secret is not in what judge says" absent "$TMP/stdout" "$TMP/stderr"

unset LIVE_SECRET
run 2 "the secret is missing" tests/live/suites/secrets.yaml

# The url of a database is for the driver, and no argument of a program that the suite starts.
CERTCTL_DB=postgres://u:canary7f3a@127.0.0.1:1/x
export CERTCTL_DB
unset CERTCTL_BASE
run 2 "a url's password on a command line" suites/certctl-bulk.yaml --preset smoke
check "that password: the service, its place and the cure" grep -qE \
    'certctl-bulk.yaml:[0-9]+:[0-9]+: services.certctl: the password of a url must not stand on a command line' "$TMP/stderr"
check "that password: it is not told" sh -c "! grep -F canary7f3a '$TMP/stderr' '$TMP/stdout'"
CERTCTL_BASE=http://127.0.0.1:1/
export CERTCTL_BASE
run 3 "a url's password for the driver alone" suites/certctl-bulk.yaml --preset smoke
unset CERTCTL_BASE CERTCTL_DB
