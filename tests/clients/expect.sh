# What is expected of a command. Sourced by run.sh.

# check WHAT PATTERN COMMAND...: the command must succeed and its output match the extended regular expression.
check() {
    local what=$1 pattern=$2
    shift 2
    expect "$what" "$pattern" yes "$@"
}

# refuse WHAT PATTERN COMMAND...: the command must fail, and say why as the extended regular expression has it.
refuse() {
    local what=$1 pattern=$2
    shift 2
    expect "$what" "$pattern" no "$@"
}

# same WHAT ONE OTHER: two values must be the same, and there.
same() {
    check "$1" '^same$' test_same "$2" "$3"
}

test_same() {
    [ -n "$1" ] && [ "$1" = "$2" ] && echo same && return
    printf '%s\n' "'$1'" "'$2'"
    return 1
}

skip() {
    skipped=$((skipped + 1))
    echo "skip  $1"
}

# A client that waits for ever is a failure as well.
expect() {
    local what=$1 pattern=$2 wanted=$3 output status succeeded=no
    shift 3
    checks=$((checks + 1))
    output=$(limited "$@" 2>&1)
    status=$?
    [ $status -ne 0 ] || succeeded=yes
    if [ $succeeded = "$wanted" ] && grep -qE -- "$pattern" <<<"$output"; then
        echo "ok    $what"
    else
        failures=$((failures + 1))
        echo "FAIL  $what (exit status $status, expected $pattern): $*"
        head -n 20 <<<"$output" | cut -c -300 | sed 's/^/      | /'
    fi
}

# Functions are run here, programs with a time limit.
limited() {
    if [ "$(type -t "$1")" = function ]; then "$@"; else timeout 120 "$@"; fi
}

# The digest of the manifest on standard input.
digest_of() {
    sha256sum | sed 's/^/sha256:/; s/ .*//'
}
