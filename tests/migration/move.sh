#!/bin/bash
# Moves a live registry from Debian's docker-registry to Lightship while clients pull from it by tag and digest, and push.
#
#   tests/migration/move.sh LIGHTSHIP [-d DIRECTORY] [-p PHASE]... [OPTION]...
#
# LIGHTSHIP is the program. The old registry holds images of every kind (content.py), one of them damaged. Clients know it
# as registry.example, over TLS of an own authority; the name leads to the old registry first, then to Lightship, which goes
# through every state forward, back and forward again. Meanwhile Lightship is killed twice, the copy once, and the old side
# fails for a while. Not one pull may fail, not one digest change, and nothing be copied twice; only where the server was
# just killed do clients try again, and that is counted.
#
# -p names phases to run alone, in that order (direct disabled partial10 partial50 partial100 copy verified killed old-fails
# copying deleted enabled back finished). Options: -s SECONDS for each (4), --raw N clients (4), --tags N in the large
# repository (10000), --programs A,B of skopeo crane podman, --no-pushes, --open (no accounts on either side; else everybody
# reads and one account pushes), --prove (makes faults on purpose and looks whether they are found). -d keeps everything in
# DIRECTORY. Needs root for namespaces of its own, python3, openssl, docker-registry, nginx, apache2-utils and iproute2;
# clients that are missing are left out. No network.
#
# Exit status: 0 all as expected, 1 something was not, 2 wrong usage, 3 the program does not have these commands yet.
set -eu

usage() {
    sed -n '2,21s/^# \{0,1\}//p' "$0" >&2
    exit 2
}

[ $# -ge 1 ] && [ -x "$1" ] || usage
lightship=$(realpath "$1")
shift
directory=''
if [ "${1:-}" = -d ]; then
    directory=$(realpath -m "$2")
    shift 2
fi
keep=yes
[ -n "$directory" ] || { directory=$(mktemp -d) keep=no; }
here=$(cd "$(dirname "$0")" && pwd)
finish() {
    [ $keep = yes ] || rm -rf "$directory"
}
trap finish EXIT

# shellcheck source=tests/migration/authority.sh
. "$here/authority.sh"
rm -rf "$directory/old" "$directory/new" "$directory/clients" "$directory/journal"
make_authority "$directory" registry.example old.example

printf '127.0.0.1 localhost\n127.0.0.2 registry.example\n127.0.0.3 old.example\n' >"$directory/hosts"
export directory lightship here
# A network and mounts of its own: the ports are free, the names are ours, and nothing outlives it.
unshare --mount --net --pid --fork --mount-proc --kill-child bash -c '
    set -eu
    ip link set lo up
    mount --bind "$directory/hosts" /etc/hosts
    exec python3 "$here/move.py" "$lightship" "$directory" "$@"
' move "$@"
