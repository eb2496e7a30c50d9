#!/bin/bash
# Runs the OCI distribution conformance suite against a registry of our own, with everything that a switch can enable.
#
#   tests/conformance/run.sh LIGHTSHIP [-g] [-d DIRECTORY]
#
# LIGHTSHIP is the program. -g goes by the route of a Google host instead of the default one. -d keeps the suite's
# reports, its log and the server's in DIRECTORY.
#
# Needs Go 1.24 or newer, which fetches the suite by its module's version. Prints how many tests passed, failed, were
# skipped or disabled, and whatever did not pass.
#
# Exit status: 0 all passed, 1 not all passed, 2 wrong usage or no Go.
set -u
shopt -s inherit_errexit

# Of 31 August 2026.
version=v0.0.0-20260831232431-97274622c111

usage() {
    sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

[ $# -ge 1 ] || usage
lightship=$(realpath "$1")
shift
google=no directory=''
while getopts gd: option; do
    case $option in
        g) google=yes ;;
        d) directory=$(realpath -m "$OPTARG") ;;
        *) usage ;;
    esac
done
command -v go >/dev/null || { echo "go is not installed" >&2; exit 2; }
work=$(mktemp -d)
server=
finish() {
    [ -z "$server" ] || { kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; }
    rm -rf "$work"
}
trap finish EXIT
[ -n "$directory" ] || directory=$work/reports
mkdir -p "$directory"

# What is fetched may be late once; that says nothing of the server.
for attempt in 1 2 3; do
    GOBIN=$work go install "github.com/opencontainers/distribution-spec/conformance@$version" && break
    [ "$attempt" -lt 3 ] || exit 2
    sleep $((attempt * 5))
done

# On a Google host the name begins with project and repository, and the client is not told to be on this machine.
writes=()
[ $google = no ] || writes=(--anonymous-writes)
: >"$directory/server.log"
"$lightship" serve --listen 127.0.0.1:0 --data "$work/data" --sparse-manifests "${writes[@]}" 2>"$directory/server.log" &
server=$!
address=
for _ in $(seq 100); do
    address=$(grep -oE -m 1 '127\.0\.0\.1:[0-9]+' "$directory/server.log")
    [ -z "$address" ] && kill -0 "$server" 2>/dev/null || break
    sleep 0.1
done
[ -n "$address" ] || { echo "the server does not start:" >&2; cat "$directory/server.log" >&2; exit 1; }

# Nothing but what is set here: the suite also reads variables and a file that would switch tests off.
for name in $(compgen -e OCI_); do unset "$name"; done
export OCI_REGISTRY=$address OCI_TLS=disabled OCI_VERSION=dev OCI_DATA_SPARSE=true OCI_RESULTS_DIR=$directory
if [ $google = yes ]; then
    export http_proxy=http://$address OCI_REGISTRY=us-docker.pkg.dev
    export OCI_REPO1=project/repository/one OCI_REPO2=project/other/two
fi
(cd "$work" && ./conformance) >"$directory/log" 2>&1
status=$?

sed -n '/^OCI Conformance Result/,/^ *Total/p' "$directory/log"
# Each interface and each kind of content as well: what was never tried counts nowhere in the totals, and the suite
# exits with 0 when it could not begin.
unproven=$(sed -n '/^API conformance:/,$p' "$directory/log" | grep -E '^  .+: +[A-Za-z]+$' | grep -v ': *Pass$')
failed=$(grep -E '^ +- |^ +OCI Conformance Test.*: (FAIL|Error|Skip|Disabled)$' "$directory/log")
if [ $status -ne 0 ] || [ -n "$unproven$failed" ] || ! grep -q '^OCI Conformance Result: Pass$' "$directory/log"; then
    printf '%s\n' "$failed" "$unproven" | head -n 100 | cut -c -400
    grep -q '^OCI Conformance Result' "$directory/log" || tail -n 5 "$directory/log"
    exit 1
fi
