#!/bin/sh
# Runs the OCI distribution conformance suite against a registry of our own, everything that a switch can enable.
#
#   tests/conformance/run.sh LIGHTSHIP
#
# LIGHTSHIP is the program. Needs Go 1.24 or newer, which fetches the suite by its module's version. Prints how many
# tests passed, failed, were skipped or disabled; exit status 1 unless all passed.
set -eu
[ $# -eq 1 ] || { sed -n '4s/^# *//p' "$0" >&2; exit 2; }
lightship=$(realpath "$1")
version=v0.0.0-20260831232431-97274622c111
work=$(mktemp -d)
server=
trap 'if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi; rm -rf "$work"' EXIT

GOBIN=$work go install "github.com/opencontainers/distribution-spec/conformance@$version"
"$lightship" serve --listen 127.0.0.1:0 --data "$work/data" --sparse-manifests 2>"$work/ready" &
server=$!
for _ in $(seq 100); do
    address=$(sed -n 's,^lightship serves http://,,p' "$work/ready")
    [ -z "$address" ] || break
    sleep 0.1
done
[ -n "$address" ] || { cat "$work/ready" >&2; exit 1; }

status=0
OCI_REGISTRY=$address OCI_TLS=disabled OCI_VERSION=dev OCI_DATA_SPARSE=true OCI_RESULTS_DIR=$work/results \
    "$work/conformance" >"$work/log" 2>&1 || status=$?
sed -n '/^OCI Conformance Result/,/Total/p' "$work/log"
if [ $status -ne 0 ] || grep -qE '^  (Disabled|Skip|FAIL|Error)[.]+: +[1-9]' "$work/log"; then
    grep 'msg="failed test"' "$work/log" | cut -c -400
    exit 1
fi
