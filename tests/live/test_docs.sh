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

# What the documentation names exists, and what is shipped is named.
grep -oh '`\(base\|net\|spec\|stats\|driver\|suite\|run\|target\|report\|cmd\)/[a-z0-9_]*\.[ch]`' docs/*.md README.md |
    tr -d '`' | sort -u >"$TMP/named"
missing() {
    while read -r file; do
        test -e "src/$file" || echo "$file"
    done <"$TMP/named"
}
check "every source file that is named exists: $(missing | tr '\n' ' ')" test -z "$(missing)"
check "files are named" test "$(wc -l <"$TMP/named")" -ge 30
unnamed() {
    for suite in suites/*.yaml; do
        grep -q "^| \`$(basename "$suite")\`" docs/suites.md || echo "$suite"
    done
}
check "every shipped suite is in the table: $(unnamed | tr '\n' ' ')" test -z "$(unnamed)"

# Every command line that stands as an example is one that the program takes, as far as it can be told
# without running it.
sed -n 's/^    *\(- run: \)\{0,1\}\(exec \)\{0,1\}shakedown \([a-z]*\) .*/\3/p' README.md docs/*.md | sort -u >"$TMP/commands"
while read -r command; do
    shake 0 "shakedown $command is a command" "$command" --help
done <"$TMP/commands"
