#!/bin/sh
# A remote repository of ours, and Debian's docker-registry as a mirror, in front of Debian's docker-registry; prints a
# table for each row.
#
#   bench/remote.sh [ROW...]
#
# Rows, all of them when none is named: manifest (of a cold image, beside the upstream's own time), clients (many at once
# pulling one cold image, beside the same when it is there).
# Builds the program (LIGHTSHIP=PATH takes that one instead). Needs cargo, python3, curl and docker-registry.
# ROUNDS (3), CLIENTS (50) and MEGABYTES (1000, of the image) say how much.
set -eu
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}
target=${CARGO_TARGET_DIR:-target}
[ -n "${LIGHTSHIP:-}" ] || $cargo build --quiet --release -p cli
export BINARY="${LIGHTSHIP:-$target/release/lightship}"
exec python3 bench/remote.py "$@"
