# What the scripts of this directory share: an engine with a store of its own, and a check that is counted. To be sourced
# after `directory`, `checks` and `failures` are set.

engine() {
    podman --root "$directory/engine" --runroot "$directory/engine-run" --runtime runc --cgroup-manager cgroupfs "$@"
}

# check WHAT PATTERN COMMAND...: the command must succeed and its output match the extended regular expression.
check() {
    local what=$1 pattern=$2 output status
    shift 2
    checks=$((checks + 1))
    output=$("$@" 2>&1)
    status=$?
    if [ $status -eq 0 ] && grep -qE -- "$pattern" <<<"$output"; then
        echo "ok    $what"
    else
        failures=$((failures + 1))
        echo "FAIL  $what (exit status $status, expected $pattern)"
        # Of a report of structure tests, the lines that tell of failures.
        grep -vE '^  (pass|skip)  |^test(ed|ing) ' <<<"$output" | head -n 40 | cut -c -200 | sed 's/^/      | /'
    fi
}
