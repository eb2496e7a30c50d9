#!/usr/bin/env bash
# cc-debian13 for amd64 against what else makes a root file system of the same packages, in one run.
#
# usage: bench/build-cc.sh [LIGHTSHIP] [ROUNDS]
#   Peers: `dpkg-deb --fsys-tarfile | gzip -6` over the very same package files (what a script would do), and mmdebstrap
#   with the same package list and the same files from a local mirror directory. Needs Python 3; mmdebstrap where installed.
#   MIRROR (optional): base URI of a Debian mirror for mmdebstrap.
set -euo pipefail
cd "$(dirname "$0")/.."
lightship=$(realpath "${1:-target/release/lightship}")
rounds=${2:-7}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cache=$work/cache
export LIGHTSHIP_BENCH_CACHE=$cache
"$lightship" build cc-debian13 --arch amd64 --cache "$cache" -o "oci:$work/warm" -q
mapfile -t debs < <(find "$cache/packages" -type f)
echo "${#debs[@]} packages, $(du -cb "${debs[@]}" | tail -n 1 | cut -f 1) bytes"

cold="rm -rf $cache/layers $cache/images $cache/entries $cache/generated $work/out"
build="$lightship build cc-debian13 --arch amd64 --locked --cache $cache -o oci:$work/out --progress none"
( cd "$work" && "$lightship" lock cc-debian13 --arch amd64 --cache "$cache" -q )
cat > "$work/dpkg-gzip.sh" <<'S'
mkdir -p "$1"; i=0
for deb in $(find "$LIGHTSHIP_BENCH_CACHE/packages" -type f); do i=$((i+1)); dpkg-deb --fsys-tarfile "$deb" | gzip -6 > "$1/$i.tar.gz"; done
S

programs=(
  "lightship, layers not cached" --prepare "$cold" "cd $work && $build"
  "lightship, nothing changed" "cd $work && $build"
  "dpkg-deb | gzip -6" --prepare "rm -rf $work/layers" "sh $work/dpkg-gzip.sh $work/layers"
)
if command -v mmdebstrap >/dev/null && [ -n "${MIRROR:-}" ]; then
  packages=base-files,netbase,tzdata,media-types,ca-certificates,libc6,libssl3t64,libzstd1,zlib1g,libgomp1,libstdc++6,libgcc-s1,gcc-14-base
  # The packages come from its own cache of .debs, filled by the uncounted round, so that no download is counted.
  mkdir -p "$work/apt-archives"
  programs+=("mmdebstrap" "mmdebstrap --variant=custom --include=$packages --aptopt='Dir::Cache::archives \"$work/apt-archives\"' --skip=essential/unlink,cleanup/apt trixie $work/rootfs.tar.gz '$MIRROR'")
fi
python3 bench/interleave.py "$rounds" "${programs[@]}"
