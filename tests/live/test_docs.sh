. ./lib.sh

# Every suite that the documentation shows is a valid one, without a warning: each ```yaml block that
# begins with `suite:` is cut out and validated beside the files that the examples refer to.
suites=$TMP/suites
mkdir "$suites"
awk -v dir="$suites" '
    FNR == 1 { n = 0 }
    /^ *```yaml/ { first = 1; next }
    /^ *```/ { first = 0; if (out) close(out); out = ""; next }
    first {
        first = 0
        if ($0 ~ /^suite:/) {
            name = FILENAME
            gsub(/.*\/|\.md$/, "", name)
            out = dir "/" name "-" ++n ".yaml"
        }
    }
    out { print >out }
' README.md docs/*.md

printf 'name,age\nada,36\n' >"$suites/users.csv"
echo 'daemon off;' >"$suites/nginx.conf"
echo 'select 1;' >"$suites/seed.sql"
API_TOKEN=not-a-real-token
export API_TOKEN

check "the documentation has suites" test "$(ls "$suites"/*.yaml | wc -l)" -ge 10
for suite in "$suites"/*.yaml; do
    name=$(basename "$suite")
    shake 0 "$name is valid" validate "$suite"
    check "$name is valid without a warning" test ! -s "$TMP/stderr"
done
check "the examples agree with the suite schema" \
    /usr/bin/python3 tests/live/schema.py docs/suite.schema.json good "$suites"/*.yaml
