#!/bin/sh
# Makes outages again that moves of registries have had, each with the cause that is known, and looks whether Lightship
# prevents it: says it before the step, or does not do it.
#
#   tests/migration/outages.sh LIGHTSHIP [SCENE...]
#
# LIGHTSHIP is the program. Scenes, all when none is named: public-access (was not carried over), rollback-access (the old
# side lets nobody in any more), one-principal (lacks its role), moved-tag (during the copy), quota (429 with Retry-After),
# long-blob (connections do not live as long as it takes), cosign-3 (signatures that are referrers). Needs python3 and
# Debian's docker-registry. Loopback only.
#
# Exit status: 0 all as expected, 1 something was not, 2 wrong usage, 3 the program does not have these commands yet.
set -eu
[ $# -ge 1 ] || { sed -n '2,13s/^# \{0,1\}//p' "$0" >&2; exit 2; }
exec python3 "$(dirname "$0")/outages.py" "$@"
