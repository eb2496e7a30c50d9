#!/bin/sh
# Compares our order of versions with `dpkg --compare-versions`, over all versions of an index.
#
#   bench/compare-versions.sh PACKAGES...
#
# PACKAGES are unpacked Packages files. Every two neighbours in our order are compared, and as many pairs of versions
# far apart. Prints the pairs that dpkg judges otherwise, and a count; exits 1 if there are any. dpkg is called once
# for each pair, on all cores: two minutes for Debian's main/amd64 on two. Needs dpkg and cargo.
set -eu
[ $# -gt 0 ] || { sed -n '4s/^# *//p' "$0" >&2; exit 2; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sed -n 's/^Version: //p' "$@" | sort -u >"$work/versions"
cargo run --quiet -p debian --example version_claims <"$work/versions" >"$work/claims"

judge='while read -r a op b; do dpkg --compare-versions "$a" "$op" "$b" 2>/dev/null || echo "$a $op $b"; done'
split -n "l/$(nproc)" "$work/claims" "$work/share."
for share in "$work"/share.*; do
    sh -c "$judge" <"$share" >"$share.wrong" &
done
wait
cat "$work"/share.*.wrong
wrong=$(cat "$work"/share.*.wrong | wc -l)
echo "$(wc -l <"$work/versions") versions, $(wc -l <"$work/claims") pairs, $wrong judged otherwise by dpkg"
[ "$wrong" -eq 0 ]
