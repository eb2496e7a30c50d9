#!/usr/bin/env bash
# Kills the program at random moments under pushes, deletes and collections, far more often than `cargo test` does.
#
#   tests/chaos/run.sh [KILLS] [SEED]
#
# By default 200 times with another seed each time; the seed is printed, and makes the same dice again.
set -euo pipefail
cd "$(dirname "$0")/../.."

export LIGHTSHIP_TEST_KILLS="${1:-200}"
export LIGHTSHIP_TEST_SEED="${2:-$RANDOM}"
echo "$LIGHTSHIP_TEST_KILLS kills, seed $LIGHTSHIP_TEST_SEED"
cargo test --quiet --package cli --test it -- --nocapture --exact \
  chaos::what_was_answered_is_there_after_a_kill_and_nothing_else_is_served
