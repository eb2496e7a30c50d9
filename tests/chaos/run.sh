#!/bin/bash
# Kills the server 220 times while clients push, move and delete, and looks each time whether everything that was
# acknowledged is there, byte by byte. Takes about two minutes; LIGHTSHIP_CHAOS_KILLS is how often, LIGHTSHIP_CHAOS_SEED
# repeats a run.
#
# Exit status: 0 nothing was lost, 1 something was.
set -eu
cd "$(dirname "$0")/../.."
LIGHTSHIP_CHAOS_KILLS=${LIGHTSHIP_CHAOS_KILLS:-220} exec cargo test --quiet --package cli --test chaos -- --nocapture
