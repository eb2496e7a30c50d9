#!/bin/sh
# Our registry, docker-registry and nginx under the same loads, in turn; prints a table for each row.
#
#   bench/registry.sh [ROW...]
#
# Rows, all of them when none is named: manifest, head, blob, tls, push, memory (of the rows beside it), start, collection.
# Builds the program (LIGHTSHIP=PATH takes that one instead) and what is needed to measure it. Needs cargo, python3,
# curl, openssl, wrk, nginx, docker-registry (Debian packages of those names), and strace for the number of syncs.
# ROUNDS (3) and SECONDS_EACH (2) say how often and how long. Peers that are not there end it.
set -eu
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}
target=${CARGO_TARGET_DIR:-target}
[ -n "${LIGHTSHIP:-}" ] || $cargo build --quiet --release -p cli
$cargo build --quiet --release -p registry --example serve
$cargo build --quiet --release -p store --example fill
(cd bench/load && $cargo build --quiet --release)
export BINARY="${LIGHTSHIP:-$target/release/lightship}" LOAD=bench/load/target/release/load
export SERVE="$target/release/examples/serve" FILL="$target/release/examples/fill"
exec python3 bench/registry.py "$@"
