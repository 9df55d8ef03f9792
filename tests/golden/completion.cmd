cat >$TMP/try.sh <<'BASH'
source <("$SHAKEDOWN" completion bash)
try() {
    COMP_WORDS=(shakedown "$@") COMP_CWORD=$#
    _shakedown
    echo "$*: ${COMPREPLY[*]}"
}
try v
try judge --j
try judge --junit-dialect ""
try report --format j
try report -f k
try completion ""
try version --
BASH
bash $TMP/try.sh
"$SHAKEDOWN" completion zsh | head -2
"$SHAKEDOWN" completion fish | grep -e 'from completion' -e 'from version' -e '-a version'
"$SHAKEDOWN" completion sh
