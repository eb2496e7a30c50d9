#!/bin/sh
# Moves a registry with Lightship and with its peers, in turn; prints a table for each row.
#
#   bench/migrate.sh [ROW...]
#
# Rows, all of them when none is named: copy (everything into an empty Lightship), again (with nothing to do, requests
# counted), google (the same where both sides have Google's listing), delay (copy from a source that is 20 ms away), memory
# (the peak of ours), remote (a remote repository: the first manifest, and 50 clients on a cold image of 1 GB).
#
# The source is Debian's docker-registry with 60 repositories, 1,500 tags and 5 GB (migrate_fixture.py), made once and kept
# in DIRECTORY (/var/tmp). SCALE (1) makes it smaller for trials, ROUNDS (3) says how often. PEERS names the only tools to
# run, of lightship skopeo crane gcrane regsync; those that are not installed are left out. The program is built, or
# LIGHTSHIP=PATH. On ext4 nothing large should have been removed in the six minutes before. Needs python3, curl, openssl,
# docker-registry and nginx (Debian packages of those names).
set -eu
cd "$(dirname "$0")/.."
[ -n "${LIGHTSHIP:-}" ] || ${CARGO:-cargo} build --quiet --release -p cli
BINARY=$(realpath "${LIGHTSHIP:-${CARGO_TARGET_DIR:-target}/release/lightship}")
export BINARY PYTHONPATH=tests/migration
exec python3 bench/migrate.py "$@"
