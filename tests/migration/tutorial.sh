#!/bin/bash
# Does what docs/leave-a-registry.md says: runs the shell blocks of the page in order, in one shell.
#
#   tests/migration/tutorial.sh LIGHTSHIP [PAGE]
#
# LIGHTSHIP is the program. A block that begins with ```sh has to succeed with every command, one with ```sh refused has to
# fail. Everything happens in an empty HOME and directory, and in namespaces whose end ends the servers. Needs root,
# Debian's docker-registry, skopeo, curl and iproute2. No network but loopback.
#
# Exit status: 0 all as the page says, 1 something was not, 2 wrong usage or something is missing.
set -eu

[ $# -ge 1 ] && [ -x "$1" ] || { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
page=$(realpath "${2:-$(dirname "$0")/../../docs/leave-a-registry.md}")
for program in docker-registry skopeo curl ip; do
    command -v $program >/dev/null || { echo "$program is missing" >&2; exit 2; }
done
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
mkdir "$directory"/{bin,home,work}
ln -s "$(realpath "$1")" "$directory/bin/lightship"

awk '
    /^```sh$/ { inside = 1; next }
    /^```sh refused$/ { inside = 1; refused = 1; print "if ("; next }
    /^```/ && refused { print "); then echo \"line " NR " of the page: not refused\" >&2; exit 1; fi"; refused = 0 }
    /^```/ { inside = 0 }
    inside
' "$page" >"$directory/script"
[ -s "$directory/script" ] || { echo "$page has no shell blocks" >&2; exit 2; }

cd "$directory/work"
unshare --net --pid --fork --mount-proc --kill-child env -i PATH="$directory/bin:$PATH" HOME="$directory/home" NO_COLOR=1 \
    bash -c 'ip link set lo up && exec bash -eux -o pipefail "$1"' tutorial "$directory/script" || {
    tail -n 2 ./*.log | cut -c 1-300 >&2
    echo "$page: the last command above failed" >&2
    exit 1
}
echo "ok     every command of $(basename "$page")"
